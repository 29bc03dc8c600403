"""A plan under an address of its own: whoever opens the link sees the same answer."""

from __future__ import annotations

import streamlit as st

from planner.ui import access, asking, places, service
from planner.ui.answer import show_answer, show_no_plan
from planner.ui.state import TOLD, visit
from planner.ui.store import RUNNING, PlanRow
from planner.ui.words import md, show_problems


@st.fragment(run_every=2.0)
def _waiting(id_: str) -> None:
    """A plan that is still being made: looks again every two seconds."""
    row = service.store().plan(id_)
    if row is None or row.state not in RUNNING:
        st.rerun(scope="app")
    job = service.pool().find(row.key)
    st.info(f"This plan is being worked on: {md(job.stage)}" if job is not None else "This plan is being worked on.")


def _heads(row: PlanRow) -> None:
    mine = row.owner == access.owner()
    left, right = st.columns([3, 1], vertical_alignment="center")
    with left:
        st.markdown(f":gray[A plan that was shared] **{md(row.name)}**" + (f"  \n{md(row.note)}" if row.note else ""))
    if row.text:
        told = "Change it" if mine else "Change a copy of it"
        if right.button(told, key="shared.open", icon=":material/edit:", width="stretch"):
            visit().open_plan(row.id)
            st.switch_page(places.page("plan"))


def show() -> None:
    """Draw the page."""
    id_ = st.query_params.get("id", "")
    row = service.store().plan(id_) if id_ else None
    if row is None:
        st.header("There is no such plan", anchor=False)
        st.markdown("The link is wrong, or the plan was deleted. Plans are listed in the **Workspace**.")
        return
    _heads(row)
    if row.state in RUNNING:
        _waiting(row.id)
        return
    plan = asking.found(row)
    if plan is None:
        st.warning(TOLD.get(row.state, "This plan failed."), icon=":material/pause_circle:")
        if row.state == "failed":
            show_problems(row.name, asking.problems_of(row))
    elif plan.has_plan:
        show_answer(plan, row.text, row.id)
    else:
        show_no_plan(plan, lambda _: False, lambda _: False)


show()
