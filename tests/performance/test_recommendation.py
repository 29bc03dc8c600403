"""Recommenders: closed forms, placement, and relations that must hold."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.catalog import Catalog, load_catalog
from planner.catalog.architecture import EmbeddingTables
from planner.errors import InputError
from planner.network.remote import RemoteMemory
from planner.network.tiers import Tier
from planner.performance.compile import build_platform
from planner.performance.platform import Platform
from planner.performance.recommendation import (
    POOLED,
    ROW_WISE,
    TABLE_WISE,
    RecommendationCandidates,
    RecommendationJob,
    RecommendationProfile,
    dense_flops_per_sample,
    estimate_recommendation,
    hit_share,
    recommendation_grid,
)


@functools.cache
def catalog() -> Catalog:
    return load_catalog()


@functools.cache
def h100() -> Platform:
    return build_platform(catalog(), "dgx_h100", "h100_sxm", "")


def shape(chips: int, sharding: int, batch: int, hbm: int = 100) -> RecommendationCandidates:
    return RecommendationCandidates(*(np.array([v]) for v in (chips, sharding, batch, hbm)))


def test_parts_sum_and_grid_is_whole() -> None:
    job = RecommendationJob(catalog().model("dlrm-dcnv2"), training=True)
    grid = recommendation_grid(job, 64)
    e = estimate_recommendation(job, h100(), grid)
    assert len(grid) == len(
        {tuple(r) for r in np.stack([grid.chips, grid.sharding, grid.local_batch, grid.hbm_percent]).T}
    )
    assert np.allclose(sum(e.breakdown.values()), e.step_time_s)
    assert np.allclose(sum(e.memory.values()), e.memory_bytes)
    assert np.any(e.fits)
    assert not np.any(e.fits & (grid.sharding == TABLE_WISE) & (grid.chips > 26))


def test_exchange_is_the_published_byte_count() -> None:
    """Table-wise: 2 B (G-1)/G sum(dim b) forward and backward; a start-up of zero leaves the bytes alone."""
    tier = Tier("up", 8, 100e9, 0.0, 1.0)
    p = replace(h100(), tiers=(tier,))
    job = RecommendationJob(catalog().model("dlrm-dcnv2"), training=True)
    exact = RecommendationProfile(exchange_s=0.0, overlap=0.0)
    e = estimate_recommendation(job, p, shape(8, TABLE_WISE, 4096), exact)
    bytes_a_chip = 2 * 4096 * 7 / 8 * 26 * 128 * 2.0
    assert e.breakdown["vector_exchange"][0] == pytest.approx(bytes_a_chip / 100e9, rel=1e-9)


def test_row_wise_multiplies_by_pooling_up_to_the_group() -> None:
    base = catalog().model("dlrm-dcnv2")
    ten = replace(base, tables=(EmbeddingTables(26, 1000, 128, 10.0),))
    exact = RecommendationProfile(exchange_s=0.0, overlap=0.0)
    p = replace(h100(), tiers=(Tier("up", 64, 100e9, 0.0, 1.0),))
    job = RecommendationJob(ten)
    for chips, factor in ((4, 4.0), (16, 10.0)):
        table = estimate_recommendation(job, p, shape(chips, TABLE_WISE, 1024), exact)
        row = estimate_recommendation(job, p, shape(chips, ROW_WISE, 1024), exact)
        assert row.breakdown["vector_exchange"][0] / table.breakdown["vector_exchange"][0] == pytest.approx(factor)


def test_dense_flops_count_every_layer() -> None:
    """DLRM-DCNv2: bottom 13-512-256-128, three cross layers of rank 512 on 27 * 128, top to 1."""
    joined = 27 * 128
    want = 13 * 512 + 512 * 256 + 256 * 128 + 3 * 2 * joined * 512
    want += joined * 1024 + 1024 * 1024 + 1024 * 512 + 512 * 256 + 256
    assert dense_flops_per_sample(catalog().model("dlrm-dcnv2")) == pytest.approx(2.0 * want)


def test_hot_rows_serve_most_look_ups() -> None:
    share = hit_share(np.array([0.0, 0.1, 0.5, 1.0]), 0.75)
    assert share[0] == 0.0
    assert share[-1] == 1.0
    assert share[1] > 0.5
    assert np.all(np.diff(share) > 0)


@settings(max_examples=30, deadline=None)
@given(
    chips=st.sampled_from([1, 2, 8, 16]),
    sharding=st.sampled_from([TABLE_WISE, ROW_WISE]),
    batch=st.integers(1, 65536),
    hbm=st.integers(5, 100),
    training=st.booleans(),
)
def test_relations(chips: int, sharding: int, batch: int, hbm: int, training: bool) -> None:
    """Faster memory, links or host never slow a step; more rows in HBM never slow it and never shrink memory."""
    job = RecommendationJob(catalog().model("dlrm-dcnv2"), training=training)
    base, one = h100(), shape(chips, sharding, batch, hbm)
    e = estimate_recommendation(job, base, one)
    for better in (
        replace(base, memory_bandwidth=base.memory_bandwidth * 2),
        replace(base, host_bandwidth=base.host_bandwidth * 2),
        replace(base, tiers=tuple(replace(t, bandwidth=t.bandwidth * 2) for t in base.tiers)),
    ):
        assert estimate_recommendation(job, better, one).step_time_s[0] <= e.step_time_s[0] * (1 + 1e-9)
    whole = estimate_recommendation(job, base, shape(chips, sharding, batch, 100))
    assert whole.step_time_s[0] <= e.step_time_s[0] * (1 + 1e-9)
    assert whole.memory_bytes[0] >= e.memory_bytes[0]
    assert e.latency_s[0] > e.step_time_s[0]


def test_bad_input_is_named() -> None:
    with pytest.raises(InputError, match="embedding tables"):
        RecommendationJob(catalog().model("Llama-3.1-8B"))
    with pytest.raises(InputError, match="hbm_percent"):
        shape(1, 0, 1, 0)
    with pytest.raises(InputError, match="max_chips"):
        recommendation_grid(RecommendationJob(catalog().model("dlrm-dcnv2")), 0)


def test_pooled_rows_are_loaded_at_the_links_rate() -> None:
    """t = rows x row bytes / min(link, Q row bytes / latency), remote (G-1)/G of them, nothing exchanged."""
    tier = Tier("up", 64, 100e9, 2e-6, 0.5)
    p = replace(h100(), tiers=(tier,), remote=RemoteMemory("load_store", "domain", "domain", 64, read_s=2e-6))
    job = RecommendationJob(catalog().model("dlrm-dcnv2"))
    cold = RecommendationProfile(zipf=0.0, overlap=0.0)
    base = catalog().model("dlrm-dcnv2")
    big = replace(base, tables=(EmbeddingTables(1000, 8_000_000, 128, 20.0),))
    for loads, rate in ((1e9, 50e9), (100.0, 100.0 * 256 / 2e-6)):
        e = estimate_recommendation(
            RecommendationJob(big), p, shape(64, POOLED, 64), replace(cold, outstanding_loads=loads)
        )
        moved = 64 * 1000 * 20 * 256.0
        cached = 1.0 - e.breakdown["remote_rows"][0] * rate / (moved * 63 / 64)
        assert 0.0 <= cached < 1.0
        assert cached == pytest.approx(e.memory["row_cache"][0] / (1000 * 8e6 * 256), rel=0.02)
        assert e.breakdown["vector_exchange"][0] == e.breakdown["index_exchange"][0] == 0.0
    assert not estimate_recommendation(job, replace(p, remote=RemoteMemory()), shape(8, POOLED, 64)).fits[0]
    assert estimate_recommendation(job, p, shape(8, POOLED, 64)).fits[0]
    assert not estimate_recommendation(job, p, shape(128, POOLED, 64)).fits[0]  # beyond the domain


def test_grid_pools_only_where_there_is_one_address_space() -> None:
    job = RecommendationJob(catalog().model("dlrm-dcnv2"))
    assert POOLED not in recommendation_grid(job, 64).sharding
    pooled = recommendation_grid(job, 512, pool=384)
    assert set(pooled.chips[pooled.sharding == POOLED]) == {2, 4, 8, 16, 32, 64, 128, 256, 384}
    assert set(pooled.hbm_percent[pooled.sharding == POOLED]) == {100}
