"""Pieces of slots: short runs, and the ends of longer ones, which leave the rest of their slot to others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from planner.options.stock import PER_DAY, Run, Start, Stock


@dataclass(frozen=True)
class Piece:
    """What a run takes of one slot: minutes from the plan's start, between ``earliest`` and ``due``."""

    column: int
    run: Run
    minutes: int
    earliest: int
    due: int

    @property
    def moves(self) -> bool:
        """Whether it may begin later than at the slot's start."""
        return self.due - self.earliest > self.minutes


def pieces_of(stock: Stock, slot: int, columns: Sequence[tuple[int, Run, Start]]) -> list[Piece]:
    """The pieces among runs that are at work in a slot: short runs, and the ends of longer ones."""
    if not stock.slot_days:
        return []
    low, high = (stock.minute(slot + i) for i in (0, 1))
    found = []
    for column, run, start in columns:
        if start.slot <= start.last_slot == slot and not run.term:
            length = stock.minute(start.slot) + run.minutes - low
            due = low + length
            if start.due_days is not None:
                due = min(high, math.floor(start.due_days * PER_DAY + 1e-3))
            found.append(Piece(column, run, length, low, due))
    return found
