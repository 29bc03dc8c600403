"""Tasks at their earliest against trying every start: resources, order and the starts that are known to work."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping, Sequence

import pytest

from planner.solve.intervals import Level, Task, earliest_starts, least_amount
from planner.solve.status import Limits

LIMITS = Limits(time_limit_s=10, threads=1)


def holds(tasks: Sequence[Task], resources: Mapping[str, Sequence[Level]], starts: Mapping[str, int]) -> bool:
    """Whether a schedule keeps bounds, order and resources, from the meaning of the words."""
    by_name = {task.name: task for task in tasks}
    for task in tasks:
        if not task.earliest <= starts[task.name] <= task.latest:
            return False
        if any(starts[task.name] < starts[b] + by_name[b].length for b in task.after):
            return False
    for name, levels in resources.items():
        for moment in range(40):
            used = sum(t.amount for t in tasks
                       if t.resource == name and starts[t.name] <= moment < starts[t.name] + t.length)  # fmt: skip
            if used > sum(level.amount for level in levels if level.start <= moment < level.end):
                return False
    return True


def random_tasks(seed: int) -> tuple[list[Task], dict[str, list[Level]]] | None:
    """Three tasks whose latest starts are a schedule; None where the dice gave none."""
    dice = random.Random(seed)
    resources = {
        name: [Level(0, 10, dice.randint(1, 4)), Level(10, 40, dice.randint(1, 4))] for name in ("here", "there")
    }
    for _ in range(50):
        tasks = []
        for i in range(3):
            latest = dice.randint(2, 14)
            tasks.append(
                Task(f"t{i}", max(0, latest - dice.randint(0, 6)), latest, dice.randint(1, 8),
                     dice.choice(["here", "there"]), dice.randint(1, 3),
                     ("t0",) if i == 2 and dice.random() < 0.5 else ())
            )  # fmt: skip
        if holds(tasks, resources, {t.name: t.latest for t in tasks}):
            return tasks, resources
    return None


@pytest.mark.parametrize("seed", range(25))
def test_no_schedule_ends_earlier(seed: int) -> None:
    """The least sum of starts of all that hold."""
    made = random_tasks(seed)
    assert made is not None
    tasks, resources = made
    found, proven = earliest_starts(tasks, resources, LIMITS)
    assert proven
    assert holds(tasks, resources, found)
    best = min(
        sum(starts)
        for starts in itertools.product(*(range(t.earliest, t.latest + 1) for t in tasks))
        if holds(tasks, resources, {t.name: s for t, s in zip(tasks, starts, strict=True)})
    )
    assert sum(found.values()) == best


def test_out_of_time_the_known_starts_stay() -> None:
    """No time at all: what was known to work comes back, and is not called proven."""
    tasks = [Task(f"t{i}", 0, 10 * i, 10, "here", 1, known=10 * i) for i in range(200)]
    found, proven = earliest_starts(tasks, {"here": [Level(0, 5000, 1)]}, Limits(time_limit_s=1e-6, threads=1))
    assert not proven
    assert found == {t.name: t.latest for t in tasks}


def test_the_least_amount_is_the_least_that_works() -> None:
    """One less leaves no schedule; where windows alone leave none, no amount is enough."""
    for seed in range(15):
        made = random_tasks(seed)
        assert made is not None
        tasks = made[0]
        need = least_amount(tasks, "here", LIMITS)
        wide = [Level(0, 100, 99)]
        assert earliest_starts(tasks, {"here": [Level(0, 100, int(need))], "there": wide}, LIMITS)[0] is not None
        if need:
            fewer = {"here": [Level(0, 100, int(need) - 1)], "there": wide}
            assert earliest_starts(tasks, fewer, LIMITS) == (None, True)
    late = [Task("a", 3, 5, 5, "here", 1), Task("b", 0, 5, 6, "here", 1, ("a",))]
    assert math.isinf(least_amount(late, "here", LIMITS))
