"""From the name of a limit in an explanation to the place in the scenario where it is set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from planner.answer.plan import Nearest
from planner.scenario.paths import PathError, resolve_dots
from planner.scenario.types import Scenario
from planner.ui.inputs import Path

_BRACKET = re.compile(r"^(?P<field>[a-z_]+)\[(?P<names>[^\]]+)\]$")


def path_of(nearest: Nearest, data: Mapping[str, Any], scenario: Scenario) -> Path | None:
    """Where the limit is set, None where that cannot be told. Understands dot paths and ``power_mw[guizhou]``."""
    limit = nearest.limit.strip()
    found = _BRACKET.match(limit)
    if found:
        limit = _of_bracket(found["field"], [n.strip() for n in found["names"].split(",")], scenario) or limit
    try:
        path = resolve_dots(limit, data)
    except (PathError, ValueError):
        return None
    return _as_written(path, scenario)


def _of_bracket(field: str, names: list[str], scenario: Scenario) -> str | None:
    for section, elements in (("sites", scenario.sites), ("workloads", scenario.workloads)):
        for element in elements:
            if element.name in names and field in type(element).model_fields:
                return f"{section}.{element.name}.{field}"
    return None


def _as_written(path: Path, scenario: Scenario) -> Path:
    """Power of a site that is given as a tree is set at the tree's grid connection."""
    if len(path) == 3 and path[0] == "sites" and path[2] == "power_mw" and isinstance(path[1], int):
        site = scenario.sites[path[1]]
        if site.power_mw is None and site.capacity is not None:
            return (*path[:2], "capacity", "grid_mw")
    return path


def value_of(nearest: Nearest, path: Path) -> float | int:
    """The value to set: whole where the field is counted."""
    counted = path[-1] in {"racks", "chips", "min", "max"}
    return -int(-nearest.needed // 1) if counted else nearest.needed
