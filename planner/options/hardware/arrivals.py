"""When systems can arrive and leave, when runs can begin, and what is asked in each period."""

from __future__ import annotations

import math
from collections.abc import Sequence

from planner.catalog import Catalog
from planner.options.annual import stated
from planner.options.hardware.choices import Choice, announced_days, delivery, start_days
from planner.options.hardware.timeline import DAYS_PER_MONTH, Timeline, demand_by_period
from planner.options.stock import Floats
from planner.scenario.kinds import Counted, Workload
from planner.scenario.types import Scenario
from planner.scenario.workloads import Recommendation, Serving
from planner.uncertainty.margins import margin_of, shared_margin

TERMS = (("1y", 12.0), ("3y", 36.0))
"""Commitments of rent and their months."""


def demand_of(workload: Workload, timeline: Timeline) -> Floats:
    """Peak demand of a load in each period (T,), requests or samples a second."""
    if isinstance(workload, Serving):
        base, path = workload.requests_per_s, workload.requests_path
    else:
        assert isinstance(workload, Recommendation | Counted)  # noqa: S101 - narrowed for the type checker
        base, path = workload.samples_per_s or 0.0, dict(workload.samples_path)
    return demand_by_period(timeline, base, dict(path), workload.growth_per_year)


def lot_ends(scenario: Scenario, timeline: Timeline, begin: int) -> list[int]:
    """Periods before which systems that arrive in ``begin`` may leave; the last is the horizon's end."""
    last = timeline.periods
    keep = scenario.fleet.keep
    early = range(begin + 1, last) if keep != "horizon" else range(0)
    months = [timeline.edges[e] - timeline.edges[begin] for e in early]
    return [e for e, m in zip(early, months, strict=True) if keep == "periods" or m % 12 == 0] + [last]


def arrivals(scenario: Scenario, catalog: Catalog, timeline: Timeline, choice: Choice) -> tuple[list[int], str]:
    """Periods in which systems of a choice may arrive, as surely as the workloads ask, and why none where there are
    none."""
    found, reason = [], ""
    late = max(
        shared_margin(margin_of(scenario, catalog, w, choice.system.id, choice.chip.id))[1] for w in scenario.workloads
    )
    surely = announced_days(scenario, choice.system, choice.chip) + late
    for period, month in enumerate(timeline.edges[:-1]):
        if choice.acquire == "buy" and month < scenario.hardware.lead_months:
            reason = f"nothing arrives before {scenario.hardware.lead_months} months have passed"
            continue
        ready, why = delivery(scenario, choice.system, choice.chip, period)
        if ready is None or ready > month * DAYS_PER_MONTH + 1e-6:
            reason = why or "it arrives after the period begins"
            continue
        if late and surely > month * DAYS_PER_MONTH + 1e-6:
            reason = f"it may come {late:.0f} days later than announced, and must be there with the confidence asked"
            continue
        found.append(period)
    return found, reason


def rent_ends(timeline: Timeline, begin: int, terms: Sequence[str]) -> list[tuple[int, str]]:
    """(period that ends it, term) of what may be rented from a period on: that period, or whole commitments, one after
    another.

    ``terms``: the terms that the scenario allows.
    """
    found = [(begin + 1, "on_demand")] if "on_demand" in terms else []
    start = timeline.edges[begin]
    for name, months in TERMS:
        if name not in terms:
            continue
        for e in range(begin + 1, timeline.periods + 1):
            if (timeline.edges[e] - start) % months == 0:
                found.append((e, name))
                break  # what lasts longer is another lot from then on
    return found


def start_slots(
    scenario: Scenario, timeline: Timeline, workload: Workload, days: float, first: int, beyond: float
) -> list[int]:
    """Slots at which a run of ``days`` may begin: released, delivered from period ``first``, over in time."""
    begins = start_days(scenario, getattr(workload, "start", None))
    end = timeline.end * DAYS_PER_MONTH
    within: float | None = getattr(workload, "finish_within_days", None)
    if within is not None:
        end = min(end, begins + within * beyond)
    return [
        i
        for i, slot in enumerate(timeline.slots)
        if slot.period >= first
        and slot.start * DAYS_PER_MONTH >= begins - 1e-6
        and slot.start * DAYS_PER_MONTH + days <= end * (1 + 1e-12)
    ]


def may_move(scenario: Scenario) -> bool:
    """Whether runs that fit into a slot may begin at any moment of it: where several may follow one another.

    Where days until runs end are the objective they begin with their slots, which say when they end.
    """
    runs = sum(w.runs_once for w in scenario.workloads)
    return scenario.fleet.shared and "time" not in scenario.objective and runs > 1


def due_days(scenario: Scenario, timeline: Timeline, workload: Workload, slot: int, days: float) -> float | None:
    """The day by which a run must end that begins at any moment of a slot and ends in it; None where it cannot move.

    Its money, carbon and water are counted from the slot's beginning: the slot is of one period, and where a limit is
    by year it must be of one year.
    """
    begin, end = timeline.slots[slot].start, timeline.slots[slot].end
    yearly = bool(stated(scenario.limits))
    if yearly and math.floor(begin / 12 + 1e-9) != math.floor(end / 12 - 1e-9):
        return None
    due = min(end, timeline.end) * DAYS_PER_MONTH
    within: float | None = getattr(workload, "finish_within_days", None)
    if within is not None:
        last = start_days(scenario, getattr(workload, "start", None)) + within
        if last >= begin * DAYS_PER_MONTH + days:  # a diagnosis looks beyond: there the slot is the end
            due = min(due, last)
    return due if begin * DAYS_PER_MONTH + days < due - 1e-3 else None


def waited_for(scenario: Scenario) -> set[str]:
    """Runs that others wait for."""
    return {name for w in scenario.workloads for name in getattr(w, "after", ())}
