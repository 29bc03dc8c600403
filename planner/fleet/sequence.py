"""Short runs one after another within a slot: exact, by rows that no schedule breaks and a schedule that proves them.

A run that fits into a slot may begin at any moment of it, and what a longer run leaves of its last slot is free again.
The program counts such pieces by what every schedule must keep: systems times time. Whether the pieces of a plan can
be placed is asked of CP-SAT, slot by slot. Where they cannot, the fewest systems that they need together become a row
(logic-based Benders cuts; Hooker and Ottosson, Mathematical Programming 96, 2003) and the program is solved again. No
row ever cuts a plan that can be placed, so the bound stays a bound; a plan that is placed is a plan. Where rounds or
time run out, pieces take whole slots, and the bound of the program before that says how far that may be from the best.
"""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from planner.fleet.pieces import Piece, pieces_of
from planner.fleet.standing import Where, at_work, place_name, standing, taken
from planner.fleet.stock_model import StockModel, StockPlan, plan_of
from planner.options.hardware.hours import on_in
from planner.options.parts import systems_for
from planner.options.stock import Run, Start, Stock
from planner.scenario.kinds.daily import Hours
from planner.solve.form import with_fixed, with_row
from planner.solve.intervals import Level, Task, least_amount, some_starts
from planner.solve.status import Limits, Solution, Status, relative_gap, status_of_plan

MOST_ROUNDS = 20
"""Times the program is solved again before pieces take whole slots."""
FOLDS = range(1, 7)
"""Dual feasible functions floor((k + 1) x) / k of Fekete and Schepers (2001): of pieces longer than 1/(k+1) of a slot
no more than k follow one another."""
SECONDS = 5.0
"""Longest that one slot's placing is searched."""


@dataclass(frozen=True)
class Failure:
    """Pieces of a slot that do not fit together: the group (in a band of the day) they lack systems of, and how many
    they need of it.

    ``need`` is None where that is not known, and infinite where no number would do.
    """

    slot: int
    group: int
    band: Hours
    pieces: tuple[Piece, ...]
    need: float | None


def place(stock: Stock, plan: StockPlan, limits: Limits) -> tuple[dict[str, int], list[Failure]]:
    """({run: minute at which its movable piece begins}, what could not be placed) of a plan."""
    if not stock.slot_days:
        return {}, []
    at_work: dict[int, list[tuple[int, Run, Start]]] = defaultdict(list)
    for i, (run, start) in enumerate(plan.runs):
        for slot in range(start.slot, start.last_slot + 1) if not run.term else ():
            at_work[slot].append((i, run, start))
    starts: dict[str, int] = {}
    failures = []
    short = replace(limits, time_limit_s=min(SECONDS, limits.time_limit_s), threads=1)
    for slot, runs in sorted(at_work.items()):
        pieces = pieces_of(stock, slot, runs)
        if not pieces:
            continue
        free = _free(stock, plan, slot, {p.column for p in pieces}, runs)
        found = _placed(stock, slot, pieces, free, short)
        if found is None:
            failures.append(_failure(stock, slot, pieces, free, short))
        else:
            starts |= {p.run.workload: found[p.run.workload] for p in pieces if p.moves}
    return starts, failures


def places_of(stock: Stock, run: Run) -> list[Where]:
    """What a run occupies: its group, in the bands of the day in which it works."""
    return [(run.group, band) for band in stock.bands if on_in(run.hours, band)]


def free_systems(stock: Stock, plan: StockPlan, period: int, band: Hours) -> dict[int, int]:
    """Systems of each group that stand in a period and do not serve in a band of the day."""
    free: dict[int, int] = defaultdict(int)
    for lot, count in plan.lots:
        free[lot.group] += count if lot.begin <= period < lot.end and on_in(lot.hours, band) else 0
    parts: dict[int, Counter[int]] = defaultdict(Counter)
    for work, units in plan.works:
        if not on_in(work.hours, band):
            continue
        if work.part:
            parts[work.group][work.part] += units[period]
        else:
            free[work.group] -= work.systems * units[period]
    for group, counts in parts.items():
        free[group] -= systems_for(counts, stock.groups[group].chips)
    return free


def _free(
    stock: Stock, plan: StockPlan, slot: int, pieces: set[int], runs: Sequence[tuple[int, Run, Start]]
) -> dict[Where, int]:
    """Systems of each group, by band of the day, that neither serve in a slot nor run through all of it."""
    found: dict[Where, int] = defaultdict(int)
    for band in stock.bands:
        for group, free in free_systems(stock, plan, stock.slots[slot], band).items():
            found[group, band] = free
    for i, run, _ in runs:
        for where in places_of(stock, run) if i not in pieces else ():
            found[where] -= run.systems
    return found


def _tasks(stock: Stock, pieces: Sequence[Piece]) -> list[Task]:
    names = {p.run.workload for p in pieces}
    tasks = []
    for p in pieces:
        first, *beside = map(place_name, places_of(stock, p.run))
        after = tuple(a for a, b in stock.order if b == p.run.workload and a in names)
        name = p.run.workload if p.run.lead else f"{p.run.workload}, second side"
        tasks.append(Task(name, p.earliest, p.due - p.minutes, p.minutes, first, p.run.systems, after,
                          beside=tuple(beside)))  # fmt: skip
    return tasks


def _by_place(stock: Stock, pieces: Sequence[Piece]) -> dict[Where, list[Piece]]:
    found: dict[Where, list[Piece]] = defaultdict(list)
    for p in pieces:
        for where in places_of(stock, p.run):
            found[where].append(p)
    return found


def _placed(
    stock: Stock, slot: int, pieces: Sequence[Piece], free: Mapping[Where, int], limits: Limits
) -> dict[str, int] | None:
    low, high = (stock.minute(slot + i) for i in (0, 1))
    places = _by_place(stock, pieces)
    if any(free[where] < max(p.run.systems for p in mine) for where, mine in places.items()):
        return None
    resources = {place_name(where): [Level(low, high, free[where])] for where in places}
    return some_starts(_tasks(stock, pieces), resources, limits)


def _failure(stock: Stock, slot: int, pieces: Sequence[Piece], free: Mapping[Where, int], limits: Limits) -> Failure:
    """The group that lacks most, and the fewest systems of it with which the pieces could be placed."""
    tasks = _tasks(stock, pieces)
    places = _by_place(stock, pieces)
    worst: tuple[float, Where, float] | None = None
    for where in sorted(places):
        need = least_amount(tasks, place_name(where), limits)
        if need > free[where] and (worst is None or need - free[where] > worst[0]):
            worst = need - free[where], where, need
    if worst is None:  # each group alone would do: it is the order across groups that does not
        group, band = next(iter(places))
        return Failure(slot, group, band, tuple(pieces), None)
    _, where, need = worst
    tied = {name for pair in stock.order for name in pair}
    mine = tuple(p for p in pieces if p.run.workload in tied or (p in places[where] and math.isfinite(need)))
    return Failure(slot, *where, mine, need)


# -- the program again -------------------------------------------------------------------------------------------------


def solved_and_placed(model: StockModel, solved: Solved, limits: Limits) -> tuple[StockModel, list[Solution]]:
    """The program with the rows that its plan needed, and solutions whose plan can be placed in days.

    ``solved`` minimises a program's objectives within so many seconds, from a plan (n,) where one is known.
    """
    started = time.monotonic()
    tight: set[Where] = set()
    kept: Placed | None = None
    bound = -math.inf

    def left() -> float:
        return max(0.1 * limits.time_limit_s, limits.time_limit_s - (time.monotonic() - started))

    for round_ in range(MOST_ROUNDS + 1):
        solutions = solved(model.program, left(), None if kept is None else kept[1][0].values)
        last = next((s for s in reversed(solutions) if s.values is not None), None)
        if last is None or last.values is None:
            return kept or (model, solutions)
        values = last.values
        failures = place(model.stock, plan_of(model, values), limits)[1]
        if not failures:
            return _better(kept, (model, solutions), limits)
        bound = max(bound, solutions[0].bound)
        late = time.monotonic() - started > 0.7 * limits.time_limit_s
        if round_ == MOST_ROUNDS or late or any(f.need is None for f in failures):
            return _better(kept, _whole(model, solved, limits, solutions, left()), limits)
        model = _with_cuts(model, failures, round_, tight)
        if len(solutions) == 1 and model.program.structure.any():
            model, found = _near(model, solved, values, failures, limits, 0.3 * left(), tight)
            if found is not None:
                kept = _better(kept, (model, [_honest(found, bound, limits)]), limits)
                if kept[1][0].status in (Status.PROVEN_OPTIMAL, Status.WITHIN_GAP):
                    return kept
    raise AssertionError("not reached")


Solved = Callable[..., list[Solution]]
"""Solutions of (program, seconds, start or None), one for each objective."""
Placed = tuple[StockModel, list[Solution]]
"""A program, and solutions whose plan can be placed."""
NEAR_ROUNDS = 3
"""Times that a plan is looked for with the runs of one that could not be placed."""


def _with_cuts(model: StockModel, failures: Sequence[Failure], round_: int, tight: set[Where]) -> StockModel:
    """With the rows that these failures ask for; ``tight`` gathers the groups that have all of theirs."""
    for failure in failures:
        where = failure.group, failure.band
        if where not in tight:
            tight.add(where)
            model = _folded(model, where)
        model = _cut(model, failure, round_)
    return model


def _near(
    model: StockModel, solved: Solved, values: NDArray[np.float64], failures: Sequence[Failure],
    limits: Limits, seconds: float, tight: set[Where],
) -> tuple[StockModel, Solution | None]:  # fmt: skip
    """A plan that can be placed, with the runs of ``values`` (n,) save those that move where it could not be.

    Rows that it took to find out are in the program that comes back.
    """
    until = time.monotonic() + seconds
    for round_ in range(NEAR_ROUNDS):
        free = {p.run.workload for f in failures for p in f.pieces if p.moves}
        hold = model.program.structure.copy()
        for columns, run in zip(model.runs, model.stock.runs, strict=True):
            if run.workload in free:
                hold[list(columns)] = False
        held = with_fixed(model.program, hold, np.round(values))
        solution = solved(held, max(0.1, until - time.monotonic()))[0]
        if solution.values is None:
            return model, None
        failures = place(model.stock, plan_of(model, solution.values), limits)[1]
        if not failures:
            return model, solution
        if any(f.need is None for f in failures) or time.monotonic() > until:
            return model, None
        model = _with_cuts(model, failures, MOST_ROUNDS + 1 + round_, tight)
    return model, None


def _honest(solution: Solution, bound: float, limits: Limits) -> Solution:
    """A plan under the bound of a program that no schedule breaks."""
    bound = min(bound, solution.objective)
    status = status_of_plan(solution.objective, bound, limits.gap)
    return replace(solution, bound=bound, gap=relative_gap(solution.objective, bound), status=status)


def _better(kept: Placed | None, found: Placed, limits: Limits) -> Placed:
    """The better plan of two, under the better bound."""
    if kept is None:
        return found
    mine, other = kept[1][0], found[1][0]
    bound = max(mine.bound, other.bound) if other.status is not Status.INFEASIBLE else mine.bound
    model, solutions = found if other.values is not None and other.objective < mine.objective else kept
    return model, [_honest(solutions[0], bound, limits), *solutions[1:]]


def _rows(model: StockModel, rows: Sequence[tuple[str, dict[int, float], float]]) -> StockModel:
    """The same with rows: name, coefficients, most."""
    program = model.program
    for name, coefficients, upper in rows:
        if name not in program.row_names:
            program = with_row(program, name, coefficients, upper=upper, kind="use")
    return replace(model, program=program)


def _of(condition: int) -> str:
    """What sets apart the names of rows for several sizes of parts."""
    return f",{condition + 1}" if condition else ""


def _folded(model: StockModel, where: Where) -> StockModel:
    """Rows of one group that every placing keeps, in every slot: each run alone, ends of long ones together."""
    rows: list[tuple[str, dict[int, float], float]] = []
    stock = model.stock
    for slot in range(len(stock.slots)):
        runs = at_work(model, where, slot)
        pieces = pieces_of(stock, slot, runs)
        moving = [p for p in pieces if p.moves]
        if not moving:
            continue
        length = stock.minute(slot + 1) - stock.minute(slot)
        bases = taken(model, where, slot, runs, pieces)
        for name in dict.fromkeys(p.run.workload for p in moving):
            mine = {p.column: float(p.run.systems) for p in pieces if p.run.workload == name}
            rows += [
                (f"wide[{place_name(where)},{slot},{name}{_of(i)}]", base | mine, 0.0) for i, base in enumerate(bases)
            ]
        ends = {p.column: float(p.run.systems) for p in pieces if not p.moves}
        rows += [(f"ends[{place_name(where)},{slot}{_of(i)}]", base | ends, 0.0) for i, base in enumerate(bases)]
        for k in FOLDS:
            part = {p.column: p.run.systems * math.floor((k + 1) * p.minutes / length - 1e-12) / k for p in pieces}
            part |= {p.column: float(p.run.systems) for p in pieces if p.minutes >= length}
            if any(part[p.column] > p.run.systems * p.minutes / length + 1e-9 for p in pieces):
                rows += [
                    (f"fold[{place_name(where)},{slot},{k}{_of(i)}]", base | part, 0.0) for i, base in enumerate(bases)
                ]
    return _rows(model, rows)


def _cut(model: StockModel, failure: Failure, number: int) -> StockModel:
    """What these pieces need of their group, wherever they meet in a slot of the same length."""
    assert failure.need is not None  # noqa: S101 - the caller looked
    stock = model.stock
    where = failure.group, failure.band
    low, high = (stock.minute(failure.slot + i) for i in (0, 1))
    rows: list[tuple[str, dict[int, float], float]] = []
    for slot in range(len(stock.slots)):
        first, last = (stock.minute(slot + i) for i in (0, 1))
        if last - first != high - low:
            continue
        here = pieces_of(stock, slot, _every(model, slot))
        chosen: dict[int, float] = {}
        for piece in failure.pieces:
            # whatever of the same run needs no less: at least as many systems for as long, in no wider a window
            alike = [
                p.column
                for p in here
                if p.run.workload == piece.run.workload
                and p.run.group == piece.run.group
                and p.run.hours == piece.run.hours
                and p.moves == piece.moves
                and p.run.systems >= piece.run.systems
                and p.minutes >= piece.minutes
                and p.due - first <= piece.due - low
            ]
            if not alike:
                break
            chosen |= dict.fromkeys(alike, failure.need if math.isfinite(failure.need) else 1.0)
        else:
            name = f"fits[{place_name(where)},{slot},{number},{len(model.program.row_names)}]"
            if math.isinf(failure.need):
                rows.append((name, chosen, len(failure.pieces) - 1.0))
                continue
            runs = at_work(model, where, slot)
            most = failure.need * (len(failure.pieces) - 1.0)
            bases = taken(model, where, slot, runs, here)
            rows += [(f"{name[:-1]}{_of(i)}]", base | chosen, most) for i, base in enumerate(bases)]
    return _rows(model, rows)


def _every(model: StockModel, slot: int) -> list[tuple[int, Run, Start]]:
    groups = {run.group for run in model.stock.runs}
    return [x for g in sorted(groups) for x in at_work(model, (g, ()), slot)]


def _whole(
    model: StockModel, solved: Solved, limits: Limits,
    before: Sequence[Solution], left: float,
) -> tuple[StockModel, list[Solution]]:  # fmt: skip
    """The program in which every run holds its systems for whole slots, with the bound of the one before."""
    rows: list[tuple[str, dict[int, float], float]] = []
    stock = model.stock
    for slot in range(len(stock.slots)):
        for where in product(range(len(stock.groups)), stock.bands):
            runs = at_work(model, where, slot)
            if any(p.moves for p in pieces_of(stock, slot, runs)):
                every_run = {c: float(r.systems) for c, r, _ in runs}
                bases = [(f"{place_name(where)},{slot}{_of(i)}", b) for i, b in enumerate(standing(model, where, slot))]
                rows += [(f"whole[{name}]", base | every_run, 0.0) for name, base in bases]
        every = _every(model, slot)
        for first, then in stock.order:
            begins = {c: 1.0 for c, r, s in every if r.workload == then and s.slot == slot}
            ends = {c: 1.0 for c, r, s in every if r.workload == first and s.last_slot == slot}
            if begins and ends:
                rows.append((f"apart[{first},{then},{slot}]", begins | ends, 1.0))
    strict = _rows(model, rows)
    solutions = solved(strict.program, left)
    best = solutions[0]
    if best.values is None:
        # no plan in whole slots is no proof that there is none
        lost = Status.NO_PLAN_FOUND if best.status is Status.INFEASIBLE else best.status
        return strict, [replace(best, status=lost, bound=before[0].bound), *solutions[1:]]
    return strict, [_honest(best, before[0].bound, limits), *solutions[1:]]
