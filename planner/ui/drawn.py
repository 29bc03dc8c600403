"""A plan in charts, looked at rather than read: beside its rivals, over time, its limits, its cost and power."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from planner.answer.plan import Plan
from planner.plots.answer_charts import UNITS, candidates_chart, headroom_chart, scatter_chart, timeline_chart
from planner.plots.charts import bars, spoken
from planner.plots.fleet_charts import gantt_chart, spoken_runs, spoken_stock, stock_chart
from planner.plots.of_plan import cost_series
from planner.report import format as fmt
from planner.report import summary
from planner.report.names import readable
from planner.ui import service
from planner.ui.charts import draw
from planner.ui.words import md


def beside_rivals(plan: Plan) -> None:
    """The plan and what else was possible: by two objectives where their figures are known, and as bars."""
    if not plan.alternatives:
        return
    st.subheader("Beside its rivals", anchor=False)
    left, right = st.columns(2, gap="large")
    with right:
        said = "; ".join(f"{a.name} {fmt.quantity(a.objective, plan.objective.unit)}" for a in plan.alternatives)
        draw(candidates_chart(plan, service.short()), f"{plan.objective.name} of the plan and its rivals: {said}")
    with left:
        if any(a.values for a in plan.alternatives):
            _scatter(plan)


@st.fragment
def _scatter(plan: Plan) -> None:
    every = [plan.objective.values, *(a.values for a in plan.alternatives)]
    names = [n for n in UNITS if len({round(v[n], 9) for v in every if n in v}) > 1]
    if len(names) < 2:
        return
    one, other = st.columns(2)
    across = one.selectbox("Across", names, index=names.index("cost") if "cost" in names else 0, key="scatter.x")
    rest = [n for n in names if n != across]
    first = next((n for n in ("time", "power") if n in rest), rest[0])
    up = other.selectbox("Up", rest, index=rest.index(first), key="scatter.y")
    chart = scatter_chart(plan, across, up, service.short())
    if chart is not None:
        draw(chart, f"{across} and {up} of the plan and its rivals")
    absent = sum(not a.values for a in plan.alternatives)
    more = f" {fmt.plural(absent, 'rival')} not here: not possible, or not searched to the end." if absent else ""
    st.caption(f"Numbers are those of the bars beside it.{more}")


def over_time(plan: Plan) -> None:
    """What stands and what runs, from when until when: every run its row."""
    stock, runs = stock_chart(plan, service.short()), gantt_chart(plan, service.short())
    if stock is not None:
        st.subheader("The fleet over time", anchor=False)
        draw(stock, f"Systems that stand: {spoken_stock(plan)}")
    if runs is not None:
        st.subheader("The schedule", anchor=False)
        draw(runs, f"Runs: {spoken_runs(plan)}")
    st.subheader("Timeline", anchor=False)
    draw(timeline_chart(plan, service.short()), f"What is there and at work when, from {plan.start}")


def limits(plan: Plan) -> None:
    """What is left of every limit of the power tree."""
    chart = headroom_chart(plan)
    if chart is None or plan.walls is None:
        return
    st.subheader("Power, racks and what is left of them", anchor=False)
    said = "; ".join(f"{x.place}: {fmt.number(x.used)} of {fmt.number(x.of)} {x.unit}" for x in plan.walls.power.levels)
    draw(chart, said)


def splits(plan: Plan) -> None:
    """Where money and power go."""
    left, right = st.columns(2, gap="large")
    whole = {"the fleet": summary.cost_lines(plan)} if plan.fleet is not None else cost_series(plan, service.short())
    with left:
        parts("Cost over the horizon", whole, "usd")
    if plan.fleet is None:
        names = [readable(n, service.short()) for n in summary.unique_names(plan.deployments)]
        with right:
            power = {n: d.power.breakdown_mw for n, d in zip(names, plan.deployments, strict=True)}
            parts("Average power", power, "mw")


def parts(title: str, series: Mapping[str, Mapping[str, float]], unit: str) -> None:
    """Parts of a whole as bars, under the whole."""
    chart = bars(series, unit)
    if chart is None:
        return
    whole = sum(sum(one.values()) for one in series.values())
    st.markdown(f"**{title}: {md(fmt.quantity(whole, unit))}**")
    draw(chart, f"{title}: {spoken(series, unit)}")
