"""Every offer that the catalog knows of a named system is open to the plan, or named with the word that opens it."""

from __future__ import annotations

import pytest

from planner import load_catalog
from planner.options.hardware.offers import closed_offers, known_terms
from planner.scenario import load_text

CATALOG = load_catalog()
TEXT = """
name: offers
start: 2026-10
sites: [{name: a, region: us_va, power_mw: 1}]
hardware: {systems: [l40s_8], ACQUIRE}
workloads: [{kind: serving, name: s, model: llama-3.1-8b, input_tokens: 500, output_tokens: 100, requests_per_s: 5}]
"""


@pytest.mark.parametrize(
    ("acquire", "closed"),
    [
        ("acquire: [buy]", {"rented at": "hardware.acquire leaves rent out", "one chip": "hardware.systems does not"}),
        ("acquire: [rent]", {"bought at 100,000 USD": "hardware.acquire leaves buy out",
                             "1y or 3y": "hardware.rent_terms", "spot": "hardware.spot", "one chip": "hardware."}),
        ("acquire: [buy, rent], rent_terms: [on_demand, 1y, 3y]", {"spot": "hardware.sp", "one chip": "hardware"}),
    ],
)  # fmt: skip
def test_what_is_closed_says_what_opens_it(acquire: str, closed: dict[str, str]) -> None:
    found = list(closed_offers(load_text(TEXT.replace("ACQUIRE", acquire)), CATALOG))
    assert len(found) == len(closed)
    for words, reason in closed.items():
        (one,) = [d for d in found if words in d.option]
        assert reason in one.reason
        assert one.option.startswith("l40s_")


def test_nothing_is_closed_where_all_is_open() -> None:
    text = TEXT.replace("[l40s_8], ACQUIRE", "[l40s_8, l40s_1], acquire: [buy, rent], rent_terms: [on_demand, 1y, 3y],"
                        " spot: {price_share: 0.5, interruptions_per_day: 1}")  # fmt: skip
    scenario = load_text(text)
    assert list(closed_offers(scenario, CATALOG)) == []
    assert set(known_terms(scenario, CATALOG)) == {"on_demand", "1y", "3y", "spot"}
