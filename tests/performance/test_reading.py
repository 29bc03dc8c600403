"""Prompts measured alone, the nearest that there is to a measured encoder, are inside the interval of an encoding."""

from __future__ import annotations

import pytest

from planner import load_catalog
from planner.performance.compile import build_platform
from planner.performance.serving.job import ServingJob, one_candidate
from planner.performance.serving.reading import reading_ends
from planner.performance.serving.replica import estimate_serving

# (model, system, chip, precision, engine, prompts, tokens of each, seconds for all of them, measured case)
MEASURED = [
    ("llama-2-7b", "hgx_h100_oem", "h100_sxm", "fp8", "trtllm", 1, 2048, 0.0308, "TRT09-0100"),
    ("mistral-7b", "dgx_h200", "h200_sxm", "fp8", "trtllm", 1, 2048, 0.0317, "TRT09-0088"),
    ("llama-2-7b", "dgx_a100", "a100_80_sxm", "bf16", "trtllm", 1, 2048, 0.1324, "TRT09-0122"),
    ("llama-2-7b", "l40s_8", "l40s", "fp8", "trtllm", 1, 2048, 0.0801, "TRT09-0110"),
    ("llama-2-7b", "hgx_h100_oem", "h100_sxm", "bf16", "vllm", 16, 1024, 0.3865, "ANLT-0025"),
    ("llama-3.1-8b", "dgx_a100", "a100_80_sxm", "bf16", "vllm", 16, 1024, 1.0501, "ANLT-0020"),
]


@pytest.mark.parametrize("row", MEASURED, ids=lambda row: row[-1])
def test_prompts_alone_are_inside_the_interval(row: tuple) -> None:
    model, system, chip, precision, engine, prompts, tokens, seconds, _ = row
    catalog = load_catalog()
    job = ServingJob(
        catalog.model(model), precision=precision, input_tokens=float(tokens), output_tokens=1.0, engine=engine
    )
    platform = build_platform(catalog, system, chip, "air_crah")
    found = estimate_serving(job, platform, one_candidate(batch=prompts, chunk=8192))
    predicted = prompts / float(found.requests_per_s[0])
    low, high = reading_ends(float(found.low80[0]), float(found.high80[0]))
    assert predicted * low <= seconds <= predicted * high
