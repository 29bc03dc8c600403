"""Columns of a fleet over time: lots of systems that stand, and work that occupies them. Data only.

Groups are hardware that is interchangeable; every lot, serving unit and run names its group. Money is present value at
the plan's start, USD; arrays by period (T,) or by year of the plan (K,).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from planner.network.fabric import Fabric
from planner.options.option import Acquire, Dropped, Role
from planner.options.work.redundancy import Redundancy
from planner.scenario.kinds.daily import Hours
from planner.scenario.topology import FAT_TREE, Topology

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
    power_cap: float = 1.0
    """Share of the chips' TDP that they are held to."""
    topology: Topology = FAT_TREE
    """Design of the scale-out network that they take ports of."""


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
    hours: Hours = ()
    """Of each day, in which it is there; none: all of them."""


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
    cache_pool: str = ""
    """The replicas that hand caches to each other (``work.serving.cache_pool``)."""
    part: int = 0
    """Chips of the part of a system that it occupies; 0 where it takes whole systems."""
    hours: Hours = ()
    """Of each day, in which it is on; none: all of them."""


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
    tokens_per_s: float = 0.0
    """Tokens or samples a second while it runs."""
    term: str = ""
    """Of a run on systems rented for it alone, which occupies nothing of its group: on_demand, 1y, 3y."""
    hours: Hours = ()
    """Of each day, in which it works, in the valleys of loads; none: all of them."""
    mix: str = ""
    """Of a run on two kinds of systems: what its two sides have in common; they begin together."""
    lead: bool = True
    """Whether it is the side that is counted as the run."""

    @property
    def minutes(self) -> int:
        """Whole minutes that it takes."""
        return math.ceil(self.days * PER_DAY - 1e-3)


@dataclass(frozen=True)
class Demand:
    """What a load asks for: rate of each phase, by period (T,)."""

    workload: str
    """Of loads that share replicas the first."""
    rate: Floats
    phases: tuple[str, ...]
    least_chips: int = 0
    """Chips that it must use in every period."""
    redundancy: Redundancy | None = None
    """What may fail; its rate is that of each period."""
    tokens: float = 1.0
    """Tokens of a request, prompt and answer; 1 of a sample."""
    more: bool = False
    """Whether answering more than is asked is worth something."""
    classes: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """{class of requests: (share of the demand, tokens of a request)}; rates of units are then by class."""
    rate_of: Mapping[str, Floats] = field(default_factory=dict)
    """{load: its part of the rate} of loads that share replicas; none: the load alone."""
    below_peak: tuple[tuple[int, float], ...] = ()
    """(hours, share of the peak) of a load by the hour: in so many hours of a day at least so much of it is asked."""

    @property
    def loads(self) -> tuple[str, ...]:
        """All loads whose demand this is."""
        return tuple(self.rate_of) or (self.workload,)

    def rule(self, period: int) -> Redundancy | None:
        """What may fail in a period."""
        return None if self.redundancy is None else replace(self.redundancy, requests_per_s=float(self.rate[period]))


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
    bands: tuple[Hours, ...] = ((),)
    """Hours of a day that are alike for all that works and stands; one band of all day where nothing goes by hours."""

    def minute(self, slot: int) -> int:
        """Minutes from the plan's start at which a slot begins."""
        return round(self.slot_days[slot] * PER_DAY)


def figures_of(kind: type) -> tuple[str, ...]:
    """Names of the figures of a group, lot, unit, run or start: its fields that are numbers, by year or period or not.

    What a limit or an objective of a fleet reads is one of them: so what dominance compares follows from the record.
    """
    return _FIGURES[kind]


GIVES = frozenset({"tokens_per_s"})
"""Figures of which more is better."""
_FIGURES: Mapping[type, tuple[str, ...]] = {
    kind: tuple(f.name for f in fields(kind) if f.type in {"float", "Floats"})
    for kind in (Group, Lot, Work, Start, Run)
}


def no_more(x: Any, y: Any) -> bool:
    """Whether the first of two records of one kind has no more of any figure than the second, nor gives less."""
    return all(
        bool(np.all(getattr(y, name) <= getattr(x, name)))
        if name in GIVES
        else bool(np.all(getattr(x, name) <= getattr(y, name)))
        for name in figures_of(type(y))
    )


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
        loads = {d.workload: d.loads for d in self.stock.demands}
        units = tuple(Able(name, w.rates) for w in self.stock.works for name in loads[w.workload])
        return units + tuple(Able(r.workload, {"run": 1.0}) for r in self.stock.runs)

    @property
    def size(self) -> int:
        """Lots, units and runs to choose from."""
        return len(self.stock.lots) + len(self.stock.works) + len(self.stock.runs)


Keep = Literal["horizon", "years", "periods"]
