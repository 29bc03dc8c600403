"""The Outlook page: what else was possible, which figure changes the decision, and how plans fare in futures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from planner.fleet.model import OBJECTIVE_UNITS
from planner.outlook.measure import Measure
from planner.outlook.result import Alternatives, Document, Outlook, ParetoFront, Sensitivity
from planner.plots.look_charts import front_chart, hardware, promises, tornado
from planner.report import format as fmt
from planner.report.names import readable
from planner.ui import asked, service
from planner.ui.charts import draw
from planner.ui.looks import Inquiry
from planner.ui.runs import show_runs
from planner.ui.settings import settings
from planner.ui.words import md

_KINDS = {
    "pareto": ("Trade-offs", "What must be given up of one objective to gain in another."),
    "alternatives": ("Near-best plans", "Plans nearly as good as the best one that differ from it most."),
    "sensitivity": ("What changes the decision", "Prices, tariffs and speeds, each moved within its interval."),
    "outlook": ("Futures", "The plan and its rivals in sampled futures: how likely each date and load is kept."),
    "measure": (
        "What to measure next",
        "Runs that could be made before deciding, and what their results change.",
    ),
}


def _inquiry(kind: str) -> Inquiry | None:
    """The inputs of a kind of question; None where they ask nothing."""
    if kind == "pareto":
        names = list(OBJECTIVE_UNITS)
        left, middle, right = st.columns(3)
        first = left.selectbox("Give up", names, index=names.index("cost"), key="look.first")
        second = middle.selectbox("To gain in", names, index=names.index("power"), key="look.second")
        most = settings().front_points
        points = right.number_input("Most plans", 2, most, value=min(9, most), step=1, key="look.points")
        if first == second:
            st.info("A front is of two different objectives.")
            return None
        return Inquiry(kind, (("of", (first, second)), ("points", int(points))))
    if kind == "alternatives":
        near = st.number_input(
            "How much worse a plan may be (%)", 0.1, 100.0, value=2.0, step=0.5, format="%g", key="look.near"
        )
        return Inquiry(kind, (("near", round(float(near) / 100.0, 6)),))
    return Inquiry(kind)


def _hardware(pieces: Sequence[Any]) -> str:
    return readable(hardware(pieces), service.short())


def _front(found: ParetoFront) -> None:
    draw(front_chart(found), f"Plans of the front: {found.answer}")
    st.dataframe(
        [
            {f"{a.name} ({a.unit})": fmt.quantity(p.values[a.name], a.unit) for a in found.axes}
            | {"Hardware": _hardware(p.pieces), "Proven": "yes" if p.proven else "no"}
            for p in found.points
        ],
        hide_index=True,
        width="stretch",
        key="look.front",
    )


def _near(found: Alternatives) -> None:
    head = f"{found.objective} ({found.unit})"
    best = {"Plan": "best", head: fmt.quantity(found.best.values[found.objective], found.unit)}
    rows = [
        {
            "Plan": p.name,
            head: fmt.quantity(p.values[found.objective], found.unit),
            "More": f"{p.difference:.2%}",
            "Changed": f"{p.changed:.0%}",
            "Hardware": _hardware(p.pieces),
            "What else changes": fmt.clean(p.summary),
        }
        for p in found.plans
    ]
    st.dataframe(
        [best | {"Hardware": _hardware(found.best.pieces)}, *rows],
        hide_index=True,
        placeholder=fmt.DASH,
        width="stretch",
        column_order=[head if c == "value" else c for c in (
            "Plan", "value", "More", "Changed", "Hardware", "What else changes"
        )],
        key="look.near.table",
    )  # fmt: skip


def _moved(found: Sensitivity) -> None:
    chart = tornado(found)
    if chart is not None:
        draw(chart, f"Tornado: {found.answer}")
    st.dataframe(
        [
            {
                "Figure": fmt.clean(m.path),
                "Kind": m.tag,
                "From": f"{m.low:.3g}",
                "To": f"{m.high:.3g}",
                "At low": "no plan" if m.value_low is None else fmt.quantity(m.value_low, found.unit),
                "At high": "no plan" if m.value_high is None else fmt.quantity(m.value_high, found.unit),
                "Decision changes at": None if m.crossover is None else f"{m.crossover:.3f}",
                "To what": fmt.clean(m.after),
                "Interval": fmt.clean(m.basis),
            }
            for m in found.inputs[: settings().table_rows]
        ],
        hide_index=True,
        placeholder=fmt.DASH,
        width="stretch",
        key="look.moved",
    )
    st.caption("From, To and the crossover are factors of the figure's value.")


def _futures(found: Outlook) -> None:
    chart = promises(found)
    if chart is not None:
        st.markdown(f"**Promises kept** :gray[the dashed line is the confidence asked for, {found.confidence:.0%}]")
        draw(chart, f"How likely promises are kept: {found.answer}")
    st.dataframe(
        [
            {
                "Plan": fmt.clean(p.name),
                "Expected cost": fmt.usd(p.expected_cost_usd, short=True),
                f"{found.confidence:.0%} worst case": fmt.usd(p.cost_at_risk_usd, short=True),
                "Kept": fmt.clean("; ".join(f"{t.workload} {t.probability:.1%} (± {t.error:.1%})" for t in p.promises)),
                "All kept": f"{p.all_kept:.1%}",
                "Holds": "yes" if p.holds else "no",
                "Regret": fmt.usd(p.expected_regret_usd, short=True),
                "Hardware": _hardware(p.pieces),
            }
            for p in found.plans
        ],
        hide_index=True,
        width="stretch",
        key="look.futures",
    )
    for note in (*found.findings, *found.notes):
        st.markdown(f"- {md(note)}")


def _show(found: Document) -> None:
    st.subheader(md(readable(found.answer, service.short())), anchor=False)
    if isinstance(found, ParetoFront):
        _front(found)
    elif isinstance(found, Alternatives):
        _near(found)
    elif isinstance(found, Sensitivity):
        _moved(found)
    elif isinstance(found, Outlook):
        _futures(found)
    elif isinstance(found, Measure):
        show_runs(found)


def show() -> None:
    """Draw the page."""
    st.header("Questions about the answer", anchor=False)
    v = asked.subject()
    if v is None or v.draft is None:
        return
    # all of them in sight: what cannot be seen is not asked
    kind = st.segmented_control(
        "Question", list(_KINDS), default="pareto", format_func=lambda k: _KINDS[k][0], key="look.kind", required=True
    )
    if kind is None:
        return
    st.caption(_KINDS[kind][1])
    if kind == "outlook" and v.draft.scenario.outcomes is None:
        st.caption("The scenario has no `outcomes` of its own: what may come is the catalog's ranges and defaults.")
    found = asked.document(v, _inquiry(kind), kind, _KINDS[kind][0])
    if found is not None:
        _show(found)
        asked.download(found, kind)


show()
