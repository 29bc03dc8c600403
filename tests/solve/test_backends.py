"""Every backend against known answers, and the battery against backends that are wrong."""

from __future__ import annotations

import math
from dataclasses import replace

import highspy
import numpy as np
import pytest

from planner.solve import Limits, Solution, Status, lexicographic, refusal, solve, violations
from planner.solve import highs as highs_room
from planner.solve.battery import (
    CheckFailedError,
    check_backend,
    checks,
    inconsistencies,
    program_of,
    returned_starts,
    solver_of,
    wrong_optima,
)
from planner.solve.drive import solve_here
from planner.solve.highs import relax
from planner.solve.status import status_of_plan

ABILITIES = {
    "auto": {},
    "highs": {},
    "split": {},
    "cpsat": {"endless": False},
    "brute": {"endless": False, "many": False},
}
BATTERY = [
    pytest.param(name, check, id=f"{name}-{check.name}")
    for name, able in ABILITIES.items()
    for check in checks()
    if not (check.continuous and not able.get("continuous", True))
    and not (check.endless and not able.get("endless", True))
    and not (check.many and not able.get("many", True))
]


@pytest.mark.parametrize(("backend", "check"), BATTERY)
def test_battery(backend, check):
    check.run(solver_of(backend))


@pytest.mark.parametrize("backend", ["auto", "highs", "split", "cpsat_grid", "brute"])
@pytest.mark.parametrize("model", range(4))
def test_models_that_highs_1_14_solves_wrongly(backend, model):
    program, optimum = wrong_optima()[model]
    solution = solve_here(program, Limits(gap=0.0), backend)
    assert solution.status is Status.PROVEN_OPTIMAL
    assert solution.objective == pytest.approx(optimum, rel=1e-9)
    assert inconsistencies(program, solution, Limits(gap=0.0)) == []


def lying(change):
    """HiGHS's answer with something changed."""
    return lambda program, limits: change(program, solve_here(program, limits, "highs"))


@pytest.mark.parametrize(
    ("change", "caught"),
    [
        (
            lambda p, s: replace(s, status=Status.PROVEN_OPTIMAL) if s.status is Status.FEASIBLE else s,
            "time_out_with_plan",
        ),
        (
            lambda p, s: replace(s, status=Status.INFEASIBLE) if s.status is Status.NO_PLAN_FOUND else s,
            "time_out_without",
        ),
        (lambda p, s: replace(s, status=Status.INFEASIBLE) if s.status is Status.UNBOUNDED else s, "unbounded"),
        (lambda p, s: replace(s, values=s.values[::-1].copy()) if s.values is not None else s, "names"),
        (lambda p, s: replace(s, objective=s.objective - p.objective_offset), "offset"),
        (lambda p, s: replace(s, values=s.values * (1 - 1e-5)) if s.values is not None else s, "large_counts"),
    ],
)
def test_the_battery_sees_a_lie(change, caught):
    check = next(check for check in checks() if check.name.startswith(caught))
    with pytest.raises(CheckFailedError):
        check.run(lying(change))


def test_the_battery_lists_what_fails():
    def refuses(_program, _limits):
        return Solution(Status.FAILED, message="no licence")

    failures = check_backend(refuses, continuous=False, endless=False)
    assert "offset: failed instead of the optimum -997 (no licence)" in failures
    assert not any(line.startswith("wrong_optimum") for line in failures)  # it takes no continuous columns


def test_the_battery_refuses_a_backend_that_returns_its_start():
    def naive(program, limits, start=None):
        if start is None or violations(program, start):
            return solve_here(program, limits, "highs")
        cost = program.objective_at(start)
        return Solution(Status.PROVEN_OPTIMAL, start, cost, cost, 0.0)

    assert [line.split(":")[0] for line in check_backend(naive)] == ["start_is_no_answer", "start_is_no_loss"]


@pytest.mark.parametrize("case", range(2))
def test_a_start_that_comes_back_as_optimal_is_solved_again(case, monkeypatch):
    # as highspy 1.16.0 does it where the start is given before the run; on other versions the answer is right at once
    runs = []

    def given_before(highs, program, hook, mail):
        runs.append(mail)
        if mail is not None:
            known = highspy.HighsSolution()
            known.col_value = mail.offer[1].tolist()
            highs.setSolution(known)

    monkeypatch.setattr(highs_room, "listen", given_before)
    program, optimum, starts = returned_starts()[case]
    for start in starts:
        found = highs_room.solve_highs(program, Limits(gap=0.0, threads=1), start=np.array(start))
        assert (found.status, found.objective) == (Status.PROVEN_OPTIMAL, pytest.approx(optimum))
    if highspy.Highs().version() == "1.16.0":
        assert len(runs) > len(starts)


def test_a_point_that_costs_something_else_is_no_answer(monkeypatch):
    program, optimum = wrong_optima()[3]
    honest = highs_room.build
    lies = []

    class Liar:
        def __init__(self, highs):
            self._highs = highs

        def __getattr__(self, name):
            return getattr(self._highs, name)

        def getSolution(self):  # noqa: N802 - HiGHS's name
            found = self._highs.getSolution()
            point = highspy.HighsSolution()
            point.col_value = [v + 1.0 for v in found.col_value]
            lies.append(point)
            return point

    def build(*given, **more):
        made = honest(*given, **more)
        return Liar(made) if len(lies) < most else made

    monkeypatch.setattr(highs_room, "build", build)
    most = 1
    assert highs_room.solve_highs(program, Limits(gap=0.0)).objective == pytest.approx(optimum)
    lies.clear()
    most = 99
    refused = highs_room.solve_highs(program, Limits(gap=0.0))
    assert (refused.status, refused.values) == (Status.FAILED, None)
    assert "of a point that costs" in refused.message


def test_cpsat_lays_continuous_columns_on_a_grid():
    for program, optimum in wrong_optima():
        for limits in (Limits(gap=0.0), Limits(gap=1e-3)):
            found = solve_here(program, limits, "cpsat") if math.isfinite(program.upper.max()) else None
            if found is not None:
                assert found.objective == pytest.approx(optimum, rel=1e-6)
                assert inconsistencies(program, found, limits) == []


def test_where_the_grid_proves_nothing_the_relaxation_does():
    # 1/3 and 1/7 of a continuous column: no grid has both, and the relaxation is exact
    program = program_of(
        [(1.0, 0, 1e7, False), (math.pi, 0, 1e3, True)],
        [({0: 1 / 3, 1: 1 / 7}, math.e, math.inf), ({0: 1 / 7, 1: -1 / 3}, -math.inf, 1e6)],
    )
    found = solve_here(program, Limits(gap=1e-3, threads=1), "cpsat")
    assert found.status in (Status.WITHIN_GAP, Status.PROVEN_OPTIMAL)
    assert found.objective == pytest.approx(3 * math.e, rel=1e-3)


def test_a_column_without_a_bound_that_only_has_to_be_large_enough():
    # the largest of three loads, charged for: cpsat finds how large it may have to be
    program = program_of(
        [(5.0, 0, math.inf, False), (1, 0, 9, True), (2, 0, 9, True), (0, 0, 40, True)],
        [
            ({0: 1, 1: -3}, 0, math.inf),
            ({0: 1, 2: -2, 1: -1}, 0, math.inf),
            ({0: -1, 3: 1}, -math.inf, 0),
            ({1: 1, 2: 1}, 7, math.inf),
            ({3: 1}, 4, math.inf),
        ],
    )
    assert refusal(program, "cpsat") == ""
    exact = solve_here(program, Limits(gap=0.0), "highs")
    for gap in (0.0, 1e-3):
        found = solve_here(program, Limits(gap=gap), "cpsat")
        assert found.objective == pytest.approx(exact.objective, rel=1e-6)
        assert found.bound <= exact.objective * (1.0 + 1e-9)


def test_who_cannot_take_a_program_is_said_beforehand():
    endless = program_of([(-1, 0, math.inf, False), (1, 0, 3, True)], [({0: 1, 1: -1}, 0, math.inf)])
    assert "continuous column 'x[0]'" in refusal(endless, "cpsat")
    assert solve_here(endless, Limits(), "cpsat").status is Status.FAILED
    assert "can be" in refusal(program_of([(1, 0, 1e7, True)], []), "brute")
    assert "endlessly" in refusal(program_of([(1, 0, math.inf, True)], []), "brute")
    assert "MOSEK" in refusal(endless, "mosek")
    for backend in ("auto", "highs", "split"):
        assert refusal(endless, backend) == ""
    for program, _ in wrong_optima()[1:]:
        assert refusal(program, "cpsat") == refusal(program, "brute") == ""


def test_cpsat_does_not_call_its_gap_an_optimum():
    # CP-SAT says OPTIMAL when it stops at relative_gap_limit
    random = np.random.default_rng(4)
    program = program_of(
        [(float(c), 0, 50, True) for c in random.integers(100, 300, 12)],
        [({j: float(w) for j, w in enumerate(random.integers(100, 300, 12))}, 20_011, math.inf)],
    )
    loose = solve_here(program, Limits(gap=0.3, threads=1), "cpsat")
    assert loose.status in (Status.WITHIN_GAP, Status.PROVEN_OPTIMAL)
    assert (loose.status is Status.PROVEN_OPTIMAL) == (loose.gap <= 1e-6)
    tight = solve_here(program, Limits(gap=0.0, threads=1), "cpsat")
    assert loose.bound <= tight.objective + 1e-6 <= loose.objective + 2e-6


def test_brute_force_refuses_what_it_cannot_count():
    assert solve_here(program_of([(1, 0, 1e7, True)], []), Limits(), "brute").status is Status.FAILED
    endless = solve_here(program_of([(1, 0, math.inf, True)], []), Limits(), "brute")
    assert (endless.status, endless.message) == (Status.FAILED, "an integer column has no bound")


def test_a_count_without_bounds_is_no_proof_for_cpsat():
    found = solve_here(program_of([(-1, 0, math.inf, True)], []), Limits(), "cpsat")
    assert found.status not in (Status.PROVEN_OPTIMAL, Status.WITHIN_GAP, Status.INFEASIBLE)
    assert found.bound == -math.inf


def test_shadow_prices_are_what_one_more_unit_is_worth():
    # min 3x + 2y, x + y >= 10, y <= 6: one more unit of demand costs 3, one more of y saves 1
    program = program_of([(3, 0, 20, False), (2, 0, 20, False)], [({0: 1, 1: 1}, 10, math.inf), ({1: 1}, -math.inf, 6)])
    answer = relax(program, Limits())
    assert answer.row_dual == pytest.approx([3.0, -1.0])
    for row, price in enumerate([3.0, -1.0]):
        more = np.eye(2)[row]
        raised = replace(program, row_lower=program.row_lower + more, row_upper=program.row_upper + more)
        assert solve_here(raised, Limits()).objective - answer.objective == pytest.approx(price)


def test_shadow_prices_with_the_plan_held():
    program, _ = wrong_optima()[3]
    plan = solve_here(program, Limits(gap=0.0))
    held = relax(program, Limits(), program.integer, plan.values)
    assert held.objective == pytest.approx(28.2)
    assert held.row_dual == pytest.approx([2.0])


def test_badly_scaled_programs_are_solved_in_their_own_unit():
    # bytes and dollars: coefficients 1e-7 .. 1e10
    # and one column whose only coefficient is tiny: scaled by it alone, the other's cost would count for nothing
    program = program_of(
        [(3.0e7, 0, 1000, True), (2.0e6, 0, 1e12, False)],
        [({0: 8.0e10, 1: 1.0e-7}, 3.0e12, math.inf), ({0: 1.2e4}, -math.inf, 1e6)],
    )
    solution = solve_here(program, Limits(gap=0.0))
    assert solution.status is Status.PROVEN_OPTIMAL
    assert solution.values is not None
    assert solution.values[0] == 38.0
    assert solution.objective == pytest.approx(38 * 3.0e7)
    assert inconsistencies(program, solution, Limits(gap=0.0)) == []


@pytest.mark.parametrize("size", [1e-3, 1e-7, 1e-11])
def test_tiny_objectives_count_as_much_as_others(size: float):
    # 3a + 4b + 5c >= 11: of 2a + c (10.8) and b + 2c - 3 and the like the first costs least
    columns = [(2.9 * size, 0, 2, True), (4.1 * size, 0, 2, True), (5.0 * size, 0, 2, True)]
    program = replace(program_of(columns, [({0: 3, 1: 4, 2: 5}, 11, math.inf)]), objective_offset=7.0 * size)
    found = solve_here(program, Limits(gap=0.0), "highs")
    assert found.status is Status.PROVEN_OPTIMAL
    assert found.values is not None
    assert found.values.tolist() == [2.0, 0.0, 1.0]
    assert found.objective == pytest.approx((2 * 2.9 + 5.0 + 7.0) * size, rel=1e-12)
    (again,) = lexicographic(program, [program.objective], Limits(gap=0.0), backend="highs", in_child=False)
    assert again.values is not None
    assert again.values.tolist() == [2.0, 0.0, 1.0]


def test_lexicographic_keeps_the_first_and_improves_the_second():
    program = program_of(
        [(0, 0, 10, True), (0, 0, 10, True), (0, 0, 10, True)],
        [({0: 1, 1: 1, 2: 1}, 10, math.inf), ({0: 1}, -math.inf, 4)],
    )
    cost, carbon = np.array([1.0, 2.0, 2.1]), np.array([9.0, 5.0, 1.0])
    first, second = lexicographic(program, [cost, carbon], Limits(gap=0.0), in_child=False)
    assert first.objective == 16.0
    assert (second.values @ cost, second.objective) == (pytest.approx(16.0), 66.0)
    first, second = lexicographic(program, [cost, carbon], Limits(gap=0.0), slack=0.05, in_child=False)
    assert second.values @ cost <= 16.8 + 1e-6
    assert second.objective == 42.0  # 4 of the first, all others of the cleanest
    ended = lexicographic(
        program_of([(0, 0, 1, True)], [({0: 1}, 2, 3)]), [cost[:1], cost[:1]], Limits(), in_child=False
    )
    assert [s.status for s in ended] == [Status.INFEASIBLE]


def test_limits_and_names_are_checked():
    for wrong in (
        {"time_limit_s": 0.0},
        {"time_limit_s": math.inf},
        {"gap": 1.0},
        {"gap": -0.1},
        {"threads": 0},
        {"seed": -1},
    ):
        with pytest.raises(ValueError, match="must be"):
            Limits(**wrong)
    with pytest.raises(ValueError, match="unknown backend 'simplex'"):
        solve(program_of([], []), backend="simplex")
    assert Limits(reproducible=True, threads=8).worker_count == 1


@pytest.mark.parametrize("factor", [1e-12, 1e-6, 1e9])
def test_the_unit_of_money_changes_nothing(factor):
    # costs of 1e-9 are below a solver's tolerance: taken as they come, any plan would do
    columns = [(cost * factor, 0, 40, True) for cost in (700.0, 430.0, 911.0)]
    program = program_of(columns, [({0: 7.0, 1: 4.0, 2: 9.5}, 101.0, math.inf), ({1: 1.0}, -math.inf, 9.0)])
    answers = {name: solve_here(program, Limits(gap=0.0), name) for name in ("brute", "highs", "cpsat", "split")}
    best = answers["brute"].objective
    for name, found in answers.items():
        assert found.status is Status.PROVEN_OPTIMAL, name
        assert found.objective == pytest.approx(best, rel=1e-9), name


@pytest.mark.parametrize(
    ("objective", "bound", "gap", "status"),
    [
        (100.0, 100.0, 0.0, Status.PROVEN_OPTIMAL),
        (100.0, 99.95, 1e-3, Status.WITHIN_GAP),
        (100.0, 99.0, 1e-3, Status.FEASIBLE),
        (100.0, -math.inf, 0.5, Status.FEASIBLE),
        (0.0, 0.0, 0.0, Status.PROVEN_OPTIMAL),
        (-100.0, -100.05, 1e-3, Status.WITHIN_GAP),
    ],
)
def test_the_status_follows_from_the_gap(objective, bound, gap, status):
    assert status_of_plan(objective, bound, gap) is status


def test_a_plan_that_breaks_a_row_is_never_handed_out(monkeypatch):
    program, _ = wrong_optima()[3]
    wrong = Solution(Status.PROVEN_OPTIMAL, np.array([1.0, 8.0]), 17.0, 17.0, 0.0, "a broken solver")
    monkeypatch.setattr("planner.solve.drive._dispatch", lambda *_: wrong)
    solution = solve_here(program, Limits())
    assert (solution.status, solution.values) == (Status.FAILED, None)
    assert "row[0] by 11.1" in solution.message
