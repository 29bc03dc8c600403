"""The serving model against published figures, closed forms and relations that must hold."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.catalog import Catalog, load_catalog
from planner.errors import InputError, UnknownFigureError
from planner.network.tiers import Tier
from planner.performance.compile import build_platform
from planner.performance.platform import Platform
from planner.performance.serving.collectives import all_reduce, all_to_all
from planner.performance.serving.grid import ServingGrid, heads_divide, serving_grid
from planner.performance.serving.kv_budget import GIB, kv_budget, weight_bytes
from planner.performance.serving.levels import TUNED, ServingLevels
from planner.performance.serving.profile import (
    ServingProfile,
    engine_key,
    profile_for,
    shipped_serving_calibration,
)
from planner.performance.serving.replica import (
    DECODE,
    PREFILL,
    ServingCandidates,
    ServingEstimate,
    ServingJob,
    estimate_serving,
    one_candidate,
)
from planner.performance.serving.step import StepModel, causal_pairs, distinct_experts
from planner.workload.layers import layer_profiles


@functools.cache
def shared_catalog() -> Catalog:
    return load_catalog().with_assumptions({"systems": {"sgx5000": {"scaleout_gbit_s_per_chip": 400.0}}})


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return shared_catalog()


def platform(catalog: Catalog, system: str, chip: str) -> Platform:
    return build_platform(catalog, system, chip, "")


def one(value: int) -> np.ndarray:
    return np.array([value], dtype=np.int64)


# --- collectives: published dispatch and combine times

DEEPEP = {  # DeepEP v1 low-latency kernels, H800 with 400 Gb/s: ranks -> (dispatch us, combine us)
    8: (77, 114),
    16: (118, 195),
    32: (155, 273),
    64: (173, 314),
    128: (192, 369),
    256: (194, 360),
}


@pytest.mark.parametrize("ranks", sorted(DEEPEP))
def test_dispatch_and_combine_reproduce_the_published_table(catalog: Catalog, ranks: int) -> None:
    """A1: 128 tokens, hidden 7168, 8 experts, FP8 dispatch of 7392 B and BF16 combine per token and expert."""
    h800 = platform(catalog, "hgx_h800", "h800_sxm")
    p = profile_for(h800.family, "sglang")
    pairs = 128.0 * 8.0
    dispatch = all_to_all(one(ranks), np.array([pairs * 7392.0]), h800.tiers, start_up=p.dispatch_s)
    combine = all_to_all(one(ranks), np.array([pairs * 14336.0]), h800.tiers, start_up=p.combine_s)
    want = DEEPEP[ranks]
    assert dispatch[0] * 1e6 == pytest.approx(want[0], rel=0.15)
    assert combine[0] * 1e6 == pytest.approx(want[1], rel=0.15)


@pytest.mark.parametrize(("dies", "dispatch_us", "combine_us"), [(8, 116, 118), (256, 152, 149)])
def test_dispatch_inside_a_supernode(catalog: Catalog, dies: int, dispatch_us: float, combine_us: float) -> None:
    """A2: CloudMatrix384, 128 tokens a die, two dies a chip; dominated by the start-up, not by bytes."""
    p = platform(catalog, "cloudmatrix384", "ascend_910c")
    profile = profile_for(p.family, "other")
    pairs = 2 * 128.0 * 8.0
    grow = profile.all_to_all_doubling_s
    chips = one(dies // 2)
    dispatch = all_to_all(chips, np.array([pairs * 7500.0]), p.tiers, start_up=profile.dispatch_s, per_doubling=grow)
    combine = all_to_all(chips, np.array([pairs * 14336.0]), p.tiers, start_up=profile.combine_s, per_doubling=grow)
    assert dispatch[0] * 1e6 == pytest.approx(dispatch_us, rel=0.20)
    assert combine[0] * 1e6 == pytest.approx(combine_us, rel=0.20)


def test_all_reduce_ring_volume() -> None:
    tier = Tier("up", 8, 100e9, 0.0, 1.0)
    seconds = all_reduce(one(4), np.array([1e9]), (tier,), start_up=0.0)
    assert seconds[0] == pytest.approx(2 * 3 / 4 * 1e9 / 100e9)
    assert all_reduce(one(1), np.array([1e9]), (tier,), start_up=1.0)[0] == 0.0


# --- cache room

# llm-d-planner's table: H100 with 79.18 GiB, utilisation 0.9; GiB a chip.
ROOM = [
    ("Llama-3.3-70B", "fp8", 2, 32.0),
    ("Qwen3-32B", "bf16", 1, 4.45),
    ("Qwen3-32B", "bf16", 2, 34.49),
    ("Llama-3.1-8B", "bf16", 1, 51.38),
    ("gpt-oss-120b", "mxfp4", 1, 3.33),
]


@pytest.mark.parametrize(("model", "precision", "tp", "gib"), ROOM)
def test_cache_room_is_the_engines(catalog: Catalog, model: str, precision: str, tp: int, gib: float) -> None:
    budget = kv_budget(
        catalog.model(model), precision=precision, kv_precision="bf16", memory_bytes=79.18 * GIB, tp=one(tp), pp=one(1),
        attention_dp=one(1), chunk=one(8192), held_tokens=2048.0, profile=ServingProfile(workspace="vllm-0.10"),
    )  # fmt: skip
    assert budget.room[0] / GIB == pytest.approx(gib, abs=max(0.5, 0.05 * gib))


def test_weights_spread_over_all_chips_and_experts_only_once(catalog: Catalog) -> None:
    model = catalog.model("DeepSeek-V3")
    whole = weight_bytes(model, "fp8", one(1), one(1), one(1))[0]
    assert whole == pytest.approx(671e9, rel=0.02)
    routed = sum(p.count * p.routed_params for p in layer_profiles(model))
    spread = weight_bytes(model, "fp8", one(1), one(1), one(32))[0]
    assert whole - spread == pytest.approx(routed * (1 - 1 / 32), rel=1e-6)


def test_clients_beyond_the_cache_wait(catalog: Catalog) -> None:
    h200 = platform(catalog, "dgx_h200", "h200_sxm")
    job = ServingJob(catalog.model("Llama-3.1-70B"), "fp8", "fp8", 1024, 8192)
    shapes = ServingCandidates(
        *(np.array(v) for v in ([1] * 3, [1] * 3, [1] * 3, [1] * 3, [1, 8, 512], [8192] * 3, [0] * 3))
    )
    e = estimate_serving(job, h200, shapes)
    assert e.concurrency[2] < 512
    assert e.concurrency[2] * (1024 + 8192 * 0.5) < e.kv_capacity_tokens[2]
    assert e.ttft_s[2] > 10 * e.ttft_s[1]
    assert np.all(e.memory_bytes <= e.memory_limit_bytes * (1 + 1e-9))


# --- pieces


def test_causal_pairs_closed_forms() -> None:
    assert causal_pairs(1000, None) == pytest.approx(500_000)
    assert causal_pairs(1000, 100) == pytest.approx(100 * 100 / 2 + 900 * 100)
    assert causal_pairs(1000, None, 100) == causal_pairs(1000, 100)


def test_distinct_experts() -> None:
    """Expected distinct of E when each token picks k: k for one token, all for very many."""
    assert distinct_experts(256, 8, np.array([1.0]))[0] == pytest.approx(8.0)
    assert distinct_experts(256, 8, np.array([1e6]))[0] == pytest.approx(256.0)


# --- whole estimates


def test_parts_sum_and_little_holds(catalog: Catalog) -> None:
    h100 = platform(catalog, "dgx_h100", "h100_sxm")
    job = ServingJob(catalog.model("Mixtral-8x7B"), "fp8", "fp8", 1000, 1000)
    shapes = serving_grid(job, h100, 8, ServingGrid(batch=(1, 16, 256)))
    shipped = profile_for(h100.family)
    # without what measured runs leave over, and with it (first tokens and tokens each have a level of their own)
    for profile, most in ((replace(shipped, levels=ServingLevels()), 1.02), (shipped, 1.1)):
        e = estimate_serving(job, h100, shapes, profile)
        assert np.allclose(sum(e.breakdown.values()), e.step_s, rtol=1e-12)
        assert np.allclose(sum(e.memory.values()), e.memory_bytes, rtol=1e-12)
        ok = e.fits & (shapes.role == 0) & (e.concurrency >= shapes.batch)
        stay = e.ttft_s - profile.request_s + 999 * e.tpot_s
        assert np.all(e.requests_per_s[ok] * stay[ok] <= e.concurrency[ok] * most)
        assert np.all(e.requests_per_s[ok] * stay[ok] >= e.concurrency[ok] * 0.75)


def test_estimating_one_is_estimating_many(catalog: Catalog) -> None:
    h100 = platform(catalog, "dgx_h100", "h100_sxm")
    job = ServingJob(catalog.model("Llama-3.1-8B"), "bf16", "bf16", 512, 128)
    shapes = serving_grid(job, h100, 8)
    many = estimate_serving(job, h100, shapes)
    for i in (0, len(shapes) // 2, len(shapes) - 1):
        single = estimate_serving(job, h100, shapes.take(np.array([i])))
        assert single.requests_per_s[0] == pytest.approx(many.requests_per_s[i])
        assert single.tpot_s[0] == pytest.approx(many.tpot_s[i])


def test_prefix_reuse_gains(catalog: Catalog) -> None:
    """A3: CloudMatrix384 prefill 1.42x at 50% and 2.28x at 90% reuse; TTFT -34% and -59%."""
    p = platform(catalog, "cloudmatrix384", "ascend_910c")
    model = catalog.model("DeepSeek-V3")

    def run(share: float) -> ServingEstimate:
        job = ServingJob(model, "int8", "bf16", 4096, 1, cached_prefix=share)
        return estimate_serving(
            job, p, one_candidate(attention_dp=16, ep=16, batch=16 * 8, chunk=4096, role=PREFILL), exact
        )

    exact = replace(profile_for(p.family, "other"), prefill_layer_s=0.0, step_s=0.0, request_s=0.0)
    base = run(0.0)
    for share, gain, saved in ((0.5, 1.42, 0.34), (0.9, 2.28, 0.59)):
        reused = run(share)
        fixed = base.breakdown["layers_fixed"][0] / base.step_s[0]
        assert fixed < 0.05
        assert reused.requests_per_s[0] / base.requests_per_s[0] == pytest.approx(gain, rel=0.05)
        assert 1.0 - reused.ttft_s[0] / base.ttft_s[0] == pytest.approx(saved, rel=0.05)


DENSE = st.sampled_from(["Llama-3.1-8B", "Llama-3.1-70B", "Qwen3-32B", "Mixtral-8x7B", "gpt-oss-120b"])


@settings(max_examples=25, deadline=None)
@given(
    model=DENSE,
    tp=st.sampled_from([1, 2, 4, 8]),
    isl=st.integers(16, 8192),
    osl=st.integers(2, 2048),
    batch=st.integers(1, 256),
)
def test_relations(model: str, tp: int, isl: int, osl: int, batch: int) -> None:
    """More memory bandwidth, more compute or a faster link never slows a replica; longer requests never cost less."""
    catalog = shared_catalog()
    base = build_platform(catalog, "dgx_h200", "h200_sxm", "")
    job = ServingJob(catalog.model(model), "fp8", "fp8", isl, osl)
    shape = one_candidate(tp=tp, batch=batch)
    e = estimate_serving(job, base, shape)
    faster = replace(base, memory_bandwidth=base.memory_bandwidth * 1.5)
    stronger = replace(base, peak_flops={k: 2 * v for k, v in base.peak_flops.items()})
    linked = replace(
        base, tiers=tuple(replace(t, bandwidth=t.bandwidth * 2, latency=t.latency / 2) for t in base.tiers)
    )
    for better in (faster, stronger, linked):
        f = estimate_serving(job, better, shape)
        assert f.requests_per_s[0] >= e.requests_per_s[0] * (1 - 1e-9)
    longer = estimate_serving(replace(job, input_tokens=isl * 2), base, shape)
    assert longer.requests_per_s[0] <= e.requests_per_s[0] * (1 + 1e-6)
    assert e.tpot_s[0] > 0
    assert e.ttft_s[0] > 0
    assert np.isfinite(e.requests_per_s[0])


# --- the same model across vendors (DeepSeek-V3, 4K context, 50 ms a token)

ACROSS = [
    ("sgx5000", "mtt_s5000_liquid", "fp8"),
    ("hgx_h800", "h800_sxm", "fp8"),
    ("dgx_h100", "h100_sxm", "fp8"),
    ("cloudmatrix384", "ascend_910c", "int8"),
]


@pytest.mark.parametrize(("system", "chip", "precision"), ACROSS)
def test_decode_tracks_bandwidth_and_prefill_compute(catalog: Catalog, system: str, chip: str, precision: str) -> None:
    """C10: 550-700 tokens/s per TB/s decoding, 0.24-0.33 of the 8-bit peak in prefill; best of all shapes up to 320
    chips with one multi-token-prediction draft at 70% acceptance, as the published runs had."""
    p = platform(catalog, system, chip)
    profile = shipped_serving_calibration().profile(p.family, "sglang", front=TUNED)
    job = ServingJob(catalog.model("DeepSeek-V3"), precision, "bf16", 4096, 1024, draft_tokens=1, draft_acceptance=0.7)
    shapes = serving_grid(job, p, 320)
    e = estimate_serving(job, p, shapes, profile)
    decode = np.where(
        e.fits & (shapes.role == DECODE) & (e.tpot_s <= 0.050), e.output_tokens_per_s / e.chips, 0.0
    ).max()
    prefill = np.where(e.fits & (shapes.role == PREFILL), e.input_tokens_per_s / e.chips, 0.0).max()
    assert 550 <= decode / (p.memory_bandwidth / 1e12) <= 700
    assert 0.24 <= 2 * 37e9 * prefill / p.peak_flops[precision] <= 0.33


# --- grid and input


def test_grid_is_legal_and_large(catalog: Catalog) -> None:
    h800 = platform(catalog, "hgx_h800", "h800_sxm")
    model = catalog.model("DeepSeek-V3")
    shapes = serving_grid(ServingJob(model, "fp8"), h800, 64)
    assert len(shapes) > 1000
    assert np.all(shapes.chips <= 64)
    assert np.all(shapes.tp <= 8)
    assert np.all((shapes.tp * shapes.attention_dp) % shapes.ep == 0)
    assert np.all(shapes.batch >= shapes.attention_dp)
    table = np.stack([shapes.tp, shapes.pp, shapes.ep, shapes.attention_dp, shapes.batch, shapes.chunk, shapes.role])
    assert np.unique(table, axis=1).shape[1] == len(shapes)
    assert heads_divide(catalog.model("Llama-3.1-70B"), 16)
    assert not heads_divide(catalog.model("Qwen3-32B"), 3)


def test_speed(catalog: Catalog) -> None:
    """At least 50,000 configurations a CPU second."""
    import time

    h800 = platform(catalog, "hgx_h800", "h800_sxm")
    job = ServingJob(catalog.model("DeepSeek-V3"), "fp8", "bf16", 4096, 1024)
    shapes = serving_grid(job, h800, 320)
    estimate_serving(job, h800, shapes)
    begun = time.process_time()
    estimate_serving(job, h800, shapes)
    assert len(shapes) / (time.process_time() - begun) > 50_000


def test_bad_input_is_named(catalog: Catalog) -> None:
    model = catalog.model("Llama-3.1-8B")
    with pytest.raises(InputError, match=r"precision.*did you mean 'fp8'"):
        ServingJob(model, "fp88")
    with pytest.raises(InputError) as bad:
        ServingJob(model, "fp8", input_tokens=0, cached_prefix=2)
    assert len(bad.value.problems) == 2
    with pytest.raises(InputError, match="ep must divide"):
        one_candidate(tp=2, ep=3)
    with pytest.raises(InputError, match="engine"):
        engine_key("vlm")
    with pytest.raises(InputError, match="max_chips"):
        serving_grid(ServingJob(model), platform(catalog, "dgx_h100", "h100_sxm"), 0)
    nothing = replace(platform(catalog, "dgx_h100", "h100_sxm"), peak_flops={"fp32": 1e12})
    with pytest.raises(UnknownFigureError):
        estimate_serving(ServingJob(model), nothing, one_candidate())


def test_time_between_kernels_follows_what_a_layer_launches(catalog: Catalog) -> None:
    """Latent attention has five matrices beside the router, of which engines launch six kernels in turn; shared experts
    run beside routed ones; a layer of Nemotron is half of one of Llama."""
    h100 = platform(catalog, "dgx_h100", "h100_sxm")

    def layers_s(model: str, beside: float = 3.0) -> float:
        profile = ServingProfile(kernels_beside=beside, moe_layer_s=0.0, block_launch=1.0)
        found = StepModel(ServingJob(catalog.model(model), "bf16"), h100, profile).launches_s
        return float(found) / catalog.model(model).layers / profile.layer_s

    assert layers_s("llama-3.1-70b") == pytest.approx(1.0)
    assert layers_s("qwen3-235b-a22b") == pytest.approx((3.0 + 6.0) / 10.0)
    assert layers_s("deepseek-v3") == pytest.approx((6.0 + 6.0) / 10.0, rel=0.01)  # three dense layers have one more
    assert layers_s("nemotron-nano-9b-v2") == pytest.approx((2.0 + 3.0) / 10.0)
    assert layers_s("deepseek-v3", beside=9.0) < layers_s("deepseek-v3")
