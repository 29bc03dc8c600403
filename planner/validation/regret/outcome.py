"""What each rule chose, and what it cost: regret against the best measured candidate, bias of what was chosen."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from planner.uncertainty.curse import chosen, expected
from planner.validation.regret.decisions import Decision

SURE = 0.6
"""Probability of being better from which a candidate beats one that is known better."""
LEAST_OTHERS = 5
"""Decisions of other sources from which errors and scatter of a kind are taken; else of all kinds."""


@dataclass(frozen=True)
class Outcome:
    """One decision by each rule. Regrets are fractions of the best; biases logarithms of measured over predicted."""

    decision: Decision
    regret_central: float
    regret_expected: float
    regret_settled: float
    bias_central: float
    bias_expected: float
    bias_settled: float
    regret_random: float
    """Of a choice by lot."""


def outcomes_of(decisions: Sequence[Decision]) -> list[Outcome]:
    """Every decision by each rule; deviations and scatter are of the decisions of other sources."""
    return [_outcome(d, *_known(d, decisions)) for d in decisions]


def _known(d: Decision, decisions: Sequence[Decision]) -> tuple[float, float]:
    """(own error over deviation, scatter of true values) by decisions of the kind that other sources measured."""
    others = [x for x in decisions if x.kind == d.kind and x.source != d.source]
    if len(others) < LEAST_OTHERS:
        others = [x for x in decisions if x.source != d.source]
    errors, scatter = [], []
    for x in others:
        n = len(x.candidates)
        told = float(np.mean([c.deviation**2 for c in x.candidates]))
        errors.append(float(np.sum(x.residuals**2)) / (n - 1) / told)
        scatter.append(float(np.var([c.measured for c in x.candidates], ddof=1)))
    if not errors:
        return 1.0, 0.3
    return math.sqrt(fmean(errors)), math.sqrt(fmean(scatter))


def _outcome(d: Decision, share: float, scatter: float) -> Outcome:
    predicted = np.array([c.predicted for c in d.candidates])
    measured = np.array([c.measured for c in d.candidates])
    deviations = share * np.array([c.deviation for c in d.candidates])
    values = expected(predicted, deviations, scatter)
    plain, best = int(np.argmin(predicted)), int(np.argmin(values))
    settled = chosen(predicted, deviations, scatter, SURE)
    regrets = np.expm1(measured - measured.min())
    return Outcome(
        d, float(regrets[plain]), float(regrets[best]), float(regrets[settled]),
        float(measured[plain] - predicted[plain]), float(measured[best] - values[best]),
        float(measured[settled] - values[settled]), float(regrets.mean()),
    )  # fmt: skip


def _weighed(outcomes: Sequence[Outcome], name: str) -> float:
    """Mean over sources of the square-root-weighted means: a source of n decisions weighs as its root."""
    groups: dict[str, list[float]] = defaultdict(list)
    for o in outcomes:
        groups[o.decision.source].append(getattr(o, name))
    weights = [math.sqrt(len(v)) for v in groups.values()]
    return float(np.average([fmean(v) for v in groups.values()], weights=weights))


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """Lines of Markdown: a row for each kind of decision, and for all."""
    kinds = [*sorted({o.decision.kind for o in outcomes}), "all"]
    lines = [
        "| decisions | number | sources | regret by lot | by prediction | by expected value | ties to the best known |"
        " bias of the chosen: prediction | expected value | ties |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for kind in kinds:
        mine = [o for o in outcomes if kind in ("all", o.decision.kind)]
        figures = [_weighed(mine, n) for n in ("regret_random", "regret_central", "regret_expected", "regret_settled")]
        biases = [math.expm1(_weighed(mine, n)) for n in ("bias_central", "bias_expected", "bias_settled")]
        sources = len({o.decision.source for o in mine})
        cells = [f"{x:.1%}" for x in figures] + [f"{x:+.1%}" for x in biases]
        lines.append(f"| {kind} | {len(mine):,} | {sources} | {' | '.join(cells)} |")
    return lines


def regret_markdown(decisions: Sequence[Decision]) -> list[str]:
    """The section of docs/accuracy.md."""
    outcomes = outcomes_of(decisions)
    central, by_lot = _weighed(outcomes, "regret_central"), _weighed(outcomes, "regret_random")
    settled, expects = _weighed(outcomes, "regret_settled"), _weighed(outcomes, "regret_expected")
    bias = math.expm1(_weighed(outcomes, "bias_central"))
    return [
        "## Decisions made again: regret, and how much too good the chosen one looks",
        "",
        f"From `python -m planner.validation.regret`. {len(decisions):,} decisions that published measurements let one "
        "make again: several layouts of one model, chip, number of chips and load (by the time of a token), or several "
        "chips under one load (by that time at the list price of a chip's share of its usual system). Every candidate "
        "is predicted without its source (levels of serving are; the constants of its physical model have seen all). "
        "Regret: how much more the chosen one costs, as measured, than the best measured one; bias: how much more than "
        "it was predicted to. A source weighs as the root of its decisions.",
        "",
        *table(outcomes),
        "",
        "By prediction: the least predicted. By expected value: predictions shrunk towards the middle of their "
        "decision by what is known of the errors that candidates do not share and of how far true values scatter, "
        "both from decisions of other sources (planner/uncertainty/curse.py). Ties to the best known: of those that "
        f"are better with less than {SURE:.0%}, the one with the least deviation.",
        "",
        f"Choosing by prediction costs {central:.1%} where a choice by lot costs {by_lot:.1%}, and what is chosen is "
        f"{abs(bias):.1%} {'worse' if bias > 0 else 'better'} than predicted. A third less was wanted of other rules: "
        f"they come to {expects:.1%} and {settled:.1%}. One configuration differs by more "
        "between releases (4% dense, 6% experts), and errors of candidates of one decision are about equally "
        "uncertain, so shrinking them seldom changes their order; preferring the best known gives up candidates that "
        "are better in fact. The planner therefore chooses by prediction and shows what it cannot tell apart as ties; "
        "what lowers regret further is measuring (`planner measure`).",
        "",
    ]  # fmt: skip
