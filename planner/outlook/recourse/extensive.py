"""Two stages as one program: what is bought now is the same in all futures, what comes later follows each of them.

The extensive form of a two-stage program with recourse (Birge and Louveaux, Introduction to Stochastic Programming): a
copy of the fleet's program for every future, its columns of later purchases, and the columns of the first purchases
shared. A promise may be missed in a share of the futures: a column of nought or one for each promise and future, and a
row that counts them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.solve.form import Program, ProgramBuilder

Floats = NDArray[np.float64]
MISSING = 1e-3
"""What a missed promise costs in the program, millions of USD: less than anything bought, more than nothing, so that
none is missed for nothing."""


@dataclass(frozen=True)
class Future:
    """One future: the fleet's program in it, the cost of each column (USD millions), and the rows of each promise.

    ``promises``: {workload: rows that hold it}; a missed one counts for as much as each of them asks.
    """

    program: Program
    cost: Floats
    promises: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class TwoStage:
    """The extensive form, and where its columns are."""

    program: Program
    first: tuple[int, ...]
    """Columns of first purchases, in the order of ``first`` of each future; of the first future, where not shared."""
    columns: tuple[NDArray[np.int64], ...]
    """For each future, the column that each of its own columns is."""
    missed: tuple[Mapping[str, int], ...]
    """For each future, the column of each missed promise."""


def two_stage(
    futures: Sequence[Future], first: Sequence[int], most_missed: int, *, shared: bool = True, later: bool = True
) -> TwoStage:
    """The extensive form.

    ``first``: columns decided before anything is known; ``most_missed``: futures in which each promise may be missed;
    ``shared`` False: everything is decided knowing the future; ``later`` False: nothing is bought after the first
    purchases.
    """
    build = ProgramBuilder()
    weight = 1.0 / len(futures)
    kept = set(first)
    common: dict[int, int] = {}
    places: list[NDArray[np.int64]] = []
    missed: list[dict[str, int]] = []
    objective: list[float] = []
    for s, f in enumerate(futures):
        p = f.program
        place = np.empty(p.column_count, dtype=np.int64)
        for j, name in enumerate(p.column_names):
            if shared and j in kept and j in common:
                place[j] = common[j]
                objective[common[j]] += weight * float(f.cost[j])
                continue
            bought = name.startswith(("units[", "lot[")) and j not in kept
            upper = 0.0 if bought and not later else float(p.upper[j])
            place[j] = build.add_column(
                f"{name}@{s}", lower=float(p.lower[j]), upper=upper, integer=bool(p.integer[j]),
                structure=bool(p.structure[j]),
            )  # fmt: skip
            objective.append(weight * float(f.cost[j]))
            if j in kept:
                common[j] = int(place[j])
        misses = {}
        for workload in f.promises:
            misses[workload] = build.add_column(f"missed[{workload}]@{s}", upper=1.0, integer=True)
            objective.append(weight * MISSING)
        _add_rows(build, f, place, misses, s)
        places.append(place)
        missed.append(misses)
    for workload in futures[0].promises:
        build.add_row(
            f"missed[{workload}]", {m[workload]: 1.0 for m in missed}, upper=float(most_missed), kind="chance"
        )
    program = replace(build.build(), objective=np.array(objective))
    return TwoStage(program, tuple(int(places[0][j]) for j in first), tuple(places), tuple(missed))


def _add_rows(
    build: ProgramBuilder, f: Future, place: NDArray[np.int64], missed: Mapping[str, int], number: int
) -> None:
    p = f.program
    of = {row: workload for workload, rows in f.promises.items() for row in rows}
    entries: list[dict[int, float]] = [{} for _ in p.row_names]
    for i, j, v in zip(p.rows.tolist(), p.cols.tolist(), p.vals.tolist(), strict=True):
        at = int(place[j])
        entries[i][at] = entries[i].get(at, 0.0) + v
    for i, name in enumerate(p.row_names):
        low, high = float(p.row_lower[i]), float(p.row_upper[i])
        if i in of:
            entries[i][missed[of[i]]] = low
        build.add_row(f"{name}@{number}", entries[i], lower=low, upper=high, kind=p.row_kind[i])
