"""What every answer about an answer begins with: a question that has plans, and a point of its program as a plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.errors import EXIT_INFEASIBLE, InputError, PlannerError, Problem
from planner.fleet.model import FleetModel
from planner.planning.plan import answered
from planner.planning.question import Cancel, CancelledError, Progress, Question, ask
from planner.scenario.types import Scenario
from planner.solve import Solution, Status

Asked = Scenario | Mapping[str, Any] | str | Path
"""What ``planner.plan`` takes as a scenario."""


class NoPlanError(PlannerError):
    """There is no plan to say more about."""

    exit_code: ClassVar[int] = EXIT_INFEASIBLE


def teller(progress: Progress | None, cancel: Cancel | None) -> Progress:
    """Progress that asks ``cancel`` first. Raises ``CancelledError``."""

    def tell(what: str, share: float) -> None:
        if cancel is not None and cancel():
            raise CancelledError("cancelled")
        if progress is not None:
            progress(what, share)

    return tell


def question_of(
    scenario: Asked,
    catalog: Catalog | None,
    variant: str | None,
    tell: Callable[[str, float], None],
    *,
    shared: bool = False,
    over_time: bool = False,
) -> tuple[Question, FleetModel]:
    """A question and its program. Raises ``InputError``, and ``NoPlanError`` where a workload has no option at all.

    ``shared``: whether the caller can look into fleets and parts of systems; ``over_time``: into fleets over time, with
    systems taken whole by plans of one decision. What it cannot look into is refused.
    """
    question = ask(scenario, catalog=catalog, variant=variant, progress=tell, whole=not shared)
    if not shared and not over_time:
        refuse_shared(question.scenario)
    if question.model is None:
        raise no_plan(question.scenario)
    return question, question.model


def refuse_shared(scenario: Scenario) -> None:
    """Raise ``InputError`` for a plan over time: its answer is not looked into yet."""
    if scenario.over_time:
        raise InputError(
            Problem(
                "this answer is for plans of one decision; planner plan, pareto and alternatives take the others",
                file=scenario.source.file,
                line=scenario.source.line(("fleet", "shared")),
                path="fleet.shared",
                remedy="Take out what changes over time to look into the plan of one decision.",
            )
        )


def no_plan(scenario: Scenario) -> NoPlanError:
    """The error where nothing is possible; ``plan`` says why."""
    return NoPlanError(
        Problem(
            "no plan is possible, so there is nothing more to say of it",
            file=scenario.source.file,
            remedy="planner plan says which limits conflict, and the smallest changes that help.",
        )
    )


def plan_at(question: Question, values: Sequence[float], model: FleetModel | None = None) -> Plan:
    """The verified plan of a point of a question's program. Raises ``VerificationError``."""
    point = Solution(Status.FEASIBLE, np.asarray(values, dtype=np.float64), bound=-math.inf, solver="HiGHS")
    return answered(question, [point], model)
