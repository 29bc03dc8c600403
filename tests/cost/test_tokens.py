"""Cost per token sums to the cost, and reuse makes tokens cheaper."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.cost.tokens import per_million_tokens
from planner.errors import InputError

SHARE = st.floats(0.0, 1.0)
TOKENS = st.floats(1.0, 1e12)


@given(st.floats(0.0, 1e9), SHARE, TOKENS, SHARE, TOKENS)
@settings(max_examples=80, deadline=None)
def test_prices_sum_to_the_cost(usd: float, prefill: float, into: float, cached: float, out: float) -> None:
    price = per_million_tokens(
        usd, prefill_share=prefill, input_tokens=into, cached_prefix=cached, output_tokens=out, reuse_efficiency=0.6
    )
    assert price.total(into * (1 - cached), into * cached, out) == pytest.approx(usd, rel=1e-12)
    assert price.cached == pytest.approx(0.4 * price.input)


def test_energy_of_cloudmatrix() -> None:
    """1.456 kW a chip at PUE 1.1: 1,943 tokens/s of decode 0.82 J each, 6,688 of prefill 0.24 J."""
    watts = 1456.0 * 1.1
    decode = per_million_tokens(
        watts, prefill_share=0.0, input_tokens=0.0, cached_prefix=0.0, output_tokens=1943.0, reuse_efficiency=0.6
    )
    prefill = per_million_tokens(
        watts, prefill_share=1.0, input_tokens=6688.0, cached_prefix=0.0, output_tokens=0.0, reuse_efficiency=0.6
    )
    assert decode.output / 1e6 == pytest.approx(0.82, abs=0.01)
    assert prefill.input / 1e6 == pytest.approx(0.24, abs=0.005)


def test_no_tokens_and_bad_shares_are_refused() -> None:
    with pytest.raises(InputError, match="no tokens"):
        per_million_tokens(
            1.0, prefill_share=0.5, input_tokens=0, cached_prefix=0, output_tokens=0, reuse_efficiency=0.6
        )
    with pytest.raises(InputError, match="prefill_share"):
        per_million_tokens(
            1.0, prefill_share=1.5, input_tokens=1, cached_prefix=0, output_tokens=1, reuse_efficiency=0.6
        )
