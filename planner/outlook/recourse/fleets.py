"""A fleet over time in each of some futures: its program again, under what has come by then.

What arrives so soon that it must be ordered at the start is decided before anything is known; every other lot, the work
of every period and the start of every run follow the future. Announced dates bound what may be ordered here, not dates
that hold with a confidence: that a system is late is one of the things that are learned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.answer.plan import Predicted
from planner.fleet.stock_limits import build_stock
from planner.fleet.stock_model import StockModel
from planner.options.hardware.choices import announced_days, hardware_choices
from planner.options.hardware.timeline import DAYS_PER_MONTH, Timeline, timeline_of
from planner.options.stock import Lot, Run, Stock, Work
from planner.options.stock_figures import Hardware, StockFigures
from planner.outlook.draws import Draws
from planner.outlook.over_time import parts_by_price, parts_by_tariff, slower
from planner.outlook.recourse.extensive import Future
from planner.planning.question import Question, ask
from planner.scenario.outcomes import CENTRAL, Outcomes, Spread
from planner.solve.form import Program
from planner.uncertainty.margins import margin_of
from planner.uncertainty.spreads import slip_spread
from planner.verify.chance import ends_of

Floats = NDArray[np.float64]
LATENCIES = ("ttft_ms", "tpot_ms", "latency_ms")
_SAME_DAY = 1e-6


def announced(question: Question) -> Question:
    """The question without margins: central figures, deliveries as announced."""
    scenario, outcomes = question.scenario, question.scenario.outcomes or Outcomes()
    may_slip = {
        c.system.id
        for c in hardware_choices(scenario, question.catalog)[0]
        if slip_spread(outcomes, question.catalog, c.system.id, c.chip.id) is not None
    }
    central = all(scenario.confidence_of(w.name) <= CENTRAL for w in scenario.workloads)
    if central and not may_slip:
        return question
    certain = dict(outcomes.slip_quarters) | dict.fromkeys(sorted(may_slip), Spread(values=(0.0,)))
    plain = scenario.at_confidence(CENTRAL).model_copy(
        update={"outcomes": outcomes.model_copy(update={"slip_quarters": certain})}
    )
    return ask(plain, catalog=question.plain)


@dataclass(frozen=True)
class _Known:
    """What is predicted of a unit or a run."""

    ends: tuple[float, float]
    predicted: Predicted


class Fleets:
    """One fleet over time, without margins, and its futures. ``draws`` are of the scenario with its own outcomes."""

    def __init__(self, question: Question) -> None:
        assert question.stock is not None  # noqa: S101 - of a fleet over time
        self.question, self.model = question, question.stock
        self.scenario, self.catalog = question.scenario, question.catalog
        self.stock: Stock = question.stock.stock
        self.line: Timeline = timeline_of(self.scenario, self.catalog)
        self._by_price = parts_by_price(question)
        self._by_tariff = parts_by_tariff(question)
        figures = StockFigures(self.scenario, self.catalog)
        self._known: dict[str, _Known] = {}
        work: tuple[Work | Run, ...] = (*self.stock.works, *self.stock.runs)
        for x in work:
            g = self.stock.groups[x.group]
            hardware = Hardware(g.location, g.system, g.chip, g.cooling, g.fabric, g.owner, g.power_cap)
            told = figures.describe(x.workload, x.role, hardware, x.precision, x.layout, getattr(x, "term", ""))
            self._known[x.id] = _Known(ends_of(told.predicted) or (1.0, 1.0), told.predicted)

    @property
    def first(self) -> list[int]:
        """Columns of lots that are decided at the start: what stands, and what arrives within the time to order."""
        return [c for c, lot in zip(self.model.lots, self.stock.lots, strict=True) if self.decided_first(lot)]

    def decided_first(self, lot: Lot) -> bool:
        """Whether a lot must be decided before anything is known."""
        lead = self.scenario.hardware.lead_months if lot.acquire == "buy" else 0
        return self.line.edges[lot.begin] <= lead + 1e-9 and not self._may_slip(lot)

    def futures(self, draws: Draws) -> list[Future]:
        """The program of each future that is drawn."""
        made = [self._future(draws, s) for s in range(draws.n)]
        # a lot is one column in all futures: its bound is the largest of theirs
        most = np.max([f.program.upper[list(self.model.lots)] for f in made], axis=0)
        lots = np.array(self.model.lots)
        for i, f in enumerate(made):
            upper = np.array(f.program.upper)
            upper[lots] = np.where(self._late(draws, i), 0.0, most)
            made[i] = replace(f, program=replace(f.program, upper=upper))
        return made

    def _future(self, draws: Draws, s: int) -> Future:
        demand = {w.name: float(draws.demand_factor(w.name)[s]) for w in self.scenario.workloads}
        stock = replace(
            self.stock,
            demands=tuple(
                replace(
                    d, rate=d.rate * demand[d.workload],
                    rate_of={name: rate * demand[d.workload] for name, rate in d.rate_of.items()},
                )
                for d in self.stock.demands
            ),
        )  # fmt: skip
        factors = {x.id: self._slower(draws, s, x.id, x.workload, x.group) for x in self.stock.works}
        factors |= {
            r.id: self._slower(draws, s, r.id, r.workload, r.group)
            * demand[r.workload]
            * self._failing(draws, s, r.workload, r.group, r.chips)
            for r in self.stock.runs
        }
        model = build_stock(self.scenario, self.catalog, slower(self.question, stock, lambda x: factors[x.id]))
        program = model.program
        upper = np.array(program.upper)
        for x, columns in zip(model.stock.works, model.serve, strict=True):
            if self._breaks(x.workload, x.id, factors[x.id]):
                upper[list(columns)] = 0.0
        promises = {w.name: tuple(_promised(program, w.name)) for w in self.scenario.workloads}
        kept = {name: rows for name, rows in promises.items() if rows}
        return Future(replace(program, upper=upper), self._cost(draws, s, model), kept)

    def _slower(self, draws: Draws, s: int, name: str, workload: str, group: int) -> float:
        """What the times of a unit or run are multiplied by."""
        system = self.stock.groups[group].system
        return float(draws.time_factor(workload, system, *self._known[name].ends)[s])

    def _failing(self, draws: Draws, s: int, workload: str, group: int, chips: int) -> float:
        """What failures at another rate multiply the days of a run by."""
        g = self.stock.groups[group]
        load = next(w for w in self.scenario.workloads if w.name == workload)
        failures = margin_of(self.scenario, self.catalog, load, g.system, g.chip).failures
        if failures is None:
            return 1.0
        return float(failures.stretch(chips, draws.failure_factor()[s : s + 1])[0, 0])

    def _breaks(self, workload: str, name: str, factor: float) -> bool:
        """Whether a unit is beyond the latencies of its load."""
        load, predicted = next(w for w in self.scenario.workloads if w.name == workload), self._known[name].predicted
        limits = ((getattr(load, x, None), getattr(predicted, x)) for x in LATENCIES)
        return any(a is not None and b is not None and b * factor > a * (1 + 1e-9) for a, b in limits)

    def _may_slip(self, lot: Lot) -> bool:
        g = self.stock.groups[lot.group]
        return lot.acquire != "installed" and announced_days(
            self.scenario, self.catalog.system(g.system), self.catalog.chip(g.chip)
        ) > self.line.edges[lot.begin] * DAYS_PER_MONTH + _SAME_DAY  # fmt: skip

    def _late(self, draws: Draws, s: int) -> NDArray[np.bool_]:
        """Lots (n,) that do not come when they would be counted on: their system is sold later than announced."""
        found = np.zeros(len(self.stock.lots), np.bool_)
        first = set(self.first)
        for i, (column, lot) in enumerate(zip(self.model.lots, self.stock.lots, strict=True)):
            if lot.acquire == "installed" or column in first:
                continue
            g = self.stock.groups[lot.group]
            if draws.slip_spread(g.system, g.chip) is None:
                continue
            told = announced_days(self.scenario, self.catalog.system(g.system), self.catalog.chip(g.chip))
            sold = told + float(draws.slip_days(g.system, g.chip)[s])
            found[i] = sold > self.line.edges[lot.begin] * DAYS_PER_MONTH + _SAME_DAY
        return found

    def _cost(self, draws: Draws, s: int, model: StockModel) -> Floats:
        cost = np.array(model.objectives["cost"])
        place = {name: j for j, name in enumerate(model.program.column_names)}
        names = self.model.program.column_names
        for parts, factor in ((self._by_price, draws.price_factor), (self._by_tariff, draws.tariff_factor)):
            for name, part in parts.items():
                change = float(factor(name)[s]) - 1.0
                if not change:
                    continue
                for j in np.flatnonzero(part).tolist():
                    if names[j] in place:
                        cost[place[names[j]]] += change * part[j]
        return cost


def _promised(program: Program, workload: str) -> Iterator[int]:
    """Rows that hold the promise to a workload: its run, its demand in every period."""
    for i, name in enumerate(program.row_names):
        if name == f"once[{workload}]" or name.startswith(f"demand[{workload},"):
            yield i


__all__ = ["Fleets", "announced"]
