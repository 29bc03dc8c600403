"""Parts of systems: work occupies trays of a rack or a supernode, side by side with other work.

Parts join inside one system in doubling sizes: the smallest part that the catalog names (a tray, a server), twice
that, four times, ... below the whole. Sizes that divide each other pack without search: of parts of at least size L a
system holds ``floor(chips / L) * L`` chips, and some parts fit into n systems exactly if, for every size L among them,
the parts of size L and more take no more than n times that. (First-fit decreasing: every part put in before is a
multiple of L, so a system is full for L only when that many chips are taken.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def smallest_part(system_chips: int, part_chips: int, server_chips: int, *, shared: bool) -> int:
    """Chips of the smallest part of a system that work occupies.

    In a fleet that work shares, replicas stand side by side in a server too, each on chips of its own.
    """
    return 1 if shared and system_chips == server_chips else part_chips or system_chips


def part_sizes(system_chips: int, part_chips: int) -> tuple[int, ...]:
    """Sizes of parts in chips, ascending, below the whole system; none where a system is its own smallest part."""
    sizes: list[int] = []
    size = part_chips
    while 0 < size < system_chips:
        sizes.append(size)
        size *= 2
    return tuple(sizes)


def part_for(chips: NDArray[np.int64], system_chips: int, part_chips: int) -> NDArray[np.int64]:
    """The smallest part that holds so many chips (n,); 0 where only a whole system does."""
    sizes = np.array(part_sizes(system_chips, part_chips), dtype=np.int64)
    at = np.searchsorted(sizes, chips)
    return np.where(at < len(sizes), np.append(sizes, 0)[np.minimum(at, len(sizes))], 0)


def systems_taken(systems: int, part: int, system_chips: int) -> float:
    """Systems that a unit takes: whole ones, or its share of the one that its part stands in."""
    return part / system_chips if part else float(systems)


def room_for(system_chips: int, part: int) -> int:
    """Chips of a system that parts of at least this size can take."""
    return system_chips // part * part


def levels(sizes: Iterable[int], system_chips: int) -> tuple[int, ...]:
    """Of the sizes in use, ascending, those whose condition no smaller one implies: less room than the size before."""
    found: list[int] = []
    for size in sorted(set(sizes)):
        if not found or room_for(system_chips, size) < room_for(system_chips, found[-1]):
            found.append(size)
    return tuple(found)


def systems_for(counts: Mapping[int, int], system_chips: int) -> int:
    """Whole systems that hold ``{size: how many}`` parts."""
    return max(
        (
            -(-sum(size * n for size, n in counts.items() if size >= level) // room_for(system_chips, level))
            for level in levels((s for s, n in counts.items() if n), system_chips)
        ),
        default=0,
    )


def packed(parts: Sequence[int], system_chips: int) -> list[int]:
    """The system that each part stands in, from 0, largest parts first into the first system with room."""
    free: list[int] = []
    where = [0] * len(parts)
    for i in sorted(range(len(parts)), key=lambda k: -parts[k]):
        at = next((k for k, room in enumerate(free) if room >= parts[i]), len(free))
        if at == len(free):
            free.append(system_chips)
        free[at] -= parts[i]
        where[i] = at
    return where
