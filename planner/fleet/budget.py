"""Limits of the whole plan: capital, cost, running cost, chips, power, carbon and water, summed over all options."""

from __future__ import annotations

from planner.fleet.model import Draft, Limit
from planner.options.counted import PLAN_LIMITS


def add(draft: Draft) -> None:
    """One row for each limit of ``PLAN_LIMITS`` that the scenario states."""
    for of in PLAN_LIMITS:
        limit = of.of(draft.scenario)
        if limit is None:
            continue
        draft.add_limit(
            Limit(of.row, of.kind, of.words(limit), limit, of.unit, of.scale, f"limits.{of.leaf}", whole=of.whole),
            {draft.units[i]: of.figure.read(o) / of.per_unit for i, o in enumerate(draft.options)},
        )
