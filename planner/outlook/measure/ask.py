"""Which measurement to make next, and what it is worth."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import groupby

from planner.answer.plan import Plan
from planner.answer.words import money, number
from planner.catalog import Catalog
from planner.errors import InputError, PlannerError, Problem
from planner.fleet.model import OBJECTIVE_UNITS
from planner.outlook.ahead import View
from planner.outlook.measure.proposed import items_of, proposals
from planner.outlook.measure.result import Decision, Measure, Measurement
from planner.outlook.measure.worth import Worth, decide, worths
from planner.outlook.moves import Decided
from planner.outlook.question import Asked, no_plan, question_of, teller
from planner.outlook.result import headings
from planner.planning.question import Cancel, Progress, Question
from planner.scenario import problem_digest
from planner.scenario.outcomes import Outcomes
from planner.validation.own.read import foreseen


def measure(
    scenario: Asked,
    *,
    plan: Plan | None = None,
    catalog: Catalog | None = None,
    variant: str | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Measure:
    """Runs that could be made before deciding, by their expected worth; for each the command and the row to fill in.

    ``plan``: of this scenario, whose decision the runs are to better; without it that of the best plan, made again.
    Other arguments and errors as in ``outlook``; raises ``InputError`` for a plan of something else too.
    """
    started = time.perf_counter()
    tell = teller(progress, cancel)
    question, model = question_of(scenario, catalog, variant, lambda what, share: tell(what, 0.4 * share))
    view = View(question, model, question.scenario.outcomes or Outcomes())
    view.read_options(tell)
    tell("Deciding", 0.66)
    made = decide(question) if plan is None else decision_of(plan, question)
    best = view.best_of(view.options) if plan is None else plan
    if made is None or best is None:
        raise no_plan(question.scenario)
    items, notes = items_of(view)
    tell("Proposing runs", 0.7)
    runs = []
    for proposed in proposals(view, items):
        try:
            runs.append((proposed, foreseen(proposed.row, question.catalog)))
        except PlannerError as error:
            notes.append(f"{proposed.item.option.workload} on {proposed.item.option.system}: {error}")
    found = worths(view, items, runs, made, lambda share: tell("Deciding under every result", 0.72 + 0.27 * share))
    unit = OBJECTIVE_UNITS[view.goal][0]
    told = sorted((_told(w, made.words, unit) for w in found), key=_rank)
    tell("Done", 1.0)
    return Measure(
        **headings(best),
        answer=_sentence(told, unit),
        objective=view.goal,
        unit=unit,
        value=made.value,
        decision=made.words,
        runs=tuple(told),
        notes=tuple(notes),
        seconds=round(time.perf_counter() - started, 4),
    )


def _rank(m: Measurement) -> tuple[float, float, str, str]:
    return -(m.worth if m.net_usd is None else m.net_usd), m.chip_hours, m.workload, m.system


def decision_of(plan: Plan, question: Question) -> Decided:
    """What a plan decides. Raises ``InputError`` for a plan of another question, without a decision, or of parts of
    systems, which are priced otherwise here."""
    scenario, wrong = question.scenario, ""
    if plan.problem_digest != problem_digest(scenario, question.plain.digest):
        wrong = "the plan is of another scenario, variant or catalog"
    elif plan.objective.value is None or not plan.deployments:
        wrong = "the plan has nothing to deploy"
    elif any(d.part_chips for d in plan.deployments):
        wrong = "the plan takes parts of systems, runs are ranked for whole ones"
    if wrong:
        raise InputError(
            Problem(wrong, found=plan.scenario, allowed=f"a plan of {scenario.name}", file=scenario.source.file,
                    remedy="Plan again, or leave --plan out: the best plan is then made anew.")
        )  # fmt: skip
    starts = scenario.period_starts
    words = {f"{d.system} bought in {d.period} for {d.workload}" for d in plan.deployments}
    kinds = frozenset((d.workload, d.system, d.acquire, starts.index(d.period)) for d in plan.deployments)
    return Decided(plan.objective.value or 0.0, "; ".join(sorted(words)), (), kinds)


def _told(w: Worth, decision: str, unit: str) -> Measurement:
    p, seen = w.proposed, w.foreseen
    worth = w.mean
    return Measurement(
        workload=p.item.option.workload, system=p.item.option.system, chip=p.item.option.chip, chips=p.chips,
        hours=p.hours, chip_hours=p.chips * p.hours, cost_usd=p.usd, worth=worth,
        net_usd=worth - p.usd if unit == "USD" and p.usd is not None else None,
        changes=w.changes(decision), quantity=seen.quantity, predicted=seen.predicted,
        low80=seen.predicted * seen.low80, high80=seen.predicted * seen.high80, width=w.narrows,
        decisions=_decisions(w), command=p.command, row=dict(p.row), notes=p.notes,
    )  # fmt: skip


def _decisions(w: Worth) -> tuple[Decision, ...]:
    found = []
    for words, some in groupby(w.results, key=lambda r: r.decision):
        mine = list(some)
        low, high = (w.foreseen.predicted * mine[i].factor for i in (0, -1))
        found.append(Decision(words=words, chance=len(mine) / len(w.results), low=low, high=high))
    return tuple(found)


def _sentence(told: Sequence[Measurement], unit: str) -> str:
    if not told:
        return "Nothing that could be measured bears on this decision."
    first = told[0]
    worth = money(first.worth) if unit == "USD" else f"{number(first.worth)} {unit}"
    if first.worth <= 0:
        return "No run that could be made is expected to change what is decided."
    cost = "" if first.cost_usd is None else f" ({money(first.cost_usd)} of rent)"
    does = f"changes what is bought with {first.changes:.0%}" if first.changes else "settles how much is bought"
    return (
        f"{first.hours:.1f} hours on {first.chips:,} {first.chip}{cost} with {first.workload} are worth {worth}: the"
        f" result {does}."
    )
