"""Variances of largest likelihood of what measured runs share (``measured.process``) on carried measurements.

``python -m planner.validation.training.kept_in`` prints them beside those in use.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from planner.catalog import load_catalog
from planner.catalog.load import catalog_folder
from planner.performance.measured.observation import Observation
from planner.performance.measured.process import OWN_VARIANCE, PRIOR_MEAN, TERMS, correlations, run_of
from planner.validation.cases import read_cases
from planner.validation.training.calibrate import answers_of, observations_of

Floats = NDArray[np.float64]


def likelihood_variances(rows: Sequence[Observation], residuals: Sequence[float], rounds: int = 30) -> Floats:
    """Variances of largest likelihood: those of ``TERMS`` in order, then of each row's own part.

    Sign-based ascent on their logarithms with the exact gradient; normal residuals, cut at 0.5.
    """
    values = np.clip(np.asarray(residuals, dtype=float), -0.5, 0.5)
    runs = [run_of(o) for o in rows]
    parts = [*correlations(runs, runs), np.eye(len(rows))]
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
    rows = [o for o in observations_of(answers_of(cases, load_catalog())) if o.fit]
    left = [math.log(o.ratio) - PRIOR_MEAN for o in rows]
    names = [", ".join(t.names) + (" (fading)" if t.fades else "") for t in TERMS] + ["own"]
    used = [t.variance for t in TERMS] + [OWN_VARIANCE]
    for name, found, now in zip(names, likelihood_variances(rows, left), used, strict=True):
        sys.stdout.write(f"{name:40s} {found:.4f} (in use {now:.4f})\n")
    return 0


__all__ = ["likelihood_variances", "main"]

if __name__ == "__main__":
    raise SystemExit(main())
