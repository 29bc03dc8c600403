"""The tiers a chip talks through, innermost first: what the network room hands to the performance room."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tier:
    """One level of the network.

    ``size``: chips inside one domain of this tier (the last tier spans everything). ``bandwidth``: bytes/s per chip,
    one direction, of the raw link. ``latency``: start-up seconds of one collective step. ``efficiency``: fraction of
    ``bandwidth`` that large collectives reach. ``oversubscription`` >= 1 divides bandwidth of traffic leaving a domain
    of the tier below. ``in_switch_reduction``: all-reduce done by the switch. ``adapter_chips``: chips that share one
    network adapter, whose rate is theirs together.
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
