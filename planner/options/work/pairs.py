"""Which prefill replicas feed which decode replicas, and what is said of pairs that do not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from planner.options.option import Dropped

MOST_PAIRS = 12
"""Pairs of a load that are listed; more say the same."""


def pairs_left_out(units: Iterable[tuple[str, str, str, str]]) -> list[Dropped]:
    """Pairs of hardware that would exchange caches and may not. ``units``: (workload, role, chip, cache pool)."""
    of: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    for workload, role, chip, pool in units:
        if pool and role in {"prefill", "decode"}:
            of[workload][role].setdefault(pool, chip)
    found = []
    for workload, roles in of.items():
        pairs = [
            Dropped(
                f"{workload}: prefill on {a} in {pool_a.split()[-1]} with decode on {b} in {pool_b.split()[-1]}",
                "they write and read caches of another vendor or precision; cache_exchange: any lets them",
            )
            for pool_a, a in sorted(roles["prefill"].items())
            for pool_b, b in sorted(roles["decode"].items())
            if pool_a != pool_b
        ]
        found += pairs[:MOST_PAIRS]
    return found
