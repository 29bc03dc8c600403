"""Planning, end to end: the road from a scenario to a verified plan, as one function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.answer.chance import price_of_more
from planner.answer.plan import Plan
from planner.answer.words import money, number
from planner.catalog import Catalog
from planner.errors import SolveError, VerificationError
from planner.explain.conflict import Diagnosis, unable
from planner.explain.rewritten import Again
from planner.fleet.model import OBJECTIVE_UNITS, FleetModel
from planner.fleet.sequence import solved_and_placed
from planner.planning.diagnose import diagnose
from planner.planning.draft import Draft
from planner.planning.lots import steadied_solutions
from planner.planning.question import Cancel, Progress, Question, ask, built, check_backend, goals_of, searched, teller
from planner.planning.simplify import simplified
from planner.planning.surer import at_confidences
from planner.scenario.types import Scenario
from planner.settings import one_blas_thread
from planner.solve import Program, ProgressCallback, Solution, Status, lexicographic, relax, with_objective
from planner.solve.status import Progress as Heartbeat
from planner.verify.plan import verify_plan


@one_blas_thread()
def plan(
    scenario: Scenario | Mapping[str, Any] | str | Path,
    *,
    catalog: Catalog | None = None,
    variant: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Plan:
    """The best plan of a scenario, verified; or, where there is none, why and what would make one possible.

    ``scenario``: a file, the name of a shipped one (``"quickstart"``), a mapping of the same form, or a loaded Scenario
    (``variant`` then is only noted). ``overrides``: values by dot path, applied last
    (``{"sites.ashburn.power_mw": 12}``). ``catalog``: default the shipped one. ``progress`` is told (what, share done);
    ``cancel`` is asked between steps.

    The plan's ``status`` is ``proven_optimal``, ``within_gap``, ``feasible`` (a limit was reached), ``infeasible``
    (with ``conflicts`` and ``nearest``) or ``no_plan_found``. Raises ``InputError`` for input that is wrong,
    ``VerificationError`` when a plan did not survive the independent check, ``SolveError`` when a solver failed.
    """
    tell = teller(progress, cancel)
    question = ask(scenario, catalog=catalog, variant=variant, overrides=overrides, progress=tell)
    return _answered(question, tell, watched=bool(progress or cancel)).sealed


def _answered(question: Question, tell: Progress, *, watched: bool) -> Plan:
    """The verified and explained plan of a question; ``watched``: somebody hears what a running solve has learnt."""
    scenario, model, clock = question.scenario, question.model, question.clock
    draft = Draft(question)
    if model is None:
        tell("Explaining", 0.75)
        return draft.without_plan("infeasible", diagnose(question))

    check_backend(scenario, model)
    tell("Solving", 0.72)
    goals = goals_of(scenario)
    heard = (lambda p: tell(f"Solving ({_heard(p, goals)})", 0.75)) if watched else None
    question, model, solutions = solved_question(question, model, heard)
    draft = Draft(question)
    clock.lap("solving")
    first = solutions[0]
    if first.status is Status.FAILED:
        raise SolveError(f"the solver failed: {first.message}")
    if first.status is Status.UNBOUNDED:
        raise SolveError("the model is unbounded: a limit is missing that this objective needs")
    if not solutions[0].status.has_plan:
        if solutions[0].status is Status.INFEASIBLE:
            tell("Explaining", 0.85)
            return draft.without_plan("infeasible", diagnose(question), model, solutions)
        return draft.without_plan("no_plan_found", Diagnosis((), ()), model, solutions)
    if question.stock is not None:
        tell("Steadying", 0.88)
        solutions = steadied_solutions(model, question.stock, goals, solutions, question.limits)
        clock.lap("steadying")
    model, solutions, draft.simpler = simplified(question, model, goals, solutions)
    clock.lap("simplifying")
    tell("Verifying", 0.9)
    answer = verified(draft, model, solutions)
    tell("Explaining", 0.93)
    answer = draft.explained(answer, model, solutions, again(question))
    tell("Pricing other confidences", 0.97)
    answer = with_confidences(question, answer)
    tell("Done", 1.0)
    return answer


def solved_question(
    question: Question, model: FleetModel, progress: ProgressCallback | None = None
) -> tuple[Question, FleetModel, list[Solution]]:
    """(question, model, a solution for each of its goals); over lots with the rows that its short runs' days asked for.

    ``model``: the question's own.
    """
    vectors = [model.objectives[g] for g in goals_of(question.scenario)]

    def solved(program: Program, seconds: float, start: NDArray[np.float64] | None = None) -> list[Solution]:
        limits = replace(question.limits, time_limit_s=seconds)
        backend = question.scenario.solve.backend
        return lexicographic(program, vectors, limits, backend=backend, progress=progress, start=start)

    if question.stock is None:
        return question, model, solved(model.program, question.limits.time_limit_s)
    stock, solutions = solved_and_placed(question.stock, solved, question.limits)
    model = stock.as_fleet()
    return replace(question, stock=stock, model=model), model, solutions


def again(question: Question) -> Again:
    """What plans a scenario that differs from a question's in a figure or two, or its relaxation."""
    goal = question.scenario.objective[:1]

    def found(other: Scenario, seconds: float, relaxed: bool) -> Solution | None:
        other = other.model_copy(update={"objective": goal})
        limits = replace(question.limits, time_limit_s=max(0.1, seconds))
        options = searched(other, question.catalog)
        if unable(other, options.options):
            return None
        model, stock = built(other, question.catalog, options)
        if relaxed:
            return relax(with_objective(model.program, model.objectives[goal[0]]), limits)
        asked = replace(question, scenario=other, found=options, model=model, stock=stock, limits=limits)
        return solved_question(asked, model)[2][0]

    return found


def _heard(heard: Heartbeat, goals: Sequence[str]) -> str:
    """What a running solve has learnt; of a single objective also the best plan so far and what bounds it."""
    if len(goals) > 1 or heard.incumbent is None:
        return heard.text
    unit, scale = OBJECTIVE_UNITS[goals[0]]

    def told(value: float) -> str:
        figure = abs(value) * scale
        return money(figure) if unit == "USD" else f"{number(figure)} {unit}"

    bound = "" if heard.bound is None else f", bound {told(heard.bound)}"
    return f"{heard.text}, best {told(heard.incumbent)}{bound}"


def with_confidences(question: Question, answer: Plan) -> Plan:
    """A plan with what other confidences cost, said in its first lines."""
    found = at_confidences(question, answer, planned)
    if not found:
        return answer
    question.clock.lap("confidences")
    proof = answer.proof.model_copy(
        update={"seconds": question.clock.total, "seconds_by_room": dict(question.clock.laps)}
    )
    answer = answer.model_copy(update={"at_confidences": found, "proof": proof})
    wall = "" if answer.walls is None else f" {answer.walls.sentence}"
    first = answer.answer.removesuffix(wall) if wall else answer.answer
    # before what binds: the price belongs to the chance
    said = first + price_of_more(answer, money) + answer.answer[len(first) :]
    return answer.model_copy(update={"answer": said})


def planned(question: Question) -> Plan | None:
    """The verified plan of a question without explanations; None where it has none.

    Raises ``SolveError`` where none was found in the time there was, ``VerificationError`` when it does not hold.
    """
    model, goals = question.model, goals_of(question.scenario)
    if model is None:
        return None
    question, model, solutions = solved_question(question, model)
    if solutions[0].status is Status.INFEASIBLE:
        return None
    if not solutions[0].status.has_plan:
        raise SolveError(f"no plan was found in time: {solutions[0].message}")
    draft = Draft(question)
    model, solutions, draft.simpler = simplified(question, model, goals, solutions)
    return verified(draft, model, solutions)


def answered(question: Question, solutions: Sequence[Solution], model: FleetModel | None = None) -> Plan:
    """The verified plan of some solutions of a question's program (or of another ``model`` over the same options).

    What binds and alternatives are left out. Raises ``VerificationError`` when the plan does not hold.
    """
    program = model or question.model
    if program is None:
        raise ValueError("a question without a program has no solutions")
    return verified(Draft(question), program, solutions)


def verified(draft: Draft, model: FleetModel, solutions: Sequence[Solution]) -> Plan:
    question = draft.question
    answer = draft.with_plan(model, solutions, question.catalog)
    failures = verify_plan(answer, question.scenario, question.plain)
    question.clock.lap("verifying")
    if failures:
        raise VerificationError("the plan did not survive verification: " + "; ".join(failures[:5]))
    return answer.model_copy(update={"verified": True})
