"""Which figure, moved within its interval, changes the decision, and where: a tornado whose bars are solved again.

Options are re-priced exactly where a figure scales them (the price of a system, a tariff, how fast a system really
is) and the fleet is solved again at both ends of the interval; where the decision differs, the crossover is halved out.
Capital and yearly running cost, which only limits count, stay at their central figures.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from planner.catalog import Catalog
from planner.catalog.records import Figure
from planner.cost.finance import HOURS_PER_YEAR, annuity
from planner.errors import InputError, Problem
from planner.fleet.build import build_fleet
from planner.fleet.model import OBJECTIVE_UNITS
from planner.options.hardware.choices import site_region
from planner.options.option import Option
from planner.outlook.ahead import View
from planner.outlook.question import Asked, no_plan, question_of, teller
from planner.outlook.result import Moved, Sensitivity, headings
from planner.planning.question import Cancel, Progress
from planner.scenario.outcomes import Outcomes
from planner.solve import Status, with_objective
from planner.solve.several import solve_several

UNSTATED = 0.25
"""How far either way a price moves that somebody assumed without a range."""
_HALVINGS = 8
_TOGETHER = 16
"""Most programs sent to one child: one child a program would mostly start interpreters; all at once, fill memory."""
_Decided = tuple[float, str] | None
"""(the best objective in people's units, the decision in words); None where there is no plan."""


@dataclass(frozen=True)
class _Input:
    """A figure that scales options: by ``kind`` (price, tariff, time) of a system or site, from low to high."""

    path: str
    kind: str
    name: str
    low: float
    high: float
    tag: str
    basis: str


def sensitivity(
    scenario: Asked,
    *,
    catalog: Catalog | None = None,
    variant: str | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Sensitivity:
    """The decision and the objective at both ends of every interval, and where the decision changes.

    Assumed and estimated figures come first, then the widest bars. Arguments and errors as in ``outlook``.
    """
    started = time.perf_counter()
    tell = teller(progress, cancel)
    question, model = question_of(scenario, catalog, variant, lambda what, share: tell(what, 0.4 * share))
    if question.scenario.over_time:
        raise InputError(Problem("figures of a fleet over time are not moved", path="fleet.shared", found="true"))
    view = View(question, model, question.scenario.outcomes or Outcomes())
    view.read_options(tell)
    view.futures.of(view.options)
    base = _solved(view, [view.options])[0]
    if base is None:
        raise no_plan(question.scenario)
    inputs = _inputs(view)
    moved = _moved(view, inputs, base, lambda share: tell("Moving figures", 0.5 + 0.45 * share))
    ranked = sorted(moved, key=lambda m: (m.tag not in {"assumption", "estimate"}, -_width(m), m.path))
    best = view.best_of(view.options)
    if best is None:
        raise no_plan(question.scenario)
    changing = [m for m in ranked if m.crossover is not None]
    said = "; ".join(f"{m.path} at {m.crossover:.3g} of its value ({m.after})" for m in changing)
    tell("Done", 1.0)
    return Sensitivity(
        **headings(best),
        answer=f"The decision is {base[1]}. It changes with {said}." if said else
        f"The decision is {base[1]}. No figure moved within its interval changes it.",
        objective=view.goal,
        unit=OBJECTIVE_UNITS[view.goal][0],
        value=base[0],
        decision=base[1],
        inputs=tuple(ranked),
        seconds=round(time.perf_counter() - started, 4),
    )  # fmt: skip


def _inputs(view: View) -> list[_Input]:
    found = []
    own = view.scenario.assume.systems
    for system in dict.fromkeys(o.system for o in view.options):
        mine = [o for o in view.options if o.system == system]
        figure = view.question.catalog.system(system).figure("price_usd")
        if figure is not None and figure.value and any(o.acquire == "buy" for o in mine):
            low, high, basis = _ends(figure)
            tag = "assumption" if "price_usd" in own.get(system, {}) else figure.kind
            if low < high:
                found.append(_Input(f"systems.{system}.price_usd", "price", system, low, high, tag, basis))
        ends = [view.futures.interval(o) for o in mine]
        low, high = min(e[0] for e in ends), max(e[1] for e in ends)
        if low < high:
            basis = "80% interval of the performance model"
            found.append(_Input(f"time on {system}", "time", system, low, high, "estimate", basis))
    for site in view.scenario.sites:
        figure = site_region(view.question.catalog, site).figure("tariff_usd_per_kwh")
        if figure is not None and figure.value and any(o.site == site.name for o in view.options):
            low, high, basis = _ends(figure)
            if low < high:
                path = f"sites.{site.name}.tariff_usd_per_kwh"
                found.append(_Input(path, "tariff", site.name, low, high, figure.kind, basis))
    return found


def _ends(figure: Figure) -> tuple[float, float, str]:
    value = float(figure.value or 1.0)
    if figure.low is not None and figure.high is not None and figure.low < figure.high:
        return figure.low / value, figure.high / value, "range of the catalog"
    if figure.kind == "assumption":
        return 1 - UNSTATED, 1 + UNSTATED, f"no range is stated: {UNSTATED:.0%} either way"
    return 1.0, 1.0, "certain"


def _moved(view: View, inputs: Sequence[_Input], base: tuple[float, str], tell: Callable[[float], None]) -> list[Moved]:
    """Every input at both ends; where the nearer end that decides otherwise is, the crossovers are halved out together.

    One step of all halvings is solved together, so that few children are started.
    """
    asked = [(given, factor) for given in inputs for factor in (given.low, given.high)]
    at = dict(zip([(g.path, f) for g, f in asked], _at(view, asked, lambda share: tell(0.3 * share)), strict=True))
    searched: dict[str, tuple[_Input, float, float, str]] = {}  # the last factor that decides the same, and not
    for given in inputs:
        for end in sorted((given.low, given.high), key=lambda f: abs(math.log(f))):
            words = _words(at[given.path, end])
            if words != base[1]:
                searched[given.path] = (given, 1.0, end, words)
                break
    for step in range(_HALVINGS if searched else 0):
        middles = [(given, (same + other) / 2) for given, same, other, _ in searched.values()]
        tell(0.3 + 0.7 * step / _HALVINGS)
        solved = _at(view, middles, lambda _: None)
        for (given, middle), here in zip(middles, solved, strict=True):
            _, same, other, after = searched[given.path]
            words = _words(here)
            searched[given.path] = (given, middle, other, after) if words == base[1] else (given, same, middle, words)
    moved = []
    for given in inputs:
        _, _, crossover, after = searched.get(given.path, (given, 1.0, None, ""))
        low, high = at[given.path, given.low], at[given.path, given.high]
        moved.append(
            Moved(
                path=given.path, tag=given.tag, basis=given.basis, low=given.low, high=given.high,
                value_low=None if low is None else low[0], value_high=None if high is None else high[0],
                crossover=crossover, after=after,
            )
        )  # fmt: skip
    return moved


def _at(view: View, asked: Sequence[tuple[_Input, float]], tell: Callable[[float], None]) -> list[_Decided]:
    """The decision with each figure at a factor of its value."""
    found: list[_Decided] = []
    for i in range(0, len(asked), _TOGETHER):
        tell(i / len(asked))
        some = asked[i : i + _TOGETHER]
        found += _solved(view, [[_scaled(view, o, given, factor) for o in view.options] for given, factor in some])
    return found


def _words(decided: _Decided) -> str:
    return "no plan" if decided is None else decided[1]


def _scaled(view: View, o: Option, given: _Input, factor: float) -> Option:
    """An option when a figure is ``factor`` times what it is."""
    parts = view.futures.parts(o)
    if given.kind == "tariff":
        return replace(o, cost_usd=o.cost_usd + parts.energy * (factor - 1)) if o.site == given.name else o
    if o.system != given.name:
        return o
    if given.kind == "price":
        return replace(o, cost_usd=o.cost_usd + parts.systems * (factor - 1))
    if not parts.run_years:
        rates = {name: rate / factor for name, rate in o.rates.items()}
        most = math.ceil(o.max_units * max(1.0, factor))
        return replace(o, rates=rates, tokens_per_s=o.tokens_per_s / factor, max_units=most)
    run = view.futures.planned_run_days(o)
    hours = float(annuity(parts.rate, run * factor * 24.0 / HOURS_PER_YEAR) / annuity(parts.rate, parts.run_years))
    grown = (parts.energy + parts.rent + parts.water) * (hours - 1)
    return replace(o, finish_days=o.finish_days + run * (factor - 1), cost_usd=o.cost_usd + grown)


def _solved(view: View, several: Sequence[Sequence[Option]]) -> list[_Decided]:
    """The decision among each set of options. Raises ``InputError`` where time did not suffice to know it."""
    models = [build_fleet(view.scenario, options) for options in several]
    vectors = [model.objectives[view.goal] for model in models]
    programs = [with_objective(m.program, v) for m, v in zip(models, vectors, strict=True)]
    decided: list[_Decided] = []
    for model, vector, found in zip(models, vectors, solve_several(programs, view.question.limits), strict=True):
        if found.values is None:
            if found.status is not Status.INFEASIBLE:
                raise InputError(
                    Problem(
                        "no decision was found in time for one of the figures moved",
                        found=found.message or found.status.value,
                        remedy="Raise solve.time_limit_s.",
                    )
                )
            decided.append(None)
            continue
        used = {
            f"{o.system} bought in {view.scenario.period_starts[o.period]} for {o.workload}"
            for o, column in zip(model.options, model.units, strict=True)
            if found.values[column] > 0.5
        }
        value = float(np.dot(vector, found.values)) * OBJECTIVE_UNITS[view.goal][1]
        decided.append((value, "; ".join(sorted(used))))
    return decided


def _width(m: Moved) -> float:
    if m.value_low is None or m.value_high is None:
        return math.inf
    return abs(m.value_high - m.value_low)
