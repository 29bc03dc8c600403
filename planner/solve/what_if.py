"""Many small changes of one program: what a limit is worth, what another choice would cost.

Telling a child of a program costs more than solving a small one, so questions about an answer travel together.
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
from planner.solve.form import FloatArray, Program, violations
from planner.solve.status import Limits, Status

SMALL = 500
"""Columns up to which all changes are solved in one child: another would take longer to be told of them."""
_KEPT_PLANS = 8
"""Plans of changes before that are tried as a start of the next."""


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


def what_if(
    program: Program, changes: Sequence[Change], limits: Limits | None = None, known: FloatArray | None = None
) -> list[Outcome]:
    """Solve the program under each change, in killable children. The time limit is for all together.

    known  a plan (n,) of the program as it is: where the search starts under the changes that leave it one

    A linear program is kept and solved from its last basis. Programs that are not small are divided over as many
    children as the limits have threads. A change that found no time has status ``no_plan_found``. Raises ``SolveError``
    when a child crashed.
    """
    from planner.solve.child import run_side_by_side

    if not changes:
        return []
    limits = limits or Limits()
    parts = min(limits.worker_count, len(changes)) if program.column_count > SMALL else 1
    each = replace(limits, threads=max(1, limits.worker_count // parts))
    told = [
        {
            name: [[int(k), float(v)] for k, v in getattr(c, name).items()]
            for name in ("row_lower", "row_upper", "upper")
        }
        for c in changes
    ]
    start = None if known is None else np.asarray(known, dtype=np.float64).tolist()
    asked = [(program, each, {"changes": told[k::parts], "start": start}) for k in range(parts)]
    answers = [json.loads(block) for block in run_side_by_side("what_if", asked)]
    found = [answers[k % parts][k // parts] for k in range(len(changes)) if k // parts < len(answers[k % parts])]
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


def what_if_here(
    program: Program, limits: Limits, told: Sequence[Mapping[str, Any]], start: Sequence[float] | None = None
) -> list[dict[str, Any]]:
    """``what_if`` in this process, as JSON-ready records."""
    from planner.solve.drive import solve_here
    from planner.solve.kept import KeptLinear

    started = time.monotonic()
    found: list[dict[str, Any]] = []
    linear = KeptLinear(program, limits) if program.column_count and not program.integer.any() else None
    plans = [] if start is None else [np.array(start, dtype=np.float64)]
    for done, text in enumerate(told):
        left = limits.time_limit_s - (time.monotonic() - started)
        if left <= 0.05:
            found.append({"status": Status.NO_PLAN_FOUND.value, "objective": None, "bound": None, "values": None})
            continue
        change = Change(**{name: {int(k): float(v) for k, v in pairs} for name, pairs in text.items()})
        here = replace(limits, time_limit_s=left / (len(told) - done) if done else left / 2)
        edited = changed(program, change)
        solution = linear.at(edited, here.time_limit_s) if linear is not None else None
        if solution is None or not solution.status.conclusive:
            solution = solve_here(edited, here, start=_best_of(plans, edited))
        if solution.values is not None and linear is None:
            plans = [*plans[:1], *plans[1:][-_KEPT_PLANS:], solution.values]
        found.append(
            {
                "status": solution.status.value,
                "objective": solution.objective if math.isfinite(solution.objective) else None,
                "bound": solution.bound if math.isfinite(solution.bound) else None,
                "values": None if solution.values is None else [float(v) for v in solution.values],
            }
        )
    return found


def _best_of(plans: Sequence[FloatArray], program: Program) -> FloatArray | None:
    """The plan that costs least among those that are still plans of a changed program."""
    fit = [plan for plan in plans if not violations(program, plan)]
    return min(fit, key=program.objective_at) if fit else None
