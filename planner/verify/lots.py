"""The independent check of a shared fleet's plan: every lot, run and load priced again, every limit in exact fractions.

Imports neither the fleet's program nor a solver. The plan's own counts, places, dates and layouts are taken from its
file; everything else is computed again from catalog and scenario.

    lots        allowed there and then, whole, priced again
    work        layouts described again; every run once, released, in order and in time; loads within their latencies
    occupancy   what serves in a period stands in it, and what runs on a day besides
    demand      every load in every period, phase by phase and site by site
    limits      power, racks, chips, supply, shares, money, carbon and water, in every period and year
    sums        lines to totals, totals to the objective
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from planner.answer.deployed import deployments_view
from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.errors import PlannerError
from planner.options.stock_figures import StockFigures
from planner.scenario.types import Scenario
from planner.verify.again import Again
from planner.verify.compare import differences
from planner.verify.limits import chip_failures, money_failures, power_failures, share_failures, supply_failures
from planner.verify.occupancy import day_failures, demand_failures, occupancy_failures, order_failures
from planner.verify.question import kind_failures, proof_failures, question_failures
from planner.verify.sums import sum_failures
from planner.verify.work import load_failures, lot_failures, run_failures


def verify_stock(plan: Plan, scenario: Scenario, catalog: Catalog) -> list[str]:
    """What is wrong with a shared fleet's plan; empty when every check holds. ``catalog`` has no assumptions yet."""
    if plan.fleet is None or plan.schedule is None:
        return ["the plan of a fleet over time has a fleet and a schedule"]
    again = Again(plan, scenario, StockFigures(scenario, catalog.with_assumptions(scenario.assume.as_mapping())))
    for i, lot in enumerate(plan.fleet.lots):
        _guarded(again, f"fleet.lots[{i}] {lot.system} at {lot.site}", partial(lot_failures, again, lot))
    for i, run in enumerate(plan.schedule.runs):
        _guarded(again, f"schedule.runs[{i}] {run.workload}", partial(run_failures, again, run))
    for i, load in enumerate(plan.schedule.loads):
        _guarded(again, f"schedule.loads[{i}] {load.workload}", partial(load_failures, again, load))
    asked = list(question_failures(plan, scenario, catalog))
    if again.failures:
        return again.failures + asked  # sums over what could not be recomputed would say nothing
    for check in (
        occupancy_failures,
        day_failures,
        order_failures,
        demand_failures,
        power_failures,
        chip_failures,
        supply_failures,
        share_failures,
        money_failures,
    ):
        again.failures += check(again)
    again.failures += sum_failures(again, plan)
    view = deployments_view(plan.fleet, plan.schedule, again.timeline.names, scenario.period_years)
    again.failures += differences(
        "deployments",
        {str(i): d.model_dump() for i, d in enumerate(plan.deployments)},
        {str(i): d.model_dump() for i, d in enumerate(view)},
    )
    again.failures += proof_failures(plan, scenario)
    again.failures += kind_failures(plan, scenario)
    return again.failures + asked


def _guarded(again: Again, where: str, look: Callable[[], Iterable[str]]) -> None:
    try:
        again.failures += [f"{where}: {text}" for text in look()]
    except (PlannerError, KeyError, ValueError) as error:
        again.failures.append(f"{where}: {error}")
