"""Where the continuous columns of a program only divide the time of whole counts over what must be covered.

`project` solves such programs in the counts alone; here they are recognised, without a solver.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.solve.form import FloatArray, IntArray, Program

_LEAST_SPLITS = 50
"""Continuous columns below which the whole program is small enough as it is."""


@dataclass(frozen=True)
class Projection:
    """Where the splits are. s split columns, i counts with time, c rows to cover.

    ``split`` (s,) columns, of the count ``owner`` (s,) and the cover ``cover`` (s,); one of it takes ``takes`` of what
    a unit has, ``has`` (i,), and covers ``gives``; none of it is above ``most``. ``needs`` (c,) is what must be
    covered. ``free`` are columns that only say how much: held at ``free_at``.
    """

    counts: IntArray
    split: IntArray
    owner: IntArray
    cover: IntArray
    takes: FloatArray
    gives: FloatArray
    most: FloatArray
    has: FloatArray
    needs: FloatArray
    free: IntArray
    free_at: FloatArray
    master_rows: IntArray

    def worth(self, prices: FloatArray) -> FloatArray:
        """f_i(y) (i,): the most that one unit's time earns at prices (c,) for what is covered."""
        earns, weight = prices[self.cover] * self.gives * self.most, self.takes * self.most
        order = np.lexsort((-earns / weight, self.owner))
        owner, earns, weight = self.owner[order], earns[order], weight[order]
        done = np.cumsum(weight) - weight
        first = np.searchsorted(owner, np.arange(len(self.counts)))
        before = done - done[np.minimum(first, len(done) - 1)][owner]
        share = np.clip((self.has[owner] - before) / weight, 0.0, 1.0)
        return np.bincount(owner, weights=share * earns, minlength=len(self.counts)).astype(np.float64)


def projection_of(program: Program) -> Projection | None:
    """The splits of a program, or None where its continuous columns do something else."""
    whole = program.integer
    split_columns = np.flatnonzero(~whole)
    if len(split_columns) < _LEAST_SPLITS or program.objective[split_columns].any():
        return None
    m = program.row_count
    mixed = np.bincount(program.rows[~whole[program.cols]], minlength=m) > 0
    counts_in = np.bincount(program.rows[whole[program.cols]], minlength=m)
    one_sided = np.isfinite(program.row_upper) != np.isfinite(program.row_lower)
    time_row = mixed & (counts_in == 1) & (program.row_upper == 0.0) & one_sided
    other = mixed & ~time_row
    if (counts_in[other] > 0).any() or np.isfinite(program.row_upper[other]).any():
        return None
    in_time, in_other = time_row[program.rows], other[program.rows]
    owner_entries = in_time & whole[program.cols]
    split_entries = in_time & ~whole[program.cols]
    if (program.vals[owner_entries] >= 0.0).any() or (program.vals[split_entries] <= 0.0).any():
        return None
    n = program.column_count
    times = np.bincount(program.cols[split_entries], minlength=n)
    covers = np.bincount(program.cols[in_other], minlength=n)
    split = split_columns[times[split_columns] == 1]
    free = split_columns[times[split_columns] == 0]
    counts = program.cols[owner_entries]
    if (
        (times > 1).any() or (covers[split] != 1).any() or (program.lower[split] != 0.0).any()
        or len(np.unique(counts)) != len(counts) or (program.lower[counts] < 0.0).any()
    ):  # fmt: skip
        return None
    # columns that only say how much is to be covered: as low as their own rows allow
    held = np.zeros(n)
    is_free = np.zeros(n, dtype=np.bool_)
    is_free[free] = True
    splits_in = np.bincount(program.rows[in_other & ~is_free[program.cols]], minlength=m)
    free_at = program.lower[free].copy()
    place = {int(j): k for k, j in enumerate(free)}
    for e in np.flatnonzero(in_other & is_free[program.cols]):
        row, value = int(program.rows[e]), float(program.vals[e])
        if splits_in[row] == 0:
            if value <= 0.0 or np.count_nonzero(program.rows == row) != 1:
                return None
            k = place[int(program.cols[e])]
            free_at[k] = max(free_at[k], program.row_lower[row] / value)
        elif value > 0.0:
            return None
    if not np.isfinite(free_at).all() or (free_at > program.upper[free]).any():
        return None
    held[free] = free_at
    cover_rows = np.flatnonzero(other & (splits_in > 0))
    place_of_row = np.full(m, -1)
    place_of_row[cover_rows] = np.arange(len(cover_rows))
    known = np.bincount(program.rows, weights=program.vals * held[program.cols], minlength=m)
    needs = (program.row_lower - known)[cover_rows]
    by_column = np.argsort(program.cols[split_entries], kind="stable")
    takes = program.vals[split_entries][by_column]
    owner_row = program.rows[split_entries][by_column]
    cover_entries = in_other & ~is_free[program.cols]
    by_cover = np.argsort(program.cols[cover_entries], kind="stable")
    gives, cover = program.vals[cover_entries][by_cover], place_of_row[program.rows[cover_entries][by_cover]]
    if (needs <= 0.0).any() or (gives <= 0.0).any():
        return None
    owner_of_row = np.full(m, -1)
    owner_of_row[program.rows[owner_entries]] = np.arange(len(counts))
    return Projection(
        counts=counts,
        split=split,
        owner=owner_of_row[owner_row],
        cover=cover,
        takes=takes,
        gives=gives,
        most=np.minimum(program.upper[split], needs[cover] / gives),
        has=-program.vals[owner_entries],
        needs=needs,
        free=free,
        free_at=free_at,
        master_rows=np.flatnonzero(~mixed),
    )
