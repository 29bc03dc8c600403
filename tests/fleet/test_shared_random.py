"""Random shared fleets of round numbers: plans survive the independent check, refusals have reasons."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tools import load, round_scenario, run

from planner.catalog import Catalog
from planner.planning.plan import plan
from planner.scenario.types import Scenario

PERIODS = ("2026-10", "2027-10", "2028-10")


def random_question(seed: int) -> Scenario:
    """Loads that change, runs in a row, systems that stand, are bought, rented and sold; now and then too little."""
    dice = random.Random(seed)
    periods = PERIODS[: dice.randint(1, 3)]
    workloads: list[dict[str, Any]] = []
    if dice.random() < 0.7:
        rates = {p: dice.choice([100, 700, 1500, 3000]) for p in periods}
        more: dict[str, Any] = {"peak_to_mean": 2} if dice.random() < 0.3 else {}
        phases = dice.choice(["never", "auto", "always"])
        workloads.append(load(rates, ttft_ms=60_000, precision=["bf16"], disaggregated=phases, **more))  # type: ignore[arg-type]
    for i in range(dice.randint(0 if workloads else 1, 2)):
        fields: dict[str, Any] = {"tokens": dice.choice([1e10, 5e10, 2e11]), "mfu": 0.5, "global_batch": 512}
        fields["chips"] = {"max": 32}
        if dice.random() < 0.3:
            fields["start"] = dice.choice(periods)
        if dice.random() < 0.4:
            fields["finish_within_days"] = dice.choice([20, 200, 400])
        if i and dice.random() < 0.6:
            fields["after"] = ["run0"]
        workloads.append(run(f"run{i}", **fields))
    hardware: dict[str, Any] = {"systems": dice.choice([["plain_8"], ["plain_8", "big_8"]])}
    if dice.random() < 0.4:
        hardware["acquire"] = dice.choice([["buy", "rent"], ["rent"]])
        hardware["rent_terms"] = dice.choice([["on_demand"], ["on_demand", "1y"], ["1y", "3y"]])
    if dice.random() < 0.3:
        hardware["supply"] = {"plain_8": {PERIODS[0]: dice.choice([0, 2, 6])}}
    if dice.random() < 0.3:
        hardware["price_change_per_year"] = -0.2
    site: dict[str, Any] = {"power_mw": dice.choice([0.03, 0.1, 1])}
    if dice.random() < 0.4:
        site["installed"] = [{"system": "plain_8", "count": dice.randint(1, 4), "since": "2025-01"}]
    if dice.random() < 0.3:
        site["tariff_path"] = {p: dice.choice([0.05, 0.1, 0.3]) for p in periods}
    if dice.random() < 0.3:
        site["racks"] = dice.randint(1, 3)
    limits: dict[str, Any] = {}
    for name, values in (
        ("capex_usd_per_year", [2e5, 1e6]), ("opex_usd_per_year", [3e4, 1e5]), ("carbon_t_per_year", [100, 400]),
        ("chips", [16, 64]), ("power_mw", [0.05, 0.2]), ("cost_usd", [3e5, 2e6]),
    ):  # fmt: skip
        if dice.random() < 0.15:
            limits[name] = dice.choice(values)
    fleet = {"shared": True, "keep": dice.choice(["horizon", "years", "periods"]), "slot_months": dice.choice([1, 3])}
    finance = {"discount_rate": dice.choice([0, 0.1])}
    return round_scenario(*workloads, periods=list(periods), hardware=hardware, site=site, limits=limits, fleet=fleet,
                          finance=finance, objective=[dice.choice(["cost", "cost", "carbon", "power"])])  # fmt: skip


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("seed", [1, 8, 13, 36, 41, 45, 55])
def test_plans_survive_the_check_and_refusals_have_reasons(seed: int, round_catalog: Catalog) -> None:
    """``plan`` raises where its check finds anything; what is impossible names what conflicts."""
    found = plan(random_question(seed), catalog=round_catalog)
    if found.has_plan:
        assert found.verified
        assert found.fleet is not None
        assert found.schedule is not None
        assert all(r.start_day <= r.counted_from_day + 1e-6 for r in found.schedule.runs)
        return
    assert found.status == "infeasible"
    assert found.conflicts
    assert found.conflicts[0].limits


def test_both_happen(round_catalog: Catalog) -> None:
    """Said of questions, not of answers: with limits and without, with loads and with runs."""
    questions = [random_question(seed) for seed in range(30)]
    kinds = {w.kind for q in questions for w in q.workloads}
    assert kinds == {"serving", "training"}
    assert any(q.limits.chips for q in questions)
    assert any("rent" in q.hardware.acquire for q in questions)
