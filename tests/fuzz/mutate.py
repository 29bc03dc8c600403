"""Seeded mutations of plain data and of text: what a slip, a stranger or a broken disk makes of a file."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

ODD: tuple[Any, ...] = (
    None, 0, -1, 1, 2, 3, 7, 0.5, -0.5, 1e-9, 1e6, 1e9, 10**9, 10**12, 1e300, 10**40, float("nan"), float("inf"), True,
    False, "", "x", "here", "a\nb", "\u202e", "2026-10", "9999-99", "0001-01", "1e5", "12,000", "5%", "$(x)", "../x",
    "x" * 3000, [], {}, [1], {"a": 1}, [None] * 3, ["x", "x"],
)  # fmt: skip
"""What stands in the place of a value."""
MILD: tuple[Any, ...] = (
    0,
    1,
    2,
    3,
    7,
    0.5,
    1.0,
    8,
    64,
    1000,
    10**6,
    0.9,
    0.01,
    "x",
    "2026-10",
    "fp8",
    "bf16",
    True,
    [],
    {},
)
"""The same, likelier to pass for something."""


STREWN = ("", ":", "- ", "&a ", "*a", "!!x", "'", '"', ",", "\t", "{", "]", "\0", "é", "%", "1e400", "-", ";")
"""What text is strewn with."""


def paths(data: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in plain data below the top."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*at, key)
        yield from paths(value, (*at, key))


def mutated(data: Any, rng: random.Random, odd: tuple[Any, ...] = ODD) -> Any:
    """A copy with one to three things changed: taken out, doubled, scaled, moved or replaced."""
    found = copy.deepcopy(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = list(paths(found))
        if not places:
            return rng.choice(odd)
        *above, last = rng.choice(places)
        parent = found
        for part in above:
            parent = parent[part]
        value, dice = parent[last], rng.random()
        if dice < 0.12 and isinstance(parent, dict):
            del parent[last]
        elif dice < 0.18 and isinstance(parent, dict):
            parent[rng.choice(("", "x", "name", f"{last}s", "a.b", "\n"))] = parent.pop(last)
        elif dice < 0.24 and isinstance(parent, list):
            parent.pop(last)
        elif dice < 0.32 and isinstance(parent, list):
            parent.append(copy.deepcopy(value))
        elif dice < 0.55 and isinstance(value, int | float) and not isinstance(value, bool):
            parent[last] = type(value)(value * rng.choice((0, -1, 2, 10, 1000, 1e6, 0.001)))
        elif dice < 0.62:
            other = found
            for part in rng.choice(places):
                other = other[part] if not isinstance(other, dict) or part in other else {}
                if not isinstance(other, dict | list):
                    break
            parent[last] = copy.deepcopy(other)
        else:
            parent[last] = copy.deepcopy(rng.choice(odd))
    return found


def scratched(text: str, rng: random.Random) -> str:
    """Text with a few characters or lines lost, doubled, swapped or strewn in."""
    for _ in range(rng.choice((1, 1, 2, 5))):
        lines = text.split("\n")
        i, dice = rng.randrange(len(lines)), rng.random()
        if dice < 0.2:
            del lines[i]
        elif dice < 0.35:
            lines.insert(i, lines[rng.randrange(len(lines))])
        elif dice < 0.5:
            lines[i] = " " * rng.randrange(6) + lines[i].lstrip()
        else:
            k = rng.randrange(len(lines[i]) + 1)
            new = rng.choice(
                ("", ":", "- ", "&a ", "*a", "!!x", "'", '"', ",", "\t", "{", "]", "\0", "é", "%", "1e400", "-", ";")
            )
            lines[i] = lines[i][:k] + new + lines[i][k + rng.randrange(2) :]
        text = "\n".join(lines) or "x"
    return text
