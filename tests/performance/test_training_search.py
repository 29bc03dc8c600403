"""Offload, tiled tensor parallelism, partial recomputation, and the search over all of them."""

from __future__ import annotations

import numpy as np
import pytest

from planner.catalog import load_catalog
from planner.performance.compile import build_platform
from planner.performance.training.grid import TrainingGrid, declared_size, training_grid
from planner.performance.training.offload import LINK_SHARE
from planner.performance.training.profile import with_changes
from planner.performance.training.search import NO_TECHNIQUES, TechniqueGrid, search_training
from planner.performance.training.stacks import get_profile
from planner.performance.training.step import TrainingCandidates, TrainingJob, estimate_training

CATALOG = load_catalog()
PLATFORM = build_platform(CATALOG, "dgx_a100", "a100_80_sxm", "")
JOB = TrainingJob(CATALOG.model("gpt-18.4b"), 2048, 512)
TUNED = get_profile("tuned")
LAYOUT = TrainingCandidates.of(tp=8, pp=2, dp=16, micro_batch=1, recompute=(0, 2), sp=1)


def test_offloaded_optimizer_leaves_the_chip_and_waits_only_beyond_the_backward_pass() -> None:
    plain = estimate_training(JOB, PLATFORM, LAYOUT, TUNED)
    away = estimate_training(JOB, PLATFORM, LAYOUT, with_changes(TUNED, offload_optimizer=1.0))
    assert (away.memory["optimizer"] < 0.2 * plain.memory["optimizer"]).all()
    assert away.host_bytes == pytest.approx(plain.memory["optimizer"], rel=0.05)
    assert (plain.host_bytes == 0).all()
    slow = estimate_training(JOB, PLATFORM, LAYOUT, with_changes(TUNED, offload_optimizer=1.0, offload_gb_s=0.01))
    wire = away.host_bytes / (0.01e9 * LINK_SHARE)
    # what is exposed is the wire time less a window of one backward pass, and the level multiplies it
    assert (slow.step_time_s - plain.step_time_s < 2.2 * wire).all()
    assert (slow.step_time_s - plain.step_time_s > 0.5 * wire).all()
    fast = estimate_training(JOB, PLATFORM, LAYOUT, with_changes(TUNED, offload_optimizer=1.0, offload_gb_s=1e6))
    assert fast.step_time_s == pytest.approx(plain.step_time_s, rel=1e-6)


def test_offloaded_activations_save_memory_and_a_fast_pool_costs_nothing() -> None:
    plain = estimate_training(JOB, PLATFORM, LAYOUT, TUNED)
    pool = estimate_training(JOB, PLATFORM, LAYOUT, with_changes(TUNED, offload_activations=1.0, offload_gb_s=1e5))
    half = estimate_training(JOB, PLATFORM, LAYOUT, with_changes(TUNED, offload_activations=0.5, offload_gb_s=1e5))
    assert pool.step_time_s == pytest.approx(plain.step_time_s, rel=1e-6)
    assert (pool.memory_bytes < half.memory_bytes).all()
    assert (half.memory_bytes < plain.memory_bytes).all()
    narrow = estimate_training(JOB, PLATFORM, LAYOUT, with_changes(TUNED, offload_activations=1.0, offload_gb_s=1.0))
    assert narrow.step_time_s[0] > 1.5 * plain.step_time_s[0]
    assert sum(narrow.breakdown.values()) == pytest.approx(narrow.step_time_s)


def test_a_share_of_recomputed_layers_lies_between_none_and_all() -> None:
    none, whole = (estimate_training(JOB, PLATFORM, LAYOUT, TUNED).step_time_s[i] for i in (0, 1))
    half = estimate_training(JOB, PLATFORM, LAYOUT, with_changes(TUNED, recompute_share=0.5))
    full = estimate_training(JOB, PLATFORM, LAYOUT, TUNED)
    assert none < half.step_time_s[1] < whole
    assert half.step_time_s[1] == pytest.approx(0.5 * (none + whole), rel=0.02)
    assert full.memory["activations"][1] < half.memory["activations"][1] < full.memory["activations"][0]


def test_tiled_tensor_parallelism_hides_transfers_and_needs_sequence_parallelism() -> None:
    wide = TrainingCandidates.of(tp=8, pp=2, dp=16, micro_batch=2, sp=(0, 1))
    plain = estimate_training(JOB, PLATFORM, wide, with_changes(TUNED, tp_overlap=0.0))
    tiled = estimate_training(JOB, PLATFORM, wide, with_changes(TUNED, tp_overlap=0.0, async_tp=True))
    assert tiled.step_time_s[0] == pytest.approx(plain.step_time_s[0])
    assert tiled.breakdown["tensor_parallel"][1] < 0.5 * plain.breakdown["tensor_parallel"][1]
    assert tiled.breakdown["matrix"][1] > plain.breakdown["matrix"][1]  # smaller products are slower


def test_search_prices_every_legal_combination_and_finds_the_best() -> None:
    grid = TrainingGrid(tp=(4, 8), micro_batch=(1, 2), zero_stage=(1,))
    found = search_training(JOB, PLATFORM, 256, TUNED, grid)
    layouts = training_grid(JOB, PLATFORM, 256, grid)
    each = estimate_training(JOB, PLATFORM, layouts, TUNED, detail=False)
    assert found.declared == declared_size(JOB, PLATFORM, 256, grid)
    assert found.declared - found.illegal == layouts.size
    assert found.priced == int(each.fits.sum())
    assert found.best[0].step_time_s == float(np.where(each.fits, each.step_time_s, np.inf).min())
    assert [f.step_time_s for f in found.best] == sorted(f.step_time_s for f in found.best)


def test_techniques_multiply_the_grid_and_never_make_the_best_worse() -> None:
    grid = TrainingGrid(tp=(8,), micro_batch=(1,), zero_stage=(1,))
    one = search_training(JOB, PLATFORM, 256, TUNED, grid, NO_TECHNIQUES)
    many = TechniqueGrid(recompute_share=(1.0, 0.5))
    all_ = search_training(JOB, PLATFORM, 256, TUNED, grid, many)
    # two of three modes of recomputation are as they were, the third has two shares
    assert all_.declared == one.declared // 3 * 4 * many.size
    assert all_.best[0].step_time_s <= one.best[0].step_time_s
