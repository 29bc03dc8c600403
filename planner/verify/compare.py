"""How two figures are compared: what was said against what comes out again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction

RELATIVE_TOLERANCE = 1e-9
"""Of recomputed figures: the same arithmetic in another order."""


LIMIT_TOLERANCE = Fraction(1, 10**6)
"""Relative overrun of a limit that is rounding of the solver's own arithmetic, not a broken limit."""


def near(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=RELATIVE_TOLERANCE, abs_tol=1e-12)


def listed(path: str, said: object, found: object) -> Iterator[str]:
    """Where two lists of plain data differ."""
    assert isinstance(said, list)  # noqa: S101 - narrowed for the type checker
    assert isinstance(found, list)  # noqa: S101
    if len(said) != len(found):
        yield f"{path} has {len(said)} entries, recomputed {len(found)}"
    for i, (a, b) in enumerate(zip(said, found, strict=False)):
        yield from differences(f"{path}[{i}]", a, b)


def differences(path: str, said: object, found: object) -> Iterator[str]:
    """Where two pieces of plain data differ: figures beyond rounding, everything else at all."""
    if isinstance(said, Mapping) and isinstance(found, Mapping):
        for name in sorted(said.keys() | found.keys()):
            here = f"{path}.{name}" if path else str(name)
            if name not in said or name not in found:
                yield f"{here} is {said.get(name, 'missing')}, recomputed {found.get(name, 'as no part of it')}"
            else:
                yield from differences(here, said[name], found[name])
        return
    if isinstance(said, list) and isinstance(found, list):
        yield from listed(path, said, found)
        return
    numbers = isinstance(said, int | float) and isinstance(found, int | float)
    if not (near(float(said), float(found)) if numbers else said == found):  # type: ignore[arg-type]
        yield f"{path} is {said}, recomputed {found}"
