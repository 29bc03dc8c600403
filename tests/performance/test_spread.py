"""Intervals of training times: wider where measured runs tell less, held by the rows they were fitted to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.performance.measured.spread import LEAST, Spread, fit_spread


def _drawn(rows: int = 4000) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Residuals of 1.5 times the deviation that was predicted, those above twice as far as those below."""
    rng = np.random.default_rng(11)
    deviation = rng.uniform(0.05, 0.3, rows)
    off = 1.5 * deviation * rng.normal(0.0, 1.0, rows)
    return np.where(off > 0, 2.0 * off, off), deviation, [f"g{i}" for i in range(rows)]


def test_intervals_widen_with_deviation_and_hold_four_in_five() -> None:
    off, deviation, groups = _drawn()
    low, high = fit_spread(off, deviation, groups).ends(deviation)
    inside = (np.exp(off) >= low) & (np.exp(off) <= high)
    for least, most in ((0.05, 0.1), (0.1, 0.2), (0.2, 0.25), (0.25, 0.3)):
        some = (deviation >= least) & (deviation < most)
        assert 0.75 < inside[some].mean() < 0.85
    assert np.all(np.log(high) > -1.5 * np.log(low))  # slow runs are further off
    wide = fit_spread(off, deviation, groups).ends(np.array([0.05, 0.6]))
    assert wide[1][1] > wide[1][0] > 1.0 > wide[0][0] > wide[0][1]


def test_groups_weigh_as_the_root_of_their_rows() -> None:
    off, deviation, groups = _drawn(400)
    crowd = np.concatenate([off, np.full(400, 3.0)])
    table = fit_spread(crowd, np.concatenate([deviation, deviation]), [*groups, *["one"] * 400])
    assert table.ends(np.array([0.1]))[1][0] < np.exp(2.0)  # one group of 400 rows does not set the interval


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 2.0))
def test_an_estimate_is_always_inside_its_interval(deviation: float) -> None:
    off, known, groups = _drawn(200)
    for spread in (Spread(), fit_spread(off, known, groups)):
        (low,), (high,) = spread.ends(np.array([deviation]))
        assert low <= np.exp(-LEAST) + 1e-12 < 1.0 < np.exp(LEAST) - 1e-12 <= high


def test_nothing_measured_gives_a_normal_interval() -> None:
    assert fit_spread([], [], []) == Spread()
    (low,), (high,) = Spread().ends(np.array([0.2]))
    assert (low, high) == (pytest.approx(0.774, abs=0.001), pytest.approx(1.292, abs=0.001))
