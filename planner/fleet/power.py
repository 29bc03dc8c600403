"""Power: what is provisioned stays within every level of every site's capacity tree."""

from __future__ import annotations

from planner.facility.capacity import usable_share
from planner.fleet.model import Draft, Limit, hall_of
from planner.options.counted import PEAK_POWER
from planner.scenario.site import Site


def add(draft: Draft) -> None:
    """One row for each level that has a power limit of its own."""
    peaks = [
        (draft.units[i], PEAK_POWER.read(o) / 1e6, draft.locations[o.location].levels)
        for i, o in enumerate(draft.options)
        if o.on_site
    ]
    sites = {site.name: site for site in draft.scenario.sites}
    for level in draft.levels.values():
        if level.power_w is None:
            continue
        site, *halls = level.name.split("/")
        leaf = _hall_leaf(sites[site], halls) if halls else _site_leaf(sites[site])
        if leaf is None:
            continue
        path, share = leaf
        limit = level.power_w / 1e6
        where = "in" if halls else "at the meter of"
        label = f"{limit:g} MW {where} {level.name}"
        draft.add_limit(
            Limit(f"power[{level.name}]", "power", label, limit, "MW", 1.0, path, share=share),
            {column: mw for column, mw, levels in peaks if level.name in levels},
        )


def _site_leaf(site: Site) -> tuple[str, float] | None:
    """The leaf behind a site's limit; None where it is the sum of its halls, whose own rows then say it all."""
    stated = {}
    if site.power_mw is not None:
        stated[f"sites.{site.name}.power_mw"] = site.power_mw
    if site.capacity is not None and site.capacity.grid_mw is not None:
        stated[f"sites.{site.name}.capacity.grid_mw"] = site.capacity.grid_mw
    path = min(stated, key=lambda name: stated[name], default=None)
    return None if path is None or stated[path] > site.meter_mw else (path, 1.0)


def _hall_leaf(site: Site, names: list[str]) -> tuple[str, float]:
    hall, path = hall_of(site, names)
    return f"{path}.power_mw", usable_share(hall)
