"""Carbon and water of a year stay within the plan's limits."""

from __future__ import annotations

from planner.fleet.model import Draft, Limit


def add(draft: Draft) -> None:
    """At most one row each for ``limits.carbon_t_per_year`` and ``limits.water_m3_per_year``."""
    limits = draft.scenario.limits
    for name, limit, label, unit, pick in (
        ("carbon", limits.carbon_t_per_year, "carbon", "t CO2e/year", "carbon_t_per_year"),
        ("water", limits.water_m3_per_year, "water", "m3/year", "water_m3_per_year"),
    ):
        if limit is None:
            continue
        draft.add_limit(
            Limit(f"{name}[year]", name, f"{label} of {limit:g} {unit}", limit, unit, 1e3, f"limits.{pick}"),
            {draft.units[i]: getattr(o, pick) for i, o in enumerate(draft.options)},
        )
