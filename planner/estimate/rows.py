"""An estimate as one row of plain data, for CSV, Markdown and frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.estimate.serving import ServingEstimation
    from planner.estimate.training import TrainingEstimation
    from planner.tables import Row


def estimate_row(found: TrainingEstimation | ServingEstimation) -> Row:
    """Every single figure of an estimate by name, layout and both ends of its 80% interval; no breakdowns."""
    plain = found.to_dict()
    row = {name: value for name, value in plain.items() if isinstance(value, str | int | float) or value is None}
    layout = {name: value for name, value in plain["parallelism"].items() if value is not None}
    interval = plain.get("interval") or {}
    return {
        **row, **layout,
        **{f"interval_{name}": interval[name] for name in ("quantity", "low", "high") if name in interval},
    }  # fmt: skip
