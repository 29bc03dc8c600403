"""The decision when figures are others: options scaled exactly, the fleet solved again, many questions in one child.

The price of a system, a tariff, and how fast a workload runs on a system scale options without pricing them again.
Capital and yearly running cost, which only limits count, stay at their central figures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from planner.catalog.records import Figure
from planner.cost.finance import HOURS_PER_YEAR, annuity
from planner.errors import InputError, Problem
from planner.fleet.build import build_fleet
from planner.fleet.model import OBJECTIVE_UNITS
from planner.options.option import Option
from planner.outlook.ahead import View
from planner.scenario.types import Scenario
from planner.solve import Status, with_objective
from planner.solve.several import solve_several
from planner.uncertainty.spreads import UNSTATED

TOGETHER = 16
"""Most programs sent to one child: one child a program would mostly start interpreters; all at once, fill memory."""

Kind = tuple[str, str, str]
"""(workload, system, chip)"""


@dataclass(frozen=True)
class Moves:
    """Figures as factors of what they are; what is not named stays."""

    prices: Mapping[str, float] = field(default_factory=dict)
    """{system: factor}"""
    tariffs: Mapping[str, float] = field(default_factory=dict)
    """{site: factor}"""
    times: Mapping[str, float] = field(default_factory=dict)
    """{system: factor} on the times of every workload there."""
    times_of: Mapping[Kind, float] = field(default_factory=dict)
    """The same of one workload on one system and chip, beside ``times``."""

    def time(self, o: Option) -> float:
        """The factor on an option's times."""
        return self.times.get(o.system, 1.0) * self.times_of.get((o.workload, o.system, o.chip), 1.0)


@dataclass(frozen=True)
class Decided:
    """The best objective in people's units, and what is bought for it: in words, and as ids of options."""

    value: float
    words: str
    options: tuple[str, ...] = ()
    kinds: frozenset[tuple[str, str, str, int]] = frozenset()
    """``kind_of`` what is bought."""


def ends_of(figure: Figure) -> tuple[float, float, str]:
    """(low, high, what they rest on) of a figure's interval, as factors of its value."""
    value = float(figure.value or 1.0)
    if figure.low is not None and figure.high is not None and figure.low < figure.high:
        return figure.low / value, figure.high / value, "range of the catalog"
    if figure.kind == "assumption":
        return 1 - UNSTATED, 1 + UNSTATED, f"no range is stated: {UNSTATED:.0%} either way"
    return 1.0, 1.0, "certain"


def moved(view: View, o: Option, moves: Moves) -> Option:
    """An option when figures are others."""
    price, tariff, time = moves.prices.get(o.system, 1.0), moves.tariffs.get(o.site, 1.0), moves.time(o)
    if price == tariff == time == 1.0:
        return o
    parts = view.futures.parts(o)
    energy = parts.energy * tariff
    cost = o.cost_usd + parts.systems * (price - 1) + parts.energy * (tariff - 1)
    if time == 1.0:
        return replace(o, cost_usd=cost)
    if not parts.run_years:
        rates = {name: rate / time for name, rate in o.rates.items()}
        most = math.ceil(o.max_units * max(1.0, time))
        return replace(o, rates=rates, tokens_per_s=o.tokens_per_s / time, max_units=most, cost_usd=cost)
    run = view.futures.planned_run_days(o)
    hours = float(annuity(parts.rate, run * time * 24.0 / HOURS_PER_YEAR) / annuity(parts.rate, parts.run_years))
    grown = (energy + parts.rent + parts.water) * (hours - 1)
    longer = run * (time - 1)
    due = o.due_days + (o.due_days - (o.finish_days - run)) * (time - 1) if o.due_days else 0.0
    return replace(o, finish_days=o.finish_days + longer, due_days=due, cost_usd=cost + grown)


def decisions(
    view: View,
    asked: Sequence[Moves],
    inside: Callable[[Option], bool] = lambda _: True,
    tell: Callable[[float], None] = lambda _: None,
) -> list[Decided | None]:
    """The decision under each of some moves among the options that are ``inside``; None where there is no plan.

    Raises ``InputError`` where time did not suffice to know one.
    """
    options = [o for o in view.options if inside(o)]
    found: list[Decided | None] = []
    for i in range(0, len(asked), TOGETHER):
        tell(i / len(asked))
        found += decided(view, [[moved(view, o, m) for o in options] for m in asked[i : i + TOGETHER]])
    return found


def decided(view: View, several: Sequence[Sequence[Option]]) -> list[Decided | None]:
    """The decision among each of some sets of options, solved together. Raises as ``decisions``."""
    wanted = {w.name for w in view.scenario.workloads}
    possible = [wanted <= {o.workload for o in options} for options in several]
    models = [build_fleet(view.scenario, options) for options, can in zip(several, possible, strict=True) if can]
    vectors = [model.objectives[view.goal] for model in models]
    programs = [with_objective(m.program, v) for m, v in zip(models, vectors, strict=True)]
    solved = iter(zip(models, vectors, solve_several(programs, view.question.limits), strict=True))
    told: list[Decided | None] = []
    for can in possible:
        if not can:
            told.append(None)
            continue
        model, vector, found = next(solved)
        if found.values is None:
            if found.status is not Status.INFEASIBLE:
                raise InputError(
                    Problem(
                        "no decision was found in time for one of the figures moved",
                        found=found.message or found.status.value,
                        remedy="Raise solve.time_limit_s.",
                    )
                )
            told.append(None)
            continue
        used = [o for o, column in zip(model.options, model.units, strict=True) if found.values[column] > 0.5]
        value = float(np.dot(vector, found.values)) * OBJECTIVE_UNITS[view.goal][1]
        kinds = frozenset(map(kind_of, used))
        told.append(Decided(value, words_of(view.scenario, used), tuple(o.id for o in used), kinds))
    return told


def kind_of(o: Option) -> tuple[str, str, str, int]:
    """What a decision is about: (workload, system, way of acquiring, period)."""
    return o.workload, o.system, o.acquire, o.period


def words_of(scenario: Scenario, used: Sequence[Option]) -> str:
    """What is bought for what, when."""
    starts = scenario.period_starts
    return "; ".join(sorted({f"{o.system} bought in {starts[o.period]} for {o.workload}" for o in used}))
