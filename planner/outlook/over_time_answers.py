"""Sensitivity and futures of a fleet over time: what a plan of one decision is told, as far as its size allows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from itertools import zip_longest

import numpy as np

from planner.answer.words import money
from planner.fleet.model import OBJECTIVE_UNITS
from planner.outlook.draws import Draws
from planner.outlook.given import Given, price_of, ranked, tariff_of, time_on
from planner.outlook.held import kept_in
from planner.outlook.moves import Decided, Moves
from planner.outlook.over_time import FleetView, fleet_view, intervals, tried
from planner.outlook.result import Moved, Outlook, OutlookPlan, Promise, Sensitivity, choice_figures, headings
from planner.planning.question import Question
from planner.scenario.outcomes import Outcomes

NO_OTHER = "No other was found within the intervals, in the time taken."
Tell = Callable[[str, float], None]


def sensitivity_over_time(question: Question, tell: Tell, started: float) -> Sensitivity:
    """Every price, tariff and time at both ends: what keeping the plan costs, and better plans that were found."""
    view = fleet_view(question, tell)
    given = _given(view)
    base = view.words(view.values)
    ends = [(g, f, g.moves(f)) for g in given for f in (g.low, g.high)]
    order = _order(view, ends)
    found = tried(view, [(ends[i][0].path, ends[i][2]) for i in order],
                  lambda share: tell("Moving figures", 0.7 + 0.28 * share))  # fmt: skip
    at = {order[k]: decided for (_, k), decided in found.items()}
    moved = [_moved(view, g, base, [at[2 * i], at[2 * i + 1]]) for i, g in enumerate(given)]
    told = ranked(moved)
    changing = [m for m in told if m.crossover is not None]
    said = "; ".join(f"{m.path} at {m.crossover:.3g} of its value" for m in changing)
    tell("Done", 1.0)
    return Sensitivity(
        **headings(view.plan),
        answer=f"The decision is {base}. " + (f"Another was found with {said}." if said else NO_OTHER),
        objective=view.goal,
        unit=OBJECTIVE_UNITS[view.goal][0],
        value=view.value,
        decision=base,
        inputs=tuple(told),
        seconds=round(time.perf_counter() - started, 4),
    )


def _order(view: FleetView, ends: list[tuple[Given, float, Moves]]) -> list[int]:
    """Which ends to try first: the widest of money and of time in turn."""
    money_first = sorted((i for i, e in enumerate(ends) if e[0].keeps), key=lambda i: (-abs(view.more(ends[i][2])), i))
    times = sorted((i for i, e in enumerate(ends) if not e[0].keeps), key=lambda i: (-abs(math.log(ends[i][1])), i))
    return [i for both in zip_longest(money_first, times) for i in both if i is not None]


def _given(view: FleetView) -> list[Given]:
    scenario, catalog = view.question.scenario, view.question.catalog
    found: list[Given | None] = []
    if view.goal == "cost":
        found += [price_of(scenario, catalog, system) for system in view.by_price]
        found += [tariff_of(catalog, site) for site in scenario.sites if site.name in view.by_tariff]
    found += [time_on(system, low, high) for system, (low, high) in intervals(view.plan).items()]
    return [given for given in found if given is not None]


def _moved(view: FleetView, g: Given, base: str, at: list[Decided | str | None]) -> Moved:
    values: list[float | None] = []
    changes: list[tuple[float, str]] = []
    notes = []
    for factor, decided in zip((g.low, g.high), at, strict=True):
        keeping = view.kept(g.moves(factor)) if g.keeps else None
        if isinstance(decided, str):
            values.append(keeping if keeping is not None else view.value)
            notes.append(decided)
            continue
        if decided is None:
            values.append(keeping)
            if keeping is None:
                changes.append((factor, "no plan"))
            continue
        better = keeping is None or decided.value < keeping - view.question.limits.gap * abs(keeping)
        values.append(decided.value if keeping is None else min(keeping, decided.value))
        if better and decided.words != base:
            changes.append((factor, decided.words))
    nearest = min(changes, key=lambda c: abs(math.log(c[0])), default=None)
    basis = f"{g.basis}; {notes[0]}" if notes else g.basis
    return Moved(
        path=g.path, tag=g.tag, basis=basis, low=g.low, high=g.high, value_low=values[0], value_high=values[1],
        crossover=None if nearest is None else nearest[0], after="" if nearest is None else nearest[1],
    )  # fmt: skip


def outlook_over_time(question: Question, tell: Tell, started: float) -> Outlook:
    """The plan in sampled futures: its cost at other prices and tariffs, and how often each promise is kept."""
    view = fleet_view(question, tell)
    tell("Drawing futures", 0.8)
    scenario, outcomes = question.scenario, question.scenario.outcomes or Outcomes()
    draws = Draws(scenario, question.catalog, outcomes)
    total = view.plan.totals.tco_usd if view.plan.totals is not None else view.value
    cost = np.full(draws.n, total)
    for system, part in view.by_price.items():
        cost += 1e6 * float(part @ view.values) * (draws.price_factor(system) - 1.0)
    for site, part in view.by_tariff.items():
        cost += 1e6 * float(part @ view.values) * (draws.tariff_factor(site) - 1.0)
    futures = kept_in(scenario, view.plan, question.catalog, draws)
    promises = tuple(
        Promise(
            workload=w.name, what="date" if w.runs_once else "load", probability=(p := float(np.mean(kept))),
            error=math.sqrt(p * (1 - p) / draws.n),
        )
        for w in scenario.workloads
        if (kept := futures.get(w.name)) is not None
    )  # fmt: skip
    worst = max(1, math.ceil((1 - outcomes.confidence) * draws.n - 1e-9))
    held = OutlookPlan(
        **choice_figures(view.plan),
        name="the plan",
        expected_cost_usd=float(np.mean(cost)),
        cost_at_risk_usd=float(np.mean(np.sort(cost)[-worst:])),
        promises=promises,
        all_kept=float(np.mean(np.all(list(futures.values()), axis=0))) if futures else 1.0,
        holds=all(p.probability >= outcomes.confidence for p in promises),
        expected_regret_usd=0.0,
        missed_in_vain=0.0,
    )
    said = "; ".join(f"{p.workload} {p.probability:.1%}" for p in promises)
    drawn = [name for name, values in draws.spreads().items() if np.ptp(values) > 0]
    tell("Done", 1.0)
    return Outlook(
        **headings(view.plan),
        answer=f"The plan costs {money(held.expected_cost_usd)} on average and {money(held.cost_at_risk_usd)} in its"
        f" worst futures; kept with probability: {said or 'nothing is promised'}.",
        samples=draws.n, seed=outcomes.seed, confidence=outcomes.confidence, plans=(held,), slips=(), findings=(),
        notes=(
            f"{draws.n} futures, seed {outcomes.seed}; drawn: {', '.join(sorted(drawn)) or 'nothing'}.",
            "What is done about a late date is not in the cost. confidence in the scenario plans with a margin.",
        ),
        seconds=round(time.perf_counter() - started, 4),
    )  # fmt: skip
