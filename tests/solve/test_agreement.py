"""HiGHS, CP-SAT, the split and brute force give the same answer to the same random program."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.solve import Limits, ProgramBuilder, Status
from planner.solve.battery import inconsistencies
from planner.solve.drive import solve_here
from planner.solve.integers import ImpossibleError, RefusedError, integer_image
from planner.solve.tighten import tightened_bounds

LIMITS = Limits(time_limit_s=20.0, gap=0.0, threads=1)
whole = st.integers(-6, 6).map(float)
decimal = st.integers(-600, 600).map(lambda v: v / 100.0)
odd = st.integers(-60, 60).map(lambda v: v / 7.0)
coefficient = st.one_of(whole, decimal, odd)


@st.composite
def programs(draw, *, continuous):
    n, m = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    build = ProgramBuilder()
    rest = draw(st.integers(1, 2)) if continuous else 0
    middle = []
    for j in range(n + rest):
        low = draw(st.integers(-3, 3))
        width = draw(st.integers(0, 4))
        yes_no = j < n and draw(st.booleans())
        low, width = (0, 1) if yes_no else (low, width)
        build.add_column(
            f"x[{j}]", lower=low, upper=low + width, integer=j < n, structure=yes_no, objective=draw(coefficient)
        )
        middle.append(low + draw(st.integers(0, width)))
    for i in range(m):
        row = {j: draw(coefficient) for j in range(n + rest)}
        at = sum(value * middle[j] for j, value in row.items())
        kind = draw(st.sampled_from(["upper", "lower", "both", "equal"]))
        # most rows hold at one point, some cut it off
        shift = draw(st.sampled_from([0.0, 0.0, 0.5, 2.0, -1.0]))
        low, high = at - abs(shift), at + shift
        if kind == "equal":
            low = high = at + draw(st.sampled_from([0.0, 0.0, 0.0, 1.5]))
        elif kind == "upper":
            low = -math.inf
        elif kind == "lower":
            high = math.inf
        build.add_row(f"row[{i}]", row, lower=min(low, high), upper=max(low, high))
    return build.build()


def agree(program, backends):
    found = {name: solve_here(program, LIMITS, name) for name in backends}
    for name, solution in found.items():
        assert inconsistencies(program, solution, LIMITS) == [], name
        if name == "cpsat_grid" and solution.status.has_plan:
            # its bound is off by half a step of the grid, which is all of a cost of zero
            assert solution.objective - solution.bound <= 1e-5, solution
        else:
            assert solution.status in (Status.PROVEN_OPTIMAL, Status.INFEASIBLE), (name, solution)
    assert len({s.status.has_plan for s in found.values()}) == 1, found
    costs = [s.objective for s in found.values() if s.values is not None]
    if costs:
        assert max(costs) - min(costs) <= 2e-5 * max(1.0, abs(costs[0])), found
    return found


@settings(max_examples=120, deadline=None, derandomize=True)
@given(programs(continuous=False))
def test_whole_programs(program):
    agree(program, ["brute", "highs", "cpsat", "split"])


@settings(max_examples=50, deadline=None, derandomize=True)
@given(programs(continuous=True))
def test_mixed_programs(program):
    agree(program, ["brute", "highs", "cpsat_grid", "split"])


@settings(max_examples=100, deadline=None, derandomize=True)
@given(programs(continuous=False), st.booleans())
def test_the_integer_image_loses_nothing_or_says_so(program, tighten):
    """Every feasible point has an image inside a two-way image; every point of any image is feasible."""
    points = np.array(np.meshgrid(*[np.arange(a, b + 1) for a, b in zip(program.lower, program.upper, strict=True)]))
    points = points.reshape(program.column_count, -1).T
    if len(points) > 3000:
        return
    lower, upper, possible = tightened_bounds(program)
    good = [point for point in points if not _broken(program, point, 1e-9)]
    assert all(np.all((point >= lower - 1e-9) & (point <= upper + 1e-9)) for point in good)
    assert possible or not good
    if not possible:
        return
    try:
        image = integer_image(program, tighten=tighten)
    except RefusedError:
        return  # an equality of endless decimals may have no image
    except ImpossibleError:
        assert not good
        return
    for point in points:
        y = np.round((point - image.origin)[image.live] / image.step[image.live])
        if np.any(y < 0) or np.any(y > image.width) or not np.allclose(image.values(y.astype(np.int64)), point):
            inside = False
        else:
            activity = [
                sum(int(c) * int(v) for c, v in zip(r.coefficients, y[r.columns], strict=True)) for r in image.rows
            ]
            inside = all(
                (r.lower is None or r.lower <= a) and (r.upper is None or a <= r.upper)
                for r, a in zip(image.rows, activity, strict=True)
            )
        if inside:
            assert not _broken(program, point, 1e-6)
        elif image.two_way:
            assert _broken(program, point, 1e-9)


def _broken(program, point, tolerance):
    activity = program.activities(point)
    return bool(
        np.any(activity > program.row_upper + tolerance * np.maximum(1.0, np.abs(program.row_upper)))
        or np.any(activity < program.row_lower - tolerance * np.maximum(1.0, np.abs(program.row_lower)))
    )
