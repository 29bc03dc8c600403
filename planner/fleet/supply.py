"""Supply: no more of what stands at a site already than stands there."""

from __future__ import annotations

from collections import defaultdict

from planner.fleet.model import Draft, Limit


def add(draft: Draft) -> None:
    """One row for each system installed at a site."""
    for site in draft.scenario.sites:
        counts: dict[str, int] = defaultdict(int)
        for block in site.installed:
            counts[block.system] += block.count
        for system, count in counts.items():
            users = {
                draft.units[i]: float(o.systems)
                for i, o in enumerate(draft.options)
                if o.acquire == "installed" and o.site == site.name and o.system == system
            }
            if users:
                draft.add_limit(
                    Limit(
                        f"installed[{site.name},{system}]",
                        "supply",
                        f"{count} {system} installed at {site.name}",
                        float(count),
                        "systems",
                        1.0,
                        f"sites.{site.name}.installed",
                    ),
                    users,
                )
