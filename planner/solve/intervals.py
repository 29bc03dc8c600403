"""Tasks on renewable resources, each at its earliest: intervals with cumulative amounts, by CP-SAT. Knows no chip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.solve.status import Limits

if TYPE_CHECKING:
    from ortools.sat.python import cp_model


@dataclass(frozen=True)
class Task:
    """One interval of whole time units. It starts between ``earliest`` and ``latest``, which is a start known to work.

    ``after``: names of tasks that have ended when it starts.
    """

    name: str
    earliest: int
    latest: int
    length: int
    resource: str
    amount: int
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Level:
    """How much of a resource there is from ``start`` to ``end``; outside of its levels there is none."""

    start: int
    end: int
    amount: int


def earliest_starts(
    tasks: Sequence[Task], resources: Mapping[str, Sequence[Level]], limits: Limits
) -> tuple[dict[str, int], bool]:
    """({task: start}, proven): starts with the least sum of ends, resources and order kept.

    Every task at its ``latest`` must be a schedule: it is what comes back where the time limit leaves nothing better.
    One worker and a fixed seed: the same tasks give the same starts unless the time limit cut the search short.
    """
    from ortools.sat.python import cp_model  # 0.4 s and pandas, for the few plans that have runs to schedule

    model = cp_model.CpModel()
    starts, ends = {}, {}
    used: dict[str, list[tuple[cp_model.IntervalVar, int]]] = {name: [] for name in resources}
    for task in tasks:
        start = model.new_int_var(task.earliest, task.latest, f"start[{task.name}]")
        starts[task.name], ends[task.name] = start, start + task.length
        used[task.resource].append((model.new_fixed_size_interval_var(start, task.length, task.name), task.amount))
        model.add_hint(start, task.latest)
    for task in tasks:
        for before in task.after:
            model.add(starts[task.name] >= ends[before])
    for name, mine in used.items():
        levels = resources[name]
        most = max((level.amount for level in levels), default=0)
        # what is missing from the largest amount is taken by a task that cannot move
        for i, level in enumerate(levels):
            if level.amount < most:
                taken = model.new_fixed_size_interval_var(level.start, level.end - level.start, f"{name}[{i}]")
                mine.append((taken, most - level.amount))
        if mine:
            model.add_cumulative([interval for interval, _ in mine], [amount for _, amount in mine], most)
    model.minimize(sum(starts.values()))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = limits.time_limit_s
    solver.parameters.random_seed = limits.seed
    solver.parameters.num_workers = 1
    if limits.reproducible:
        solver.parameters.max_deterministic_time = limits.time_limit_s
    word = solver.solve(model)
    if word not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return {task.name: task.latest for task in tasks}, False
    return {name: solver.value(start) for name, start in starts.items()}, word == cp_model.OPTIMAL
