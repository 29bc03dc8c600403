"""What a notebook shows of a plan: short text, and HTML with the answer, what is deployed and where the money goes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from planner.answer.rows import cost_rows, deployment_rows, hardware

if TYPE_CHECKING:
    from planner.answer.plan import Plan
    from planner.tables import Row

_SHOWN = ("workload", "role", "site", "period", "system", "systems", "chips", "cooling", "precision", "facility_mw",
          "total_usd")  # fmt: skip
_MOST_ROWS = 20


def short(plan: Plan) -> str:
    """``<Plan 'A 70B assistant' proven_optimal: cost 720,613 USD; mi300x_8 x 2>``."""
    o = plan.objective
    variant = f", variant {plan.variant!r}" if plan.variant else ""
    value = "" if o.value is None else f": {o.name} {o.value:,.6g} {o.unit}; {hardware(plan)}"
    return f"<Plan {plan.scenario!r}{variant} {plan.status}{value}>"


def html(plan: Plan) -> str:
    """A fragment of HTML; every text of the plan is escaped."""
    parts = [f"<p><b>{escape(plan.answer)}</b><br><small>{escape(short(plan).strip('<>'))}</small></p>"]
    rows = deployment_rows(plan)
    if rows:
        parts.append(table(rows[:_MOST_ROWS], _SHOWN))
        if len(rows) > _MOST_ROWS:
            parts.append(f"<p>and {len(rows) - _MOST_ROWS} more: <code>plan.deployments_frame()</code></p>")
    lines: dict[str, float] = {}
    for row in cost_rows(plan):
        lines[row["line"]] = lines.get(row["line"], 0.0) + row["usd"]
    if lines:
        ranked = sorted(lines.items(), key=lambda item: -item[1])[:8]
        parts.append(table([{"cost line": name, "usd": usd} for name, usd in ranked], ("cost line", "usd")))
    for conflict in plan.conflicts:
        parts.append(f"<p>{escape(conflict.message)}</p>")
    for near in plan.nearest:
        parts.append(f"<p>{escape(near.message)}</p>")
    return "".join(parts)


def table(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Rows as an HTML table, numbers right-aligned, every text escaped."""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join("<tr>" + "".join(_cell(row.get(name)) for name in columns) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"<td>{'' if value is None else escape(str(value))}</td>"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f'<td style="text-align:right">{text}</td>'
