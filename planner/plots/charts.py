"""Charts of a plan: parts of a whole as bars, largest first, one colour a deployment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas  # noqa: F401 - altair takes it from sys.modules, where another thread may still be reading it

from planner.report import format as fmt

Series = Mapping[str, Mapping[str, float]]
"""{series: {part: value}}: a series is a deployment or a plan."""

COLOURS = (
    "#3f7fc4", "#d9730d", "#2a9187", "#c2497f", "#8d63c9", "#9c7d12", "#66788a", "#4f8f2f",
    "#6a5a3a", "#a33f32", "#1f7fa6", "#7d5c74",
)  # fmt: skip
"""Each stands out from a white and from a dark page by 3 to 1 at least; neighbours differ for those who see no red or
green."""
_ROW, _LABEL = 28, "#7d8894"
Chart = alt.LayerChart | alt.FacetChart


def _data(rows: Sequence[Mapping[str, Any]]) -> alt.Data:
    return alt.Data(values=list(rows))  # type: ignore[no-untyped-call]


def bars(series: Series, unit: str, *, at_most: int = 16, grouped: bool = False) -> Chart | None:
    """Horizontal bars, one a part, with its value beside it; None where there is nothing to show.

    Stacked: series are parts of one whole, and the label is the total and its share. Grouped: series are compared,
    each with a bar and a label of its own.
    """
    totals: defaultdict[str, float] = defaultdict(float)
    for parts in series.values():
        for part, value in parts.items():
            totals[part] += value
    ranked = sorted((p for p in totals if totals[p] > 0), key=lambda p: (-totals[p], p))
    if not ranked:
        return None
    kept = set(ranked if len(ranked) <= at_most else ranked[: at_most - 1])
    whole = sum(totals[p] for p in ranked)
    rows: defaultdict[tuple[str, str], float] = defaultdict(float)
    for name, parts in series.items():
        for part, value in parts.items():
            if value > 0:
                rows[fmt.label(part) if part in kept else "Other", name] += value
    sums: defaultdict[str, float] = defaultdict(float)
    for (part, _), value in rows.items():
        sums[part] += value
    order = sorted(sums, key=lambda p: (p == "Other", -sums[p]))
    data = [{"part": p, "series": s, "value": v, "shown": _shown(v, unit)} for (p, s), v in rows.items()]
    labels = data
    if not grouped:
        labels = [
            {"part": p, "value": sums[p], "shown": f"{_shown(sums[p], unit)}  {fmt.share(sums[p] / whole)}"}
            for p in order
        ]
    several = len(series) > 1
    longest = max(float(str(row["value"])) for row in labels)
    x = alt.X("value:Q", axis=None, scale=alt.Scale(domain=[0, longest * 1.75], nice=False))
    y = alt.Y("part:N", sort=order, title=None, axis=alt.Axis(labelLimit=260, ticks=False, domain=False))
    names = list(series)
    colour = alt.Color(
        "series:N",
        sort=names,
        scale=alt.Scale(domain=names, range=[COLOURS[i % len(COLOURS)] for i in range(len(names))]),
        legend=alt.Legend(orient="bottom", title=None, labelLimit=420, columns=1) if several else None,
    )
    tooltip = [alt.Tooltip("part:N", title="Part"), alt.Tooltip("shown:N", title="Value")]
    if several:
        tooltip.insert(1, alt.Tooltip("series:N", title="Of"))
    thick = 16 if not grouped else 13
    drawn = alt.Chart(_data(data)).mark_bar(cornerRadius=2, height=thick)
    text = alt.Chart(_data(labels)).mark_text(align="left", dx=6, fontSize=12)
    if grouped:
        offset = alt.YOffset("series:N", sort=names)
        layers = (
            drawn.encode(x=x, y=y, yOffset=offset, color=colour, tooltip=tooltip),
            text.encode(x=x, y=y, yOffset=offset, text="shown:N"),
        )
        height = (thick + 5) * len(names) * len(order) + 10 * len(order)
    else:
        layers = (drawn.encode(x=x, y=y, color=colour, tooltip=tooltip), text.encode(x=x, y=y, text="shown:N"))
        height = _ROW * len(order)
    chart: Chart = alt.layer(*layers).properties(height=height + (24 * len(names) if several else 0))
    return chart


def told_bars(
    rows: Sequence[Mapping[str, Any]], along: str, title: str, colours: Mapping[str, str], *, room: float,
    label_limit: int, tooltip: Sequence[str], height: int,
) -> Chart:  # fmt: skip
    """A horizontal bar a row, in their order, with what it shows beside it.

    ``rows``: each with its name under ``along``, ``value``, ``shown`` (the text beside its bar) and ``kind`` (one of
    ``colours``). ``room``: length of the axis over that of the longest bar.
    """
    longest = max(abs(float(row["value"])) for row in rows) or 1.0
    x = alt.X("value:Q", title=title, scale=alt.Scale(domain=[0, room * longest], nice=False),
              axis=alt.Axis(format="~s" if longest >= 1000 else "~g", tickCount=6))  # fmt: skip
    y = alt.Y(f"{along}:N", sort=[row[along] for row in rows], title=None,
              axis=alt.Axis(labelLimit=label_limit, ticks=False, domain=False))  # fmt: skip
    base = alt.Chart(_data(rows))
    drawn = base.mark_bar(cornerRadius=2, height=16).encode(
        x=x, y=y, tooltip=list(tooltip),
        color=alt.Color("kind:N", title=None, legend=alt.Legend(orient="bottom"),
                        scale=alt.Scale(domain=list(colours), range=list(colours.values()))),
    )  # fmt: skip
    text = base.mark_text(align="left", dx=6).encode(x=x, y=y, text="shown:N")
    chart: Chart = alt.layer(drawn, text).properties(height=height)
    return chart


def _shown(value: float, unit: str) -> str:
    """A label that leaves room for the bar."""
    return fmt.usd(value, short=True) if unit == "usd" else fmt.quantity(value, unit)


def spoken(series: Series, unit: str) -> str:
    """What a bar chart says, in words, for people who do not see it."""
    totals: defaultdict[str, float] = defaultdict(float)
    for parts in series.values():
        for part, value in parts.items():
            totals[part] += value
    ranked = sorted(totals.items(), key=lambda item: -item[1])
    return ", ".join(f"{fmt.label(part)} {fmt.quantity(value, unit)}" for part, value in ranked if value > 0)


def predicted_beside_measured(cases: Sequence[Mapping[str, Any]]) -> Chart:
    """A scatter on logarithmic axes with the line of perfect prediction. Cases: case, measured, predicted, group."""
    values = [v for c in cases for v in (c["measured"], c["predicted"])]
    low, high = min(values) / 1.3, max(values) * 1.3
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    line = (
        alt.Chart(_data([{"x": low, "y": low}, {"x": high, "y": high}]))
        .mark_line(color=_LABEL, strokeDash=[4, 4])
        .encode(x=alt.X("x:Q", scale=scale), y=alt.Y("y:Q", scale=scale))
    )
    points = (
        alt.Chart(_data(list(cases)))
        .mark_circle(size=46, opacity=0.65)
        .encode(
            x=alt.X("measured:Q", scale=scale, title="Measured"),
            y=alt.Y("predicted:Q", scale=scale, title="Predicted"),
            color=alt.Color(
                "group:N",
                title=None,
                scale=alt.Scale(range=list(COLOURS)),
                legend=alt.Legend(orient="bottom", columns=6),
            ),
            tooltip=["case:N", "group:N", "measured:Q", "predicted:Q", "error:N"],
        )
    )
    chart: Chart = alt.layer(line, points).properties(height=420)
    return chart
