"""``plan.plot.cost()``, ``.power()``, ``.timeline()``, ``.candidates()``, ``.tornado()``: Altair charts of one plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt

from planner.answer.rows import alternative_rows, timeline_rows
from planner.plots.charts import COLOURS, Chart, bars
from planner.plots.look_charts import tornado
from planner.report import format as fmt
from planner.report import summary

if TYPE_CHECKING:
    from planner.answer.plan import Plan
    from planner.outlook.result import Sensitivity


class PlanPlots:
    """Charts of a plan, the same that the app shows. Each raises ``ValueError`` where there is nothing to draw."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def cost(self) -> Chart:
        """Cost over the horizon by cause, stacked by deployment."""
        return _there(bars(cost_series(self._plan), "usd"), "cost lines")

    def power(self) -> Chart:
        """Average power at the meter by cause, stacked by deployment."""
        names = summary.unique_names(self._plan.deployments)
        series = {n: d.power.breakdown_mw for n, d in zip(names, self._plan.deployments, strict=True)}
        return _there(bars(series, "mw"), "power by deployment")

    def timeline(self) -> alt.Chart:
        """What is there and at work from when until when, one bar each, coloured by place."""
        return timeline_chart(self._plan)

    def candidates(self) -> Chart:
        """The objective of the plan and of the best plan of every rival."""
        return candidates_chart(self._plan)

    def tornado(self, found: Sensitivity) -> Chart:
        """The objective at both ends of every figure's interval; ``found`` is ``planner.sensitivity(scenario)``."""
        return _there(tornado(found), "figures that move the objective")


def _there(chart: Chart | None, what: str) -> Chart:
    if chart is None:
        raise ValueError(f"there is nothing to draw: the plan has no {what}")
    return chart


def cost_series(plan: Plan) -> dict[str, dict[str, float]]:
    """USD by cause of each deployment; of a shared fleet in one."""
    if plan.fleet is not None:
        return {"the fleet": summary.cost_lines(plan)}
    names = summary.unique_names(plan.deployments)
    return {n: d.cost.lines_usd for n, d in zip(names, plan.deployments, strict=True)}


def timeline_chart(plan: Plan) -> alt.Chart:
    """Rows of ``timeline_rows`` as bars. Raises ``ValueError`` where nothing is bought or run."""
    rows: list[dict[str, Any]] = [
        {
            **row, "name": fmt.clean(f"{row['workload'] or row['what']}: {row['systems']:,} {row['system']}"),
            "place": fmt.clean(row["site"]), "power": fmt.power(row["power_mw"]),
        }
        for row in timeline_rows(plan)
    ]  # fmt: skip
    if not rows:
        raise ValueError("there is nothing to draw: the plan has nothing that stands or runs")
    names = list(dict.fromkeys(row["name"] for row in rows))
    places = list(dict.fromkeys(row["place"] for row in rows))
    chart: alt.Chart = (
        alt.Chart(alt.Data(values=rows))  # type: ignore[no-untyped-call]
        .mark_bar(cornerRadius=2, height=16)
        .encode(
            x=alt.X("begin:T", title=None),
            x2="end:T",
            y=alt.Y("name:N", sort=names, title=None, axis=alt.Axis(labelLimit=280, ticks=False, domain=False)),
            color=alt.Color(
                "place:N", sort=places, title=None, scale=alt.Scale(domain=places, range=list(COLOURS)),
                legend=alt.Legend(orient="bottom") if len(places) > 1 else None,
            ),
            tooltip=["what:N", "name:N", "place:N", "begin:T", "end:T", "chips:Q", "power:N"],
        )
        .properties(height=28 * len(names) + 50)
    )  # fmt: skip
    return chart


def candidates_chart(plan: Plan) -> Chart:
    """``alternative_rows`` as bars, the plan first. Raises ``ValueError`` where there is no plan."""
    o = plan.objective
    rows: list[dict[str, Any]] = [
        {
            "name": fmt.clean(row["name"]), "value": row["objective"], "summary": fmt.clean(row["summary"]),
            "shown": fmt.quantity(row["objective"], o.unit), "plan": row["name"] == "the plan",
        }
        for row in alternative_rows(plan)
        if row["objective"] is not None
    ]  # fmt: skip
    if not rows:
        raise ValueError("there is nothing to draw: there is no plan, so it has no rivals")
    order = [row["name"] for row in rows]
    longest = max(abs(float(row["value"])) for row in rows) or 1.0
    x = alt.X("value:Q", title=f"{o.name} ({o.unit})", scale=alt.Scale(domain=[0, 1.3 * longest], nice=False))
    y = alt.Y("name:N", sort=order, title=None, axis=alt.Axis(labelLimit=280, ticks=False, domain=False))
    base = alt.Chart(alt.Data(values=rows))  # type: ignore[no-untyped-call]
    drawn = base.mark_bar(cornerRadius=2, height=16).encode(
        x=x, y=y, tooltip=["name:N", "shown:N", "summary:N"],
        color=alt.condition("datum.plan", alt.value(COLOURS[0]), alt.value(COLOURS[6])),
    )  # fmt: skip
    text = base.mark_text(align="left", dx=6).encode(x=x, y=y, text="shown:N")
    chart: Chart = alt.layer(drawn, text).properties(height=28 * len(rows) + 40)
    return chart
