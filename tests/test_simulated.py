"""Bursty loads in plans, and plans beside the event simulation."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from planner import load_catalog, plan
from planner.answer.plan import Plan
from planner.cli import app
from planner.outlook.simulated import with_simulations
from planner.performance.compile import build_platform
from planner.performance.serving.load import under_load
from planner.performance.serving.replica import DECODE, ServingCandidates, ServingJob, estimate_serving
from planner.performance.serving.simulation import simulate
from planner.report import console, html_page
from planner.scenario.types import Scenario
from planner.verify.plan import verify_plan

CATALOG = load_catalog()


def asked(**load: Any) -> Scenario:
    workload = {
        "kind": "serving", "name": "chat", "model": "Llama-3.1-8B", "precision": ["fp8"], "requests_per_s": 400,
        "input_tokens": 4000, "output_tokens": 400, "ttft_ms": 1000, "tpot_ms": 20, "disaggregated": "never", **load,
    }  # fmt: skip
    return Scenario.model_validate(
        {
            "name": "bursts", "start": "2026-12", "horizon_years": 3,
            "sites": [{"name": "here", "region": "us", "power_mw": 5}], "hardware": {"systems": ["dgx_h100"]},
            "workloads": [workload],
        }
    )  # fmt: skip


def cost(found: Plan) -> float:
    assert found.verified, found.answer
    assert found.totals is not None
    return found.totals.tco_usd


def test_bursts_and_spread_lengths_never_make_a_plan_cheaper() -> None:
    calm = cost(plan(asked(), catalog=CATALOG))
    assert cost(plan(asked(arrival_cv=1, input_cv=0, output_cv=0), catalog=CATALOG)) == calm
    bursts = cost(plan(asked(arrival_cv=4), catalog=CATALOG))
    assert bursts > cost(plan(asked(arrival_cv=2), catalog=CATALOG)) >= calm
    assert cost(plan(asked(output_cv=2), catalog=CATALOG)) > calm


@pytest.mark.parametrize("disaggregated", ["never", "always"])
def test_a_plan_stands_beside_a_simulation_of_its_replicas(disaggregated: str) -> None:
    scenario = asked(disaggregated=disaggregated)
    found = plan(scenario, catalog=CATALOG)
    beside = with_simulations(found, scenario, CATALOG)
    assert {s.role for s in beside.simulations} == {d.role for d in found.deployments}
    assert beside.model_copy(update={"simulations": ()}).sealed == found
    assert verify_plan(beside, scenario, CATALOG) == []
    assert Plan.from_json(beside.to_json()) == beside
    for s in beside.simulations:
        if s.tpot_ms is not None:
            assert s.planned_tpot_ms is not None
            assert 0.7 < s.tpot_ms / s.planned_tpot_ms < 1.3
            assert ("tpot_ms" in s.misses) == (s.tpot_ms > 20)
        if s.ttft_ms is not None:
            assert s.planned_ttft_ms is not None
            assert 0.4 < s.ttft_ms / s.planned_ttft_ms < 2.0
            assert ("ttft_ms" in s.misses) == (s.ttft_ms > 1000)
    (first, *others) = beside.simulations
    name, value = ("ttft", first.ttft_ms) if first.ttft_ms is not None else ("tpot", first.tpot_ms)
    assert value is not None
    slow = first.model_copy(update={f"{name}_ms": 2 * getattr(first, f"{name}_limit_ms")})
    forged = beside.model_copy(update={"simulations": (slow, *others)})
    assert any("misses" in text for text in verify_plan(forged, scenario, CATALOG))
    assert "100% above the limit of" in html_page(forged)
    eased = beside.model_copy(update={"simulations": (first.model_copy(update={"tpot_limit_ms": 21}), *others)})
    assert any("the limit tpot_ms is 21" in text for text in verify_plan(eased, scenario, CATALOG))
    screen = Console(width=100, record=True, file=io.StringIO())
    screen.print(console(beside))
    for text in (screen.export_text(), html_page(beside)):
        assert "Beside a simulation of single requests" in text
    assert "Beside a simulation" not in html_page(found)


def test_the_command_simulates(tmp_path: Path) -> None:
    file = tmp_path / "bursts.json.yaml"
    file.write_text(json.dumps(asked().model_dump(mode="json", exclude_defaults=True)), encoding="utf-8")
    run = CliRunner().invoke(app, ["plan", str(file), "--simulate", "--json", "--quiet"])
    assert run.exit_code == 0, run.output
    (one,) = json.loads(run.stdout)["simulations"]
    assert one["workload"] == "chat"
    assert one["requests"] > 1000


def test_interleaved_micro_batches_are_simulated_too() -> None:
    """Wide expert parallelism interleaves two micro-batches: the simulation's steps are the plan's."""
    platform = build_platform(CATALOG, "hgx_h800", "h800_sxm", "")
    job = ServingJob(CATALOG.model("deepseek-v3"), "fp8", "bf16", 4096.0, 256.0)
    shape = ServingCandidates(
        **{
            name: np.array([value])
            for name, value in {
                "tp": 1, "pp": 1, "ep": 72, "attention_dp": 72, "batch": 72 * 64, "chunk": 1024, "role": DECODE,
            }.items()
        }
    )  # fmt: skip
    full = estimate_serving(job, platform, shape)
    found = simulate(job, platform, shape, 0.9 * float(full.requests_per_s[0]), requests=30_000)
    planned = under_load(job, platform, shape, 0.9)
    assert found.tpot_s(50.0) == pytest.approx(float(planned.tpot_s(50.0)[0]), rel=0.05)
