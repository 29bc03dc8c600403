"""Better plans near a known one: some whole columns are free, the others stay, HiGHS solves what is left.

Neighbourhoods take turns: columns of rows that hang together, from a row picked at random (large neighbourhood search:
Shaw 1998), and columns on whose value the plan and the linear relaxation differ (RINS: Danna, Rothberg and Le Pape
2005). A neighbourhood that HiGHS settles at once is made larger, one that it does not settle in its time smaller.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from planner.solve.form import BoolArray, FloatArray, IntArray, Program, violations
from planner.solve.highs import relax, solve_highs
from planner.solve.status import Hook, Limits, Mail, Status

NAME = "local search"
_FIRST, _LEAST = 200, 40
"""Free whole columns at first, and at least."""
_GROW, _SHRINK = 1.3, 0.7
_TRY_S = 3.0
"""Longest for one neighbourhood."""
_IDLE = 40
"""Neighbourhoods in a row without a better plan, while all are free, after which it ends."""


def improve(
    program: Program,
    values: FloatArray,
    limits: Limits,
    *,
    enough: Callable[[float], bool] = lambda _: False,
    hook: Hook | None = None,
    mail: Mail | None = None,
) -> tuple[FloatArray, float]:
    """The best plan (n,) found near the plan `values` (n,), until the time is up or `enough(objective)`; and a bound.

    The bound is -inf unless a neighbourhood was everything.

    Better plans that come by `mail` are taken over; it may also stop the search.
    """
    ends = time.monotonic() + limits.time_limit_s
    random = np.random.default_rng(limits.seed)
    graph = _Graph(program)
    best, objective = values, program.objective_at(values)
    whole = int(program.integer.sum())
    linear = relax(program, replace(limits, time_limit_s=max(0.05, 0.2 * limits.time_limit_s), log=False)).values
    size, turn, idle, bound = float(min(_FIRST, whole)), 0, 0, -np.inf
    while time.monotonic() < ends - 0.05 and not (mail is not None and mail.stopped) and not enough(objective):
        if mail is not None and mail.offer is not None and mail.offer[0] < objective:
            objective, best = mail.offer
        free = None
        if turn % 3 == 2 and linear is not None:
            free = _apart(program, best, linear, int(size), random)
        if free is None:
            free = graph.around(int(random.integers(max(1, program.row_count))), int(size), random)
        turn += 1
        part, kept = _part(program, best, free)
        seconds = min(_TRY_S, ends - time.monotonic())
        here = replace(limits, time_limit_s=max(0.05, seconds), gap=min(limits.gap, 1e-4), threads=1, log=False)
        found = solve_highs(part, here, start=best[kept])
        if bool(free[program.integer].all()):
            bound = max(bound, found.bound)
        better = False
        if found.values is not None and found.objective < objective - 1e-9 * max(1.0, abs(objective)):
            point = best.copy()
            point[kept] = found.values
            if not violations(program, point):
                best, objective, better = point, program.objective_at(point), True
                if hook is not None:
                    hook(NAME, objective, -np.inf, best)
        settled = found.status in (Status.PROVEN_OPTIMAL, Status.WITHIN_GAP) and found.seconds < 0.5 * _TRY_S
        size = min(float(whole), size * _GROW) if settled else max(float(_LEAST), size * _SHRINK)
        if settled and bound > -np.inf:
            break  # that was the whole program
        idle = 0 if better else idle + 1
        if idle >= _IDLE and size >= whole:
            break
    return best, min(bound, objective)


def _part(program: Program, values: FloatArray, free: BoolArray) -> tuple[Program, IntArray]:
    """The program over its free whole columns and its continuous ones, the others at their values; which those are."""
    keep = free | ~program.integer
    kept = np.flatnonzero(keep)
    place = np.cumsum(keep) - 1
    inside = keep[program.cols]
    held = np.bincount(
        program.rows[~inside], weights=(program.vals * values[program.cols])[~inside], minlength=program.row_count
    )
    rows = np.flatnonzero(np.bincount(program.rows[inside], minlength=program.row_count) > 0)
    number = np.full(program.row_count, -1)
    number[rows] = np.arange(len(rows))
    fixed = float(program.objective[~keep] @ values[~keep])
    return Program(
        column_names=tuple(program.column_names[j] for j in kept.tolist()),
        lower=program.lower[kept],
        upper=program.upper[kept],
        objective=program.objective[kept],
        integer=program.integer[kept],
        structure=program.structure[kept],
        row_names=tuple(program.row_names[i] for i in rows.tolist()),
        row_kind=tuple(program.row_kind[i] for i in rows.tolist()),
        row_lower=(program.row_lower - held)[rows],
        row_upper=(program.row_upper - held)[rows],
        rows=number[program.rows[inside]].astype(np.int64),
        cols=place[program.cols[inside]].astype(np.int64),
        vals=program.vals[inside],
        objective_offset=program.objective_offset + fixed,
    ), kept


def _apart(
    program: Program, values: FloatArray, linear: FloatArray, size: int, random: np.random.Generator
) -> BoolArray | None:
    """Whole columns on which a plan and the relaxation differ, `size` of them at most; None where there are none."""
    differ = np.flatnonzero(program.integer & (np.abs(values - linear) > 1e-6))
    if not len(differ):
        return None
    if len(differ) > size:
        differ = random.choice(differ, size, replace=False)
    free = np.zeros(program.column_count, dtype=np.bool_)
    free[differ] = True
    return free


class _Graph:
    """Rows and the columns in them, both ways."""

    def __init__(self, program: Program) -> None:
        self._whole = program.integer
        by_row, by_column = np.argsort(program.rows, kind="stable"), np.argsort(program.cols, kind="stable")
        self._columns = program.cols[by_row]
        self._rows = program.rows[by_column]
        self._row_start = np.searchsorted(program.rows[by_row], np.arange(program.row_count + 1))
        self._column_start = np.searchsorted(program.cols[by_column], np.arange(program.column_count + 1))

    def around(self, row: int, size: int, random: np.random.Generator) -> BoolArray:
        """About `size` whole columns (n,) of rows that hang together with one."""
        free = np.zeros(len(self._whole), dtype=np.bool_)
        if len(self._row_start) < 2:
            free[random.choice(np.flatnonzero(self._whole), size, replace=False)] = True
            return free
        seen, waiting, count = {row}, [row], 0
        while waiting and count < size:
            at = waiting.pop(int(random.integers(len(waiting))))
            columns = self._columns[self._row_start[at] : self._row_start[at + 1]]
            columns = columns[self._whole[columns] & ~free[columns]]
            if len(columns) > max(1, size // 2):
                # a row that holds everything says little of what belongs together
                columns = random.choice(columns, max(1, size // 4), replace=False)
            free[columns] = True
            count += len(columns)
            near: IntArray = np.unique(
                np.concatenate(
                    [self._rows[self._column_start[j] : self._column_start[j + 1]] for j in columns.tolist()]
                    or [np.zeros(0, dtype=np.int64)]
                )
            )
            new = [r for r in near.tolist() if r not in seen]
            seen.update(new)
            waiting.extend(new)
        if not count:
            free[random.choice(np.flatnonzero(self._whole), min(size, int(self._whole.sum())), replace=False)] = True
        return free
