"""Who moves the bytes of collectives, and what that takes from compute: the record of a chip that acts.

A chip names its mover (``moves_bytes``); movers are records of the catalog (``mover_cores``, ``mover_copy_engines``,
``mover_collective_engines``, ``mover_switch``) with sigma, the share of compute cores that communication takes, and
with how much of a schedule's overlap is realised over that of core-driven collectives. A chip's own figures go before
its mover's.
"""

from __future__ import annotations

from dataclasses import dataclass

from planner.catalog import Catalog
from planner.catalog.records import Chip

DEFAULT_MOVER = "cores"


@dataclass(frozen=True, slots=True)
class Mover:
    """``core_share``: sigma, 0 to 1. ``overlap_factor`` multiplies the share of communication that a stack hides."""

    name: str
    core_share: float
    overlap_factor: float
    in_switch_reduction: bool
    """All-reduce done by the switch of the scale-up domain."""


def mover_of(catalog: Catalog, chip: Chip) -> Mover:
    """Who moves bytes on a chip. Raises ``UnknownFigureError`` where a catalog lacks the mover's sigma."""
    name = chip.text("moves_bytes") or DEFAULT_MOVER
    record = catalog.interconnects[f"mover_{name}"]
    sigma, factor = chip.get("comm_core_share"), chip.get("overlap_factor")
    return Mover(
        name=name,
        core_share=record.need("comm_core_share") if sigma is None else sigma,
        overlap_factor=(record.get("overlap_factor") or 1.0) if factor is None else factor,
        in_switch_reduction=chip.text("in_switch_reduction") == "yes",
    )
