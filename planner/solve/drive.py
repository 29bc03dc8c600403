"""Which backend solves what, in this process. `child` runs the jobs listed here; `solve` is the public way in."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from planner.solve import wire
from planner.solve.form import (
    FloatArray,
    Program,
    Scaled,
    coefficient_range,
    normalised,
    scaled,
    violations,
    with_objective_times,
)
from planner.solve.solvers import OTHER, OWN
from planner.solve.status import Hook, Limits, Mail, Solution, Status, relative_gap, status_of_plan

BACKENDS: tuple[str, ...] = (*OWN, *OTHER)
_PARTS = ("projected", "near", "tree")
"""What only solves some programs, betters the plans of others, or is a part of a way: for `race` and `split`."""
_EAR_S = 0.05
_WHOLE_SHARE, _WHOLE_SHARE_REPRODUCIBLE = 0.15, 0.5
"""Share of the time for the whole program by HiGHS, before the split: what it does not settle soon, the split was
measured to settle sooner. Where the same answer is wanted again, the clock shall not decide that early."""
_PROJECTED_SHARE = 0.25
_WELL_SCALED = (1e-4, 1e4)
_TINY = 1.0
"""The largest coefficient of an objective below which it is multiplied up, as those of rows are: HiGHS takes no plan
for better that is so by less than a millionth."""


def solve_here(
    program: Program,
    limits: Limits,
    backend: str = "auto",
    hook: Hook | None = None,
    start: FloatArray | None = None,
    mail: Mail | None = None,
) -> Solution:
    """Solve in this process; ValueError on an unknown backend. Not for several threads at once.

    Badly scaled programs are scaled by powers of two on the way in and unscaled on the way out. The values that come
    back have passed `violations` on the program given. `start` is a plan (n,) to begin from, left out where it breaks a
    row; `mail` brings plans of others while the solve runs.
    """
    if backend not in (*BACKENDS, *_PARTS):
        raise ValueError(f"unknown backend {backend!r}; one of {', '.join(BACKENDS)}")
    started = time.monotonic()
    given = program
    if start is not None and violations(program, start):
        start = None
    program, _ = normalised(program)
    image = None if backend == "brute" else _image(program)
    if image is None:
        return checked(given, _dispatch(program, limits, backend, hook, start, mail), limits, start)
    told = None if mail is None else ScaledMail(mail, image)
    begun = None if start is None else start / image.column_factor
    found = _dispatch(image.program, limits, backend, _unscaled_hook(program, image, hook), begun, told)
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
    solution = checked(given, solution, limits)
    if solution.status is Status.FAILED:
        # what is within tolerance after scaling need not be before: the plain program decides
        left = limits.time_limit_s - (time.monotonic() - started)
        here = replace(limits, time_limit_s=max(0.05, left))
        solution = checked(given, _dispatch(program, here, backend, hook, start, mail), limits)
    return checked(given, solution, limits, start)


def _image(program: Program) -> Scaled | None:
    """The scaled copy that a program is solved as; None where it is solved as it is."""
    if _badly_scaled(program):
        image = scaled(program)
        if _spread(image.program) < _spread(program):
            return image
    # a plan of some hundred dollars counted in millions would be within a solver's absolute tolerances
    largest = float(np.abs(program.objective).max(initial=0.0))
    return with_objective_times(program, 2.0 ** -math.floor(math.log2(largest))) if 0.0 < largest < _TINY else None


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


def checked(program: Program, solution: Solution, limits: Limits, start: FloatArray | None = None) -> Solution:
    """The solution, if its values stand up to the program's own arithmetic; else a failed one that says why.

    Never worse than the plan `start` (n,) it began from, if that is one.
    """
    if start is not None and not violations(program, start):
        known = program.objective_at(start)
        if solution.values is None or violations(program, solution.values) or known < solution.objective:
            solution = replace(
                solution,
                status=Status.FEASIBLE,
                values=start,
                bound=solution.bound if solution.bound <= known else -math.inf,
                found_by="the plan it began from",
            )
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


def _dispatch(
    program: Program,
    limits: Limits,
    backend: str,
    hook: Hook | None,
    start: FloatArray | None = None,
    mail: Mail | None = None,
) -> Solution:
    # imported where needed: what a small program never uses is not loaded for it
    if backend in ("cpsat", "cpsat_grid"):
        from planner.solve.cpsat import solve_cpsat

        return solve_cpsat(program, limits, hook, grid=True, hint=start, mail=mail, bounded=True)
    if backend in OTHER:
        from planner.solve.other import solve_other

        return solve_other(program, limits, backend, hook, start)
    if backend == "projected":
        return _projected(program, limits, hook)
    if backend == "near":
        return _near(program, limits, hook, start, mail)
    if backend == "brute":
        from planner.solve.brute import solve_brute

        return solve_brute(program, limits, hook)
    if backend == "split":
        from planner.solve.split import solve_split

        return solve_split(program, limits, hook, start, mail)
    from planner.solve.highs import NO_SUB_PROBLEMS, solve_highs

    if backend in ("highs", "tree") or not program.integer.any():
        options = NO_SUB_PROBLEMS if backend == "tree" else None
        return solve_highs(program, limits, hook, start, options, mail)
    return _auto(program, limits, hook, start)


def _auto(program: Program, limits: Limits, hook: Hook | None, start: FloatArray | None) -> Solution:
    """Few counts with many ways to divide their time in the counts alone; what that leaves open, as it is."""
    from planner.solve.project import solve_projected
    from planner.solve.projection import projection_of

    projection = projection_of(program)
    if projection is None:
        return _as_it_is(program, limits, hook, start)
    started = time.monotonic()
    first = solve_projected(
        program, projection, replace(limits, time_limit_s=_PROJECTED_SHARE * limits.time_limit_s), hook
    )
    left = limits.time_limit_s - (time.monotonic() - started)
    if first.status.conclusive or left < 0.05:
        return first
    second = _as_it_is(program, replace(limits, time_limit_s=left), hook, start)
    return better(first, second, limits, time.monotonic() - started)


def _projected(program: Program, limits: Limits, hook: Hook | None) -> Solution:
    from planner.solve.project import solve_projected
    from planner.solve.projection import projection_of

    projection = projection_of(program)
    if projection is None:
        return Solution(Status.NO_PLAN_FOUND, message="its continuous columns do not only divide the time of counts")
    return solve_projected(program, projection, limits, hook)


def _near(program: Program, limits: Limits, hook: Hook | None, start: FloatArray | None, mail: Mail | None) -> Solution:
    """Better plans near the start, or near the first that comes by mail."""
    from planner.solve.local import NAME, improve

    started = time.monotonic()

    def left() -> float:
        return limits.time_limit_s - (time.monotonic() - started)

    while start is None and mail is not None and not mail.stopped and left() > 0.1:
        if mail.offer is not None:
            start = mail.offer[1]
        else:
            time.sleep(_EAR_S)
    if start is None or left() <= 0.1:
        return Solution(Status.NO_PLAN_FOUND, solver=NAME, message="no plan was there to better")
    values, bound = improve(program, start, replace(limits, time_limit_s=left()), hook=hook, mail=mail)
    objective = program.objective_at(values)
    return Solution(Status.FEASIBLE, values, objective, bound, solver=NAME, seconds=time.monotonic() - started)


def _as_it_is(program: Program, limits: Limits, hook: Hook | None, start: FloatArray | None) -> Solution:
    """Programs of few integer columns whole by HiGHS; what that leaves open, and all others, by the split."""
    from planner.solve.split import SMALL, highs_that_stops, solve_split

    if int(program.integer.sum()) > SMALL:
        return solve_split(program, limits, hook, start)
    started = time.monotonic()
    share = _WHOLE_SHARE_REPRODUCIBLE if limits.reproducible else _WHOLE_SHARE
    first = highs_that_stops(program, replace(limits, time_limit_s=share * limits.time_limit_s), hook, start)
    left = limits.time_limit_s - (time.monotonic() - started)
    if first.status.conclusive or left < 0.05:
        return first
    known = start if first.values is None else first.values
    second = solve_split(program, replace(limits, time_limit_s=left), hook, known)
    return better(first, second, limits, time.monotonic() - started)


class ScaledMail(Mail):
    """Mail for a solve of the scaled copy of a program."""

    def __init__(self, mail: Mail, image: Scaled) -> None:
        self._mail, self._image = mail, image
        self._seen: tuple[float, FloatArray] | None = None
        self._offer: tuple[float, FloatArray] | None = None

    @property
    def stopped(self) -> bool:  # type: ignore[override]
        return self._mail.stopped

    @property
    def offer(self) -> tuple[float, FloatArray] | None:  # type: ignore[override]
        offer = self._mail.offer
        if offer is not None and offer is not self._seen:
            factor = self._image.objective_factor
            self._seen, self._offer = offer, (offer[0] * factor, offer[1] / self._image.column_factor)
        return self._offer

    def put(self, values: FloatArray, objective: float) -> None:
        self._mail.put(self._image.unscale(values), self._image.unscale_objective(objective))


def better(first: Solution, second: Solution, limits: Limits, seconds: float) -> Solution:
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

    def report(phase: str, objective: float, bound: float, values: FloatArray | None, nodes: int | None = None) -> None:
        original = image.unscale(values) if values is not None else None
        if original is not None and violations(program, original):
            original = None
        hook(phase, image.unscale_objective(objective), image.unscale_objective(bound), original, nodes)

    return report


Job = Callable[[Program, Limits, Mapping[str, Any], Hook, Mail | None], bytes]


def _solve_job(
    program: Program, limits: Limits, options: Mapping[str, Any], hook: Hook, mail: Mail | None = None
) -> bytes:
    start = options.get("start")
    plan = None if start is None else np.array(start, dtype=np.float64)
    # listening costs a little: only where there is someone to hear
    told = mail if options.get("raced") else None
    return wire.solution_block(solve_here(program, limits, options["backend"], hook, plan, told))


def _relax_job(
    program: Program, limits: Limits, options: Mapping[str, Any], hook: Hook, mail: Mail | None = None
) -> bytes:
    from planner.solve.highs import relax

    fixed = options.get("fixed")
    if fixed is None:
        return wire.solution_block(relax(program, limits))
    mask = np.zeros(program.column_count, dtype=np.bool_)
    values = np.zeros(program.column_count)
    mask[fixed["columns"]] = True
    values[fixed["columns"]] = fixed["values"]
    return wire.solution_block(relax(program, limits, mask, values))


def _elastic_job(
    program: Program, limits: Limits, options: Mapping[str, Any], hook: Hook, mail: Mail | None = None
) -> bytes:
    from planner.solve.infeasible import elastic_here

    found = elastic_here(program, limits, options["penalties"], frozenset(options["firm"]))
    return json.dumps(found).encode()


def _conflict_job(
    program: Program, limits: Limits, options: Mapping[str, Any], hook: Hook, mail: Mail | None = None
) -> bytes:
    from planner.solve.infeasible import conflicting_rows_here

    return json.dumps(conflicting_rows_here(program, limits, options.get("background", ()))).encode()


def _nearest_job(
    program: Program, limits: Limits, options: Mapping[str, Any], hook: Hook, mail: Mail | None = None
) -> bytes:
    from planner.solve.infeasible import nearest_changes_here

    return json.dumps(nearest_changes_here(program, limits, options["names"])).encode()


def _what_if_job(
    program: Program, limits: Limits, options: Mapping[str, Any], hook: Hook, mail: Mail | None = None
) -> bytes:
    from planner.solve.what_if import what_if_here

    return json.dumps(what_if_here(program, limits, options["changes"], options.get("start"))).encode()


def _front_job(
    program: Program, limits: Limits, options: Mapping[str, Any], hook: Hook, mail: Mail | None = None
) -> bytes:
    from planner.solve.front import front_here

    return json.dumps(front_here(program, limits, options)).encode()


def _different_job(
    program: Program, limits: Limits, options: Mapping[str, Any], hook: Hook, mail: Mail | None = None
) -> bytes:
    from planner.solve.front import different_here

    return json.dumps(different_here(program, limits, options)).encode()


def _several_job(
    program: Program, limits: Limits, options: Mapping[str, Any], hook: Hook, mail: Mail | None = None
) -> bytes:
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
