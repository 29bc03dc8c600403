"""Whether a plan answers the question: digests, objective, limits, and what its proof says."""

from __future__ import annotations

import math
from collections.abc import Iterator

from planner.answer.asked import asked_of
from planner.answer.plan import Deployment, Plan, Simplified
from planner.catalog import Catalog
from planner.errors import PlannerError
from planner.options.counted import GOALS
from planner.scenario import problem_digest
from planner.scenario.by_hand import by_hand
from planner.scenario.types import Scenario
from planner.verify.chance import chance_of
from planner.verify.compare import differences
from planner.verify.measured import measured_effects
from planner.verify.simulated import simulation_failures
from planner.walls import walls_of


def asked_failures(d: Deployment, scenario: Scenario) -> Iterator[str]:
    """What the scenario fixes by hand: formats, degrees, whether phases are apart."""
    workload = next((w for w in scenario.workloads if w.name == d.workload), None)
    if workload is None:
        return  # describing it will say so
    if d.precision not in workload.precision:
        yield f"precision {d.precision} is none of {', '.join(workload.precision)}"
    pinned = getattr(workload, "parallelism", None)
    for name, value in (pinned.model_dump() if pinned is not None else {}).items():
        mine = getattr(d.parallelism, "dp" if name == "attention_dp" else name)
        if value is not None and mine != value:
            yield f"parallelism.{name} is {mine}, the scenario fixes {value}"
    phases = getattr(workload, "disaggregated", "auto")
    if phases != "auto" and (d.role == "serve") != (phases == "never"):
        yield f"role is {d.role}, the scenario says disaggregated: {phases}"


def question_failures(plan: Plan, scenario: Scenario, catalog: Catalog) -> Iterator[str]:
    """Whether the plan answers this scenario with this catalog."""
    assumed = {
        f"{kind}.{record}.{name}": value
        for kind, records in scenario.assume.as_mapping().items()
        for record, fields in records.items()
        for name, value in fields.items()
    } | {path: value for path, (value, _) in by_hand(scenario).items()}
    said: dict[str, object] = {
        "scenario": plan.scenario,
        "start": plan.start,
        "periods": plan.periods,
        "horizon_years": plan.horizon_years,
        "catalog_digest": plan.catalog_digest,
        "problem_digest": plan.problem_digest,
        "objective.name": plan.objective.name,
        "objective.priorities": plan.objective.priorities,
        "objective.unit": plan.objective.unit,
        "assumptions": {a.path: a.value for a in plan.assumptions},
        "workloads": {w.name: w.model_dump() for w in plan.workloads},
        "proof.bound": plan.proof.bound,
        "chance": None if plan.chance is None else plan.chance.model_dump(mode="json"),
        "measured": [x.model_dump() for x in plan.measured],
    }
    yield from simulation_failures(plan, scenario)
    again, effects = None, []
    try:
        known = catalog.with_assumptions(scenario.assume.as_mapping())
        again = chance_of(scenario, plan, known)
        effects = [x.model_dump() for x in measured_effects(scenario, plan, known)]
    except (PlannerError, KeyError, ValueError, IndexError, ArithmeticError) as error:
        yield f"its chance cannot be recomputed: {error}"
    if plan.walls is not None:  # of a plan that was explained
        try:
            walls = walls_of(scenario, plan, catalog)
        except (PlannerError, KeyError, ValueError) as error:
            yield f"walls: {error}"
        else:
            yield from differences("walls", plan.walls.model_dump(mode="json"), walls and walls.model_dump(mode="json"))
    found: dict[str, object] = {
        "scenario": scenario.name,
        "start": scenario.start,
        "periods": scenario.period_starts,
        "horizon_years": scenario.horizon_years,
        "catalog_digest": catalog.digest,
        "problem_digest": problem_digest(scenario, catalog.digest),
        "objective.name": scenario.objective[0],
        "objective.priorities": scenario.objective,
        "objective.unit": GOALS[scenario.objective[0]].unit,
        "assumptions": assumed,
        "workloads": {w.name: w.model_dump() for w in asked_of(scenario)},
        "proof.bound": plan.objective.bound,
        "chance": None if again is None else again.model_dump(mode="json"),
        "measured": effects,
    }
    for name, value in said.items():
        yield from differences(name, value, found[name])


def kind_failures(plan: Plan, scenario: Scenario) -> Iterator[str]:
    """More kinds of systems or pools of work than the scenario allows."""
    for leaf, has in (("kinds", len(plan.kinds)), ("pools", len(plan.pools))):
        most = getattr(scenario.limits, leaf)
        if most is not None and has > most:
            yield f"limits.{leaf} is {most}, the plan has {has}"


def _simplified_failures(plan: Plan, made: Simplified, scenario: Scenario) -> Iterator[str]:
    if made.share != scenario.solve.simplify:
        yield f"simplified.share is {made.share}, the scenario says {scenario.solve.simplify}"
    has = (len(plan.kinds), len(plan.pools))
    if (made.kinds, made.pools) != has:
        yield f"simplified says {made.kinds} kinds and {made.pools} pools, the plan has {has[0]} and {has[1]}"
    if (made.kinds, made.pools) >= (made.kinds_before, made.pools_before):
        yield "simplified names a plan that is no simpler"
    value = plan.objective.value
    if value is not None and abs(value - made.best) > (made.share + 1e-6) * abs(made.best):
        yield f"simplified from {made.best} to {value}, further than {made.share:g} of it"


def proof_failures(plan: Plan, scenario: Scenario) -> Iterator[str]:
    """A bound that is not better than the plan, and a status that value and bound bear out."""
    objective = plan.objective
    value, bound = objective.value, objective.bound
    if value is None:
        return
    if bound is None:
        if plan.status != "feasible" or objective.gap is not None:
            yield f"status {plan.status} without a bound"
        return
    better = (value - bound) * GOALS[scenario.objective[0]].better
    if better > 1e-6 * max(1.0, abs(value)):
        yield f"the bound {bound} is worse than the plan's own value {value}"
    gap = abs(value - bound) / max(1e-9, abs(value))
    simpler = 0.0
    if plan.simplified is not None:
        yield from _simplified_failures(plan, plan.simplified, scenario)
        simpler = scenario.solve.simplify
    if objective.gap is None or not math.isclose(objective.gap, gap, rel_tol=1e-6, abs_tol=1e-9):
        yield f"objective.gap is {objective.gap}, value and bound give {gap}"
    allowed = {"proven_optimal": 1e-5, "within_gap": scenario.solve.gap + simpler + 1e-5}.get(plan.status, math.inf)
    if gap > allowed and abs(value - bound) > 1e-6:
        yield f"status {plan.status} with a gap of {gap}"
