"""Racks, supernodes and pods are bought whole or by slices; work occupies parts of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from planner import estimate_training, plan
from planner.catalog import Catalog
from planner.errors import UnknownFigureError
from planner.options.hardware.choices import platform_of
from planner.options.parts import systems_for
from planner.options.work.training import TrainingSearch
from planner.performance.training.step import TrainingCandidates
from planner.scenario import scenario_from_mapping
from planner.scenario.types import Scenario
from planner.scenario.workloads import Training


def question(system: str, workload: dict[str, Any], **fields: Any) -> Scenario:
    region = fields.pop("region", "us_va")
    hardware = {"systems": [system]} | fields.pop("hardware", {})
    return scenario_from_mapping(
        {
            "name": "parts", "start": "2026-10", "horizon_years": 4, "hardware": hardware, "workloads": [workload],
            "sites": [{"name": "hall", "region": region, "power_mw": 40, "cooling": ["d2c_1p"]}], **fields,
        }
    )  # fmt: skip


def training(model: str, **fields: Any) -> dict[str, Any]:
    return {
        "kind": "training", "name": "run", "model": model, "tokens": 1e12, "sequence_length": 8192,
        "global_batch": 2048, "precision": ["fp8", "bf16"], **fields,
    }  # fmt: skip


@pytest.mark.parametrize("model", ["qwen3-32b", "llama-3.1-8b"])
def test_runs_whose_layouts_do_not_fill_a_rack_have_plans(shipped: Catalog, model: str) -> None:
    """64 of 72 chips: no layout of these models makes up multiples of 72."""
    found = plan(question("gb200_nvl72", training(model, chips={"max": 64})), catalog=shipped)
    assert found.status in {"proven_optimal", "within_gap"}
    assert found.verified
    (d,) = found.deployments
    assert (d.systems, d.chips) == (1, 64)


def test_a_70b_run_finds_768_chips_in_eleven_racks(shipped: Catalog) -> None:
    """PP 3 over 768 chips takes the step in 8.29 s, PP 27 over all 864 of twelve racks in 8.38."""
    asked = question("gb200_nvl72", training("llama-3.1-70b", chips={"max": 864}), objective=["time"])
    found = plan(asked, catalog=shipped)
    (d,) = found.deployments
    best = estimate_training(
        model="llama-3.1-70b", system="gb200_nvl72", chips=768, precision="fp8", sequence_length=8192,
        global_batch=2048, best=True,
    )  # fmt: skip
    assert d.predicted.step_time_s is not None
    assert d.predicted.step_time_s <= best.step_time_s * (1 + 1e-9)
    assert d.chips % 4 == 0
    assert d.systems == -(-d.chips // 72)


def test_inner_groups_stay_in_one_domain(shipped: Catalog) -> None:
    """A rack of 72 holds one group of 64 experts, nine of eight, and its trays in any number."""
    search = TrainingSearch(Training.model_validate(training("deepseek-v3")), shipped)
    platform = platform_of(shipped, "gb200_nvl72", "gb200", "d2c_1p")
    base = {"vpp": 1, "cp": 1, "micro_batch": 1, "zero_stage": 1, "recompute": 0, "sp": 1}
    layouts = [
        {"tp": 1, "pp": 1, "dp": 640, "ep": 64},
        {"tp": 8, "pp": 1, "dp": 80, "ep": 1},
        {"tp": 1, "pp": 1, "dp": 648, "ep": 1},
        {"tp": 16, "pp": 1, "dp": 4, "ep": 1},
    ]
    taken = [int(search.systems_of(platform, TrainingCandidates.of(**base, **x))[0]) for x in layouts]  # type: ignore[arg-type]
    assert taken == [10, 9, 9, 1]


def test_a_supernode_load_that_fits_one_buys_one(shipped: Catalog) -> None:
    """Prefill and decode stand in one supernode; each of its own would be two."""
    serving = {
        "kind": "serving", "name": "api", "model": "deepseek-v3", "precision": ["int8"], "input_tokens": 4096,
        "output_tokens": 1024, "requests_per_s": 30, "ttft_ms": 4000, "tpot_ms": 60, "disaggregated": "always",
    }  # fmt: skip
    found = plan(question("cloudmatrix384", serving, region="cn_west"), catalog=shipped)
    assert found.verified
    assert found.totals is not None
    assert found.totals.systems == 1
    assert {d.role for d in found.deployments} == {"prefill", "decode"}
    assert found.schedule is not None
    counts: dict[int, int] = {}
    for x in found.schedule.loads:
        counts[x.part_chips] = counts.get(x.part_chips, 0) + x.units[0]
    assert systems_for(counts, 384) == 1
    assert sum(d.cost.total_usd for d in found.deployments) == pytest.approx(found.totals.tco_usd)


def test_ten_requests_a_second_cost_a_slice_of_a_pod(shipped: Catalog) -> None:
    """A TPU pod is rented by slices of four chips, not by 8,960."""
    serving = {
        "kind": "serving", "name": "api", "model": "llama-3.1-8b", "input_tokens": 1000, "output_tokens": 200,
        "requests_per_s": 10, "ttft_ms": 2000, "tpot_ms": 60,
    }  # fmt: skip
    found = plan(question("tpu_v5p_pod", serving, hardware={"acquire": ["rent"]}), catalog=shipped)
    rate = shipped.chip("tpu_v5p").need("rent_usd_per_h")
    assert found.totals is not None
    assert found.totals.chips == 4
    assert found.totals.tco_usd < 4 * rate * 8760 * 4 * 1.001


def test_the_largest_job_of_a_pod_is_not_the_pod(shipped: Catalog) -> None:
    """v5p pods have 8,960 chips and run jobs of up to 6,144."""
    platform = platform_of(shipped, "tpu_v5p_pod", "tpu_v5p", "d2c_1p")
    assert (platform.system_chips, platform.largest_job) == (4, 6144)
    assert np.isfinite(platform.memory_bytes)


def test_chips_of_a_server_are_not_guessed_for_a_rack(shipped: Catalog) -> None:
    """What holds several servers says how many chips each has, or nothing is counted with it."""
    with pytest.raises(UnknownFigureError, match="chips_per_server"):
        _ = shipped.system("biren_br2xx_128").server_chips
    assert shipped.system("hgx_h100_oem").server_chips == 8


def test_a_short_run_that_is_bought_says_what_rent_would_cost(shipped: Catalog) -> None:
    """Servers for a run of days are bought for years: the plan says what the same chips cost by the hour."""
    asked = training("llama-3.1-8b", tokens=1e10, chips=8, global_batch=512)
    found = plan(question("hgx_h100_oem", asked), catalog=shipped)
    (d,) = found.deployments
    rate = shipped.chip(d.chip).need("rent_usd_per_h")
    assert d.predicted.days is not None
    usd = 8 * d.systems * rate * 24 * d.predicted.days
    (note,) = [x for x in found.notes if "would cost" in x]
    assert f"${float(f'{usd:.3g}'):,.0f}" in note
    assert "less than bought" in note
