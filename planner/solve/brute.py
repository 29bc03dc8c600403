"""Every point, one after the other: slow, simple, and with nothing in common with the other backends' search."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np

from planner.solve.form import FloatArray, IntArray, Program, allowances, violations, with_fixed
from planner.solve.highs import relax
from planner.solve.status import Hook, Limits, Solution, Status, relative_gap, status_of_plan
from planner.solve.tighten import tightened_bounds

MOST_POINTS = 2_000_000
"""Points of integer columns that are enumerated at most."""
MOST_LINEAR_PROGRAMS = 3_000
"""Points whose continuous columns are solved for at most."""
_CHUNK = 1 << 15


def solve_brute(program: Program, limits: Limits, hook: Hook | None = None) -> Solution:
    """Enumerate the integer columns; where continuous columns remain, solve their LP at each point that may matter.

    Refuses (failed) when an integer column has no bound or there are more than MOST_POINTS points. `hook` is called
    with each better plan.
    """
    started = time.monotonic()

    def ended(
        status: Status, message: str = "", values: FloatArray | None = None, bound: float = -math.inf
    ) -> Solution:
        seconds = time.monotonic() - started
        if values is None:
            return Solution(status, bound=bound, solver="brute force", seconds=seconds, message=message)
        objective = program.objective_at(values)
        return Solution(
            status, values, objective, bound, relative_gap(objective, bound), "brute force", seconds, None, message
        )

    whole = np.flatnonzero(program.integer)
    lower, upper = np.ceil(program.lower[whole] - 1e-9), np.floor(program.upper[whole] + 1e-9)
    if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
        implied_lower, implied_upper, possible = tightened_bounds(program)
        if not possible:
            return ended(Status.INFEASIBLE, bound=math.inf)
        lower = np.where(np.isfinite(lower), lower, implied_lower[whole])
        upper = np.where(np.isfinite(upper), upper, implied_upper[whole])
        if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
            return ended(Status.FAILED, "an integer column has no bound")
    widths = np.maximum(upper - lower + 1.0, 0.0)
    points = math.prod(int(w) for w in widths)
    if points > MOST_POINTS:
        return ended(Status.FAILED, f"{points} points are more than {MOST_POINTS}")

    rest = np.flatnonzero(~program.integer)
    matrix = np.zeros((program.row_count, program.column_count))
    np.add.at(matrix, (program.rows, program.cols), program.vals)
    # what the continuous columns can add to each row and to the objective, at the least and at the most
    row_least, row_most = _reach(matrix[:, rest], program.lower[rest], program.upper[rest])
    cost_least, _ = _reach(program.objective[None, rest], program.lower[rest], program.upper[rest])
    # half of what `violations` lets pass: a point kept here survives there in spite of rounding
    at_low, at_high = allowances(program)
    allowed_low = program.row_lower - 0.5 * at_low - row_most
    allowed_high = program.row_upper + 0.5 * at_high - row_least

    best, best_cost = None, math.inf
    candidates: list[tuple[float, FloatArray]] = []
    for first in range(0, points, _CHUNK):
        if time.monotonic() - started > limits.time_limit_s:
            status = Status.FEASIBLE if best is not None else Status.NO_PLAN_FOUND
            return ended(status, "the time limit passed", best)
        block = _decode(np.arange(first, min(first + _CHUNK, points)), lower, widths)
        activity = block @ matrix[:, whole].T
        fits = np.all((activity >= allowed_low) & (activity <= allowed_high), axis=1)
        cost = block @ program.objective[whole] + program.objective_offset + cost_least[0]
        if len(rest):
            candidates.extend((float(cost[i]), block[i]) for i in np.flatnonzero(fits))
            if len(candidates) > 50 * MOST_LINEAR_PROGRAMS:
                return ended(Status.FAILED, "too many points whose continuous columns would have to be solved for")
        elif fits.any():
            i = int(np.flatnonzero(fits)[np.argmin(cost[fits])])
            if cost[i] < best_cost:
                best, best_cost = block[i], float(cost[i])
                if hook is not None:
                    hook("brute force", best_cost, -math.inf, best)
    if not len(rest):
        if best is None:
            return ended(Status.INFEASIBLE, bound=math.inf)
        values = np.empty(program.column_count)
        values[whole] = best
        if violations(program, values):
            return ended(Status.FAILED, "the best point does not survive the check")
        return ended(Status.PROVEN_OPTIMAL, "", values, program.objective_at(values))
    # cheapest first: once the least possible cost reaches the best plan, nothing better is left
    candidates.sort(key=lambda candidate: candidate[0])
    for count, (least, point) in enumerate(candidates):
        if least >= best_cost:
            break
        left = limits.time_limit_s - (time.monotonic() - started)
        if count >= MOST_LINEAR_PROGRAMS or left <= 0.0:
            message = "the time limit passed" if left <= 0.0 else f"more than {MOST_LINEAR_PROGRAMS} linear programs"
            bound = max(-math.inf, least)
            if best is None:
                return ended(Status.NO_PLAN_FOUND, message, None, bound)
            objective = program.objective_at(best)
            return ended(status_of_plan(objective, bound, limits.gap), message, best, bound)
        values = np.zeros(program.column_count)
        values[whole] = point
        held = with_fixed(program, program.integer, values)
        found = relax(held, replace(limits, time_limit_s=left, gap=0.0))
        if found.status is Status.UNBOUNDED:
            return ended(Status.UNBOUNDED)
        if found.values is not None and found.objective < best_cost and not violations(program, found.values):
            best, best_cost = found.values, found.objective
            if hook is not None:
                hook("brute force", best_cost, -math.inf, best)
    if best is None:
        return ended(Status.INFEASIBLE, bound=math.inf)
    return ended(Status.PROVEN_OPTIMAL, "", best, program.objective_at(best))


def _decode(numbers: IntArray, lower: FloatArray, widths: FloatArray) -> FloatArray:
    """Points by number, the first column turning slowest: (len(numbers), len(lower))."""
    block = np.empty((len(numbers), len(lower)))
    rest = numbers.copy()
    for j in range(len(lower) - 1, -1, -1):
        width = int(widths[j])
        block[:, j] = lower[j] + rest % width
        rest //= width
    return block


def _reach(matrix: FloatArray, lower: FloatArray, upper: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Least and most of matrix @ x over lower <= x <= upper, row by row; a zero coefficient adds nothing to either."""
    with np.errstate(invalid="ignore"):
        at_lower = np.where(matrix == 0.0, 0.0, matrix * lower)
        at_upper = np.where(matrix == 0.0, 0.0, matrix * upper)
    return np.minimum(at_lower, at_upper).sum(axis=1), np.maximum(at_lower, at_upper).sum(axis=1)
