"""Every lot, run and load of a plan priced and described again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from planner.answer.plan import FleetLot, Priced, ScheduledLoad, ScheduledRun, Work
from planner.errors import InputError, Problem
from planner.options.annual import stated
from planner.options.enumerate import interconnect_of
from planner.options.hardware.arrivals import arrivals, due_days, lot_ends, may_move, rent_ends
from planner.options.hardware.choices import start_days
from planner.options.hardware.timeline import DAYS_PER_MONTH
from planner.options.stock_figures import Beside, Hardware, WorkFigures
from planner.options.work.classes import answered_by_period
from planner.options.work.describe import Described, layout_of_plan
from planner.scenario.kinds import ByADate, Workload
from planner.scenario.kinds.daily import HOURS, Daily, hourly_rates
from planner.scenario.pooled import pools_of
from planner.scenario.workloads import Serving
from planner.verify.again import Again, LoadAgain, LotAgain, RunAgain, by_year, scaled
from planner.verify.compare import LIMIT_TOLERANCE, differences, near
from planner.verify.occupancy import DAY_TOLERANCE


def lot_failures(again: Again, lot: FleetLot) -> Iterator[str]:
    scenario, figures, line = again.scenario, again.figures, again.timeline
    hardware = Hardware(lot.site, lot.system, lot.chip, lot.cooling, lot.fabric, lot.workload, lot.power_cap,
                        lot.topology)  # fmt: skip
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
    if wrong := _wrong_hours(lot.hours):
        yield wrong
    if lot.hours and lot.rent_term != "on_demand":
        yield "it is had for some hours of each day without being rented on demand"
    price = figures.lot(
        hardware, lot.acquire, begin, end, term=lot.rent_term, since=lot.since or None, hours=lot.hours
    )  # fmt: skip
    n = lot.systems
    expected: dict[str, object] = {
        "interconnect": interconnect_of(stand.choice),
        "chips": stand.chips * n,
        "racks": stand.racks * n,
        "power_mw": 0.0 if rented else stand.facility_peak_w * n / 1e6,
        "it_mw": 0.0 if rented else stand.it_peak_w * n / 1e6,
        "lines_usd": scaled(price.lines_usd, n),
        "total_usd": price.cost_usd * n,
        "opex_usd_by_year": by_year(price.opex_usd, n),
        "capex_usd": price.capex_usd * n,
        "capex_lines_usd": scaled(price.capex_lines_usd, n),
        "carbon_t_by_year": by_year(price.carbon_t, n),
        "water_m3_by_year": by_year(price.water_m3, n),
        "network": {name: v * n for name, v in stand.network.items() if v},
    }
    yield from _compared(lot, expected)
    if not near(math.fsum(lot.money.capex_lines_usd.values()), lot.money.capex_usd):
        yield "money.capex_lines_usd does not sum to capex_usd"
    again.lots.append(LotAgain(lot, hardware, begin, end, stand, price))


def _rented_alone(again: Again, lot: FleetLot, hardware: Hardware, begin: int, end: int) -> Iterator[str]:
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
    price = figures.rented(lot.workload, hardware, lot.rent_term, lot.systems, lot.rented_days, month)
    expected: dict[str, object] = {
        "interconnect": interconnect_of(stand.choice),
        "chips": stand.chips * lot.systems,
        "racks": 0.0, "power_mw": 0.0, "it_mw": 0.0,
        "lines_usd": dict(price.lines_usd),
        "total_usd": price.cost_usd,
        "opex_usd_by_year": by_year(price.opex_usd),
        "capex_usd": 0.0, "capex_lines_usd": {},
        "carbon_t_by_year": by_year(price.carbon_t),
        "water_m3_by_year": by_year(price.water_m3),
        "network": {},
    }  # fmt: skip
    yield from _compared(lot, expected)
    again.lots.append(LotAgain(lot, hardware, begin, end, stand, price))


def _compared(said: Priced, expected: Mapping[str, object]) -> Iterator[str]:
    """Differences of a lot or of work, and lines that do not sum to their total."""
    m = said.money
    found: dict[str, object] = {
        "lines_usd": m.lines_usd,
        "total_usd": m.total_usd,
        "opex_usd_by_year": by_year(m.opex_usd_by_year),
        "capex_usd": m.capex_usd,
        "capex_lines_usd": m.capex_lines_usd,
        "carbon_t_by_year": by_year(said.carbon_t_by_year),
        "water_m3_by_year": by_year(said.water_m3_by_year),
    }
    rest = said.model_dump()
    found |= {name: rest[name] for name in expected if name not in found}
    yield from differences("", {name: found[name] for name in expected}, expected)
    if not near(math.fsum(m.lines_usd.values()), m.total_usd):
        yield f"money.lines_usd sums to {math.fsum(m.lines_usd.values())}, the total is {m.total_usd}"


def _wrong_hours(hours: Sequence[int]) -> str:
    """What is wrong with hours of a day, none being all of them."""
    if list(hours) == sorted(set(hours)) and all(0 <= hour < HOURS for hour in hours) and len(hours) < HOURS:
        return ""
    return f"its hours {list(hours)} are none of a day, ascending"


def _hardware(again: Again, work: Work) -> Hardware:
    """The systems that work may use: those of its kind and place, and of its own workload where none are shared."""
    owner = "" if again.scenario.fleet.shared else work.workload
    return Hardware(work.site, work.system, work.chip, work.cooling, work.fabric, owner, work.power_cap,
                    work.topology)  # fmt: skip


def _described(again: Again, work: Work, hardware: Hardware, term: str = "") -> tuple[Described, list[str]]:
    figures = again.figures
    workload = figures.workload(work.workload)
    layout = layout_of_plan(work.parallelism, work.role) | ({"part": work.part_chips} if work.part_chips else {})
    if isinstance(work, ScheduledRun) and isinstance(workload, ByADate):
        layout["units"] = work.units
    hours = work.hours if workload.runs_once else ()
    beside = _beside(again, work) if isinstance(work, ScheduledRun) else None
    described = figures.describe(work.workload, work.role, hardware, work.precision, layout, term, hours, beside)
    wrong = [text] if (text := _wrong_hours(work.hours)) else []
    if work.precision not in workload.precision:
        wrong.append(f"precision {work.precision} is none of {', '.join(workload.precision)}")
    pinned = getattr(workload, "parallelism", None)
    for name, value in (pinned.model_dump() if pinned is not None else {}).items():
        mine = getattr(work.parallelism, "dp" if name == "attention_dp" else name)
        if value is not None and mine != value:
            wrong.append(f"parallelism.{name} is {mine}, the scenario fixes {value}")
    return described, wrong


def _beside(again: Again, run: ScheduledRun) -> Beside | None:
    """The other side of a run on two kinds of systems. Raises ``InputError`` where the plan has no such pair."""
    if not run.mix:
        if not run.leads:
            raise InputError(Problem("it is the second side of no run"))
        return None
    runs = again.plan.schedule.runs if again.plan.schedule else ()
    others = [r for r in runs if r.mix == run.mix and r is not run]
    if len(others) != 1 or others[0].leads == run.leads or others[0].workload != run.workload:
        raise InputError(Problem(f"mix {run.mix} is not of two sides of one run, one of which leads"))
    (other,) = others
    together = ("start_day", "end_day", "counted_from_day", "precision")
    if run.hours or run.rented_alone or any(getattr(run, x) != getattr(other, x) for x in together):
        raise InputError(Problem(f"the two sides of {run.workload} do not run together, on systems that stand"))
    return Beside(_hardware(again, other), layout_of_plan(other.parallelism, other.role), run.leads)


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
        "opex_usd_by_year": by_year(price.opex_usd),
        "carbon_t_by_year": by_year(price.carbon_t),
        "water_m3_by_year": by_year(price.water_m3),
        "capex_usd": 0.0,
        "capex_lines_usd": {},
    }


def run_failures(again: Again, run: ScheduledRun) -> Iterator[str]:
    figures, line = again.figures, again.timeline
    hardware = _hardware(again, run)
    workload = figures.workload(run.workload)
    if not workload.runs_once:
        yield "it is a load, not a run"
        return
    if run.units < 1 or (run.units > 1 and not isinstance(workload, ByADate)):
        yield f"{run.units} units side by side"
        return
    described, wrong = _described(again, run, hardware, _rented_for(again, run))
    yield from wrong
    slots = [i for i, s in enumerate(line.slots) if near(s.start * DAYS_PER_MONTH, run.counted_from_day)]
    if not slots:
        yield f"day {run.counted_from_day:g} begins no slot"
        return
    slot = slots[0]
    month = line.slots[slot].start
    days = described.run_days
    watts = figures.run_watts(workload, run.role, hardware, described)[1]
    price = figures.run(workload, run.role, hardware, described, month, run.hours)
    if run.hours and (run.rented_alone or not again.scenario.fleet.shared):
        yield "it stops every day for nobody: its systems are its own"
    stops, seconds = figures.stops(run.workload, described.chips, run.hours)
    expected = _of_work(described, watts, price) | {
        "stops_a_day": stops,
        "stop_s": seconds,
        "spares": described.spares,
        "predicted": described.predicted.model_dump()
        | {"finish_days": run.start_day + (described.predicted.days or 0.0) if run.leads else None},
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
    due = due_days(again.scenario, line, workload, slot, days) if may_move(again.scenario) else None
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
    again.runs.append(RunAgain(run, hardware, described))


def _rented_for(again: Again, run: ScheduledRun) -> str:
    """The term of the one lot that is rented for a run alone; empty where there is none, or more than one."""
    lots = again.plan.fleet.lots if again.plan.fleet and run.rented_alone else ()
    terms = [x.rent_term for x in lots if x.workload == run.workload and x.rented_days > 0]
    return terms[0] if len(terms) == 1 else ""


def _earliest_slot(again: Again, run: ScheduledRun, hardware: Hardware, described: Described, slot: int) -> int:
    """The slot from which on a run may begin that is charged from another: one earlier, or any charged no more."""
    figures, line = again.figures, again.timeline
    if stated(again.scenario.limits):
        return max(0, slot - 1)
    workload, usd, found = figures.workload(run.workload), run.money.total_usd, slot
    while found > 0 and run.start_day < line.slots[found].start * DAYS_PER_MONTH - 1e-6:
        before = figures.run(workload, run.role, hardware, described, line.slots[found - 1].start, run.hours)
        if math.fsum(before.lines_usd.values()) > usd * (1 + 1e-8):
            break
        found -= 1
    return max(0, min(found, slot - 1))


def load_failures(again: Again, load: ScheduledLoad) -> Iterator[str]:
    figures, line = again.figures, again.timeline
    hardware = _hardware(again, load)
    workload = figures.workload(load.workload)
    if workload.runs_once:
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
        "hours": _busiest(workload, described.parallelism.hours_per_day),
        "predicted": described.predicted.model_dump(),
        "with_loads": pools_of(again.scenario).get(load.workload, (load.workload,))[1:],
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
    again.loads.append(LoadAgain(load, hardware, described))


def _busiest(workload: Workload, count: int | None) -> tuple[int, ...]:
    """The hours of a day in which most is asked of a load by the hour, so many of them; none: it is on all day."""
    if count is None or not isinstance(workload, Daily):
        return ()
    rates = hourly_rates(workload.requests_per_day, workload.users)
    return tuple(sorted(sorted(range(HOURS), key=lambda hour: (-rates[hour], hour))[:count]))


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
