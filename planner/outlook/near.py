"""Plans nearly as good as the best one that differ from it most: what is decided by a hair, and what is not.

Modelling to generate alternatives: the objective may be worse by a stated slack; under it the use of the hardware,
sites and ways of acquiring that earlier plans use is minimised, again and again (hop, skip, jump), and some named
directions besides. Every alternative is a verified plan.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from planner.answer.plan import Plan
from planner.api import Cancel, Progress, Question
from planner.catalog import Catalog
from planner.errors import InputError, Problem
from planner.fleet.model import OBJECTIVE_UNITS, FleetModel
from planner.options.counted import ALL_CHIPS, CAPITAL, CARBON, FINISH, PEAK_POWER, WATER, Figure
from planner.options.option import Option
from planner.outlook.pareto import quantity
from planner.outlook.question import Asked, no_plan, plan_at, question_of, teller
from planner.outlook.result import Alternatives, Choice, NearPlan, choice_figures, headings
from planner.solve import Status, lexicographic
from planner.solve.front import most_different

Kind = tuple[str, ...]


def _hardware(o: Option) -> Kind:
    return (o.system, o.chip)


def _place(o: Option) -> Kind:
    return (o.site,)


def _way(o: Option) -> Kind:
    return (o.system, o.chip, o.cooling, o.site, o.acquire, str(o.period), o.role, str(o.power_cap))


_DIRECTIONS: tuple[tuple[str, Callable[[Option], Kind], int], ...] = (
    ("other hardware", _hardware, 2),
    ("other places", _place, 1),
    ("another way", _way, 2),
)
"""(what it is called, what must differ, how many plans in a row, each away from all before it)."""
_GOALS: tuple[tuple[str, Figure, float], ...] = (
    ("least capital", CAPITAL, 1e6),
    ("fewest chips", ALL_CHIPS, 1e3),
    ("least power", PEAK_POWER, 1e6),
    ("least carbon", CARBON, 1e3),
    ("least water", WATER, 1e3),
    ("earliest end", FINISH, 1.0),
)
"""Named directions: what is made least, and how much of it is one in the program."""


def alternatives(
    scenario: Asked,
    near: float = 0.02,
    *,
    catalog: Catalog | None = None,
    variant: str | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Alternatives:
    """Verified plans within ``near`` (a fraction) of the best objective that differ from the best plan most.

    Other arguments as in ``planner.plan``. Raises as ``pareto`` does.
    """
    started = time.perf_counter()
    if not 0 < near <= 1:
        raise InputError(Problem("near is a fraction of the best objective", found=f"{near:g}", allowed="0 .. 1"))
    tell = teller(progress, cancel)
    question, model = question_of(scenario, catalog, variant, tell)
    name = question.scenario.objective[0]
    tell("Solving", 0.72)
    first = lexicographic(
        model.program, [model.objectives[name]], question.limits, backend=question.scenario.solve.backend
    )[0]
    if first.values is None:
        if first.status is Status.INFEASIBLE:
            raise no_plan(question.scenario)
        raise InputError(Problem("no plan was found in time", remedy="Raise solve.time_limit_s."))
    tell("Solving for what differs", 0.76)
    directions = [_groups(model, key) for _, key, times in _DIRECTIONS for _ in range(times)]
    names = [what for what, _, times in _DIRECTIONS for _ in range(times)] + [what for what, _, _ in _GOALS]
    ceiling = first.objective + near * abs(first.objective)
    points = most_different(
        model.program, model.objectives[name], ceiling, directions, [_vector(model, f, per) for _, f, per in _GOALS],
        question.limits,
    )  # fmt: skip
    best = plan_at(question, points[0].values if points[0] is not None else first.values.tolist())
    found: list[tuple[str, Plan]] = []
    seen = [_counts(best)]
    for i, (what, point) in enumerate(zip(names, points[1:], strict=True)):
        tell("Verifying", 0.85 + 0.15 * i / len(names))
        if point is None:
            continue
        other = plan_at(question, point.values)
        if _counts(other) not in seen:
            seen.append(_counts(other))
            found.append((what, other))
    plans = sorted(
        (_near_plan(question, what, best, other, name) for what, other in found),
        key=lambda p: (-p.changed, p.difference),
    )
    tell("Done", 1.0)
    return Alternatives(
        **headings(best),
        answer=_sentence(name, near, plans),
        objective=name,
        unit=OBJECTIVE_UNITS[name][0],
        slack=near,
        best=Choice(**choice_figures(best)),
        plans=tuple(plans),
        seconds=round(time.perf_counter() - started, 4),
    )


def _groups(model: FleetModel, key: Callable[[Option], Kind]) -> list[dict[int, float]]:
    """Columns by what they are of, each with its chips in thousands."""
    groups: dict[Kind, dict[int, float]] = defaultdict(dict)
    for option, column in zip(model.options, model.units, strict=True):
        groups[key(option)][column] = option.all_chips / 1e3
    return list(groups.values())


def _vector(model: FleetModel, figure: Figure, per: float) -> NDArray[np.float64]:
    vector = np.zeros(model.program.column_count)
    for option, column in zip(model.options, model.units, strict=True):
        vector[column] = figure.read(option) / per
    return vector


def _counts(plan: Plan) -> tuple[tuple[str, int, str], ...]:
    return tuple(sorted((d.option, d.systems, d.period) for d in plan.deployments))


def _shares(plan: Plan) -> dict[Kind, float]:
    """Chips of a plan by workload, hardware, place and way of acquiring, as shares."""
    found: dict[Kind, float] = defaultdict(float)
    for d in plan.deployments:
        kind = (d.workload, d.system, d.chip, d.cooling, d.site, d.acquire, d.period, d.role, str(d.power_cap))
        found[kind] += d.chips
    whole = sum(found.values()) or 1.0
    return {kind: chips / whole for kind, chips in found.items()}


def _near_plan(question: Question, what: str, best: Plan, other: Plan, objective: str) -> NearPlan:
    mine, theirs = _shares(best), _shares(other)
    changed = 1.0 - sum(min(share, theirs.get(kind, 0.0)) for kind, share in mine.items())
    value, reference = other.objective.values[objective], best.objective.values[objective]
    gains = []
    for name, (unit, _) in OBJECTIVE_UNITS.items():
        a, b = best.objective.values[name], other.objective.values[name]
        if name != objective and abs(b - a) > 0.005 * max(abs(a), 1e-9):
            gains.append(f"{name} {quantity(b, unit)} instead of {quantity(a, unit)}")
    return NearPlan(
        **choice_figures(other),
        name=what,
        difference=(value - reference) / abs(reference) if reference else 0.0,
        changed=max(0.0, changed),
        summary="; ".join(gains) or "all objectives about alike",
    )


def _sentence(objective: str, near: float, plans: Sequence[NearPlan]) -> str:
    if not plans:
        return f"No other plan lies within {near:.3g} of the best {objective}, as a fraction of it."
    far = max(plans, key=lambda p: p.changed)
    more = f"{abs(far.difference):.2%} {'more' if far.difference >= 0 else 'less'} {objective}"
    return (
        f"{len(plans)} plans lie within {near:.2%} of the best {objective}; the one that differs most has"
        f" {far.changed:.0%} of its chips in other hardware, places or times, for {more}."
    )
