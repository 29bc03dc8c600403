"""The Build page: a question from nothing or from a shipped one, part by part, with its file one click away."""

from __future__ import annotations

import datetime as dt
from typing import Any

import streamlit as st

from planner.errors import InputError
from planner.scenario.yaml import to_yaml
from planner.ui import places, service
from planner.ui.build import drafts, tables
from planner.ui.build.form import choices_for, draw, elements
from planner.ui.state import Visit, visit
from planner.ui.words import md, show_problems

_PARTS = ("Sites", "Workloads", "Hardware", "Limits and time", "Assumptions", "As a file")
_PART = "build.part"


def _begin(v: Visit) -> None:
    """A question from nothing, or from one that comes with the planner."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if st.button("New question", key="build.new", icon=":material/add:"):
            now = dt.datetime.now(dt.UTC)
            _take(v, drafts.new_question(drafts.next_month(now.year, now.month)))
        shipped = st.selectbox(
            "Begin with an example", service.shipped(), index=None, key="build.shipped",
            placeholder="or begin with an example", format_func=service.title_of,
            label_visibility="collapsed",
        )  # fmt: skip
        if st.button("Open it", key="build.shipped.go", disabled=shipped is None) and shipped is not None:
            v.open_shipped(shipped)
            st.rerun()


def _take(v: Visit, data: dict[str, Any]) -> None:
    v.open_upload("question.yaml", to_yaml(data).encode())
    st.rerun()


def _sites(v: Visit) -> bool:
    def add() -> drafts.Data | None:
        pressed = st.button("Add a site", key="build.sites.add", icon=":material/add:")
        return drafts.added_site(v.draft.data) if pressed and v.draft is not None else None

    i = elements(v, "sites", add, lambda s: f"{s.name}: {s.region}, {s.meter_mw:g} MW")
    if i is None or v.draft is None:
        return False
    site = v.draft.scenario.sites[i]
    changed = draw(v, site, ("sites", i), choices_for(site), "site")
    return tables.halls(v, i) or changed


def _workloads(v: Visit) -> bool:
    def add() -> drafts.Data | None:
        kind = st.selectbox(
            "Kind of workload", list(drafts.WORKLOADS), key="build.kind", label_visibility="collapsed", width=220
        )
        pressed = st.button("Add a workload", key="build.workloads.add", icon=":material/add:")
        return drafts.added(v.draft.data, "workloads", drafts.WORKLOADS[kind]) if pressed and v.draft else None

    i = elements(v, "workloads", add, lambda w: f"{w.name}: {w.kind}, {w.model}")
    if i is None or v.draft is None:
        return False
    workload = v.draft.scenario.workloads[i]
    others = tuple(w.name for w in v.draft.scenario.workloads if w.name != workload.name)
    return draw(v, workload, ("workloads", i), choices_for(workload, others), "workload")


def _hardware(v: Visit) -> bool:
    if v.draft is None:
        return False
    hardware = v.draft.scenario.hardware
    changed = draw(v, hardware, ("hardware",), choices_for(hardware), "hardware")
    return tables.hardware(v) or changed


def _limits(v: Visit) -> bool:
    if v.draft is None:
        return False
    scenario = v.draft.scenario
    changed = draw(v, scenario, (), choices_for(scenario), "scenario")
    st.markdown("**Limits over the whole plan**")
    changed |= draw(v, scenario.limits, ("limits",), choices_for(scenario.limits), "limits")
    st.markdown("**How to solve**")
    return draw(v, scenario.solve, ("solve",), choices_for(scenario.solve), "solve") or changed


def _file(v: Visit) -> bool:
    """The question as its file: what is written here is the question, and the other way round."""
    if v.draft is None:
        return False
    now = v.draft.yaml()
    text = st.text_area("The question as a file (YAML)", value=now, height=520, key=f"build.file.{hash(now)}")
    with st.container(horizontal=True):
        pressed = st.button("Apply", key="build.file.apply", type="primary", disabled=text == now)
        st.download_button(
            "Download it", now, "scenario.yaml", "application/yaml", key="build.file.get",
            icon=":material/download:",
        )  # fmt: skip
    if not pressed:
        return False
    try:
        draft = service.open_bytes(text.encode(), v.draft.origin)
    except InputError as error:
        show_problems("The file", error.problems)
        return False
    v.rewrite(draft)
    return True


_DRAW = {
    "Sites": _sites,
    "Workloads": _workloads,
    "Hardware": _hardware,
    "Limits and time": _limits,
    "Assumptions": tables.assumptions,
    "As a file": _file,
}


def show() -> None:
    """Draw the page."""
    v = visit()
    st.header("Build a question", anchor=False)
    _begin(v)
    if v.draft is None and service.shipped():
        v.open_shipped(service.shipped()[0])
    if v.draft is None:
        show_problems(v.problems_of, v.problems)
        return
    scenario = v.draft.scenario
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{md(scenario.name)}**" + ("" if v.question_id else "  :gray[an example: changes make a copy]"))
        go = st.button("Plan it", type="primary", key="build.plan", icon=":material/play_arrow:")
    part = st.segmented_control("Part", _PARTS, default=_PARTS[0], key=_PART, label_visibility="collapsed")
    changed = _DRAW[part or _PARTS[0]](v)
    if v.problems:
        show_problems(v.problems_of, v.problems)
    if go:
        v.revision += 1
        v.plan()
        st.switch_page(places.page("plan"))
    if changed:
        st.rerun()


show()
