"""Who pays for a serving load: USD and energy per million input, cached and output tokens, summing to the whole.

Rule: what prefill's chips cost is paid by the prompt tokens that are computed, what decode's chips cost by the answer.
Chips that do both split their cost by the time they spend on each. A cached token pays only the part of a computed
one that reuse does not save, ``1 - eta``. So, with i computed, c cached and o output tokens,

    computed   P / (i + (1 - eta) c)        P: prefill's part of the cost
    cached     (1 - eta) times that
    output     (1 - P) / o

Idle chips are part of the cost that is divided, so they are paid in proportion. Joules are divided by the same rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from planner.errors import InputError, Problem


@dataclass(frozen=True)
class PerToken:
    """Amounts per million tokens (USD or joules), arrays or numbers as the inputs were."""

    input: Any
    """Per million prompt tokens that are computed."""
    cached: Any
    """Per million prompt tokens that are reused."""
    output: Any

    def total(self, computed: ArrayLike, cached: ArrayLike, output: ArrayLike) -> Any:
        """What so many tokens of each pay together: the amount that was divided."""
        paid = self.input * np.asarray(computed) + self.cached * np.asarray(cached) + self.output * np.asarray(output)
        return paid / 1e6


def per_million_tokens(
    amount: ArrayLike,
    *,
    prefill_share: ArrayLike,
    input_tokens: ArrayLike,
    cached_prefix: ArrayLike,
    output_tokens: ArrayLike,
    reuse_efficiency: float,
) -> PerToken:
    """Divide ``amount`` (USD or joules) over ``input_tokens``, a share ``cached_prefix`` of them reused, and
    ``output_tokens``, all counted over the time that the amount is for.

    ``prefill_share``: of the amount that is prefill's, 0..1; without output tokens all is. Raises ``InputError`` for
    shares outside 0..1 and where there are no tokens at all to pay.
    """
    whole, share = np.asarray(amount, dtype=np.float64), np.asarray(prefill_share, dtype=np.float64)
    into, out = np.asarray(input_tokens, dtype=np.float64), np.asarray(output_tokens, dtype=np.float64)
    reused = np.asarray(cached_prefix, dtype=np.float64)
    for name, value in (("prefill_share", share), ("cached_prefix", reused)):
        if np.any((value < 0.0) | (value > 1.0)):
            raise InputError(Problem("is a share", path=name, found=f"{value}", allowed="0..1"))
    weight = into * (1.0 - reuse_efficiency * reused)
    if np.any((weight <= 0.0) & (out <= 0.0)):
        raise InputError(Problem("there are no tokens to pay", path="input_tokens", allowed="above 0"))
    share = np.where(out <= 0.0, 1.0, np.where(weight <= 0.0, 0.0, share))
    computed = np.where(weight > 0.0, whole * share / np.where(weight > 0.0, weight, 1.0), 0.0) * 1e6
    output = np.where(out > 0.0, whole * (1.0 - share) / np.where(out > 0.0, out, 1.0), 0.0) * 1e6
    return PerToken(computed[()], (computed * (1.0 - reuse_efficiency))[()], output[()])
