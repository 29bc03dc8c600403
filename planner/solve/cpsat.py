"""CP-SAT over the integer image of a program.

Its OPTIMAL also means "stopped at the gap asked for", so the status is made here from the objective of the checked
plan and the bound carried back to the program; an answer about an image that is not two-way proves nothing.
"""

from __future__ import annotations

import importlib.metadata
import math
import time
from functools import cache
from typing import Any

import numpy as np
from ortools.sat.python import cp_model

from planner.solve.form import FloatArray, Program, violations
from planner.solve.highs import complete
from planner.solve.integers import ImpossibleError, IntegerImage, RefusedError, integer_image
from planner.solve.status import Hook, Limits, Solution, Status, relative_gap, status_of_plan

_FAR = 2**62


@cache
def solver_name() -> str:
    """CP-SAT with its version."""
    return f"CP-SAT {importlib.metadata.version('ortools')}"


def solve_cpsat(
    program: Program,
    limits: Limits,
    hook: Hook | None = None,
    *,
    grid: bool = False,
    tighten: bool = False,
    precision: float = 2e-8,
    hint: FloatArray | None = None,
    stop_at: float = -math.inf,
) -> Solution:
    """Solve the integer image; see `integers` for grid, tighten and precision.

    hint     a point (n,) that has passed `violations` (hinting any other was measured to do harm)
    stop_at  stop as soon as a plan's objective is not above this
    """
    started = time.monotonic()

    def ended(status: Status, message: str = "", **more: Any) -> Solution:
        return Solution(status, solver=solver_name(), seconds=time.monotonic() - started, message=message, **more)

    try:
        image = integer_image(program, grid=grid, tighten=tighten, precision=precision)
    except RefusedError as refusal:
        return ended(Status.FAILED, str(refusal))
    except ImpossibleError:
        return ended(Status.INFEASIBLE, "the rows' own bounds cross", bound=math.inf)
    model, columns = _model(image)
    if hint is not None:
        for column, value in zip(columns, image.image_of(hint).tolist(), strict=True):
            model.add_hint(column, value)
    left = limits.time_limit_s - (time.monotonic() - started)
    if left <= 0.0:
        return ended(Status.NO_PLAN_FOUND, "the time limit passed while the model was built")
    solver = _solver(limits, left)
    lines: list[str] = []
    if limits.log:
        solver.parameters.log_search_progress = True
        solver.parameters.log_to_stdout = False
        solver.log_callback = lines.append
    watch = _Watch(program, image, columns, hook, stop_at)
    solver.best_bound_callback = watch.new_bound
    word = solver.solve(model, watch)
    log = "\n".join(lines) if limits.log else None
    if word == cp_model.MODEL_INVALID:
        return ended(Status.FAILED, f"CP-SAT refused the model: {model.validate()}", log=log)
    bound = watch.to_program(solver.best_objective_bound) if image.two_way else -math.inf
    if word == cp_model.INFEASIBLE:
        if image.two_way:
            return ended(Status.INFEASIBLE, log=log, bound=math.inf)
        return ended(Status.NO_PLAN_FOUND, _why_open(image, "the integer image has no point"), log=log)
    if word not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return ended(Status.NO_PLAN_FOUND, "CP-SAT reached its limit", bound=bound, log=log)
    raw = image.values(np.array([solver.value(column) for column in columns], dtype=np.int64))
    values = complete(program, raw, limits)
    if values is None:
        broken = "; ".join(f"{name} by {amount:.3g}" for name, amount in violations(program, raw)[:3])
        return ended(Status.FAILED, f"CP-SAT's point does not survive the check: {broken}", log=log)
    objective = program.objective_at(values)
    bound = min(bound, objective)
    return ended(
        status_of_plan(objective, bound, limits.gap),
        "" if image.two_way else _why_open(image, "the plan is checked, its bound is not known"),
        values=values,
        objective=objective,
        bound=bound,
        gap=relative_gap(objective, bound),
        log=log,
    )


def _why_open(image: IntegerImage, text: str) -> str:
    return f"{text}: {image.note or 'some rows are drawn in to stay safe in whole numbers'}"


def _model(image: IntegerImage) -> tuple[cp_model.CpModel, list[cp_model.IntVar]]:
    model = cp_model.CpModel()
    columns = [model.new_int_var(0, width, "") for width in image.width.tolist()]
    for row in image.rows:
        expression = cp_model.LinearExpr.weighted_sum(
            [columns[j] for j in row.columns.tolist()], row.coefficients.tolist()
        )
        low = -_FAR if row.lower is None else max(-_FAR, min(_FAR, row.lower))
        high = _FAR if row.upper is None else max(-_FAR, min(_FAR, row.upper))
        model.add_linear_constraint(expression, low, high)
    used = np.flatnonzero(image.objective).tolist()
    model.minimize(cp_model.LinearExpr.weighted_sum([columns[j] for j in used], image.objective[used].tolist()))
    return model, columns


def _solver(limits: Limits, left: float) -> cp_model.CpSolver:
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = left
    solver.parameters.random_seed = limits.seed
    solver.parameters.num_workers = limits.worker_count
    solver.parameters.relative_gap_limit = limits.gap
    if limits.reproducible:
        # one worker counts its own work; the wall clock above ends the run only if the machine is much slower
        solver.parameters.max_deterministic_time = left if limits.time_limit_s == left else limits.time_limit_s
    return solver


class _Watch(cp_model.CpSolverSolutionCallback):
    """Passes on what CP-SAT learns, and stops it at a good enough plan."""

    def __init__(
        self,
        program: Program,
        image: IntegerImage,
        columns: list[cp_model.IntVar],
        hook: Hook | None,
        stop_at: float,
    ) -> None:
        super().__init__()
        self._program, self._image, self._columns = program, image, columns
        self._hook, self._stop_at = hook, stop_at
        self._whole = bool(program.integer.all())
        self._next_values = 0.0

    def to_program(self, image_objective: float) -> float:
        """An objective or bound of the image in the program's unit."""
        if not math.isfinite(image_objective):
            return -math.inf
        return image_objective / self._image.objective_scale + self._image.objective_constant

    def on_solution_callback(self) -> None:
        objective = self.to_program(self.objective_value)
        if objective <= self._stop_at:
            self.stop_search()
        if self._hook is None:
            return
        bound = self.to_program(self.best_objective_bound) if self._image.two_way else -math.inf
        values = None
        if self._whole and time.monotonic() >= self._next_values:
            # reading tens of thousands of columns takes a while: once a second is enough to survive a kill
            point = self._image.values(np.array([self.value(column) for column in self._columns], dtype=np.int64))
            if not violations(self._program, point):
                values, objective = point, self._program.objective_at(point)
            self._next_values = time.monotonic() + 1.0
        self._hook("CP-SAT", objective, bound, values)

    def new_bound(self, bound: float) -> None:
        if self._hook is not None and self._image.two_way:
            self._hook("CP-SAT", math.nan, self.to_program(bound), None)
