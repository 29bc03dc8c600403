"""Futures are what planning them would give; the same seed gives the same futures; promises are counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tools import load, round_scenario, run

from planner.catalog import Catalog
from planner.options.enumerate import enumerate_options
from planner.outlook import outlook
from planner.outlook.draws import Draws, quantiles, stream
from planner.outlook.futures import Futures
from planner.scenario import scenario_from_mapping
from planner.scenario.outcomes import Outcomes, Spread
from planner.scenario.types import Scenario

pytestmark = pytest.mark.usefixtures("in_process")
BOTH = {"systems": ["plain_8", "big_8"]}
CERTAIN: dict[str, Any] = {"time_factor": {"plain_8": 1, "big_8": 1}, "failure_factor": 1}


def test_quantiles_are_met_and_draws_are_even() -> None:
    spread = Spread(p10=0.0, p50=2.0, p90=6.0)
    assert quantiles(spread, np.array([0.1, 0.5, 0.9])).tolist() == [0.0, 2.0, 6.0]
    u = stream(3, "slip x", 1000)
    assert np.all(np.histogram(u, bins=1000, range=(0, 1))[0] == 1)
    assert np.array_equal(u, stream(3, "slip x", 1000))
    assert not np.array_equal(u, stream(3, "slip y", 1000))
    drawn = quantiles(spread, u)
    assert [float(np.mean(drawn <= x)) for x in (0.0, 2.0, 6.0)] == pytest.approx([0.1, 0.5, 0.9], abs=0.002)
    assert quantiles(Spread(values=(5.0,)), u).tolist() == [5.0] * 1000


@pytest.mark.parametrize(
    "data", [{"p10": 1}, {"p10": 3, "p50": 2, "p90": 4}, {}, {"p10": 1, "p50": 1, "p90": 1, "values": [1]}]
)
def test_what_is_no_distribution(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"distribution|order"):
        Spread.model_validate(data)


@pytest.mark.parametrize("work", [run(tokens=1e12, mfu=0.5), load(1700, disaggregated="never")])
def test_a_future_costs_what_pricing_it_from_scratch_costs(work: dict[str, Any], round_catalog: Catalog) -> None:
    """Price x 1.3, tariff x 1.2, runs x 1.25 long: the same options priced with those figures."""
    outcomes = {
        "samples": 50, "price_factor": {"plain_8": 1.3}, "tariff_factor": {"here": 1.2}, "failure_factor": 1,
        "time_factor": {"plain_8": 1.25 if work["kind"] == "training" else 1.0},
    }  # fmt: skip
    hardware = {"systems": ["plain_8"], "power_caps": [1.0, 0.8]}
    fields = {"finance": {"discount_rate": 0.1}, "outcomes": outcomes, "hardware": hardware}
    scenario = round_scenario(work, **fields)
    options = enumerate_options(scenario, round_catalog).options
    futures = Futures(scenario, round_catalog, Draws(scenario, round_catalog, scenario.outcomes or Outcomes()))
    other = dict(work) | ({"mfu": 0.4} if work["kind"] == "training" else {})
    changed = round_scenario(other, site={"tariff_usd_per_kwh": 0.12}, **fields)
    known = round_catalog.with_assumptions({"systems": {"plain_8": {"price_usd": 130_000}}})
    again = {o.id: o for o in enumerate_options(changed, known).options}
    both = [(o, f) for o, f in zip(options, futures.of(options), strict=True) if o.id in again]
    assert {o.power_cap for o, _ in both} == {1.0, 0.8}
    for o, future in both:
        assert future.cost_usd == pytest.approx(np.full(50, again[o.id].cost_usd), rel=1e-6)
        assert future.cost_usd[0] > o.cost_usd * 1.05
        if o.role == "train":
            assert future.finish_days == pytest.approx(np.full(50, again[o.id].finish_days), rel=1e-9)


def waiting(**outcomes: Any) -> Scenario:
    """Plain servers now, or big ones from April, which are announced."""
    big = {"status": "announced", "available_from": "2027-04"}
    return round_scenario(
        run(tokens=3e13, mfu=0.5, finish_within_days=400),
        hardware=BOTH, periods=["2026-10", "2027-04"],
        assume={"systems": {"big_8": {"price_usd": 60_000, "available_from": "2027-04"}}, "chips": {"big_chip": big}},
        outcomes={"samples": 200, **outcomes},
    )  # fmt: skip


def test_promises_are_counted(round_catalog: Catalog) -> None:
    """Big servers are cheap; in one of four futures they slip by a year: then the date is missed."""
    scenario = waiting(**CERTAIN, slip_quarters={"big_8": {"values": [0, 0, 0, 4]}}, confidence=0.9)
    found = outlook(scenario, catalog=round_catalog)
    first, safe = found.plans[0], next(p for p in found.plans if p.holds)
    assert {x.system for x in first.pieces} == {"big_8"}
    assert first.promises[0].probability == pytest.approx(0.75)
    assert first.missed_in_vain == pytest.approx(0.25)
    assert not first.holds
    assert {x.system for x in safe.pieces} == {"plain_8"}
    assert safe.promises[0].probability == 1.0
    assert safe.expected_cost_usd > first.expected_cost_usd
    assert first.cost_at_risk_usd >= first.expected_cost_usd * (1 - 1e-9)
    (slip,) = found.slips
    assert slip.system == "big_8"
    assert slip.changes_at_months is not None
    assert slip.probability == pytest.approx(0.25)
    for months, kept in ((slip.changes_at_months - 1, True), (slip.changes_at_months, False)):
        assert (decided(scenario, months, round_catalog) == {"big_8"}) == kept


def test_what_a_date_lacks_is_rented_by_a_plan_that_buys(round_catalog: Catalog) -> None:
    """``late: rent`` where the plan itself may only buy: what is missing is rented, and paid for."""
    slow = {"samples": 100, "failure_factor": 1, "time_factor": {"plain_8": {"values": [1, 1.5]}}}
    question = run(tokens=1e12, mfu=0.5, finish_within_days=40)

    def first(**more: Any) -> Any:
        scenario = round_scenario(question, hardware={"systems": ["plain_8"]}, outcomes=slow | more)
        return outlook(scenario, catalog=round_catalog).plans[0]

    waits, rents = first(), first(late="rent")
    assert waits.promises[0].probability == pytest.approx(0.5)
    assert rents.promises[0].probability == 1.0
    assert rents.expected_cost_usd > waits.expected_cost_usd


def test_the_chance_of_all_promises_together(round_catalog: Catalog) -> None:
    """Three runs that each are late in half of the futures, by luck of their own: all in time in an eighth of them."""
    runs = [run(f"r{i}", tokens=1e12, mfu=0.5, finish_within_days=40) for i in range(3)]
    slow = {"samples": 2000, "failure_factor": 1, "time_factor": {"plain_8": {"values": [1, 1.5]}}}
    found = outlook(round_scenario(*runs, hardware={"systems": ["plain_8"]}, outcomes=slow), catalog=round_catalog)
    plan = found.plans[0]
    assert [p.probability for p in plan.promises] == pytest.approx([0.5] * 3, abs=0.01)
    assert plan.all_kept == pytest.approx(0.125, abs=0.03)
    assert f"all of it together with probability {plan.all_kept:.1%}" in found.answer


def decided(scenario: Scenario, months: int, catalog: Catalog) -> set[str]:
    """What planning from scratch buys when the big servers are announced so many months later."""
    from planner import plan
    from planner.scenario.base import month_index, month_name

    later = month_name(month_index("2027-04") + months)
    data = scenario.model_dump(mode="json", exclude_none=True)
    data["assume"]["chips"]["big_chip"]["available_from"] = later
    data["assume"]["systems"]["big_8"]["available_from"] = later
    data["hardware"]["deliverable_by"] = later
    return {d.system for d in plan(scenario_from_mapping(data), catalog=catalog).deployments}


def test_a_seed_is_a_future_byte_for_byte(round_catalog: Catalog) -> None:
    scenario = waiting(seed=7)
    a, b = (outlook(scenario, catalog=round_catalog).model_copy(update={"seconds": 0.0}).to_json() for _ in range(2))
    assert a == b
    assert outlook(waiting(seed=8), catalog=round_catalog).plans != outlook(scenario, catalog=round_catalog).plans


def test_a_load_with_uncertain_demand_gets_more_servers(round_catalog: Catalog) -> None:
    outcomes = {**CERTAIN, "samples": 200, "demand_factor": {"load": {"p10": 0.8, "p50": 1, "p90": 1.5}}}
    found = outlook(round_scenario(load(1700, disaggregated="never"), outcomes=outcomes), catalog=round_catalog)
    first, safe = found.plans[0], next(p for p in found.plans if p.holds)
    assert first.promises[0].probability < 0.9 <= safe.promises[0].probability
    assert sum(x.systems for x in safe.pieces) > sum(x.systems for x in first.pieces)
