"""Distributions of what may come otherwise than planned: the scenario's own, else what is known of makers and rates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Catalog
from planner.facility.reliability import default_profile
from planner.scenario.outcomes import Outcomes, Spread

Floats = NDArray[np.float64]

INCUMBENTS = frozenset({"nvidia", "amd", "intel", "google", "aws", "huawei"})
"""Makers whose new parts came about when announced; others are new to volume (judgement)."""
SLIP_INCUMBENT = Spread(p10=-2.0, p50=1.0, p90=3.0)
SLIP_NEW = Spread(p10=0.0, p50=2.0, p90=6.0)
"""Quarters between the announced and the real delivery of parts on a roadmap, where the scenario says nothing: judged
from parts announced since 2022, of which several took four to eight quarters to be sold in volume."""
UNSTATED = 0.25
"""How far either way a figure is moved that somebody assumed without a range."""
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
