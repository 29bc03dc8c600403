"""How long the split takes, and how near its plans come to the bound, on a fleet of generated options.

N mutually non-dominated options (3 workloads, 8 chip families, 2 cooling kinds) may be bought at 6 sites in 8 periods,
0 .. 100,000 of each, and live for 5 periods. Limits: power, racks and ports per site and period, budget per period,
demand per workload and period. What each purchase adds to a resource is written once, as a column of its own.

    plain  counts only
    sites  + open a site, and retrofit it for liquid cooling, each at a price
    full   + a fixed cost per chip family and site

    python benchmarks/solve_split.py --options 100 --mode plain --json result.json
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from planner.solve import Limits, Program, ProgramBuilder, solve, violations

SITES, PERIODS, LIFE, WORKLOADS, FAMILIES = 6, 8, 5, 3, 8
RESOURCES = ("power", "racks", "ports")
MODES = ("plain", "sites", "full")


def instance(options: int, mode: str, seed: int = 0) -> Program:
    """The program described above; `options` rounded up to a multiple of the workloads."""
    random = np.random.default_rng(seed)
    workload = np.arange(options) % WORKLOADS
    family = random.integers(0, FAMILIES, options)
    liquid = random.random(options) < 0.5
    # a frontier: what an option saves in one resource it pays for in another
    share = random.dirichlet(np.full(len(RESOURCES) + 1, 2.0), options)
    output = np.round(10.0 ** random.uniform(0.0, 1.0, options), 3)
    use = {name: np.round(0.05 + output * share[:, k], 4) for k, name in enumerate(RESOURCES)}
    price = np.round(1.0 + 10.0 * output * share[:, -1], 3)
    site_price = random.uniform(0.8, 1.2, SITES)
    growth = 1.25 ** np.arange(PERIODS)
    demand = {(w, p): round(4000.0 * (1.0 + 0.3 * w) * growth[p], 1) for w in range(WORKLOADS) for p in range(PERIODS)}
    limit = {
        (name, s, p): round(1500.0 * growth[p] * random.uniform(0.7, 1.3), 1)
        for name in RESOURCES
        for s in range(SITES)
        for p in range(PERIODS)
    }

    build = ProgramBuilder()
    buy: dict[tuple[int, int, int], int] = {}
    for i in range(options):
        for s in range(SITES):
            for p in range(PERIODS):
                cost = float(price[i] * site_price[s] * 0.93**p)
                name = f"buy[option={i},site={s},period={p}]"
                buy[i, s, p] = build.add_column(name, upper=100_000, objective=cost, integer=True)
    added: dict[tuple[str, int, int], int] = {}
    for name in RESOURCES:
        for s in range(SITES):
            for p in range(PERIODS):
                column = build.add_column(f"added_{name}[site={s},period={p}]")
                added[name, s, p] = column
                terms = {buy[i, s, p]: float(use[name][i]) for i in range(options)}
                build.add_row(
                    f"adds_{name}[site={s},period={p}]", {**terms, column: -1.0}, lower=0.0, upper=0.0, kind="adds"
                )
    supplied: dict[tuple[int, int], int] = {}
    for w in range(WORKLOADS):
        for p in range(PERIODS):
            column = build.add_column(f"added_output[workload={w},period={p}]")
            supplied[w, p] = column
            terms = {buy[i, s, p]: float(output[i]) for i in range(options) if workload[i] == w for s in range(SITES)}
            build.add_row(
                f"adds_output[workload={w},period={p}]", {**terms, column: -1.0}, lower=0.0, upper=0.0, kind="adds"
            )

    opened = [
        build.add_column(f"open[site={s}]", upper=1, objective=1000.0 * site_price[s], structure=True)
        if mode != "plain"
        else -1
        for s in range(SITES)
    ]
    for name in RESOURCES:
        for s in range(SITES):
            for p in range(PERIODS):
                row = {added[name, s, q]: 1.0 for q in _alive(p)}
                top = limit[name, s, p]
                if mode == "plain":
                    build.add_row(f"{name}[site={s},period={p}]", row, upper=top, kind=name)
                else:
                    build.add_row(f"{name}[site={s},period={p}]", {**row, opened[s]: -top}, upper=0.0, kind=name)
    for (w, p), need in demand.items():
        row = {supplied[w, q]: 1.0 for q in _alive(p)}
        build.add_row(f"demand[workload={w},period={p}]", row, lower=need, kind="demand")
    for p in range(PERIODS):
        spent = {buy[i, s, p]: float(price[i]) for i in range(options) for s in range(SITES)}
        build.add_row(f"budget[period={p}]", spent, upper=60_000.0 * growth[p], kind="budget")

    if mode != "plain":
        for s in range(SITES):
            column = build.add_column(f"retrofit[site={s}]", upper=1, objective=300.0, structure=True)
            for p in range(PERIODS):
                top = limit["power", s, p]
                row = {buy[i, s, p]: float(use["power"][i]) for i in range(options) if liquid[i]}
                build.add_row(f"liquid[site={s},period={p}]", {**row, column: -top}, upper=0.0, kind="liquid")
    if mode == "full":
        for s in range(SITES):
            for f in range(FAMILIES):
                column = build.add_column(f"family[family={f},site={s}]", upper=1, objective=100.0, structure=True)
                for p in range(PERIODS):
                    row = {buy[i, s, p]: float(use["power"][i]) for i in range(options) if family[i] == f}
                    if row:
                        top = limit["power", s, p]
                        build.add_row(
                            f"family[family={f},site={s},period={p}]", {**row, column: -top}, upper=0.0, kind="family"
                        )
    return build.build()


def _alive(period: int) -> Iterable[int]:
    return range(max(0, period - LIFE + 1), period + 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--options", type=int, default=100)
    parser.add_argument("--mode", choices=MODES, default="plain")
    parser.add_argument("--backend", default="split")
    parser.add_argument("--time-limit", type=float, default=60.0)
    parser.add_argument("--gap", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--reproducible", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="print the solver's log")
    parser.add_argument("--json", type=Path, default=None, help="write the result here")
    given = parser.parse_args()

    program = instance(given.options, given.mode)
    limits = Limits(
        time_limit_s=given.time_limit,
        gap=given.gap,
        seed=given.seed,
        threads=given.threads,
        reproducible=given.reproducible,
        log=given.verbose,
    )
    started = time.perf_counter()
    solution = solve(program, limits, backend=given.backend)
    seconds = time.perf_counter() - started
    if given.verbose:
        print(solution.log)
    result = {
        "options": given.options,
        "mode": given.mode,
        "backend": given.backend,
        "columns": program.column_count,
        "rows": program.row_count,
        "nonzeros": len(program.vals),
        "status": solution.status.value,
        "objective": solution.objective if math.isfinite(solution.objective) else None,
        "bound": solution.bound if math.isfinite(solution.bound) else None,
        "gap": solution.gap if math.isfinite(solution.gap) else None,
        "broken_rows": len(violations(program, solution.values)) if solution.values is not None else None,
        "seconds": round(seconds, 2),
        "time_limit_s": given.time_limit,
        "seed": given.seed,
        "threads": limits.worker_count,
        "solver": solution.solver,
        "message": solution.message,
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
    }
    text = json.dumps(result, indent=2)
    print(text)
    if given.json is not None:
        given.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
