"""Short runs that cannot wait for a longer one to end: rows that no schedule breaks, for the program from the start.

A run that must begin before the end of a longer one has freed its systems works beside it, so both need systems at
once. The program counts systems times time and does not see that; ``sequence`` would find out, one solved program
later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import product

from planner.fleet.pieces import Piece, pieces_of
from planner.fleet.standing import Columns, place_name, starts_in, taken
from planner.options.stock import Run

MOST = 2000
"""Rows above which there are none at all: on large fleets their many columns cost more than a solve that is repeated
(121,000 of them made a relaxation of seconds one of minutes)."""

Row = tuple[str, dict[int, float], float]
"""Name, coefficients, most."""


def meeting_rows(columns: Columns) -> list[Row]:
    """Rows: what works in a slot beside the ends of longer runs needs systems of its own. None where they would be more
    than ``MOST``: then ``sequence`` adds what its plans need."""
    stock = columns.stock
    if not stock.slot_days:
        return []
    by_group: dict[int, list[tuple[Sequence[int], Run]]] = defaultdict(list)
    for mine, run in zip(columns.runs, stock.runs, strict=True):
        by_group[run.group].append((mine, run))
    several = [g for g, runs in sorted(by_group.items()) if len({run.workload for _, run in runs}) > 1]
    rows: list[Row] = []
    for group, band in product(several, stock.bands):
        where = group, band
        for slot in range(len(stock.slots)):
            runs = starts_in(by_group[group], band, slot)
            pieces = pieces_of(stock, slot, runs)
            met = _met(pieces, stock.minute(slot))
            if not met:
                continue
            for i, base in enumerate(taken(columns, where, slot, runs, pieces)):
                if len(rows) + len(met) > MOST:
                    return []
                for j, together in enumerate(met):
                    name = f"meet[{place_name(where)},{slot},{i + 1},{j + 1}]"
                    rows.append((name, base | together, 0.0))
    return rows


def _met(pieces: list[Piece], begins: int) -> list[dict[int, float]]:
    """Systems by column of pieces of which at most one start of each run is chosen, and which then are at work at one
    moment: ends that last so long, and the starts of one run that come before."""
    ends = [p for p in pieces if not p.moves]
    found: dict[tuple[frozenset[int], frozenset[int]], dict[int, float]] = {}
    for name in dict.fromkeys(p.run.workload for p in pieces if p.moves):
        movable = [p for p in pieces if p.moves and p.run.workload == name]
        for lasts in sorted({p.minutes for p in ends if p.run.workload != name}):
            longer = {p.column: float(p.run.systems) for p in ends if p.minutes >= lasts}
            before = {p.column: float(p.run.systems) for p in movable if p.due - p.minutes - begins < lasts}
            if before:
                found[frozenset(longer), frozenset(before)] = longer | before
    return list(found.values())
