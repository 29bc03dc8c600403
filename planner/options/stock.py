"""Columns of a fleet over time: lots of systems that stand, and work that occupies them. Data only.

Groups are hardware that is interchangeable; every lot, serving unit and run names its group. Money is present value at
the plan's start, USD; arrays by period (T,) or by year of the plan (K,).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from planner.network.fabric import Fabric
from planner.options.option import Acquire, Dropped, Role

Floats = NDArray[np.float64]

PER_DAY = 1440
"""Schedules count whole minutes."""


@dataclass(frozen=True)
class Group:
    """Interchangeable systems at one place. Figures are of one system."""

    id: str
    location: str
    site: str
    system: str
    chip: str
    cooling: str
    vendor: str
    interconnect: str
    fabric: Fabric
    chips: int
    racks: float
    peak_w: float
    """At the meter; 0 for rented ones, which draw another's power."""
    levels: tuple[str, ...] = ()
    """Levels of the capacity tree above it."""
    owner: str = ""
    """The workload whose own systems these are; empty where whatever needs them may use them."""


@dataclass(frozen=True)
class Lot:
    """Systems of a group that are there from one period until another. Figures are of one system."""

    id: str
    group: int
    acquire: Acquire
    begin: int
    end: int
    most: int
    cost_usd: float
    capex_usd: float
    carbon_t: float
    opex_usd: Floats
    """(K,) not discounted."""
    carbon_by_year_t: Floats
    water_by_year_m3: Floats
    term: str = ""
    """Of rent: on_demand, 1y, 3y."""


@dataclass(frozen=True)
class Work:
    """A serving unit that may work in any period. ``cost_usd`` and the like (T,): of one unit working that period."""

    id: str
    workload: str
    role: Role
    group: int
    systems: int
    """Whole systems; 1 of a part, which stands in one."""
    chips: int
    replicas: int
    rates: Mapping[str, float]
    precision: str
    layout: Mapping[str, int]
    cost_usd: Floats
    opex_usd: Floats
    """(T,) not discounted, as are carbon and water."""
    carbon_t: Floats
    water_m3: Floats
    part: int = 0
    """Chips of the part of a system that it occupies; 0 where it takes whole systems."""


@dataclass(frozen=True)
class Start:
    """A run that begins at a slot: when it is done, and what its work costs then."""

    slot: int
    last_slot: int
    finish_days: float
    """From the plan's start."""
    cost_usd: float
    opex_usd: Floats
    """(K,)"""
    carbon_by_year_t: Floats
    water_by_year_m3: Floats
    due_days: float | None = None
    """Of a run that fits into its slot with time to spare: the day by which it ends there, beginning at any moment of
    it. None: it begins with its slot."""


@dataclass(frozen=True)
class Run:
    """A run on a group with so many systems, spares in; it may begin at any of its starts."""

    id: str
    workload: str
    role: Role
    group: int
    systems: int
    spares: int
    chips: int
    days: float
    precision: str
    layout: Mapping[str, int]
    starts: tuple[Start, ...]
    term: str = ""
    """Of a run on systems rented for it alone, which occupies nothing of its group: on_demand, 1y, 3y."""

    @property
    def minutes(self) -> int:
        """Whole minutes that it takes."""
        return math.ceil(self.days * PER_DAY - 1e-3)


@dataclass(frozen=True)
class Demand:
    """What a load asks for: rate of each phase, by period (T,)."""

    workload: str
    rate: Floats
    phases: tuple[str, ...]
    least_chips: int = 0
    """Chips that it must use in every period."""


@dataclass(frozen=True)
class Stock:
    """All columns of a fleet over time, and what must be done. ``slots`` (S,): the period of each slot."""

    periods: int
    slots: tuple[int, ...]
    years: int
    period_years: Floats
    """(T, K): years of each period in each year of the plan."""
    groups: tuple[Group, ...]
    lots: tuple[Lot, ...]
    works: tuple[Work, ...]
    runs: tuple[Run, ...]
    demands: tuple[Demand, ...]
    run_names: tuple[str, ...]
    """Workloads that must be run once."""
    order: tuple[tuple[str, str], ...] = ()
    """(before, after)"""
    installed: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """{(site, system): how many stand there at the start}"""
    slot_days: tuple[float, ...] = ()
    """(S+1,) days from the plan's start at which slots begin, and the last one ends; none: runs take whole slots."""

    def minute(self, slot: int) -> int:
        """Minutes from the plan's start at which a slot begins."""
        return round(self.slot_days[slot] * PER_DAY)


@dataclass(frozen=True)
class Able:
    """Something that can be done for a workload, as counting sees it."""

    workload: str
    rates: Mapping[str, float]


@dataclass(frozen=True)
class StockSet:
    """The stock of a scenario and how it was found."""

    stock: Stock
    dropped: tuple[Dropped, ...]
    enumerated: int
    candidates: int
    pruned: int
    best_effort: Mapping[tuple[str, str], float] = field(default_factory=dict)

    @property
    def options(self) -> tuple[Able, ...]:
        """What units and runs can do."""
        units = tuple(Able(w.workload, w.rates) for w in self.stock.works)
        return units + tuple(Able(r.workload, {"run": 1.0}) for r in self.stock.runs)

    @property
    def size(self) -> int:
        """Lots, units and runs to choose from."""
        return len(self.stock.lots) + len(self.stock.works) + len(self.stock.runs)


Keep = Literal["horizon", "years", "periods"]
