"""A list of number formats is a choice: every format that a chip has is searched, and what another beats is left out.

Of two formats neither need be better: the faster one may cost traffic that a small layer does not earn back, and
engines sustain less of its peak. Which is better is therefore found, not assumed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from planner.options.work.serving import ROLE_NAMES, Unit, frontier
from planner.performance.platform import Platform
from planner.performance.precision import RECIPES, peak_name
from planner.scenario.kinds import Workload


def in_each_format(workload: Workload) -> tuple[Workload, ...]:
    """The workload in each format of its list alone."""
    formats = tuple(dict.fromkeys(workload.precision))
    if len(formats) < 2:
        return (workload,)
    return tuple(workload.model_copy(update={"precision": (one,)}) for one in formats)


def fastest_first(formats: Sequence[str], platform: Platform) -> list[str]:
    """The formats that a platform has, the highest peak first, of equals the smaller, then by name."""
    there = [one for one in formats if peak_name(one) in platform.peak_flops]
    return sorted(there, key=lambda x: (-platform.peak_flops[peak_name(x)], RECIPES[peak_name(x)].element_bytes, x))


def unbeaten(found: Sequence[Sequence[Unit]], *, apart: bool, system_chips: int) -> list[list[Unit]]:
    """Of units of one load in several formats (fastest first) those that no whole number of another's replaces.

    Everything but its rate is the same of a unit that takes the same place. ``apart``: replicas hand caches only to
    those of their own format, so a format goes as a whole or stays: where each of its units has one of a single other
    format that replaces it.
    """
    if not apart:
        every = [(k, u) for k, units in enumerate(found) for u in units]
        kept = _frontier([u for _, u in every], system_chips)
        return [[u for i, (j, u) in enumerate(every) if j == k and i in kept] for k in range(len(found))]
    gone: set[int] = set()
    for k, mine in reversed(list(enumerate(found))):
        for j, theirs in enumerate(found):
            if j != k and j not in gone and k not in gone and theirs and mine:
                kept = _frontier([*theirs, *mine], system_chips)
                if all(i < len(theirs) for i in kept):
                    gone.add(k)
    return [[] if k in gone else list(units) for k, units in enumerate(found)]


def _frontier(units: Sequence[Unit], system_chips: int) -> set[int]:
    """Indices of units that no whole number of another of their role replaces."""
    kept: set[int] = set()
    for role in ROLE_NAMES.values():
        at = [i for i, u in enumerate(units) if u.role == role]
        if at:
            mine = [units[i] for i in at]
            stay = frontier(
                np.array([u.systems for u in mine]), np.array([u.requests_per_s for u in mine]),
                np.array([u.chips for u in mine]), np.array([u.part for u in mine]), system_chips,
            )  # fmt: skip
            kept |= {at[i] for i in stay.tolist()}
    return kept
