"""What the model cannot tell apart, by how often measured pairs come out in the predicted order."""

from __future__ import annotations

from typing import Any

import pytest
from tools import load, round_scenario, run, scenario_of

from planner.answer.plan import Alternative
from planner.performance.measured.ordering import OrderShare
from planner.planning.draft import tied
from planner.uncertainty.apart import LARGEST, cannot_tell_apart, distance_for, tie_share


def shares(*right: float) -> list[OrderShare]:
    """Classes from 2, 5, 10, 20 and 50% apart."""
    bounds = [(0.02, 0.05), (0.05, 0.1), (0.1, 0.2), (0.2, 0.5), (0.5, None)]
    return [
        OrderShare("tokens_per_s_per_chip", False, a, b, r, 100, 10) for (a, b), r in zip(bounds, right, strict=True)
    ]


def test_the_distance_lies_between_the_classes_around_it() -> None:
    """Half way between two shares lies half way between their middles; a better model tells more apart."""
    found = distance_for(shares(0.6, 0.7, 0.9, 0.95, 0.99), same_chip=False)
    assert found == pytest.approx(((0.05 * 0.1) ** 0.5 + (0.1 * 0.2) ** 0.5) / 2)
    assert distance_for(shares(0.8, 0.9, 0.9, 0.95, 0.99), same_chip=False) < found
    assert distance_for(shares(0.6, 0.6, 0.6, 0.7, 0.75), same_chip=False) == LARGEST
    assert distance_for(shares(0.6, 0.7, 0.9, 0.95, 0.99), same_chip=True) == LARGEST
    assert distance_for(shares(0.6, 0.7, 0.9, 0.95, 0.99), same_chip=False, sure=0.95) > found


def test_training_is_told_apart_more_finely_than_serving() -> None:
    """The shipped shares: across chips a few percent of training, a quarter of serving."""
    training = scenario_of(run()).workloads[0]
    serving = scenario_of(load()).workloads[0]
    assert 0.02 < cannot_tell_apart(training, same_chip=False) < 0.15
    assert cannot_tell_apart(training, same_chip=False) < cannot_tell_apart(serving, same_chip=False) < 0.5
    assert tie_share(round_scenario(run(), load())) == cannot_tell_apart(training, same_chip=False)


def test_ties_are_marked_and_named() -> None:
    fields: dict[str, Any] = {"objective": 1.0, "summary": ""}
    near, far = (Alternative(name=n, difference=d, **fields) for n, d in (("near", 0.01), ("far", 0.9)))
    none = Alternative(name="none", objective=None, summary="")
    marked, notes = tied(scenario_of(run()), [near, far, none])
    assert [a.tied for a in marked] == [True, False, False]
    assert "near (+1.0%)" in notes[0]
    assert "+90" not in notes[0]
    assert tied(scenario_of(run()), [far])[1] == []
