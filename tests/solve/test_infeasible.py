"""Why there is no plan: every answer is checked by solving again."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from planner.errors import SolveError
from planner.solve import Limits, ProgramBuilder, Status, conflicting_rows, elastic, nearest_changes
from planner.solve.battery import program_of
from planner.solve.drive import solve_here
from planner.solve.form import without_rows
from planner.solve.infeasible import conflicting_rows_here, elastic_here, nearest_changes_here

LIMITS = Limits(time_limit_s=20.0, gap=0.0, threads=1)
TWO = replace(LIMITS, threads=2)


def sites():
    """Two sites, one demand: power allows 6 + 4 of the 13 asked for, racks 20 + 20, money 30."""
    build = ProgramBuilder()
    a = build.add_column("buy[site=a]", upper=100, integer=True, objective=1.0)
    b = build.add_column("buy[site=b]", upper=100, integer=True, objective=1.0)
    build.add_row("racks[site=a]", {a: 1.0}, upper=20.0, kind="racks")
    build.add_row("power[site=a]", {a: 2.0}, upper=12.0, kind="power")
    build.add_row("racks[site=b]", {b: 1.0}, upper=20.0, kind="racks")
    build.add_row("power[site=b]", {b: 2.0}, upper=8.0, kind="power")
    build.add_row("budget", {a: 1.0, b: 1.0}, upper=30.0, kind="budget")
    build.add_row("demand", {a: 1.0, b: 1.0}, lower=13.0, kind="demand")
    return build.build()


def moved(program, changes):
    """The program with limits moved as `elastic` says."""
    low, high = program.row_lower.copy(), program.row_upper.copy()
    for name, amount in changes:
        row = program.row(name)
        # a hair more, so that what was met exactly is not lost to round-off
        if amount > 0.0:
            high[row] += amount * (1.0 + 1e-7) + 1e-7
        else:
            low[row] += amount * (1.0 + 1e-7) - 1e-7
    return replace(program, row_lower=low, row_upper=np.maximum(high, low))


def possible(program):
    status = solve_here(program, LIMITS, "highs").status
    assert status in (Status.PROVEN_OPTIMAL, Status.UNBOUNDED, Status.INFEASIBLE)
    return status is not Status.INFEASIBLE


def test_the_conflict_is_named():
    assert conflicting_rows(sites()) == ["power[site=a]", "power[site=b]", "demand"]


def least(program, penalties=None, firm=()):
    return elastic_here(program, LIMITS, penalties or {}, frozenset(firm))


def test_the_least_change_is_relative():
    # 3 more units: 6 of power at a (50 %), at b (75 %), or 3 of demand (23 %)
    assert elastic(sites()) == [("demand", pytest.approx(-3.0))]
    assert least(sites(), firm={"demand"}) == [("power[site=a]", pytest.approx(6.0))]
    assert least(sites(), {"power[site=a]": 2.0}, {"demand"}) == [("power[site=b]", pytest.approx(6.0))]
    assert least(sites(), {"power": 9.0, "demand": math.inf})[0][0] == "power[site=a]"
    with pytest.raises(SolveError, match="firm limits"):
        least(sites(), firm={"demand", "power"})


@pytest.mark.parametrize("small", [500, 0])
def test_each_row_alone(small, monkeypatch):
    monkeypatch.setattr("planner.solve.infeasible.SMALL", small)  # in one child, or divided over two
    found = dict(nearest_changes(sites(), ["power[site=a]", "power[site=b]", "demand", "budget"], TWO))
    assert found == {
        "power[site=a]": pytest.approx(6.0),
        "power[site=b]": pytest.approx(6.0),
        "demand": pytest.approx(-3.0),
        "budget": None,
    }


def test_a_possible_program_needs_no_change():
    program = program_of([(1, 0, 5, True)], [({0: 1}, 2, 3)])
    assert least(program) == []
    with pytest.raises(SolveError, match="can hold together"):
        conflicting_rows_here(program, LIMITS)


def test_whole_numbers_alone_can_conflict():
    # 2x + 2y = 5 has fractional points only; the others are beside the point
    program = program_of(
        [(1, 0, 9, True), (1, 0, 9, True)],
        [({0: 1}, -math.inf, 8), ({0: 2, 1: 2}, 5, 5), ({1: 1}, -math.inf, 8), ({0: 1, 1: 1}, 1, math.inf)],
    )
    assert conflicting_rows_here(program, LIMITS) == ["row[1]"]
    assert [(name, abs(amount)) for name, amount in least(program)] == [("row[1]", pytest.approx(1.0))]


def test_bounds_that_conflict_by_themselves_have_no_rows():
    program = program_of([(1, 0.2, 0.8, True)], [({0: 1}, 0, 1)])
    assert conflicting_rows_here(program, LIMITS) == []


def test_penalties_below_zero_are_refused():
    with pytest.raises(ValueError, match="below zero"):
        elastic_here(sites(), LIMITS, {"power": -1.0}, frozenset())


@st.composite
def impossible_programs(draw):
    n, m = draw(st.integers(1, 4)), draw(st.integers(2, 7))
    whole = draw(st.booleans())
    build = ProgramBuilder()
    for j in range(n):
        build.add_column(f"x[{j}]", upper=draw(st.integers(1, 5)), integer=whole)
    for i in range(m):
        row = {j: float(draw(st.integers(-4, 6))) for j in range(n)}
        limit = float(draw(st.integers(-8, 30)))
        side = draw(st.sampled_from(["lower", "upper", "equal"]))
        build.add_row(
            f"row[{i}]",
            row,
            lower=-math.inf if side == "upper" else limit,
            upper=math.inf if side == "lower" else limit,
            kind=draw(st.sampled_from(["power", "racks", "demand"])),
        )
    return build.build()


@settings(max_examples=50, deadline=None, derandomize=True)
@given(impossible_programs())
def test_conflicts_are_irreducible(program):
    assume(not possible(program))
    names = conflicting_rows_here(program, LIMITS)
    keep = np.array([name in names for name in program.row_names])
    assert not possible(without_rows(program, ~keep))
    for row in np.flatnonzero(keep):
        fewer = keep.copy()
        fewer[row] = False
        assert possible(without_rows(program, ~fewer)), f"{program.row_names[row]} is not needed"


@settings(max_examples=40, deadline=None, derandomize=True)
@given(impossible_programs())
def test_changes_make_a_plan_possible_and_smaller_ones_do_not(program):
    assume(not possible(program))
    changes = elastic_here(program, LIMITS, {}, frozenset())
    assert changes
    assert possible(moved(program, changes))
    for name, amount in nearest_changes_here(program, LIMITS, program.row_names):
        if amount is not None:
            assert amount != 0.0
            assert possible(moved(program, [(name, amount)]))
            assert not possible(moved(program, [(name, amount * 0.99)])), f"{name} by less than {amount}"
