"""Mutated inputs of every kind end in an answer or in an ``InputError``: no traceback, no hang; the short attack.

The long one is ``python tests/fuzz/run.py --count 3000``. ``kept.txt`` holds inputs that once went wrong, by number.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from kinds import KINDS
from run import attack

KEPT = [line.split() for line in (Path(__file__).parent / "kept.txt").read_text().splitlines() if line[:1] != "#"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("kind", [k for k in KINDS if KINDS[k].briefly])
def test_mutated_inputs_are_answered_or_refused(kind: str) -> None:
    """The first inputs of a kind, and those that once went wrong."""
    numbers = [*range(KINDS[kind].briefly), *(int(n) for k, n in KEPT if k == kind)]
    told = {n: attack(kind, n) for n in numbers}
    assert {n: text for n, text in told.items() if text not in {"answered", "refused"}} == {}
    assert set(told.values()) == {"answered", "refused"} or len(numbers) < 20, "nothing passes, or everything does"
