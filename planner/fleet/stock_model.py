"""The program of a fleet over time: lots that stand, work that occupies them (docs/optimization.md has it in words).

Knows no scenario: ``stock_limits`` adds what a scenario limits.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from planner.fleet.meeting import meeting_rows
from planner.fleet.model import FleetModel, Limit
from planner.fleet.pieces import pieces_of
from planner.fleet.redundancy import Counting, Unit, add_left
from planner.options.counted import GOALS, OverTime
from planner.options.hardware.hours import on_in
from planner.options.parts import levels, room_for
from planner.options.stock import Demand, Lot, Run, Start, Stock, Work
from planner.scenario.kinds.daily import Hours
from planner.solve.form import Program, ProgramBuilder

Floats = NDArray[np.float64]
LEAST_ANSWERED = 1e-12
"""Requests/s below which an answer is the solver's rounding."""


@dataclass
class StockDraft:
    """A program in the making. ``limits`` files add rows through ``add_limit``."""

    stock: Stock
    idle_counts: bool = False
    """Whether systems that never work may be of use: where the share of a vendor is of all that is acquired."""
    builder: ProgramBuilder = field(default_factory=ProgramBuilder)
    lots: list[int] = field(default_factory=list)
    """Column of each lot."""
    serve: list[list[int]] = field(default_factory=list)
    """Column of each serving unit in each period."""
    runs: list[list[int]] = field(default_factory=list)
    """Column of each start of each run."""
    most: dict[int, float] = field(default_factory=dict)
    """Upper bound of each serving column."""
    answers: dict[tuple[int, int], dict[str, tuple[int, float]]] = field(default_factory=dict)
    """{(serving unit, period): {class of requests: (column, requests/s that one of it stands for)}}"""
    tokens: dict[int, float] = field(default_factory=dict)
    """Tokens a second, in the mean of the plan, that one of a column answers."""
    peak: int | None = None
    """Column of the largest power, where it is asked for."""
    limits: dict[str, Limit] = field(default_factory=dict)

    def add_limit(self, limit: Limit, coefficients: Mapping[int, float]) -> None:
        """One row for a limit; ``coefficients`` are in the limit's unit per unit of column."""
        scaled = {c: v / limit.scale for c, v in coefficients.items() if v}
        bound = limit.limit / limit.scale
        if limit.sense < 0:
            self.builder.add_row(limit.row, scaled, upper=bound, kind=limit.kind)
        else:
            self.builder.add_row(limit.row, scaled, lower=bound, kind=limit.kind)
        self.limits[limit.row] = limit

    def total(
        self,
        lot: Callable[[Lot], float] | None = None,
        work: Callable[[Work, int], float] | None = None,
        run: Callable[[Run, Start], float] | None = None,
    ) -> dict[int, float]:
        """Coefficients of a sum over all that stands and works."""
        found: dict[int, float] = {}
        if lot is not None:
            found.update((c, lot(x)) for c, x in zip(self.lots, self.stock.lots, strict=True))
        if work is not None:
            for columns, x in zip(self.serve, self.stock.works, strict=True):
                found.update((c, work(x, t)) for t, c in enumerate(columns))
        if run is not None:
            for columns, r in zip(self.runs, self.stock.runs, strict=True):
                found.update((c, run(r, s)) for c, s in zip(columns, r.starts, strict=True))
        return found

    def standing(self, period: int, figure: Callable[[Lot], float]) -> dict[int, float]:
        """Coefficients of a sum over the lots that stand in a period."""
        return {
            c: figure(x)
            for c, x in zip(self.lots, self.stock.lots, strict=True)
            if x.begin <= period < x.end and figure(x)
        }


@dataclass(frozen=True)
class StockModel:
    """A program, what its rows mean, and how to read its columns back."""

    program: Program
    stock: Stock
    limits: Mapping[str, Limit]
    objectives: Mapping[str, Floats]
    lots: tuple[int, ...]
    serve: tuple[tuple[int, ...], ...]
    runs: tuple[tuple[int, ...], ...]
    answers: Mapping[tuple[int, int], Mapping[str, tuple[int, float]]] = field(default_factory=dict)
    """{(serving unit, period): {class of requests: (column, requests/s that one of it stands for)}}"""

    def as_fleet(self) -> FleetModel:
        """The same program for what explains plans; it has no options of the dedicated kind."""
        return FleetModel(self.program, (), (), self.limits, self.objectives)


@dataclass(frozen=True)
class StockPlan:
    """Counts of a plan: systems of each lot, units of each serving unit by period, the start chosen for each run."""

    lots: tuple[tuple[Lot, int], ...]
    works: tuple[tuple[Work, tuple[int, ...]], ...]
    runs: tuple[tuple[Run, Start], ...]
    answers: Mapping[str, tuple[Mapping[str, float], ...]] = field(default_factory=dict)
    """{serving unit: in each period {class of requests: requests/s}}"""


def add_structure(draft: StockDraft, demand_limit: Callable[[Demand, int], Limit]) -> None:
    """Columns, and the rows that make work work: once, order, use, there, demand."""
    stock, build = draft.stock, draft.builder
    asked = {d.workload: d for d in stock.demands}
    units = [_most_units(stock, asked[work.workload], work) for work in stock.works]
    useful = _useful(stock, units)
    for lot in stock.lots:
        g = stock.groups[lot.group]
        name = f"lot[{lot.id},{g.system},{g.location},{lot.acquire},{lot.begin}-{lot.end}]"
        # what never works is of no use, save that it may count in the share of a vendor
        upper = lot.most if draft.idle_counts else min(lot.most, useful[lot.group])
        draft.lots.append(build.add_column(name, upper=float(upper), integer=True))
    for work, most in zip(stock.works, units, strict=True):
        columns = [build.add_column(f"serve[{work.id},{t}]", upper=m, integer=True) for t, m in enumerate(most)]
        draft.most.update(zip(columns, most, strict=True))
        draft.serve.append(columns)
    for run in stock.runs:
        draft.runs.append(
            [build.add_column(f"run[{run.id},{s.slot}]", upper=1.0, integer=True, structure=True) for s in run.starts]
        )
    _once_and_order(draft)
    _use(draft)
    for row, coefficients, free in meeting_rows(draft):
        build.add_row(row, coefficients, upper=free, kind="use")
    for demand in stock.demands:
        _demand(draft, demand, demand_limit)


def _most_units(stock: Stock, demand: Demand, work: Work) -> list[float]:
    """Units of a kind in each period that a plan could have any use of: no more than answer all of the load when units
    fail, or make up the chips that it must use."""
    rate = _alone(demand, work)
    least = math.ceil(demand.least_chips / work.chips)
    most = []
    for t, r in enumerate(demand.rate):
        if demand.more:
            most.append(max(float(least), _room(stock, work, t) if r > 0 else 0.0))
            continue
        rule = demand.rule(t)
        lost = rule.lost(work.chips, rate) if rule is not None else 0
        most.append(max(1.0, float(math.ceil(r / rate - 1e-9) + lost), least) if r > 0 else float(least))
    return most


def _useful(stock: Stock, units: Sequence[Sequence[float]]) -> list[float]:
    """Systems of each group that could ever work at once: all its units, and each run on the most it may take."""
    found = [0.0] * len(stock.groups)
    for work, most in zip(stock.works, units, strict=True):
        # of parts each in a system of its own, at worst
        found[work.group] += max(most, default=0.0) * (1 if work.part else work.systems)
    largest: dict[tuple[int, str], int] = defaultdict(int)
    for run in stock.runs:
        if not run.term:
            largest[run.group, run.workload] = max(run.systems, largest[run.group, run.workload])
    for (group, _), systems in largest.items():
        found[group] += systems
    return found


def _alone(demand: Demand, work: Work) -> float:
    """Rate at which one unit answers all of a load that it can answer."""
    if not demand.classes:
        return min(work.rates.values())
    return 1.0 / sum(share / work.rates[c] for c, (share, _) in demand.classes.items() if work.rates.get(c, 0.0) > 0)


def _room(stock: Stock, work: Work, period: int) -> float:
    """The most units of a kind that could stand in a period."""
    systems = sum(x.most for x in stock.lots if x.group == work.group and x.begin <= period < x.end)
    held = stock.groups[work.group].chips // work.part if work.part else 1 / work.systems
    return float(math.floor(systems * held + 1e-9))


def _once_and_order(draft: StockDraft) -> None:
    stock, build = draft.stock, draft.builder

    def both_runs(before: str, after: str, slot: int) -> list[tuple[int, Run, Start]]:
        """What is at work in a slot of two runs."""
        return [
            (c, run, s)
            for columns, run in zip(draft.runs, stock.runs, strict=True)
            if run.workload in (before, after) and run.lead
            for c, s in zip(columns, run.starts, strict=True)
            if s.slot <= slot <= s.last_slot
        ]

    starts: dict[str, list[tuple[int, Start]]] = {name: [] for name in stock.run_names}
    sides: dict[str, list[list[int]]] = defaultdict(list)
    for columns, run in zip(draft.runs, stock.runs, strict=True):
        if run.lead:
            starts[run.workload] += list(zip(columns, run.starts, strict=True))
        if run.mix:
            sides[run.mix].append(columns)
    for mix, (lead, second) in sides.items():
        for a, b in zip(lead, second, strict=True):  # both sides of a run begin together, or neither
            build.add_row(f"mix[{mix},{a}]", {a: 1.0, b: -1.0}, lower=0.0, upper=0.0, kind="balance")
    for name, mine in starts.items():
        row = f"once[{name}]"
        build.add_row(row, {c: 1.0 for c, _ in mine}, lower=1.0, upper=1.0, kind="demand")
        draft.limits[row] = Limit(row, "demand", f"{name} must run once", 1.0, "run", 1.0, f"workloads.{name}", 1)
    for before, after in stock.order:
        for slot in sorted({s.slot for _, s in starts[after]}):
            # begun at the beginning of slot s only if the other has ended by then
            ended = {c: -1.0 for c, s in starts[before] if s.last_slot < slot}
            pieces = {p.column: p.minutes for p in pieces_of(stock, slot, both_runs(before, after, slot))}
            length = stock.minute(slot + 1) - stock.minute(slot) if pieces else 0
            within = {c: -1.0 for c, s in starts[before] if s.last_slot == slot and pieces.get(c, length) < length}
            begun = {c: 1.0 for c, s in starts[after] if s.slot < slot or (s.slot == slot and s.due_days is None)}
            later = {c: 1.0 for c, s in starts[after] if s.slot == slot and s.due_days is not None}
            name = f"{before},{after},{slot}"
            if not within or not later:
                build.add_row(f"order[{name}]", {**begun, **later, **ended}, upper=0.0, kind="order")
                continue
            build.add_row(f"order[{name}]", {**begun, **ended}, upper=0.0, kind="order")
            # within it, where both find room one after the other
            build.add_row(f"order[{name},within]", {**begun, **later, **ended, **within}, upper=0.0, kind="order")
            lengths = {c: pieces[c] / length for c in (*within, *later)}
            build.add_row(f"order[{name},length]", lengths, upper=1.0, kind="order")


def _use(draft: StockDraft) -> None:
    """What works in a slot stands; what began by a period has arrived by then."""
    stock, build = draft.stock, draft.builder
    slots_of: dict[int, list[int]] = defaultdict(list)
    for slot, period in enumerate(stock.slots):
        slots_of[period].append(slot)
    lots: dict[int, list[tuple[int, Lot]]] = defaultdict(list)
    works: dict[int, list[tuple[list[int], Work]]] = defaultdict(list)
    runs: dict[int, list[tuple[int, Run, Start]]] = defaultdict(list)
    for c, lot in zip(draft.lots, stock.lots, strict=True):
        lots[lot.group].append((c, lot))
    for columns, work in zip(draft.serve, stock.works, strict=True):
        works[work.group].append((columns, work))
    for columns, run in zip(draft.runs, stock.runs, strict=True):
        if not run.term:  # what is rented for it alone is not the group's
            runs[run.group] += [(c, run, s) for c, s in zip(columns, run.starts, strict=True)]
    for g, group in enumerate(stock.groups):
        where = f"{group.id},{group.system},{group.location}"
        for period in range(stock.periods):
            rows: list[_UseRow] = []
            for band in stock.bands:
                stands = {c: -1.0 for c, x in lots[g] if x.begin <= period < x.end and on_in(x.hours, band)}
                here = [(columns[period], work) for columns, work in works[g] if on_in(work.hours, band)]
                whole = {c: float(work.systems) for c, work in here if not work.part}
                running = [x for x in runs[g] if on_in(x[1].hours, band)]
                busy = [
                    (slot, {c: r.systems * share for c, r, share in shares_of_slot(stock, slot, running)})
                    for slot in slots_of[period]
                ]
                # parts of doubling sizes pack into systems exactly where they fit by size (planner.options.parts)
                sizes = {c: work.part for c, work in here if work.part}
                cuts = levels(sizes.values(), group.chips) or (0,)
                for slot, active in distinct(busy):
                    for cut in cuts:
                        parts = {c: s / room_for(group.chips, cut) for c, s in sizes.items() if s >= cut}
                        if whole or active or parts:
                            told = {**whole, **parts, **active}
                            rows.append((slot, band, told, stands, () if cut == cuts[0] else (cut,)))
            for slot, band, told, stands, cut_of in _needed(rows):
                name = ",".join(map(str, (where, slot, *cut_of)))
                name += f",{band[0]:02d} h" if len(stock.bands) > 1 else ""
                build.add_row(f"use[{name}]", {**told, **stands}, upper=0.0, kind="use")
        by_run: dict[str, list[tuple[int, Run, Start]]] = defaultdict(list)
        for c, run, s in runs[g]:
            by_run[run.workload].append((c, run, s))
        for name, mine in by_run.items():
            known = -1
            for period in range(stock.periods):
                begun = {c: float(r.systems) for c, r, s in mine if stock.slots[s.slot] <= period}
                if len(begun) == known or not begun:
                    continue
                known = len(begun)
                arrived = {c: -1.0 for c, lot in lots[g] if lot.begin <= period}
                build.add_row(f"there[{name},{where},{period}]", {**begun, **arrived}, upper=0.0, kind="use")


_UseRow = tuple[int, Hours, dict[int, float], dict[int, float], tuple[int, ...]]


def _needed(rows: list[_UseRow]) -> list[_UseRow]:
    """Rows (slot, band, what works, what stands, size of parts) that none of another band implies: with as much at
    work in the same slot, and no more standing."""
    by_slot: dict[tuple[int, tuple[int, ...]], list[_UseRow]] = defaultdict(list)
    kept = []
    for row in sorted(rows, key=lambda r: -len(r[2])):
        slot, _, told, stands, cut = row
        others = by_slot[slot, cut]
        if not any(
            all(other[2].get(c, 0.0) >= v for c, v in told.items()) and other[3].keys() <= stands.keys()
            for other in others
        ):
            others.append(row)
            kept.append(row)
    return sorted(kept, key=lambda r: (r[0], r[4], r[1]))


def shares_of_slot(stock: Stock, slot: int, runs: Sequence[tuple[int, Run, Start]]) -> list[tuple[int, Run, float]]:
    """(column, run, share of the slot that it needs its systems for) of the starts at work in a slot.

    Whole slots, save where pieces of several runs may follow one another: then each its time. That is what every
    schedule keeps; ``sequence`` sees to it that there is one.
    """
    at_work = [(c, r, s) for c, r, s in runs if s.slot <= slot <= s.last_slot]
    pieces = {p.column: p for p in pieces_of(stock, slot, at_work)}
    several = len({p.run.workload for p in pieces.values()}) > 1 and any(p.moves for p in pieces.values())
    if not several:
        return [(c, r, 1.0) for c, r, _ in at_work]
    length = stock.minute(slot + 1) - stock.minute(slot)
    return [(c, r, min(1.0, pieces[c].minutes / length) if c in pieces else 1.0) for c, r, _ in at_work]


def distinct(busy: list[tuple[int, dict[int, float]]]) -> list[tuple[int, dict[int, float]]]:
    """Slots of a period that no other one implies: less at work in it than in another needs no row."""
    kept: list[tuple[int, dict[int, float]]] = []
    for slot, active in sorted(busy, key=lambda b: -len(b[1])):
        if not any(all(other.get(c, 0.0) >= v for c, v in active.items()) for _, other in kept):
            kept.append((slot, active))
    return sorted(kept, key=lambda b: b[0])


def _demand(draft: StockDraft, demand: Demand, limit_of: Callable[[Demand, int], Limit]) -> None:
    stock, build = draft.stock, draft.builder
    mine = [
        (columns, work)
        for columns, work in zip(draft.serve, stock.works, strict=True)
        if work.workload == demand.workload
    ]
    apart = any(set(work.rates) != set(demand.phases) for _, work in mine)
    for period in range(stock.periods):
        rate = float(demand.rate[period])
        if rate <= 0.0:
            continue
        limit = limit_of(demand, period)
        part = float(stock.period_years[period].sum() / stock.period_years.sum())
        if demand.classes:
            _classes(draft, demand, period, part, limit)
            continue
        share = part * demand.tokens
        if not apart:
            draft.tokens.update((c[period], share * min(w.rates.values())) for c, w in mine)
            left = _left(draft, demand, period, mine, {})
            rates = {columns[period]: min(work.rates.values()) for columns, work in mine}
            draft.add_limit(limit, rates if left is None else {left: limit.scale})
            # below the peak: what is on for so many hours of a day carries what is asked in as many
            for hours, asked in demand.below_peak:
                on = {c[period]: rates[c[period]] / rate for c, w in mine if not w.hours or len(w.hours) >= hours}
                build.add_row(f"demand[{demand.workload},{period},{hours} h]", on, lower=asked, kind="balance")
            continue
        # caches do not travel between sites, nor to replicas that read others: each place serves its lesser phase
        served: dict[str, int] = {}
        for site in sorted({_caches_at(stock, work) for _, work in mine}):
            here = [(c[period], w) for c, w in mine if _caches_at(stock, w) == site]
            most = sum(w.rates.get(demand.phases[-1], 0.0) * draft.most[c] for c, w in here)
            column = build.add_column(f"served[{demand.workload},{site},{period}]", upper=max(most, rate) / rate)
            served[site] = column
            draft.tokens[column] = share * rate
            for phase in demand.phases:
                given = {c: w.rates[phase] / rate for c, w in here if phase in w.rates}
                name = f"{phase}[{demand.workload},{site},{period}]"
                build.add_row(name, {**given, column: -1.0}, lower=0.0, kind="balance")
        left = _left(draft, demand, period, mine, served)
        answered = dict.fromkeys(served.values(), 1.0) if left is None else {left: 1.0}
        build.add_row(limit.row, answered, lower=1.0, kind="demand")
        draft.limits[limit.row] = limit


def _caches_at(stock: Stock, work: Work) -> str:
    return f"{stock.groups[work.group].site} {work.cache_pool}".rstrip()


def _classes(draft: StockDraft, demand: Demand, period: int, part: float, limit: Limit) -> None:
    """A load with classes of requests: every class at its rate, and the time of each kind of unit is enough.

    ``answer[o,c,t]`` is the share of class c's demand that the units of kind o answer; all slices of a class are one.
    """
    build, rate = draft.builder, float(demand.rate[period])
    answered: dict[str, dict[int, float]] = {label: {} for label in demand.classes}
    ends = dict.fromkeys(demand.classes, 0.0)
    for i, (columns, work) in enumerate(zip(draft.serve, draft.stock.works, strict=True)):
        if work.workload != demand.workload:
            continue
        taken = {columns[period]: -1.0}
        mine: dict[str, tuple[int, float]] = {}
        for label, (share, tokens) in demand.classes.items():
            each, asked = work.rates.get(label, 0.0), share * rate
            if each <= 0:
                continue
            most = each * draft.most[columns[period]] / asked
            ends[label] += most
            column = build.add_column(
                f"answer[{work.id},{period},{label}]", upper=most if demand.more else min(1.0, most)
            )
            mine[label] = column, asked
            taken[column] = asked / each
            answered[label][column] = 1.0
            draft.tokens[column] = part * tokens * asked
        draft.answers[i, period] = mine
        build.add_row(f"time[{work.id},{period}]", taken, upper=0.0, kind="balance")
    whole = build.add_column(
        f"answered[{demand.workload},{period}]", upper=max(1.0, min(ends.values())) if demand.more else 1.0
    )
    for label, columns_of in answered.items():
        name = f"class[{demand.workload},{period},{label}]"
        build.add_row(name, {**columns_of, whole: -1.0}, lower=0.0, kind="balance")
    draft.add_limit(limit, {whole: limit.scale})


def _left(
    draft: StockDraft, demand: Demand, period: int, mine: Sequence[tuple[list[int], Work]], served: Mapping[str, int]
) -> int | None:
    """The column of what is left of a load in a period when units fail; None where it asks for nothing to spare."""
    rule = demand.rule(period)
    if rule is None:
        return None
    units = {
        i: Unit(columns[period], work.chips, work.rates, _caches_at(draft.stock, work))
        for i, (columns, work) in enumerate(mine)
    }
    several = draft.stock.periods > 1
    when = f" in period {period + 1}" if several else ""
    counting = Counting(draft.builder, draft.add_limit, units)
    return add_left(counting, demand.workload, rule, served, key=f",{period}" if several else "", when=when)


def add_peak(draft: StockDraft) -> None:
    """The largest power of any period, over all sites, as a column of its own."""
    groups = draft.stock.groups
    draft.peak = draft.builder.add_column("peak")
    for period in range(draft.stock.periods):
        drawn = draft.standing(period, lambda x: groups[x.group].peak_w / 1e6)
        draft.builder.add_row(f"peak[{period}]", {**drawn, draft.peak: -1.0}, upper=0.0, kind="balance")


def _summed(draft: StockDraft, of: OverTime, per: float) -> dict[int, float]:
    """Coefficients of an objective that is a sum over what stands and works, of a figure in ``per``."""
    return draft.total(lambda x: of.lot(x) / per, lambda x, t: of.work(x, t) / per, lambda _, s: of.start(s) / per)


def finished(draft: StockDraft) -> StockModel:
    """The program of a draft, with a vector for each objective in the scaled units of ``OBJECTIVE_UNITS``."""
    per_run = draft.total(run=lambda r, _: -r.tokens_per_s / 1e6)
    picks: dict[str, dict[int, float]] = {
        "throughput": per_run | {c: -tokens / 1e6 for c, tokens in draft.tokens.items()},
        "time": draft.total(run=lambda r, s: s.finish_days if r.lead else 0.0),
        **{name: _summed(draft, of, goal.per) for name, goal in GOALS.items() if (of := goal.over_time) is not None},
    }
    if draft.peak is not None:
        picks["power"] = {draft.peak: 1.0}
    program = draft.builder.build()
    vectors = {}
    for name, picked in picks.items():
        vector = np.zeros(program.column_count)
        vector[list(picked)] = list(picked.values())
        vectors[name] = vector
    return StockModel(
        program=program,
        stock=draft.stock,
        limits=dict(draft.limits),
        objectives=vectors,
        lots=tuple(draft.lots),
        serve=tuple(map(tuple, draft.serve)),
        runs=tuple(map(tuple, draft.runs)),
        answers=draft.answers,
    )


def plan_of(model: StockModel, values: Floats) -> StockPlan:
    """Counts of a solution."""
    stock = model.stock
    whole = np.round(values).astype(np.int64)
    lots = [(x, int(whole[c])) for x, c in zip(stock.lots, model.lots, strict=True) if whole[c]]
    works = [
        (x, tuple(int(whole[c]) for c in columns))
        for x, columns in zip(stock.works, model.serve, strict=True)
        if any(whole[c] for c in columns)
    ]
    runs = [
        (x, s)
        for x, columns in zip(stock.runs, model.runs, strict=True)
        for c, s in zip(columns, x.starts, strict=True)
        if whole[c]
    ]
    answers: dict[str, tuple[dict[str, float], ...]] = {}
    for i, (work, columns) in enumerate(zip(stock.works, model.serve, strict=True)):
        if model.answers and any(whole[c] for c in columns):
            amounts = [model.answers.get((i, t), {}) if whole[c] else {} for t, c in enumerate(columns)]
            answers[work.id] = tuple(
                {name: a for name, (at, each) in of.items() if (a := float(values[at]) * each) > LEAST_ANSWERED}
                for of in amounts
            )
    return StockPlan(tuple(lots), tuple(works), tuple(runs), answers)
