"""Peak memory as public logs and guides print it: recomputation, sharded weights, loss, precision-aware optimizers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.catalog import Catalog, load_catalog
from planner.estimate.hardware import machine_of
from planner.performance.training.grid import TrainingGrid, training_grid
from planner.performance.training.stacks import get_profile
from planner.performance.training.step import TrainingCandidates, TrainingEstimate, TrainingJob, estimate_training


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def _estimate(
    catalog: Catalog, model: str, system: str, chips: int, stack: str, batch: int, precision: str = "bf16",
    vocab: int = 0, sequence: int = 4096, **layout: int,
) -> TrainingEstimate:  # fmt: skip
    arch = catalog.model(model)
    arch = replace(arch, vocab=vocab) if vocab else arch
    dp = chips // (layout.get("tp", 1) * layout.get("pp", 1))
    one = TrainingCandidates.of(dp=dp, sp=int(layout.get("tp", 1) > 1), **layout)
    return estimate_training(
        TrainingJob(arch, sequence, batch, precision), machine_of(catalog, system, None, None).platform, one,
        get_profile(stack),
    )  # fmt: skip


FSDP = {"zero_stage": 3}
BRIDGE = {"micro_batch": 1, "vpp": 5}
CASES = [
    # torchtitan issue 1789 (selective by operator) and pull 1690 (whole layers; eager loss under tensor parallelism)
    ("deepseek-v2-lite", "dgx_h100", 8, "fsdp", 32, {"ep": 8, "micro_batch": 4, "recompute": 1, **FSDP}, {}, 78.7),
    ("qwen3-32b", "h100_96_server_8", 8, "fsdp", 16, {"micro_batch": 2, "recompute": 2, **FSDP}, {}, 87.9),
    ("qwen3-32b", "h100_96_server_8", 32, "fsdp", 64, {"tp": 8, "micro_batch": 16, "recompute": 2, **FSDP}, {}, 46.7),
    ("qwen3-32b", "h100_96_server_8", 32, "fsdp", 128, {"tp": 8, "micro_batch": 32, "recompute": 2, **FSDP}, {}, 76.0),
    # Megatron-Bridge: activation-recomputation guide (Moonlight 16B), pull 3880, memory-tuning guide
    ("deepseek-v2-lite", "dgx_h100", 8, "bridge_2026", 4, {"tp": 2, "ep": 8}, {"vocab": 163840}, 36.6),
    ("qwen3-30b-a3b", "dgx_h100", 16, "bridge_2026", 1024, {"ep": 16}, {}, 61.4),
    ("llama-3-70b", "dgx_h100", 32, "bridge_2026", 32, {"tp": 4, "pp": 4, **BRIDGE}, {"precision": "fp8"}, 58.8),
    ("llama-3-70b", "dgx_h100", 32, "bridge_2026", 32, {"tp": 4, "pp": 8, **BRIDGE}, {"precision": "fp8"}, 53.2),
]


@pytest.mark.parametrize(("model", "system", "chips", "stack", "batch", "layout", "more", "published_gb"), CASES)
def test_published_peaks_are_within_eight_percent_and_fit(
    catalog, model, system, chips, stack, batch, layout, more, published_gb
) -> None:
    found = _estimate(catalog, model, system, chips, stack, batch, **layout, **more)
    assert float(found.memory_bytes[0]) / 1e9 == pytest.approx(published_gb, rel=0.08)
    assert bool(found.fits[0])


def test_a_published_out_of_memory_does_not_fit(catalog) -> None:
    """MaxText issue 4117: 52B on 192 TPU v4, seven sequences a chip."""
    found = _estimate(
        catalog, "maxtext-52b", "tpu_v4_pod", 192, "xla", 1344, sequence=2048, micro_batch=7, recompute=2, **FSDP
    )
    assert not bool(found.fits[0])


@pytest.mark.parametrize("stack", ["default", "mcore", "tuned", "fsdp", "hai_llm"])
def test_selective_recomputation_frees_memory_at_less_than_whole_layers_cost(catalog, stack) -> None:
    job = TrainingJob(catalog.model("deepseek-v3"), 4096, 1024)
    platform = machine_of(catalog, "dgx_h100", None, None).platform
    three = TrainingCandidates.of(tp=1, pp=16, dp=16, ep=8, micro_batch=1, recompute=[0, 1, 2])
    found = estimate_training(job, replace(platform, neighbours=type(platform.neighbours)()), three, get_profile(stack))
    kept = found.memory["activations"]
    assert kept[0] > 1.1 * kept[1] > kept[2]
    assert found.step_time_s[0] < found.step_time_s[1] < found.step_time_s[2]


def test_precision_aware_optimizers_and_small_gradients_save_six_bytes_a_parameter(catalog) -> None:
    job = TrainingJob(catalog.model("llama-3.1-8b"), 4096, 64)
    platform = machine_of(catalog, "dgx_h100", None, None).platform
    one = TrainingCandidates.of(dp=8, zero_stage=0)
    full = replace(get_profile("tuned"), grad_bytes=4.0, optimizer_bytes=12.0)
    lean = estimate_training(job, platform, one, get_profile("tuned"))
    usual = estimate_training(job, platform, one, full)
    assert float(usual.memory_bytes[0] - lean.memory_bytes[0]) == pytest.approx(6.0 * 8.03e9, rel=0.01)


def test_stages_that_place_embedding_head_and_predictions_are_legal(catalog) -> None:
    """DeepSeek-V3's 61 layers, embedding, loss and one extra prediction on PP 4 x VPP 4 (Megatron-Bridge, GB200)."""
    job = TrainingJob(catalog.model("deepseek-v3"), 4096, 4096, "mxfp8")
    platform = machine_of(catalog, "gb200_nvl72", None, None).platform
    grid = TrainingGrid(tp=[1], pp=[4], vpp=[4], cp=[1], ep=[64], micro_batch=[1], zero_stage=[1], recompute=[1])
    layouts = training_grid(job, platform, 256, grid)
    assert layouts.size == 1
    found = estimate_training(job, platform, layouts, "bridge_2606")
    rate = float(found.tokens_per_s_per_chip[0])
    assert rate / float(found.high80[0]) < 4912.0 < rate / float(found.low80[0])  # published: 4,912 to 4,969
    assert np.all(found.memory_bytes > 0)
