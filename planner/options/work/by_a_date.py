"""Work by a date in plans over time: a run of so many units side by side, each full, until all requests are answered.

A unit is what a load's is: one replica, or one system holding several. Units need nothing of each other, so a run of
``n`` of them takes ``n`` times the systems and a part ``1 / n`` of the days.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from planner.options.hardware.hours import day_share
from planner.options.work.designs import FoundDesign
from planner.options.work.serving import LARGEST_RUN
from planner.scenario.kinds.daily import HOURS, Hours
from planner.scenario.kinds.window import ByADate

EVERY = 32
"""Numbers of units that are all tried; larger ones in steps of a twentieth."""
UNITS = "units"
"""Of a layout: how many units work side by side."""


def runs_of_units(workload: ByADate, found: Sequence[FoundDesign], room: int) -> list[FoundDesign]:
    """Runs of units that are found on a platform with room for so many systems."""
    made = []
    for unit in found:
        for n in _numbers(min(room, LARGEST_RUN) // unit.systems):
            days = days_of(workload, unit.rates["decode"] * n)
            made.append(
                replace(
                    unit, systems=unit.systems * n, chips=unit.chips * n, replicas=unit.replicas * n,
                    rates={"run": 1.0}, days=days, tokens_per_s=unit.tokens_per_s * n,
                    layout={**unit.layout, UNITS: n},
                )
            )  # fmt: skip
    return made


def _numbers(most: int) -> Iterator[int]:
    n = 1
    while n <= most:
        yield n
        n = n + 1 if n < EVERY else math.ceil(n * 1.05)


def days_of(workload: ByADate, requests_per_s: float) -> float:
    """Days in which a rate answers all requests, in the hours of each day that the work may have."""
    return workload.requests_in_all / (requests_per_s * 3600.0 * workload.hours_per_day)


def days_in(workload: ByADate, days: float, hours: Hours) -> float:
    """Whole days of the same where it has some hours of each alone; requests are short, so stopping loses nothing."""
    if not hours:
        return days
    return float(math.ceil(days * workload.hours_per_day / min(workload.hours_per_day, len(hours)) - 1e-9))


def at_work(workload: object, hours: Hours) -> float:
    """Share of a day in which a run works: all its hours, of work by a date no more than it may have."""
    if not isinstance(workload, ByADate):
        return day_share(hours)
    return min(workload.hours_per_day, len(hours) if hours else HOURS) / HOURS


def without_units(layout: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """(the layout of a unit, how many)"""
    return {name: value for name, value in layout.items() if name != UNITS}, layout.get(UNITS, 1)
