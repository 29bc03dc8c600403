"""Work in other words asks for no more than a load can: never cut in silence to a plan for less."""

from __future__ import annotations

from typing import Any

import pytest

from planner.errors import InputError
from planner.scenario import scenario_from_mapping

ASKED: dict[str, dict[str, Any]] = {
    "tokens": {"kind": "batch", "input_tokens": 1000, "output_tokens": 300, "tokens": 1e18, "finish_within_days": 1},
    "sessions_per_s": {
        "kind": "agents", "sessions_per_s": 9e7, "calls": 100, "first_prompt": 1000, "last_prompt": 2000,
        "output_tokens": 300, "tool_wait_s": 1,
    },
    "tokens_per_run": {
        "kind": "recurring_training", "tokens_per_run": 1e15, "runs": 500, "every_days": 1, "sequence_length": 4096,
        "global_batch": 128,
    },
}  # fmt: skip


@pytest.mark.parametrize("field", ASKED)
def test_more_than_a_load_can_ask_is_refused_where_it_is_said(field: str) -> None:
    """A quintillion tokens in a day was planned as a hundredth of it, and a remedy named for that."""
    work = {"name": "w", "model": "llama-3.1-8b", **ASKED[field]}
    site = {"name": "s", "region": "us_va", "power_mw": 5}
    with pytest.raises(InputError) as refused:
        scenario_from_mapping({"name": "x", "start": "2026-10", "sites": [site], "workloads": [work]})
    (problem,) = refused.value.problems
    assert problem.path == f"workloads[0].{field}"
    assert problem.allowed.startswith("at most ")
    assert "comes to" in problem.message
