"""A plan in drawn futures: whether each of its promises is kept, counted one future at a time.

What a plan promises and what that rests on is read from the plan alone (``verify.chance``), so any plan can be held to
any futures: of one period or over lots, made here or read from a file. The chance that a plan says is quadrature over
the same distributions; this counts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.outlook.draws import Draws
from planner.scenario.kinds import Workload
from planner.scenario.types import Scenario
from planner.uncertainty.margins import times_at
from planner.verify.chance import Promises, Running, answers, ends_of

Bools = NDArray[np.bool_]


def kept_in(scenario: Scenario, plan: Plan, catalog: Catalog, draws: Draws) -> dict[str, Bools]:
    """{workload: whether its promise is kept in each future (n,)}; without those of which no interval is known.

    ``catalog`` holds the scenario's assumptions.
    """
    view = Promises(scenario, plan, catalog)
    found: dict[str, Bools] = {}
    for w in scenario.workloads:
        kept = _dates(view, w, draws) if w.runs_once else _load(view, w, draws)
        if kept is not None:
            found[w.name] = kept
    return found


def _dates(view: Promises, workload: Workload, draws: Draws) -> Bools | None:
    kept = np.ones(draws.n, np.bool_)
    runs = view.running(workload)
    for run in runs:
        if ends_of(run.predicted) is None or not run.predicted.days:
            return None
        kept &= _ends(workload, run, draws) <= run.due * (1 + 1e-9)
    return kept if runs else None


def _ends(workload: Workload, run: Running, draws: Draws) -> NDArray[np.float64]:
    """The day (n,) on which a run ends."""
    slips = [draws.slip_days(system, chip) for system, chip in run.systems]
    there = run.ready + np.max(slips, axis=0) if slips else np.full(draws.n, run.ready)
    lasting = np.full(draws.n, float(run.predicted.days or 0.0)) * draws.demand_factor(workload.name)
    if run.margin.failures is not None:
        lasting = lasting * run.margin.failures.stretch(run.chips, draws.failure_factor(), run.missing)[0]
    ends = ends_of(run.predicted) or (1.0, 1.0)
    lasting = lasting * times_at(run.margin.time, *ends, draws.time_share(workload.name))
    return np.asarray(np.maximum(there, run.release) + lasting)


def _load(view: Promises, workload: Workload, draws: Draws) -> Bools | None:
    kept = np.ones(draws.n, np.bool_)
    periods = view.working(workload)
    every = [w for _, some in periods for w in some]
    if not every or any(ends_of(w.predicted) is None for w in every):
        return None
    share, demand = draws.time_share(workload.name), draws.demand_factor(workload.name)
    for wanted, some in periods:
        kept &= answers(workload, wanted * demand, some, share)
    for w in every:
        if w.slack_days is not None:
            kept &= draws.slip_days(w.system, w.chip) <= w.slack_days + 1e-6
    return kept
