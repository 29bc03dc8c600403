"""Units to spare in fleets over time: as many as without one, in every period by its own demand."""

from __future__ import annotations

from typing import Any

import pytest
from tools import load, round_scenario, run

from planner.catalog import Catalog
from planner.planning.plan import plan
from planner.scenario.types import Scenario
from planner.verify.plan import verify_plan

Data = dict[str, Any]
PERIODS = ["2026-10", "2028-10"]
BASE: Data = {"ttft_ms": 60_000, "tpot_ms": 200, "precision": ["bf16"]}


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("phases", ["never", "always"])
@pytest.mark.parametrize("asked", [{"tolerate_failures": 1}, {"tolerate_failures": 2}, {"availability": 0.999}])
def test_a_load_alone_keeps_as_many_to_spare(phases: str, asked: Data, round_catalog: Catalog) -> None:
    """The same systems at the same cost as with systems of its own, and more than with nothing to spare."""
    fields: Data = {"hardware": {"systems": ["plain_8", "big_8"]}}
    work = load(2500, disaggregated=phases, **BASE, **asked)
    alone = plan(round_scenario(work, **fields), catalog=round_catalog)
    found = plan(round_scenario(work, fleet={"shared": True}, **fields), catalog=round_catalog)
    bare = plan(round_scenario(load(2500, disaggregated=phases, **BASE), **fields), catalog=round_catalog)
    assert alone.totals is not None
    assert found.totals is not None
    assert bare.totals is not None
    assert found.status == "proven_optimal"
    assert found.totals.tco_usd == pytest.approx(alone.totals.tco_usd, rel=1e-9)
    if "tolerate_failures" in asked:  # nothing fails by itself in round numbers
        assert found.totals.tco_usd > bare.totals.tco_usd


@pytest.mark.usefixtures("in_process")
def test_what_is_to_spare_grows_with_the_demand(round_catalog: Catalog) -> None:
    """In every period one unit may go; beside a run, whose systems do not count. What was taken out is seen."""
    work = load({"2026-10": 1000, "2028-10": 4000}, disaggregated="never", tolerate_failures=1, **BASE)  # type: ignore[arg-type]
    job = run(tokens=1e11, mfu=0.5, chips=8, global_batch=512)
    scenario = round_scenario(work, job, periods=PERIODS, fleet={"shared": True})
    found = plan(scenario, catalog=round_catalog)
    assert found.schedule is not None
    for t, asked in enumerate((1000, 4000)):
        units = [(x.predicted.requests_per_s or 0.0, x.units[t]) for x in found.schedule.loads if x.units[t]]
        assert sum(rate * n for rate, n in units) - max(rate for rate, _ in units) >= asked * (1 - 1e-9)
    harder = scenario.model_dump(mode="json")
    harder["workloads"][0]["tolerate_failures"] = 3
    failures = verify_plan(found, Scenario.model_validate(harder), round_catalog)
    assert sum("when units fail" in text for text in failures) == len(PERIODS), failures
