"""What one visitor has open: the question being edited, the plan being made, the answer that is shown.

Everything of it that is worth keeping is in the store as soon as it is there; a page that is opened again finds it by
the names in its address.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import streamlit as st

from planner.answer.plan import Plan
from planner.errors import InputError, Problem
from planner.ui import access, asking, service
from planner.ui.inputs import Path, apply
from planner.ui.service import Draft, Question
from planner.ui.store import RUNNING, PlanRow
from planner.ui.variants import sets_place, written_in
from planner.ui.work import Job

_KEY = "planner"
_INPUTS = "These inputs"
TOLD = {
    "stopped": "This plan was stopped before it had an answer.",
    "left": "This plan was stopped because its page was closed before it had an answer.",
    "interrupted": "This plan was interrupted: the server ended while it was working.",
    "done": "This plan was made by another version of the planner, which this one does not read.",
}
"""What is said of a plan that has no answer."""


@dataclass
class Visit:
    """The state of one visitor. ``revision`` is part of the widgets' keys: a new one makes them show the draft anew."""

    draft: Draft | None = None
    variant: str | None = None
    revision: int = 0
    question_id: str = ""
    """The kept question that is edited; empty of a shipped one that nobody has changed."""
    kept_text: str = ""
    """That question as this page last kept or read it."""
    job: Job | None = None
    waiting: PlanRow | None = None
    """The plan that the job makes."""
    plan_id: str = ""
    """The plan that is shown."""
    answer: Plan | None = None
    """The last good answer."""
    shown_at: float = 0.0
    """When it came, by the monotonic clock; 0 of a plan that was there before."""
    answered: Question | None = None
    answered_yaml: str = ""
    refused: Plan | None = None
    """The last answer, where it was that there is no plan."""
    refused_of: Question | None = None
    unfinished: PlanRow | None = None
    """The plan that was opened, where it has no answer and nobody works on it."""
    problems: tuple[Problem, ...] = ()
    problems_of: str = ""
    notice: str = ""
    wanted: bool = False
    """Whether a button beside the form asked for a plan: it is begun when the form has been read."""

    @property
    def question(self) -> Question | None:
        """What the inputs ask now."""
        return None if self.draft is None else Question.of(self.draft, self.variant)

    @property
    def changed(self) -> bool:
        """Whether the inputs ask something else than the answer on the page, or the refusal, is about."""
        about = self.refused_of if self.refused is not None else self.answered
        return about is not None and self.question is not None and self.question != about

    # opening

    def take(self, draft: Draft, variant: str | None = None, question_id: str = "") -> None:
        """Edit another scenario."""
        self.draft, self.variant, self.question_id = draft, variant, question_id
        self.kept_text = draft.yaml() if question_id else ""
        self.revision += 1
        self._forget_complaints()

    def open_shipped(self, name: str, variant: str | None = None) -> None:
        """Edit a shipped scenario; problems are kept to be shown."""
        try:
            draft = service.open_shipped(name)
        except InputError as error:
            self.complain(name, error.problems)
            return
        known = {*draft.scenario.variants, *draft.scenario.overrides}
        self.take(draft, variant if variant in known else None)
        if variant and variant not in known:
            self.complain(name, (Problem("there is no such variant", found=variant[:80], allowed=", ".join(known)),))

    def open_upload(self, name: str, content: bytes) -> None:
        """Edit an uploaded scenario; where it cannot be read the problems are kept, and everything else stays."""
        try:
            self.take(service.open_bytes(content, name))
        except InputError as error:
            self.complain(name, error.problems)
            return
        self.keep()

    def open_question(self, id_: str) -> bool:
        """Edit a kept question; another's is read, and becomes a copy when it is changed. Whether it is there."""
        row = service.store().question(id_)
        if row is None:
            return False
        try:
            draft = service.open_bytes(row.text.encode(), row.origin)
        except InputError as error:
            self.complain(row.name, error.problems)
            return True
        self.take(draft, row.variant, row.id if row.owner == access.owner() else "")
        return True

    def open_plan(self, id_: str) -> bool:
        """Show a kept plan, and the question that it answers. Whether it is there."""
        row = service.store().plan(id_)
        if row is None:
            return False
        wrong: tuple[Problem, ...] = ()
        if row.text:
            kept = service.store().question(row.question) if row.question else None
            mine = kept is not None and kept.owner == access.owner() and kept.text == row.text
            try:
                draft = service.open_bytes(row.text.encode(), kept.origin if kept is not None else f"{row.name}.yaml")
                self.take(draft, row.variant, row.question if mine else "")
            except InputError as error:  # of another version of the planner: the answer is shown all the same
                wrong = error.problems
        self.show(row)
        if wrong:
            self.complain(f"The question of {row.name}", wrong)
        return True

    def show(self, row: PlanRow) -> None:
        """Show a plan: its answer, that it is being worked on, or why it has none."""
        self.plan_id, self.unfinished = row.id, None
        if row.state in RUNNING:
            self.job, self.waiting = service.pool().find(row.key), row
            if self.job is not None:
                service.pool().watch(self.job, access.page_id())
            return
        plan = asking.found(row)
        if plan is None:
            self.unfinished = row
            self.answer = self.answered = None
            if row.state == "failed":
                self.complain(row.name, asking.problems_of(row))
        elif plan.has_plan:
            self.answer, self.answered_yaml, self.refused = plan, row.text, None
            self.answered = _question_of(row)
        else:
            self.refused, self.refused_of = plan, _question_of(row)

    # editing

    def edit(self, edits: Mapping[Path, Any], *, show_anew: bool = False) -> bool:
        """Change leaves of the scenario; False, with the problems kept, where that makes it wrong."""
        if self.draft is None:
            return False
        return self.replace(apply(self.draft.data, edits), show_anew=show_anew)

    def put_right(self) -> None:
        """The inputs say what the question says: what was wrong with them is past."""
        if self.problems_of == _INPUTS:
            self.problems, self.problems_of = (), ""

    def want(self) -> None:
        """Ask for a plan of what the form will be found to say."""
        self.wanted = True

    def replace(self, data: Mapping[str, Any], *, show_anew: bool = False) -> bool:
        """Put other data in the place of the scenario's; False, with the problems kept, where they are wrong."""
        if self.draft is None:
            return False
        self.problems, self.problems_of, self.notice = (), "", ""
        try:
            self.draft = self.draft.with_data(data)
        except InputError as error:
            self.complain(_INPUTS, error.problems)
            return False
        if show_anew:
            self.revision += 1
        self.keep()
        return True

    def rewrite(self, draft: Draft) -> None:
        """Put a whole file in the place of the question."""
        self._forget_complaints()
        self.draft = draft
        if self.variant not in {*draft.scenario.variants, *draft.scenario.overrides}:
            self.variant = None
        self.revision += 1
        self.keep()

    def vary(self, variant: str | None) -> None:
        """Choose a variant."""
        self.variant = variant
        if self.question_id:
            service.store().change_question(self.question_id, variant=variant)

    def settle_variant(self, path: Path | None = None) -> None:
        """Write the variant into the scenario, where it sets a place of it (of any, without one): the place can be set
        then, and nothing undoes it."""
        if self.draft is None or self.variant is None:
            return
        if path is None or sets_place(self.draft, self.variant, path):
            self.draft, self.variant = written_in(self.draft, self.variant), None
            self.revision += 1
            self.keep()

    def keep(self) -> None:
        """Keep the question as it is now."""
        if self.draft is None:
            return
        text, store = self.draft.yaml(), service.store()
        if self.question_id and store.question(self.question_id) is not None:
            store.change_question(self.question_id, seen=self.kept_text, text=text, variant=self.variant)
        else:
            row = store.add_question(access.owner(), self.draft.scenario.name, self.draft.origin, text, self.variant)
            self.question_id = row.id
        self.kept_text = text

    # planning

    def plan(self) -> None:
        """Begin to plan what the inputs ask."""
        draft, question = self.draft, self.question
        if draft is None or question is None or self.job is not None:
            return
        self._forget_complaints()
        version = service.store().freeze(self.question_id) if self.question_id else 0
        name = asking.name_of(draft.scenario.name, self.variant)
        try:
            row, self.job = asking.ask(question, name, draft.yaml(), self.question_id, version)
        except InputError as error:
            self.complain("This plan", error.problems)
            return
        self.waiting = row if self.job is not None else None
        if self.job is None:
            self.show(row)

    def again(self) -> None:
        """Begin the plan that was interrupted once more."""
        row = self.unfinished
        if row is None:
            return
        self._forget_complaints()
        try:
            self.job = asking.again(row)
        except InputError as error:
            self.complain(row.name, error.problems)
            return
        self.unfinished, self.waiting = None, row if self.job is not None else None
        if self.job is None:
            self.open_plan(row.id)

    def cancel(self) -> None:
        """Want the plan being made no more."""
        if self.job is not None:
            service.pool().cancel(self.job, access.page_id())

    def collect(self) -> bool:
        """Take the result of a job that is done; whether there was one."""
        job, row = self.job, self.waiting
        if row is None or (job is not None and not job.done):
            return False
        if job is None:  # another server works on it
            told = service.store().plan(row.id)
            if told is not None and told.state in RUNNING:
                return False
        self.job = self.waiting = None
        kept = service.store().plan(row.id)
        if kept is None:
            return True
        if kept.state == "stopped" and not kept.problems:
            self.notice = "Stopped. The last answer is still shown." if self.answer else "Stopped."
        elif kept.state in ("failed", "stopped"):
            self.complain(kept.name, asking.problems_of(kept))
        else:
            self.show(kept)
            self.shown_at = time.monotonic()
        return True

    def complain(self, about: str, problems: tuple[Problem, ...]) -> None:
        """Keep problems to be shown; the last good answer stays."""
        self.problems, self.problems_of = problems, about

    def _forget_complaints(self) -> None:
        self.problems, self.problems_of, self.notice, self.refused = (), "", "", None
        self.unfinished = None


def _question_of(row: PlanRow) -> Question | None:
    """What a kept plan answers; None of a plan from a file, and where this version does not read its question."""
    try:
        return Question.of(service.open_bytes(row.text.encode(), row.name), row.variant) if row.text else None
    except InputError:
        return None


def visit() -> Visit:
    """The state of this visitor, made at the first call."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = Visit()
    return cast("Visit", st.session_state[_KEY])
