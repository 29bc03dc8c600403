"""The sparse form every backend reads: named columns and rows, nothing about chips.

    minimise    objective · x + objective_offset
    subject to  row_lower <= A x <= row_upper          A as coordinates (rows, cols, vals)
                lower <= x <= upper,  x[integer] whole

A `Program` is made once by a `ProgramBuilder` and never changed; the helpers here return copies.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Coefficients = Mapping[int, float] | Iterable[tuple[int, float]]

FEASIBILITY_TOLERANCE = 1e-6
"""Largest violation of a row or bound that is not called one, relative to what `allowances` says."""

_FORM_VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A mixed-integer linear program with names. Arrays are read-only; n columns, m rows, k non-zeros.

    `structure` marks the yes/no or structural decisions (a subset of `integer`) that the split driver fixes first;
    `row_kind` names the family of a limit ("power", "racks"); `row_names` is the text a person reads in a diagnosis.
    """

    column_names: tuple[str, ...]
    lower: FloatArray
    upper: FloatArray
    objective: FloatArray
    integer: BoolArray
    structure: BoolArray
    row_names: tuple[str, ...]
    row_kind: tuple[str, ...]
    row_lower: FloatArray
    row_upper: FloatArray
    rows: IntArray
    cols: IntArray
    vals: FloatArray
    objective_offset: float = 0.0

    def __post_init__(self) -> None:
        n, m = len(self.column_names), len(self.row_names)
        for name, size in (
            *((name, n) for name in ("lower", "upper", "objective", "integer", "structure")),
            *((name, m) for name in ("row_lower", "row_upper")),
            *((name, len(self.vals)) for name in ("rows", "cols", "vals")),
        ):
            kind = {"integer": np.bool_, "structure": np.bool_, "rows": np.int64, "cols": np.int64}.get(
                name, np.float64
            )
            array: NDArray[Any] = np.array(getattr(self, name), dtype=kind)
            if array.shape != (size,):
                raise ValueError(f"{name} has shape {array.shape}, expected ({size},)")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if len(self.row_kind) != m:
            raise ValueError(f"row_kind has {len(self.row_kind)} entries, expected {m}")
        if len(self.vals) and not (
            0 <= int(self.rows.min()) <= int(self.rows.max()) < m
            and 0 <= int(self.cols.min()) <= int(self.cols.max()) < n
        ):
            raise ValueError("a coefficient names a row or column that does not exist")
        if not (
            np.isfinite(self.vals).all() and np.isfinite(self.objective).all() and math.isfinite(self.objective_offset)
        ):
            raise ValueError("coefficients must be finite")
        if (self.structure & ~self.integer).any():
            raise ValueError("structure columns must be integer")
        _check_bounds("column", self.column_names, self.lower, self.upper)
        _check_bounds("row", self.row_names, self.row_lower, self.row_upper)

    @property
    def column_count(self) -> int:
        return len(self.column_names)

    @property
    def row_count(self) -> int:
        return len(self.row_names)

    def column(self, name: str) -> int:
        """Index of a column by name; ValueError if there is none (linear search: for tests and reports)."""
        return self.column_names.index(name)

    def row(self, name: str) -> int:
        """Index of a row by name; ValueError if there is none (linear search: for tests and reports)."""
        return self.row_names.index(name)

    def objective_at(self, values: FloatArray) -> float:
        """Objective at a point (n,), offset included; summed without rounding between terms."""
        terms = self.objective * np.asarray(values, dtype=np.float64)
        return math.fsum(terms[terms != 0.0].tolist()) + self.objective_offset

    def activities(self, values: FloatArray) -> FloatArray:
        """A x, one number a row (m,)."""
        products = self.vals * np.asarray(values, dtype=np.float64)[self.cols]
        return np.bincount(self.rows, weights=products, minlength=self.row_count).astype(np.float64)


def _check_bounds(what: str, names: tuple[str, ...], lower: FloatArray, upper: FloatArray) -> None:
    bad = np.isnan(lower) | np.isnan(upper) | (lower > upper) | (lower == np.inf) | (upper == -np.inf)
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        raise ValueError(f"{what} {names[i]!r}: bounds {lower[i]} .. {upper[i]} hold no number")


class ProgramBuilder:
    """Collects columns and rows, then `build()`s a Program. Names of columns, and of rows, must differ."""

    def __init__(self) -> None:
        self._columns: dict[str, int] = {}
        self._lower: list[float] = []
        self._upper: list[float] = []
        self._objective: list[float] = []
        self._integer: list[bool] = []
        self._structure: list[bool] = []
        self._row_names: dict[str, int] = {}
        self._kinds: list[str] = []
        self._row_lower: list[float] = []
        self._row_upper: list[float] = []
        self._rows: list[int] = []
        self._cols: list[int] = []
        self._vals: list[float] = []
        self._offset = 0.0

    def add_column(
        self,
        name: str,
        *,
        lower: float = 0.0,
        upper: float = math.inf,
        objective: float = 0.0,
        integer: bool = False,
        structure: bool = False,
    ) -> int:
        """Add a column and return its index. A structure column is integer. ValueError on a name already taken."""
        if name in self._columns:
            raise ValueError(f"column {name!r} is there already")
        index = self._columns[name] = len(self._columns)
        self._lower.append(float(lower))
        self._upper.append(float(upper))
        self._objective.append(float(objective))
        self._integer.append(bool(integer or structure))
        self._structure.append(bool(structure))
        return index

    def add_row(
        self,
        name: str,
        coefficients: Coefficients,
        *,
        lower: float = -math.inf,
        upper: float = math.inf,
        kind: str = "",
    ) -> int:
        """Add lower <= sum(coefficient * column) <= upper and return its index.

        Coefficients of one column given twice are added; zeros are dropped. ValueError on a name already taken or
        a column that does not exist.
        """
        if name in self._row_names:
            raise ValueError(f"row {name!r} is there already")
        if isinstance(coefficients, Mapping):
            merged: Mapping[int, float] = coefficients
        else:
            added: dict[int, float] = {}
            for column, value in coefficients:
                added[column] = added.get(column, 0.0) + value
            merged = added
        count = len(self._columns)
        for column in merged:
            if not 0 <= column < count:
                raise ValueError(f"row {name!r}: column {column} does not exist")
        index = self._row_names[name] = len(self._row_names)
        for column, value in merged.items():
            if value != 0.0:
                self._rows.append(index)
                self._cols.append(int(column))
                self._vals.append(float(value))
        self._kinds.append(kind)
        self._row_lower.append(float(lower))
        self._row_upper.append(float(upper))
        return index

    def set_objective(self, coefficients: Mapping[int, float], offset: float = 0.0) -> None:
        """Replace the whole objective (columns not named get 0) and its constant."""
        objective = [0.0] * len(self._columns)
        for column, value in coefficients.items():
            objective[column] = float(value)
        self._objective = objective
        self._offset = float(offset)

    def build(self) -> Program:
        """The finished program; ValueError where bounds cross or a coefficient is not finite."""
        return Program(
            column_names=tuple(self._columns),
            lower=np.array(self._lower, dtype=np.float64),
            upper=np.array(self._upper, dtype=np.float64),
            objective=np.array(self._objective, dtype=np.float64),
            integer=np.array(self._integer, dtype=np.bool_),
            structure=np.array(self._structure, dtype=np.bool_),
            row_names=tuple(self._row_names),
            row_kind=tuple(self._kinds),
            row_lower=np.array(self._row_lower, dtype=np.float64),
            row_upper=np.array(self._row_upper, dtype=np.float64),
            rows=np.array(self._rows, dtype=np.int64),
            cols=np.array(self._cols, dtype=np.int64),
            vals=np.array(self._vals, dtype=np.float64),
            objective_offset=self._offset,
        )


def row_units(program: Program) -> FloatArray:
    """What is not small in each row (m,): 1, or where all its coefficients are smaller the largest of them.

    A row in which everything is a millionth is no row without a limit: its tolerance shrinks with it.
    """
    largest = np.zeros(program.row_count)
    np.maximum.at(largest, program.rows, np.abs(program.vals))
    return np.where(largest > 0.0, np.minimum(1.0, largest), 1.0)


def allowances(program: Program) -> tuple[FloatArray, FloatArray]:
    """(at the lower limit, at the upper limit) (m,): how far a row may exceed it and not be called broken."""
    unit = row_units(program)
    return (
        FEASIBILITY_TOLERANCE * _measure(program.row_lower, unit),
        FEASIBILITY_TOLERANCE * _measure(program.row_upper, unit),
    )


def normalised(program: Program) -> tuple[Program, FloatArray]:
    """The program with each row of coefficients below 1 multiplied by a power of two, and the factors (m,).

    The largest coefficient is then in 1 .. 2: solvers' tolerances are absolute, and a row of millionths is below them.
    """
    factor = np.exp2(np.ceil(-np.log2(row_units(program))))
    if (factor == 1.0).all():
        return program, factor
    return replace(
        program,
        row_lower=program.row_lower * factor,
        row_upper=program.row_upper * factor,
        vals=program.vals * factor[program.rows],
    ), factor


def _measure(limit: FloatArray, unit: FloatArray) -> FloatArray:
    return np.maximum(unit, np.abs(np.where(np.isfinite(limit), limit, 0.0)))


def violations(program: Program, values: FloatArray, tol: float = FEASIBILITY_TOLERANCE) -> list[tuple[str, float]]:
    """Every row, bound and whole-number rule that a point (n,) breaks, as (name, amount in the row's own unit).

    A row is broken when exceeded by more than `allowances`, a bound of a column by more than tol * max(1, |bound|); an
    integer column when further than tol from a whole number. Broken bounds are named "column NAME", fractions
    "column NAME (whole)".
    """
    x = np.asarray(values, dtype=np.float64)
    if x.shape != (program.column_count,):
        raise ValueError(f"values have shape {x.shape}, expected ({program.column_count},)")
    found: list[tuple[str, float]] = []
    for names, prefix, activity, low, high, unit in (
        (program.row_names, "", program.activities(x), program.row_lower, program.row_upper, row_units(program)),
        (program.column_names, "column ", x, program.lower, program.upper, np.ones(program.column_count)),
    ):
        excess = np.maximum(low - activity, activity - high)
        with np.errstate(invalid="ignore"):
            bound = np.where(low - activity > activity - high, low, high)
        broken = np.isnan(activity) | (excess > tol * _measure(bound, unit))
        found.extend((prefix + names[i], float(excess[i])) for i in np.flatnonzero(broken))
    fraction = np.where(program.integer, np.abs(x - np.round(x)), 0.0)
    found.extend(
        (f"column {program.column_names[i]} (whole)", float(fraction[i])) for i in np.flatnonzero(fraction > tol)
    )
    return found


def with_columns(
    program: Program,
    names: Sequence[str],
    rows: Iterable[tuple[str, Coefficients]],
    *,
    upper: float,
    kind: str = "",
) -> Program:
    """A copy with a yes/no column for each name, after the others, and rows at most ``upper`` that may name them."""
    n, m = len(names), program.row_count
    made = [(name, dict(c)) for name, c in rows]
    return replace(
        program,
        column_names=(*program.column_names, *names),
        lower=np.append(program.lower, np.zeros(n)),
        upper=np.append(program.upper, np.ones(n)),
        objective=np.append(program.objective, np.zeros(n)),
        integer=np.append(program.integer, np.ones(n, dtype=np.bool_)),
        structure=np.append(program.structure, np.ones(n, dtype=np.bool_)),
        row_names=(*program.row_names, *(name for name, _ in made)),
        row_kind=(*program.row_kind, *(kind for _ in made)),
        row_lower=np.append(program.row_lower, np.full(len(made), -math.inf)),
        row_upper=np.append(program.row_upper, np.full(len(made), upper)),
        rows=np.append(program.rows, np.array([m + i for i, (_, c) in enumerate(made) for _ in c], dtype=np.int64)),
        cols=np.append(program.cols, np.array([j for _, c in made for j in c], dtype=np.int64)),
        vals=np.append(program.vals, np.array([v for _, c in made for v in c.values()], dtype=np.float64)),
    )


def with_row(
    program: Program,
    name: str,
    coefficients: Coefficients,
    *,
    lower: float = -math.inf,
    upper: float = math.inf,
    kind: str = "",
) -> Program:
    """A copy with one row more. ValueError on a name already taken."""
    if name in program.row_names:
        raise ValueError(f"row {name!r} is there already")
    merged: dict[int, float] = {}
    pairs = coefficients.items() if isinstance(coefficients, Mapping) else coefficients
    for column, value in pairs:
        merged[column] = merged.get(column, 0.0) + value
    kept = [(c, v) for c, v in merged.items() if v != 0.0]
    return replace(
        program,
        row_names=(*program.row_names, name),
        row_kind=(*program.row_kind, kind),
        row_lower=np.append(program.row_lower, lower),
        row_upper=np.append(program.row_upper, upper),
        rows=np.append(program.rows, np.full(len(kept), program.row_count, dtype=np.int64)),
        cols=np.append(program.cols, np.array([c for c, _ in kept], dtype=np.int64)),
        vals=np.append(program.vals, np.array([v for _, v in kept], dtype=np.float64)),
    )


def without_rows(program: Program, drop: BoolArray) -> Program:
    """A copy without the rows marked in `drop` (m,)."""
    keep = ~np.asarray(drop, dtype=np.bool_)
    kept = np.flatnonzero(keep)
    number = np.cumsum(keep) - 1
    entries = keep[program.rows]
    return replace(
        program,
        row_names=tuple(program.row_names[i] for i in kept),
        row_kind=tuple(program.row_kind[i] for i in kept),
        row_lower=program.row_lower[kept],
        row_upper=program.row_upper[kept],
        rows=number[program.rows[entries]].astype(np.int64),
        cols=program.cols[entries],
        vals=program.vals[entries],
    )


def with_objective(program: Program, objective: FloatArray, offset: float = 0.0) -> Program:
    """A copy that minimises something else (n,)."""
    return replace(program, objective=np.asarray(objective, dtype=np.float64), objective_offset=float(offset))


def with_bounds(program: Program, lower: FloatArray, upper: FloatArray) -> Program:
    """A copy with other column bounds (n,)."""
    return replace(program, lower=np.asarray(lower, dtype=np.float64), upper=np.asarray(upper, dtype=np.float64))


def with_fixed(program: Program, mask: BoolArray, values: FloatArray) -> Program:
    """A copy in which the columns of `mask` (n,) may take only their value in `values` (n,)."""
    return with_bounds(program, np.where(mask, values, program.lower), np.where(mask, values, program.upper))


def with_integer(program: Program, integer: BoolArray) -> Program:
    """A copy in which only the columns of `integer` (n,) are whole numbers (structure shrinks with it)."""
    return replace(program, integer=integer, structure=program.structure & integer)


def to_dict(program: Program) -> dict[str, Any]:
    """The program as JSON-ready data; an infinite bound is null. `from_dict` gives back the same program."""

    def numbers(array: FloatArray) -> list[float | None]:
        return [value if math.isfinite(value) else None for value in array.tolist()]

    return {
        "form": _FORM_VERSION,
        "columns": list(program.column_names),
        "lower": numbers(program.lower),
        "upper": numbers(program.upper),
        "objective": program.objective.tolist(),
        "objective_offset": program.objective_offset,
        "integer": np.flatnonzero(program.integer).tolist(),
        "structure": np.flatnonzero(program.structure).tolist(),
        "row_names": list(program.row_names),
        "row_kind": list(program.row_kind),
        "row_lower": numbers(program.row_lower),
        "row_upper": numbers(program.row_upper),
        "rows": program.rows.tolist(),
        "cols": program.cols.tolist(),
        "vals": program.vals.tolist(),
    }


def from_dict(data: Mapping[str, Any]) -> Program:
    """The program that `to_dict` wrote. ValueError if the data are of another form or do not fit together."""
    if data.get("form") != _FORM_VERSION:
        raise ValueError(f"form {data.get('form')!r} cannot be read, expected {_FORM_VERSION}")
    n = len(data["columns"])

    def numbers(key: str, missing: float) -> FloatArray:
        return np.array([missing if value is None else value for value in data[key]], dtype=np.float64)

    def mask(key: str) -> BoolArray:
        marks = np.zeros(n, dtype=np.bool_)
        marks[np.array(data[key], dtype=np.int64)] = True
        return marks

    return Program(
        column_names=tuple(data["columns"]),
        lower=numbers("lower", -math.inf),
        upper=numbers("upper", math.inf),
        objective=numbers("objective", math.nan),
        integer=mask("integer"),
        structure=mask("structure"),
        row_names=tuple(data["row_names"]),
        row_kind=tuple(data["row_kind"]),
        row_lower=numbers("row_lower", -math.inf),
        row_upper=numbers("row_upper", math.inf),
        rows=np.array(data["rows"], dtype=np.int64),
        cols=np.array(data["cols"], dtype=np.int64),
        vals=np.array(data["vals"], dtype=np.float64),
        objective_offset=float(data["objective_offset"]),
    )


def coefficient_range(program: Program) -> tuple[float, float]:
    """Smallest and largest |coefficient| of the rows; (1, 1) where there is none."""
    sizes = np.abs(program.vals[program.vals != 0.0])
    return (float(sizes.min()), float(sizes.max())) if len(sizes) else (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Scaled:
    """A scaled copy and the way back: x = column_factor * y, rows and objective multiplied by their factors."""

    program: Program
    column_factor: FloatArray
    row_factor: FloatArray
    objective_factor: float

    def unscale(self, values: FloatArray) -> FloatArray:
        """The original program's point (n,) for a point of the scaled copy."""
        return np.asarray(values, dtype=np.float64) * self.column_factor

    def unscale_objective(self, value: float) -> float:
        """An objective or bound of the scaled copy in the original's unit."""
        return value / self.objective_factor


def scaled(program: Program, passes: int = 4) -> Scaled:
    """Geometric scaling of rows, objective and continuous columns towards coefficients in 1e-3 .. 1e3.

    Factors are powers of two, so scaling rounds nothing; integer columns keep their unit. Each pass multiplies a row
    (the objective is one of them) and then a continuous column by 1/sqrt(smallest * largest) of its coefficients. The
    objective counts because a cost that a column's factor makes tiny is a cost that a solver takes for zero.
    """
    n, m = program.column_count, program.row_count
    live, priced = program.vals != 0.0, np.flatnonzero(program.objective)
    rows = np.append(program.rows[live], np.full(len(priced), m, dtype=np.int64))
    cols = np.append(program.cols[live], priced)
    logs = np.log2(np.abs(np.append(program.vals[live], program.objective[priced])))
    row_log, col_log = np.zeros(m + 1), np.zeros(n)
    for _ in range(passes):
        row_log = -_middle(logs + col_log[cols], rows, m + 1)
        col_log = np.where(program.integer, 0.0, -_middle(logs + row_log[rows], cols, n))
    factors, column_factor = np.exp2(np.round(row_log)), np.exp2(np.round(col_log))
    row_factor, objective_factor = factors[:m], float(factors[m])
    return Scaled(
        program=replace(
            program,
            lower=program.lower / column_factor,
            upper=program.upper / column_factor,
            objective=program.objective * column_factor * objective_factor,
            objective_offset=program.objective_offset * objective_factor,
            row_lower=program.row_lower * row_factor,
            row_upper=program.row_upper * row_factor,
            vals=program.vals * row_factor[program.rows] * column_factor[program.cols],
        ),
        column_factor=column_factor,
        row_factor=row_factor,
        objective_factor=objective_factor,
    )


def with_objective_times(program: Program, factor: float) -> Scaled:
    """The program with its objective times a factor, and the way back."""
    return Scaled(
        program=replace(
            program, objective=program.objective * factor, objective_offset=program.objective_offset * factor
        ),
        column_factor=np.ones(program.column_count),
        row_factor=np.ones(program.row_count),
        objective_factor=factor,
    )


def _middle(logs: FloatArray, groups: IntArray, count: int) -> FloatArray:
    """Half of (smallest + largest) log per group; 0 for a group without members."""
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, groups, logs)
    np.maximum.at(high, groups, logs)
    empty = ~np.isfinite(low)
    return np.where(empty, 0.0, (np.where(empty, 0.0, low) + np.where(empty, 0.0, high)) / 2.0)
