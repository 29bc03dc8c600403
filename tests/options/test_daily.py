"""Serving by the hour: the day's curve by hand, what stays on and what is rented for the peak, against brute force."""

from __future__ import annotations

import itertools
import math

import pytest

from planner import load_catalog, plan
from planner.answer.plan import Plan
from planner.errors import InputError
from planner.scenario import load_text
from planner.scenario.kinds import Daily
from planner.scenario.kinds.daily import hourly_rates
from planner.verify.plan import verify_plan

CATALOG = load_catalog()
TEXT = """
name: hours
start: 2026-10
horizon_years: 1
sites: [{name: a, region: us_va, power_mw: 1}]
hardware: {systems: [hgx_h100_oem], acquire: [rent], rent_terms: [on_demand, 1y]}
workloads:
- {kind: daily, name: chat, model: llama-3.1-70b, precision: fp8, requests_per_day: 4e6, input_tokens: 1500,
   output_tokens: 300, tpot_ms: 60, parallelism: {tp: 2},
   users: [{name: west, share: 0.7, utc_offset: -8, day_share: 0.8}, {name: east, share: 0.3, utc_offset: 5.5}]}
"""


@pytest.fixture(scope="module")
def answer() -> Plan:
    return plan(load_text(TEXT), catalog=CATALOG)


def _load() -> Daily:
    (found,) = load_text(TEXT).workloads
    assert isinstance(found, Daily)
    return found


def test_the_curve_of_a_day_by_hand() -> None:
    load = _load()
    rates = hourly_rates(load.requests_per_day, load.users)
    assert math.fsum(rates) * 3600 == pytest.approx(4e6)
    # at 18 UTC it is 10 in the west and 23:30 in the east
    assert rates[18] == pytest.approx(4e6 * (0.7 * 0.8 / 9 + 0.3 * 0.4 / 15) / 3600)
    # at 6 UTC it is 22 in the west and 11:30 in the east
    assert rates[6] == pytest.approx(4e6 * (0.7 * 0.2 / 15 + 0.3 * 0.6 / 9) / 3600)
    assert load.requests_per_s == pytest.approx(max(rates))
    assert load.mean_requests_per_s == pytest.approx(4e6 / 86400)
    for hours, asked in load.by_rank:
        assert sum(rate >= asked * (1 - 1e-9) for rate in rates) == hours


def test_the_cheapest_mix_of_terms_by_brute_force(answer: Plan) -> None:
    """All numbers of units on all day under a term or on demand, and on for each number of hours."""
    load = _load()
    unit_rate = answer.deployments[0].predicted.requests_per_s or 0.0
    unit_rate /= answer.deployments[0].systems
    a_year = next(d for d in answer.deployments if d.parallelism.hours_per_day is None)
    part = next(d for d in answer.deployments if d.parallelism.hours_per_day is not None)
    full = a_year.cost.total_usd / a_year.systems
    hourly = part.cost.total_usd / part.systems / (part.parallelism.hours_per_day or 1)
    levels = load.by_rank
    needed = [math.ceil(asked / unit_rate - 1e-9) for _, asked in levels]
    best = math.inf
    for counts in itertools.product(range(needed[0] + 1), repeat=len(levels)):
        # counts[i]: units on for levels[i] hours, of which those on all day are under a term
        if all(sum(counts[i:]) >= n for i, n in enumerate(needed)):
            cost = counts[-1] * full + sum(c * hourly * h for c, (h, _) in zip(counts[:-1], levels[:-1], strict=True))
            best = min(best, cost)
    assert answer.totals is not None
    assert answer.totals.tco_usd == pytest.approx(best, rel=0.02)
    assert "hours of each day" in answer.answer


def test_rented_for_the_peak_costs_its_hours(answer: Plan) -> None:
    for d in answer.deployments:
        hours = d.parallelism.hours_per_day
        if hours is not None:
            assert d.rent_term == "on_demand"
            list_price = d.chips * CATALOG.chip(d.chip).need("rent_usd_per_h") * 8760 * hours / 24
            assert 0.9 * list_price < d.cost.total_usd <= list_price


def test_a_plan_is_read_back_and_a_shorter_day_is_found_out(answer: Plan) -> None:
    scenario = load_text(TEXT)
    again = Plan.from_json(answer.to_json())
    assert verify_plan(again, scenario, CATALOG) == []
    i, d = next((i, d) for i, d in enumerate(again.deployments) if d.parallelism.hours_per_day)
    less = d.model_copy(update={"parallelism": d.parallelism.model_copy(update={"hours_per_day": 1})})
    others = [*again.deployments[:i], less, *again.deployments[i + 1 :]]
    assert verify_plan(again.model_copy(update={"deployments": tuple(others)}), scenario, CATALOG)
    whole = d.model_copy(update={"parallelism": d.parallelism.model_copy(update={"hours_per_day": None})})
    others = [*again.deployments[:i], whole, *again.deployments[i + 1 :]]
    assert verify_plan(again.model_copy(update={"deployments": tuple(others)}), scenario, CATALOG)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("share: 0.3", "share: 0.2", "shares do not sum to 1"),
        ("name: east", "name: west", "is given twice"),
        ("day_share: 0.8", "day_share: 0.8, day_from: 18, day_to: 9", "is not after day_from"),
        ("requests_per_day: 4e6", "requests_per_s: 3", "is no field of this kind"),
    ],
)
def test_what_cannot_be_asked(old: str, new: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        load_text(TEXT.replace(old, new))
    assert said in str(error.value)
