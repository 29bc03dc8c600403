"""Points of a program that no other point beats in every objective, each proven by solving.

pareto_front      the efficient points of several objectives, all minimised
most_different    points near the best one that use as little as can be of what was used before

Both run many solves in one killable child. Epsilon-constraint (Haimes 1971): the first objective is minimised under a
limit on each other, then the others under the first one's value, so every point is efficient, not only weakly so.
"""

from __future__ import annotations

import heapq
import itertools
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from planner.solve.form import FloatArray, Program, with_objective, with_row
from planner.solve.status import Limits, Status

STEP = 2e-6
"""What counts as better, relative to max(1, |value|) or to the objective's range: twice the solvers' tolerance."""
_PROVEN = 1e-6
"""Relative gap asked of every solve."""


@dataclass(frozen=True)
class FrontPoint:
    """An efficient point: the whole point (n,) and its value of each objective, in the objectives' own scale.

    ``proven``: every solve behind it ended with a proof, so nothing is better in one objective and as good in all.
    """

    values: tuple[float, ...]
    objectives: tuple[float, ...]
    proven: bool


@dataclass(frozen=True)
class Front:
    """Efficient points, by the first objective. ``complete``: proven that there are no others.

    ``status`` is that of the first solve: a front of an infeasible program has no points.
    """

    points: tuple[FrontPoint, ...]
    complete: bool
    status: Status


def pareto_front(
    program: Program,
    objectives: Sequence[FloatArray],
    limits: Limits | None = None,
    *,
    points: int = 9,
    steps: int = 4,
) -> Front:
    """The efficient points of two or more objectives (each (n,), minimised), in one child.

    Two objectives: the ends first, then always into the widest gap, until ``points`` are found or nothing is left to
    find (then the front is complete). More: a grid of ``steps`` limits on each objective but the first; never called
    complete. The time limit is for all solves together. ValueError on fewer than two objectives or points.
    """
    from planner.solve.child import run_in_child

    if len(objectives) < 2 or points < 2 or steps < 1:
        raise ValueError("a front needs two objectives, two points and a step")
    told = {"objectives": [_sparse(v) for v in objectives], "points": points, "steps": steps}
    found = json.loads(run_in_child("front", program, limits or Limits(), told))
    return Front(_points(found["points"]), found["complete"], Status(found["status"]))


def most_different(
    program: Program,
    objective: FloatArray,
    ceiling: float,
    weights: Sequence[Sequence[Mapping[int, float]]],
    goals: Sequence[FloatArray],
    limits: Limits | None = None,
) -> list[FrontPoint | None]:
    """Points whose ``objective`` is at most ``ceiling`` and that differ most from those before them.

    Each entry of ``weights`` is a row of *groups*: {column: share}. For it the weighted use of the groups that earlier
    points used is minimised (hop, skip, jump: Brill 1982), a group weighing as much as earlier points used of it; the
    first point is the best by ``objective``. Each of ``goals`` (n,) is then minimised under the same ceiling. Ties go
    to the lower ``objective``. The answer has the best point, then one for each entry and goal; None where no point was
    found in time. ``objectives`` of a point are (objective, what was minimised).
    """
    from planner.solve.child import run_in_child

    told = {
        "objective": _sparse(objective),
        "ceiling": ceiling,
        "weights": [[[[int(j), float(v)] for j, v in group.items()] for group in groups] for groups in weights],
        "goals": [_sparse(goal) for goal in goals],
    }
    found = json.loads(run_in_child("different", program, limits or Limits(), told))
    return [None if p is None else _points([p])[0] for p in found]


def front_here(program: Program, limits: Limits, told: Mapping[str, Any]) -> dict[str, Any]:
    """``pareto_front`` in this process, as a JSON-ready record."""
    search = _Search(program, [_dense(program, v) for v in told["objectives"]], limits)
    order = list(range(len(search.objectives)))
    first = search.best(order, {})
    if first is None:
        return {"points": [], "complete": search.last is Status.INFEASIBLE, "status": search.last.value}
    if len(order) == 2:
        points, complete = _two(search, first, int(told["points"]))
    else:
        points, complete = _many(search, first, int(told["steps"])), False
    kept = _efficient(points)
    return {
        "points": [_record(p) for p in kept],
        "complete": bool(complete and all(p.proven for p in kept)),
        "status": Status.PROVEN_OPTIMAL.value if all(p.proven for p in kept) else Status.FEASIBLE.value,
    }


def different_here(program: Program, limits: Limits, told: Mapping[str, Any]) -> list[dict[str, Any] | None]:
    """``most_different`` in this process, as JSON-ready records."""
    objective = _dense(program, told["objective"])
    ceiling = float(told["ceiling"])
    room = _room(ceiling)
    inside = with_row(
        program, "near the best", {int(j): float(objective[j]) for j in np.flatnonzero(objective)}, upper=ceiling + room
    )
    started = time.monotonic()
    wanted = len(told["weights"]) + len(told["goals"])
    best = _Search(inside, [objective], replace(limits, time_limit_s=limits.time_limit_s / (wanted + 1))).best([0], {})
    if best is None:
        return [None] * (wanted + 1)
    answers: list[dict[str, Any] | None] = [_record(best)]
    seen = [np.array(best.values)]

    def minimised(vector: FloatArray) -> FrontPoint | None:
        left = limits.time_limit_s - (time.monotonic() - started)
        here = replace(limits, time_limit_s=max(0.05, left / max(1, wanted + 1 - len(answers))))
        return _Search(inside, [vector, objective], here).best([0, 1], {})

    for groups in told["weights"]:
        vector = np.zeros(program.column_count)
        for group in groups:
            used = sum(sum(float(v) * x[int(j)] for j, v in group) for x in seen)
            for j, share in group:
                vector[int(j)] += float(share) * used
        found = minimised(vector) if vector.any() else None
        if found is not None:
            seen.append(np.array(found.values))
        answers.append(None if found is None else _swapped(found))
    for told_goal in told["goals"]:
        found = minimised(_dense(program, told_goal))
        answers.append(None if found is None else _swapped(found))
    return answers


class _Search:
    """Lexicographic solves of one program under limits on its objectives; the time is shared by all of them."""

    def __init__(self, program: Program, objectives: Sequence[FloatArray], limits: Limits) -> None:
        self.objectives = list(objectives)
        self.limits = replace(limits, gap=min(limits.gap, _PROVEN), log=False)
        self.program = program
        self.ends = time.monotonic() + limits.time_limit_s
        self.last = Status.NO_PLAN_FOUND
        self.scale = [1.0] * len(self.objectives)
        """What one of each objective weighs where several are minimised together: their sizes are made alike."""

    @property
    def left(self) -> float:
        return self.ends - time.monotonic()

    def best(self, order: Sequence[int], ceilings: Mapping[int, float]) -> FrontPoint | None:
        """The least of ``order[0]``, among these of all others together, with each objective under its ceiling."""
        program = self.program
        for k, ceiling in ceilings.items():
            program = self._under(program, k, ceiling)
        main = self.objectives[order[0]]
        found = self._solve(program, main)
        if found is None:
            return None
        values, proven = found
        rest = np.zeros(program.column_count)
        for k in order[1:]:
            rest = rest + self.objectives[k] / self.scale[k]
        if rest.any():
            again = self._solve(self._under(program, order[0], float(main @ values)), rest)
            proven = proven and again is not None and again[1]
            values = values if again is None else again[0]
        return FrontPoint(tuple(float(v) for v in values), tuple(float(o @ values) for o in self.objectives), proven)

    def _under(self, program: Program, k: int, ceiling: float) -> Program:
        objective = self.objectives[k]
        weights = {int(j): float(objective[j]) for j in np.flatnonzero(objective)}
        name = f"objective {k} at most {ceiling!r} {len(program.row_names)}"
        return with_row(program, name, weights, upper=ceiling + _room(ceiling), kind="objective")

    def _solve(self, program: Program, vector: FloatArray) -> tuple[FloatArray, bool] | None:
        from planner.solve.drive import solve_here

        if self.left <= 0.05:
            self.last = Status.NO_PLAN_FOUND
            return None
        solution = solve_here(with_objective(program, vector), replace(self.limits, time_limit_s=self.left))
        self.last = solution.status
        if solution.values is None:
            return None
        return solution.values, solution.status in (Status.PROVEN_OPTIMAL, Status.WITHIN_GAP)


def _two(search: _Search, low: FrontPoint, most: int) -> tuple[list[FrontPoint], bool]:
    """Efficient points between the ends of two objectives, and whether they are all there are."""
    high = search.best([1, 0], {})
    if high is None:
        return [low], False
    found = [low, high]
    a0, b0 = low.objectives
    a1, b1 = high.objectives
    step = STEP * max(1.0, abs(b0), abs(b1))
    if b0 - b1 <= step or a1 - a0 <= STEP * max(1.0, abs(a0), abs(a1)):
        return [low if b0 - b1 <= step else high], low.proven and high.proven
    whole = b0 - b1
    count = itertools.count()
    # each gap: (width negated, tie, point below, low end, high end, whether its middle was tried in vain)
    gaps: list[tuple[float, int, FrontPoint, float, float, bool]] = [(-whole, next(count), high, b1, b0, False)]
    complete = True

    def put(right: FrontPoint, low_end: float, high_end: float, top: bool) -> None:
        if high_end - low_end > 2 * step:
            heapq.heappush(gaps, (-(high_end - low_end), next(count), right, low_end, high_end, top))

    while gaps:
        if len(found) >= most:
            complete = False
            break
        _, _, right, low_end, high_end, top = heapq.heappop(gaps)
        ceiling = high_end - step if top else (low_end + high_end) / 2
        point = search.best([0, 1], {1: ceiling})
        if point is None:
            complete = False
            if search.left <= 0.05:
                break
            continue
        b = point.objectives[1]
        if b <= right.objectives[1] + step:
            if not top:  # nothing in the lower half; what is left lies above the middle
                put(right, ceiling, high_end, True)
            continue
        found.append(point)
        put(right, low_end, b, False)
        if not top:
            put(point, max(ceiling, b), high_end, False)
    return found, complete


def _many(search: _Search, first: FrontPoint, steps: int) -> list[FrontPoint]:
    """Efficient points of three and more objectives: the best of each, and a grid of limits on all but the first."""
    count = len(search.objectives)
    found = [first]
    for k in range(1, count):
        point = search.best([k, *(j for j in range(count) if j != k)], {})
        if point is not None:
            found.append(point)
    ends = np.array([p.objectives for p in found])
    lows, highs = ends.min(axis=0), ends.max(axis=0)
    search.scale = [float(max(h - low, 1e-9)) for low, h in zip(lows, highs, strict=True)]
    axes = []
    for k in range(1, count):
        width = highs[k] - lows[k]
        axes.append([float(lows[k] + width * i / steps) for i in range(steps, -1, -1)] if width > 0 else [highs[k]])
    solved: list[tuple[tuple[float, ...], FrontPoint | None]] = []
    for ceilings in itertools.product(*axes):
        if search.left <= 0.05:
            break
        known = _answered(solved, ceilings)
        if known is not None:
            solved.append((ceilings, known[0]))
            continue
        point = search.best(range(count), dict(enumerate(ceilings, 1)))
        if point is not None or search.last is Status.INFEASIBLE:
            solved.append((ceilings, point))
        if point is not None:
            found.append(point)
    return found


def _answered(
    solved: Sequence[tuple[tuple[float, ...], FrontPoint | None]], ceilings: tuple[float, ...]
) -> tuple[FrontPoint | None] | None:
    """What looser limits already say of these: none there, or a point that lies under these limits too."""
    for looser, point in solved:
        if all(a >= b for a, b in zip(looser, ceilings, strict=True)):
            if point is None:
                return (None,)
            if all(v <= c + _room(c) for v, c in zip(point.objectives[1:], ceilings, strict=True)):
                return (point,)
    return None


def _efficient(points: Sequence[FrontPoint]) -> list[FrontPoint]:
    """Points without copies and without those that another one beats (by more than the solvers' tolerance)."""
    if not points:
        return []
    figures = np.array([p.objectives for p in points])
    slack = STEP * np.maximum(1.0, np.abs(figures).max(axis=0))
    order = np.lexsort(figures.T[::-1])
    kept: list[int] = []
    for i in order:
        beaten = any((figures[j] <= figures[i] + slack).all() for j in kept)
        if beaten:
            continue
        kept = [j for j in kept if not (figures[i] <= figures[j] + slack).all()]
        kept.append(int(i))
    return [points[i] for i in kept]


def _room(ceiling: float) -> float:
    """Never tighter than the tolerance a plan was accepted with."""
    return 1e-9 * max(abs(ceiling), 1e-9) + 1e-9


def _sparse(vector: FloatArray) -> list[list[float]]:
    return [[int(j), float(vector[j])] for j in np.flatnonzero(vector)]


def _dense(program: Program, pairs: Sequence[Sequence[float]]) -> FloatArray:
    vector = np.zeros(program.column_count)
    for j, value in pairs:
        vector[int(j)] = float(value)
    return vector


def _swapped(point: FrontPoint) -> dict[str, Any]:
    return {**_record(point), "objectives": [point.objectives[1], point.objectives[0]]}


def _record(point: FrontPoint) -> dict[str, Any]:
    return {"values": list(point.values), "objectives": list(point.objectives), "proven": point.proven}


def _points(records: Sequence[Mapping[str, Any]]) -> tuple[FrontPoint, ...]:
    return tuple(
        FrontPoint(tuple(r["values"]), tuple(float(v) for v in r["objectives"]), bool(r["proven"]))
        for r in records
        if all(math.isfinite(v) for v in r["objectives"])
    )
