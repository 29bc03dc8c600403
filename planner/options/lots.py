"""Columns of a plan over lots: systems that stand, loads that work on them, runs that begin."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from planner.catalog import Catalog
from planner.facility.reliability import default_profile
from planner.options.annual import stated
from planner.options.dominance import nondominated
from planner.options.hardware.arrivals import arrivals, due_days, lot_ends, may_move, rent_ends, start_slots, waited_for
from planner.options.hardware.hours import (
    ALL_DAY,
    daily_loads,
    day_share,
    days_by_the_hour,
    hours_of_unit,
    valleys,
)
from planner.options.hardware.offers import SPOT
from planner.options.hardware.timeline import DAYS_PER_MONTH, Timeline
from planner.options.lot_dominance import FEW_STARTS, sizes_worth_keeping
from planner.options.option import Dropped
from planner.options.ownership import (
    RunPrice,
    Standing,
    price_load,
    price_lot,
    price_run,
    rented_for_run,
    run_watts,
)
from planner.options.parts import systems_taken
from planner.options.stock import Lot, Run, Start, Work
from planner.options.work.by_a_date import at_work, days_in
from planner.options.work.designs import FoundDesign
from planner.options.work.serving import ON_DEMAND
from planner.options.work.spot import refusal, stretch
from planner.scenario.kinds import ByADate, Workload
from planner.scenario.kinds.daily import HOURS, Hours, hours_text
from planner.scenario.topology import FAT_TREE
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving, Training
from planner.workload.parameters import parameter_counts


def digest_of(*parts: object) -> str:
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:12]


def hardware_key(stand: Standing) -> tuple[str, ...]:
    choice = stand.choice
    return choice.place, choice.system.id, choice.chip.id, choice.cooling_id, stand.fabric


def owner_key(owner: str, stand: Standing) -> tuple[str, ...]:
    """What sets apart the ids of systems that only one workload uses, of capped ones, and of other networks."""
    capped = (f"cap {stand.choice.power_cap:g}",) if stand.choice.power_cap < 1.0 else ()
    joined = (stand.choice.topology,) if stand.choice.topology != FAT_TREE else ()
    return ((f"of {owner}",) if owner else ()) + capped + joined


def lots_of(
    scenario: Scenario,
    catalog: Catalog,
    timeline: Timeline,
    stand: Standing,
    group: int,
    room: int,
    dropped: list[Dropped],
    owner: str,
) -> list[Lot]:
    choice = stand.choice
    spans: list[tuple[int, int, str, str | None, int]] = []
    parts_of_day: tuple[Hours, ...] = (ALL_DAY,)
    if choice.acquire == "installed":
        site = next(s for s in scenario.sites if s.name == choice.site)
        # blocks of one kind of different ages are lots of their own
        for since in dict.fromkeys(b.since for b in site.installed if b.system == choice.system.id):
            count = sum(b.count for b in site.installed if b.system == choice.system.id and b.since == since)
            spans += [(0, end, "", since, count) for end in lot_ends(scenario, timeline, 0)]
    else:
        periods, reason = arrivals(scenario, catalog, timeline, choice)
        if not periods:
            where = "" if choice.location is None else f" at {choice.place}"
            dropped.append(Dropped(f"{choice.hardware}{where}", reason))
        for begin in periods:
            if choice.acquire == "rent":
                parts_of_day = rented_hours(scenario, owner)
                terms = scenario.hardware.rent_terms
                spans += [(begin, end, term, None, room) for end, term in rent_ends(timeline, begin, terms)]
            else:
                spans += [(begin, end, "", None, room) for end in lot_ends(scenario, timeline, begin)]
    if not spans and choice.acquire == "rent" and periods:
        allowed = ", ".join(scenario.hardware.rent_terms)
        dropped.append(Dropped(f"{choice.hardware}, rented", f"no period begins and ends a term of rent ({allowed})"))
    lots = []
    for (begin, end, term, since, most), hours in product(spans, parts_of_day):
        if hours and term != ON_DEMAND:
            continue  # a commitment is paid for all day
        p = price_lot(
            scenario, catalog, timeline, stand, choice.acquire, begin, end, term=term, since=since,
            day_share=day_share(hours),
        )  # fmt: skip
        lots.append(
            Lot(
                id=digest_of(
                    *owner_key(owner, stand), *hardware_key(stand), choice.acquire, begin, end, term, since or "",
                    *hours,
                ),
                group=group, acquire=choice.acquire, begin=begin, end=end, most=most,
                cost_usd=p.cost_usd, capex_usd=p.capex_usd, carbon_t=float(p.carbon_t.sum()),
                opex_usd=p.opex_usd, carbon_by_year_t=p.carbon_t, water_by_year_m3=p.water_m3, term=term or since or "",
                hours=hours,
            )
        )  # fmt: skip
    return lots


def rented_hours(scenario: Scenario, owner: str) -> tuple[Hours, ...]:
    """Parts of a day that systems are rented for on demand: all of it, and the hours of most demand of each load by
    the hour that may use them."""
    loads = [w for w in daily_loads(scenario) if owner in {"", w.name}]
    busiest = [w.busiest(n) for w in loads for n, _ in w.by_rank if n < HOURS]
    return tuple(dict.fromkeys((ALL_DAY, *busiest)))


def works_of(
    timeline: Timeline, stand: Standing, group: int, workload: Workload, option: FoundDesign, watts: tuple[float, float]
) -> Work:
    """A serving unit of a load. ``watts``: (IT, facility) of one system above what it draws without it, in the mean of
    a day (``load_watts``)."""
    size = systems_taken(option.systems, option.part, stand.chips)
    prices = [price_load(timeline, stand, watts, size, t) for t in range(timeline.periods)]
    levels = {f"{n} h" for n, _ in workload.by_rank} if isinstance(workload, Serving) else set()
    return Work(
        id=digest_of(workload.name, option.role, *owner_key("", stand), *hardware_key(stand), option.precision,
                   option.systems,
                   *sorted(option.layout.items())),
        workload=workload.name, role=option.role, group=group, systems=option.systems, part=option.part,
        chips=option.chips, replicas=option.replicas,
        rates={phase: rate for phase, rate in option.rates.items() if phase not in levels},
        precision=option.precision, layout=option.layout, cache_pool=option.cache_pool,
        cost_usd=np.array([p.cost_usd for p in prices]), opex_usd=np.array([p.opex_usd for p in prices]),
        carbon_t=np.array([p.carbon_t for p in prices]), water_m3=np.array([p.water_m3 for p in prices]),
        hours=hours_of_unit(workload, option.layout.get("hours")),
    )  # fmt: skip


def runs_of(
    scenario: Scenario,
    catalog: Catalog,
    timeline: Timeline,
    stand: Standing,
    group: int,
    workload: Workload,
    options: Sequence[tuple[FoundDesign, tuple[float, float]]],
    first: int,
    relaxed: bool,
    dropped: list[Dropped],
) -> tuple[list[Run], int]:
    """Runs of one workload on one group, and how many sizes another one beats."""
    beyond = 1e6 if relaxed else 1.0
    moves = may_move(scenario)
    by_the_hour = valleys(scenario) if isinstance(workload, Training | ByADate) else ()
    profile = default_profile(catalog)
    parameters = float(parameter_counts(catalog.model(workload.model)).total) if by_the_hour else 0.0

    def made_of(option: FoundDesign, starts: Sequence[int], figures: RunPrice, at: int, term: str, hours: Hours) -> Run:
        """A run of one size: its figures from ``at`` on, a start each."""
        made = []
        for j, slot in enumerate(starts):
            month = timeline.slots[slot].start
            touched = timeline.slots_within(month, month + option.days / DAYS_PER_MONTH)
            i = at + j
            made.append(
                Start(slot, touched[-1], month * DAYS_PER_MONTH + option.days, float(figures.cost_usd[i]),
                      figures.opex_usd[i], figures.carbon_t[i], figures.water_m3[i],
                      due_days(scenario, timeline, workload, slot, option.days) if moves and not term else None)
            )  # fmt: skip
        return Run(
            id=digest_of(workload.name, *owner_key("", stand), *hardware_key(stand), option.precision, option.systems,
                       *((f"own {term}",) if term else ()), *((hours_text(hours),) if hours else ()),
                       *sorted(option.layout.items())),
            workload=workload.name, role=option.role, group=group, systems=option.systems, spares=option.spares,
            chips=option.chips, days=option.days, precision=option.precision, layout=option.layout,
            starts=tuple(made), tokens_per_s=option.tokens_per_s, term=term, hours=hours,
        )  # fmt: skip

    runs: list[Run] = []
    gone, all_day = 0, []
    for hours in (ALL_DAY, *by_the_hour):
        kept = []
        for option, watts in options:
            if isinstance(workload, ByADate):
                days = days_in(workload, option.days, hours)
            else:
                days = days_by_the_hour(option.days, hours, option.chips, parameters, profile)
            starts = start_slots(scenario, timeline, workload, days, first, beyond) if math.isfinite(days) else []
            if starts:
                kept.append((replace(option, days=days), watts, starts))
        if not hours:
            all_day = kept
        if not kept:
            continue
        # every start of every size in one call
        counts = np.array([len(s) for _, _, s in kept])
        months = np.array([timeline.slots[i].start for _, _, starts in kept for i in starts])
        drawn = run_watts(
            stand, (np.repeat([w[0] for _, w, _ in kept], counts), np.repeat([w[1] for _, w, _ in kept], counts)),
            np.repeat([float(o.systems - o.spares) for o, _, _ in kept], counts),
            np.repeat([float(o.spares) for o, _, _ in kept], counts),
        )  # fmt: skip
        drawn = drawn[0] * at_work(workload, hours), drawn[1] * at_work(workload, hours)
        p = price_run(timeline, stand, drawn, months, np.repeat([o.days for o, _, _ in kept], counts))
        offsets = np.concatenate([[0], np.cumsum(counts)])
        alive = sizes_worth_keeping(scenario, timeline, workload, kept, p, offsets)
        if moves and int(offsets[-1]) > FEW_STARTS:
            reason = "of the clusters of which as many fit into a slot one after another the smallest competes"
            dropped.append(Dropped(f"{workload.name} on some sizes of {stand.choice.hardware}", reason))
        gone += int((~alive).sum())
        runs += [made_of(kept[k][0], kept[k][2], p, int(offsets[k]), "", hours) for k in np.flatnonzero(alive)]
    if not stand.rented:
        return runs, gone
    # or on systems rented for it alone, for its days
    for r in rented_runs(scenario, catalog, timeline, stand, workload, all_day, first, beyond):
        runs.append(made_of(r.option, r.starts, r.figures, 0, r.term, ALL_DAY))
    return runs, gone


@dataclass(frozen=True)
class Rented:
    """A run on systems rented for it alone by a term: its starts (slots) and its figures, rent in, of each."""

    option: FoundDesign
    starts: Sequence[int]
    figures: RunPrice
    term: str


def rented_runs(
    scenario: Scenario, catalog: Catalog, timeline: Timeline, stand: Standing, workload: Workload,
    kept: Sequence[tuple[FoundDesign, tuple[float, float], list[int]]], first: int, beyond: float,
) -> list[Rented]:  # fmt: skip
    """Ways to run on systems rented for it alone that no other size and term beats."""
    found = []
    for size, watts, begins in kept:
        drawn = run_watts(stand, watts, float(size.systems - size.spares), float(size.spares))
        drawn = drawn[0] * at_work(workload, ALL_DAY), drawn[1] * at_work(workload, ALL_DAY)
        works: dict[float, RunPrice] = {}  # by days, which spot alone makes longer
        for term in scenario.hardware.rent_terms:
            for o, starts in _there(scenario, catalog, timeline, stand, workload, size, begins, term, first, beyond):
                months = np.array([timeline.slots[i].start for i in starts])
                if o.days not in works:
                    works[o.days] = price_run(timeline, stand, drawn, months, o.days)
                rent = rented_for_run(scenario, catalog, timeline, stand, term, o.systems, months, o.days,
                                      at_work(workload, ALL_DAY))  # fmt: skip
                work = works[o.days]
                figures = RunPrice(
                    rent.cost_usd + work.cost_usd, rent.lines_usd, rent.opex_usd + work.opex_usd,
                    rent.carbon_t + work.carbon_t, rent.water_m3 + work.water_m3,
                )  # fmt: skip
                found.append(Rented(o, starts, figures, term))
    if not found:
        return []
    limits = scenario.limits
    yearly = bool(stated(limits))
    earliest = min(r.starts[0] for r in found)
    last = max(r.starts[-1] for r in found)
    rows = []
    for r in found:
        o, index = r.option, scenario.hardware.rent_terms.index(r.term)
        cost = np.full(last - earliest + 1, np.inf)
        cost[np.array(r.starts) - earliest] = r.figures.cost_usd
        row = [*cost, float(r.figures.carbon_t[0].sum())]
        if limits.chips is not None or limits.vendor_share:
            row += [o.systems, -o.systems] if limits.vendor_share else [o.systems]
            row.append(o.days)
        if workload.chips is not None:
            row += [o.chips, -o.chips]
        if "time" in scenario.objective or workload.name in waited_for(scenario):
            row.append(o.days)
        if yearly:
            row += [o.days, -o.days, index, -index]
        if "throughput" in scenario.objective:
            row.append(-o.tokens_per_s)
        rows.append(row)
    alive, _ = nondominated(np.array(rows, dtype=np.float64), np.zeros((len(rows), 0)))
    return [r for r, stays in zip(found, alive, strict=True) if stays]


def _there(
    scenario: Scenario, catalog: Catalog, timeline: Timeline, stand: Standing, workload: Workload,
    size: FoundDesign, begins: list[int], term: str, first: int, beyond: float,
) -> Iterator[tuple[FoundDesign, list[int]]]:  # fmt: skip
    """A size as it runs on rent of a term, with its starts: on spot it takes longer; nothing where it may not be on it,
    or no start is left."""
    choice = replace(stand.choice, rent_term=term)
    if refusal(workload, choice):
        return
    parameters = parameter_counts(catalog.model(workload.model)).total if term == SPOT else 0.0
    longer = stretch(scenario, catalog, choice, size.chips, parameters)
    if longer == 1.0:
        yield size, begins
        return
    option = replace(size, days=size.days * longer, tokens_per_s=size.tokens_per_s / longer)
    if starts := start_slots(scenario, timeline, workload, option.days, first, beyond):
        yield option, starts
