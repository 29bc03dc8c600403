"""What systems cost while they stand, and what their work costs on top: the prices of every plan (docs/cost.md).

A lot pays for standing (capital recovery, upkeep, and idling where idle systems stay powered), work pays the power
above that.

- A lot pays and powers ports of the fabric that it stands in (``planner.network.fabric``); work stands in the smallest
  one that joins its systems, or in a larger one.
- Sold before the horizon ends, a lot loses what is not recovered: all of network, storage and installation, and of the
  systems what the sale does not bring. Buildings and plant are handed on at their unrecovered value.
- What stands at the start is paid for; sold, it brings its worth at its age (nothing where its age is not known).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Catalog
from planner.cost.carbon import embodied_kg_per_chip
from planner.cost.finance import HOURS_PER_YEAR, annuity, capital_recovery_factor, depreciated_value
from planner.cost.tco import AssetPrices, CostBreakdown, CostInputs, annual_cost, asset_prices, rent_cost
from planner.errors import InputError, Problem
from planner.facility.power import system_power
from planner.facility.space import own_racks, rack_refusal, systems_per_rack
from planner.network.bill_of_materials import scale_up_fabric
from planner.network.fabric import Fabric, port, scale_out_rate
from planner.options.hardware.choices import Choice
from planner.options.hardware.offers import known_terms
from planner.options.hardware.timeline import DAYS_PER_MONTH, Timeline, path_by_period
from planner.scenario.base import month_index
from planner.scenario.types import Scenario

Floats = NDArray[np.float64]

CAPITAL = ("systems", "network", "storage", "installation", "building", "cooling_plant")
SOLD_OFF = ("network", "storage", "installation")
"""Of what is bought with systems, what a sale brings nothing for."""


@dataclass(frozen=True)
class Standing:
    """One system of a choice as it stands. Watts; ``yearly_usd``: lines of a year at the plan's start, no energy."""

    choice: Choice
    fabric: Fabric
    chips: int
    racks: float
    it_peak_w: float
    facility_peak_w: float
    it_idle_w: float
    facility_idle_w: float
    it_base_w: float
    """Without work: idle where idle systems stay powered, else 0."""
    facility_base_w: float
    price_usd: float
    capex_usd: Mapping[str, float]
    yearly_usd: Mapping[str, float]
    embodied_kg: float
    prices: AssetPrices
    tariff: Floats
    """(T,) USD/kWh."""
    network: Mapping[str, float]

    @cached_property
    def of_price(self) -> CostBreakdown:
        """Yearly lines and capital of the system's price alone, in proportion to it."""
        return annual_cost(CostInputs(prices=replace(self.prices, tariff_usd_per_kwh=0.0), systems_usd=self.price_usd))

    @property
    def rented(self) -> bool:
        """Whether it stands elsewhere, at another's expense."""
        return self.choice.acquire == "rent"


@dataclass(frozen=True)
class LotPrice:
    """One system of a lot. Lines sum to ``cost_usd`` (present value); by year (K,) not discounted."""

    cost_usd: float
    lines_usd: Mapping[str, float]
    capex_usd: float
    opex_usd: Floats
    carbon_t: Floats
    water_m3: Floats
    capex_lines_usd: Mapping[str, float] = field(default_factory=dict)
    """What is bought, at its purchase price; sums to ``capex_usd``."""


@dataclass(frozen=True)
class WorkPrice:
    """Work on top of standing over one stretch of time. Lines sum to ``cost_usd``; the rest is not discounted."""

    cost_usd: float
    lines_usd: Mapping[str, float]
    opex_usd: float
    carbon_t: float
    water_m3: float


def standing(
    scenario: Scenario, catalog: Catalog, choice: Choice, timeline: Timeline, fabric: Fabric = "pod", *, loads: bool
) -> Standing:
    """One system of a choice with its ports of a fabric: power, racks and yearly lines.

    ``loads``: whether it can do nothing but serve loads; those do not peak together (``Site.serving_peak_share``).

    Raises ``UnknownFigureError`` for figures nobody published and ``InputError`` where it cannot stand at the place.
    """
    system, chip, pair = choice.system, choice.chip, choice.pair
    chips = system.unit_chips
    rate_gbit = None if choice.acquire == "rent" else scale_out_rate(system, chip)
    network = {name: figure * chips for name, figure in port(catalog, rate_gbit, fabric, *choice.network).items()}
    per_chip = network["power_w"] / chips
    idle = system_power(
        catalog, system, chip, pair, activity=0.0, power_cap=choice.power_cap, network_w_per_chip=per_chip
    )
    powered = scenario.fleet.idle_systems == "powered"
    it_peak, facility_peak = float(idle.it_peak_w), float(idle.facility_peak_w)
    racks = _racks(choice, it_peak)  # a rack's feed carries the peaks of what is in it
    together = peak_share(choice, scenario) if loads and choice.acquire != "rent" else 1.0
    it_peak, facility_peak = it_peak * together, facility_peak * together
    price, capex, yearly = 0.0, dict.fromkeys(CAPITAL, 0.0), {}
    prices = AssetPrices(discount_rate=timeline.rate, tariff_usd_per_kwh=0.0)
    tariff = np.zeros(timeline.periods)
    if choice.acquire == "rent":
        chip.need("rent_usd_per_h")
    else:
        own = "colo" if choice.colo else "own"
        prices = asset_prices(catalog, choice.region, pair, building=own, discount_rate=timeline.rate)  # type: ignore[arg-type]
        paths = {s.name: dict(s.tariff_path) for s in scenario.sites}
        tariff = path_by_period(timeline, paths.get(choice.site, {}), prices.tariff_usd_per_kwh)
        price = choice.unit_price_usd
        scale_up = scale_up_fabric(system, catalog)
        optics = 0.0 if scale_up.in_system or scale_up.price_usd is None else scale_up.price_usd
        cost = annual_cost(
            CostInputs(
                prices=replace(prices, tariff_usd_per_kwh=0.0),
                systems_usd=price,
                network_usd=network["price_usd"] + optics,
                chips=float(chips) if chip.vendor.lower() == "nvidia" else 0.0,  # the catalog's item is NVIDIA's
                it_peak_kw=it_peak / 1e3,
                facility_peak_kw=facility_peak / 1e3,
            )
        )
        # what others keep up costs the plan what it draws and nothing more
        yearly = {} if choice.energy_only else {name: float(v) for name, v in cost.lines.items()}
        capex = {name: float(v) for name, v in cost.capex.items()}
    return Standing(
        choice=choice,
        fabric=fabric,
        chips=chips,
        racks=racks,
        it_peak_w=it_peak,
        facility_peak_w=facility_peak,
        it_idle_w=float(idle.it_average_w),
        facility_idle_w=float(idle.facility_average_w),
        it_base_w=float(idle.it_average_w) if powered else 0.0,
        facility_base_w=float(idle.facility_average_w) if powered else 0.0,
        price_usd=price,
        capex_usd=capex,
        yearly_usd=yearly,
        embodied_kg=embodied_kg_per_chip(catalog, chip) * chips,
        prices=prices,
        tariff=tariff,
        network=network,
    )


def serves_only(scenario: Scenario, owner: str) -> bool:
    """Whether systems of a workload, or of all where ``owner`` is empty, can do nothing but serve loads."""
    mine = [w for w in scenario.workloads if owner in {"", w.name}]
    return not any(w.runs_once for w in mine)


def peak_share(choice: Choice, scenario: Scenario) -> float:
    """What the peaks of loads' systems add up to at the place of a choice, as a share of their sum.

    Inference servers do not peak together: clusters of them were seen to draw 79% of what was provisioned at most, so
    the same supply holds up to 30% more where a cap guards the rest (POLCA, arXiv:2308.12908); runs reach 97%.
    """
    return next((site.serving_peak_share for site in scenario.sites if site.name == choice.site), 1.0)


def _racks(choice: Choice, it_peak_w: float) -> float:
    """Racks of one system, a part of one where servers share it."""
    if choice.location is None:
        return 0.0
    limit = choice.pair.rack_kw_max
    if choice.location.rack_kw is not None:
        limit = min(limit, choice.location.rack_kw)
    reason = rack_refusal(choice.system, it_peak_w, limit)
    if reason:
        raise InputError(Problem(reason))
    own = own_racks(choice.system)
    return float(own) if own else 1.0 / max(1, systems_per_rack(choice.system, it_peak_w, limit))


def price_factor(scenario: Scenario, timeline: Timeline, stand: Standing, period: int) -> float:
    """Price of a system bought in a period over the catalog's."""
    path = scenario.hardware.price_usd.get(stand.choice.system.id)
    if path:
        return float(path_by_period(timeline, dict(path), 0.0)[period]) / stand.price_usd
    return float((1.0 + scenario.hardware.price_change_per_year) ** (timeline.edges[period] / 12))


def price_lot(
    scenario: Scenario,
    catalog: Catalog,
    timeline: Timeline,
    stand: Standing,
    acquire: str,
    begin: int,
    end: int,
    *,
    term: str = "",
    since: str | None = None,
    day_share: float = 1.0,
) -> LotPrice:
    """One system that stands from the beginning of period ``begin`` to that of ``end``; rented, for a share of each
    day."""
    start, stop = timeline.edges[begin], timeline.edges[end]
    years = timeline.by_year(start, stop)
    if acquire == "rent":
        return _rented(scenario, catalog, timeline, stand, start, stop, term, years, day_share)
    p = stand.prices
    factor = price_factor(scenario, timeline, stand, begin) if acquire == "buy" else 1.0
    # what follows the price of systems; buildings, plant and what hangs on power do not, nor do network and optics
    dearer = _dearer(stand, factor)
    yearly = {name: v + dearer.get(name, 0.0) for name, v in stand.yearly_usd.items()}
    capex = {name: stand.capex_usd[name] + dearer.get(f"capex.{name}", 0.0) for name in CAPITAL}
    if acquire == "installed":
        yearly = {name: 0.0 if name in CAPITAL else v for name, v in yearly.items()}
        capex = dict.fromkeys(CAPITAL, 0.0)
    worth = timeline.worth(start, stop)
    lines = {name: v * worth for name, v in yearly.items()}
    opex = sum(v for name, v in yearly.items() if name not in CAPITAL) * years
    carbon = np.zeros(timeline.years)
    water = np.zeros(timeline.years)
    grid = stand.choice.region.need("carbon_kg_per_kwh")
    for t in range(begin, end):
        idle = _work_price(timeline, stand, t, timeline.edges[t], timeline.edges[t + 1], stand.it_base_w,
                           stand.facility_base_w, timeline.period_years(t) * HOURS_PER_YEAR, grid)  # fmt: skip
        share = timeline.by_year(timeline.edges[t], timeline.edges[t + 1])
        share = share / share.sum()
        for name, v in idle.lines_usd.items():
            lines[name] = lines.get(name, 0.0) + v
        opex = opex + idle.opex_usd * share
        carbon += idle.carbon_t * share
        water += idle.water_m3 * share
    if stop < timeline.end and not stand.choice.energy_only:
        lines["resale"] = _loss(scenario, timeline, stand, acquire, start, stop, factor, since)
    done = np.cumsum(years)
    made = np.minimum(1.0, done / p.systems_life_years)
    carbon += np.diff(made, prepend=0.0) * stand.embodied_kg / 1e3
    lines = {name: v for name, v in lines.items() if v}
    return LotPrice(
        cost_usd=float(sum(lines.values())),
        lines_usd=lines,
        capex_usd=float(sum(capex.values())),
        opex_usd=opex,
        carbon_t=carbon,
        water_m3=water,
        capex_lines_usd={name: v for name, v in capex.items() if v},
    )


def _dearer(stand: Standing, factor: float) -> dict[str, float]:
    """Yearly lines and capital (``capex.*``) of a system's price times ``factor`` - 1."""
    if factor == 1.0 or not stand.price_usd:
        return {}
    more = stand.of_price
    return {name: float(v) * (factor - 1.0) for name, v in more.lines.items()} | {
        f"capex.{name}": float(v) * (factor - 1.0) for name, v in more.capex.items()
    }


def _loss(
    scenario: Scenario, timeline: Timeline, stand: Standing, acquire: str, start: float, stop: float, factor: float,
    since: str | None,
) -> float:  # fmt: skip
    """Present value of what a sale before the horizon's end loses; below zero where it brings more than is owed."""
    p = stand.prices
    if acquire == "installed":
        if since is None:
            return 0.0
        age = (timeline.first_month - month_index(since) + stop) / 12
        left = _unrecovered(stand.price_usd, p.discount_rate, p.systems_life_years, age)
        return (
            -scenario.fleet.resale_share
            * min(left, float(depreciated_value(stand.price_usd, age)))
            * (timeline.discount(stop))
        )
    age = (stop - start) / 12
    price = stand.price_usd * factor
    left = _unrecovered(price, p.discount_rate, p.systems_life_years, age)
    brings = scenario.fleet.resale_share * min(left, float(depreciated_value(price, age)))
    dearer = _dearer(stand, factor)
    gone = 0.0
    for name in SOLD_OFF:
        life = p.systems_life_years if name == "installation" else p.network_life_years
        gone += _unrecovered(stand.capex_usd[name] + dearer.get(f"capex.{name}", 0.0), p.discount_rate, life, age)
    return (left - brings + gone) * timeline.discount(stop)


def _unrecovered(price: float, rate: float, life: float, age: float) -> float:
    """What is still to be repaid of a price after ``age`` years."""
    if age >= life:
        return 0.0
    return price * float(capital_recovery_factor(rate, life)) * float(annuity(rate, life - age))


def _rented(
    scenario: Scenario,
    catalog: Catalog,
    timeline: Timeline,
    stand: Standing,
    start: float,
    stop: float,
    term: str,
    years: Floats,
    day_share: float,
) -> LotPrice:
    terms = known_terms(scenario, catalog)
    length = (stop - start) / 12
    hours = length * HOURS_PER_YEAR * day_share
    usd = float(rent_cost(stand.chips, stand.choice.chip.need("rent_usd_per_h"), hours, terms[term or "on_demand"]))
    grid = stand.choice.region.need("carbon_kg_per_kwh")
    there = years * day_share
    made = np.minimum(1.0, np.cumsum(there) / catalog.cost("dep_chip_econ"))
    carbon = stand.facility_base_w / 1e6 * HOURS_PER_YEAR * grid * there
    return LotPrice(
        cost_usd=usd / length * timeline.worth(start, stop),
        lines_usd={"rent": usd / length * timeline.worth(start, stop)},
        capex_usd=0.0,
        opex_usd=usd / length * years,
        carbon_t=carbon + np.diff(made, prepend=0.0) * stand.embodied_kg / 1e3,
        water_m3=stand.it_base_w / 1e6 * HOURS_PER_YEAR * stand.choice.pair.wue_l_per_kwh * there,
    )


def load_watts(
    catalog: Catalog, stand: Standing, activity: float, day_share: float = 1.0, *, run: bool = False
) -> tuple[float, float]:
    """(IT, facility) watts, in the mean of a day, that one system of a load draws above what it draws without work.

    ``activity``: that of units which are on all day, at the mean of their load. Energy follows requests: a unit that is
    on for the hours of most demand alone spares what a system idles in the others, and answers as large a share of the
    day's requests as it adds to the peak, if not itself then by what it leaves to the others when it is off.
    ``run``: of a run instead, whose chips step together, so that the site's ``swing_max`` holds.
    """
    busy = added_watts(catalog, stand, activity, stand.choice.swing_max if run else 1.0)
    if day_share == 1.0:
        return busy
    on = added_watts(catalog, stand, 0.0)
    return tuple(b - (1.0 - day_share) * o for b, o in zip(busy, on, strict=True))  # type: ignore[return-value]


def added_watts(catalog: Catalog, stand: Standing, activity: float, swing_max: float = 1.0) -> tuple[float, float]:
    """(IT, facility) watts that one system at work draws above what it draws without."""
    choice = stand.choice
    per_chip = stand.network["power_w"] / stand.chips
    busy = system_power(
        catalog, choice.system, choice.chip, choice.pair, activity=activity, power_cap=choice.power_cap,
        network_w_per_chip=per_chip, swing_max=swing_max,
    )  # fmt: skip
    return float(busy.it_average_w) - stand.it_base_w, float(busy.facility_average_w) - stand.facility_base_w


def run_watts(
    stand: Standing, watts: tuple[float | Floats, float | Floats], working: float | Floats, spares: float | Floats
) -> tuple[Floats, Floats]:
    """(IT, facility) watts that a run draws above what its systems draw without: at work, and spares that idle."""
    return tuple(  # type: ignore[return-value]
        np.asarray(at_work * working + (idle - base) * spares, np.float64)
        for at_work, idle, base in zip(
            watts, (stand.it_idle_w, stand.facility_idle_w), (stand.it_base_w, stand.facility_base_w), strict=True
        )
    )


def price_load(
    timeline: Timeline, stand: Standing, watts: tuple[float, float], systems: float, period: int
) -> WorkPrice:
    """``systems`` systems (of a part its share of one) at work through a period.

    ``watts``: each above what it draws without work (``added_watts``).
    """
    a, b = timeline.edges[period], timeline.edges[period + 1]
    grid = stand.choice.region.need("carbon_kg_per_kwh")
    hours = timeline.period_years(period) * HOURS_PER_YEAR
    return _work_price(timeline, stand, period, a, b, watts[0] * systems, watts[1] * systems, hours, grid)


@dataclass(frozen=True)
class RunPrice:
    """A run's work for n starts. Lines (n,) sum to ``cost_usd`` (n,); by year (n, K) not discounted."""

    cost_usd: Floats
    lines_usd: Mapping[str, Floats]
    opex_usd: Floats
    carbon_t: Floats
    water_m3: Floats


def price_run(
    timeline: Timeline,
    stand: Standing,
    watts: tuple[float | Floats, float | Floats],
    starts: Floats,
    days: float | Floats,
    *,
    hours_per_month: float = DAYS_PER_MONTH * 24.0,
) -> RunPrice:
    """Work of ``watts`` (IT, facility; ``run_watts``) for ``days`` days from each month of ``starts`` (n,).

    ``watts`` and ``days`` are of all or of each (n,); prices are those of the time. ``hours_per_month``: a load is
    there all year, and counts the hours that a year has in every yearly line.
    """
    n = len(starts)
    stops = starts + days / DAYS_PER_MONTH
    grid = stand.choice.region.need("carbon_kg_per_kwh")
    it_kw, facility_kw = (np.array(np.broadcast_to(np.asarray(w, np.float64) / 1e3, (n,))) for w in watts)
    share = np.divide(it_kw, facility_kw, out=np.zeros(n), where=facility_kw > 0)
    per_kwh = share * stand.choice.pair.wue_l_per_kwh / 1e3
    energy, paid = np.zeros(n), np.zeros(n)
    opex, used = np.zeros((n, timeline.years)), np.zeros((n, timeline.years))
    lows = 12.0 * np.arange(timeline.years)
    for t in range(timeline.periods):
        a, b = np.maximum(starts, timeline.edges[t]), np.minimum(stops, timeline.edges[t + 1])
        inside = b > a
        if not inside.any():
            continue
        a, b = np.where(inside, a, 0.0), np.where(inside, b, 0.0)
        years = np.where(inside, (b - a) / 12, 1.0)
        kwh = facility_kw * (b - a) * hours_per_month
        level = (annuity(timeline.rate, b / 12) - annuity(timeline.rate, a / 12)) / years
        part = (
            np.clip(np.minimum(b[:, None], lows + 12.0) - np.maximum(a[:, None], lows), 0.0, None) / 12 / years[:, None]
        )
        used += kwh[:, None] * part
        if not stand.rented:
            usd, drunk = float(stand.tariff[t]), per_kwh * stand.prices.water_usd_per_m3
            energy += kwh * usd * level
            paid += kwh * drunk * level
            opex += (kwh * (usd + drunk))[:, None] * part
    lines = {name: v for name, v in (("energy", energy), ("water", paid)) if v.any()}
    return RunPrice(energy + paid, lines, opex, used * grid / 1e3, used * per_kwh[:, None])


def _work_price(
    timeline: Timeline, stand: Standing, period: int, a: float, b: float, it_w: float, facility_w: float, hours: float,
    grid: float,
) -> WorkPrice:  # fmt: skip
    """Energy and water of some watts for ``hours`` between months ``a`` and ``b`` of one period."""
    wue = stand.choice.pair.wue_l_per_kwh
    water = it_w / 1e3 * hours * wue / 1e3
    carbon = facility_w / 1e3 * hours * grid / 1e3
    if stand.rented:
        return WorkPrice(0.0, {}, 0.0, carbon, water)
    level = timeline.worth(a, b) / ((b - a) / 12)
    energy = facility_w / 1e3 * hours * float(stand.tariff[period])
    paid = water * stand.prices.water_usd_per_m3
    lines = {name: v * level for name, v in (("energy", energy), ("water", paid)) if v}
    return WorkPrice(float(sum(lines.values())), lines, energy + paid, carbon, water)


def rented_for_run(
    scenario: Scenario,
    catalog: Catalog,
    timeline: Timeline,
    stand: Standing,
    term: str,
    systems: int | NDArray[np.int64],
    starts: Floats,
    days: float | Floats,
    day_share: float = 1.0,
) -> RunPrice:
    """``systems`` systems rented for one run alone, from each month of ``starts`` (n,) for ``days`` days: rent, idling.

    A commitment is paid evenly over its whole length, also where less is used; on demand the share of each day that the
    run works is paid. ``systems`` and ``days`` are of all or of each (n,). Raises ``UnknownFigureError`` where nobody
    published the rent.
    """
    n = len(starts)
    known = known_terms(scenario, catalog)[term]
    there = day_share if known.hours == 0.0 else 1.0
    hours = np.broadcast_to(np.asarray(days, np.float64) * 24.0 * there, (n,))
    count = np.broadcast_to(np.asarray(systems, np.float64), (n,))
    usd = rent_cost(count * stand.chips, stand.choice.chip.need("rent_usd_per_h"), hours, known)
    span = np.maximum(hours / there, known.hours) / HOURS_PER_YEAR * 12
    lows = 12.0 * np.arange(timeline.years)

    def by_year(stops: Floats) -> Floats:
        """(n, K) share of the stretch from each start that falls into each year of the plan."""
        highs = np.minimum(lows + 12.0, timeline.end)
        inside = np.clip(np.minimum(stops[:, None], highs) - np.maximum(starts[:, None], lows), 0.0, None)
        return np.asarray(inside / (stops - starts)[:, None], np.float64)

    level = (annuity(timeline.rate, (starts + span) / 12) - annuity(timeline.rate, starts / 12)) / (span / 12)
    rent = np.asarray(usd * level, np.float64)
    used = by_year(starts + np.asarray(days, np.float64) / DAYS_PER_MONTH)
    grid = stand.choice.region.need("carbon_kg_per_kwh")
    made = stand.embodied_kg * np.minimum(1.0, hours / HOURS_PER_YEAR / catalog.cost("dep_chip_econ"))
    carbon = (stand.facility_base_w / 1e3 * hours * grid + made) / 1e3 * count
    water = stand.it_base_w / 1e6 * hours * stand.choice.pair.wue_l_per_kwh * count
    opex = np.asarray(usd, np.float64)[:, None] * by_year(starts + span)
    return RunPrice(rent, {"rent": rent}, opex, carbon[:, None] * used, water[:, None] * used)
