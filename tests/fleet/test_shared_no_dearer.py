"""Shipped scenarios cost no more where systems may be shared."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.planning.plan import plan
from planner.scenario import load_scenario
from planner.scenario.types import Scenario

FOLDER = Path(__file__).resolve().parents[2] / "scenarios"


@pytest.mark.parametrize("name", ["quickstart", "three-time-zones", "embed-at-night", "robobrain-1000-cards"])
def test_sharing_costs_no_more(name: str) -> None:
    """What is possible with systems of one's own is possible with shared ones."""
    question = load_scenario(FOLDER / f"{name}.yaml").model_copy(update={"objective": ("cost",)})
    data = question.model_dump(mode="json")
    data["fleet"]["shared"] = True
    alone, shared = plan(question), plan(Scenario.model_validate(data))
    assert alone.objective.value is not None
    assert shared.objective.bound is not None
    assert shared.objective.bound <= alone.objective.value * (1 + 1e-6)
    assert shared.objective.value is not None
    assert shared.objective.value <= alone.objective.value * (1 + 1e-3)
