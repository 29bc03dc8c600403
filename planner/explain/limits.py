"""Limits as amounts: how much of one is used, a step of it, the program with one loosened."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from planner.fleet.model import FleetModel, Limit
from planner.solve.form import Program
from planner.solve.what_if import Change

SHARES = (0.05, 0.1, 0.25)
"""Of a limit: counts are whole, so where one unit changes nothing, or is more than is of use, a share may tell."""
_WHOLE_UNIT: Mapping[str, float] = {"MW": 1.0, "days": 1.0}
"""What one more of a limit that comes in any amount means to a person, where that is not a share of it."""


def usage(program: Program, limit: Limit, values: NDArray[np.float64]) -> float:
    row = program.row(limit.row)
    at = program.rows == row
    return float((program.vals[at] * values[program.cols[at]]).sum()) * limit.scale


def unit_step(program: Program, limit: Limit) -> float:
    """One more of what a limit counts: a megawatt, a day, a rack, a system, the chips of the smallest thing that takes
    any; a twentieth of the limit where its unit is tiny (dollars, tonnes)."""
    if limit.whole:
        at = program.rows == program.row(limit.row)
        taken = np.abs(program.vals[at]) * limit.scale
        return float(max(1, math.ceil(taken[taken > 0].min(initial=math.inf) - 1e-9))) if taken.any() else 1.0
    unit = _WHOLE_UNIT.get(limit.unit)
    # a date nearer than a few days is not moved by whole ones
    return unit if unit is not None and (limit.kind == "power" or unit <= 0.25 * limit.limit) else 0.05 * limit.limit


def steps_of(program: Program, limit: Limit) -> list[float]:
    """Steps to try, the unit first."""
    unit = unit_step(program, limit)
    shares = [share * limit.limit for share in SHARES]
    if limit.whole:
        shares = [float(math.ceil(x - 1e-9)) for x in shares]
    if limit.sense > 0:
        shares, unit = [x for x in shares if x <= limit.limit], min(unit, limit.limit)
    return list(dict.fromkeys([unit, *(x for x in shares if abs(x - unit) > 1e-9 * unit)]))


def loosened(program: Program, limit: Limit, step: float) -> Change:
    """The change that loosens a limit by a step in its unit."""
    row = program.row(limit.row)
    if limit.sense < 0:
        return Change(row_upper={row: (limit.limit + step) / limit.scale})
    return Change(row_lower={row: (limit.limit - step) / limit.scale})


def firm_rows(model: FleetModel) -> set[str]:
    """Rows that are no limit a person could move: a run is run once."""
    return {name for name, limit in model.limits.items() if limit.kind == "demand" and limit.unit == "run"}
