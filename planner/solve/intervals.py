"""Tasks on renewable resources, each at its earliest: intervals with cumulative amounts, by CP-SAT. Knows no chip."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from planner.solve import wire
from planner.solve.child import ChildError, converse
from planner.solve.status import Limits


@dataclass(frozen=True)
class Task:
    """One interval of whole time units. It starts between ``earliest`` and ``latest``.

    ``after``: names of tasks that have ended when it starts. ``known``: its start in a schedule known to work.
    ``beside``: other resources of which it takes as much.
    """

    name: str
    earliest: int
    latest: int
    length: int
    resource: str
    amount: int
    after: tuple[str, ...] = ()
    known: int | None = None
    beside: tuple[str, ...] = ()

    @property
    def resources(self) -> tuple[str, ...]:
        """All that it takes."""
        return self.resource, *self.beside


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
    (None, True): there is no schedule. A schedule that is known and cannot move is not searched for. One worker and a
    fixed seed: the same tasks give the same starts unless the time limit cut the search short.
    """
    known: dict[str, int] | None = {task.name: task.known for task in tasks if task.known is not None}
    if known is not None and len(known) < len(tasks):
        known = None
    if known is not None and all(task.earliest >= task.latest for task in tasks):
        return known, True
    told = _told(tasks, resources)
    try:
        block = converse("cpsat", "intervals", ({}, {}), limits, told)
    except ChildError:
        return known, False
    if block is None:
        return known, False
    found, _ = wire.unpack(block)
    if found["starts"] is None:
        return known, bool(found["proven"])
    return {str(name): int(start) for name, start in found["starts"].items()}, bool(found["proven"])


def some_starts(
    tasks: Sequence[Task], resources: Mapping[str, Sequence[Level]], limits: Limits
) -> dict[str, int] | None:
    """Starts that keep resources and order, the first that are found; None where there are none, or none in time.

    One level a resource, which holds for all the windows. Each task as soon as it can, the most urgent first; only
    where that does not do, what CP-SAT finds.
    """
    found = _one_by_one(tasks, {name: levels[0].amount for name, levels in resources.items()})
    return earliest_starts(tasks, resources, limits)[0] if found is None else found


def _one_by_one(tasks: Sequence[Task], amounts: Mapping[str, int]) -> dict[str, int] | None:
    placed: dict[str, Task] = {}
    starts: dict[str, int] = {}
    names = {task.name for task in tasks}
    left = sorted(tasks, key=lambda t: (t.latest + t.length, t.latest, -t.amount, t.name))
    while left:
        task = next((t for t in left if all(n in placed for n in t.after if n in names)), None)
        if task is None:
            return None
        left.remove(task)
        low = max([task.earliest, *(starts[n] + placed[n].length for n in task.after if n in names)])
        others = {
            name: [(starts[n], starts[n] + t.length, t.amount) for n, t in placed.items() if name in t.resources]
            for name in task.resources
        }
        everyone = [x for of in others.values() for x in of]
        for at in sorted({low, *(end for _, end, _ in everyone if end > low)}):
            moments = {at, *(begin for begin, _, _ in everyone if at < begin < at + task.length)}
            if all(
                sum(n for a, b, n in of if a <= m < b) + task.amount <= amounts[name]
                for name, of in others.items()
                for m in moments
            ):
                break
        else:
            return None
        if at > task.latest:
            return None
        placed[task.name], starts[task.name] = task, at
    return starts


def least_amount(tasks: Sequence[Task], resource: str, limits: Limits) -> float:
    """The least of one resource, there all the time, with which tasks can be scheduled; others are there without end.

    A lower bound where the time limit cut the search short; infinity where order and windows alone leave no schedule.
    """
    told = {**_told(tasks, {}), "least": resource}
    try:
        block = converse("cpsat", "intervals", ({}, {}), limits, told)
    except ChildError:
        return 0.0
    least = None if block is None else wire.unpack(block)[0]["least"]
    return 0.0 if least is None else math.inf if least < 0 else float(least)


def _told(tasks: Sequence[Task], resources: Mapping[str, Sequence[Level]]) -> dict[str, Any]:
    return {
        "tasks": [asdict(task) for task in tasks],
        "resources": {name: [asdict(level) for level in levels] for name, levels in resources.items()},
    }
