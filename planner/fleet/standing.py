"""What a program has at work and standing on a group of systems in a slot: its columns, for rows about them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from planner.fleet.pieces import Piece
from planner.options.hardware.hours import on_in
from planner.options.parts import levels, room_for
from planner.options.stock import Run, Start, Stock
from planner.scenario.kinds.daily import Hours

Where = tuple[int, Hours]
"""A group in a band of the day."""


class Columns(Protocol):
    """A program over lots, or a draft of one: which column counts what of its stock."""

    @property
    def stock(self) -> Stock:
        """What may stand and work."""
        ...

    @property
    def lots(self) -> Sequence[int]:
        """Column of each lot."""
        ...

    @property
    def serve(self) -> Sequence[Sequence[int]]:
        """Column of each serving unit in each period."""
        ...

    @property
    def runs(self) -> Sequence[Sequence[int]]:
        """Column of each start of each run."""
        ...


def place_name(where: Where) -> str:
    """A group in a band of the day, as rows and resources are called."""
    return f"{where[0]}" + (f" at {where[1][0]:02d} h" if where[1] else "")


def at_work(columns: Columns, where: Where, slot: int) -> list[tuple[int, Run, Start]]:
    """(column, run, start) of the starts whose runs are at work on a group in a slot."""
    group, band = where
    mine = [(c, run) for c, run in zip(columns.runs, columns.stock.runs, strict=True) if run.group == group]
    return starts_in(mine, band, slot)


def starts_in(runs: Iterable[tuple[Sequence[int], Run]], band: Hours, slot: int) -> list[tuple[int, Run, Start]]:
    """The same of runs with their columns, all of one group."""
    return [
        (c, run, start)
        for mine, run in runs
        if not run.term and on_in(run.hours, band)
        for c, start in zip(mine, run.starts, strict=True)
        if start.slot <= slot <= start.last_slot
    ]


def standing(columns: Columns, where: Where, slot: int) -> list[dict[int, float]]:
    """Coefficients of what serves in a slot less what stands in it, of one group in a band of the day: for each size of
    part that a condition is needed for (``options.parts``), as what serves takes whole systems from what runs may
    have."""
    stock, period = columns.stock, columns.stock.slots[slot]
    group, band = where
    stands = {
        c: -1.0
        for c, lot in zip(columns.lots, stock.lots, strict=True)
        if lot.group == group and lot.begin <= period < lot.end and on_in(lot.hours, band)
    }
    serving = [
        (mine[period], w)
        for mine, w in zip(columns.serve, stock.works, strict=True)
        if w.group == group and on_in(w.hours, band)
    ]
    stands |= {c: float(w.systems) for c, w in serving if not w.part}
    chips = stock.groups[group].chips
    return [
        stands | {c: w.part / room_for(chips, cut) for c, w in serving if w.part >= cut > 0}
        for cut in levels((w.part for _, w in serving if w.part), chips) or (0,)
    ]


def taken(
    columns: Columns, where: Where, slot: int, runs: Iterable[tuple[int, Run, Start]], pieces: Iterable[Piece]
) -> list[dict[int, float]]:
    """The same, with the ``runs`` at work that are none of some ``pieces``: what pieces may have is what is left."""
    apart = {p.column for p in pieces}
    through = {c: float(run.systems) for c, run, _ in runs if c not in apart}
    return [base | through for base in standing(columns, where, slot)]
