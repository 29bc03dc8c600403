"""Many small changes of one program in one child: what a limit is worth, what another choice would cost.

Starting an interpreter costs more than solving a small program, so questions about an answer travel together.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from planner.errors import SolveError
from planner.solve.form import FloatArray, Program
from planner.solve.status import Limits, Status


@dataclass(frozen=True)
class Change:
    """New bounds of some rows and columns, by index; what is not named stays."""

    row_lower: Mapping[int, float] = field(default_factory=dict)
    row_upper: Mapping[int, float] = field(default_factory=dict)
    upper: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What became of a change. ``values`` only where there is a plan."""

    status: Status
    objective: float
    bound: float
    values: tuple[float, ...] | None


def changed(program: Program, change: Change) -> Program:
    """The program with a change made."""

    def edited(array: FloatArray, values: Mapping[int, float]) -> FloatArray:
        copy = np.array(array)
        for index, value in values.items():
            copy[int(index)] = value
        return copy

    return replace(
        program,
        row_lower=edited(program.row_lower, change.row_lower),
        row_upper=edited(program.row_upper, change.row_upper),
        upper=edited(program.upper, change.upper),
    )


def what_if(program: Program, changes: Sequence[Change], limits: Limits | None = None) -> list[Outcome]:
    """Solve the program under each change, in one killable child. The time limit is for all together.

    A change that found no time has status ``no_plan_found``. Raises ``SolveError`` when the child crashed.
    """
    from planner.solve.child import run_in_child

    if not changes:
        return []
    told = [
        {
            name: [[int(k), float(v)] for k, v in getattr(c, name).items()]
            for name in ("row_lower", "row_upper", "upper")
        }
        for c in changes
    ]
    found = json.loads(run_in_child("what_if", program, limits or Limits(), {"changes": told}))
    if len(found) != len(changes):
        raise SolveError("what_if: the child answered another number of questions than it was asked")
    return [
        Outcome(
            Status(f["status"]),
            math.nan if f["objective"] is None else f["objective"],
            -math.inf if f["bound"] is None else f["bound"],
            None if f["values"] is None else tuple(f["values"]),
        )
        for f in found
    ]


def what_if_here(program: Program, limits: Limits, told: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """``what_if`` in this process, as JSON-ready records."""
    from planner.solve.drive import solve_here

    started = time.monotonic()
    found: list[dict[str, Any]] = []
    for done, text in enumerate(told):
        left = limits.time_limit_s - (time.monotonic() - started)
        if left <= 0.05:
            found.append({"status": Status.NO_PLAN_FOUND.value, "objective": None, "bound": None, "values": None})
            continue
        change = Change(**{name: {int(k): float(v) for k, v in pairs} for name, pairs in text.items()})
        here = replace(limits, time_limit_s=left / (len(told) - done) if done else left / 2)
        solution = solve_here(changed(program, change), here)
        found.append(
            {
                "status": solution.status.value,
                "objective": solution.objective if math.isfinite(solution.objective) else None,
                "bound": solution.bound if math.isfinite(solution.bound) else None,
                "values": None if solution.values is None else [float(v) for v in solution.values],
            }
        )
    return found
