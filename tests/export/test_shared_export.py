"""Exports, comparison and sweep rows of a shared fleet's plan agree with the plan."""

from __future__ import annotations

import io
import math

import pytest
from rich.console import Console
from tools import load, run, scenario_of

from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.export import export_plan
from planner.export.bom import bill_of_materials
from planner.export.settings import jobs_of
from planner.planning.plan import answered
from planner.planning.question import ask
from planner.report.console import console
from planner.report.diff import diff_rows
from planner.solve import Limits, solve, with_objective
from planner.sweep.outcome import result_of


@pytest.fixture(scope="module")
def answer(shipped: Catalog) -> Plan:
    """A run and a growing load on one kind of server."""
    scenario = scenario_of(
        load({"2026-10": 20, "2027-10": 400}, ttft_ms=2000, tpot_ms=50, disaggregated="never"),
        run(chips=16),
        hardware={"systems": ["dgx_h100"]},
        sites=[{"name": "here", "region": "us_va", "power_mw": 1, "cooling": ["air_inrow"]}],
        periods=["2026-10", "2027-10"],
        horizon_years=2,
        fleet={"shared": True},
    )
    question = ask(scenario, catalog=shipped)
    assert question.model is not None
    program = with_objective(question.model.program, question.model.objectives["cost"])
    return answered(question, [solve(program, Limits(threads=1), in_child=False)])


def test_runs_and_loads_are_launched_with_the_layout_of_the_plan(answer: Plan, shipped: Catalog) -> None:
    """A job each, a load at its largest number of units."""
    assert answer.schedule is not None
    (ran,) = answer.schedule.runs
    jobs = {job.deployment.role: job for job in jobs_of(answer, shipped)}
    assert jobs["train"].deployment.parallelism == ran.parallelism
    assert jobs["train"].chips == ran.chips
    served = [x for x in answer.schedule.loads if x.units]
    units = {
        j.deployment.option: j.deployment.replicas for j in jobs_of(answer, shipped) if j.deployment.role == "serve"
    }
    assert units == {x.option: max(x.units) * x.replicas for x in served}
    (script,) = export_plan(answer, shipped, "megatron")
    assert f"--tensor-model-parallel-size {ran.parallelism.tp}" in (script.text or "")
    assert export_plan(answer, shipped, "vllm")
    assert len(export_plan(answer, shipped, "kubernetes")) == len(jobs_of(answer, shipped))


def test_a_fleet_reads_back_within_the_bounds_of_plan_files(answer: Plan) -> None:
    """What is planned is never refused as a plan from elsewhere."""
    assert Plan.from_json(answer.to_json()) == answer


def test_the_bill_sums_to_the_capital_of_the_fleet(answer: Plan) -> None:
    """Every lot's lines, then their total; shares of the fabric are said to be shares."""
    assert answer.totals is not None
    assert answer.fleet is not None
    *lines, total = bill_of_materials(answer)
    assert total.total_usd == pytest.approx(answer.totals.capex_usd, rel=1e-9)
    bought = sum(line.quantity or 0 for line in lines if line.item == "systems")
    assert bought == sum(x.systems for x in answer.fleet.lots)
    assert {line.period for line in lines} == {x.begin for x in answer.fleet.lots}
    assert any("fabric" in line.note for line in lines if line.item == "switches")


def test_reports_rows_and_terminal_cope(answer: Plan) -> None:
    """Nothing that shows plans stumbles over a fleet, and all of it says the same."""
    assert answer.totals is not None
    assert answer.fleet is not None
    row = result_of(answer, name="a", variant=None, overrides={}, key="k")
    assert row.hardware == f"{sum(x.systems for x in answer.fleet.lots)} x dgx_h100"
    assert row.tco_usd == answer.totals.tco_usd
    sections = {r.section for r in diff_rows([answer, answer])}
    assert {"run", "load", "Cost over the horizon"} <= sections
    terminal = Console(width=80, file=io.StringIO(), record=True)
    terminal.print(console(answer))
    text = terminal.export_text()
    assert max(map(len, text.splitlines())) <= 80
    for word in ("What to acquire", "Runs", "Loads", "Demand"):
        assert word in text
    parts = [x.money for x in (*answer.fleet.lots, *answer.schedule.runs, *answer.schedule.loads)]  # type: ignore[union-attr]
    assert math.fsum(m.total_usd for m in parts) == answer.totals.tco_usd
