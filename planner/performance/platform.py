"""What the performance model knows of hardware: one (system, chip, cooling) with numbers in SI units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from planner.network.remote import RemoteMemory
from planner.network.tiers import Tier
from planner.performance.measured.neighbours import Neighbours
from planner.performance.measured.spread import Spread


@dataclass(frozen=True)
class Platform:
    """A system with one chip variant in one cooling, compiled from the catalog.

    Rates are FLOP/s (or OP/s) dense per chip by precision name (``bf16``, ``fp8``, ``int8``, ``fp4``); memory in bytes
    and bytes/s. ``system_chips`` is what is bought whole. ``family`` selects calibration
    (``nvidia_hopper``, ``mtt``, ...). ``comm_core_share`` is sigma of the overlap model: share of compute cores that
    communication takes (0 where an engine does it, such as the ACE of the S5000).
    """

    system_id: str
    chip_id: str
    cooling_id: str
    vendor: str
    family: str
    peak_flops: Mapping[str, float]
    memory_bytes: float
    memory_bandwidth: float
    host_bandwidth: float
    tiers: tuple[Tier, ...]
    system_chips: int
    server_chips: int
    part_chips: int = 0  # the smallest part of a system that work occupies by itself; 0: the system
    largest_job: int = 1 << 40  # chips that one job may take at most
    comm_core_share: float = 0.15
    host_memory_bytes: float | None = None  # of the host, per chip; None: not published, no limit here
    clock_factor: float = 1.0  # of cooling or power cap; multiplies compute rates
    cap_speed: float = 1.0  # what a power cap leaves of compute speed; part of ``clock_factor`` already
    # matrix rate over that of its family's chips, of a chip whose matrix units alone were cut; 1 of all others. What
    # ``clock_factor`` holds for it is ``cut_headroom``, for models that know no more of it
    matrix_share: float = 1.0
    cut_headroom: float = 1.0
    # more of a schedule's overlap than core-driven collectives realise
    overlap_factor: float = 1.0
    # memories that network cards reach: both | device | host
    nic_access: str = "both"
    # how a chip reaches memory of other chips and hosts
    remote: RemoteMemory = field(default_factory=RemoteMemory)
    # fields of the family's kernel law to put in its place, and calibrated levels (``speed``, ``speed.<profile>``)
    efficiency: Mapping[str, float] = field(default_factory=dict)
    # chips.<id>.<field> names of figures nobody has published, so that what needs one can say which
    unknown: Mapping[str, str] = field(default_factory=dict)
    # measured training runs whose residuals correct estimates near them
    neighbours: Neighbours = field(default_factory=Neighbours, compare=False, repr=False)
    # constants and levels of serving that a user's own runs correct; None: the shipped ones
    serving: Any = field(default=None, compare=False, repr=False)
    # 80% intervals of training times
    spread: Spread = field(default_factory=Spread)
