"""Columns of a shared fleet: every group of hardware, its lots, and what each could do for each workload.

Performance does not depend on place or period: every workload is searched once on each platform (system, chip, speed
of its cooling), and what is found is priced at each place. Of a run's cluster sizes only those stay that another does
not beat in slots, systems, energy and latest start (docs/optimization.md).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from planner.catalog import Catalog
from planner.errors import InputError
from planner.facility.capacity import capacity_tree
from planner.facility.reliability import default_profile
from planner.network.fabric import FABRICS
from planner.options.enumerate import interconnect_of
from planner.options.hardware.arrivals import demand_of, may_move
from planner.options.hardware.choices import hardware_choices
from planner.options.hardware.hours import bands_of, day_share, hours_of_unit
from planner.options.hardware.offers import closed_offers
from planner.options.hardware.standing import Key, fabrics_needed, platforms_of, room_for, standing_choices
from planner.options.hardware.timeline import DAYS_PER_MONTH, Timeline, timeline_of
from planner.options.lot_dominance import StockDrafts, without_dominated
from planner.options.lots import digest_of, lots_of, owner_key, runs_of, works_of
from planner.options.mixed_lots import MixSearcher, mixed_runs
from planner.options.option import Dropped
from planner.options.ownership import (
    Standing,
    load_watts,
    serves_only,
)
from planner.options.stock import Demand, Group, Lot, Run, Stock, StockSet, Work
from planner.options.work.by_a_date import runs_of_units
from planner.options.work.designs import DesignSearcher, FoundDesign, designs_of
from planner.options.work.pairs import pairs_left_out
from planner.options.work.redundancy import Redundancy
from planner.scenario.kinds import ByADate, Workload
from planner.scenario.pooled import pools_of
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving, Training

Progress = Callable[[str, float], None]


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
        alone: standing_choices(
            scenario, catalog, timeline, choices, dropped, next(o for o in owners if serving[o] == alone)
        )
        for alone in dict.fromkeys(serving.values())
    }
    every_room = {
        alone: {key: room_for(scenario, levels, many, relaxed) for key, many in stands.items()}
        for alone, stands in every_stand.items()
    }
    stands = next(iter(every_stand.values()))
    rooms = {key: max(of[key] for of in every_room.values() if key in of) for key in stands}
    platforms = platforms_of(catalog, stands)
    searcher = DesignSearcher(scenario, catalog, levels, relaxed)
    found: dict[tuple[tuple[str, ...], str], list[FoundDesign]] = {}
    pools = pools_of(scenario)
    # of loads that share replicas the first stands for all
    followers = {name for names in pools.values() for name in names[1:]}
    leading = [w for w in scenario.workloads if w.name not in followers]
    for w, workload in enumerate(leading):
        searches = searcher.searches_of(workload)
        for p, (platform, keys) in enumerate(platforms.items()):
            if progress:
                share = (w + p / len(platforms)) / len(leading)
                progress(f"Pricing {workload.name} on {platform[0]}", share)
            searcher.room = max(rooms[key] for key in keys)
            designs = designs_of(searcher, searches, [stands[key][0] for key in keys])
            if isinstance(workload, ByADate) and workload.runs_once:
                designs = runs_of_units(workload, designs, searcher.room)
            found[platform, workload.name] = designs
    drafts = StockDrafts()
    made: dict[tuple[str, Key], int] = {}

    def group_of(key: Key, owner: str, of: bool) -> tuple[int, int] | None:
        """(group, first period) of hardware, made where nothing stands in it by itself; None where nothing can."""
        if (owner, key) not in made:
            index = len(drafts.groups)
            lots = [
                lot for one in every_stand[of][key]
                for lot in lots_of(scenario, catalog, timeline, one, index, every_room[of][key], dropped, owner)
            ]  # fmt: skip
            if not lots:
                return None
            made[owner, key] = index
            drafts.groups.append(_group(every_stand[of][key][0], key, owner))
            drafts.lots += lots
        index = made[owner, key]
        return index, min(x.begin for x in drafts.lots if x.group == index)

    for platform, keys in platforms.items():
        every = [(w, found[platform, w.name]) for w in leading]
        # shared: one group for all; else each workload has a group of its own
        users = [("", every)] if scenario.fleet.shared else [(w.name, [(w, options)]) for w, options in every]
        for owner, mine in users:
            if any(options for _, options in mine):
                for key in keys:
                    of = serving[owner]
                    stand = every_stand[of][key]
                    before = len(drafts.groups)
                    try:
                        add_group(drafts, scenario, catalog, timeline, stand, key, every_room[of][key], mine, dropped,
                                  relaxed, owner)  # fmt: skip
                        if len(drafts.groups) > before:
                            made[owner, key] = before
                    except InputError as error:  # a figure that only money, carbon or water needs
                        where = "" if stand[0].choice.location is None else f" at {stand[0].choice.place}"
                        dropped.append(Dropped(f"{stand[0].choice.hardware}{where}", str(error.problems[0])))
    for workload in scenario.workloads:
        if isinstance(workload, Training) and workload.mixed_systems:
            owner = "" if scenario.fleet.shared else workload.name
            of = serving[owner]
            mixes = MixSearcher(scenario, catalog, levels, relaxed)

            drafts.runs += mixed_runs(
                scenario, catalog, timeline, workload, mixes, every_stand[of], every_room[of], owner,
                partial(group_of, owner=owner, of=of),
            )  # fmt: skip
            searcher.enumerated += mixes.enumerated
            searcher.candidates += mixes.candidates
            dropped += mixes.dropped
    # where kinds or pools are few, a cooling that is beaten here may be the only one elsewhere
    few = scenario.limits.kinds is not None or scenario.limits.pools is not None
    kept = drafts if few else without_dominated(drafts)
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
        bands=bands_of(x.hours for of in (kept.lots, kept.works, kept.runs) for x in of),
    )
    units = ((w.workload, w.role, kept.groups[w.group].chip, w.cache_pool) for w in kept.works)
    return StockSet(
        stock=stock,
        dropped=tuple(
            dict.fromkeys([*dropped, *searcher.dropped, *pairs_left_out(units), *closed_offers(scenario, catalog)])
        ),
        enumerated=searcher.enumerated,
        candidates=searcher.candidates,
        pruned=searcher.pruned + kept.pruned,
        best_effort={(name, what): best for (w, what), best in searcher.best.items() for name in pools.get(w, (w,))},
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
    pools = pools_of(scenario)
    followers = {name for names in pools.values() for name in names[1:]}
    for w in scenario.workloads:
        if w.name in followers:
            continue
        if w.runs_once:
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
            parts = {x.name: demand_of(x, timeline) for x in scenario.workloads if x.name in pools.get(w.name, ())}
            rate = np.sum(list(parts.values()), axis=0) if parts else demand_of(w, timeline)
            levels = w.by_rank if isinstance(w, Serving) else ()
            below = tuple((hours, asked / levels[0][1]) for hours, asked in levels[1:])
            demands.append(Demand(w.name, rate, phases, least, rule, tokens, more, classes, parts, below))
    return tuple(demands), tuple(runs), tuple(order)


def add_group(
    drafts: StockDrafts,
    scenario: Scenario,
    catalog: Catalog,
    timeline: Timeline,
    stands: Sequence[Standing],
    key: Key,
    room: int,
    found: Sequence[tuple[Workload, list[FoundDesign]]],
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
        lots += lots_of(scenario, catalog, timeline, one, index, room, dropped, owner)
    if not lots:
        return
    works: list[Work] = []
    runs: list[Run] = []
    watts: dict[tuple[float, float, bool], tuple[float, float]] = {}
    largest = -1
    for workload, options in found:
        mine = []
        fabrics = fabrics_needed(catalog, choice, workload, [option.systems for option in options])
        for option, needed in zip(options, fabrics, strict=True):
            on = day_share(hours_of_unit(workload, option.layout.get("hours")))
            activity = option.activity if on == 1.0 else option.activity / getattr(workload, "peak_to_mean", 1.0)
            kind = activity, on, workload.runs_once
            if kind not in watts:
                watts[kind] = load_watts(catalog, stand, activity, on, run=workload.runs_once)
            if option.systems > room:
                continue
            if FABRICS.index(needed) > FABRICS.index(fabric):
                continue
            largest = max(largest, FABRICS.index(needed))
            if not workload.runs_once:
                works.append(works_of(timeline, stand, index, workload, option, watts[kind]))
            else:
                mine.append((option, watts[kind]))
        if mine:
            first = min(lot.begin for lot in lots)
            made, gone = runs_of(
                scenario, catalog, timeline, stand, index, workload, mine, first, relaxed, dropped,
            )  # fmt: skip
            runs += made
            drafts.pruned += gone
    if not (works or runs) or FABRICS[largest] != fabric:
        return  # a smaller fabric joins all that could work here
    drafts.groups.append(_group(stand, key, owner))
    drafts.lots += lots
    drafts.works += works
    drafts.runs += runs


def _group(stand: Standing, key: Key, owner: str) -> Group:
    """What is interchangeable, from one system as it stands."""
    choice, fabric = stand.choice, key[4]
    return Group(
        id=digest_of(
            *owner_key(owner, stand), choice.place, choice.system.id, choice.chip.id, choice.cooling_id, fabric
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
        topology=choice.topology,
    )
