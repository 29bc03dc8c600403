"""What the physical model leaves over, as one Gaussian process over measured runs (kriging).

Log residuals (measured over predicted step time) of two runs share variance with the names they have in common. Terms
that do not fade make the *effects* of a level: chip family, generation of stacks, stack, chip, width of the precision.
Terms that fade with the distance of widths and sizes, and those of models, code bases and sources, are carried on by
``neighbours``. Stacks of one code base (an MLPerf entry and the recipes it was tuned from) share what is near, and
models of one family what their layers are to a family of chips. Few variances, of largest likelihood (``python -m
planner.validation.training.kept_in``), rounded, the same for every run; a run's own part is Student's t, so that a
release that runs twice as slow as the next is an outlier and not a trend. One process for both: an unmeasured stack
takes the level of its generation on that family of chips, and the variance of a prediction grows with every name that
no run has.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.performance.measured.observation import Observation, first_word, width_of

Floats = NDArray[np.float64]

WIDTHS: tuple[str, ...] = ("tp", "pp", "vpp", "cp", "ep", "micro_batch")
SHAPE: tuple[str, ...] = (*WIDTHS, "sequence_length", "chips", "active_parameters", "tokens_per_chip")
"""Widths and sizes whose logarithms say how near two runs are; tokens per chip and step."""

OCTAVES = 8.0
"""Scale over distances, summed over widths and sizes: eight doublings in all let runs share exp(-1). With absolute
distances a correction lies between those of the runs around; a Gaussian carries their trends on beyond them."""

ANOTHER_RECOMPUTATION = 0.5
"""Share that runs keep in common when they recompute differently."""

PRIOR_MEAN = 0.10
"""Logarithm of how much slower than the physical model a run is of which nothing is known: what has been measured and
published is the best of its publishers, and what is new is rarely better (mean of left-out residuals: 0.04)."""

OWN_VARIANCE = 0.0034
"""Variance of what no other run shares, and of the measurement."""


@dataclass(frozen=True)
class Term:
    """Variance that two runs share when all ``names`` are equal; ``fades`` with distance; ``level``: an effect."""

    names: tuple[str, ...]
    variance: float
    fades: bool = False
    level: bool = True


TERMS: tuple[Term, ...] = (
    Term(("family",), 0.0015),
    Term(("chip",), 0.0025),
    Term(("precision",), 0.0020),
    Term(("generation",), 0.0012),
    Term(("generation", "experts"), 0.0012),
    Term(("generation", "precision"), 0.0008),
    Term(("family", "generation"), 0.0029),
    Term(("family", "profile"), 0.0037),
    Term(("family", "precision"), 0.0020),
    Term(("family", "experts"), 0.0012),
    Term(("profile", "experts"), 0.0020),
    Term(("profile", "precision"), 0.0014),
    Term(("profile", "model"), 0.0025, level=False),
    Term(("profile", "model", "precision"), 0.0010, level=False),
    Term(("code", "model"), 0.0018, level=False),
    Term(("family", "model_family"), 0.0030, level=False),
    Term(("source", "precision"), 0.0006, level=False),
    Term(("profile", "chip"), 0.0018, fades=True, level=False),
    Term(("profile", "experts"), 0.0020, fades=True, level=False),
    Term(("profile", "experts", "precision"), 0.0008, fades=True, level=False),
    Term(("code", "experts"), 0.0028, fades=True, level=False),
    Term(("code", "chip"), 0.0023, fades=True, level=False),
    Term(("generation", "experts"), 0.0005, fades=True, level=False),
    Term(("experts",), 0.0030, fades=True, level=False),
    Term(("source",), 0.0007, fades=True, level=False),
)
"""What two runs can share. In the names of effects ``precision`` is its width: 16, 8 or 4 bits."""

LEVEL_TERMS = tuple(t for t in TERMS if t.level)
NEAR_TERMS = tuple(t for t in TERMS if not t.level)

_FREEDOM = 3.0  # of Student's t for a run's own part
_ROUNDS = 6
_NO_TRUST = 100.0  # variance of a run that may say nothing of others
_LARGEST = 1.0  # log residuals are cut here


@dataclass(frozen=True)
class Run:
    """A measured run: its names, ``shape`` (logarithms to base two of ``SHAPE``) and what the model left over there.

    ``residual``: logarithm of measured over predicted step time. ``weight``: of the run in every correction.
    """

    case_id: str
    source: str
    profile: str
    chip: str
    model: str
    precision: str
    experts: bool
    recompute: str
    shape: tuple[float, ...]
    residual: float = 0.0
    weight: float = 0.0
    family: str = ""
    generation: str = ""
    code: str = ""

    @property
    def model_family(self) -> str:
        """What its model shares with others of its family."""
        return first_word(self.model)

    def name(self, kind: str) -> str:
        """One of the names that runs can have in common."""
        return str(getattr(self, kind))

    def size(self, what: str) -> int:
        """One of ``SHAPE``, as a whole number."""
        return round(math.exp2(self.shape[SHAPE.index(what)]))


def run_of(o: Observation, residual: float = 0.0, weight: float = 0.0) -> Run:
    """A measured row as a run."""
    return Run(
        o.case_id, o.source, o.profile, o.chip, o.model_name, o.precision, o.experts, o.recompute, o.shape, residual,
        weight, o.family, o.generation, o.code,
    )  # fmt: skip


def _names(run: Run, term: Term) -> str:
    """What two runs must both have for a term; levels know only the width of a precision."""
    return " | ".join(
        width_of(run.precision) if term.level and kind == "precision" else run.name(kind) for kind in term.names
    )


def closeness(runs: Sequence[Run], others: Sequence[Run]) -> Floats:
    """(runs, others): 1 where layout and sizes are equal, fading with the distance of their logarithms.

    Where no run has a ``shape`` all are equal.
    """
    length = max((len(r.shape) for r in (*runs, *others)), default=0)
    if not length:
        return np.ones((len(runs), len(others)))
    blank = (0.0,) * length
    here, there = (np.array([r.shape or blank for r in part], dtype=float) for part in (runs, others))
    apart = np.zeros((len(runs), len(others)))
    for i in range(length):
        apart += np.abs(here[:, None, i] - there[None, :, i])
    _, code = np.unique([r.recompute for r in (*runs, *others)], return_inverse=True)
    alike = code[: len(runs), None] == code[None, len(runs) :]
    return np.asarray(np.exp(-apart / OCTAVES) * np.where(alike, 1.0, ANOTHER_RECOMPUTATION))


def correlations(runs: Sequence[Run], others: Sequence[Run], terms: Sequence[Term] = TERMS) -> Iterator[Floats]:
    """One (runs, others) matrix per term: the correlation it stands for."""
    near = closeness(runs, others) if any(t.fades for t in terms) else None
    for term, same in _alike(runs, others, terms):
        yield same.astype(float) if near is None or not term.fades else near * same


def _alike(
    runs: Sequence[Run], others: Sequence[Run], terms: Sequence[Term]
) -> Iterator[tuple[Term, NDArray[np.bool_]]]:
    """Each term and which (runs, others) have all its names in common."""
    for term in terms:
        _, code = np.unique([_names(r, term) for r in (*runs, *others)], return_inverse=True)
        yield term, code[: len(runs), None] == code[None, len(runs) :]


def covariance(runs: Sequence[Run], others: Sequence[Run], terms: Sequence[Term] = TERMS) -> Floats:
    """(runs, others): variance that log residuals share."""
    fading, constant = (np.zeros((len(runs), len(others))) for _ in range(2))
    for term, same in _alike(runs, others, terms):
        (fading if term.fades else constant)[...] += term.variance * same
    if any(t.fades for t in terms):
        fading *= closeness(runs, others)
    return np.asarray(fading + constant)


def variance(terms: Sequence[Term] = TERMS) -> float:
    """Variance of a log residual of which nothing is known, its own part apart."""
    return sum(t.variance for t in terms)


def own_variances(among: Floats, residuals: Floats) -> Floats:
    """Variances (n,) of the runs' own parts: Student's t by expectation-maximisation of its scales."""
    values = np.clip(residuals, -_LARGEST, _LARGEST)
    own = np.full(len(values), OWN_VARIANCE)
    for _ in range(_ROUNDS):
        alone = own * np.linalg.solve(among + np.diag(own), values)
        own = OWN_VARIANCE * (_FREEDOM + alone**2 / OWN_VARIANCE) / (_FREEDOM + 1.0)
    return own


def own_variance_of(weights: Floats) -> Floats:
    """Variances of runs' own parts that belong to their weights: the fixed point of ``own_variances``."""
    square = np.maximum(weights**2, 1e-30)
    inside = np.maximum(1.0 - 4.0 * _FREEDOM * OWN_VARIANCE * square / (_FREEDOM + 1.0) ** 2, 0.0)
    found = (1.0 - np.sqrt(inside)) * (_FREEDOM + 1.0) / (2.0 * square)
    return np.asarray(np.where(square > 1e-12, found, OWN_VARIANCE * _FREEDOM / (_FREEDOM + 1.0)))


def weights_of(among: Floats, residuals: Sequence[float]) -> Floats:
    """Weights of runs whose residuals share the variance ``among`` (n, n), their own parts of Student's t."""
    values = np.clip(np.asarray(residuals, dtype=float), -_LARGEST, _LARGEST)
    if not len(values):
        return np.zeros(0)
    return np.asarray(np.linalg.solve(among + np.diag(own_variances(among, values)), values))


@dataclass(frozen=True)
class Prediction:
    """Expected log residuals (n,) and their standard deviations (n,), the runs' own part in them."""

    mean: Floats
    deviation: Floats


@dataclass(frozen=True)
class Fitted:
    """Runs with the inverse of their covariance (own parts of Student's t in it) and their weights."""

    runs: tuple[Run, ...]
    terms: tuple[Term, ...]
    values: Floats
    own: Floats
    inverse: Floats
    weights: Floats

    def left_out(self, units: Sequence[str]) -> Prediction:
        """What all runs of other units say of each run, every unit left out whole in turn.

        One inverse serves all units: with P = (K + own)^-1, the mean of a block left out is y - (P_bb)^-1 (P y)_b and
        its covariance (P_bb)^-1 (Rasmussen and Williams 2006, 5.12, for blocks). Scales of Student's t are of all.
        """
        mean, spread = np.full(len(self.runs), PRIOR_MEAN), np.zeros(len(self.runs))
        _, code = np.unique(np.asarray(units), return_inverse=True)
        for unit in range(int(code.max(initial=-1)) + 1):
            block = np.flatnonzero(code == unit)
            apart = np.linalg.inv(self.inverse[np.ix_(block, block)])
            mean[block] += self.values[block] - apart @ self.weights[block]
            spread[block] = np.diag(apart) - self.own[block]
        return Prediction(mean, np.sqrt(np.maximum(spread, 0.0) + OWN_VARIANCE))

    def predict(self, asked: Sequence[Run]) -> Prediction:
        """What the runs say of others."""
        prior = np.full(len(asked), variance(self.terms))
        if not self.runs:
            return Prediction(np.full(len(asked), PRIOR_MEAN), np.sqrt(prior + OWN_VARIANCE))
        across = covariance(asked, self.runs, self.terms)
        told = np.einsum("ij,ij->i", across @ self.inverse, across)
        return Prediction(PRIOR_MEAN + across @ self.weights, np.sqrt(np.maximum(prior - told, 0.0) + OWN_VARIANCE))


def fit(runs: Sequence[Run], terms: Sequence[Term] = TERMS, trusted: Sequence[bool] | None = None) -> Fitted:
    """The process of some runs with the log residuals they have, cut at 1; those not ``trusted`` say nothing."""
    among = covariance(runs, runs, terms)
    values = np.clip(np.array([r.residual for r in runs], dtype=float) - PRIOR_MEAN, -_LARGEST, _LARGEST)
    own = np.full(len(runs), _NO_TRUST)
    use = np.flatnonzero(np.ones(len(runs), dtype=bool) if trusted is None else np.asarray(trusted, dtype=bool))
    own[use] = own_variances(among[np.ix_(use, use)], values[use])
    inverse = np.asarray(np.linalg.inv(among + np.diag(own))) if runs else np.zeros((0, 0))
    return Fitted(tuple(runs), tuple(terms), values, own, inverse, inverse @ values)


__all__ = [
    "LEVEL_TERMS",
    "NEAR_TERMS",
    "TERMS",
    "WIDTHS",
    "Fitted",
    "Prediction",
    "Run",
    "Term",
    "correlations",
    "covariance",
    "fit",
    "run_of",
    "variance",
    "weights_of",
]
