"""Reported clusters (Epoch AI, GPU Clusters, CC-BY): power and hardware cost per accelerator, the catalog's own rows.

The rows mix IT and facility power and hardware of different scope; what each is compared with is said at the case.
"""

from __future__ import annotations

import pytest

from planner.catalog import load_catalog
from planner.cost.tco import AssetPrices, CostInputs, annual_cost
from planner.facility.cooling import cooling_pair
from planner.facility.power import system_power
from planner.network.bill_of_materials import fat_tree, optics_2024

CATALOG = load_catalog()
NETWORK_W = 60.0
"""Switches and optics of two tiers, per chip."""


def within(item: str, found: float) -> bool:
    """Inside the quartiles of a row, or within 15% of its median."""
    figure = CATALOG.costs[item].figure("value")
    assert figure is not None
    assert figure.value is not None
    assert figure.low is not None
    assert figure.high is not None
    return figure.low <= found <= figure.high or abs(found / figure.value - 1.0) <= 0.15


@pytest.mark.parametrize(
    ("item", "system", "chip", "cooling", "quantity"),
    [
        ("obs_power_h100", "dgx_h100", "h100_sxm", "air_inrow", "facility_average_w"),
        ("obs_power_a100", "dgx_a100_320", "a100_40_sxm", "air_inrow", "facility_average_w"),
        # the reported GH200 machines are liquid-cooled; TDP is of the module, its processor and memory in it
        ("obs_power_gh200", "gh200_1", "gh200", "d2c_1p", "facility_average_w"),
        # liquid-cooled national machines that report what their site provides, not what they draw
        ("obs_power_mi250x", "mi250x_8", "mi250x", "d2c_1p", "facility_peak_w"),
    ],
)
def test_reported_power(item: str, system: str, chip: str, cooling: str, quantity: str) -> None:
    """Power per accelerator of reported clusters, medians and quartiles over 4 to 19 clusters."""
    record, part = CATALOG.system(system), CATALOG.chip(chip)
    pair = cooling_pair(CATALOG, record, part, cooling, CATALOG.region("us"))
    power = system_power(CATALOG, record, part, pair, activity=0.9, network_w_per_chip=NETWORK_W)
    assert within(item, float(getattr(power, quantity)) / power.chips)


@pytest.mark.parametrize(
    ("item", "system", "gbit_s"), [("obs_cost_h100", "dgx_h100", 400.0), ("obs_cost_a100", "dgx_a100_320", 200.0)]
)
def test_reported_cost(item: str, system: str, gbit_s: float) -> None:
    """Hardware cost per accelerator of reported clusters: servers, a network of 2,048 ports at 2024 prices, storage."""
    record = CATALOG.system(system)
    network = float(fat_tree(2048, gbit_s, catalog=CATALOG, optics=optics_2024(CATALOG)).price_usd) / 2048
    share = CATALOG.cost("share_storage") + CATALOG.cost("share_cpu_nodes")
    prices = AssetPrices(0.1, 0.0, storage_share=share)
    cost = annual_cost(CostInputs(prices, record.need("price_usd") / record.need("chips_total"), network))
    assert within(item, float(cost.capex_usd))


def test_a_module_holds_its_host() -> None:
    """GH200's 900 W are processor, memory and accelerator: a host scaled from an H100 server would count them twice."""
    record, module = CATALOG.system("gh200_1"), CATALOG.chip("gh200")
    pair = cooling_pair(CATALOG, record, module, "d2c_1p", CATALOG.region("us"))
    power = system_power(CATALOG, record, module, pair, activity=0.9)
    assert float(power.breakdown["host"]) == pytest.approx(100.0)
    assert module.text("tdp_scope") == "module"
