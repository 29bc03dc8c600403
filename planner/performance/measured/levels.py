"""Levels of measured runs by name: what a physical model leaves over, as effects that know how well they are known.

The logarithm of measured over modelled time is a sum of effects of the names of a run (engine, chip family, layout,
model, and pairs of these), each a constant and slopes over a few covariates (load, length of prompts, date), and of
what no name tells: its source, its own noise. Effects are random: a name with few runs is shrunk towards none, a name
that no run has is none, give or take how much names of its kind differ. So every level comes with its deviation, small
where alike runs were measured and wide where none was; what that deviation is worth as an interval is measured on runs
left out (``knots``). Fitted in ``planner.validation.serving.effects``.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Coefficients = tuple[float, ...]

LARGEST = 1.2
"""No level is further from none, as a logarithm: beyond lies a mechanism that is missing."""


OWN_WIDER = 1.2
"""Of intervals that a user's own runs narrow, over ends in proportion to the deviation: the rest of a group is less
alike than its runs are (``python -m planner.validation.own`` counts how often they hold)."""


@dataclass(frozen=True)
class Effect:
    """Coefficients of one name over the covariates, and their deviations (both as long as the covariates)."""

    value: Coefficients
    deviation: Coefficients


@dataclass(frozen=True)
class Joint:
    """Covariance (m, m) of the effects that a user's own runs are about: what their sum leaves open is less than their
    deviations one by one. ``keys``: (kind, name, covariate) of each."""

    keys: tuple[tuple[str, str, int], ...]
    covariance: Floats


@dataclass(frozen=True)
class Level:
    """The effects of one run's names together, over the covariates. ``missing``: kinds of names no run had.

    ``variance`` (k,) of effects that are independent; ``joint`` (k, k) of those that a user's own runs tie together.
    """

    value: Floats
    variance: Floats
    missing: tuple[str, ...] = ()
    joint: Floats | None = None

    def of(self, covariates: Floats) -> Floats:
        """Variance (...) of the level at covariates (..., k)."""
        found = np.square(covariates) @ self.variance
        if self.joint is not None:
            found = found + np.einsum("...i,ij,...j->...", covariates, self.joint, covariates)
        return np.asarray(np.maximum(found, 0.0))


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
    joint: Joint | None = None
    """Where a user's own runs are in the effects."""

    def __bool__(self) -> bool:
        return bool(self.kinds)

    def at(self, names: Mapping[str, str]) -> Level:
        """The level of a run whose names by kind are given; kinds that have no effect here say nothing."""
        if self.joint is not None:
            return self._told(names)
        key = tuple(names.get(kind) for kind in self.kinds)
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = self._told(names)
        return found

    @functools.cached_property
    def _kept(self) -> dict[tuple[str | None, ...], Level]:
        return {}

    def _told(self, names: Mapping[str, str]) -> Level:
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
        if self.joint is None:
            return Level(value, variance, tuple(missing))
        mine = [i for i, (kind, name, _) in enumerate(self.joint.keys) if names.get(kind) == name]
        tied = np.zeros((len(self.covariates), len(self.covariates)))
        for i in mine:
            kind, name, c = self.joint.keys[i]
            variance[c] -= self.effects[f"{kind}={name}"].deviation[c] ** 2
            for j in mine:
                tied[c, self.joint.keys[j][2]] += self.joint.covariance[i, j]
        return Level(value, np.maximum(variance, 0.0), tuple(missing), tied)

    def deviation(self, level: Level, covariates: Floats) -> Floats:
        """Deviation (n,) of log measured over predicted time; ``covariates`` (k,) or (n, k)."""
        return np.asarray(np.sqrt(level.of(covariates) + self.own**2))

    def ends(self, deviation: Floats) -> tuple[Floats, Floats]:
        """Multipliers (n,) of a predicted time to both ends of its 80% interval; linear between knots."""
        if not self.knots:
            return np.exp(-1.2816 * deviation), np.exp(1.2816 * deviation)
        at, low, high = (np.array(column) for column in zip(*self.knots, strict=True))
        # what a user measured is known better than anything left out was: ends in proportion there
        known = 1.0 if self.joint is None else np.minimum(OWN_WIDER * deviation / at[0], 1.0)
        known = known * np.maximum(deviation / at[-1], 1.0)  # and beyond the farthest that was left out
        return np.exp(known * np.interp(deviation, at, low)), np.exp(known * np.interp(deviation, at, high))


def clipped(level: Floats) -> Floats:
    """A level inside its bounds."""
    return np.clip(level, -LARGEST, LARGEST)


def knots_of(
    errors: Sequence[float], deviations: Sequence[float], classes: int = 6, inside: float = 0.8
) -> tuple[tuple[float, float, float], ...]:
    """Ends of the interval by class of deviation, from log measured over predicted of runs that were left out.

    Classes hold as many runs each, save that runs of one deviation are of one class: rounding must not tell them apart.
    The ends never come nearer to each other as the deviation grows.
    """
    off, wide = np.asarray(errors, dtype=float), np.round(np.asarray(deviations, dtype=float), 9)
    tail = (1.0 - inside) / 2.0
    knots: list[tuple[float, float, float]] = []
    order = np.argsort(wide, kind="stable")
    last = [part[-1] for part in np.array_split(order, classes) if part.size]
    ends = np.unique(np.searchsorted(wide[order], wide[last], side="right"))
    for own in np.split(order, ends)[:-1]:
        low, high = np.quantile(off[own], (tail, 1.0 - tail))
        before = knots[-1] if knots else (0.0, -0.02, 0.02)
        knots.append((float(wide[own].mean()), min(float(low), before[1]), max(float(high), before[2])))
    return tuple(knots)
