"""Sampled futures: seeded, stratified, and the same for every plan that is held against them.

Each uncertain thing has a stream of its own, seeded by the scenario's seed and its name, so that adding one changes
none of the others. A stream is a stratified sample: one draw from each of n equal slices, in random order.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Catalog
from planner.catalog.records import Figure
from planner.options.hardware.choices import site_region
from planner.scenario.outcomes import Outcomes, Spread
from planner.scenario.types import Scenario
from planner.uncertainty.margins import times_at
from planner.uncertainty.spreads import DAYS_PER_QUARTER, failure_spread, quantiles, slip_spread

Floats = NDArray[np.float64]


def stream(seed: int, name: str, n: int) -> Floats:
    """Stratified uniform draws (n,) of one uncertain thing."""
    dice = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, zlib.crc32(name.encode())])))
    return np.asarray((dice.permutation(n) + dice.random(n)) / n, np.float64)


@dataclass
class Draws:
    """Futures of one scenario; every method gives an array (n,). ``catalog`` holds the scenario's assumptions."""

    scenario: Scenario
    catalog: Catalog
    outcomes: Outcomes
    _kept: dict[str, Floats] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """How many futures."""
        return self.outcomes.samples

    def slip_days(self, system: str, chip: str) -> Floats:
        """Days that a system comes later than announced (below 0: earlier)."""
        return self._drawn(f"slip {system}", self.slip_spread(system, chip)) * DAYS_PER_QUARTER

    def slip_spread(self, system: str, chip: str) -> Spread | None:
        """The distribution behind ``slip_days``, quarters; None: certain."""
        return slip_spread(self.outcomes, self.catalog, system, chip)

    def time_factor(self, workload: str, system: str, low80: float, high80: float) -> Floats:
        """What run times and latencies of a workload on a system are multiplied by.

        One error moves all systems of a workload, as in its margin and its chance (``uncertainty.margins``): each is as
        far off as its own interval is wide.
        """
        return times_at(self.outcomes.time_factor.get(system), low80, high80, self.time_share(workload))

    def time_share(self, workload: str) -> Floats:
        """The share of outcomes that are better than how far off the times of a workload are, on whatever system."""
        name = f"time {workload}"
        if name not in self._kept:
            self._kept[name] = stream(self.outcomes.seed, name, self.n)
        return self._kept[name]

    def price_factor(self, system: str) -> Floats:
        """What the price of a system is multiplied by."""
        spread = self.outcomes.price_factor.get(system) or _range(self.catalog.system(system).figure("price_usd"))
        return np.maximum(self._drawn(f"price {system}", spread, 1.0), 0.0)

    def tariff_factor(self, site: str) -> Floats:
        """What the tariff of a site is multiplied by; 1 for rented systems."""
        spread = self.outcomes.tariff_factor.get(site)
        place = next((s for s in self.scenario.sites if s.name == site), None)
        if spread is None and place is not None:
            spread = _range(site_region(self.catalog, place).figure("tariff_usd_per_kwh"))
        return np.maximum(self._drawn(f"tariff {site}", spread, 1.0), 0.0)

    def demand_factor(self, workload: str) -> Floats:
        """What the demand of a workload is multiplied by."""
        return np.maximum(self._drawn(f"demand {workload}", self.outcomes.demand_factor.get(workload), 1.0), 0.0)

    def failure_factor(self) -> Floats:
        """What the failure rate is multiplied by."""
        return np.maximum(self._drawn("failures", failure_spread(self.outcomes, self.catalog), 1.0), 1e-6)

    def spreads(self) -> Mapping[str, Floats]:
        """Everything drawn so far, by name."""
        return self._kept

    def _drawn(self, name: str, spread: Spread | None, certain: float = 0.0) -> Floats:
        if name not in self._kept:
            self._kept[name] = (
                np.full(self.n, certain)
                if spread is None
                else quantiles(spread, stream(self.outcomes.seed, name, self.n))
            )
        return self._kept[name]


def _range(figure: Figure | None) -> Spread | None:
    """A catalog's range as a distribution: its ends are exceeded once in ten each."""
    if figure is None or not figure.value or figure.low is None or figure.high is None:
        return None
    if not figure.low <= figure.value <= figure.high:
        return None
    return Spread(p10=figure.low / figure.value, p50=1.0, p90=figure.high / figure.value)
