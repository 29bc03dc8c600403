"""Money: capital spent, total cost and running cost stay within the plan's limits."""

from __future__ import annotations

from planner.fleet.model import Draft, Limit


def add(draft: Draft) -> None:
    """At most one row each for ``limits.capex_usd``, ``cost_usd`` and ``opex_usd_per_year``."""
    limits = draft.scenario.limits
    for name, limit, label, unit, pick in (
        ("capex", limits.capex_usd, "capital", "USD", "capex_usd"),
        ("cost", limits.cost_usd, "total cost", "USD", "cost_usd"),
        ("opex", limits.opex_usd_per_year, "running cost a year", "USD/year", "opex_usd_per_year"),
    ):
        if limit is None:
            continue
        draft.add_limit(
            Limit(f"budget[{name}]", "budget", f"{label} of ${limit / 1e6:g} M", limit, unit, 1e6, f"limits.{pick}"),
            {draft.units[i]: getattr(o, pick) for i, o in enumerate(draft.options)},
        )
