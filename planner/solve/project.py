"""Few whole counts, many ways to split work over them: the splits are projected out.

Where continuous columns cost nothing and only say how the time of whole units is divided over what must be covered (a
load with classes of requests), the program is one in the counts alone: a count is enough when a linear program can
divide its time. Its relaxation is weak there, because counts are few: a tenth of a unit covers a whole class at a
tenth of the price. So whole counts are looked for in a small program over the counts, and each that cannot be divided
gives it one more row (Benders' decomposition). For prices y >= 0 on what must be covered, n_i whole units of column i
earn at most n_i f_i(y), where f_i is what the best division of one unit's time earns when no class is covered more than
once: that "once" is what the relaxation does not know, and what makes the rows tight. A cover needs sum y r.

    min c n   s.t. rows over n,   sum_i f_i(y) n_i >= sum_c y_c r_c   for every y found

Every row holds for every plan, so the bound of the small program is a bound of the whole one.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np

from planner.solve.form import FloatArray, IntArray, Program, ProgramBuilder, violations
from planner.solve.highs import NO_SUB_PROBLEMS, complete, solve_highs, solver_name
from planner.solve.model import build
from planner.solve.projection import Projection
from planner.solve.status import Hook, Limits, Solution, Status, relative_gap, status_of_plan

MOST_UNITS = 6
"""Units in use beyond which rounding matters less and HiGHS on the whole program was measured to be as fast."""
_ROUNDS = 200


def solve_projected(program: Program, found: Projection, limits: Limits, hook: Hook | None = None) -> Solution:
    """Solve in the counts; without a plan and with a bound where units in use are too many or time runs out."""
    started = time.monotonic()
    bound = -math.inf

    def ended(status: Status, message: str = "", values: FloatArray | None = None) -> Solution:
        objective = program.objective_at(values) if values is not None else math.nan
        known = min(bound, objective) if values is not None else bound
        return Solution(
            status_of_plan(objective, known, limits.gap) if values is not None else status,
            values, objective, known, relative_gap(objective, known) if values is not None else math.nan,
            solver=solver_name(), seconds=time.monotonic() - started, message=message,
        )  # fmt: skip

    divide = _Division(program, found, limits)
    whole = np.flatnonzero(program.integer)
    place = np.full(program.column_count, -1)
    place[whole] = np.arange(len(whole))
    rows = [_row(found, place, y) for y in _first_prices(found)]
    for _ in range(_ROUNDS):
        left = limits.time_limit_s - (time.monotonic() - started)
        if left <= 0.0:
            break
        small = _master(program, found, whole, place, rows)
        answer = solve_highs(small, replace(limits, time_limit_s=left, log=False), options=NO_SUB_PROBLEMS)
        if answer.status in (Status.INFEASIBLE, Status.UNBOUNDED):
            bound = answer.bound
            return ended(answer.status)
        bound = max(bound, answer.bound)
        if hook is not None:
            hook("counts", math.nan, bound, None)
        if answer.values is None:
            break
        counts = np.zeros(program.column_count)
        counts[whole] = answer.values
        if counts[found.counts].sum() > MOST_UNITS:
            break
        point, prices = divide.at(counts, max(0.01, left))
        if point is not None:
            return ended(Status.FEASIBLE, values=point)
        if prices is None:
            break
        row = _row(found, place, prices)
        if sum(v * answer.values[j] for j, v in row[0].items()) >= row[1]:
            break  # the row does not cut off what cannot be divided: a matter of tolerances
        rows.append(row)
    return ended(Status.NO_PLAN_FOUND, "whole counts alone did not settle it")


def _first_prices(found: Projection) -> list[FloatArray]:
    """All that must be covered at equal prices, and what only few can cover alone (where no others are fewer)."""
    able = np.zeros((len(found.needs), len(found.counts)), dtype=np.bool_)
    able[found.cover, found.owner] = True
    sets = np.unique(able, axis=0, return_index=True)
    least = [
        int(c) for a, c in zip(*sets, strict=True) if not ((sets[0] <= a).all(axis=1) & (sets[0] < a).any(axis=1)).any()
    ]
    return [1.0 / found.needs, *(np.eye(len(found.needs))[c] for c in least)]


def _row(found: Projection, place: IntArray, prices: FloatArray) -> tuple[dict[int, float], float]:
    """What units must earn together at these prices, scaled to one."""
    asked = float(prices @ found.needs)
    worth = np.minimum(found.worth(prices) / asked, 1.0)  # counts are whole: no more than all is of use
    return {int(place[c]): float(v) for c, v in zip(found.counts, worth, strict=True) if v > 1e-9}, 1.0 - 1e-9


def _master(
    program: Program, found: Projection, whole: IntArray, place: IntArray, rows: list[tuple[dict[int, float], float]]
) -> Program:
    builder = ProgramBuilder()
    for j in whole:
        builder.add_column(
            program.column_names[j], lower=program.lower[j], upper=program.upper[j], objective=program.objective[j],
            integer=True,
        )  # fmt: skip
    by_row: dict[int, dict[int, float]] = {int(r): {} for r in found.master_rows}
    for i, j, v in zip(program.rows.tolist(), program.cols.tolist(), program.vals.tolist(), strict=True):
        if i in by_row:
            by_row[i][int(place[j])] = v
    for i, coefficients in by_row.items():
        low, high = float(program.row_lower[i]), float(program.row_upper[i])
        builder.add_row(program.row_names[i], coefficients, lower=low, upper=high)
    for k, (coefficients, low) in enumerate(rows):
        builder.add_row(f"earned[{k}]", coefficients, lower=low)
    return replace(builder.build(), objective_offset=program.objective_offset)


class _Division:
    """The linear program that divides the time of given counts; kept, and changed from counts to counts."""

    def __init__(self, program: Program, found: Projection, limits: Limits) -> None:
        self.program, self.found, self.limits = program, found, limits
        builder = ProgramBuilder()
        for k in range(len(found.split)):
            builder.add_column(f"s{k}", upper=float(found.most[k]))
        level = builder.add_column("level", upper=1.0, objective=-1.0)
        times: list[dict[int, float]] = [{} for _ in found.counts]
        covers: list[dict[int, float]] = [{level: -1.0} for _ in found.needs]
        for k, (i, c) in enumerate(zip(found.owner, found.cover, strict=True)):
            times[i][k] = float(found.takes[k] / found.has[i])
            covers[c][k] = float(found.gives[k] / found.needs[c])
        for i, row in enumerate(times):
            builder.add_row(f"time{i}", row, upper=0.0)
        for c, row in enumerate(covers):
            builder.add_row(f"cover{c}", row, lower=0.0)
        same = replace(limits, log=False)  # HiGHS keeps one pool of threads and refuses another size
        tight = {"primal_feasibility_tolerance": 1e-9, "dual_feasibility_tolerance": 1e-9}
        self.highs = build(builder.build(), same, time_limit_s=limits.time_limit_s, options=tight)

    def at(self, counts: FloatArray, seconds: float) -> tuple[FloatArray | None, FloatArray | None]:
        """(a plan with these counts, None), or (None, prices at which they earn too little), or neither."""
        found, program = self.found, self.program
        for i, column in enumerate(found.counts):
            self.highs.changeRowBounds(i, -math.inf, float(counts[column]))
        self.highs.setOptionValue("time_limit", self.highs.getRunTime() + seconds)
        self.highs.run()
        solution = self.highs.getSolution()
        if not solution.value_valid or not solution.dual_valid:
            return None, None
        level = float(solution.col_value[-1])
        if level > 1.0 - 1e-6:
            point = counts.copy()
            point[found.free] = found.free_at
            point[found.split] = np.clip(np.array(solution.col_value)[:-1], 0.0, program.upper[found.split])
            if not violations(program, point):
                return point, None
            fixed = complete(program, point, self.limits)
            if fixed is not None:
                return fixed, None
        prices = np.maximum(np.array(solution.row_dual)[len(found.counts) :], 0.0) / found.needs
        return None, prices if prices.any() else None
