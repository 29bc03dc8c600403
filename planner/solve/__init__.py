"""HiGHS, CP-SAT and brute force behind one interface. Knows no chip.

form        Program, ProgramBuilder: named columns and rows, sparse; violations, scaling, JSON
status      Status, Limits, Solution
highs       HiGHS (model: from arrays), and what its answer is worth; relax() for shadow prices
cpsat       CP-SAT over an integer image (integers, tighten), in a process of its own (sat)
other       solvers that PuLP knows (pulp_model; solvers: their names, and who can take a program)
brute       every point, for tests
split       structure by HiGHS, counts by HiGHS, local search and CP-SAT
project     few whole counts whose time is divided: the divisions projected out (projection: where they are)
drive       which of them solves what, in one process
race        several of them at once, with shared plans and bounds
child       all of it in kept processes that can be killed (crew, pool, worker; wire: the messages)
several     several programs at once, what_if: one program under many changes (kept: of its bounds)
intervals   tasks on renewable resources, each at its earliest
infeasible  why there is no plan, and what would make one possible
battery     check_backend: what a backend must do
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from planner.solve.form import (
    FloatArray,
    Program,
    ProgramBuilder,
    coefficient_range,
    from_dict,
    scaled,
    to_dict,
    violations,
    with_objective,
    with_row,
)
from planner.solve.infeasible import conflicting_rows, elastic, nearest_changes
from planner.solve.solvers import refusal
from planner.solve.status import Hook, Limits, Progress, ProgressCallback, Solution, Status

__all__ = [
    "Limits",
    "Program",
    "ProgramBuilder",
    "Progress",
    "ProgressCallback",
    "Solution",
    "Status",
    "coefficient_range",
    "conflicting_rows",
    "elastic",
    "from_dict",
    "lexicographic",
    "nearest_changes",
    "refusal",
    "relax",
    "scaled",
    "solve",
    "to_dict",
    "violations",
    "with_objective",
    "with_row",
    "write_model",
]


def solve(
    program: Program,
    limits: Limits | None = None,
    *,
    backend: str = "auto",
    in_child: bool = True,
    progress: ProgressCallback | None = None,
    start: FloatArray | None = None,
) -> Solution:
    """Solve a program; whatever happens to the solver, the answer is a Solution and its values have been checked.

    backend   auto (a race of what follows; one after the other where reproducible or on one thread), highs, cpsat
              (continuous columns on a fine grid), split, brute, or a solver of `solvers.OTHER` by PuLP. ValueError on
              another; `refusal` says which cannot take a program.
    in_child  in a process of its own, killed at the time limit plus grace; without it the solver's word on time is
              trusted, and HiGHS prints a line to standard output
    start     a plan (n,) to begin from; left out where it breaks a row
    progress  called about twice a second, and whenever something is learnt; what it raises ends the solve and is
              passed on. In-process solves report only what is learnt.
    """
    from planner.solve.drive import BACKENDS, checked, solve_here

    limits = limits or Limits()
    if backend not in BACKENDS:
        raise ValueError(f"unknown backend {backend!r}; one of {', '.join(BACKENDS)}")
    if in_child:
        from planner.solve import child

        if backend == "auto" and child.SIDE_BY_SIDE:
            return checked(program, child.solve_side_by_side(program, limits, progress, start), limits, start)
        return checked(program, child.solve_in_child(program, limits, backend, progress, start), limits, start)
    return solve_here(program, limits, backend, _progress_hook(progress), start)


def relax(program: Program, limits: Limits | None = None, plan: FloatArray | None = None) -> Solution:
    """The linear relaxation in a child, with row_dual and reduced_cost; see `highs.relax`.

    With `plan` (n,) every integer column is held at the plan's value: the shadow prices of that plan's limits.
    """
    from planner.solve import wire
    from planner.solve.child import run_in_child

    options: dict[str, object] = {}
    if plan is not None:
        held = np.flatnonzero(program.integer)
        options["fixed"] = {"columns": held.tolist(), "values": np.asarray(plan, dtype=np.float64)[held].tolist()}
    return wire.solution_from(run_in_child("relax", program, limits or Limits(), options))


def write_model(program: Program, path: Path) -> None:
    """Write a program as free MPS (``.mps``) or CPLEX LP (``.lp``); ValueError on another suffix."""
    from planner.solve.pulp_model import write_model as write

    write(program, path)


def lexicographic(
    program: Program,
    objectives: Sequence[FloatArray],
    limits: Limits | None = None,
    slack: float | Sequence[float] = 0.0,
    *,
    backend: str = "auto",
    in_child: bool = True,
    progress: ProgressCallback | None = None,
    start: FloatArray | None = None,
) -> list[Solution]:
    """Minimise the first objective (n,), then the next among plans not worse in the first by more than `slack`, ...

    slack is relative to the objective found (one number, or one for each objective but the last). The time limit is
    for all solves together, shared equally among those still to come. The list ends early where a solve has no plan;
    `objective` of each solution is that of its own stage, without the program's offset. `start` is a plan (n,) that the
    first begins from, left out where it breaks a row.
    """
    limits = limits or Limits()
    slacks = [slack] * len(objectives) if isinstance(slack, int | float) else [*slack, 0.0]
    found: list[Solution] = []
    left = limits.time_limit_s
    for stage, objective in enumerate(objectives):
        here = replace(limits, time_limit_s=max(0.05, left / (len(objectives) - stage)))
        start = found[-1].values if found else start
        solution = solve(
            with_objective(program, objective), here, backend=backend, in_child=in_child, progress=progress, start=start
        )
        found.append(solution)
        left -= solution.seconds
        if not solution.status.has_plan:
            break
        weights = {int(j): float(objective[j]) for j in np.flatnonzero(objective)}
        # never tighter than the tolerance the plan itself was accepted with
        room = max(slacks[stage], 1e-9) * max(abs(solution.objective), 1e-9) + 1e-9
        program = with_row(
            program, f"objective[{stage + 1}]", weights, upper=solution.objective + room, kind="objective"
        )
    return found


def _progress_hook(progress: ProgressCallback | None) -> Hook | None:
    if progress is None:
        return None
    started = time.monotonic()

    def report(
        phase: str, objective: float, bound: float, _values: FloatArray | None, nodes: int | None = None
    ) -> None:
        progress(
            Progress(
                seconds=time.monotonic() - started,
                phase=phase,
                incumbent=None if math.isnan(objective) else objective,
                bound=bound if math.isfinite(bound) else None,
                nodes=nodes,
            )
        )

    return report
