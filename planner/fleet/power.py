"""Power: what is provisioned stays within every level of every site's capacity tree, and within the plan's limit."""

from __future__ import annotations

from planner.fleet.model import Draft, Limit


def add(draft: Draft) -> None:
    """One row for each level that has a power limit of its own, and one for ``limits.power_mw``."""
    peaks = [
        (draft.units[i], o.facility_peak_w / 1e6, draft.locations[o.location].levels)
        for i, o in enumerate(draft.options)
        if o.on_site
    ]
    for level in draft.levels.values():
        if level.power_w is None:
            continue
        limit = level.power_w / 1e6
        where = "at the meter of" if "/" not in level.name else "in"
        draft.add_limit(
            Limit(
                f"power[{level.name}]",
                "power",
                f"{limit:g} MW {where} {level.name}",
                limit,
                "MW",
                1.0,
                _path(level.name),
            ),
            {column: mw for column, mw, levels in peaks if level.name in levels},
        )
    total = draft.scenario.limits.power_mw
    if total is not None:
        draft.add_limit(
            Limit("power[all sites]", "power", f"{total:g} MW over all sites", total, "MW", 1.0, "limits.power_mw"),
            {column: mw for column, mw, _ in peaks},
        )


def _path(level: str) -> str:
    site, *halls = level.split("/")
    return f"sites.{site}.power_mw" if not halls else f"sites.{site}.capacity." + ".".join(halls) + ".power_mw"
