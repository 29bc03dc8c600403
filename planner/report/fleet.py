"""What the faces say about a shared fleet, as tables of text: lots, what stands, runs, loads. Sums and shares only."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

from planner.answer.plan import FleetLot, FleetStanding, Plan, ScheduledLoad, ScheduledRun
from planner.report import format as fmt
from planner.scenario.kinds.daily import hours_text
from planner.scenario.topology import FAT_TREE

MANY = 1e5
"""Rates from here on are written with a prefix."""
VERBS = {"buy": "buy", "rent": "rent", "installed": "stands already"}


@dataclass(frozen=True)
class Sheet:
    """A table: rows of text, the columns of numbers by index."""

    title: str
    note: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    narrow: tuple[tuple[int, ...], ...] = ()
    """Columns that share one on a narrow terminal; none: each has its own."""


def sheets(plan: Plan) -> tuple[Sheet, ...]:
    """Every table of a shared fleet's plan that has rows; none for other plans."""
    if plan.fleet is None or plan.schedule is None:
        return ()
    made = (_lots(plan), _standing(plan), _runs(plan), _loads(plan), _demand(plan), _years(plan))
    return tuple(s for s in made if s.rows)


def lot_name(lot: FleetLot) -> str:
    """'buy 12 x dgx_h100 at a' with the term of rent."""
    term = f" ({lot.rent_term})" if lot.rent_term else ""
    whose = f" for {lot.workload}" if lot.workload else ""
    return fmt.clean(f"{VERBS[lot.acquire]}{term} {fmt.count(lot.systems)} × {lot.system}{whose}")


def _place(x: FleetLot | FleetStanding | ScheduledRun | ScheduledLoad) -> str:
    capped = f" capped to {x.power_cap:.0%}" if x.power_cap < 1.0 else ""
    capped += f", {x.topology}" if x.topology != FAT_TREE else ""
    return fmt.clean(f"{x.site}, {x.cooling}{capped}")


def _lots(plan: Plan) -> Sheet:
    assert plan.fleet is not None  # noqa: S101 - sheets looks
    rows = tuple(
        (
            lot_name(x), _place(x), x.begin, _until(x), fmt.count(x.chips),
            fmt.power(x.power_mw) if x.power_mw else fmt.DASH, fmt.usd(x.money.capex_usd, short=True),
            fmt.usd(x.money.total_usd, short=True),
        )
        for x in plan.fleet.lots
    )  # fmt: skip
    head = ("What", "Where", "From", "Until", "Chips", "Peak power", "Capital", "Cost")
    return Sheet("What to acquire", "cost over the horizon, standing idle", head, rows, frozenset({4, 5, 6, 7}),
                 ((0, 1), (2, 3), (4,), (5,), (6, 7)))  # fmt: skip


def _until(lot: FleetLot) -> str:
    """When it goes, or for how long it is rented for one run; the hours of a day that it is rented for."""
    if lot.hours:
        return f"{lot.end or 'the end'}, {hours_text(lot.hours)}"
    return f"for {fmt.days(lot.rented_days)}" if lot.rented_days else lot.end or "the end"


def by_site(plan: Plan) -> tuple[tuple[str, str, int, int, int, float, float], ...]:
    """(period, site, systems, chips, racks, MW, utilisation) of what stands, halls of a site together."""
    if plan.fleet is None:
        return ()
    groups: dict[tuple[str, str], list[FleetStanding]] = defaultdict(list)
    for s in plan.fleet.standing:
        groups[s.period, s.site.split("/")[0]].append(s)
    return tuple(
        (
            period, site, sum(s.systems for s in mine), sum(s.chips for s in mine), sum(s.racks for s in mine),
            math.fsum(s.power_mw for s in mine),
            math.fsum(s.utilisation * s.chips for s in mine) / max(1, sum(s.chips for s in mine)),
        )
        for (period, site), mine in groups.items()
    )  # fmt: skip


def _standing(plan: Plan) -> Sheet:
    rows = tuple(
        (period, fmt.clean(site), fmt.count(systems), fmt.count(chips), fmt.count(racks),
         fmt.power(mw) if mw else fmt.DASH, fmt.share(busy))
        for period, site, systems, chips, racks, mw, busy in by_site(plan)
    )  # fmt: skip
    head = ("From", "Site", "Systems", "Chips", "Racks", "Peak power", "At work")
    return Sheet("What stands", "by period and site", head, rows, frozenset({2, 3, 4, 5, 6}))


def _runs(plan: Plan) -> Sheet:
    assert plan.schedule is not None  # noqa: S101
    rows = tuple(
        (
            fmt.clean(r.workload), _place(r), _hardware(r), _layout(r, serving=False), r.start_date, r.end_date,
            fmt.days(r.end_day - r.start_day) + _hours(r), fmt.usd(r.money.total_usd, short=True),
        )
        for r in plan.schedule.runs
    )  # fmt: skip
    head = ("Run", "Where", "Hardware", "Layout", "Begins", "Ends", "Takes", "Cost of its work")
    return Sheet("Runs", "", head, rows, frozenset({6, 7}), ((0, 1), (2, 3), (4, 5), (6, 7)))


def _hours(x: ScheduledRun | ScheduledLoad) -> str:
    return f", {hours_text(x.hours)}" if x.hours else ""


def _hardware(x: ScheduledRun | ScheduledLoad) -> str:
    spare = f", {fmt.count(x.spares)} spare" if isinstance(x, ScheduledRun) and x.spares else ""
    return fmt.clean(f"{fmt.count(x.systems)} × {x.system}{spare}, {fmt.count(x.chips)} chips")


def _layout(x: ScheduledRun | ScheduledLoad, *, serving: bool) -> str:
    return f"{fmt.layout(x.parallelism, serving=serving)} · {fmt.clean(x.precision)}"


def spans(values: tuple[int, ...] | tuple[float, ...], names: tuple[str, ...]) -> str:
    """Figures by period with equal neighbours together: '3 from 2027-01, 5 from 2028-01'."""
    parts = [
        f"{fmt.count(v) if isinstance(v, int) else fmt.si(v) if v >= MANY else fmt.number(v)} from {name}"
        for i, (v, name) in enumerate(zip(values, names, strict=True))
        if i == 0 or v != values[i - 1]
    ]
    return ", ".join(parts)


def _loads(plan: Plan) -> Sheet:
    assert plan.schedule is not None  # noqa: S101
    rows = tuple(
        (
            fmt.clean(x.served) + (f" {x.role}" if x.role in {"prefill", "decode"} else ""), _place(x), _hardware(x),
            _layout(x, serving=True), _speed(x), spans(x.units, plan.periods) + _hours(x),
            fmt.usd(x.money.total_usd, short=True),
        )
        for x in plan.schedule.loads
    )  # fmt: skip
    head = ("Load", "Where", "Hardware of a unit", "Layout", "A unit does", "Units", "Cost of its work")
    return Sheet("Loads", "", head, rows, frozenset({6}), ((0, 1), (2, 3), (4,), (5,), (6,)))


def _speed(x: ScheduledLoad) -> str:
    p = x.predicted
    facts = [fmt.rate(v, unit) for v, unit in ((p.requests_per_s, "requests/s"), (p.samples_per_s, "samples/s")) if v]
    named = (("TTFT", p.ttft_ms), ("TPOT", p.tpot_ms), ("latency", p.latency_ms))
    return ", ".join([*facts, *(f"{name} {fmt.seconds(v / 1e3)}" for name, v in named if v is not None)])


def _demand(plan: Plan) -> Sheet:
    assert plan.schedule is not None  # noqa: S101
    rows = tuple(
        (fmt.clean(d.workload), d.unit, spans(d.asked, plan.periods), spans(d.answered, plan.periods))
        for d in plan.schedule.demand
    )
    return Sheet("Demand", "at its peak", ("Load", "Unit", "Asked", "Can be answered"), rows)


def _years(plan: Plan) -> Sheet:
    assert plan.fleet is not None  # noqa: S101
    rows = tuple(
        (str(y.year), fmt.usd(y.capex_usd, short=True), fmt.usd(y.opex_usd, short=True),
         f"{fmt.number(y.carbon_t)} t CO₂e", f"{fmt.number(y.water_m3)} m³")
        for y in plan.fleet.years
    )  # fmt: skip
    head = ("Year", "Capital", "Running cost", "Carbon", "Water")
    return Sheet("By year of the plan", "not discounted", head, rows, frozenset({1, 2, 3, 4}))
