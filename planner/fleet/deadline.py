"""Deadlines: a run ends in time, and within the horizon, with the confidence that is asked.

Options that miss the date are left out before, save those just beyond it and those a diagnosis wants back.
"""

from __future__ import annotations

from planner.fleet.model import Draft, Limit
from planner.options.counted import DUE
from planner.options.hardware.choices import start_days

DAYS_PER_YEAR = 365.25


def add(draft: Draft) -> None:
    """One row for each run: ``finish_within_days`` after it may begin, or the horizon's end if that is first."""
    horizon = draft.scenario.horizon_years * DAYS_PER_YEAR
    for workload in draft.scenario.workloads:
        mine = {draft.units[i]: DUE.read(o) for i, o in enumerate(draft.options) if o.workload == workload.name}
        if not any(mine.values()):
            continue
        begins = start_days(draft.scenario, getattr(workload, "start", None))
        days = getattr(workload, "finish_within_days", None)
        row = f"deadline[{workload.name}]"
        if days is not None and begins + days <= horizon:
            # measured from the scenario's start in the row, from the run's own start for people
            path = f"workloads.{workload.name}.finish_within_days"
            label = f"{workload.name} within {days:g} days"
            limit = Limit(row, "deadline", label, float(days), "days", 10.0, path)
            draft.add_limit(limit, {c: d - begins for c, d in mine.items()})
        else:
            label = f"{workload.name} within the horizon of {draft.scenario.horizon_years:g} years"
            draft.add_limit(
                Limit(
                    row,
                    "deadline",
                    label,
                    horizon,
                    "days",
                    10.0,
                    "horizon_years",
                    share=DAYS_PER_YEAR,
                    leaf_unit="years",
                ),
                mine,
            )
