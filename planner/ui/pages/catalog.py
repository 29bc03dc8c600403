"""The Catalog page: what the planner knows, every figure with its range, date, kind and source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from planner.catalog import Catalog
from planner.catalog.records import Record, System
from planner.report import format as fmt
from planner.report.catalog import TELLING, level_word, list_rows, remote_memory
from planner.ui import service
from planner.ui.settings import settings
from planner.ui.words import md

_KINDS = ("Chips", "Systems", "Models", "Regions", "Cooling", "Interconnects", "Costs")
_ATTRIBUTES = ("vendor", "kind", "status", "available_from", "export_class", "parent", "category", "region")


def _records(facts: Catalog, kind: str) -> Mapping[str, Record]:
    records: Mapping[str, Record] = getattr(facts, kind.lower())
    return records


def _matches(text: str, *parts: object) -> bool:
    haystack = " ".join(str(p) for p in parts).lower()
    return all(word in haystack for word in text.lower().split())


def _browse(facts: Catalog, kind: str) -> None:
    records = list(_records(facts, kind).values())
    vendors = sorted({str(getattr(r, "vendor", "")) for r in records} - {""})
    left, right = st.columns(2)
    text = left.text_input("Search", key=f"catalog.search.{kind}", placeholder="name, id, vendor, note")
    chosen = (
        right.multiselect("Vendor", vendors, key=f"catalog.vendor.{kind}", placeholder="every vendor")
        if vendors
        else []
    )
    found = [
        r
        for r in records
        if (not chosen or getattr(r, "vendor", "") in chosen)
        and _matches(text, r.id, r.name, getattr(r, "vendor", ""), *r.attributes.values())
    ]
    figures = TELLING[kind.lower()]
    attributes = [a for a in _ATTRIBUTES if any(getattr(r, a, None) for r in found)]
    rows = [
        {"Id": r.id, "Name": r.name}
        | {fmt.label(a): getattr(r, a, None) or "" for a in attributes}
        | {title: r.get(name) for name, title in figures.items()}
        | ({"Remote memory": level_word(r)} if isinstance(r, System) else {})
        for r in found[: settings().table_rows]
    ]
    st.caption(f"{fmt.count(len(found))} of {fmt.count(len(records))}. Choose a row for every figure with its source.")
    event = st.dataframe(
        rows,
        hide_index=True,
        placeholder="–",
        width="stretch",
        height=360,
        on_select="rerun",
        selection_mode="single-row",
        key=f"catalog.table.{kind}",
    )
    selected = event.selection.rows if rows else []
    if selected and selected[0] < len(found):
        _one(facts, found[selected[0]])


def _one(facts: Catalog, record: Record) -> None:
    st.subheader(md(record.name), anchor=False)
    words = {fmt.label(k): v for k, v in record.attributes.items() if v and k != "name"}
    words |= dict(remote_memory(facts, record))
    st.caption(" · ".join(f"{md(k)}: {md(v)}" for k, v in words.items()) or md(record.id))
    st.dataframe(
        [
            {
                "Figure": name,
                "Value": f.value,
                "Low": f.low,
                "High": f.high,
                "Unit": f.unit,
                "Kind": f.kind.replace("_", " "),
                "As of": f.as_of,
                "Source": fmt.clean(f.source),
                "Note": fmt.clean(f.note) if f.value is not None else f"unknown. {fmt.clean(f.note)}".strip(),
            }
            for name, f in sorted(record.figures.items())
        ],
        hide_index=True,
        placeholder="–",
        width="stretch",
        key="catalog.figures",
    )


@st.cache_data(show_spinner="Counting parameters", max_entries=4)
def _model_rows(digest: str, _facts: Catalog) -> list[dict[str, Any]]:
    """One row a model, with the parameter counts computed from its architecture; the digest is the key."""
    return [
        {
            "Id": row["id"],
            "Name": row["name"],
            "Family": row["family"],
            "Kind": row["kind"].replace("_", " "),
            "Parameters (billions)": None if row["parameters"] is None else row["parameters"] / 1e9,
            "Active (billions)": None if row["active_parameters"] is None else row["active_parameters"] / 1e9,
        }
        for row in list_rows(_facts, "models")
    ]


def _models(facts: Catalog) -> None:
    text = st.text_input("Search", key="catalog.search.models", placeholder="name or id")
    rows = [r for r in _model_rows(facts.digest, facts) if _matches(text, r["Id"], r["Name"], r["Family"], r["Kind"])]
    st.caption(f"{fmt.count(len(rows))} models. Parameters are computed from the architecture.")
    number = st.column_config.NumberColumn(format="%.4g")
    st.dataframe(
        rows,
        hide_index=True,
        placeholder="–",
        width="stretch",
        height=420,
        key="catalog.table.models",
        column_config={"Parameters (billions)": number, "Active (billions)": number},
    )


def show() -> None:
    """Draw the page."""
    facts = service.catalog()
    st.header("Catalog", anchor=False)
    st.caption(
        "A figure that nobody has published is empty here and never guessed: an option that needs it is left out, "
        f"with the reason, unless the scenario supplies it under assume. Digest {facts.digest[:12]}."
    )
    kind = st.segmented_control("Kind", _KINDS, default="Chips", required=True, key="catalog.kind")
    if kind == "Models":
        _models(facts)
    else:
        _browse(facts, str(kind or "Chips"))


show()
