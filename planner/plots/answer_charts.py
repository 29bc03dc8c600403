"""Charts of an answer: what is there when, the plan beside its rivals, what is left of limits. Every row is drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import altair as alt

from planner.answer.rows import alternative_rows, timeline_rows
from planner.fleet.model import OBJECTIVE_UNITS
from planner.plots.charts import COLOURS, Chart, told_bars
from planner.report import format as fmt
from planner.report.names import readable

if TYPE_CHECKING:
    from planner.answer.plan import Plan

Names = Mapping[str, str]
_NO_NAMES: Names = {}
UNITS = {name: unit for name, (unit, _) in OBJECTIVE_UNITS.items()}
"""Units of objectives as people see them."""


def timeline_chart(plan: Plan, names_of: Names = _NO_NAMES) -> alt.Chart:
    """Rows of ``timeline_rows`` as bars. Raises ``ValueError`` where nothing is bought or run."""
    rows: list[dict[str, Any]] = [
        {
            **row, "place": fmt.clean(row["site"]), "power": fmt.power(row["power_mw"]),
            "name": fmt.clean(
                f"{row['workload'] or row['what']}: {row['systems']:,} {names_of.get(row['system'], row['system'])}"
            ),
        }
        for row in timeline_rows(plan)
    ]  # fmt: skip
    if not rows:
        raise ValueError("there is nothing to draw: the plan has nothing that stands or runs")
    for row, name in zip(rows, apart([(row["name"], row["place"], row["what"]) for row in rows]), strict=True):
        row["name"] = name
    names = [row["name"] for row in rows]
    places = list(dict.fromkeys(row["place"] for row in rows))
    chart: alt.Chart = (
        alt.Chart(alt.Data(values=rows))  # type: ignore[no-untyped-call]
        .mark_bar(cornerRadius=2, height=16)
        .encode(
            x=alt.X("begin:T", title="Date", axis=alt.Axis(format="%Y-%m", labelOverlap=True)),
            x2="end:T",
            y=alt.Y("name:N", sort=names, title=None, axis=alt.Axis(labelLimit=280, ticks=False, domain=False)),
            color=alt.Color(
                "place:N", sort=places, title=None, scale=alt.Scale(domain=places, range=list(COLOURS)),
                legend=alt.Legend(orient="bottom") if len(places) > 1 else None,
            ),
            tooltip=["what:N", "name:N", "place:N", "begin:T", "end:T", "chips:Q", "power:N"],
        )
        .properties(height=28 * len(names) + 90 + 22 * len(places))
    )  # fmt: skip
    return chart


_KINDS = {"the plan": COLOURS[0], "a tie": COLOURS[1], "a rival": COLOURS[6]}


def _kind(name: str, tied: bool) -> str:
    return "the plan" if name == "the plan" else "a tie" if tied else "a rival"


def _numbered(i: int, name: str) -> str:
    """The name of a rival under its number; the plan has none."""
    return f"{i}  {name}" if i else name


def candidates_chart(plan: Plan, names_of: Names = _NO_NAMES) -> Chart:
    """``alternative_rows`` as bars, the plan first, those that are not possible last and said to be so.

    Raises ``ValueError`` where there is no plan.
    """
    o = plan.objective
    if o.value is None:
        raise ValueError("there is nothing to draw: there is no plan, so it has no rivals")
    rows: list[dict[str, Any]] = [
        {
            "name": _numbered(i, readable(fmt.clean(row["name"]), names_of)), "value": row["objective"] or 0.0,
            "summary": readable(fmt.clean(row["summary"]), names_of),
            "shown": "not possible" if row["objective"] is None else fmt.quantity(row["objective"], o.unit),
            "kind": _kind(row["name"], tied),
        }
        for i, (row, tied) in enumerate(zip(alternative_rows(plan), (False, *(a.tied for a in plan.alternatives)),
                                            strict=True))
    ]  # fmt: skip
    for row, name in zip(rows, apart([(row["name"],) for row in rows]), strict=True):
        row["name"] = name
    return told_bars(rows, "name", f"{o.name} ({o.unit})", _KINDS, room=1.6, label_limit=320,
                     tooltip=["name:N", "shown:N", "summary:N"], height=28 * len(rows) + 110)  # fmt: skip


def scatter_chart(plan: Plan, across: str, up: str, names_of: Names = _NO_NAMES) -> Chart | None:
    """The plan and its rivals by two objectives, with the numbers that they have in ``candidates_chart``; None where
    fewer than two have both.

    ``across`` and ``up``: names of objectives, as in ``objective.values``.
    """
    found = [("the plan", plan.objective.values, "the plan")]
    found += [(a.name, a.values, _kind(a.name, a.tied)) for a in plan.alternatives]
    rows: list[dict[str, Any]] = [
        {
            "name": readable(fmt.clean(name), names_of), "x": values[across], "y": values[up], "kind": kind,
            "number": str(i) if i else "the plan",
            across: fmt.quantity(values[across], UNITS[across]), up: fmt.quantity(values[up], UNITS[up]),
        }
        for i, (name, values, kind) in enumerate(found)
        if across in values and up in values
    ]  # fmt: skip
    if len(rows) < 2:
        return None
    x, y = (
        axis(f"{field}:Q", title=f"{name} ({UNITS[name]})", scale=alt.Scale(zero=False, padding=30),
             axis=alt.Axis(format="~s" if max(abs(r[field]) for r in rows) >= 1000 else "~g", tickCount=6))
        for axis, field, name in ((alt.X, "x", across), (alt.Y, "y", up))
    )  # fmt: skip
    base = alt.Chart(alt.Data(values=rows))  # type: ignore[no-untyped-call]
    marks = base.mark_point(filled=True, size=150, opacity=1).encode(
        x=x, y=y, tooltip=["name:N", f"{across}:N", f"{up}:N"],
        color=alt.Color("kind:N", title=None, scale=alt.Scale(domain=list(_KINDS), range=list(_KINDS.values())),
                        legend=alt.Legend(orient="bottom")),
        shape=alt.Shape("kind:N", title=None,
                        scale=alt.Scale(domain=list(_KINDS), range=["diamond", "circle", "square"])),
    )  # fmt: skip
    text = base.mark_text(align="left", dx=9, dy=-8, fontSize=11).encode(x=x, y=y, text="number:N")
    chart: Chart = alt.layer(marks, text).properties(height=320)
    return chart


def headroom_chart(plan: Plan) -> Chart | None:
    """What is used of every limit of the power tree, a row a limit; None where nothing stands at a site of its own."""
    levels = plan.walls.power.levels if plan.walls is not None else ()
    rows: list[dict[str, Any]] = [
        {
            "name": fmt.clean(f"{x.place}, {x.unit}"), "part": part, "share": share,
            "shown": f"{fmt.number(x.used)} of {fmt.number(x.of)} {x.unit}", "end": x.used / x.of,
        }
        for x in levels
        if x.of
        for part, share in (("used", min(1.0, x.used / x.of)), ("left", max(0.0, 1.0 - x.used / x.of)))
    ]  # fmt: skip
    if not rows:
        return None
    order = list(dict.fromkeys(row["name"] for row in rows))
    y = alt.Y("name:N", sort=order, title=None, axis=alt.Axis(labelLimit=320, ticks=False, domain=False))
    x = alt.X(
        "share:Q",
        title="Share of the limit",
        axis=alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1]),
        scale=alt.Scale(domain=[0, 1.6]),
    )
    base = alt.Chart(alt.Data(values=rows))  # type: ignore[no-untyped-call]
    drawn = base.mark_bar(height=14).encode(
        x=x, y=y, order=alt.Order("part:N", sort="descending"), tooltip=["name:N", "part:N", "shown:N"],
        color=alt.Color("part:N", title=None, legend=alt.Legend(orient="bottom"),
                        scale=alt.Scale(domain=["used", "left"], range=[COLOURS[0], "#b9c3cd"])),
    )  # fmt: skip
    text = (
        base.transform_filter("datum.part == 'used'")
        .mark_text(align="left", dx=6)
        .encode(x=alt.datum(1.0), y=y, text="shown:N")
    )
    chart: Chart = alt.layer(drawn, text).properties(height=26 * len(order) + 110)
    return chart


def apart(names: Sequence[tuple[str, ...]]) -> list[str]:
    """A name for each row that no other has: the first part, with as many more as tell it apart, then a number."""
    found = [parts[0] for parts in names]
    for depth in range(1, max((len(parts) for parts in names), default=1)):
        seen = Counter(found)
        found = [f"{n}, {parts[depth]}" if seen[n] > 1 else n for n, parts in zip(found, names, strict=True)]
    seen, so_far = Counter(found), Counter[str]()
    told = []
    for name in found:
        so_far[name] += 1
        told.append(f"{name} ({so_far[name]})" if seen[name] > 1 else name)
    return told
