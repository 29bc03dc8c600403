"""HiGHS, and what its answer is worth.

A value is read only after HiGHS's model status is understood. Its point must cost what HiGHS says it costs, and may not
be the start that nothing was searched for: HiGHS 1.16.0 calls such starts optimal, and is asked again without. Then
whole columns are rounded, the other columns are solved again with the whole ones fixed, and the point is kept only if
`violations` finds nothing.
"""

from __future__ import annotations

import importlib.metadata
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import highspy
import numpy as np

from planner.solve.form import (
    BoolArray,
    FloatArray,
    Program,
    normalised,
    violations,
    with_fixed,
    with_integer,
    with_objective,
)
from planner.solve.model import build, listen
from planner.solve.status import Hook, Limits, Mail, Solution, Status, relative_gap, status_of_plan

_ModelStatus = highspy.HighsModelStatus
_LIMIT_REACHED = frozenset(
    {
        _ModelStatus.kTimeLimit,
        _ModelStatus.kIterationLimit,
        _ModelStatus.kSolutionLimit,
        _ModelStatus.kInterrupt,
        _ModelStatus.kObjectiveBound,
        _ModelStatus.kObjectiveTarget,
        _ModelStatus.kMemoryLimit,
        _ModelStatus.kUnknown,
    }
)
_FEASIBLE_POINT = 2  # HiGHS's kSolutionStatusFeasible
_LARGEST_FRACTION = 1e-4
"""An integer column of HiGHS further than this from a whole number is not rounded: the answer is refused."""


_HONEST = 1e-6
"""Largest difference, relative to max(1, |value|), of what HiGHS says its point costs and what it costs."""


@cache
def solver_name() -> str:
    """HiGHS with its version."""
    return f"HiGHS {importlib.metadata.version('highspy')}"


TIGHT: dict[str, Any] = {
    "primal_feasibility_tolerance": 1e-9,
    "dual_feasibility_tolerance": 1e-9,
    "mip_feasibility_tolerance": 1e-9,
}
"""The tightest tolerances HiGHS has, as options."""
_LADDER: tuple[dict[str, Any], ...] = ({}, TIGHT, {**TIGHT, "presolve": "off"})
"""Options on top of those asked for, one attempt after the other, while the answer is not to be trusted."""
_AGAIN_S = 0.1
"""Time that must be left for another attempt."""
NO_SUB_PROBLEMS: dict[str, Any] = {
    "mip_heuristic_run_rins": False,
    "mip_heuristic_run_rens": False,
    "mip_heuristic_run_root_reduced_cost": False,
}
"""Options under which HiGHS does not look for plans in parts of a program: on small ones that is most of the time."""


def solve_highs(
    program: Program,
    limits: Limits,
    hook: Hook | None = None,
    start: FloatArray | None = None,
    options: dict[str, Any] | None = None,
    mail: Mail | None = None,
) -> Solution:
    """Solve the program as it is, from the plan `start` (n,) if there is one; duals are not given (see `relax`).

    `options` are HiGHS's own, on top of those that come from the limits. `mail` brings plans of others and may end the
    search; a start that breaks a row is left out.
    """
    started = time.monotonic()
    if program.column_count == 0:
        return _empty(program, started)
    if start is not None and program.integer.any() and not violations(program, start):
        mail = mail or Mail()
        mail.put(np.asarray(start, dtype=np.float64), program.objective_at(start))
    found, why = None, ""
    for rung, extra in enumerate(_LADDER):
        if found is not None and limits.time_limit_s - (time.monotonic() - started) < _AGAIN_S:
            break
        more = {**(options or {}), **extra}
        highs, log = _run(program, limits, started, hook=hook, mail=None if rung else mail, more=more)
        status = highs.getModelStatus()
        if status in (_ModelStatus.kUnboundedOrInfeasible, _ModelStatus.kUnbounded):
            log()
            return _unbounded_or_infeasible(program, limits, started)
        why = _dishonest(program, highs, None if rung else mail)
        if why:
            found = _doubtful(Status.FAILED, why, started)
        else:
            found, why = _read(program, highs, limits, started)
        found = replace(found, log=log())
        if not why:
            break
    assert found is not None  # noqa: S101 - the ladder has a first rung
    return found


def _dishonest(program: Program, highs: highspy.Highs, mail: Mail | None) -> str:
    """Why HiGHS's point is not what HiGHS says it is; empty where it is."""
    info = highs.getInfo()
    if int(info.primal_solution_status) != _FEASIBLE_POINT:
        return ""
    raw = np.array(highs.getSolution().col_value, dtype=np.float64)
    says, costs = float(info.objective_function_value), program.objective_at(raw)
    if abs(says - costs) > _HONEST * max(1.0, abs(says), abs(costs)):
        return f"HiGHS says {says:.9g} of a point that costs {costs:.9g}"
    start = mail.offer[1] if mail is not None and mail.offer is not None else None
    searched = info.mip_node_count > 0 or info.simplex_iteration_count > 0
    if start is not None and not searched and np.array_equal(raw, start):
        return "HiGHS gave its start back and had searched nothing"
    return ""


def _doubtful(status: Status, message: str, started: float, bound: float = -math.inf) -> Solution:
    return Solution(status, bound=bound, solver=solver_name(), seconds=time.monotonic() - started, message=message)


def relax(
    program: Program, limits: Limits, fixed: BoolArray | None = None, values: FloatArray | None = None
) -> Solution:
    """The linear relaxation with shadow prices; columns of `fixed` (n,) are held at `values` (n,).

    row_dual[i] is the change of the objective per unit of row i's bound, reduced_cost[j] per unit of column j's
    bound. Hold every integer column of a plan fixed to price that plan's limits. `values` of the result need not be
    whole.
    """
    started = time.monotonic()
    program, factor = normalised(program)
    linear = with_integer(program, np.zeros(program.column_count, dtype=np.bool_))
    if fixed is not None:
        if values is None:
            raise ValueError("columns to hold fixed need values")
        linear = with_fixed(linear, fixed, values)
    if linear.column_count == 0:
        return replace(_empty(linear, started), row_dual=np.zeros(linear.row_count), reduced_cost=np.zeros(0))
    highs, log = _run(linear, limits, started)
    if highs.getModelStatus() in (_ModelStatus.kUnboundedOrInfeasible, _ModelStatus.kUnbounded):
        return _unbounded_or_infeasible(linear, limits, started)
    solution = replace(_read(linear, highs, limits, started)[0], log=log())
    point = highs.getSolution()
    if solution.status is not Status.PROVEN_OPTIMAL or not point.dual_valid:
        return solution
    return replace(
        solution,
        row_dual=np.array(point.row_dual, dtype=np.float64) * factor,
        reduced_cost=np.array(point.col_dual, dtype=np.float64),
    )


def read_linear(program: Program, highs: highspy.Highs, limits: Limits, started: float) -> Solution:
    """What a run of a linear program says; NO_PLAN_FOUND also where it has to be asked again."""
    status = highs.getModelStatus()
    if status == _ModelStatus.kUnbounded:
        return _doubtful(Status.UNBOUNDED, "", started)
    if status == _ModelStatus.kUnboundedOrInfeasible:
        return _doubtful(Status.NO_PLAN_FOUND, "unbounded or infeasible", started)
    why = _dishonest(program, highs, None)
    if why:
        return _doubtful(Status.NO_PLAN_FOUND, why, started)
    found, why = _read(program, highs, limits, started)
    return replace(found, status=Status.NO_PLAN_FOUND) if why else found


def complete(program: Program, whole: FloatArray, limits: Limits) -> FloatArray | None:
    """The best point with every integer column rounded from `whole` (n,) and the others chosen by an LP.

    None when there is none that passes `violations`.
    """
    point = np.where(program.integer, np.round(whole), whole)
    if not program.integer.all():
        fixed = with_fixed(program, program.integer, np.clip(point, program.lower, program.upper))
        linear = with_integer(fixed, np.zeros(program.column_count, dtype=np.bool_))
        highs, _ = _run(linear, replace(limits, log=False), time.monotonic(), more=TIGHT)
        if highs.getModelStatus() == _ModelStatus.kOptimal:
            refined = np.array(highs.getSolution().col_value, dtype=np.float64)
            refined = np.where(program.integer, point, np.clip(refined, program.lower, program.upper)) + 0.0
            if not violations(program, refined):
                return refined
    point = np.clip(point, program.lower, program.upper) + 0.0  # no minus zero in a plan
    return None if violations(program, point) else point


def _run(
    program: Program,
    limits: Limits,
    started: float,
    *,
    hook: Hook | None = None,
    mail: Mail | None = None,
    more: dict[str, Any] | None = None,
) -> tuple[highspy.Highs, Callable[[], str | None]]:
    """HiGHS after its run, and how to read the log it kept."""
    options: dict[str, Any] = dict(more or {})
    folder = tempfile.TemporaryDirectory() if limits.log else None
    if folder is not None:
        options["log_file"] = str(Path(folder.name) / "highs.log")
    left = limits.time_limit_s - (time.monotonic() - started)
    highs = build(program, limits, time_limit_s=left, options=options)
    if program.integer.any():
        listen(highs, program, hook, mail)
    if highs.run() == highspy.HighsStatus.kError and highs.getModelStatus() == _ModelStatus.kNotset:
        # HiGHS keeps one pool of threads per process and refuses another size
        highspy.Highs.resetGlobalScheduler(True)
        highs.run()

    def log() -> str | None:
        if folder is None:
            return None
        with folder:
            file = Path(folder.name) / "highs.log"
            return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    return highs, log


def _read(program: Program, highs: highspy.Highs, limits: Limits, started: float) -> tuple[Solution, str]:
    """HiGHS's answer as a Solution, and why it is worth asking again (empty where it is not).

    kUnbounded and kUnboundedOrInfeasible are handled by the caller.
    """
    status, info = highs.getModelStatus(), highs.getInfo()
    whole = bool(program.integer.any())
    bound = float(info.mip_dual_bound) if whole else -math.inf
    bound = bound if math.isfinite(bound) else -math.inf
    nodes = int(info.mip_node_count) if whole else None

    def answer(kind: Status, message: str = "", **more: Any) -> Solution:
        more.setdefault("bound", bound)
        seconds = time.monotonic() - started
        return Solution(kind, solver=solver_name(), seconds=seconds, message=message, nodes=nodes, **more)

    if status == _ModelStatus.kInfeasible:
        return answer(Status.INFEASIBLE, bound=math.inf), ""
    if status != _ModelStatus.kOptimal and status not in _LIMIT_REACHED:
        text = f"HiGHS ended with {highs.modelStatusToString(status)!r}"
        return answer(Status.FAILED, text, bound=-math.inf), text
    word = "" if status == _ModelStatus.kOptimal else f"HiGHS stopped: {highs.modelStatusToString(status)}"
    if int(info.primal_solution_status) != _FEASIBLE_POINT:
        # an optimum without a feasible point is a matter of tolerances: of the scaled model it was one
        text = word or "HiGHS gave no feasible point"
        return answer(Status.NO_PLAN_FOUND, text), "" if word else text
    raw = np.array(highs.getSolution().col_value, dtype=np.float64)
    fraction = float(np.abs(raw - np.round(raw))[program.integer].max()) if whole else 0.0
    values = complete(program, raw, limits) if fraction <= _LARGEST_FRACTION else None
    if values is None:
        # the point leans on HiGHS's tolerance
        broken = violations(program, np.where(program.integer, np.round(raw), raw), 1e-9)[:3]
        named = "; ".join(f"{name} by {amount:.3g}" for name, amount in broken)
        text = f"HiGHS's point does not survive the check: {named or f'a whole column is off by {fraction:.3g}'}"
        return answer(Status.NO_PLAN_FOUND, text), text
    objective = program.objective_at(values)
    if not whole and status == _ModelStatus.kOptimal:
        bound = objective
    bound = min(bound, objective)
    kind = status_of_plan(objective, bound, limits.gap) if status == _ModelStatus.kOptimal or whole else Status.FEASIBLE
    return answer(kind, word, values=values, objective=objective, bound=bound, gap=relative_gap(objective, bound)), ""


def _unbounded_or_infeasible(program: Program, limits: Limits, started: float) -> Solution:
    """Which of the two: the same rows with nothing to minimise have a point or have none."""
    left = max(0.01, limits.time_limit_s - (time.monotonic() - started))
    rows_only = with_objective(program, np.zeros(program.column_count))
    highs, _ = _run(rows_only, replace(limits, time_limit_s=left, log=False), time.monotonic())
    found, _ = _read(rows_only, highs, limits, started)
    status = Status.UNBOUNDED if found.status.has_plan else found.status
    bound = math.inf if status is Status.INFEASIBLE else -math.inf
    message = "" if status.conclusive else "the relaxation falls without end; no plan was found"
    return Solution(status, solver=solver_name(), seconds=time.monotonic() - started, bound=bound, message=message)


def _empty(program: Program, started: float) -> Solution:
    """A program without columns: its rows hold zero or they do not."""
    values = np.zeros(0)
    seconds = time.monotonic() - started
    if violations(program, values):
        return Solution(Status.INFEASIBLE, bound=math.inf, solver="none needed", seconds=seconds)
    offset = program.objective_offset
    return Solution(Status.PROVEN_OPTIMAL, values, offset, offset, 0.0, solver="none needed", seconds=seconds)
