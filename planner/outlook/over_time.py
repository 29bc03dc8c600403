"""Fleets over time, asked about: what their cost is made of, the decision when figures are others, futures.

A plan over lots is large, so it is not solved anew for every figure. The cost of its columns is linear in the price of
a system and in a tariff: pricing everything once more with prices, and once with tariffs, a little higher gives the
parts, and with them what keeping the plan costs at any price, exactly. The fleet is solved again from the plan, widest
figures first, in as much time as planning took.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.answer.plan import Plan
from planner.errors import InputError, Problem
from planner.fleet.model import OBJECTIVE_UNITS
from planner.fleet.stock_limits import build_stock
from planner.fleet.stock_model import StockModel
from planner.options.hardware.arrivals import due_days, start_slots
from planner.options.hardware.choices import site_region
from planner.options.hardware.timeline import DAYS_PER_MONTH, Timeline, timeline_of
from planner.options.stock import Run, Start, Stock, StockSet, Work
from planner.outlook.moves import Decided, Moves
from planner.outlook.question import no_plan
from planner.planning.plan import answered, solved_question
from planner.planning.question import Question, searched
from planner.scenario.kinds import Workload
from planner.solve import Solution, Status, solve, with_objective
from planner.verify.chance import ends_of

Floats = NDArray[np.float64]
STEP = 1e-3
"""How much higher prices and tariffs are when everything is priced once more."""
LEAST_S, EACH_S = 20.0, 2.0
"""Seconds that solving again takes at least in all, and at least of each figure."""


@dataclass(frozen=True)
class FleetView:
    """A fleet over time with its best plan. ``values``: the point of ``stock``'s program; money in USD millions."""

    question: Question
    stock: StockModel
    plan: Plan
    values: Floats
    by_price: Mapping[str, Floats]
    """{system: what its price is of the cost of each column}"""
    by_tariff: Mapping[str, Floats]
    """{site: the same of its tariff}"""
    seconds: float
    """That solving took."""

    @property
    def goal(self) -> str:
        """The first objective."""
        return self.question.scenario.objective[0]

    @property
    def value(self) -> float:
        """The best objective, in people's units."""
        return float(self.stock.objectives[self.goal] @ self.values) * OBJECTIVE_UNITS[self.goal][1]

    def words(self, values: Floats) -> str:
        """What is bought where: kinds of systems, not how many."""
        stock = self.stock.stock
        used = {
            f"{stock.groups[x.group].system} at {stock.groups[x.group].site}"
            for x, c in zip(stock.lots, self.stock.lots, strict=True)
            if values[c] > 0.5 and x.acquire != "installed"
        }
        return "; ".join(sorted(used)) or "nothing bought"

    def kept(self, moves: Moves) -> float:
        """What keeping the plan costs where prices and tariffs are others, in people's units of cost."""
        return self.value + self.more(moves)

    def more(self, moves: Moves) -> float:
        """USD that keeping the plan costs more where prices and tariffs are others."""
        return 1e6 * float(self._change(moves) @ self.values)

    def _change(self, moves: Moves) -> Floats:
        change = np.zeros(len(self.values))
        for of, factors in ((self.by_price, moves.prices), (self.by_tariff, moves.tariffs)):
            for name, factor in factors.items():
                if name in of:
                    change += (factor - 1.0) * of[name]
        return change

    def again(self, moves: Moves, seconds: float) -> Decided | None:
        """The decision under other figures, solved for so long from the plan; None where there is none.

        Raises ``InputError`` where none was found in time.
        """
        limits = replace(self.question.limits, time_limit_s=seconds)
        vector = self.stock.objectives[self.goal]
        if moves.times:
            groups, times = self.stock.stock.groups, moves.times
            stock = slower(self.question, self.stock.stock, lambda x: times.get(groups[x.group].system, 1.0))
            model = build_stock(self.question.scenario, self.question.catalog, stock)
            found = solve(with_objective(model.program, model.objectives[self.goal]), limits)
            return self._decided(found, model)
        program = with_objective(self.stock.program, vector + self._change(moves))
        return self._decided(solve(program, limits, start=self.values), self.stock)

    def _decided(self, found: Solution, model: StockModel) -> Decided | None:
        if found.values is None:
            if found.status is Status.INFEASIBLE:
                return None
            raise InputError(Problem("no decision was found in time", remedy="Raise solve.time_limit_s."))
        value = found.objective * OBJECTIVE_UNITS[self.goal][1]
        return Decided(value, replace(self, stock=model).words(found.values))


def fleet_view(question: Question, tell: Callable[[str, float], None]) -> FleetView:
    """A fleet over time with its plan and what its cost is made of. Raises ``NoPlanError``."""
    assert question.model is not None  # noqa: S101 - asked before
    tell("Solving", 0.42)
    began = time.perf_counter()
    question, model, solutions = solved_question(question, question.model)
    seconds = time.perf_counter() - began
    last = next((s for s in reversed(solutions) if s.values is not None), None)
    stock = question.stock
    if last is None or last.values is None or stock is None:
        if solutions[0].status is not Status.INFEASIBLE:
            raise InputError(Problem("no plan was found in time", remedy="Raise solve.time_limit_s."))
        raise no_plan(question.scenario)
    tell("Verifying", 0.6)
    plan = answered(question, solutions, model)
    tell("Pricing with other prices", 0.62)
    by_price = parts_by_price(question)
    tell("Pricing with other tariffs", 0.66)
    by_tariff = parts_by_tariff(question)
    return FleetView(question, stock, plan, last.values, by_price, by_tariff, seconds)


def parts_by_price(question: Question) -> dict[str, Floats]:
    """{system: what its price is of the cost of each column of a fleet over time, USD millions}"""
    assert question.stock is not None  # noqa: S101 - of a fleet over time
    return _split(question.stock, _differences(question.stock, _dearer(question)), "system")


def parts_by_tariff(question: Question) -> dict[str, Floats]:
    """{site: the same of its tariff}"""
    assert question.stock is not None  # noqa: S101 - of a fleet over time
    return _split(question.stock, _differences(question.stock, _dearer_energy(question)), "site")


def _stock(question: Question, **changes: object) -> Stock:
    changed = replace(question, **changes)  # type: ignore[arg-type]
    found = searched(changed.scenario, changed.catalog)
    assert isinstance(found, StockSet)  # noqa: S101 - the same scenario as before
    return found.stock


def _dearer(question: Question) -> Stock:
    """Everything priced with all systems a little dearer."""
    catalog = question.catalog
    prices = {
        name: {"price_usd": usd * (1 + STEP)}
        for name in {g.system for g in question.stock.stock.groups}  # type: ignore[union-attr]
        if (usd := catalog.system(name).get("price_usd"))
    }
    return _stock(question, catalog=catalog.with_assumptions({"systems": prices}))


def _dearer_energy(question: Question) -> Stock:
    """Everything priced with all tariffs a little higher."""
    sites = []
    for site in question.scenario.sites:
        tariff = site_region(question.catalog, site).get("tariff_usd_per_kwh")
        path = {month: usd * (1 + STEP) for month, usd in (site.tariff_path or {}).items()}
        update: dict[str, object] = {"tariff_path": path} if path else {}
        if tariff:
            update["tariff_usd_per_kwh"] = tariff * (1 + STEP)
        sites.append(site.model_copy(update=update))
    return _stock(question, scenario=question.scenario.model_copy(update={"sites": tuple(sites)}))


def _costs(stock: Stock) -> dict[tuple[str, str, int], float]:
    found = {("lot", x.id, 0): x.cost_usd for x in stock.lots}
    found |= {("work", x.id, t): float(usd) for x in stock.works for t, usd in enumerate(x.cost_usd)}
    return found | {("run", r.id, s.slot): s.cost_usd for r in stock.runs for s in r.starts}


def _columns(model: StockModel) -> dict[tuple[str, str, int], tuple[int, int]]:
    """{what: (column, group)} of all that costs money."""
    stock = model.stock
    found = {("lot", x.id, 0): (c, x.group) for x, c in zip(stock.lots, model.lots, strict=True)}
    found |= {
        ("work", x.id, t): (c, x.group)
        for x, columns in zip(stock.works, model.serve, strict=True)
        for t, c in enumerate(columns)
    }
    return found | {
        ("run", r.id, s.slot): (c, r.group)
        for r, columns in zip(stock.runs, model.runs, strict=True)
        for s, c in zip(r.starts, columns, strict=True)
    }


def _differences(model: StockModel, other: Stock) -> Floats:
    """What columns cost more in another pricing, over ``STEP``, USD millions; none where it left something out."""
    into = np.zeros(model.program.column_count)
    before, after = _costs(model.stock), _costs(other)
    for key, (column, _) in _columns(model).items():
        if key in after:
            into[column] = (after[key] - before[key]) / STEP / 1e6
    return into


def _split(model: StockModel, whole: Floats, by: str) -> dict[str, Floats]:
    found: dict[str, Floats] = {}
    for column, group in _columns(model).values():
        if whole[column]:
            name = str(getattr(model.stock.groups[group], by))
            found.setdefault(name, np.zeros(len(whole)))[column] = whole[column]
    return found


# -- other speeds ------------------------------------------------------------------------------------------------------


def slower(question: Question, stock: Stock, factor: Callable[[Work | Run], float]) -> Stock:
    """The stock where units and runs take ``factor`` times as long: they give less, and begin where that suits.

    Runs begin at slots at which they might have begun before; where they take less time no slot is added.
    """
    scenario = question.scenario
    line = timeline_of(scenario, question.catalog)
    loads = {w.name: w for w in scenario.workloads}
    works = tuple(
        replace(x, rates={name: r / factor(x) for name, r in x.rates.items()}) if factor(x) != 1.0 else x
        for x in stock.works
    )
    # both sides of a run on two kinds of systems wait for the slower one
    mixes: dict[str, float] = {}
    for r in stock.runs:
        mixes[r.mix] = max(mixes.get(r.mix, 0.0), factor(r))
    factors = [mixes[r.mix] if r.mix else factor(r) for r in stock.runs]
    runs = tuple(
        _slower_run(question, line, loads[r.workload], r, by) if by != 1.0 else r
        for r, by in zip(stock.runs, factors, strict=True)
    )
    return replace(stock, works=works, runs=tuple(r for r in runs if r.starts))


def _slower_run(question: Question, line: Timeline, load: Workload, run: Run, factor: float) -> Run:
    scenario, days = question.scenario, run.days * factor
    allowed = set(start_slots(scenario, line, load, days, 0, 1.0))
    starts: list[Start] = []
    for s in run.starts:
        if s.slot not in allowed:
            continue
        month = line.slots[s.slot].start
        due = None if s.due_days is None else due_days(scenario, line, load, s.slot, days)
        starts.append(
            replace(
                s, last_slot=line.slots_within(month, month + days / DAYS_PER_MONTH)[-1],
                finish_days=month * DAYS_PER_MONTH + days, cost_usd=s.cost_usd * factor, opex_usd=s.opex_usd * factor,
                carbon_by_year_t=s.carbon_by_year_t * factor, water_by_year_m3=s.water_by_year_m3 * factor,
                due_days=due,
            )
        )  # fmt: skip
    return replace(run, days=days, starts=tuple(starts), tokens_per_s=run.tokens_per_s / factor)


def intervals(plan: Plan) -> dict[str, tuple[float, float]]:
    """{system: widest 80% interval of times of the work that a plan does on it}."""
    found: dict[str, tuple[float, float]] = {}
    if plan.schedule is None:
        return found
    for x in (*plan.schedule.runs, *plan.schedule.loads):
        ends = ends_of(x.predicted)
        if ends is not None:
            low, high = found.get(x.system, ends)
            found[x.system] = (min(low, ends[0]), max(high, ends[1]))
    return found


def tried(
    view: FleetView, asked: Sequence[tuple[str, Moves]], tell: Callable[[float], None]
) -> dict[tuple[str, int], Decided | str | None]:
    """Decisions under moves, in their order, in as much time as planning took (``LEAST_S`` at least).

    {(name, number of the move): the decision, None where there is no plan, or why it is not known}
    """
    budget = max(LEAST_S, view.seconds)
    until = time.perf_counter() + budget
    found: dict[tuple[str, int], Decided | str | None] = {}
    for i, (name, moves) in enumerate(asked):
        tell(i / len(asked))
        left = until - time.perf_counter()
        if left < EACH_S:
            found[name, i] = "not tried: time ran out"
            continue
        try:
            found[name, i] = view.again(moves, max(EACH_S, left / (len(asked) - i)))
        except InputError:
            found[name, i] = "not known: no plan was found in its share of the time"
    return found


__all__ = ["FleetView", "fleet_view", "intervals", "parts_by_price", "parts_by_tariff", "slower", "tried"]
