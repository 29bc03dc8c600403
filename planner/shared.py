"""Planning with a shared fleet: what ``api`` does differently where systems serve whatever needs them.

The plan's parts from a solved program, what binds and what else was possible, in time that the size decides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Catalog
from planner.explain import Diagnosis, binding_limits, firm_rows, model_findings, usage
from planner.fleet.leaves import by_leaf
from planner.fleet.model import OBJECTIVE_UNITS, FleetModel
from planner.fleet.schedule import days_of
from planner.fleet.stock_answer import fleet_of, schedule_of, stock_totals, stock_values
from planner.fleet.stock_model import StockModel, plan_of
from planner.options.option import Dropped
from planner.options.stock_figures import StockFigures
from planner.result import Alternative, Binding, Conflict
from planner.scenario.types import Scenario
from planner.solve import Limits, with_objective
from planner.solve.what_if import Change, what_if

MOST_RIVALS = 8
"""Alternatives that a plan shows."""
MANY_COLUMNS = 2000
"""Programs with more are asked only about limits that the plan uses up to ``NEARLY``."""
NEARLY = 0.9


def shared_parts(
    scenario: Scenario, catalog: Catalog, stock: StockModel, values: NDArray[np.float64], limits: Limits
) -> tuple[dict[str, Any], dict[str, float]]:
    """({field: part} of the plan, {objective: value}). ``catalog`` holds the scenario's assumptions."""
    figures = StockFigures(scenario, catalog)
    plan = plan_of(stock, values)
    days = days_of(scenario, figures.timeline, stock.stock, plan, limits)
    schedule = schedule_of(figures, stock.stock, plan, days)
    fleet = fleet_of(figures, stock.stock, plan, schedule)
    totals = stock_totals(fleet, schedule, float(scenario.horizon_years))
    return {"fleet": fleet, "schedule": schedule, "totals": totals}, stock_values(totals, schedule)


def explained_shared(
    model: FleetModel,
    stock: StockModel,
    objective: str,
    values: NDArray[np.float64],
    limits: Limits,
    dropped: Sequence[Dropped],
) -> tuple[tuple[Binding, ...], tuple[Alternative, ...]]:
    """What binds and what one more unit is worth; the best plan without each kind of system, and on it alone.

    Each found by solving again, ``limits.time_limit_s`` for both together. Raises ``SolveError``.
    """
    value = float(model.objectives[objective] @ values)
    asked = model
    if model.program.column_count > MANY_COLUMNS:
        # what is far from used up rarely decides, and each question costs as much as the plan
        pressing = {name: limit for name, limit in model.limits.items() if _presses(model, name, values)}
        asked = replace(model, limits=pressing | {n: x for n, x in model.limits.items() if n in firm_rows(model)})
    half = replace(limits, time_limit_s=limits.time_limit_s / 2)
    asked, point = by_leaf(asked, values)
    binding = binding_limits(asked, objective, value, values if point is None else point, half)
    return binding, _rivals(model, stock, objective, value, values, half, dropped)


def _presses(model: FleetModel, name: str, values: NDArray[np.float64]) -> bool:
    limit = model.limits[name]
    used = usage(model.program, limit, values)
    return used >= NEARLY * limit.limit if limit.sense < 0 else used <= limit.limit / NEARLY


def _rivals(
    model: FleetModel, stock: StockModel, objective: str, value: float, values: NDArray[np.float64], limits: Limits,
    dropped: Sequence[Dropped],
) -> tuple[Alternative, ...]:  # fmt: skip
    """Plans on one kind of system alone, and without one that the plan buys or rents."""
    scale = OBJECTIVE_UNITS[objective][1]
    program = with_objective(model.program, model.objectives[objective])
    groups, lots = stock.stock.groups, stock.stock.lots
    system_of = [groups[x.group].system for x in lots]
    used = {s for s, c in zip(system_of, stock.lots, strict=True) if values[c] > 0.5}
    questions: dict[str, list[int]] = {}
    for name in dict.fromkeys(system_of):
        others = [c for s, c in zip(system_of, stock.lots, strict=True) if s != name]
        if others and used != {name}:
            questions[f"only {name}"] = others
    for name in sorted(used):
        if len(set(system_of)) > 1:
            questions[f"without {name}"] = [c for s, c in zip(system_of, stock.lots, strict=True) if s == name]
    names = list(questions)[: 2 * MOST_RIVALS]
    outcomes = what_if(program, [Change(upper=dict.fromkeys(questions[n], 0.0)) for n in names], limits)
    found = []
    for name, outcome in zip(names, outcomes, strict=True):
        if outcome.status.has_plan:
            difference = (outcome.objective - value) * scale / abs(value * scale) if value else None
            way = "more" if (difference or 0.0) >= 0 else "less"
            summary = "possible" if difference is None else f"possible: {abs(difference):.1%} {way} {objective}"
            if outcome.status != "proven_optimal" and difference is not None:
                summary += ", or better: not searched to the end"
            found.append(Alternative(name=name, objective=outcome.objective * scale, difference=difference,
                                     summary=summary))  # fmt: skip
        elif outcome.status == "infeasible":
            found.append(
                Alternative(name=name, objective=None, summary="not possible: the limits leave no room for it")
            )
    for name in dict.fromkeys(d.option.split(" on ", 1)[-1].split(" ")[0] for d in dropped if " on " in d.option):
        if name not in system_of:
            reason = next(d.reason for d in dropped if f" {name} " in f" {d.option} ")
            found.append(Alternative(name=f"only {name}", objective=None, summary=f"not possible: {reason}"))
    ranked = sorted(found, key=lambda a: (a.objective is None, a.difference or 0.0, a.name))
    return tuple(ranked[:MOST_RIVALS])


def shared_findings(model: FleetModel, limits: Limits) -> Diagnosis:
    """Why a shared fleet has no plan: a conflict always, and changes that would help, each tried by solving again.

    ``model`` is built over a relaxed search. Figures that limit many periods are asked about as one.
    """
    leaves, _ = by_leaf(model)
    diagnosis = model_findings(leaves, limits)
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


def _ties(model: FleetModel, conflict: Conflict, limits: Limits) -> list[str]:
    """Order of runs and shares of vendors without which the limits of a conflict could hold together."""
    program = with_objective(model.program, np.zeros(model.program.column_count))
    named = {limit.row for limit in model.limits.values() if limit.label in conflict.limits}
    free = [r for name in model.limits if name not in named and name not in firm_rows(model)
            for r in (program.row(name),)]  # fmt: skip
    words: dict[str, list[int]] = {}
    for row, name in enumerate(program.row_names):
        if name.startswith("order["):
            before, after, _ = name[6:-1].split(",")
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
