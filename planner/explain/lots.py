"""What binds and what else was possible where the plan is over lots, in time that the size decides."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from planner.answer.plan import Alternative, Binding, Conflict, Nearest
from planner.explain.binding import binding_limits
from planner.explain.conflict import Diagnosis, model_findings
from planner.explain.limits import firm_rows, loosened, unit_step, usage
from planner.fleet.leaves import by_leaf
from planner.fleet.model import OBJECTIVE_UNITS, FleetModel
from planner.fleet.stock_model import StockModel
from planner.options.counted import GOALS
from planner.options.option import Dropped
from planner.scenario.base import month_index
from planner.scenario.types import Scenario
from planner.solve import Limits, relax, with_objective
from planner.solve.form import Program
from planner.solve.what_if import Change, what_if

_IMPOSSIBLE = "not possible"


MOST_RIVALS = 8
"""Alternatives that a plan shows."""


MANY_COLUMNS = 2000
"""Programs with more take too long to solve again for every question: their relaxation answers."""


MOST_LEADS = 4
"""Shorter lead times that are tried."""


MOST_LIMITS = 8
"""Limits of a large program that are asked about."""


def explained_shared(
    model: FleetModel,
    stock: StockModel,
    objective: str,
    value: float,
    values: NDArray[np.float64],
    limits: Limits,
    dropped: Sequence[Dropped],
    worth: Callable[[float, Limits, bool], tuple[Binding, ...]],
) -> tuple[tuple[Binding, ...], tuple[Alternative, ...]]:
    """What binds and what one more unit is worth; the best plan without each kind of system, and on it alone.

    Each found by solving again, ``limits.time_limit_s`` for all together: the program itself where it is small, its
    relaxation where it is large, and then said to be. ``value``: the objective of the best plan. ``worth``: of figures
    that no row holds (``rewritten.worth_of_leaves``), compared with an objective. Raises ``SolveError``.
    """
    third = replace(limits, time_limit_s=limits.time_limit_s / 3)
    leaves, point = by_leaf(model, values)
    at = values if point is None else point
    large = model.program.column_count > MANY_COLUMNS
    if large:
        binding = binding_by_relaxation(leaves, objective, at, third)
        value_here = relax(with_objective(model.program, model.objectives[objective]), third).objective
    else:
        binding = binding_limits(leaves, objective, value, at, third)
        value_here = value
    more = worth(value_here, third, large) if math.isfinite(value_here) else ()
    binding = tuple(sorted((*binding, *more), key=lambda b: (-(b.worth_per_unit or 0.0) * b.of, b.limit)))
    # rivals stand beside the plan as it is, simplified or not
    shown = float(model.objectives[objective] @ values)
    return binding, lots_rivals(model, stock, objective, shown, values, third, dropped)


def without_wholeness(program: Program) -> Program:
    none = np.zeros(program.column_count, dtype=np.bool_)
    return replace(program, integer=none, structure=none)


def binding_by_relaxation(
    model: FleetModel, objective: str, values: NDArray[np.float64], limits: Limits
) -> tuple[Binding, ...]:
    """What one more unit of the limits that the relaxation presses hardest against is worth to it, solved again."""
    unit, scale = OBJECTIVE_UNITS[objective]
    program = with_objective(model.program, model.objectives[objective])
    base = relax(program, replace(limits, time_limit_s=limits.time_limit_s / 2))
    if base.row_dual is None or not math.isfinite(base.objective):
        return ()
    firm = firm_rows(model)
    asked = [x for x in model.limits.values() if x.row not in firm and x.limit > 0]
    pressure = {x.row: abs(float(base.row_dual[program.row(x.row)])) * x.limit / x.scale for x in asked}
    noise = 1e-7 * abs(base.objective)
    pressing = sorted((x for x in asked if pressure[x.row] > noise), key=lambda x: -pressure[x.row])[:MOST_LIMITS]
    changes = [loosened(program, x, unit_step(program, x)) for x in pressing]
    left = replace(limits, time_limit_s=max(1.0, limits.time_limit_s - base.seconds))
    outcomes = what_if(without_wholeness(program), changes, left)
    found = []
    for limit, outcome in zip(pressing, outcomes, strict=True):
        step = unit_step(program, limit)
        known = outcome.status.has_plan
        worth = max(0.0, base.objective - outcome.objective) * abs(scale) / step if known else None
        what = "more" if limit.sense < 0 else "less"
        note = f"of the relaxation (parts of systems allowed), solved again with {step:.4g} {limit.unit} {what}"
        found.append(
            Binding(
                limit=limit.label,
                used=usage(program, limit, values),
                of=limit.limit,
                unit=limit.unit,
                worth_per_unit=worth,
                worth_unit=f"{unit} per {limit.unit}",
                note=note if known else "not known: solving again found no answer in time",
                kind=limit.kind,
                path=limit.path,
            )
        )
    return tuple(sorted(found, key=lambda b: (-(b.worth_per_unit or 0.0) * b.of, b.limit)))


def lots_rivals(
    model: FleetModel, stock: StockModel, objective: str, value: float, values: NDArray[np.float64], limits: Limits,
    dropped: Sequence[Dropped],
) -> tuple[Alternative, ...]:  # fmt: skip
    """Plans on one kind of system alone, and without one that the plan buys or rents."""
    scale = OBJECTIVE_UNITS[objective][1]
    program = with_objective(model.program, model.objectives[objective])
    groups, lots = stock.stock.groups, stock.stock.lots
    # what brings systems: lots, and runs on systems rented for them alone
    system_of = [groups[x.group].system for x in lots]
    bringing = [*stock.lots]
    for columns, run in zip(stock.runs, stock.stock.runs, strict=True):
        if run.term:
            bringing += columns
            system_of += [groups[run.group].system] * len(columns)
    used = {s for s, c in zip(system_of, bringing, strict=True) if values[c] > 0.5}
    questions: dict[str, list[int]] = {}
    if len(set(system_of)) > 2:  # of two, without one is only the other
        for name in sorted(used):
            questions[f"without {name}"] = [c for s, c in zip(system_of, bringing, strict=True) if s == name]
    for name in sorted(set(system_of), key=lambda n: (n not in used, n)):
        others = [c for s, c in zip(system_of, bringing, strict=True) if s != name]
        if others and used != {name}:
            questions[f"only {name}"] = others
    names = list(questions)[: 2 * MOST_RIVALS]
    large = program.column_count > MANY_COLUMNS
    changes = [Change(upper=dict.fromkeys(questions[n], 0.0)) for n in names]
    outcomes = what_if(without_wholeness(program) if large else program, changes, limits)
    found = []
    for name, outcome in zip(names, outcomes, strict=True):
        if outcome.status.has_plan and large:
            found.append(_bounded_rival(name, objective, outcome.objective, value))
        elif outcome.status.has_plan:
            difference = (outcome.objective - value) * scale / abs(value * scale) if value else None
            way = "more" if (difference or 0.0) >= 0 else "less"
            summary = "possible" if difference is None else f"possible: {abs(difference):.1%} {way} {objective}"
            if outcome.status != "proven_optimal" and difference is not None:
                summary += ", or better: not searched to the end"
            found.append(Alternative(name=name, objective=outcome.objective * scale, difference=difference,
                                     summary=summary, kinds=int(name.startswith("only "))))  # fmt: skip
        elif outcome.status == "infeasible":
            found.append(
                Alternative(name=name, objective=None, summary=f"{_IMPOSSIBLE}: some date, demand or limit fails")
            )
    for name in dict.fromkeys(d.option.split(" on ", 1)[-1].split(" ")[0] for d in dropped if " on " in d.option):
        if name not in system_of:
            reason = next(d.reason for d in dropped if f" {name} " in f" {d.option} ")
            found.append(Alternative(name=f"only {name}", objective=None, summary=f"{_IMPOSSIBLE}: {reason}"))
    ranked = sorted(
        found,
        key=lambda a: (a.summary.startswith(_IMPOSSIBLE), a.objective is None, a.difference is None,
                       a.difference or 0.0, a.name),
    )  # fmt: skip
    return tuple(ranked[:MOST_RIVALS])


def _bounded_rival(name: str, objective: str, bound: float, value: float) -> Alternative:
    """What the relaxation of a rival says of it: a bound, not a plan."""
    worse, better = ("less", "more") if GOALS[objective].most else ("more", "less")
    difference = (bound - value) / abs(value) if value else 0.0
    if difference > 0:
        summary = f"at least {difference:.1%} {worse} {objective}, by the bound of its relaxation"
        return Alternative(name=name, objective=None, difference=difference, summary=summary)
    summary = f"at best {-difference:.1%} {better} {objective}, by the bound of its relaxation; not searched further"
    return Alternative(name=name, objective=None, summary=summary)


def shared_findings(model: FleetModel, limits: Limits, counted: Diagnosis) -> Diagnosis:
    """Why a shared fleet has no plan: a conflict always, and changes that would help, each tried by solving again.

    ``model`` is built over a relaxed search; ``counted`` is what counting alone shows, for what no row of the model
    holds. Figures that limit many periods are asked about as one.
    """
    leaves, _ = by_leaf(model)
    diagnosis = model_findings(leaves, limits)
    if not diagnosis.conflicts and counted.conflicts:
        return replace(counted, nearest=counted.nearest or diagnosis.nearest)
    if not diagnosis.conflicts:
        labels = tuple(limit.label for limit in leaves.limits.values() if limit.row not in firm_rows(leaves))
        shown = "; ".join(labels[:12]) + (f"; and {len(labels) - 12} more" if len(labels) > 12 else "")
        seconds = math.ceil(limits.time_limit_s)
        message = f"The limits cannot hold together; {seconds} s were too short to say which of them: {shown}."
        return replace(diagnosis, conflicts=(Conflict(limits=labels, message=message),))
    first, *rest = diagnosis.conflicts
    ties = _ties(leaves, first, limits)
    if ties:
        message = first.message.rstrip(".") + "; " + "; ".join(ties) + "."
        first = Conflict(limits=(*first.limits, *ties), message=message)
    return replace(diagnosis, conflicts=(first, *rest))


def with_lead_time(diagnosis: Diagnosis, scenario: Scenario, possible: Callable[[Scenario], bool]) -> Diagnosis:
    """The lead time of what is bought as a part of the conflict, where a shorter one would make a plan possible.

    No row holds it: what cannot arrive has no column. ``possible`` plans a scenario again.
    """
    lead = scenario.hardware.lead_months
    if not lead:
        return diagnosis
    first = month_index(scenario.start)
    shorter = sorted({m for p in scenario.period_starts if (m := month_index(p) - first) < lead}, reverse=True)
    for months in shorter[:MOST_LEADS]:
        hardware = scenario.hardware.model_copy(update={"lead_months": months})
        if not possible(scenario.model_copy(update={"hardware": hardware})):
            continue
        change = f"Lower hardware.lead_months from {lead} to {months} months: then a plan exists."
        nearest = Nearest(limit="hardware.lead_months", now=float(lead), needed=float(months), unit="months",
                          message=change, confirmed=True)  # fmt: skip
        word = f"nothing bought arrives before {lead} months have passed"
        conflicts = tuple(
            c.model_copy(update={"limits": (*c.limits, word), "message": f"{c.message.rstrip('.')}; {word}."})
            for c in diagnosis.conflicts
        )
        return replace(diagnosis, conflicts=conflicts, nearest=(nearest, *diagnosis.nearest))
    return diagnosis


def _ties(model: FleetModel, conflict: Conflict, limits: Limits) -> list[str]:
    """Order of runs and shares of vendors without which the limits of a conflict could hold together."""
    program = with_objective(model.program, np.zeros(model.program.column_count))
    named = {limit.row for limit in model.limits.values() if limit.label in conflict.limits}
    free = [r for name in model.limits if name not in named and name not in firm_rows(model)
            for r in (program.row(name),)]  # fmt: skip
    words: dict[str, list[int]] = {}
    for row, name in enumerate(program.row_names):
        if name.startswith("order["):
            before, after, *_ = name[6:-1].split(",")
            words.setdefault(f"{after} begins after {before} has ended", []).append(row)
        elif name.startswith("share["):
            words.setdefault(f"the largest share of {name[6:-1]}", []).append(row)
    changes = []
    for rows in words.values():
        open_rows = [*rows, *free]
        changes.append(
            Change(row_lower=dict.fromkeys(open_rows, -math.inf), row_upper=dict.fromkeys(open_rows, math.inf))
        )
    outcomes = what_if(program, changes, limits) if changes else []
    return [word for word, outcome in zip(words, outcomes, strict=True) if outcome.status.has_plan]
