"""Plans near a plan: never worse, always plans, and better where there is something to better."""

from __future__ import annotations

import numpy as np
import pytest
from test_split import fleet

from planner.solve import Limits, ProgramBuilder, Status, violations
from planner.solve.drive import solve_here
from planner.solve.highs import solve_highs
from planner.solve.local import _part, improve
from planner.solve.status import Mail

LIMITS = Limits(time_limit_s=3.0, gap=0.0, threads=1)


def poor_plan(program, seed):
    """Any plan: the first that HiGHS finds for another objective."""
    random = np.random.default_rng(seed)
    from planner.solve import with_objective

    found = solve_highs(with_objective(program, random.uniform(0.0, 1.0, program.column_count)), LIMITS)
    assert found.values is not None
    return found.values


@pytest.mark.parametrize("seed", range(3))
def test_a_poor_plan_is_made_good(seed):
    program = fleet(options=8, sites=2, periods=2, seed=seed)
    start, told = poor_plan(program, seed), []
    best = solve_here(program, Limits(time_limit_s=20.0, gap=1e-4, threads=1))
    near = 1.01 * best.objective
    found, bound = improve(
        program, start, LIMITS, enough=lambda objective: objective <= near, hook=lambda *said: told.append(said)
    )
    assert violations(program, found) == []
    assert program.objective_at(found) <= max(near, 0.95 * program.objective_at(start))
    assert bound <= best.objective * (1.0 + 1e-6)
    costs = [objective for _, objective, *_ in told]
    assert costs == sorted(costs, reverse=True)
    assert costs
    assert costs[-1] == pytest.approx(program.objective_at(found))


def test_the_mail_brings_plans_and_the_end():
    program = fleet(options=8, sites=2, periods=2)
    best = solve_here(program, Limits(time_limit_s=20.0, gap=1e-4, threads=1))
    mail = Mail()
    mail.put(best.values, best.objective)
    found, _ = improve(program, poor_plan(program, 0), Limits(time_limit_s=1.0, threads=1), mail=mail)
    assert program.objective_at(found) <= best.objective
    mail.stopped = True
    start = poor_plan(program, 1)
    assert improve(program, start, Limits(time_limit_s=60.0, threads=1), mail=mail)[0] is start


def test_a_part_costs_what_the_whole_costs():
    build = ProgramBuilder()
    columns = [build.add_column(f"x{i}", upper=9, integer=i < 4, objective=float(i + 1)) for i in range(6)]
    build.add_row("sum", dict.fromkeys(columns, 1.0), lower=11.0)
    build.add_row("first", {columns[0]: 1.0, columns[1]: 1.0}, upper=4.0)
    build.set_objective({c: float(i + 1) for i, c in enumerate(columns)}, offset=5.0)
    program = build.build()
    values = np.array([2.0, 2.0, 3.0, 4.0, 0.0, 0.0])
    free = np.array([True, False, True, False, False, False])
    part, kept = _part(program, values, free)
    assert kept.tolist() == [0, 2, 4, 5]
    assert part.objective_at(values[kept]) == program.objective_at(values)
    assert violations(part, values[kept]) == []
    found = solve_here(part, Limits(gap=0.0), "highs")
    assert found.status is Status.PROVEN_OPTIMAL
    values[kept] = found.values
    assert violations(program, values) == []
    assert found.objective == pytest.approx(program.objective_at(values))
