"""Where no plan holds with the confidence that is asked: the highest that one holds with."""

from __future__ import annotations

from dataclasses import replace

from planner.answer.plan import Nearest
from planner.explain.conflict import Diagnosis
from planner.explain.remedies import Possible
from planner.scenario.outcomes import CENTRAL
from planner.scenario.types import Scenario


def with_confidence(diagnosis: Diagnosis, scenario: Scenario, possible: Possible) -> Diagnosis:
    """The highest confidence of all promises that a plan holds with, in whole per cents, first among the changes.

    Nothing where the scenario asks for none, or where even central figures allow no plan.
    """
    asked = max(scenario.confidence_of(w.name) for w in scenario.workloads)
    if asked <= CENTRAL or not possible(at_most(scenario, CENTRAL)):
        return diagnosis
    low, high = round(CENTRAL * 100), round(asked * 100)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if possible(at_most(scenario, middle / 100)) else (low, middle)
    message = f"Ask for {low}% instead of {asked:.0%}: the highest confidence with which a plan holds."
    found = Nearest(
        limit="confidence", now=asked, needed=low / 100, unit="probability", message=message, confirmed=True
    )
    return replace(diagnosis, nearest=(found, *diagnosis.nearest))


def at_most(scenario: Scenario, confidence: float) -> Scenario:
    """The scenario with no promise asked for with more than a confidence."""
    workloads = tuple(
        w if w.confidence is None else w.model_copy(update={"confidence": min(w.confidence, confidence)})
        for w in scenario.workloads
    )
    return scenario.model_copy(update={"confidence": min(scenario.confidence, confidence), "workloads": workloads})
