"""What stands beside a plan and follows from it: rivals against the plan itself, and how it was asked to be solved.

A rival's own value, and how much was searched, only solving again could show; the plan's seal holds those.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from planner.answer.plan import Plan
from planner.scenario.types import Scenario
from planner.verify.compare import differences

_OF_SOLVERS = 1e-6
"""Relative: values of a solver's own arithmetic against the same summed line by line."""


def beside_failures(plan: Plan, scenario: Scenario) -> Iterator[str]:
    """Where alternatives do not fit the plan that they stand beside, or settings are not the scenario's."""
    asked = scenario.solve
    said = {name: getattr(plan.proof, name) for name in ("seed", "gap_limit")}
    yield from differences("proof", said, {"seed": asked.seed, "gap_limit": asked.gap})
    if plan.proof.time_limit_s > asked.time_limit_s:  # other confidences are given what is left of it
        yield f"proof.time_limit_s is {plan.proof.time_limit_s:g}, at most {asked.time_limit_s:g} was asked"
    name, value = plan.objective.name, plan.objective.value
    cost = plan.objective.values.get("cost")
    for i, other in enumerate(plan.alternatives):
        where = f"alternatives[{i}] {other.name}"
        if other.objective is None or not value:
            continue
        share = (other.objective - value) / abs(value)
        if other.difference is None or not math.isclose(other.difference, share, rel_tol=_OF_SOLVERS, abs_tol=1e-6):
            yield f"{where}: differs by {other.difference}, its value by {share}"
        if other.values and not _same(other.values.get(name), other.objective):
            yield f"{where}: values.{name} is {other.values.get(name)}, its objective {other.objective}"
        if other.cost_difference_usd and other.values and cost is not None:
            lines = math.fsum(other.cost_difference_usd.values())
            if abs(other.values.get("cost", 0.0) - cost - lines) > _OF_SOLVERS * max(abs(cost), 1.0):
                yield f"{where}: its cost lines sum to {lines}, its cost is {other.values.get('cost')} against {cost}"


def _same(a: float | None, b: float) -> bool:
    return a is not None and math.isclose(a, b, rel_tol=_OF_SOLVERS, abs_tol=1e-9)
