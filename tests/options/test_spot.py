"""Runs on spot: cheaper by the hour and longer by what interruptions take, against a simulation of both."""

from __future__ import annotations

import random

import pytest

from planner import load_catalog, plan
from planner.errors import InputError
from planner.facility.reliability import default_profile, mean_training_time, spot_training_time
from planner.scenario import load_text
from planner.verify.plan import verify_plan

CATALOG = load_catalog()
TEXT = """
name: spot
start: 2026-10
horizon_years: 1
sites: [{name: a, region: us_va, power_mw: 0.1}]
hardware:
  systems: [hgx_h100_oem]
  acquire: [rent]
  rent_terms: [on_demand, spot]
  spot: {price_share: 0.4, interruptions_per_day: 3, back_after_s: 900, notice_s: 0}
workloads:
- {kind: training, name: run, model: llama-3.1-8b, tokens: 2e10, sequence_length: 8192, global_batch: 128,
   chips: 64, finish_within_days: 60, framework: mcore}
"""
PROFILE = default_profile(CATALOG)


@pytest.mark.parametrize(("per_day", "notice"), [(3.0, 0.0), (24.0, 0.0), (24.0, 1e4)])
def test_effective_time_against_a_simulation(per_day: float, notice: float) -> None:
    """A run of many days, interrupted at random moments of its own time, waiting and restarting each time."""
    chips, parameters, back = 64.0, 8e9, 900.0
    share = spot_training_time(
        chips, parameters, PROFILE, interruptions_per_day=per_day, back_after_s=back, notice_s=notice
    )
    write, restart = PROFILE.write_s.value, PROFILE.restart_s.value
    rng = random.Random(1)
    rate, interval = per_day / 86400, 1800.0
    best = 0.0
    for interval in (120.0, 300.0, 600.0, 1200.0, 2400.0, 4800.0):
        worked = wall = 0.0
        while worked < 3e7:
            until = rng.expovariate(rate)
            steps = until // (interval + write)
            saved = until * interval / (interval + write) if notice >= write else steps * interval
            worked += saved
            wall += until + back + restart + (write if notice >= write else 0.0)
        best = max(best, worked / wall)
    base = mean_training_time(chips, parameters, PROFILE)
    # the simulation has no failures of its own
    assert share / base == pytest.approx(best, abs=0.04 if per_day < 10 else 0.09)
    assert share < base


def test_spot_is_cheaper_and_takes_longer() -> None:
    both = plan(load_text(TEXT), catalog=CATALOG)
    alone = plan(load_text(TEXT.replace("[on_demand, spot]", "[on_demand]")), catalog=CATALOG)
    (a,), (b,) = both.deployments, alone.deployments
    assert (a.rent_term, b.rent_term) == ("spot", "on_demand")
    longer = (a.predicted.days or 0) / (b.predicted.days or 1)
    assert 1.03 < longer < 1.2
    assert a.cost.total_usd / b.cost.total_usd == pytest.approx(0.4 * longer, rel=0.01)
    assert any("3 interruptions a day" in note for note in both.notes)
    assert verify_plan(both, load_text(TEXT), CATALOG) == []
    cheat = a.model_copy(update={"predicted": a.predicted.model_copy(update={"days": b.predicted.days})})
    assert verify_plan(both.model_copy(update={"deployments": (cheat,)}), load_text(TEXT), CATALOG)


def test_spot_in_a_fleet_over_time() -> None:
    """The same term and days as alone; a plan that says the days of what is never taken away is caught."""
    scenario = load_text(TEXT + "fleet: {shared: true}\n")
    (alone,) = plan(load_text(TEXT), catalog=CATALOG).deployments
    shared = plan(scenario, catalog=CATALOG)
    assert shared.fleet is not None
    assert shared.schedule is not None
    (lot,), (run,) = shared.fleet.lots, shared.schedule.runs
    assert lot.rent_term == "spot"
    assert lot.rented_days == pytest.approx(alone.predicted.days)
    assert run.predicted.days == pytest.approx(alone.predicted.days)
    assert shared.totals.tco_usd <= alone.cost.total_usd * (1 + 1e-9)
    assert verify_plan(shared, scenario, CATALOG) == []
    on_demand = shared.fleet.model_copy(update={"lots": (lot.model_copy(update={"rent_term": "on_demand"}),)})
    assert verify_plan(shared.model_copy(update={"fleet": on_demand}), scenario, CATALOG)


def test_where_it_is_taken_away_too_often_it_is_left() -> None:
    found = plan(load_text(TEXT.replace("per_day: 3", "per_day: 90")), catalog=CATALOG)
    assert [d.rent_term for d in found.deployments] == ["on_demand"]


def test_a_load_is_not_put_on_spot() -> None:
    load = TEXT.split("workloads:", maxsplit=1)[0] + (
        "workloads: [{kind: serving, name: s, model: llama-3.1-8b, input_tokens: 500, output_tokens: 100,"
        " requests_per_s: 1}]\n"
    )
    found = plan(load_text(load), catalog=CATALOG)
    assert [d.rent_term for d in found.deployments] == ["on_demand"]
    assert any("may be taken away" in x.reason for x in found.left_out)


def test_spot_without_its_price_is_refused() -> None:
    with pytest.raises(InputError, match="names spot, of which nothing is said"):
        load_text(
            TEXT.replace("  spot: {price_share: 0.4, interruptions_per_day: 3, back_after_s: 900, notice_s: 0}\n", "")
        )
