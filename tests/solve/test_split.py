"""The split: structure by HiGHS, counts by CP-SAT, one bound for the whole program."""

from __future__ import annotations

import math

import numpy as np
import pytest

from planner.solve import Limits, ProgramBuilder, Status, solve
from planner.solve.battery import inconsistencies, program_of
from planner.solve.drive import solve_here
from planner.solve.highs import relax, solve_highs
from planner.solve.near import cheapest_helpers, price_of_use
from planner.solve.split import highs_that_stops, solve_split


def fleet(options=30, sites=3, periods=3, seed=0):
    """Counts to 100,000 behind opened sites, additions of power written once: the shape of the real thing."""
    random = np.random.default_rng(seed)
    output, power = random.uniform(1.0, 9.0, options), random.uniform(0.2, 3.0, options)
    price = np.round(output * 2.0 + 3.0 / power + random.uniform(0, 1, options), 3)
    build = ProgramBuilder()
    opened = [build.add_column(f"open[{s}]", upper=1, objective=250.0 + 40 * s, structure=True) for s in range(sites)]
    supply = [{} for _ in range(periods)]
    for s in range(sites):
        for p in range(periods):
            buy = [
                build.add_column(f"buy[{i},{s},{p}]", upper=1e5, objective=float(price[i]) * 0.9**p, integer=True)
                for i in range(options)
            ]
            added = build.add_column(f"added[{s},{p}]")
            terms = {column: float(power[i]) for i, column in enumerate(buy)}
            build.add_row(f"adds[{s},{p}]", {**terms, added: -1.0}, lower=0.0, upper=0.0, kind="adds")
            build.add_row(f"power[{s},{p}]", {added: 1.0, opened[s]: -90.0}, upper=0.0, kind="power")
            for q in range(p, periods):
                supply[q].update({column: float(output[i]) for i, column in enumerate(buy)})
    for q in range(periods):
        build.add_row(f"demand[{q}]", supply[q], lower=301.7 * 1.4**q, kind="demand")
    return build.build()


LIMITS = Limits(time_limit_s=20.0, gap=2e-3, threads=1)


def test_a_split_plan_is_whole_and_its_bound_is_the_program_s():
    program = fleet()
    solution = solve_split(program, LIMITS)
    assert solution.status in (Status.WITHIN_GAP, Status.PROVEN_OPTIMAL)
    assert "HiGHS" in solution.solver
    assert "CP-SAT" in solution.solver
    assert inconsistencies(program, solution, LIMITS) == []
    # the whole program by HiGHS alone, run longer: its plan cannot lie below the split's bound
    alone = solve_highs(program, Limits(time_limit_s=20.0, gap=1e-3, threads=1))
    assert alone.values is not None
    assert solution.bound <= alone.objective * (1.0 + 1e-6)
    assert alone.bound <= solution.objective * (1.0 + 1e-6)


def test_a_structure_without_whole_counts_is_left_for_another():
    # the relaxation opens the cheap site, whose count would be 2.5; whole numbers need the other one
    program = program_of(
        [(1, 0, 1, True), (5, 0, 1, True), (0, 0, 9, True), (0, 0, 9, True)],
        [({2: 2, 3: 2.5}, 5, 5), ({2: 1, 0: -9}, -math.inf, 0), ({3: 1, 1: -9}, -math.inf, 0)],
    )
    build = ProgramBuilder()
    for j, name in enumerate(program.column_names):
        build.add_column(name, upper=program.upper[j], objective=program.objective[j], integer=True, structure=j < 2)
    for i, name in enumerate(program.row_names):
        entries = program.rows == i
        row = dict(zip(program.cols[entries].tolist(), program.vals[entries].tolist(), strict=True))
        build.add_row(name, row, lower=program.row_lower[i], upper=program.row_upper[i])
    solution = solve_split(build.build(), Limits(gap=0.0, time_limit_s=10.0, threads=1))
    assert solution.status is Status.PROVEN_OPTIMAL
    assert solution.values.tolist() == [0.0, 1.0, 0.0, 2.0]
    assert solution.objective == 5.0


def test_infeasible_and_unbounded_come_through():
    impossible = program_of([(1, 0, 3, True), (1, 0, 3, False)], [({0: 1, 1: 1}, 7, math.inf)])
    assert solve_split(impossible, LIMITS).status is Status.INFEASIBLE
    endless = program_of([(-1, 0, math.inf, True), (1, 0, 3, False)], [({1: 1}, 1, math.inf)])
    assert solve_split(endless, LIMITS).status is Status.UNBOUNDED


def test_a_plan_is_told_before_the_end():
    program, told = fleet(options=12), []
    solution = solve_split(program, LIMITS, lambda *report: told.append(report))
    plans = [(objective, values) for _, objective, _, values, *_ in told if values is not None]
    assert plans
    assert min(objective for objective, _ in plans) == pytest.approx(solution.objective)
    assert all(program.objective_at(values) == pytest.approx(objective) for objective, values in plans)
    assert all(bound <= solution.bound + 1e-6 for _, _, bound, *_ in told)


def test_the_same_plan_twice_when_reproducible():
    limits = Limits(time_limit_s=60.0, gap=5e-3, seed=3, reproducible=True)
    first, second = (solve(fleet(options=12), limits, backend="split") for _ in range(2))
    assert first.status is Status.WITHIN_GAP or first.status is Status.PROVEN_OPTIMAL
    assert np.array_equal(first.values, second.values)
    assert (first.objective, first.bound, first.status) == (second.objective, second.bound, second.status)


def test_a_large_program_gets_a_process_that_stops():
    program = fleet(options=120, sites=4, periods=5)
    limits = Limits(time_limit_s=1.0, gap=0.0, threads=1)
    assert program.integer.sum() > 2000
    bounds = []
    found = highs_that_stops(program, limits, lambda _phase, _objective, bound, *_: bounds.append(bound))
    assert found.seconds < 10.0
    assert found.bound > 0.0
    assert max(bounds) <= found.bound + 1e-6


def test_auto_takes_the_better_of_two():
    program = fleet(options=20)
    solution = solve_here(program, Limits(time_limit_s=4.0, gap=1e-5, threads=1))
    assert solution.status.has_plan
    assert inconsistencies(program, solution, Limits(gap=1e-5)) == []
    assert solution.gap < 0.01


def test_what_nobody_supplies_is_not_free() -> None:
    """Work on hardware that is not bought is priced at buying it; what stands comes first, small units beside large."""
    build = ProgramBuilder()
    bought, dear = (
        build.add_column(n, upper=9, integer=True, objective=c) for n, c in (("bought", 1.0), ("dear", 5.0))
    )
    large = build.add_column("large", upper=9, integer=True)
    small = build.add_column("small", upper=9, integer=True)
    other = [build.add_column(f"other{k}", upper=9, integer=True) for k in range(5)]
    build.add_row("use bought", {large: 4.0, small: 1.0, bought: -1.0}, upper=0.0)
    build.add_row("use dear", {**dict.fromkeys(other, 1.0), dear: -1.0}, upper=0.0)
    build.add_row("demand", {large: 5.0, small: 1.2, **dict.fromkeys(other, 1.3)}, lower=7.0)
    program = build.build()
    linear = relax(program, Limits(threads=1))
    assert linear.reduced_cost is not None
    cost = price_of_use(program, linear.reduced_cost)
    assert cost[large] == pytest.approx(0.0)
    assert cost[small] < cost[other].min()
    counts = program.integer.copy()
    near = cheapest_helpers(program, linear.reduced_cost, counts, 2)
    assert near[[bought, large, small]].all()
    assert not near[other].all()
