"""Parts of a system pack as counted: against packing them one by one, and against all packings there are."""

from __future__ import annotations

import random
from collections import Counter
from functools import cache

import numpy as np
import pytest

from planner.options.parts import levels, packed, part_for, part_sizes, room_for, systems_for


@pytest.mark.parametrize(
    ("system", "part", "sizes"),
    [(72, 4, (4, 8, 16, 32, 64)), (384, 8, (8, 16, 32, 64, 128, 256)), (8, 8, ()), (64, 16, (16, 32)), (72, 72, ())],
)
def test_parts_double_from_a_tray_up(system: int, part: int, sizes: tuple[int, ...]) -> None:
    assert part_sizes(system, part) == sizes


def test_the_smallest_part_that_holds_a_replica() -> None:
    assert part_for(np.array([1, 4, 5, 24, 64, 65, 72]), 72, 4).tolist() == [4, 4, 8, 32, 64, 0, 0]


def test_a_rack_holds_one_part_of_64_and_eight_chips_beside_it() -> None:
    assert room_for(72, 64) == 64
    assert systems_for({64: 1, 8: 1}, 72) == 1
    assert systems_for({64: 1, 16: 1}, 72) == 2
    assert systems_for({16: 4, 8: 1}, 72) == 1
    assert systems_for({}, 72) == 0


def fewest(parts: tuple[int, ...], system: int) -> int:
    """Fewest systems by trying every packing."""

    @cache
    def best(left: tuple[int, ...], free: tuple[int, ...]) -> int:
        if not left:
            return 0
        first, rest = left[0], left[1:]
        found = 1 + best(rest, tuple(sorted((*free, system - first))))
        for i, room in enumerate(free):
            if room >= first:
                found = min(found, best(rest, tuple(sorted((*free[:i], room - first, *free[i + 1 :])))))
        return found

    return best(tuple(sorted(parts, reverse=True)), ())


@pytest.mark.parametrize("seed", range(60))
def test_counting_systems_is_packing_them(seed: int) -> None:
    rng = random.Random(seed)
    system, part = rng.choice([(72, 4), (40, 8), (48, 4), (96, 8), (24, 4)])
    parts = tuple(rng.choice(part_sizes(system, part)) for _ in range(rng.randint(1, 8)))
    counted = systems_for(Counter(parts), system)
    where = packed(parts, system)
    assert counted == max(where) + 1 == fewest(parts, system)
    for at in set(where):
        assert sum(p for p, w in zip(parts, where, strict=True) if w == at) <= system


def test_levels_are_those_that_another_does_not_imply() -> None:
    assert levels([4, 8, 16, 64], 72) == (4, 16)
    assert levels([8, 16, 256], 384) == (8, 256)
