"""The Outlook page: what else was possible, which figure changes the decision, and how plans fare in futures."""

from __future__ import annotations

import streamlit as st

from planner.fleet.model import OBJECTIVE_UNITS
from planner.outlook.result import Alternatives, Document, Outlook, ParetoFront, Sensitivity
from planner.plots.look_charts import front_chart, hardware, promises, tornado
from planner.report import format as fmt
from planner.ui.charts import draw
from planner.ui.looks import Inquiry, looks
from planner.ui.settings import settings
from planner.ui.state import visit
from planner.ui.words import md, show_problems

_KINDS = {
    "pareto": ("Trade-offs", "What must be given up of one objective to gain in another."),
    "alternatives": ("Near-best plans", "Plans nearly as good as the best one that differ from it most."),
    "sensitivity": ("What changes the decision", "Prices, tariffs and speeds, each moved within its interval."),
    "outlook": ("Futures", "The plan and its rivals in sampled futures: how likely each date and load is kept."),
}
_PATIENCE_S = 0.4


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


@st.fragment(run_every=0.5)
def _working() -> None:
    """Progress of the question; looks again twice a second and redraws the page when it is done."""
    job, mine_cancel = looks().job, looks().cancel
    if job is None or job.done:
        st.rerun(scope="app")
    else:
        status = st.status(f"{md(job.stage)} · {fmt.seconds(round(job.seconds, 1))}", expanded=True, state="running")
        status.progress(job.fraction)
        if status.button("Cancel", key="look.cancel", icon=":material/cancel:"):
            mine_cancel()


def _front(found: ParetoFront) -> None:
    draw(front_chart(found), f"Plans of the front: {found.answer}")
    st.dataframe(
        [
            {f"{a.name} ({a.unit})": fmt.quantity(p.values[a.name], a.unit) for a in found.axes}
            | {"Hardware": hardware(p.pieces), "Proven": "yes" if p.proven else "no"}
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
            "Hardware": hardware(p.pieces),
            "What else changes": fmt.clean(p.summary),
        }
        for p in found.plans
    ]
    st.dataframe(
        [best | {"Hardware": hardware(found.best.pieces)}, *rows],
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
                "Hardware": hardware(p.pieces),
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
    st.subheader(md(found.answer), anchor=False)
    if isinstance(found, ParetoFront):
        _front(found)
    elif isinstance(found, Alternatives):
        _near(found)
    elif isinstance(found, Sensitivity):
        _moved(found)
    elif isinstance(found, Outlook):
        _futures(found)


def show() -> None:
    """Draw the page."""
    v, mine = visit(), looks()
    st.header("Questions about the answer", anchor=False)
    if v.draft is None or v.question is None:
        st.info("Choose a scenario on the Plan page first.")
        return
    about = v.draft.scenario.name + (f", {v.variant}" if v.variant else "")
    st.caption(f"Asked of **{md(about)}**, as the Plan page has it.")
    kind = st.selectbox("Question", list(_KINDS), format_func=lambda k: _KINDS[k][0], key="look.kind")
    st.caption(_KINDS[kind][1])
    if kind == "outlook" and v.draft.scenario.outcomes is None:
        st.caption("The scenario has no `outcomes` of its own: what may come is the catalog's ranges and defaults.")
    inquiry = _inquiry(kind)
    idle = mine.job is None
    pressed = st.button("Ask", type="primary", disabled=inquiry is None or not idle, key="look.ask")
    if pressed and inquiry is not None:
        mine.ask(v.question, inquiry)
    if mine.job is not None:
        mine.job.wait(_PATIENCE_S)
        if mine.collect():
            st.rerun()
        _working()
    if kind in mine.problems:
        show_problems(_KINDS[kind][0], mine.problems[kind])
    if kind in mine.found:
        question, asked, found = mine.found[kind]
        if question != v.question or (inquiry is not None and asked != inquiry):
            st.warning("The scenario or the question changed since: press Ask for an answer to it.")
        _show(found)
        st.download_button(
            f"{kind}.json", found.to_json(), f"{kind}.json", "application/json", icon=":material/download:",
            key="look.download",
        )  # fmt: skip


show()
