"""Rent terms in plans, what a unit of work costs, and loads that must survive failed units."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from planner import load_catalog, plan
from planner.answer.plan import Plan
from planner.cost.finance import HOURS_PER_YEAR
from planner.cost.tco import cheapest_rent, rent_terms
from planner.cost.unit import per_unit, unit_costs
from planner.facility.reliability import default_profile
from planner.options.work.redundancy import Redundancy
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving
from planner.verify.plan import verify_plan

CATALOG = load_catalog()
TERMS = tuple(rent_terms(CATALOG).values())


def asked(load: dict[str, Any] | None = None, **changes: Any) -> Plan:
    """A small chat service on H100 servers, with changes."""
    workload = {
        "kind": "serving", "name": "chat", "model": "Llama-3.1-8B", "precision": ["bf16"], "input_tokens": 1024,
        "output_tokens": 256, "requests_per_s": 200, "disaggregated": "never", "parallelism": {"tp": 1, "pp": 1},
        **(load or {}),
    }  # fmt: skip
    data = {
        "name": "rent", "start": "2026-10", "horizon_years": 3,
        "sites": [{"name": "here", "region": "us", "power_mw": 1, "cooling": ["air_inrow"]}],
        "hardware": {"systems": ["dgx_h100"], "acquire": ["buy", "rent"], "rent_terms": ["on_demand", "1y", "3y"]},
        "workloads": [workload], **changes,
    }  # fmt: skip
    found = plan(Scenario.model_validate(data))
    assert found.verified, found.answer
    return found


@pytest.mark.parametrize(("years", "term"), [(0.3, "on_demand"), (0.9, "1y"), (1.0, "1y"), (2.9, "3y"), (4.0, "3y")])
def test_longer_use_takes_longer_terms(years: float, term: str) -> None:
    found = cheapest_rent(8.0, 3.0, years * HOURS_PER_YEAR, TERMS, 0.1)
    assert found.terms == (term,)


def test_a_commitment_by_hand() -> None:
    """One year at -30% used for 0.9 years at no interest: the whole year is paid."""
    one = TERMS[1]
    found = cheapest_rent([8.0, 16.0], 3.0, 0.9 * HOURS_PER_YEAR, [one], 0.0)
    year = 8 * 3.0 * HOURS_PER_YEAR * (1 - CATALOG.cost("rent_discount_12m"))
    assert found.present_usd == pytest.approx([year, 2 * year])
    assert found.first_year_usd == pytest.approx([year, 2 * year])
    later = cheapest_rent(8.0, 3.0, 0.9 * HOURS_PER_YEAR, [one], 0.1)
    assert later.present_usd[0] < year


def test_more_terms_never_cost_more() -> None:
    hours = np.geomspace(100, 5 * HOURS_PER_YEAR, 40)
    worth = [cheapest_rent(8.0, 3.0, hours, TERMS[:n], 0.1).present_usd for n in (1, 2, 3)]
    assert np.all(worth[2] <= worth[1])
    assert np.all(worth[1] <= worth[0])


def test_buy_or_rent_turns_on_the_rent() -> None:
    """The plan rents on the term that fits its horizon where rent is cheap, and buys where it is dear."""

    def at(usd: float) -> Plan:
        return asked(assume={"chips": {"h100_sxm": {"rent_usd_per_h": usd}}})

    cheap, dear = at(1.5), at(8.0)
    assert {(d.acquire, d.rent_term) for d in cheap.deployments} == {("rent", "3y")}
    assert {(d.acquire, d.rent_term) for d in dear.deployments} == {("buy", "")}
    assert cheap.totals is not None
    assert dear.totals is not None
    assert cheap.totals.tco_usd < dear.totals.tco_usd
    lines = cheap.totals.unit_cost_usd["chat"]["chip_hour"]
    assert set(lines) == {"rent", "total"}
    assert lines["total"] < 1.5 * (1 - CATALOG.cost("rent_discount_36m"))  # discounted


def test_unit_costs_sum_exactly_and_agree() -> None:
    found = asked()
    assert found.totals is not None
    units = found.totals.unit_cost_usd["chat"]
    for lines in units.values():
        total = 0.0
        for name, usd in lines.items():
            if name != "total":
                total += usd
        assert total == lines["total"]
    assert units["million_tokens"]["total"] == pytest.approx(found.totals.usd_per_m_tokens["chat"], rel=1e-12)
    chips = sum(d.chips for d in found.deployments)
    assert units["chip_hour"]["total"] * chips * 3 * HOURS_PER_YEAR == pytest.approx(found.totals.tco_usd, rel=1e-12)
    assert unit_costs({"energy": 2.0, "rent": 4.0}, chip_hours=2.0, runs=1.0)["run"]["total"] == 6.0
    assert per_unit({"energy": 1.0}, 0.0) == {}


def test_a_forged_unit_cost_is_found() -> None:
    found = asked()
    assert found.totals is not None
    costs = {w: {k: dict(v) for k, v in kinds.items()} for w, kinds in found.totals.unit_cost_usd.items()}
    costs["chat"]["chip_hour"]["total"] *= 0.9
    forged = found.model_copy(update={"totals": found.totals.model_copy(update={"unit_cost_usd": costs})})
    scenario = Scenario.model_validate(
        {"name": "x", "start": "2026-10", "sites": [{"name": "here", "region": "us", "power_mw": 1}],
         "workloads": [{"kind": "serving", "name": "chat", "model": "Llama-3.1-8B", "input_tokens": 1024,
                        "output_tokens": 256, "requests_per_s": 200}]}
    )  # fmt: skip
    assert any("unit_cost_usd" in text for text in verify_plan(forged, scenario, CATALOG))


def units_of(found: Plan) -> tuple[int, float]:
    """(units, rate of one) of a plan with one kind of unit."""
    (d,) = found.deployments
    units = d.systems
    return units, float(d.predicted.requests_per_s or 0.0) / units


def test_n_plus_k_units_and_the_rest_still_serves() -> None:
    plans = [asked({"requests_per_s": 900, "tolerate_failures": k}) for k in (0, 1, 3)]
    counts = [units_of(p) for p in plans]
    base, rate = counts[0]
    assert [n for n, _ in counts] == [base, base + 1, base + 3]
    for k, (n, each) in zip((0, 1, 3), counts, strict=True):
        assert (n - k) * each >= 900 * (1 - 1e-6)
    assert rate > 0
    cost = [p.totals.tco_usd for p in plans if p.totals is not None]
    assert cost[0] < cost[1] < cost[2]


def load_of(**changes: Any) -> Serving:
    return Serving.model_validate(
        {"kind": "serving", "name": "chat", "model": "Llama-3.1-8B", "input_tokens": 1024, "output_tokens": 256,
         "requests_per_s": 1000.0, **changes}
    )  # fmt: skip


def failed_units(workload: Serving, chips: int, rate: float) -> int:
    """Units of so many chips and such a rate that a load must be able to lose."""
    rule = Redundancy.of(workload, default_profile(CATALOG))
    return 0 if rule is None else rule.lost(chips, rate)


def test_availability_counts_failed_units() -> None:
    """1,250 units of eight chips at 3.8e-3 failures a day, three days to repair, 0.99: about 24 (the spares' table)."""
    assert failed_units(load_of(), 8, 0.8) == 0
    assert failed_units(load_of(availability=0.99), 8, 0.8) in (24, 25)
    large, small = (failed_units(load_of(availability=q), 8, 0.8) for q in (0.9999, 0.9))
    assert small < 24 < large
    assert failed_units(load_of(availability=0.99, tolerate_failures=50), 8, 0.8) == 50
    # an eighth of the units, each failing eight times as often: as many fail, and each takes eight times the rate along
    assert failed_units(load_of(availability=0.99), 64, 6.4) >= 24


def test_what_cannot_be_asked_together_is_told() -> None:
    with pytest.raises(ValueError, match="prefix_hits"):
        load_of(prefix_hits="chat", cached_prefix=0.5)
    with pytest.raises(ValueError, match="request_classes"):
        load_of(tolerate_failures=1, request_classes=[{"share": 1.0, "input_tokens": 1024, "output_tokens": 256}])
