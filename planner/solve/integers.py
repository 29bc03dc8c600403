"""An all-integer image of a program, with its error known, for a solver that counts in whole numbers only.

Column j of the program is x_j = origin_j + step_j * y_j with y_j whole and y_j >= 0; an integer column has step 1, a
fixed column has no y. Row coefficients are multiplied by a scale and rounded; the possible error of a row's activity
is bounded by E, and the row is then used in one of two ways:

two-way    the limit is loosened by E, and 2 E is within the feasibility tolerance: every point of the program has an
           image, every point of the image meets the row. Bounds and infeasibility carry over to the program.
tightened  the limit is drawn in by E: every point of the image meets the row, but some points of the program are
           lost. Nothing is proven about the program.

Data with few decimals (as files have) become whole numbers exactly, and then E is round-off only. For other data a
coefficient keeps a relative precision, so E is that precision times what the limit lets through, not times the width
of the columns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from planner.solve.form import FEASIBILITY_TOLERANCE, BoolArray, FloatArray, IntArray, Program
from planner.solve.tighten import enough, tightened_bounds

_LARGEST = 2.0**58
"""Bound on the sum of |coefficient| * width of one integer row: CP-SAT counts in 64 bits."""
_CAP = 2.0**31
"""Width given to an integer column that no row bounds; a plan found there is a plan, a proof is none."""
_GRID_ERROR = 1e-7
"""What half a step of a grid should move a row at most: a tenth of the feasibility tolerance."""
_GRID_STEPS = (2.0**16, 2.0**40)
"""Fewest and most steps of the grid laid over a continuous column that no equality row defines."""
_DECIMALS = 15
_NOISE = 4e-16
"""Relative round-off of a product of two decimal numbers."""


@dataclass(frozen=True, slots=True)
class IntegerRow:
    """lower <= sum(coefficients * y[columns]) <= upper, whole numbers (Python integers, or None for no limit)."""

    columns: IntArray
    coefficients: IntArray
    lower: int | None
    upper: int | None


@dataclass(frozen=True, slots=True)
class IntegerImage:
    """The image. `live` lists the program's columns that have a y, in order; rows and objective count along `live`.

    objective of the program >= (sum(objective * y)) / objective_scale + objective_constant, for every point of the
    program when `two_way`.
    """

    live: IntArray
    width: IntArray
    origin: FloatArray
    step: FloatArray
    rows: tuple[IntegerRow, ...]
    objective: IntArray
    objective_scale: float
    objective_constant: float
    two_way: bool
    note: str

    def values(self, whole: IntArray) -> FloatArray:
        """The program's point (n,) for a point of the image (len(live),)."""
        values = self.origin.copy()
        values[self.live] += self.step[self.live] * whole
        return values

    def image_of(self, values: FloatArray) -> IntArray:
        """The nearest point of the image for a point of the program."""
        y = np.round((np.asarray(values) - self.origin)[self.live] / self.step[self.live])
        return np.clip(y, 0, self.width).astype(np.int64)


class RefusedError(Exception):
    """The program has no integer image; the text says why."""


class ImpossibleError(Exception):
    """The rows cannot be met: found while tightening bounds."""


def integer_image(
    program: Program, *, grid: bool = False, precision: float = 2e-8, tighten: bool = False
) -> IntegerImage:
    """Build the image.

    grid       allow continuous columns; a column that an equality row defines follows that row, any other needs
               bounds and is laid on a grid. Without it a continuous column that is not fixed is refused.
    precision  relative precision that a coefficient keeps where its decimals do not end
    tighten    draw every inexact limit in instead of loosening it: for finding plans, when proofs come from elsewhere

    Raises RefusedError (continuous or unbounded columns, numbers too far apart) or ImpossibleError.
    """
    free = (program.lower < program.upper) & ~program.integer
    if free.any() and not grid:
        name = program.column_names[int(np.flatnonzero(free)[0])]
        raise RefusedError(f"continuous column {name!r}: CP-SAT counts whole numbers; ask for a grid")
    lower, upper, possible = tightened_bounds(program)
    if not possible:
        raise ImpossibleError
    if grid:
        upper = enough(program, lower, upper)
    notes: list[str] = []
    whole_open = program.integer & ~(np.isfinite(lower) & np.isfinite(upper))
    if whole_open.any():
        notes.append(f"column {program.column_names[int(np.flatnonzero(whole_open)[0])]!r} has no bound")
        lower = np.where(
            program.integer & ~np.isfinite(lower), np.where(np.isfinite(upper), upper - _CAP, -_CAP), lower
        )
        upper = np.where(program.integer & ~np.isfinite(upper), lower + 2.0 * _CAP, upper)
    return _Builder(program, lower, upper, precision, tighten, notes).build()


class _Builder:
    """Works through columns, then rows, then the objective."""

    def __init__(
        self, program: Program, lower: FloatArray, upper: FloatArray, precision: float, tighten: bool, notes: list[str]
    ) -> None:
        n = program.column_count
        self.program, self.lower, self.upper = program, lower, upper
        self.precision, self.tighten, self.notes = precision, tighten, notes
        self.two_way = not notes
        self.origin = lower.copy()
        self.step = np.ones(n)
        # |value the rows give a column - value on the image|, at most: for a point of the image, and for the image
        # nearest to any point of the program (which adds half a step of every grid)
        self.error = np.zeros(n)
        self.nearest_error = np.zeros(n)
        self.fixed: BoolArray = np.asarray(upper - lower <= 0.0, dtype=np.bool_)
        order = np.argsort(program.rows, kind="stable")
        self.row_start = np.searchsorted(program.rows[order], np.arange(program.row_count + 1))
        self.row_cols, self.row_vals = program.cols[order], program.vals[order]
        self.rows: list[IntegerRow] = []

    def entries(self, row: int) -> tuple[IntArray, FloatArray]:
        part = slice(self.row_start[row], self.row_start[row + 1])
        cols, vals = self.row_cols[part], self.row_vals[part]
        if len(np.unique(cols)) == len(cols):
            return cols, vals
        distinct, where = np.unique(cols, return_inverse=True)
        return distinct, np.bincount(where, weights=vals).astype(np.float64)

    def build(self) -> IntegerImage:
        program = self.program
        defining = self._definitions()
        for column in np.flatnonzero(~program.integer & ~self.fixed):
            if int(column) not in defining:
                self._lay_grid(int(column))
        rows_done = set()
        for defined, row in defining.items():
            self._define(defined, row)
            rows_done.add(row)
        self.live = np.flatnonzero(~self.fixed)
        number = np.full(program.column_count, -1, dtype=np.int64)
        number[self.live] = np.arange(len(self.live))
        self.width = np.floor((self.upper - self.origin)[self.live] / self.step[self.live] + 1e-6)
        self.width = np.maximum(self.width, 0.0)
        built = [IntegerRow(number[row.columns], row.coefficients, row.lower, row.upper) for row in self.rows]
        for row in range(program.row_count):
            if row not in rows_done:
                built.extend(self._row(row, number))
        objective, scale, constant = self._objective()
        return IntegerImage(
            live=self.live,
            width=self.width.astype(np.int64),
            origin=self.origin,
            step=self.step,
            rows=tuple(built),
            objective=objective,
            objective_scale=scale,
            objective_constant=constant,
            two_way=self.two_way,
            note="; ".join(self.notes),
        )

    def _definitions(self) -> dict[int, int]:
        """Continuous columns that an equality row gives from columns known before: {column: row}, in order."""
        program = self.program
        unknown = ~program.integer & ~self.fixed
        equality = np.flatnonzero(program.row_lower == program.row_upper)
        found: dict[int, int] = {}
        waiting = [int(i) for i in equality]
        # a row with several unknown columns waits until all but one are known
        while waiting:
            later = []
            for row in waiting:
                cols, vals = self.entries(row)
                open_columns = cols[unknown[cols]]
                if len(open_columns) == 1:
                    column = int(open_columns[0])
                    if abs(float(vals[cols == column][0])) >= 1e-9:
                        found[column] = row
                        unknown[column] = False
                elif len(open_columns) > 1:
                    later.append(row)
            if len(later) == len(waiting):
                break
            waiting = later
        return found

    def _lay_grid(self, column: int) -> None:
        low, high = self.lower[column], self.upper[column]
        if not (math.isfinite(low) and math.isfinite(high)):
            raise RefusedError(
                f"continuous column {self.program.column_names[column]!r} has no bounds to lay a grid on"
            )
        steepest = float(np.abs(self.program.vals[self.program.cols == column]).max(initial=0.0))
        steepest = max(steepest, abs(float(self.program.objective[column])))
        wanted = 2.0 * _GRID_ERROR / steepest if steepest > 0.0 else math.inf
        wanted = min(max(wanted, (high - low) / _GRID_STEPS[1]), (high - low) / _GRID_STEPS[0])
        # a decimal step, so that decimal limits stay whole
        self.step[column] = 10.0 ** math.floor(math.log10(wanted))
        self.nearest_error[column] = 0.5 * self.step[column]

    def _define(self, column: int, row: int) -> None:
        """Give a continuous column the step and the integer row that its defining equality implies."""
        program = self.program
        cols, vals = self.entries(row)
        own = float(vals[cols == column][0])
        other = (cols != column) & ~self.fixed[cols]
        steps = -vals[other] / own * self.step[cols[other]]
        sources = cols[other]
        held = (cols != column) & self.fixed[cols]
        constant = (
            program.row_lower[row]
            - float(vals[held] @ self.origin[cols[held]])
            - float(vals[other] @ self.origin[sources])
        ) / own
        widths = (self.upper - self.origin)[sources] / self.step[sources]
        scale, whole, relative = _whole_numbers(steps, widths, self.precision, _LARGEST)
        step = 1.0 / scale
        rounding = float(np.abs(whole / scale - steps) @ widths)
        if len(steps) and (np.all(steps > 0.0) or np.all(steps < 0.0)):
            reach = max(abs(self.upper[column] - constant), abs(self.lower[column] - constant))
            rounding = min(rounding, relative * reach) if math.isfinite(reach) else rounding
        ratios = np.abs(vals[other] / own)
        error = rounding + float(ratios @ self.error[sources])
        slack = rounding + float(ratios @ self.nearest_error[sources])
        # the image: column = origin + step * y with origin on the grid through `constant`
        least = float(np.minimum(whole, 0.0) @ widths)
        most = float(np.maximum(whole, 0.0) @ widths)
        if math.isfinite(self.lower[column]):
            least = max(least, math.floor((self.lower[column] - slack - constant) * scale - 1e-6))
        if math.isfinite(self.upper[column]):
            most = min(most, math.ceil((self.upper[column] + slack - constant) * scale + 1e-6))
        if most < least:
            raise ImpossibleError
        self.origin[column] = constant + least * step
        self.step[column] = step
        self.upper[column] = constant + most * step
        self.lower[column] = self.origin[column]
        self.error[column], self.nearest_error[column] = error, slack
        if most == least:
            most += 1.0  # keep the column: its row still ties the sources to the constant
            self.upper[column] = constant + most * step
        # y_column - sum(whole * y) = -least
        self.rows.append(
            IntegerRow(
                np.append(sources, column).astype(np.int64),
                np.append(whole, -1.0).astype(np.int64),
                int(least),
                int(least),
            )
        )
        if math.isfinite(program.lower[column]) or math.isfinite(program.upper[column]):
            self._own_bounds(column)

    def _own_bounds(self, column: int) -> None:
        """The program's bounds on a defined column, loosened or drawn in by that column's error."""
        low, high = self.program.lower[column], self.program.upper[column]
        error, nearest = float(self.error[column]), float(self.nearest_error[column])
        lower, upper = self._limits(
            low, high, [(error, nearest)] * 2, 1.0 / float(self.step[column]), float(self.origin[column])
        )
        self.rows.append(IntegerRow(np.array([column]), np.array([1]), lower, upper))

    def _limits(
        self, low: float, high: float, errors: list[tuple[float, float]], scale: float, constant: float
    ) -> tuple[int | None, int | None]:
        """Whole-number limits on scale * (activity - constant) for low <= activity <= high.

        `errors` are those at low and at high: (of a point of the image, of the image nearest to a point).
        """
        noise = 1e-12 * (abs(constant) + max((abs(v) for v in (low, high) if math.isfinite(v)), default=0.0)) + 1e-12
        out: list[int | None] = []
        for limit, sign, (error, nearest) in ((low, -1.0, errors[0]), (high, 1.0, errors[1])):
            if not math.isfinite(limit):
                out.append(None)
                continue
            allowance = FEASIBILITY_TOLERANCE * max(1.0, abs(limit))
            # an equality cannot be drawn in from both sides
            if (not self.tighten or low == high) and error + nearest + 2.0 * noise <= allowance:
                moved = limit + sign * max(nearest + noise, 1e-3 * allowance)
            elif error <= noise:
                moved = limit + sign * noise  # points of the image are exact: nothing is drawn in
                self.two_way = self.two_way and nearest <= noise
            else:
                self.two_way = False
                moved = limit - sign * 1.01 * error
            value = (moved - constant) * scale
            out.append(math.floor(value) if sign > 0.0 else math.ceil(value))
        return out[0], out[1]

    def _row(self, row: int, number: IntArray) -> list[IntegerRow]:
        low, high = float(self.program.row_lower[row]), float(self.program.row_upper[row])
        if not (math.isfinite(low) or math.isfinite(high)):
            return []
        cols, vals = self.entries(row)
        constant = float(vals @ self.origin[cols])
        keep = ~self.fixed[cols]
        cols, vals = cols[keep], vals[keep]
        steps = vals * self.step[cols]
        widths = self.width[number[cols]]
        scale, whole, relative = _whole_numbers(steps, widths, self.precision, _LARGEST)
        straight = float(np.abs(whole / scale - steps) @ widths)
        carried = float(np.abs(vals) @ self.error[cols])
        carried_nearest = float(np.abs(vals) @ self.nearest_error[cols])
        errors = [(0.0, 0.0), (0.0, 0.0)]
        for limit, is_upper in ((high, True), (low, False)):
            if not math.isfinite(limit):
                continue
            # activity = P - N, both >= 0; at the limit P + N <= |limit - constant| + 2 * (largest opposing part)
            opposing = np.minimum(steps, 0.0) if is_upper else np.maximum(steps, 0.0)
            reach = max(0.0, (limit - constant) * (1.0 if is_upper else -1.0)) + 2.0 * float(np.abs(opposing) @ widths)
            if np.all(opposing == steps):
                # a floor under a sum of one sign: more than it asks for is no error
                reach = abs(limit - constant)
            rounding = min(straight, 1.01 * relative * reach)
            errors[is_upper] = (rounding + carried, rounding + carried_nearest)
        merged_lower, merged_upper = self._limits(low, high, errors, scale, constant)
        if merged_lower is not None and merged_upper is not None and merged_lower > merged_upper:
            if low == high:
                raise RefusedError(
                    f"equality row {self.program.row_names[row]!r} cannot be met in whole numbers of limited size"
                )
            raise ImpossibleError
        return [IntegerRow(number[cols], whole.astype(np.int64), merged_lower, merged_upper)]

    def _objective(self) -> tuple[IntArray, float, float]:
        objective = self.program.objective
        constant = float(objective @ np.where(objective != 0.0, self.origin, 0.0)) + self.program.objective_offset
        steps = objective[self.live] * self.step[self.live]
        scale, whole, _ = _whole_numbers(steps, self.width, min(self.precision, 1e-7), _LARGEST)
        # y >= 0: rounding down keeps the image's objective below the program's, so its bound is one for the program
        exact = np.abs(whole / scale - steps) <= _NOISE * np.abs(steps)
        whole = np.where(exact, whole, np.floor(steps * scale))
        carried = float(np.abs(objective[self.live]) @ self.nearest_error[self.live])
        return whole.astype(np.int64), scale, constant - carried


def _whole_numbers(
    values: FloatArray, widths: FloatArray, precision: float, largest: float
) -> tuple[float, FloatArray, float]:
    """(scale, whole numbers near scale * values, largest relative rounding error).

    The smallest power of ten that makes every value whole, if one does while the sums stay small enough;
    else the smallest power of two that keeps the precision, or the largest that fits. A value that the scale would
    round to nothing keeps a 0 and counts as lost in full in the relative error.
    """
    sizes = np.abs(values[values != 0.0])
    if not len(sizes):
        return 1.0, np.zeros(len(values)), 0.0
    total = float(np.abs(values) @ np.maximum(widths, 1.0))
    room = math.floor(math.log2(largest / total))
    wanted = math.ceil(math.log2(0.5 / (precision * float(sizes.min()))))
    kept = 2.0 ** min(room, wanted)
    for decimals in range(-3, _DECIMALS + 1):
        scale = 10.0**decimals
        if total * scale > largest or scale > 1e4 * kept:
            break
        whole = np.round(values * scale)
        back = whole / scale if decimals >= 0 else whole * 10.0**-decimals
        if (np.abs(back - values) <= _NOISE * np.abs(values)).all():
            return scale, whole, 0.0
    whole = np.round(values * kept)
    relative = float((np.abs(whole / kept - values)[values != 0.0] / sizes).max())
    return kept, whole, relative
