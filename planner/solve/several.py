"""Several programs, each under the limits of its own: what they differ in is free, coefficients too.

Small ones travel together in one child; `what_if` is for changes of bounds of one program.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from planner.errors import SolveError
from planner.solve.form import Program, from_dict, to_dict
from planner.solve.status import Limits, Solution, Status
from planner.solve.what_if import SMALL


def solve_several(programs: Sequence[Program], limits: Limits | None = None) -> list[Solution]:
    """The solution of each program, in order, checked against the program. The time limit is for each of them.

    Raises ``SolveError`` when the child crashed or was killed.
    """
    from planner.solve.child import run_side_by_side
    from planner.solve.drive import checked

    if not programs:
        return []
    limits = limits or Limits()
    # the largest decides: small ones are solved before another child is told of them
    large = max(p.column_count for p in programs) > SMALL
    parts = min(limits.worker_count, len(programs)) if large else 1
    asked = []
    for k in range(parts):
        mine = programs[k::parts]
        together = replace(
            limits,
            time_limit_s=limits.time_limit_s * len(mine),
            threads=max(1, limits.worker_count // parts),
        )
        asked.append(
            (mine[0], together, {"time_limit_s": limits.time_limit_s, "others": [to_dict(p) for p in mine[1:]]})
        )
    answers = [json.loads(block) for block in run_side_by_side("several", asked)]
    found = [answers[k % parts][k // parts] for k in range(len(programs)) if k // parts < len(answers[k % parts])]
    if len(found) != len(programs):
        raise SolveError("several: the child answered another number of programs than it was given")
    return [
        checked(
            program,
            Solution(
                Status(f["status"]),
                None if f["values"] is None else np.array(f["values"], dtype=np.float64),
                bound=-math.inf if f["bound"] is None else f["bound"],
                solver=f["solver"],
                seconds=f["seconds"],
                message=f["message"],
            ),
            limits,
        )
        for program, f in zip(programs, found, strict=True)
    ]


def several_here(program: Program, limits: Limits, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """``solve_several`` in this process, as JSON-ready records."""
    from planner.solve.drive import solve_here

    each = replace(limits, time_limit_s=options["time_limit_s"])
    solved = [solve_here(p, each) for p in (program, *map(from_dict, options["others"]))]
    return [
        {
            "status": s.status.value,
            "bound": s.bound if math.isfinite(s.bound) else None,
            "values": None if s.values is None else [float(v) for v in s.values],
            "solver": s.solver,
            "seconds": s.seconds,
            "message": s.message,
        }
        for s in solved
    ]
