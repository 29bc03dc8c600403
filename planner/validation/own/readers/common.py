"""What readers of logs share: numbers out of text, the middle of what was logged, and what goes into a row."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

Cells = dict[str, str]
WARM_UP = 10
"""Steps at the start of a run that are left out: compilation, caches, the first garbage collection."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class UnreadableError(Exception):
    """Why a log cannot be used. ``allowed``: what would be taken instead."""

    def __init__(self, message: str, allowed: str = "") -> None:
        super().__init__(message)
        self.allowed = allowed


@dataclass(frozen=True)
class Reading:
    """What a log says: cells of a row, and the tool that wrote it."""

    tool: str
    training: bool
    cells: Cells


def text_of(path: Path) -> str:
    """A log without its colours; what is no UTF-8 is replaced."""
    return _COLOUR.sub("", path.read_text(encoding="utf-8", errors="replace"))


def number(value: object) -> float | None:
    """A number above 0; None for anything else (``inf`` is a rate without end)."""
    try:
        found = float(str(value).replace(",", ""))
    except ValueError:
        return None
    return found if math.isfinite(found) and found > 0 else None


def cells(told: Mapping[str, object]) -> Cells:
    """Cells of what is known; the rest is left out."""
    return {name: f"{v:.10g}" if isinstance(v, float) else str(v) for name, v in told.items() if v}


def settled(values: Sequence[float]) -> float:
    """The middle of what was logged once a run is warm: after ``WARM_UP`` entries, or the second half of fewer."""
    later = values[WARM_UP:] if len(values) > 2 * WARM_UP else values[len(values) // 2 :]
    return median(later)


def chips_of(row: Mapping[str, str], known: float | None = None) -> float:
    """How many chips a row says that it ran on, else its log. Raises ``UnreadableError`` where neither says it."""
    chips = number(row.get("n_chips")) or known
    if not chips:
        raise UnreadableError(
            "says nothing of the chips", "n_chips in the row, beside chip, tp and weight_precision or precision"
        )
    return chips
