"""CP-SAT over the integer image of a program, in a process of its own.

Its OPTIMAL also means "stopped at the gap asked for", so the status is made here from the objective of the checked
plan and the bound carried back to the program; an answer about an image that is not two-way proves nothing.
"""

from __future__ import annotations

import importlib.metadata
import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from planner.solve import wire
from planner.solve.child import ChildError, converse
from planner.solve.form import FloatArray, Program, violations
from planner.solve.highs import complete, relax
from planner.solve.integers import ImpossibleError, IntegerImage, RefusedError, integer_image
from planner.solve.status import Hook, Limits, Mail, Solution, Status, relative_gap, status_of_plan

_FAR = 2**62  # of `sat.FAR`, which cannot be imported here: OR-Tools comes with it


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
    mail: Mail | None = None,
    bounded: bool = False,
) -> Solution:
    """Solve the integer image; see `integers` for grid, tighten and precision.

    bounded  where the image proves nothing about the program, the bound is that of the linear relaxation, by HiGHS
    hint     a point (n,) that has passed `violations` (hinting any other was measured to do harm)
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
    left = limits.time_limit_s - (time.monotonic() - started)
    if left <= 0.0:
        return ended(Status.NO_PLAN_FOUND, "the time limit passed while the model was built")
    here = replace(limits, time_limit_s=left)
    if limits.reproducible and limits.memory_mb is None:
        here = replace(here, time_limit_s=limits.time_limit_s)  # the count of work must not depend on the clock
    arrays = _arrays(image)
    if hint is not None:
        arrays["hint"] = image.image_of(hint)
    # within its gap CP-SAT stops of itself; its gap is of the image's objective, the constant left out
    known = _Known(program, image, hook)
    to_image = None if limits.target is None else (limits.target - image.objective_constant) * image.objective_scale
    options = {"gap": limits.gap, "stop_at": to_image}
    try:
        block = converse("cpsat", "image", ({}, arrays), here, options, known, mail=mail)
    except ChildError as error:
        return known.solution(ended, limits, f"CP-SAT: {error}", Status.FAILED)
    if block is None:
        return known.solution(ended, limits, "CP-SAT did not stop at its time limit", Status.NO_PLAN_FOUND)
    head, found = wire.unpack(block)
    word, log = head["word"], head["log"]
    if word == "invalid":
        return ended(Status.FAILED, f"CP-SAT refused the model: {head['why']}", log=log)
    bound = known.to_program(head["bound"]) if image.two_way else -math.inf
    if word == "infeasible":
        if image.two_way:
            return ended(Status.INFEASIBLE, log=log, bound=math.inf)
        why = "the integer image has no point"
        if bounded and relax(program, replace(here, log=False)).status is Status.INFEASIBLE:
            return ended(Status.INFEASIBLE, log=log, bound=math.inf)
        return ended(Status.NO_PLAN_FOUND, _why_open(image, why), log=log)
    if word == "unknown":
        return ended(Status.NO_PLAN_FOUND, "CP-SAT reached its limit", bound=bound, log=log)
    raw = image.values(found["y"])
    values = complete(program, raw, limits)
    if values is None:
        broken = "; ".join(f"{name} by {amount:.3g}" for name, amount in violations(program, raw)[:3])
        return ended(Status.FAILED, f"CP-SAT's point does not survive the check: {broken}", log=log)
    objective = program.objective_at(values)
    why = "" if image.two_way else _why_open(image, "the plan is checked, its bound is not known")
    if bounded and not image.two_way:
        linear = relax(program, replace(here, log=False))
        if linear.status is Status.PROVEN_OPTIMAL:
            bound, why = linear.objective, _why_open(image, "the bound is that of the linear relaxation")
    bound = min(bound, objective)
    return ended(
        status_of_plan(objective, bound, limits.gap),
        why,
        values=values,
        objective=objective,
        bound=bound,
        gap=relative_gap(objective, bound),
        log=log,
        nodes=head["branches"],
    )


def _why_open(image: IntegerImage, text: str) -> str:
    return f"{text}: {image.note or 'some rows are drawn in to stay safe in whole numbers'}"


def _arrays(image: IntegerImage) -> dict[str, np.ndarray[Any, Any]]:
    """The image as `sat` takes it."""

    def limit(value: int | None, none: int) -> int:
        return none if value is None else max(-_FAR, min(_FAR, value))

    lengths = [len(row.columns) for row in image.rows]
    return {
        "width": image.width,
        "objective": image.objective,
        "starts": np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))).astype(np.int64),
        "cols": np.concatenate([row.columns for row in image.rows] or [np.zeros(0, dtype=np.int64)]),
        "coefficients": np.concatenate([row.coefficients for row in image.rows] or [np.zeros(0, dtype=np.int64)]),
        "lower": np.array([limit(row.lower, -_FAR) for row in image.rows], dtype=np.int64),
        "upper": np.array([limit(row.upper, _FAR) for row in image.rows], dtype=np.int64),
    }


class _Known:
    """The hook of the child: what it tells of the image, told of the program; the best plan is kept."""

    def __init__(self, program: Program, image: IntegerImage, hook: Hook | None) -> None:
        self._program, self._image, self._hook = program, image, hook
        self._whole = bool(program.integer.all())
        self.best: tuple[float, FloatArray] | None = None
        self.bound = -math.inf

    def to_program(self, image_objective: float) -> float:
        """An objective or bound of the image in the program's unit."""
        if not math.isfinite(image_objective):
            return -math.inf
        return image_objective / self._image.objective_scale + self._image.objective_constant

    def __call__(
        self, phase: str, objective: float, bound: float, values: FloatArray | None, nodes: int | None = None
    ) -> None:
        objective = self.to_program(objective) if math.isfinite(objective) else math.nan
        if self._image.two_way and math.isfinite(bound):
            self.bound = max(self.bound, self.to_program(bound))
        point = None
        if values is not None and self._whole:
            point = self._image.values(np.asarray(values, dtype=np.int64))
            if violations(self._program, point):
                point = None
            else:
                objective = self._program.objective_at(point)
                if self.best is None or objective < self.best[0]:
                    self.best = (objective, point)
        if self._hook is not None:
            self._hook(phase, objective, self.bound, point, nodes)

    def solution(self, ended: Callable[..., Solution], limits: Limits, message: str, otherwise: Status) -> Solution:
        """What was told before the child was gone."""
        if self.best is None:
            return ended(otherwise, message, bound=self.bound)
        objective, values = self.best
        bound = min(self.bound, objective)
        return ended(
            status_of_plan(objective, bound, limits.gap), message, values=values, objective=objective, bound=bound,
            gap=relative_gap(objective, bound),
        )  # fmt: skip
