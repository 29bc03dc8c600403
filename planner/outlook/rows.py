"""Answers about an answer as rows of plain data, for CSV, Markdown and frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the answers import this module when a frame is asked of them
    from planner.outlook.result import Alternatives, Choice, Outlook, ParetoFront, Piece, Sensitivity
    from planner.tables import Row


def hardware(pieces: Sequence[Piece]) -> str:
    """``2 mi300x_8 at hall, 4 hgx_h800 at ranch``."""
    return ", ".join(f"{p.systems:,} {p.system} at {p.site}" for p in pieces)


def _choice(c: Choice) -> Row:
    return {
        **c.values, "capex_usd": c.capex_usd, "systems": sum(p.systems for p in c.pieces),
        "chips": sum(p.chips for p in c.pieces), "hardware": hardware(c.pieces), "verified": c.verified,
    }  # fmt: skip


def front_rows(front: ParetoFront) -> list[Row]:
    """One row a plan of a front: every objective in its unit, hardware, whether it is proven."""
    return [{**_choice(p), "proven": p.proven} for p in front.points]


def alternatives_rows(found: Alternatives) -> list[Row]:
    """The best plan and those near it: difference (a fraction of the best objective), share of chips that change."""
    best = {"name": "best", "difference": 0.0, "changed": 0.0, **_choice(found.best), "summary": ""}
    near = [
        {"name": p.name, "difference": p.difference, "changed": p.changed, **_choice(p), "summary": p.summary}
        for p in found.plans
    ]
    return [best, *near]


def outlook_rows(found: Outlook) -> list[Row]:
    """One row a promise of a plan in sampled futures."""
    rows: list[Row] = []
    for p in found.plans:
        plan = {
            "plan": p.name, "expected_cost_usd": p.expected_cost_usd, "cost_at_risk_usd": p.cost_at_risk_usd,
            "expected_regret_usd": p.expected_regret_usd, "holds": p.holds, "hardware": hardware(p.pieces),
        }  # fmt: skip
        for t in p.promises:
            rows.append(
                {
                    **plan, "workload": t.workload, "promise": t.what, "probability": t.probability, "error": t.error,
                    "within_days": t.within_days, "finish_days_p10": t.finish_days_p10,
                    "finish_days_p50": t.finish_days_p50, "finish_days_p90": t.finish_days_p90,
                }
            )  # fmt: skip
        if not p.promises:
            rows.append(plan)
    return rows


def sensitivity_rows(found: Sensitivity) -> list[Row]:
    """One row a figure that was moved: both ends as factors, the objective there, where the decision changes."""
    names = ("path", "tag", "low", "high", "value_low", "value_high", "crossover", "after", "basis")
    return [{name: getattr(m, name) for name in names} for m in found.inputs]
