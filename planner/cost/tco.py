"""What it costs to own or rent: yearly lines that add up exactly, and their present value over a horizon.

Every asset class repays its price over its own life (capital recovery factor), so a year's line is the cost of having
the asset for that year, whatever the horizon. Convention, one for the whole planner: amounts are real USD of the
start, paid at year ends; **the cost of a horizon is the present value at its start of the yearly lines**

    cost(H) = annual total x (1 - (1 + r)^-H) / r

An asset kept for exactly its life costs its price (less its residual, discounted); one kept for part of it is charged
for that part only, as if handed on at its unrecovered value. Energy, staff and rent are discounted the same way.

    IT capex     = (systems + network) / (1 - storage share - CPU node share - installation share)
    building     = build cost less its cooling part (mechanical plant, 17.5% of a build), per kW of IT peak
    cooling      = plant of the chosen cooling, per kW of IT peak
    energy       = average site kW x hours x tariff + demand charge x peak site kW x 12
    colocation   = price per kW and month of reserved IT peak; replaces building and cooling plant

The catalog's items and regions supply all prices (``asset_prices``); docs/cost.md lists them with sources.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Catalog
from planner.catalog.records import Region
from planner.cost.finance import HOURS_PER_YEAR, annual_capital, annuity, discount_rate_of
from planner.errors import InputError, Problem, unknown_name
from planner.facility.cooling import CoolingPair

Floats = float | NDArray[np.float64]
"""A number or an array of numbers; arrays of one call broadcast."""

LINES = (
    "systems",
    "network",
    "storage",
    "installation",
    "building",
    "cooling_plant",
    "energy",
    "maintenance",
    "staff",
    "software",
    "insurance_tax",
    "colocation",
    "rent",
    "water",
)
"""Lines of a cost breakdown, in the order in which they are added. ``storage`` includes CPU and management nodes."""

MECHANICAL_SHARE_OF_BUILD = 0.175
"""Cooling part of a published build cost, taken out because the cooling option brings its own: middle of 15-20%."""
STAFF_USD_PER_FTE_YEAR = 150_000.0
STAFF_USD_PER_FTE_YEAR_CN = 50_000.0
"""Middle of 120-180k USD per head (US) and 40-60k (China), as the catalog's ``opex_staff`` notes."""
WATER_USD_PER_M3 = 2.0
"""Where a region has no water price (the catalog's world figure)."""


@dataclass(frozen=True)
class AssetPrices:
    """Unit prices, shares and lives at one site with one cooling; USD, years, shares of capex. See ``asset_prices``."""

    discount_rate: float
    tariff_usd_per_kwh: float
    building_usd_per_kw: float = 0.0
    cooling_usd_per_kw: float = 0.0
    colo_usd_per_kw_month: float = 0.0
    demand_usd_per_kw_month: float = 0.0
    water_usd_per_m3: float = 0.0
    wue_l_per_kwh: float = 0.0
    storage_share: float = 0.0
    cpu_nodes_share: float = 0.0
    installation_share: float = 0.0
    maintenance_share: float = 0.0
    facility_maintenance_share: float = 0.0
    insurance_tax_share: float = 0.0
    staff_usd_per_kw_year: float = 0.0
    software_usd_per_chip_year: float = 0.0
    systems_life_years: float = 4.0
    network_life_years: float = 5.0
    cooling_life_years: float = 12.0
    building_life_years: float = 20.0
    systems_residual_share: float = 0.0
    network_residual_share: float = 0.0
    storage_residual_share: float = 0.0
    cooling_residual_share: float = 0.0
    building_residual_share: float = 0.0


@dataclass(frozen=True)
class CostInputs:
    """One design or an array of designs at one site: quantities, and the prices that apply to them.

    ``systems_usd`` and ``network_usd``: purchase prices of everything bought. ``it_peak_kw`` sizes building, cooling
    plant and colocation; ``facility_peak_kw`` a demand charge. ``it_average_kw`` drives water, ``facility_average_kw``
    energy, over ``hours`` a year. ``rent_usd_per_year``: systems rented elsewhere (``rent_cost``).
    """

    prices: AssetPrices
    systems_usd: Floats = 0.0
    network_usd: Floats = 0.0
    chips: Floats = 0.0
    it_peak_kw: Floats = 0.0
    it_average_kw: Floats = 0.0
    facility_peak_kw: Floats = 0.0
    facility_average_kw: Floats = 0.0
    hours: Floats = HOURS_PER_YEAR
    rent_usd_per_year: Floats = 0.0


@dataclass(frozen=True)
class CostBreakdown:
    """USD by line, summing exactly to ``total`` in the order of the lines; ``capex`` is what is paid up front.

    ``years`` is 1 for a year's cost, the horizon for a present value.
    """

    lines: Mapping[str, Floats]
    capex: Mapping[str, Floats] = field(default_factory=dict)
    years: float = 1.0

    @property
    def total(self) -> Floats:
        """Sum of the lines, USD."""
        return _added(self.lines)

    @property
    def capex_usd(self) -> Floats:
        """Money needed before anything runs, USD: all assets at their purchase price."""
        return _added(self.capex)

    def per_chip_hour(self, chips: Floats, availability: float = 1.0) -> Floats:
        """USD per chip-hour of a yearly breakdown; ``availability`` < 1 spreads it over the hours that count."""
        return self.total / (chips * (HOURS_PER_YEAR * availability))


@dataclass(frozen=True)
class RentTerm:
    """A commitment: its length in hours (0: none) and the discount from the on-demand rate."""

    name: str
    hours: float
    discount: float


def asset_prices(
    catalog: Catalog,
    region: Region,
    pair: CoolingPair,
    *,
    building: Literal["own", "colo"] = "own",
    discount_rate: float | None = None,
) -> AssetPrices:
    """Prices at a region for a cooling pair, from the catalog's cost items and the region's figures.

    ``building`` "colo" replaces building and cooling plant by the region's price per kW and month. ``discount_rate``
    defaults to the catalog's ``wacc``. Raises ``UnknownFigureError`` for a missing tariff, build cost or colo price.
    """
    if building not in {"own", "colo"}:
        raise unknown_name("building", building, ("own", "colo"))
    own = building == "own"
    in_china = region.id == "cn" or region.id.startswith("cn_")
    per_fte = STAFF_USD_PER_FTE_YEAR_CN if in_china else STAFF_USD_PER_FTE_YEAR
    build = region.need("build_capex_usd_per_mw") / 1e3 * (1.0 - MECHANICAL_SHARE_OF_BUILD) if own else 0.0
    water = region.get("water_usd_per_m3")
    return AssetPrices(
        discount_rate=discount_rate_of(catalog, discount_rate),
        tariff_usd_per_kwh=region.need("tariff_usd_per_kwh"),
        building_usd_per_kw=build,
        cooling_usd_per_kw=pair.capex_usd_per_kw if own else 0.0,
        colo_usd_per_kw_month=0.0 if own else region.need("colo_usd_per_kw_month"),
        demand_usd_per_kw_month=region.get("demand_charge_usd_per_kw_month") or 0.0,
        water_usd_per_m3=WATER_USD_PER_M3 if water is None else water,
        wue_l_per_kwh=pair.wue_l_per_kwh,
        storage_share=catalog.cost("share_storage"),
        cpu_nodes_share=catalog.cost("share_cpu_nodes"),
        installation_share=catalog.cost("share_install"),
        maintenance_share=catalog.cost("opex_maint"),
        facility_maintenance_share=catalog.cost("opex_facility"),
        insurance_tax_share=catalog.cost("opex_insurance_tax"),
        staff_usd_per_kw_year=catalog.cost("opex_staff") * per_fte / 1e3,
        software_usd_per_chip_year=catalog.cost("opex_software"),
        systems_life_years=catalog.cost("dep_chip_econ"),
        network_life_years=catalog.cost("dep_network"),
        cooling_life_years=catalog.cost("dep_liquid"),
        building_life_years=catalog.cost("dep_dc"),
        systems_residual_share=catalog.cost("residual_systems"),
        network_residual_share=catalog.cost("residual_network"),
        storage_residual_share=catalog.cost("residual_storage"),
        cooling_residual_share=catalog.cost("residual_cooling_plant"),
        building_residual_share=catalog.cost("residual_building"),
    )


def annual_cost(inputs: CostInputs) -> CostBreakdown:
    """Yearly cost by line, and the capital behind it, of one design or an array of designs.

    Raises ``InputError`` when the shares of storage, CPU nodes and installation leave nothing for systems.
    """
    p = inputs.prices
    extra = p.storage_share + p.cpu_nodes_share + p.installation_share
    if not 0.0 <= extra < 1.0:
        raise InputError(Problem("shares of IT capex must leave room for systems", found=f"{extra:g}", allowed="0..1"))
    systems, network = _floats(inputs.systems_usd), _floats(inputs.network_usd)
    it_peak, hours = _floats(inputs.it_peak_kw), _floats(inputs.hours)
    it_capex = (systems + network) / (1.0 - extra)
    storage = it_capex * (p.storage_share + p.cpu_nodes_share)
    installation = it_capex * p.installation_share
    building, cooling = it_peak * p.building_usd_per_kw, it_peak * p.cooling_usd_per_kw
    r = p.discount_rate
    values: dict[str, Any] = {
        "systems": annual_capital(systems, r, p.systems_life_years, systems * p.systems_residual_share),
        "network": annual_capital(network, r, p.network_life_years, network * p.network_residual_share),
        "storage": annual_capital(storage, r, p.network_life_years, storage * p.storage_residual_share),
        "installation": annual_capital(installation, r, p.systems_life_years),
        "building": annual_capital(building, r, p.building_life_years, building * p.building_residual_share),
        "cooling_plant": annual_capital(cooling, r, p.cooling_life_years, cooling * p.cooling_residual_share),
        "energy": _floats(inputs.facility_average_kw) * hours * p.tariff_usd_per_kwh
        + _floats(inputs.facility_peak_kw) * (12.0 * p.demand_usd_per_kw_month),
        "maintenance": it_capex * p.maintenance_share + (building + cooling) * p.facility_maintenance_share,
        "staff": it_peak * p.staff_usd_per_kw_year,
        "software": _floats(inputs.chips) * p.software_usd_per_chip_year,
        "insurance_tax": (it_capex + building + cooling) * p.insurance_tax_share,
        "colocation": it_peak * (12.0 * p.colo_usd_per_kw_month),
        "rent": _floats(inputs.rent_usd_per_year),
        "water": _floats(inputs.it_average_kw) * hours * (p.wue_l_per_kwh / 1e3 * p.water_usd_per_m3),
    }
    capex = {
        "systems": systems,
        "network": network,
        "storage": storage,
        "installation": installation,
        "building": building,
        "cooling_plant": cooling,
    }
    return CostBreakdown(_same_shape({name: values[name] for name in LINES}), _same_shape(capex))


def cost_over_horizon(
    breakdown: CostBreakdown, years: float, discount_rate: float, *, start_years: float = 0.0
) -> CostBreakdown:
    """Present value, at the plan's start, of a yearly breakdown paid for ``years`` years from ``start_years`` on.

    ``capex`` is carried over undiscounted: it is a budget, not a cost.
    """
    factor = float(annuity(discount_rate, years)) * (1.0 + discount_rate) ** -start_years
    return CostBreakdown({name: line * factor for name, line in breakdown.lines.items()}, breakdown.capex, years)


def rent_terms(catalog: Catalog) -> dict[str, RentTerm]:
    """The terms a rent can have: ``on_demand``, ``1y``, ``3y``, with the catalog's discounts from the listed rate."""
    return {
        "on_demand": RentTerm("on_demand", 0.0, 0.0),
        "1y": RentTerm("1y", HOURS_PER_YEAR, catalog.cost("rent_discount_12m")),
        "3y": RentTerm("3y", 3.0 * HOURS_PER_YEAR, catalog.cost("rent_discount_36m")),
    }


def rent_cost(chips: Floats, usd_per_chip_h: Floats, hours: Floats, term: RentTerm | None = None) -> Floats:
    """USD to rent ``chips`` for ``hours`` at the listed on-demand rate under a term (None: on demand).

    A commitment is paid for its whole length even when ``hours`` is shorter, and at its rate when longer.
    """
    chosen = term or RentTerm("on_demand", 0.0, 0.0)
    billed = np.maximum(_floats(hours), chosen.hours)
    found: Any = _floats(chips) * _floats(usd_per_chip_h) * (1.0 - chosen.discount) * billed
    return found[()]  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Rented:
    """Rents of designs, arrays (n,): the term that costs least at present value, what it is worth today, and what the
    first year pays."""

    terms: tuple[str, ...]
    present_usd: NDArray[np.float64]
    first_year_usd: NDArray[np.float64]
    yearly_usd: NDArray[np.float64]
    billed_years: NDArray[np.float64]
    """What each year pays for as many years as the term bills."""


def cheapest_rent(
    chips: Floats, usd_per_chip_h: float, hours: Floats, terms: Sequence[RentTerm], discount_rate: float
) -> Rented:
    """The cheapest of ``terms`` for each design, paid evenly over the hours that its term bills (``rent_cost``).

    Nothing but money depends on the term, so at present value the cheapest dominates the others. Of equals the first.
    """
    size, run = np.broadcast_arrays(np.atleast_1d(_floats(chips)), np.atleast_1d(_floats(hours)))
    billed = np.array([np.maximum(run, term.hours) / HOURS_PER_YEAR for term in terms])
    yearly = np.array([rent_cost(size, usd_per_chip_h, run, term) for term in terms]) / billed
    worth = yearly * annuity(discount_rate, billed)
    best = np.argmin(worth, axis=0)
    column = np.arange(best.size)
    first = yearly * np.minimum(billed, 1.0)
    return Rented(
        tuple(terms[i].name for i in best), worth[best, column], first[best, column], yearly[best, column],
        billed[best, column],
    )  # fmt: skip


def _floats(value: Floats) -> NDArray[np.float64]:
    return np.asarray(value, np.float64)


def _same_shape(values: Mapping[str, Any]) -> dict[str, Floats]:
    arrays = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in values.values()))
    return {name: (float(a) if a.ndim == 0 else a) for name, a in zip(values, arrays, strict=True)}


def _added(values: Mapping[str, Floats]) -> Floats:
    total: Floats = 0.0
    for value in values.values():
        total = total + value
    return total
