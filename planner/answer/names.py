"""Several names in words."""

from __future__ import annotations

from collections.abc import Sequence

MOST_NAMES = 3
"""Names that are told one by one of many."""


def named(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``; the first few of many."""
    if len(names) > MOST_NAMES + 1:
        return f"{', '.join(names[:MOST_NAMES])} and {len(names) - MOST_NAMES} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
