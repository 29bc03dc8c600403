"""The margin that a confidence takes: how much worse than planned things may come before a promise is broken.

A promise holds when its times stay below what a limit leaves. Of one workload on one system four things are uncertain,
and independent of each other: the factor on its times (``times``), the delay of a delivery, the failure rate, and its
demand, as ``draws`` has them. A margin asks each option for what it gives with the confidence: the date of a run is the
quantile of its end over all four; the latencies and rates of a load are what all of the share that the confidence
leaves to slow systems reaches. All systems of a workload are taken to err together, so that what holds one by one holds
together.

At a confidence of one half a plan is made of central figures, and every factor is one: half of the outcomes are worse.
Where a delivery is uncertain the announced date is not the middle of what may come (new makers meet it once in ten
times), so there the margin is taken at one half too. Money is never uncertain here: what a plan costs is stated for
central figures.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.catalog import Catalog
from planner.facility.reliability import (
    REFERENCE_NODE_CHIPS,
    ReliabilityProfile,
    checkpoint_floor_s,
    default_profile,
    ettr,
    hazard,
    optimal_checkpoint_interval,
)
from planner.scenario.kinds import Workload
from planner.scenario.outcomes import CENTRAL, Outcomes, Spread
from planner.scenario.types import Scenario
from planner.scenario.workloads import Training
from planner.uncertainty.spreads import DAYS_PER_QUARTER, failure_spread, quantiles, slip_spread
from planner.uncertainty.times import deviation, deviations, share_within, time_factors
from planner.workload.parameters import parameter_counts

Floats = NDArray[np.float64]

_POINTS = 16
"""Equally likely values that stand for a distribution other than that of times."""
_HALVINGS = 50
_LATENCIES = ("ttft_ms", "tpot_ms", "latency_ms")
LEAST_FACTOR = 1e-3
"""No time comes out at less of its prediction."""
MOST_MISSING = 0.99
"""Of an elastic run that faults stop as often as repairs let it go on: it never ends, and is not divided by zero."""


@dataclass(frozen=True)
class Failures:
    """What the days of a run depend on when systems fail more often or less."""

    profile: ReliabilityProfile
    parameters: float
    interval_s: float | None = None
    """Fixed checkpoint interval; None: the best one."""

    def stretch(self, chips: ArrayLike, factors: ArrayLike, missing: ArrayLike = 0.0) -> Floats:
        """What failure rates times ``factors`` (f,) multiply the days of runs on ``chips`` (n,) by: (n, f).

        ``missing`` (n,): share of an elastic run's chips that wait for repair at the rate as it is.
        """
        p = self.profile
        n = np.atleast_1d(np.asarray(chips, np.float64))[:, None]
        away = np.broadcast_to(np.asarray(missing, np.float64), n[:, 0].shape)[:, None]
        times = np.append(np.atleast_1d(np.asarray(factors, np.float64)), 1.0)[None, :]
        lam = hazard(n / REFERENCE_NODE_CHIPS, times * p.node_failures_per_day.value, p.job_stops_per_hour)
        floor = checkpoint_floor_s(n, self.parameters, p)
        if self.interval_s is None:
            interval = optimal_checkpoint_interval(p.write_s.value, lam, np.broadcast_to(floor, lam.shape))
        else:
            interval = np.maximum(self.interval_s, floor) * np.ones_like(lam)
        share = ettr(lam, p.restart_s.value, p.write_s.value, interval)
        share = share * (1.0 - np.minimum(away * times, MOST_MISSING))
        return np.asarray(share[:, -1:] / share[:, :-1], np.float64)


@dataclass(frozen=True)
class Margin:
    """What one workload on one kind of system must bear; see the module. Values of distributions are equally likely."""

    confidence: float = CENTRAL
    time: Spread | None = None
    """Of the factor on times, where the scenario states one; else the performance model's interval."""
    slip_days: tuple[float, ...] = (0.0,)
    """Days that its systems come later than announced."""
    failure: tuple[float, ...] = (1.0,)
    """What the failure rate is multiplied by."""
    demand: tuple[float, ...] = (1.0,)
    """What its demand is multiplied by."""
    limited: bool = True
    """Whether latencies are limited."""
    failures: Failures | None = None
    """Of a run whose days failures change."""
    waits: bool = False
    """Of a run whose systems may come late: it begins when they do."""

    @property
    def central(self) -> bool:
        """Whether it asks for nothing beyond central figures."""
        return self.confidence <= CENTRAL and not self.waits

    @property
    def there(self) -> float:
        """Share of futures in which the systems of a load are there when it begins."""
        return float(np.mean(np.asarray(self.slip_days) <= 1e-9))

    @property
    def refused(self) -> str:
        """Why no system of a load can hold at the confidence; empty where one may."""
        if self.central or self.there > self.confidence:
            return ""
        return f"arrives in time with {self.there:.0%}, {self.confidence:.0%} asked"

    def within(self, factor: ArrayLike, low80: ArrayLike, high80: ArrayLike) -> Floats:
        """Probability that times are at most ``factor`` of what is predicted; shapes broadcast."""
        if self.time is None:
            return share_within(factor, low80, high80)
        return np.asarray(_share_of(self.time, np.asarray(factor, np.float64)), np.float64)

    def factor(self, low80: ArrayLike, high80: ArrayLike, share: float) -> Floats:
        """What times stay below of their prediction with a probability ``share``, (n,)."""
        if self.time is None:
            return np.atleast_1d(time_factors(low80, high80, deviation(min(max(share, 1e-12), 1 - 1e-12))))
        value = float(quantiles(self.time, np.array([share]))[0])
        return np.full(np.atleast_1d(np.asarray(low80)).shape, max(value, LEAST_FACTOR))

    def beside(self, other: Margin) -> Margin:
        """The margin of a run on two kinds of systems at once: the later of both deliveries, errors of this one."""
        slips = np.maximum(np.sort(np.resize(self.slip_days, _POINTS)), np.sort(np.resize(other.slip_days, _POINTS)))
        return replace(self, slip_days=tuple(slips.tolist()), waits=self.waits or other.waits)

    # -- loads -----------------------------------------------------------------------------------------------------

    def slower(self, low80: ArrayLike, high80: ArrayLike) -> Floats:
        """What latencies of a load must bear, (n,), at least 1; the share of futures that its demand takes is apart."""
        if self.central:
            return np.ones(np.atleast_1d(np.asarray(low80)).shape)
        return np.asarray(np.maximum(self.factor(low80, high80, self._latency_share), 1.0))

    @property
    def _latency_share(self) -> float:
        asked = min(self.confidence / max(self.there, 1e-9), 1.0)
        # what latencies leave of the futures, demand may take: both limits are of the same futures
        return asked if len(set(self.demand)) == 1 else (1.0 + asked) / 2.0

    def less(self, low80: ArrayLike, high80: ArrayLike) -> Floats:
        """What the rates of a load are divided by, (n,), at least 1: times and demand together."""
        low, high = np.atleast_1d(np.asarray(low80, np.float64)), np.atleast_1d(np.asarray(high80, np.float64))
        if self.central:
            return np.ones(low.shape)
        asked = min(self.confidence / max(self.there, 1e-9), 1.0)
        demand = np.asarray(self.demand)
        if np.ptp(demand) == 0:
            return np.asarray(np.maximum(self.factor(low, high, asked) * demand[0], 1.0))
        ends, back = np.unique(np.stack([low, high]), axis=1, return_inverse=True)
        a, b = ends
        most = self.factor(a, b, self._latency_share) if self.limited else np.full(a.shape, np.inf)

        def held(x: Floats) -> Floats:
            room = np.minimum(most[:, None], x[:, None] / demand[None, :])
            return np.asarray(np.mean(self.within(room, a[:, None], b[:, None]), axis=1))

        top = self.factor(a, b, 1.0 - 1e-6) * demand.max()
        found = np.maximum(_least(held, np.full(a.shape, demand.min() * 1e-3), top, asked), 1.0)
        return np.asarray(found[back.reshape(-1)])

    # -- runs ------------------------------------------------------------------------------------------------------

    def finish(
        self,
        days: ArrayLike,
        chips: ArrayLike,
        low80: ArrayLike,
        high80: ArrayLike,
        *,
        ready: float,
        release: float = 0.0,
        missing: ArrayLike = 0.0,
    ) -> Floats:
        """The day (n,) by which runs have ended with the confidence, never before the planned one.

        ``days`` (n,) they take as planned; ``ready``: when their systems are there as announced; ``release``: before
        which they may not begin.
        """
        days = np.atleast_1d(np.asarray(days, np.float64))
        planned = max(ready, release) + days
        if self.central:
            return planned
        held = self.kept_runs(days, chips, low80, high80, ready=ready, release=release, missing=missing)
        worst = max(ready + max(self.slip_days), release) + 20.0 * days * max(self.demand)
        return np.asarray(np.maximum(_least(held, 0.5 * planned, worst, self.confidence), planned))

    def kept_runs(
        self,
        days: ArrayLike,
        chips: ArrayLike,
        low80: ArrayLike,
        high80: ArrayLike,
        *,
        ready: float,
        release: float = 0.0,
        missing: ArrayLike = 0.0,
    ) -> Callable[[Floats], Floats]:
        """The probability (n,) that runs have ended by days (n,), as a function of these; arguments as ``finish``."""
        days = np.atleast_1d(np.asarray(days, np.float64))
        n = len(days)
        stretch = np.ones((n, 1))
        if self.failures is not None and len(self.failure) > 1:
            stretch = self.failures.stretch(np.broadcast_to(np.asarray(chips, np.float64), n), self.failure, missing)
        demand = np.asarray(self.demand if len(set(self.demand)) > 1 else self.demand[:1])
        slips = np.asarray(self.slip_days if len(set(self.slip_days)) > 1 else self.slip_days[:1])
        begin = np.maximum(ready + slips, release)
        lasting = (days[:, None, None] * stretch[:, :, None] * demand[None, None, :]).reshape(n, -1)
        low, high = (np.broadcast_to(np.asarray(v, np.float64), n)[:, None, None] for v in (low80, high80))

        def kept(by: Floats) -> Floats:
            room = (by[:, None] - begin[None, :])[:, :, None] / lasting[:, None, :]
            return np.asarray(np.mean(self.within(np.maximum(room, 1e-12), low, high), axis=(1, 2)))

        return kept

    def longer(self, days: ArrayLike, chips: ArrayLike, low80: ArrayLike, high80: ArrayLike) -> Floats:
        """The days (n,) that runs take at most with the confidence, once they have begun."""
        alone = replace(self, slip_days=(0.0,))
        return alone.finish(days, chips, low80, high80, ready=0.0)


def margin_of(
    scenario: Scenario, catalog: Catalog, workload: Workload, system: str, chip: str, *, there: bool = False
) -> Margin:
    """The margin of a workload on a system. ``there``: it stands already, or is rented, and is never late.

    ``catalog`` holds the scenario's assumptions.
    """
    outcomes = scenario.outcomes or Outcomes()
    slip = None if there else slip_spread(outcomes, catalog, system, chip)
    demand = outcomes.demand_factor.get(workload.name)
    run = workload.runs_once
    failures: Failures | None = None
    factors: tuple[float, ...] = (1.0,)
    if isinstance(workload, Training):
        size = float(parameter_counts(catalog.model(workload.model)).total)
        failures = Failures(default_profile(catalog), size, workload.checkpoint_interval_s)
        factors = _values(failure_spread(outcomes, catalog), 1.0)
    slips = tuple(x * DAYS_PER_QUARTER for x in _values(slip, 0.0))
    if not run:
        slips = tuple(max(0.0, x) for x in slips)
    return Margin(
        confidence=scenario.confidence_of(workload.name),
        time=outcomes.time_factor.get(system),
        slip_days=slips,
        failure=factors,
        demand=tuple(max(0.0, x) for x in _values(demand, 1.0)),
        limited=any(getattr(workload, name, None) is not None for name in _LATENCIES)
        or any(c.ttft_ms is not None or c.tpot_ms is not None for c in getattr(workload, "request_classes", ())),
        failures=failures,
        waits=run and len(set(slips)) > 1,
    )


def times_at(spread: Spread | None, low80: float, high80: float, shares: Floats) -> Floats:
    """What times are of their prediction in futures (n,) of which ``shares`` are better: of a stated distribution of
    the factor, else of an 80% interval. What errs together has the same share in one future."""
    if spread is not None:
        return np.maximum(quantiles(spread, shares), LEAST_FACTOR)
    return time_factors(low80, high80, deviations(shares))


def shared_margin(margin: Margin) -> tuple[Margin, float]:
    """(margin of work on systems that others bought, days that these may be late) of a fleet that is shared.

    Deliveries and times are independent, so where both are uncertain each holds with the root of the confidence, both
    together with it. Both grow with it, so what holds with more is among what holds with less.
    """
    alone = replace(margin, slip_days=(0.0,), waits=False)
    if len(set(margin.slip_days)) == 1:
        return alone, 0.0
    share = math.sqrt(margin.confidence)
    slips = np.sort(np.asarray(margin.slip_days))
    late = float(slips[math.ceil(share * len(slips) - 1e-9) - 1])  # the least that so many of all stay within
    return replace(alone, confidence=share), max(late, 0.0)


def _values(spread: Spread | None, certain: float) -> tuple[float, ...]:
    """Equally likely values of a distribution."""
    if spread is None:
        return (certain,)
    middles = (np.arange(_POINTS) + 0.5) / _POINTS
    return tuple(quantiles(spread, middles).tolist())


def _share_of(spread: Spread, values: Floats) -> Floats:
    """The share of a distribution at or below some values."""
    if spread.values:
        ordered = np.sort(np.array(spread.values, dtype=np.float64))
        return np.asarray(np.searchsorted(ordered, values * (1 + 1e-12), side="right") / len(ordered), np.float64)
    u = np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    at = quantiles(spread, u)
    at = np.maximum.accumulate(at + np.arange(5) * 1e-12)
    return np.asarray(np.interp(values, at, u, left=0.0, right=1.0), np.float64)


def _least(held: Callable[[Floats], Floats], low: Floats, high: Floats, share: float) -> Floats:
    """The least values (n,) between ``low`` and ``high`` (n,) at which ``held`` is at least ``share``; it grows."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        enough = held(middle) >= share
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high


__all__ = ["Failures", "Margin", "margin_of", "shared_margin", "times_at"]
