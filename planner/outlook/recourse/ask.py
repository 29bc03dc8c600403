"""Buy now, or wait and follow what is learned: a two-stage plan solved to a proven gap."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from planner.answer.words import money
from planner.catalog import Catalog
from planner.errors import InputError, Problem
from planner.fleet.build import build_fleet
from planner.fleet.model import FleetModel
from planner.options.option import Option
from planner.outlook.ahead import View
from planner.outlook.draws import Draws
from planner.outlook.question import Asked, no_plan, question_of, teller
from planner.outlook.recourse.extensive import Future, TwoStage, two_stage
from planner.outlook.recourse.fleets import Fleets, announced
from planner.outlook.recourse.futures import futures_of
from planner.outlook.recourse.result import KeptPromise, Later, Recourse
from planner.outlook.result import Piece
from planner.planning.draft import planner_version
from planner.planning.question import Cancel, Progress, Question
from planner.scenario import problem_digest
from planner.scenario.outcomes import Outcomes
from planner.solve import Limits, Solution, solve, with_objective
from planner.solve.several import solve_several

FUTURES, MOST_FUTURES = 20, 200
FRESH = 100
"""Futures of another seed that the first purchases are held to."""
MOST_COLUMNS = 100_000
"""Of the whole program of a fleet over time: larger ones find no plan in minutes."""
NOTHING = "nothing more"
OVER_TIME = (
    "Of a fleet over time: what arrives within the time to order is bought first; a run that misses its date in a"
    " future is not begun in it, and costs nothing there.",
)
MOST_WAYS = 3
"""Answers to what comes that are told in a sentence."""
_PENALTY = 1e4
"""Of a missed promise in a fresh future, millions of USD: it is kept wherever it can be."""


def recourse(
    scenario: Asked,
    futures: int = FUTURES,
    *,
    catalog: Catalog | None = None,
    variant: str | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Recourse:
    """What to buy in the first period when what is bought later may follow what was learned by then.

    ``futures``: how many are sampled. Other arguments and errors as in ``outlook``; raises ``InputError`` too where the
    scenario has one period only.
    """
    started = time.perf_counter()
    if not 2 <= futures <= MOST_FUTURES:
        raise InputError(
            Problem("a two-stage plan needs some futures", found=str(futures), allowed=f"2 .. {MOST_FUTURES}")
        )
    tell = teller(progress, cancel)
    question, model = question_of(
        scenario, catalog, variant, lambda what, share: tell(what, 0.4 * share), over_time=True
    )
    asked = question.scenario
    if len(asked.period_starts) < 2:
        raise InputError(
            Problem(
                "nothing can be bought later: there is one period", path="periods", file=asked.source.file,
                remedy="Give the months at which one may buy: periods: [2026-10, 2027-04].",
            )
        )  # fmt: skip
    outcomes = (asked.outcomes or Outcomes()).model_copy(update={"samples": futures})
    other = outcomes.model_copy(update={"samples": FRESH, "seed": outcomes.seed + 1})
    columns = model.program.column_count * futures
    if question.stock is not None and columns > MOST_COLUMNS:
        raise InputError(
            Problem(
                "two stages of this fleet are larger than can be solved", found=f"{columns:,} columns in all futures",
                allowed=f"{MOST_COLUMNS:,}", file=asked.source.file,
                remedy="Take fewer --futures, or fewer systems, periods or sites.",
            )
        )  # fmt: skip
    make = _over_time if question.stock is not None else _at_once
    bought, drawn, first, central_first, make_fresh = make(question, model, outcomes, other, tell)
    most = math.floor((1 - outcomes.confidence) * futures + 1e-9)
    tell("Solving both stages", 0.7)
    plan = two_stage(drawn, first, most)
    best = solve(plan.program, question.limits)
    if best.values is None:
        raise no_plan(asked)
    tell("Solving what it is worth", 0.8)
    alone = [two_stage(drawn, first, most, later=False), two_stage(drawn, first, most, shared=False)]
    now, knowing = (solve(x.program, question.limits) for x in alone)
    central = _held(plan, central_first, question.limits)
    tell("Drawing other futures", 0.9)
    costs, kept = _fresh(make_fresh(), first, np.round(best.values[list(plan.first)]), question.limits)
    tell("Done", 1.0)
    return _told(
        outcomes, bought, plan, drawn, best, now, knowing, central, (costs, kept), OVER_TIME if question.stock else (),
        {
            "planner_version": planner_version(), "scenario": asked.name, "variant": variant,
            "problem_digest": problem_digest(asked, question.plain.digest), "catalog_digest": question.plain.digest,
            "seconds": round(time.perf_counter() - started, 4),
        },
    )  # fmt: skip


@dataclass(frozen=True)
class Bought:
    """A column that buys: what one unit of it is. ``first``: decided before anything is known."""

    column: str
    first: bool
    piece: Piece
    words: str


Made = tuple[list[Bought], list[Future], list[int], "np.ndarray | None", Callable[[], list[Future]]]
"""What may be bought, the futures, columns of first purchases, what central figures buy first, and fresh futures."""


def _at_once(question: Question, model: FleetModel, outcomes: Outcomes, other: Outcomes, tell: Progress) -> Made:
    """Of plans of one decision for each workload: options bought in a period."""
    view = View(question, model, outcomes)
    view.read_options(tell)
    options = [o for o in view.options if not o.mix]
    tell("Drawing futures", 0.65)
    drawn, first = futures_of(view, options)
    starts = view.scenario.period_starts
    bought = [
        Bought(
            f"units[{o.id}]", o.period == 0, _piece(view, o, 1), f"{o.system} in {starts[o.period]} for {o.workload}"
        )
        for o in options
    ]  # fmt: skip

    def fresh() -> list[Future]:
        again = View(question, model, other)
        again.options = tuple(options)
        return futures_of(again, options)[0]

    return bought, drawn, first, _central(view, options, first), fresh


def _over_time(question: Question, model: FleetModel, outcomes: Outcomes, other: Outcomes, tell: Progress) -> Made:
    """Of fleets over time: lots."""
    tell("Pricing as announced", 0.45)
    fleets = Fleets(announced(question))
    tell("Drawing futures", 0.65)
    scenario, catalog, stock = question.scenario, question.catalog, fleets.stock
    drawn = fleets.futures(Draws(scenario, catalog, outcomes))
    names = fleets.model.program.column_names
    bought = []
    for column, lot in zip(fleets.model.lots, stock.lots, strict=True):
        if lot.acquire == "installed":
            continue
        g = stock.groups[lot.group]
        piece = Piece(
            workload=g.owner, role="lot", site=g.site, period=fleets.line.names[lot.begin], system=g.system,
            chip=g.chip, cooling=g.cooling, acquire=lot.acquire, systems=1, chips=g.chips,
        )  # fmt: skip
        words = f"{g.system} in {piece.period}" + (f" for {g.owner}" if g.owner else "")
        bought.append(Bought(names[column], fleets.decided_first(lot), piece, words))
    program = with_objective(fleets.model.program, fleets.model.objectives["cost"])
    found = solve(program, question.limits)
    central = None if found.values is None else np.round(found.values[fleets.first])
    return bought, drawn, fleets.first, central, lambda: fleets.futures(Draws(scenario, catalog, other))


def _central(view: View, options: Sequence[Option], first: Sequence[int]) -> np.ndarray | None:
    """First purchases of the best plan at central figures."""
    model = build_fleet(view.scenario, options)
    found = solve(with_objective(model.program, model.objectives["cost"]), view.question.limits)
    return None if found.values is None else np.round(found.values[list(first)])


def _held(plan: TwoStage, bought: np.ndarray | None, limits: Limits) -> Solution | None:
    """The best answers to each future where the first purchases are given; None where they cannot be."""
    if bought is None:
        return None
    lower, upper = np.array(plan.program.lower), np.array(plan.program.upper)
    lower[list(plan.first)] = upper[list(plan.first)] = bought
    found = solve(replace(plan.program, lower=lower, upper=upper), limits)
    return found if found.values is not None else None


def _fresh(
    fresh: Sequence[Future], first: Sequence[int], bought: np.ndarray, limits: Limits
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """(cost (n,) in USD, {workload: whether its promise is kept (n,)}) of first purchases in other futures."""
    programs = []
    alone = [two_stage([f], first, 1) for f in fresh]
    for x in alone:
        lower, upper = np.array(x.program.lower), np.array(x.program.upper)
        lower[list(x.first)] = upper[list(x.first)] = bought
        objective = np.array(x.program.objective)
        objective[list(x.missed[0].values())] = _PENALTY
        programs.append(replace(x.program, lower=lower, upper=upper, objective=objective))
    costs, kept = np.zeros(len(fresh)), {w: np.zeros(len(fresh)) for w in fresh[0].promises}
    for i, (f, x, found) in enumerate(zip(fresh, alone, solve_several(programs, limits), strict=True)):
        if found.values is None:
            raise InputError(Problem("no answer was found in time to a future", remedy="Raise solve.time_limit_s."))
        costs[i] = 1e6 * float(f.cost @ found.values[x.columns[0]])
        for w, column in x.missed[0].items():
            kept[w][i] = found.values[column] < 0.5
    return costs, kept


def _told(
    outcomes: Outcomes, bought: Sequence[Bought], plan: TwoStage, drawn: Sequence[Future], best: Solution,
    now: Solution, knowing: Solution, central: Solution | None, fresh: tuple[np.ndarray, dict[str, np.ndarray]],
    notes: tuple[str, ...], about: dict[str, Any],
) -> Recourse:  # fmt: skip
    values = best.values
    assert values is not None  # noqa: S101 - asked before
    costs = np.array([1e6 * float(f.cost @ values[c]) for f, c in zip(drawn, plan.columns, strict=True)])
    expected = float(costs.mean())
    # missed promises cost next to nothing in the program: both bounds are without them
    off = expected - 1e6 * float(plan.program.objective @ values)
    bound = min(1e6 * best.bound + off, expected) if math.isfinite(best.bound) else 0.0

    def more(other: Solution | None) -> float | None:
        if other is None or other.values is None:
            return None
        return max(0.0, 1e6 * other.objective + off - expected)

    groups: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for cost, f, place in zip(costs, drawn, plan.columns, strict=True):
        at = {name: int(place[j]) for j, name in enumerate(f.program.column_names)}
        counts = [(b, round(values[at[b.column]])) for b in bought if not b.first]
        used = [(b, n) for b, n in counts if n]
        words = "; ".join(sorted({b.words for b, _ in used})) or NOTHING
        groups[words].append((float(cost), sum(b.piece.systems * n for b, n in used)))
    n = len(drawn)
    later = tuple(
        Later(
            words=words, share=len(c) / n, least_systems=min(x for _, x in c), most_systems=max(x for _, x in c),
            expected_cost_usd=float(np.mean([x for x, _ in c])),
        )
        for words, c in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    )  # fmt: skip
    at = {name: int(plan.columns[0][j]) for j, name in enumerate(drawn[0].program.column_names)}
    first = tuple(
        b.piece.model_copy(update={"systems": b.piece.systems * count, "chips": b.piece.chips * count})
        for b in bought
        if b.first and (count := round(values[at[b.column]]))
    )
    worst = max(1, math.ceil((1 - outcomes.confidence) * n - 1e-9))
    promises = tuple(
        KeptPromise(workload=w, kept=1 - sum(values[m[w]] > 0.5 for m in plan.missed) / n, kept_fresh=float(np.mean(k)))
        for w, k in fresh[1].items()
    )
    knows = 0.0 if knowing.values is None else max(0.0, expected - 1e6 * knowing.objective - off)
    waiting, stochastic = more(now), more(central)
    return Recourse(
        **about,
        answer=_sentence(first, later, expected, waiting, promises),
        futures=n, seed=outcomes.seed, confidence=outcomes.confidence, first=first, expected_cost_usd=expected,
        bound_usd=bound, gap=(expected - bound) / max(abs(expected), 1e-9), status=best.status.value,
        cost_at_risk_usd=float(np.mean(np.sort(costs)[-worst:])), later=later, promises=promises,
        fresh_futures=len(fresh[0]), expected_cost_fresh_usd=float(fresh[0].mean()), value_of_waiting_usd=waiting,
        value_of_stochastic_solution_usd=stochastic, value_of_perfect_information_usd=knows,
        notes=(
            "Everything that is uncertain is known before the second purchase; what was bought first is kept and paid"
            " for, whether it is used or not.",
            f"Each promise may be missed in {100 * (1 - outcomes.confidence):.0f}% of the futures"
            " (outcomes.confidence); a run that is late is done and paid for all the same. In futures not seen before"
            " each promise is kept wherever a purchase keeps it.",
            *notes,
        ),
    )  # fmt: skip


def _piece(view: View, o: Option, units: int) -> Piece:
    return Piece(
        workload=o.workload, role=o.role, site=o.site, period=view.scenario.period_starts[o.period], system=o.system,
        chip=o.chip, cooling=o.cooling, acquire=o.acquire, systems=o.systems * units, chips=o.chips * units,
    )  # fmt: skip


def _sentence(
    first: Sequence[Piece], later: Sequence[Later], expected: float, waiting: float | None,
    promises: Sequence[KeptPromise],
) -> str:  # fmt: skip
    buys = "; ".join(p.in_words for p in first)
    text = f"Buy {buys} first" if buys else "Buy nothing yet"
    text += f", then what suits what was learned: {money(expected)} on average"
    if waiting is None:
        text += "; buying everything now keeps the promises too seldom"
    elif waiting > 0:
        text += f", {money(waiting)} less than buying everything now"
    else:
        text += ", no less than buying everything now"
    kept = ", ".join(f"{p.workload} {p.kept_fresh:.0%}" for p in promises)
    ways = ", ".join(f"{x.words} in {x.share:.0%}" for x in later[:MOST_WAYS])
    return f"{text}. Later: {ways} of the futures. Kept in futures not seen before: {kept}."
