"""Questions about an answer, given to the workers too: fronts, near plans, sensitivity, futures, runs worth making."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from planner.errors import InputError, Problem
from planner.outlook.measure import Measure
from planner.outlook.result import Alternatives, Document, Outlook, ParetoFront, Sensitivity
from planner.supernode.result import SupernodeAnswer
from planner.ui import access, asking, service
from planner.ui.service import Question
from planner.ui.settings import settings
from planner.ui.work import Job, Request

_FORM: dict[str, type[Document]] = {
    "pareto": ParetoFront,
    "alternatives": Alternatives,
    "sensitivity": Sensitivity,
    "outlook": Outlook,
    "measure": Measure,
    "supernode": SupernodeAnswer,
}
KEY = "planner.looks"


@dataclass(frozen=True)
class Inquiry:
    """A kind of question (the name of its function), and its own arguments as sorted pairs."""

    what: str
    arguments: tuple[tuple[str, Any], ...] = ()

    def of(self, question: Question) -> Request:
        """Asked of a scenario."""
        return Request(service.limited(question.text), question.variant, self.what, self.arguments)


def kept(question: Question, inquiry: Inquiry) -> Document | None:
    """The answer that somebody was given before, None where there is none."""
    text = service.store().answer(service.key_of(inquiry.of(question)))
    return None if text is None else _FORM[inquiry.what].model_validate_json(text)


@dataclass
class Looks:
    """What one visitor asked about an answer. ``found``: the last document of each kind, and what it was asked of."""

    job: Job | None = None
    asked: tuple[Question, Inquiry] | None = None
    found: dict[str, tuple[Question, Inquiry, Document]] = field(default_factory=dict)
    problems: dict[str, tuple[Problem, ...]] = field(default_factory=dict)

    def ask(self, question: Question, inquiry: Inquiry) -> None:
        """Begin to answer; one at a time. What was answered before is there at once."""
        if self.job is not None:
            return
        self.problems.pop(inquiry.what, None)
        document = kept(question, inquiry)
        if document is not None:
            self.found[inquiry.what] = (question, inquiry, document)
            return
        request = inquiry.of(question)
        try:
            self.job = asking.submit(request, service.key_of(request), settings().question_seconds)
        except InputError as error:
            self.problems[inquiry.what] = error.problems
            return
        self.asked = (question, inquiry)

    def cancel(self) -> None:
        """Want it no more."""
        if self.job is not None:
            service.pool().cancel(self.job, access.page_id())

    def collect(self) -> bool:
        """Take the result of a job that is done; whether there was one. A failed one replaces no document."""
        job, asked = self.job, self.asked
        if job is None or asked is None or not job.done:
            return False
        self.job = self.asked = None
        question, inquiry = asked
        if job.result.document:
            document = _FORM[inquiry.what].model_validate_json(job.result.document)
            self.found[inquiry.what] = (question, inquiry, document)
        elif job.result.problems or not job.cancelled:
            self.problems[inquiry.what] = job.result.problems or (Problem(job.result.fault),)
        return True


def looks() -> Looks:
    """The questions of this visitor, made at the first call."""
    if KEY not in st.session_state:
        st.session_state[KEY] = Looks()
    kept_looks: Looks = st.session_state[KEY]
    return kept_looks
