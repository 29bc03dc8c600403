"""The Compare page: up to six kept plans beside a baseline, in numbers and per cent, and what they assume apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from planner.answer.plan import Plan
from planner.errors import InputError
from planner.plots.charts import bars, spoken
from planner.report import format as fmt
from planner.report import summary
from planner.report.board import board
from planner.report.diff import Row, diff_flat, diff_rows
from planner.report.names import readable
from planner.tables import csv_text
from planner.ui import access, address, asking, service
from planner.ui.charts import draw
from planner.ui.settings import settings
from planner.ui.words import md, show_problems

_UPLOAD, _WANTED, _PICKED = "compare.upload", "compare.wanted", "compare.plans"
_MOST = 60
_SHORT = ("cost", "long", "sure")


def _uploaded() -> None:
    """Keep the plan of an uploaded plan.json."""
    file = st.session_state.get(_UPLOAD)
    if file is None:
        return
    try:
        asking.keep_file(fmt.clean(file.name), file.getvalue())
    except InputError as error:
        st.session_state["compare.problems"] = (file.name, error.problems)
        return
    st.session_state.pop("compare.problems", None)


@dataclass(frozen=True)
class Kept:
    """A kept plan under a name of its own."""

    id: str
    name: str
    plan: Plan


def _kept() -> list[Kept]:
    """Kept plans that are plans, newest first."""
    found: list[Kept] = []
    for row in service.store().plans(access.owner(), most=_MOST):
        plan = asking.found(row)
        if plan is not None and plan.has_plan:
            taken = {k.name for k in found}
            names = (row.name, *(f"{row.name} ({i})" for i in range(2, len(taken) + 3)))
            found.append(Kept(row.id, next(n for n in names if n not in taken), plan))
    return found


def _values(row: Row) -> list[str]:
    """The baseline's value, then each other one with its difference."""
    names = service.short()
    told = []
    for i, value in enumerate(row.values):
        change = row.change_text(i) if i and row.numbers else ""
        shown = readable(value, names)
        told.append(f"{shown}  ({change})" if change else shown)
    return told


def _table(chosen: Sequence[Kept]) -> None:
    plans, names = [k.plan for k in chosen], [k.name for k in chosen]
    only = st.toggle("Only what differs", value=True, key="compare.only")
    rows = diff_rows(plans)
    shown = [r for r in rows if r.differs or not only]
    if not shown:
        st.success("These plans say the same.")
        return
    st.dataframe(
        [
            {"≠": "●" if r.differs else "", "Section": r.section, "Fact": r.name}
            | dict(zip(names, _values(r), strict=True))
            for r in shown
        ],
        hide_index=True,
        placeholder="–",
        width="stretch",
        height=min(680, 38 + 35 * len(shown)),
        column_config={
            "≠": None if only else st.column_config.TextColumn(width=30, help="The plans differ here"),
            "Section": st.column_config.TextColumn(width="small"),
        },
        key="compare.table",
    )
    st.download_button(
        "Differences (CSV)", lambda: csv_text(diff_flat(plans, names)).encode(), "differences.csv", "text/csv",
        icon=":material/download:", key="compare.csv", on_click="ignore",
    )  # fmt: skip


def _heads(chosen: Sequence[Kept]) -> None:
    """A card a plan: what it costs, how long, how sure; three beside each other at most."""
    names = service.names()
    for start in range(0, len(chosen), 3):
        for i, place in enumerate(st.columns(min(3, len(chosen)))):
            if start + i >= len(chosen):
                continue
            kept = chosen[start + i]
            with place.container(border=True, height="stretch"):
                role = ":blue-badge[baseline] " if start + i == 0 and len(chosen) > 1 else ""
                st.markdown(f"{role}**{md(kept.name)}**")
                told = {c.key: c for c in board(kept.plan, names)}
                st.markdown("  \n".join(f"{md(told[k].question)}: **{md(told[k].answer)}**" for k in _SHORT))
                st.caption(f"{md(readable(kept.plan.answer, service.short()))} [its link]({address.link(kept.id)})")


def _charts(chosen: Sequence[Kept]) -> None:
    left, right = st.columns(2, gap="large")
    for place, title, parts_of, unit in (
        (left, "Cost over the horizon", summary.cost_lines, "usd"),
        (right, "Average power at the meter", summary.power_lines, "mw"),
    ):
        series = {k.name: parts_of(k.plan) for k in chosen}
        chart = bars(series, unit, grouped=True)
        if chart is not None:
            with place:
                st.markdown(f"**{title}**")
                draw(chart, f"{title}: {spoken(series, unit)}")


def show() -> None:
    """Draw the page."""
    kept, most = _kept(), settings().compared_plans
    st.header("Compare plans", anchor=False)
    with st.expander("Add a plan.json from a file", icon=":material/upload_file:", expanded=not kept):
        st.file_uploader(
            f"Plan file (JSON, up to {settings().upload_mib} MiB)",
            type=["json"],
            key=_UPLOAD,
            on_change=_uploaded,
            max_upload_size=settings().upload_mib,
        )
        if "compare.problems" in st.session_state:
            about, problems = st.session_state["compare.problems"]
            show_problems(about, problems)
    if not kept:
        st.info("Nothing to compare yet: every plan made on the Plan page is kept.")
        return
    by_name = {k.name: k for k in kept}
    wanted = st.session_state.pop(_WANTED, None)
    if wanted is not None:
        st.session_state[_PICKED] = [k.name for k in kept if k.id in wanted][:most]
    before = st.session_state.get(_PICKED, list(by_name)[:2])
    st.session_state[_PICKED] = [name for name in before if name in by_name]
    picked = st.multiselect(
        f"Plans, up to {most}; the first is the baseline", list(by_name), max_selections=most, key=_PICKED
    )
    chosen = [by_name[name] for name in picked if name in by_name]
    if not chosen:
        st.info("Choose the plans to compare.")
        return
    _heads(chosen)
    if len(chosen) > 1:
        _table(chosen)
    _charts(chosen)


show()
