"""Chips whose matrix units alone were cut (H20): what is lost beside the matrices is what the whole chip loses."""

from __future__ import annotations

import numpy as np
import pytest

from planner import estimate_serving
from planner.catalog import Catalog
from planner.performance.compile import build_platform, matrix_share
from planner.performance.serving.engine import profile_of
from planner.performance.serving.job import ServingJob
from planner.performance.serving.step import StepModel


def test_a_cut_chip_with_more_bandwidth_decodes_few_requests_as_quickly() -> None:
    """H20 reads at 4.0 TB/s where H100 reads at 3.35: one request is bound by that, prompts by the matrix units."""

    def tpot(system: str, batch: int) -> float:
        return estimate_serving(
            model="llama-3.1-8b", system=system, chips=1, tp=1, batch=batch, input_tokens=1024, output_tokens=1024
        ).tpot_ms

    assert tpot("hgx_h20", 1) < tpot("hgx_h100_oem", 1)
    assert tpot("hgx_h20", 128) > tpot("hgx_h100_oem", 128)


@pytest.mark.parametrize("tokens", [1.0, 64.0, 8192.0])
def test_the_seconds_lost_to_a_matrix_are_those_of_the_whole_chip(shipped: Catalog, tokens: float) -> None:
    """Time of a product less that of its operations at the peak, on H20 and on H100 (no memory to wait for)."""
    lost = []
    for system, chip in (("hgx_h20", "h20_96"), ("hgx_h100_oem", "h100_sxm")):
        platform = build_platform(shipped, system, chip, "")
        job = ServingJob(shipped.model("llama-3.1-8b"), input_tokens=1024, output_tokens=1024)
        step = StepModel(job, platform, profile_of(job, platform))
        weights = np.array([1e8])
        seconds = step._gemm(weights, np.array([tokens]), 0.0, step.bf16)
        lost.append(float(seconds[0]) - 2.0 * tokens * 1e8 / step.bf16)
    assert lost[0] == pytest.approx(lost[1], rel=0.01)


def test_only_the_rate_of_matrices_is_cut(shipped: Catalog) -> None:
    """148 of 989 TFLOPS; every other chip of the catalog is whole."""
    cut = {c.id: round(matrix_share(shipped, c), 3) for c in shipped.chips.values() if matrix_share(shipped, c) < 1.0}
    assert cut == {"h20_96": 0.15, "h20_141": 0.15}
