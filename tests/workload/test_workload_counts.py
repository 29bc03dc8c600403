"""Parameters, FLOPs and cache of the catalog's models against published figures and closed forms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.catalog.architecture import FeedForward, LayerGroup, Mixer, ModelArch
from planner.catalog.models import find_model, load_models
from planner.workload.cache import kv_bytes_per_sequence, kv_bytes_per_token, state_bytes_per_sequence
from planner.workload.flops import (
    attention_flops_per_token,
    forward_flops_per_token,
    matmul_weights,
    mean_keys,
    train_flops_per_token,
    vision_flops_per_image,
)
from planner.workload.layers import layer_profiles
from planner.workload.parameters import mtp_parameters, parameter_counts

MODELS = load_models(Path(__file__).parents[2] / "catalog" / "models")
COUNTED = sorted(i for i, m in MODELS.items() if m.published_total is not None)
ACTIVE = sorted(i for i, m in MODELS.items() if m.published_active is not None)


@pytest.mark.parametrize("model_id", COUNTED)
def test_total_is_the_published_count(model_id: str) -> None:
    model = MODELS[model_id]
    assert model.published_total is not None
    assert parameter_counts(model).total == pytest.approx(model.published_total, rel=0.01)


def test_many_models_carry_a_published_count() -> None:
    assert len(COUNTED) >= 60


@pytest.mark.parametrize(
    ("model_id", "weights"),
    [
        ("llama-3.1-8b", 8_030_261_248),
        ("llama-3.1-405b", 405_853_388_800),
        ("deepseek-v3", 671_026_419_200),
        ("qwen3-235b-a22b", 235_093_634_560),
        ("mixtral-8x7b", 46_702_792_704),
        ("bloom-176b", 176_247_271_424),
        ("gpt-neox-20b", 20_554_567_680),
        ("falcon-180b", 179_522_565_120),
        ("nemotron-nano-9b-v2", 8_888_227_328),
        ("nemotron-3-nano-30b-a3b", 31_577_940_288),
        ("qwen3-vl-8b", 8_767_123_696),
        ("gpt2", 124_439_808),
    ],
)
def test_total_to_the_last_weight(model_id: str, weights: int) -> None:
    # BLOOM: the norm after its embedding (2 x 14336) is not modelled.
    assert parameter_counts(MODELS[model_id]).total == pytest.approx(weights, abs=30_000)


@pytest.mark.parametrize("model_id", ACTIVE)
def test_active_is_the_published_count_in_one_of_two_conventions(model_id: str) -> None:
    model = MODELS[model_id]
    counts = parameter_counts(model)
    assert model.published_active is not None
    # Labels have two digits; papers count the input embedding or leave it out.
    nearest = min(abs(a / model.published_active - 1) for a in (counts.active, counts.active_with_embedding))
    assert nearest < 0.04


@pytest.mark.parametrize(
    ("model_id", "active"), [("gpt-oss-120b", 5.13e9), ("gpt-oss-20b", 3.61e9), ("deepseek-v3", 36.7e9)]
)
def test_active_where_three_digits_are_published(model_id: str, active: float) -> None:
    assert parameter_counts(MODELS[model_id]).active == pytest.approx(active, rel=0.005)


def test_parts_sum_to_the_total() -> None:
    for model in MODELS.values():
        c = parameter_counts(model)
        parts = (c.embedding, c.positions, c.head, c.dense_layers, c.routed, c.final_norm, c.vision, c.tables, c.mlp)
        assert sum(parts) + c.denoiser == c.total
        assert c.active <= c.total


def test_mtp_module_of_deepseek_v3() -> None:
    # README_WEIGHTS of the checkpoint: 11.5B unique parameters in the MTP module, shared embedding and head aside.
    assert mtp_parameters(MODELS["deepseek-v3"]) == pytest.approx(11.5e9, rel=0.01)


@pytest.mark.parametrize(
    ("model_id", "bytes_per_token"),
    [
        ("deepseek-v3.2", 61 * (576 * 2 + 132)),
        ("deepseek-v3", 70_272),
        ("llama-3-70b", 327_680),
        ("llama-3.1-405b", 516_096),
        ("llama-2-7b", 524_288),
    ],
)
def test_cache_per_token_in_bf16(model_id: str, bytes_per_token: int) -> None:
    model = MODELS[model_id]
    assert kv_bytes_per_token(model, 2) == bytes_per_token
    assert kv_bytes_per_sequence(model, 1000, 2) == 1000 * bytes_per_token


def test_cache_of_sliding_windows_stops_growing() -> None:
    model = MODELS["gpt-oss-120b"]  # 18 layers of window 128, 18 full; 8 heads of 64, keys and values
    per_layer = 2 * 8 * 64 * 2
    assert kv_bytes_per_sequence(model, 100, 2) == 36 * 100 * per_layer
    assert kv_bytes_per_sequence(model, 8192, 2) == 18 * (128 + 8192) * per_layer


def test_cache_takes_arrays_and_other_precisions() -> None:
    model = MODELS["llama-3.1-8b"]
    tokens, sizes = np.array([[1.0], [4096.0]]), np.array([1.0, 2.0])
    found = kv_bytes_per_sequence(model, tokens, sizes)
    assert found.shape == (2, 2)
    assert found[1, 0] * 2 == found[1, 1] == 4096 * 131_072


def test_state_of_a_hybrid_does_not_depend_on_length_and_is_not_quantised() -> None:
    model = MODELS["nemotron-h-56b"]
    # 54 layers of 256 heads x 64 x 256 states, and the last 3 inputs of 16384 + 2 x 8 x 256 channels
    states, inputs = 54 * 256 * 64 * 256, 54 * 3 * (16384 + 4096)
    assert state_bytes_per_sequence(model) == 2 * states + 2 * inputs
    attention = 10 * 2 * 8 * 128
    assert kv_bytes_per_sequence(model, 1000, 1) == 2 * states + 2 * inputs + 1000 * attention
    wide = kv_bytes_per_sequence(model, 1000, 1, state_bytes_per_element=4)
    assert wide == 4 * states + 2 * inputs + 1000 * attention


def test_states_are_kept_in_the_precision_that_the_config_names() -> None:
    # Qwen3.6 27B: 48 layers of 48 x 128 x 128 states in 32 bits
    model = MODELS["qwen3.6-27b"]
    assert state_bytes_per_sequence(model) == pytest.approx(156.9e6, rel=0.03)
    assert kv_bytes_per_token(model, 2) == 65_536


def test_a_window_beside_a_compressed_cache_grows_to_its_length() -> None:
    model = MODELS["deepseek-v4-flash"]
    short, long = (kv_bytes_per_sequence(model, n, 1) for n in (64, 128))
    assert long == 2 * short
    assert kv_bytes_per_sequence(model, 256, 1) < 2 * long


def test_compressed_attention_of_deepseek_v4() -> None:
    # Model card of DeepSeek-V4-Pro: at a million tokens 27% of the FLOPs of a token and 10% of the cache of V3.2.
    pro, v32 = MODELS["deepseek-v4-pro"], MODELS["deepseek-v3.2"]
    assert forward_flops_per_token(pro, 1e6) / forward_flops_per_token(v32, 1e6) == pytest.approx(0.27, abs=0.01)
    assert kv_bytes_per_sequence(pro, 1e6, 1) / kv_bytes_per_sequence(v32, 1e6, 1) == pytest.approx(0.10, abs=0.02)


def test_training_flops_are_six_per_parameter_and_token() -> None:
    for model_id in ("llama-3.1-405b", "gpt3-175b", "nemotron-4-340b", "qwen2.5-72b", "deepseek-v3"):
        model = MODELS[model_id]
        weights = matmul_weights(model)
        assert weights == pytest.approx(parameter_counts(model).active, rel=0.002)
        assert train_flops_per_token(model, 1) == pytest.approx(6 * weights, rel=1e-3)


@pytest.mark.parametrize("model_id", ["gpt-18.4b", "gpt-39.1b", "gpt-145.6b", "gpt-529.6b", "gpt-1008b", "gpt3-175b"])
@pytest.mark.parametrize("sequence", [1024, 2048, 8192])
def test_training_flops_are_those_of_narayanan_2021(model_id: str, sequence: int) -> None:
    # arXiv:2104.04473 section 5.1: 96 B s l h^2 (1 + s/6h + V/16lh) with recomputation (4 passes), full attention;
    # three of the four passes are model FLOPs. Ours halves attention.
    model = MODELS[model_id]
    h, layers, v, s = model.hidden, model.layers, model.vocab, sequence
    full = 72 * layers * h * h * (1 + s / (6 * h) + v / (12 * layers * h))
    half = 72 * layers * h * h * (1 + s / (12 * h) + v / (12 * layers * h))
    assert train_flops_per_token(model, s) == pytest.approx(half, rel=1e-9)
    assert train_flops_per_token(model, s) + 3 * attention_flops_per_token(model, s) == pytest.approx(full, rel=1e-9)
    # The paper's V/16 of 96 is V/12 of 72: the head is not recomputed.
    assert full == pytest.approx(0.75 * 96 * layers * h * h * (1 + s / (6 * h)) + 6 * v * h, rel=1e-9)


def test_training_flops_of_deepseek_v3() -> None:
    # arXiv:2412.19437: 14.8T tokens in 2.664M H800 hours; the published 343 TFLOP/s is 6ND, 386 with attention.
    model = MODELS["deepseek-v3"]
    ratio = train_flops_per_token(model, 4096) / (6 * 37e9)
    assert ratio == pytest.approx(386 / 343, rel=0.015)
    with_mtp = train_flops_per_token(model, 4096, mtp=True) / train_flops_per_token(model, 4096)
    assert with_mtp == pytest.approx(1.038, abs=0.005)  # Megatron-Bridge counts the module: 1.038 x the 61 layers


def test_training_flops_of_llama_405b() -> None:
    # arXiv:2407.21783: 3.8e25 FLOPs for 15.6T tokens.
    assert train_flops_per_token(MODELS["llama-3.1-405b"], 8192) * 15.6e12 == pytest.approx(3.8e25, rel=0.06)


def test_chunks_windows_and_full_attention() -> None:
    assert mean_keys(8192) == 4096
    assert mean_keys(8192, 16384) == 4096  # a window longer than the sequence
    assert mean_keys(8192, 128) == pytest.approx(127)  # w - w^2/2s
    assert mean_keys(16384, 4096, chunked=True) == 2048
    assert mean_keys(6144, 4096, chunked=True) == pytest.approx((4096**2 + 2048**2) / 2 / 6144)
    np.testing.assert_allclose(mean_keys(np.array([128, 256]), 128), [64, 96])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4096), st.integers(1, 4096))
def test_mean_keys_by_counting(sequence: int, window: int) -> None:
    position = np.arange(1, sequence + 1)
    exact = np.minimum(position, window).mean()
    assert abs(mean_keys(sequence, window) - exact) <= 0.5 + 1e-9  # the continuous form leaves half of the diagonal
    chunk = ((position - 1) % window + 1).mean()
    assert abs(mean_keys(sequence, window, chunked=True) - chunk) <= 0.5 + 1e-9


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(i for i, m in MODELS.items() if m.groups)), st.integers(1, 200_000))
def test_flops_and_cache_grow_with_context(model_id: str, tokens: int) -> None:
    model = MODELS[model_id]
    assert train_flops_per_token(model, tokens) <= train_flops_per_token(model, 2 * tokens)
    assert forward_flops_per_token(model, tokens) <= forward_flops_per_token(model, tokens + 1)
    assert 0 < kv_bytes_per_sequence(model, tokens, 2) <= kv_bytes_per_sequence(model, tokens + 1, 2)


def test_scalars_and_arrays_agree() -> None:
    model = MODELS["gemma3-12b"]
    lengths = np.array([512.0, 4096.0, 65536.0])
    for function in (train_flops_per_token, forward_flops_per_token):
        found = function(model, lengths)
        assert isinstance(function(model, 512), float)
        np.testing.assert_array_equal(found, [function(model, x) for x in lengths])


def test_prefill_is_the_sum_over_contexts() -> None:
    model = MODELS["gpt-oss-20b"]
    tokens = 600
    summed = forward_flops_per_token(model, np.arange(1, tokens + 1) - 0.5).sum()
    assert summed == pytest.approx(tokens * train_flops_per_token(model, tokens) / 3, rel=1e-3)


def test_profile_of_deepseek_v3_layers() -> None:
    dense, moe = layer_profiles(MODELS["deepseek-v3"])
    assert (dense.count, moe.count) == (3, 58)
    assert (dense.experts, moe.experts, moe.experts_per_token) == (0, 256, 8)
    assert moe.score_dim == 128 * (192 + 128)
    assert moe.decode_score_dim == 128 * (512 + 64 + 512)
    assert moe.kv_elements == 576
    attention = {g.name: g.weights for g in dense.gemms}
    assert attention["q_down"] == 7168 * 1536
    assert attention["q_up"] == 1536 * 128 * 192
    assert attention["kv_down"] == 7168 * 576
    assert attention["kv_up"] == 512 * 128 * 256
    assert attention["out"] == 128 * 128 * 7168
    assert moe.expert_weights == 3 * 7168 * 2048
    assert {g.shard for g in moe.gemms if g.name in ("router", "q_down", "kv_down")} == {"none"}
    assert moe.expert_input == 7168


def test_latent_experts_read_the_latent() -> None:
    moe = layer_profiles(MODELS["nemotron-3-super-120b-a12b"])[2]
    assert moe.expert_input == 1024
    assert [(g.n, g.k) for g in moe.expert_gemms] == [(2688, 1024), (1024, 2688)]


def test_tied_embeddings_save_the_head_and_not_its_flops() -> None:
    model = MODELS["llama-3.2-1b"]
    untied = replace(model, tied_embeddings=False)
    assert parameter_counts(untied).total - parameter_counts(model).total == 128256 * 2048
    assert train_flops_per_token(untied, 2048) == train_flops_per_token(model, 2048)


def test_vision_tower_flops() -> None:
    # 27 layers over 4096 patches: 2 x 410M matrix weights a patch and 4 x 1152 x 4096 of attention a layer and patch
    model = MODELS["gemma3-12b"]
    matrices = 27 * (4 * 1152**2 + 2 * 1152 * 4304)
    expected = 4096 * (2 * matrices + 27 * 4 * 1152 * 4096) + 2 * 256 * 9_824_256
    assert vision_flops_per_image(model) == pytest.approx(expected)
    assert vision_flops_per_image(MODELS["gemma3-1b"]) == 0


def test_recommender_of_mlperf() -> None:
    # MLCommons recommendation_v2: 204,184,588 rows of 128, 214 look-ups a sample
    model = MODELS["dlrm-dcnv2"]
    assert sum(t.rows for t in model.tables) == 204_184_588
    assert sum(t.pooling for t in model.tables) == 214
    counts = parameter_counts(model)
    assert counts.tables == 204_184_588 * 128
    cross = 3 * (2 * 3456 * 512 + 3456)
    top = sum(a * b + b for a, b in [(3456, 1024), (1024, 1024), (1024, 512), (512, 256), (256, 1)])
    bottom = sum(a * b + b for a, b in [(13, 512), (512, 256), (256, 128)])
    assert counts.mlp == cross + top + bottom
    assert parameter_counts(MODELS["dlrm-1t"]).total == pytest.approx(1e12, rel=0.05)


def test_recommender_with_dot_products() -> None:
    model = replace(MODELS["dlrm-dcnv2"], cross_layers=0, cross_rank=0)
    assert parameter_counts(model).mlp < parameter_counts(MODELS["dlrm-dcnv2"]).mlp
    # 27 vectors: 351 pairs and the 128 of the bottom MLP
    weights = 13 * 512 + 512 * 256 + 256 * 128 + (351 + 128) * 1024 + 1024 * 1024 + 1024 * 512 + 512 * 256 + 256
    assert matmul_weights(model) == weights


def test_model_without_experts_has_none() -> None:
    group = LayerGroup(2, Mixer(heads=4, kv_heads=4, head_dim=16), FeedForward(hidden=256, gated=False))
    model = ModelArch("tiny", "Tiny", "gpt", "dense", 64, 1000, (group,))
    counts = parameter_counts(model)
    assert counts.routed == 0
    assert counts.total == 2 * 64_000 + 2 * (4 * 64 * 64 + 2 * 64 * 256 + 2 * 64) + 64
    assert find_model({"tiny": model}, "Tiny") is model
