"""The margin that a confidence takes: closed forms, and futures drawn one by one."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from planner.catalog import Catalog
from planner.facility.reliability import default_profile, mean_training_time, with_rate
from planner.scenario.outcomes import Spread
from planner.uncertainty.margins import Failures, Margin, shared_margin
from planner.uncertainty.times import share_within

LOW, HIGH = 0.8, 1.5
Z = NormalDist().inv_cdf(0.8)
AT_80 = math.exp(Z / NormalDist().inv_cdf(0.9) * math.log(HIGH))
"""What a time of this interval stays below with 80%."""


def drawn(n: int = 200_000) -> np.ndarray:
    """Factors on a time, drawn."""
    z = np.random.default_rng(7).standard_normal(n)
    return np.exp(np.abs(z) / NormalDist().inv_cdf(0.9) * np.where(z > 0, math.log(HIGH), math.log(LOW)))


def test_a_load_whose_times_alone_are_uncertain() -> None:
    """Rates and latencies bear what times stay below with the confidence; at one half nothing."""
    sure = Margin(confidence=0.8)
    assert sure.slower(LOW, HIGH)[0] == pytest.approx(AT_80)
    assert sure.less(LOW, HIGH)[0] == pytest.approx(AT_80)
    assert Margin().less(LOW, HIGH)[0] == 1.0
    assert share_within(AT_80, LOW, HIGH) == pytest.approx(0.8, abs=1e-6)
    assert np.mean(drawn() <= AT_80) == pytest.approx(0.8, abs=0.005)


@pytest.mark.parametrize("limited", [True, False])
def test_a_load_whose_demand_is_uncertain_too(limited: bool) -> None:
    """A replica sized by its margin carries the demand within its latencies in 80% of the futures, and not in more
    than it must."""
    demand = (0.8, 0.9, 1.0, 1.1, 1.2, 1.5)
    margin = Margin(confidence=0.8, demand=demand, limited=limited)
    times, asked = drawn(), np.random.default_rng(8).choice(demand, 200_000)
    carried = times * asked <= margin.less(LOW, HIGH)[0]
    kept = carried & (times <= margin.slower(LOW, HIGH)[0]) if limited else carried
    assert np.mean(kept) == pytest.approx(0.8, abs=0.005)


def test_a_load_on_systems_that_may_be_late() -> None:
    """What comes in time with 90% leaves 80/90 to the rest; what comes in time less often than asked is refused."""
    late = Margin(confidence=0.8, slip_days=(0.0,) * 9 + (90.0,))
    share = share_within(late.less(LOW, HIGH)[0], LOW, HIGH)
    assert 0.9 * share == pytest.approx(0.8, abs=1e-6)
    assert not late.refused
    assert "70%" in Margin(confidence=0.8, slip_days=(0.0,) * 7 + (90.0,) * 3).refused
    alone, days = shared_margin(late)
    assert days == 0.0  # nine in ten are there, more than the root of 0.8
    assert alone.confidence == pytest.approx(math.sqrt(0.8))
    surer, days = shared_margin(replace(late, confidence=0.9))
    assert (surer.confidence, days) == (pytest.approx(math.sqrt(0.9)), 90.0)
    even, days = shared_margin(replace(late, confidence=0.5, slip_days=(0.0, 60.0, 120.0, 180.0)))
    assert (even.confidence, days) == (pytest.approx(math.sqrt(0.5)), 120.0)  # at even odds too
    certain = replace(late, confidence=0.5, slip_days=(0.0,))
    assert shared_margin(certain) == (certain, 0.0)
    assert alone.there == 1.0


def test_the_end_of_a_run(shipped: Catalog) -> None:
    """Delivery, times, failures and demand drawn one by one: 80% have ended by the day that the margin says."""
    profile = default_profile(shipped)
    slips, rates = (-30.0, 0.0, 0.0, 60.0, 120.0), (0.5, 1.0, 2.0)
    margin = Margin(0.8, None, slips, rates, (0.9, 1.0, 1.1), failures=Failures(profile, 7e10))
    by = margin.finish(100.0, 4096, LOW, HIGH, ready=50.0, release=40.0)[0]
    dice = np.random.default_rng(9)
    usual = mean_training_time(4096, 7e10, profile)
    longer = {f: usual / mean_training_time(4096, 7e10, with_rate(profile, f * profile.node_failures_per_day.value))
              for f in rates}  # fmt: skip
    times = drawn()
    n = len(times)
    stretch = np.array([longer[f] for f in rates])[dice.integers(3, size=n)]
    begin = np.maximum(50.0 + dice.choice(slips, n), 40.0)
    ends = begin + 100.0 * times * stretch * dice.choice((0.9, 1.0, 1.1), n)
    assert np.mean(ends <= by) == pytest.approx(0.8, abs=0.005)
    assert margin.kept_runs(100.0, 4096, LOW, HIGH, ready=50.0, release=40.0)(np.array([by]))[0] == pytest.approx(0.8)
    assert Margin(failures=margin.failures).finish(100.0, 4096, LOW, HIGH, ready=50.0)[0] == 150.0


def test_a_distribution_of_the_scenario_replaces_the_interval() -> None:
    """Times that it says are equally likely: the fourth of five is not exceeded in 80%."""
    margin = Margin(confidence=0.79, time=Spread(values=(0.9, 1.0, 1.1, 1.3, 2.0)))
    assert margin.less(LOW, HIGH)[0] == 1.3
    assert margin.within(1.3, LOW, HIGH) == pytest.approx(0.8)
