"""What rows left over tell of a row that is left out while others of its source are known: a Gaussian process.

Log residuals share variance with rows that have names in common (source, chip, model, width of the numbers, experts,
framework profile), most of it only as far as the rows are near: widths of the layout, micro-batch, sequence, chips,
tokens a chip, size of the model. Only known rows are used, and of the asked row nothing that was measured.
``python -m planner.validation.kept_in`` prints the variances of largest likelihood on the carried measurements.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from planner.catalog import load_catalog
from planner.catalog.load import catalog_folder
from planner.performance.calibration import EFFECT, Observation, fit_effects, level_of
from planner.validation.calibrate import answers_of, observations_of
from planner.validation.cases import read_cases

Floats = NDArray[np.float64]

# Variance of log residuals by what rows must have in common, and whether it fades with distance. Of largest
# likelihood (``likelihood_variances``), rounded; the same for every row.
SHARED: tuple[tuple[tuple[str, ...], bool, float], ...] = (
    (("source", "precision"), False, 0.0004),
    (("profile", "model", "precision"), False, 0.0033),
    (("profile", "chip"), True, 0.0053),
    (("profile", "experts"), True, 0.0156),
    (("source",), True, 0.0012),
)
OWN_VARIANCE = 0.0043
"""Variance of what no other row shares, and of the measurement."""

OCTAVES = 3.0
"""Scale of the Gaussian over distances: a factor of eight in one width or size lets rows share exp(-1/2)."""

ANOTHER_RECOMPUTATION = 0.5
"""Share that rows keep in common when they recompute differently."""

_FREEDOM = 3.0  # of Student's t for a row's own part: regressions of single releases are outliers, not trends
_ROUNDS = 6
_LARGEST = 1.0  # log residuals are cut here


def _features(o: Observation) -> dict[str, str]:
    model = o.group.split(" | ")[1] if o.group.count(" | ") >= 3 else o.group
    return {
        "source": o.source,
        "chip": o.chip,
        "experts": str(o.experts),
        "precision": o.precision,
        "profile": o.profile,
        "model": model,
    }


def closeness(rows: Sequence[Observation], others: Sequence[Observation]) -> Floats:
    """(rows, others): 1 where layout and sizes are equal, fading with the distance of their logarithms.

    Where no row has a ``shape`` all are equal.
    """
    ones = np.ones((len(rows), len(others)))
    length = max((len(o.shape) for o in (*rows, *others)), default=0)
    if not length:
        return ones
    blank = (0.0,) * length
    here, there = (np.array([o.shape or blank for o in part], dtype=float) for part in (rows, others))
    squared = sum((here[:, None, i] - there[None, :, i]) ** 2 for i in range(length))
    _, code = np.unique([o.recompute for o in (*rows, *others)], return_inverse=True)
    alike = code[: len(rows), None] == code[None, len(rows) :]
    return np.asarray(np.exp(-0.5 * squared / OCTAVES**2) * np.where(alike, 1.0, ANOTHER_RECOMPUTATION))


def _parts(rows: Sequence[Observation], others: Sequence[Observation]) -> list[Floats]:
    """One (rows, others) matrix per entry of ``SHARED``: the correlation it stands for."""
    near = closeness(rows, others)
    features = [_features(o) for o in (*rows, *others)]
    found = []
    for kind, fades, _ in SHARED:
        _, code = np.unique([" | ".join(f[k] for k in kind) for f in features], return_inverse=True)
        same = code[: len(rows), None] == code[None, len(rows) :]
        found.append(np.where(same, near if fades else 1.0, 0.0))
    return found


def shared_residuals(known: Sequence[Observation], residuals: Sequence[float], asked: Sequence[Observation]) -> Floats:
    """Expected log residual of each asked row given those of known rows (kriging, own part of Student's t)."""
    values = np.clip(np.asarray(residuals, dtype=float), -_LARGEST, _LARGEST)
    among = sum(v * part for (_, _, v), part in zip(SHARED, _parts(known, known), strict=True))
    across = sum(v * part for (_, _, v), part in zip(SHARED, _parts(asked, known), strict=True))
    own = np.full(len(known), OWN_VARIANCE)
    weights = np.zeros(len(known))
    for _ in range(_ROUNDS):  # expectation-maximisation of the scale of each row's own part
        weights = np.linalg.solve(among + np.diag(own), values)
        alone = own * weights
        own = OWN_VARIANCE * (_FREEDOM + alone**2 / OWN_VARIANCE) / (_FREEDOM + 1.0)
    return np.asarray(across @ weights)


def likelihood_variances(rows: Sequence[Observation], residuals: Sequence[float], rounds: int = 30) -> Floats:
    """Variances of largest likelihood: those of ``SHARED`` in order, then of each row's own part.

    Sign-based ascent on their logarithms with the exact gradient; normal residuals, cut at 0.5.
    """
    values = np.clip(np.asarray(residuals, dtype=float), -0.5, 0.5)
    parts = [*_parts(rows, rows), np.eye(len(rows))]
    logs = np.full(len(parts), math.log(0.004))
    best, kept = math.inf, logs
    step, before = np.full(len(parts), 0.5), np.zeros(len(parts))
    for _ in range(rounds):
        variances = np.exp(logs)
        covariance = np.asarray(sum(v * p for v, p in zip(variances, parts, strict=True)))
        inverse = np.linalg.inv(covariance)
        weights = inverse @ values
        loss = 0.5 * float(values @ weights) + float(np.log(np.diag(np.linalg.cholesky(covariance))).sum())
        if loss < best:
            best, kept = loss, logs
        outer = inverse - np.outer(weights, weights)
        slope = np.array([v * float((outer * p).sum()) for v, p in zip(variances, parts, strict=True)])
        turned = np.sign(slope) * np.sign(before)
        step = np.clip(np.where(turned > 0, step * 1.2, np.where(turned < 0, step * 0.5, step)), 0.01, 1.0)
        before = slope
        logs = np.clip(logs - np.sign(slope) * step, -14.0, 0.0)
    return np.asarray(np.exp(kept))


def main() -> int:
    """Print the variances of largest likelihood beside those in use."""
    cases = read_cases(catalog_folder() / "measurements" / "training.csv")
    rows = observations_of(answers_of(cases, load_catalog()))
    effects = {EFFECT + name: value for name, value in fit_effects(rows).items()}
    left = [math.log(o.ratio / level_of(effects, o.effects)) for o in rows]
    names = [", ".join(kind) + (" (fading)" if fades else "") for kind, fades, _ in SHARED] + ["own"]
    used = [v for _, _, v in SHARED] + [OWN_VARIANCE]
    for name, found, now in zip(names, likelihood_variances(rows, left), used, strict=True):
        sys.stdout.write(f"{name:32s} {found:.4f} (in use {now:.4f})\n")
    return 0


__all__ = ["closeness", "likelihood_variances", "main", "shared_residuals"]

if __name__ == "__main__":
    raise SystemExit(main())
