"""Levels in a file: one line an effect, ``quantity,kind,name`` and coefficients and deviations over the covariates.

A line whose name is empty is the kind itself: the deviation of its names from each other.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from planner.errors import InputError, Problem
from planner.performance.measured.levels import Effect, Levels

LevelTables = Mapping[str, Levels]
"""Levels by quantity: pace, ttft."""


def _columns(covariates: Sequence[str]) -> list[str]:
    return ["quantity", "kind", "name", *covariates, *(f"{c}_deviation" for c in covariates)]


def levels_csv(tables: LevelTables) -> str:
    """The text of ``catalog/calibration/serving_levels.csv``, three significant digits."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for k, (quantity, levels) in enumerate(sorted(tables.items())):
        if not k:
            writer.writerow(_columns(levels.covariates))
        none = [""] * len(levels.covariates)
        for kind, deviation in levels.kinds.items():
            writer.writerow([quantity, kind, "", *none, *(f"{x:.3g}" for x in deviation)])
            for key, effect in sorted(levels.effects.items()):
                if key.startswith(f"{kind}="):
                    numbers = (f"{x:.3g}" for x in (*effect.value, *effect.deviation))
                    writer.writerow([quantity, kind, key.partition("=")[2], *numbers])
    return out.getvalue()


def levels_facts(tables: LevelTables) -> dict[str, dict[str, object]]:
    """What the calibration file itself says of them: deviation of what no name tells, and the interval's knots."""
    return {
        quantity: {"own": float(f"{t.own:.3g}"), "knots": [[float(f"{x:.3g}") for x in knot] for knot in t.knots]}
        for quantity, t in sorted(tables.items())
    }


def read_levels(
    file: Path, covariates: Sequence[str], facts: Mapping[str, object], facts_file: str, problems: list[Problem]
) -> dict[str, Levels]:
    """Levels by quantity; an absent file has none. What is wrong with the facts goes to ``problems``.

    Raises ``InputError`` naming line and column of what is wrong in the file itself.
    """
    if not file.is_file():
        return {}
    effects: dict[str, dict[str, Effect]] = {}
    kinds: dict[str, dict[str, tuple[float, ...]]] = {}
    wrong: list[Problem] = []
    with file.open(encoding="utf-8", newline="") as lines:
        reader = csv.reader(lines)
        if next(reader, None) != _columns(covariates):
            expected = ", ".join(_columns(covariates))
            raise InputError(Problem("has other columns", file=str(file), line=1, allowed=expected))
        n = len(covariates)
        for row in reader:
            quantity, kind, name = (*row[:3], "", "", "")[:3]
            cells = row[3 + n :] if not name else row[3:]
            try:
                numbers = tuple(float(x) for x in cells)
                good = len(numbers) == (n if not name else 2 * n) and all(map(math.isfinite, numbers))
            except ValueError:
                good, numbers = False, ()
            if not good or any(x < 0 for x in numbers[-n:]):
                wrong.append(Problem("has a cell that is no number (deviations: 0 or more), or too few", file=str(file),
                                     line=reader.line_num, found=",".join(row)))  # fmt: skip
            elif name:
                effects.setdefault(quantity, {})[f"{kind}={name}"] = Effect(numbers[:n], numbers[n:])
            else:
                kinds.setdefault(quantity, {})[kind] = numbers
    if wrong:
        raise InputError(wrong)
    found: dict[str, Levels] = {}
    for quantity, of_kind in kinds.items():
        told = facts.get(quantity)
        try:
            own = float(told["own"])  # type: ignore[index]
            knots = tuple((float(a), float(low), float(high)) for a, low, high in told["knots"])  # type: ignore[index]
            if own < 0 or knots != tuple(sorted(knots)) or any(low > 0 or high < 0 for _, low, high in knots):
                raise ValueError("own is 0 or more, knots ascend, their ends lie around 0")
        except (KeyError, TypeError, ValueError) as error:
            where = f"serving.levels.{quantity}"
            allowed = "own: a number, knots: [[deviation, low, high], ...]"
            problems.append(Problem(f"is no account of levels: {error}", file=facts_file, path=where, allowed=allowed))
            continue
        found[quantity] = Levels(tuple(covariates), effects.get(quantity, {}), of_kind, own, knots)
    return found
