"""Changes of one program: every answer is that of the changed program solved alone, linear or whole, in any number."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from planner.solve import Limits, Program, ProgramBuilder, Status, solve
from planner.solve import what_if as what_if_room
from planner.solve.what_if import Change, changed, what_if

LIMITS = Limits(gap=0.0, threads=2, time_limit_s=30.0)


def fleet(seed: int, *, whole: bool, size: float = 1.0) -> Program:
    """Units that cover two demands under a limit on what they use."""
    random = np.random.default_rng(seed)
    build = ProgramBuilder()
    columns = [build.add_column(f"n{i}", upper=30, integer=whole, objective=float(c))
               for i, c in enumerate(random.uniform(1, 9, 12))]  # fmt: skip
    for name in ("a", "b"):
        output = random.uniform(0.2, 3.0, 12)
        build.add_row(name, {c: size * float(v) for c, v in zip(columns, output, strict=True)}, lower=size * 31.7)
    build.add_row("power", {c: float(v) for c, v in zip(columns, random.uniform(0.5, 2, 12), strict=True)}, upper=24.0)
    return build.build()


def some_changes(program: Program) -> list[Change]:
    """Looser, tighter, impossible, a column taken away, and the program as it is."""
    a, power = program.row("a"), program.row("power")
    low, high = float(program.row_lower[a]), float(program.row_upper[power])
    return [
        *(Change(row_upper={power: limit}) for limit in (high + 1, high - 3, 1.0)),
        Change(row_lower={a: 0.5 * low}), Change(upper={0: 0.0, 3: 0.0, 5: 0.0}), Change(), Change(),
    ]  # fmt: skip


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("small", [10**6, 0])
@pytest.mark.parametrize("size", [1.0, 1e-7])
def test_each_change_is_answered_as_if_it_were_alone(
    whole: bool, small: int, size: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(what_if_room, "SMALL", small)  # in one child, or divided over two
    program = fleet(3, whole=whole, size=size)
    changes = some_changes(program)
    base = solve(program, LIMITS)
    for known in (None, base.values):
        found = what_if(program, changes, LIMITS, known)
        assert {f.status for f in found} == {Status.PROVEN_OPTIMAL, Status.INFEASIBLE}
        for change, outcome in zip(changes, found, strict=True):
            alone = solve(changed(program, change), LIMITS, backend="highs", in_child=False)
            assert outcome.status is alone.status
            if alone.values is not None:
                assert outcome.objective == pytest.approx(alone.objective, rel=1e-6)
                assert len(outcome.values or ()) == program.column_count


def test_no_time_is_said() -> None:
    program = fleet(1, whole=True)
    found = what_if(program, [Change()] * 3, replace(LIMITS, time_limit_s=0.01))
    assert all(f.status in (Status.NO_PLAN_FOUND, Status.PROVEN_OPTIMAL, Status.FEASIBLE) for f in found)
    assert any(f.status is Status.NO_PLAN_FOUND and math.isnan(f.objective) for f in found)
