"""Numbers and names as people read them."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.answer.plan import Parallelism
from planner.report import format as fmt

FINITE = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e17, max_value=1e17)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1234567, "1,230,000"),
        (41.249, "41.2"),
        (999.96, "1,000"),
        (0.0051249, "0.00512"),
        (1.5, "1.5"),
        (-2500, "-2,500"),
        (1.2345e18, "1.23e18"),
        (9.9999e-7, "1e-6"),
        (1.2345e-9, "1.23e-9"),
        (None, fmt.DASH),
        (math.nan, fmt.DASH),
        (math.inf, fmt.DASH),
    ],
)
def test_numbers_have_three_significant_digits(value: float | None, text: str) -> None:
    assert fmt.number(value) == text


@given(FINITE)
def test_a_number_reads_back_within_half_a_unit_of_its_third_digit(value: float) -> None:
    text = fmt.number(value).replace(",", "")
    assert float(text) == pytest.approx(value, rel=5.1e-3, abs=1e-300)
    assert len(re.sub(r"e.*|[-.]", "", text).strip("0")) <= 3


@pytest.mark.parametrize(
    ("value", "long", "short"),
    [
        (412e6, "$412 million", "$412M"),
        (1.2345e9, "$1.23 billion", "$1.23B"),
        (999.7e6, "$1 billion", "$1B"),
        (12_345, "$12,300", "$12.3k"),
        (-2e6, "-$2 million", "-$2M"),
        (0, "$0", "$0"),
        (3.5e12, "$3.5 trillion", "$3.5T"),
    ],
)
def test_money(value: float, long: str, short: str) -> None:
    assert fmt.usd(value) == long
    assert fmt.usd(value, short=True) == short


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (fmt.seconds(0.000045), "45 µs"),
        (fmt.seconds(0.9999), "1 s"),
        (fmt.seconds(6.82), "6.82 s"),
        (fmt.seconds(1800), "30 min"),
        (fmt.seconds(4 * 86400), "4 days"),
        (fmt.days(57.31), "57.3 days"),
        (fmt.days(0.25), "6 h"),
        (fmt.power(3.94), "3.94 MW"),
        (fmt.power(0.8124), "812 kW"),
        (fmt.power(0.0004), "400 W"),
        (fmt.gigabytes(0.34), "340 MB"),
        (fmt.rate(2_990_000), "2.99 M tokens/s"),
        (fmt.rate(412.0, "requests/s"), "412 requests/s"),
        (fmt.si(3e9, "W"), "3 GW"),
        (fmt.percent(0.4123), "41.2%"),
        (fmt.gap(0.0), "0%"),
        (fmt.gap(0.00041), "0.041%"),
        (fmt.share(0.00004), "<0.1%"),
        (fmt.quantity(5, "racks"), "5 racks"),
        (fmt.quantity(2.5, "gb_s"), "2.5 GB/s"),
        (fmt.worth(-212_000, "usd/days"), "-$212,000 per day"),
        (fmt.worth(1.3e6, "usd per MW"), "$1.3 million per MW"),
        (fmt.worth(None, "usd/MW"), fmt.DASH),
        (fmt.label("tp_exposed_s"), "TP exposed"),
        (fmt.label("kv_cache"), "KV cache"),
        (fmt.label("energy_usd"), "Energy"),
        (fmt.phrase("energy_usd"), "energy"),
        (fmt.phrase("tpot_ms"), "TPOT"),
        (fmt.worth(118_000, "usd per requests/s"), "$118,000 per request/s"),
        (fmt.plural(1, "option"), "1 option"),
        (fmt.plural(2000, "option"), "2,000 options"),
    ],
)
def test_units_suit_the_size(text: str, wanted: str) -> None:
    assert text == wanted


def test_a_layout_says_what_is_not_one() -> None:
    p = Parallelism(tp=8, pp=16, dp=16, micro_batch=1, zero_stage=1, recompute="full", sp=True)
    assert fmt.layout(p) == "TP 8 · PP 16 · DP 16 · SP · ZeRO 1 · micro-batch 1 · full recompute"
    assert fmt.layout(Parallelism()) == "one chip"
    assert fmt.layout(Parallelism(dp=4, batch=1024), serving=True) == "attention DP 4 · batch 1,024"


@given(st.text())
def test_clean_text_has_no_control_characters(text: str) -> None:
    assert all(c.isprintable() or c == " " or ord(c) > 127 for c in fmt.clean(text))
    assert "\x1b" not in fmt.clean("\x1b[31m" + text)
    assert "\u202e" not in fmt.clean("\u202e" + text)
