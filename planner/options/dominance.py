"""Pruning that is proven not to lose the best plan: an option goes only if another is at least as good in all it uses.

Within one group (same workload, role, place, period and way of acquiring) option A makes B superfluous when, per unit
of what B gives, A uses no more of anything that any limit or objective can count, and A's unit is no larger than B's:
then any plan with B stays feasible and gets no worse with A in its place, whatever the limits are. Counts are whole,
so n units of B are replaced by ceil(n * rate_B / rate_A) units of A; that is at most n only if rate_A >= rate_B.
So the test compares units as they are: rate_A >= rate_B, and every use of A's unit <= that of B's unit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def nondominated(
    uses: NDArray[np.float64], gives: NDArray[np.float64], *, block: int = 512
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which options stay, and for each that goes, one that dominates it (-1 for those that stay).

    ``uses`` (n, k): what a unit uses, less is better; ``gives`` (n, g): what it gives, more is better.
    Of equal options the first stays.
    """
    n = len(uses)
    figures = np.hstack([uses, -gives]) if gives.size else uses
    keep = np.ones(n, dtype=bool)
    witness = np.full(n, -1, dtype=np.int64)
    if n == 0:
        return keep, witness
    # a dominator is never after its victim in lexicographic order of all figures
    order = np.lexsort(figures.T[::-1])
    staying = np.empty((0, figures.shape[1]))
    names = np.empty(0, dtype=np.int64)
    for start in range(0, n, block):
        part = order[start : start + block]
        mine = figures[part]
        if len(names):
            beaten: NDArray[np.bool_] = np.all(staying[None, :, :] <= mine[:, None, :], axis=2)
            first = beaten.argmax(axis=1)
            lost: NDArray[np.bool_] = np.any(beaten, axis=1)
            keep[part[lost]] = False
            witness[part[lost]] = names[first[lost]]
            part, mine = part[~lost], mine[~lost]
        inside = (mine[None, :, :] <= mine[:, None, :]).all(axis=2)
        inside &= np.tri(len(part), k=-1, dtype=bool)  # only those before it in the order
        alive = np.ones(len(part), dtype=bool)
        for i in np.flatnonzero(inside.any(axis=1)):
            better = np.flatnonzero(inside[i] & alive)
            if len(better):
                alive[i] = False
                keep[part[i]] = False
                witness[part[i]] = part[better[0]]
        staying = np.vstack([staying, mine[alive]])
        names = np.concatenate([names, part[alive]])
    return keep, witness
