"""Capacity and cost planning for AI compute.

    from planner import plan
    answer = plan("quickstart")
    print(answer.answer, answer.status, answer.objective.gap)

The names below are the public API, typed and documented in docs/python.md; everything else may change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planner.answer.plan import Plan
    from planner.catalog import Catalog, load_catalog
    from planner.errors import InputError, PlannerError, SolveError, VerificationError
    from planner.estimate import ServingEstimation, TrainingEstimation, estimate_serving, estimate_training
    from planner.export import export_plan
    from planner.outlook.ahead import outlook as outlook_of
    from planner.outlook.many import Plans, compare, plan_many
    from planner.outlook.measure import Measure
    from planner.outlook.measure import measure as measure_of
    from planner.outlook.near import alternatives
    from planner.outlook.pareto import pareto
    from planner.outlook.recourse import Recourse
    from planner.outlook.recourse import recourse as recourse_of
    from planner.outlook.result import Alternatives, Outlook, ParetoFront, Sensitivity
    from planner.outlook.sensitivity import sensitivity
    from planner.planning.plan import plan
    from planner.scenario import Scenario, load_scenario, resolve, scenario_from_mapping, shipped_scenarios
    from planner.supernode.ask import supernode as supernode_of
    from planner.sweep import SweepOutcome, run_sweep
    from planner.validation import ValidationReport, validate
    from planner.verify.plan import verify_plan

__all__ = [
    "Alternatives",
    "Catalog",
    "InputError",
    "Measure",
    "Outlook",
    "ParetoFront",
    "Plan",
    "PlannerError",
    "Plans",
    "Recourse",
    "Scenario",
    "Sensitivity",
    "ServingEstimation",
    "SolveError",
    "SweepOutcome",
    "TrainingEstimation",
    "ValidationReport",
    "VerificationError",
    "alternatives",
    "compare",
    "estimate_serving",
    "estimate_training",
    "export_plan",
    "load_catalog",
    "load_scenario",
    "measure_of",
    "outlook_of",
    "pareto",
    "plan",
    "plan_many",
    "recourse_of",
    "resolve",
    "run_sweep",
    "scenario_from_mapping",
    "sensitivity",
    "shipped_scenarios",
    "supernode_of",
    "validate",
    "verify_plan",
]

_HOMES = {
    "planner.answer.plan": ("Plan",),
    "planner.planning.plan": ("plan",),
    "planner.catalog": ("Catalog", "load_catalog"),
    "planner.errors": ("InputError", "PlannerError", "SolveError", "VerificationError"),
    "planner.estimate": ("ServingEstimation", "TrainingEstimation", "estimate_serving", "estimate_training"),
    "planner.export": ("export_plan",),
    "planner.outlook.measure": ("Measure",),
    "planner.outlook.many": ("Plans", "compare", "plan_many"),
    "planner.outlook.near": ("alternatives",),
    "planner.outlook.pareto": ("pareto",),
    "planner.outlook.recourse": ("Recourse",),
    "planner.outlook.result": ("Alternatives", "Outlook", "ParetoFront", "Sensitivity"),
    "planner.outlook.sensitivity": ("sensitivity",),
    "planner.scenario": ("Scenario", "load_scenario", "resolve", "scenario_from_mapping", "shipped_scenarios"),
    "planner.sweep": ("SweepOutcome", "run_sweep"),
    "planner.validation": ("ValidationReport", "validate"),
    "planner.verify.plan": ("verify_plan",),
}
_RENAMED = {
    "recourse_of": ("planner.outlook.recourse", "recourse"),
    "measure_of": ("planner.outlook.measure", "measure"),
    "outlook_of": ("planner.outlook.ahead", "outlook"),
    "supernode_of": ("planner.supernode.ask", "supernode"),
}
"""``planner.outlook`` and ``planner.supernode`` are the packages that they lie in."""
_WHERE = {name: (home, name) for home, names in _HOMES.items() for name in names} | _RENAMED


def __getattr__(name: str) -> Any:
    # imported when first used: `planner --help` and a solver's child need not wait for every room
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    home, there = _WHERE[name]
    value = getattr(importlib.import_module(home), there)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
