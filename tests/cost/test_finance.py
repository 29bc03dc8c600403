"""Closed forms of money over time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.cost.finance import (
    PRICE_DECLINE_OOM_PER_YEAR,
    annual_capital,
    annuity,
    capital_recovery_factor,
    depreciated_value,
    present_value,
    run_depreciation,
)
from planner.errors import InputError


@pytest.mark.parametrize(("rate", "years", "factor"), [(0.10, 5, 0.263797), (0.13, 4, 0.336194), (0.0, 8, 0.125)])
def test_known_factors(rate: float, years: float, factor: float) -> None:
    assert float(capital_recovery_factor(rate, years)) == pytest.approx(factor, rel=1e-5)


@settings(max_examples=80, deadline=None)
@given(st.floats(0.0, 0.4), st.integers(1, 30), st.floats(0.0, 1.0))
def test_a_life_of_payments_is_worth_the_price_less_the_residual(rate: float, years: int, residual: float) -> None:
    payment = float(annual_capital(100.0, rate, years, 100.0 * residual))
    paid = present_value(np.full(years, payment), rate, np.arange(1, years + 1))
    assert paid == pytest.approx(100.0 - 100.0 * residual / (1 + rate) ** years, rel=1e-9, abs=1e-9)


def test_annuity_is_smooth_at_zero_rate() -> None:
    assert float(annuity(1e-10, 7.5)) == pytest.approx(7.5, rel=1e-8)
    assert float(annuity(0.0, 7.5)) == 7.5
    assert np.shape(annuity([0.0, 0.1], 4.0)) == (2,)


def test_epoch_depreciation() -> None:
    """Epoch AI: 0.14 powers of ten a year, half in 2.15 years; a 30,000 USD chip used 90 days costs 2,385 USD."""
    assert float(depreciated_value(1.0, 2.15)) == pytest.approx(0.5, abs=0.001)
    assert float(run_depreciation(30_000, 90 * 24)) == pytest.approx(2385, abs=1.0)


def test_price_performance_halves_in_two_years() -> None:
    """F1: FLOP/s per dollar doubles every 2.07 (accelerators for learning) to 2.46 years (all), Epoch AI: 2.1-2.5."""
    halved = math.log10(2.0) / PRICE_DECLINE_OOM_PER_YEAR
    assert 2.1 <= halved <= 2.5
    assert float(depreciated_value(100.0, halved)) == pytest.approx(50.0)


@pytest.mark.parametrize(("rate", "years"), [(-1.0, 5), (0.1, 0), (0.1, -2), (float("nan"), 5)])
def test_bad_inputs(rate: float, years: float) -> None:
    with pytest.raises(InputError):
        capital_recovery_factor(rate, years)
