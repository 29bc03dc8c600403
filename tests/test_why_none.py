"""Why there is no plan: each reason once, what was tried before what is not known, and no more proof than there is."""

from __future__ import annotations

import re

from planner import plan
from planner.explain.conflict import reasons_in_words
from planner.options.option import Dropped
from planner.report.format import status_words

QUESTION = {
    "name": "chat",
    "start": "2027-01",
    "sites": [{"name": "hall", "region": "us_va", "power_mw": 4}],
    "workloads": [
        {
            "name": "chat", "kind": "serving", "model": "llama-3.1-405b", "requests_per_s": 5, "input_tokens": 1000,
            "output_tokens": 300, "ttft_ms": 2000, "tpot_ms": 2,
        }
    ],
}  # fmt: skip


def test_hardware_that_falls_short_comes_before_figures_nobody_published() -> None:
    """A TPOT that nothing reaches: the reason is the latency; the price that is missing is said beside it, once."""
    found = plan({**QUESTION, "hardware": {"systems": ["hgx_h100_oem", "metax_c500_pcie_server"]}})
    assert found.status == "infeasible"
    assert found.answer.startswith("No plan is possible with the figures that are known. No hardware")
    assert found.answer.index("TPOT") < found.answer.index("price_usd of metax_c500_pcie_server")
    assert found.answer.count("price_usd") == 1
    assert status_words(found) == "no plan can exist with the figures that are known"


def test_a_proof_over_known_hardware_is_called_a_proof() -> None:
    """Nothing is left out for want of a figure: no plan can exist."""
    found = plan({**QUESTION, "hardware": {"systems": ["hgx_h100_oem"]}})
    assert status_words(found) == "no plan can exist"
    assert found.answer.startswith("No plan is possible. No hardware")


def test_reasons_are_grouped_by_what_they_say() -> None:
    """Numbers apart, one reason is one sentence; hardware is named once, whatever its cooling and place."""
    dropped = [
        Dropped("w on a_8 in air at s0", "70 days at best, 60 asked"),
        Dropped("w on a_8 in rdhx at s1", "71 days at best, 60 asked"),
        Dropped("w on b_8 in air at s0", "99 days at best, 60 asked"),
        Dropped("w on c_8 in air at s0", "systems c_8: price_usd is not published. Supply it in the scenario."),
        Dropped("d_8, rented at 2 USD a chip-hour", "hardware.acquire leaves rent out"),
    ]
    assert reasons_in_words("w", dropped) == (
        "a_8, b_8: 70 days at best, 60 asked (a_8; the others have figures of their own). Not published, so not "
        "priced: price_usd of c_8; `planner unknowns` lists all of them, `assume` supplies them. d_8: "
        "hardware.acquire leaves rent out."
    )


def test_chips_needed_and_room_are_those_of_the_limits_asked() -> None:
    """15 kW hold one server of eight H100 at about 10 kW; 6ND at its peak over 30 days needs 2,476 chips."""
    run = {
        "name": "t", "kind": "training", "model": "llama-3.1-70b", "tokens": 15e12, "sequence_length": 8192,
        "global_batch": 2048, "finish_within_days": 30,
    }  # fmt: skip
    site = {"name": "hall", "region": "us_va", "power_mw": 0.015, "cooling": "d2c_1p"}
    found = plan({**QUESTION, "sites": [site], "hardware": {"systems": ["hgx_h100_oem"]}, "workloads": [run]})
    (said,) = [x.reason for x in found.left_out if "leave room" in x.reason]
    needed, days, room = (int(n) for n in re.findall(r"\d+", said))
    assert 6 * 70.5e9 * 15e12 / (989.4e12 * 30 * 86400) <= needed < 2800
    assert (days, room) == (30, 8)
    assert found.answer.startswith(
        "No plan is possible. This alone makes it impossible: 0.015 MW at the meter of hall."
    )
