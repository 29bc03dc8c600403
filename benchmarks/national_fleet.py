"""A shared fleet over years: the reference instance, and a generated one several times its size.

    python benchmarks/national_fleet.py [--json] [--only reference|large] [--seed 1]

The reference is scenarios/national-fleet.yaml: 6 workloads, 4 sites, 12 quarters, 23 systems, to a gap of 0.5%. The
large one is generated from the seed: 20 workloads (8 runs, some waiting for others, 10 loads that grow, 2
recommenders), 10 sites (2 with systems already installed), 20 quarters, 8 systems of the same list, to a gap of 1%.
Each is planned in a fresh process by ``planner.plan``: priced, solved, verified by ``planner/verify``, explained.
``seconds`` is the wall clock of that process from its first import to its end, ``cpu_s`` what it and its solvers took
on all cores; ``to_proof_s`` is what passed until the gap was proven (pricing and solving, imports among them).
"""

from __future__ import annotations

import time

BEGAN = time.perf_counter()

import argparse  # noqa: E402 - the clock starts before anything is loaded
import json  # noqa: E402
import os  # noqa: E402
import random  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

FOLDER = Path(__file__).resolve().parent.parent / "scenarios"
REFERENCE = FOLDER / "national-fleet.yaml"
REGIONS = ("cn_guizhou", "cn_inner_mongolia", "cn_qinghai", "cn_beijing", "cn_ningxia", "cn_gansu", "cn_sichuan",
           "cn_yunnan", "cn_hebei", "cn_xinjiang")  # fmt: skip
SYSTEMS = ("sgx5000", "atlas_800_a2", "atlas_950pr_8", "biren_166_8", "biren_br2xx_16", "mlu690_server",
           "metax_c500_pcie_server", "hgx_h20")  # fmt: skip
RUNS = ("qwen3-32b", "llama-3.1-70b", "qwen3-14b", "llama-3.1-405b")
LOADS = ("qwen3-32b", "llama-3.1-70b", "qwen3-14b", "llama-3.1-8b", "qwen3-8b")


def large(seed: int) -> dict[str, Any]:
    """20 workloads, 10 sites, 20 quarters; the same seed gives the same scenario."""
    from planner.scenario import load_scenario

    pick = random.Random(seed)  # noqa: S311 - an instance, no secret
    quarters = [f"{2026 + (9 + 3 * t) // 12}-{(9 + 3 * t) % 12 + 1:02d}" for t in range(20)]
    sites: list[dict[str, Any]] = [
        {
            "name": f"site{i}", "region": region, "power_mw": pick.randint(8, 40),
            "cooling": ["air_inrow", "d2c_1p_hybrid"] if i % 4 == 1 else ["air_inrow"],
        }
        for i, region in enumerate(REGIONS)
    ]  # fmt: skip
    sites[0]["installed"] = [{"system": "hgx_h800", "count": 320, "since": "2024-03"}]
    sites[3]["installed"] = [{"system": "hgx_h20", "count": 400, "since": "2025-03"}]
    workloads: list[dict[str, Any]] = []
    for i in range(8):
        run = {
            "name": f"run{i}", "kind": "training", "model": RUNS[i % len(RUNS)],
            "tokens": pick.choice((4, 6, 8)) * 1e12, "sequence_length": 4096, "global_batch": 2048, "precision": "bf16",
            "start": quarters[1 + i % 4], "finish_within_days": 365,
        }  # fmt: skip
        if i >= 5:
            run["after"] = [f"run{i - 5}"]
            run["start"] = quarters[6]
            run["finish_within_days"] = 730
        workloads.append(run)
    for i in range(10):
        first = pick.randint(20, 60)
        workloads.append(
            {
                "name": f"load{i}", "kind": "serving", "model": LOADS[i % len(LOADS)],
                "precision": ["fp8", "int8", "bf16"], "input_tokens": pick.choice((1024, 2048, 3000)),
                "output_tokens": pick.choice((256, 512, 800)),
                "requests_path": {quarters[0]: first, quarters[1]: first * pick.randint(5, 12)},
                "growth_per_year": pick.choice((0.2, 0.4, 0.6)), "peak_to_mean": 1.5, "ttft_ms": 3000, "tpot_ms": 60,
                "disaggregated": "never",
            }
        )  # fmt: skip
    for i in range(2):
        workloads.append(
            {
                "name": f"feed{i}", "kind": "recommendation", "mode": "serving", "model": "dlrm-dcnv2",
                "samples_path": {quarters[0]: 1e7, quarters[1]: 6e7 * (i + 1)}, "growth_per_year": 0.2,
                "global_batch": 2048, "latency_ms": 30, "percentile": 99, "precision": "bf16",
            }
        )  # fmt: skip
    return {
        "name": f"A generated fleet, seed {seed}",
        "periods": quarters,
        "horizon_years": 5,
        "fleet": {"shared": True, "slot_months": 3},
        "solve": {"gap": 0.01, "time_limit_s": 420},
        "sites": sites,
        "hardware": {"systems": list(SYSTEMS), "lead_months": 3, "price_change_per_year": -0.1,
                     "supply": {"hgx_h20": {quarters[0]: 200}}},
        "limits": {"vendor_share": {"Huawei": 0.6}},
        "assume": load_scenario(REFERENCE).assume.as_mapping(),
        "workloads": workloads,
    }  # fmt: skip


def planned(name: str, seed: int) -> dict[str, Any]:
    """Plan one instance in this process and say what it took."""
    from planner import plan
    from planner.scenario import load_scenario, scenario_from_mapping

    scenario = load_scenario(REFERENCE) if name == "reference" else scenario_from_mapping(large(seed))
    loaded = time.perf_counter() - BEGAN
    answer = plan(scenario)
    proof, rooms = answer.proof, answer.proof.seconds_by_room
    times = os.times()
    return {
        "instance": name,
        "workloads": len(scenario.workloads),
        "sites": len(scenario.sites),
        "periods": len(scenario.period_starts),
        "systems": len(scenario.hardware.systems),
        "status": answer.status,
        "gap": answer.objective.gap,
        "cost_usd": answer.objective.value,
        "bound_usd": proof.bound,
        "verified": answer.verified,
        "columns": proof.columns,
        "rows": proof.rows,
        "to_proof_s": round(
            loaded + sum(v for k, v in rooms.items() if k in {"reading", "pricing", "modelling", "solving"}), 1
        ),
        "by_room_s": {k: round(v, 1) for k, v in rooms.items()},
        "seconds": round(time.perf_counter() - BEGAN, 1),
        "cpu_s": round(times.user + times.system + times.children_user + times.children_system, 1),
    }


def main() -> None:
    """Each instance in a fresh process, one after the other."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--json", action="store_true", help="print JSON and nothing else")
    arguments.add_argument("--only", choices=("reference", "large"), help="one of them")
    arguments.add_argument("--seed", type=int, default=1, help="of the generated instance")
    arguments.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.here:
        print(json.dumps(planned(given.only, given.seed)))
        return
    found = []
    for name in (given.only,) if given.only else ("reference", "large"):
        command = [sys.executable, __file__, "--here", "--only", name, "--seed", str(given.seed)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found.append(json.loads(done.stdout.splitlines()[-1]) | {"load_average": round(os.getloadavg()[0], 2)})
        if not given.json:
            print("\n".join(f"{k:>14}  {v}" for k, v in found[-1].items()), end="\n\n")
    if given.json:
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
