"""Fine-tuning: adapters over frozen weights, few bits a frozen weight, and states in the host's memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from planner import load_scenario, plan
from planner.catalog import Catalog, load_catalog
from planner.errors import InputError
from planner.estimate.hardware import machine_of
from planner.options.work.training import stack_of
from planner.performance.training.alternatives import rivals_of, under_stacks
from planner.performance.training.stacks import get_profile
from planner.performance.training.step import TrainingCandidates, TrainingJob, estimate_training
from planner.scenario.workloads import Training

SCENARIO = """
name: Fine-tuning a 70B model on one server
version: 1
start: 2026-10
objective: cost
horizon_years: 1
sites: [{name: lab, region: us_tx, power_mw: 0.1, cooling: [air_crah]}]
hardware: {systems: [hgx_h100_oem]}
workloads:
  - {name: tune, kind: training, model: llama-3.1-70b, tokens: 1e9, sequence_length: 4096, global_batch: 32,
     precision: [bf16], chips: 8, MORE}
"""


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def _tuned(catalog: Catalog, **changes: object):
    job = replace(TrainingJob(catalog.model("llama-3.1-70b"), 4096, 32), **changes)
    layout = TrainingCandidates.of(tp=8, recompute=2)
    return estimate_training(job, machine_of(catalog, "hgx_h100_oem", None, None).platform, layout, "automodel")


def test_adapters_need_no_states_of_frozen_weights_and_fewer_bits_free_memory(catalog) -> None:
    full, lora = _tuned(catalog), _tuned(catalog, trainable="lora")
    states = {name: float(lora.memory[name][0]) for name in ("gradients", "optimizer")}
    assert sum(states.values()) < 0.02 * sum(float(full.memory[name][0]) for name in states)
    assert lora.memory["weights"][0] == pytest.approx(2.0 * 70.55e9 / 8, rel=0.02)
    assert not bool(full.fits[0])
    assert bool(lora.fits[0])
    assert 0.6 < lora.step_time_s[0] / full.step_time_s[0] < 0.9  # about two thirds of the FLOPs, all of the traffic
    wide = _tuned(catalog, trainable="lora", adapter_rank=64)
    assert wide.memory["optimizer"][0] == pytest.approx(4.0 * states["optimizer"], rel=1e-6)
    four = _tuned(catalog, trainable="lora", frozen_bytes=0.52)
    assert four.memory["weights"][0] < 0.3 * lora.memory["weights"][0]
    assert four.step_time_s[0] > lora.step_time_s[0]  # restored to 16 bits before each pass


def test_a_run_that_offloads_more_than_its_host_holds_does_not_fit(catalog) -> None:
    job = TrainingJob(catalog.model("llama-3.1-70b"), 4096, 32)
    platform = machine_of(catalog, "hgx_h100_oem", None, None).platform
    stack = replace(get_profile("deepspeed"), offload_optimizer=1.0)
    layout = TrainingCandidates.of(tp=2, dp=4, zero_stage=3, recompute=2)
    assert platform.host_memory_bytes is not None
    found = estimate_training(job, platform, layout, stack)
    assert bool(found.fits[0])
    assert 0 < found.host_bytes[0] < platform.host_memory_bytes
    small = replace(platform, host_memory_bytes=0.5 * float(found.host_bytes[0]))
    assert not bool(estimate_training(job, small, layout, stack).fits[0])


@pytest.mark.parametrize(
    "more",
    [
        "trainable: lora, framework: automodel",
        "framework: deepspeed, offload: [optimizer], parallelism: {zero_stage: 3}, mfu: 0.6, "
        "claims: {mfu: 0.6, linearity: 0.5, relative_to: dgx_h100, relative_speed: 0.9, source: a page}",
    ],
)
def test_a_70b_model_is_tuned_on_one_server(tmp_path: Path, more: str) -> None:
    file = tmp_path / "tune.yaml"
    file.write_text(SCENARIO.replace("MORE", more), encoding="utf-8")
    found = plan(file)
    assert found.status == "proven_optimal"
    assert found.deployments[0].chips == 8
    said = found.deployments[0].predicted
    if said.modelled_mfu is None:  # the stack assumed beside others, and the interval where it is not known
        (assumed,) = (s for s in said.stacks if s.assumed)
        assert (assumed.framework, assumed.time_ratio) == ("automodel", 1.0)
        assert assumed.chip_hours == pytest.approx(said.days * 24 * 8)
        assert said.interval is not None
        assert said.stack_interval is not None
        assert said.stack_interval.low <= said.interval.low < said.interval.high <= said.stack_interval.high
        assert any("assumes the training stack automodel" in note for note in found.notes)
    else:  # a claim is not set beside itself, though the plan is for it
        assert said.mfu == pytest.approx(0.6)
        assert said.modelled_mfu < 0.55
        (claimed,) = (note for note in found.notes if "Claimed MFU" in note)
        assert f"expected {said.modelled_mfu:.1%}" in claimed
        assert "above it" in claimed
        assert any("Claimed linearity 50% (a page)" in note and "met" in note for note in found.notes)
        assert said.relative_speed == pytest.approx(1.0, rel=1e-6)  # the same chip and server under another name
        assert any(
            "Claimed speed 90% of a chip of dgx_h100" in note and "expected 100%" in note for note in found.notes
        )


def test_a_claim_about_a_system_that_is_not_there_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    file = tmp_path / "tune.yaml"
    file.write_text(SCENARIO.replace("MORE", "claims: {relative_to: dgx_h10}"), encoding="utf-8")
    with pytest.raises(InputError, match="dgx_h100"):
        plan(file)
    file.write_text(SCENARIO.replace("MORE", "claims: {relative_speed: 0.9}"), encoding="utf-8")
    with pytest.raises(InputError, match="relative_to"):
        plan(file)


def test_full_tuning_with_offload_on_one_server_takes_what_was_published(catalog) -> None:
    """8B with ZeRO 3 and all offloaded on eight H200 and B200, 8,192 tokens a chip: 141, 167 TFLOPS."""
    stack = replace(get_profile("deepspeed"), offload_optimizer=1.0, offload_activations=1.0, tiled_loss=True)
    one = TrainingCandidates.of(dp=8, zero_stage=3, recompute=2)
    for system, published in (("dgx_h200", 141.0), ("dgx_b200", 167.0)):
        platform = machine_of(catalog, system, None, None).platform
        found = estimate_training(TrainingJob(catalog.model("llama-3.1-8b"), 8192, 8), platform, one, stack)
        assert float(found.model_tflops_per_chip[0]) == pytest.approx(published, rel=0.2)
        assert float(found.breakdown["offload"][0]) > 0.5 * float(found.step_time_s[0])
        drives = replace(stack, offload_gb_s=1.5)  # NVMe: states stream through the chip at the drives' rate
        slow = estimate_training(TrainingJob(catalog.model("llama-3.1-8b"), 8192, 8), platform, one, drives)
        assert float(slow.step_time_s[0]) > 2.0 * float(found.step_time_s[0])


def test_full_tuning_of_70b_on_one_server_without_offload_is_refused_with_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "tune.yaml"
    file.write_text(SCENARIO.replace("MORE", "framework: deepspeed"), encoding="utf-8")
    found = plan(file)
    assert found.status == "infeasible"


def test_fields_of_a_scenario_reach_the_stack() -> None:
    common = {"kind": "training", "name": "t", "model": "m", "tokens": 1e9, "sequence_length": 4096, "global_batch": 8}
    run = Training.model_validate({**common, "gradient_bits": 16, "optimizer_bytes": 8, "offload": ["weights"]})
    stack = stack_of(run)
    assert (stack.grad_bytes, stack.optimizer_bytes, stack.offload_weights) == (2.0, 8.0, 1.0)
    assert stack_of(Training.model_validate(common)) == get_profile("default")


def test_bits_of_frozen_weights_are_refused_where_nothing_is_frozen(tmp_path: Path) -> None:
    file = tmp_path / "tune.yaml"
    file.write_text(SCENARIO.replace("MORE", "frozen_bits: 4"), encoding="utf-8")
    with pytest.raises(InputError, match="frozen_bits"):
        load_scenario(file)


def test_a_layout_under_other_stacks_says_what_the_choice_is_worth(catalog) -> None:
    job = TrainingJob(catalog.model("deepseek-v3"), 4096, 15360, "fp8")
    platform = machine_of(catalog, "hgx_h800", None, None).platform
    layout = TrainingCandidates.of(pp=16, dp=128, ep=64, micro_batch=1, recompute=1)
    found = under_stacks(
        job, platform, layout, get_profile("tuned"), {name: get_profile(name) for name in rivals_of(job, platform)}
    )
    by_name = {o.stack: o for o in found}
    assert [o.step_time_s for o in found] == sorted(o.step_time_s for o in found)
    assert by_name["tuned"].time_ratio == 1.0
    assert by_name["hai_llm"].time_ratio < 1.0 < by_name["default"].time_ratio
    published = 19.926  # seconds a step of the run itself (arXiv:2505.09343)
    assert by_name["hai_llm"].step_time_s == pytest.approx(published, rel=0.12)
    assert by_name["hai_llm"].fits
