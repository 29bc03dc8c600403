"""Solvers by PuLP, and models as files: the same battery, the same optimum after a trip through another format."""

from __future__ import annotations

import math

import highspy
import numpy as np
import pulp
import pytest
from test_split import fleet

from planner.solve import Limits, ProgramBuilder, Status, refusal, solve, write_model
from planner.solve.battery import check_backend, program_of, wrong_optima
from planner.solve.drive import solve_here
from planner.solve.pulp_model import problem_of
from planner.solve.solvers import OTHER

here = [name for name in OTHER if not refusal(wrong_optima()[0][0], name)]


@pytest.mark.filterwarnings("ignore:PULP_CBC_CMD")
@pytest.mark.parametrize("name", here)
def test_a_solver_that_is_installed_passes_the_battery(name):
    assert check_backend(name) == []


@pytest.mark.skipif("cbc" not in here, reason="PuLP without CBC")
def test_it_solves_in_a_child_and_says_its_name():
    program, optimum = wrong_optima()[1]
    found = solve(program, Limits(gap=0.0), backend="cbc")
    assert found.solver.startswith("CBC (PuLP ")
    assert (found.status, found.objective) == (Status.PROVEN_OPTIMAL, pytest.approx(optimum))
    # what PuLP calls optimal at a gap is within that gap, and no more
    loose = solve(fleet(options=6), Limits(gap=0.2, time_limit_s=20.0), backend="cbc")
    assert loose.status in (Status.WITHIN_GAP, Status.PROVEN_OPTIMAL)
    assert loose.bound <= solve_here(fleet(options=6), Limits(gap=1e-3, time_limit_s=20.0)).objective


def test_a_solver_that_is_not_installed_is_refused_in_words():
    missing = next(name for name in OTHER if name not in here)
    program, _ = wrong_optima()[0]
    assert OTHER[missing].title in refusal(program, missing)
    found = solve_here(program, Limits(), missing)
    assert found.status is Status.FAILED
    assert "not installed" in found.message


def test_the_word_of_pulp_is_not_ours():
    # PuLP calls a HiGHS run that hit its time limit optimal; this is why its status is never read alone
    random = np.random.default_rng(3)
    weights = random.integers(1, 1000, (40, 120))
    program = program_of(
        [(-float(c), 0, 1, True) for c in random.integers(1, 1000, 120)],
        [({j: float(w) for j, w in enumerate(row)}, -math.inf, float(row.sum() // 3)) for row in weights],
    )
    problem, _ = problem_of(program)
    status = problem.solve(pulp.HiGHS(msg=False, timeLimit=0.3))
    if problem.solverModel.getModelStatus() != highspy.HighsModelStatus.kTimeLimit:
        pytest.skip("solved at once")
    assert status == pulp.LpStatusOptimal


def odd_names():
    build = ProgramBuilder()
    names = ("a b", "a_b", "a-b", "buy[option=1,site=Köln]", "inf", "1e5", "x" * 300, "x" * 299 + "y", "e12")
    columns = [
        build.add_column(name, upper=k + 1, integer=k % 2 == 0, objective=1.0 + k) for k, name in enumerate(names)
    ]
    for k, column in enumerate(columns):
        build.add_row(names[k], {column: 1.0, columns[0]: 0.25}, lower=0.5 * k, upper=2.0 * k + 1)
    build.add_row("same", {columns[1]: 2.0, columns[2]: -1.0}, lower=0.0, upper=0.0)
    build.set_objective({c: 1.0 + k for k, c in enumerate(columns)}, offset=1000.0)
    return build.build()


@pytest.mark.parametrize("suffix", [".mps", ".lp"])
def test_a_written_model_is_the_same_program(suffix, tmp_path):
    for k, program in enumerate([odd_names(), *(p for p, _ in wrong_optima())]):
        path = tmp_path / f"model{k}{suffix}"
        write_model(program, path)
        highs = highspy.Highs()
        highs.setOptionValue("output_flag", False)
        assert highs.readModel(str(path)) == highspy.HighsStatus.kOk
        assert highs.getNumCol() == program.column_count + bool(program.objective_offset)
        highs.setOptionValue("mip_rel_gap", 1e-9)
        highs.run()
        ours = solve_here(program, Limits(gap=1e-9, time_limit_s=20.0), "highs")
        assert highs.getObjectiveValue() == pytest.approx(ours.objective, rel=1e-6)


def test_other_formats_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\.mps or \.lp"):
        write_model(odd_names(), tmp_path / "model.txt")
