"""Unit costs of plans: who pays what, and that together they pay all."""

from __future__ import annotations

import pytest

from planner import plan
from planner.answer.plan import Plan
from planner.catalog import load_catalog
from planner.report.unit import unit_price, unit_sheets
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving
from planner.verify.plan import verify_plan


def planned(disaggregated: str) -> tuple[Plan, Scenario]:
    scenario = Scenario.model_validate(
        {
            "name": "tokens", "start": "2026-12", "horizon_years": 3,
            "sites": [{"name": "here", "region": "us", "power_mw": 5}],
            "hardware": {"systems": ["dgx_h100"]},
            "workloads": [
                {
                    "kind": "serving", "name": "chat", "model": "Llama-3.1-8B", "precision": ["fp8"],
                    "requests_per_s": 100, "input_tokens": 2000, "output_tokens": 400, "cached_prefix": 0.5,
                    "disaggregated": disaggregated,
                }
            ],
        }
    )  # fmt: skip
    found = plan(scenario)
    assert found.verified, found.answer
    return found, scenario


@pytest.mark.parametrize("disaggregated", ["never", "always"])
def test_input_cached_and_output_tokens_pay_the_whole_cost_and_energy(disaggregated: str) -> None:
    found, scenario = planned(disaggregated)
    (load,) = scenario.workloads
    assert isinstance(load, Serving)
    assert found.totals is not None
    seconds = 3 * 8760 * 3600.0
    tokens = {
        "input": load.requests_per_s * load.input_tokens * 0.5 * seconds,
        "cached": load.requests_per_s * load.input_tokens * 0.5 * seconds,
        "output": load.requests_per_s * load.output_tokens * seconds,
    }
    units = found.totals.unit_cost_usd["chat"]
    paid = sum(units[f"million_{kind}_tokens"]["total"] * count / 1e6 for kind, count in tokens.items())
    assert paid == pytest.approx(found.totals.tco_usd, rel=1e-9)
    assert units["million_cached_tokens"]["total"] == pytest.approx(0.4 * units["million_input_tokens"]["total"])
    joules = found.totals.joules_per_token["chat"]
    watts = sum(d.power.facility_average_mw for d in found.deployments) * 1e6
    assert sum(joules[kind] * count for kind, count in tokens.items()) == pytest.approx(watts * seconds, rel=1e-9)
    # an answer token keeps a replica far longer than a token of a prompt
    assert units["million_output_tokens"]["total"] > 2 * units["million_input_tokens"]["total"]
    if disaggregated == "always":  # the pools' own costs
        prefill = sum(d.cost.total_usd for d in found.deployments if d.role == "prefill")
        weight = tokens["input"] + 0.4 * tokens["cached"]
        assert units["million_input_tokens"]["total"] == pytest.approx(prefill / weight * 1e6)
    (sheet,) = unit_sheets(found)
    shown = {row[1]: row[2] for row in sheet.rows}
    assert shown["a million answer tokens"] == unit_price(units["million_output_tokens"]["total"])


def test_a_forged_token_price_is_found() -> None:
    found, scenario = planned("never")
    assert found.totals is not None
    joules = {"chat": {k: v * 1.01 for k, v in found.totals.joules_per_token["chat"].items()}}
    forged = found.model_copy(update={"totals": found.totals.model_copy(update={"joules_per_token": joules})})
    problems = verify_plan(forged, scenario, load_catalog())
    assert any("joules_per_token" in text for text in problems)


def test_each_of_the_runs_that_come_again_pays_its_share() -> None:
    """52 runs of 2e9 tokens cost what the plan costs; experiments are paid by them, their tokens are nobody's."""
    found = plan(
        {
            "name": "weekly", "start": "2026-12", "sites": [{"name": "here", "region": "us", "power_mw": 5}],
            "hardware": {"systems": ["dgx_h100"]},
            "workloads": [
                {
                    "kind": "recurring_training", "name": "tune", "model": "llama-3.1-8b", "tokens_per_run": 2e9,
                    "runs": 52, "every_days": 7, "sequence_length": 4096, "global_batch": 256, "experiments": 0.2,
                }
            ],
        }
    )  # fmt: skip
    assert found.totals is not None
    units = found.totals.unit_cost_usd["tune"]
    assert 52 * units["run"]["total"] == pytest.approx(found.totals.tco_usd)
    assert 52 * 2e9 / 1e6 * units["million_tokens"]["total"] == pytest.approx(found.totals.tco_usd)
