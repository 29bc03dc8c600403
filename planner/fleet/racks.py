"""Racks: systems of one kind share racks with their own kind only, and a rack is whole."""

from __future__ import annotations

import math
from collections import defaultdict

from planner.fleet.model import Draft, Limit, hall_of
from planner.options.counted import RACKS
from planner.scenario.site import Site


def add(draft: Draft) -> None:
    """Whole racks per group (place, system, chip, cooling); one row per level that has rack places."""
    limited = {level.name for level in draft.levels.values() if level.racks is not None}
    if not limited:
        return
    groups: dict[tuple[str, str, str, str], list[int]] = defaultdict(list)
    for i, o in enumerate(draft.options):
        if o.on_site and limited & set(draft.locations[o.location].levels):
            groups[o.location, o.system, o.chip, o.cooling].append(i)
    columns: dict[str, dict[int, float]] = defaultdict(dict)
    for (place, system, chip, cooling), members in groups.items():
        levels = draft.locations[place].levels
        if all(float(draft.options[i].racks).is_integer() for i in members):
            for i in members:
                for level in limited & set(levels):
                    columns[level][draft.units[i]] = RACKS.read(draft.options[i])
            continue
        most = math.ceil(sum(draft.options[i].racks * draft.options[i].max_units for i in members))
        name = f"{place},{system},{chip},{cooling}"
        column = draft.builder.add_column(f"racks[{name}]", upper=float(most), integer=True)
        draft.builder.add_row(
            f"fit[{name}]",
            {column: 1.0, **{draft.units[i]: -RACKS.read(draft.options[i]) for i in members}},
            lower=0.0,
            kind="fit",
        )
        for level in limited & set(levels):
            columns[level][column] = 1.0
    sites = {site.name: site for site in draft.scenario.sites}
    for name in sorted(limited):
        site, *halls = name.split("/")
        leaf = _hall_leaf(sites[site], halls) if halls else _site_leaf(sites[site])
        if leaf is None:
            continue
        path, share, unit = leaf
        places = draft.levels[name].racks or 0
        label = f"{places} racks at {name}"
        draft.add_limit(
            Limit(
                f"racks[{name}]", "racks", label, float(places), "racks", 1.0, path,
                share=share, leaf_unit=unit, whole=True,
            ),
            columns[name],
        )  # fmt: skip


def _site_leaf(site: Site) -> tuple[str, float, str] | None:
    """The leaf behind a site's places; None where they are the sum of its halls, whose own rows then say it all."""
    return (f"sites.{site.name}.racks", 1.0, "racks") if site.racks == site.rack_places else None


def _hall_leaf(site: Site, names: list[str]) -> tuple[str, float, str] | None:
    hall, path = hall_of(site, names)
    if hall.rows is None or hall.racks_per_row is None:
        return None
    return f"{path}.rows", float(hall.racks_per_row), "rows"
