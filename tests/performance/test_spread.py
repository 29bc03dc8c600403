"""Intervals of training times: wider where measured runs tell less, held by the rows they were fitted to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.performance.measured.spread import LEAST, WIDENED, Spread, SpreadTable, fit_spread


def _drawn(rows: int = 4000) -> tuple[np.ndarray, np.ndarray, list[str], list[str]]:
    """Residuals whose deviation is 0.03 where all is explained and 0.23 where nothing is."""
    rng = np.random.default_rng(11)
    share = rng.uniform(0.0, 1.0, rows)
    off = rng.normal(0.0, 0.03 + 0.2 * share)
    return off, share, [f"f{i % 3}" for i in range(rows)], [f"g{i}" for i in range(rows)]


def test_intervals_widen_with_what_is_unexplained_and_hold_four_in_five() -> None:
    off, share, families, groups = _drawn()
    table = fit_spread(list(off), list(share), families, groups)
    low, high = table.of("f0").ends(share)
    inside = (np.exp(off) >= low) & (np.exp(off) <= high)
    for least, most in ((0.0, 0.1), (0.1, 0.4), (0.4, 0.8), (0.8, 1.0)):
        some = (share >= least) & (share < most)
        assert 0.72 < inside[some].mean() < 0.88
    assert np.all(np.diff(high[np.argsort(share)]) >= -1e-12)
    assert np.all(np.diff(low[np.argsort(share)]) <= 1e-12)


def test_a_family_that_is_off_more_has_a_wider_interval_and_an_unknown_one_is_widened() -> None:
    off, share, families, groups = _drawn()
    worse = np.where(np.asarray(families) == "f1", 2.0 * off, off)
    table = fit_spread(list(worse), list(share), families, groups)
    one = np.array([0.5])
    width = {name: float(np.log(high[0] / low[0])) for name in ("f0", "f1", "nobody")
             for low, high in [table.of(name).ends(one)]}  # fmt: skip
    assert width["f1"] > 1.5 * width["f0"]
    assert table.scales.get("nobody") is None
    assert table.of("nobody").scale == WIDENED


def test_a_family_of_few_groups_is_taken_to_be_like_the_others() -> None:
    off, share, families, groups = _drawn()
    off[:5] *= 10.0
    for i in range(5):
        families[i] = "rare"
    table = fit_spread(list(off), list(share), families, groups)
    assert 1.0 < table.scales["rare"] < 3.0


@settings(max_examples=30, deadline=None)
@given(st.floats(0.0, 1.0))
def test_an_estimate_is_always_inside_its_interval(unexplained: float) -> None:
    off, share, families, groups = _drawn(200)
    for spread in (Spread(), fit_spread(list(off), list(share), families, groups).of("f2"), SpreadTable().of("x")):
        (low,), (high,) = spread.ends(np.array([unexplained]))
        assert low <= np.exp(-LEAST * spread.scale) + 1e-12 < 1.0 < np.exp(LEAST * spread.scale) - 1e-12 <= high


def test_nothing_measured_gives_an_assumed_interval() -> None:
    assert fit_spread([], [], [], []) == SpreadTable()
    (low,), (high,) = SpreadTable().of("x").ends(np.array([1.0]))
    assert (low, high) == (pytest.approx(0.70, abs=0.01), pytest.approx(1.45, abs=0.01))
