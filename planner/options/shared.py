"""Columns of a shared fleet: every group of hardware, its lots, and what each could do for each workload.

Performance does not depend on place or period: every workload is searched once on each platform (system, chip, speed
of its cooling), and what is found is priced at each place. Of a run's cluster sizes only those stay that another does
not beat in slots, systems, energy and latest start (docs/optimization.md).
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Catalog
from planner.errors import InputError
from planner.facility.capacity import Level, capacity_tree
from planner.facility.reliability import default_profile
from planner.network.fabric import FABRICS, Fabric, fabric_for, scale_out_rate
from planner.options.dominance import nondominated
from planner.options.enumerate import Collector, Search, interconnect_of
from planner.options.hardware.choices import (
    RENTED,
    Choice,
    available_from,
    delivery,
    hardware_choices,
    start_days,
)
from planner.options.hardware.timeline import DAYS_PER_MONTH, Timeline, demand_by_period, timeline_of
from planner.options.option import BEYOND, Dropped, Role
from planner.options.ownership import (
    RunPrice,
    Standing,
    added_watts,
    price_load,
    price_lot,
    price_run,
    rented_for_run,
    run_watts,
    serves_only,
    standing,
)
from planner.options.parts import systems_taken
from planner.options.pricing import Designs, Priced
from planner.options.stock import Demand, Floats, Group, Lot, Run, Start, Stock, StockSet, Work, no_more
from planner.options.work.pairs import pairs_left_out
from planner.options.work.redundancy import Redundancy
from planner.performance.compile import build_platform
from planner.scenario.base import month_index
from planner.scenario.types import Scenario
from planner.scenario.workloads import Recommendation, Serving, Training, Workload
from planner.uncertainty.margins import Margin, margin_of, shared_margin

Progress = Callable[[str, float], None]
FEW_STARTS = 3000
"""Of a run on a group with no more starts than this, all sizes, every size is kept that another does not beat in days;
of one with more, the smallest of those of which as many fit into a slot."""
MANY_SYSTEMS = 1_000_000
"""Where no limit says how many systems a lot may have."""
TERMS = (("1y", 12.0), ("3y", 36.0))
"""Commitments of rent and their months."""


@dataclass(frozen=True)
class _Found:
    """What a search found on a platform: performance only."""

    role: Role
    precision: str
    systems: int
    spares: int
    chips: int
    replicas: int
    rates: Mapping[str, float]
    activity: float
    days: float
    layout: Mapping[str, int]
    tokens_per_s: float
    cache_pool: str = ""

    @property
    def part(self) -> int:
        """Chips of the part of a system that it occupies; 0 where it takes whole systems."""
        return self.layout.get("part", 0)


class _Searcher(Collector):
    """The enumeration's own searches, with their findings kept instead of priced."""

    parts = True

    def __init__(self, scenario: Scenario, catalog: Catalog, levels: Mapping[str, Level], relaxed: bool) -> None:
        super().__init__(scenario, catalog, levels, relaxed, [])
        self.found: list[_Found] = []
        self.room = 1

    def margin_on(self, workload: Workload, choice: Choice) -> Margin:
        """What work must bear; what its systems must is of their lots (``arrivals``)."""
        return shared_margin(margin_of(self.scenario, self.catalog, workload, choice.system.id, choice.chip.id))[0]

    def bounds(self, choice: Choice, ready: float, *, beyond: bool = False, cluster: bool = True) -> Any:
        """What the largest of all places of this platform leaves; each place's own limit is applied when priced."""
        from planner.options.enumerate import _Bounds

        per = choice.system.unit_chips
        return _Bounds(self.room, min(self.room * per, max(per, self.scenario.fleet.fabric_chips)))

    def append(
        self, choice: Choice, workload: str, role: str, period: int, precision: str, designs: Designs, priced: Priced,
        i: int, *, replicas: int, max_units: int, rates: Mapping[str, float], tokens_per_s: float, finish_days: float,
        layout: Mapping[str, int], cache_pool: str = "", due_days: float = 0.0, **_more: Any,
    ) -> None:  # fmt: skip
        days = float(designs.run_hours[i]) / 24.0
        if "run" in rates:
            asked = next(w for w in self.scenario.workloads if w.name == workload)
            # hours that are priced end with the horizon, a run that takes longer does not
            longer = max(finish_days, due_days) - start_days(self.scenario, getattr(asked, "start", None))
            days = longer if longer > days + 1e-6 else days
        self.found.append(
            _Found(cast("Role", role), precision, int(designs.systems[i]), int(designs.spares[i]),
                   int(designs.chips[i]), replicas, dict(rates), float(designs.activity[i]), days, dict(layout),
                   tokens_per_s, cache_pool)
        )  # fmt: skip


@dataclass
class _Drafts:
    groups: list[Group] = field(default_factory=list)
    lots: list[Lot] = field(default_factory=list)
    works: list[Work] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    pruned: int = 0


def enumerate_stock(
    scenario: Scenario, catalog: Catalog, *, relaxed: bool = False, progress: Progress | None = None
) -> StockSet:
    """Every group, lot, serving unit and run of a scenario. ``catalog`` holds the scenario's assumptions already.

    ``relaxed``: limits and deadlines do not filter (a diagnosis wants to know how far away they are).
    """
    timeline = timeline_of(scenario, catalog)
    choices, reasons = hardware_choices(scenario, catalog)
    levels = {level.name: level for site in scenario.sites for level in capacity_tree(site)[0]}
    dropped = list(reasons)
    # systems of loads alone do not peak together: where that counts, they stand by figures of their own
    owners = [""] if scenario.fleet.shared else [w.name for w in scenario.workloads]
    apart = any(site.serving_peak_share < 1 for site in scenario.sites)
    serving = {owner: apart and serves_only(scenario, owner) for owner in owners}
    every_stand = {
        alone: _standing(scenario, catalog, timeline, choices, dropped, next(o for o in owners if serving[o] == alone))
        for alone in dict.fromkeys(serving.values())
    }
    every_room = {
        alone: {key: _room(scenario, levels, many, relaxed) for key, many in stands.items()}
        for alone, stands in every_stand.items()
    }
    stands = next(iter(every_stand.values()))
    rooms = {key: max(of[key] for of in every_room.values() if key in of) for key in stands}
    platforms = _platforms(catalog, stands)
    searcher = _Searcher(scenario, catalog, levels, relaxed)
    found: dict[tuple[tuple[str, ...], str], list[_Found]] = {}
    for w, workload in enumerate(scenario.workloads):
        search = searcher.search_of(workload)
        for p, (platform, keys) in enumerate(platforms.items()):
            if progress:
                share = (w + p / len(platforms)) / len(scenario.workloads)
                progress(f"Pricing {workload.name} on {platform[0]}", share)
            searcher.room = max(rooms[key] for key in keys)
            found[platform, workload.name] = _search(searcher, search, [stands[key][0] for key in keys])
    drafts = _Drafts()
    for platform, keys in platforms.items():
        every = [(w, found[platform, w.name]) for w in scenario.workloads]
        # shared: one group for all; else each workload has a group of its own
        users = [("", every)] if scenario.fleet.shared else [(w.name, [(w, options)]) for w, options in every]
        for owner, mine in users:
            if any(options for _, options in mine):
                for key in keys:
                    of = serving[owner]
                    _group(drafts, scenario, catalog, timeline, every_stand[of][key], key, every_room[of][key], mine,
                           dropped, relaxed, owner)  # fmt: skip
    kept = _without_dominated(drafts)
    demands, runs, order = _asked(scenario, catalog, timeline)
    stock = Stock(
        periods=timeline.periods,
        slots=tuple(s.period for s in timeline.slots),
        years=timeline.years,
        period_years=np.array(
            [timeline.by_year(a, b) for a, b in zip(timeline.edges, timeline.edges[1:], strict=False)]
        ),
        groups=tuple(kept.groups),
        lots=tuple(kept.lots),
        works=tuple(kept.works),
        runs=tuple(kept.runs),
        demands=demands,
        run_names=runs,
        order=order,
        installed=_installed(scenario),
        slot_days=(*(s.start * DAYS_PER_MONTH for s in timeline.slots), timeline.end * DAYS_PER_MONTH)
        if may_move(scenario)
        else (),
    )
    units = ((w.workload, w.role, kept.groups[w.group].chip, w.cache_pool) for w in kept.works)
    return StockSet(
        stock=stock,
        dropped=tuple(dict.fromkeys([*dropped, *searcher.dropped, *pairs_left_out(units)])),
        enumerated=searcher.enumerated,
        candidates=searcher.candidates,
        pruned=searcher.pruned + kept.pruned,
        best_effort=dict(searcher.best),
    )


def _installed(scenario: Scenario) -> dict[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for site in scenario.sites:
        for block in site.installed:
            counts[site.name, block.system] += block.count
    return dict(counts)


def _asked(
    scenario: Scenario, catalog: Catalog, timeline: Timeline
) -> tuple[tuple[Demand, ...], tuple[str, ...], tuple[tuple[str, str], ...]]:
    demands, runs, order = [], [], []
    for w in scenario.workloads:
        if is_run(w):
            runs.append(w.name)
            order += [(before, w.name) for before in getattr(w, "after", ())]
        else:
            phases = ("prefill", "decode") if isinstance(w, Serving) else ("score",)
            least = w.chips.min or 0 if w.chips is not None else 0
            rule = Redundancy.of(w, default_profile(catalog)) if isinstance(w, Serving) else None
            tokens = float(w.input_tokens + w.output_tokens) if isinstance(w, Serving) else 1.0
            more = "throughput" in scenario.objective
            classes = {c.label: (c.share, float(c.input_tokens + c.output_tokens))
                       for c in getattr(w, "request_classes", ())}  # fmt: skip
            demands.append(Demand(w.name, demand_of(w, timeline), phases, least, rule, tokens, more, classes))
    return tuple(demands), tuple(runs), tuple(order)


def is_run(workload: Training | Serving | Recommendation) -> bool:
    """Whether a workload is run once, rather than there all the time."""
    return workload.kind == "training" or getattr(workload, "mode", "") == "training"


def demand_of(workload: Serving | Recommendation | Training, timeline: Timeline) -> Floats:
    """Peak demand of a load in each period (T,), requests or samples a second."""
    if isinstance(workload, Serving):
        base, path = workload.requests_per_s, workload.requests_path
    else:
        assert isinstance(workload, Recommendation)  # noqa: S101 - narrowed for the type checker
        base, path = workload.samples_per_s or 0.0, workload.samples_path
    return demand_by_period(timeline, base, dict(path), workload.growth_per_year)


# -- hardware ----------------------------------------------------------------------------------------------------------

Key = tuple[str, str, str, str, Fabric, float]
"""(place, system, chip, cooling, fabric)"""


def _standing(
    scenario: Scenario, catalog: Catalog, timeline: Timeline, choices: Sequence[Choice], dropped: list[Dropped],
    owner: str,
) -> dict[Key, list[Standing]]:  # fmt: skip
    """Choices that can stand, bought and installed ones of one kind at one place together, in each fabric."""
    found: dict[Key, list[Standing]] = defaultdict(list)
    for choice in choices:
        for fabric in fabrics_of(choice):
            try:
                stand = standing(scenario, catalog, choice, timeline, fabric, owner)
            except InputError as error:
                where = "" if choice.location is None else f" at {choice.place}"
                dropped.append(Dropped(f"{choice.hardware}{where}", str(error.problems[0])))
                break
            found[choice.place, choice.system.id, choice.chip.id, choice.cooling_id, fabric, choice.power_cap].append(
                stand
            )
    return dict(found)


def fabrics_of(choice: Choice) -> tuple[Fabric, ...]:
    """Fabrics that a choice may stand in; one where none is paid for: what is rented, and what has no scale-out."""
    if choice.acquire == "rent" or not scale_out_rate(choice.system, choice.chip):
        return ("pod",)
    return FABRICS


def fabric_needed(catalog: Catalog, choice: Choice, workload: Workload, systems: int) -> Fabric:
    """The smallest fabric for work over ``systems`` systems of a choice (spares in)."""
    if fabrics_of(choice) == ("pod",):
        return "pod"
    if not is_run(workload):
        return "pod"
    rate = scale_out_rate(choice.system, choice.chip)
    return fabric_for(catalog, rate, systems, systems * choice.system.unit_chips)


def _room(scenario: Scenario, levels: Mapping[str, Level], stands: Sequence[Standing], relaxed: bool) -> int:
    """Most systems of a group that every single limit, with a margin, would allow if nothing else stood there."""
    stand, limits = stands[0], scenario.limits
    most = float(MANY_SYSTEMS)
    if relaxed:
        return MANY_SYSTEMS
    if stand.choice.location is not None:
        for name in stand.choice.location.levels:
            level = levels[name]
            if level.power_w is not None:
                most = min(most, level.power_w / stand.facility_peak_w * BEYOND)
            if level.racks is not None and stand.racks > 0:
                most = min(most, level.racks / stand.racks * BEYOND)
        if limits.power_mw is not None:
            most = min(most, limits.power_mw * 1e6 / stand.facility_peak_w * BEYOND)
    if limits.chips is not None:
        most = min(most, limits.chips / stand.chips * BEYOND)
    return max(1, math.floor(most * (1 + 1e-12)))


def _platforms(catalog: Catalog, stands: Mapping[Key, Sequence[Standing]]) -> dict[tuple[str, ...], list[Key]]:
    """Groups by what performance sees of them."""
    found: dict[tuple[str, ...], list[Key]] = defaultdict(list)
    for key in stands:
        try:
            platform = build_platform(catalog, key[1], key[2], key[3])
        except InputError:
            found[key[1], key[2], key[3], f"{key[5]!r}"].append(key)  # the search will say why
            continue
        found[key[1], key[2], f"{platform.clock_factor!r}", f"{key[5]!r}"].append(key)
    return dict(found)


def _search(searcher: _Searcher, search: Search, stands: Sequence[Standing]) -> list[_Found]:
    """What a workload's search finds on a platform, asked at the first place that can answer."""
    before = len(searcher.dropped)
    for stand in stands:
        searcher.found = []
        try:
            searcher.add(search, stand.choice, 0, 0.0)
        except InputError as error:
            searcher.drop(stand.choice, search.workload.name, str(error.problems[0]))
            continue
        if searcher.found:
            del searcher.dropped[before:]
            return searcher.found
        break
    return []


# -- one group ---------------------------------------------------------------------------------------------------------


def _group(
    drafts: _Drafts,
    scenario: Scenario,
    catalog: Catalog,
    timeline: Timeline,
    stands: Sequence[Standing],
    key: Key,
    room: int,
    found: Sequence[tuple[Training | Serving | Recommendation, list[_Found]]],
    dropped: list[Dropped],
    relaxed: bool,
    owner: str,
) -> None:
    """A group with its lots, units and runs; nothing where it could never stand or never work."""
    stand, fabric = stands[0], key[4]
    choice = stand.choice
    lots: list[Lot] = []
    index = len(drafts.groups)
    for one in stands:
        lots += _lots(scenario, catalog, timeline, one, index, room, dropped, owner)
    if not lots:
        return
    works: list[Work] = []
    runs: list[Run] = []
    watts: dict[float, tuple[float, float]] = {}
    largest = -1
    for workload, options in found:
        mine = []
        for option in options:
            activity = option.activity
            if activity not in watts:
                watts[activity] = added_watts(catalog, stand, activity)
            if option.systems > room:
                continue
            needed = fabric_needed(catalog, choice, workload, option.systems)
            if FABRICS.index(needed) > FABRICS.index(fabric):
                continue
            largest = max(largest, FABRICS.index(needed))
            if not is_run(workload):
                works.append(_work(timeline, stand, index, workload.name, option, watts[activity]))
            else:
                mine.append((option, watts[activity]))
        if mine:
            first = min(lot.begin for lot in lots)
            made, gone = _runs(
                scenario, catalog, timeline, stand, index, workload, mine, first, relaxed, dropped,  # type: ignore[arg-type]
            )  # fmt: skip
            runs += made
            drafts.pruned += gone
    if not (works or runs) or FABRICS[largest] != fabric:
        return  # a smaller fabric joins all that could work here
    drafts.groups.append(
        Group(
            id=_digest(
                *_of_owner(owner, stand), choice.place, choice.system.id, choice.chip.id, choice.cooling_id, fabric
            ),
            location=choice.place,
            site=choice.site,
            system=choice.system.id,
            chip=choice.chip.id,
            cooling=choice.cooling_id,
            vendor=choice.chip.vendor,
            interconnect=interconnect_of(choice),
            fabric=fabric,
            chips=stand.chips,
            racks=stand.racks,
            peak_w=0.0 if stand.rented else stand.facility_peak_w,
            levels=() if choice.location is None else choice.location.levels,
            owner=owner,
            power_cap=choice.power_cap,
        )
    )
    drafts.lots += lots
    drafts.works += works
    drafts.runs += runs


def _digest(*parts: object) -> str:
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:12]


def _hardware(stand: Standing) -> tuple[str, ...]:
    choice = stand.choice
    return choice.place, choice.system.id, choice.chip.id, choice.cooling_id, stand.fabric


def _of_owner(owner: str, stand: Standing) -> tuple[str, ...]:
    """What sets apart the ids of systems that only one workload uses, and of capped ones."""
    capped = (f"cap {stand.choice.power_cap:g}",) if stand.choice.power_cap < 1.0 else ()
    return ((f"of {owner}",) if owner else ()) + capped


def lot_ends(scenario: Scenario, timeline: Timeline, begin: int) -> list[int]:
    """Periods before which systems that arrive in ``begin`` may leave; the last is the horizon's end."""
    last = timeline.periods
    keep = scenario.fleet.keep
    early = range(begin + 1, last) if keep != "horizon" else range(0)
    months = [timeline.edges[e] - timeline.edges[begin] for e in early]
    return [e for e, m in zip(early, months, strict=True) if keep == "periods" or m % 12 == 0] + [last]


def arrivals(scenario: Scenario, catalog: Catalog, timeline: Timeline, choice: Choice) -> tuple[list[int], str]:
    """Periods in which systems of a choice may arrive, as surely as the workloads ask, and why none where there are
    none."""
    found, reason = [], ""
    late = max(
        shared_margin(margin_of(scenario, catalog, w, choice.system.id, choice.chip.id))[1] for w in scenario.workloads
    )
    announced = available_from(choice.system, choice.chip) or scenario.start
    surely = max(0, month_index(announced) - month_index(scenario.start)) * DAYS_PER_MONTH + late
    for period, month in enumerate(timeline.edges[:-1]):
        if choice.acquire == "buy" and month < scenario.hardware.lead_months:
            reason = f"nothing arrives before {scenario.hardware.lead_months} months have passed"
            continue
        ready, why = delivery(scenario, choice.system, choice.chip, period)
        if ready is None or ready > month * DAYS_PER_MONTH + 1e-6:
            reason = why or "it arrives after the period begins"
            continue
        if late and surely > month * DAYS_PER_MONTH + 1e-6:
            reason = f"it may come {late:.0f} days later than announced, and must be there with the confidence asked"
            continue
        found.append(period)
    return found, reason


def _lots(
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
                terms = scenario.hardware.rent_terms
                spans += [(begin, end, term, None, room) for end, term in rent_ends(timeline, begin, terms)]
            else:
                spans += [(begin, end, "", None, room) for end in lot_ends(scenario, timeline, begin)]
    if not spans and choice.acquire == "rent" and periods:
        allowed = ", ".join(scenario.hardware.rent_terms)
        dropped.append(Dropped(f"{choice.hardware}, rented", f"no period begins and ends a term of rent ({allowed})"))
    lots = []
    for begin, end, term, since, most in spans:
        p = price_lot(scenario, catalog, timeline, stand, choice.acquire, begin, end, term=term, since=since)
        lots.append(
            Lot(
                id=_digest(*_of_owner(owner, stand), *_hardware(stand), choice.acquire, begin, end, term, since or ""),
                group=group, acquire=choice.acquire, begin=begin, end=end, most=most,
                cost_usd=p.cost_usd, capex_usd=p.capex_usd, carbon_t=float(p.carbon_t.sum()),
                opex_usd=p.opex_usd, carbon_by_year_t=p.carbon_t, water_by_year_m3=p.water_m3, term=term or since or "",
            )
        )  # fmt: skip
    return lots


def rent_ends(timeline: Timeline, begin: int, terms: Sequence[str]) -> list[tuple[int, str]]:
    """(period that ends it, term) of what may be rented from a period on: that period, or a whole commitment.

    ``terms``: the terms that the scenario allows.
    """
    found = [(begin + 1, "on_demand")] if "on_demand" in terms else []
    start = timeline.edges[begin]
    for name, months in TERMS:
        if name not in terms:
            continue
        found += [(e, name) for e in range(begin + 1, timeline.periods + 1) if timeline.edges[e] - start == months]
    return found


def _work(
    timeline: Timeline, stand: Standing, group: int, workload: str, option: _Found, watts: tuple[float, float]
) -> Work:
    size = systems_taken(option.systems, option.part, stand.chips)
    prices = [price_load(timeline, stand, watts, size, t) for t in range(timeline.periods)]
    return Work(
        id=_digest(workload, option.role, *_of_owner("", stand), *_hardware(stand), option.precision, option.systems,
                   *sorted(option.layout.items())),
        workload=workload, role=option.role, group=group, systems=option.systems, part=option.part, chips=option.chips,
        replicas=option.replicas, rates=option.rates, precision=option.precision, layout=option.layout,
        cache_pool=option.cache_pool,
        cost_usd=np.array([p.cost_usd for p in prices]), opex_usd=np.array([p.opex_usd for p in prices]),
        carbon_t=np.array([p.carbon_t for p in prices]), water_m3=np.array([p.water_m3 for p in prices]),
    )  # fmt: skip


def start_slots(
    scenario: Scenario, timeline: Timeline, workload: Training | Recommendation, days: float, first: int, beyond: float
) -> list[int]:
    """Slots at which a run of ``days`` may begin: released, delivered from period ``first``, over in time."""
    begins = start_days(scenario, workload.start)
    end = timeline.end * DAYS_PER_MONTH
    if workload.finish_within_days is not None:
        end = min(end, begins + workload.finish_within_days * beyond)
    return [
        i
        for i, slot in enumerate(timeline.slots)
        if slot.period >= first
        and slot.start * DAYS_PER_MONTH >= begins - 1e-6
        and slot.start * DAYS_PER_MONTH + days <= end * (1 + 1e-12)
    ]


def may_move(scenario: Scenario) -> bool:
    """Whether runs that fit into a slot may begin at any moment of it: where several may follow one another.

    Where days until runs end are the objective they begin with their slots, which say when they end.
    """
    return scenario.fleet.shared and "time" not in scenario.objective and sum(map(is_run, scenario.workloads)) > 1


def due_days(
    scenario: Scenario, timeline: Timeline, workload: Training | Recommendation, slot: int, days: float
) -> float | None:
    """The day by which a run must end that begins at any moment of a slot and ends in it; None where it cannot move.

    Its money, carbon and water are counted from the slot's beginning: the slot is of one period, and where a limit is
    by year it must be of one year.
    """
    begin, end = timeline.slots[slot].start, timeline.slots[slot].end
    limits = scenario.limits
    yearly = any((limits.opex_usd_per_year, limits.carbon_t_per_year, limits.water_m3_per_year))
    if yearly and math.floor(begin / 12 + 1e-9) != math.floor(end / 12 - 1e-9):
        return None
    due = min(end, timeline.end) * DAYS_PER_MONTH
    if workload.finish_within_days is not None:
        last = start_days(scenario, workload.start) + workload.finish_within_days
        if last >= begin * DAYS_PER_MONTH + days:  # a diagnosis looks beyond: there the slot is the end
            due = min(due, last)
    return due if begin * DAYS_PER_MONTH + days < due - 1e-3 else None


def _runs(
    scenario: Scenario,
    catalog: Catalog,
    timeline: Timeline,
    stand: Standing,
    group: int,
    workload: Training | Recommendation,
    options: Sequence[tuple[_Found, tuple[float, float]]],
    first: int,
    relaxed: bool,
    dropped: list[Dropped],
) -> tuple[list[Run], int]:
    """Runs of one workload on one group, and how many sizes another one beats."""
    beyond = 1e6 if relaxed else 1.0
    kept = []
    for option, watts in options:
        starts = start_slots(scenario, timeline, workload, option.days, first, beyond)
        if starts:
            kept.append((option, watts, starts))
    if not kept:
        return [], 0
    # every start of every size in one call
    counts = np.array([len(s) for _, _, s in kept])
    months = np.array([timeline.slots[i].start for _, _, starts in kept for i in starts])
    drawn = run_watts(
        stand, (np.repeat([w[0] for _, w, _ in kept], counts), np.repeat([w[1] for _, w, _ in kept], counts)),
        np.repeat([float(o.systems - o.spares) for o, _, _ in kept], counts),
        np.repeat([float(o.spares) for o, _, _ in kept], counts),
    )  # fmt: skip
    p = price_run(timeline, stand, drawn, months, np.repeat([o.days for o, _, _ in kept], counts))
    offsets = np.concatenate([[0], np.cumsum(counts)])
    moves = may_move(scenario)
    alive = _worth_keeping(scenario, timeline, workload, kept, p, offsets)
    if moves and int(offsets[-1]) > FEW_STARTS:
        reason = "of the clusters of which as many fit into a slot one after another the smallest competes"
        dropped.append(Dropped(f"{workload.name} on some sizes of {stand.choice.hardware}", reason))

    def made_of(k: int, figures: RunPrice, at: int, term: str) -> Run:
        """A run of one size: its figures from ``at`` on, a start each."""
        option, _, starts = kept[k]
        made = []
        for j, slot in enumerate(starts):
            month = float(months[offsets[k] + j])
            touched = timeline.slots_within(month, month + option.days / DAYS_PER_MONTH)
            i = at + j
            made.append(
                Start(slot, touched[-1], month * DAYS_PER_MONTH + option.days, float(figures.cost_usd[i]),
                      figures.opex_usd[i], figures.carbon_t[i], figures.water_m3[i],
                      due_days(scenario, timeline, workload, slot, option.days) if moves and not term else None)
            )  # fmt: skip
        return Run(
            id=_digest(workload.name, *_of_owner("", stand), *_hardware(stand), option.precision, option.systems,
                       *((f"own {term}",) if term else ()), *sorted(option.layout.items())),
            workload=workload.name, role=option.role, group=group, systems=option.systems, spares=option.spares,
            chips=option.chips, days=option.days, precision=option.precision, layout=option.layout,
            starts=tuple(made), tokens_per_s=option.tokens_per_s, term=term,
        )  # fmt: skip

    runs = [made_of(int(k), p, int(offsets[k]), "") for k in np.flatnonzero(alive)]
    if not stand.rented:
        return runs, int((~alive).sum())
    # or on systems rented for it alone, for its days
    for k, figures, term in _rented(scenario, catalog, timeline, stand, workload, kept, p, offsets, months):
        runs.append(made_of(k, figures, 0, term))
    return runs, int((~alive).sum())


def _rented(
    scenario: Scenario, catalog: Catalog, timeline: Timeline, stand: Standing, workload: Training | Recommendation,
    kept: Sequence[tuple[_Found, tuple[float, float], list[int]]], work: RunPrice, offsets: NDArray[np.int64],
    months: Floats,
) -> list[tuple[int, RunPrice, str]]:  # fmt: skip
    """(size, figures of its starts, term) of a run on systems rented for it alone that no other size and term beats."""
    limits = scenario.limits
    yearly = any((limits.opex_usd_per_year, limits.carbon_t_per_year, limits.water_m3_per_year))
    first = min(starts[0] for _, _, starts in kept)
    last = max(starts[-1] for _, _, starts in kept)
    found, rows = [], []
    for k, (o, _, starts) in enumerate(kept):
        at = slice(offsets[k], offsets[k + 1])
        for index, term in enumerate(scenario.hardware.rent_terms):
            rent = rented_for_run(catalog, timeline, stand, term, o.systems, months[at], o.days)
            figures = RunPrice(
                rent.cost_usd + work.cost_usd[at], rent.lines_usd, rent.opex_usd + work.opex_usd[at],
                rent.carbon_t + work.carbon_t[at], rent.water_m3 + work.water_m3[at],
            )  # fmt: skip
            cost = np.full(last - first + 1, np.inf)
            cost[np.array(starts) - first] = figures.cost_usd
            row = [*cost, float(figures.carbon_t[0].sum())]
            if limits.chips is not None or limits.vendor_share:
                row += [o.systems, -o.systems] if limits.vendor_share else [o.systems]
                row.append(o.days)
            if workload.chips is not None:
                row += [o.chips, -o.chips]
            if "time" in scenario.objective or workload.name in _waited_for(scenario):
                row.append(o.days)
            if yearly:
                row += [o.days, -o.days, index, -index]
            if "throughput" in scenario.objective:
                row.append(-o.tokens_per_s)
            rows.append(row)
            found.append((k, figures, term))
    alive, _ = nondominated(np.array(rows, dtype=np.float64), np.zeros((len(rows), 0)))
    return [x for x, stays in zip(found, alive, strict=True) if stays]


def _waited_for(scenario: Scenario) -> set[str]:
    """Runs that others wait for."""
    return {name for w in scenario.workloads for name in getattr(w, "after", ())}


def _worth_keeping(
    scenario: Scenario, timeline: Timeline, workload: Training | Recommendation,
    kept: Sequence[tuple[_Found, tuple[float, float], list[int]]], prices: RunPrice, offsets: NDArray[np.int64],
) -> NDArray[np.bool_]:  # fmt: skip
    """Which sizes no other beats: as few slots and systems, as many starts, no dearer at any of them."""
    step = scenario.fleet.slot_months
    # where a slot is cut short, touching as many depends on the days themselves
    several = sum(map(is_run, scenario.workloads)) if may_move(scenario) else 1
    exact = several > 1 and int(offsets[-1]) <= FEW_STARTS
    whole = all(s.end - s.start == step for s in timeline.slots)
    limits = scenario.limits
    yearly = any((limits.opex_usd_per_year, limits.carbon_t_per_year, limits.water_m3_per_year))
    first = min(starts[0] for _, _, starts in kept)
    last = max(starts[-1] for _, _, starts in kept)
    rows = []
    for k, (o, _, starts) in enumerate(kept):
        at = slice(offsets[k], offsets[k + 1])
        cost = np.full(last - first + 1, np.inf)
        cost[np.array(starts) - first] = prices.cost_usd[at]
        slots: float = math.ceil(o.days / DAYS_PER_MONTH / step - 1e-9)
        if slots == 1:  # as many as there are runs may follow one another in it
            slots = 1.0 / min(several, math.floor(step * DAYS_PER_MONTH / o.days + 1e-9))
        row = [o.systems, slots if whole and not exact else o.days, float(prices.carbon_t[at][0].sum()), *cost]
        if workload.chips is not None:
            row += [o.chips, -o.chips]
        if "time" in scenario.objective:
            row.append(o.days)
        if yearly:
            row += [o.days, -o.days]  # their energy falls into other years
        if "throughput" in scenario.objective:
            row.append(-o.tokens_per_s)
        rows.append(row)
    alive, _ = nondominated(np.array(rows, dtype=np.float64), np.zeros((len(kept), 0)))
    return alive


# -- groups that another beats -----------------------------------------------------------------------------------------


def _without_dominated(drafts: _Drafts) -> _Drafts:
    """Without groups that another cooling of the same system at the same place beats in everything.

    Everything a limit or an objective counts is no more for the same lot, every unit and run has one of the same
    systems that does at least as much for no more: any plan with the one stays possible with the other in its place.
    """
    lots: dict[int, list[Lot]] = defaultdict(list)
    works: dict[int, list[Work]] = defaultdict(list)
    runs: dict[int, list[Run]] = defaultdict(list)
    for lot in drafts.lots:
        lots[lot.group].append(lot)
    for work in drafts.works:
        works[work.group].append(work)
    for run in drafts.runs:
        runs[run.group].append(run)
    same: dict[tuple[str, str, str, str, Fabric, float], list[int]] = defaultdict(list)
    for i, g in enumerate(drafts.groups):
        same[g.owner, g.location, g.system, g.chip, g.fabric, g.power_cap].append(i)
    gone: set[int] = set()
    for members in same.values():
        for b in members:
            rivals = [a for a in members if a != b and a not in gone]
            if any(
                _beats(drafts, a, b, lots, works, runs)
                and not (a > b and _beats(drafts, b, a, lots, works, runs))  # of equals the first stays
                for a in rivals
            ):
                gone.add(b)
    stay = [i for i in range(len(drafts.groups)) if i not in gone]
    at = {old: new for new, old in enumerate(stay)}
    return _Drafts(
        groups=[drafts.groups[i] for i in stay],
        lots=[replace(x, group=at[x.group]) for x in drafts.lots if x.group in at],
        works=[replace(x, group=at[x.group]) for x in drafts.works if x.group in at],
        runs=[replace(x, group=at[x.group]) for x in drafts.runs if x.group in at],
        pruned=drafts.pruned + sum(x.group in gone for x in drafts.works) + sum(x.group in gone for x in drafts.runs),
    )


def _beats(
    drafts: _Drafts, a: int, b: int, lots: Mapping[int, list[Lot]], works: Mapping[int, list[Work]],
    runs: Mapping[int, list[Run]],
) -> bool:  # fmt: skip
    """Whether group ``a`` can stand in for ``b`` in any plan at no more of anything."""
    ga, gb = drafts.groups[a], drafts.groups[b]
    if not no_more(ga, gb):
        return False
    mine = {(x.acquire, x.begin, x.end, x.term): x for x in lots[a]}
    for theirs in lots[b]:
        x = mine.get((theirs.acquire, theirs.begin, theirs.end, theirs.term))
        if x is None or x.most < theirs.most or not no_more(x, theirs):
            return False
    if any(r.term for r in runs[b]) and {r.id for r in runs[a]} != {r.id for r in runs[b]}:
        return False  # rented for a run alone: one place, one cooling
    units = {(w.workload, w.role, w.systems, tuple(sorted(w.layout.items()))): w for w in works[a]}
    for w in works[b]:
        u = units.get((w.workload, w.role, w.systems, tuple(sorted(w.layout.items()))))
        if u is None or any(u.rates.get(p, 0.0) < r for p, r in w.rates.items()) or not no_more(u, w):
            return False
    sizes: dict[tuple[str, int], list[Run]] = defaultdict(list)
    for r in runs[a]:
        sizes[r.workload, r.systems].append(r)
    return all(any(_run_no_more(x, r) for x in sizes[r.workload, r.systems]) for r in runs[b])


def _run_no_more(x: Run, y: Run) -> bool:
    if x.chips != y.chips or not no_more(x, y):
        return False
    mine = {s.slot: s for s in x.starts}
    found = ((mine.get(theirs.slot), theirs) for theirs in y.starts)
    return all(s is not None and s.last_slot <= theirs.last_slot and no_more(s, theirs) for s, theirs in found)


__all__ = ["RENTED", "arrivals", "demand_of", "enumerate_stock", "is_run", "lot_ends", "rent_ends", "start_slots"]
