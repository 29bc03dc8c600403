"""Why there is no plan, in rows a person can read, and what would make one possible.

elastic           the smallest total excess over the limits, each excess relative to its limit and priced
nearest_changes   for each of some rows, the smallest change of that row alone that makes a plan possible
conflicting_rows  a set of rows that cannot hold together, and could if any one of them went

All keep the columns' own bounds. Each runs in a child; the `_here` versions run in this process.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from planner.errors import SolveError
from planner.solve.form import (
    FEASIBILITY_TOLERANCE,
    FloatArray,
    IntArray,
    Program,
    with_integer,
    with_objective,
    without_rows,
)
from planner.solve.status import Limits, Status

_PER_TRY_S = 10.0
_IIS_STRATEGY = 10
"""HiGHS: irreducible, from an elastic LP (2 + 8). Its default returns an empty set."""


def elastic(
    program: Program,
    penalties: Mapping[str, float] | None = None,
    firm: Iterable[str] = (),
    limits: Limits | None = None,
) -> list[tuple[str, float]]:
    """The rows to move, and by how much, so that a plan exists: the least total of price * |amount| / |limit|.

    penalties  price of a row by its name, else by its kind, else 1; an infinite price makes a row firm
    firm       kinds of rows that may not be exceeded

    amount is what to add to the limit, in the row's unit: above 0 raises an upper limit, below 0 lowers a lower one.
    Largest relative change first; empty where nothing has to move. A limit of 0 is measured by the row's largest
    coefficient. SolveError where the firm rows alone cannot hold, or no answer came in time.
    """
    from planner.solve.child import run_in_child

    options = {"penalties": dict(penalties or {}), "firm": sorted(firm)}
    found = json.loads(run_in_child("elastic", program, limits or Limits(), options))
    return [(name, amount) for name, amount in found]


def nearest_changes(
    program: Program, names: Sequence[str], limits: Limits | None = None
) -> list[tuple[str, float | None]]:
    """For each named row the smallest change of it alone that makes a plan possible; None where none does.

    Amounts as in `elastic`. The time limit is for all rows together. None also where no answer came in time.
    """
    from planner.solve.child import run_in_child

    found = json.loads(run_in_child("nearest", program, limits or Limits(), {"names": list(names)}))
    return [(name, amount) for name, amount in found]


def conflicting_rows(program: Program, limits: Limits | None = None, background: Sequence[str] = ()) -> list[str]:
    """Names of rows that cannot hold together: the program with only these is infeasible, without any one of them not.

    Rows of ``background`` (names) always hold and are never named: the rows found conflict with them, and without any
    one of the found do not.

    Empty where the columns' bounds alone conflict. Looked for in the linear relaxation first; where that has a point,
    among whole numbers. Where the time limit ends the search, the rows found by then conflict but may be too many.
    SolveError where the program is not infeasible, or not shown to be in time.
    """
    from planner.solve.child import run_in_child

    told = {"background": list(background)}
    return [str(name) for name in json.loads(run_in_child("conflict", program, limits or Limits(), told))]


def elastic_here(
    program: Program, limits: Limits, penalties: Mapping[str, float], firm: frozenset[str]
) -> list[tuple[str, float]]:
    """`elastic` in this process."""
    from planner.solve.drive import solve_here

    prices = np.array(
        [
            math.inf if kind in firm else float(penalties.get(name, penalties.get(kind, 1.0)))
            for name, kind in zip(program.row_names, program.row_kind, strict=True)
        ]
    )
    if (prices < 0.0).any() or np.isnan(prices).any():
        raise ValueError("a penalty is below zero or not a number")
    loosened, above, below = _loosened(program, prices)
    solution = solve_here(loosened, limits)
    if solution.status is Status.INFEASIBLE:
        raise SolveError("the firm limits and the columns' own bounds cannot hold together")
    if solution.values is None:
        raise SolveError(f"no elastic plan was found: {solution.message or solution.status}")
    found = []
    for row in range(program.row_count):
        amount = 0.0
        if above[row] >= 0:
            amount += float(solution.values[above[row]]) * _unit(program.row_upper[row], program, row)
        if below[row] >= 0:
            amount -= float(solution.values[below[row]]) * _unit(program.row_lower[row], program, row)
        unit = _unit(program.row_upper[row] if amount > 0.0 else program.row_lower[row], program, row)
        if abs(amount) > FEASIBILITY_TOLERANCE * unit:
            found.append((abs(amount) / unit, program.row_names[row], amount))
    found.sort(key=lambda item: (-item[0], item[1]))
    return [(name, amount) for _, name, amount in found]


def nearest_changes_here(program: Program, limits: Limits, names: Sequence[str]) -> list[tuple[str, float | None]]:
    """`nearest_changes` in this process."""
    started = time.monotonic()
    found: list[tuple[str, float | None]] = []
    for done, name in enumerate(names):
        left = limits.time_limit_s - (time.monotonic() - started)
        prices = {other: math.inf for other in program.row_names if other != name}
        try:
            here = replace(limits, time_limit_s=max(0.05, left / (len(names) - done)))
            moved = elastic_here(program, here, {**prices, name: 1.0}, frozenset())
        except SolveError:
            found.append((name, None))
            continue
        found.append((name, moved[0][1] if moved else 0.0))
    return found


def conflicting_rows_here(program: Program, limits: Limits, background: Sequence[str] = ()) -> list[str]:
    """`conflicting_rows` in this process."""
    started = time.monotonic()

    def left() -> float:
        return limits.time_limit_s - (time.monotonic() - started)

    rows_only = with_objective(program, np.zeros(program.column_count))
    linear = with_integer(rows_only, np.zeros(program.column_count, dtype=np.bool_))
    every = list(range(program.row_count))
    cannot = _oracle(linear, limits, left)
    if cannot(every):
        candidates = _highs_iis(linear, limits)
        if not candidates or not cannot(candidates):
            candidates = every
    else:
        cannot = _oracle(rows_only, limits, left)
        if not cannot(every):
            raise SolveError("the rows can hold together, or it was not shown in time that they cannot")
        candidates = _by_kind(rows_only, cannot)
    names = set(background)
    firm = [row for row in every if program.row_names[row] in names]
    candidates = [row for row in candidates if program.row_names[row] not in names]
    if firm and not cannot([*firm, *candidates]):
        candidates = [row for row in every if program.row_names[row] not in names]
    found = [] if cannot(firm) or not candidates else _smallest(cannot, firm, [], candidates)
    if len(found) > 1 and program.integer.any():
        # irreducible for fractions; among whole numbers fewer may conflict already
        whole = _oracle(rows_only, limits, left)
        found = [] if whole(firm) else _smallest(whole, firm, [], found)
    return [program.row_names[row] for row in sorted(found)]


def _loosened(program: Program, prices: FloatArray) -> tuple[Program, IntArray, IntArray]:
    """The program with a relative excess column over each limit, priced; their numbers by row, -1 for none."""
    names: list[str] = []
    rows: list[int] = []
    cols: list[int] = []
    costs: list[float] = []
    vals: list[float] = []
    above = np.full(program.row_count, -1, dtype=np.int64)
    below = np.full(program.row_count, -1, dtype=np.int64)
    for row in range(program.row_count):
        if not math.isfinite(prices[row]):
            continue
        for limit, sign, where in ((program.row_upper[row], -1.0, above), (program.row_lower[row], 1.0, below)):
            if not math.isfinite(limit):
                continue
            where[row] = program.column_count + len(names)
            names.append(f"{'above' if sign < 0.0 else 'below'} {program.row_names[row]}")
            costs.append(prices[row])
            rows.append(row)
            cols.append(int(where[row]))
            vals.append(sign * _unit(limit, program, row))
    count = len(names)
    nothing = np.zeros(count)
    return (
        replace(
            program,
            column_names=(*program.column_names, *names),
            lower=np.append(program.lower, nothing),
            upper=np.append(program.upper, np.full(count, math.inf)),
            objective=np.append(np.zeros(program.column_count), costs),
            objective_offset=0.0,
            integer=np.append(program.integer, np.zeros(count, dtype=np.bool_)),
            structure=np.append(program.structure, np.zeros(count, dtype=np.bool_)),
            rows=np.append(program.rows, np.array(rows, dtype=np.int64)),
            cols=np.append(program.cols, np.array(cols, dtype=np.int64)),
            vals=np.append(program.vals, np.array(vals, dtype=np.float64)),
        ),
        above,
        below,
    )


def _unit(limit: float, program: Program, row: int) -> float:
    """What 100 % of a limit is: its size; for a limit of 0 the row's largest coefficient."""
    if math.isfinite(limit) and abs(limit) > 1e-9:
        return abs(float(limit))
    sizes = np.abs(program.vals[program.rows == row])
    return float(sizes.max()) if len(sizes) and sizes.max() > 0.0 else 1.0


Oracle = Callable[[Sequence[int]], bool]


def _oracle(program: Program, limits: Limits, left: Callable[[], float]) -> Oracle:
    """Whether a set of rows is proven impossible. Not known in time counts as possible."""
    from planner.solve.cpsat import solve_cpsat
    from planner.solve.highs import solve_highs

    answers: dict[tuple[int, ...], bool] = {}

    def cannot(kept: Sequence[int]) -> bool:
        key = tuple(sorted(kept))
        if key not in answers:
            answers[key] = decide(key)
        return answers[key]

    def decide(kept: tuple[int, ...]) -> bool:
        if left() <= 0.0:
            return False
        drop = np.ones(program.row_count, dtype=np.bool_)
        drop[list(kept)] = False
        part = without_rows(program, drop)
        seconds = max(0.05, min(_PER_TRY_S, left()))
        found = solve_highs(part, replace(limits, time_limit_s=seconds, log=False))
        if found.status is Status.NO_PLAN_FOUND and part.integer.all() and left() > 0.0:
            seconds = max(0.05, min(_PER_TRY_S, left()))
            found = solve_cpsat(part, replace(limits, time_limit_s=seconds, log=False))
        return found.status is Status.INFEASIBLE

    return cannot


def _highs_iis(linear: Program, limits: Limits) -> list[int]:
    """HiGHS's irreducible set of rows of an infeasible LP; empty where it gives none. A first guess, checked after."""
    from planner.solve.model import build

    highs = build(linear, limits, time_limit_s=_PER_TRY_S, options={"iis_strategy": _IIS_STRATEGY})
    highs.run()
    _, conflict = highs.getIis()
    return [int(row) for row in conflict.row_index_]


def _by_kind(program: Program, cannot: Oracle) -> list[int]:
    """The rows left after dropping every kind that the conflict does not need."""
    kinds = dict.fromkeys(program.row_kind)
    kept = list(range(program.row_count))
    if len(kinds) < 2:
        return kept
    for kind in kinds:
        fewer = [row for row in kept if program.row_kind[row] != kind]
        if cannot(fewer):
            kept = fewer
    return kept


def _smallest(cannot: Oracle, background: list[int], added: list[int], candidates: list[int]) -> list[int]:
    """An irreducible subset of `candidates` that conflicts together with `background` (QuickXplain: Junker 2004).

    `added` are the rows that joined the background last: only then can it have become impossible by itself.
    """
    if added and cannot(background):
        return []
    if len(candidates) == 1:
        return candidates
    half = len(candidates) // 2
    first, second = candidates[:half], candidates[half:]
    from_second = _smallest(cannot, background + first, first, second)
    from_first = _smallest(cannot, background + from_second, from_second, first)
    return from_first + from_second
