"""How many training layouts are looked at per CPU second: GPT-3 175B on 4,096 A100, batch 4,096, one core.

The declared grid: tp, pp, interleaving, micro-batch, ZeRO stage, sequence parallelism, recomputation (none, selective,
full for eighths of the layers), tiled tensor parallelism, overlapped gradient reduction, and offload of optimizer,
activations (in quarters) and weights to host memory; data parallelism is what is left of the chips. Every combination
is either ruled out by divisibility or priced, in time and memory; none is sampled.

    python benchmarks/training_search.py --json
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time

from planner.catalog import load_catalog
from planner.performance.compile import build_platform
from planner.performance.training.grid import TrainingGrid
from planner.performance.training.search import TechniqueGrid, search_training
from planner.performance.training.stacks import get_profile
from planner.performance.training.step import TrainingCandidates, TrainingJob, estimate_training

CHIPS = 4096
GRID = TrainingGrid(
    tp=(1, 2, 4, 8, 16, 32),
    vpp=(1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 96),
    micro_batch=(1, 2, 4, 8, 16, 32, 64),
    sp=(0, 1),
    sharded_pipeline=True,
)
QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)
TECHNIQUES = TechniqueGrid(
    offload_optimizer=QUARTERS,
    offload_activations=QUARTERS,
    recompute_share=tuple(1.0 - i / 8.0 for i in range(8)),
)


def _scalar_ms(repeat: int = 50) -> float:
    """Median milliseconds of pricing one layout, in full detail."""
    catalog = load_catalog()
    platform = build_platform(catalog, "dgx_a100", "a100_80_sxm", "")
    job = TrainingJob(catalog.model("gpt3-175b"), 2048, 4096)
    one = TrainingCandidates.of(tp=8, pp=8, dp=64, micro_batch=1, recompute=1, sp=1)
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        estimate_training(job, platform, one, "tuned")
        times.append(time.perf_counter() - start)
    return sorted(times)[repeat // 2] * 1e3


def main() -> int:
    """Run the search and print its rates."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    as_json = parser.parse_args().json
    catalog = load_catalog()
    platform = build_platform(catalog, "dgx_a100", "a100_80_sxm", "")
    job = TrainingJob(catalog.model("gpt3-175b"), 2048, 4096)
    start = time.process_time()
    found = search_training(job, platform, CHIPS, get_profile("tuned"), GRID, TECHNIQUES)
    seconds = time.process_time() - start
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024.0 if sys.platform != "darwin" else 1048576.0)
    legal = found.declared - found.illegal
    best = found.best[0]
    layout = {n: int(getattr(best.layout, n)[0]) for n in ("tp", "pp", "vpp", "dp", "micro_batch", "zero_stage")}
    result = {
        "combinations": found.declared,
        "priced": found.priced,
        "combinations_per_cpu_second": round(found.declared / seconds),
        "peak_memory_mb": round(peak_mb, 1),
        "illegal": found.illegal,
        "too_large": found.too_large,
        "legal_per_cpu_second": round(legal / seconds),
        "priced_per_cpu_second": round(found.priced / seconds),
        "cpu_seconds": round(seconds, 2),
        "scalar_call_ms": round(_scalar_ms(), 3),
        "best_step_time_s": round(best.step_time_s, 3),
        "best": layout,
    }
    if as_json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:30} {value:,}" if isinstance(value, int | float) else f"{name:30} {value}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
