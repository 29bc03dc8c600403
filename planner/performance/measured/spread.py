"""How far off estimates of training are: 80% intervals by how much measured runs tell of what is asked.

``process`` gives every prediction a standard deviation: about 7% where published runs are alike, 20% and more for a
stack on a family of chips that nobody has measured it on. Log residuals of runs that were left out (their source,
stack, family of chips, model or family of models in turn) over those deviations give the ends: 10th and 90th
percentile in windows of deviation that overlap, a group of n rows weighing as its square root, linear between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

KNOTS = 6
"""Windows of deviation in which quantiles are taken, centred at equal steps of weight."""
WINDOW = 0.25
"""Share of the weight that a window holds: they overlap by half, so that no end hangs on where a class begins."""
LEAST = 0.02
"""No end of an interval is nearer to the estimate than this, as a logarithm."""
NORMAL = 1.2816
"""Deviations to the ends of an 80% interval of a normal distribution: where nothing was fitted."""


@dataclass(frozen=True)
class Spread:
    """Ends of intervals: ``knots`` are (deviation, deviations to the low end, to the high end), ascending."""

    knots: tuple[tuple[float, float, float], ...] = ((0.2, -NORMAL, NORMAL),)

    def ends(self, deviation: Floats) -> tuple[Floats, Floats]:
        """Multipliers (n,) of an estimated time to both ends; ``deviation`` (n,) of its logarithm."""
        at, low, high = (np.array(column) for column in zip(*self.knots, strict=True))
        below, above = (np.interp(deviation, at, end) * deviation for end in (low, high))
        return np.exp(np.minimum(below, -LEAST)), np.exp(np.maximum(above, LEAST))


APART = 1e-3
"""Deviations that are nearer than this are one."""


def _quantiles(values: Floats, weight: Floats, at: Sequence[float]) -> list[float]:
    order = np.argsort(values)
    reached = np.cumsum(weight[order]) / weight.sum()
    return [float(values[order][min(int(np.searchsorted(reached, q)), len(values) - 1)]) for q in at]


def fit_spread(residuals: ArrayLike, deviations: ArrayLike, groups: Sequence[str]) -> Spread:
    """Knots of log residuals (measured over predicted time) of left-out rows with these predicted deviations."""
    off, deviation = np.asarray(residuals, dtype=float), np.asarray(deviations, dtype=float)
    if not off.size:
        return Spread()
    _, code, count = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    weight = 1.0 / np.sqrt(count[code])
    order = np.argsort(deviation, kind="stable")
    share = np.empty(off.size)
    share[order] = np.cumsum(weight[order]) / weight.sum()
    knots: list[tuple[float, float, float]] = []
    for centre in (np.arange(KNOTS) + 0.5) / KNOTS:
        own = np.abs(share - centre) <= WINDOW / 2
        at = float(np.median(deviation[own])) if own.any() else 0.0
        if not own.any() or (knots and at < knots[-1][0] + APART):
            continue  # few rows, or many of one deviation
        low, high = _quantiles(off[own] / deviation[own], weight[own], (0.1, 0.9))
        knots.append((at, min(low, 0.0), max(high, 0.0)))
    return Spread(tuple(knots))
