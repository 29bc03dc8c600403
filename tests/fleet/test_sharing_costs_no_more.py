"""Sharing can never cost more: what each workload has of its own, a fleet that is shared can have too."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from tools import load, round_scenario, run

from planner import load_catalog, load_scenario
from planner.catalog import Catalog
from planner.planning.plan import plan
from planner.scenario.types import Scenario

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
SLACK = 3e-3
"""Two proven gaps of a thousandth, and days that are minutes in a schedule."""


def with_sharing(scenario: Scenario, shared: bool, idle: str = "switched_off") -> Scenario:
    fleet = scenario.fleet.model_copy(update={"shared": shared, "idle_systems": idle})
    return scenario.model_copy(update={"fleet": fleet})


@pytest.mark.parametrize("name", ["quickstart", "air-or-liquid", "recommender"])
@pytest.mark.parametrize("idle", ["switched_off", "powered"])
def test_one_load_on_one_kind_costs_the_same_shared(name: str, idle: str) -> None:
    """One price: the same network, idling and parts, whether anything could be shared or not."""
    if idle == "powered" and name != "quickstart":
        pytest.skip("one scenario says it of what always works")
    asked = load_scenario(SCENARIOS / f"{name}.yaml")
    own, shared = (plan(with_sharing(asked, s, idle), catalog=load_catalog()) for s in (False, True))
    assert own.objective.value is not None
    assert shared.objective.value is not None
    assert shared.verified
    assert shared.objective.value <= own.objective.value * (1 + SLACK)
    if name == "recommender":  # replicas of models share servers chip by chip; a recommender takes whole ones
        assert shared.objective.value == pytest.approx(own.objective.value, rel=SLACK)


def random_question(seed: int) -> Scenario:
    """One period, loads and runs of round numbers, two kinds of servers, rent, limits now and then."""
    dice = random.Random(seed)
    workloads: list[dict[str, Any]] = [
        load(dice.choice([100, 700, 1500]), name=f"load{i}", ttft_ms=60_000, precision=["bf16"],
             disaggregated=dice.choice(["never", "auto"]))
        for i in range(dice.randint(0, 2))
    ]  # fmt: skip
    workloads += [
        run(f"run{i}", tokens=dice.choice([1e10, 5e10, 2e11]), mfu=0.5, global_batch=512, chips={"max": 32})
        for i in range(dice.randint(0 if workloads else 1, 2))
    ]
    hardware: dict[str, Any] = {"systems": dice.choice([["plain_8"], ["big_8"], ["plain_8", "big_8"]])}
    if dice.random() < 0.4:
        hardware["acquire"] = ["buy", "rent"]
    fleet = {"idle_systems": dice.choice(["switched_off", "powered"])}
    finance = {"discount_rate": dice.choice([0, 0.1])}
    limits = {"chips": 64} if dice.random() < 0.2 else {}
    return round_scenario(*workloads, hardware=hardware, fleet=fleet, finance=finance, limits=limits)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("seed", range(32))
def test_sharing_costs_no_more_over_random_questions(seed: int, round_catalog: Catalog) -> None:
    """Where there is a plan without sharing there is one with it, and it is no dearer."""
    asked = random_question(seed)
    own, shared = (plan(with_sharing(asked, s, asked.fleet.idle_systems), catalog=round_catalog) for s in (False, True))
    if not own.has_plan:
        return
    assert own.objective.value is not None
    assert shared.objective.value is not None
    assert shared.verified
    assert shared.objective.value <= own.objective.value * (1 + SLACK)
