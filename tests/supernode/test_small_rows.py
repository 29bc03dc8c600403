"""What loads, stores and coherence are worth: rows so small that their access, not the link, is what they wait for."""

from __future__ import annotations

import numpy as np
import pytest

from planner import load_catalog
from planner.performance.compile import build_platform
from planner.performance.recommendation import (
    POOLED,
    RecommendationCandidates,
    RecommendationJob,
    RecommendationProfile,
    estimate_recommendation,
)
from planner.supernode.records import LEVEL_RECORDS

CATALOG = load_catalog()
MODEL = CATALOG.model("dlrm-1t")
LOADS = RecommendationProfile().outstanding_loads


def seconds_of_rows(level: str, precision: str, training: bool) -> tuple[float, float, float]:
    """(seconds of remote rows in a step, seconds of a small access, bytes/s of the link)."""
    record = {"host_dram_tb": 144.0, **LEVEL_RECORDS[level][1]}
    known = CATALOG.with_assumptions({"systems": {"cloudmatrix384": record}})
    platform = build_platform(known, "cloudmatrix384", "ascend_910c", "d2c_1p")
    one = RecommendationCandidates(*(np.array([v]) for v in (384, POOLED, 1024, 10)))
    found = estimate_recommendation(RecommendationJob(MODEL, "bf16", precision, training), platform, one)
    r, tier = platform.remote, platform.tiers[0]
    # a training step moves rows three times: one pass reads, read-modify-write are the other two
    access = (r.small_read_s + 2.0 * r.small_write_s) / 3.0 if training else r.small_read_s
    return float(found.breakdown["remote_rows"][0]), access, tier.bandwidth * tier.efficiency


@pytest.mark.parametrize(("precision", "row"), [("bf16", 256.0), ("fp8", 128.0)])
@pytest.mark.parametrize(("below", "above", "training"), [("L2", "L3", False), ("L3", "L4", True)])
def test_small_accesses_pay_where_they_are_what_rows_wait_for(
    precision: str, row: float, below: str, above: str, training: bool
) -> None:
    """Rows move at min(link, rows in flight x bytes / access). 4,096 rows of 256 bytes hide 2.9 us behind the link of a
    CloudMatrix384, so loads (L3) and coherence (L4) change nothing; rows of 128 bytes do not, and go faster by it."""
    (before, slow, link), (after, fast, _) = (seconds_of_rows(x, precision, training) for x in (below, above))
    assert fast < slow
    by_hand = min(link, LOADS * row / fast) / min(link, LOADS * row / slow)
    assert before / after == pytest.approx(by_hand, rel=1e-6)
    assert (by_hand > 1.15) == (precision == "fp8")
