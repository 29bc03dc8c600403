"""What serves and runs stands there, in order and in time, and every demand is met."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from planner.options.hardware.arrivals import demand_of
from planner.options.hardware.timeline import DAYS_PER_MONTH
from planner.options.parts import packed, systems_taken
from planner.options.stock_figures import Hardware
from planner.options.work.redundancy import Redundancy
from planner.scenario.kinds.daily import Daily, hourly_rates
from planner.scenario.pooled import pool_of
from planner.scenario.workloads import Serving
from planner.verify.again import Again, RunAgain
from planner.verify.classes import left_after_failures
from planner.verify.compare import LIMIT_TOLERANCE

DAY_TOLERANCE = 1e-3
"""Of a day: the schedule counts whole minutes."""


EVERY_HOUR = range(24)


def on_at(hours: Sequence[int], hour: int) -> bool:
    """Whether what is on in some hours of a day (none: all) is on at one."""
    return not hours or hour in hours


def distinct_hours(again: Again) -> list[int]:
    """One hour of a day for each set of hours alike in all that the plan has on by the hour."""
    sets = [set(x.said.hours) for of in (again.lots, again.loads, again.runs) for x in of if x.said.hours]
    return list({tuple(hour in some for some in sets): hour for hour in reversed(EVERY_HOUR)}.values())


def stands(again: Again, hardware: Hardware, period: int, hour: int) -> int:
    mine = (x for x in again.lasting(period) if x.hardware == hardware and on_at(x.said.hours, hour))
    return sum(x.said.systems for x in mine)


def serving_systems(again: Again, hardware: Hardware, period: int, hour: int) -> int:
    """Whole systems of a kind that serving takes in an hour of the day; parts of them packed largest first."""
    mine = [x for x in again.loads if x.hardware == hardware and x.said.units[period] and on_at(x.said.hours, hour)]
    whole = sum(x.said.units[period] * x.described.systems for x in mine if not x.described.part)
    parts = [x.described.part for x in mine if x.described.part for _ in range(x.said.units[period])]
    chips = again.figures.stand(hardware).chips
    return whole + (max(packed(parts, chips)) + 1 if parts else 0)


def busy_systems(again: Again, hardware: Hardware, period: int) -> float:
    """Systems of a kind that serve in the mean of a day, parts of them as such; whosever they are, where ``hardware``
    names no owner."""
    chips = again.figures.stand(hardware).chips
    return math.fsum(
        x.said.units[period]
        * systems_taken(x.described.systems, x.described.part, chips)
        * (len(x.said.hours) / len(EVERY_HOUR) if x.said.hours else 1.0)
        for x in again.loads
        if hardware in {x.hardware, x.hardware.kind}
    )


def occupancy_failures(again: Again) -> Iterator[str]:
    """What serves in an hour of a period stands there then."""
    hours = distinct_hours(again)
    for hardware in dict.fromkeys(x.hardware for x in again.loads):
        where = f"{hardware.system} in {hardware.cooling} at {hardware.place}"
        for t, month in enumerate(again.timeline.names):
            for hour in hours:
                used, there = serving_systems(again, hardware, t, hour), stands(again, hardware, t, hour)
                if used > there:
                    yield f"{where}: {used} systems serve from {month}{_at(hour, hours)}, {there} stand there"


def _at(hour: int, hours: Sequence[int]) -> str:
    return f" at {hour} h" if len(hours) > 1 else ""


def day_failures(again: Again) -> Iterator[str]:
    """The schedule in days: at every start, what runs then fits what stands, in every hour of the day."""
    line = again.timeline
    shared = [x for x in again.runs if not x.said.rented_alone]
    hours = distinct_hours(again)
    for hardware in dict.fromkeys(x.hardware for x in shared):
        mine = [x for x in shared if x.hardware == hardware]
        edges = [e * DAYS_PER_MONTH for e in line.edges[:-1]]
        moments = sorted({x.said.start_day for x in mine} | {e for e in edges if any(
            x.said.start_day < e < x.said.end_day for x in mine)})  # fmt: skip
        for day in moments:
            t = line.period_of((day + DAY_TOLERANCE) / DAYS_PER_MONTH)
            here = [x for x in mine if x.said.start_day <= day + DAY_TOLERANCE < x.said.end_day]
            for hour in hours:
                running = sum(x.described.systems for x in here if on_at(x.said.hours, hour))
                used = running + serving_systems(again, hardware, t, hour)
                there = stands(again, hardware, t, hour)
                if used > there:
                    where = f"{hardware.system} at {hardware.place}"
                    yield f"{where}: {used} systems work on day {day:.2f}{_at(hour, hours)}, {there} stand there"


def order_failures(again: Again) -> Iterator[str]:
    """Every run once, and after those it waits for."""
    by_name: dict[str, list[RunAgain]] = defaultdict(list)
    for x in again.runs:
        by_name[x.said.workload].append(x)
    for workload in again.scenario.workloads:
        if not workload.runs_once:
            continue
        mine = [x for x in by_name[workload.name] if x.said.leads]
        if len(mine) != 1:
            yield f"{workload.name} is run {len(mine)} times, must be run once"
            continue
        for name in getattr(workload, "after", ()):
            for before in by_name[name]:
                if mine[0].said.start_day < before.said.end_day - DAY_TOLERANCE:
                    day = mine[0].said.start_day
                    yield f"{workload.name} begins on day {day:.3f}, before {name}, which it waits for, has ended"


def answered_share(again: Again, name: str, phases: Sequence[str], period: int) -> Fraction:
    """Requests or samples a second that a load's units answer: each site the lesser of its phases."""
    workload = again.figures.workload(name)
    if isinstance(workload, Serving) and workload.request_classes:
        got: dict[str, Fraction] = defaultdict(Fraction)
        for x in again.loads:
            for a in x.said.answers[period] if x.said.workload == name else ():
                got[a.name] += Fraction(a.requests_per_s)
        return min(got[c.label] / Fraction(c.share) for c in workload.request_classes)
    by_site: dict[str, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    pool = pool_of(again.scenario, name)
    for x in again.loads:
        if x.said.workload == pool[0] and x.said.units[period]:
            for phase, rate in x.described.rates.items():
                place = f"{x.hardware.place.split('/')[0]} {x.described.cache_pool}"
                by_site[place][phase] += Fraction(rate) * x.said.units[period]
    whole = sum((min(rates[p] for p in phases) for rates in by_site.values()), start=Fraction(0))
    if len(pool) == 1:
        return whole
    every = {x: Fraction(float(demand_of(again.figures.workload(x), again.timeline)[period])) for x in pool}
    asked = sum(every.values(), start=Fraction(0))
    return whole * every[name] / asked if asked else Fraction(0)


def demand_failures(again: Again) -> Iterator[str]:
    for workload in again.scenario.workloads:
        if workload.runs_once:
            continue
        phases = ("prefill", "decode") if isinstance(workload, Serving) else ("score",)
        asked = demand_of(workload, again.timeline)
        for t, month in enumerate(again.timeline.names):
            if isinstance(workload, Daily):
                yield from _by_the_hour(again, workload, t)
            served = answered_share(again, workload.name, phases, t)
            if served < Fraction(float(asked[t])) * (1 - LIMIT_TOLERANCE):
                yield f"{workload.name} is served at {float(served):.6g}/s from {month}, {asked[t]:g}/s asked"
            rule = Redundancy.of(workload, again.reliability) if isinstance(workload, Serving) else None
            if rule is None or asked[t] <= 0:
                continue
            pool = pool_of(again.scenario, workload.name)
            wanted = math.fsum(float(demand_of(again.figures.workload(x), again.timeline)[t]) for x in pool)
            mine = [(x.said, x.described, x.said.units[t]) for x in again.loads if x.said.workload == pool[0]]
            left = left_after_failures(replace(rule, requests_per_s=wanted), [u for u in mine if u[2]])
            if left < Fraction(wanted) * (1 - LIMIT_TOLERANCE):
                yield f"{workload.name} is left with {float(left):.6g}/s of {wanted:g}/s from {month} when units fail"


def _by_the_hour(again: Again, workload: Daily, period: int) -> Iterator[str]:
    """In each hour of a day the units that are on in it answer what its users ask in it."""
    for hour, wanted in enumerate(hourly_rates(workload.requests_per_day, workload.users)):
        on = (x for x in again.loads if x.said.workload == workload.name and on_at(x.said.hours, hour))
        served = sum((Fraction(x.described.rates["decode"]) * x.said.units[period] for x in on), start=Fraction(0))
        if served < Fraction(wanted) * (1 - LIMIT_TOLERANCE):
            yield f"{workload.name}: {float(served):.6g}/s are on at {hour} h UTC, {wanted:.6g}/s asked"
            return
