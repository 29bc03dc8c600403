"""Published regularities of serving that no row of the carried measurements states: one model across vendors.

DeepSeek-V3 at 4K context decodes 550-700 tokens/s per TB/s of memory bandwidth at 50 ms a token and prefills at
0.24-0.33 of the 8-bit peak on four chips of three vendors, the best of all replica shapes up to 320 chips.
CloudMatrix384's latency curve is of one configuration: expert parallelism over 160 chips (320 dies), one copy of
attention a chip, and 8, 24 and 96 requests a chip for the three latencies published (rate times TPOT)
[arXiv:2506.12708].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.catalog import Catalog
from planner.performance.compile import build_platform
from planner.performance.serving.grid import serving_grid
from planner.performance.serving.levels import TUNED
from planner.performance.serving.profile import ServingCalibration, serving_family, shipped_serving_calibration
from planner.performance.serving.replica import DECODE, PREFILL, ServingJob, estimate_serving, one_candidate

ACROSS = (
    ("sgx5000", "mtt_s5000_liquid", "fp8"),
    ("hgx_h800", "h800_sxm", "fp8"),
    ("dgx_h100", "h100_sxm", "fp8"),
    ("cloudmatrix384", "ascend_910c", "int8"),
)
"""(system, chip, 8-bit precision)."""
DECODE_BAND = (550.0, 700.0)  # tokens/s per TB/s
PREFILL_BAND = (0.24, 0.33)  # of the 8-bit peak, 2 x 37e9 operations a token
ACTIVE_PARAMETERS = 37e9
MOST_CHIPS = 320
LATENCY_S = 0.050
CURVE = ((8, 14.9, 538.0), (24, 24.6, 974.0), (96, 49.4, 1943.0))
"""CloudMatrix384: (requests a chip, TPOT ms, tokens/s a chip)."""
CURVE_CHIPS = 160
S5000_PORT_GBIT_S = 400.0
"""Scale-out port of an S5000 server: not published, assumed."""


@dataclass(frozen=True)
class AcrossVendors:
    """The best shapes found for a chip: tokens/s per TB/s and share of the 8-bit peak, and the decode shape."""

    chip: str
    decode_per_tb_s: float
    prefill_share: float
    shape: str


def _job(catalog: Catalog, precision: str) -> ServingJob:
    model = catalog.model("DeepSeek-V3")
    return ServingJob(model, precision, "bf16", 4096, 1024, draft_tokens=1, draft_acceptance=0.7)


def _with_port(catalog: Catalog) -> Catalog:
    return catalog.with_assumptions({"systems": {"sgx5000": {"scaleout_gbit_s_per_chip": S5000_PORT_GBIT_S}}})


def across_vendors(
    catalog: Catalog, system: str, chip: str, precision: str, calibration: ServingCalibration | None = None
) -> AcrossVendors:
    """DeepSeek-V3, 4,096 tokens in and 1,024 out, one multi-token-prediction draft at 70% acceptance, as published runs
    had, with SGLang's constants. Raises ``PlannerError`` for an unknown system, chip or figure."""
    platform = build_platform(_with_port(catalog), system, chip, "")
    known = calibration or shipped_serving_calibration()
    profile = known.profile(serving_family(platform.chip_id, platform.family), "sglang", front=TUNED)
    job = _job(catalog, precision)
    shapes = serving_grid(job, platform, MOST_CHIPS)
    e = estimate_serving(job, platform, shapes, profile)
    decode = np.where(e.fits & (shapes.role == DECODE) & (e.tpot_s <= LATENCY_S), e.output_tokens_per_s / e.chips, 0.0)
    prefill = np.where(e.fits & (shapes.role == PREFILL), e.input_tokens_per_s / e.chips, 0.0)
    k = int(decode.argmax())
    shape = (
        f"TP{shapes.tp[k]} PP{shapes.pp[k]} EP{shapes.ep[k]} attention DP{shapes.attention_dp[k]},"
        f" {shapes.batch[k] // shapes.attention_dp[k]} requests a copy, {e.tpot_s[k] * 1e3:.1f} ms a token"
    )
    return AcrossVendors(
        chip,
        float(decode[k]) / (platform.memory_bandwidth / 1e12),
        2.0 * ACTIVE_PARAMETERS * float(prefill.max()) / platform.peak_flops[precision],
        shape,
    )


def supernode_curve(catalog: Catalog, calibration: ServingCalibration | None = None) -> list[tuple[float, float]]:
    """(TPOT ms, tokens/s a chip) of the published configuration of CloudMatrix384 at the loads of ``CURVE``.

    Its engine is measured nowhere else, so it has what engines of its generation have in common.
    """
    platform = build_platform(catalog, "cloudmatrix384", "ascend_910c", "")
    known = calibration or shipped_serving_calibration()
    profile = known.profile(serving_family(platform.chip_id, platform.family), "current", front=TUNED)
    job = _job(catalog, "int8")
    found: list[tuple[float, float]] = []
    for requests, _, _ in CURVE:
        shape = one_candidate(ep=CURVE_CHIPS, attention_dp=CURVE_CHIPS, batch=requests * CURVE_CHIPS, role=DECODE)
        e = estimate_serving(job, platform, shape, profile)
        found.append((float(e.tpot_s[0]) * 1e3, float((e.output_tokens_per_s / e.chips)[0])))
    return found
