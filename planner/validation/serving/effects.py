"""Fit of the levels that measured serving runs have by name (``planner.performance.measured.levels``).

A mixed model: y = X u + e, u of one kind normal around none, e Student's t. Variances of kinds are those of largest
likelihood (expectation maximisation); sources and groups of runs (one source, engine, chip, model, precision) are
effects as well, whose part of the deviation stays with what no name tells.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.performance.measured.levels import Effect, Levels

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FREEDOM = 4.0
"""Degrees of freedom of a run's own noise: a release that runs twice as slow as the next is an outlier, no trend."""
ROUNDS = 30
LEAST_VARIANCE = 1e-6
NUISANCE = ("source", "bench", "group")
"""Kinds that no plan has: what they differ by is part of every deviation."""


@dataclass(frozen=True)
class Observed:
    """One run: names by kind (of ``NUISANCE`` too), covariates, and log measured over modelled time."""

    names: Mapping[str, str]
    covariates: Floats
    value: float


@dataclass(frozen=True)
class Variances:
    """Of each kind over the covariates, and of a run's own noise."""

    kinds: Mapping[str, Floats]
    own: float


class Mixed:
    """The design of some runs: built once, solved for any subset of them."""

    def __init__(self, runs: Sequence[Observed], kinds: Mapping[str, Sequence[int]], covariates: int) -> None:
        self.kinds, self.covariates = kinds, covariates
        self.y = np.array([r.value for r in runs])
        place: dict[tuple[str, str, int], int] = {}
        entries = sum(len(used) for used in kinds.values())
        # every run has the same number of entries; one whose names are not known has none but zeros
        self.columns = np.zeros((len(runs), entries), dtype=np.int64)
        self.values = np.zeros((len(runs), entries))
        for i, run in enumerate(runs):
            at = 0
            for kind, used in kinds.items():
                for c in used:
                    if kind in run.names:
                        self.columns[i, at] = place.setdefault((kind, run.names[kind], c), len(place))
                        self.values[i, at] = run.covariates[c]
                    at += 1
        self.keys = list(place)
        self.codes = {
            (kind, c): k for k, (kind, c) in enumerate((kind, c) for kind, used in kinds.items() for c in used)
        }
        self.code = np.array([self.codes[(kind, c)] for kind, _, c in self.keys])
        self.weight = np.ones(len(runs))  # of the last solution: where the next one starts
        self._pairs = self.columns[:, :, None] * len(self.keys) + self.columns[:, None, :]
        self._products = self.values[:, :, None] * self.values[:, None, :]

    def _prior(self, variances: Variances) -> Floats:
        table = np.array([variances.kinds[kind][c] for kind, c in self.codes])
        return np.asarray(1.0 / np.maximum(table, LEAST_VARIANCE)[self.code])

    def _known(self, mask: Bools | None) -> Bools:
        known = np.isfinite(self.y) & (self.values != 0.0).any(axis=1)
        return np.asarray(known if mask is None else mask & known)

    def _left(self, u: Floats) -> Floats:
        return np.asarray(self.y - (self.values * u[self.columns]).sum(axis=1))

    def solve(self, variances: Variances, mask: Bools | None = None, rounds: int = 2) -> tuple[Floats, Floats]:
        """(effects, their covariance) on the runs of ``mask``; weights begin as the last whole solution left them."""
        known, size = self._known(mask), len(self.keys)
        pairs, columns = self._pairs[known].ravel(), self.columns[known]
        weight = self.weight.copy()
        u, inverse = np.zeros(size), np.zeros((size, size))
        for _ in range(rounds):
            w = weight[known] / variances.own
            products = (self._products[known] * w[:, None, None]).ravel()
            normal = np.bincount(pairs, products, minlength=size * size).reshape(size, size)
            inverse = np.linalg.inv(normal + np.diag(self._prior(variances)))
            right = np.bincount(
                columns.ravel(), (self.values[known] * (w * self.y[known])[:, None]).ravel(), minlength=size
            )
            u = inverse @ right
            weight = (FREEDOM + 1.0) / (FREEDOM + self._left(u) ** 2 / variances.own)
        if mask is None:
            self.weight = np.nan_to_num(weight, nan=1.0)
        return u, inverse

    def variances(self) -> Variances:
        """Those of largest likelihood on all runs."""
        known = self._known(None)
        guess = float(np.var(np.clip(self.y[known], -1.0, 1.0))) / max(len(self.codes), 1)
        found = Variances({kind: np.full(self.covariates, guess) for kind in self.kinds}, 0.01)
        for _ in range(ROUNDS):
            u, inverse = self.solve(found, rounds=1)  # one reweighting a round: weights and variances settle together
            spread = np.diag(inverse)
            kinds = {kind: np.zeros(self.covariates) for kind in self.kinds}
            for (kind, c), k in self.codes.items():
                mine = self.code == k
                kinds[kind][c] = float(np.mean(u[mine] ** 2 + spread[mine])) if mine.any() else 0.0
            columns, values = self.columns[known], self.values[known]
            doubt = np.einsum("ia,iab,ib->i", values, inverse[columns[:, :, None], columns[:, None, :]], values)
            own = float(np.mean(self.weight[known] * (self._left(u)[known] ** 2 + doubt)))
            found = Variances(kinds, max(own, 1e-5))
        return found

    def levels(self, covariates: Sequence[str], variances: Variances, mask: Bools | None = None) -> Levels:
        """The levels on the runs of ``mask``: effects of names that plans have, with deviations."""
        u, inverse = self.solve(variances, mask, rounds=2 if mask is None else 1)
        known = self._known(mask)
        count = np.bincount(self.columns[known].ravel(), (self.values[known] != 0.0).ravel(), minlength=len(self.keys))
        spread = np.sqrt(np.maximum(np.diag(inverse), 0.0))
        seen = {(kind, name) for i, (kind, name, _) in enumerate(self.keys) if kind not in NUISANCE and count[i]}
        values = {key: np.zeros(self.covariates) for key in seen}
        deviations = {key: np.zeros(self.covariates) for key in seen}
        for i, (kind, name, c) in enumerate(self.keys):
            if (kind, name) in seen:
                values[kind, name][c], deviations[kind, name][c] = u[i], spread[i]
        effects = {
            f"{kind}={name}": Effect(tuple(values[kind, name].tolist()), tuple(deviations[kind, name].tolist()))
            for kind, name in sorted(seen)
        }
        kinds = {k: tuple(np.sqrt(v).tolist()) for k, v in variances.kinds.items() if k not in NUISANCE}
        outside = sum(float(v[0]) for k, v in variances.kinds.items() if k in NUISANCE)
        return Levels(tuple(covariates), effects, kinds, math.sqrt(outside + variances.own))


def with_known(
    levels: Levels, runs: Sequence[Observed], deviations: Mapping[str, float], mask: Bools | None = None
) -> Levels:
    """The levels with kinds that have no effect: names of the runs of ``mask`` are known, others differ from them by
    ``deviations``."""
    none = (0.0,) * len(levels.covariates)
    effects, kinds = dict(levels.effects), dict(levels.kinds)
    for kind, deviation in deviations.items():
        kinds[kind] = (deviation, *none[1:])
        seen = {
            r.names[kind]
            for i, r in enumerate(runs)
            if kind in r.names and math.isfinite(r.value) and (mask is None or mask[i])
        }
        effects.update({f"{kind}={name}": Effect(none, none) for name in sorted(seen)})
    return replace(levels, effects=effects, kinds=kinds)


def with_knots(levels: Levels, knots: tuple[tuple[float, float, float], ...]) -> Levels:
    """The levels with an interval."""
    return replace(levels, knots=knots)
