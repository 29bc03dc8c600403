"""Measured runs near a job: what the physical model and its effects left over there, carried to where it is asked.

Log residuals of measured runs are a Gaussian process (kriging): two runs of one framework profile share variance with
the names they have in common (model and precision, chip, experts or none, source), most of it only as far as they are
near in their widths and sizes. Few variances, of largest likelihood, the same for every run; a run's own part is
Student's t, so that a release that runs twice as slow as the next is an outlier and not a trend. Far from every
measured run nothing is added. ``catalog/calibration/training_runs.csv`` holds the runs and their weights;
docs/training-model.md, 8, the equations and what they gain on sources, chips and publishers left out.
"""

from __future__ import annotations

import csv
import functools
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
from planner.performance.measured.observation import Observation

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WIDTHS: tuple[str, ...] = ("tp", "pp", "vpp", "cp", "ep", "micro_batch")
SHAPE: tuple[str, ...] = (*WIDTHS, "sequence_length", "chips", "active_parameters", "tokens_per_chip")
"""Widths and sizes whose logarithms say how near two runs are; tokens per chip and step."""

# Variance of log residuals by what two runs of one profile must have in common besides, and whether it fades with
# distance. Of largest likelihood (``python -m planner.validation.training.kept_in``), rounded.
SHARED: tuple[tuple[tuple[str, ...], bool, float], ...] = (
    (("source", "precision"), False, 0.0007),
    (("model", "precision"), False, 0.0041),
    (("chip",), True, 0.0047),
    (("experts",), True, 0.0048),
    (("experts", "precision"), True, 0.0048),
    (("source",), True, 0.0008),
)
OWN_VARIANCE = 0.0042
"""Variance of what no other run shares, and of the measurement."""

OCTAVES = 8.0
"""Scale over distances, summed over widths and sizes: eight doublings in all let runs share exp(-1). With absolute
distances a correction lies between those of the runs around; a Gaussian carries their trends on beyond them."""

ANOTHER_RECOMPUTATION = 0.5
"""Share that runs keep in common when they recompute differently."""

LARGEST_SHIFT = 0.4
"""No correction is larger than this, as a logarithm: beyond it a mechanism is missing."""

_FREEDOM = 3.0  # of Student's t for a run's own part
_ROUNDS = 6
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
        weight,
    )  # fmt: skip


def closeness(runs: Sequence[Run], others: Sequence[Run]) -> Floats:
    """(runs, others): 1 where layout and sizes are equal, fading with the distance of their logarithms.

    Where no run has a ``shape`` all are equal.
    """
    length = max((len(r.shape) for r in (*runs, *others)), default=0)
    if not length:
        return np.ones((len(runs), len(others)))
    blank = (0.0,) * length
    here, there = (np.array([r.shape or blank for r in part], dtype=float) for part in (runs, others))
    apart = sum(np.abs(here[:, None, i] - there[None, :, i]) for i in range(length))
    _, code = np.unique([r.recompute for r in (*runs, *others)], return_inverse=True)
    alike = code[: len(runs), None] == code[None, len(runs) :]
    return np.asarray(np.exp(-apart / OCTAVES) * np.where(alike, 1.0, ANOTHER_RECOMPUTATION))


def correlations(runs: Sequence[Run], others: Sequence[Run]) -> list[Floats]:
    """One (runs, others) matrix per entry of ``SHARED``: the correlation it stands for."""
    near = closeness(runs, others)
    found = []
    for kind, fades, _ in SHARED:
        names = [" | ".join((r.profile, *(r.name(k) for k in kind))) for r in (*runs, *others)]
        _, code = np.unique(names, return_inverse=True)
        same = code[: len(runs), None] == code[None, len(runs) :]
        found.append(np.where(same, near if fades else 1.0, 0.0))
    return found


def covariance(runs: Sequence[Run], others: Sequence[Run]) -> Floats:
    """(runs, others): variance that log residuals share."""
    parts = correlations(runs, others)
    return np.asarray(sum(v * part for (_, _, v), part in zip(SHARED, parts, strict=True)))


def weights_of(among: Floats, residuals: Sequence[float]) -> Floats:
    """Weights of runs whose residuals share the variance ``among`` (n, n), their own parts of Student's t."""
    values = np.clip(np.asarray(residuals, dtype=float), -_LARGEST, _LARGEST)
    own = np.full(len(values), OWN_VARIANCE)
    weights = np.zeros(len(values))
    for _ in range(_ROUNDS):  # expectation-maximisation of the scale of each run's own part
        weights = np.linalg.solve(among + np.diag(own), values)
        alone = own * weights
        own = OWN_VARIANCE * (_FREEDOM + alone**2 / OWN_VARIANCE) / (_FREEDOM + 1.0)
    return weights


def by_profile(runs: Sequence[Run]) -> dict[str, list[int]]:
    """Places of runs by framework profile: nothing is shared across."""
    found: dict[str, list[int]] = {}
    for i, r in enumerate(runs):
        found.setdefault(r.profile, []).append(i)
    return found


def carried_over(
    known: Sequence[Observation], residuals: Sequence[float], asked: Sequence[Observation]
) -> tuple[Floats, Floats]:
    """Expected log residual of each asked row given those of known rows, and the share of variance left unexplained.

    Residuals at most ``LARGEST_SHIFT`` either way; shares from 0 to 1, of what known rows could have had in common.
    """
    here, there = [run_of(o) for o in known], [run_of(o) for o in asked]
    found, share = np.zeros(len(asked)), np.ones(len(asked))
    held = by_profile(here)
    sources = {r.source for r in here}
    for profile, wanted in by_profile(there).items():
        own = held.get(profile)
        if not own:
            continue
        runs, rows = [here[i] for i in own], [there[i] for i in wanted]
        among, across = covariance(runs, runs), covariance(rows, runs)
        found[wanted] = across @ weights_of(among, [residuals[i] for i in own])
        told = _explained(across, _precision(among))
        share[wanted] = 1.0 - told / np.array([_prior(r.source in sources) for r in rows])
    return np.clip(found, -LARGEST_SHIFT, LARGEST_SHIFT), np.clip(share, 0.0, 1.0)


def shared_residuals(known: Sequence[Observation], residuals: Sequence[float], asked: Sequence[Observation]) -> Floats:
    """Expected log residual of each asked row given those of known rows."""
    return carried_over(known, residuals, asked)[0]


def _precision(among: Floats) -> Floats:
    return np.asarray(np.linalg.inv(among + np.diag(np.full(len(among), OWN_VARIANCE))))


def _explained(shared: Floats, precision: Floats) -> Floats:
    """(n,): variance of n rows that runs explain, the diagonal of ``shared @ precision @ shared.T``."""
    return np.asarray(np.einsum("ij,ij->i", shared @ precision, shared))


def _prior(with_source: bool) -> float:
    """Variance that a run could share with known ones: that of its source only where runs of it are known."""
    return sum(v for kind, _, v in SHARED if with_source or "source" not in kind)


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


@dataclass(frozen=True)
class _Table:
    """The runs of one profile as arrays: shapes (runs, len(SHAPE)), weights, recomputation, names by kind."""

    shapes: Floats
    weights: Floats
    recompute: NDArray[np.str_]
    names: Mapping[str, NDArray[np.str_]]


@dataclass(frozen=True)
class Neighbours:
    """The runs of a calibration, by framework profile."""

    runs: Mapping[str, tuple[Run, ...]] = field(default_factory=dict)
    _inverses: dict[str, Floats] = field(default_factory=dict, compare=False, repr=False)

    @property
    def count(self) -> int:
        """Number of runs."""
        return sum(len(r) for r in self.runs.values())

    @functools.cached_property
    def _rows(self) -> frozenset[tuple[str, str]]:
        return frozenset((r.case_id, r.source) for runs in self.runs.values() for r in runs)

    def holds(self, case_id: str, source: str) -> bool:
        """Whether a row of measurements is among the runs."""
        return (case_id, source) in self._rows

    @functools.cached_property
    def _tables(self) -> dict[str, _Table]:
        return {
            profile: _Table(
                np.array([r.shape for r in runs], dtype=float).reshape(len(runs), len(SHAPE)),
                np.array([r.weight for r in runs]),
                np.array([r.recompute for r in runs]),
                {k: np.array([r.name(k) for r in runs]) for k in {k for kind, _, _ in SHARED for k in kind}},
            )
            for profile, runs in self.runs.items()
        }

    def _inverse(self, profile: str) -> Floats:
        """Inverse of the covariance (runs, runs) of what the runs of a profile leave over; kept once it is made."""
        if profile not in self._inverses:
            runs = self.runs[profile]
            self._inverses[profile] = _precision(covariance(runs, runs))
        return self._inverses[profile]

    def _amplitudes(self, job: Job) -> tuple[Floats, Floats]:
        """Variance that each run of the job's profile shares with it, as far as it is near and wherever it is."""
        names = self._tables[job.profile].names
        same = {k: held == str(getattr(job, k)) for k, held in names.items()}
        fading, constant = (np.zeros(len(self.runs[job.profile])) for _ in range(2))
        for kind, fades, variance in SHARED:
            (fading if fades else constant)[np.logical_and.reduce([same[k] for k in kind])] += variance
        return fading, constant

    def log_shift(self, job: Job, widths: Mapping[str, Ints], chips: Ints, recompute: Ints) -> Floats:
        """Logarithm (n,) of what a step takes over what the model and its effects say, for n candidates.

        ``widths``: ``WIDTHS``, each (n,); ``chips`` and ``recompute`` (n,). Zero where no
        run of the profile has anything in common.
        """
        if job.profile not in self.runs:
            return np.zeros(chips.shape)
        table = self._tables[job.profile]
        shapes, weights, repeats = table.shapes, table.weights, table.recompute
        fading, constant = self._amplitudes(job)
        flat = float(constant @ weights)
        use = np.flatnonzero(fading)
        if not use.size:
            return np.full(chips.shape, min(max(flat, -LARGEST_SHIFT), LARGEST_SHIFT))
        shapes, weights, repeats = shapes[use], (fading * weights)[use], repeats[use]

        def near(name: str, values: Floats) -> Floats:
            distance = np.log2(values)[:, None] - shapes[None, :, SHAPE.index(name)]
            return np.asarray(np.exp(-np.abs(distance) / OCTAVES))

        fixed = near("sequence_length", np.array([float(job.sequence_length)]))[0]
        fixed = fixed * near("active_parameters", np.array([float(job.active_parameters)]))[0] * weights
        # nearness is a product over widths: two tables of distinct widths, and one product of matrices
        (tp, pp, vpp), left = factorise(widths["tp"], widths["pp"], widths["vpp"])
        (cp, ep, micro, size, mode), right = factorise(
            widths["cp"], widths["ep"], widths["micro_batch"], chips, recompute
        )
        first = fixed * near("tp", tp.astype(float)) * near("pp", pp.astype(float)) * near("vpp", vpp.astype(float))
        second = near("cp", cp.astype(float)) * near("ep", ep.astype(float)) * near("micro_batch", micro.astype(float))
        second = second * near("chips", size.astype(float)) * near("tokens_per_chip", job.tokens / size)
        alike = mode.astype(str)[:, None] == repeats[None, :]
        second = second * np.where(alike, 1.0, ANOTHER_RECOMPUTATION)
        shifts = first @ second.T + flat
        return np.asarray(np.clip(shifts, -LARGEST_SHIFT, LARGEST_SHIFT)[left, right])

    def _shared(self, job: Job, widths: Mapping[str, Ints], chips: Ints, recompute: Ints) -> Floats:
        """Variance (n, runs) that n layouts share with the runs of their profile."""
        table = self._tables[job.profile]
        fading, constant = self._amplitudes(job)
        sizes = (
            np.full(chips.shape, float(job.sequence_length)),
            chips.astype(float),
            np.full(chips.shape, float(job.active_parameters)),
            job.tokens / chips,
        )
        here = np.log2(np.stack([*(widths[name].astype(float) for name in WIDTHS), *sizes], axis=1))
        apart = np.zeros((len(chips), len(table.shapes)))
        for i in range(here.shape[1]):  # one size at a time: the table of all of them would not fit a cache
            apart += np.abs(here[:, i, None] - table.shapes[None, :, i])
        near = np.exp(-apart / OCTAVES)
        alike = recompute.astype(str)[:, None] == table.recompute[None, :]
        return np.asarray(fading * near * np.where(alike, 1.0, ANOTHER_RECOMPUTATION) + constant)

    def unexplained(self, job: Job, widths: Mapping[str, Ints], chips: Ints, recompute: Ints) -> Floats:
        """Share (n,) of the variance of what the model leaves over that no run explains: 1 far from all, 0 at best."""
        if job.profile not in self.runs:
            return np.ones(chips.shape)
        shared = self._shared(job, widths, chips, recompute)
        told = _explained(shared, self._inverse(job.profile))
        known = bool(job.source) and bool(np.any(self._tables[job.profile].names["source"] == job.source))
        return np.asarray(np.clip(1.0 - told / _prior(known), 0.0, 1.0))

    def nearest(
        self, job: Job, widths: Mapping[str, Ints], chips: Ints, recompute: Ints, keep: int = 3
    ) -> tuple[tuple[Run, float], ...]:
        """The runs that share most with one layout (arrays of length one), and the correlation of their residuals."""
        if job.profile not in self.runs:
            return ()
        shared = self._shared(job, widths, chips, recompute)[0] / (_prior(True) + OWN_VARIANCE)
        order = np.argsort(-shared, kind="stable")[:keep]
        return tuple((self.runs[job.profile][i], float(shared[i])) for i in order if shared[i] > 0.0)

    def without(self, source: str) -> Neighbours:
        """What the runs of all other sources say."""
        rest = {p: [r for r in runs if r.source != source] for p, runs in self.runs.items()}
        return Neighbours({p: _weighed(runs) for p, runs in rest.items() if runs})


def fit_neighbours(known: Sequence[Observation], residuals: Sequence[float]) -> Neighbours:
    """The runs of a calibration with their weights; rows that may not be fitted are not in it."""
    runs = [run_of(o, float(r)) for o, r in zip(known, residuals, strict=True) if o.fit and len(o.shape) == len(SHAPE)]
    return Neighbours(
        {profile: _weighed([runs[i] for i in places]) for profile, places in sorted(by_profile(runs).items())}
    )


def _weighed(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Runs of one profile with the weights that their residuals give them."""
    weights = weights_of(covariance(runs, runs), [r.residual for r in runs])
    return tuple(replace(r, weight=float(w)) for r, w in zip(runs, weights, strict=True))


_TEXT = ("case_id", "source", "profile", "chip", "model", "precision")
_COLUMNS = (*_TEXT, "experts", "recompute", *SHAPE, "residual", "weight")


def neighbours_csv(neighbours: Neighbours) -> str:
    """The text of ``catalog/calibration/training_runs.csv``: sizes as they are, not their logarithms."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for runs in neighbours.runs.values():
        for r in runs:
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
    found: dict[str, list[Run]] = {}
    with file.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        missing = [c for c in _COLUMNS if c not in (reader.fieldnames or ())]
        if missing:
            raise InputError(Problem(f"has no column {', '.join(missing)}", file=str(file), line=1))
        for row in reader:
            run = _read(row, str(file), reader.line_num, problems)
            if run is not None:
                found.setdefault(run.profile, []).append(run)
    if problems:
        raise InputError(problems)
    return Neighbours({profile: tuple(runs) for profile, runs in found.items()})


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
