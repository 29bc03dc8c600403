"""Plans nearly as good as the best one that differ from it most: what is decided by a hair, and what is not.

Modelling to generate alternatives: the objective may be worse by a stated slack; under it the use of the hardware,
sites and ways of acquiring that earlier plans use is minimised, again and again (hop, skip, jump), and some named
directions besides. Every alternative is a verified plan.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.errors import InputError, Problem
from planner.fleet.model import OBJECTIVE_UNITS, FleetModel
from planner.options.counted import ALL_CHIPS, CAPITAL, CARBON, FINISH, PEAK_POWER, WATER, Figure
from planner.outlook.pareto import quantity, with_objectives
from planner.outlook.question import Asked, no_plan, plan_at, question_of, teller
from planner.outlook.result import Alternatives, Choice, NearPlan, choice_figures, headings
from planner.planning.question import Cancel, Progress, Question
from planner.solve import Status, lexicographic
from planner.solve.front import most_different

Kind = tuple[str, ...]


@dataclass(frozen=True)
class _Piece:
    """What a column of the program puts somewhere: an option, or a lot of a fleet over time. Figures are of one."""

    column: int
    hardware: Kind
    place: Kind
    way: Kind
    chips: float
    figures: Mapping[str, float]


_DIRECTIONS: tuple[tuple[str, Callable[[_Piece], Kind], int], ...] = (
    ("other hardware", lambda x: x.hardware, 2),
    ("other places", lambda x: x.place, 1),
    ("another way", lambda x: x.way, 2),
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


def _pieces(question: Question, model: FleetModel) -> list[_Piece]:
    """What plans can be made of."""
    stock = question.stock
    if stock is None:
        return [
            _Piece(column, (o.system, o.chip), (o.site,),
                   (o.system, o.chip, o.cooling, o.site, o.acquire, str(o.period), o.role, str(o.power_cap),
                    o.topology),
                   float(o.all_chips), {what: figure.read(o) / per for what, figure, per in _GOALS})
            for o, column in zip(model.options, model.units, strict=True)
        ]  # fmt: skip
    found = []
    for lot, column in zip(stock.stock.lots, stock.lots, strict=True):
        g = stock.stock.groups[lot.group]
        figures = {"least capital": lot.capex_usd / 1e6, "fewest chips": g.chips / 1e3, "least power": g.peak_w / 1e6}
        way = (g.system, g.chip, g.cooling, g.site, lot.acquire, str(lot.begin), lot.term, g.owner)
        found.append(_Piece(column, (g.system, g.chip), (g.site,), way, float(g.chips), figures))
    return found


def _directions(question: Question, model: FleetModel, pieces: Sequence[_Piece]) -> dict[str, NDArray[np.float64]]:
    """Named directions as vectors over the program's columns."""
    found = {}
    for what in (what for what, _, _ in _GOALS if any(what in x.figures for x in pieces)):
        found[what] = np.zeros(model.program.column_count)
        for x in pieces:
            found[what][x.column] = x.figures.get(what, 0.0)
    if question.stock is not None:  # work counts too: what the program itself knows
        found |= {"least carbon": model.objectives["carbon"], "earliest end": model.objectives["time"]}
    return found


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
    question, model = question_of(scenario, catalog, variant, tell, over_time=True)
    if question.stock is not None:
        question, model = with_objectives(question, ("cost", "time", "power", "carbon"))
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
    pieces = _pieces(question, model)
    goals = _directions(question, model, pieces)
    directions = [_groups(pieces, key) for _, key, times in _DIRECTIONS for _ in range(times)]
    names = [what for what, _, times in _DIRECTIONS for _ in range(times)] + list(goals)
    ceiling = first.objective + near * abs(first.objective)
    points = most_different(
        model.program, model.objectives[name], ceiling, directions, list(goals.values()), question.limits
    )
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


def _groups(pieces: Sequence[_Piece], key: Callable[[_Piece], Kind]) -> list[dict[int, float]]:
    """Columns by what they are of, each with its chips in thousands."""
    groups: dict[Kind, dict[int, float]] = defaultdict(dict)
    for x in pieces:
        groups[key(x)][x.column] = x.chips / 1e3
    return list(groups.values())


def _counts(plan: Plan) -> tuple[tuple[str, int, str], ...]:
    return tuple(sorted((d.option, d.systems, d.period) for d in plan.deployments))


def _shares(plan: Plan) -> dict[Kind, float]:
    """Chips of a plan by workload, hardware, place and way of acquiring, as shares."""
    found: dict[Kind, float] = defaultdict(float)
    for d in plan.deployments:
        kind = (
            d.workload,
            d.system,
            d.chip,
            d.cooling,
            d.site,
            d.acquire,
            d.period,
            d.role,
            str(d.power_cap),
            d.topology,
        )
        found[kind] += d.chips
    whole = sum(found.values()) or 1.0
    return {kind: chips / whole for kind, chips in found.items()}


def _near_plan(question: Question, what: str, best: Plan, other: Plan, objective: str) -> NearPlan:
    mine, theirs = _shares(best), _shares(other)
    changed = 1.0 - sum(min(share, theirs.get(kind, 0.0)) for kind, share in mine.items())
    value, reference = other.objective.values[objective], best.objective.values[objective]
    gains = []
    for name, (unit, _) in OBJECTIVE_UNITS.items():
        if name not in best.objective.values or name not in other.objective.values:
            continue  # a fleet over time has no one throughput
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
