"""Parts of a question that are tables: halls of a site, hardware to choose from, figures to assume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from planner.report import format as fmt
from planner.ui import service
from planner.ui.build import drafts
from planner.ui.build.figures import assumed, figure_rows, hardware_rows
from planner.ui.inputs import Path
from planner.ui.state import Visit
from planner.ui.words import md

_UPS = ("N", "N+1", "N+2", "2N", "2N+1", "3N/2", "4N/3")


def _set(v: Visit, path: Path, value: Any) -> bool:
    """Apply an edit of a table; what is wrong with it stands below the table."""
    before = v.problems, v.problems_of
    if v.edit({path: value}):
        return True
    for problem in v.problems[:5]:
        st.error(md(problem))
    v.problems, v.problems_of = before
    return False


def halls(v: Visit, site: int) -> bool:
    """The power tree of a site: a row a hall, 'east/e1' a hall within one."""
    if v.draft is None:
        return False
    capacity: Mapping[str, Any] | None = v.draft.data["sites"][site].get("capacity")
    if not st.toggle("Power tree: halls with limits of their own", value=bool(capacity), key=f"build.tree.{site}"):
        return False
    rows = drafts.halls_table(capacity)
    columns = ("place", *drafts.HALL_COLUMNS)
    told: Any = st.data_editor(
        rows or [dict.fromkeys(columns)],
        num_rows="dynamic",
        hide_index=True,
        width="stretch",
        key=f"build.halls.{v.revision}.{site}",
        column_config={
            "place": st.column_config.TextColumn("Place", help="A name, or the names of the halls around it: east/e1"),
            "power_mw": st.column_config.NumberColumn("Power (MW)", min_value=0.0),
            "ups": st.column_config.SelectboxColumn("UPS", options=_UPS),
            "cooling": st.column_config.TextColumn("Cooling", help="Ids of cooling options, with commas between"),
            "rows": st.column_config.NumberColumn("Rows", min_value=1, step=1),
            "racks_per_row": st.column_config.NumberColumn("Racks a row", min_value=1, step=1),
            "rack_kw": st.column_config.NumberColumn("Largest rack (kW)", min_value=0.0),
        },
    )
    tree = drafts.halls_tree(list(told), capacity)
    if tree == (dict(capacity) if capacity else None):
        return False
    return _set(v, ("sites", site, "capacity"), tree)


def hardware(v: Visit) -> bool:
    """Everything that can be bought, with filters; a tick lets it compete."""
    if v.draft is None:
        return False
    chosen = list(v.draft.scenario.hardware.systems)
    rows = hardware_rows(service.catalog(), service.names(), chosen)
    st.markdown("**What can be bought** :gray[a tick lets it compete; without any tick everything does]")
    left, middle, right = st.columns(3)
    search = left.text_input("Search by name", key="build.hw.search")
    vendors = middle.multiselect("Vendor", sorted({r["Vendor"] for r in rows}), key="build.hw.vendor")
    by = right.text_input("Delivered by (YYYY-MM)", key="build.hw.by")
    words = search.lower().split()
    shown = [
        r for r in rows
        if all(w in f"{r['Name']} {r['_id']}".lower() for w in words)
        and (not vendors or r["Vendor"] in vendors)
        and (not by or (r["Delivered from"] and r["Delivered from"] <= by))
    ]  # fmt: skip
    shown.sort(key=lambda r: (not r["✓"], r["Vendor"], r["Name"]))
    told: Sequence[Mapping[str, Any]] = st.data_editor(
        [{k: value for k, value in r.items() if k != "_id"} for r in shown],
        hide_index=True,
        width="stretch",
        height=420,
        placeholder="",
        key=f"build.hw.{v.revision}.{len(chosen)}.{hash((search, tuple(vendors), by))}",
        disabled=[k for k in (shown[0] if shown else {}) if k != "✓"],
        column_config={
            "✓": st.column_config.CheckboxColumn(width=40),
            "Name": st.column_config.TextColumn(width="large"),
            "Price (USD)": st.column_config.NumberColumn(format="localized"),
            "Unknown figures": st.column_config.NumberColumn(help="What nobody has published: see Assumptions"),
        },
    )
    picked = {r["_id"] for r, row in zip(shown, told, strict=True) if row["✓"]}
    kept = [s for s in chosen if s not in {r["_id"] for r in shown}]
    wanted = [*[s for s in chosen if s in picked or s in kept], *[i for i in picked if i not in chosen]]
    if set(wanted) == set(chosen):
        return False
    done = _set(v, ("hardware", "systems"), wanted)
    if done:
        v.revision += 1
    return done


def assumptions(v: Visit) -> bool:
    """What the question assumes, and what nobody has published of the hardware that competes, edited in place."""
    if v.draft is None:
        return False
    scenario, names = v.draft.scenario, service.names()
    assume: Mapping[str, Any] = v.draft.data.get("assume") or {}
    rows = figure_rows(service.catalog(), assume, scenario.hardware.systems, names)
    if not rows:
        st.info("Nothing is assumed, and everything about the chosen hardware is published.")
        return False
    st.caption(
        f"{fmt.plural(len(rows), 'figure')}: what the question assumes, then what nobody has published of the systems "
        "that compete. A value here is used, and the plan names it beside its result; an empty one leaves out what "
        "needs it. Range, source and note are the catalog's."
    )
    told: Sequence[Mapping[str, Any]] = st.data_editor(
        [{k: str(x) if k == "Value" and isinstance(x, str) else x for k, x in r.items() if k != "_path"} for r in rows],
        hide_index=True,
        width="stretch",
        height=min(620, 38 + 36 * len(rows)),
        key=f"build.figures.{v.revision}.{len(rows)}",
        disabled=["Of", "Figure", "Unit", "Catalog", "Range", "Source", "Note"],
        placeholder="",
        column_config={"Value": st.column_config.Column(help="What to plan with")},
    )
    changes = {
        row["_path"]: now["Value"]
        for row, now in zip(rows, told, strict=True)
        if now["Value"] != row["Value"] and not (now["Value"] is None and row["Value"] is None)
        and not (now["Value"] != now["Value"] and row["Value"] is None)
    }  # fmt: skip
    if not changes:
        return False
    return _set(v, ("assume",), assumed(assume, changes) or None)
