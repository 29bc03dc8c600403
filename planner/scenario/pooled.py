"""Loads that one pool of replicas answers: in a shared fleet, those alike in all but how many requests come.

What a replica does follows from model, precisions, lengths, limits and the like alone, so where all of them agree it
does not matter whose request it is: the pool keeps every load's latencies at the sum of their demands. Peaks are added
up; that loads do not peak together is not counted on.
"""

from __future__ import annotations

from planner.scenario.kinds import Workload
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving

_OWN = {"name", "requests_per_s", "requests_path", "growth_per_year", "claims"}
"""What loads of one pool may differ in."""


def pools_of(scenario: Scenario) -> dict[str, tuple[str, ...]]:
    """{first load of a pool: all its loads, in the order of the scenario}; only pools of several."""
    if not scenario.fleet.shared or not scenario.fleet.pool_loads:
        return {}
    alike: dict[str, list[str]] = {}
    for w in scenario.workloads:
        if isinstance(w, Serving) and _may_share(scenario, w):
            alike.setdefault(repr(w.model_dump(exclude=_OWN)), []).append(w.name)
    return {names[0]: tuple(names) for names in alike.values() if len(names) > 1}


def pool_of(scenario: Scenario, name: str) -> tuple[str, ...]:
    """The loads that the replicas of a load answer: itself, and those it shares them with."""
    return next((names for names in pools_of(scenario).values() if name in names), (name,))


def _may_share(scenario: Scenario, w: Workload) -> bool:
    """Whether nothing ties a load to replicas of its own: chips that it must use, classes, caches sized by its demand,
    a demand that is uncertain by itself."""
    if type(w) is not Serving or w.chips is not None or w.request_classes or w.prefix_hits is not None:
        return False
    return scenario.outcomes is None or w.name not in scenario.outcomes.demand_factor
