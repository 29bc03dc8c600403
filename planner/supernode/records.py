"""The records that are compared: levels of remote memory, mechanisms taken away, and who moves the bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from planner.catalog import Catalog
from planner.catalog.records import Chip, System
from planner.network.capability import domain_chips

Figures = Mapping[str, float | str]
LEVEL_RECORDS: Mapping[str, tuple[str, Figures]] = {
    "L0": (
        "a stack of servers: fast links end at the server, the rest goes through network cards",
        {"remote_access": "nic", "address_scope": "server", "coherent_scope": "none"},
    ),
    "L1": (
        "engines copy over the domain: fast links join all of it",
        {"remote_access": "copy", "address_scope": "server", "coherent_scope": "none"},
    ),
    "L2": (
        "one address space: host memory and rows of the domain are one pool",
        {"remote_access": "copy", "address_scope": "domain", "coherent_scope": "none"},
    ),
    "L3": (
        "cores load and store: small reads cost no message",
        {"remote_access": "load_store", "address_scope": "domain", "coherent_scope": "none"},
    ),
    "L4": (
        "coherent by hardware: small writes cost no message",
        {"remote_access": "load_store", "address_scope": "domain", "coherent_scope": "domain"},
    ),
}
"""What each level adds, and its record."""
TAKEN_AWAY: Mapping[str, Figures] = {
    "fast links beyond the server": LEVEL_RECORDS["L0"][1],
    "one address space": {**LEVEL_RECORDS["L4"][1], "address_scope": "server"},
    "loads and stores by cores": {**LEVEL_RECORDS["L4"][1], "remote_access": "copy"},
    "coherence by hardware": {**LEVEL_RECORDS["L4"][1], "coherent_scope": "none"},
}
"""Mechanisms, and the record of the highest level without each (where fast links end at the server nothing is
pooled)."""
CORES, ENGINES = "cores", "collective_engines"


@dataclass(frozen=True)
class MoverCase:
    """One way to move the bytes of collectives: a name, and what is assumed of the chip."""

    name: str
    words: str
    assumed: Figures


def is_supernode(system: System, chip: Chip) -> bool:
    """Whether its scale-up domain reaches beyond one server."""
    servers = system.get("chips_per_server") if system.kind != "server" else None
    return servers is not None and domain_chips(system, chip) > servers


def mover_cases(catalog: Catalog) -> tuple[MoverCase, ...]:
    """Cores, engines at their central figures, and engines that hide as much more as was measured beside kernels."""
    cores, engines = (catalog.interconnects[f"mover_{name}"] for name in (CORES, ENGINES))
    most = engines.figure("overlap_factor")
    high = 1.0 if most is None else most.high or most.value or 1.0
    sigma = {CORES: cores.need("comm_core_share"), ENGINES: engines.need("comm_core_share")}
    return (
        MoverCase("cores", f"{sigma[CORES]:.0%} of the compute cores move bytes while they are moved",
                  {"moves_bytes": CORES, "comm_core_share": sigma[CORES], "overlap_factor": 1.0}),
        MoverCase("engines", f"engines move them, {sigma[ENGINES]:.0%} of the cores are taken",
                  {"moves_bytes": ENGINES, "comm_core_share": sigma[ENGINES], "overlap_factor": 1.0}),
        MoverCase("engines, most overlap", f"and hide {high:.3g} times as much (measured beside kernels only)",
                  {"moves_bytes": ENGINES, "comm_core_share": sigma[ENGINES], "overlap_factor": high}),
    )  # fmt: skip
