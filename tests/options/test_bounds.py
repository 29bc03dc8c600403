"""Bounds of columns follow from rows: no count is cut off that a row of the program would allow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tools import load, round_scenario, run

from planner.catalog import Catalog
from planner.fleet.build import build_fleet
from planner.options.enumerate import enumerate_options
from planner.planning.plan import plan
from planner.scenario.types import Scenario
from planner.solve import Limits, Status, solve, with_objective

EXACT = Limits(gap=0.0, time_limit_s=30, threads=1)


def value(scenario: Scenario, catalog: Catalog, *, times: int = 1) -> float | None:
    """The optimum of the first objective, with every count of a load allowed so many times as much."""
    known = catalog.with_assumptions(scenario.assume.as_mapping())
    options = [
        o if o.role == "train" else replace(o, max_units=o.max_units * times)
        for o in enumerate_options(scenario, known).options
    ]
    model = build_fleet(scenario, options)
    found = solve(with_objective(model.program, model.objectives[scenario.objective[0]]), EXACT, in_child=False)
    assert found.status in {Status.PROVEN_OPTIMAL, Status.INFEASIBLE}
    return found.objective if found.status is Status.PROVEN_OPTIMAL else None


BOTH = {"systems": ["plain_8", "big_8"], "acquire": ["buy", "rent"]}
MOST = {"objective": ["throughput"], "hardware": {"systems": ["plain_8", "big_8"]}}
QUESTIONS: dict[str, Scenario] = {
    "peak share": round_scenario(load(100), site={"power_mw": 0.06, "serving_peak_share": 0.5}, **MOST),
    "peak share and racks": round_scenario(
        load(100), site={"power_mw": 0.1, "serving_peak_share": 0.6, "racks": 2}, **MOST
    ),
    "capital": round_scenario(load(100), site={"power_mw": 1}, limits={"capex_usd": 2e6}, **MOST),
    "running cost": round_scenario(
        load(100), hardware=BOTH, objective=["throughput"], limits={"opex_usd_per_year": 4e5}
    ),
    "all money": round_scenario(load(100), hardware=BOTH, objective=["throughput"], limits={"cost_usd": 3e6}),
    "carbon": round_scenario(load(100), limits={"carbon_t_per_year": 400}, site={"power_mw": 1}, **MOST),
    "chips of the load": round_scenario(load(100, chips={"max": 40}), site={"power_mw": 1}, **MOST),
    "chips at least": round_scenario(load(100, chips={"min": 72}), hardware=BOTH),
    "phases apart": round_scenario(
        load(2500, disaggregated="always", tolerate_failures=2), hardware=BOTH, site={"power_mw": 1}
    ),
    "available": round_scenario(load(2500, availability=0.9999), hardware=BOTH, site={"power_mw": 1}),
    "beside a run": round_scenario(run(tokens=5e11), load(900), hardware=BOTH, site={"power_mw": 0.2}),
}


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("name", QUESTIONS)
def test_counts_are_cut_off_by_rows_only(name: str, round_catalog: Catalog) -> None:
    """Four times the counts, the same optimum."""
    scenario = QUESTIONS[name]
    narrow, wide = value(scenario, round_catalog), value(scenario, round_catalog, times=4)
    assert narrow is not None
    assert narrow == pytest.approx(wide, rel=1e-7)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("share", [0.5, 0.6, 0.79])
def test_a_share_of_the_peak_is_so_much_more_supply(share: float, round_catalog: Catalog) -> None:
    """Systems that reach half of their peaks together: a megawatt holds what two hold without the share."""

    def most(**site: Any) -> float:
        found = plan(round_scenario(load(100), site=site, solve={"gap": 0.0}, **MOST), catalog=round_catalog)
        assert found.verified
        assert found.objective.value is not None
        return found.objective.value

    # a hair more of both, so that rounding of one of them decides nothing
    shared, alone = most(power_mw=0.0601, serving_peak_share=share), most(power_mw=0.0601 / share)
    assert shared == pytest.approx(alone, rel=1e-6)
    assert shared > 1.2 * most(power_mw=0.0601)
