"""What a few rows of a group are worth, on rows made by hand; the carried tables take minutes."""

from __future__ import annotations

import math

import numpy as np

from planner.performance.measured.observation import Observation
from planner.performance.measured.spread import Spread
from planner.validation.own.__main__ import lines_of
from planner.validation.own.training import told_by_own

SPREAD = Spread(((0.05, -1.28, 1.28), (0.3, -1.28, 1.28)))


def rows(chip: str, level: float, count: int, seed: int) -> list[Observation]:
    """Runs of one stack on a chip that all take ``level`` of what is predicted, give or take 2%."""
    dice = np.random.default_rng(seed)
    return [
        Observation(
            group=f"s | m | {chip} | bf16", source=f"s{seed}", family=chip[:2], chip=chip, profile="default",
            precision="bf16", experts=False, ratio=level * math.exp(0.02 * dice.standard_normal()),
            case_id=f"{chip}{i}",
            shape=(2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 12.0, 6.0 + 0.1 * i, 33.0, 16.0), recompute="0", model="m",
            generation="2025",
        )
        for i in range(count)
    ]  # fmt: skip


def test_rows_of_a_group_tell_the_rest_of_it() -> None:
    """A chip half as slow again as any other: unknown it is far off, and the nearer the more of its rows are known."""
    told = told_by_own([*rows("aa1", 1.1, 12, 1), *rows("bb1", 1.1, 12, 2), *rows("cc1", 1.6, 9, 3)], SPREAD, (1, 3))
    mine = {k: [t for t in told if t.group.endswith("cc1") and t.known == k] for k in (1, 3)}
    off = {k: np.median([abs(t.error) for t in some]) for k, some in mine.items()}
    before = np.median([abs(t.before) for t in mine[1]])
    assert before > 0.2 > off[1] > off[3]
    assert off[3] < 0.5 * before
    assert {len(some) for some in mine.values()} == {3 * 8, 3 * 6}
    lines = lines_of("step_time_s", told, (1, 2, 3))
    assert len(lines) == 2
    assert "3 groups" in lines[0]
