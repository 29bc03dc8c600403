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
from planner.facility.reliability import default_profile
from planner.options.hardware.choices import site_region
from planner.scenario.outcomes import Outcomes, Spread
from planner.scenario.types import Scenario
from planner.uncertainty.times import deviation, time_factor

Floats = NDArray[np.float64]

INCUMBENTS = frozenset({"nvidia", "amd", "intel", "google", "aws", "huawei"})
"""Makers whose new parts came about when announced; others are new to volume (judgement)."""
SLIP_INCUMBENT = Spread(p10=-2.0, p50=1.0, p90=3.0)
SLIP_NEW = Spread(p10=0.0, p50=2.0, p90=6.0)
"""Quarters between the announced and the real delivery of parts on a roadmap, where the scenario says nothing: judged
from parts announced since 2022, of which several took four to eight quarters to be sold in volume."""
CERTAIN_STATUS = frozenset({"volume", "limited", "discontinued"})
DAYS_PER_QUARTER = 365.25 / 4


def quantiles(spread: Spread, u: Floats) -> Floats:
    """Values of a distribution at probabilities (n,) in 0..1.

    p10, p50, p90: linear between them, and beyond them at the same slope, so that all three are met exactly and the
    ends lie a quarter of each inner step further out.
    """
    if spread.values:
        ordered = np.sort(np.array(spread.values, dtype=np.float64))
        return np.asarray(ordered[np.minimum((u * len(ordered)).astype(np.int64), len(ordered) - 1)], np.float64)
    low, middle, high = float(spread.p10 or 0.0), float(spread.p50 or 0.0), float(spread.p90 or 0.0)
    ends = (low - (middle - low) / 4, high + (high - middle) / 4)
    return np.interp(u, [0.0, 0.1, 0.5, 0.9, 1.0], [ends[0], low, middle, high, ends[1]])


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

        Where the scenario gives no distribution it is the one behind the chances of every plan (``confidence``).
        """
        name, spread = f"time {workload} {system}", self.outcomes.time_factor.get(system)
        if spread is None and name not in self._kept:
            u = np.clip(stream(self.outcomes.seed, name, self.n), 1e-12, 1 - 1e-12)
            self._kept[name] = np.array([time_factor(low80, high80, deviation(x)) for x in u.tolist()])
        return np.maximum(self._drawn(name, spread, 1.0), 1e-3)

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


def slip_spread(outcomes: Outcomes, catalog: Catalog, system: str, chip: str) -> Spread | None:
    """How many quarters later than announced a system comes; None: it is sold already."""
    given = outcomes.slip_quarters
    if system in given or chip in given:
        return given.get(system) or given[chip]
    part = catalog.chip(chip)
    if part.status in CERTAIN_STATUS:
        return None
    return SLIP_INCUMBENT if part.vendor.lower() in INCUMBENTS else SLIP_NEW


def failure_spread(outcomes: Outcomes, catalog: Catalog) -> Spread:
    """What the failure rate is multiplied by: the scenario's distribution, else the catalog's range of rates."""
    rate = default_profile(catalog).node_failures_per_day
    given = Spread(p10=rate.low / rate.value, p50=1.0, p90=rate.high / rate.value)
    return outcomes.failure_factor or given


def _range(figure: Figure | None) -> Spread | None:
    """A catalog's range as a distribution: its ends are exceeded once in ten each."""
    if figure is None or not figure.value or figure.low is None or figure.high is None:
        return None
    if not figure.low <= figure.value <= figure.high:
        return None
    return Spread(p10=figure.low / figure.value, p50=1.0, p90=figure.high / figure.value)
