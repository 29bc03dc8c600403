"""Worth, conflicts and changes of random questions, each confirmed by solving the changed program."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from tools import random_question

from planner.explain.binding import binding_limits
from planner.explain.conflict import model_findings, unable
from planner.fleet.build import build_fleet
from planner.fleet.model import FleetModel, Limit
from planner.solve import Limits, Status, solve, with_objective
from planner.solve.form import Program, without_rows

pytestmark = pytest.mark.usefixtures("in_process")
LIMITS = Limits(time_limit_s=20, gap=0.0)


def solved(program: Program) -> float | None:
    """The least objective; None where there is no plan."""
    found = solve(program, LIMITS, in_child=False)
    assert found.status in {Status.PROVEN_OPTIMAL, Status.INFEASIBLE}
    return None if found.values is None else found.objective


def moved(program: Program, limit: Limit, value: float) -> Program:
    """The program with one limit at another value, in the limit's unit."""
    row = program.row(limit.row)
    which = "row_upper" if limit.sense < 0 else "row_lower"
    bounds = np.array(getattr(program, which))
    bounds[row] = value / limit.scale
    return replace(program, **{which: bounds})


def test_worth_per_unit_of_random_questions() -> None:
    """A limit said to be worth something is, at the step that is told; limits not named change nothing at that step."""
    confirmed = 0
    for seed in range(80):
        scenario, options = random_question(seed, most_options=5)
        if unable(scenario, options):
            continue
        model = build_fleet(scenario, options)
        program = with_objective(model.program, model.objectives["cost"])
        found = solve(program, LIMITS, in_child=False)
        if found.values is None:
            continue
        by_label = {limit.label: limit for limit in model.limits.values()}
        for b in binding_limits(model, "cost", found.objective, found.values, LIMITS):
            if not b.worth_per_unit:
                continue
            limit = by_label[b.limit]
            step = float(b.note.split("with ")[1].split(" ")[0])
            better = solved(moved(program, limit, limit.limit - limit.sense * step))
            assert better is not None
            assert (found.objective - better) * 1e6 / step == pytest.approx(b.worth_per_unit, rel=5e-3)
            confirmed += 1
    assert confirmed >= 8


def infeasible() -> list[tuple[int, FleetModel]]:
    """Random questions without a plan."""
    found = []
    for seed in range(150):
        scenario, options = random_question(seed, most_options=5)
        if unable(scenario, options):
            continue
        model = build_fleet(scenario, options)
        if solved(with_objective(model.program, np.zeros(model.program.column_count))) is None:
            found.append((seed, model))
    return found


def test_conflicts_and_changes_of_random_questions() -> None:
    """Every conflict is irreducible; every confirmed change of one limit is enough, one a bit smaller is not."""
    conflicts = changes = 0
    for seed, model in infeasible():
        program = with_objective(model.program, np.zeros(model.program.column_count))
        diagnosis = model_findings(model, LIMITS)
        by_label = {limit.label: limit for limit in model.limits.values()}
        for conflict in diagnosis.conflicts:
            rows = {by_label[label].row for label in conflict.limits}
            others = {limit.row for limit in model.limits.values() if limit.unit != "run"} - rows

            def possible(without: set[str], program: Program = program) -> bool:
                drop = np.array([name in without for name in program.row_names])
                return solved(without_rows(program, drop)) is not None

            assert not possible(others), seed
            assert all(possible(others | {row}) for row in rows) or rows == {
                limit.row for limit in model.limits.values() if limit.unit == "run"
            }, seed
            conflicts += 1
        by_path = {limit.path: limit for limit in model.limits.values()}
        for n in diagnosis.nearest:
            if not n.confirmed or "together" in n.message:
                continue
            limit = by_path[n.limit]
            assert solved(moved(program, limit, n.needed * limit.share)) is not None, (seed, n)
            back = math.copysign(1.0, n.needed - n.now) if limit.whole else 0.05 * (n.needed - n.now)
            short = n.needed - back
            if (short - n.now) * (n.needed - n.now) > 0.02 * (n.needed - n.now) ** 2:
                tight = solved(moved(program, limit, short * limit.share)) is None
                assert tight or abs(n.needed / n.now - 1) < 0.05, (seed, n, short)
            changes += 1
    assert conflicts >= 15
    assert changes >= 25
