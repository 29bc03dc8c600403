"""Every line of a cost written out by hand in its own units, so that kW for W or hours for seconds is seen.

Proves: prices of a site and lines of a year, to rounding, from round figures. Sensitivity: a factor of a thousand, of
12 or of 8760 in any line, a share left out, or an asset with another's life.
"""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest

from planner.catalog import Catalog, Figure
from planner.catalog.records import Region
from planner.cost.carbon import embodied_kg, embodied_kg_per_chip, operational_kg
from planner.cost.finance import annual_capital, annuity, depreciated_value, present_value, run_depreciation
from planner.cost.tco import (
    AssetPrices,
    CostInputs,
    RentTerm,
    annual_cost,
    asset_prices,
    cheapest_rent,
    cost_over_horizon,
    rent_cost,
    rent_terms,
)
from planner.cost.tokens import per_million_tokens
from planner.cost.unit import unit_costs
from planner.errors import InputError
from planner.facility.cooling import CoolingPair

ROUND = AssetPrices(
    discount_rate=0.0, tariff_usd_per_kwh=0.1, building_usd_per_kw=10_000.0, cooling_usd_per_kw=1200.0,
    colo_usd_per_kw_month=150.0, demand_usd_per_kw_month=10.0, water_usd_per_m3=2.0, wue_l_per_kwh=0.5,
    storage_share=0.05, cpu_nodes_share=0.05, installation_share=0.1, maintenance_share=0.03,
    facility_maintenance_share=0.02, insurance_tax_share=0.01, staff_usd_per_kw_year=100.0,
    software_usd_per_chip_year=500.0, systems_life_years=4.0, network_life_years=5.0, cooling_life_years=12.0,
    building_life_years=20.0, systems_residual_share=0.2, network_residual_share=0.1, storage_residual_share=0.1,
    cooling_residual_share=0.4, building_residual_share=0.5,
)  # fmt: skip
DESIGN = CostInputs(
    ROUND, systems_usd=700_000.0, network_usd=100_000.0, chips=16.0, it_peak_kw=20.0, it_average_kw=15.0,
    facility_peak_kw=26.0, facility_average_kw=18.0, hours=8000.0, rent_usd_per_year=4321.0,
)  # fmt: skip


def test_every_line_of_a_year() -> None:
    """At no interest an asset costs its price less what is left of it, over its life."""
    it_capex = 800_000.0 / 0.8  # storage, CPU nodes and installation are a fifth of the whole
    building, plant = 20.0 * 10_000.0, 20.0 * 1200.0
    expected = {
        "systems": 700_000.0 * 0.8 / 4.0,
        "network": 100_000.0 * 0.9 / 5.0,
        "storage": it_capex * 0.1 * 0.9 / 5.0,
        "installation": it_capex * 0.1 / 4.0,
        "building": building * 0.5 / 20.0,
        "cooling_plant": plant * 0.6 / 12.0,
        "energy": 18.0 * 8000.0 * 0.1 + 26.0 * 12 * 10.0,
        "maintenance": it_capex * 0.03 + (building + plant) * 0.02,
        "staff": 20.0 * 100.0,
        "software": 16 * 500.0,
        "insurance_tax": (it_capex + building + plant) * 0.01,
        "colocation": 20.0 * 12 * 150.0,
        "rent": 4321.0,
        "water": 15.0 * 8000.0 * 0.5 / 1000.0 * 2.0,
    }
    year = annual_cost(DESIGN)
    assert year.lines == pytest.approx(expected, rel=1e-12)
    assert year.total == pytest.approx(sum(expected.values()), rel=1e-12)
    assert year.capex == pytest.approx(
        {"systems": 7e5, "network": 1e5, "storage": 1e5, "installation": 1e5, "building": building,
         "cooling_plant": plant},
    )  # fmt: skip
    assert year.capex_usd == pytest.approx(1e6 + building + plant)
    assert year.per_chip_hour(16.0, 0.5) == pytest.approx(float(year.total) / (16.0 * 8760.0 * 0.5))
    assert year.years == 1.0


def test_nothing_is_priced_that_is_not_there() -> None:
    """Of an empty design every line is zero, at the defaults too; hours default to a year."""
    assert set(annual_cost(CostInputs(ROUND)).lines.values()) == {0.0}
    bare = AssetPrices(0.08, 0.1)
    whole = annual_cost(replace(DESIGN, prices=bare, hours=8760.0, rent_usd_per_year=0.0)).lines
    nothing = {n for n, v in whole.items() if v == 0.0}
    assert nothing == set(whole) - {"systems", "network", "energy"}
    assert CostInputs(bare).hours == 8760.0
    assert (bare.systems_life_years, bare.network_life_years, bare.cooling_life_years) == (4.0, 5.0, 12.0)
    assert bare.building_life_years == 20.0


@pytest.mark.parametrize("share", [1.0, 1.5, -0.1])
def test_shares_leave_room_for_systems(share: float) -> None:
    """Storage and the rest cannot be all of it; a little less can, and nothing can."""
    with pytest.raises(InputError):
        annual_cost(
            replace(DESIGN, prices=replace(ROUND, storage_share=share, cpu_nodes_share=0, installation_share=0))
        )
    annual_cost(replace(DESIGN, prices=replace(ROUND, storage_share=0.0, cpu_nodes_share=0, installation_share=0)))


def test_a_horizon_is_its_years_discounted() -> None:
    """Three payments at year ends, a year late."""
    year = annual_cost(DESIGN)
    whole = cost_over_horizon(year, 3.0, 0.1, start_years=1.0)
    factor = sum(1.1**-n for n in (2, 3, 4))
    assert whole.lines == pytest.approx({n: v * factor for n, v in year.lines.items()}, rel=1e-12)
    assert whole.capex == year.capex
    assert whole.years == 3.0


def pair(capex: float = 1200.0, wue: float = 0.5) -> CoolingPair:
    """A way of cooling of which only what is priced is of interest."""
    values = {f.name: 0.0 for f in fields(CoolingPair)} | {"cooling_id": "x"}
    return CoolingPair(**(values | {"capex_usd_per_kw": capex, "wue_l_per_kwh": wue}))  # type: ignore[arg-type]


def region(name: str = "zz", **figures: float) -> Region:
    """A region of round figures."""
    given = {"tariff_usd_per_kwh": 0.07, "build_capex_usd_per_mw": 12e6, "colo_usd_per_kw_month": 160.0} | figures
    return Region(name, name, figures={n: Figure(v, "", "test", "assumption") for n, v in given.items()})


def test_prices_of_a_site(shipped: Catalog) -> None:
    """USD/MW of building and heads/MW of staff become USD/kW; every share and life is its own cost item's."""
    p = asset_prices(shipped, region(demand_charge_usd_per_kw_month=7.0, water_usd_per_m3=3.0), pair())
    cost = shipped.cost
    assert p.tariff_usd_per_kwh == 0.07
    assert p.building_usd_per_kw == pytest.approx(12e6 / 1000.0 * (1 - 0.175))
    assert (p.cooling_usd_per_kw, p.wue_l_per_kwh) == (1200.0, 0.5)
    assert (p.colo_usd_per_kw_month, p.demand_usd_per_kw_month, p.water_usd_per_m3) == (0.0, 7.0, 3.0)
    assert p.staff_usd_per_kw_year == pytest.approx(cost("opex_staff") * 150_000.0 / 1000.0)
    assert p.discount_rate == cost("wacc")
    said = {
        "storage_share": "share_storage", "cpu_nodes_share": "share_cpu_nodes", "installation_share": "share_install",
        "maintenance_share": "opex_maint", "facility_maintenance_share": "opex_facility",
        "insurance_tax_share": "opex_insurance_tax", "software_usd_per_chip_year": "opex_software",
        "systems_life_years": "dep_chip_econ", "network_life_years": "dep_network", "cooling_life_years": "dep_liquid",
        "building_life_years": "dep_dc", "systems_residual_share": "residual_systems",
        "network_residual_share": "residual_network", "storage_residual_share": "residual_storage",
        "cooling_residual_share": "residual_cooling_plant", "building_residual_share": "residual_building",
    }  # fmt: skip
    assert {name: getattr(p, name) for name in said} == {name: cost(item) for name, item in said.items()}


def test_prices_where_space_is_let_and_in_china(shipped: Catalog) -> None:
    """Colocation replaces building and plant; staff of China costs a third; water has a world price; 0% is a rate."""
    let = asset_prices(shipped, region(), pair(), building="colo", discount_rate=0.0)
    assert (let.building_usd_per_kw, let.cooling_usd_per_kw, let.colo_usd_per_kw_month) == (0.0, 0.0, 160.0)
    assert (let.demand_usd_per_kw_month, let.water_usd_per_m3, let.discount_rate) == (0.0, 2.0, 0.0)
    for name in ("cn", "cn_west"):
        staff = asset_prices(shipped, region(name), pair()).staff_usd_per_kw_year
        assert staff == pytest.approx(shipped.cost("opex_staff") * 50_000.0 / 1000.0)
    assert asset_prices(shipped, region("cnx"), pair()).staff_usd_per_kw_year > staff * 2.9
    with pytest.raises(InputError):
        asset_prices(shipped, region(), pair(), building="leased")  # type: ignore[arg-type]


def test_rent_by_the_hour_and_by_the_term(shipped: Catalog) -> None:
    """A commitment is paid whole; a year has 8760 hours; the cheapest term at present value is taken."""
    terms = rent_terms(shipped)
    assert [(t.name, t.hours) for t in terms.values()] == [("on_demand", 0.0), ("1y", 8760.0), ("3y", 26_280.0)]
    assert [t.discount for t in terms.values()] == [
        0.0, shipped.cost("rent_discount_12m"), shipped.cost("rent_discount_36m"),
    ]  # fmt: skip
    year = RentTerm("1y", 8760.0, 0.25)
    assert rent_cost(8.0, 2.0, 100.0) == 1600.0
    assert rent_cost(8.0, 2.0, 100.0, year) == pytest.approx(8 * 2.0 * 0.75 * 8760.0)
    assert rent_cost(8.0, 2.0, 10_000.0, year) == pytest.approx(8 * 2.0 * 0.75 * 10_000.0)
    free = RentTerm("on_demand", 0.0, 0.0)
    found = cheapest_rent(np.array([8.0, 8.0]), 2.0, np.array([876.0, 17_520.0]), (free, year), 0.0)
    assert found.terms == ("on_demand", "1y")
    assert found.present_usd == pytest.approx([8 * 2.0 * 876.0, 8 * 2.0 * 0.75 * 17_520.0])
    assert found.first_year_usd == pytest.approx([8 * 2.0 * 876.0, 8 * 2.0 * 0.75 * 8760.0])
    again = cheapest_rent(8.0, 2.0, 17_520.0, (free, year), 0.1)
    assert again.present_usd == pytest.approx([8 * 2.0 * 0.75 * 8760.0 * (1 / 1.1 + 1 / 1.21)])


def test_money_over_time() -> None:
    """Closed forms, and what is refused: a rate of -100%, years below none, a life of none."""
    assert float(annuity(0.0, 7.0)) == 7.0
    assert float(annuity(0.1, 2.0)) == pytest.approx(1 / 1.1 + 1 / 1.21)
    assert float(annuity(0.1, 0.0)) == 0.0
    assert float(annual_capital(1000.0, 0.1, 2.0, 100.0)) == pytest.approx((1000 - 100 / 1.21) / (1 / 1.1 + 1 / 1.21))
    assert present_value([110.0, 121.0], 0.1, [1.0, 2.0]) == pytest.approx(200.0)
    assert float(depreciated_value(1000.0, 2.0, 0.5)) == pytest.approx(100.0)
    assert float(depreciated_value(1000.0, 2.15)) == pytest.approx(500.0, rel=1e-3)
    assert float(run_depreciation(1000.0, 876.0, 0.5)) == pytest.approx(1000 * 0.1 * 0.5 * math.log(10))
    for rate, years in ((-1.0, 1.0), (math.nan, 1.0), (0.1, -1.0), (0.1, math.inf)):
        with pytest.raises(InputError):
            annuity(rate, years)
    with pytest.raises(InputError):
        annual_capital(1.0, 0.1, 0.0)
    with pytest.raises(InputError):
        present_value([1.0], -1.0, [1.0])


def test_carbon_in_kilograms(shipped: Catalog) -> None:
    """kWh times kg/kWh; an H100 is the H100; twice the memory and TDP double the board alone."""
    assert float(operational_kg(1000.0, 0.4)) == pytest.approx(400.0)
    assert float(embodied_kg(250.0, 16.0, 2.0, 4.0)) == pytest.approx(2000.0)
    assert float(embodied_kg(250.0, 16.0, 9.0, 4.0)) == pytest.approx(4000.0)
    whole = shipped.cost("co2_embodied_h100")
    h100 = shipped.chip("h100_sxm")

    def kg(memory: float | None, tdp: float | None) -> float:
        given = {"mem_gb": Figure(memory, "gb", "t", "assumption"), "tdp_w": Figure(tdp, "w", "t", "assumption")}
        return embodied_kg_per_chip(shipped, h100.with_figures(given))

    assert kg(80.0, 700.0) == kg(None, None) == pytest.approx(whole)
    assert kg(160.0, 1400.0) == pytest.approx(whole + 164.0)
    assert kg(160.0, 700.0) == pytest.approx(whole + 164.0 * 0.38)
    assert kg(80.0, 1400.0) == pytest.approx(whole + 164.0 * 0.62)


def test_units_of_work() -> None:
    """A million tokens is a million; shares at both ends; nothing is divided by nothing."""
    each = per_million_tokens(
        90.0, prefill_share=2 / 3, input_tokens=40e6, cached_prefix=0.5, output_tokens=10e6, reuse_efficiency=0.5
    )
    assert each.input == pytest.approx(60.0 / 30.0)  # 20 M computed, 20 M cached at half
    assert each.cached == pytest.approx(1.0)
    assert each.output == pytest.approx(3.0)
    assert each.total(20e6, 20e6, 10e6) == pytest.approx(90.0)
    alone = {"input_tokens": 1e6, "cached_prefix": 0.0, "reuse_efficiency": 0.5}
    assert per_million_tokens(9.0, prefill_share=0.3, output_tokens=0.0, **alone).input == pytest.approx(9.0)
    silent = per_million_tokens(
        9.0, prefill_share=0.3, input_tokens=0.0, cached_prefix=0.0, output_tokens=1e6, reuse_efficiency=0.5
    )
    assert (silent.input, silent.cached, silent.output) == (0.0, 0.0, pytest.approx(9.0))
    for share in (0.0, 1.0):
        per_million_tokens(9.0, prefill_share=share, output_tokens=1e6, **alone)
    for wrong in ({"prefill_share": 1.1}, {"prefill_share": -0.1}, {"input_tokens": 0.0, "output_tokens": 0.0}):
        with pytest.raises(InputError):
            per_million_tokens(9.0, **({"prefill_share": 0.5, "output_tokens": 1e6} | alone | wrong))
    with pytest.raises(InputError):  # one of many
        per_million_tokens(9.0, prefill_share=np.array([0.5, 1.1]), output_tokens=1e6, **alone)
    lines = {"energy": 30.0, "rent": 60.0}
    assert unit_costs(lines, chip_hours=10.0, runs=0.0, million_tokens=3.0) == {
        "chip_hour": {"energy": 3.0, "rent": 6.0, "total": 9.0},
        "million_tokens": {"energy": 10.0, "rent": 20.0, "total": 30.0},
    }
