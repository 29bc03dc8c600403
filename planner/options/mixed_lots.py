"""Training runs on two kinds of systems, over lots: two runs of one workload, the lead and its second, in groups of
their own at one site, that begin together or not at all.

What is found is what ``work.mixed_training`` finds: its declared grid, on every two kinds of systems that stand at a
site, each in a fabric that joins more than itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from planner.catalog import Catalog
from planner.facility.capacity import Level
from planner.network.fabric import FABRICS, fabrics_for, scale_out_rate
from planner.options.dominance import nondominated
from planner.options.hardware.arrivals import start_slots
from planner.options.hardware.choices import Choice
from planner.options.hardware.standing import Key
from planner.options.hardware.timeline import DAYS_PER_MONTH, Timeline
from planner.options.lots import digest_of, hardware_key, owner_key
from planner.options.ownership import Standing, load_watts, price_run, run_watts
from planner.options.stock import Run, Start
from planner.options.work.designs import DesignSearcher, FoundDesign
from planner.options.work.memory import search_for
from planner.options.work.mixed_training import MixedTrainingSearch
from planner.options.work.training import TrainingSearch
from planner.scenario.topology import FAT_TREE
from planner.scenario.types import Scenario
from planner.scenario.workloads import Training

Side = tuple[Choice, FoundDesign]


class MixSearcher(DesignSearcher):
    """Keeps both sides of every mix with the hardware that each is on."""

    def __init__(self, scenario: Scenario, catalog: Catalog, levels: Mapping[str, Level], relaxed: bool) -> None:
        super().__init__(scenario, catalog, levels, relaxed)
        self.sides: dict[str, list[Side]] = defaultdict(list)

    def append(self, choice: Choice, *what: Any, mix: str = "", **more: Any) -> None:
        """A side of a mix; the lead comes first."""
        super().append(choice, *what, **more)
        self.sides[mix].append((choice, self.found.pop()))


def mixed_runs(
    scenario: Scenario, catalog: Catalog, timeline: Timeline, workload: Training, searcher: MixSearcher,
    stands: Mapping[Key, Sequence[Standing]], rooms: Mapping[Key, int], owner: str,
    group_of: Callable[[Key], tuple[int, int] | None],
) -> list[Run]:  # fmt: skip
    """Both runs of every mix that no other beats. ``group_of``: (group, first period that it may stand in) of hardware;
    None where none can stand."""
    searcher.room = max(rooms.values(), default=1)
    keys: dict[tuple[str, ...], list[Key]] = defaultdict(list)
    for key, many in stands.items():
        if key[5] == 1.0 and key[6] == FAT_TREE and key[4] != FABRICS[0] and not many[0].rented:
            keys[key[:4]].append(key)
    search = MixedTrainingSearch(search_for(TrainingSearch, workload, catalog))
    search.add(searcher, [(stands[mine[0]][0].choice, 0.0) for mine in keys.values()], 0)
    together: dict[tuple[Key, Key], list[tuple[FoundDesign, FoundDesign]]] = defaultdict(list)
    for (one, lead), (other, second) in searcher.sides.values():
        for a in keys[one.place, one.system.id, one.chip.id, one.cooling_id]:
            for b in keys[other.place, other.system.id, other.chip.id, other.cooling_id]:
                if a[4] == b[4] and all(
                    design.systems <= rooms[key] and _joined(catalog, stands[key][0], design)
                    for key, design in ((a, lead), (b, second))
                ):
                    together[a, b].append((lead, replace(second, days=lead.days)))
    found = []
    for (a, b), pairs in together.items():
        groups = group_of(a), group_of(b)
        if groups[0] is None or groups[1] is None:
            continue
        first = max(groups[0][1], groups[1][1])
        sides = (stands[a][0], stands[b][0])
        for lead, second in _unbeaten(workload, pairs):
            starts = start_slots(scenario, timeline, workload, lead.days, first, 1e6 if searcher.relaxed else 1.0)
            if not starts:
                continue
            mix = digest_of(workload.name, *owner_key(owner, sides[0]), *hardware_key(sides[0]),
                            *hardware_key(sides[1]), *sorted(lead.layout.items()), lead.systems,
                            *sorted(second.layout.items()), second.systems)  # fmt: skip
            for stand, group, design in zip(sides, groups, (lead, second), strict=True):
                assert group is not None  # noqa: S101 - looked at above
                found.append(_side(catalog, timeline, workload, stand, group[0], design, starts, mix, design is lead))
    return found


def _joined(catalog: Catalog, stand: Standing, design: FoundDesign) -> bool:
    """Whether its fabric joins a side: never a system alone, since the other side is outside of it."""
    choice = stand.choice
    rate = scale_out_rate(choice.system, choice.chip)
    systems = np.array([max(design.systems, 2)])
    needed = fabrics_for(catalog, rate, systems, systems * choice.system.unit_chips, *choice.network)[0]
    return FABRICS.index(needed) <= FABRICS.index(stand.fabric)


def _unbeaten(
    workload: Training, pairs: Sequence[tuple[FoundDesign, FoundDesign]]
) -> list[tuple[FoundDesign, FoundDesign]]:
    """Mixes of two groups that no other replaces on as few systems of each, in as few days."""
    rows = []
    for a, b in pairs:
        work = (a.systems - a.spares, b.systems - b.spares)
        row = [a.systems, b.systems, a.days, work[0] * a.days, work[1] * a.days, -a.tokens_per_s]
        rows.append(row + ([a.chips + b.chips, -a.chips - b.chips] if workload.chips is not None else []))
    alive, _ = nondominated(np.array(rows, dtype=np.float64), np.zeros((len(rows), 0)))
    return [pair for pair, stays in zip(pairs, alive, strict=True) if stays]


def _side(
    catalog: Catalog, timeline: Timeline, workload: Training, stand: Standing, group: int, design: FoundDesign,
    starts: Sequence[int], mix: str, lead: bool,
) -> Run:  # fmt: skip
    watts = load_watts(catalog, stand, design.activity, run=True)
    drawn = run_watts(stand, watts, float(design.systems - design.spares), float(design.spares))
    months = np.array([timeline.slots[i].start for i in starts])
    p = price_run(timeline, stand, (float(drawn[0]), float(drawn[1])), months, design.days)
    made = []
    for i, slot in enumerate(starts):
        month = float(months[i])
        touched = timeline.slots_within(month, month + design.days / DAYS_PER_MONTH)
        made.append(Start(slot, touched[-1], month * DAYS_PER_MONTH + design.days, float(p.cost_usd[i]), p.opex_usd[i],
                          p.carbon_t[i], p.water_m3[i]))  # fmt: skip
    return Run(
        id=digest_of(mix, "lead" if lead else "second"), workload=workload.name, role="train", group=group,
        systems=design.systems, spares=design.spares, chips=design.chips, days=design.days,
        precision=design.precision, layout=design.layout, starts=tuple(made),
        tokens_per_s=design.tokens_per_s if lead else 0.0, mix=mix, lead=lead,
    )  # fmt: skip
