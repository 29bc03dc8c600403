"""Capacity and cost planning for AI compute.

    from planner import plan
    answer = plan("scenarios/quickstart.yaml")
    print(answer.answer, answer.status, answer.objective.gap)

The names below are the public API; everything else may change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planner.answer.plan import Plan
    from planner.api import plan
    from planner.catalog import Catalog, load_catalog
    from planner.errors import InputError, PlannerError
    from planner.estimate import estimate_serving, estimate_training
    from planner.scenario import Scenario, load_scenario
    from planner.validation import validate
    from planner.verify import verify_plan

__all__ = [
    "Catalog",
    "InputError",
    "Plan",
    "PlannerError",
    "Scenario",
    "estimate_serving",
    "estimate_training",
    "load_catalog",
    "load_scenario",
    "plan",
    "validate",
    "verify_plan",
]

_HOMES = {
    "Catalog": "planner.catalog",
    "InputError": "planner.errors",
    "Plan": "planner.answer.plan",
    "PlannerError": "planner.errors",
    "Scenario": "planner.scenario",
    "estimate_serving": "planner.estimate",
    "estimate_training": "planner.estimate",
    "load_catalog": "planner.catalog",
    "load_scenario": "planner.scenario",
    "plan": "planner.api",
    "validate": "planner.validation",
    "verify_plan": "planner.verify",
}


def __getattr__(name: str) -> Any:
    # imported when first used: `planner --help` and a solver's child need not wait for every room
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
