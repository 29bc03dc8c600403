"""The optimizer's curse: what is chosen for its prediction is predicted too well, and what to do about it.

Predictions m of candidates are their true values t and errors of deviation s that they do not share; the true values of
candidates of one decision lie around a middle with deviation ``scatter``. The expected t of each is then its m shrunk
towards the middle, the more the less is known of it (Smith and Winkler 2006, The Optimizer's Curse): the least m is
taken back most where its error may be largest. All are logarithms of a cost or a time; less is better.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def expected(predicted: ArrayLike, deviations: ArrayLike, scatter: float) -> Floats:
    """Expected true values (n,) of candidates predicted so (n,), whose own errors have deviations (n,)."""
    m, s = np.asarray(predicted, np.float64), np.asarray(deviations, np.float64)
    if len(m) < 2:
        return m
    prior = scatter**2
    weights = 1.0 / (prior + s**2 + 1e-12)
    middle = float(np.sum(weights * m) / np.sum(weights))
    return np.asarray(middle + prior / (prior + s**2 + 1e-12) * (m - middle), np.float64)


def scatter_of(predicted: ArrayLike, deviations: ArrayLike) -> float:
    """How far true values scatter, by moments: what errors leave of the scatter of predictions."""
    m, s = np.asarray(predicted, np.float64), np.asarray(deviations, np.float64)
    if len(m) < 2:
        return 0.0
    return math.sqrt(max(float(np.var(m, ddof=1)) - float(np.mean(s**2)), 0.0))


def chosen(predicted: ArrayLike, deviations: ArrayLike, scatter: float, sure: float) -> int:
    """Which candidate to take: of those that may as well be the best, the one that is known best.

    A candidate ties with the least expected one where that is better with less than ``sure`` (a probability); among
    ties the least deviation is taken, then the least expected value.
    """
    values, s = expected(predicted, deviations, scatter), np.asarray(deviations, np.float64)
    prior = scatter**2
    left = np.sqrt(prior * s**2 / (prior + s**2 + 1e-12))
    first = int(np.argmin(values))
    apart = np.sqrt(left**2 + left[first] ** 2) + 1e-12
    behind = np.array([0.5 * math.erfc(-x / math.sqrt(2.0)) for x in (values - values[first]) / apart])
    tied = np.flatnonzero(behind < sure)
    tied = tied if first in tied else np.append(tied, first)
    return int(min(tied.tolist(), key=lambda i: (round(float(s[i]), 6), float(values[i]))))
