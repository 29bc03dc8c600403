"""Which limits bind a plan, and what one unit more of each would be worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from planner.answer.plan import Binding
from planner.answer.words import money
from planner.explain.limits import firm_rows, loosened, steps_of, usage
from planner.fleet.model import OBJECTIVE_UNITS, FleetModel
from planner.solve import Limits, with_objective
from planner.solve.form import Program
from planner.solve.what_if import Change, Outcome, what_if

_FULL = 1e-6
"""A limit of which less than this share is left is used up."""


def _fewest_racks(program: Program, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The plan with no more racks than hold its systems: nothing makes the solver stop at them."""
    fewest = np.array(values)
    for row, kind in enumerate(program.row_kind):
        if kind == "fit":
            at = np.flatnonzero(program.rows == row)
            racks = program.cols[at[program.vals[at] > 0]]
            held = -(program.vals[at] * values[program.cols[at]])[program.vals[at] < 0].sum()
            fewest[racks] = math.ceil(held - 1e-9)
    return fewest


def binding_limits(
    model: FleetModel, objective: str, value: float, values: NDArray[np.float64], limits: Limits
) -> tuple[Binding, ...]:
    """Limits that one more unit of makes the objective better, and those that are used up.

    ``value`` in the solver's scaled unit. Worth per unit is the difference that solving again with one unit more shows
    (where that changes nothing, with a larger step, divided by it); the plan's own gap is the resolution, so smaller
    differences count as none. Where time does not suffice it is what the relaxation gains.
    """
    unit, scale = OBJECTIVE_UNITS[objective]
    values = _fewest_racks(model.program, values)
    program = with_objective(model.program, model.objectives[objective])
    used_rows = set(program.rows.tolist())  # nothing uses any of a limit without coefficients: it cannot bind
    asked = [
        limit
        for limit in model.limits.values()
        if limit.row not in firm_rows(model) and limit.limit > 0 and program.row(limit.row) in used_rows
    ]
    steps = [steps_of(program, limit) for limit in asked]
    changes = [loosened(program, limit, step) for limit, few in zip(asked, steps, strict=True) for step in few]
    outcomes = iter(what_if(program, changes, limits))
    gains: list[list[tuple[float, float | None]]] = []
    for few in steps:
        solved = [(step, next(outcomes)) for step in few]
        gains.append([(step, _gain(value, o, limits) if o.status.has_plan else None) for step, o in solved])
    unknown = [i for i, told in enumerate(gains) if not any(gain for _, gain in told) and told[0][1] is None]
    relaxed = _gains_of_relaxation(program, [loosened(program, asked[i], steps[i][0]) for i in unknown], limits)
    by_bound = dict(zip(unknown, relaxed, strict=True))
    found = []
    for i, (limit, told) in enumerate(zip(asked, gains, strict=True)):
        used = usage(program, limit, values)
        what = f"{limit.unit} {'more' if limit.sense < 0 else 'less'}"
        step, gain = next(((s, g) for s, g in told if g), told[0])
        note = f"solved again with {step:.4g} {what}"
        smaller = next(((s, g) for s, g in told if g and s < step), None)
        if smaller is not None:
            note += f"; {smaller[0]:.3g} {what} {_worth_words(smaller[1] or 0.0, scale, unit)}"
        if i in by_bound:
            gain = by_bound[i]
            note = f"of the relaxation (parts of systems allowed), solved again with {step:.4g} {what}"
        full = used >= (1 - _FULL) * limit.limit if limit.sense < 0 else used <= (1 + _FULL) * limit.limit
        if not gain and (not full or limit.kind in {"demand", "redundancy"}):
            continue
        if gain is None:
            note = "not known: solving again found no answer in time"
        found.append(
            Binding(
                limit=limit.label,
                used=used,
                of=limit.limit,
                unit=limit.unit,
                worth_per_unit=None if gain is None else abs(gain * scale) / step,
                worth_unit=f"{unit} per {limit.unit}",
                note=note,
                kind=limit.kind,
                path=limit.path,
            )
        )
    return tuple(sorted(found, key=lambda b: (-(b.worth_per_unit or 0.0) * b.of, b.limit)))


def gain_of(value: float, objective: float, *, proven: bool, limits: Limits) -> float:
    """How much better a solution is than the plan, 0 for less than what both are known to."""
    better = value - objective
    noise = 1e-7 * abs(value) if proven else 2 * limits.gap * abs(value)
    return better if better > max(noise, 1e-9) else 0.0


def _gain(value: float, outcome: Outcome, limits: Limits) -> float:
    return gain_of(value, outcome.objective, proven=outcome.status == "proven_optimal", limits=limits)


def _gains_of_relaxation(program: Program, changes: Sequence[Change], limits: Limits) -> list[float | None]:
    """What each change brings to the program with parts of systems allowed."""
    if not changes:
        return []
    none = np.zeros(program.column_count, dtype=np.bool_)
    base, *outcomes = what_if(replace(program, integer=none, structure=none), [Change(), *changes], limits)
    if not base.status.has_plan:
        return [None] * len(changes)
    return [max(0.0, base.objective - o.objective) if o.status.has_plan else None for o in outcomes]


def _worth_words(gain: float, scale: float, unit: str) -> str:
    return (
        f"already save {money(abs(gain * scale))}" if unit == "USD" else f"already bring {abs(gain * scale):.4g} {unit}"
    )
