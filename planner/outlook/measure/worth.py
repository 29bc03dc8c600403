"""What a run is expected to be worth: preposterior analysis over errors that predictions share.

A run may come out anywhere in the interval that is predicted of it. Each of ``POINTS`` equally likely results moves the
predictions of everything that has something in common with it, as the same row of ``--measurements`` would (kriging of
training, Bayesian regression of serving: the covariance of errors by chip family, stack and model is theirs), and
narrows their intervals. Under each the fleet is decided again: loads are searched again, since their latencies decide
which replicas may be had; runs are scaled, which is the same to within what layouts shift against each other. With the
run one buys what is best then; without it what the plan says, and, where that falls short, more of the same kinds. The
difference, over all results, is what the run is worth.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Catalog
from planner.errors import InputError, Problem
from planner.fleet.answer import chosen_options
from planner.fleet.build import build_fleet
from planner.fleet.model import OBJECTIVE_UNITS
from planner.options.option import OptionSet
from planner.outlook.ahead import View
from planner.outlook.measure.proposed import Item, Proposed
from planner.outlook.moves import Decided, Kind, Moves, kind_of, moved, words_of
from planner.performance.serving.profile import shipped_serving_calibration
from planner.planning.plan import solved_question
from planner.planning.question import Question, ask, goals_of
from planner.planning.simplify import simplified
from planner.scenario.outcomes import CENTRAL
from planner.solve import Status, solve, with_objective
from planner.uncertainty.times import deviation, time_factor
from planner.validation.own.read import Foreseen, OwnMeasured

POINTS = 15
"""Equally likely results of a run that are looked at."""
NODES = 5
"""Results of a training run whose consequences are worked out; what lies between is interpolated."""


@dataclass(frozen=True)
class Result:
    """What is decided when a run has come out at ``factor`` times its prediction."""

    factor: float
    decision: str
    worth: float
    """In the objective's unit: what deciding with it is better than deciding without."""


@dataclass(frozen=True)
class Worth:
    """A run with its results, fastest first."""

    proposed: Proposed
    foreseen: Foreseen
    results: tuple[Result, ...]
    narrows: float
    """Width of the 80% interval of what it was made for, as a logarithm, after over before."""

    @property
    def mean(self) -> float:
        """Expected worth."""
        return float(np.mean([r.worth for r in self.results]))

    def changes(self, decision: str) -> float:
        """The chance that the decision is another."""
        return float(np.mean([r.decision != decision for r in self.results]))


def quantiles_of(foreseen: Foreseen) -> NDArray[np.float64]:
    """Equally likely results (``POINTS``,), as factors of the prediction, ascending."""
    z = [deviation((k + 0.5) / POINTS) for k in range(POINTS)]
    return np.array([time_factor(foreseen.low80, foreseen.high80, x) for x in z])


def moves_by(view: View, items: Sequence[Item], proposed: Proposed, foreseen: Foreseen) -> list[Moves]:
    """How all times change under each result of a run of training (``quantiles_of``).

    Runs nearer to each other than ``NODES`` of them are interpolated between: what they say is smooth.
    """
    at = np.log(quantiles_of(foreseen))
    nodes = np.linspace(at[0], at[-1], min(NODES, len(at)))
    changed: dict[Kind, NDArray[np.float64]] = {}
    known = [foreseen.neighbours(proposed.item.platform.neighbours, float(x)) for x in nodes]
    for item in items:
        if item.training != proposed.item.training:
            continue
        sure = view.scenario.confidence_of(item.option.workload)
        z = deviation(sure)
        before, logs = item.times(view.question.catalog), []
        for neighbours in known:
            after = item.times(view.question.catalog, neighbours=neighbours)
            bears = time_factor(*after[1:], z) / time_factor(*before[1:], z) if sure > CENTRAL else 1.0
            logs.append(math.log(after[0] / before[0] * bears))
        changed[item.kind] = np.exp(np.interp(at, nodes, logs))
    return [Moves(times_of={kind: float(f[k]) for kind, f in changed.items()}) for k in range(len(at))]


def catalog_knowing(catalog: Catalog, proposed: Proposed, foreseen: Foreseen, factor: float) -> Catalog:
    """A catalog (without assumptions) that knows a serving run which came out at ``factor`` times its prediction."""
    own = catalog.measured if isinstance(catalog.measured, OwnMeasured) else None
    plain, before = (catalog, None) if own is None else (own.catalog, own.serving)
    calibration = foreseen.calibration(before or shipped_serving_calibration(), math.log(factor))
    digest = hashlib.sha256(repr((catalog.digest, sorted(proposed.row.items()), factor)).encode()).hexdigest()
    told = OwnMeasured("", digest, plain, (), None if own is None else own.neighbours, calibration)
    return plain.knowing(told, digest)


def questions_after(
    view: View, items: Sequence[Item], proposed: Proposed, foreseen: Foreseen
) -> Iterator[tuple[float, Question]]:
    """(result as a factor of the prediction, what is asked then), fastest first."""
    factors = quantiles_of(foreseen).tolist()
    if not proposed.item.training:
        for factor in factors:
            known = catalog_knowing(view.question.plain, proposed, foreseen, factor)
            yield factor, ask(view.scenario, catalog=known, whole=True)
        return
    assert isinstance(view.question.found, OptionSet)  # noqa: S101 - narrowed for the type checker
    for factor, moves in zip(factors, moves_by(view, items, proposed, foreseen), strict=True):
        options = tuple(moved(view, o, moves) for o in view.options)
        found = replace(view.question.found, options=options, rivals=())
        yield factor, replace(view.question, found=found, model=build_fleet(view.scenario, options))


def decide(question: Question) -> Decided | None:
    """The best objective, and what is bought once it is made as simple as the scenario asks; None without a plan.

    Raises ``InputError`` where time did not suffice.
    """
    if question.model is None:
        return None
    question, model, solutions = solved_question(question, question.model)
    if solutions[0].status is Status.INFEASIBLE:
        return None
    if not solutions[0].status.has_plan:
        raise InputError(
            Problem("no decision was found in time for a result of a run", remedy="Raise solve.time_limit_s.")
        )
    goals = goals_of(question.scenario)
    value = solutions[0].objective * OBJECTIVE_UNITS[goals[0]][1]
    model, solutions, _ = simplified(question, model, goals, solutions)
    last = next(s for s in reversed(solutions) if s.values is not None)
    used = [c.option for c in chosen_options(model, last.values)]  # type: ignore[arg-type]
    return Decided(value, words_of(question.scenario, used), tuple(o.id for o in used), frozenset(map(kind_of, used)))


def _both(
    view: View, item: Item, foreseen: Foreseen, residual: float
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Times of an item before and after a run has come out so far from its prediction."""
    catalog = view.question.catalog
    before = item.times(catalog)
    if item.training:
        return before, item.times(catalog, neighbours=foreseen.neighbours(item.platform.neighbours, residual))
    plain = item.platform.serving or shipped_serving_calibration()
    return before, item.times(catalog, calibration=foreseen.calibration(plain, residual))


def width_after(view: View, proposed: Proposed, foreseen: Foreseen) -> float:
    """Width of the interval of the item that a run is made for, after over before."""
    before, after = _both(view, proposed.item, foreseen, 0.0)
    return math.log(after[2] / after[1]) / math.log(before[2] / before[1])


def worths(
    view: View,
    items: Sequence[Item],
    runs: Sequence[tuple[Proposed, Foreseen]],
    plan: Decided,
    tell: Callable[[float], None] = lambda _: None,
) -> list[Worth]:
    """What each of some runs is worth to a decision; ``plan``: the one that is made without any."""
    found = []
    for i, (proposed, foreseen) in enumerate(runs):
        results = []
        for k, (factor, question) in enumerate(questions_after(view, items, proposed, foreseen)):
            tell((i + k / POINTS) / len(runs))
            best = decide(question)
            regret = 0.0 if best is None else _regret(view, plan, best, _same_kinds(question, plan))
            results.append(Result(factor, "no plan" if best is None else best.words, regret))
        found.append(Worth(proposed, foreseen, tuple(results), width_after(view, proposed, foreseen)))
    return found


def _same_kinds(question: Question, plan: Decided) -> float | None:
    """The best objective with more or less of what a plan buys alone, in people's units; None where none is enough."""
    found, goal = question.found, question.scenario.objective[0]
    assert isinstance(found, OptionSet)  # noqa: S101 - narrowed for the type checker
    options = [o for o in (*found.options, *found.rivals) if kind_of(o) in plan.kinds]
    if {w.name for w in question.scenario.workloads} - {o.workload for o in options}:
        return None
    model = build_fleet(question.scenario, options)
    solved = solve(with_objective(model.program, model.objectives[goal]), question.limits)
    return None if solved.values is None else solved.objective * OBJECTIVE_UNITS[goal][1]


def _regret(view: View, plan: Decided, best: Decided, same: float | None) -> float:
    """What deciding without a result costs when it is this one, in the objective's unit."""
    if view.goal != "cost":
        return abs(plan.value) if same is None else max(0.0, same - best.value)
    if same is None:  # what was bought does not do it, however much of it
        return plan.value
    return max(0.0, max(plan.value, same) - best.value)
