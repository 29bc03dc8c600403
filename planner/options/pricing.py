"""What some whole systems at a place need and cost: power, racks, network, money, carbon, water.

One function over arrays of designs on one choice of hardware; ``verify`` calls the same function with arrays of length
one for what a plan chose. Conventions:

- Money is present value at the scenario's start (``planner.cost.tco``): an asset is charged for ``horizon_years``
  of its life from the day it is there, whenever that is, so waiting is not rewarded by a shorter bill. Energy, carbon,
  water and rent of a run are those of its own days; the systems stay bought after it.
- Systems pay ports of the fabric that their work needs (``planner.network.fabric``): a run on one system none, others
  and every serving unit those of a pod, runs beyond a pod's tiers those of a larger fabric.
- What stands and does nothing is switched off, or idles where the scenario says ``fleet.idle_systems: powered``.
- What stands at a site already is paid for: capital is left out, its upkeep is not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Catalog
from planner.cost.carbon import embodied_kg, embodied_kg_per_chip, operational_kg
from planner.cost.finance import HOURS_PER_YEAR, annuity
from planner.cost.tco import (
    AssetPrices,
    CostBreakdown,
    CostInputs,
    RentTerm,
    annual_cost,
    asset_prices,
    cheapest_rent,
    cost_over_horizon,
    rent_terms,
)
from planner.errors import InputError, Problem
from planner.facility.power import system_power
from planner.facility.space import own_racks, rack_refusal, systems_per_rack
from planner.network.bill_of_materials import scale_up_fabric
from planner.network.fabric import Fabric, pod_reach, port, scale_out_rate
from planner.options.hardware.choices import Choice
from planner.scenario.types import Scenario

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CAPITAL_LINES = ("systems", "network", "storage", "installation", "building", "cooling_plant")
DAYS_PER_YEAR = 365.25


@dataclass(frozen=True)
class Designs:
    """Designs to price, int64 or float64 arrays (n,).

    ``systems``: whole systems of a unit, spares in; ``spares``: of them; ``chips``: chips that work; ``activity``:
    share of a chip's power range while working; ``run_hours``: hours of work in the horizon; ``cluster``: whether the
    systems of a unit form one network of their own (a run) or take ports of a shared pod (a replica).
    """

    systems: Ints
    spares: Ints
    chips: Ints
    activity: Floats
    run_hours: Floats
    cluster: bool


@dataclass(frozen=True)
class Priced:
    """Figures of a unit of each design, float64 arrays (n,), in the units of the names. Lines sum to ``cost_usd``."""

    it_peak_w: Floats
    it_average_w: Floats
    facility_peak_w: Floats
    facility_average_w: Floats
    power_breakdown_w: Mapping[str, Floats]
    racks: Floats
    capex_usd: Floats
    capex_lines_usd: Mapping[str, Floats]
    opex_usd_per_year: Floats
    cost_usd: Floats
    cost_lines_usd: Mapping[str, Floats]
    carbon_t: Floats
    carbon_t_per_year: Floats
    water_m3: Floats
    water_m3_per_year: Floats
    network: Mapping[str, Floats]
    pue: float
    opex_usd_by_year: Floats
    carbon_t_by_year: Floats
    water_m3_by_year: Floats
    """What falls into each year of the plan, (n, years)."""
    rent_term: tuple[str, ...] = ()
    """Of rented designs the term of each."""


def horizon_hours(scenario: Scenario, ready_days: float) -> float:
    """Hours from the day systems are there to the end of the horizon; raises ``InputError`` when none are left."""
    years = scenario.horizon_years - ready_days / DAYS_PER_YEAR
    if years <= 0:
        raise InputError(Problem("delivered after the horizon ends"))
    return years * HOURS_PER_YEAR


SPOT = "spot"


def known_terms(scenario: Scenario, catalog: Catalog) -> dict[str, RentTerm]:
    """The terms a rent can have: the catalog's, and spot where the scenario says what it costs."""
    spot = scenario.hardware.spot
    more = {} if spot is None else {SPOT: RentTerm(SPOT, 0.0, 1.0 - spot.price_share)}
    return rent_terms(catalog) | more


def price(scenario: Scenario, catalog: Catalog, choice: Choice, designs: Designs, ready_days: float) -> Priced:
    """Price designs on a choice of hardware that is there ``ready_days`` after the scenario's start.

    Raises ``UnknownFigureError`` for figures nobody published, ``InputError`` with the reason when the hardware does
    not fit the place (rack power) or arrives too late.
    """
    system, chip, pair = choice.system, choice.chip, choice.pair
    per_system = system.unit_chips
    systems = designs.systems.astype(np.float64)
    horizon_hours(scenario, ready_days)  # raises when nothing of the horizon is left
    # assets are charged for as many years whenever they are bought: waiting is not rewarded by a shorter bill
    years = float(scenario.horizon_years)
    network = _network(catalog, choice, designs, per_system)
    network_w_per_chip = network["power_w"] / (systems * per_system)

    working = systems - designs.spares
    busy = system_power(
        catalog, system, chip, pair, activity=designs.activity, power_cap=choice.power_cap,
        network_w_per_chip=network_w_per_chip,
    )  # fmt: skip
    idle = system_power(catalog, system, chip, pair, activity=0.0, network_w_per_chip=network_w_per_chip)
    n = len(systems)

    def both(of_busy: float | Floats, of_idle: float | Floats) -> Floats:
        return _row(of_busy * working + of_idle * designs.spares, n)

    together = 1.0 if designs.cluster else _peak_share(scenario, choice)
    racks = _racks(choice, systems, _row(busy.it_peak_w, n))  # a rack's feed carries the peaks of what is in it
    it_peak = _row(busy.it_peak_w * systems * together, n)
    facility_peak = _row(busy.facility_peak_w * systems * together, n)
    it_average = both(busy.it_average_w, idle.it_average_w)
    breakdown = {name: both(busy.breakdown[name], idle.breakdown[name]) for name in busy.breakdown}
    facility_average = np.sum(list(breakdown.values()), axis=0)

    rest_hours = np.zeros(n)
    if scenario.fleet.idle_systems == "powered" and choice.acquire != "rent":
        rest_hours = np.maximum(0.0, years * HOURS_PER_YEAR - designs.run_hours)
    resting = _Resting(rest_hours, _row(idle.it_average_w * systems, n), _row(idle.facility_average_w * systems, n))
    money = _money(
        scenario,
        catalog,
        choice,
        designs,
        years,
        ready_days,
        network,
        it_peak,
        it_average,
        facility_peak,
        facility_average,
        resting,
    )
    embodied = embodied_kg_per_chip(catalog, chip)
    life = catalog.cost("dep_chip_econ")
    all_chips = systems * per_system
    run_hours = designs.run_hours
    first_year = np.minimum(run_hours, HOURS_PER_YEAR)
    grid = choice.region.need("carbon_kg_per_kwh")
    used_years = years if choice.acquire != "rent" else run_hours / HOURS_PER_YEAR
    idle_kwh = resting.facility_w / 1e3 * resting.hours
    operational = operational_kg(facility_average / 1e3 * run_hours + idle_kwh, grid)
    carbon = (operational + embodied_kg(embodied, all_chips, used_years, life)) / 1e3
    embodied_year = embodied_kg(embodied, all_chips, np.minimum(used_years, 1.0), life)
    idle_first = np.minimum(resting.hours, HOURS_PER_YEAR - first_year)
    kwh_year = facility_average / 1e3 * first_year + resting.facility_w / 1e3 * idle_first
    carbon_year = (operational_kg(kwh_year, grid) + embodied_year) / 1e3
    water = it_average / 1e3 * pair.wue_l_per_kwh / 1e3
    begin = ready_days / DAYS_PER_YEAR
    working_years = years_within(scenario, begin, run_hours / HOURS_PER_YEAR)
    # of what it took to make them, each year carries what is used up by its end less what was used up before
    ends = np.minimum(np.arange(working_years.shape[1] + 1.0), years) - begin
    used_up = np.clip(ends, 0.0, np.reshape(used_years, (-1, 1)))
    made = embodied_kg(embodied, all_chips[:, None], used_up, life)
    operational_year = operational_kg(facility_average / 1e3 * HOURS_PER_YEAR, grid)
    idle_year = operational_kg(resting.facility_w / 1e3 * HOURS_PER_YEAR, grid)
    resting_years = years_within(scenario, begin, (run_hours + resting.hours) / HOURS_PER_YEAR) - working_years
    idle_water = resting.it_w / 1e3 * pair.wue_l_per_kwh / 1e3
    return Priced(
        it_peak_w=it_peak,
        it_average_w=it_average,
        facility_peak_w=facility_peak,
        facility_average_w=facility_average,
        power_breakdown_w=breakdown,
        racks=racks,
        capex_usd=money.capex_usd,
        capex_lines_usd=money.capex_lines,
        opex_usd_per_year=money.opex_usd_per_year,
        cost_usd=money.cost_usd,
        cost_lines_usd=money.lines,
        carbon_t=np.asarray(carbon, np.float64),
        carbon_t_per_year=np.asarray(carbon_year, np.float64),
        water_m3=water * run_hours + idle_water * resting.hours,
        water_m3_per_year=water * first_year + idle_water * idle_first,
        network=network,
        pue=pair.pue,
        opex_usd_by_year=money.opex_usd_by_year,
        carbon_t_by_year=(
            operational_year[:, None] * working_years + idle_year[:, None] * resting_years + np.diff(made, axis=1)
        )
        / 1e3,
        water_m3_by_year=HOURS_PER_YEAR * (water[:, None] * working_years + idle_water[:, None] * resting_years),
        rent_term=money.rent_term,
    )


@dataclass(frozen=True)
class _Resting:
    """Systems that idle when their work is done: hours and watts (n,); no hours where they are switched off."""

    hours: Floats
    it_w: Floats
    facility_w: Floats


def _peak_share(scenario: Scenario, choice: Choice) -> float:
    """What the peaks of loads' systems add up to at the place of a choice, as a share of their sum.

    Inference servers do not peak together: clusters of them were seen to draw 79% of what was provisioned at most, so
    the same supply holds up to 30% more where a cap guards the rest (POLCA, arXiv:2308.12908); runs reach 97%.
    """
    return next((site.serving_peak_share for site in scenario.sites if site.name == choice.site), 1.0)


@dataclass(frozen=True)
class _Money:
    capex_usd: Floats
    capex_lines: Mapping[str, Floats]
    opex_usd_per_year: Floats
    opex_usd_by_year: Floats
    cost_usd: Floats
    lines: Mapping[str, Floats]
    rent_term: tuple[str, ...] = ()


def years_within(scenario: Scenario, begin: float, lasting: float | Floats) -> Floats:
    """Years of a stretch that fall into each year of the plan, (n, years); ``begin``: years from the plan's start."""
    count = max(1, math.ceil(scenario.horizon_years - 1e-9))
    lows = np.arange(count, dtype=np.float64)
    highs = np.minimum(lows + 1.0, scenario.horizon_years)
    ends = begin + np.atleast_1d(np.asarray(lasting, np.float64))[:, None]
    found: Floats = np.clip(np.minimum(ends, highs) - np.maximum(begin, lows), 0.0, None)
    return found


def _network(catalog: Catalog, choice: Choice, designs: Designs, per_system: int) -> dict[str, Floats]:
    """Scale-out network of a unit: counts, price and its parts, power, (n,) each."""
    rate = None if choice.acquire == "rent" else scale_out_rate(choice.system, choice.chip)
    ports = designs.systems.astype(np.float64) * per_system
    how = (choice.topology, choice.system.server_chips)
    reach = pod_reach(catalog, rate, *how) if rate else 0
    needs: list[Fabric] = ["pod"] if not designs.cluster else ["none", "pod", "large"]
    found = {name: np.zeros(len(ports)) for name in port(catalog, None, "none")}
    for fabric in needs:
        if designs.cluster:
            alone, small = designs.systems <= 1, ports <= reach
            mine = {"none": alone, "pod": ~alone & small, "large": ~alone & ~small}[fabric]
        else:
            mine = np.ones(len(ports), dtype=np.bool_)
        for name, figure in port(catalog, rate, fabric, *how).items():
            found[name] += np.where(mine, figure * ports, 0.0)
    return found


def _racks(choice: Choice, systems: Floats, it_peak_w: Floats) -> Floats:
    """Racks of a unit of each design, parts of a rack where servers share one. ``it_peak_w`` is of one system."""
    if choice.location is None:
        return np.zeros(len(systems))
    limit = choice.pair.rack_kw_max
    if choice.location.rack_kw is not None:
        limit = min(limit, choice.location.rack_kw)
    reason = rack_refusal(choice.system, float(np.min(it_peak_w)), limit)
    if reason:
        raise InputError(Problem(reason))
    own = own_racks(choice.system)
    if own:
        return systems * own
    # a design's network draws power in its racks too, so designs of one system may fill racks differently
    fit = np.array([systems_per_rack(choice.system, float(watts), limit) for watts in it_peak_w], dtype=np.float64)
    return np.where(fit > 0, systems / np.maximum(fit, 1.0), np.inf)


def _money(
    scenario: Scenario,
    catalog: Catalog,
    choice: Choice,
    designs: Designs,
    years: float,
    ready_days: float,
    network: Mapping[str, Floats],
    it_peak: Floats,
    it_average: Floats,
    facility_peak: Floats,
    facility_average: Floats,
    resting: _Resting,
) -> _Money:
    rate = scenario.finance.discount_rate
    prices = (
        asset_prices(catalog, choice.region, choice.pair, building="colo" if choice.colo else "own", discount_rate=rate)
        if choice.acquire != "rent"
        else AssetPrices(discount_rate=catalog.cost("wacc") if rate is None else rate, tariff_usd_per_kwh=0.0)
    )
    start_years = ready_days / DAYS_PER_YEAR
    per_system = choice.system.unit_chips
    chips = np.asarray(designs.systems * per_system, np.float64)
    if choice.acquire == "rent":
        known = known_terms(scenario, catalog)
        # what may be taken away lasts longer, so it is a choice of its own and never just the cheapest
        free = [name for name in scenario.hardware.rent_terms if name != SPOT]
        allowed = [known[name] for name in ([choice.rent_term] if choice.rent_term else free)]
        rate_usd = choice.chip.need("rent_usd_per_h")
        rented = cheapest_rent(chips, rate_usd, designs.run_hours, allowed, prices.discount_rate)
        inputs = CostInputs(prices=prices)
        fabric_usd = 0.0
    else:
        rented = None
        unit_price = choice.unit_price_usd
        fabric_usd = _fabric_usd(catalog, choice)
        inputs = CostInputs(
            prices=prices,
            systems_usd=np.asarray(designs.systems * (unit_price or 0.0), np.float64),
            network_usd=network["price_usd"] + designs.systems * fabric_usd,
            chips=chips if choice.chip.vendor.lower() == "nvidia" else 0.0,  # the catalog's item is NVIDIA's
            it_peak_kw=it_peak / 1e3,
            it_average_kw=it_average / 1e3,
            facility_peak_kw=facility_peak / 1e3,
            facility_average_kw=facility_average / 1e3,
        )
    if choice.energy_only:
        inputs = CostInputs(
            prices=replace(prices, demand_usd_per_kw_month=0.0),
            it_average_kw=it_average / 1e3,
            facility_average_kw=facility_average / 1e3,
        )
    # what work draws and rents is paid while it runs, at the start of the horizon: the same present value a year
    run_years = designs.run_hours / HOURS_PER_YEAR
    share = annuity(prices.discount_rate, run_years) / float(annuity(prices.discount_rate, years))
    worth_of_a_year = float(annuity(prices.discount_rate, years))
    whole = annual_cost(
        replace(
            inputs,
            hours=HOURS_PER_YEAR * share,
            rent_usd_per_year=0.0 if rented is None else rented.present_usd / worth_of_a_year,
        )
    )
    first = annual_cost(
        replace(
            inputs,
            hours=np.minimum(designs.run_hours, HOURS_PER_YEAR),
            rent_usd_per_year=0.0 if rented is None else rented.first_year_usd,
        )
    )
    n = len(designs.systems)
    # of each year of the plan: what stands, what is drawn while it works and after, and what its rent bills
    upkeep = _running(annual_cost(replace(inputs, hours=0.0)), n)
    a_year = _running(annual_cost(replace(inputs, hours=HOURS_PER_YEAR)), n) - upkeep
    worked = years_within(scenario, start_years, run_years)
    by_year = upkeep[:, None] * years_within(scenario, start_years, years) + a_year[:, None] * worked
    if rented is not None:
        by_year = by_year + rented.yearly_usd[:, None] * years_within(scenario, start_years, rented.billed_years)
    if resting.hours.any():
        idle = CostInputs(
            prices=replace(prices, demand_usd_per_kw_month=0.0),
            it_average_kw=resting.it_w / 1e3,
            facility_average_kw=resting.facility_w / 1e3,
        )
        first_hours = np.minimum(designs.run_hours, HOURS_PER_YEAR)
        whole = _with(whole, annual_cost(replace(idle, hours=HOURS_PER_YEAR * (1.0 - share))))
        rest = np.minimum(resting.hours, HOURS_PER_YEAR - first_hours)
        first = _with(first, annual_cost(replace(idle, hours=rest)))
        idle_usd = _running(annual_cost(replace(idle, hours=HOURS_PER_YEAR)), n)
        rested = years_within(scenario, start_years, run_years + resting.hours / HOURS_PER_YEAR) - worked
        by_year = by_year + idle_usd[:, None] * rested
    if choice.acquire == "installed":
        whole, first = _sunk(whole), _sunk(first)
    total = cost_over_horizon(whole, years, prices.discount_rate, start_years=start_years)
    lines = {name: _row(v, n) for name, v in total.lines.items()}
    lines = {name: v for name, v in lines.items() if np.any(v)}
    opex = _running(first, n)
    return _Money(
        capex_usd=_row(whole.capex_usd, n),
        capex_lines={name: _row(v, n) for name, v in whole.capex.items() if np.any(v)},
        opex_usd_per_year=_row(opex, n),
        opex_usd_by_year=by_year,
        cost_usd=np.sum(list(lines.values()), axis=0) if lines else np.zeros(n),
        lines=lines,
        rent_term=() if rented is None else rented.terms,
    )


def _running(breakdown: CostBreakdown, n: int) -> Floats:
    """USD a year of everything but capital, (n,)."""
    return sum((_row(v, n) for k, v in breakdown.lines.items() if k not in CAPITAL_LINES), start=np.zeros(n))


def _fabric_usd(catalog: Catalog, choice: Choice) -> float:
    """Scale-up optics of a supernode where its price does not hold them."""
    fabric = scale_up_fabric(choice.system, catalog)
    return 0.0 if fabric.in_system or fabric.price_usd is None else fabric.price_usd


def _with(breakdown: CostBreakdown, more: CostBreakdown) -> CostBreakdown:
    """Lines of two breakdowns of a year added; capital is the first's."""
    lines = {name: v + more.lines[name] for name, v in breakdown.lines.items()}
    return CostBreakdown(lines, breakdown.capex, breakdown.years)


def _sunk(breakdown: CostBreakdown) -> CostBreakdown:
    """What is left to pay for what stands there: no capital."""
    lines = {name: (np.zeros_like(v) if name in CAPITAL_LINES else v) for name, v in breakdown.lines.items()}
    return CostBreakdown(lines, {}, breakdown.years)


def _row(value: float | Floats, n: int) -> Floats:
    """A number or an array as an array (n,) of its own."""
    return np.array(np.broadcast_to(np.asarray(value, np.float64), (n,)))
