"""How fast the serving search is: replica configurations per CPU second, and two questions from a fresh process.

The rate counts configurations priced in throughput, memory, and 95th percentiles of TTFT and TPOT at four loads. The
questions are timed as a user meets them: a new interpreter that imports, reads the catalog and answers.

    python benchmarks/serving_search.py --json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

from planner.catalog import load_catalog
from planner.performance.compile import build_platform
from planner.performance.serving.grid import serving_grid
from planner.performance.serving.load import curves_of, under_load
from planner.performance.serving.replica import ServingJob, estimate_serving

LOADS = (0.3, 0.5, 0.7, 0.85)
LENGTHS = {"input_tokens": 4000, "output_tokens": 500}
QUESTIONS: dict[str, dict[str, object]] = {
    "qwen3_32b_32_h200_s": {"model": "qwen3-32b", "chips": 32, "ttft_ms": 1000, "tpot_ms": 10, **LENGTHS},
    "deepseek_v3_64_h200_s": {"model": "deepseek-v3", "chips": 64, "ttft_ms": 5000, "tpot_ms": 50, **LENGTHS},
}


def rate(repeat: int = 3) -> float:
    """Configurations per CPU second of DeepSeek-V3 on up to 64 H200, median of some runs."""
    catalog = load_catalog()
    platform = build_platform(catalog, "dgx_h200", "h200_sxm", "")
    job = ServingJob(catalog.model("deepseek-v3"), "fp8", "bf16", 4000, 500)
    found = []
    for _ in range(repeat):
        start = time.process_time()
        grid = serving_grid(job, platform, 64)
        curves = curves_of(grid, estimate_serving(job, platform, grid))
        for load in LOADS:
            state = under_load(job, platform, grid, load, curves=curves)
            state.ttft_s(95)
            state.tpot_s(95)
        found.append(len(grid) / (time.process_time() - start))
    return sorted(found)[repeat // 2]


def fresh_process_s(question: dict[str, object], repeat: int = 3) -> float:
    """Median seconds of a new interpreter that answers one question."""
    code = (
        f"from planner import estimate_serving as e; e(system='dgx_h200', precision='fp8', best=True, **{question!r})"
    )
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - start)
    return sorted(times)[repeat // 2]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    as_json = parser.parse_args().json
    result: dict[str, float] = {"configurations_per_cpu_second": round(rate())}
    result |= {name: round(fresh_process_s(question), 3) for name, question in QUESTIONS.items()}
    if as_json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:32} {value:,}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
