"""Hardware that can stand at the places of a scenario, and how many systems every single limit leaves room for."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from planner.catalog import Catalog
from planner.errors import InputError
from planner.facility.capacity import Level
from planner.network.fabric import FABRICS, Fabric, fabrics_for, scale_out_rate
from planner.options.hardware.choices import Choice
from planner.options.hardware.timeline import Timeline
from planner.options.option import BEYOND, Dropped
from planner.options.ownership import Standing, serves_only, standing
from planner.performance.compile import build_platform
from planner.scenario.kinds import Workload
from planner.scenario.topology import Topology
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving

MANY_SYSTEMS = 1_000_000
"""Where no limit says how many systems a lot may have."""


Key = tuple[str, str, str, str, Fabric, float, Topology]
"""(place, system, chip, cooling, fabric, power cap, design of the network)"""


def standing_choices(
    scenario: Scenario, catalog: Catalog, timeline: Timeline, choices: Sequence[Choice], dropped: list[Dropped],
    owner: str,
) -> dict[Key, list[Standing]]:  # fmt: skip
    """Choices that can stand, bought and installed ones of one kind at one place together, in each fabric."""
    found: dict[Key, list[Standing]] = defaultdict(list)
    alone: dict[tuple[object, ...], Topology] = {}
    for choice in choices:
        for fabric in fabrics_of(choice):
            kind = choice.place, choice.system.id, choice.chip.id, choice.cooling_id
            # what stands alone has no network of any design: the first stands for all
            by_itself = *kind, choice.power_cap, choice.acquire
            if fabric == "none" and alone.setdefault(by_itself, choice.topology) != choice.topology:
                continue
            try:
                stand = standing(scenario, catalog, choice, timeline, fabric, loads=serves_only(scenario, owner))
            except InputError as error:
                where = "" if choice.location is None else f" at {choice.place}"
                dropped.append(Dropped(f"{choice.hardware}{where}", str(error.problems[0])))
                break
            found[*kind, fabric, choice.power_cap, choice.topology].append(stand)
    return dict(found)


def fabrics_of(choice: Choice) -> tuple[Fabric, ...]:
    """Fabrics that a choice may stand in; one where none is paid for: what is rented, and what has no scale-out."""
    if choice.acquire == "rent" or not scale_out_rate(choice.system, choice.chip):
        return ("pod",)
    return FABRICS


def fabrics_needed(catalog: Catalog, choice: Choice, workload: Workload, systems: Sequence[int]) -> Sequence[Fabric]:
    """The smallest fabric for work over each of some numbers of systems of a choice (spares in)."""
    if fabrics_of(choice) == ("pod",) or not workload.runs_once or isinstance(workload, Serving):
        return ["pod"] * len(systems)
    system, many = choice.system, np.asarray(systems, dtype=np.int64)
    rate = scale_out_rate(system, choice.chip)
    return list(fabrics_for(catalog, rate, many, many * system.unit_chips, *choice.network))


def room_for(scenario: Scenario, levels: Mapping[str, Level], stands: Sequence[Standing], relaxed: bool) -> int:
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


def platforms_of(catalog: Catalog, stands: Mapping[Key, Sequence[Standing]]) -> dict[tuple[str, ...], list[Key]]:
    """Groups by what performance sees of them."""
    found: dict[tuple[str, ...], list[Key]] = defaultdict(list)
    for key in stands:
        try:
            platform = build_platform(catalog, key[1], key[2], key[3], key[6])
        except InputError:
            found[key[1], key[2], key[3], f"{key[5]!r}", key[6]].append(key)  # the search will say why
            continue
        found[key[1], key[2], f"{platform.clock_factor!r}", f"{key[5]!r}", key[6]].append(key)
    return dict(found)
