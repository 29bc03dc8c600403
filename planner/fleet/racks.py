"""Racks: systems of one kind share racks with their own kind only, and a rack is whole."""

from __future__ import annotations

import math
from collections import defaultdict

from planner.fleet.model import Draft, Limit


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
                    columns[level][draft.units[i]] = draft.options[i].racks
            continue
        places = min(draft.levels[name].racks or 0 for name in limited & set(levels))
        most = math.ceil(sum(draft.options[i].racks * draft.options[i].max_units for i in members))
        name = f"{place},{system},{chip},{cooling}"
        column = draft.builder.add_column(f"racks[{name}]", upper=float(min(most, max(places, 1) * 16)), integer=True)
        draft.builder.add_row(
            f"fit[{name}]",
            {column: 1.0, **{draft.units[i]: -draft.options[i].racks for i in members}},
            lower=0.0,
            kind="fit",
        )
        for level in limited & set(levels):
            columns[level][column] = 1.0
    for name in sorted(limited):
        places = draft.levels[name].racks or 0
        draft.add_limit(
            Limit(
                f"racks[{name}]",
                "racks",
                f"{places} racks at {name}",
                float(places),
                "racks",
                1.0,
                f"sites.{name}.racks",
            ),
            columns[name],
        )
