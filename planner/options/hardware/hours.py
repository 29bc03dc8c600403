"""Hours of a day, UTC, 0 to 23: in which of them units are on, systems are rented and runs work. None of them: all day.

Loads that follow a day leave systems free in their valleys. Hours that are alike in all that may be on are one *band*
of the day: what works in a band must stand in it, so a day takes as many conditions as it has bands, not 24.
"""

from __future__ import annotations

from collections.abc import Iterable

from planner.facility.reliability import ReliabilityProfile, checkpoint_floor_s
from planner.scenario.kinds.daily import HOURS, Daily, Hours
from planner.scenario.types import Scenario

ALL_DAY: Hours = ()
MOST_WINDOWS = 48
"""Stretches of a day that runs are offered; where loads have more, those of each load alone."""


def day_share(hours: Hours) -> float:
    """Share of a day."""
    return len(hours) / HOURS if hours else 1.0


def on_in(hours: Hours, band: Hours) -> bool:
    """Whether what is on in some hours is on in a band of the day."""
    return not hours or not band or band[0] in hours


def bands_of(some: Iterable[Hours]) -> tuple[Hours, ...]:
    """The day in bands: hours that are in the same of some sets of hours; one of all day where there is no set."""
    sets = [frozenset(hours) for hours in dict.fromkeys(some) if hours]
    if not sets:
        return (ALL_DAY,)
    alike: dict[tuple[bool, ...], list[int]] = {}
    for hour in range(HOURS):
        alike.setdefault(tuple(hour in one for one in sets), []).append(hour)
    return tuple(tuple(hours) for hours in alike.values())


def stretches(hours: Hours) -> int:
    """How often a day something on in some hours is stopped and begun again; a day goes on into the next."""
    return sum((hour + 1) % HOURS not in hours for hour in hours)


def hours_of_unit(workload: object, hours_per_day: int | None) -> Hours:
    """The hours in which a unit that is on for so many hours of each day is on: those of most demand."""
    if hours_per_day is None or hours_per_day >= HOURS or not isinstance(workload, Daily):
        return ALL_DAY
    return workload.busiest(hours_per_day)


def daily_loads(scenario: Scenario) -> tuple[Daily, ...]:
    """Loads by the hour."""
    return tuple(w for w in scenario.workloads if isinstance(w, Daily))


def valleys(scenario: Scenario) -> tuple[Hours, ...]:
    """Hours of a day in which a run may work where loads are below a level: below every level of each load, and, where
    there are not too many, below levels of several loads at once. None where runs have no load's systems to use."""
    loads = daily_loads(scenario)
    if not scenario.fleet.shared or not loads:
        return ()
    every = frozenset(range(HOURS))
    below = [[every - set(w.busiest(n)) for n, _ in w.by_rank if n < HOURS] for w in loads]
    alone = {valley for of in below for valley in of}
    several = {every}
    for of in below:
        several |= {a & b for a in several for b in of}
    found = several if len(several) <= MOST_WINDOWS else alone
    return tuple(sorted((tuple(sorted(v)) for v in found if v and v != every), key=lambda v: (-len(v), v)))


def days_by_the_hour(
    days: float, hours: Hours, chips: int, parameters: float, profile: ReliabilityProfile
) -> float:  # fmt: skip
    """Whole days that a run takes which works in some hours of each: infinite where pausing leaves it no time.

    ``days``: those without a pause. At the end of each stretch it writes a checkpoint, which has left its chips before
    others take them, and it restarts at the next one's beginning. One stretch more is counted: the day that it begins
    in may cut one in two.
    """
    if not hours:
        return days
    pause = stop_s(chips, parameters, profile) / 3600.0
    a_day = len(hours) - stretches(hours) * pause
    if a_day <= 0:
        return float("inf")
    whole = (days * HOURS + pause) / a_day
    return float(-(-(whole - 1e-9) // 1))


def stop_s(chips: int, parameters: float, profile: ReliabilityProfile) -> float:
    """Seconds that one stop of a run costs it: its last checkpoint until it is stored, and its restart."""
    drained = float(checkpoint_floor_s(chips, parameters, profile))
    return profile.restart_s.value + max(profile.write_s.value, drained)
