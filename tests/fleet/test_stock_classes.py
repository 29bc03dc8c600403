"""Loads with classes of requests in fleets over time: each class at its rate in every period, on what suits it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tools import load, round_scenario, run

from planner.catalog import Catalog
from planner.planning.plan import plan
from planner.verify.plan import verify_plan

Data = dict[str, Any]
PERIODS = ["2026-10", "2028-10"]
CLASSES = [
    {"input_tokens": 100, "output_tokens": 100, "share": 0.7},
    {"input_tokens": 4000, "output_tokens": 50, "share": 0.2},
    {"input_tokens": 200, "output_tokens": 2000, "share": 0.1, "tpot_ms": 30},
]
FIELDS: Data = {"hardware": {"systems": ["plain_8", "big_8"]}}


def classes(rate: Any, **more: Any) -> Data:
    """A load of three sizes of requests."""
    of = load(rate, ttft_ms=60_000, tpot_ms=200, precision=["bf16"], request_classes=CLASSES, **more)
    return {name: value for name, value in of.items() if name not in {"input_tokens", "output_tokens"}}


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("goal", ["cost", "throughput"])
def test_a_load_alone_is_the_same_shared_or_not(goal: str, round_catalog: Catalog) -> None:
    """Cost of what is asked, or as much as fits: with one owner both programs are one."""
    fields: Data = FIELDS | {"objective": [goal], "site": {"power_mw": 0.15}}
    alone = plan(round_scenario(classes(300), **fields), catalog=round_catalog)
    scenario = round_scenario(classes(300), fleet={"shared": True}, **fields)
    found = plan(scenario, catalog=round_catalog)
    assert alone.has_plan
    assert found.objective.value == pytest.approx(alone.objective.value, rel=2e-3 if goal == "throughput" else 1e-6)
    assert verify_plan(found, scenario, round_catalog) == []


@pytest.mark.usefixtures("in_process")
def test_every_class_is_answered_in_every_period(round_catalog: Catalog) -> None:
    """A load that doubles, beside a run; the shares of the classes hold, and what is changed is seen."""
    work, job = classes({PERIODS[0]: 200, PERIODS[1]: 400}), run(tokens=1e11, mfu=0.5, chips=8, global_batch=512)
    scenario = round_scenario(work, job, periods=PERIODS, fleet={"shared": True}, **FIELDS)
    found = plan(scenario, catalog=round_catalog)
    assert found.verified
    assert found.schedule is not None
    for t, asked in enumerate((200, 400)):
        for c, share in zip(scenario.workloads[0].request_classes, (0.7, 0.2, 0.1), strict=True):  # type: ignore[union-attr]
            got = sum(a.requests_per_s for x in found.schedule.loads for a in x.answers[t] if a.name == c.label)
            assert got >= asked * share * (1 - 1e-6)
    data = found.model_dump(mode="json")
    at = next(i for i, x in enumerate(data["schedule"]["loads"]) if x["answers"] and x["answers"][0])
    for change in ("requests_per_s", "share_of_time", "ttft_ms"):
        lied = copy.deepcopy(data)
        lied["schedule"]["loads"][at]["answers"][0][0][change] *= 0.9
        assert verify_plan(type(found).model_validate(lied), scenario, round_catalog), change
