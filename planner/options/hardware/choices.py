"""Which hardware competes: every (system, chip, cooling, place, way of acquiring) the scenario allows, or why not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from planner.catalog import Catalog
from planner.catalog.records import Chip, Figure, Region, System
from planner.errors import InputError, UnknownFigureError
from planner.facility.capacity import Location, capacity_tree
from planner.facility.cooling import CoolingPair, cooling_choices, cooling_pair, cooling_refusal
from planner.facility.power import speed_at_cap
from planner.network.designs import refusal
from planner.network.fabric import scale_out_rate
from planner.options.option import Acquire, Dropped
from planner.performance.compile import AIR, build_platform
from planner.performance.platform import Platform
from planner.scenario.base import month_index
from planner.scenario.site import Site
from planner.scenario.topology import FAT_TREE, Topology
from planner.scenario.types import Scenario

DEFAULT_SERVER_CHIPS = 8
RENTED = "rented"
"""Name of the place where rented systems stand: no site's power or racks."""

_EXPORT_LEFT_OUT: dict[str, dict[str, str]] = {
    "cn": {"us_denied_cn": "its export to China is denied"},
    "us": {"cn_made_entity_list": "its maker is on the US entity list"},
    "none": {},
}
_NOT_SOLD = {"roadmap": "is on a roadmap", "announced": "is announced"}


@dataclass(frozen=True)
class Choice:
    """Hardware at a place: everything about an option but the work it does. ``location`` is None where rented."""

    system: System
    chip: Chip
    cooling_id: str
    pair: CoolingPair
    location: Location | None
    region: Region
    acquire: Acquire
    colo: bool = False
    count: int | None = None
    """How many stand there, for ``installed``."""
    energy_only: bool = False
    """Of what stands: whether others pay for its upkeep."""
    power_cap: float = 1.0
    """Enforced share of the chips' TDP."""
    topology: Topology = FAT_TREE
    """Design of the scale-out network."""
    rent_term: str = ""
    """Commitment of what is rented; none: the cheapest of those that the scenario allows."""

    @property
    def unit_price_usd(self) -> float:
        """Price of what is bought at once; what stands already may have none (0).

        Raises ``UnknownFigureError`` where what is to be bought has no price.
        """
        system = self.system
        price = system.get("price_usd") if self.acquire == "installed" else system.need("price_usd")
        return (price or 0.0) * system.unit_share

    @property
    def place(self) -> str:
        """Name of the location, or ``rented``."""
        return RENTED if self.location is None else self.location.name

    @property
    def swing_max(self) -> float:
        """Share of its peak that a run may step by there; 1 where it is rented."""
        return 1.0 if self.location is None else self.location.swing_max

    @property
    def site(self) -> str:
        """Name of the site, or ``rented``."""
        return RENTED if self.location is None else self.location.site

    @property
    def hardware(self) -> str:
        """The text that names it in a list of what was left out."""
        variant = "" if len(self.system.chip_ids) < 2 else f" with {self.chip.id}"
        capped = f" capped to {self.power_cap:.0%}" if self.power_cap < 1.0 else ""
        joined = f" in a network of {self.topology}" if self.topology != FAT_TREE else ""
        return f"{self.system.id}{variant} in {self.cooling_id}{capped}{joined}"

    @property
    def network(self) -> tuple[Topology, int]:
        """Design of its scale-out network, and the chips of a server, which a fat tree need not know."""
        return self.topology, DEFAULT_SERVER_CHIPS if self.topology == FAT_TREE else self.system.server_chips

    @property
    def platform(self) -> tuple[str, str, str, float, Topology]:
        """What ``platform_of`` asks of it."""
        return self.system.id, self.chip.id, self.cooling_id, self.power_cap, self.topology


def site_region(catalog: Catalog, site: Site) -> Region:
    """The region of a site with the site's own figures over it."""
    region = catalog.region(site.region)
    own: dict[str, Figure] = {}
    for name in (
        "tariff_usd_per_kwh",
        "carbon_kg_per_kwh",
        "build_capex_usd_per_mw",
        "colo_usd_per_kw_month",
        "demand_charge_usd_per_kw_month",
        "design_dry_bulb_c",
        "design_wet_bulb_c",
    ):
        value = getattr(site, name)
        if value is None:
            continue
        known = region.figure(name)
        own[name] = Figure(
            value=value, unit=known.unit if known else "", source=f"site {site.name} of the scenario", kind="assumption"
        )
    if site.design_wet_bulb_c is not None and "free_cooling_hours_per_year" in region.figures:
        # the site's own climate decides: hours of the region's would contradict it
        hours = region.figures["free_cooling_hours_per_year"]
        own["free_cooling_hours_per_year"] = replace(hours, value=None)
    return region.with_figures(own) if own else region


def competing_systems(scenario: Scenario, catalog: Catalog) -> tuple[list[tuple[System, Chip]], list[Dropped]]:
    """(system, chip variant) pairs that the filters allow, and why those named are not allowed."""
    hardware = scenario.hardware
    named = list(dict.fromkeys(hardware.systems))
    systems = [catalog.system(name) for name in named] if named else list(catalog.systems.values())
    pairs: list[tuple[System, Chip]] = []
    dropped: list[Dropped] = []
    for system in systems:
        for chip_id in system.chip_ids:
            chip = catalog.chips.get(chip_id)
            if chip is None:
                continue
            reason = _filtered(scenario, system, chip)
            if reason is None:
                pairs.append((system, chip))
            elif reason:
                dropped.append(Dropped(_label(system, chip), reason))
    return pairs, dropped


def _label(system: System, chip: Chip) -> str:
    return system.id if len(system.chip_ids) < 2 else f"{system.id} with {chip.id}"


def _filtered(scenario: Scenario, system: System, chip: Chip) -> str | None:
    """Why a pair does not compete; None when it does; empty when a filter simply does not mention it."""
    hardware = scenario.hardware
    if hardware.vendors and chip.vendor.lower() not in {v.lower() for v in hardware.vendors}:
        return "its vendor is not among hardware.vendors" if hardware.systems else ""
    if system.id in hardware.exclude or chip.id in hardware.exclude:
        return "hardware.exclude leaves it out"
    if chip.edge:
        return "it is an edge part and never goes into a cluster"
    if not hardware.systems and system.text("role") == "workstation":
        return "it is a workstation, made for a desk; name it in hardware.systems to let it compete"
    if not hardware.systems and system.text("role") == "instance" and "rent" not in hardware.acquire:
        return ""  # sold by the hour only
    if not hardware.systems and system.text("role") == "accounting":
        return ""  # a way of counting in published results, nothing that is sold
    left_out = _EXPORT_LEFT_OUT[hardware.export].get(chip.export_class)
    if left_out:
        return left_out
    return None


def available_from(system: System, chip: Chip) -> str | None:
    """First month of delivery: the later of system and chip; None when neither says."""
    months = [m for m in (system.available_from, chip.available_from) if m]
    return max(months) if months else None


def platform_of(
    catalog: Catalog, system: str, chip: str, cooling_id: str, power_cap: float = 1.0, topology: Topology = FAT_TREE
) -> Platform:
    """The platform of a choice of hardware: as ``build_platform``, with what a power cap leaves of compute rates.

    Memory keeps its bandwidth down to the cap that ``speed_at_cap`` states and follows the same law below; links keep
    theirs.
    """
    platform = build_platform(catalog, system, chip, cooling_id, topology)
    if power_cap >= 1.0:
        return platform
    speed = float(speed_at_cap(power_cap))
    return replace(
        platform,
        clock_factor=platform.clock_factor * speed,
        cap_speed=speed,
        memory_bandwidth=platform.memory_bandwidth * float(speed_at_cap(power_cap, memory_bound_share=1.0)),
    )


def start_days(scenario: Scenario, start: str | None) -> float:
    """Days from the scenario's start to a month; 0 where none is given."""
    if start is None:
        return 0.0
    return (month_index(start) - month_index(scenario.start)) * 365.25 / 12


def announced_days(scenario: Scenario, system: System, chip: Chip) -> float:
    """Days from the scenario's start until both are sold, as announced; 0 where they are sold already."""
    return max(0.0, start_days(scenario, available_from(system, chip)))


def delivery(scenario: Scenario, system: System, chip: Chip, period: int) -> tuple[float | None, str]:
    """(days from the scenario's start until systems bought in a period are there, "") or (None, why they never are).

    Bought in a period means ordered and delivered in it: what is not yet sold when the period begins waits for a
    later period, or, where ``deliverable_by`` allows it, arrives within this one.
    """
    start = month_index(scenario.start)
    begins = month_index(scenario.period_starts[period])
    month = available_from(system, chip)
    if month is None:
        if chip.status in _NOT_SOLD:
            return None, f"{chip.id} {_NOT_SOLD[chip.status]} without a date"
        month = scenario.start if chip.status in {"volume", "limited", "discontinued"} else None
    if month is None:
        return None, f"no date of delivery is known for {chip.id}"
    arrives = max(begins, month_index(month))
    by = scenario.hardware.deliverable_by
    latest = begins if by is None else month_index(by)
    if arrives > latest:
        until = by or scenario.period_starts[period]
        return None, f"it is delivered from {month}, after {until}"
    return (arrives - start) * 365.25 / 12, ""


def hardware_choices(scenario: Scenario, catalog: Catalog) -> tuple[list[Choice], list[Dropped]]:
    """Every choice of hardware at every place, and why others are none. Rent has one place for all."""
    pairs, dropped = competing_systems(scenario, catalog)
    choices: list[Choice] = []
    for site in scenario.sites:
        region = site_region(catalog, site)
        _, locations = capacity_tree(site)
        for location in locations:
            if "buy" in scenario.hardware.acquire:
                choices += _at(catalog, site, location, region, pairs, "buy", dropped)
            standing: dict[str, int] = {}
            for block in site.installed:
                standing[block.system] = standing.get(block.system, 0) + block.count
            for name, count in standing.items():
                system = catalog.system(name)
                own = [(system, catalog.chip(c)) for c in system.chip_ids]
                found = list(_at(catalog, site, location, region, own, "installed", dropped))
                stated = next((b.cooling for b in site.installed if b.system == name), None)
                others = all(b.upkeep == "others" for b in site.installed if b.system == name)
                standing_there = _as_it_stands(found, stated)
                choices += [replace(choice, count=count, energy_only=others) for choice in standing_there]
    caps = dict.fromkeys(scenario.hardware.power_caps)
    choices = [replace(choice, power_cap=cap) for choice in choices for cap in caps]
    choices = _networked(scenario, choices, dropped)
    if "rent" in scenario.hardware.acquire:
        choices += _rented(catalog, catalog.region(scenario.hardware.rent_region), pairs, dropped)
    return choices, dropped


def _networked(scenario: Scenario, choices: Sequence[Choice], dropped: list[Dropped]) -> list[Choice]:
    """Owned choices in each design of a scale-out network that may be built; what stands is in the first."""
    found: list[Choice] = []
    designs = tuple(dict.fromkeys(scenario.hardware.topologies))
    for choice in choices:
        system, chip = choice.system, choice.chip
        if not scale_out_rate(system, chip):
            found.append(choice)  # it has no port for any
            continue
        domain = system.get("scaleup_domain_chips") or chip.get("scaleup_domain_chips") or 1
        for topology in designs[:1] if choice.acquire == "installed" else designs:
            made = replace(choice, topology=topology)
            try:
                _, server = made.network
            except UnknownFigureError as error:
                dropped.append(Dropped(made.hardware, str(error.problems[0])))
                continue
            why = refusal(
                topology, server_chips=server, domain_chips=int(domain), nic_access=system.text("nic_access") or "both"
            )
            if why:
                dropped.append(Dropped(made.hardware, why))
            else:
                found.append(made)
    return found


def _as_it_stands(choices: Sequence[Choice], stated: str | None) -> list[Choice]:
    """What stands keeps its cooling: the one that is stated, else air where some suits it, else the first that does."""
    if stated is not None:
        return [c for c in choices if c.cooling_id == stated]
    first = next((c for c in choices if c.cooling_id in AIR), None) or next(iter(choices), None)
    return [c for c in choices if first is not None and c.cooling_id == first.cooling_id]


def pair_at(catalog: Catalog, site: Site, region: Region, system: System, chip: Chip, cooling_id: str) -> CoolingPair:
    """A cooling at a site: the catalog's in its region's climate, with the PUE that the site states for itself.

    ``region`` is ``site_region``'s. Raises ``InputError`` for a cooling that is not known.
    """
    pair = cooling_pair(catalog, system, chip, cooling_id, region)
    if site.pue is not None:
        pair = replace(pair, pue=site.pue, pue_peak=max(site.pue, pair.pue_peak))
    if site.pue_months:
        pair = replace(pair, pue=sum(site.pue_months) / 12, pue_peak=max(site.pue_months))
    return pair


def _at(
    catalog: Catalog,
    site: Site,
    location: Location,
    region: Region,
    pairs: Sequence[tuple[System, Chip]],
    acquire: Acquire,
    dropped: list[Dropped],
) -> Iterator[Choice]:
    hosted = location.cooling or tuple(c.id for c in catalog.cooling.values() if c.kind == "option")
    for system, chip in pairs:
        if acquire == "buy" and system.text("role") == "instance":
            dropped.append(Dropped(_label(system, chip), "it is sold by the hour only; allow acquire: [rent]"))
            continue
        if acquire == "buy" and chip.export_class == "cloud_only":
            dropped.append(Dropped(_label(system, chip), "it is rented from a cloud only; allow acquire: [rent]"))
            continue
        found = cooling_choices(system, chip, hosted)
        if not found:
            dropped.append(Dropped(_label(system, chip), f"{location.name} hosts no cooling it is made for"))
        for cooling_id in found:
            try:
                reason = cooling_refusal(catalog, system, chip, cooling_id)
                if reason:
                    dropped.append(Dropped(f"{_label(system, chip)} in {cooling_id}", reason))
                    continue
                pair = pair_at(catalog, site, region, system, chip, cooling_id)
            except InputError as error:
                dropped.append(Dropped(f"{_label(system, chip)} in {cooling_id}", str(error.problems[0])))
                continue
            if why := _permit_refusal(site, pair):
                dropped.append(Dropped(f"{_label(system, chip)} in {cooling_id}", why))
                continue
            yield Choice(system, chip, cooling_id, pair, location, region, acquire, colo=site.ownership == "colo")


def _permit_refusal(site: Site, pair: CoolingPair) -> str | None:
    """Which limit of the site's permit a cooling there is above, in words; None where it keeps them all."""
    if site.pue_max is not None and pair.pue > site.pue_max:
        return f"its PUE of {pair.pue:.3f} there is above sites.{site.name}.pue_max, {site.pue_max:g}"
    most = site.wue_max_l_per_kwh
    if most is not None and pair.wue_l_per_kwh > most:
        field = f"sites.{site.name}.wue_max_l_per_kwh"
        return f"its {pair.wue_l_per_kwh:.3g} L of water per kWh there is above {field}, {most:g}"
    return None


def _rented(
    catalog: Catalog, region: Region, pairs: Sequence[tuple[System, Chip]], dropped: list[Dropped]
) -> Iterator[Choice]:
    """Rented systems: the cooling is the owner's affair; the first that fits stands for power and carbon."""
    hosted = tuple(c.id for c in catalog.cooling.values() if c.kind == "option")
    for system, chip in pairs:
        if chip.get("rent_usd_per_h") is None:
            dropped.append(Dropped(f"{_label(system, chip)}, rented", f"no rent of {chip.id} is known"))
            continue
        for cooling_id in cooling_choices(system, chip, hosted):
            try:
                if cooling_refusal(catalog, system, chip, cooling_id) is None:
                    pair = cooling_pair(catalog, system, chip, cooling_id, region)
                    yield Choice(system, chip, cooling_id, pair, None, region, "rent")
                    break
            except InputError as error:
                dropped.append(Dropped(f"{_label(system, chip)}, rented", str(error.problems[0])))
                break
