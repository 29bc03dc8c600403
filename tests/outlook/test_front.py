"""Fronts against counting every combination: the ends, every point, and none that another beats."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from tools import WORTH, allowed, load, random_question, round_scenario

from planner.catalog import Catalog
from planner.errors import InputError
from planner.fleet.build import build_fleet
from planner.fleet.model import OBJECTIVE_UNITS
from planner.outlook import alternatives, pareto
from planner.solve import Limits, Status
from planner.solve.front import pareto_front

pytestmark = pytest.mark.usefixtures("in_process")
BOTH = {"systems": ["plain_8", "big_8"]}


def counted_front(scenario, options, goals):  # type: ignore[no-untyped-def]
    """Efficient value vectors over all combinations of whole units."""
    found = set()
    for counts in itertools.product(*(range(o.max_units + 1) for o in options)):
        if allowed(scenario, options, counts):
            found.add(
                tuple(round(math.fsum(WORTH[g](o) * n for o, n in zip(options, counts, strict=True)), 6) for g in goals)
            )
    return sorted(p for p in found if not any(q != p and all(a <= b for a, b in zip(q, p, strict=True)) for q in found))


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("goals", [("cost", "power"), ("carbon", "cost")])
def test_a_complete_front_is_what_counting_finds(seed: int, goals: tuple[str, str]) -> None:
    scenario, options = random_question(seed, most_options=5)
    wanted = counted_front(scenario, options, goals)
    model = build_fleet(scenario, options)
    front = pareto_front(model.program, [model.objectives[g] for g in goals], Limits(time_limit_s=30), points=200)
    if not wanted:
        assert front.status is Status.INFEASIBLE
        assert not front.points
        return
    assert front.complete
    scales = [OBJECTIVE_UNITS[g][1] for g in goals]
    found = [[v * s for v, s in zip(p.objectives, scales, strict=True)] for p in front.points]
    # of points closer than the solvers' tolerance either may stand for both
    assert np.allclose(found[0], wanted[0], rtol=1e-5)
    assert np.allclose(found[-1], wanted[-1], rtol=1e-5)
    assert len(found) == len(wanted)
    assert np.allclose(found, wanted, rtol=1e-5)


def test_three_objectives_have_no_beaten_point() -> None:
    goals = ("cost", "power", "carbon")
    for seed in range(6):
        scenario, options = random_question(seed, most_options=5)
        wanted = counted_front(scenario, options, goals)
        model = build_fleet(scenario, options)
        front = pareto_front(model.program, [model.objectives[g] for g in goals], Limits(time_limit_s=30), steps=3)
        scales = [OBJECTIVE_UNITS[g][1] for g in goals]
        found = [[v * s for v, s in zip(p.objectives, scales, strict=True)] for p in front.points]
        assert bool(found) == bool(wanted)
        assert all(any(np.allclose(p, q, rtol=1e-5) for q in wanted) for p in found)
        assert not front.complete or not wanted


def test_plans_of_a_front_and_near_the_best(round_catalog: Catalog) -> None:
    """Two servers: the cheap one wins on cost, the fast one on power; both are verified plans."""
    scenario = round_scenario(load(2200, disaggregated="never"), hardware=BOTH)
    front = pareto(scenario, ("cost", "power"), catalog=round_catalog)
    assert front.complete
    assert all(p.verified and p.proven for p in front.points)
    cost, power = ([p.values[name] for p in front.points] for name in ("cost", "power"))
    assert cost == sorted(cost)
    assert power == sorted(power, reverse=True)
    assert len(set(cost)) == len(cost) > 1
    near = alternatives(scenario, 1.0, catalog=round_catalog)
    best = near.best.values["cost"]
    assert best == pytest.approx(cost[0])
    assert near.plans
    assert all(p.verified and p.values["cost"] <= best * 2 * (1 + 1e-9) for p in near.plans)
    other = max(near.plans, key=lambda p: p.changed)
    assert {x.system for x in other.pieces} != {x.system for x in near.best.pieces}
    assert other.changed == pytest.approx(1.0)


def test_wrong_objectives_are_refused(round_catalog: Catalog) -> None:
    scenario = round_scenario(load(10))
    for of in (("cost",), ("cost", "cost"), ("cost", "beauty")):
        with pytest.raises(InputError):
            pareto(scenario, of, catalog=round_catalog)
