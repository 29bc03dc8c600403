"""Power caps as choices of a plan: where power is the wall, where money is, and what no plan may claim."""

from __future__ import annotations

from typing import Any

import pytest
from tools import load, round_scenario, run

from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.facility.power import speed_at_cap
from planner.planning.plan import plan
from planner.scenario.types import Scenario
from planner.verify.plan import verify_plan

pytestmark = pytest.mark.usefixtures("in_process")
CAPS = [1.0, 0.8, 0.6]


def value_of(found: Plan) -> float:
    """The objective's value; there must be one."""
    assert found.objective.value is not None, found.answer
    return found.objective.value


def serving(caps: list[float]) -> Scenario:
    """As much as 50 kW serve."""
    asked = load(500, disaggregated="never")
    return round_scenario(asked, site={"power_mw": 0.05}, hardware={"power_caps": caps}, objective=["throughput"])


def test_a_power_bound_site_serves_more_with_capped_chips(round_catalog: Catalog) -> None:
    """Decoding waits for memory, which a cap leaves alone: more, slower chips on the same supply give more."""
    free, capped = plan(serving([1.0]), catalog=round_catalog), plan(serving(CAPS), catalog=round_catalog)
    assert value_of(capped) > 1.03 * value_of(free)
    caps = {d.power_cap for d in capped.deployments}
    assert min(caps) < 1.0
    assert f"capped to {min(caps):.0%}" in capped.answer
    (other,) = [a for a in capped.alternatives if a.name == "only chips at full power"]
    assert other.objective == pytest.approx(value_of(free), rel=1e-3)  # beside it stands what chips without a cap give
    assert sum(d.chips for d in capped.deployments) > sum(d.chips for d in free.deployments)
    assert capped.totals is not None
    assert capped.totals.facility_mw <= 0.05 + 1e-12


def test_the_speed_of_a_capped_run_is_the_law(round_catalog: Catalog) -> None:
    """Nothing but computing in it: a run on capped chips takes 1/x as long, and draws less."""
    asked = run(tokens=1e11, chips=64, parallelism={"tp": 8, "pp": 1, "dp": 8, "micro_batch": 1})
    free, capped = (
        plan(round_scenario(asked, hardware={"power_caps": [cap]}), catalog=round_catalog).deployments[0]
        for cap in (1.0, 0.8)
    )
    assert free.predicted.step_time_s is not None
    assert capped.predicted.step_time_s is not None
    slower = capped.predicted.step_time_s / free.predicted.step_time_s
    assert 1.0 < slower <= 1.0 / speed_at_cap(0.8) + 1e-9  # what waits for memory or the network is as fast
    assert capped.power.facility_mw < free.power.facility_mw


def test_money_bound_runs_stay_uncapped(round_catalog: Catalog) -> None:
    """Power is there and a date is not near: a cap only stretches a run, so none is chosen to be fastest."""
    found = plan(
        round_scenario(run(tokens=1e12), hardware={"power_caps": CAPS}, limits={"chips": 64}, objective=["time"]),
        catalog=round_catalog,
    )
    assert {d.power_cap for d in found.deployments} == {1.0}


def test_a_plan_cannot_claim_another_cap(round_catalog: Catalog) -> None:
    """The cap decides speed and power, so one that is only written down does not verify."""
    found = plan(serving(CAPS), catalog=round_catalog)
    lied = found.model_copy(
        update={"deployments": tuple(d.model_copy(update={"power_cap": 1.0}) for d in found.deployments)}
    )
    assert verify_plan(found, serving(CAPS), round_catalog) == []
    assert verify_plan(lied, serving(CAPS), round_catalog)
    assert verify_plan(found, serving([1.0]), round_catalog)  # nor one that was not offered


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("megawatts", [0.046, 1.0])
def test_shared_systems_may_be_capped(megawatts: float, round_catalog: Catalog) -> None:
    """As much and as dear as with systems of its own: capped where power is short, at full power where it is not."""
    asked = load(3000, disaggregated="never", ttft_ms=60_000)
    fields: Any = {"site": {"power_mw": megawatts}, "hardware": {"power_caps": CAPS}, "objective": ["power", "cost"]}
    alone = plan(round_scenario(asked, **fields), catalog=round_catalog)
    scenario = round_scenario(asked, fleet={"shared": True}, **fields)
    found = plan(scenario, catalog=round_catalog)
    assert alone.totals is not None
    assert found.totals is not None
    assert found.fleet is not None
    assert found.totals.facility_mw == pytest.approx(alone.totals.facility_mw, rel=1e-9)
    assert found.totals.tco_usd == pytest.approx(alone.totals.tco_usd, rel=1e-9)
    assert min(x.power_cap for x in found.fleet.lots) < 1.0
    lots = tuple(x.model_copy(update={"power_cap": 1.0}) for x in found.fleet.lots)
    lied = found.model_copy(update={"fleet": found.fleet.model_copy(update={"lots": lots})})
    assert verify_plan(lied, scenario, round_catalog)
