"""Loads that survive failed units: counted by trying every set of units that may be gone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from tools import counted_best, left_when_gone, load, option, scenario_of

from planner import load_catalog
from planner.facility.reliability import default_profile
from planner.fleet.build import build_fleet
from planner.options.enumerate import prune
from planner.options.option import Option
from planner.options.work.redundancy import Redundancy
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving
from planner.solve import Limits, Status, solve, with_objective

EXACT = Limits(gap=0.0, time_limit_s=30, threads=1)
SITES = [{"name": "here", "region": "us_va", "power_mw": 100}, {"name": "there", "region": "us_va", "power_mw": 100}]
PROFILE = default_profile(load_catalog())


def with_rule(scenario: Scenario, options: Sequence[Option]) -> list[Option]:
    """The options as a search makes them: each knows what its load asks."""
    (workload,) = scenario.workloads
    assert isinstance(workload, Serving)
    rule = Redundancy.of(workload, PROFILE)
    return [replace(o, redundancy=rule) for o in options]


def best(scenario: Scenario, options: Sequence[Option]) -> float | None:
    """Least cost in M$; None where there is no plan."""
    model = build_fleet(scenario, options)
    found = solve(with_objective(model.program, model.objectives["cost"]), EXACT, in_child=False)
    if found.status is Status.INFEASIBLE:
        return None
    assert found.status is Status.PROVEN_OPTIMAL
    return found.objective


def question(seed: int, *, sites: int, lost: int, **fields: object) -> tuple[Scenario, list[Option]]:
    """A load on random units of several sizes, phases together or apart."""
    dice = random.Random(seed)
    apart = dice.random() < 0.7
    options = []
    for i in range(dice.randint(3, 4)):
        role = dice.choice(["serve", "prefill", "decode"]) if apart else "serve"
        phases = ("prefill", "decode") if role == "serve" else (role,)
        rate = dice.choice([1.0, 1.5, 2.0, 3.0, 5.0])
        options.append(
            option(f"o{i}", role=role, location=SITES[dice.randrange(sites)]["name"], rates=dict.fromkeys(phases, rate),
                   cost_usd=1e6 * rate * dice.choice([0.7, 0.9, 1.0, 1.2]), max_units=3 if sites > 1 else 4)
        )  # fmt: skip
    asked = {"tolerate_failures": lost} | fields
    scenario = scenario_of(load(dice.choice([2.0, 3.0, 4.5]), **asked), sites=SITES[:sites])
    return scenario, with_rule(scenario, options)


@pytest.mark.parametrize("lost", [1, 2, 3])
@pytest.mark.parametrize("sites", [1, 2])
def test_the_program_is_what_trying_every_failure_says(sites: int, lost: int) -> None:
    """Costs of 12 random questions each, and whether there is a plan at all."""
    possible = 0
    for seed in range(12):
        scenario, options = question(seed, sites=sites, lost=lost)
        counted = counted_best(scenario, options, ["cost"])
        found = best(scenario, options)
        assert (found is None) == (counted is None), seed
        if counted is not None and found is not None:
            possible += 1
            assert found * 1e6 == pytest.approx(counted[0]), seed
    assert possible >= 3


def test_phases_keep_their_own_reserve() -> None:
    """Proves: 5 requests/s with one unit gone: 2 prefill units of 6 ($1 M) and 4 decode units of 2 ($1 M): $6 M.

    Sensitivity: decode that carried the reserve of prefill (6) as well would take 6 units, and here finds no room.
    """
    options = [
        option("p", role="prefill", rates={"prefill": 6.0}, chips=8, max_units=9),
        option("d", role="decode", rates={"decode": 2.0}, chips=8, max_units=4),
    ]
    scenario = scenario_of(load(5.0, tolerate_failures=1))
    assert best(scenario, with_rule(scenario, options)) == pytest.approx(6.0)


def test_a_unit_of_another_size_costs_no_more_than_itself() -> None:
    """Proves: beside five units of 1, one of 4 that happens to be cheap survives its own loss: 4 requests/s, $5.5 M.

    Four failures are not two: of the two units that may go the plan has one large and one small, 5 in all.
    """
    options = [
        option("small", max_units=8),
        option("large", rates={"prefill": 4.0, "decode": 4.0}, cost_usd=5e5, max_units=1),
    ]
    scenario = scenario_of(load(4.0, tolerate_failures=1))
    # 4 small and the large one: without the large one 4 are left, without a small one 7
    assert best(scenario, with_rule(scenario, options)) == pytest.approx(4.5)
    twice = scenario_of(load(4.0, tolerate_failures=2))
    assert best(twice, with_rule(twice, options)) == pytest.approx(5.5)


@pytest.mark.parametrize("fields", [{"lost": 1}, {"lost": 2}, {"lost": 0, "availability": 0.999}])
def test_pruning_and_more_options_never_hurt(fields: dict[str, object]) -> None:
    """The optimum survives pruning, and no option more makes a plan dearer or impossible."""
    for seed in range(60, 76):
        scenario, options = question(seed, sites=1, **fields)  # type: ignore[arg-type]
        many = [replace(o, max_units=12) for o in options]
        dice = random.Random(seed)
        for o in options:
            faster, dearer = dice.choice([1.0, 1.1]), dice.choice([0.9, 1.0, 1.1])
            rates = {phase: rate * faster for phase, rate in o.rates.items()}
            many.append(replace(o, id=f"{o.id}-twin", cost_usd=o.cost_usd * dearer, rates=rates, max_units=12))
        full = best(scenario, many)
        pruned = best(scenario, prune(many)[0])
        assert (full is None) == (pruned is None), seed
        assert full is None or full == pytest.approx(pruned), seed
        fewer = best(scenario, many[:-1])
        assert fewer is None or (full is not None and full <= fewer * (1 + 1e-9)), seed


def test_what_is_left_by_trying() -> None:
    """``left`` of units of several sizes is what every choice of failures leaves at least."""
    dice = random.Random(5)
    for _ in range(60):
        lost = dice.randint(1, 3)
        rule = Redundancy(10.0, lost, None, 0.0, 0.0)
        units = [(8, dice.choice([0.5, 1.0, 2.0, 7.0]), dice.randint(1, 3)) for _ in range(dice.randint(1, 4))]
        chosen = [(option("u", rates={"prefill": r, "decode": r}), n) for _, r, n in units]
        assert float(rule.left(units, lost)) == pytest.approx(left_when_gone(chosen, lost))
