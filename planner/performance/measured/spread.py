"""How far off estimates of training are: 80% intervals by how much measured runs tell of what is asked.

Residuals of runs whose whole source was left out are sorted by the share of variance that the remaining runs leave
unexplained there (``neighbours``): about 5% either way where published runs are alike, three times that and more where
none is near. A family of chips that is off more or less than others scales its interval, shrunk by how few it has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CLASSES = (0.1, 0.3, 0.6, 0.95)
"""Shares of unexplained variance at which rows are parted for their quantiles."""
LEAST = 0.02
"""No end of an interval is nearer to the estimate than this, as a logarithm."""
WIDENED = 1.25
"""Factor on the width of the interval for families of chips without a measured run."""
BELIEF = 10.0
"""Groups of measurements that count as much as the belief that a family is off like all others."""


@dataclass(frozen=True)
class Spread:
    """Ends of the interval of one family: ``knots`` are (unexplained share, log of low, log of high), ascending."""

    knots: tuple[tuple[float, float, float], ...] = ((1.0, -0.36, 0.37),)
    scale: float = 1.0

    def ends(self, unexplained: Floats) -> tuple[Floats, Floats]:
        """Multipliers (n,) of an estimated time to both ends; ``unexplained`` (n,), linear between knots."""
        at, low, high = (np.array(column) for column in zip(*self.knots, strict=True))
        return (
            np.exp(np.interp(unexplained, at, low) * self.scale),
            np.exp(np.interp(unexplained, at, high) * self.scale),
        )


@dataclass(frozen=True)
class SpreadTable:
    """What was fitted: knots for all, and the scale of each family that has measured runs."""

    knots: tuple[tuple[float, float, float], ...] = ()
    scales: Mapping[str, float] = field(default_factory=dict)

    def of(self, family: str) -> Spread:
        """The interval of a family; an assumed one where nothing was fitted."""
        if not self.knots:
            return Spread()
        return Spread(self.knots, self.scales.get(family, WIDENED))


def _quantiles(values: Floats, groups: Sequence[str], at: Sequence[float]) -> list[float]:
    """Quantiles in which a group of n rows weighs as the square root of n."""
    names, code, count = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    weight = 1.0 / np.sqrt(count[code]) if names.size else np.ones(0)
    order = np.argsort(values)
    reached = np.cumsum(weight[order]) / weight.sum()
    return [float(values[order][min(int(np.searchsorted(reached, q)), len(values) - 1)]) for q in at]


def fit_spread(
    residuals: Sequence[float], unexplained: Sequence[float], families: Sequence[str], groups: Sequence[str]
) -> SpreadTable:
    """Knots and scales of log residuals (measured over predicted time) of rows whose source was left out."""
    off, share = np.asarray(residuals, dtype=float), np.asarray(unexplained, dtype=float)
    if not off.size:
        return SpreadTable()
    names, kind, group = np.asarray(families), np.digitize(share, CLASSES), np.asarray(groups)
    knots: list[tuple[float, float, float]] = []
    low, high = np.zeros(off.size), np.zeros(off.size)
    for c in np.unique(kind):
        own = kind == c
        ends = _quantiles(off[own], list(group[own]), (0.1, 0.9))
        low[own], high[own] = min(ends[0], -LEAST), max(ends[1], LEAST)
        knots.append((float(np.median(share[own])), float(low[own][0]), float(high[own][0])))
    reach = np.where(off < 0, off / low, off / high)  # 1 at the end of the interval
    scales = {}
    for name in np.unique(names):
        own = names == name
        (found,) = _quantiles(reach[own], list(group[own]), (0.8,))
        many = np.unique(group[own]).size
        scales[str(name)] = float(np.exp(np.log(max(found, 0.2)) * many / (many + BELIEF)))
    return SpreadTable(tuple(knots), scales)
