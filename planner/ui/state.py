"""What one visitor has: the scenario being edited, the plan being computed, the last good answer, the plans kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import streamlit as st

from planner.answer.plan import Plan
from planner.errors import InputError, Problem
from planner.scenario import Scenario, resolve, scenario_from_mapping
from planner.scenario.paths import PathError, resolve_dots
from planner.ui import service
from planner.ui.inputs import Path, apply
from planner.ui.service import Draft, Job, Question
from planner.ui.settings import settings

_KEY = "planner"


@dataclass(frozen=True)
class Kept:
    """A plan of this visit, under a name."""

    name: str
    plan: Plan
    yaml: str = ""


@dataclass
class Visit:
    """The state of one visitor. ``revision`` is part of the widgets' keys: a new one makes them show the draft anew."""

    draft: Draft | None = None
    variant: str | None = None
    revision: int = 0
    job: Job | None = None
    asked: Draft | None = None
    """The draft the running job is about."""
    answer: Plan | None = None
    """The last good answer."""
    answered: Question | None = None
    answered_yaml: str = ""
    refused: Plan | None = None
    """The last answer, where it was that there is no plan."""
    problems: tuple[Problem, ...] = ()
    problems_of: str = ""
    notice: str = ""
    kept: list[Kept] = field(default_factory=list)

    @property
    def question(self) -> Question | None:
        """What the inputs ask now."""
        return None if self.draft is None else Question.of(self.draft, self.variant)

    @property
    def changed(self) -> bool:
        """Whether the inputs ask something else than the answer on the page is about."""
        return self.answered is not None and self.question is not None and self.question != self.answered

    def take(self, draft: Draft) -> None:
        """Edit another scenario."""
        self.draft, self.variant = draft, None
        self.revision += 1
        self._forget_complaints()

    def open_shipped(self, name: str) -> None:
        """Edit a shipped scenario; problems are kept to be shown."""
        try:
            self.take(service.open_shipped(name))
        except InputError as error:
            self.complain(name, error.problems)

    def open_upload(self, name: str, content: bytes) -> None:
        """Edit an uploaded scenario; where it cannot be read the problems are kept, and everything else stays."""
        try:
            self.take(service.open_bytes(content, name))
        except InputError as error:
            self.complain(name, error.problems)

    def edit(self, edits: Mapping[Path, Any], *, show_anew: bool = False) -> bool:
        """Change leaves of the scenario; False, with the problems kept, where that makes it wrong."""
        if self.draft is None:
            return False
        self._forget_complaints()
        if not edits:
            return True
        try:
            self.draft = self.draft.with_data(apply(self.draft.data, edits))
        except InputError as error:
            self.complain("These inputs", error.problems)
            return False
        if show_anew:
            self.revision += 1
        return True

    def settle_variant(self, path: Path) -> None:
        """Where the variant sets a place of the scenario, make the variant the scenario: the place can be set then."""
        if self.draft is None or self.variant is None:
            return
        scenario, data = self.draft.scenario, self.draft.data
        leaves = [
            leaf for name in scenario.variants.get(self.variant, (self.variant,)) for leaf in _leaves(scenario, name)
        ]
        if any(_same_place(leaf, path, data) for leaf in leaves):
            applied = resolve(scenario_from_mapping(data, self.draft.origin, self.variant))
            self.draft, self.variant = self.draft.with_data(applied), None

    def plan(self) -> None:
        """Begin to plan what the inputs ask."""
        question = self.question
        if question is None or (self.job is not None and not self.job.done):
            return
        self._forget_complaints()
        self.asked = self.draft
        self.job = Job.start(question)

    def collect(self) -> bool:
        """Take the result of a job that is done; whether there was one."""
        job, asked = self.job, self.asked
        if job is None or not job.done:
            return False
        self.job = self.asked = None
        if job.cancelled:
            self.notice = "Stopped. The last answer is still shown." if self.answer else "Stopped."
        elif job.fault:
            self.complain("The planner", (Problem(job.fault),))
        elif job.problems:
            self.complain(asked.origin if asked else "The scenario", job.problems)
        elif job.plan is not None and job.plan.has_plan:
            yaml = asked.yaml() if asked is not None else ""
            self.answer, self.answered, self.answered_yaml, self.refused = job.plan, job.question, yaml, None
            self._keep(job.plan, yaml)
        else:
            self.refused = job.plan
        return True

    def complain(self, about: str, problems: tuple[Problem, ...]) -> None:
        """Keep problems to be shown; the last good answer stays."""
        self.problems, self.problems_of = problems, about

    def add(self, name: str, plan: Plan) -> None:
        """Keep a plan from a file for comparison."""
        self.kept.append(Kept(self._free(name), plan))
        del self.kept[: -settings().stored_plans]

    def _keep(self, plan: Plan, yaml: str) -> None:
        if any(k.plan == plan for k in self.kept):
            return
        stem = self.draft.origin.rsplit(".", 1)[0] if self.draft is not None else plan.scenario
        self.kept.append(Kept(self._free(f"{stem}, {plan.variant}" if plan.variant else stem), plan, yaml))
        del self.kept[: -settings().stored_plans]

    def _free(self, name: str) -> str:
        taken = {k.name for k in self.kept}
        return next(n for n in (name, *(f"{name} ({i})" for i in range(2, len(taken) + 3))) if n not in taken)

    def _forget_complaints(self) -> None:
        self.problems, self.problems_of, self.notice, self.refused = (), "", "", None


def _leaves(scenario: Scenario, name: str) -> list[str]:
    """Dot paths that an override sets, those of the overrides it includes among them."""
    found, waiting, seen = [], [name], set()
    while waiting:
        override = waiting.pop()
        if override in seen:
            continue
        seen.add(override)
        for path, value in scenario.overrides.get(override, {}).items():
            if path == "include":
                waiting += [value] if isinstance(value, str) else list(value)
            else:
                found.append(path)
    return found


def _same_place(leaf: str, path: Path, data: Mapping[str, Any]) -> bool:
    """Whether setting one place sets the other: one is the other, or holds it."""
    try:
        other = resolve_dots(leaf, data)
    except PathError:
        return False
    shared = min(len(other), len(path))
    return other[:shared] == path[:shared]


def visit() -> Visit:
    """The state of this visitor, made at the first call."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = Visit()
    return cast("Visit", st.session_state[_KEY])
