"""A plan of a shared fleet that changes what serves no more than it must: among plans no worse, the steadiest.

Units of a load that cost the same in two periods may swap for nothing but the solver's path. With what is bought and
when runs begin held, the least systems change their work from period to period; every objective stays as good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from planner.fleet.stock_model import StockModel
from planner.options.parts import systems_taken
from planner.solve.form import Program, violations
from planner.solve.status import Limits

Floats = NDArray[np.float64]
ROOM = 1e-9
"""Relative room of an objective that is rounding."""
MOST_CHANGES = 20_000
"""Plans with more units and periods to compare are left as they are."""


def steadied(model: StockModel, values: Floats, goals: Sequence[Floats], limits: Limits) -> Floats:
    """A point of the same program (n,), no worse in any of ``goals``; ``values`` itself where none is found."""
    made = _program(model, values, goals)
    if made is None:
        return values
    program, start = made
    from planner.solve.child import solve_in_child

    solution = solve_in_child(program, limits, "highs", None, start)
    if solution.values is None:
        return values
    found = np.array(solution.values[: len(values)])
    whole = model.program.integer
    found[whole] = np.round(found[whole])
    held = [float(goal @ found) <= float(goal @ values) + 2 * _room(goal, values) for goal in goals]
    return found if all(held) and not violations(model.program, found) else values


def _room(goal: Floats, values: Floats) -> float:
    return ROOM * max(1.0, abs(float(goal @ values)))


def _program(model: StockModel, values: Floats, goals: Sequence[Floats]) -> tuple[Program, Floats] | None:
    """The program with purchases and runs held, and a column for each change; with the plan as its point."""
    stock, program = model.stock, model.program
    stands = {x.group for x, c in zip(stock.lots, model.lots, strict=True) if values[c] > 0.5}
    pairs = [
        (systems_taken(work.systems, work.part, stock.groups[work.group].chips), columns[t - 1], columns[t])
        for work, columns in zip(stock.works, model.serve, strict=True)
        if work.group in stands
        for t in range(1, stock.periods)
    ]
    changes = sum(abs(values[b] - values[a]) > 0.5 for _, a, b in pairs)
    if not changes or len(pairs) > MOST_CHANGES:
        return None
    n, m, k = program.column_count, program.row_count, len(pairs)
    held = np.array([*model.lots, *(c for columns in model.runs for c in columns)], dtype=np.int64)
    lower, upper = np.array(program.lower), np.array(program.upper)
    lower[held] = upper[held] = np.round(values[held])
    weights = np.array([w for w, _, _ in pairs], dtype=np.float64)
    before, after = (np.array([p[i] for p in pairs], dtype=np.int64) for i in (1, 2))
    at = np.arange(k)
    ones = np.ones(k)
    rows = [program.rows, m + at, m + at, m + at, m + k + at, m + k + at, m + k + at]
    cols = [program.cols, n + at, after, before, n + at, after, before]
    vals = [program.vals, ones, -ones, ones, ones, ones, -ones]
    row_lower, row_upper = [program.row_lower, np.zeros(2 * k)], [program.row_upper, np.full(2 * k, np.inf)]
    for i, goal in enumerate(goals):
        used = np.flatnonzero(goal)
        rows.append(np.full(len(used), m + 2 * k + i))
        cols.append(used)
        vals.append(goal[used])
        row_lower.append(np.array([-np.inf]))
        row_upper.append(np.array([float(goal @ values) + _room(goal, values)]))
    names = (
        [f"up[{j}]" for j in range(k)] + [f"down[{j}]" for j in range(k)] + [f"goal[{i}]" for i in range(len(goals))]
    )
    none = np.zeros(k, dtype=np.bool_)
    grown = replace(
        program,
        column_names=(*program.column_names, *(f"change[{j}]" for j in range(k))),
        lower=np.append(lower, np.zeros(k)),
        upper=np.append(upper, np.full(k, np.inf)),
        objective=np.append(np.zeros(n), weights),
        objective_offset=0.0,
        integer=np.append(program.integer, none),
        structure=np.append(program.structure, none),
        row_names=(*program.row_names, *names),
        row_kind=(*program.row_kind, *["change"] * (2 * k), *["objective"] * len(goals)),
        row_lower=np.concatenate(row_lower),
        row_upper=np.concatenate(row_upper),
        rows=np.concatenate(rows),
        cols=np.concatenate(cols),
        vals=np.concatenate(vals),
    )
    return grown, np.append(values, np.abs(values[after] - values[before]))
