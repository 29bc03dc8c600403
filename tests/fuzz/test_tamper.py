"""A figure of a plan changed by 1% is noticed, in every kind of plan; ``tamper.py`` changes all of them."""

from __future__ import annotations

import random
import warnings

import pytest
from shipped_plans import FOLDER, planned
from tamper import BY_SEAL, SIX, forged, leaves, named, noticed

from planner import load_catalog, load_scenario
from planner.answer.plan import Plan
from planner.verify.plan import verify_plan

CATALOG = load_catalog()


@pytest.mark.parametrize("name", SIX)
def test_a_figure_that_is_one_percent_off_is_noticed(name: str) -> None:
    """Drawn figures that are computed again, whatever the seal says of them."""
    data, scenario = planned(name).to_dict(), load_scenario(FOLDER / f"{name}.yaml")
    every = [path for path, _ in leaves(data) if not BY_SEAL.fullmatch(named(path))]
    drawn = random.Random(name).sample(every, 5)
    assert [named(p) for p in drawn if not noticed(data, p, scenario, CATALOG)] == []


def test_what_only_solving_again_could_show_is_sealed() -> None:
    """Other plans, worth of limits and how much was searched: the seal breaks, and ``verify`` says so."""
    true, scenario = planned("grpo-30b"), load_scenario(FOLDER / "grpo-30b.yaml")
    again = Plan.from_json(true.to_json())
    assert again.seal
    assert verify_plan(again, scenario, CATALOG) == []
    data = true.to_dict()
    sealed = [path for path, _ in leaves(data) if BY_SEAL.fullmatch(named(path))]
    assert len(sealed) > 10
    for path in sealed:
        other = forged(data, path)
        assert other is None or other.seal_is_broken, path
    other = forged(data, sealed[0])
    assert other is not None
    assert "seal" in verify_plan(other, scenario, CATALOG)[0]
    words = Plan.model_validate(data | {"answer": "It costs nothing."})
    assert "seal" in verify_plan(words, scenario, CATALOG)[0]
    assert verify_plan(true.model_copy(update={"variant": None}), scenario, CATALOG) == []


def test_an_interval_that_ends_at_nothing_is_wrong_and_no_arithmetic() -> None:
    """A plan file with it was told apart by dividing by zero, with a warning on the user's screen."""
    data = planned("agents").to_dict()
    data["deployments"][0]["predicted"]["interval"]["high"] = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert verify_plan(Plan.model_validate(data), load_scenario(FOLDER / "agents.yaml"), CATALOG)


def test_rivals_fit_the_plan_that_they_stand_beside() -> None:
    """Whoever seals a changed rival again is still caught where its figures follow from each other."""
    true, scenario = planned("agents"), load_scenario(FOLDER / "agents.yaml")
    rival = next(a for a in true.alternatives if a.objective is not None and a.cost_difference_usd)
    for change in (
        {"difference": (rival.difference or 0.0) - 0.01},
        {"objective": rival.objective * 0.99},  # type: ignore[operator]
        {"cost_difference_usd": {k: v * 1.01 for k, v in rival.cost_difference_usd.items()}},
    ):
        others = tuple(a.model_copy(update=change) if a is rival else a for a in true.alternatives)
        assert verify_plan(true.model_copy(update={"alternatives": others}).sealed, scenario, CATALOG), change
