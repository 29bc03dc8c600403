"""Sizes and groups that another beats in everything that a row may count."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from planner.network.fabric import Fabric
from planner.options.annual import stated
from planner.options.dominance import nondominated
from planner.options.hardware.arrivals import may_move
from planner.options.hardware.timeline import DAYS_PER_MONTH, Timeline
from planner.options.ownership import (
    RunPrice,
)
from planner.options.stock import Group, Lot, Run, Work, no_more
from planner.options.work.designs import FoundDesign
from planner.scenario.kinds import Workload
from planner.scenario.kinds.daily import Hours
from planner.scenario.topology import Topology
from planner.scenario.types import Scenario

FEW_STARTS = 3000
"""Of a run on a group with no more starts than this, all sizes, every size is kept that another does not beat in days;
of one with more, the smallest of those of which as many fit into a slot."""


@dataclass
class StockDrafts:
    groups: list[Group] = field(default_factory=list)
    lots: list[Lot] = field(default_factory=list)
    works: list[Work] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    pruned: int = 0


def sizes_worth_keeping(
    scenario: Scenario, timeline: Timeline, workload: Workload,
    kept: Sequence[tuple[FoundDesign, tuple[float, float], list[int]]], prices: RunPrice, offsets: NDArray[np.int64],
) -> NDArray[np.bool_]:  # fmt: skip
    """Which sizes no other beats: as few slots and systems, as many starts, no dearer at any of them."""
    step = scenario.fleet.slot_months
    # where a slot is cut short, touching as many depends on the days themselves
    several = sum(w.runs_once for w in scenario.workloads) if may_move(scenario) else 1
    exact = several > 1 and int(offsets[-1]) <= FEW_STARTS
    whole = all(s.end - s.start == step for s in timeline.slots)
    yearly = bool(stated(scenario.limits))
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


def without_dominated(drafts: StockDrafts) -> StockDrafts:
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
    same: dict[tuple[str, str, str, str, Fabric, float, Topology], list[int]] = defaultdict(list)
    for i, g in enumerate(drafts.groups):
        same[g.owner, g.location, g.system, g.chip, g.fabric, g.power_cap, g.topology].append(i)
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
    return StockDrafts(
        groups=[drafts.groups[i] for i in stay],
        lots=[replace(x, group=at[x.group]) for x in drafts.lots if x.group in at],
        works=[replace(x, group=at[x.group]) for x in drafts.works if x.group in at],
        runs=[replace(x, group=at[x.group]) for x in drafts.runs if x.group in at],
        pruned=drafts.pruned + sum(x.group in gone for x in drafts.works) + sum(x.group in gone for x in drafts.runs),
    )


def _beats(
    drafts: StockDrafts, a: int, b: int, lots: Mapping[int, list[Lot]], works: Mapping[int, list[Work]],
    runs: Mapping[int, list[Run]],
) -> bool:  # fmt: skip
    """Whether group ``a`` can stand in for ``b`` in any plan at no more of anything."""
    ga, gb = drafts.groups[a], drafts.groups[b]
    if not no_more(ga, gb):
        return False
    mine = {(x.acquire, x.begin, x.end, x.term, x.hours): x for x in lots[a]}
    for theirs in lots[b]:
        x = mine.get((theirs.acquire, theirs.begin, theirs.end, theirs.term, theirs.hours))
        if x is None or x.most < theirs.most or not no_more(x, theirs):
            return False
    if any(r.mix for r in runs[b]):
        return False  # their other side is with this group alone
    if any(r.term for r in runs[b]) and {r.id for r in runs[a]} != {r.id for r in runs[b]}:
        return False  # rented for a run alone: one place, one cooling
    units = {(w.workload, w.role, w.systems, tuple(sorted(w.layout.items()))): w for w in works[a]}
    for w in works[b]:
        u = units.get((w.workload, w.role, w.systems, tuple(sorted(w.layout.items()))))
        if u is None or any(u.rates.get(p, 0.0) < r for p, r in w.rates.items()) or not no_more(u, w):
            return False
    sizes: dict[tuple[str, int, Hours], list[Run]] = defaultdict(list)
    for r in runs[a]:
        sizes[r.workload, r.systems, r.hours].append(r)
    return all(any(_run_no_more(x, r) for x in sizes[r.workload, r.systems, r.hours]) for r in runs[b])


def _run_no_more(x: Run, y: Run) -> bool:
    if x.chips != y.chips or not no_more(x, y):
        return False
    mine = {s.slot: s for s in x.starts}
    found = ((mine.get(theirs.slot), theirs) for theirs in y.starts)
    return all(s is not None and s.last_slot <= theirs.last_slot and no_more(s, theirs) for s, theirs in found)
