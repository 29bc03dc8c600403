"""Which form a question is planned in: lots and the work that occupies them, or one column for both.

The general form has lots of systems that stand and work that occupies parts of them. Where every option takes whole
systems of its own for the whole plan, a lot is bought exactly when its work is, and both are one column: the compact
form, which keeps small questions small.
"""

from __future__ import annotations

from planner.catalog import Catalog
from planner.catalog.records import System
from planner.errors import UnknownFigureError
from planner.options.hardware.choices import competing_systems
from planner.scenario.topology import FAT_TREE
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving


def over_lots(scenario: Scenario, catalog: Catalog) -> bool:
    """Whether a scenario is planned over lots: over time, shared, or with loads on systems that have parts."""
    if scenario.over_time:
        return True
    if compact_only(scenario) or len(scenario.period_starts) > 1:
        return False
    if not any(isinstance(w, Serving) for w in scenario.workloads):
        return False
    return any(_has_parts(system) for system in _systems(scenario, catalog))


def shares_servers(scenario: Scenario) -> bool:
    """Whether replicas of several loads stand side by side in servers, each on chips of its own."""
    return scenario.fleet.shared and sum(isinstance(w, Serving) for w in scenario.workloads) > 1


def compact_only(scenario: Scenario) -> bool:
    """Whether it asks for what only the compact form has."""
    asked: list[object] = [
        "throughput" in scenario.objective,
        scenario.hardware.deliverable_by,
        scenario.hardware.topologies != (FAT_TREE,),
    ]
    names = ("request_classes", "mixed_systems", "window_hours", "by_rank")
    asked += [getattr(workload, name, None) for workload in scenario.workloads for name in names]
    return any(asked)


def _systems(scenario: Scenario, catalog: Catalog) -> list[System]:
    found = [system for system, _ in competing_systems(scenario, catalog)[0]]
    return found + [catalog.system(block.system) for site in scenario.sites for block in site.installed]


def _has_parts(system: System) -> bool:
    try:
        return system.part_chips < system.unit_chips
    except UnknownFigureError:
        return False
