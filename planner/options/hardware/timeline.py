"""The calendar of a plan: periods, slots, years, and the present value of paying through a stretch of it.

Months from the scenario's start are the unit; a month is a twelfth of 365.25 days, as everywhere in the planner.
"""

from __future__ import annotations

import math
from calendar import monthrange
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Catalog
from planner.cost.finance import annuity, discount_rate_of
from planner.scenario.base import month_index
from planner.scenario.fleet import figure_at
from planner.scenario.types import Scenario

Floats = NDArray[np.float64]

DAYS_PER_MONTH = 365.25 / 12
_SLACK = 1e-9
"""Of a month: the rounding of days to months and back."""


@dataclass(frozen=True)
class Slot:
    """A stretch of a period in which what runs does not change, months from the start."""

    start: float
    end: float
    period: int


@dataclass(frozen=True)
class Timeline:
    """When things happen. ``edges`` (T+1,): months at which periods begin, and the end of the horizon."""

    first_month: int
    edges: tuple[float, ...]
    slots: tuple[Slot, ...]
    rate: float
    names: tuple[str, ...]
    """Month in which each period begins, as people write it."""
    _factors: dict[float, float] = field(default_factory=dict, compare=False, repr=False)

    @property
    def periods(self) -> int:
        """How many."""
        return len(self.edges) - 1

    @property
    def end(self) -> float:
        """Months to the end of the horizon."""
        return self.edges[-1]

    @property
    def years(self) -> int:
        """Years of the plan, the last one perhaps not whole."""
        return max(1, math.ceil(self.end / 12 - _SLACK))

    def period_years(self, period: int) -> float:
        """Length of a period in years."""
        return (self.edges[period + 1] - self.edges[period]) / 12

    def worth(self, start: float, end: float) -> float:
        """Present value, at the plan's start, of 1 a year paid from ``start`` to ``end`` (months), at year ends."""
        return self._until(end) - self._until(start)

    def discount(self, month: float) -> float:
        """Present value of 1 paid in a month."""
        return float((1.0 + self.rate) ** (-month / 12))

    def _until(self, month: float) -> float:
        if month not in self._factors:
            self._factors[month] = float(annuity(self.rate, month / 12))
        return self._factors[month]

    def by_year(self, start: float, end: float) -> Floats:
        """Years of the stretch that fall into each year of the plan (years,)."""
        lows = 12.0 * np.arange(self.years)
        found: Floats = np.clip(np.minimum(end, lows + 12.0) - np.maximum(start, lows), 0.0, None) / 12.0
        return found

    def period_of(self, month: float) -> int:
        """The period a month is in."""
        for t in range(self.periods):
            if month < self.edges[t + 1] - _SLACK:
                return t
        return self.periods - 1

    def year_of(self, period: int) -> int:
        """Year of the plan in which a period begins, from 0."""
        return math.floor(self.edges[period] / 12 + _SLACK)

    def date(self, days: float) -> str:
        """Calendar date of a day from the plan's start: its part of the calendar month that it is in."""
        month = days / DAYS_PER_MONTH + _SLACK
        whole = math.floor(month)
        year, index = divmod(self.first_month + whole, 12)
        length = monthrange(year, index + 1)[1]
        return f"{year:04d}-{index + 1:02d}-{min(length, 1 + math.floor((month - whole) * length)):02d}"

    def slots_within(self, start: float, end: float) -> range:
        """Slots that a stretch touches."""
        touched = [i for i, s in enumerate(self.slots) if s.start < end - _SLACK and s.end > start + _SLACK]
        return range(touched[0], touched[-1] + 1) if touched else range(0)


def timeline_of(scenario: Scenario, catalog: Catalog) -> Timeline:
    """The calendar of a scenario; the discount rate is the catalog's where the scenario gives none."""
    first = month_index(scenario.start)
    edges = [float(month_index(m) - first) for m in scenario.period_starts] + [12.0 * scenario.horizon_years]
    step = scenario.fleet.slot_months
    slots = []
    for period, (start, end) in enumerate(pairwise(edges)):
        count = max(1, math.ceil((end - start) / step - _SLACK))
        slots += [Slot(start + i * step, min(end, start + (i + 1) * step), period) for i in range(count)]
    return Timeline(
        first_month=first,
        edges=tuple(edges),
        slots=tuple(slots),
        rate=discount_rate_of(catalog, scenario.finance.discount_rate),
        names=scenario.period_starts,
    )


def span_of(scenario: Scenario, catalog: Catalog, ready_days: float) -> Timeline:
    """One period of a scenario's calendar: from the day that systems are there until the horizon ends."""
    return Timeline(
        first_month=month_index(scenario.start),
        edges=(ready_days / DAYS_PER_MONTH, 12.0 * scenario.horizon_years),
        slots=(),
        rate=discount_rate_of(catalog, scenario.finance.discount_rate),
        names=scenario.period_starts[:1],
    )


def demand_by_period(timeline: Timeline, base: float, path: dict[str, float], growth: float) -> Floats:
    """Demand of each period (T,): the largest of its months, growth compounding from the plan's start."""
    found = []
    for start, end in pairwise(timeline.edges):
        months = [start, *range(math.floor(start) + 1, math.ceil(end - _SLACK))]
        levels = [
            (figure_at(path, timeline.first_month + math.floor(m)) if path else base) * (1.0 + growth) ** (m / 12)
            for m in months
        ]
        found.append(max(levels))
    return np.array(found)


def path_by_period(timeline: Timeline, path: dict[str, float], otherwise: float) -> Floats:
    """A figure of each period (T,), as it stands when the period begins."""
    if not path:
        return np.full(timeline.periods, otherwise)
    return np.array([figure_at(path, timeline.first_month + math.floor(e)) for e in timeline.edges[:-1]])
