"""The tiers a chip talks through, innermost first: what the network room hands to the performance room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tier:
    """One level of the network.

    ``size``: chips inside one domain of this tier (the last tier spans everything). ``bandwidth``: bytes/s per chip,
    one direction, of the raw link. ``latency``: start-up seconds of one collective step. ``efficiency``: fraction of
    ``bandwidth`` that large collectives reach. ``oversubscription`` >= 1 divides bandwidth of traffic leaving a domain
    of the tier below. ``in_switch_reduction``: all-reduce done by the switch. ``adapter_chips``: chips that share one
    network adapter, whose rate is theirs together. ``flow``: share of the rate that one flow to a distant chip reaches.
    ``dimensions``: of a torus, 0 where switches join the tier.
    """

    name: str
    size: int
    bandwidth: float
    latency: float
    efficiency: float
    oversubscription: float = 1.0
    in_switch_reduction: bool = False
    adapter_chips: float = 1.0
    kind: str = ""  # scale_up | scale_out
    flow: float = 1.0
    dimensions: int = 0

    def evenly(self, size: Floats) -> Floats:
        """Share of the rate that traffic spread evenly over ``size`` neighbouring chips reaches, array like ``size``.

        A torus of n^d chips with 2d links each passes 8 b / n a chip of evenly spread traffic over links of b, of
        R = 2 d b: 4 R / (d n). 1 where switches join the tier.
        """
        if not self.dimensions:
            return np.ones_like(size)
        side = np.maximum(size, 1.0) ** (1.0 / self.dimensions)
        return np.minimum(1.0, 4.0 / (self.dimensions * side))
