"""Charts of a shared fleet over time: what stands by period, and which run is where when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt

from planner.answer.plan import Plan
from planner.plots.answer_charts import apart
from planner.plots.charts import COLOURS
from planner.report import format as fmt

Chart = alt.Chart | alt.LayerChart
Names = Mapping[str, str]
_NO_NAMES: Names = {}


def _data(rows: list[dict[str, Any]]) -> alt.Data:
    return alt.Data(values=rows)  # type: ignore[no-untyped-call]


def stock_chart(plan: Plan, names_of: Names = _NO_NAMES) -> Chart | None:
    """Systems that stand in each period, stacked by kind and place; None where nothing does."""
    if plan.fleet is None or not plan.fleet.standing:
        return None
    rows: list[dict[str, Any]] = [
        {
            "period": s.period,
            "kind": fmt.clean(f"{names_of.get(s.system, s.system)} at {s.site}"),
            "systems": s.systems,
            "chips": fmt.count(s.chips),
            "power": fmt.power(s.power_mw) if s.power_mw else fmt.DASH,
            "busy": fmt.share(s.utilisation),
        }
        for s in plan.fleet.standing
    ]
    kinds = list(dict.fromkeys(r["kind"] for r in rows))
    chart: Chart = (
        alt.Chart(_data(rows))
        .mark_bar()
        .encode(
            x=alt.X("period:O", title="From", axis=alt.Axis(labelAngle=0 if len(plan.periods) < 9 else -60)),
            y=alt.Y("systems:Q", title="Systems"),
            color=_colour("kind", kinds),
            tooltip=[
                alt.Tooltip("kind:N", title="What"),
                alt.Tooltip("period:O", title="From"),
                alt.Tooltip("systems:Q", title="Systems"),
                alt.Tooltip("chips:N", title="Chips"),
                alt.Tooltip("power:N", title="Peak power"),
                alt.Tooltip("busy:N", title="At work"),
            ],
        )
        .properties(height=240 + 22 * len(kinds))
    )
    return chart


def gantt_chart(plan: Plan, names_of: Names = _NO_NAMES) -> Chart | None:
    """Runs as bars from their first day to their last, coloured by place; None where nothing is run."""
    if plan.schedule is None or not plan.schedule.runs:
        return None
    rows: list[dict[str, Any]] = [
        {
            "run": fmt.clean(r.workload),
            "begins": r.start_date,
            "ends": r.end_date,
            "place": fmt.clean(f"{names_of.get(r.system, r.system)} at {r.site}"),
            "systems": fmt.count(r.systems),
            "takes": fmt.days(r.end_day - r.start_day),
        }
        for r in plan.schedule.runs
    ]
    for row, name in zip(rows, apart([(r["run"], r["place"], r["begins"]) for r in rows]), strict=True):
        row["run"] = name
    places = list(dict.fromkeys(r["place"] for r in rows))
    chart: Chart = (
        alt.Chart(_data(rows))
        .mark_bar(cornerRadius=2, height=16)
        .encode(
            x=alt.X("begins:T", title="Date", axis=alt.Axis(format="%Y-%m-%d", labelOverlap=True)),
            x2="ends:T",
            y=alt.Y("run:N", sort=[r["run"] for r in rows], title=None, axis=alt.Axis(labelLimit=320)),
            color=_colour("place", places),
            tooltip=[
                alt.Tooltip("run:N", title="Run"),
                alt.Tooltip("begins:T", title="Begins"),
                alt.Tooltip("ends:T", title="Ends"),
                alt.Tooltip("takes:N", title="Takes"),
                alt.Tooltip("place:N", title="On"),
                alt.Tooltip("systems:N", title="Systems"),
            ],
        )
        .properties(height=28 * len(rows) + 90 + 22 * len(places))
    )
    return chart


def _colour(name: str, values: list[str]) -> alt.Color:
    return alt.Color(
        f"{name}:N",
        sort=values,
        scale=alt.Scale(domain=values, range=[COLOURS[i % len(COLOURS)] for i in range(len(values))]),
        legend=alt.Legend(orient="bottom", title=None, labelLimit=420, columns=1),
    )


def spoken_stock(plan: Plan) -> str:
    """The stock in words, for people who do not see the chart."""
    if plan.fleet is None:
        return ""
    return "; ".join(f"from {s.period} {fmt.count(s.systems)} {s.system} at {s.site}" for s in plan.fleet.standing)


def spoken_runs(plan: Plan) -> str:
    """The runs in words."""
    runs = plan.schedule.runs if plan.schedule is not None else ()
    return "; ".join(f"{r.workload} at {r.site} from {r.start_date} to {r.end_date}" for r in runs)
