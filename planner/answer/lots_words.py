"""The plan of a fleet over time in one sentence that a person can repeat, and the notes that keep it honest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from planner.answer.chance import said, together
from planner.answer.names import named
from planner.answer.plan import FleetLot, LoadDemand, Plan, ScheduledRun
from planner.answer.words import money, number, power, years
from planner.scenario.kinds.daily import hours_text
from planner.scenario.topology import FAT_TREE
from planner.scenario.types import Scenario

_VERBS = {"buy": "buy", "rent": "rent", "installed": "keep the installed"}
_MOST_LOTS = 4
ALMOST_IDLE = 0.05
"""Share of its time at work below which the notes name what stands."""


def shared_sentence(scenario: Scenario, plan: Plan) -> str:
    """What to acquire where and when, what it does by when, what it costs and draws."""
    assert plan.fleet is not None  # noqa: S101 - the caller's branch
    assert plan.schedule is not None  # noqa: S101
    lots = _together(plan.fleet.lots)
    largest = sorted(lots, key=lambda x: -lots[x])[:_MOST_LOTS]
    parts = [_lot(scenario, key, lots[key]) for key in lots if key in largest]
    if len(lots) > _MOST_LOTS:
        rest = sum(count for key, count in lots.items() if key not in largest)
        parts.append(f"and {number(rest)} systems in {len(lots) - _MOST_LOTS} further lots")
    text = ", ".join(parts) if len(parts) < 3 or len(lots) > _MOST_LOTS else f"{', '.join(parts[:-1])} and {parts[-1]}"
    text = text[:1].upper() + text[1:]
    runs = [run for run in plan.schedule.runs if run.leads]
    if runs:
        seconds = {run.mix: run for run in plan.schedule.runs if not run.leads}
        told = (_run(run, seconds.get(run.mix)) + said(plan, run.workload) for run in runs[:_MOST_LOTS])
        text += f"; {', '.join(told)}"
        more = len(runs) - _MOST_LOTS
        text += f" and {more} more runs" if more > 0 else ""
    loads = [d for d in plan.schedule.demand if max(d.asked, default=0.0) > 0]
    if loads:
        followers = {name: x.workload for x in plan.schedule.loads for name in x.with_loads}
        alike: dict[str, list[LoadDemand]] = defaultdict(list)
        for d in loads:
            alike[followers.get(d.workload, d.workload)].append(d)
        up_to = (_served(some) + said(plan, some[0].workload) for some in alike.values())
        text += f"; {', '.join(up_to)}"
    totals = plan.totals
    if totals is not None:
        drawn = f"; largest power at the meters: {power(totals.facility_mw)}" if totals.facility_mw else ""
        capex = f"; capital in all: {money(totals.capex_usd)}" if totals.capex_usd else ""
        text += f". Cost over {years(scenario.horizon_years)}: {money(totals.tco_usd)}{capex}{drawn}."
    return text + together(plan)


def _served(loads: Sequence[LoadDemand]) -> str:
    """What a load, or loads that share replicas, are served up to."""
    most = max(sum(asked) for asked in zip(*(d.asked for d in loads), strict=True))
    together = " together" if len(loads) > 1 else ""
    return f"{named([d.workload for d in loads])} served up to {number(_three_digits(most))} {loads[0].unit}{together}"


def _three_digits(value: float) -> float:
    return float(f"{value:.3g}")


_Purchase = tuple[str, str, str, str, str, str, str]


def _together(lots: Sequence[FleetLot]) -> dict[_Purchase, int]:
    """Systems by what a person calls one purchase."""
    found: dict[_Purchase, int] = defaultdict(int)
    for x in lots:
        capped = f" capped to {x.power_cap:.0%}" if x.power_cap < 1.0 else ""
        hours = f" from {hours_text(x.hours)} each day" if x.hours else ""
        capped += f" in a network of {x.topology}" if x.topology != FAT_TREE and x.fabric != "none" else ""
        found[x.acquire, f"{x.system}{capped}", x.site, x.begin, x.end, x.workload, hours] += x.systems
    return dict(found)


def _lot(scenario: Scenario, key: _Purchase, count: int) -> str:
    acquire, system, site, begin, end, owner, hours = key
    where = "" if acquire == "rent" else f" at {site}"
    when = "" if begin == scenario.start else f" in {begin}"
    left = f" until {end}" if end else ""
    whose = f" for {owner}" if owner and len(scenario.workloads) > 1 else ""
    return f"{_VERBS[acquire]} {number(count)} {system}{where}{whose}{when}{left}{hours}"


def _run(run: ScheduledRun, second: ScheduledRun | None) -> str:
    beside = f" and {number(second.systems)} {second.system}" if second is not None else ""
    hours = f", {hours_text(run.hours)} each day," if run.hours else ""
    return f"{run.workload} runs at {run.site} on {number(run.systems)} {run.system}{beside}{hours} to {run.end_date}"


def _stops(run: ScheduledRun) -> str:
    """What its pauses cost a run; nothing where they cost nothing."""
    if not run.stop_s:
        return ""
    often = "once" if run.stops_a_day == 1 else f"{run.stops_a_day} times"
    minutes = f"{run.stop_s / 60:.0f} minutes each for its last checkpoint and the restart"
    return f"stops {often} a day, {minutes}, and "


def shared_notes(scenario: Scenario, plan: Plan) -> tuple[str, ...]:
    """What a reader must know before acting on the plan."""
    assert plan.fleet is not None  # noqa: S101
    assert plan.schedule is not None  # noqa: S101
    notes = []
    if not scenario.fleet.shared and len(scenario.workloads) > 1:
        notes.append("Each workload has systems of its own; `fleet: {shared: true}` lets them share what stands.")
    for run in plan.schedule.runs:
        p = run.predicted
        if p.mfu is not None and p.peak_tflops_per_chip:
            peak = f"{p.peak_tflops_per_chip:,.0f} dense {run.precision} TFLOPS per {run.chip}"
            notes.append(f"MFU of {run.workload}: {p.mfu:.1%} of {peak}, causal attention counted at half.")
        if p.ettr is not None:
            notes.append(
                f"Effective training time of {run.workload}: {p.ettr:.1%} of {p.days or 0.0:.1f} days, at an H100-class"
                " failure rate; restarts, lost work and checkpoints take the rest."
            )
    notes += [
        f"{r.workload} works from {hours_text(r.hours)}, on systems that loads leave free then: it {_stops(r)}takes"
        f" {r.end_day - r.start_day:.0f} days in all."
        for r in plan.schedule.runs
        if r.hours
    ]
    if any(x.hours for x in plan.schedule.loads):
        notes.append(
            "Units of loads by the hour that are not needed in an hour are off in it, and their systems are free or"
            " switched off; how long a unit takes to start is not counted."
        )
    moved = [r for r in plan.schedule.runs if r.start_day < r.counted_from_day - 1e-6]
    if moved:
        names = ", ".join(r.workload for r in moved)
        notes.append(
            f"Runs are charged from the start of their slot of {scenario.fleet.slot_months} month(s); in days"
            f" {names} can begin up to a slot earlier, as the schedule says."
        )
    if any(x.acquire == "rent" for x in plan.fleet.lots):
        notes.append("Rented systems are paid by their term; their power and carbon are the owner's.")
    idle: dict[str, int] = defaultdict(int)
    for stands in plan.fleet.standing:
        idle[f"{stands.system} at {stands.site}"] += stands.utilisation < ALMOST_IDLE
    named = ", ".join(f"{name} in {n} of {len(plan.periods) or 1} periods" for name, n in idle.items() if n)
    if named:
        notes.append(f"Almost idle (below {ALMOST_IDLE:.0%} at work): {named}.")
    return tuple(notes)
