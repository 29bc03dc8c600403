"""How long prompts and answers are: one length, a lognormal spread, or a histogram.

Requests of public traces are close to lognormal (Azure 2023 and BurstGPT traces: cv 0.8 to 1.5). A spread is carried as
a few lengths with their shares, finer towards the long end, where percentiles are decided; each stands for the mean of
its part, so the mean is exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from planner.errors import InputError, Problem

Floats = NDArray[np.float64]
_NORMAL = NormalDist()
# upper ends of the parts a spread is cut into, as shares of requests
_CUTS = (0.05, 0.15, 0.3, 0.45, 0.6, 0.7, 0.78, 0.85, 0.9, 0.93, 0.95, 0.965, 0.98, 0.99, 0.996, 1.0)


def standard_normal_quantile(share: float) -> float:
    """The value that a standard normal variable stays below with probability ``share`` (clipped to 1e-9..1-1e-9)."""
    return _NORMAL.inv_cdf(min(max(share, 1e-9), 1.0 - 1e-9))


@dataclass(frozen=True)
class Lengths:
    """``tokens`` (k,) with ``shares`` (k,) that sum to 1; ``cv`` of what they stand for."""

    tokens: Floats
    shares: Floats
    cv: float

    @classmethod
    def fixed(cls, tokens: float) -> Lengths:
        """Every request has this length."""
        return cls(np.array([float(tokens)]), np.ones(1), 0.0)

    @classmethod
    def lognormal(cls, mean: float, cv: float) -> Lengths:
        """Lognormal of a mean and a coefficient of variation."""
        if cv < 1e-6:
            return cls.fixed(mean)
        sigma = math.sqrt(math.log1p(cv * cv))
        ends = np.array([0.0, *_CUTS])
        # the mean of a part: mean x (Phi(b - sigma) - Phi(a - sigma)) / share
        up = np.array([_NORMAL.cdf(standard_normal_quantile(e) - sigma) if 0.0 < e < 1.0 else e for e in ends])
        shares = np.diff(ends)
        return cls(mean * np.diff(up) / shares, shares, cv)

    @classmethod
    def from_percentiles(cls, p50: float, p90: float) -> Lengths:
        """Lognormal through its median and its 90th percentile; raises ``InputError`` when they are out of order."""
        if not 0.0 < p50 <= p90:
            raise InputError(Problem("p90 is below p50", path="p90", found=f"{p90:g}", allowed=f"{p50:g} or more"))
        sigma = math.log(p90 / p50) / standard_normal_quantile(0.9)
        return cls.lognormal(p50 * math.exp(sigma * sigma / 2.0), math.sqrt(math.expm1(sigma * sigma)))

    @classmethod
    def histogram(cls, shares: Mapping[float, float]) -> Lengths:
        """Lengths and their shares (weights of any sum); raises ``InputError`` when empty or negative."""
        tokens = np.array(sorted(shares), dtype=np.float64)
        weights = np.array([float(shares[t]) for t in sorted(shares)])
        if not tokens.size or np.any(weights < 0.0) or weights.sum() <= 0.0 or tokens[0] <= 0.0:
            raise InputError(Problem("a histogram needs lengths above 0 with shares of 0 or more", path="histogram"))
        weights = weights / weights.sum()
        mean = float(tokens @ weights)
        return cls(tokens, weights, math.sqrt(max(float((tokens**2) @ weights) / mean**2 - 1.0, 0.0)))

    @property
    def mean(self) -> float:
        """Mean tokens."""
        return float(self.tokens @ self.shares)

    @property
    def mean_inverse(self) -> float:
        """Mean of 1 over the length."""
        return float(self.shares @ (1.0 / np.maximum(self.tokens, 1.0)))

    @property
    def longest(self) -> float:
        """The longest of the lengths it is cut into (a lognormal has none: the mean of its last 0.4%)."""
        return float(self.tokens.max())

    def scaled(self, mean: float) -> Lengths:
        """The same spread about another mean."""
        own = self.mean
        return self if own == mean else Lengths(self.tokens * (mean / own), self.shares, self.cv)

    def draw(self, count: int, random: np.random.Generator) -> Floats:
        """``count`` random lengths of at least one token: of a lognormal from the whole law, else from the list."""
        if self.cv == 0.0:
            return np.full(count, max(self.mean, 1.0))
        if len(self.tokens) == len(_CUTS) and np.array_equal(self.shares, np.diff([0.0, *_CUTS])):
            sigma = math.sqrt(math.log1p(self.cv**2))
            return np.maximum(self.mean * np.exp(sigma * random.standard_normal(count) - sigma**2 / 2.0), 1.0)
        return np.asarray(np.maximum(random.choice(self.tokens, size=count, p=self.shares), 1.0))
