"""Limits of the whole plan: capital, cost, running cost, chips, power, carbon and water, summed over all options."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.fleet.model import Draft, Limit
from planner.options.counted import PlanLimit, plan_limits

_ROUNDING = 1e-9
"""Relative difference of two years that are one but for rounding."""


def add(draft: Draft) -> None:
    """A row for each limit of ``plan_limits`` that the scenario states; of a limit by year one for each year that may
    be the dearest."""
    for of in plan_limits():
        limit = of.of(draft.scenario)
        if limit is not None:
            _rows(draft, of, limit)


def _rows(draft: Draft, of: PlanLimit, limit: float) -> None:
    amounts = [of.figure.amounts(o) for o in draft.options]
    years = max(map(len, amounts), default=1)
    used = np.zeros((len(amounts), years))
    for i, some in enumerate(amounts):
        used[i, : len(some)] = some
    dearest = _dearest(used)
    for year in dearest:
        name, when = (of.row, "") if len(dearest) == 1 else (f"{of.row[:-1]},{year + 1}]", f" in year {year + 1}")
        draft.add_limit(
            Limit(name, of.kind, of.words(limit) + when, limit, of.unit, of.scale, f"limits.{of.leaf}", whole=of.whole),
            {draft.units[i]: float(used[i, year]) / of.per_unit for i in range(len(amounts))},
        )


def _dearest(used: NDArray[np.float64]) -> list[int]:
    """Years (columns) that some option makes dearer than each other one: the limit of the rest holds by itself."""
    stay: list[int] = []
    for year in np.argsort(-used.sum(axis=0), kind="stable").tolist():
        if not any((used[:, year] <= used[:, other] * (1 + _ROUNDING)).all() for other in stay):
            stay.append(year)
    return sorted(stay)
