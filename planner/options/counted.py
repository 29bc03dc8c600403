"""What limits and objectives read of an option: one table from which rows, bounds of columns and dominance follow.

A limit or an objective that reads a figure not listed here cannot be written: its row, the most units that it leaves
room for, and what one option must not use more of than another to make it superfluous are all made from its entry.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any

from planner.answer.plan import Totals
from planner.facility.capacity import Level, Location
from planner.options import annual
from planner.options.option import BEYOND, Option
from planner.options.stock import Lot, Start, Work
from planner.scenario.types import Scenario


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that a unit of an option uses, and how it is read."""

    name: str
    read: Callable[[Option], float]

    def amounts(self, option: Option) -> tuple[float, ...]:
        """Of a unit of an option; a single one."""
        return (self.read(option),)


@dataclass(frozen=True, slots=True)
class Yearly:
    """Something that a unit of an option uses in each year of the plan, and how it is read."""

    name: str
    read: Callable[[Option], tuple[float, ...]]

    def amounts(self, option: Option) -> tuple[float, ...]:
        """Of a unit of an option in each year of the plan."""
        return self.read(option)


def _on_site(read: Callable[[Option], float]) -> Callable[[Option], float]:
    """Rented systems draw another's power and stand in another's racks."""
    return lambda o: read(o) if o.on_site else 0.0


COST = Figure("cost_usd", lambda o: o.cost_usd)
CAPITAL = Figure("capex_usd", lambda o: o.capex_usd)
CARBON = Figure("carbon_t", lambda o: o.carbon_t)
PEAK_POWER = Figure("facility_peak_w", _on_site(lambda o: o.facility_peak_w))
RACKS = Figure("racks", _on_site(lambda o: o.racks))
ALL_CHIPS = Figure("all_chips", lambda o: float(o.all_chips))
WORKING_CHIPS = Figure("chips", lambda o: float(o.chips))
LOAD_CHIPS = Figure("chips of a load", lambda o: float(o.chips) if not o.rates.get("run") else 0.0)
"""A load may have to use so many; of a run the sizes that it may have are the only ones there are."""
INSTALLED = Figure("installed", lambda o: float(o.systems) if o.acquire == "installed" else 0.0)
WATER = Figure("water_m3", lambda o: o.water_m3)
FINISH = Figure("finish_days", lambda o: o.finish_days)
DUE = Figure("due_days", lambda o: o.due_days or o.finish_days)
TOKENS = Figure("tokens_per_s", lambda o: o.tokens_per_s)


@dataclass(frozen=True, slots=True)
class PlanLimit:
    """A limit on the sum of a figure over everything in the plan, or in each year of it: ``limits.<leaf>``.

    ``row``: its name in the program; the leaf is in ``unit``, of which the figure has ``per_unit``; ``scale`` of the
    unit make one in the program. ``words``: the limit to a person, from what the leaf says.
    """

    leaf: str
    row: str
    kind: str
    figure: Figure | Yearly
    unit: str
    scale: float
    words: Callable[[float], str]
    per_unit: float = 1.0
    whole: bool = False

    def of(self, scenario: Scenario) -> float | None:
        """What the scenario says, in ``unit``; None where it says nothing."""
        said = getattr(scenario.limits, self.leaf)
        return None if said is None else float(said)


PLAN_LIMITS: tuple[PlanLimit, ...] = (
    PlanLimit("power_mw", "power[all sites]", "power", PEAK_POWER, "MW", 1.0, lambda x: f"{x:g} MW over all sites",
              1e6),
    PlanLimit("capex_usd", "budget[capex]", "budget", CAPITAL, "USD", 1e6, lambda x: f"capital of ${x / 1e6:g} M"),
    PlanLimit("cost_usd", "budget[cost]", "budget", COST, "USD", 1e6, lambda x: f"total cost of ${x / 1e6:g} M"),
    PlanLimit("chips", "chips[all]", "chips", ALL_CHIPS, "chips", 1e3, lambda x: f"{x:.0f} chips", whole=True),
)  # fmt: skip
"""Limits of the whole plan, in the order of their rows."""


def plan_limits() -> tuple[PlanLimit, ...]:
    """All of them: of the whole plan, and of each year of it (``options.annual``)."""
    return PLAN_LIMITS + tuple(
        PlanLimit(
            of.leaf, f"{of.name}[year]", of.kind, Yearly(of.option, attrgetter(of.option)), f"{of.unit}/year", of.scale,
            of.words,
        )
        for of in annual.ANNUAL
    )  # fmt: skip


AT_MOST: tuple[Figure | Yearly, ...] = (PEAK_POWER, RACKS, WORKING_CHIPS, INSTALLED, DUE)
"""What places, workloads, what stands and deadlines limit from above (``fleet/power.py``, ``racks.py``, ...)."""
AT_LEAST: tuple[Figure, ...] = (LOAD_CHIPS,)
"""What workloads ask so much of at least."""


@dataclass(frozen=True, slots=True)
class OverTime:
    """The figure of an objective in a fleet over time: of a system of a lot, a unit at work in a period, and a run
    that begins at a start."""

    lot: Callable[[Lot], float]
    work: Callable[[Work, int], float]
    start: Callable[[Start], float]


@dataclass(frozen=True, slots=True)
class Goal:
    """An objective: the sum of a figure, least or largest. People see it in ``unit``, which is the program's times
    ``scale``; the figure is in the program's unit times ``per``.

    ``total``: the field of a plan's totals that says what it comes to. ``over_time``: where it is a sum over lots and
    work. Days, tokens and the peak over time are no such sums: their room counts them (None).
    """

    figure: Figure
    unit: str
    scale: float
    per: float
    total: str | None = None
    over_time: OverTime | None = None

    @property
    def most(self) -> bool:
        """Whether more of it is better; the program then has it with the other sign."""
        return self.scale < 0

    @property
    def better(self) -> float:
        """What a change is multiplied by to be an improvement where it is positive."""
        return 1.0 if self.most else -1.0


GOALS: Mapping[str, Goal] = {
    "cost": Goal(COST, "USD", 1e6, 1e6, "tco_usd", OverTime(
        lambda x: x.cost_usd, lambda x, t: float(x.cost_usd[t]), lambda s: s.cost_usd)),
    "time": Goal(FINISH, "days", 1.0, 1.0),
    "power": Goal(PEAK_POWER, "MW", 1.0, 1e6, "facility_mw"),
    "carbon": Goal(CARBON, "t CO2e", 1e3, 1e3, "carbon_t", OverTime(
        lambda x: x.carbon_t, lambda x, t: float(x.carbon_t[t]), lambda s: float(s.carbon_by_year_t.sum()))),
    "water": Goal(WATER, "m3", 1e3, 1e3, "water_m3", OverTime(
        lambda x: float(x.water_by_year_m3.sum()), lambda x, t: float(x.water_m3[t]),
        lambda s: float(s.water_by_year_m3.sum()))),
    "throughput": Goal(TOKENS, "tokens/s", -1e6, -1e6),
}  # fmt: skip
"""Objectives by name: the one place that says what each is. Another is an entry here and a name in
``scenario.types.Objective``."""


def objective_values(totals: Totals | Mapping[str, Any], *, time: float, throughput: float) -> dict[str, float]:
    """A plan's value of every objective in people's units, from its totals, its days and its tokens/s."""
    own = {"time": time, "throughput": throughput}
    read = totals.__getitem__ if isinstance(totals, Mapping) else partial(getattr, totals)
    return {name: own[name] if goal.total is None else float(read(goal.total)) for name, goal in GOALS.items()}


def used() -> tuple[tuple[Figure | Yearly, float], ...]:
    """(figure, sign) of everything of which an option must use no more than one that it makes superfluous (+1: less is
    better; -1: more is), whatever the scenario limits or wants. Racks are among them: whole ones, see ``prune``."""
    signs: list[tuple[Figure | Yearly, float]] = [(limit.figure, 1.0) for limit in plan_limits()]
    signs += [(figure, 1.0) for figure in AT_MOST]
    signs += [(figure, -1.0) for figure in AT_LEAST]
    signs += [(goal.figure, math.copysign(1.0, goal.scale)) for goal in GOALS.values()]
    return tuple({(figure.name, sign): (figure, sign) for figure, sign in signs}.values())


def most_units(option: Option, scenario: Scenario, levels: Mapping[str, Level], location: Location | None) -> float:
    """Units of an option that every single limit leaves room for, as far as ``reach``; infinite where none limits it.

    Never less than a row of the program allows: a bound that is tighter than the rows cuts plans away.
    """
    found = [math.inf]
    for limit, use, unit in _limits_on(option, scenario, levels, location):
        if use > 0:
            found.append(math.floor(reach(limit, use, unit) / use * (1 + 1e-12)))
    return min(found)


MEGAWATT = 1e6
"""The unit in which power is asked about, in watts."""


def reach(limit: float, use: float, unit: float = 0.0) -> float:
    """How far past a limit options go, so that one more unit of it can be priced: a share of the limit, or a unit.

    ``use``: what the smallest thing takes of the limit, which comes whole (a rack, a system with its chips).
    """
    return max(limit * BEYOND, limit + max(unit, use if unit else 0.0))


def _limits_on(
    option: Option, scenario: Scenario, levels: Mapping[str, Level], location: Location | None
) -> Iterator[tuple[float, float, float]]:
    """(limit, what a unit of the option uses of it, unit it is asked about in or 0) of every limit on the option."""
    for plan_limit in plan_limits():
        said = plan_limit.of(scenario)
        if said is not None:
            unit = MEGAWATT if plan_limit.figure is PEAK_POWER else float(plan_limit.whole)
            yield said * plan_limit.per_unit, max(plan_limit.figure.amounts(option)), unit
    for name in location.levels if location is not None and option.on_site else ():
        level = levels[name]
        if level.power_w is not None:
            yield level.power_w, PEAK_POWER.read(option), MEGAWATT
        if level.racks is not None:
            yield float(level.racks), RACKS.read(option), 1.0
    workload = next((w for w in scenario.workloads if w.name == option.workload), None)
    if workload is not None and workload.chips is not None and workload.chips.max is not None:
        yield float(workload.chips.max), WORKING_CHIPS.read(option), 1.0
    for site in scenario.sites if option.acquire == "installed" else ():
        if site.name == option.site:
            standing = sum(block.count for block in site.installed if block.system == option.system)
            yield float(standing), INSTALLED.read(option), 1.0
