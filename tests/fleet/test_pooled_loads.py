"""Loads alike in all but how many requests come are answered by one pool of replicas."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from tools import load, round_scenario

from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.planning.plan import plan
from planner.scenario.pooled import pools_of
from planner.scenario.types import Scenario
from planner.verify.plan import verify_plan

PERIODS = ["2026-10", "2027-10"]
BASE = {"disaggregated": "never", "ttft_ms": 60_000}


def fleet(*loads: dict[str, Any], **fields: Any) -> Scenario:
    return round_scenario(*loads, fleet={"shared": True, **fields.pop("fleet", {})}, periods=PERIODS, **fields)


def several(**fields: Any) -> list[dict[str, Any]]:
    """Three loads that grow, shrink and stay: 900 requests/s in both years."""
    paths = ({PERIODS[0]: 500, PERIODS[1]: 100}, {PERIODS[0]: 100, PERIODS[1]: 500}, 300)
    return [load(p, name=f"l{i}", **BASE | fields) for i, p in enumerate(paths)]  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def answer(round_catalog: Catalog) -> Plan:
    return plan(fleet(*several()), catalog=round_catalog)


@pytest.mark.parametrize("more", [{}, {"tolerate_failures": 1}, {"disaggregated": "always"}])
def test_several_loads_take_what_one_of_their_sum_takes(more: dict[str, Any], round_catalog: Catalog) -> None:
    apart = plan(fleet(*several(**more)), catalog=round_catalog)
    # another load, so that both may stand beside others in a server
    other = load(1, name="other", **BASE | {"ttft_ms": 50_000})
    together = plan(fleet(*several(**more), other), catalog=round_catalog)
    one = plan(fleet(load(900, name="sum", **BASE | more), other), catalog=round_catalog)
    assert apart.verified
    assert together.objective.value == pytest.approx(one.objective.value, rel=1e-9)


def test_each_load_has_its_part(answer: Plan) -> None:
    """Of what is answered, paid and promised."""
    assert answer.schedule is not None
    assert answer.totals is not None
    assert answer.chance is not None
    assert {x.loads for x in answer.schedule.loads} == {("l0", "l1", "l2")}
    demand = {d.workload: d for d in answer.schedule.demand}
    assert [demand[f"l{i}"].asked for i in range(3)] == [(500, 100), (100, 500), (300, 300)]
    answered = np.sum([d.answered for d in demand.values()], axis=0)
    for d in demand.values():
        np.testing.assert_allclose(d.answered, answered * np.array(d.asked) / 900)
    cost = answer.totals.usd_per_m_tokens
    assert cost["l0"] == pytest.approx(cost["l2"], rel=1e-9)
    paid = sum(c["million_tokens"]["total"] for c in answer.totals.unit_cost_usd.values())
    assert paid == pytest.approx(sum(cost.values()))
    chances = {p.chance for p in answer.chance.promises}
    assert len(chances) == 1
    assert answer.chance.all_kept_least == answer.chance.all_kept_most == chances.pop()
    assert "l0, l1 and l2 served up to 900 requests/s together" in answer.answer


def test_who_shares_is_read_back_and_checked(answer: Plan, round_catalog: Catalog) -> None:
    question = fleet(*several())
    data = json.loads(answer.to_json())
    assert verify_plan(Plan.model_validate(data), question, round_catalog) == []
    data["schedule"]["loads"][0]["with_loads"] = ["l1"]
    assert any("with_loads" in text for text in verify_plan(Plan.model_validate(data), question, round_catalog))


@pytest.mark.parametrize(
    "own",
    [
        {"tpot_ms": 70}, {"input_tokens": 101}, {"precision": ["fp8"]}, {"chips": {"max": 64}}, {"confidence": 0.8},
        {"peak_to_mean": 2}, {"cached_prefix": 0.5},
    ],
)  # fmt: skip
def test_what_is_not_alike_has_replicas_of_its_own(own: dict[str, Any]) -> None:
    assert pools_of(fleet(*several(), load(5, name="own", **BASE | own))) == {"l0": ("l0", "l1", "l2")}


def test_nothing_is_pooled_where_nothing_is_shared() -> None:
    assert pools_of(fleet(*several(), fleet={"pool_loads": False})) == {}
    assert pools_of(fleet(*several(), fleet={"shared": False})) == {}
    assert pools_of(fleet(*several(), outcomes={"demand_factor": {"l1": {"values": [0.5, 1, 2]}}})) == {
        "l0": ("l0", "l2")
    }
