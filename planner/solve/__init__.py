"""HiGHS, CP-SAT and brute force behind one interface. Knows no chip."""

from __future__ import annotations

from planner.solve.form import Program, ProgramBuilder, violations
from planner.solve.status import Limits, Progress, ProgressCallback, Solution, Status

__all__ = [
    "Limits",
    "Program",
    "ProgramBuilder",
    "Progress",
    "ProgressCallback",
    "Solution",
    "Status",
    "solve",
    "violations",
]


def solve(
    program: Program,
    limits: Limits | None = None,
    *,
    backend: str = "auto",
    in_child: bool = True,
    progress: ProgressCallback | None = None,
) -> Solution:
    """Solve a program and return a checked answer."""
    from planner.solve.highs import solve_highs

    return solve_highs(program, limits or Limits())
