"""What a fleet over time did for each workload, and who pays for what stands: by the time that it works for whom.

What a lot costs is divided over all work on systems of its kind, by systems and days of work; also what stands without
work is paid by those whom it stands for. Systems rented for one run are that run's. What never works is nobody's.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from planner.answer.plan import Fleet, Schedule, ScheduledLoad, ScheduledRun
from planner.cost.finance import HOURS_PER_YEAR
from planner.cost.of_plan import Worked
from planner.options.hardware.hours import day_share
from planner.options.hardware.timeline import demand_by_period
from planner.options.parts import systems_taken
from planner.options.stock_figures import Hardware, StockFigures
from planner.options.work.by_a_date import at_work
from planner.scenario.kinds import ByADate, Workload
from planner.scenario.workloads import Serving

SECONDS_PER_DAY = 86_400.0


def requests_over_time(figures: StockFigures) -> dict[str, float]:
    """{serving load: requests of the horizon}, at the mean of a day, as the demand of each period asks."""
    line, days = figures.timeline, _days(figures)
    found = {}
    for w in figures.scenario.workloads:
        if isinstance(w, ByADate) and w.runs_once:
            found[w.name] = w.requests_in_all
        elif isinstance(w, Serving):
            rates = demand_by_period(line, w.requests_per_s, dict(w.requests_path), w.growth_per_year)
            peak = sum(float(rate) * d for rate, d in zip(rates, days, strict=True))
            found[w.name] = peak * SECONDS_PER_DAY / w.peak_to_mean
    return found


def throughput_over_time(figures: StockFigures, schedule: Schedule) -> float:
    """Tokens (or samples) a second: of loads what they can answer, in the mean of the plan; of runs while they run."""
    line, found = figures.timeline, 0.0
    years = [line.period_years(t) for t in range(line.periods)]
    for x in schedule.loads:  # classes of requests have tokens of their own
        for year, of in zip(years, x.answers, strict=False):
            found += sum((a.input_tokens + a.output_tokens) * a.requests_per_s for a in of) * year / sum(years)
    asked_of: dict[str, Workload] = {w.name: w for w in figures.scenario.workloads}
    for load in schedule.demand:
        w = asked_of.get(load.workload)
        if w is None or (isinstance(w, Serving) and w.request_classes):
            continue
        tokens = float(w.input_tokens + w.output_tokens) if isinstance(w, Serving) else 1.0
        # a period in which nothing is asked counts for nothing
        parts = zip(load.asked, load.answered, years, strict=True)
        found += tokens * sum(n * y for asked, n, y in parts if asked > 0) / sum(years)
    for r in schedule.runs:
        w = asked_of[r.workload]
        if isinstance(w, Serving):  # work by a date: prompts and answers
            found += (r.predicted.requests_per_s or 0.0) * (w.input_tokens + w.output_tokens)
        else:
            found += r.predicted.tokens_per_s or r.predicted.samples_per_s or 0.0
    return found


def worked_over_time(figures: StockFigures, fleet: Fleet, schedule: Schedule) -> list[Worked]:
    """Runs and loads of a plan with their share of what stands."""
    shared, days, requests = figures.scenario.fleet.shared, _days(figures), requests_over_time(figures)

    def kind(x: ScheduledRun | ScheduledLoad) -> Hardware:
        alone = isinstance(x, ScheduledRun) and x.rented_alone
        owner = x.workload if alone or not shared else ""
        # systems rented for one run are no others' of their kind
        return Hardware(x.site, x.system, x.chip, x.cooling, x.fabric, f"{owner} alone" if alone else owner,
                        x.power_cap, x.topology)  # fmt: skip

    busy: dict[Hardware, list[tuple[int, float]]] = defaultdict(list)
    work: list[ScheduledRun | ScheduledLoad] = [*schedule.runs, *schedule.loads]
    taken = []
    for i, x in enumerate(work):
        took = x.end_day - x.start_day if isinstance(x, ScheduledRun) else _unit_days(x, days)
        took *= day_share(x.hours)
        taken.append(took)
        size = systems_taken(x.systems, x.part_chips, figures.stand(kind(x).kind).chips)
        busy[kind(x)].append((i, took * size))
    lines: list[dict[str, float]] = [defaultdict(float) for _ in work]
    idle = [0.0] * len(work)
    for lot in fleet.lots:
        owner = f"{lot.workload} alone" if lot.rented_days else lot.workload
        hardware = Hardware(lot.site, lot.system, lot.chip, lot.cooling, lot.fabric, owner, lot.power_cap,
                            lot.topology)  # fmt: skip
        all_days = sum(n for _, n in busy[hardware])
        stood = lot.rented_days or sum(days[t] for t in _periods(figures, lot.begin, lot.end)) * day_share(lot.hours)
        base = figures.stand(hardware, lot.acquire).facility_base_w * lot.systems * stood * SECONDS_PER_DAY
        for i, n in busy[hardware]:
            share = n / all_days if all_days else 0.0
            idle[i] += base * share
            for name, usd in lot.money.lines_usd.items():
                lines[i][name] += usd * share
    asked_of: dict[str, Workload] = {w.name: w for w in figures.scenario.workloads}
    found = []
    for i, x in enumerate(work):
        for name, usd in x.money.lines_usd.items():
            lines[i][name] += usd
        p = x.predicted
        whole = Worked(
            workload=x.workload,
            role=x.role,
            chip_hours=x.chips * taken[i] * 24.0,
            lines_usd=_plain(lines[i]),
            joules=x.added_mw * 1e6 * taken[i] * _working(asked_of[x.workload], x) * SECONDS_PER_DAY + idle[i],
            prefill_share=p.prefill_share,
            # of the day's peak, to which a unit adds its rate in whatever hours it is on
            requests_per_s=(p.requests_per_s or 0.0) * taken[i] / day_share(x.hours) / sum(days),
            cached_prefix=p.cached_prefix or 0.0,
        )
        found += _divided(whole, x.loads, requests) if isinstance(x, ScheduledLoad) and x.with_loads else [whole]
    return found


def _divided(whole: Worked, loads: Sequence[str], requests: Mapping[str, float]) -> list[Worked]:
    """What units did that several loads share: for each by its requests."""
    every = math.fsum(requests[name] for name in loads)
    shares = {name: requests[name] / every if every else 1.0 / len(loads) for name in loads}
    return [
        replace(
            whole, workload=name, chip_hours=whole.chip_hours * part, joules=whole.joules * part,
            requests_per_s=whole.requests_per_s * part, lines_usd={k: v * part for k, v in whole.lines_usd.items()},
        )
        for name, part in shares.items()
    ]  # fmt: skip


def _working(workload: Workload, x: ScheduledRun | ScheduledLoad) -> float:
    """Share of its hours in which work works: all of them, save where work by a date may have fewer."""
    return at_work(workload, x.hours) / day_share(x.hours) if isinstance(x, ScheduledRun) else 1.0


def _unit_days(x: ScheduledLoad, days: list[float]) -> float:
    """Days of all its units together."""
    return sum(n * d for n, d in zip(x.units, days, strict=True))


def _days(figures: StockFigures) -> list[float]:
    """Days of each period, as money counts the hours of a year."""
    line = figures.timeline
    return [line.period_years(t) * HOURS_PER_YEAR / 24.0 for t in range(line.periods)]


def _periods(figures: StockFigures, begin: str, end: str) -> range:
    line = figures.timeline
    return range(line.names.index(begin), line.names.index(end) if end else line.periods)


def _plain(lines: Mapping[str, float]) -> dict[str, float]:
    return {name: float(usd) for name, usd in lines.items()}
