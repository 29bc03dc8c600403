"""Fleets over time, asked about: prices and tariffs move what they cost exactly, times what they need."""

from __future__ import annotations

from typing import Any

import pytest
from tools import load, round_scenario, run

from planner import plan
from planner.catalog import Catalog
from planner.outlook import outlook, sensitivity
from planner.scenario.types import Scenario

pytestmark = pytest.mark.usefixtures("in_process")


def fleet(usd: float = 100_000, **fields: Any) -> Scenario:
    """A run and a growing load on one fleet of servers whose price is assumed."""
    works = (run(tokens=1e11, finish_within_days=300), load(900, disaggregated="never", growth_per_year=0.5))
    assume = {"systems": {"plain_8": {"price_usd": usd}}}
    over = {
        "fleet": {"shared": True}, "horizon_years": 2, "periods": ["2026-10", "2027-10"], "assume": assume,
        "hardware": {"systems": ["plain_8"]}, "solve": {"simplify": 0, "answers": "none"},
    }  # fmt: skip
    return round_scenario(*works, **(over | fields))


def test_the_ends_of_a_bar_are_plans(round_catalog: Catalog) -> None:
    found = sensitivity(fleet(), catalog=round_catalog)
    (price,) = [m for m in found.inputs if m.path == "systems.plain_8.price_usd"]
    assert (price.tag, price.low, price.high) == ("assumption", 0.75, 1.25)
    assert found.value == pytest.approx(plan(fleet(), catalog=round_catalog).objective.value or 0.0, rel=1e-6)
    for usd, value in ((75_000, price.value_low), (125_000, price.value_high)):
        assert value == pytest.approx(plan(fleet(usd), catalog=round_catalog).objective.value or 0.0, rel=1e-5)
    (time,) = [m for m in found.inputs if m.path == "time on plain_8"]
    assert time.value_low is not None
    assert time.value_low <= found.value * (1 + 1e-6)
    assert time.value_high is None or time.value_high >= found.value * (1 - 1e-6)


def test_futures_of_a_fleet_move_its_cost_with_prices(round_catalog: Catalog) -> None:
    certain = {"failure_factor": 1, "samples": 100, "confidence": 0.8}
    prices = {"price_factor": {"plain_8": {"values": [0.8, 1.0, 1.2]}}, "tariff_factor": {"here": 1.0}}
    found = outlook(fleet(outcomes=certain | prices), catalog=round_catalog)
    (held,) = found.plans
    planned = plan(fleet(outcomes=certain), catalog=round_catalog)
    cost = planned.objective.values["cost"]
    assert held.expected_cost_usd == pytest.approx(cost, rel=0.01)
    assert held.cost_at_risk_usd > 1.05 * held.expected_cost_usd
    assert planned.chance is not None
    assert {p.workload: p.probability for p in held.promises} == pytest.approx(
        {p.workload: p.chance for p in planned.chance.promises},
        abs=1 / 100,  # of so many samples
    )
