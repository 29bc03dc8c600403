"""From a solved program over lots to the parts of a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.answer.deployed import deployments_view
from planner.catalog import Catalog
from planner.fleet.model import FleetModel
from planner.fleet.schedule import days_of
from planner.fleet.sequence import place
from planner.fleet.steady import steadied
from planner.fleet.stock_answer import fleet_of, schedule_of, stock_totals, stock_values
from planner.fleet.stock_model import StockModel, plan_of
from planner.options.stock_figures import StockFigures
from planner.scenario.types import Scenario
from planner.solve import Limits, Solution


def shared_parts(
    scenario: Scenario, catalog: Catalog, stock: StockModel, values: NDArray[np.float64], limits: Limits
) -> tuple[dict[str, Any], dict[str, float]]:
    """({field: part} of the plan, {objective: value}). ``catalog`` holds the scenario's assumptions."""
    figures = StockFigures(scenario, catalog)
    plan = plan_of(stock, values)
    days = days_of(scenario, figures.timeline, stock.stock, plan, limits)
    schedule = schedule_of(figures, stock.stock, plan, days)
    fleet = fleet_of(figures, stock.stock, plan, schedule)
    totals = stock_totals(figures, fleet, schedule)
    view = deployments_view(fleet, schedule, figures.timeline.names, scenario.period_years)
    parts = {"deployments": view, "fleet": fleet, "schedule": schedule, "totals": totals}
    return parts, stock_values(figures, totals, schedule)


def steadied_solutions(
    model: FleetModel, stock: StockModel, goals: Sequence[str], solutions: Sequence[Solution], limits: Limits
) -> list[Solution]:
    """Solutions whose last plan changes its work no more than it must, in a part of the time that solving took."""
    last = max(i for i, s in enumerate(solutions) if s.values is not None)
    values = solutions[last].values
    assert values is not None  # noqa: S101 - chosen so
    spent = sum(s.seconds for s in solutions)
    short = replace(limits, time_limit_s=min(10.0, max(2.0, 0.25 * spent)), gap=0.01)
    found = steadied(stock, values, [model.objectives[g] for g in goals[: last + 1]], short)
    if place(stock.stock, plan_of(stock, found), short)[1]:
        found = values  # what serves otherwise leaves runs too little room
    value = float(model.objectives[goals[last]] @ found)
    better = replace(solutions[last], values=found, objective=value)
    return [better if i == last else s for i, s in enumerate(solutions)]
