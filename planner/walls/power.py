"""Power and cooling: what is left at each level of each site's tree, and which cooling would leave more."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from planner.answer.plan import Binding, Deployment, FleetLot, Plan
from planner.answer.walls import Headroom, Lift, PowerWall
from planner.catalog import Catalog
from planner.errors import InputError
from planner.facility.capacity import Location, capacity_tree
from planner.facility.cooling import OPTIONS, CoolingPair, cooling_choices, cooling_refusal
from planner.facility.space import rack_power_w, systems_per_rack
from planner.options.hardware.choices import pair_at, site_region
from planner.scenario.site import Site
from planner.scenario.types import Scenario

EVERYWHERE = "all sites"
LEAST_LIFT = 1.005
"""A cooling that leaves less more than this lifts nothing worth telling."""


def power_wall(scenario: Scenario, plan: Plan, catalog: Catalog) -> PowerWall:
    """Headroom at every level that has a limit, and coolings that would lift it. ``catalog``: with assumptions."""
    held = [h for h in plan.holdings if h.acquire != "rent"]
    return PowerWall(
        levels=(*_levels(scenario, plan), *_racks_kw(scenario, held, catalog), *_overheads(scenario, held, catalog)),
        lifts=tuple(_lifts(scenario, held, catalog)),
    )


def _levels(scenario: Scenario, plan: Plan) -> Iterator[Headroom]:
    """Megawatts and rack places of each level, in the period in which most of it is used."""
    total = 0.0
    for site in scenario.sites:
        levels, locations = capacity_tree(site)
        above = {x.name: x.levels for x in locations}
        power, racks = _drawn(plan, above)
        total += max((power[level.name] for level in levels if level.name == site.name), default=0.0)
        for level in levels:
            if level.power_w is not None:
                yield _headroom(plan.binding, level.name, "MW", power[level.name], level.power_w / 1e6)
            if level.racks is not None:
                yield _headroom(plan.binding, level.name, "racks", racks[level.name], float(level.racks))
    if scenario.limits.power_mw is not None:
        yield _headroom(plan.binding, EVERYWHERE, "MW", total, scenario.limits.power_mw)


def _drawn(plan: Plan, above: Mapping[str, Sequence[str]]) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """({level: peak MW}, {level: racks}) of what stands below each level; of a fleet in its fullest period."""
    most: tuple[dict[str, float], dict[str, float]] = (defaultdict(float), defaultdict(float))
    for stands in _by_period(plan):
        now: tuple[dict[str, list[float]], dict[str, list[float]]] = (defaultdict(list), defaultdict(list))
        for place, mw, racks in stands:
            for level in above.get(place, ()):
                now[0][level].append(mw)
                now[1][level].append(racks)
        for kept, found in zip(most, now, strict=True):
            for level, amounts in found.items():
                kept[level] = max(kept[level], math.fsum(amounts))
    return most


def _by_period(plan: Plan) -> Iterator[list[tuple[str, float, float]]]:
    """(place, peak MW at the meter, racks) of everything that stands, period by period."""
    if plan.fleet is None:
        yield [(d.site, d.power.facility_mw, float(d.racks)) for d in plan.deployments if d.acquire != "rent"]
        return
    for period in plan.periods:
        yield [(x.site, x.power_mw, float(x.racks)) for x in plan.fleet.standing if x.period == period]


def _headroom(binding: Sequence[Binding], place: str, unit: str, used: float, of: float) -> Headroom:
    kind = "power" if unit == "MW" else "racks"
    found = next((b for b in binding if b.kind == kind and _is_of(b.path, place)), None)
    return Headroom(
        place=place, unit=unit, used=used, of=of,
        worth_per_unit=None if found is None else found.worth_per_unit,
        worth_unit="" if found is None else found.worth_unit,
    )  # fmt: skip


def _is_of(path: str, place: str) -> bool:
    """Whether a leaf of the scenario states a limit of a level (``site``, ``site/hall``, ...)."""
    if place == EVERYWHERE:
        return path == "limits.power_mw"
    site, *halls = place.split("/")
    prefix = f"sites.{site}." + ("capacity." + "".join(f"halls.{h}." for h in halls) if halls else "")
    return path.startswith(prefix) and "halls." not in path[len(prefix) :]


def _places(scenario: Scenario) -> dict[str, tuple[Site, Location]]:
    return {x.name: (site, x) for site in scenario.sites for x in capacity_tree(site)[1]}


def _it_w(h: Deployment | FleetLot) -> float:
    """IT peak of one system, W."""
    mw = h.power.it_mw if isinstance(h, Deployment) else h.it_mw
    return mw * 1e6 / max(1, h.systems)


def _rack_limit(location: Location, pair: CoolingPair) -> float:
    return pair.rack_kw_max if location.rack_kw is None else min(pair.rack_kw_max, location.rack_kw)


def _racks_kw(
    scenario: Scenario, held: Sequence[Deployment | FleetLot], catalog: Catalog
) -> Iterator[Headroom]:  # fmt: skip
    """Kilowatts of the fullest rack at each place, against what a rack there takes.

    Systems of one kind share racks, so a rack is as full as they fill it: two servers where six would fit draw as two.
    """
    places = _places(scenario)
    standing: Counter[tuple[str, str, str, str]] = Counter()
    for h in held:
        standing[h.site, h.system, h.chip, h.cooling] += h.systems
    fullest: dict[str, tuple[float, float, float]] = {}
    for h in held:
        if h.site not in places or (isinstance(h, Deployment) and h.part_chips):
            continue
        site, location = places[h.site]
        system, chip = catalog.system(h.system), catalog.chip(h.chip)
        limit = _rack_limit(location, pair_at(catalog, site, site_region(catalog, site), system, chip, h.cooling))
        it = _it_w(h)
        sharing = min(systems_per_rack(system, it, limit), standing[h.site, h.system, h.chip, h.cooling])
        used = rack_power_w(system, it) * max(1, sharing) / 1e3
        share = used / limit
        if share > fullest.get(h.site, (0.0, 0.0, 0.0))[0]:
            fullest[h.site] = (share, used, limit)
    for place, (_, used, limit) in fullest.items():
        yield Headroom(place=place, unit="kW per rack", used=used, of=limit)


def _overheads(scenario: Scenario, held: Sequence[Deployment | FleetLot], catalog: Catalog) -> Iterator[Headroom]:
    """PUE above 1, and water for each kWh, of the worst cooling at each place whose site limits it."""
    places = _places(scenario)
    worst: dict[tuple[str, str], tuple[float, float]] = {}
    for h in held:
        if h.site not in places:
            continue
        site, _ = places[h.site]
        if site.pue_max is None and site.wue_max_l_per_kwh is None:
            continue
        system, chip = catalog.system(h.system), catalog.chip(h.chip)
        pair = pair_at(catalog, site, site_region(catalog, site), system, chip, h.cooling)
        above_one = None if site.pue_max is None else site.pue_max - 1.0
        for unit, used, most in (
            ("PUE above 1", pair.pue - 1.0, above_one),
            ("L of water per kWh", pair.wue_l_per_kwh, site.wue_max_l_per_kwh),
        ):
            if most is not None:
                worst[h.site, unit] = (max(used, worst.get((h.site, unit), (0.0, 0.0))[0]), most)
    for (place, unit), (used, most) in worst.items():
        yield Headroom(place=place, unit=unit, used=used, of=most)


def _lifts(scenario: Scenario, held: Sequence[Deployment | FleetLot], catalog: Catalog) -> Iterator[Lift]:
    """For each kind of system at each place the cooling that leaves most at the meter, and that whose racks take most.

    At the meter counts what reaches the boards: IT power less server fans, over the PUE of the design day.
    """
    places = _places(scenario)
    seen = set()
    for h in held:
        key = (h.site, h.system, h.chip, h.cooling)
        if key in seen or h.site not in places:
            continue
        seen.add(key)
        site, location = places[h.site]
        region, system, chip = site_region(catalog, site), catalog.system(h.system), catalog.chip(h.chip)
        hosted = location.cooling or OPTIONS
        pairs = {}
        for option in {h.cooling, *cooling_choices(system, chip, OPTIONS)}:
            try:
                if cooling_refusal(catalog, system, chip, option) is None:
                    pairs[option] = pair_at(catalog, site, region, system, chip, option)
            except InputError:
                continue
        mine = pairs.get(h.cooling)
        if mine is None:
            continue
        here = set(cooling_choices(system, chip, hosted))
        meters = {o: (1.0 - p.fan_fraction) / p.pue_peak for o, p in pairs.items()}
        racks = {o: _rack_limit(location, p) for o, p in pairs.items()}
        for lifts, of in (("MW", meters), ("kW per rack", racks)):
            best = max(sorted(of), key=lambda o: (of[o], o in here))
            factor = of[best] / of[h.cooling]
            if factor > LEAST_LIFT:
                yield Lift(
                    site=h.site, system=h.system, chip=h.chip, cooling=h.cooling, instead=best,
                    lifts=lifts, factor=factor, hosted=best in here,
                )  # fmt: skip
