"""The capacity tree of a site: from the grid connection down to the places where systems may stand.

A level is a limit on what stands below it; a location is a leaf. A site without a tree is one level and one location.

    usable power of a level = power_mw * share left by redundancy * share that may be drawn for hours

Redundancy leaves the share of installed supply that may be loaded so that losing a path, or one module (N+2: two) of
``ups_modules``, drops nothing (2N: a half; 3N/2: two of three; 4N/3: three of four; N+1 of five modules: four). The
site file states the installed supply.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from planner.scenario.site import Hall, Site

PATHS: dict[str | None, float] = {
    None: 1.0,
    "N": 1.0,
    "2N": 0.5,
    "2N+1": 0.5,
    "3N/2": 2 / 3,
    "4N/3": 0.75,
}
"""Usable share of installed supply where whole paths are redundant."""
SPARE_MODULES = {"N+1": 1, "N+2": 2}
MODULES = 5
"""Modules of a supply with spare modules that does not state them."""


@dataclass(frozen=True, slots=True)
class Level:
    """A limit of the tree: ``power_w`` at the meter (None: nothing of its own), ``racks`` places (None: no limit)."""

    name: str
    power_w: float | None
    racks: int | None


@dataclass(frozen=True, slots=True)
class Location:
    """A leaf: where systems stand. ``levels`` are the names of every limit above it, the site first; ``swing_max`` the
    share of its peak that a run may step by (``Site.swing_max``)."""

    name: str
    site: str
    cooling: tuple[str, ...]
    rack_kw: float | None
    levels: tuple[str, ...]
    swing_max: float = 1.0


def usable_share(hall: Hall) -> float:
    """Share of a hall's installed ``power_mw`` that may be loaded."""
    if hall.ups in SPARE_MODULES:
        modules = hall.ups_modules or MODULES
        share = (modules - SPARE_MODULES[hall.ups]) / modules
    else:
        share = PATHS[hall.ups]
    return share * hall.continuous_share


def capacity_tree(site: Site) -> tuple[tuple[Level, ...], tuple[Location, ...]]:
    """All limits and all locations of a site, in file order."""
    levels = [Level(site.name, site.meter_mw * 1e6, site.rack_places)]
    locations: list[Location] = []
    halls = site.capacity.halls if site.capacity else ()
    if not halls:
        locations.append(Location(site.name, site.name, site.cooling, site.rack_kw, (site.name,)))
    for hall in halls:
        for level, location in _walk(hall, site.name, site.cooling, site.rack_kw, (site.name,), site.name):
            if level is not None:
                levels.append(level)
            if location is not None:
                locations.append(location)
    return tuple(levels), tuple(replace(x, swing_max=site.swing_max) for x in locations)


def _walk(
    hall: Hall, site: str, cooling: tuple[str, ...], rack_kw: float | None, above: tuple[str, ...], prefix: str
) -> Iterator[tuple[Level | None, Location | None]]:
    name = f"{prefix}/{hall.name}"
    power = None if hall.power_mw is None else hall.power_mw * 1e6 * usable_share(hall)
    hosted = hall.cooling or cooling
    limit = hall.rack_kw if hall.rack_kw is not None else rack_kw
    levels = above
    if power is not None or hall.racks is not None:
        levels = (*above, name)
        yield Level(name, power, hall.racks), None
    if hall.halls:
        for part in hall.halls:
            yield from _walk(part, site, hosted, limit, levels, name)
    else:
        yield None, Location(name, site, hosted, limit, levels)
