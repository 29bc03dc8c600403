"""Work once per distinct key: what lets millions of candidates be priced at memory speed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_TABLE_LIMIT = 1 << 22


def _compact(values: Ints) -> tuple[Ints, Ints]:
    """Distinct values, ascending, and the index of each element among them."""
    top = int(values.max(initial=0))
    if int(values.min(initial=0)) >= 0 and top < _TABLE_LIMIT:
        present = np.zeros(top + 1, dtype=bool)
        present[values] = True
        distinct = np.flatnonzero(present)
        place = np.empty(top + 1, dtype=np.int64)
        place[distinct] = np.arange(distinct.size)
        return distinct, place[values]
    distinct, inverse = np.unique(values, return_inverse=True)
    return distinct, inverse.astype(np.int64).reshape(-1)


def factorise(*columns: Ints) -> tuple[tuple[Ints, ...], Ints]:
    """The distinct rows of some integer columns, column by column, and each element's row among them.

    All columns have one shape (n,). Returns ``(unique_columns, inverse)`` with ``unique_columns[i][inverse] ==
    columns[i]``. Linear in n where the values are small, as parallel widths are.
    """
    if columns[0].size == 1:
        return tuple(c.copy() for c in columns), np.zeros(1, dtype=np.int64)
    distinct, code = _compact(columns[0])
    values: list[Ints] = [distinct]
    for column in columns[1:]:
        new, inverse = _compact(column)
        combined = code * new.size + inverse
        kept, code = _compact(combined)
        values = [v[kept // new.size] for v in values]
        values.append(new[kept % new.size])
    return tuple(values), code
