"""Whether the model puts parallel layouts in the right order: what a planner needs more than the absolute level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from planner.validation.cases import CaseResult
from planner.validation.summary import time_error

TIE = 0.01
"""Measured times closer than this are no order."""


@dataclass(frozen=True)
class Ordering:
    """One set of runs that differ in layout only: share of pairs in order, and the cost of the model's favourite."""

    name: str
    layouts: int
    pairs: int
    in_order: float
    regret: float


def ordering_of(results: Sequence[CaseResult]) -> tuple[Ordering, ...]:
    """Orderings of step-time results by source, model, chip, precision and run (tag ``run``), most layouts first."""
    groups: dict[str, list[CaseResult]] = {}
    for r in results:
        if r.quantity == "step_time_s" and time_error(r) is not None:
            name = "; ".join(r.tags.get(t, "") for t in ("source", "model", "chip", "precision", "run"))
            groups.setdefault(name, []).append(r)
    found = []
    for name, rows in groups.items():
        same: dict[float, list[float]] = {}
        for r in rows:  # repetitions of one layout count once, at their median
            same.setdefault(float(r.predicted or 0.0), []).append(r.measured)
        times = [(median(measured), predicted) for predicted, measured in same.items()]
        pairs = [(a, b) for a, b in combinations(times, 2) if abs(a[0] / b[0] - 1.0) > TIE]
        if len(times) < 3 or not pairs:
            continue
        right = sum((a[0] < b[0]) == (a[1] < b[1]) for a, b in pairs)
        favourite = min(times, key=lambda t: t[1])[0]
        best = min(t[0] for t in times)
        found.append(Ordering(name, len(times), len(pairs), right / len(pairs), favourite / best - 1.0))
    return tuple(sorted(found, key=lambda o: (-o.layouts, o.name)))
