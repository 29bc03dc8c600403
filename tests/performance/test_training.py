"""The training step: published numbers, identities, and relations that must hold whatever the parameters are."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_fixtures import dense_model, moe_model, platform

from planner.catalog import load_catalog
from planner.errors import InputError, UnknownFigureError
from planner.performance.compile import build_platform
from planner.performance.training.stacks import get_profile
from planner.performance.training.step import TrainingCandidates, TrainingJob, estimate_training

LAYOUTS = st.fixed_dictionaries(
    {
        "tp": st.sampled_from([1, 2, 4, 8]),
        "pp": st.sampled_from([1, 2, 4, 8]),
        "dp": st.sampled_from([1, 2, 8, 64]),
        "cp": st.sampled_from([1, 2]),
        "micro_batch": st.sampled_from([1, 2, 4]),
        "zero_stage": st.sampled_from([0, 1]),
        "recompute": st.sampled_from([0, 1, 2]),
        "profile": st.sampled_from(["default", "tuned", "plain", "megatron_classic", "fsdp", "hai_llm"]),
    }
)


def _estimate(layout: dict, job: TrainingJob, on=None, **extra):
    layout = dict(layout)
    profile = layout.pop("profile", "default")
    candidate = TrainingCandidates.of(**layout, sp=int(layout["tp"] > 1), **extra)
    return estimate_training(job, on or platform(), candidate, profile)


@given(LAYOUTS, st.booleans())
@settings(max_examples=40, deadline=None)
def test_breakdown_and_memory_sum_to_the_whole(layout, experts):
    job = TrainingJob(moe_model() if experts else dense_model(), 4096, 512)
    e = _estimate(layout, job)
    assert sum(v[0] for v in e.breakdown.values()) == pytest.approx(e.step_time_s[0], rel=1e-12)
    assert sum(v[0] for v in e.memory.values()) == pytest.approx(e.memory_bytes[0], rel=1e-12)
    assert all(v[0] >= -1e-9 * e.step_time_s[0] for v in e.breakdown.values()), e.breakdown
    assert all(v[0] >= 0 for v in e.memory.values())
    assert 0 < e.mfu[0] < 1
    assert e.low80[0] < 1 < e.high80[0]
    assert e.memory_bytes[0] == max(v[0] for v in e.memory_by_stage.values())


@given(LAYOUTS)
@settings(max_examples=25, deadline=None)
def test_doubling_a_resource_never_slows(layout):
    job = TrainingJob(dense_model(), 4096, 512)
    base = platform()
    step = _estimate(layout, job, base).step_time_s[0]
    faster = {
        "peak": dataclasses.replace(base, peak_flops={k: 2 * v for k, v in base.peak_flops.items()}),
        "memory": dataclasses.replace(base, memory_bandwidth=2 * base.memory_bandwidth),
        "links": dataclasses.replace(
            base, tiers=tuple(dataclasses.replace(t, bandwidth=2 * t.bandwidth) for t in base.tiers)
        ),
        "latency": dataclasses.replace(base, tiers=tuple(dataclasses.replace(t, latency=0.0) for t in base.tiers)),
        "engine": dataclasses.replace(base, comm_core_share=0.0),
    }
    for name, better in faster.items():
        assert _estimate(layout, job, better).step_time_s[0] <= step * (1 + 1e-12), name
    crowded = dataclasses.replace(base, tiers=(base.tiers[0], dataclasses.replace(base.tiers[1], oversubscription=4.0)))
    assert _estimate(layout, job, crowded).step_time_s[0] >= step * (1 - 1e-12)


@given(LAYOUTS, st.sampled_from([2, 4]))
@settings(max_examples=25, deadline=None)
def test_more_work_takes_longer(layout, factor):
    small = TrainingJob(dense_model(), 4096, 512)
    more = TrainingJob(dense_model(), 4096, 512 * factor)
    assert _estimate(layout, more).step_time_s[0] >= _estimate(layout, small).step_time_s[0]
    deeper = TrainingJob(dense_model(layers=24 * factor), 4096, 512)
    assert _estimate(layout, deeper).step_time_s[0] > _estimate(layout, small).step_time_s[0]


@given(st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 4]))
@settings(max_examples=9, deadline=None)
def test_more_data_parallel_chips_never_slow_a_fixed_batch(tp, micro):
    job = TrainingJob(dense_model(), 4096, 1024)
    dp = np.array([8, 16, 32, 64, 128])
    e = estimate_training(
        job, platform(), TrainingCandidates.of(tp=tp, dp=dp, micro_batch=micro, sp=int(tp > 1)), "tuned"
    )
    assert np.all(np.diff(e.step_time_s) <= 0)
    assert np.all(np.diff(e.tokens_per_s_per_chip) <= 0)


@given(LAYOUTS)
@settings(max_examples=25, deadline=None)
def test_memory_falls_with_sharding_and_recomputation(layout):
    job = TrainingJob(dense_model(), 4096, 512)
    by_recompute = [_estimate({**layout, "recompute": r}, job).memory_bytes[0] for r in (0, 1, 2)]
    assert by_recompute[0] >= by_recompute[1]
    alone = {**layout, "pp": 1, "dp": 8}
    parts = [_estimate({**alone, "zero_stage": z}, job).memory for z in (0, 1, 2, 3)]
    states = [sum(p[k][0] for k in ("weights", "gradients", "optimizer")) for p in parts]
    assert states == sorted(states, reverse=True)
    assert states[3] < states[2] < states[1] < states[0]
    # where FP32 masters are the weights (FSDP) there is no 16-bit copy at rest: 16 bytes a parameter instead of 18
    kept = 16.0 / 18.0 if get_profile(layout["profile"]).sharded_weight_bytes == 0.0 else 1.0
    assert states[3] == pytest.approx(kept * states[0] / (8 * layout["cp"]), rel=1e-9)


def test_states_are_eighteen_bytes_a_parameter():
    model = dense_model()
    from planner.workload.parameters import parameter_counts

    e = estimate_training(TrainingJob(model, 4096, 8), platform(), TrainingCandidates.of(zero_stage=0))
    states = sum(e.memory[k][0] for k in ("weights", "gradients", "optimizer"))
    assert states == pytest.approx(18.0 * parameter_counts(model).total, rel=1e-3)


def test_activations_follow_korthikanti():
    """34*s*b*h bytes a layer for GPT shapes without sequence parallelism and with selective recomputation."""
    from planner.catalog.architecture import FeedForward, LayerGroup, Mixer, ModelArch

    h, s, layers = 4096, 2048, 24
    group = LayerGroup(layers, Mixer(heads=32, kv_heads=32, head_dim=128), FeedForward(hidden=4 * h, gated=False))
    job = TrainingJob(ModelArch("gpt", "GPT", "gpt", "dense", h, 51200, (group,)), s, 8)
    kept = {}
    for recompute in (0, 1):
        c = TrainingCandidates.of(micro_batch=1, recompute=recompute)
        kept[recompute] = estimate_training(job, platform(), c, "megatron_classic").memory["activations"][0]
    assert kept[1] == pytest.approx(34.0 * s * h * layers, rel=0.02)
    assert kept[0] == pytest.approx((34.0 + 5.0 * 32 * s / h) * s * h * layers, rel=0.02)


@pytest.mark.parametrize("experts", [False, True])
def test_one_candidate_is_the_same_as_in_an_array(experts):
    job = TrainingJob(moe_model() if experts else dense_model(), 4096, 512)
    many = TrainingCandidates.of(
        tp=[1, 2, 4, 8, 1, 2],
        pp=[1, 2, 4, 1, 8, 2],
        vpp=[1, 1, 2, 1, 1, 3],
        dp=[8, 4, 2, 4, 2, 8],
        ep=[8, 4, 8, 8, 1, 1] if experts else 1,
        micro_batch=[1, 2, 1, 4, 1, 2],
        zero_stage=[1, 0, 1, 3, 1, 0],
        recompute=[0, 1, 2, 0, 1, 2],
        sp=[0, 1, 1, 1, 0, 1],
    )
    whole = estimate_training(job, platform(), many, "tuned")
    for i in range(many.size):
        one = estimate_training(job, platform(), many.take(slice(i, i + 1)), "tuned")
        for name in ("step_time_s", "memory_bytes", "mfu", "tokens_per_s_per_chip"):
            assert getattr(one, name)[0] == pytest.approx(getattr(whole, name)[i], rel=1e-12)
        quick = estimate_training(job, platform(), many.take(slice(i, i + 1)), "tuned", detail=False)
        assert quick.step_time_s[0] == one.step_time_s[0]
        assert quick.memory_bytes[0] == pytest.approx(one.memory_bytes[0], rel=1e-12)


def test_no_candidates_give_no_estimates():
    none = TrainingCandidates.of().take(np.zeros(0, dtype=np.int64))
    assert estimate_training(TrainingJob(dense_model(), 4096, 8), platform(), none).step_time_s.shape == (0,)


def test_wrong_input_is_refused():
    job = TrainingJob(dense_model(), 4096, 8)
    with pytest.raises(InputError, match="tp is below 1"):
        estimate_training(job, platform(), TrainingCandidates.of(tp=0))
    with pytest.raises(InputError, match="unknown framework profile"):
        estimate_training(job, platform(), TrainingCandidates.of(), "tunde")
    with pytest.raises(UnknownFigureError, match="fp4_tflops_dense"):
        estimate_training(dataclasses.replace(job, precision="nvfp4"), platform(), TrainingCandidates.of())


def test_engine_driven_communication_helps_most_where_most_is_hidden():
    """sigma = 0 (an engine moves data) is worth a few percent of a dense step, more with experts, never a flat 15%."""
    gains = []
    for model, ep in ((dense_model(), 1), (moe_model(), 64)):
        job = TrainingJob(model, 4096, 512)
        c = TrainingCandidates.of(dp=64, ep=ep)
        core, engine = (estimate_training(job, platform(sigma=s), c, "hai_llm").step_time_s[0] for s in (0.15, 0.0))
        gains.append(core / engine - 1)
    assert 0 < gains[0] < gains[1] < 0.15


@pytest.mark.parametrize(
    ("system", "chip", "model", "sequence", "batch", "layout", "profile", "precision", "published", "tolerance"),
    [
        # Llama 3 405B on 8,192 and 16,384 H100: 430 and 400 TFLOP/s (arXiv:2407.21783 Table 4)
        (
            "dgx_h100", "h100_sxm", "Llama-3.1-405B", 8192, 2048,
            {"tp": 8, "pp": 16, "vpp": 8, "dp": 64, "micro_batch": 1, "sp": 1}, "default", "bf16", 430.0, 0.15,
        ),
        (
            "dgx_h100", "h100_sxm", "Llama-3.1-405B", 8192, 2048,
            {"tp": 8, "pp": 16, "vpp": 8, "dp": 128, "micro_batch": 1, "sp": 1}, "default", "bf16", 400.0, 0.15,
        ),
        # GPT-3 175B on 64 A100, selective recomputation: 13.75 s a step (arXiv:2205.05198 Table 5), 140 TFLOP/s causal
        (
            "dgx_a100", "a100_80_sxm", "GPT3-175B", 2048, 64,
            {"tp": 8, "pp": 8, "vpp": 3, "micro_batch": 1, "recompute": 1, "sp": 1},
            "megatron_classic", "fp16", 13.75, 0.10,
        ),
    ],
)  # fmt: skip
def test_published_runs(system, chip, model, sequence, batch, layout, profile, precision, published, tolerance):
    catalog = load_catalog()
    job = TrainingJob(catalog.model(model), sequence, batch, precision)
    e = estimate_training(job, build_platform(catalog, system, chip), TrainingCandidates.of(**layout), profile)
    predicted = e.step_time_s[0] if published < 100 else e.model_tflops_per_chip[0]
    assert predicted == pytest.approx(published, rel=tolerance)


def test_deepseek_v3_pretraining_takes_about_two_and_a_half_million_gpu_hours():
    """14.8T tokens on 2,048 H800: 2.664M GPU-hours (arXiv:2412.19437 Table 1); PP16, EP64, DualPipe, FP8."""
    catalog = load_catalog()
    job = TrainingJob(catalog.model("DeepSeek-V3"), 4096, 15360, "fp8")
    c = TrainingCandidates.of(pp=16, dp=128, ep=64, micro_batch=1, zero_stage=1, recompute=1)
    e = estimate_training(job, build_platform(catalog, "hgx_h800", "h800_sxm"), c, "hai_llm")
    hours = 14.8e12 / e.tokens_per_s_per_chip[0] / 3600.0
    assert hours == pytest.approx(2.664e6, rel=0.25)
