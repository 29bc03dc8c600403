"""Supply: no more of what stands at a site already than stands there."""

from __future__ import annotations

from collections import defaultdict

from planner.fleet.model import Draft, Limit
from planner.options.counted import INSTALLED


def add(draft: Draft) -> None:
    """One row for each system installed at a site."""
    for site in draft.scenario.sites:
        counts: dict[str, int] = defaultdict(int)
        blocks: dict[str, list[int]] = defaultdict(list)
        for i, block in enumerate(site.installed):
            counts[block.system] += block.count
            blocks[block.system].append(i)
        for system, count in counts.items():
            users = {
                draft.units[i]: INSTALLED.read(o)
                for i, o in enumerate(draft.options)
                if o.acquire == "installed" and o.site == site.name and o.system == system
            }
            if not users:
                continue
            path = f"sites.{site.name}.installed"
            if len(blocks[system]) == 1:
                path += f".{blocks[system][0]}.count"
            label = f"{count} {system} installed at {site.name}"
            row = f"installed[{site.name},{system}]"
            draft.add_limit(Limit(row, "supply", label, float(count), "systems", 1.0, path, whole=True), users)
