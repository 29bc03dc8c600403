"""Tasks on renewable resources, each at its earliest: intervals with cumulative amounts, by CP-SAT. Knows no chip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from planner.solve import wire
from planner.solve.child import ChildError, converse
from planner.solve.status import Limits


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
    A schedule that cannot move is not searched for. One worker and a fixed seed: the same tasks give the same starts
    unless the time limit cut the search short.
    """
    if all(task.earliest >= task.latest for task in tasks):
        return {task.name: task.latest for task in tasks}, True
    told = {
        "tasks": [asdict(task) for task in tasks],
        "resources": {name: [asdict(level) for level in levels] for name, levels in resources.items()},
    }
    latest = {task.name: task.latest for task in tasks}
    try:
        block = converse("cpsat", "intervals", ({}, {}), limits, told)
    except ChildError:
        return latest, False
    if block is None:
        return latest, False
    found, _ = wire.unpack(block)
    if found["starts"] is None:
        return latest, False
    return {str(name): int(start) for name, start in found["starts"].items()}, bool(found["proven"])
