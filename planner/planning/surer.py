"""What more certainty costs: the same question at other confidences, planned again in what time is left.

Searches are kept between questions, so a confidence more costs little more than its margins and a solve. Where a plan
already keeps every promise with a higher confidence it stays the best one at it: what holds with more is among what
holds with less.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from planner.answer.chance import hardware_of
from planner.answer.plan import AtConfidence, Plan, PlanAt
from planner.errors import InputError, SolveError, VerificationError
from planner.planning.question import CancelledError, Question, ask
from planner.scenario.outcomes import CENTRAL, PRICED
from planner.scenario.types import Scenario
from planner.settings import ANSWERS, value_of

LEAST_S = 5.0
"""Seconds that other confidences may take of any plan, in a fast answer; of a longer one as long as the plan took."""
ENOUGH = 0.7
"""Share of the time that the plan's own solve took, without which another confidence is not begun: it would end
without an answer."""

Planned = Callable[[Question], Plan | None]
"""The verified plan of a question; None where it has none, raises ``SolveError`` where none was found in time."""


def depth_of(scenario: Scenario) -> str:
    """How much is answered beside the plan: ``none``, ``fast``, ``full``."""
    asked = scenario.solve.answers
    if asked is not None:
        return asked
    said = value_of(ANSWERS)
    return said if said in ("none", "fast", "full") else "fast"


def at_confidences(question: Question, answer: Plan, planned: Planned) -> tuple[AtConfidence, ...]:
    """What the best plan costs at each of ``PRICED`` that is not asked already, lowest first."""
    scenario, depth = question.scenario, depth_of(question.scenario)
    if depth == "none" or answer.chance is None or answer.totals is None:
        return ()
    asked = {scenario.confidence_of(w.name) for w in scenario.workloads}
    budget = float("inf") if depth == "full" or scenario.solve.reproducible else max(LEAST_S, question.clock.total)
    until = time.perf_counter() + budget
    surest = min(p.chance for p in answer.chance.promises)
    found = []
    for level in sorted(set(PRICED) - asked, key=lambda x: (x < max(asked), x)):
        if level == CENTRAL and depth == "fast":
            continue
        if max(asked) <= level <= surest:
            cost = answer.totals.tco_usd
            found.append(
                AtConfidence(
                    confidence=level, status="same", cost_usd=cost, more_usd=0.0, systems=answer.totals.systems,
                    hardware=hardware_of(answer), chance=surest,
                )
            )  # fmt: skip
            continue
        if any(x.status == "out_of_reach" and x.confidence < level for x in found):
            found.append(AtConfidence(confidence=level, status="out_of_reach"))
            continue
        found.append(_at(question, answer, level, planned, until))
    return tuple(sorted(found, key=lambda x: x.confidence))


def _at(question: Question, answer: Plan, level: float, planned: Planned, until: float) -> AtConfidence:
    not_tried = AtConfidence(confidence=level, status="not_tried")

    def tell(*_: object) -> None:
        if time.perf_counter() > until:
            raise CancelledError("out of time")

    if until - time.perf_counter() < ENOUGH * question.clock.laps.get("solving", 0.0):
        return not_tried
    try:
        tell()
        other = ask(question.scenario.at_confidence(level), catalog=question.plain, progress=tell)
        left = max(1.0, min(question.limits.time_limit_s, until - time.perf_counter()))
        plan = planned(replace(other, limits=replace(question.limits, time_limit_s=left)))
    except (CancelledError, SolveError, VerificationError, InputError):
        return not_tried
    if plan is None:
        return AtConfidence(confidence=level, status="out_of_reach")
    if plan.totals is None or plan.chance is None or answer.totals is None:
        return not_tried
    return AtConfidence(
        confidence=level,
        status="planned",
        cost_usd=plan.totals.tco_usd,
        more_usd=plan.totals.tco_usd - answer.totals.tco_usd,
        systems=plan.totals.systems,
        hardware=hardware_of(plan),
        chance=min(p.chance for p in plan.chance.promises),
        plan=PlanAt(
            status=plan.status, objective=plan.objective, deployments=() if plan.fleet else plan.deployments,
            fleet=plan.fleet, schedule=plan.schedule, totals=plan.totals, chance=plan.chance,
            simplified=plan.simplified,
        ),
    )  # fmt: skip
