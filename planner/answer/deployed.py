"""Deployments of a plan over lots: every piece of work with its share of the systems that it stands on.

What stands is charged to what works on it, by system-time: money, carbon, water and peak power of the lots of one kind
at one place are divided over the work there in proportion to systems (of a part, its share of one) times time at work,
so deployments add up to the plan wherever nothing stands without work. A view: lots and schedule say it all.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

from planner.answer.plan import (
    Cost,
    Deployment,
    DeploymentPower,
    Fleet,
    FleetLot,
    Schedule,
    ScheduledLoad,
    ScheduledRun,
)
from planner.scenario.base import month_index

Kind = tuple[str | float, ...]
GROWING = ("tokens_per_s", "input_tokens_per_s", "requests_per_s", "samples_per_s")
"""Predicted figures that grow with the number of units; all others are of a unit."""
DAYS_PER_YEAR = 365.25
HOURS_PER_DAY = 24


def deployments_view(
    fleet: Fleet, schedule: Schedule, periods: Sequence[str], period_years: Sequence[float]
) -> tuple[Deployment, ...]:
    """The deployments of a fleet and its schedule: runs in order of their start, then loads."""
    lots: dict[Kind, list[FleetLot]] = defaultdict(list)
    for lot in fleet.lots:
        lots[_kind(lot)].append(lot)
    work: list[ScheduledRun | ScheduledLoad] = [*schedule.runs, *(x for x in schedule.loads if any(x.units))]
    mine = [_lots_of(x, lots) for x in work]
    chips = [sum(y.chips for y in found) / max(1, sum(y.systems for y in found)) for found in mine]
    times = [_system_years(x, c, period_years) for x, c in zip(work, chips, strict=True)]
    whole: dict[int, float] = defaultdict(float)
    for found, time in zip(mine, times, strict=True):
        for lot in found:
            whole[id(lot)] += time
    return tuple(
        _deployment(
            x,
            found,
            {id(y): t / whole[id(y)] if whole[id(y)] else 0.0 for y in found},
            c,
            periods,
            math.fsum(period_years),
        )
        for x, found, t, c in zip(work, mine, times, chips, strict=True)
    )


def lengths_of(periods: Sequence[str], start: str, horizon_years: float) -> tuple[float, ...]:
    """Years of each period, the last until the horizon ends."""
    edges = [*(float(month_index(p)) for p in periods), month_index(start) + 12 * horizon_years]
    return tuple((b - a) / 12 for a, b in pairwise(edges))


def _kind(x: FleetLot | ScheduledRun | ScheduledLoad) -> Kind:
    return x.site, x.system, x.chip, x.cooling, x.fabric, x.power_cap, x.topology


def _lots_of(x: ScheduledRun | ScheduledLoad, lots: Mapping[Kind, Sequence[FleetLot]]) -> list[FleetLot]:
    """Lots whose systems it may use: of its kind and place; its own where none are shared or they are rented for it."""
    alone = isinstance(x, ScheduledRun) and x.rented_alone
    mine = [lot for lot in lots.get(_kind(x), ()) if lot.workload in {"", x.workload}]
    return [lot for lot in mine if bool(lot.rented_days) == alone]


def _system_years(x: ScheduledRun | ScheduledLoad, system_chips: float, period_years: Sequence[float]) -> float:
    of_day = len(x.hours) / HOURS_PER_DAY if x.hours else 1.0
    if isinstance(x, ScheduledRun):
        return x.systems * (x.end_day - x.start_day) * of_day / DAYS_PER_YEAR
    size = x.part_chips / system_chips if x.part_chips and system_chips else float(x.systems)
    return of_day * size * math.fsum(n * years for n, years in zip(x.units, period_years, strict=True))


def _deployment(
    x: ScheduledRun | ScheduledLoad, lots: Sequence[FleetLot], share: Mapping[int, float], system_chips: float,
    periods: Sequence[str], years: float,
) -> Deployment:  # fmt: skip
    if isinstance(x, ScheduledRun):
        units, replicas, spares, period = 1, 1, x.spares, x.start_date[:7]
        systems = x.systems
    else:
        units = max(x.units)
        replicas, spares = x.replicas * units, 0
        period = next(name for name, n in zip(periods, x.units, strict=True) if n)
        # of parts as many as would fill systems by themselves; others may stand in the same ones
        held = max(1, int(system_chips) // x.part_chips) if x.part_chips else 1
        systems = -(-units // held) if x.part_chips else x.systems * units
    grown = {name: value * units for name in GROWING if (value := getattr(x.predicted, name)) is not None}
    lines: dict[str, float] = dict(x.money.lines_usd)
    capex: dict[str, float] = {}
    network: dict[str, float] = {}
    for lot in lots:
        for target, source in (
            (lines, lot.money.lines_usd),
            (capex, lot.money.capex_lines_usd),
            (network, lot.network),
        ):
            for name, value in source.items():
                target[name] = target.get(name, 0.0) + value * share[id(lot)]

    def part(values: Sequence[float]) -> float:
        return math.fsum(v * share[id(lot)] for v, lot in zip(values, lots, strict=True))

    it, facility = part([lot.it_mw for lot in lots]), part([lot.power_mw for lot in lots])
    opex = math.fsum(x.money.opex_usd_by_year) + part([math.fsum(lot.money.opex_usd_by_year) for lot in lots])
    ways = [lot for lot in lots if lot.systems == max(y.systems for y in lots)]
    return Deployment(
        workload=x.workload,
        role=x.role,
        site=x.site,
        period=period,
        system=x.system,
        chip=x.chip,
        cooling=x.cooling,
        interconnect=x.interconnect,
        systems=systems,
        part_chips=x.part_chips,
        cache_pool=x.cache_pool,
        with_loads=x.with_loads if isinstance(x, ScheduledLoad) else (),
        replicas=replicas,
        chips=x.chips * units,
        spares=spares,
        racks=math.ceil(part([lot.racks for lot in lots]) - 1e-9),
        acquire=ways[0].acquire if ways else "buy",
        rent_term=ways[0].rent_term if ways else "",
        parallelism=x.parallelism,
        precision=x.precision,
        predicted=x.predicted.model_copy(update=grown),
        power=DeploymentPower(
            it_mw=it,
            facility_mw=facility,
            it_average_mw=x.added_mw * units * (it / facility if facility else 1.0),
            facility_average_mw=x.added_mw * units,
            pue=facility / it if it else 1.0,
        ),
        cost=Cost(
            capex_usd=math.fsum(capex.values()),
            capex_lines_usd=capex,
            opex_usd_per_year=opex / years,
            total_usd=math.fsum(lines.values()),
            lines_usd=lines,
        ),
        carbon_t=math.fsum(x.carbon_t_by_year) + part([math.fsum(lot.carbon_t_by_year) for lot in lots]),
        water_m3=math.fsum(x.water_m3_by_year) + part([math.fsum(lot.water_m3_by_year) for lot in lots]),
        network=network,
        option=x.option,
        power_cap=x.power_cap,
        mix=x.mix if isinstance(x, ScheduledRun) else "",
        topology=x.topology,
    )
