"""Levels of measured runs by name: what a physical model leaves over, as effects that know how well they are known.

The logarithm of measured over modelled time is a sum of effects of the names of a run (engine, chip family, layout,
model, and pairs of these), each a constant and slopes over a few covariates (load, length of prompts, date), and of
what no name tells: its source, its own noise. Effects are random: a name with few runs is shrunk towards none, a name
that no run has is none, give or take how much names of its kind differ. So every level comes with its deviation, small
where alike runs were measured and wide where none was; what that deviation is worth as an interval is measured on runs
left out (``knots``). Fitted in ``planner.validation.serving.effects``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Coefficients = tuple[float, ...]

LARGEST = 1.2
"""No level is further from none, as a logarithm: beyond lies a mechanism that is missing."""


@dataclass(frozen=True)
class Effect:
    """Coefficients of one name over the covariates, and their deviations (both as long as the covariates)."""

    value: Coefficients
    deviation: Coefficients


@dataclass(frozen=True)
class Level:
    """The effects of one run's names together, over the covariates. ``missing``: kinds of names no run had."""

    value: Floats
    variance: Floats
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Levels:
    """Effects by ``kind=name``; ``kinds``: deviation of names of a kind from each other, over the covariates, which is
    that of a name nobody measured. ``own``: deviation of what no name tells. ``knots``: (deviation, low, high) of the
    80% interval of log measured over predicted, ascending."""

    covariates: tuple[str, ...] = ("one",)
    effects: Mapping[str, Effect] = field(default_factory=dict)
    kinds: Mapping[str, Coefficients] = field(default_factory=dict)
    own: float = 0.0
    knots: tuple[tuple[float, float, float], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.kinds)

    def at(self, names: Mapping[str, str]) -> Level:
        """The level of a run whose names by kind are given; kinds that have no effect here say nothing."""
        value = np.zeros(len(self.covariates))
        variance = np.zeros(len(self.covariates))
        missing: list[str] = []
        for kind, deviation in self.kinds.items():
            if kind not in names:
                continue
            effect = self.effects.get(f"{kind}={names[kind]}")
            if effect is None:
                missing.append(kind)
                variance += np.square(deviation)
            else:
                value += np.asarray(effect.value)
                variance += np.square(effect.deviation)
        return Level(value, variance, tuple(missing))

    def deviation(self, level: Level, covariates: Floats) -> Floats:
        """Deviation (n,) of log measured over predicted time; ``covariates`` (k,) or (n, k)."""
        told = np.square(covariates) @ level.variance
        return np.asarray(np.sqrt(told + self.own**2))

    def ends(self, deviation: Floats) -> tuple[Floats, Floats]:
        """Multipliers (n,) of a predicted time to both ends of its 80% interval; linear between knots."""
        if not self.knots:
            return np.exp(-1.2816 * deviation), np.exp(1.2816 * deviation)
        at, low, high = (np.array(column) for column in zip(*self.knots, strict=True))
        return np.exp(np.interp(deviation, at, low)), np.exp(np.interp(deviation, at, high))


def clipped(level: Floats) -> Floats:
    """A level inside its bounds."""
    return np.clip(level, -LARGEST, LARGEST)


def knots_of(
    errors: Sequence[float], deviations: Sequence[float], groups: Sequence[str], classes: int = 6, inside: float = 0.8
) -> tuple[tuple[float, float, float], ...]:
    """Ends of the interval by class of deviation, from log measured over predicted of runs that were left out.

    Classes hold about as much weight each; a group of n runs weighs as the square root of n. The ends never come
    nearer to each other as the deviation grows.
    """
    off, wide = np.asarray(errors, dtype=float), np.asarray(deviations, dtype=float)
    _, code, count = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    weight = 1.0 / np.sqrt(count[code])
    order = np.argsort(wide, kind="stable")
    reached = np.cumsum(weight[order]) / weight.sum()
    tail = (1.0 - inside) / 2.0
    knots: list[tuple[float, float, float]] = []
    for c in range(classes):
        own = order[(reached > c / classes) & (reached <= (c + 1) / classes)]
        if not own.size:
            continue
        by = own[np.argsort(off[own])]
        share = np.cumsum(weight[by]) / weight[by].sum()
        low = float(off[by][min(int(np.searchsorted(share, tail)), by.size - 1)])
        high = float(off[by][min(int(np.searchsorted(share, 1.0 - tail)), by.size - 1)])
        at = float(np.average(wide[own], weights=weight[own]))
        before = knots[-1] if knots else (0.0, -0.02, 0.02)
        knots.append((at, min(low, before[1]), max(high, before[2])))
    return tuple(knots)
