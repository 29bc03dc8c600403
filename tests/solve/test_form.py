"""The form: names, bounds, evaluation, copies, JSON, scaling."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.solve import (
    ProgramBuilder,
    coefficient_range,
    from_dict,
    scaled,
    to_dict,
    violations,
    with_objective,
    with_row,
)
from planner.solve.battery import program_of
from planner.solve.form import with_fixed, without_rows


def small():
    return program_of(
        [(1, 0, 10, True), (2, -1, math.inf, False)], [({0: 1, 1: 2}, 3, math.inf), ({0: 1}, -math.inf, 8)], offset=5
    )


def test_builder_counts_merges_and_drops():
    build = ProgramBuilder()
    a = build.add_column("a", objective=2.0)
    b = build.add_column("b", structure=True, upper=1)
    row = build.add_row("r", [(a, 1.0), (b, 2.0), (a, 0.5), (b, -2.0)], upper=4.0, kind="power")
    program = build.build()
    assert (a, b, row) == (0, 1, 0)
    assert program.integer.tolist() == [False, True]  # a structural decision is whole
    assert program.row_kind == ("power",)
    assert list(zip(program.rows.tolist(), program.cols.tolist(), program.vals.tolist(), strict=True)) == [(0, 0, 1.5)]
    assert program.column("b") == 1
    assert program.row("r") == 0


@pytest.mark.parametrize("what", ["column", "row"])
def test_a_name_is_given_once(what):
    build = ProgramBuilder()
    column = build.add_column("x")
    build.add_row("x", {column: 1.0})  # a row may be called as a column is
    with pytest.raises(ValueError, match="'x' is there already"):
        build.add_column("x") if what == "column" else build.add_row("x", {})
    with pytest.raises(ValueError, match="is there already"):
        with_row(build.build(), "x", {})


def test_what_cannot_be_meant_is_refused():
    build = ProgramBuilder()
    build.add_column("x")
    with pytest.raises(ValueError, match="column 1 does not exist"):
        build.add_row("r", {1: 1.0})
    build.add_row("late", {0: 1.0}, lower=2.0, upper=1.0)
    with pytest.raises(ValueError, match=r"row 'late': bounds 2\.0 \.\. 1\.0"):
        build.build()
    for lower, upper in ((1.0, 0.0), (math.nan, 1.0), (math.inf, math.inf)):
        with pytest.raises(ValueError, match="hold no number"):
            program_of([(1, lower, upper, False)], [])
    with pytest.raises(ValueError, match="finite"):
        program_of([(math.inf, 0, 1, False)], [])


def test_arrays_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        small().lower[0] = 1.0


def test_violations_name_what_is_broken_and_by_how_much():
    program = small()
    assert violations(program, np.array([3.0, 0.0])) == []
    broken = dict(violations(program, np.array([8.5, -3.0])))
    assert broken == {
        "row[0]": pytest.approx(0.5),
        "row[1]": pytest.approx(0.5),
        "column x[1]": pytest.approx(2.0),
        "column x[0] (whole)": pytest.approx(0.5),
    }
    assert violations(program, np.array([3.0 - 1e-7, 0.0])) == []
    assert len(violations(program, np.array([math.nan, 0.0]))) >= 1
    with pytest.raises(ValueError, match="shape"):
        violations(program, np.array([1.0]))


def test_tolerance_is_relative_to_the_limit():
    program = program_of([(0, 0, math.inf, False)], [({0: 1}, -math.inf, 1e6)])
    assert violations(program, np.array([1e6 + 0.5])) == []
    assert violations(program, np.array([1e6 + 2.0])) == [("row[0]", 2.0)]


def test_copies_leave_the_original_alone():
    program = small()
    more = with_row(program, "sum", [(0, 1.0), (1, 1.0), (0, 1.0)], upper=9.0, kind="extra")
    assert more.activities(np.array([2.0, 3.0])).tolist() == [8.0, 2.0, 7.0]
    assert (program.row_count, more.row_kind[-1]) == (2, "extra")
    assert without_rows(more, np.array([True, False, False])).row_names == ("row[1]", "sum")
    assert without_rows(more, np.array([True, False, False])).activities(np.array([2.0, 3.0])).tolist() == [2.0, 7.0]
    assert with_objective(program, np.array([0.0, 1.0])).objective_at(np.array([2.0, 3.0])) == 3.0
    assert program.objective_at(np.array([2.0, 3.0])) == 13.0
    held = with_fixed(program, np.array([True, False]), np.array([4.0, 99.0]))
    assert (held.lower.tolist(), held.upper.tolist()) == ([4.0, -1.0], [4.0, math.inf])


numbers = st.floats(-1e6, 1e6, allow_nan=False).filter(lambda v: v == 0.0 or abs(v) > 1e-6)


@st.composite
def programs(draw):
    n, m = draw(st.integers(1, 5)), draw(st.integers(0, 4))
    columns = []
    for _ in range(n):
        low = draw(st.one_of(st.just(-math.inf), numbers))
        high = draw(st.one_of(st.just(math.inf), st.floats(0, 1e5).map(lambda w, low=low: w + max(low, -1e6))))
        columns.append((draw(numbers), low, high, draw(st.booleans())))
    rows = [({j: draw(numbers) for j in range(n)}, -math.inf, draw(numbers)) for _ in range(m)]
    return program_of(columns, rows, offset=draw(numbers))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(programs())
def test_json_brings_back_the_same_program(program):
    again = from_dict(json.loads(json.dumps(to_dict(program))))
    for name in program.__dataclass_fields__:
        assert np.array_equal(getattr(program, name), getattr(again, name)), name
    with pytest.raises(ValueError, match="cannot be read"):
        from_dict({**to_dict(program), "form": 99})


@settings(max_examples=60, deadline=None, derandomize=True)
@given(programs(), st.randoms(use_true_random=False))
def test_scaling_changes_the_numbers_and_not_the_program(program, random):
    image = scaled(program)
    point = np.array([float(random.randint(-50, 50)) for _ in range(program.column_count)])
    inside = point / image.column_factor
    assert np.array_equal(image.unscale(inside), point)  # powers of two: nothing is rounded
    assert np.allclose(
        image.program.activities(inside), program.activities(point) * image.row_factor, rtol=1e-9, atol=1e-6
    )
    assert image.unscale_objective(image.program.objective_at(inside)) == pytest.approx(
        program.objective_at(point), rel=1e-9, abs=1e-6
    )
    assert np.all(image.column_factor[program.integer] == 1.0)


def test_scaling_brings_coefficients_near_one():
    # watts beside tokens per second: 1e-6 .. 1e7 before
    rows = [({0: 3e6, 1: 7e6}, -math.inf, 2e9), ({0: 2e-4, 1: 5e-4}, 1e-3, math.inf), ({2: 1e-6, 0: 4.0}, 0, math.inf)]
    program = program_of([(9e7, 0, 100, True), (2e8, 0, 100, True), (0.0, 0, 1e9, False)], rows)
    assert coefficient_range(program) == (1e-6, 7e6)
    low, high = coefficient_range(scaled(program).program)
    assert low >= 1e-3
    assert high <= 1e3
    assert 1e-3 <= np.abs(scaled(program).program.objective).max() <= 1e3


def test_an_empty_program_has_a_range_and_a_copy():
    program = program_of([], [])
    assert coefficient_range(program) == (1.0, 1.0)
    assert scaled(program).program.column_count == 0
    assert program.objective_at(np.zeros(0)) == 0.0
