"""From the counts of a shared fleet's program to the plan's fleet, schedule and totals: data only, no judgement."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.answer.plan import (
    Fleet,
    FleetLot,
    FleetStanding,
    FleetYear,
    LoadDemand,
    Money,
    Priced,
    Schedule,
    ScheduledLoad,
    ScheduledRun,
    Totals,
)
from planner.cost.of_plan import joules_of, unit_costs_of, usd_per_m_tokens
from planner.fleet.stock_model import StockPlan
from planner.options.counted import objective_values
from planner.options.hardware.hours import day_share
from planner.options.hardware.timeline import DAYS_PER_MONTH
from planner.options.parts import systems_taken
from planner.options.stock import Demand, Group, Lot, Run, Start, Stock, Work
from planner.options.stock_figures import Beside, Hardware, StockFigures, WorkFigures, rate_unit
from planner.options.stock_worked import requests_over_time, throughput_over_time, worked_over_time
from planner.options.work.by_a_date import UNITS
from planner.options.work.classes import answered_by_period

RACK_SLACK = 1e-9
"""Of a rack: rounding of n times a part of a rack, not another rack."""


def hardware_of(group: Group) -> Hardware:
    """What a group is interchangeable by."""
    return Hardware(group.location, group.system, group.chip, group.cooling, group.fabric, group.owner, group.power_cap,
                    group.topology)  # fmt: skip


def fleet_of(figures: StockFigures, stock: Stock, plan: StockPlan, schedule: Schedule) -> Fleet:
    """Lots in order of arrival, what stands in each period, and the money of each year."""
    lots = (
        *(_lot(figures, stock, lot, count) for lot, count in sorted(plan.lots, key=lambda x: (x[0].begin, x[0].id))),
        *(_rented(figures, stock, run, start) for run, start in plan.runs if run.term),
    )
    return Fleet(
        lots=lots,
        standing=_standing(figures, stock, plan, schedule),
        years=_years(figures, lots, schedule),
    )


def _lot(figures: StockFigures, stock: Stock, lot: Lot, count: int) -> FleetLot:
    line, group = figures.timeline, stock.groups[lot.group]
    hardware = hardware_of(group)
    stand = figures.stand(hardware, lot.acquire)
    rented = lot.acquire == "rent"
    term, since = (lot.term, "") if rented else ("", lot.term)
    p = figures.lot(hardware, lot.acquire, lot.begin, lot.end, term=term, since=since or None, hours=lot.hours)
    lines = {name: v * count for name, v in p.lines_usd.items()}
    return FleetLot(
        site=group.location,
        system=group.system,
        chip=group.chip,
        cooling=group.cooling,
        fabric=group.fabric,
        power_cap=group.power_cap,
        topology=group.topology,
        interconnect=group.interconnect,
        acquire=lot.acquire,
        workload=group.owner,
        begin=line.names[lot.begin],
        end="" if lot.end == line.periods else line.names[lot.end],
        rent_term=term,
        hours=lot.hours,
        since=since,
        systems=count,
        chips=stand.chips * count,
        racks=stand.racks * count,
        power_mw=0.0 if rented else stand.facility_peak_w * count / 1e6,
        it_mw=0.0 if rented else stand.it_peak_w * count / 1e6,
        money=Money(
            total_usd=math.fsum(lines.values()),
            lines_usd=lines,
            opex_usd_by_year=tuple(float(v) * count for v in p.opex_usd),
            capex_usd=p.capex_usd * count,
            capex_lines_usd={name: v * count for name, v in p.capex_lines_usd.items()},
        ),
        carbon_t_by_year=tuple(float(v) * count for v in p.carbon_t),
        water_m3_by_year=tuple(float(v) * count for v in p.water_m3),
        network={name: v * count for name, v in stand.network.items() if v},
    )


def _rented(figures: StockFigures, stock: Stock, run: Run, start: Start) -> FleetLot:
    """Systems that are rented for one run alone, for its days."""
    line, group = figures.timeline, stock.groups[run.group]
    hardware = hardware_of(group)
    p = figures.rented(run.workload, hardware, run.term, run.systems, run.days, line.slots[start.slot].start)
    end = line.slots[start.last_slot].period + 1
    return FleetLot(
        site=group.location,
        system=group.system,
        chip=group.chip,
        cooling=group.cooling,
        interconnect=group.interconnect,
        acquire="rent",
        workload=run.workload,
        rented_days=run.days,
        begin=line.names[line.slots[start.slot].period],
        end="" if end == line.periods else line.names[end],
        rent_term=run.term,
        systems=run.systems,
        chips=group.chips * run.systems,
        racks=0.0,
        power_mw=0.0,
        it_mw=0.0,
        money=Money(
            total_usd=math.fsum(p.lines_usd.values()),
            lines_usd=dict(p.lines_usd),
            opex_usd_by_year=tuple(map(float, p.opex_usd)),
        ),
        carbon_t_by_year=tuple(map(float, p.carbon_t)),
        water_m3_by_year=tuple(map(float, p.water_m3)),
    )


def _standing(figures: StockFigures, stock: Stock, plan: StockPlan, schedule: Schedule) -> tuple[FleetStanding, ...]:
    line = figures.timeline
    busy = _busy(figures, schedule)
    rows = []
    for t in range(line.periods):
        counts: dict[Hardware, int] = defaultdict(int)
        on_site: dict[Hardware, int] = defaultdict(int)
        watts: dict[Hardware, float] = defaultdict(float)
        for lot, count in plan.lots:
            if lot.begin <= t < lot.end:
                kind = hardware_of(stock.groups[lot.group]).kind
                counts[kind] += count
                on_site[kind] += 0 if lot.acquire == "rent" else count
                own = figures.stand(hardware_of(stock.groups[lot.group]), lot.acquire)
                watts[kind] += 0.0 if lot.acquire == "rent" else own.facility_peak_w * count
        for h in sorted(counts, key=astuple):
            stand = figures.stand(h)
            rows.append(
                FleetStanding(
                    period=line.names[t],
                    site=h.place,
                    system=h.system,
                    chip=h.chip,
                    cooling=h.cooling,
                    fabric=h.fabric,
                    power_cap=h.power_cap,
                    topology=h.topology,
                    systems=counts[h],
                    chips=stand.chips * counts[h],
                    racks=math.ceil(stand.racks * on_site[h] - RACK_SLACK),
                    power_mw=watts[h] / 1e6,
                    utilisation=busy[h][t] / counts[h],
                )
            )
    return tuple(rows)


def _busy(figures: StockFigures, schedule: Schedule) -> Mapping[Hardware, list[float]]:
    """Systems at work of each kind in each period, mean over the period."""
    line = figures.timeline
    found: dict[Hardware, list[float]] = defaultdict(lambda: [0.0] * line.periods)
    for load in schedule.loads:
        hardware = Hardware(load.site, load.system, load.chip, load.cooling, load.fabric, power_cap=load.power_cap,
                            topology=load.topology)  # fmt: skip
        mine = found[hardware]
        for t, units in enumerate(load.units):
            size = systems_taken(load.systems, load.part_chips, figures.stand(hardware).chips)
            mine[t] += units * size * day_share(load.hours)
    for run in schedule.runs:
        if run.rented_alone:
            continue
        mine = found[Hardware(run.site, run.system, run.chip, run.cooling, run.fabric, power_cap=run.power_cap,
                              topology=run.topology)]  # fmt: skip
        for t in range(line.periods):
            low, high = (line.edges[t + i] * DAYS_PER_MONTH for i in (0, 1))
            within = max(0.0, min(run.end_day, high) - max(run.start_day, low))
            mine[t] += run.systems * day_share(run.hours) * within / (high - low)
    return found


def _years(figures: StockFigures, lots: Sequence[FleetLot], schedule: Schedule) -> tuple[FleetYear, ...]:
    line = figures.timeline
    found = []
    for k in range(line.years):
        parts: list[Priced] = [*lots, *schedule.runs, *schedule.loads]
        bought = [x.money.capex_usd for x in lots if line.year_of(line.names.index(x.begin)) == k]
        found.append(
            FleetYear(
                year=k + 1,
                capex_usd=math.fsum(bought),
                opex_usd=math.fsum(x.money.opex_usd_by_year[k] for x in parts),
                carbon_t=math.fsum(x.carbon_t_by_year[k] for x in parts),
                water_m3=math.fsum(x.water_m3_by_year[k] for x in parts),
            )
        )
    return tuple(found)


def schedule_of(figures: StockFigures, stock: Stock, plan: StockPlan, start_days: Mapping[str, float]) -> Schedule:
    """Runs at the days of ``start_days`` {workload: day}, loads by period, and what is asked and answered."""
    order = {w.name: i for i, w in enumerate(figures.scenario.workloads)}
    runs = [_run(figures, stock, run, start, start_days[run.workload]) for run, start in plan.runs]
    loads = [_load(figures, stock, work, units, plan.answers.get(work.id, ())) for work, units in plan.works]
    return Schedule(
        runs=tuple(sorted(runs, key=lambda r: (r.start_day, order[r.workload]))),
        loads=tuple(sorted(loads, key=lambda x: (order[x.workload], x.site, x.role, x.option))),
        demand=_demand(figures, stock, plan),
    )


def _run(figures: StockFigures, stock: Stock, run: Run, start: Start, day: float) -> ScheduledRun:
    group, line = stock.groups[run.group], figures.timeline
    hardware, workload = hardware_of(group), figures.workload(run.workload)
    d = figures.describe(run.workload, run.role, hardware, run.precision, run.layout, run.term, run.hours,
                         _beside(stock, run))  # fmt: skip
    month = line.slots[start.slot].start
    counted = month * DAYS_PER_MONTH
    end = day + d.run_days
    watts = figures.run_watts(workload, run.role, hardware, d)[1]
    stops, seconds = figures.stops(run.workload, d.chips, run.hours)
    return ScheduledRun(
        workload=run.workload,
        role=run.role,
        site=group.location,
        system=group.system,
        chip=group.chip,
        cooling=group.cooling,
        fabric=group.fabric,
        power_cap=group.power_cap,
        topology=group.topology,
        interconnect=d.interconnect,
        parallelism=d.parallelism,
        precision=run.precision,
        predicted=d.predicted.model_copy(update={"finish_days": day + (d.predicted.days or 0.0) if run.lead else None}),
        added_mw=watts / 1e6,
        **_priced(figures.run(workload, run.role, hardware, d, month, run.hours)),
        option=run.id,
        hours=run.hours,
        units=run.layout.get(UNITS, 1),
        mix=run.mix,
        leads=run.lead,
        stops_a_day=stops,
        stop_s=seconds,
        systems=d.systems,
        spares=d.spares,
        chips=d.chips,
        start_day=day,
        end_day=end,
        start_date=line.date(day),
        end_date=line.date(end),
        rented_alone=bool(run.term),
        counted_from_day=counted,
        counted_to_day=counted + d.run_days,
    )


def _beside(stock: Stock, run: Run) -> Beside | None:
    """The other side of a run on two kinds of systems."""
    if not run.mix:
        return None
    other = next(r for r in stock.runs if r.mix == run.mix and r is not run)
    return Beside(hardware_of(stock.groups[other.group]), other.layout, run.lead)


def _load(
    figures: StockFigures, stock: Stock, work: Work, units: Sequence[int], amounts: Sequence[Mapping[str, float]]
) -> ScheduledLoad:
    group = stock.groups[work.group]
    hardware, workload = hardware_of(group), figures.workload(work.workload)
    d = figures.describe(work.workload, work.role, hardware, work.precision, work.layout)
    answers, predicted = answered_by_period(d, amounts, units) if d.class_rates else ((), d.predicted)
    return ScheduledLoad(
        workload=work.workload,
        role=work.role,
        site=group.location,
        system=group.system,
        chip=group.chip,
        cooling=group.cooling,
        fabric=group.fabric,
        power_cap=group.power_cap,
        topology=group.topology,
        interconnect=d.interconnect,
        parallelism=d.parallelism,
        precision=work.precision,
        predicted=predicted,
        answers=answers,
        added_mw=figures.unit_watts(workload, work.role, hardware, d) / 1e6,
        **_priced(figures.load(workload, work.role, hardware, d, units)),
        option=work.id,
        hours=work.hours,
        part_chips=d.part,
        cache_pool=d.cache_pool,
        with_loads=tuple(
            name for x in stock.demands if x.workload == work.workload for name in x.loads if name != work.workload
        ),
        systems=d.systems,
        chips=d.chips,
        replicas=d.replicas,
        units=tuple(units),
    )


def _priced(f: WorkFigures) -> dict[str, Any]:
    lines = dict(f.lines_usd)
    return {
        "money": Money(
            total_usd=math.fsum(lines.values()),
            lines_usd=lines,
            opex_usd_by_year=tuple(float(v) for v in f.opex_usd),
        ),
        "carbon_t_by_year": tuple(float(v) for v in f.carbon_t),
        "water_m3_by_year": tuple(float(v) for v in f.water_m3),
    }


def _demand(figures: StockFigures, stock: Stock, plan: StockPlan) -> tuple[LoadDemand, ...]:
    found = []
    for demand in stock.demands:
        if demand.classes:
            found.append(_of_classes(figures, demand, plan))
            continue
        sites: dict[str, dict[str, NDArray[np.float64]]] = defaultdict(
            lambda: defaultdict(lambda: np.zeros(stock.periods))
        )
        for work, units in plan.works:
            if work.workload == demand.workload:
                for phase, rate in work.rates.items():
                    sites[f"{stock.groups[work.group].site} {work.cache_pool}"][phase] += rate * np.array(units)
        # caches do not travel between sites: each site answers the lesser of its phases
        answered = sum((np.min([r[p] for p in demand.phases], axis=0) for r in sites.values()), np.zeros(stock.periods))
        for name in demand.loads:
            # of what a pool answers each load has as much as it asks of all that is asked
            asked = demand.rate_of.get(name, demand.rate)
            part = np.divide(asked, demand.rate, out=np.zeros(stock.periods), where=demand.rate > 0)
            found.append(
                LoadDemand(
                    workload=name,
                    unit=rate_unit(figures.workload(name)),
                    asked=tuple(map(float, asked)),
                    answered=tuple(map(float, answered * part if demand.rate_of else answered)),
                )
            )
    order = {w.name: i for i, w in enumerate(figures.scenario.workloads)}
    return tuple(sorted(found, key=lambda d: order[d.workload]))


def _of_classes(figures: StockFigures, demand: Demand, plan: StockPlan) -> LoadDemand:
    """A load with classes of requests answers as much as it does of the class that it answers least of."""
    mine = [plan.answers[work.id] for work, _ in plan.works if work.workload == demand.workload]
    answered = [
        min(sum(of[t].get(c, 0.0) for of in mine) / share for c, (share, _) in demand.classes.items())
        for t in range(len(demand.rate))
    ]
    unit = rate_unit(figures.workload(demand.workload))
    return LoadDemand(
        workload=demand.workload, unit=unit, asked=tuple(map(float, demand.rate)), answered=tuple(answered)
    )


def stock_totals(figures: StockFigures, fleet: Fleet, schedule: Schedule) -> Totals:
    """Counts and power of the period in which each is largest; money, carbon and water of the whole plan."""
    scenario = figures.scenario
    parts: list[Priced] = [*fleet.lots, *schedule.runs, *schedule.loads]
    worked, requests = worked_over_time(figures, fleet, schedule), requests_over_time(figures)
    periods = dict.fromkeys([*(s.period for s in fleet.standing), *(x.begin for x in fleet.lots)])
    rows = [[s for s in fleet.standing if s.period == p] for p in periods]
    stands = [[x for x in fleet.lots if x.begin <= p and (not x.end or p < x.end)] for p in periods]
    it = [math.fsum(x.it_mw for x in some) for some in stands]
    return Totals(
        chips=max((sum(x.chips for x in _at_once(some, schedule)) for some in stands), default=0),
        systems=max((sum(x.systems for x in _at_once(some, schedule)) for some in stands), default=0),
        racks=max((sum(s.racks for s in r) for r in rows), default=0),
        it_mw=max(it, default=0.0),
        facility_mw=max((math.fsum(s.power_mw for s in r) for r in rows), default=0.0),
        capex_usd=math.fsum(x.money.capex_usd for x in fleet.lots),
        opex_usd_per_year=math.fsum(y.opex_usd for y in fleet.years) / float(scenario.horizon_years),
        tco_usd=math.fsum(x.money.total_usd for x in parts),
        usd_per_m_tokens=usd_per_m_tokens(scenario, worked, requests),
        unit_cost_usd=unit_costs_of(scenario, worked, requests),
        joules_per_token=joules_of(scenario, worked, requests),
        carbon_t=math.fsum(y.carbon_t for y in fleet.years),
        water_m3=math.fsum(y.water_m3 for y in fleet.years),
    )


def _at_once(lots: Sequence[FleetLot], schedule: Schedule) -> list[FleetLot]:
    """Lots of a period that stand at one time: all but those rented for runs that are over or have not begun."""
    days = {r.workload: (r.start_day, r.end_day) for r in schedule.runs if r.rented_alone}
    lasting = [x for x in lots if not x.rented_days]
    rented = [x for x in lots if x.rented_days]
    moments = [days[x.workload][0] for x in rented]
    most = [[y for y in rented if days[y.workload][0] <= m < days[y.workload][1]] for m in moments]
    return [*lasting, *max(most, key=lambda some: sum(x.chips for x in some), default=[])]


def stock_values(figures: StockFigures, totals: Totals, schedule: Schedule) -> dict[str, float]:
    """The plan's value of every objective of a shared fleet, as the program counts it."""
    return objective_values(
        totals,
        time=math.fsum(max(r.counted_to_day, r.end_day) for r in schedule.runs if r.leads),
        throughput=throughput_over_time(figures, schedule),
    )
