"""The Plan page: inputs on the left, the answer on the right."""

from __future__ import annotations

import time

import streamlit as st

from planner.answer.plan import Nearest
from planner.report import format as fmt
from planner.ui import address, service
from planner.ui.answer import show_answer, show_no_plan
from planner.ui.nearest import path_of, value_of
from planner.ui.panel import panel
from planner.ui.settings import settings
from planner.ui.state import TOLD, Visit, visit
from planner.ui.welcome import welcome
from planner.ui.words import md, show_problems

_HONEST = "A solve stops after {} at the latest; reading, pricing, checking and explaining come on top of it."
_LOOK_S, _FEW = 1.0, 3
_FOR_OTHERS_S = 15.0
_PATIENCE_S = 0.4  # a plan that is done this soon is shown at once, without a status in between


def _can_apply(nearest: Nearest) -> bool:
    draft = visit().draft
    return draft is not None and path_of(nearest, draft.data, draft.scenario) is not None


def _apply(nearest: Nearest) -> bool:
    """Change the form as the explanation says, with the other limits that must move as well, and plan again."""
    v = visit()
    if v.draft is None or v.refused is None:
        return False
    wanted = [nearest, *(n for n in v.refused.nearest if n.limit in nearest.together and n is not nearest)]
    for one in wanted:
        path = path_of(one, v.draft.data, v.draft.scenario)
        if path is None:
            return False
        v.settle_variant(path)
    edits = {}
    for one in wanted:
        path = path_of(one, v.draft.data, v.draft.scenario)
        if path is not None:
            edits[path] = value_of(one, path)
    if v.edit(edits, show_anew=True):
        v.plan()
    return True


def _working() -> None:
    """Progress of the plan being computed; looks again and again, and redraws the page when it is done."""
    v = visit()
    job = v.job
    if job is None or job.done:
        st.rerun(scope="app")
    else:
        place = service.pool().position(job)
        stage = f"Waiting for a place, number {place} in the queue" if place else md(job.stage)
        told = f"{stage} · {fmt.seconds(round(job.seconds, 1))}"
        with st.container(border=True, key="working"):  # nothing that turns: ten of them would keep a core busy
            st.progress(job.fraction, text=told)
            st.caption(_HONEST.format(fmt.seconds(settings().solve_seconds)))
            if st.button("Cancel", key="plan.cancel", icon=":material/cancel:"):
                v.cancel()


@st.fragment(run_every=2.0)
def _elsewhere() -> None:
    """A plan that another server works on."""
    if visit().collect():
        st.rerun(scope="app")
    st.info("This plan is being worked on.")


def _begins(v: Visit) -> bool:
    """Whether nothing has come of a question yet, and nothing is being made of it."""
    return v.answer is None and v.refused is None and v.waiting is None and v.unfinished is None


def _narrow(v: Visit) -> None:
    """Where the form is folded away (small screens): what is asked, and the one button; before there is an answer the
    page itself says both."""
    if v.draft is None or _begins(v):
        return
    with st.container(key="narrow"):
        st.markdown(f"**{md(v.draft.scenario.name)}**" + (f", {md(v.variant)}" if v.variant else ""))
        waiting = v.job is not None or v.waiting is not None
        st.button("Plan it", type="primary", key="plan.narrow", on_click=v.want, width="stretch", disabled=waiting)


def _unfinished(v: Visit) -> None:
    """A plan without an answer: why, and the way on."""
    row = v.unfinished
    if row is None or row.state not in TOLD:
        return
    st.warning(f"**{md(row.name)}**: {TOLD[row.state]}", icon=":material/pause_circle:")
    st.button("Start it again", key="plan.again", icon=":material/restart_alt:", on_click=v.again)


def show() -> None:
    """Draw the page."""
    v = visit()
    address.arrive(v)
    with st.sidebar:
        if panel():
            v.plan()
            st.rerun()
    address.show(v)
    _narrow(v)
    if v.job is not None:
        v.job.wait(_PATIENCE_S)
        if v.job.done:
            v.collect()
            st.rerun()
        # where many wait for few workers each looks more seldom: looking costs them the time that they wait for
        st.fragment(_working, run_every=_LOOK_S if service.pool().crowd <= _FEW else 2 * _LOOK_S)()
    elif v.waiting is not None:
        _elsewhere()
    if v.problems:
        show_problems(v.problems_of, v.problems)
    if v.notice:
        st.info(md(v.notice))
    if v.unfinished is not None:
        _unfinished(v)
    if v.changed and v.job is None and not v.problems:
        st.warning("Inputs changed since the last plan: press Plan for an answer to them.", icon=":material/edit:")
    if v.refused is not None:
        show_no_plan(v.refused, _apply, _can_apply)
    if v.answer is None:
        if _begins(v):
            welcome(v)
        return
    if v.refused is not None or v.problems:
        st.divider()
        st.subheader("The last good answer", anchor=False)
    show_answer(v.answer, v.answered_yaml, v.plan_id, lambda: _others_first(v))


def _others_first(v: Visit) -> bool:
    """Whether people wait in the queue for their first screens, which come before the rest of this one, for a while."""
    pool = service.pool()
    return pool.crowd > pool.places and time.monotonic() - v.shown_at < _FOR_OTHERS_S


show()
