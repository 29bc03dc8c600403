"""Pairs of measured runs in the predicted order, by how far apart they were predicted."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from planner.performance.measured.ordering import APART, OrderShare, by_distance
from planner.validation.ordering import TIE

LEAST_PAIRS, LEAST_GROUPS = 30, 4
"""What a class needs to be told."""


@dataclass(frozen=True)
class Run:
    """One measured figure, predicted without its source. ``group``: runs that are comparable, whatever their chip."""

    group: tuple[str, ...]
    chip: str
    measured: float
    predicted: float


def order_shares(quantity: str, runs: Sequence[Run]) -> tuple[OrderShare, ...]:
    """Shares of pairs in order, on one chip and across chips; classes of too few pairs or groups are left out.

    Pairs measured within ``TIE`` of each other are no order. Every group weighs as the square root of its pairs.
    """
    groups: dict[tuple[str, ...], list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.group].append(run)
    edges = np.log1p(np.array([*APART, np.inf]))
    counted: dict[tuple[bool, int], list[tuple[int, int]]] = defaultdict(list)  # (right, pairs) of each group
    for members in groups.values():
        if len(members) < 2:
            continue
        first, second = np.triu_indices(len(members), 1)
        measured = np.log(np.array([r.measured for r in members]))
        predicted = np.log(np.array([r.predicted for r in members]))
        _, chip = np.unique([r.chip for r in members], return_inverse=True)
        seen, told = measured[first] - measured[second], predicted[first] - predicted[second]
        order = np.abs(seen) > math.log1p(TIE)
        right = (seen > 0.0) == (told > 0.0)
        same = chip[first] == chip[second]
        which = np.searchsorted(edges, np.abs(told), side="right") - 1
        for kind in (True, False):
            for k in range(len(APART)):
                chosen = order & (same == kind) & (which == k)
                if chosen.any():
                    counted[kind, k].append((int(right[chosen].sum()), int(chosen.sum())))
    found = []
    for kind in (True, False):
        for k, apart in enumerate(APART):
            pairs = counted.get((kind, k), [])
            total = sum(n for _, n in pairs)
            if total < LEAST_PAIRS or len(pairs) < LEAST_GROUPS:
                continue
            weights = np.sqrt([n for _, n in pairs])
            share = float(np.average([r / n for r, n in pairs], weights=weights))
            until = APART[k + 1] if k + 1 < len(APART) else None
            found.append(OrderShare(quantity, kind, apart, until, share, total, len(pairs)))
    return tuple(found)


def order_lines(shares: Sequence[OrderShare]) -> list[str]:
    """The shares as lines of a Markdown table: a row for each quantity and kind of pair, a column for each distance."""
    table = by_distance(shares)
    heads = [f"{a:.0%} to {u:.0%}" if u is not None else f"{a:.0%} or more" for a, u in table]
    lines = [f"| predicted apart | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(heads)}"]
    for name in dict.fromkeys(name for row in table.values() for name in row):
        cells = [f"{row[name].right:.0%} of {row[name].pairs:,}" if name in row else "" for row in table.values()]
        what = name.replace(" across", ", different chips") if " across" in name else f"{name}, one chip"
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return [*lines, ""]
