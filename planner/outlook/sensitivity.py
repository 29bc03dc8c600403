"""Which figure, moved within its interval, changes the decision, and where: a tornado whose bars are solved again.

Options are re-priced exactly where a figure scales them (the price of a system, a tariff, how fast a system really
is; ``moves``) and the fleet is solved again at both ends of the interval; where the decision differs, the crossover is
halved out.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from planner.catalog import Catalog
from planner.fleet.model import OBJECTIVE_UNITS
from planner.outlook.ahead import View
from planner.outlook.given import Given, price_of, ranked, tariff_of, time_on
from planner.outlook.moves import Decided, Moves, decisions
from planner.outlook.over_time_answers import sensitivity_over_time
from planner.outlook.question import Asked, no_plan, question_of, teller
from planner.outlook.result import Moved, Sensitivity, headings
from planner.outlook.technical import technical
from planner.planning.question import Cancel, Progress
from planner.scenario.outcomes import Outcomes

_HALVINGS = 8


def sensitivity(
    scenario: Asked,
    *,
    catalog: Catalog | None = None,
    variant: str | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Sensitivity:
    """The decision and the objective at both ends of every interval, and where the decision changes.

    Assumed and estimated figures come first, then the widest bars. Arguments and errors as in ``outlook``.
    """
    started = time.perf_counter()
    tell = teller(progress, cancel)
    question, model = question_of(
        scenario, catalog, variant, lambda what, share: tell(what, 0.4 * share), over_time=True
    )
    if question.stock is not None:
        return sensitivity_over_time(question, tell, started)
    view = View(question, model, question.scenario.outcomes or Outcomes())
    view.read_options(tell)
    view.futures.of(view.options)
    base = decisions(view, [Moves()])[0]
    if base is None:
        raise no_plan(question.scenario)
    inputs = _inputs(view)
    moved = _moved(view, inputs, base, lambda share: tell("Moving figures", 0.5 + 0.2 * share))
    moved += technical(view, base, lambda share: tell("Moving what is assumed of hardware", 0.7 + 0.28 * share))
    inputs_told = ranked(moved)
    best = view.best_of(view.options)
    if best is None:
        raise no_plan(question.scenario)
    changing = [m for m in inputs_told if m.crossover is not None]
    said = "; ".join(f"{m.path} at {m.crossover:.3g} of its value ({m.after})" for m in changing)
    tell("Done", 1.0)
    return Sensitivity(
        **headings(best),
        answer=f"The decision is {base.words}. It changes with {said}." if said else
        f"The decision is {base.words}. No figure moved within its interval changes it.",
        objective=view.goal,
        unit=OBJECTIVE_UNITS[view.goal][0],
        value=base.value,
        decision=base.words,
        inputs=tuple(inputs_told),
        seconds=round(time.perf_counter() - started, 4),
    )  # fmt: skip


def _inputs(view: View) -> list[Given]:
    found: list[Given | None] = []
    catalog = view.question.catalog
    for system in dict.fromkeys(o.system for o in view.options):
        mine = [o for o in view.options if o.system == system]
        if any(o.acquire == "buy" for o in mine):
            found.append(price_of(view.scenario, catalog, system))
        ends = [view.futures.interval(o) for o in mine]
        low, high = min(e[0] for e in ends), max(e[1] for e in ends)
        found.append(time_on(system, low, high) if low < high else None)
    found += [tariff_of(catalog, s) for s in view.scenario.sites if any(o.site == s.name for o in view.options)]
    return [given for given in found if given is not None]


def _moved(view: View, inputs: Sequence[Given], base: Decided, tell: Callable[[float], None]) -> list[Moved]:
    """Every input at both ends; where the nearer end that decides otherwise is, the crossovers are halved out together.

    One step of all halvings is solved together, so that few children are started.
    """
    asked = [(given, factor) for given in inputs for factor in (given.low, given.high)]
    at = dict(zip([(g.path, f) for g, f in asked], _at(view, asked, lambda share: tell(0.3 * share)), strict=True))
    searched: dict[str, tuple[Given, float, float, str]] = {}  # the last factor that decides the same, and not
    for given in inputs:
        for end in sorted((given.low, given.high), key=lambda f: abs(math.log(f))):
            words = _words(at[given.path, end])
            if words != base.words:
                searched[given.path] = (given, 1.0, end, words)
                break
    for step in range(_HALVINGS if searched else 0):
        middles = [(given, (same + other) / 2) for given, same, other, _ in searched.values()]
        tell(0.3 + 0.7 * step / _HALVINGS)
        solved = _at(view, middles, lambda _: None)
        for (given, middle), here in zip(middles, solved, strict=True):
            _, same, other, after = searched[given.path]
            words = _words(here)
            searched[given.path] = (
                (given, middle, other, after) if words == base.words else (given, same, middle, words)
            )
    moved = []
    for given in inputs:
        _, _, crossover, after = searched.get(given.path, (given, 1.0, None, ""))
        low, high = at[given.path, given.low], at[given.path, given.high]
        moved.append(
            Moved(
                path=given.path, tag=given.tag, basis=given.basis, low=given.low, high=given.high,
                value_low=None if low is None else low.value, value_high=None if high is None else high.value,
                crossover=crossover, after=after,
            )
        )  # fmt: skip
    return moved


def _at(view: View, asked: Sequence[tuple[Given, float]], tell: Callable[[float], None]) -> list[Decided | None]:
    """The decision with each figure at a factor of its value."""
    return decisions(view, [given.moves(factor) for given, factor in asked], tell=tell)


def _words(decided: Decided | None) -> str:
    return "no plan" if decided is None else decided.words
