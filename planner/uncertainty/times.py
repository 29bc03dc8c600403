"""How far off a predicted time may be: its distribution from the 80% interval of the performance model.

A time is its prediction times a factor: lognormal on either side of the prediction, as wide as that side of the
interval, so one in ten is below the low end, half below the prediction, one in ten above the high end.
"""

from __future__ import annotations

import functools
import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_NORMAL = NormalDist()
NINETIETH = _NORMAL.inv_cdf(0.9)
"""Standard deviations below which nine in ten lie."""
_FARTHEST = 8.0
_STEP = 1e-3


def time_factor(low80: float, high80: float, z: float) -> float:
    """A time over its prediction at ``z`` standard deviations of its logarithm, of which an 80% interval is known."""
    return math.exp(abs(z) / NINETIETH * math.log(high80 if z > 0 else low80))


def time_factors(low80: ArrayLike, high80: ArrayLike, z: ArrayLike) -> Floats:
    """The same of arrays of intervals or of deviations; shapes broadcast."""
    off = np.asarray(z, np.float64)
    ends = np.where(off > 0, np.asarray(high80, np.float64), np.asarray(low80, np.float64))
    return np.asarray(np.exp(np.abs(off) / NINETIETH * np.log(ends)))


def deviation(share: float) -> float:
    """The standard deviations below which a share of outcomes lies; 0 < ``share`` < 1."""
    return _NORMAL.inv_cdf(share)


def deviations(shares: Floats) -> Floats:
    """The same of shares (n,); what lies within 1e-12 of nought or one is taken there."""
    inside = np.clip(shares, 1e-12, 1 - 1e-12)
    return np.array([_NORMAL.inv_cdf(x) for x in inside.tolist()])


def share_below(z: ArrayLike) -> Floats:
    """The share of outcomes below ``z`` standard deviations, any shape: a table of steps of 0.001, within 1e-7."""
    at, shares = _table()
    return np.interp(np.asarray(z, np.float64), at, shares)


def share_within(factor: ArrayLike, low80: ArrayLike, high80: ArrayLike) -> Floats:
    """The probability that a time is at most ``factor`` of its prediction; shapes broadcast."""
    logs = np.log(np.maximum(np.asarray(factor, np.float64), 1e-300))
    below = np.minimum(np.log(np.asarray(low80, np.float64)), -1e-9)
    above = np.maximum(np.log(np.asarray(high80, np.float64)), 1e-9)
    z = NINETIETH * np.where(logs > 0, logs / above, -logs / below)
    return share_below(z)


@functools.cache
def _table() -> tuple[Floats, Floats]:
    at = np.arange(-_FARTHEST, _FARTHEST + _STEP / 2, _STEP)
    return at, np.array([_NORMAL.cdf(x) for x in at.tolist()])
