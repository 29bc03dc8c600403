"""Which backend solves what, in this process. `child` runs the jobs listed here; `solve` is the public way in."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np

from planner.solve import wire
from planner.solve.form import FloatArray, Program, Scaled, coefficient_range, scaled, violations
from planner.solve.status import Hook, Limits, Solution, Status, relative_gap, status_of_plan

Backend = Literal["auto", "highs", "cpsat", "cpsat_grid", "brute", "split"]
BACKENDS: tuple[str, ...] = get_args(Backend)
_WHOLE_SHARE = 0.5
_PROJECTED_SHARE = 0.25
_WELL_SCALED = (1e-4, 1e4)


def solve_here(program: Program, limits: Limits, backend: str = "auto", hook: Hook | None = None) -> Solution:
    """Solve in this process; ValueError on an unknown backend. Not for several threads at once.

    Badly scaled programs are scaled by powers of two on the way in and unscaled on the way out. The values that come
    back have passed `violations` on the program given.
    """
    if backend not in BACKENDS:
        raise ValueError(f"unknown backend {backend!r}; one of {', '.join(BACKENDS)}")
    started = time.monotonic()
    image = scaled(program) if backend != "brute" and _badly_scaled(program) else None
    if image is None or _spread(image.program) >= _spread(program):
        return checked(program, _dispatch(program, limits, backend, hook), limits)
    found = _dispatch(image.program, limits, backend, _unscaled_hook(program, image, hook))
    values = image.unscale(found.values) if found.values is not None else None
    whole = program.integer
    if values is not None and whole.any():
        values = np.where(whole, np.round(values), values)
    objective = program.objective_at(values) if values is not None else math.nan
    bound = image.unscale_objective(found.bound)
    solution = replace(
        found,
        values=values,
        objective=objective,
        bound=min(bound, objective) if values is not None else bound,
    )
    solution = checked(program, solution, limits)
    if solution.status is Status.FAILED and found.status.has_plan:
        # what is within tolerance after scaling need not be before: the plain program decides
        left = limits.time_limit_s - (time.monotonic() - started)
        return checked(
            program, _dispatch(program, replace(limits, time_limit_s=max(0.05, left)), backend, hook), limits
        )
    return solution


def _badly_scaled(program: Program) -> bool:
    """A coefficient of a row or of the objective lies where solvers' absolute tolerances mislead."""
    low, high = coefficient_range(program)
    costs = np.abs(program.objective[program.objective != 0.0])
    return (
        low < _WELL_SCALED[0]
        or high > _WELL_SCALED[1]
        or (len(costs) > 0 and not _WELL_SCALED[0] <= float(costs.max()) <= 1e2 * _WELL_SCALED[1])
    )


def _spread(program: Program) -> float:
    """How many powers of ten lie between 1 and the coefficient furthest from it, objective included."""
    sizes = np.abs(np.append(program.vals, program.objective))
    sizes = sizes[sizes != 0.0]
    return float(np.abs(np.log10(sizes)).max()) if len(sizes) else 0.0


def checked(program: Program, solution: Solution, limits: Limits) -> Solution:
    """The solution, if its values stand up to the program's own arithmetic; else a failed one that says why."""
    if not solution.status.has_plan:
        return replace(solution, values=None)
    if solution.values is None:
        return replace(solution, status=Status.FAILED, message=f"{solution.solver} gave a plan without values")
    broken = violations(program, solution.values)
    if broken:
        named = "; ".join(f"{name} by {amount:.3g}" for name, amount in broken[:3])
        return replace(
            solution, status=Status.FAILED, values=None, message=f"the plan breaks {len(broken)} rows: {named}"
        )
    objective = program.objective_at(solution.values)
    bound = min(solution.bound, objective)
    return replace(
        solution,
        status=status_of_plan(objective, bound, limits.gap),
        objective=objective,
        bound=bound,
        gap=relative_gap(objective, bound),
    )


def _dispatch(program: Program, limits: Limits, backend: str, hook: Hook | None) -> Solution:
    # imported where needed: CP-SAT alone takes a second to load, and most small programs never need it
    if backend in ("cpsat", "cpsat_grid"):
        from planner.solve.cpsat import solve_cpsat

        return solve_cpsat(program, limits, hook, grid=backend == "cpsat_grid")
    if backend == "brute":
        from planner.solve.brute import solve_brute

        return solve_brute(program, limits, hook)
    if backend == "split":
        from planner.solve.split import solve_split

        return solve_split(program, limits, hook)
    from planner.solve.highs import solve_highs

    if backend == "highs" or not program.integer.any():
        return solve_highs(program, limits, hook)
    return _auto(program, limits, hook)


def _auto(program: Program, limits: Limits, hook: Hook | None) -> Solution:
    """Few counts with many ways to divide their time in the counts alone; what that leaves open, as it is."""
    from planner.solve.project import projection_of, solve_projected

    projection = projection_of(program)
    if projection is None:
        return _as_it_is(program, limits, hook)
    started = time.monotonic()
    first = solve_projected(
        program, projection, replace(limits, time_limit_s=_PROJECTED_SHARE * limits.time_limit_s), hook
    )
    left = limits.time_limit_s - (time.monotonic() - started)
    if first.status.conclusive or left < 0.05:
        return first
    second = _as_it_is(program, replace(limits, time_limit_s=left), hook)
    return _better(program, first, second, limits, time.monotonic() - started)


def _as_it_is(program: Program, limits: Limits, hook: Hook | None) -> Solution:
    """Programs of few integer columns whole by HiGHS; what that leaves open, and all others, by the split."""
    from planner.solve.split import SMALL, highs_that_stops, solve_split

    if int(program.integer.sum()) > SMALL:
        return solve_split(program, limits, hook)
    started = time.monotonic()
    first = highs_that_stops(program, replace(limits, time_limit_s=_WHOLE_SHARE * limits.time_limit_s), hook)
    left = limits.time_limit_s - (time.monotonic() - started)
    if first.status.conclusive or left < 0.05:
        return first
    second = solve_split(program, replace(limits, time_limit_s=left), hook)
    return _better(program, first, second, limits, time.monotonic() - started)


def _better(program: Program, first: Solution, second: Solution, limits: Limits, seconds: float) -> Solution:
    """The better plan of two, under the better bound."""
    solver = " + ".join(dict.fromkeys(" + ".join((first.solver, second.solver)).split(" + ")))
    log = "\n".join(text for text in (first.log, second.log) if text) or None
    plans = [s for s in (first, second) if s.values is not None]
    if not plans:
        end = second if second.status.conclusive or first.status is Status.FAILED else first
        return replace(end, bound=max(first.bound, second.bound), solver=solver, seconds=seconds, log=log)
    best = min(plans, key=lambda s: s.objective)
    bounds = [s.bound for s in (first, second) if s.status is not Status.INFEASIBLE]
    bound = min(max(bounds), best.objective)
    return replace(
        best,
        status=status_of_plan(best.objective, bound, limits.gap),
        bound=bound,
        gap=relative_gap(best.objective, bound),
        solver=solver,
        seconds=seconds,
        log=log,
    )


def _unscaled_hook(program: Program, image: Scaled, hook: Hook | None) -> Hook | None:
    if hook is None:
        return None

    def report(phase: str, objective: float, bound: float, values: FloatArray | None) -> None:
        original = image.unscale(values) if values is not None else None
        if original is not None and violations(program, original):
            original = None
        hook(phase, image.unscale_objective(objective), image.unscale_objective(bound), original)

    return report


Job = Callable[[Program, Limits, Mapping[str, Any], Hook], bytes]


def _solve_job(program: Program, limits: Limits, options: Mapping[str, Any], hook: Hook) -> bytes:
    start = options.get("start")
    if start is not None and options["backend"] == "highs":
        from planner.solve.highs import solve_highs

        return wire.solution_block(checked(program, solve_highs(program, limits, hook, np.array(start)), limits))
    return wire.solution_block(solve_here(program, limits, options["backend"], hook))


def _relax_job(program: Program, limits: Limits, options: Mapping[str, Any], hook: Hook) -> bytes:
    from planner.solve.highs import relax

    fixed = options.get("fixed")
    if fixed is None:
        return wire.solution_block(relax(program, limits))
    mask = np.zeros(program.column_count, dtype=np.bool_)
    values = np.zeros(program.column_count)
    mask[fixed["columns"]] = True
    values[fixed["columns"]] = fixed["values"]
    return wire.solution_block(relax(program, limits, mask, values))


def _elastic_job(program: Program, limits: Limits, options: Mapping[str, Any], hook: Hook) -> bytes:
    from planner.solve.infeasible import elastic_here

    found = elastic_here(program, limits, options["penalties"], frozenset(options["firm"]))
    return json.dumps(found).encode()


def _conflict_job(program: Program, limits: Limits, options: Mapping[str, Any], hook: Hook) -> bytes:
    from planner.solve.infeasible import conflicting_rows_here

    return json.dumps(conflicting_rows_here(program, limits, options.get("background", ()))).encode()


def _nearest_job(program: Program, limits: Limits, options: Mapping[str, Any], hook: Hook) -> bytes:
    from planner.solve.infeasible import nearest_changes_here

    return json.dumps(nearest_changes_here(program, limits, options["names"])).encode()


def _what_if_job(program: Program, limits: Limits, options: Mapping[str, Any], hook: Hook) -> bytes:
    from planner.solve.what_if import what_if_here

    return json.dumps(what_if_here(program, limits, options["changes"])).encode()


def _front_job(program: Program, limits: Limits, options: Mapping[str, Any], hook: Hook) -> bytes:
    from planner.solve.front import front_here

    return json.dumps(front_here(program, limits, options)).encode()


def _different_job(program: Program, limits: Limits, options: Mapping[str, Any], hook: Hook) -> bytes:
    from planner.solve.front import different_here

    return json.dumps(different_here(program, limits, options)).encode()


def _several_job(program: Program, limits: Limits, options: Mapping[str, Any], hook: Hook) -> bytes:
    from planner.solve.several import several_here

    return json.dumps(several_here(program, limits, options)).encode()


JOBS: dict[str, Job] = {
    "several": _several_job,
    "front": _front_job,
    "different": _different_job,
    "what_if": _what_if_job,
    "solve": _solve_job,
    "relax": _relax_job,
    "elastic": _elastic_job,
    "nearest": _nearest_job,
    "conflict": _conflict_job,
}
"""What a child can do, by name."""
