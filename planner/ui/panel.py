"""The left side of the Plan page: which scenario, its main numbers, and the one button.

What is typed is the question at once, as on the Build page: whatever button or page comes next works with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import streamlit as st

from planner.ui import service
from planner.ui.inputs import Input, changes, inputs, visible
from planner.ui.settings import settings
from planner.ui.state import Visit, visit
from planner.ui.widgets import widget
from planner.ui.words import md

_OWN = "(your question)"
_PICK, _UPLOAD, _VARIANT = "plan.scenario", "plan.upload", "plan.variant"


def panel() -> bool:
    """Draw the inputs and apply what they say; whether a plan is to be made of it: its button was pressed, or another
    one that wants the same, and nothing is wrong with the inputs."""
    v = visit()
    wanted, v.wanted = v.wanted, False
    _choose(v)
    if v.draft is None:
        _upload()
        return False
    found = inputs(v.draft.scenario, tuple(service.catalog().systems), _cooling(), service.short())
    wanted |= st.button(
        "Plan", type="primary", width="stretch", disabled=v.job is not None, key=f"plan.go.{v.revision}"
    )
    values = _visible_part(v, found) | _rest(v, found)
    _upload()
    edits = changes(found, values)
    if not edits:
        v.put_right()
        return wanted
    return v.edit(edits) and wanted  # what could not be applied by itself: wrong, or right only together


def _cooling() -> tuple[str, ...]:
    return tuple(key for key, option in service.catalog().cooling.items() if option.kind == "option")


def _choose(v: Visit) -> None:
    names = service.shipped()
    uploaded = v.draft is not None and (bool(v.question_id) or v.draft.origin not in names)
    options = ([_OWN] if uploaded else []) + list(names)
    current = _OWN if uploaded else (v.draft.origin if v.draft is not None else None)
    st.selectbox(
        "Scenario",
        options,
        index=options.index(current) if current in options else None,
        format_func=lambda name: _called(v) if name == _OWN else service.title_of(name),
        key=f"{_PICK}.{v.revision}",
        on_change=_picked,
        disabled=v.job is not None,
        placeholder="Choose a scenario",
    )
    if v.draft is None:
        return
    scenario = v.draft.scenario
    st.caption(f"**{md(scenario.name)}**" + (f"  \n{md(_short(scenario.description))}" if scenario.description else ""))
    variants = tuple(dict.fromkeys((*scenario.variants, *scenario.overrides)))
    if variants:
        st.selectbox(
            "Variant",
            ("", *variants),
            index=("", *variants).index(v.variant) if v.variant in variants else 0,
            format_func=lambda name: name or "none: as in the form",
            key=f"{_VARIANT}.{v.revision}",
            on_change=_varied,
            disabled=v.job is not None,
            help="A variant sets what it names over the numbers of the form.",
        )
        if v.variant is not None:
            names_of = scenario.variants.get(v.variant, (v.variant,))
            leaves = [f"{path} = {value}" for n in names_of for path, value in scenario.overrides.get(n, {}).items()]
            st.caption("Sets " + md("; ".join(leaves)))
            st.button(
                "Write it into the form", key="plan.settle", icon=":material/edit_note:", on_click=v.settle_variant,
                disabled=v.job is not None, help="The variant's figures become the question's own.",
            )  # fmt: skip


def _called(v: Visit) -> str:
    return "" if v.draft is None else f"{v.draft.scenario.name} (yours)"


def _upload() -> None:
    with st.expander("Upload a scenario file", icon=":material/upload_file:"):
        st.file_uploader(
            f"Scenario file (YAML, up to {settings().upload_mib} MiB)",
            type=["yaml", "yml"],
            key=_UPLOAD,
            on_change=_uploaded,
            max_upload_size=settings().upload_mib,
        )


def _short(text: str, limit: int = 170) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: flat.rfind(" ", 0, limit)] + " …"


def _picked() -> None:
    v = visit()
    name = st.session_state.get(f"{_PICK}.{v.revision}")
    if name and name != _OWN:
        v.open_shipped(name)


def _uploaded() -> None:
    file = st.session_state.get(_UPLOAD)
    if file is not None:
        visit().open_upload(file.name, file.getvalue())


def _varied() -> None:
    v = visit()
    v.vary(st.session_state.get(f"{_VARIANT}.{v.revision}") or None)


def _visible_part(v: Visit, found: Iterable[Input]) -> dict[str, Any]:
    """The inputs that show at once, under the name of what they are about."""
    items = list(found)
    shown = visible(items)
    values: dict[str, Any] = {}
    group = ""
    pending: list[Input] = []

    def flush() -> None:
        for i in range(0, len(pending), 2):
            pair = pending[i : i + 2]
            wide = len(pair) == 1 or any(p.kind == "names" for p in pair)
            places = [st.container(), st.container()] if wide else st.columns(2, vertical_alignment="bottom")
            for item, place in zip(pair, places, strict=False):
                with place:
                    values[item.key] = _widget(v, item)
        pending.clear()

    for item in sorted((i for i in items if i.key in shown), key=lambda i: (i.rank in {5, 6, 7}, items.index(i))):
        if item.group != group:
            flush()
            group = item.group
            if group != "Plan":
                st.markdown(_about(v, group))
        pending.append(item)
    flush()
    return values


def _about(v: Visit, group: str) -> str:
    """The head of a group: a site with its region, a workload with its kind and model."""
    if v.draft is None:
        return ""
    for site in v.draft.scenario.sites:
        if group == f"Site {site.name}":
            region = service.catalog().regions.get(site.region)
            return f"**{md(site.name)}** :gray[site, {md(region.name if region else site.region)}]"
    for workload in v.draft.scenario.workloads:
        if group == f"Workload {workload.name}":
            model = service.catalog().models.get(workload.model)
            what = workload.kind.replace("_", " ")
            return f"**{md(workload.name)}** :gray[{what}, {md(model.name if model else workload.model)}]"
    return f"**{md(group)}**"


def _rest(v: Visit, found: Iterable[Input]) -> dict[str, Any]:
    """Everything else, an expander a group."""
    items = list(found)
    shown = visible(items)
    values: dict[str, Any] = {}
    groups: dict[str, list[Input]] = {}
    for item in items:
        if item.key not in shown:
            groups.setdefault(item.group, []).append(item)
    for group, members in groups.items():
        with st.expander(f"More: {md(group)}"):
            for item in members:
                values[item.key] = _widget(v, item)
    return values


def _widget(v: Visit, item: Input) -> Any:
    key = f"in.{v.revision}.{item.key}"
    return widget(item, key, on_change=partial(_edited, item, key))


def _edited(item: Input, key: str) -> None:
    edits = changes([item], {item.key: st.session_state.get(key)})
    if edits:
        visit().edit(edits)
