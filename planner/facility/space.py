"""Racks: whole, filled with servers up to a power limit, or brought by the system itself.

A server shares a rack: as many as power and the maker's figure allow. Anything sold as a rack or more brings its racks;
it fits where its fullest rack stays within the limit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.catalog.records import System
from planner.errors import InputError, Problem

RACK_UNITS_FOR_SERVERS = 40
"""Units of a 42U rack left to servers, two for the leaf switch and patching (documented default)."""
UNKNOWN_SERVER_UNITS = 8
"""Height of a server of which neither height nor chips are known (planner estimate)."""
_SLACK = 1e-9  # relative; 20 kW / 4 kW must be 5 servers however the kilowatts were computed


def own_racks(system: System) -> int:
    """Racks that one unit brings; 0 for servers and slices, which share. Raises ``UnknownFigureError``."""
    if system.kind == "server" or system.unit_share < 1.0:
        return 0
    racks = system.get("racks")
    if racks is None:
        per_rack = system.get("chips_per_rack")
        racks = system.need("racks") if per_rack is None else math.ceil(system.need("chips_total") / per_rack)
    return max(1, round(racks))


def rack_power_w(system: System, it_peak_w: float) -> float:
    """IT watts of the fullest rack of one unit, or of one server.

    The maker's rack figure where there is one (switch racks of a supernode draw less than its compute racks),
    never below the mean over the unit's racks."""
    racks = own_racks(system)
    if racks == 0:
        return it_peak_w
    stated = system.get("power_kw_rack") or 0.0
    return max(it_peak_w / racks, stated * 1e3 if racks > 1 else 0.0)


def rack_refusal(system: System, it_peak_w: float, rack_kw_limit: float) -> str | None:
    """Why the system cannot stand in racks of ``rack_kw_limit`` kW, or None when it can."""
    watts = rack_power_w(system, it_peak_w)
    if watts <= rack_kw_limit * 1e3 * (1.0 + _SLACK):
        return None
    what = "one server draws" if system.kind == "server" else "its own rack draws"
    return f"{system.id}: {what} {watts / 1e3:.1f} kW, racks here take {rack_kw_limit:g} kW"


def systems_per_rack(system: System, it_peak_w: float, rack_kw_limit: float) -> int:
    """Whole systems in one rack: for a server what power and the maker's ``servers_per_rack`` (high) allow, or rack
    units where that is unknown; 1 for a system that brings its racks; 0 when it does not fit (see ``rack_refusal``)."""
    if rack_refusal(system, it_peak_w, rack_kw_limit) is not None:
        return 0
    if own_racks(system):
        return 1
    by_power = math.inf if it_peak_w <= 0.0 else rack_kw_limit * 1e3 / it_peak_w * (1.0 + _SLACK)
    figure, units = system.figure("servers_per_rack"), system.get("rack_units_per_server")
    most = None if figure is None else (figure.value if figure.high is None else figure.high)
    per_rack = system.get("chips_per_rack")
    if most is not None:
        by_space = most
    elif per_rack is not None and system.unit_share < 1.0:
        by_space = per_rack // system.unit_chips
    else:
        # where nobody says how tall a server is: a rack unit a chip, as eight-chip servers of 8U have it
        by_space = RACK_UNITS_FOR_SERVERS // (units or system.get("chips_per_server") or UNKNOWN_SERVER_UNITS)
    return max(1, math.floor(min(by_power, by_space)))


def racks_for(system: System, count: ArrayLike, it_peak_w: float, rack_kw_limit: float) -> NDArray[np.int64]:
    """Whole racks for ``count`` systems (array or number). Raises ``InputError`` with the reason when none fits."""
    reason = rack_refusal(system, it_peak_w, rack_kw_limit)
    if reason is not None:
        raise InputError(Problem(reason, remedy="Choose a smaller system or racks that carry more power."))
    number = np.asarray(count, np.int64)
    racks = own_racks(system)
    found: Any = number * racks if racks else -(-number // systems_per_rack(system, it_peak_w, rack_kw_limit))
    return found  # type: ignore[no-any-return]
