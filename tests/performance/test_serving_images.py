"""Images of a request: the vision tower's work stands in its prefill, linear in images and cut over TP."""

from __future__ import annotations

import numpy as np
import pytest
from tools import scenario_of

from planner.catalog import Catalog
from planner.errors import InputError
from planner.performance.compile import build_platform
from planner.performance.platform import Platform
from planner.performance.serving.replica import DECODE, PREFILL, ServingJob, estimate_serving, one_candidate
from planner.scenario.check import check_scenario
from planner.workload.flops import vision_flops_per_image


@pytest.fixture(scope="module")
def h100(shipped: Catalog) -> Platform:
    return build_platform(shipped, "hgx_h100_oem", "h100_sxm", "air_crah")


def prefill_s(
    shipped: Catalog, platform: Platform, images: float, *, tp: int = 1, tokens: float | None = None
) -> float:
    """Of one prompt of 8,192 tokens alone."""
    job = ServingJob(shipped.model("qwen3-vl-8b"), "bf16", input_tokens=8192, output_tokens=16, images=images,
                     image_tokens=tokens)  # fmt: skip
    return float(estimate_serving(job, platform, one_candidate(tp=tp, chunk=8192, role=PREFILL)).prefill_s[0])


def test_the_tower_takes_its_flops_at_the_rate_of_dense_matrices(shipped: Catalog, h100: Platform) -> None:
    """By hand: images x FLOPs over the peak, at 40 to 100% of it; twice the images twice that; half over TP 2."""
    model = shipped.model("qwen3-vl-8b")
    alone = prefill_s(shipped, h100, 0)
    four = prefill_s(shipped, h100, 4) - alone
    ideal = 4 * vision_flops_per_image(model) / h100.peak_flops["bf16"]
    assert ideal < four < ideal / 0.4
    assert prefill_s(shipped, h100, 8) - alone == pytest.approx(2 * four, rel=1e-9)
    assert prefill_s(shipped, h100, 4, tp=2) - prefill_s(shipped, h100, 0, tp=2) == pytest.approx(four / 2, rel=0.3)


def test_finer_images_cost_more_than_in_proportion(shipped: Catalog, h100: Platform) -> None:
    """Four times the patches are four times the matrices and sixteen times the pairs of attention."""
    alone = prefill_s(shipped, h100, 0)
    coarse, fine = (prefill_s(shipped, h100, 4, tokens=t) - alone for t in (256, 1024))
    model = shipped.model("qwen3-vl-8b")
    ratio = vision_flops_per_image(model, 1024) / vision_flops_per_image(model, 256)
    assert 4 < ratio < 16
    assert fine / coarse == pytest.approx(ratio, rel=1e-9)


def test_decode_sees_no_images_and_text_models_none(shipped: Catalog, h100: Platform) -> None:
    model = shipped.model("qwen3-vl-8b")
    steps = [
        estimate_serving(ServingJob(model, images=n), h100, one_candidate(role=DECODE, batch=32)).decode_step_s
        for n in (0.0, 8.0)
    ]
    assert np.array_equal(steps[0], steps[1])
    with pytest.raises(InputError, match="no vision tower"):
        ServingJob(shipped.model("llama-3.1-8b"), images=1.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "llama-3.1-8b"}, "has no vision tower"),
        ({"input_tokens": 200}, "the images alone make more tokens than the prompt has"),
        ({"images": {"per_request": 2, "token": 64}}, "tokens"),
        ({"images": {"per_request": 0}}, "per_request"),
    ],
)
def test_wrong_images_are_told(change: dict[str, object], said: str, shipped: Catalog) -> None:
    load = {"name": "see", "kind": "serving", "model": "qwen3-vl-8b", "input_tokens": 1000, "output_tokens": 50,
            "requests_per_s": 1, "images": {"per_request": 2}, **change}  # fmt: skip
    with pytest.raises(InputError, match=said):
        check_scenario(scenario_of(load), shipped)
