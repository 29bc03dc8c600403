"""Charts of answers about an answer: the points of a front, a tornado, and how likely promises are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from planner.outlook.result import Axis, Outlook, ParetoFront, Sensitivity
from planner.plots.charts import COLOURS, Chart
from planner.report import format as fmt

_ROW, _LABEL = 30, "#7d8894"


def _data(rows: Sequence[Mapping[str, Any]]) -> alt.Data:
    return alt.Data(values=list(rows))  # type: ignore[no-untyped-call]


def hardware(pieces: Sequence[Any]) -> str:
    """Deployments of a choice in a few words."""
    return "; ".join(
        fmt.clean(f"{p.systems:,} {p.system} in {p.cooling} at {p.site} from {p.period} for {p.workload}")
        for p in pieces
    )


def front_chart(front: ParetoFront) -> Chart:
    """The points of a front of two objectives. The line steps: between two points no plan is promised."""
    x, y = front.axes[0], front.axes[1]
    rows = [
        {
            "x": p.values[x.name], "y": p.values[y.name], "plan": hardware(p.pieces), "proof": _proof(p.proven),
            x.name: fmt.quantity(p.values[x.name], x.unit), y.name: fmt.quantity(p.values[y.name], y.unit),
        }
        for p in front.points
    ]  # fmt: skip
    along = alt.X("x:Q", title=_title(x), scale=alt.Scale(zero=False, padding=24), axis=alt.Axis(format=_ticks(x.high)))
    up = alt.Y("y:Q", title=_title(y), scale=alt.Scale(zero=False, padding=24), axis=alt.Axis(format=_ticks(y.high)))
    line = alt.Chart(_data(rows)).mark_line(interpolate="step-after", color=_LABEL, strokeDash=[4, 4])
    points = alt.Chart(_data(rows)).mark_circle(size=110, opacity=0.9)
    colour = alt.Color(
        "proof:N",
        scale=alt.Scale(domain=[_proof(True), _proof(False)], range=[COLOURS[0], COLOURS[1]]),
        legend=alt.Legend(orient="bottom", title=None),
    )
    tips = [f"{x.name}:N", f"{y.name}:N", "plan:N", "proof:N"]
    chart: Chart = alt.layer(
        line.encode(x=along, y=up), points.encode(x=along, y=up, color=colour, tooltip=tips)
    ).properties(height=380)
    return chart


def _proof(proven: bool) -> str:
    return "proven" if proven else "best found"


def _ticks(largest: float) -> str:
    """How an axis is numbered: 12M, but never 500m for half a megawatt."""
    return "~s" if abs(largest) >= 1000 else "~g"


def _title(axis: Axis) -> str:
    return f"{axis.name} ({axis.unit}), {axis.best} is best"


def tornado(found: Sensitivity) -> Chart | None:
    """Bars from the value of the plan to that at each end of a figure's interval, every figure a row; an end at which
    there is no plan is a cross at the edge. None where nothing was moved."""
    ends = [
        (m.path, end, factor, value)
        for m in found.inputs
        for end, factor, value in (("low", m.low, m.value_low), ("high", m.high, m.value_high))
    ]
    known = [found.value, *(value for *_, value in ends if value is not None)]
    span = (max(known) - min(known)) or abs(found.value) or 1.0
    edge = {"low": min(known) - 0.12 * span, "high": max(known) + 0.12 * span}
    rows = [
        {
            "figure": path, "end": end, "from": found.value, "to": edge[end] if value is None else value,
            "factor": f"{factor:.3g} of its value", "there": value is not None,
            "value": "no plan" if value is None else fmt.quantity(value, found.unit),
        }
        for path, end, factor, value in ends
    ]  # fmt: skip
    if not rows:
        return None
    order = list(dict.fromkeys(str(row["figure"]) for row in rows))
    title = f"best {found.objective} ({found.unit})"
    y = alt.Y("figure:N", sort=order, title=None, axis=alt.Axis(labelLimit=360, ticks=False, domain=False))
    colour = alt.Color(
        "end:N",
        title="end of the interval",
        scale=alt.Scale(domain=["low", "high"], range=[COLOURS[2], COLOURS[1]]),
        legend=alt.Legend(orient="bottom"),
    )
    tips = ["figure:N", "end:N", "factor:N", "value:N"]
    base = alt.Chart(_data(rows))
    scale = alt.Scale(domain=[edge["low"] - 0.1 * span, edge["high"] + 0.1 * span], nice=False)
    bars = (
        base.transform_filter("datum.there")
        .mark_bar(height=16, cornerRadius=2)
        .encode(
            x=alt.X("from:Q", title=title, scale=scale, axis=alt.Axis(format=_ticks(found.value), tickCount=6)),
            x2="to:Q", y=y, color=colour, tooltip=tips,
        )
    )  # fmt: skip
    none = base.transform_filter("!datum.there").mark_point(shape="cross", angle=45, size=90, filled=True)
    crosses = none.encode(x=alt.X("to:Q", scale=scale), y=y, color=colour, tooltip=tips)
    words = base.transform_filter("!datum.there").mark_text(dy=-12, fontSize=10)
    told = words.encode(x=alt.X("to:Q", scale=scale), y=y, text="value:N")
    rule = alt.Chart(_data([{"x": found.value}])).mark_rule(color=_LABEL).encode(x="x:Q")
    layers = [bars, rule] if all(row["there"] for row in rows) else [bars, crosses, told, rule]
    chart: Chart = alt.layer(*layers).properties(height=_ROW * len(order) + 110)
    return chart


def promises(found: Outlook) -> Chart | None:
    """How likely each plan keeps each promise, beside the confidence that was asked; None without promises."""
    rows = [
        {
            "plan": p.name, "promise": f"{t.workload}, {t.what}", "probability": t.probability,
            "error": f"± {t.error:.1%}",
        }
        for p in found.plans
        for t in p.promises
    ]  # fmt: skip
    if not rows:
        return None
    plans = list(dict.fromkeys(str(r["plan"]) for r in rows))
    names = list(dict.fromkeys(str(r["promise"]) for r in rows))
    bars = (
        alt.Chart(_data(rows))
        .mark_bar(height=13, cornerRadius=2)
        .encode(
            x=alt.X("probability:Q", title="kept in this share of futures", scale=alt.Scale(domain=[0, 1]),
                    axis=alt.Axis(format="%")),
            y=alt.Y("plan:N", sort=plans, title=None, axis=alt.Axis(labelLimit=260, ticks=False, domain=False)),
            yOffset=alt.YOffset("promise:N", sort=names),
            color=alt.Color("promise:N", sort=names, scale=alt.Scale(range=list(COLOURS)),
                            legend=alt.Legend(orient="bottom", title=None, labelLimit=220)),
            tooltip=["plan:N", "promise:N", alt.Tooltip("probability:Q", format=".1%"), "error:N"],
        )
    )  # fmt: skip
    rule = alt.Chart(_data([{"x": found.confidence}])).mark_rule(color=_LABEL, strokeDash=[4, 4]).encode(x="x:Q")
    height = max(_ROW, 18 * len(names)) * len(plans) + 70
    chart: Chart = alt.layer(bars, rule).properties(height=height)
    return chart
