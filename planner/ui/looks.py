"""Questions about an answer, asked beside the page that waits for them: fronts, near plans, sensitivity, futures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from planner.catalog import Catalog
from planner.errors import InputError, Problem
from planner.outlook import alternatives, outlook, pareto, sensitivity
from planner.outlook.result import Document
from planner.planning.question import CancelledError
from planner.ui.service import Cancelled, Job, Progress, Question, limited, version
from planner.ui.settings import settings

_ASKED: dict[str, Callable[..., Document]] = {
    "pareto": pareto,
    "alternatives": alternatives,
    "sensitivity": sensitivity,
    "outlook": outlook,
}
KEY = "planner.looks"


@dataclass(frozen=True)
class Inquiry:
    """A kind of question (the name of its function), and its own arguments as sorted pairs."""

    what: str
    arguments: tuple[tuple[str, Any], ...] = ()


@st.cache_data(show_spinner=False, max_entries=settings().cached_plans, ttl=settings().cached_hours * 3600)
def _found(
    what: str,
    arguments: tuple[tuple[str, Any], ...],
    text: str,
    variant: str | None,
    catalog_digest: str,
    planner_version: str,
    _catalog: Catalog,
    _progress: Progress,
    _cancel: Callable[[], bool],
) -> Document:
    """The answer to an inquiry. The digest and version are there for the key."""
    asked = dict(arguments)
    return _ASKED[what](limited(text), **asked, catalog=_catalog, variant=variant, progress=_progress, cancel=_cancel)


@dataclass
class LookJob(Job):
    """An inquiry being answered in a thread of its own, for at most ``question_seconds`` in all."""

    inquiry: Inquiry = field(default_factory=lambda: Inquiry("pareto"))
    found: Document | None = None

    def _over(self) -> bool:
        return self._stop.is_set() or self.seconds > settings().question_seconds

    def _work(self, facts: Catalog) -> None:
        q, about = self.question, self.inquiry
        try:
            self.found = _found(
                about.what,
                about.arguments,
                q.text,
                q.variant,
                facts.digest,
                version(),
                facts,
                self._progress,
                self._over,
            )
        except CancelledError as error:
            if self._stop.is_set():
                raise Cancelled from error
            raise InputError(
                Problem(
                    f"stopped after {settings().question_seconds:g} s, the limit of the app for one question",
                    remedy=f"`planner {about.what} FILE` on the command line has no such limit.",
                )
            ) from error


@dataclass
class Looks:
    """What one visitor asked about an answer. ``found``: the last document of each kind, and what it was asked of."""

    job: LookJob | None = None
    found: dict[str, tuple[Question, Inquiry, Document]] = field(default_factory=dict)
    problems: dict[str, tuple[Problem, ...]] = field(default_factory=dict)

    def ask(self, question: Question, inquiry: Inquiry) -> None:
        """Begin to answer; one at a time."""
        if self.job is None or self.job.done:
            self.problems.pop(inquiry.what, None)
            self.job = LookJob(question, inquiry=inquiry)
            self.job.begin()

    def collect(self) -> bool:
        """Take the result of a job that is done; whether there was one. A failed one replaces no document."""
        job = self.job
        if job is None or not job.done:
            return False
        self.job = None
        if job.found is not None:
            self.found[job.inquiry.what] = (job.question, job.inquiry, job.found)
        elif not job.cancelled:
            self.problems[job.inquiry.what] = job.problems or (Problem(job.fault),)
        return True


def looks() -> Looks:
    """The questions of this visitor, made at the first call."""
    if KEY not in st.session_state:
        st.session_state[KEY] = Looks()
    kept: Looks = st.session_state[KEY]
    return kept
