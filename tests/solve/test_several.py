"""Programs that travel together are solved as they are one by one, in their order."""

from __future__ import annotations

import math

import numpy as np
import pytest

from planner.errors import SolveError
from planner.solve import Limits, Program, ProgramBuilder, Status, pool, solve
from planner.solve import child as child_module
from planner.solve.several import solve_several


def knapsack(seed: int) -> Program:
    """Other coefficients, other sizes."""
    random = np.random.default_rng(seed)
    n = int(random.integers(2, 5))
    build = ProgramBuilder()
    columns = [build.add_column(f"x{i}", upper=4, integer=True) for i in range(n)]
    build.set_objective({c: -float(v) for c, v in zip(columns, random.uniform(1, 9, n), strict=True)})
    build.add_row("room", {c: float(v) for c, v in zip(columns, random.uniform(1, 5, n), strict=True)}, upper=11.0)
    return build.build()


def impossible() -> Program:
    build = ProgramBuilder()
    x = build.add_column("x", upper=1, integer=True)
    build.set_objective({x: 1.0})
    build.add_row("too much", {x: 1.0}, lower=2.0)
    return build.build()


@pytest.mark.usefixtures("in_process")
def test_each_program_gets_its_own_answer() -> None:
    programs = [knapsack(0), impossible(), *(knapsack(s) for s in range(1, 8))]
    limits = Limits(gap=1e-9)
    found = solve_several(programs, limits)
    assert [f.status for f in found] == [Status.PROVEN_OPTIMAL, Status.INFEASIBLE] + [Status.PROVEN_OPTIMAL] * 7
    for program, here in zip(programs, found, strict=True):
        alone = solve(program, limits, backend="brute", in_child=False)
        assert alone.status == here.status
        if alone.values is not None and here.values is not None:
            assert here.objective == pytest.approx(alone.objective)
            assert len(here.values) == program.column_count


def test_one_child_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    start = pool._start
    monkeypatch.setattr(pool, "_start", lambda *given: started.append(1) or start(*given))
    pool.end_idle()
    found = solve_several([knapsack(s) for s in range(4)])
    assert all(math.isfinite(f.objective) for f in found)
    assert len(started) == 1
    assert solve_several([]) == []
    assert solve(knapsack(1)).status.has_plan
    assert len(started) == 1


def test_an_answer_of_another_length_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "run_in_child", lambda *_: b"[]")
    with pytest.raises(SolveError, match="another number"):
        solve_several([knapsack(0)])
