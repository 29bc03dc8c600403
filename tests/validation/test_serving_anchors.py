"""DeepSeek-V3 across vendors and the latency curve of one published deployment: no measured row says these."""

from __future__ import annotations

import functools

import pytest

from planner.catalog import Catalog, load_catalog
from planner.validation.serving.anchors import (
    ACROSS,
    CURVE,
    DECODE_BAND,
    PREFILL_BAND,
    across_vendors,
    supernode_curve,
)


@functools.cache
def catalog() -> Catalog:
    return load_catalog()


@pytest.mark.parametrize(("system", "chip", "precision"), ACROSS)
def test_one_model_across_vendors(system: str, chip: str, precision: str) -> None:
    """C10: decoding inside the band of 550-700 tokens/s per TB/s, prefill inside 0.24-0.33 of the 8-bit peak."""
    found = across_vendors(catalog(), system, chip, precision)
    assert DECODE_BAND[0] <= found.decode_per_tb_s <= DECODE_BAND[1]
    assert PREFILL_BAND[0] <= found.prefill_share <= PREFILL_BAND[1]
    assert "requests a copy" in found.shape


def test_latency_curve_of_the_supernode() -> None:
    """C11: CloudMatrix384 at 8, 24 and 96 requests a chip, TPOT and rate within 15%; its engine is measured nowhere
    else."""
    for (_, tpot_ms, rate), (tpot, tokens) in zip(CURVE, supernode_curve(catalog()), strict=True):
        assert tpot == pytest.approx(tpot_ms, rel=0.15)
        assert tokens == pytest.approx(rate, rel=0.15)
