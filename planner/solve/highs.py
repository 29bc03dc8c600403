"""HiGHS, built through PuLP and read through `prob.solverModel`.

PuLP's own status is never used: it calls a run that hit its time limit optimal. A value is read only after HiGHS's
model status is understood, whole columns are rounded, the other columns are solved again with the whole ones fixed,
and the point is kept only if `violations` finds nothing.
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
import pulp

from planner.errors import SolveError
from planner.solve.form import BoolArray, FloatArray, Program, violations, with_fixed, with_integer, with_objective
from planner.solve.status import Hook, Limits, Solution, Status, relative_gap, status_of_plan

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


@cache
def solver_name() -> str:
    """HiGHS and PuLP with their versions."""
    return f"HiGHS {importlib.metadata.version('highspy')} (PuLP {pulp.__version__})"


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
) -> Solution:
    """Solve the program as it is, from the plan `start` (n,) if there is one; duals are not given (see `relax`).

    `options` are HiGHS's own, on top of those that come from the limits.
    """
    started = time.monotonic()
    if program.column_count == 0:
        return _empty(program, started)
    highs, log = _run(program, limits, started, hook=hook, start=start, more=options)
    status = highs.getModelStatus()
    if status in (_ModelStatus.kUnboundedOrInfeasible, _ModelStatus.kUnbounded):
        return _unbounded_or_infeasible(program, limits, started)
    return replace(_read(program, highs, limits, started, hook), log=log())


def relax(
    program: Program, limits: Limits, fixed: BoolArray | None = None, values: FloatArray | None = None
) -> Solution:
    """The linear relaxation with shadow prices; columns of `fixed` (n,) are held at `values` (n,).

    row_dual[i] is the change of the objective per unit of row i's bound, reduced_cost[j] per unit of column j's
    bound. Hold every integer column of a plan fixed to price that plan's limits. `values` of the result need not be
    whole.
    """
    started = time.monotonic()
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
    solution = replace(_read(linear, highs, limits, started, None), log=log())
    point = highs.getSolution()
    if solution.status is not Status.PROVEN_OPTIMAL or not point.dual_valid:
        return solution
    return replace(
        solution,
        row_dual=np.array(point.row_dual, dtype=np.float64),
        reduced_cost=np.array(point.col_dual, dtype=np.float64),
    )


def complete(program: Program, whole: FloatArray, limits: Limits) -> FloatArray | None:
    """The best point with every integer column rounded from `whole` (n,) and the others chosen by an LP.

    None when there is none that passes `violations`.
    """
    point = np.where(program.integer, np.round(whole), whole)
    if not program.integer.all():
        fixed = with_fixed(program, program.integer, np.clip(point, program.lower, program.upper))
        linear = with_integer(fixed, np.zeros(program.column_count, dtype=np.bool_))
        highs, _ = _run(linear, replace(limits, log=False), time.monotonic(), tight=True)
        if highs.getModelStatus() == _ModelStatus.kOptimal:
            refined = np.array(highs.getSolution().col_value, dtype=np.float64)
            refined = np.where(program.integer, point, np.clip(refined, program.lower, program.upper)) + 0.0
            if not violations(program, refined):
                return refined
    point = np.clip(point, program.lower, program.upper) + 0.0  # no minus zero in a plan
    return None if violations(program, point) else point


def build(
    program: Program, limits: Limits, *, time_limit_s: float, options: dict[str, Any], callback: Any = None
) -> tuple[pulp.LpProblem, highspy.Highs]:
    """The PuLP problem and its HiGHS model, ready to run; column j and row i of HiGHS are those of the program.

    Columns and rows travel under numbers, because PuLP rewrites the characters our names use. HiGHS prints one
    line of version to the process's standard output as it is made; `child` keeps that out of sight.
    """
    problem = pulp.LpProblem("program", pulp.LpMinimize)
    columns = [
        problem.add_variable(
            f"c{j:09d}",
            low if math.isfinite(low) else None,
            high if math.isfinite(high) else None,
            pulp.LpInteger if whole else pulp.LpContinuous,
        )
        for j, (low, high, whole) in enumerate(
            zip(program.lower.tolist(), program.upper.tolist(), program.integer.tolist(), strict=True)
        )
    ]
    # every column, zeros too: PuLP learns from the objective which columns there are
    problem.setObjective(pulp.LpAffineExpression(list(zip(columns, program.objective.tolist(), strict=True))))
    entries: list[list[tuple[Any, float]]] = [[] for _ in range(program.row_count)]
    for i, j, value in zip(program.rows.tolist(), program.cols.tolist(), program.vals.tolist(), strict=True):
        entries[i].append((columns[j], value))
    for i, row in enumerate(entries):
        # PuLP knows one-sided rows only; both sides are given to HiGHS below
        problem.addConstraint(
            pulp.LpConstraint(pulp.LpAffineExpression(row), pulp.LpConstraintLE, rhs=0.0), f"r{i:09d}"
        )
    solver = pulp.HiGHS(
        msg=limits.log,
        gapRel=limits.gap,
        gapAbs=1e-9,
        threads=limits.worker_count,
        timeLimit=max(0.01, time_limit_s),
        log_to_console=False,
        random_seed=limits.seed,
        **options,
    )
    solver.createAndConfigureSolver(problem)
    solver.buildSolverModel(problem)
    highs: highspy.Highs = problem.solverModel
    if any(column.index != j for j, column in enumerate(columns)):
        raise SolveError("PuLP has put the columns in another order")
    for i, (low, high) in enumerate(zip(program.row_lower.tolist(), program.row_upper.tolist(), strict=True)):
        highs.changeRowBounds(i, low, high)
    highs.changeObjectiveOffset(program.objective_offset)
    if callback is not None:
        highs.setCallback(callback, None)
        for kind in (
            highspy.cb.HighsCallbackType.kCallbackMipImprovingSolution,
            highspy.cb.HighsCallbackType.kCallbackMipLogging,
        ):
            highs.startCallback(kind)
    return problem, highs


def _run(
    program: Program,
    limits: Limits,
    started: float,
    *,
    hook: Hook | None = None,
    tight: bool = False,
    start: FloatArray | None = None,
    more: dict[str, Any] | None = None,
) -> tuple[highspy.Highs, Callable[[], str | None]]:
    """HiGHS after its run, and how to read the log it kept."""
    options: dict[str, Any] = dict(more or {})
    if tight:
        options |= {
            "primal_feasibility_tolerance": 1e-9,
            "dual_feasibility_tolerance": 1e-9,
            "mip_feasibility_tolerance": 1e-9,
        }
    folder = tempfile.TemporaryDirectory() if limits.log else None
    if folder is not None:
        options["log_file"] = str(Path(folder.name) / "highs.log")
    left = limits.time_limit_s - (time.monotonic() - started)
    callback = _callback(program, hook) if hook is not None and program.integer.any() else None
    _, highs = build(program, limits, time_limit_s=left, options=options, callback=callback)
    if start is not None:
        known = highspy.HighsSolution()
        known.col_value = start.tolist()
        highs.setSolution(known)
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


def _callback(program: Program, hook: Hook) -> Callable[..., None]:
    def report(kind: Any, _message: str, out: Any, _in: Any, _data: Any) -> None:
        if kind == highspy.cb.HighsCallbackType.kCallbackMipImprovingSolution:
            values = np.array(out.mip_solution, dtype=np.float64)
            values = np.clip(np.where(program.integer, np.round(values), values), program.lower, program.upper)
            if not violations(program, values):
                hook("HiGHS", program.objective_at(values), float(out.mip_dual_bound), values)
        else:
            primal = float(out.mip_primal_bound)
            hook("HiGHS", primal if math.isfinite(primal) else math.nan, float(out.mip_dual_bound), None)

    return report


def _read(
    program: Program, highs: highspy.Highs, limits: Limits, started: float, hook: Hook | None, *, again: bool = False
) -> Solution:
    """HiGHS's answer as a Solution; kUnbounded and kUnboundedOrInfeasible are handled by the caller."""
    status, info = highs.getModelStatus(), highs.getInfo()
    whole = bool(program.integer.any())
    bound = float(info.mip_dual_bound) if whole else -math.inf
    bound = bound if math.isfinite(bound) else -math.inf

    def answer(kind: Status, message: str = "", **more: Any) -> Solution:
        more.setdefault("bound", bound)
        return Solution(kind, solver=solver_name(), seconds=time.monotonic() - started, message=message, **more)

    if status == _ModelStatus.kInfeasible:
        return answer(Status.INFEASIBLE, bound=math.inf)
    if status != _ModelStatus.kOptimal and status not in _LIMIT_REACHED:
        return answer(Status.FAILED, f"HiGHS ended with {highs.modelStatusToString(status)!r}", bound=-math.inf)
    word = "" if status == _ModelStatus.kOptimal else f"HiGHS stopped: {highs.modelStatusToString(status)}"
    if int(info.primal_solution_status) != _FEASIBLE_POINT:
        return answer(Status.NO_PLAN_FOUND, word or "HiGHS gave no feasible point")
    raw = np.array(highs.getSolution().col_value, dtype=np.float64)
    fraction = float(np.abs(raw - np.round(raw))[program.integer].max()) if whole else 0.0
    values = complete(program, raw, limits) if fraction <= _LARGEST_FRACTION else None
    if values is None:
        if whole and not again and limits.time_limit_s - (time.monotonic() - started) > 0.1:
            # the point leans on HiGHS's tolerance; ask once more with the tightest one it has
            highs, _ = _run(program, replace(limits, log=False), started, hook=hook, tight=True)
            return _read(program, highs, limits, started, hook, again=True)
        return answer(
            Status.FAILED if status == _ModelStatus.kOptimal else Status.NO_PLAN_FOUND,
            "HiGHS's point does not survive the check: "
            + "; ".join(f"{name} by {amount:.3g}" for name, amount in violations(program, raw, 1e-9)[:3]),
        )
    objective = program.objective_at(values)
    if not whole and status == _ModelStatus.kOptimal:
        bound = objective
    bound = min(bound, objective)
    return answer(
        status_of_plan(objective, bound, limits.gap) if status == _ModelStatus.kOptimal or whole else Status.FEASIBLE,
        word,
        values=values,
        objective=objective,
        bound=bound,
        gap=relative_gap(objective, bound),
    )


def _unbounded_or_infeasible(program: Program, limits: Limits, started: float) -> Solution:
    """Which of the two: the same rows with nothing to minimise have a point or have none."""
    left = max(0.01, limits.time_limit_s - (time.monotonic() - started))
    rows_only = with_objective(program, np.zeros(program.column_count))
    highs, _ = _run(rows_only, replace(limits, time_limit_s=left, log=False), time.monotonic())
    found = _read(rows_only, highs, limits, started, None)
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
