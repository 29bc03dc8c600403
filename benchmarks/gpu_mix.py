"""A GPU mix: 10 x 6 request sizes, 4 chips, 32 requests/s; beside it the formulation with a variable for every slice.

    python benchmarks/gpu_mix.py [--limit 60]

The instance is scenarios/gpu-mix.yaml, priced by the planner's own model, in two sizes: one replica shape on
each chip (the size of the problem in the literature: 60 classes x 4 chips), and every shape worth counting. Ours: whole
counts, and one continuous split per class and unit; solved in the counts alone (planner/solve/project.py), and the same
program by HiGHS as it is. Beside it, with 1, 4 and 8 slices of each class: a yes or no for every slice and unit,
identical slices being identical variables. Same units, rates, costs. All gaps asked for are 0.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from planner import load_catalog
from planner.fleet.build import build_fleet
from planner.options.enumerate import enumerate_options
from planner.options.option import Option
from planner.scenario import load_scenario
from planner.scenario.workloads import Serving
from planner.solve import Limits, Program, ProgramBuilder, Solution, solve, with_objective

SCENARIO = Path(__file__).resolve().parent.parent / "scenarios" / "gpu-mix.yaml"


def sliced(workload: Serving, options: tuple[Option, ...], slices: int) -> Program:
    """A binary for every slice of every class on every unit; whole counts of units."""
    builder = ProgramBuilder()
    units = [
        builder.add_column(f"units{i}", upper=float(o.max_units), objective=o.cost_usd / 1e6, integer=True)
        for i, o in enumerate(options)
    ]
    time_of: list[dict[int, float]] = [{column: -1.0} for column in units]
    for c in workload.request_classes:
        asked = c.share * workload.requests_per_s / slices
        for s in range(slices):
            row = {}
            for i, o in enumerate(options):
                if o.rates.get(c.label, 0.0) > 0:
                    column = builder.add_column(f"slice[{c.label},{s},{i}]", upper=1.0, integer=True)
                    row[column] = 1.0
                    time_of[i][column] = asked / o.rates[c.label]
            builder.add_row(f"once[{c.label},{s}]", row, lower=1.0, upper=1.0)
    for i, row in enumerate(time_of):
        builder.add_row(f"time{i}", row, upper=0.0)
    return builder.build()


def timed(name: str, program: Program, limit: float, backend: str = "highs") -> tuple[Solution, float]:
    """Solve in this process and print a line."""
    began, busy = time.perf_counter(), time.process_time()
    found = solve(program, Limits(time_limit_s=limit, gap=0.0, threads=2), backend=backend, in_child=False)
    took, cpu = time.perf_counter() - began, time.process_time() - busy
    gap = abs(found.objective - found.bound) / max(abs(found.objective), 1e-9)
    print(
        f"  {name:<28} {program.column_count:>7,} columns  {took:8.3f} s ({cpu:.3f} s CPU)  {found.status.value:<14}"
        f" cost {found.objective * 1e6:>12,.0f} USD  gap {gap:.3%}"
    )
    return found, took


def main() -> None:
    """Both sizes, ours first."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--limit", type=float, default=60.0, help="seconds each solve may take")
    limit = arguments.parse_args().limit
    catalog = load_catalog()
    for title, variant in (("one shape on each chip", "one_shape"), ("every shape worth counting", None)):
        scenario = load_scenario(SCENARIO, variant=variant)
        (workload,) = scenario.workloads
        assert isinstance(workload, Serving)
        began = time.perf_counter()
        options = enumerate_options(scenario, catalog).options
        model = build_fleet(scenario, options)
        took = time.perf_counter() - began
        chips = len({o.chip for o in options})
        print(
            f"{title}: {len(workload.request_classes)} classes, {chips} chips, {len(options)} units,"
            f" {workload.requests_per_s:g} requests/s; priced and built in {took:.2f} s"
        )
        program = with_objective(model.program, model.objectives["cost"])
        _, ours = timed("whole counts, split classes", program, limit, "auto")
        timed("the same by HiGHS", program, limit)
        for slices in (1, 4, 8):
            _, theirs = timed(f"a variable a slice, {slices} each", sliced(workload, options, slices), limit)
            print(f"  {'':<28} {theirs / ours:.1f} times as long")


if __name__ == "__main__":
    main()
