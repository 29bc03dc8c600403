"""Programs in which continuous columns divide the time of few whole units: solved in the counts alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from planner.solve import Limits, Program, ProgramBuilder, Status, solve, violations
from planner.solve.form import with_objective
from planner.solve.project import solve_projected
from planner.solve.projection import projection_of

LIMITS = Limits(time_limit_s=20.0, gap=0.0, threads=1)


def mix(seed: int, *, units: int = 6, classes: int = 10, budget: bool = False, scale: float = 1.0) -> Program:
    """Units of random rates over random classes; a level column as the planner writes it."""
    random = np.random.default_rng(seed)
    rates = random.lognormal(0.0, 1.0, (units, classes)) * (random.random((units, classes)) < 0.8)
    rates[0] += 0.2
    demand = random.lognormal(-1.0, 0.7, classes) * scale
    build = ProgramBuilder()
    counts = [
        build.add_column(f"n{i}", upper=9 * scale, integer=True, objective=float(random.integers(4, 20)))
        for i in range(units)
    ]
    covers: list[dict[int, float]] = [{} for _ in range(classes)]
    for i, n in enumerate(counts):
        taken = {n: -1.0}
        for c in range(classes):
            if rates[i, c] > 0:
                x = build.add_column(f"x{i},{c}", upper=1.0)
                taken[x] = float(demand[c] / rates[i, c])
                covers[c][x] = 1.0
            else:
                build.add_column(f"none{i},{c}", upper=0.0, integer=True)
        build.add_row(f"time{i}", taken, upper=0.0)
    level = build.add_column("level", upper=1.0)
    for c, row in enumerate(covers):
        build.add_row(f"class{c}", {**row, level: -1.0}, lower=0.0)
    build.add_row("demand", {level: 32.0}, lower=32.0)
    if budget:
        build.add_row("racks", {n: float(random.integers(1, 4)) for n in counts}, upper=float(random.integers(2, 14)))
    return build.build()


@pytest.mark.parametrize("seed", range(24))
def test_the_optimum_is_that_of_the_whole_program(seed: int) -> None:
    """Same status, same optimum as HiGHS on the whole program; also with other rows over the counts."""
    program = mix(seed, units=6, classes=13, budget=seed % 2 == 1)
    found = projection_of(program)
    assert found is not None
    ours = solve_projected(program, found, LIMITS)
    theirs = solve(program, LIMITS, backend="highs", in_child=False)
    if ours.status is Status.NO_PLAN_FOUND:  # more units than it is for: still a bound
        assert ours.bound <= theirs.objective * (1 + 1e-6)
        return
    assert ours.status is theirs.status
    if theirs.values is not None:
        assert ours.objective == pytest.approx(theirs.objective, rel=1e-6)
        assert ours.values is not None
        assert not violations(program, ours.values)


def test_most_of_those_are_settled_in_the_counts() -> None:
    """The method does what it is for: it is no detour that ends in HiGHS."""
    settled = 0
    for seed in range(12):
        program = mix(seed, units=6, classes=13)
        found = projection_of(program)
        assert found is not None
        settled += solve_projected(program, found, LIMITS).status is Status.PROVEN_OPTIMAL
    assert settled >= 9


@pytest.mark.parametrize("seed", range(5))
def test_worth_of_a_unit_is_that_of_the_best_division(seed: int) -> None:
    """f_i(y) against a linear program that divides one unit's time."""
    program = mix(seed, classes=13)
    found = projection_of(program)
    assert found is not None
    prices = np.random.default_rng(seed).random(len(found.needs))
    worth = found.worth(prices)
    for i in range(len(found.counts)):
        mine = np.flatnonzero(found.owner == i)
        build = ProgramBuilder()
        columns = [
            build.add_column(
                str(k), upper=float(found.most[k]), objective=-float(prices[found.cover[k]] * found.gives[k])
            )
            for k in mine
        ]
        taken = {c: float(found.takes[k]) for c, k in zip(columns, mine, strict=True)}
        build.add_row("time", taken, upper=float(found.has[i]))
        best = solve(build.build(), LIMITS, backend="highs", in_child=False)
        assert -best.objective == pytest.approx(worth[i], rel=1e-6)


def test_what_is_no_such_program_is_left_alone() -> None:
    """Shares that cost something, or a unit without a time row, are not projected out."""
    program = mix(0, classes=13)
    assert projection_of(program) is not None
    priced = program.objective.copy()
    priced[program.column("x0,0")] = 1.0
    assert projection_of(with_objective(program, priced)) is None
    build = ProgramBuilder()
    shares = [build.add_column(f"x{k}", upper=1.0) for k in range(60)]
    one = build.add_column("n", upper=3, integer=True, objective=1.0)
    build.add_row("cover", {**dict.fromkeys(shares, 1.0), one: 1.0}, lower=2.0)
    assert projection_of(build.build()) is None


def test_many_units_fall_back_and_keep_the_better_bound() -> None:
    """Where many units are in use the whole program is solved: the optimum is the same."""
    program = mix(3, classes=13, scale=12.0)
    ours = solve(program, LIMITS, in_child=False)
    theirs = solve(program, LIMITS, backend="highs", in_child=False)
    assert ours.objective == pytest.approx(theirs.objective, rel=1e-6)
    assert math.isfinite(ours.bound)


def test_infeasible_is_said() -> None:
    """No counts within the rows over them cover the demand."""
    program = mix(1, classes=13)
    build_low = {program.column(f"n{i}"): 1.0 for i in range(6)}
    from planner.solve import with_row

    short = with_row(program, "few", build_low, upper=0.0)
    assert solve(short, LIMITS, in_child=False).status is Status.INFEASIBLE
