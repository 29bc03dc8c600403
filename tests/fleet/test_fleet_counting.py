"""The optimization model against plain counting: the same best plan, whoever looks for it."""

from __future__ import annotations

import math

import pytest
from tools import counted_best, load, option, random_question, run, run_option, scenario_of

from planner.fleet.build import build_fleet
from planner.fleet.model import OBJECTIVE_UNITS
from planner.solve import Limits, Status, lexicographic, solve, with_objective

LIMITS = Limits(gap=0.0, time_limit_s=30, threads=1)
GOALS = ("cost", "power", "carbon", "throughput", "time")
PRIORITIES = (("power", "cost"), ("throughput", "cost"), ("time", "carbon", "cost"), ("carbon", "power"))


@pytest.mark.parametrize("seed", range(80))
def test_every_solver_finds_what_counting_finds(seed: int) -> None:
    """Counting every combination of units gives the optimum of HiGHS, CP-SAT, the split and brute force."""
    scenario, options = random_question(seed)
    goal = GOALS[seed % len(GOALS)]
    scenario = scenario.model_copy(update={"objective": (goal,)})
    model = build_fleet(scenario, options)
    program = with_objective(model.program, model.objectives[goal])
    best = counted_best(scenario, options, [goal])
    exact = "cpsat" if program.integer.all() else "cpsat_grid"
    for backend in ("highs", exact, "split", "brute"):
        found = solve(program, LIMITS, backend=backend, in_child=False)
        if best is None:
            assert found.status is Status.INFEASIBLE, (backend, found)
            continue
        assert found.status.has_plan, (backend, found)
        scale = OBJECTIVE_UNITS[goal][1]
        shown = found.objective * scale * (-1 if goal == "throughput" else 1)
        wanted = best[0]
        assert shown == pytest.approx(wanted, rel=1e-6, abs=1e-6), backend
        assert found.bound <= found.objective + 1e-9


def test_the_random_questions_are_worth_asking() -> None:
    """Some have plans, some have none, and every kind of row turns up among them."""
    kinds, possible = set(), 0
    for seed in range(80):
        scenario, options = random_question(seed)
        model = build_fleet(scenario, options)
        kinds |= set(model.program.row_kind)
        possible += counted_best(scenario, options, ["cost"]) is not None
    assert kinds >= {"demand", "balance", "power", "racks", "fit", "budget", "chips", "supply", "carbon", "deadline"}
    assert 25 <= possible <= 70


@pytest.mark.parametrize("seed", range(100, 130))
def test_lists_of_objectives_are_lexicographic(seed: int) -> None:
    """The last stage has the best value of the first goal, and among those plans the best of the second."""
    scenario, options = random_question(seed)
    goals = PRIORITIES[seed % len(PRIORITIES)]
    scenario = scenario.model_copy(update={"objective": goals})
    best = counted_best(scenario, options, goals)
    model = build_fleet(scenario, options)
    found = lexicographic(model.program, [model.objectives[g] for g in goals], LIMITS, in_child=False)
    if best is None:
        assert found[-1].status is Status.INFEASIBLE
        return
    values = found[-1].values
    assert values is not None
    for goal, wanted in zip(goals, best, strict=True):
        shown = float(model.objectives[goal] @ values) * abs(OBJECTIVE_UNITS[goal][1])
        assert shown == pytest.approx(wanted, rel=1e-6, abs=1e-6), goal


def test_prefill_alone_serves_nothing() -> None:
    """Where no option decodes, no number of prefill replicas answers a request."""
    scenario = scenario_of(load(1))
    model = build_fleet(scenario, [option("p", role="prefill", rates={"prefill": 5.0})])
    found = solve(with_objective(model.program, model.objectives["cost"]), LIMITS, in_child=False)
    assert found.status is Status.INFEASIBLE


def test_two_blocks_of_one_installed_system_add_up() -> None:
    """3 systems from one year and 2 from another are 5 to use."""
    site = {"name": "here", "region": "us_va", "power_mw": 1,
            "installed": [{"system": "old", "count": 3}, {"system": "old", "count": 2}]}  # fmt: skip
    options = [option("o", acquire="installed", system="old", max_units=9), option("n", cost_usd=9e6)]
    model = build_fleet(scenario_of(load(7), sites=[site]), options)
    found = solve(with_objective(model.program, model.objectives["cost"]), LIMITS, in_child=False)
    assert found.values is not None
    assert [round(found.values[c]) for c in model.units] == [5, 2]


def test_what_is_bought_later_does_not_serve_from_the_start() -> None:
    """A load is there from the start: a cheaper unit of a later period cannot answer what is asked before it stands."""
    scenario = scenario_of(load(1), periods=["2026-10", "2028-10"])
    options = [option("now", cost_usd=2e6), option("later", period=1, cost_usd=1e6)]
    model = build_fleet(scenario, options)
    found = solve(with_objective(model.program, model.objectives["cost"]), LIMITS, in_child=False)
    assert found.objective == pytest.approx(2.0)


def test_run_and_load_share_the_meter() -> None:
    """25 kW hold a 10 kW run and one 10 kW server, or two servers, never all three."""
    site = {"name": "here", "region": "us_va", "power_mw": 0.025}
    options = [run_option("r", 10), option("s", max_units=3)]
    for rate, possible in ((1, True), (2, False)):
        model = build_fleet(scenario_of(run(), load(rate), sites=[site]), options)
        found = solve(with_objective(model.program, model.objectives["cost"]), LIMITS, in_child=False)
        assert found.status.has_plan == possible
        if possible:
            assert math.isclose(found.objective, 2.0)
