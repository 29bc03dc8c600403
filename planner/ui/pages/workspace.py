"""The Workspace page: questions, plans and measurements that are kept, by name, with notes and versions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from planner.ui import access, address, places, service
from planner.ui.state import visit
from planner.ui.store import PlanRow, QuestionRow
from planner.ui.words import md

_STATES = {
    "done": "answered",
    "failed": "failed",
    "stopped": "stopped",
    "left": "stopped: page closed",
    "interrupted": "interrupted",
    "waiting": "waiting",
    "working": "at work",
}
_NAME, _NOTE, _PICK = "Name", "Note", "✓"


def _when(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).replace(tzinfo=None, microsecond=0)


def _table(key: str, rows: Sequence[Mapping[str, Any]], fixed: Sequence[str]) -> list[int]:
    """Rows whose name and note are edited in place; the ones that are picked."""
    shown = st.data_editor(
        list(rows),
        key=key,
        hide_index=True,
        width="stretch",
        num_rows="fixed",
        disabled=list(fixed),
        column_config={
            _PICK: st.column_config.CheckboxColumn(width=40, help="Pick rows for the buttons below"),
            _NAME: st.column_config.TextColumn(width="medium", max_chars=200, required=True),
            _NOTE: st.column_config.TextColumn(width="medium", max_chars=2000),
            "Changed": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm", help="UTC"),
            "Asked": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm", help="UTC"),
            "Link": st.column_config.LinkColumn(display_text="open", width=60),
        },
    )
    return [i for i, row in enumerate(shown) if row[_PICK]]


def _edited(key: str) -> Mapping[int, Mapping[str, Any]]:
    """What was typed into the table in this run: {row: {column: value}}."""
    state = st.session_state.get(key) or {}
    rows: Mapping[int, Mapping[str, Any]] = state.get("edited_rows", {})
    return rows


def _questions(found: Sequence[QuestionRow]) -> None:
    st.subheader("Questions", anchor=False)
    if not found:
        st.caption("None yet: a question is kept as soon as something of it is changed.")
        return
    for i, edits in _edited("workspace.questions").items():
        fields = {n.lower(): edits[n] or "" for n in (_NAME, _NOTE) if n in edits}
        if fields and i < len(found):
            service.store().change_question(found[i].id, **fields)
    picked = _table(
        "workspace.questions",
        [
            {_PICK: False, _NAME: q.name, _NOTE: q.note, "From": q.origin, "Versions": q.version,
             "Changed": _when(q.changed)}
            for q in found
        ],
        ("From", "Versions", "Changed"),
    )  # fmt: skip
    chosen = [found[i] for i in picked]
    with st.container(horizontal=True):
        one = len(chosen) == 1
        if st.button("Open", key="workspace.open", disabled=not one, icon=":material/edit:", type="primary"):
            visit().open_question(chosen[0].id)
            st.switch_page(places.page("plan"))
        if st.button("Duplicate", key="workspace.copy", disabled=not chosen, icon=":material/content_copy:"):
            for q in chosen:
                service.store().add_question(q.owner, f"Copy of {q.name}", q.origin, q.text, q.variant, q.note)
            _anew("workspace.questions")
        if st.button("Delete", key="workspace.drop", disabled=not chosen, icon=":material/delete:"):
            for q in chosen:
                service.store().drop_question(q.id)
            _anew("workspace.questions")
    if len(chosen) == 1:
        _versions(chosen[0])


def _versions(question: QuestionRow) -> None:
    versions = service.store().versions(question.id)
    if not versions:
        st.caption("No version of it is kept yet: one is at every plan.")
        return
    labels = {v.number: f"{v.number}, {_when(v.created):%Y-%m-%d %H:%M}" for v in versions}
    number = st.selectbox("Version", list(labels), format_func=lambda n: labels[n], key="workspace.version")
    version = next(v for v in versions if v.number == number)
    if st.button("Go back to this version", key="workspace.back", icon=":material/history:"):
        store = service.store()
        store.freeze(question.id)
        store.change_question(question.id, text=version.text, variant=version.variant)
        visit().open_question(question.id)
        st.switch_page(places.page("plan"))
    with st.expander("Its text"):
        st.code(version.text, language="yaml")


def _plans(found: Sequence[PlanRow]) -> None:
    st.subheader("Plans", anchor=False)
    if not found:
        st.caption("None yet.")
        return
    for i, edits in _edited("workspace.plans").items():
        fields = {n.lower(): edits[n] or "" for n in (_NAME, _NOTE) if n in edits}
        if fields and i < len(found):
            service.store().change_plan(found[i].id, **fields)
    picked = _table(
        "workspace.plans",
        [
            {_PICK: False, _NAME: p.name, _NOTE: p.note, "State": _STATES[p.state], "Variant": p.variant or "",
             "Asked": _when(p.created), "Link": address.link(p.id)}
            for p in found
        ],
        ("State", "Variant", "Asked", "Link"),
    )  # fmt: skip
    chosen = [found[i] for i in picked]
    with st.container(horizontal=True):
        one = len(chosen) == 1
        if st.button("Open", key="workspace.plan", disabled=not one, icon=":material/architecture:", type="primary"):
            visit().open_plan(chosen[0].id)
            st.switch_page(places.page("plan"))
        if st.button("Compare", key="workspace.compare", disabled=len(chosen) < 2, icon=":material/compare:"):
            st.session_state["compare.wanted"] = [p.id for p in chosen]
            st.switch_page(places.page("compare"))
        if st.button("Delete", key="workspace.drop.plans", disabled=not chosen, icon=":material/delete:"):
            for p in chosen:
                service.store().drop_plan(p.id)
            _anew("workspace.plans")
    if len(chosen) == 1:
        st.caption(f"The link that shows it to others: {md(address.link(chosen[0].id))}")


def _anew(key: str) -> None:
    """Draw a table again from the store, without what was picked in it."""
    st.session_state.pop(key, None)
    st.rerun()


def show() -> None:
    """Draw the page."""
    st.header("Workspace", anchor=False)
    access.who()
    search = st.text_input("Search names, notes and scenarios", key="workspace.search")
    mine = access.owner()
    _questions(service.store().questions(mine, search))
    _plans(service.store().plans(mine, search))


show()
