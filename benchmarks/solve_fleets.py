"""Generated fleets of many shapes, solved by this checkout and by another one, in one run.

    git worktree add BEFORE COMMIT
    python benchmarks/solve_fleets.py --before BEFORE --json result.json
    python benchmarks/solve_fleets.py --backends auto,highs,split,cpsat_grid --most 12

Programs of the planner's form: lots of systems bought by site and period, loads served by units on them (normalised to
one), runs that take systems for some periods and are run once (yes/no), limits on power by site, supply, a vendor's
share and money; with `classes`, a load's time is divided over classes of requests. The grid has 1 to 50 sites, 1 to 40
periods, 1 to 50 workloads, 1 to 100 systems and up to 60 classes; the seed of an instance is its number.

Every solve runs in a fresh interpreter; `seconds` and `cpu_s` (on all cores, solvers included) are of the call alone,
importing left out. Instances are solved by one checkout after the other, so that load on the machine falls on both.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Shape:
    """Of one instance. `loads` and `runs` are its workloads."""

    sites: int
    periods: int
    loads: int
    runs: int
    systems: int
    classes: int = 0


GRID = (
    Shape(1, 1, 1, 0, 3), Shape(1, 1, 4, 2, 10), Shape(1, 1, 10, 10, 30), Shape(1, 1, 50, 0, 100),
    Shape(1, 1, 1, 0, 20, 20), Shape(1, 1, 1, 0, 40, 60), Shape(1, 1, 2, 1, 20, 30), Shape(3, 1, 1, 0, 10, 12),
    Shape(3, 1, 5, 3, 20), Shape(10, 1, 10, 5, 20), Shape(50, 1, 6, 2, 12), Shape(50, 1, 2, 0, 60),
    Shape(1, 8, 2, 2, 6), Shape(1, 8, 6, 4, 20), Shape(1, 12, 10, 8, 12), Shape(1, 40, 3, 2, 12),
    Shape(1, 40, 6, 0, 20), Shape(2, 4, 3, 6, 8), Shape(2, 12, 4, 4, 10), Shape(2, 20, 4, 0, 20),
    Shape(3, 8, 3, 0, 20), Shape(3, 8, 3, 3, 20), Shape(3, 8, 6, 0, 12), Shape(3, 8, 2, 6, 12),
    Shape(4, 12, 3, 3, 8), Shape(4, 12, 6, 0, 20), Shape(4, 4, 10, 10, 10), Shape(5, 10, 2, 4, 10),
    Shape(5, 10, 4, 4, 20), Shape(6, 8, 5, 0, 20), Shape(6, 8, 3, 2, 25), Shape(8, 4, 8, 4, 12),
    Shape(10, 8, 3, 0, 12), Shape(10, 8, 3, 2, 12), Shape(10, 4, 4, 4, 20), Shape(20, 4, 4, 0, 12),
    Shape(20, 4, 3, 2, 10), Shape(50, 4, 2, 0, 12), Shape(50, 2, 4, 2, 10), Shape(12, 12, 2, 1, 12),
    Shape(2, 40, 2, 2, 12), Shape(1, 4, 50, 0, 20),
)  # fmt: skip


def instance(shape: Shape, seed: int) -> Any:
    """The program of a shape; the same seed gives the same program."""
    from planner.solve import ProgramBuilder

    pick = np.random.default_rng(seed)
    sites, periods, systems = range(shape.sites), range(shape.periods), range(shape.systems)
    speed = pick.lognormal(0.0, 0.6, shape.systems)
    draw = speed * pick.uniform(0.5, 1.4, shape.systems)  # power
    price = 0.4 * speed * pick.uniform(0.7, 1.5, shape.systems) + 0.05
    vendor = pick.integers(0, 4, shape.systems)
    tariff = pick.uniform(0.7, 1.5, shape.sites)
    build = ProgramBuilder()
    lots: dict[tuple[int, int, int], int] = {}
    for h in systems:
        for s in sites:
            for t in periods:
                cost = price[h] * 0.97**t + 0.15 * draw[h] * tariff[s] * (shape.periods - t) / shape.periods
                lots[h, s, t] = build.add_column(f"lot[{h},{s},{t}]", upper=5000, integer=True, objective=float(cost))
    use: dict[tuple[int, int, int], dict[int, float]] = {
        (h, s, t): {lots[h, s, p]: -1.0 for p in range(t + 1)} for h in systems for s in sites for t in periods
    }
    demand = np.exp(pick.uniform(np.log(3.0), np.log(300.0), shape.loads))
    growth = pick.uniform(1.0, 1.12, shape.loads)
    for w in range(shape.loads):
        fits = pick.random(shape.systems) < 0.8
        fits[int(pick.integers(shape.systems))] = True
        takes = pick.integers(1, 5, shape.systems)
        gives = speed * takes * pick.uniform(0.7, 1.2, shape.systems)
        mine = [h for h in systems if fits[h]]
        if shape.classes:
            _classes(build, pick, shape, w, mine, takes, gives, float(demand[w]) / 8.0, use)
            continue
        for t in periods:
            row = {}
            for h in mine:
                for s in sites:
                    unit = build.add_column(f"serve[{w},{h},{s},{t}]", upper=5000, integer=True)
                    row[unit] = float(gives[h] / (demand[w] * growth[w] ** t))
                    use[h, s, t][unit] = float(takes[h])
            build.add_row(f"demand[{w},{t}]", row, lower=1.0, kind="demand")
    for r in range(shape.runs):
        length = int(pick.integers(1, max(2, shape.periods // 2 + 1)))
        work = float(np.exp(pick.uniform(np.log(10.0), np.log(400.0))))
        once = {}
        for h in systems:
            if pick.random() < 0.3 and h:
                continue
            needs = max(1.0, math.ceil(work / speed[h] / length))
            for s in sites:
                for t in range(shape.periods - length + 1):
                    column = build.add_column(f"run[{r},{h},{s},{t}]", upper=1, structure=True, objective=0.002 * t)
                    once[column] = 1.0
                    for p in range(t, t + length):
                        use[h, s, p][column] = float(needs)
        build.add_row(f"run[{r}]", once, lower=1.0, upper=1.0, kind="demand")
    for (h, s, t), row in use.items():
        build.add_row(f"use[{h},{s},{t}]", row, upper=0.0, kind="use")
    room = 3.0 * float(demand.sum() * growth.max() ** shape.periods + 300.0 * shape.runs) / shape.sites
    for s in sites:
        limit = room * float(pick.uniform(0.4, 1.5))
        row = {lots[h, s, t]: float(draw[h]) / limit for h in systems for t in periods}
        build.add_row(f"power[{s}]", row, upper=1.0, kind="power")
    for h in range(0, shape.systems, 3):
        for t in range(0, shape.periods, 4):
            row = {lots[h, s, t]: 1.0 for s in sites}
            build.add_row(f"supply[{h},{t}]", row, upper=float(pick.integers(5, 200)), kind="supply")
    if shape.systems > 5:
        row = {c: float(price[h]) * (0.4 if vendor[h] == 0 else -0.6) for (h, s, t), c in lots.items()}
        build.add_row("share", {c: -v if vendor[h] else v for (h, _, _), (c, v) in zip(lots, row.items(), strict=True)
                                if v}, lower=-math.inf, upper=1e4, kind="share")  # fmt: skip
    return build.build()


def _classes(
    build: Any, pick: np.random.Generator, shape: Shape, w: int, mine: Sequence[int], takes: Any, gives: Any,
    demand: float, use: dict[tuple[int, int, int], dict[int, float]],
) -> None:  # fmt: skip
    """A load whose units divide their time over classes of requests; the shares cost nothing."""
    share = pick.dirichlet(np.full(shape.classes, 1.5))
    for t in range(shape.periods):
        covers: list[dict[int, float]] = [{} for _ in range(shape.classes)]
        for h in mine:
            rate = gives[h] * pick.lognormal(0.0, 0.5, shape.classes)
            for s in range(shape.sites):
                unit = build.add_column(f"units[{w},{h},{s},{t}]", upper=500, integer=True)
                use[h, s, t][unit] = float(takes[h])
                taken = {unit: -1.0}
                for c in range(shape.classes):
                    part = build.add_column(f"part[{w},{h},{s},{t},{c}]", upper=1.0)
                    taken[part] = float(demand * share[c] / rate[c])
                    covers[c][part] = 1.0
                build.add_row(f"time[{w},{h},{s},{t}]", taken, upper=0.0, kind="balance")
        for c, row in enumerate(covers):
            build.add_row(f"class[{w},{t},{c}]", row, lower=1.0, kind="demand")


def solved(number: int, backend: str, seconds: float, gap: float, threads: int | None) -> dict[str, Any]:
    """One instance by the planner that this process imports."""
    from planner.solve import Limits, Status, solve, violations

    program = instance(GRID[number], number)
    began, times = time.perf_counter(), os.times()
    found = solve(program, Limits(time_limit_s=seconds, gap=gap, threads=threads), backend=backend)
    took = time.perf_counter() - began
    kept: Any = sys.modules.get("planner.solve.pool")
    if kept is not None:
        kept.end_idle()  # so that what they took is counted
    after = os.times()
    cpu = sum(after[:4]) - sum(times[:4])
    assert found.values is None or not violations(program, found.values)
    return {
        "number": number, **asdict(GRID[number]), "columns": program.column_count, "rows": program.row_count,
        "backend": backend, "status": str(found.status),
        "proven": found.status in (Status.PROVEN_OPTIMAL, Status.WITHIN_GAP),
        "objective": found.objective if found.values is not None else None,
        "bound": found.bound if math.isfinite(found.bound) else None,
        "gap": found.gap if found.values is not None and math.isfinite(found.gap) else None,
        "seconds": round(took, 3), "cpu_s": round(cpu, 2), "solver": found.solver, "message": found.message,
        "found_by": getattr(found, "found_by", ""), "bound_by": getattr(found, "bound_by", ""),
    }  # fmt: skip


def in_fresh(where: Path, number: int, backend: str, given: argparse.Namespace) -> dict[str, Any]:
    """`solved` in a fresh interpreter that imports the planner of a checkout."""
    told = ["--here", str(number), "--backends", backend, "--time-limit", str(given.time_limit)]
    told += ["--gap", str(given.gap)]
    if given.threads:
        told += ["--threads", str(given.threads)]
    done = subprocess.run(
        [sys.executable, __file__, *told], check=False, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(where)},
    )  # fmt: skip
    if done.returncode:
        return {"number": number, "backend": backend, "status": "crashed", "proven": False, "seconds": math.nan,
                "cpu_s": math.nan, "gap": None, "message": done.stderr[-300:]}  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """All instances, or the first ones, by each checkout and backend."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, default=None, help="another checkout to compare with")
    parser.add_argument("--backends", default="auto", help="of this checkout; the other one solves by auto")
    parser.add_argument("--only", default="", help="numbers of instances, with commas")
    parser.add_argument("--most", type=int, default=len(GRID), help="so many instances, spread over the grid")
    parser.add_argument("--time-limit", type=float, default=120.0)
    parser.add_argument("--gap", type=float, default=1e-2)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--json", type=Path, default=None, help="write all results here")
    parser.add_argument("--here", type=int, default=None, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here is not None:
        print(json.dumps(solved(given.here, given.backends, given.time_limit, given.gap, given.threads)))
        return
    spread = np.unique(np.linspace(0, len(GRID) - 1, min(given.most, len(GRID))).round()).astype(int).tolist()
    numbers = [int(n) for n in given.only.split(",")] if given.only else spread
    asked = [("now", ROOT, b) for b in given.backends.split(",")]
    if given.before is not None:
        asked.insert(0, ("before", given.before, "auto"))
    results: list[dict[str, Any]] = []
    for number in numbers:
        for which, where, backend in asked:
            found = {"which": which, **in_fresh(where, number, backend, given)}
            results.append(found)
            gap = "" if found["gap"] is None else f"{found['gap']:.3%}"
            print(f"{number:3d} {found.get('columns', ''):>6} {which:>6} {backend:10} {found['status']:15} {gap:>8} "
                  f"{found['seconds']:8.2f} s {found['cpu_s']:8.2f} cpu  {found.get('found_by', '')} | "
                  f"{found.get('bound_by', '')} {found['message'][:70]}", flush=True)  # fmt: skip
        if given.json is not None:
            given.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    told = summary(results)
    print(json.dumps(told, indent=1))


def summary(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """By checkout and backend: proven, and the geometric mean of seconds; where there are two, of their ratio."""
    keys = dict.fromkeys((r["which"], r["backend"]) for r in results)
    told: dict[str, Any] = {}
    for which, backend in keys:
        mine = [r for r in results if (r["which"], r["backend"]) == (which, backend)]
        times = [max(0.01, r["seconds"]) for r in mine if math.isfinite(r["seconds"])]
        gaps = [r["gap"] for r in mine if r["gap"] is not None]
        told[f"{which} {backend}"] = {
            "instances": len(mine), "proven": sum(bool(r["proven"]) for r in mine),
            "to 0.1%": sum(g <= 1e-3 for g in gaps),
            "geometric mean s": round(math.exp(sum(map(math.log, times)) / max(1, len(times))), 3),
            "cpu_s": round(sum(r["cpu_s"] for r in mine if math.isfinite(r["cpu_s"])), 1),
        }  # fmt: skip
    before = {r["number"]: r for r in results if r["which"] == "before"}
    now = {r["number"]: r for r in results if r["which"] == "now" and r["backend"] == "auto"}
    both = [n for n in before if n in now and all(math.isfinite(x[n]["seconds"]) for x in (before, now))]
    if both:
        ratio = [max(0.01, before[n]["seconds"]) / max(0.01, now[n]["seconds"]) for n in both]
        told["before / now, geometric mean"] = round(math.exp(sum(map(math.log, ratio)) / len(ratio)), 2)
    return told


if __name__ == "__main__":
    main()
