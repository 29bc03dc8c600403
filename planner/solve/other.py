"""Solvers that PuLP knows, by name, with the user's licence: none of their words is taken on trust.

PuLP's "optimal" is also said of a run that hit its time limit, and after one its columns may hold a point that breaks
rows. So the point is rounded, completed and checked like any other, and a bound is believed only where the solver's own
object gives one, or where it says that it searched to the end. Which solver passes `battery.check_backend` on a machine
is for that machine to say.
"""

from __future__ import annotations

import contextlib
import inspect
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pulp

from planner.solve.form import FloatArray, Program, violations, with_objective
from planner.solve.highs import complete
from planner.solve.pulp_model import point_of, problem_of
from planner.solve.solvers import OTHER, classes_of
from planner.solve.status import Hook, Limits, Solution, Status, relative_gap, status_of_plan

_BOUNDS: tuple[Callable[[Any], float], ...] = (
    lambda model: float(model.ObjBound),  # Gurobi
    lambda model: float(model.getDualbound()),  # SCIP
    lambda model: float(model.solution.MIP.get_best_objective()),  # CPLEX
    lambda model: float(model.attributes.bestbound),  # Xpress
    lambda model: float(model.BestBnd),  # COPT
)
"""Where each solver's own object keeps the bound; those of the others raise."""


def solve_other(
    program: Program, limits: Limits, name: str, hook: Hook | None = None, start: FloatArray | None = None
) -> Solution:
    """Solve by the solver of this name (`solvers.OTHER`); failed where it is not installed or refuses.

    A plan `start` is given where the solver takes one.
    """
    started = time.monotonic()
    label = f"{OTHER[name].title} (PuLP {pulp.__version__})"

    def ended(status: Status, message: str = "", **more: Any) -> Solution:
        return Solution(status, solver=label, seconds=time.monotonic() - started, message=message, **more)

    if program.column_count == 0:
        if violations(program, np.zeros(0)):
            return ended(Status.INFEASIBLE, bound=math.inf)
        offset = program.objective_offset
        return ended(Status.PROVEN_OPTIMAL, values=np.zeros(0), objective=offset, bound=offset, gap=0.0)
    kind = next((c for c in classes_of(name) if _available(c)), None)
    if kind is None:
        return ended(Status.FAILED, f"{OTHER[name].title} is not installed here, or has no licence")
    problem, columns = problem_of(program)
    begun = start is not None and not violations(program, start)
    if begun and start is not None:
        for column, value in zip(columns, start.tolist(), strict=True):
            column.setInitialValue(value)
    try:
        problem.solve(_solver(kind, limits, limits.time_limit_s - (time.monotonic() - started), begun))
    except Exception as error:  # whatever a solver's own library raises
        return ended(Status.FAILED, f"{label}: {type(error).__name__}: {error}")
    word, found = problem.status, problem.sol_status
    empty = word in (pulp.LpStatusInfeasible, pulp.LpStatusUndefined) and _none(columns)
    if empty or word == pulp.LpStatusUnbounded:
        return _which(program, limits, name, word, ended)
    if _none(columns):
        return ended(Status.NO_PLAN_FOUND, f"{label} gave no point", bound=-math.inf)
    raw = point_of(columns)
    bound = _bound(problem, program.objective_offset)
    near = np.abs(raw - np.round(raw))[program.integer]
    values = complete(program, raw, limits) if not len(near) or float(near.max()) <= 1e-4 else None
    if values is None:
        if word == pulp.LpStatusInfeasible:
            return _which(program, limits, name, word, ended)
        return ended(Status.NO_PLAN_FOUND, f"{label}: its point does not survive the check", bound=bound)
    objective = program.objective_at(values)
    if word == pulp.LpStatusOptimal and found == pulp.LpSolutionOptimal and not math.isfinite(bound):
        # it says it searched to the end, which is to the gap it was given
        bound = objective - limits.gap * abs(objective)
    bound = min(bound, objective)
    if hook is not None:
        hook(OTHER[name].title, objective, bound, values)
    return ended(
        status_of_plan(objective, bound, limits.gap), values=values, objective=objective, bound=bound,
        gap=relative_gap(objective, bound),
    )  # fmt: skip


def _none(columns: list[Any]) -> bool:
    return all(column.varValue is None for column in columns)


def _available(kind: str) -> bool:
    with contextlib.suppress(Exception):
        return bool(pulp.getSolver(kind, msg=False).available())
    return False


def _solver(kind: str, limits: Limits, left: float, begun: bool) -> Any:
    made = type(pulp.getSolver(kind, msg=False))
    wanted: dict[str, Any] = {
        "msg": limits.log,
        "timeLimit": max(0.05, left),
        "gapRel": limits.gap,
        "gapAbs": 0.0,
        "threads": limits.worker_count,
        "warmStart": begun,
    }
    known = inspect.signature(made.__init__).parameters
    return made(**{key: value for key, value in wanted.items() if key in known})


def _bound(problem: pulp.LpProblem, offset: float) -> float:
    model = getattr(problem, "solverModel", None)
    for read in _BOUNDS:
        with contextlib.suppress(Exception):
            bound = read(model)
            if math.isfinite(bound) and abs(bound) < 1e19:
                return bound + offset
    return -math.inf


def _which(program: Program, limits: Limits, name: str, word: int, ended: Callable[..., Solution]) -> Solution:
    """Infeasible or unbounded: the same rows with nothing to minimise have a point or have none."""
    if not program.objective.any():
        if word == pulp.LpStatusInfeasible:
            return ended(Status.INFEASIBLE, bound=math.inf)
        return ended(Status.NO_PLAN_FOUND, "the solver reached its limit")
    found = solve_other(with_objective(program, np.zeros(program.column_count)), limits, name)
    if found.status.has_plan:
        unbounded = (
            word == pulp.LpStatusUnbounded
            or not np.isfinite(
                np.where(program.objective > 0.0, program.lower, np.where(program.objective < 0.0, program.upper, 0.0))
            ).all()
        )
        if unbounded and word != pulp.LpStatusUndefined:
            return ended(Status.UNBOUNDED)
        return ended(Status.NO_PLAN_FOUND, "the solver found no plan of a program that has one")
    return ended(found.status, found.message, bound=math.inf if found.status is Status.INFEASIBLE else -math.inf)
