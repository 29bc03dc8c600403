"""The Compare page: plans of this visit, or from files, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from planner.answer.plan import Plan
from planner.errors import InputError
from planner.plots.charts import bars, spoken
from planner.report import format as fmt
from planner.report import summary
from planner.report.diff import diff_rows
from planner.ui import access, asking, service
from planner.ui.charts import draw
from planner.ui.settings import settings
from planner.ui.words import md, show_problems

_UPLOAD = "compare.upload"
_MOST = 60


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
            found.append(Kept(next(n for n in names if n not in taken), plan))
    return found


def _table(chosen: Sequence[Kept]) -> None:
    only = st.toggle("Only what differs", value=True, key="compare.only")
    rows = diff_rows([k.plan for k in chosen])
    shown = [r for r in rows if r.differs or not only]
    if not shown:
        st.success("These plans say the same.")
        return
    names = [k.name for k in chosen]
    st.dataframe(
        [
            {"≠": "●" if r.differs else "", "Section": r.section, "Fact": r.name}
            | dict(zip(names, r.values, strict=True))
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


def show() -> None:
    """Draw the page."""
    all_kept, most = _kept(), settings().compared_plans
    st.header("Compare plans", anchor=False)
    with st.expander("Add a plan.json from a file", icon=":material/upload_file:", expanded=not all_kept):
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
    if not all_kept:
        st.info("Nothing to compare yet: every plan made on the Plan page is kept.")
        return
    names = [k.name for k in all_kept]
    picked = st.multiselect(f"Plans, up to {most}", names, default=names[:2], max_selections=most, key="compare.plans")
    chosen = [k for k in all_kept if k.name in picked]
    if not chosen:
        st.info("Choose the plans to compare.")
        return
    for place, kept in zip(st.columns(len(chosen)), chosen, strict=True):
        with place.container(border=True, height="stretch"):
            st.markdown(f"**{md(kept.name)}**")
            st.markdown(md(kept.plan.answer))
            o = kept.plan.objective
            st.caption(f"{md(o.name)} {md(fmt.quantity(o.value, o.unit))} · gap {md(fmt.gap(o.gap))}")
    if len(chosen) > 1:
        _table(chosen)
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


show()
