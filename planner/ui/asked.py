"""A question about an answer on the page: the button that asks, progress, what was wrong, and the document."""

from __future__ import annotations

import streamlit as st

from planner.outlook.result import Document
from planner.report import format as fmt
from planner.ui import service
from planner.ui.looks import Inquiry, looks
from planner.ui.state import Visit, visit
from planner.ui.words import md, show_problems

_PATIENCE_S = 0.4


def subject() -> Visit | None:
    """The question that is open, the first shipped one where there is none; None where it cannot be read."""
    v = visit()
    if v.draft is None and service.shipped():
        v.open_shipped(service.shipped()[0])
    if v.draft is None or v.question is None:
        show_problems(v.problems_of, v.problems)
        return None
    about = v.draft.scenario.name + (f", {v.variant}" if v.variant else "")
    st.caption(f"Asked of **{md(about)}**, as the Plan page has it.")
    return v


def document(v: Visit, inquiry: Inquiry | None, what: str, title: str) -> Document | None:
    """Draw the button and what came of it; the last answer to this kind of question. ``inquiry``: None where the
    inputs ask nothing."""
    mine, question = looks(), v.question
    pressed = st.button(
        "Ask", type="primary", disabled=inquiry is None or mine.job is not None, key=f"look.ask.{what}",
        icon=":material/play_arrow:",
    )  # fmt: skip
    if pressed and inquiry is not None and question is not None:
        mine.ask(question, inquiry)
    if mine.job is not None:
        mine.job.wait(_PATIENCE_S)
        if mine.collect():
            st.rerun()
        _working()
    if what in mine.problems:
        show_problems(title, mine.problems[what])
    if what not in mine.found:
        return None
    asked_of, asked, found = mine.found[what]
    if asked_of != question or (inquiry is not None and asked != inquiry):
        st.warning("The scenario or the question changed since: press Ask for an answer to it.")
    return found


def download(found: Document, what: str) -> None:
    """The document as the file that the command line writes."""
    st.download_button(
        f"{what}.json", found.to_json(), f"{what}.json", "application/json", icon=":material/download:",
        key=f"look.download.{what}",
    )  # fmt: skip


@st.fragment(run_every=1.0)
def _working() -> None:
    """Progress of the question; looks again every second and redraws the page when it is done."""
    job, cancel = looks().job, looks().cancel
    if job is None or job.done:
        st.rerun(scope="app")
    else:
        place = service.pool().position(job)
        stage = f"Waiting for a place, number {place} in the queue" if place else md(job.stage)
        with st.container(border=True):
            st.progress(job.fraction, text=f"{stage} · {fmt.seconds(round(job.seconds, 1))}")
            if st.button("Cancel", key="look.cancel", icon=":material/cancel:"):
                cancel()
