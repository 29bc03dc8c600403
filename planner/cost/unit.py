"""Cost of a unit of work, line by line: what a chip-hour, a run, or a million tokens cost, each summing exactly.

The lines of a unit add up, in their order, to its total; nothing is rounded in between.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

Lines = dict[str, float]


def added_lines(parts: Iterable[Mapping[str, float]]) -> Lines:
    """Breakdowns added line by line, USD, in the order in which lines first appear."""
    found: dict[str, float] = defaultdict(float)
    for part in parts:
        for name, usd in part.items():
            found[name] += usd
    return dict(found)


def per_unit(lines: Mapping[str, float], units: float) -> Lines:
    """Lines divided by how many units they paid for (chip-hours, runs, millions of tokens); ``total`` is their sum.

    Empty where no units were asked for.
    """
    if not units > 0:
        return {}
    shares = {name: usd / units for name, usd in lines.items()}
    total = 0.0
    for share in shares.values():
        total += share
    return {**shares, "total": total}


def unit_costs(
    lines: Mapping[str, float], *, chip_hours: float, runs: float = 0.0, million_tokens: float = 0.0
) -> dict[str, Lines]:
    """{"chip_hour" | "run" | "million_tokens": {line: USD, ..., "total": USD}} of a workload's cost over the horizon.

    Kinds without units are left out. ``chip_hours``: of all chips bought or rented for it, whether busy or not.
    """
    counted = {"chip_hour": chip_hours, "run": runs, "million_tokens": million_tokens}
    found = {name: per_unit(lines, units) for name, units in counted.items()}
    return {name: unit for name, unit in found.items() if unit}
