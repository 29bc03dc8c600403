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

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from fractions import Fraction
from functools import partial

from planner.answer.deployed import deployments_view
from planner.answer.plan import FleetLot, Plan, Priced, ScheduledLoad, ScheduledRun, Work
from planner.catalog import Catalog
from planner.errors import PlannerError
from planner.facility.capacity import capacity_tree
from planner.facility.reliability import ReliabilityProfile, default_profile
from planner.options.enumerate import interconnect_of
from planner.options.hardware.choices import start_days
from planner.options.hardware.timeline import DAYS_PER_MONTH, Timeline, path_by_period
from planner.options.ownership import LotPrice, Standing
from planner.options.parts import packed, systems_taken
from planner.options.shared import arrivals, demand_of, due_days, lot_ends, may_move, rent_ends
from planner.options.stock_figures import Hardware, StockFigures, WorkFigures, rate_unit, runs_once
from planner.options.stock_worked import requests_over_time, throughput_over_time, worked_over_time
from planner.options.work.classes import answered_by_period
from planner.options.work.describe import Described, layout_of_plan
from planner.options.work.redundancy import Redundancy
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving
from planner.unit_costs import joules_of, unit_costs_of, usd_per_m_tokens
from planner.verify import LIMIT_TOLERANCE, differences, left_after_failures, near, proof_failures, question_failures

DAY_TOLERANCE = 1e-3
"""Of a day: the schedule counts whole minutes."""


@dataclass
class _Lot:
    said: FleetLot
    hardware: Hardware
    begin: int
    end: int
    stand: Standing
    price: LotPrice


@dataclass
class _Run:
    said: ScheduledRun
    hardware: Hardware
    described: Described


@dataclass
class _Load:
    said: ScheduledLoad
    hardware: Hardware
    described: Described


@dataclass
class _Again:
    """A plan as recomputed: what could be, with what could not listed in ``failures``."""

    plan: Plan
    scenario: Scenario
    figures: StockFigures
    lots: list[_Lot] = field(default_factory=list)
    runs: list[_Run] = field(default_factory=list)
    loads: list[_Load] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def reliability(self) -> ReliabilityProfile:
        return default_profile(self.figures.catalog)

    @property
    def timeline(self) -> Timeline:
        return self.figures.timeline

    def standing(self, period: int) -> Iterator[_Lot]:
        """Lots that stand in a period."""
        return (x for x in self.lots if x.begin <= period < x.end)

    def lasting(self, period: int) -> Iterator[_Lot]:
        """Lots that stand through a period: not what is rented for some days."""
        return (x for x in self.standing(period) if not x.said.rented_days)

    def parts(self) -> list[Priced]:
        """Everything that costs, as the plan says it; each was compared with its own price."""
        return [*(x.said for x in self.lots), *(x.said for x in self.runs), *(x.said for x in self.loads)]


def verify_stock(plan: Plan, scenario: Scenario, catalog: Catalog) -> list[str]:
    """What is wrong with a shared fleet's plan; empty when every check holds. ``catalog`` has no assumptions yet."""
    if plan.fleet is None or plan.schedule is None:
        return ["the plan of a fleet over time has a fleet and a schedule"]
    again = _Again(plan, scenario, StockFigures(scenario, catalog.with_assumptions(scenario.assume.as_mapping())))
    for i, lot in enumerate(plan.fleet.lots):
        _guarded(again, f"fleet.lots[{i}] {lot.system} at {lot.site}", partial(_lot, again, lot))
    for i, run in enumerate(plan.schedule.runs):
        _guarded(again, f"schedule.runs[{i}] {run.workload}", partial(_run, again, run))
    for i, load in enumerate(plan.schedule.loads):
        _guarded(again, f"schedule.loads[{i}] {load.workload}", partial(_load, again, load))
    asked = list(question_failures(plan, scenario, catalog))
    if again.failures:
        return again.failures + asked  # sums over what could not be recomputed would say nothing
    for check in (_occupancy, _days, _order, _demand, _power_and_racks, _chips, _supply, _shares, _money):
        again.failures += check(again)
    again.failures += _sums(again, plan)
    view = deployments_view(plan.fleet, plan.schedule, again.timeline.names, scenario.period_years)
    again.failures += differences(
        "deployments",
        {str(i): d.model_dump() for i, d in enumerate(plan.deployments)},
        {str(i): d.model_dump() for i, d in enumerate(view)},
    )
    again.failures += proof_failures(plan, scenario)
    return again.failures + asked


def _guarded(again: _Again, where: str, look: Callable[[], Iterable[str]]) -> None:
    try:
        again.failures += [f"{where}: {text}" for text in look()]
    except (PlannerError, KeyError, ValueError) as error:
        again.failures.append(f"{where}: {error}")


def _over(used: Fraction, limit: float) -> bool:
    return used > Fraction(limit) * (1 + LIMIT_TOLERANCE)


def _scaled(values: Mapping[str, float], n: int) -> dict[str, float]:
    return {name: v * n for name, v in values.items()}


def _listed(values: Iterable[float], n: int = 1) -> dict[str, float]:
    return {str(k): float(v) * n for k, v in enumerate(values)}


# -- lots --------------------------------------------------------------------------------------------------------------


def _lot(again: _Again, lot: FleetLot) -> Iterator[str]:
    scenario, figures, line = again.scenario, again.figures, again.timeline
    hardware = Hardware(lot.site, lot.system, lot.chip, lot.cooling, lot.fabric, lot.workload, lot.power_cap)
    begin = line.names.index(lot.begin)
    end = line.names.index(lot.end) if lot.end else line.periods
    stand = figures.stand(hardware, lot.acquire)
    rented = lot.acquire == "rent"
    if lot.rented_days:
        yield from _rented_alone(again, lot, hardware, begin, end)
        return
    if scenario.fleet.shared != (not lot.workload) or (
        lot.workload and lot.workload not in {w.name for w in scenario.workloads}
    ):
        yield f"its systems are those of {lot.workload or 'all'}"
    if lot.systems < 1:
        yield f"{lot.systems} systems"
    if (lot.rent_term and not rented) or (lot.since and lot.acquire != "installed"):
        yield "a rent term of what is not rented, or an age of what does not stand yet"
    if lot.acquire == "installed":
        if begin:
            yield f"installed systems stand from the start, not from {lot.begin}"
    elif begin not in arrivals(scenario, again.figures.catalog, line, stand.choice)[0]:
        yield f"it cannot arrive in {lot.begin}"
    if rented:
        if (end, lot.rent_term) not in rent_ends(line, begin, scenario.hardware.rent_terms):
            yield f"it cannot be rented until {lot.end or 'the end'} ({lot.rent_term})"
    elif end not in lot_ends(scenario, line, begin):
        yield f"it cannot leave in {lot.end}"
    price = figures.lot(hardware, lot.acquire, begin, end, term=lot.rent_term, since=lot.since or None)
    n = lot.systems
    expected: dict[str, object] = {
        "interconnect": interconnect_of(stand.choice),
        "chips": stand.chips * n,
        "racks": stand.racks * n,
        "power_mw": 0.0 if rented else stand.facility_peak_w * n / 1e6,
        "it_mw": 0.0 if rented else stand.it_peak_w * n / 1e6,
        "lines_usd": _scaled(price.lines_usd, n),
        "total_usd": price.cost_usd * n,
        "opex_usd_by_year": _listed(price.opex_usd, n),
        "capex_usd": price.capex_usd * n,
        "capex_lines_usd": _scaled(price.capex_lines_usd, n),
        "carbon_t_by_year": _listed(price.carbon_t, n),
        "water_m3_by_year": _listed(price.water_m3, n),
        "network": {name: v * n for name, v in stand.network.items() if v},
    }
    yield from _compared(lot, expected)
    if not near(math.fsum(lot.money.capex_lines_usd.values()), lot.money.capex_usd):
        yield "money.capex_lines_usd does not sum to capex_usd"
    again.lots.append(_Lot(lot, hardware, begin, end, stand, price))


def _rented_alone(again: _Again, lot: FleetLot, hardware: Hardware, begin: int, end: int) -> Iterator[str]:
    """Systems rented for one run alone: the terms, and the price of its days. The run itself is compared later."""
    figures, line = again.figures, again.timeline
    if lot.acquire != "rent" or lot.rent_term not in again.scenario.hardware.rent_terms or lot.since:
        yield f"rented for {lot.workload} by {lot.rent_term or 'no term'}, which the scenario does not allow"
        return
    runs = [r for r in again.plan.schedule.runs if r.workload == lot.workload] if again.plan.schedule else []
    if len(runs) != 1 or not runs[0].rented_alone:
        yield f"no run {lot.workload} is on systems rented for it alone"
        return
    run = runs[0]
    month = run.counted_from_day / DAYS_PER_MONTH
    if begin != line.period_of(month) or end != line.period_of((run.counted_to_day - 1e-6) / DAYS_PER_MONTH) + 1:
        yield f"it is rented from {lot.begin} until {lot.end or 'the end'}, its run is charged in other periods"
    if not near(lot.rented_days, run.counted_to_day - run.counted_from_day):
        yield f"it is rented for {lot.rented_days:g} days, its run takes others"
    if (run.site, run.system, run.chip, run.cooling, run.systems) != (
        lot.site, lot.system, lot.chip, lot.cooling, lot.systems
    ):  # fmt: skip
        yield f"the run {lot.workload} is on other systems"
    stand = figures.stand(hardware, "rent")
    begins = [p for p in arrivals(again.scenario, again.figures.catalog, line, stand.choice)[0] if p <= begin]
    if not begins:
        yield f"it cannot arrive in {lot.begin}"
    price = figures.rented(hardware, lot.rent_term, lot.systems, lot.rented_days, month)
    expected: dict[str, object] = {
        "interconnect": interconnect_of(stand.choice),
        "chips": stand.chips * lot.systems,
        "racks": 0.0, "power_mw": 0.0, "it_mw": 0.0,
        "lines_usd": dict(price.lines_usd),
        "total_usd": price.cost_usd,
        "opex_usd_by_year": _listed(price.opex_usd),
        "capex_usd": 0.0, "capex_lines_usd": {},
        "carbon_t_by_year": _listed(price.carbon_t),
        "water_m3_by_year": _listed(price.water_m3),
        "network": {},
    }  # fmt: skip
    yield from _compared(lot, expected)
    again.lots.append(_Lot(lot, hardware, begin, end, stand, price))


def _compared(said: Priced, expected: Mapping[str, object]) -> Iterator[str]:
    """Differences of a lot or of work, and lines that do not sum to their total."""
    m = said.money
    found: dict[str, object] = {
        "lines_usd": m.lines_usd,
        "total_usd": m.total_usd,
        "opex_usd_by_year": _listed(m.opex_usd_by_year),
        "capex_usd": m.capex_usd,
        "capex_lines_usd": m.capex_lines_usd,
        "carbon_t_by_year": _listed(said.carbon_t_by_year),
        "water_m3_by_year": _listed(said.water_m3_by_year),
    }
    rest = said.model_dump()
    found |= {name: rest[name] for name in expected if name not in found}
    yield from differences("", {name: found[name] for name in expected}, expected)
    if not near(math.fsum(m.lines_usd.values()), m.total_usd):
        yield f"money.lines_usd sums to {math.fsum(m.lines_usd.values())}, the total is {m.total_usd}"


# -- work --------------------------------------------------------------------------------------------------------------


def _hardware(again: _Again, work: Work) -> Hardware:
    """The systems that work may use: those of its kind and place, and of its own workload where none are shared."""
    owner = "" if again.scenario.fleet.shared else work.workload
    return Hardware(work.site, work.system, work.chip, work.cooling, work.fabric, owner, work.power_cap)


def _described(again: _Again, work: Work, hardware: Hardware) -> tuple[Described, list[str]]:
    figures = again.figures
    workload = figures.workload(work.workload)
    layout = layout_of_plan(work.parallelism, work.role) | ({"part": work.part_chips} if work.part_chips else {})
    described = figures.describe(work.workload, work.role, hardware, work.precision, layout)
    wrong = []
    if work.precision not in workload.precision:
        wrong.append(f"precision {work.precision} is none of {', '.join(workload.precision)}")
    pinned = getattr(workload, "parallelism", None)
    for name, value in (pinned.model_dump() if pinned is not None else {}).items():
        mine = getattr(work.parallelism, "dp" if name == "attention_dp" else name)
        if value is not None and mine != value:
            wrong.append(f"parallelism.{name} is {mine}, the scenario fixes {value}")
    return described, wrong


def _of_work(described: Described, watts: float, price: WorkFigures) -> dict[str, object]:
    lines = dict(price.lines_usd)
    return {
        "interconnect": described.interconnect,
        "parallelism": described.parallelism.model_dump(),
        "added_mw": watts / 1e6,
        "systems": described.systems,
        "part_chips": described.part,
        "cache_pool": described.cache_pool,
        "chips": described.chips,
        "lines_usd": lines,
        "total_usd": math.fsum(lines.values()),
        "opex_usd_by_year": _listed(price.opex_usd),
        "carbon_t_by_year": _listed(price.carbon_t),
        "water_m3_by_year": _listed(price.water_m3),
        "capex_usd": 0.0,
        "capex_lines_usd": {},
    }


def _run(again: _Again, run: ScheduledRun) -> Iterator[str]:
    figures, line = again.figures, again.timeline
    hardware = _hardware(again, run)
    workload = figures.workload(run.workload)
    if not runs_once(workload):
        yield "it is a load, not a run"
        return
    described, wrong = _described(again, run, hardware)
    yield from wrong
    slots = [i for i, s in enumerate(line.slots) if near(s.start * DAYS_PER_MONTH, run.counted_from_day)]
    if not slots:
        yield f"day {run.counted_from_day:g} begins no slot"
        return
    slot = slots[0]
    month = line.slots[slot].start
    days = described.run_days
    watts = figures.run_watts(workload, run.role, hardware, described)[1]
    price = figures.run(workload, run.role, hardware, described, month)
    expected = _of_work(described, watts, price) | {
        "spares": described.spares,
        "predicted": described.predicted.model_dump()
        | {"finish_days": run.start_day + (described.predicted.days or 0.0)},
        "end_day": run.start_day + days,
        "start_date": line.date(run.start_day),
        "end_date": line.date(run.end_day),
        "counted_to_day": month * DAYS_PER_MONTH + days,
    }
    yield from _compared(run, expected)
    released = start_days(again.scenario, getattr(workload, "start", None))
    ahead = line.slots[_earliest_slot(again, run, hardware, described, slot)].start * DAYS_PER_MONTH
    if run.start_day < max(released, ahead) - 1e-6 or run.counted_from_day < released - 1e-6:
        yield f"it begins on day {run.start_day:.3f}, before it may"
    due = due_days(again.scenario, line, workload, slot, days) if may_move(again.scenario) else None  # type: ignore[arg-type]
    if run.rented_alone and (not near(run.start_day, run.counted_from_day) or not _rented_for(again, run)):
        yield "it is not on systems rented for it alone, from the day that they are rented"
    if run.start_day > run.counted_from_day + 1e-6 and (due is None or run.end_day > due + DAY_TOLERANCE):
        yield f"it begins on day {run.start_day:.3f}, after the slot that it is charged from"
    limit, asked = line.end * DAYS_PER_MONTH, getattr(workload, "finish_within_days", None)
    if asked is not None:
        limit = min(limit, released + asked)
    last = max(month * DAYS_PER_MONTH + days, run.end_day - DAY_TOLERANCE)
    if Fraction(last) > Fraction(limit) * (1 + LIMIT_TOLERANCE):
        yield f"it ends after {last:.3f} days, {limit:g} allowed"
    again.runs.append(_Run(run, hardware, described))


def _rented_for(again: _Again, run: ScheduledRun) -> bool:
    """Whether there is one lot that is rented for a run alone."""
    lots = again.plan.fleet.lots if again.plan.fleet else ()
    return sum(x.workload == run.workload and x.rented_days > 0 for x in lots) == 1


def _earliest_slot(again: _Again, run: ScheduledRun, hardware: Hardware, described: Described, slot: int) -> int:
    """The slot from which on a run may begin that is charged from another: one earlier, or any charged no more."""
    figures, line, limits = again.figures, again.timeline, again.scenario.limits
    if any((limits.opex_usd_per_year, limits.carbon_t_per_year, limits.water_m3_per_year)):
        return max(0, slot - 1)
    workload, usd, found = figures.workload(run.workload), run.money.total_usd, slot
    while found > 0 and run.start_day < line.slots[found].start * DAYS_PER_MONTH - 1e-6:
        before = figures.run(workload, run.role, hardware, described, line.slots[found - 1].start)
        if math.fsum(before.lines_usd.values()) > usd * (1 + 1e-8):
            break
        found -= 1
    return max(0, min(found, slot - 1))


def _load(again: _Again, load: ScheduledLoad) -> Iterator[str]:
    figures, line = again.figures, again.timeline
    hardware = _hardware(again, load)
    workload = figures.workload(load.workload)
    if runs_once(workload):
        yield "it is a run, not a load"
        return
    described, wrong = _described(again, load, hardware)
    yield from wrong
    if len(load.units) != line.periods or any(n < 0 for n in load.units):
        yield f"units by period are {load.units}"
        return
    phases = getattr(workload, "disaggregated", "auto")
    if phases != "auto" and (load.role == "serve") != (phases == "never"):
        yield f"role is {load.role}, the scenario says disaggregated: {phases}"
    watts = figures.unit_watts(workload, load.role, hardware, described)
    price = figures.load(workload, load.role, hardware, described, load.units)
    expected = _of_work(described, watts, price) | {
        "replicas": described.replicas,
        "predicted": described.predicted.model_dump(),
    }
    if described.class_rates:
        if len(load.answers) != line.periods:
            yield f"it answers in {len(load.answers)} periods"
            return
        amounts = [{a.name: a.requests_per_s for a in of} for of in load.answers]
        made, one = answered_by_period(described, amounts, load.units)
        expected |= {
            "predicted": one.model_dump(),
            "answers": tuple(tuple(a.model_dump() for a in of) for of in made),
        }
        for t, of in enumerate(made):
            time = math.fsum(a.share_of_time for a in of)
            if time > 1 + float(LIMIT_TOLERANCE) or any(a.requests_per_s <= 0 for a in of):
                yield f"its replicas answer for {time:.6f} of their time from {line.names[t]}"
            if load.answers[t] and not load.units[t]:
                yield f"nothing of it works from {line.names[t]}, and still answers"
    elif load.answers:
        yield "it answers classes of requests that the load does not have"
    yield from _compared(load, expected)
    if isinstance(workload, Serving) and workload.request_classes:
        yield from _class_limits(workload, load, described)
    for name in ("ttft_ms", "tpot_ms", "latency_ms") if not described.class_rates else ():
        most, value = getattr(workload, name, None), getattr(described.predicted, name)
        if most is not None and value is not None and value * described.slower > most * (1 + 1e-9):
            yield f"{name} {value * described.slower:.3f}, {most:g} allowed"
    again.loads.append(_Load(load, hardware, described))


def _class_limits(workload: Serving, load: ScheduledLoad, described: Described) -> Iterator[str]:
    """Latencies of the classes that it answers."""
    for c in workload.request_classes:
        rate = described.class_rates.get(c.label)
        if rate is None or not any(a.name == c.label for of in load.answers for a in of):
            continue
        asked = ((c.ttft_ms or workload.ttft_ms, rate.ttft_ms), (c.tpot_ms or workload.tpot_ms, rate.tpot_ms))
        for most, predicted in asked:
            value = predicted * rate.slower
            if most is not None and value > most * (1 + 1e-9):
                yield f"class {c.label} takes {value:.3f} ms, {most:g} allowed"


# -- occupancy and order -----------------------------------------------------------------------------------------------


def _stands(again: _Again, hardware: Hardware, period: int) -> int:
    return sum(x.said.systems for x in again.lasting(period) if x.hardware == hardware)


def _serving(again: _Again, hardware: Hardware, period: int) -> int:
    """Whole systems of a kind that serving takes; parts of them packed largest first."""
    mine = [x for x in again.loads if x.hardware == hardware and x.said.units[period]]
    whole = sum(x.said.units[period] * x.described.systems for x in mine if not x.described.part)
    parts = [x.described.part for x in mine if x.described.part for _ in range(x.said.units[period])]
    chips = again.figures.stand(hardware).chips
    return whole + (max(packed(parts, chips)) + 1 if parts else 0)


def _busy(again: _Again, hardware: Hardware, period: int) -> float:
    """Systems of a kind that serve, parts of them as such; whosever they are, where ``hardware`` names no owner."""
    chips = again.figures.stand(hardware).chips
    return math.fsum(
        x.said.units[period] * systems_taken(x.described.systems, x.described.part, chips)
        for x in again.loads
        if hardware in {x.hardware, x.hardware.kind}
    )


def _occupancy(again: _Again) -> Iterator[str]:
    """What serves in a period stands there."""
    for hardware in dict.fromkeys(x.hardware for x in again.loads):
        where = f"{hardware.system} in {hardware.cooling} at {hardware.place}"
        for t, month in enumerate(again.timeline.names):
            used, there = _serving(again, hardware, t), _stands(again, hardware, t)
            if used > there:
                yield f"{where}: {used} systems serve from {month}, {there} stand there"


def _days(again: _Again) -> Iterator[str]:
    """The schedule in days: at every start, what runs then fits what stands."""
    line = again.timeline
    shared = [x for x in again.runs if not x.said.rented_alone]
    for hardware in dict.fromkeys(x.hardware for x in shared):
        mine = [x for x in shared if x.hardware == hardware]
        edges = [e * DAYS_PER_MONTH for e in line.edges[:-1]]
        moments = sorted({x.said.start_day for x in mine} | {e for e in edges if any(
            x.said.start_day < e < x.said.end_day for x in mine)})  # fmt: skip
        for day in moments:
            t = line.period_of((day + DAY_TOLERANCE) / DAYS_PER_MONTH)
            running = sum(
                x.described.systems
                for x in mine
                if x.said.start_day <= day + DAY_TOLERANCE and x.said.end_day > day + DAY_TOLERANCE
            )
            used, there = running + _serving(again, hardware, t), _stands(again, hardware, t)
            if used > there:
                where = f"{hardware.system} at {hardware.place}"
                yield f"{where}: {used} systems work on day {day:.2f}, {there} stand there"


def _order(again: _Again) -> Iterator[str]:
    """Every run once, and after those it waits for."""
    by_name: dict[str, list[_Run]] = defaultdict(list)
    for x in again.runs:
        by_name[x.said.workload].append(x)
    for workload in again.scenario.workloads:
        if not runs_once(workload):
            continue
        mine = by_name[workload.name]
        if len(mine) != 1:
            yield f"{workload.name} is run {len(mine)} times, must be run once"
            continue
        for name in getattr(workload, "after", ()):
            for before in by_name[name]:
                if mine[0].said.start_day < before.said.end_day - DAY_TOLERANCE:
                    day = mine[0].said.start_day
                    yield f"{workload.name} begins on day {day:.3f}, before {name}, which it waits for, has ended"


def _answered(again: _Again, name: str, phases: Sequence[str], period: int) -> Fraction:
    """Requests or samples a second that a load's units answer: each site the lesser of its phases."""
    workload = again.figures.workload(name)
    if isinstance(workload, Serving) and workload.request_classes:
        got: dict[str, Fraction] = defaultdict(Fraction)
        for x in again.loads:
            for a in x.said.answers[period] if x.said.workload == name else ():
                got[a.name] += Fraction(a.requests_per_s)
        return min(got[c.label] / Fraction(c.share) for c in workload.request_classes)
    by_site: dict[str, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for x in again.loads:
        if x.said.workload == name and x.said.units[period]:
            for phase, rate in x.described.rates.items():
                place = f"{x.hardware.place.split('/')[0]} {x.described.cache_pool}"
                by_site[place][phase] += Fraction(rate) * x.said.units[period]
    return sum((min(rates[p] for p in phases) for rates in by_site.values()), start=Fraction(0))


def _demand(again: _Again) -> Iterator[str]:
    for workload in again.scenario.workloads:
        if runs_once(workload):
            continue
        phases = ("prefill", "decode") if isinstance(workload, Serving) else ("score",)
        asked = demand_of(workload, again.timeline)
        for t, month in enumerate(again.timeline.names):
            served = _answered(again, workload.name, phases, t)
            if served < Fraction(float(asked[t])) * (1 - LIMIT_TOLERANCE):
                yield f"{workload.name} is served at {float(served):.6g}/s from {month}, {asked[t]:g}/s asked"
            rule = Redundancy.of(workload, again.reliability) if isinstance(workload, Serving) else None
            if rule is None or asked[t] <= 0:
                continue
            mine = [(x.said, x.described, x.said.units[t]) for x in again.loads if x.said.workload == workload.name]
            left = left_after_failures(replace(rule, requests_per_s=float(asked[t])), [u for u in mine if u[2]])
            if left < Fraction(float(asked[t])) * (1 - LIMIT_TOLERANCE):
                yield f"{workload.name} is left with {float(left):.6g}/s of {asked[t]:g}/s from {month} when units fail"


# -- limits ------------------------------------------------------------------------------------------------------------


def _power_and_racks(again: _Again) -> Iterator[str]:
    line, total = again.timeline, again.scenario.limits.power_mw
    places = {}
    levels = {}
    for site in again.scenario.sites:
        some, locations = capacity_tree(site)
        levels.update({level.name: (level, site) for level in some})
        places.update({location.name: location for location in locations})
    for t, month in enumerate(line.names):
        power: dict[str, Fraction] = defaultdict(Fraction)
        racks: dict[str, dict[Hardware, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
        everywhere = Fraction(0)
        for x in again.standing(t):
            if x.said.acquire == "rent":
                continue
            watts = Fraction(x.stand.facility_peak_w) * x.said.systems
            everywhere += watts
            for name in places[x.hardware.place].levels:
                power[name] += watts
                racks[name][x.hardware.kind] += Fraction(x.stand.racks) * x.said.systems
        for name, (level, site) in levels.items():
            allowed = level.power_w
            if name == site.name and site.power_path:
                then = float(path_by_period(line, dict(site.power_path), 0.0)[t]) * 1e6
                allowed = then if allowed is None else min(allowed, then)
            if allowed is not None and _over(power[name], allowed):
                yield f"{name} draws {float(power[name]) / 1e6:.4f} MW from {month}, {allowed / 1e6:g} MW allowed"
            whole = sum(math.ceil(r - Fraction(1, 10**9)) for r in racks[name].values())
            if level.racks is not None and whole > level.racks:
                yield f"{name} holds {whole} racks from {month}, {level.racks} allowed"
        if total is not None and _over(everywhere / 10**6, total):
            yield f"all sites draw {float(everywhere) / 1e6:.4f} MW from {month}, {total:g} MW allowed"


def _rented_at_once(again: _Again, period: int, pick: Callable[[_Lot], float]) -> float:
    """The most, on any day of a period, of what is rented for single runs."""
    line = again.timeline
    low, high = (line.edges[period + i] * DAYS_PER_MONTH for i in (0, 1))
    of = {x.said.workload: pick(x) for x in again.lots if x.said.rented_days}
    runs = [x.said for x in again.runs if x.said.rented_alone and x.said.workload in of]
    days = [max(low, r.start_day) for r in runs if r.start_day < high - DAY_TOLERANCE and r.end_day > low]
    return max(
        (sum(of[r.workload] for r in runs if r.start_day <= d + DAY_TOLERANCE < r.end_day) for d in days), default=0.0
    )


def _chips(again: _Again) -> Iterator[str]:
    total = again.scenario.limits.chips
    for t, month in enumerate(again.timeline.names):
        there = sum(x.stand.chips * x.said.systems for x in again.lasting(t))
        there += round(_rented_at_once(again, t, lambda x: float(x.stand.chips * x.said.systems)))
        if total is not None and there > total:
            yield f"{there} chips stand from {month}, {total} allowed"
    for workload in again.scenario.workloads:
        if workload.chips is None:
            continue
        if runs_once(workload):
            counts = [x.described.chips for x in again.runs if x.said.workload == workload.name]
        else:
            mine = [x for x in again.loads if x.said.workload == workload.name]
            counts = [sum(x.described.chips * x.said.units[t] for x in mine) for t in range(again.timeline.periods)]
        for taken in dict.fromkeys(counts):
            if workload.chips.max is not None and taken > workload.chips.max:
                yield f"{workload.name} uses {taken} chips, at most {workload.chips.max} allowed"
            if workload.chips.min is not None and taken < workload.chips.min:
                yield f"{workload.name} uses {taken} chips, at least {workload.chips.min} asked"


def _supply(again: _Again) -> Iterator[str]:
    """What is installed, and what is delivered of a system in a period."""
    scenario, line = again.scenario, again.timeline
    arrived: dict[tuple[str, int], int] = defaultdict(int)
    used: dict[tuple[str, str, str], int] = defaultdict(int)
    for x in again.lots:
        if x.said.acquire == "buy":
            arrived[x.hardware.system, x.begin] += x.said.systems
        elif x.said.acquire == "installed":
            used[x.stand.choice.site, x.hardware.system, x.said.since] += x.said.systems
    for (system, t), count in arrived.items():
        delivered = scenario.hardware.supply.get(system)
        if delivered and count > float(path_by_period(line, dict(delivered), 0.0)[t]) + 1e-6:
            yield f"{count} {system} arrive in {line.names[t]}, more than are delivered"
    there: dict[tuple[str, str, str], int] = defaultdict(int)
    for site in scenario.sites:
        for block in site.installed:
            there[site.name, block.system, block.since or ""] += block.count
    for key, count in used.items():
        if count > there[key]:
            yield f"{key[0]} uses {count} installed {key[1]}, {there[key]} stand there"


def _shares(again: _Again) -> Iterator[str]:
    acquired = [x for x in again.lots if x.said.acquire != "installed"]
    total = sum(x.stand.chips * x.said.systems for x in acquired)
    for vendor, share in again.scenario.limits.vendor_share.items():
        mine = sum(x.stand.chips * x.said.systems for x in acquired
                   if x.stand.choice.chip.vendor.lower() == vendor.lower())  # fmt: skip
        if Fraction(mine) > Fraction(share) * total * (1 + LIMIT_TOLERANCE):
            yield f"{mine} of {total} chips are {vendor}'s, a share of {share:g} allowed"


def _exact(values: Iterable[float]) -> Fraction:
    return sum((Fraction(float(v)) for v in values), start=Fraction(0))


def _money(again: _Again) -> Iterator[str]:
    """Money over the plan; of each year capital, running cost, carbon and water. Parts were compared one by one."""
    limits, line = again.scenario.limits, again.timeline
    parts = again.parts()
    sums = {
        "capex_usd": _exact(p.money.capex_usd for p in parts),
        "cost_usd": _exact(p.money.total_usd for p in parts),
    }
    for name, used in sums.items():
        limit = getattr(limits, name)
        if limit is not None and _over(used, limit):
            yield f"limits.{name}: {float(used):.6g} used, {limit:g} allowed"
    for k in range(line.years):
        bought = (x.said.money.capex_usd for x in again.lots if line.year_of(x.begin) == k)
        of_year = {
            "capex_usd_per_year": _exact(bought),
            "opex_usd_per_year": _exact(p.money.opex_usd_by_year[k] for p in parts),
            "carbon_t_per_year": _exact(p.carbon_t_by_year[k] for p in parts),
            "water_m3_per_year": _exact(p.water_m3_by_year[k] for p in parts),
        }
        for name, used in of_year.items():
            limit = getattr(limits, name)
            if limit is not None and _over(used, limit):
                yield f"limits.{name}: {float(used):.6g} used in year {k + 1}, {limit:g} allowed"


# -- sums --------------------------------------------------------------------------------------------------------------


def _sums(again: _Again, plan: Plan) -> Iterator[str]:
    assert plan.fleet is not None  # noqa: S101 - narrowed for the type checker
    assert plan.schedule is not None  # noqa: S101
    if plan.totals is None:
        yield "a plan has no totals"
        return
    line = again.timeline
    parts = again.parts()
    rows = list(_rows(again))
    yield from differences(
        "fleet.standing",
        {str(i): s.model_dump() for i, s in enumerate(plan.fleet.standing)},
        {str(i): row for i, row in enumerate(rows)},
    )
    years = [
        {
            "year": k + 1,
            "capex_usd": float(_exact(x.said.money.capex_usd for x in again.lots if line.year_of(x.begin) == k)),
            "opex_usd": float(_exact(p.money.opex_usd_by_year[k] for p in parts)),
            "carbon_t": float(_exact(p.carbon_t_by_year[k] for p in parts)),
            "water_m3": float(_exact(p.water_m3_by_year[k] for p in parts)),
        }
        for k in range(line.years)
    ]
    yield from differences(
        "fleet.years",
        {str(y.year): y.model_dump() for y in plan.fleet.years},
        {str(y["year"]): y for y in years},
    )
    yield from differences(
        "schedule.demand",
        {d.workload: [d.unit, *d.asked, *d.answered] for d in plan.schedule.demand},
        dict(_demand_rows(again)),
    )

    def largest(pick: Callable[[_Lot], float]) -> float:
        lasts = [_exact(pick(x) for x in again.lasting(t)) for t in range(line.periods)]
        return max(float(a + Fraction(_rented_at_once(again, t, pick))) for t, a in enumerate(lasts))

    worked, requests = worked_over_time(again.figures, plan.fleet, plan.schedule), requests_over_time(again.figures)
    racks = [sum(int(str(r["racks"])) for r in rows if r["period"] == name) for name in line.names]
    totals = {
        "chips": largest(lambda x: x.said.chips),
        "systems": largest(lambda x: x.said.systems),
        "racks": max(racks),
        "it_mw": largest(lambda x: x.said.it_mw),
        "facility_mw": largest(lambda x: x.said.power_mw),
        "capex_usd": float(_exact(x.said.money.capex_usd for x in again.lots)),
        "opex_usd_per_year": float(_exact(p["opex_usd"] for p in years)) / again.scenario.horizon_years,
        "tco_usd": float(_exact(p.money.total_usd for p in parts)),
        "usd_per_m_tokens": usd_per_m_tokens(again.scenario, worked, requests),
        "unit_cost_usd": unit_costs_of(again.scenario, worked, requests),
        "joules_per_token": joules_of(again.scenario, worked, requests),
        "carbon_t": float(_exact(p["carbon_t"] for p in years)),
        "water_m3": float(_exact(p["water_m3"] for p in years)),
    }
    yield from differences("totals", plan.totals.model_dump(), totals)
    values = {
        "cost": totals["tco_usd"],
        "time": float(_exact(max(x.said.counted_to_day, x.said.end_day) for x in again.runs)),
        "power": totals["facility_mw"],
        "carbon": totals["carbon_t"],
        "throughput": throughput_over_time(again.figures, plan.schedule),
    }
    yield from differences("objective.values", plan.objective.values, values)
    value = plan.objective.value
    if value is None or not near(value, plan.objective.values.get(plan.objective.name)):
        yield f"objective.value is {value}, objective.values says {plan.objective.values.get(plan.objective.name)}"


def _rows(again: _Again) -> Iterator[dict[str, object]]:
    """What stands of each kind in each period, and how busy it is, in the order of the plan."""
    line = again.timeline
    for t, name in enumerate(line.names):
        kinds: dict[Hardware, list[_Lot]] = defaultdict(list)
        for x in again.lasting(t):
            kinds[x.hardware.kind].append(x)
        low, high = line.edges[t] * DAYS_PER_MONTH, line.edges[t + 1] * DAYS_PER_MONTH
        for h, mine in sorted(kinds.items(), key=lambda item: astuple(item[0])):
            own = [x for x in mine if x.said.acquire != "rent"]
            systems = sum(x.said.systems for x in mine)
            busy = _busy(again, h, t)
            for run in again.runs:
                if run.hardware.kind == h and not run.said.rented_alone:
                    within = max(0.0, min(run.said.end_day, high) - max(run.said.start_day, low))
                    busy += run.described.systems * within / (high - low)
            yield {
                "period": name, "site": h.place, "system": h.system, "chip": h.chip, "cooling": h.cooling,
                "fabric": h.fabric, "power_cap": h.power_cap,
                "systems": systems, "chips": sum(x.stand.chips * x.said.systems for x in mine),
                "racks": math.ceil(_exact(x.stand.racks * x.said.systems for x in own) - Fraction(1, 10**9)),
                "power_mw": float(_exact(x.said.power_mw for x in own)), "utilisation": busy / systems,
            }  # fmt: skip


def _demand_rows(again: _Again) -> Iterator[tuple[str, list[object]]]:
    for workload in again.scenario.workloads:
        if not runs_once(workload):
            phases = ("prefill", "decode") if isinstance(workload, Serving) else ("score",)
            periods = range(again.timeline.periods)
            answered = (float(_answered(again, workload.name, phases, t)) for t in periods)
            yield workload.name, [rate_unit(workload), *map(float, demand_of(workload, again.timeline)), *answered]
