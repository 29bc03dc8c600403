"""Whether what is said of other confidences is so: each plan behind a price is checked as the plan itself is."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from planner.answer.chance import hardware_of
from planner.answer.deployed import deployments_view
from planner.answer.plan import AtConfidence, Plan, PlanAt
from planner.catalog import Catalog
from planner.errors import PlannerError
from planner.options.hardware.timeline import timeline_of
from planner.scenario import problem_digest
from planner.scenario.outcomes import PRICED
from planner.scenario.types import Scenario
from planner.verify.compare import differences
from planner.verify.measured import measured_effects

Check = Callable[[Plan, Scenario, Catalog], list[str]]
"""What is wrong with a plan of a scenario, without the plan's own other confidences."""


def confidence_failures(plan: Plan, scenario: Scenario, catalog: Catalog, check: Check) -> Iterator[str]:
    """What is wrong with ``at_confidences``: each in order, its figures those of its plan, and its plan right.

    ``catalog`` has no assumptions yet.
    """
    asked = {scenario.confidence_of(w.name) for w in scenario.workloads}
    last = 0.0
    for x in plan.at_confidences:
        where = f"at_confidences {x.confidence:g}"
        if x.confidence not in PRICED or x.confidence in asked:
            yield f"{where}: is none of the confidences that are priced beside what is asked"
            continue
        if x.confidence <= last:
            yield f"{where}: not in order"
        last = x.confidence
        stands: Plan | PlanAt | None = None
        if x.status == "same":
            stands = plan
        elif x.status == "planned":
            stands = x.plan
            if stands is None:
                yield f"{where}: carries no plan that its cost is of"
                continue
        if x.plan is not None and x.status != "planned":
            yield f"{where}: is {x.status} and carries a plan"
        yield from differences(where, x.model_dump(exclude={"plan"}), _said_of(x, stands, plan))
        # at central figures, and of deliveries as announced, a plan may hold with less
        must_hold = stands is not None and (x.confidence > min(PRICED) or x.status == "same")
        if stands is not None and must_hold and _least(stands) < x.confidence - 1e-6:
            yield f"{where}: the plan does not hold with it"
        if x.plan is not None:
            yield from (f"{where}: {text}" for text in _plan_failures(plan, x, x.plan, scenario, catalog, check))


def _least(plan: Plan | PlanAt) -> float:
    return min((p.chance for p in plan.chance.promises), default=0.0) if plan.chance is not None else 0.0


def _said_of(x: AtConfidence, stands: Plan | PlanAt | None, plan: Plan) -> dict[str, object]:
    """What is said where ``stands`` is the plan that holds with the confidence."""
    found: dict[str, object] = {"confidence": x.confidence, "status": x.status}
    if stands is None or stands.totals is None or plan.totals is None:
        return found | dict.fromkeys(("cost_usd", "more_usd", "systems", "chance")) | {"hardware": ""}
    return found | {
        "cost_usd": stands.totals.tco_usd,
        "more_usd": stands.totals.tco_usd - plan.totals.tco_usd,
        "systems": stands.totals.systems,
        "hardware": hardware_of(stands),
        "chance": None if stands.chance is None else _least(stands),
    }


def _plan_failures(
    plan: Plan, x: AtConfidence, stands: PlanAt, scenario: Scenario, catalog: Catalog, check: Check
) -> Iterator[str]:
    other = scenario.at_confidence(x.confidence)
    try:
        whole = _whole(plan, stands, other, catalog)
    except (PlannerError, KeyError, ValueError, IndexError, ArithmeticError) as error:
        yield f"cannot be recomputed: {error}"
        return
    if not whole.has_plan or (not whole.deployments and whole.fleet is None):
        yield "its plan has nothing to deploy"
        return
    yield from check(whole, other, catalog)


def _whole(plan: Plan, stands: PlanAt, scenario: Scenario, catalog: Catalog) -> Plan:
    """The plan behind a price in the form of a plan; what is asked and assumed is the same as of the plan itself."""
    known = catalog.with_assumptions(scenario.assume.as_mapping())
    deployments = stands.deployments
    if stands.fleet is not None and stands.schedule is not None:
        names = timeline_of(scenario, known).names
        deployments = deployments_view(stands.fleet, stands.schedule, names, scenario.period_years)
    whole = plan.model_copy(
        update={name: getattr(stands, name) for name in PlanAt.model_fields}
        | {
            "deployments": deployments, "walls": None, "at_confidences": (),
            "proof": plan.proof.model_copy(update={"bound": stands.objective.bound}),
            "problem_digest": problem_digest(scenario, catalog.digest),
        }
    )  # fmt: skip
    return whole.model_copy(update={"measured": measured_effects(scenario, whole, known)})
