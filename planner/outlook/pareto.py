"""The Pareto front: what must be given up of one objective to gain in another, plan by plan, each proven."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from planner.answer.plan import Plan
from planner.answer.words import money
from planner.catalog import Catalog
from planner.errors import InputError, Problem, unknown_name
from planner.fleet.model import OBJECTIVE_UNITS, FleetModel
from planner.fleet.stock_limits import build_stock
from planner.options.counted import GOALS
from planner.options.stock import StockSet
from planner.outlook.question import Asked, no_plan, plan_at, question_of, teller
from planner.outlook.result import Axis, ParetoFront, ParetoPoint, choice_figures, headings
from planner.planning.question import Cancel, Progress, Question
from planner.solve import Status
from planner.solve.front import pareto_front

ALL = ("cost", "time", "power", "carbon")
"""Objectives of a front where none are named."""
MOST_POINTS = 200


def pareto(
    scenario: Asked,
    of: Sequence[str] = ("cost", "power"),
    *,
    points: int = 9,
    steps: int = 3,
    catalog: Catalog | None = None,
    variant: str | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> ParetoFront:
    """Verified plans of which none is better in one of the objectives ``of`` and as good in all others.

    Two objectives: up to ``points`` plans, the ends and then always into the widest gap; ``complete`` where there are
    no others. Three or more: those of a grid of ``steps`` limits on each objective but the first, and the best of each.
    Other arguments as in ``planner.plan``. Raises ``InputError`` on wrong input or objectives, ``NoPlanError`` where
    there is no plan, ``SolveError`` and ``VerificationError`` as ``plan`` does.
    """
    started = time.perf_counter()
    _check(of, points, steps)
    tell = teller(progress, cancel)
    question, model = question_of(scenario, catalog, variant, tell, shared=True)
    if question.stock is not None:
        question, model = with_objectives(question, of)
    tell("Solving for the front", 0.72)
    front = pareto_front(
        model.program, [model.objectives[name] for name in of], question.limits, points=points, steps=steps
    )
    if not front.points:
        if front.status is Status.INFEASIBLE:
            raise no_plan(question.scenario)
        raise InputError(
            Problem(
                f"no point of the front was found in {question.limits.time_limit_s:g} s",
                remedy="Raise solve.time_limit_s.",
            )
        )
    plans: list[Plan] = []
    for i, point in enumerate(front.points):
        tell("Verifying", 0.8 + 0.2 * i / len(front.points))
        plans.append(plan_at(question, point.values))
    axes = tuple(
        Axis(
            name=name,
            unit=OBJECTIVE_UNITS[name][0],
            best="most" if GOALS[name].most else "least",
            low=min(p.objective.values[name] for p in plans),
            high=max(p.objective.values[name] for p in plans),
        )
        for name in of
    )
    found = tuple(
        ParetoPoint(**choice_figures(plan), proven=point.proven)
        for plan, point in zip(plans, front.points, strict=True)
    )
    tell("Done", 1.0)
    return ParetoFront(
        **headings(plans[0]),
        answer=_sentence(axes, found, front.complete),
        axes=axes,
        points=found,
        complete=front.complete,
        seconds=round(time.perf_counter() - started, 4),
    )


def with_objectives(question: Question, of: Sequence[str]) -> tuple[Question, FleetModel]:
    """A shared fleet's question with every objective of the front in its program.

    Raises ``InputError`` for throughput.
    """
    scenario = question.scenario
    if "throughput" in of:
        raise InputError(
            Problem("throughput is no objective of a shared fleet: its demand is given by period", path="of")
        )
    assert isinstance(question.found, StockSet)  # noqa: S101 - shared
    wanted = scenario.model_copy(update={"objective": tuple(dict.fromkeys([*scenario.objective, *of]))})
    # every point of a front must be a plan: runs take whole slots
    stock = build_stock(wanted, question.catalog, replace(question.found.stock, slot_days=()))
    model = stock.as_fleet()
    return replace(question, model=model, stock=stock), model


def _check(of: Sequence[str], points: int, steps: int) -> None:
    for name in of:
        if name not in OBJECTIVE_UNITS:
            raise unknown_name("objective", name, list(OBJECTIVE_UNITS), path="of")
    if len(set(of)) < 2 or len(set(of)) != len(of):
        raise InputError(Problem("a front is of two or more different objectives", path="of", found=", ".join(of)))
    if not 2 <= points <= MOST_POINTS:
        raise InputError(Problem("too few or too many points", path="points", found=str(points), allowed="2 .. 200"))
    if not 1 <= steps <= 10:
        raise InputError(Problem("too few or too many steps", path="steps", found=str(steps), allowed="1 .. 10"))


def _sentence(axes: Sequence[Axis], points: Sequence[ParetoPoint], complete: bool) -> str:
    names = " and ".join(a.name for a in axes)
    if len(points) == 1:
        return f"One plan is best in {names} at once: nothing has to be traded."
    ends = "; ".join(f"{a.name} from {quantity(a.low, a.unit)} to {quantity(a.high, a.unit)}" for a in axes)
    how = "these are all there are" if complete else "there may be more between them"
    return f"{len(points)} plans trade {names}: {ends}; {how}."


def quantity(value: float, unit: str) -> str:
    """A figure of an objective for a sentence."""
    return money(value) if unit == "USD" else f"{value:,.4g} {unit}"
