"""Tasks on renewable resources, each at its earliest: intervals with cumulative amounts, by CP-SAT. Knows no chip."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ortools.sat.python import cp_model

from planner.solve.status import Limits


@dataclass(frozen=True)
class Task:
    """One interval of whole time units. It starts between ``earliest`` and ``latest``.

    ``after``: names of tasks that have ended when it starts. ``known``: its start in a schedule known to work.
    """

    name: str
    earliest: int
    latest: int
    length: int
    resource: str
    amount: int
    after: tuple[str, ...] = ()
    known: int | None = None


@dataclass(frozen=True)
class Level:
    """How much of a resource there is from ``start`` to ``end``; outside of its levels there is none."""

    start: int
    end: int
    amount: int


def earliest_starts(
    tasks: Sequence[Task], resources: Mapping[str, Sequence[Level]], limits: Limits
) -> tuple[dict[str, int] | None, bool]:
    """({task: start}, proven): starts with the least sum of ends, resources and order kept.

    Where the time limit leaves nothing better the starts ``known`` come back, where every task has one; else None.
    (None, True): there is no schedule. One worker and a fixed seed: the same tasks give the same starts unless the time
    limit cut the search short.
    """
    model = cp_model.CpModel()
    starts, used = _intervals(model, tasks)
    for name, levels in resources.items():
        mine = used[name]
        most = max((level.amount for level in levels), default=0)
        # what is missing from the largest amount is taken by a task that cannot move
        for i, level in enumerate(levels):
            if level.amount < most:
                taken = model.new_fixed_size_interval_var(level.start, level.end - level.start, f"{name}[{i}]")
                mine.append((taken, most - level.amount))
        if mine:
            model.add_cumulative([interval for interval, _ in mine], [amount for _, amount in mine], most)
    model.minimize(sum(starts.values()))
    solver, word = _solved(model, limits)
    if word in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return {name: solver.value(start) for name, start in starts.items()}, word == cp_model.OPTIMAL
    known = {task.name: task.known for task in tasks if task.known is not None}
    return (known if len(known) == len(tasks) else None), word == cp_model.INFEASIBLE


def least_amount(tasks: Sequence[Task], resource: str, limits: Limits) -> float:
    """The least of one resource, there all the time, with which tasks can be scheduled; others are there without end.

    A lower bound where the time limit cut the search short; infinity where order and windows alone leave no schedule.
    """
    model = cp_model.CpModel()
    _, used = _intervals(model, tasks)
    mine = used[resource]
    most = sum(amount for _, amount in mine)
    need = model.new_int_var(max((amount for _, amount in mine), default=0), most, "need")
    model.add_cumulative([interval for interval, _ in mine], [amount for _, amount in mine], need)
    model.minimize(need)
    solver, word = _solved(model, limits)
    if word == cp_model.INFEASIBLE:
        return math.inf
    return round(solver.best_objective_bound) if word in (cp_model.OPTIMAL, cp_model.FEASIBLE) else 0.0


def _intervals(
    model: cp_model.CpModel, tasks: Sequence[Task]
) -> tuple[dict[str, cp_model.IntVar], dict[str, list[tuple[cp_model.IntervalVar, int]]]]:
    """({task: start}, {resource: [(interval, amount)]}), with order kept."""
    starts, used = {}, defaultdict(list)
    for task in tasks:
        start = model.new_int_var(task.earliest, task.latest, f"start[{task.name}]")
        starts[task.name] = start
        used[task.resource].append((model.new_fixed_size_interval_var(start, task.length, task.name), task.amount))
        model.add_hint(start, task.latest if task.known is None else task.known)
    lengths = {task.name: task.length for task in tasks}
    for task in tasks:
        for before in task.after:
            model.add(starts[task.name] >= starts[before] + lengths[before])
    return starts, used


def _solved(model: cp_model.CpModel, limits: Limits) -> tuple[cp_model.CpSolver, cp_model.CpSolverStatus]:
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = limits.time_limit_s
    solver.parameters.random_seed = limits.seed
    solver.parameters.num_workers = 1
    if limits.reproducible:
        solver.parameters.max_deterministic_time = limits.time_limit_s
    return solver, solver.solve(model)
