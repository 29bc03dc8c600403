"""Deadlines: a run ends in time. Options that miss it are left out before, save when a diagnosis wants them back."""

from __future__ import annotations

from planner.fleet.model import Draft, Limit


def add(draft: Draft) -> None:
    """One row for each workload with ``finish_within_days``."""
    for workload in draft.scenario.workloads:
        days = getattr(workload, "finish_within_days", None)
        if days is None:
            continue
        mine = {draft.units[i]: o.finish_days for i, o in enumerate(draft.options) if o.workload == workload.name}
        if mine:
            draft.add_limit(
                Limit(
                    f"deadline[{workload.name}]",
                    "deadline",
                    f"{workload.name} within {days:g} days",
                    float(days),
                    "days",
                    10.0,
                    f"workloads.{workload.name}.finish_within_days",
                ),
                mine,
            )
