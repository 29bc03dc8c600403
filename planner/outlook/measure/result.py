"""Runs worth making, as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.outlook.result import Document, Part

if TYPE_CHECKING:
    import pandas as pd


class Decision(Part):
    """What is bought when a run comes out between two figures."""

    words: str
    chance: float
    low: float
    """Least and most of the results that decide so, in the unit of the figure that is measured."""
    high: float


class Measurement(Part):
    """A run that could be made, and what it is expected to be worth."""

    workload: str
    system: str
    chip: str
    chips: int
    hours: float
    """To start it and to measure, together."""
    chip_hours: float
    cost_usd: float | None
    """Of the chips for as long as it takes, at the catalog's rent; None where it states none."""
    worth: float
    """Expected, in the unit of the objective: how much better deciding with its result is than without."""
    net_usd: float | None
    """Worth less cost, where both are money."""
    changes: float
    """The chance that its result changes what is bought."""
    quantity: str
    """The column that it fills: step_time_s, tpot_ms."""
    predicted: float
    low80: float
    high80: float
    width: float
    """Width of the 80% interval of what it was made for, as a logarithm, after over before."""
    decisions: tuple[Decision, ...]
    """What its results decide, fastest first."""
    command: str
    row: dict[str, str]
    """Cells of a table for ``--measurements``, without the figure."""
    notes: tuple[str, ...]


class Measure(Document):
    """Runs by what they are worth, most first."""

    objective: str
    unit: str
    value: float
    decision: str
    """What is bought without any of them."""
    runs: tuple[Measurement, ...]
    notes: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """One row a run (``rows_of``), as pandas."""
        from planner.tables import frame_of

        return frame_of(rows_of(self), answer=self.answer, objective=self.objective, unit=self.unit)

    def table(self) -> str:
        """The rows to fill in, as the text of a CSV file for ``--measurements``."""
        from planner.tables import csv_text

        heads = list(dict.fromkeys(name for r in self.runs for name in (*r.row, r.quantity)))
        return csv_text([{name: r.row.get(name, "") for name in heads} for r in self.runs])


def rows_of(found: Measure) -> list[dict[str, object]]:
    """One row a run."""
    names = ("workload", "system", "chip", "chips", "hours", "chip_hours", "cost_usd", "worth", "net_usd", "changes",
             "quantity", "predicted", "low80", "high80", "width", "command")  # fmt: skip
    return [{name: getattr(r, name) for name in names} for r in found.runs]
