"""What identifies a deployment of a plan, and how its figures grow with its units."""

from __future__ import annotations

from planner.answer.plan import Deployment, Plan, Predicted
from planner.errors import InputError, Problem
from planner.options.work.describe import Spec, layout_of_plan
from planner.scenario.types import Scenario

SCALED_RATES = ("tokens_per_s", "input_tokens_per_s", "requests_per_s", "samples_per_s")
"""Predicted figures that grow with the number of units; all others are of a unit."""


def spec_of(d: Deployment, scenario: Scenario, plan: Plan | None = None) -> Spec:
    """The spec of a deployment; ``plan``: where the other half of its mix stands. Raises ``InputError`` without one."""
    partner = None
    if d.mix and plan is not None:
        others = [x for x in plan.deployments if x.mix == d.mix and x is not d]
        if len(others) != 1:
            raise InputError(Problem(f"mix {d.mix} has {len(others) + 1} deployments, must be two"))
        partner = spec_of(others[0], scenario)
    return Spec(
        d.workload, d.role, d.site, scenario.period_starts.index(d.period), d.system, d.chip, d.cooling, d.acquire,
        d.precision, layout_of_plan(d.parallelism, d.role), d.power_cap, d.topology, partner,
        not d.mix or d.predicted.finish_days is not None, d.rent_term,
    )  # fmt: skip


def grown(predicted: Predicted, units: int) -> Predicted:
    """What so many units are predicted to do together."""
    rates = {name: value * units for name in SCALED_RATES if (value := getattr(predicted, name)) is not None}
    return predicted.model_copy(update=rates)
