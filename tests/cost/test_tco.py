"""Cost of ownership and rent against published totals; exact sums; relations."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.catalog import load_catalog
from planner.cost.finance import HOURS_PER_YEAR
from planner.cost.tco import (
    LINES,
    AssetPrices,
    CostInputs,
    annual_cost,
    asset_prices,
    cost_over_horizon,
    rent_cost,
    rent_terms,
)
from planner.errors import InputError
from planner.facility.cooling import cooling_pair
from planner.facility.power import system_power
from planner.network.bill_of_materials import fat_tree, optics_2024

CATALOG = load_catalog()
H100, HGX = CATALOG.chip("h100_sxm"), CATALOG.system("dgx_h100")


def prices_at(region: str = "us", cooling: str = "air_inrow", building: str = "own") -> AssetPrices:
    pair = cooling_pair(CATALOG, CATALOG.system("hgx_h100_oem"), H100, cooling, CATALOG.region(region))
    return asset_prices(CATALOG, CATALOG.region(region), pair, building=building)  # type: ignore[arg-type]


def test_h100_per_hour() -> None:
    """E1: 31,250 USD a GPU at 10% over 5 years, colocation of 1.3 kW at 150 USD, 0.10 USD of power: 1.31 USD/h."""
    prices = AssetPrices(0.10, tariff_usd_per_kwh=0.077, colo_usd_per_kw_month=150.0, systems_life_years=5.0)
    cost = annual_cost(CostInputs(prices, systems_usd=31_250.0, it_peak_kw=1.3, facility_average_kw=1.3))
    hourly = float(cost.per_chip_hour(1.0))
    assert hourly == pytest.approx(1.31, abs=0.01)
    assert 1.30 <= hourly <= 1.45
    assert float(cost.lines["systems"]) / HOURS_PER_YEAR == pytest.approx(0.94, abs=0.005)
    assert float(cost.lines["colocation"]) / HOURS_PER_YEAR == pytest.approx(0.27, abs=0.005)


def test_gb300_per_hour() -> None:
    """E1: 54,000 USD a GPU at 13% over 4 years, 2 kW in colocation, 0.16 USD of power: 2.65 USD/h."""
    prices = AssetPrices(0.13, tariff_usd_per_kwh=0.08, colo_usd_per_kw_month=150.0, systems_life_years=4.0)
    cost = annual_cost(CostInputs(prices, systems_usd=54_000.0, it_peak_kw=2.0, facility_average_kw=2.0))
    hourly = float(cost.per_chip_hour(1.0))
    assert hourly == pytest.approx(2.65, abs=0.01)
    assert 2.5 <= hourly <= 2.8


def test_deepseek_serving_day() -> None:
    """E2: 226.75 nodes of 8 chips at 2 USD an hour for a day."""
    assert rent_cost(226.75 * 8, 2.0, 24.0) == 87_072.0


def test_llama_and_deepseek_training_rent() -> None:
    """2.788 million H800-hours at 2 USD: 5.576 million USD."""
    assert rent_cost(2048, 2.0, 2.788e6 / 2048) == pytest.approx(5.576e6, rel=1e-12)


def test_epoch_shares_of_a_frontier_run() -> None:
    """E3: interconnect 9-13% and energy 2-6% of a run's cost, of which R&D staff is 29-49% (arXiv:2405.21015).

    A 16,384 H100 three-tier cluster at 2024 prices; hardware at its loss of worth, so that all of it falls alike.
    """
    nodes, chips = 2048, 16_384
    bill = fat_tree(chips, 400.0, catalog=CATALOG, optics=optics_2024(CATALOG))
    pair = cooling_pair(CATALOG, HGX, H100, "air_inrow", CATALOG.region("us"))
    power = system_power(CATALOG, HGX, H100, pair, activity=0.9, network_w_per_chip=float(bill.power_w) / chips)
    flat = AssetPrices(0.10, tariff_usd_per_kwh=CATALOG.region("us").need("tariff_usd_per_kwh"), network_life_years=4.0)
    cost = annual_cost(
        CostInputs(
            flat,
            systems_usd=nodes * HGX.need("price_usd"),
            network_usd=float(bill.price_usd),
            facility_average_kw=nodes * float(power.facility_average_w) / 1e3,
        )
    )
    with_staff = float(cost.total) / (1.0 - 0.29)
    assert 0.09 <= float(cost.lines["network"]) / with_staff <= 0.13
    assert 0.02 <= float(cost.lines["energy"]) / with_staff <= 0.06


def test_all_in_h100_price() -> None:
    """Server, network, storage and installation of an H100 cluster: 46-52 thousand USD a chip (2024 sheet)."""
    network = float(fat_tree(2048, 400.0, catalog=CATALOG, optics=optics_2024(CATALOG)).price_usd) / 2048
    cost = annual_cost(CostInputs(prices_at(), systems_usd=HGX.need("price_usd") / 8, network_usd=network))
    figure = CATALOG.costs["allin_h100"].figure("value")
    assert figure is not None
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low <= float(cost.capex_usd) <= figure.high


def test_own_h100_lands_on_the_published_all_in_hour() -> None:
    """The whole model, catalog prices and all: published all-in H100 costs are 1.30 (hyperscaler) to 1.69 (neocloud)
    USD/h with colocation; maintenance, storage, installation, software and insurance included here lift it above."""
    pair = cooling_pair(CATALOG, HGX, H100, "air_inrow", CATALOG.region("us"))
    power = system_power(CATALOG, HGX, H100, pair, activity=0.9, network_w_per_chip=70.0)
    network = float(fat_tree(2048, 400.0, catalog=CATALOG).price_usd) / 256
    inputs = CostInputs(
        prices_at(),
        systems_usd=HGX.need("price_usd"),
        network_usd=network,
        chips=8.0,
        it_peak_kw=float(power.it_peak_w) / 1e3,
        it_average_kw=float(power.it_average_w) / 1e3,
        facility_peak_kw=float(power.facility_peak_w) / 1e3,
        facility_average_kw=float(power.facility_average_w) / 1e3,
    )
    hourly = float(annual_cost(inputs).per_chip_hour(8.0))
    assert 1.69 <= hourly <= 3.0
    assert hourly < H100.need("rent_usd_per_h")


amount = st.floats(0, 1e9)


@settings(max_examples=80, deadline=None)
@given(amount, amount, st.floats(0, 1e5), st.floats(0, 1e5), st.floats(0, 1e8), st.sampled_from(["own", "colo"]))
def test_lines_sum_exactly(systems: float, network: float, kw: float, chips: float, rent: float, building: str) -> None:
    inputs = CostInputs(
        prices_at(building=building), systems, network, chips, kw, kw * 0.9, kw * 1.4, kw * 1.2, 8760.0, rent
    )
    cost = annual_cost(inputs)
    assert tuple(cost.lines) == LINES
    total = 0.0
    for line in cost.lines.values():
        assert float(line) >= 0.0
        total += float(line)
    assert total == cost.total
    later = cost_over_horizon(cost, 4.0, 0.1)
    assert sum(float(v) for v in later.lines.values()) == later.total
    assert later.capex_usd == cost.capex_usd


def test_colocation_replaces_the_building() -> None:
    own, colo = (annual_cost(CostInputs(prices_at(building=b), it_peak_kw=1000.0)) for b in ("own", "colo"))
    assert own.lines["colocation"] == colo.lines["building"] == colo.lines["cooling_plant"] == 0.0
    expected = 1000.0 * 12 * CATALOG.region("us").need("colo_usd_per_kw_month")
    assert float(colo.lines["colocation"]) == pytest.approx(expected)
    assert own.capex_usd > 0.0
    assert colo.capex_usd == 0.0


def test_horizon_of_a_life_is_the_price() -> None:
    prices = AssetPrices(0.12, tariff_usd_per_kwh=0.0, systems_life_years=4.0)
    cost = annual_cost(CostInputs(prices, systems_usd=1e6))
    assert float(cost_over_horizon(cost, 4.0, 0.12).total) == pytest.approx(1e6, rel=1e-12)
    assert float(cost_over_horizon(cost, 2.0, 0.12).total) < 1e6
    early, late = cost_over_horizon(cost, 1.0, 0.12), cost_over_horizon(cost, 1.0, 0.12, start_years=1.0)
    both = cost_over_horizon(cost, 2.0, 0.12)
    assert float(early.total + late.total) == pytest.approx(float(both.total), rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 0.3), st.floats(0.01, 0.3), st.floats(0.01, 0.2), st.floats(0.01, 0.2))
def test_dearer_money_and_power_cost_more(r1: float, r2: float, t1: float, t2: float) -> None:
    base = prices_at()
    low = replace(base, discount_rate=min(r1, r2), tariff_usd_per_kwh=min(t1, t2))
    high = replace(base, discount_rate=max(r1, r2), tariff_usd_per_kwh=max(t1, t2))
    figures = {"systems_usd": 1e6, "it_peak_kw": 30.0, "facility_average_kw": 35.0}
    assert annual_cost(CostInputs(low, **figures)).total <= annual_cost(CostInputs(high, **figures)).total


def test_arrays_agree_with_scalars() -> None:
    prices = prices_at()
    many = annual_cost(
        CostInputs(prices, systems_usd=np.array([1e6, 2e6]), network_usd=1e5, it_peak_kw=np.array([30.0, 60.0]))
    )
    one = annual_cost(CostInputs(prices, systems_usd=2e6, network_usd=1e5, it_peak_kw=60.0))
    assert np.asarray(many.total)[1] == one.total
    assert np.asarray(many.capex_usd)[1] == one.capex_usd
    assert all(np.shape(line) == (2,) for line in many.lines.values())


def test_rent_terms() -> None:
    terms = rent_terms(CATALOG)
    assert list(terms) == ["on_demand", "1y", "3y"]
    assert 0.0 == terms["on_demand"].discount < terms["1y"].discount < terms["3y"].discount < 1.0
    year = rent_cost(8.0, 3.0, HOURS_PER_YEAR, terms["1y"])
    assert year == pytest.approx(8 * 3.0 * HOURS_PER_YEAR * (1 - CATALOG.cost("rent_discount_12m")))
    assert rent_cost(8.0, 3.0, 100.0, terms["1y"]) == year
    assert rent_cost(8.0, 3.0, 2 * HOURS_PER_YEAR, terms["1y"]) == pytest.approx(2 * year)


def test_china_pays_its_own_staff_and_bad_inputs() -> None:
    assert prices_at("cn_west").staff_usd_per_kw_year < prices_at("us").staff_usd_per_kw_year
    with pytest.raises(InputError, match="building"):
        prices_at(building="rented")
    with pytest.raises(InputError, match="shares"):
        annual_cost(CostInputs(AssetPrices(0.1, 0.1, storage_share=0.7, installation_share=0.4)))


def test_every_line_by_hand() -> None:
    """Prices of round numbers, zero interest: each line is a product that can be checked on paper."""
    prices = AssetPrices(
        discount_rate=0.0,
        tariff_usd_per_kwh=0.10,
        building_usd_per_kw=10_000.0,
        cooling_usd_per_kw=2_400.0,
        colo_usd_per_kw_month=100.0,
        demand_usd_per_kw_month=5.0,
        water_usd_per_m3=2.0,
        wue_l_per_kwh=1.5,
        storage_share=0.04,
        cpu_nodes_share=0.01,
        installation_share=0.05,
        maintenance_share=0.04,
        facility_maintenance_share=0.03,
        insurance_tax_share=0.01,
        staff_usd_per_kw_year=60.0,
        software_usd_per_chip_year=1_000.0,
        systems_residual_share=0.2,
    )
    cost = annual_cost(CostInputs(prices, 800_000.0, 100_000.0, 16.0, 20.0, 16.0, 30.0, 24.0, 8000.0, 7_000.0))
    it, plant = 1_000_000.0, 20.0 * 12_400.0
    by_hand = {
        "systems": 800_000.0 * 0.8 / 4,
        "network": 100_000.0 / 5,
        "storage": 0.05 * it / 5,
        "installation": 0.05 * it / 4,
        "building": 200_000.0 / 20,
        "cooling_plant": 48_000.0 / 12,
        "energy": 24.0 * 8000.0 * 0.10 + 30.0 * 12 * 5.0,
        "maintenance": 0.04 * it + 0.03 * plant,
        "staff": 1_200.0,
        "software": 16_000.0,
        "insurance_tax": 0.01 * (it + plant),
        "colocation": 20.0 * 12 * 100.0,
        "rent": 7_000.0,
        "water": 16.0 * 8000.0 * 1.5 / 1000.0 * 2.0,
    }
    assert {name: float(line) for name, line in cost.lines.items()} == pytest.approx(by_hand)
    assert float(cost.capex_usd) == pytest.approx(it + plant)


def test_prices_come_from_region_and_cooling() -> None:
    us, own, colo = CATALOG.region("us"), prices_at(), prices_at(building="colo")
    # mechanical plant is 15-20% of a build; the cooling option brings its own
    assert 0.80 <= own.building_usd_per_kw * 1e3 / us.need("build_capex_usd_per_mw") <= 0.85
    assert own.cooling_usd_per_kw == CATALOG.cooling_option("air_inrow").need("capex_usd_per_kw")
    assert colo.colo_usd_per_kw_month == us.need("colo_usd_per_kw_month")
    assert own.tariff_usd_per_kwh == us.need("tariff_usd_per_kwh")
    assert own.discount_rate == CATALOG.cost("wacc")
    assert own.systems_life_years == CATALOG.cost("dep_chip_econ")
    assert own.building_life_years == CATALOG.cost("dep_dc")
