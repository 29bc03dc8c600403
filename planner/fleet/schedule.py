"""The schedule in days of the runs of a shared fleet: each as early as systems, order and its slot allow.

The program places runs at slots, and a run holds its systems for whole slots. In days it lets go of them when it ends,
so what follows may begin sooner: each run moves up to one slot ahead, or to any earlier slot that is charged no more
(where no limit is by year), and never back. What the program charges stays as of its slots.
"""

from __future__ import annotations

import math

from planner.errors import SolveError
from planner.fleet.sequence import free_systems, place, places_of
from planner.fleet.standing import place_name
from planner.fleet.stock_model import StockPlan
from planner.options.annual import stated
from planner.options.hardware.choices import start_days
from planner.options.hardware.timeline import DAYS_PER_MONTH, Timeline
from planner.options.stock import PER_DAY, Run, Start, Stock
from planner.scenario.types import Scenario
from planner.solve.intervals import Level, Task, earliest_starts
from planner.solve.status import Limits

EQUAL_USD = 1e-9
"""Relative difference of two prices that is rounding."""
SECONDS = 10.0
"""Longest that is searched for earlier starts; the slots are a schedule in any case."""


def earliest_slot(scenario: Scenario, run: Run, start: Start) -> int:
    """The slot from whose beginning on a run may begin in days, which the program starts at another."""
    found = max(0, start.slot - 1)
    if stated(scenario.limits):
        return found
    prices = {s.slot: s.cost_usd for s in run.starts}
    slot = start.slot
    while prices.get(slot - 1, math.inf) <= start.cost_usd + EQUAL_USD * abs(start.cost_usd):
        slot -= 1
    return min(found, slot)


def days_of(scenario: Scenario, timeline: Timeline, stock: Stock, plan: StockPlan, limits: Limits) -> dict[str, float]:
    """{run: day from the plan's start on which it begins}, never later than its slot, or within it where it may move.

    Raises ``SolveError`` where its short runs do not fit into their slots: ``sequence`` sees to it that they do.
    """
    if not plan.runs:
        return {}
    placed, failures = place(stock, plan, limits)
    if failures:
        raise SolveError("the runs of a plan do not fit into their slots")
    minutes = [round(edge * DAYS_PER_MONTH * PER_DAY) for edge in timeline.edges]
    free = {band: [free_systems(stock, plan, t, band) for t in range(timeline.periods)] for band in stock.bands}
    groups = {run.group for run, _ in plan.runs if not run.term}
    standing = {(g, band): [of.get(g, 0) for of in by_period] for band, by_period in free.items() for g in groups}
    tasks = []
    for run, start in plan.runs:
        slots = timeline.slots
        known = round(slots[start.slot].start * DAYS_PER_MONTH * PER_DAY)
        latest = known
        if run.workload in placed:
            known = placed[run.workload]
            latest = max(known, math.floor((start.due_days or 0.0) * PER_DAY + 1e-3) - run.minutes)
        ahead = slots[earliest_slot(scenario, run, start)].start * DAYS_PER_MONTH
        if run.term:
            ahead = slots[start.slot].start * DAYS_PER_MONTH  # its systems are rented from that day
        workload = next(w for w in scenario.workloads if w.name == run.workload)
        begins = start_days(scenario, getattr(workload, "start", None))
        own = [f"rented for {run.workload}"]
        taken = own if run.term else [place_name(where) for where in places_of(stock, run)]
        tasks.append(
            Task(
                name=run.workload if run.lead else f"{run.workload}, second side",
                # both sides of a run on two kinds of systems begin with their slot
                earliest=known if run.mix else min(known, math.ceil(max(ahead, begins) * PER_DAY)),
                latest=latest,
                length=run.minutes,
                known=known,
                resource=taken[0],
                beside=tuple(taken[1:]),
                amount=run.systems,
                after=tuple(before for before, after in stock.order if after == run.workload),
            )
        )
    resources = {
        place_name(where): [Level(minutes[t], minutes[t + 1], left[t]) for t in range(timeline.periods)]
        for where, left in standing.items()
    }
    # what is rented for one run alone is there whenever it is
    resources |= {
        f"rented for {run.workload}": [Level(minutes[0], minutes[-1], run.systems)] for run, _ in plan.runs if run.term
    }
    short = Limits(time_limit_s=min(SECONDS, limits.time_limit_s), seed=limits.seed, threads=1,
                   reproducible=limits.reproducible)  # fmt: skip
    found, _ = earliest_starts(tasks, resources, short)
    if found is None:
        raise SolveError("the runs of a plan do not fit into its days")
    exact = {run.workload: timeline.slots[start.slot].start * DAYS_PER_MONTH for run, start in plan.runs}
    begins_of = {run.workload: round(exact[run.workload] * PER_DAY) for run, _ in plan.runs}
    return {name: exact[name] if at == begins_of[name] else at / PER_DAY for name, at in found.items() if name in exact}
