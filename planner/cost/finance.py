"""Money over time. Amounts are real (constant-price) USD; rates are real, per year; payments fall at year ends."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.catalog import Catalog
from planner.errors import InputError, Problem

Array = NDArray[np.float64]

HOURS_PER_YEAR = 8760.0
PRICE_DECLINE_OOM_PER_YEAR = 0.14
"""Fall of an accelerator's worth, in powers of ten a year (Epoch AI: 27.6% a year, half in 2.15 years)."""


def discount_rate_of(catalog: Catalog, asked: float | None) -> float:
    """The rate that is asked for, else the catalog's (``wacc``); real, a year."""
    return catalog.cost("wacc") if asked is None else asked


def annuity(rate: ArrayLike, years: ArrayLike) -> Array:
    """Present value of 1 paid at the end of every year for ``years`` years (fractions allowed); ``years`` at rate 0.

    (1 - (1+r)^-n) / r, through expm1 so that small rates lose no digits. Raises ``InputError`` for rates at or below
    -100% or negative years.
    """
    r, n = np.broadcast_arrays(np.asarray(rate, np.float64), np.asarray(years, np.float64))
    if np.any(~np.isfinite(r) | (r <= -1.0)) or np.any(~np.isfinite(n) | (n < 0.0)):
        raise InputError(
            Problem("a rate must be above -1 and years not negative", found=f"rate {rate!r}, years {years!r}")
        )
    flat = np.abs(r) < 1e-12
    safe = np.where(flat, 1.0, r)
    return _array(np.where(flat, n, -np.expm1(-n * np.log1p(safe)) / safe))


def capital_recovery_factor(rate: ArrayLike, years: ArrayLike) -> Array:
    """Yearly payment that repays 1 over ``years`` years: r (1+r)^n / ((1+r)^n - 1). ``years`` must be positive."""
    if np.any(np.asarray(years, np.float64) <= 0.0):
        raise InputError(Problem("an economic life must be positive", found=f"{years!r}"))
    return _array(1.0 / annuity(rate, years))


def present_value(amounts: ArrayLike, rate: float, years: ArrayLike) -> float:
    """Sum of ``amounts`` paid ``years`` from now, discounted at ``rate``."""
    a, t = np.broadcast_arrays(np.asarray(amounts, np.float64), np.asarray(years, np.float64))
    if rate <= -1.0:
        raise InputError(Problem("a rate must be above -1", found=f"{rate}"))
    return math.fsum((a * np.exp(-t * math.log1p(rate))).ravel())


def annual_capital(price: ArrayLike, rate: ArrayLike, years: ArrayLike, residual: ArrayLike = 0.0) -> Array:
    """Yearly cost of owning an asset: (K - R/(1+r)^n) CRF(r, n), with residual value R at the end of its life."""
    k, res, r, n = (np.asarray(v, np.float64) for v in (price, residual, rate, years))
    return _array((k - res * np.exp(-n * np.log1p(r))) * capital_recovery_factor(r, n))


def depreciated_value(price: ArrayLike, years: ArrayLike, oom_per_year: float = PRICE_DECLINE_OOM_PER_YEAR) -> Array:
    """Worth of an accelerator after ``years``: V0 10^(-g t) (Epoch AI)."""
    return _array(np.asarray(price, np.float64) * 10.0 ** (-oom_per_year * np.asarray(years, np.float64)))


def run_depreciation(price: ArrayLike, hours: ArrayLike, oom_per_year: float = PRICE_DECLINE_OOM_PER_YEAR) -> Array:
    """Worth that an accelerator loses over a run of ``hours``, at the rate of loss when it starts: V0 T g ln 10."""
    share = np.asarray(hours, np.float64) / HOURS_PER_YEAR * oom_per_year * math.log(10.0)
    return _array(np.asarray(price, np.float64) * share)


def _array(value: Any) -> Array:
    return np.asarray(value, np.float64)
