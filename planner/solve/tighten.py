"""Bounds that follow from the rows: what CP-SAT and enumeration need to be finite and small."""

from __future__ import annotations

import numpy as np

from planner.solve.form import BoolArray, FloatArray, Program

_SLACK = 1e-7  # relative; a bound is never drawn closer than a solver's own feasibility tolerance


def tightened_bounds(program: Program, passes: int = 12) -> tuple[FloatArray, FloatArray, bool]:
    """(lower, upper, possible) after activity-based propagation; no feasible point is cut off.

    Each pass bounds every column of every row by what the other columns leave over. Whole columns are rounded
    inwards. `possible` is False when some bounds cross: then no point meets the rows. Shapes (n,).
    """
    lower, upper = _whole(program, program.lower, program.upper)
    rows, cols, vals = program.rows, program.cols, program.vals
    positive = vals > 0.0
    for _ in range(passes):
        if _crossed(lower, upper).any():
            return lower, upper, False
        low, high = lower[cols], upper[cols]
        with np.errstate(invalid="ignore"):
            least = np.where(positive, vals * low, vals * high)
            most = np.where(positive, vals * high, vals * low)
        new_lower, new_upper = lower.copy(), upper.copy()
        for share, limit, above in ((least, program.row_upper, True), (most, program.row_lower, False)):
            endless = ~np.isfinite(share)
            total = np.bincount(rows, weights=np.where(endless, 0.0, share), minlength=program.row_count)
            count = np.bincount(rows, weights=endless, minlength=program.row_count)
            weight = np.bincount(rows, weights=np.abs(np.where(endless, 0.0, share)), minlength=program.row_count)
            others_endless = count[rows] - endless
            left = limit[rows] - (total[rows] - np.where(endless, 0.0, share))
            usable = np.isfinite(left) & (others_endless == 0) & (vals != 0.0)
            # the same sum may cancel: the slack is relative to what was added up
            slack = _SLACK * np.maximum(
                1.0, np.maximum(np.abs(np.where(usable, limit[rows], 0.0)), 1e-6 * weight[rows])
            )
            left = np.where(usable, left + (slack if above else -slack), left)
            with np.errstate(divide="ignore", invalid="ignore"):
                implied = left / vals
            caps = usable & (positive if above else ~positive)
            floors = usable & (~positive if above else positive)
            np.minimum.at(new_upper, cols[caps], implied[caps])
            np.maximum.at(new_lower, cols[floors], implied[floors])
        new_lower, new_upper = _whole(program, new_lower, new_upper)
        if np.array_equal(new_lower, lower) and np.array_equal(new_upper, upper):
            break
        lower, upper = new_lower, new_upper
    crossed = _crossed(lower, upper)
    middle = np.where(crossed, 0.0, np.minimum(lower, upper))
    return np.where(lower > upper, middle, lower), upper, not bool(crossed.any())


def _whole(program: Program, lower: FloatArray, upper: FloatArray) -> tuple[FloatArray, FloatArray]:
    slack = 1e-6
    return (
        np.where(program.integer, np.ceil(lower - slack), lower),
        np.where(program.integer, np.floor(upper + slack), upper),
    )


def _crossed(lower: FloatArray, upper: FloatArray) -> BoolArray:
    finite = np.where(np.isfinite(lower), np.abs(lower), 1.0)
    return np.asarray(lower > upper + 1e-6 * np.maximum(1.0, finite), dtype=np.bool_)


def enough(program: Program, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """Upper bounds (n,) beyond which a continuous column that has none is of no use to any point.

    Of columns that cost something or nothing, and that no row is the worse for: each of its rows is met for certain
    from some value on, whatever the others are within `lower` and `upper`. The largest of many loads is such a column.
    Some optimal point lies within these bounds; a feasible one does where there is one.
    """
    found = upper.copy()
    rows, cols, vals = program.rows, program.cols, program.vals
    for column in np.flatnonzero(~program.integer & ~np.isfinite(upper) & (program.objective >= 0.0)).tolist():
        most = lower[column]
        for entry in np.flatnonzero((cols == column) & (vals != 0.0)).tolist():
            row, value = int(rows[entry]), float(vals[entry])
            low, high = float(program.row_lower[row]), float(program.row_upper[row])
            if np.isfinite(high if value > 0.0 else low):
                most = np.inf  # more of it may break this row
                break
            limit, sign = (low, 1.0) if value > 0.0 else (high, -1.0)
            if not np.isfinite(limit):
                continue
            others = (rows == row) & (cols != column)
            share = sign * vals[others]
            with np.errstate(invalid="ignore"):
                least = np.where(share > 0.0, share * lower[cols[others]], share * upper[cols[others]])
            least = np.where(share == 0.0, 0.0, least)
            most = max(most, float((sign * limit - least.sum()) / abs(value)))
        if np.isfinite(most):
            found[column] = most + _SLACK * max(1.0, abs(most))
    return found
