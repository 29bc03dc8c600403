"""What the planner refuses as impossible is refused for a reason that a second account of memory agrees with."""

from __future__ import annotations

from planner.validation.training.impossible import verdicts


def test_jobs_called_impossible_are_confirmed_by_a_second_account_of_memory() -> None:
    """From below: what it cannot confirm must at least nearly fill the chip."""
    found = verdicts(12, seed=3)
    assert len(found) == 12
    assert all(v.layouts for v in found)
    assert sum(v.confirmed for v in found) >= 11
    assert all(v.share > 0.85 for v in found)
