"""Measured runs near a job: what the model and its effects leave over near them is carried to where it is asked.

The part of ``process`` that fades with the distance of layouts and sizes, or belongs to one model or source. Far from
every measured run nothing is added. ``catalog/calibration/training_runs.csv`` holds the runs and their weights;
docs/training-model.md, 8, the equations and what they gain on sources, stacks, chips and years left out.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from planner.catalog.load import catalog_folder
from planner.errors import InputError, Problem
from planner.performance.keys import factorise
from planner.performance.measured.kept import kept_square
from planner.performance.measured.observation import Observation, first_word, width_of
from planner.performance.measured.process import (
    ANOTHER_RECOMPUTATION,
    NEAR_TERMS,
    OCTAVES,
    OWN_VARIANCE,
    SHAPE,
    TERMS,
    WIDTHS,
    Run,
    Term,
    covariance,
    own_variance_of,
    own_variances,
    run_of,
    variance,
    weights_of,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LARGEST_OWN = 1.5
"""Residuals of a user's own runs are cut here: a run five times as slow as predicted is of something else."""
LARGEST_SHIFT = 0.4
"""No correction is larger than this, as a logarithm: beyond it a mechanism is missing."""


@dataclass(frozen=True)
class Job:
    """What is asked, apart from its layout: names as in ``Run``, and sizes that all of its candidates have."""

    profile: str
    chip: str
    model: str
    precision: str
    experts: bool
    sequence_length: int
    active_parameters: float
    tokens: float
    """Of a step, over all chips."""
    source: str = ""
    family: str = ""
    generation: str = ""
    code: str = ""

    @property
    def model_family(self) -> str:
        """What its model shares with others of its family."""
        return first_word(self.model)

    def name(self, kind: str) -> str:
        """One of the names that runs can have in common with it."""
        return str(getattr(self, kind))


PAIRS_A_CANDIDATE = 16
"""A product of matrices is so much faster an entry than a sum for each candidate."""
WORTH_KEEPING = 500
"""Runs from which on the inverse of their covariance is kept between processes."""
MOST_KEPT = 2048
"""Questions whose deviations are remembered."""
FEW_OF_A_SIZE = 500
"""Candidates of each number of chips, on average, below which they are not taken size by size."""
PAIRS_AT_ONCE = 4096
"""Candidates whose rows are laid side by side at once: a table of them fits a cache."""


@dataclass(frozen=True)
class Neighbours:
    """The runs of a calibration."""

    runs: tuple[Run, ...] = ()
    _inverse: Floats | None = field(default=None, compare=False, repr=False)
    """Of the covariance of all terms, where it is known already."""
    own: Neighbours | None = None
    """What runs of a user's own change: all runs, theirs last, weighed for all terms (``with_own``)."""

    @property
    def count(self) -> int:
        """Number of runs."""
        return len(self.runs)

    @functools.cached_property
    def _rows(self) -> frozenset[tuple[str, str]]:
        return frozenset((r.case_id, r.source) for r in self.runs)

    def holds(self, case_id: str, source: str) -> bool:
        """Whether a row of measurements is among the runs."""
        return (case_id, source) in self._rows

    @functools.cached_property
    def _shapes(self) -> Floats:
        return np.array([r.shape for r in self.runs], dtype=float).reshape(len(self.runs), len(SHAPE))

    @functools.cached_property
    def _weights(self) -> Floats:
        return np.array([r.weight for r in self.runs])

    @functools.cached_property
    def _recompute(self) -> NDArray[np.str_]:
        return np.array([r.recompute for r in self.runs])

    @functools.cached_property
    def _names(self) -> Mapping[str, NDArray[np.str_]]:
        kinds = {kind for term in TERMS for kind in term.names}
        found = {kind: np.array([r.name(kind) for r in self.runs]) for kind in kinds}
        return {**found, "width": np.array([width_of(r.precision) for r in self.runs])}

    @functools.cached_property
    def _precision(self) -> Floats:
        """Inverse of the covariance (runs, runs) of all terms, runs' own parts in it."""
        if self._inverse is not None:
            return self._inverse
        if len(self.runs) < WORTH_KEEPING:
            return self._inverted()
        # half a second of every first plan of a training run: kept under all that it is made of
        told = repr((self.runs, TERMS, OCTAVES, ANOTHER_RECOMPUTATION, OWN_VARIANCE, np.__version__))
        return kept_square(hashlib.sha256(told.encode()).hexdigest(), len(self.runs), self._inverted)

    def _inverted(self) -> Floats:
        return np.asarray(np.linalg.inv(covariance(self.runs, self.runs) + OWN_VARIANCE * np.eye(len(self.runs))))

    def _amplitudes(self, job: Job, terms: Sequence[Term]) -> tuple[Floats, Floats]:
        """Variance that each run shares with a job, as far as it is near and wherever it is."""
        fading, constant = (np.zeros(len(self.runs)) for _ in range(2))
        for term in terms:
            same = np.ones(len(self.runs), dtype=bool)
            for kind in term.names:
                if term.level and kind == "precision":
                    same &= self._names["width"] == width_of(job.precision)
                else:
                    same &= self._names[kind] == job.name(kind)
            (fading if term.fades else constant)[same] += term.variance
        return fading, constant

    def log_shift(
        self,
        job: Job,
        widths: Mapping[str, Ints],
        chips: Ints,
        recompute: Ints,
        tokens: Floats | None = None,
    ) -> Floats:
        """Logarithm (n,) of what a step takes over what the model and its effects say, for n candidates.

        Runs of a user's own are in it, over what all other runs say there. Arguments as ``_carried``.
        """
        found = self._carried(job, widths, chips, recompute, tokens, NEAR_TERMS)
        if self.own is None:
            return found
        return found + self.own._carried(job, widths, chips, recompute, tokens, TERMS, LARGEST_OWN)

    def _carried(
        self,
        job: Job,
        widths: Mapping[str, Ints],
        chips: Ints,
        recompute: Ints,
        tokens: Floats | None,
        terms: Sequence[Term],
        largest: float = LARGEST_SHIFT,
    ) -> Floats:
        """What the weights of the runs carry to n candidates by some terms, (n,).

        ``widths``: ``WIDTHS``, each (n,); ``chips`` and ``recompute`` (n,); ``tokens`` (n,): of each candidate's step,
        where they are not the job's. Zero where no run has anything in common.
        """
        if not self.runs or not len(chips):
            return np.zeros(chips.shape)
        fading, constant = self._amplitudes(job, terms)
        flat = float(constant @ self._weights)
        use = np.flatnonzero(fading)
        if not use.size:
            return np.full(chips.shape, min(max(flat, -largest), largest))
        shapes, repeats = self._shapes[use], self._recompute[use]
        weights = (fading * self._weights)[use]

        def near(name: str, values: Floats) -> Floats:
            some, at = np.unique(values, return_inverse=True)
            distance = np.log2(some)[:, None] - shapes[None, :, SHAPE.index(name)]
            return np.asarray(np.exp(-np.abs(distance) / OCTAVES))[at.reshape(-1)]

        fixed = near("sequence_length", np.array([float(job.sequence_length)]))[0]
        fixed = fixed * near("active_parameters", np.array([float(job.active_parameters)]))[0] * weights
        # nearness is a product: of what layouts are near by and of what sizes are, so a product of two tables has it
        (tp, pp, vpp), inner = factorise(widths["tp"], widths["pp"], widths["vpp"])
        (cp, ep, micro, mode), outer = factorise(widths["cp"], widths["ep"], widths["micro_batch"], recompute)
        first = fixed * near("tp", tp.astype(float)) * near("pp", pp.astype(float)) * near("vpp", vpp.astype(float))
        second = near("cp", cp.astype(float)) * near("ep", ep.astype(float)) * near("micro_batch", micro.astype(float))
        alike = mode.astype(str)[:, None] == repeats[None, :]
        second = second * np.where(alike, 1.0, ANOTHER_RECOMPUTATION)
        each, code = np.zeros(1), np.zeros_like(chips)
        if tokens is not None:
            each, found = np.unique(tokens / chips, return_inverse=True)
            code = found.reshape(-1).astype(np.int64)
        (size, load), place = factorise(chips, code)
        share = job.tokens / size if tokens is None else each[load]
        sizes = near("chips", size.astype(float)) * near("tokens_per_chip", share)
        if len(chips) >= FEW_OF_A_SIZE * len(size):
            shifts = np.empty(len(chips))
            order = np.argsort(place, kind="stable")
            for k, mine in enumerate(np.split(order, np.cumsum(np.bincount(place, minlength=len(size)))[:-1])):
                (some,), i = factorise(inner[mine])
                (other,), j = factorise(outer[mine])
                shifts[mine] = _products(first[some] * sizes[k], second[other], i, j)
        else:
            (some, other), layout = factorise(inner, outer)
            shifts = _products(first[some] * second[other], sizes, layout, place)
        # to nine digits: a candidate gets the same alone and among millions, whatever order its sum was made in
        return np.asarray(np.round(np.clip(shifts + flat, -largest, largest), 9))

    def _shared(
        self, job: Job, widths: Mapping[str, Ints], chips: Ints, recompute: Ints, terms: Sequence[Term]
    ) -> tuple[Floats, Ints, Floats]:
        """Variance that n layouts share with the runs: what each run has in common with all of them (runs,), the runs
        with which it depends on the layout (u,), and what it is there beyond that (n, u)."""
        fading, constant = self._amplitudes(job, terms)
        use = np.flatnonzero(fading)
        sizes = (
            np.full(chips.shape, float(job.sequence_length)),
            chips.astype(float),
            np.full(chips.shape, float(job.active_parameters)),
            job.tokens / chips,
        )
        here = np.log2(np.stack([*(widths[name].astype(float) for name in WIDTHS), *sizes], axis=1))
        shapes = self._shapes[use]
        apart = np.zeros((len(chips), len(use)))
        for i in range(here.shape[1]):  # one size at a time: the table of all of them would not fit a cache
            apart += np.abs(here[:, i, None] - shapes[None, :, i])
        near = np.exp(-apart / OCTAVES)
        alike = recompute.astype(str)[:, None] == self._recompute[use][None, :]
        return constant, use, np.asarray(fading[use] * near * np.where(alike, 1.0, ANOTHER_RECOMPUTATION))

    def deviation(self, job: Job, widths: Mapping[str, Ints], chips: Ints, recompute: Ints) -> Floats:
        """Standard deviation (n,) of the logarithm of a step's time, given all runs: what is unknown of the stack, the
        chip, the model and the layout, and what differs from run to run."""
        prior = variance()
        if not self.runs:
            return np.full(chips.shape, math.sqrt(prior + OWN_VARIANCE))
        # the same few layouts are asked for by what describes a plan, what verifies it and every question after it
        key = (job, *(widths[name].tobytes() for name in WIDTHS), chips.tobytes(), recompute.tobytes())
        if key not in self._deviations:
            # with few runs a layout shares anything that depends on it; what it shares with all others is the same for
            # every layout, so (c + f)' P (c + f) is one number, a sum and a form over those few
            constant, use, faded = self._shared(job, widths, chips, recompute, TERMS)
            rest = self._precision @ constant
            told = constant @ rest + 2.0 * faded @ rest[use]
            told = told + np.einsum("ij,ij->i", faded @ self._precision[np.ix_(use, use)], faded)
            found = np.sqrt(np.maximum(prior - told, 0.0) + OWN_VARIANCE)
            if len(self._deviations) >= MOST_KEPT:
                self._deviations.clear()
            self._deviations[key] = found
        return self._deviations[key].copy()

    @functools.cached_property
    def _deviations(self) -> dict[tuple[object, ...], Floats]:
        return {}

    def nearest(
        self, job: Job, widths: Mapping[str, Ints], chips: Ints, recompute: Ints, keep: int = 3
    ) -> tuple[tuple[Run, float], ...]:
        """The runs that share most with one layout (arrays of length one), and the correlation of their residuals."""
        if not self.runs:
            return ()
        whole = sum(t.variance for t in NEAR_TERMS) + OWN_VARIANCE
        shared, use, faded = self._shared(job, widths, chips, recompute, NEAR_TERMS)
        shared[use] += faded[0]
        shared /= whole
        order = np.argsort(-shared, kind="stable")[:keep]
        return tuple((self.runs[i], float(shared[i])) for i in order if shared[i] > 0.0)

    @functools.cached_property
    def _near_precision(self) -> Floats:
        """The same of the terms that weights stand for, with the scales of Student's t that belong to the weights."""
        own = own_variance_of(self._weights)
        return np.asarray(np.linalg.inv(covariance(self.runs, self.runs, NEAR_TERMS) + np.diag(own)))

    def with_own(self, runs: Sequence[Run]) -> Neighbours:
        """With runs of a user's own, whose ``residual`` is over what is predicted of them now.

        The process is conditioned on them after all other runs: with S those, N the new ones and C the covariance that
        S leave, what N say anywhere is C(., N) (C(N, N) + own)^-1 r, a sum over S and N with weights. Their own parts
        are Student's t, as everywhere, so one run that contradicts the others counts less.
        """
        if not runs:
            return self
        across = covariance(self.runs, runs) if self.runs else np.zeros((0, len(runs)))
        carried = self._precision @ across if self.runs else across
        left = covariance(runs, runs) - across.T @ carried
        residuals = np.clip([r.residual for r in runs], -LARGEST_OWN, LARGEST_OWN)
        alpha = np.linalg.solve(left + np.diag(own_variances(left, residuals)), residuals)
        weights = np.concatenate([-carried @ alpha, alpha])
        if self.own is not None:  # what earlier ones said stays: these are over it
            weights[: len(self.runs)] += self.own._weights
        every = (*self.runs, *runs)
        # the inverse of all, by the block that is new (Schur complement)
        inner = np.linalg.inv(left + OWN_VARIANCE * np.eye(len(runs)))
        known = self._precision if self.runs else np.zeros((0, 0))
        inverse = np.block([[known + carried @ inner @ carried.T, -carried @ inner], [-inner @ carried.T, inner]])
        told = tuple(replace(r, weight=float(w)) for r, w in zip(every, weights, strict=True))
        base = (*self.runs, *(replace(r, weight=0.0) for r in runs))
        return Neighbours(base, inverse, Neighbours(told))

    def without(self, source: str) -> Neighbours:
        """What the runs of all other sources say."""
        gone = np.array([r.source == source for r in self.runs], dtype=bool)
        if not gone.any():
            return self
        rest = [r for r in self.runs if r.source != source]
        weights = self._weights[~gone] - _told(self._near_precision, gone) @ self._weights[gone]
        inverse = self._precision
        left = inverse[np.ix_(~gone, ~gone)] - _told(inverse, gone) @ inverse[np.ix_(gone, ~gone)]
        return Neighbours(tuple(replace(r, weight=float(w)) for r, w in zip(rest, weights, strict=True)), left)


def _products(left: Floats, right: Floats, i: Ints, j: Ints) -> Floats:
    """Products (n,) of rows ``i`` (n,) of one table with rows ``j`` (n,) of another."""
    if len(left) * len(right) <= PAIRS_A_CANDIDATE * len(i):
        return np.asarray((left @ right.T)[i, j])
    found = np.empty(len(i))  # most pairs of the two tables are no candidate
    for at in range(0, len(i), PAIRS_AT_ONCE):
        part = slice(at, at + PAIRS_AT_ONCE)
        found[part] = np.einsum("ij,ij->i", left[i[part]], right[j[part]])
    return found


def _told(inverse: Floats, gone: NDArray[np.bool_]) -> Floats:
    """P_rb (P_bb)^-1 of an inverse P: what taking the block ``gone`` out of its matrix takes out of the rest."""
    return np.asarray(inverse[np.ix_(~gone, gone)] @ np.linalg.inv(inverse[np.ix_(gone, gone)]))


def fit_neighbours(known: Sequence[Observation], residuals: Sequence[float]) -> Neighbours:
    """The runs of a calibration with their weights; rows that may not be fitted are not in it."""
    runs = [run_of(o, float(r)) for o, r in zip(known, residuals, strict=True) if o.fit and len(o.shape) == len(SHAPE)]
    return Neighbours(_weighed(runs))


def _weighed(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Runs with the weights that their residuals give them."""
    weights = weights_of(covariance(runs, runs, NEAR_TERMS), [r.residual for r in runs])
    return tuple(replace(r, weight=float(w)) for r, w in zip(runs, weights, strict=True))


_TEXT = ("case_id", "source", "profile", "code", "generation", "family", "chip", "model", "precision")
_COLUMNS = (*_TEXT, "experts", "recompute", *SHAPE, "residual", "weight")


def neighbours_csv(neighbours: Neighbours) -> str:
    """The text of ``catalog/calibration/training_runs.csv``: sizes as they are, not their logarithms."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for r in neighbours.runs:
        sizes = (f"{2.0**x:.10g}" for x in r.shape)
        texts = (getattr(r, name) for name in _TEXT)
        writer.writerow(
            [*texts, "yes" if r.experts else "no", r.recompute, *sizes, f"{r.residual:.5g}", f"{r.weight:.6g}"]
        )
    return out.getvalue()


def read_neighbours(file: Path) -> Neighbours:
    """The runs in a file; an absent file has none. Raises ``InputError`` naming line and column of what is wrong."""
    if not file.is_file():
        return Neighbours()
    problems: list[Problem] = []
    found: list[Run] = []
    with file.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        missing = [c for c in _COLUMNS if c not in (reader.fieldnames or ())]
        if missing:
            raise InputError(Problem(f"has no column {', '.join(missing)}", file=str(file), line=1))
        for row in reader:
            run = _read(row, str(file), reader.line_num, problems)
            if run is not None:
                found.append(run)
    if problems:
        raise InputError(problems)
    return Neighbours(tuple(found))


def _read(row: Mapping[str, str | None], file: str, line: int, problems: list[Problem]) -> Run | None:
    numbers: dict[str, float] = {}
    for name in (*SHAPE, "residual", "weight"):
        text = row[name] or ""
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or (name in SHAPE and value <= 0):
            allowed = "a number above 0" if name in SHAPE else "a number"
            problems.append(Problem("is no such number", file=file, line=line, path=name, found=text, allowed=allowed))
            return None
        numbers[name] = value
    if row["experts"] not in ("yes", "no"):
        found = row["experts"] or ""
        problems.append(Problem("is neither", file=file, line=line, path="experts", found=found, allowed="yes, no"))
        return None
    texts = {name: row[name] or "" for name in (*_TEXT, "recompute")}
    return Run(
        **texts,
        experts=row["experts"] == "yes",
        shape=tuple(math.log2(numbers[name]) for name in SHAPE),
        residual=numbers["residual"],
        weight=numbers["weight"],
    )


@functools.cache
def shipped_neighbours() -> Neighbours:
    """The runs that come with the planner (read once; they never change while a program runs)."""
    return read_neighbours(catalog_folder() / "calibration" / "training_runs.csv")
