"""Runs that could be made before deciding, on the Outlook page: what each is worth, and what its results decide."""

from __future__ import annotations

import streamlit as st

from planner.outlook.measure.result import Measure, Measurement
from planner.report import format as fmt
from planner.report.names import readable
from planner.ui import service
from planner.ui.words import md


def show_runs(found: Measure) -> None:
    """All runs by their worth, then one of them: its results, how to make it, the row to fill in."""
    st.markdown(f"Without any of them: {md(_said(found.decision))}")
    if not found.runs:
        return
    st.dataframe(
        [
            {
                "Run": _name(r),
                "Chips": f"{r.chips:,}",
                "Hours": f"{r.hours:.1f}",
                "Rent": fmt.DASH if r.cost_usd is None else fmt.usd(r.cost_usd, short=True),
                "Worth": fmt.usd(r.worth, short=True) if found.unit == "USD" else fmt.quantity(r.worth, found.unit),
                "Changes what is bought": f"{r.changes:.0%}",
                "Interval after": f"x {r.width:.2f}",
            }
            for r in found.runs
        ],
        hide_index=True,
        width="stretch",
        key="look.runs",
    )
    st.caption(
        "Worth: how much better deciding with the result is expected to be. Changes: the chance that it changes what "
        "is bought. Interval after: how wide what is predicted of it stays."
    )
    _one(found)
    for note in found.notes:
        st.markdown(f"- {md(_said(note))}")
    st.download_button(
        "Rows to fill in (CSV)", found.table(), "measure.csv", "text/csv", icon=":material/download:",
        key="look.runs.table", help="Filled in, it is read by the Accuracy page and by --measurements.",
    )  # fmt: skip


@st.fragment
def _one(found: Measure) -> None:
    """One run, chosen from the list."""
    chosen = st.selectbox(
        "A run in full", range(len(found.runs)), format_func=lambda k: _name(found.runs[k]), key="look.run"
    )
    r = found.runs[chosen]
    st.markdown(f"Predicted {r.quantity}: **{r.predicted:.3g}**, 8 of 10 times {r.low80:.3g} to {r.high80:.3g}")
    rows = "\n".join(
        f"| {f'{d.low:.3g} to {d.high:.3g}' if d.high > d.low else f'{d.low:.3g}'} | {d.chance:.0%} | "
        f"{md(_said(d.words))} |"
        for d in r.decisions
    )
    if rows:
        st.markdown(f"| If it is | How likely | Then |\n|--:|--:|---|\n{rows}")
    if r.command:
        st.code(r.command, language="bash", wrap_lines=True)
    for note in r.notes:
        st.markdown(f"- {md(_said(note))}")


def _name(run: Measurement) -> str:
    return f"{run.workload} on {_said(run.system)}"


def _said(text: str) -> str:
    return readable(text, service.short())
