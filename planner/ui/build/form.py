"""Inputs of a record on the page: each applies at once, and what is wrong with it stands right below it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st
from pydantic import BaseModel

from planner.report import format as fmt
from planner.ui import service
from planner.ui.build import drafts
from planner.ui.build.fields import Choices, fields_of, from_yaml
from planner.ui.inputs import Input, Path, changes
from planner.ui.state import Visit
from planner.ui.widgets import widget
from planner.ui.words import md

_OWN_MODELS = ("recommender", "diffusion")
"""Kinds of models that only one kind of workload runs."""
_PRECISIONS = ("bf16", "fp16", "fp8", "fp4", "int8")


@st.cache_resource(show_spinner=False)
def _catalog_choices() -> Mapping[str, Mapping[str, str]]:
    facts, names = service.catalog(), service.names()
    systems = {key: names[key] for key in facts.systems}
    return {
        "region": {key: f"{r.name} ({key})" for key, r in facts.regions.items()},
        "rent_region": {key: f"{r.name} ({key})" for key, r in facts.regions.items()},
        "cooling": {key: c.name for key, c in facts.cooling.items() if c.kind == "option"},
        "systems": systems,
        "exclude": {**systems, **{key: names[key] for key in facts.chips}},
        "vendors": {v: v for v in sorted({c.vendor for c in facts.chips.values() if c.vendor})},
        "precision": dict.fromkeys(_PRECISIONS, ""),
        **{
            kind: {key: m.name for key, m in facts.models.items() if (m.kind if m.kind in _OWN_MODELS else "") == kind}
            for kind in ("", *_OWN_MODELS)
        },
    }


def choices_for(record: BaseModel, names: tuple[str, ...] = ()) -> Choices:
    """What the fields of a record may name. ``names``: workloads that a run may come after."""
    every = dict(_catalog_choices())
    every["precision"] = {p: p for p in _PRECISIONS}
    every["model"] = every[{"Recommendation": "recommender", "Diffusion": "diffusion"}.get(type(record).__name__, "")]
    if names:
        every["after"] = {n: n for n in names}
    return Choices(every)


def draw(v: Visit, record: BaseModel, path: Path, choices: Choices, key: str) -> bool:
    """The inputs of a record; whether one of them changed the question."""
    main, others = fields_of(record, path, choices)
    changed = _grid(v, main)
    if others:
        told = sum(1 for item in others if _says_something(record, item))
        label = f"More: {fmt.plural(len(others), 'field')}" + (f", {told} set" if told else "")
        if st.toggle(label, key=f"build.more.{key}"):
            changed |= _grid(v, others)
    return changed


def _says_something(record: BaseModel, item: Input) -> bool:
    field = str(item.path[-1])
    return bool(getattr(record, field) != type(record).model_fields[field].get_default(call_default_factory=True))


def _grid(v: Visit, items: list[Input]) -> bool:
    changed = False
    for start in range(0, len(items), 3):
        for place, item in zip(st.columns(3, vertical_alignment="top"), items[start : start + 3], strict=False):
            with place:
                changed |= _one(v, item)
    return changed


def _one(v: Visit, item: Input) -> bool:
    value = widget(item, f"build.{v.revision}.{item.key}")
    try:
        wanted = _wanted(item, value)
    except ValueError as error:
        st.error(md(error))
        return False
    if not wanted:
        return False
    before = v.problems, v.problems_of
    if _apply(v, item, next(iter(wanted.values()))):
        return True
    for problem in v.problems[:3]:
        parts = [problem.message, f"found {problem.found}" if problem.found else "",
                 f"allowed: {problem.allowed}" if problem.allowed else "", problem.remedy]  # fmt: skip
        st.error(md("; ".join(p for p in parts if p)))
    v.problems, v.problems_of = before
    return False


def _wanted(item: Input, value: Any) -> dict[Path, Any]:
    if item.kind != "yaml":
        return changes([item], {item.key: value})
    return {} if (value or "").strip() == item.value else {item.path: from_yaml(value or "")}


def _apply(v: Visit, item: Input, value: Any) -> bool:
    if v.draft is not None and item.path[-1] == "name" and len(item.path) == 3 and isinstance(item.path[1], int):
        return v.replace(drafts.renamed(v.draft.data, str(item.path[0]), item.path[1], str(value or "")))
    return v.edit({item.path: value})


def elements(v: Visit, section: str, add: Callable[[], drafts.Data | None], about: Callable[[Any], str]) -> int | None:
    """Which element of a list is open, and buttons that add, duplicate and remove; None after a change."""
    if v.draft is None:
        return None
    found = getattr(v.draft.scenario, section)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        picked = st.selectbox(
            f"{section.capitalize()} ({len(found)})", range(len(found)), format_func=lambda i: about(found[i]),
            key=f"build.{section}.{v.revision}", index=min(st.session_state.get(f"open.{section}", 0), len(found) - 1),
        )  # fmt: skip
        new = add()
        if st.button("Duplicate", key=f"build.{section}.copy", icon=":material/content_copy:"):
            new = drafts.duplicated(v.draft.data, section, picked)
        gone = st.button(
            "Remove", key=f"build.{section}.drop", icon=":material/delete:", disabled=len(found) < 2
        )
    st.session_state[f"open.{section}"] = picked
    if gone:
        v.replace(drafts.removed(v.draft.data, section, picked), show_anew=True)
        st.session_state[f"open.{section}"] = 0
        st.rerun()
    if new is not None:
        if v.replace(new, show_anew=True):
            st.session_state[f"open.{section}"] = len(found)
        st.rerun()
    return int(picked)
