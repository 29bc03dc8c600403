"""A program as a PuLP problem: for solvers that PuLP knows, and for files.

Columns and rows travel under numbers or under names that every solver and format takes; PuLP would rewrite ours.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pulp

from planner.solve.form import Program

FORMATS = (".mps", ".lp")
CONSTANT = "objective_constant"
_LONGEST = 100
"""Characters of a name: CPLEX's LP format takes 255, and one may get a number behind it."""


def problem_of(program: Program, *, named: bool = False) -> tuple[pulp.LpProblem, list[Any]]:
    """The problem and its columns in order. A row with two different limits becomes two (PuLP knows one-sided rows).

    `named`: under the program's own names, made safe and unique, and with the objective's constant as a column; else
    under numbers and without the constant.
    """
    columns_named = _safe(program.column_names) if named else [f"c{j:09d}" for j in range(program.column_count)]
    rows_named = _safe(program.row_names) if named else [f"r{i:09d}" for i in range(program.row_count)]
    problem = pulp.LpProblem("program", pulp.LpMinimize)
    columns = [
        problem.add_variable(
            name,
            low if math.isfinite(low) else None,
            high if math.isfinite(high) else None,
            pulp.LpInteger if whole else pulp.LpContinuous,
        )
        for name, low, high, whole in zip(
            columns_named, program.lower.tolist(), program.upper.tolist(), program.integer.tolist(), strict=True
        )
    ]
    # every column, zeros too: PuLP learns from the objective which columns there are
    costs = pulp.LpAffineExpression(list(zip(columns, program.objective.tolist(), strict=True)))
    if named and program.objective_offset:
        # neither format has a constant that every reader takes: a column that can only be one
        costs += program.objective_offset * problem.add_variable(CONSTANT, 1.0, 1.0)
    problem.setObjective(costs)
    entries: list[list[tuple[Any, float]]] = [[] for _ in range(program.row_count)]
    for i, j, value in zip(program.rows.tolist(), program.cols.tolist(), program.vals.tolist(), strict=True):
        entries[i].append((columns[j], value))
    for name, row, low, high in zip(
        rows_named, entries, program.row_lower.tolist(), program.row_upper.tolist(), strict=True
    ):
        sides: list[tuple[str, int, float]] = []
        if low == high:
            sides.append((name, pulp.LpConstraintEQ, low))
        else:
            two = math.isfinite(low) and math.isfinite(high)
            if math.isfinite(low):
                sides.append((f"{name}_low" if two else name, pulp.LpConstraintGE, low))
            if math.isfinite(high):
                sides.append((name, pulp.LpConstraintLE, high))
        for label, sense, limit in sides:
            expression = pulp.LpAffineExpression(row)
            problem.addConstraint(pulp.LpConstraint(expression, sense, rhs=limit), label)
    return problem, columns


def _safe(names: Sequence[str]) -> list[str]:
    """Names of letters, digits and underscores, none twice, none that a format could take for a number or a word."""
    found: list[str] = []
    taken = {CONSTANT}
    for place, name in enumerate(names):
        text = re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9_]", "_", name)).strip("_")[:_LONGEST]
        if not text or not text[0].isalpha() or text[0] in "eE" or text.lower() in _WORDS:
            text = f"n_{text}"
        if text in taken:
            text = f"{text}_{place}"
        taken.add(text)
        found.append(text)
    return found


_WORDS = frozenset(
    {"inf", "infinity", "free", "st", "subject", "bounds", "general", "generals", "binary", "binaries", "int", "min"}
    | {"max", "minimize", "maximize", "minimise", "maximise", "sos", "sin", "rhs", "ranges", "rows", "columns", "name"}
)


def write_model(program: Program, path: Path) -> None:
    """Write the program as free MPS (``.mps``) or CPLEX LP (``.lp``), names made safe. ValueError on another suffix.

    A constant of the objective is the cost of a column `CONSTANT`, which is fixed at one.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(f"a model is written as {' or '.join(FORMATS)}, found {path.name!r}")
    problem, _ = problem_of(program, named=True)
    if suffix == ".mps":
        problem.writeMPS(str(path))
    else:
        problem.writeLP(str(path), max_length=10 * _LONGEST)


def point_of(columns: Sequence[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The values that a solver left in the columns; a column it never saw is at its lower bound or zero."""
    found = [column.varValue for column in columns]
    rest = [0.0 if column.lowBound is None else float(column.lowBound) for column in columns]
    return np.array([r if v is None else float(v) for v, r in zip(found, rest, strict=True)], dtype=np.float64)
