"""Work by a date in plans over time and shared fleets: runs of units side by side, against paper, against the plan of
one decision, and against tampering."""

from __future__ import annotations

import math
from typing import Any

import pytest
from tools import load, round_scenario, run

from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.planning.plan import plan
from planner.scenario.kinds import Batch
from planner.scenario.types import Scenario
from planner.verify.plan import verify_plan


def batch(**more: Any) -> dict[str, Any]:
    asked = {"kind": "batch", "name": "embed", "model": "llama-3.1-8b", "precision": ["bf16"], "parallelism": {"tp": 1},
             "requests": 1e9, "input_tokens": 100, "output_tokens": 100, "finish_within_days": 60}  # fmt: skip
    return asked | more


def over_time(*work: dict[str, Any], **fields: Any) -> Scenario:
    return round_scenario(*work, fleet={"shared": True}, **fields)


RENT = {"systems": ["plain_8"], "acquire": ["rent"]}


@pytest.mark.parametrize("hours", [24.0, 6.0])
def test_rented_it_costs_what_it_costs_by_itself(hours: float, round_catalog: Catalog) -> None:
    """The same hours of the same systems, however many run side by side; half of them by hand."""
    asked = batch(hours_per_day=hours)
    own = plan(round_scenario(asked, hardware=RENT), catalog=round_catalog)
    shared = plan(over_time(asked, hardware=RENT), catalog=round_catalog)
    assert shared.status == own.status == "proven_optimal"
    assert shared.verified
    assert own.totals is not None
    assert shared.totals is not None
    # a unit by itself works in so many thousandths of its window, rounded up
    assert shared.totals.tco_usd == pytest.approx(own.totals.tco_usd, rel=5e-3)
    assert shared.schedule is not None
    (r,) = shared.schedule.runs
    rate = r.predicted.requests_per_s or 0.0
    assert r.end_day - r.start_day == pytest.approx(1e9 / (rate * 3600 * hours))
    assert r.end_day <= 60 * (1 + 1e-6)
    assert shared.totals.tco_usd == pytest.approx(8 * r.systems * 1e9 / rate / 3600)  # a dollar a chip-hour
    assert shared.totals.usd_per_m_tokens["embed"] == pytest.approx(shared.totals.tco_usd / (1e9 * 200 / 1e6))


def test_it_waits_for_what_a_run_leaves(round_catalog: Catalog) -> None:
    """One box does both, one after the other: the run by its date first."""
    training = run("tune", tokens=1e11, mfu=0.5, chips=8, finish_within_days=20)
    found = plan(over_time(training, batch(), horizon_years=1), catalog=round_catalog)
    assert found.status == "proven_optimal"
    assert found.totals is not None
    assert found.totals.systems == 1
    assert found.schedule is not None
    first, then = found.schedule.runs
    assert (first.workload, then.workload) == ("tune", "embed")
    assert then.start_day >= first.end_day - 1e-3


def test_it_has_the_nights_of_a_load(round_catalog: Catalog) -> None:
    """No more than `hours_per_day`, in hours that the load leaves: no system more, and nothing lost at its stops."""
    users = [{"name": "here", "share": 1.0, "utc_offset": 0, "day_share": 0.9}]
    chat = load(0.0, "chat", precision=["bf16"], ttft_ms=60_000) | {"kind": "daily"}
    chat |= {"requests_per_day": 1e8, "users": users}
    del chat["requests_per_s"]
    # as long as a whole night's work on what is free, and too short for one box alone
    asked = batch(requests=6e9, hours_per_day=10, finish_within_days=90)
    found = plan(over_time(chat, asked, horizon_years=1), catalog=round_catalog)
    alone = plan(over_time(chat, horizon_years=1), catalog=round_catalog)
    assert found.verified
    assert found.totals is not None
    assert alone.totals is not None
    assert found.schedule is not None
    assert found.totals.systems == alone.totals.systems
    (r,) = found.schedule.runs
    assert r.hours == tuple(h for h in range(24) if not 9 <= h < 18)
    assert r.stop_s == 0
    days = 6e9 / ((r.predicted.requests_per_s or 0.0) * 3600 * 10)
    assert r.end_day - r.start_day == math.ceil(days)


def test_what_is_changed_is_found_out(round_catalog: Catalog) -> None:
    scenario = over_time(batch(), horizon_years=1)
    found = plan(scenario, catalog=round_catalog)
    again = Plan.from_json(found.to_json())
    assert verify_plan(again, scenario, round_catalog) == []
    assert again.schedule is not None
    (r,) = again.schedule.runs
    for change in ({"units": r.units + 1}, {"units": 0}, {"systems": r.systems + 1}, {"end_day": r.end_day - 1}):
        told = again.schedule.model_copy(update={"runs": (r.model_copy(update=change),)})
        assert verify_plan(again.model_copy(update={"schedule": told}), scenario, round_catalog), change


def test_a_date_too_near_is_said(round_catalog: Catalog) -> None:
    """A site of one box: the plan says which date, or how much power, would do."""
    found = plan(over_time(batch(requests=1e11), site={"power_mw": 0.013}, horizon_years=1), catalog=round_catalog)
    assert found.status == "infeasible"
    assert found.conflicts or found.nearest


def test_only_over_time_is_it_a_run() -> None:
    for shared in (False, True):
        (w,) = round_scenario(batch(), fleet={"shared": shared}).workloads
        assert isinstance(w, Batch)
        assert w.runs_once is shared
