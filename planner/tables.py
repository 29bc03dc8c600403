"""Rows of plain data in the forms people take them in: CSV, Markdown, a pandas frame.

A row is a mapping from column name to a number, a text, a truth value or None (unknown, does not apply). Names carry
their units, as in plan.json: ``facility_mw``, ``ttft_ms``, ``tco_usd``.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from planner.errors import Problem

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]
NO_OPENPYXL = Problem("XLSX needs openpyxl, which is not installed", remedy='pip install "ai-compute-planner[xlsx]"')
"""Refusal of everything that writes workbooks."""
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_FORMULA = "=+-@＝＋－＠"
_CELL_START = re.compile(rf"(^|[;,\t\n|])(\s*)(?=[{re.escape(_FORMULA)}])")

UNITS: Mapping[str, str] = {
    "_usd_per_year": "USD/year", "_usd_per_kw": "USD/kW", "_usd": "USD", "_mw": "MW", "_kw": "kW", "_w": "W",
    "_ms": "ms", "_s": "s", "_days": "days", "_years": "years", "_gb": "GB", "_gb_per_chip": "GB/chip", "_t": "t CO2e",
    "_m3": "m3", "tokens_per_s": "tokens/s", "requests_per_s": "requests/s", "samples_per_s": "samples/s",
    "tokens_per_s_per_chip": "tokens/s/chip", "usd_per_m_tokens": "USD/10^6 tokens", "seconds": "s", "days": "days",
}  # fmt: skip
"""Units by how a column's name ends; the longest ending wins."""


def unit_of(column: str) -> str:
    """The unit that a column's name ends in, empty where it has none."""
    endings = [ending for ending in UNITS if column.endswith(ending)]
    return UNITS[max(endings, key=len)] if endings else ""


def columns_of(rows: Sequence[Row]) -> list[str]:
    """Names of all columns, in the order in which rows first have them."""
    return list(dict.fromkeys(name for row in rows for name in row))


def printable(text: object) -> str:
    """One line: line breaks, control and bidirectional characters become spaces."""
    return "".join(" " if unicodedata.category(c) in _INVISIBLE else c for c in str(text))


def safe_cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula, nor does where it cuts lines at semicolons; numbers stay."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return _CELL_START.sub(r"\1\2'", "\n".join(map(printable, str(value).split("\n"))))


def csv_text(rows: Sequence[Row], columns: Sequence[str] | None = None) -> str:
    """Rows as CSV (RFC 4180, LF), the names of columns first."""
    names = list(columns) if columns is not None else columns_of(rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([safe_cell(name) for name in names])
    writer.writerows([safe_cell(row.get(name)) for name in names] for row in rows)
    return text.getvalue()


def markdown(rows: Sequence[Row], columns: Sequence[str] | None = None) -> str:
    """Rows as a Markdown table (GitHub's form); numbers in four significant digits, pipes escaped."""
    names = list(columns) if columns is not None else columns_of(rows)
    numeric = {n for n in names if all(isinstance(r.get(n), int | float | None) for r in rows)}
    lines = [
        "| " + " | ".join(_written(name) for name in names) + " |",
        "|" + "|".join("--:" if name in numeric else "---" for name in names) + "|",
    ]
    lines += ["| " + " | ".join(_written(row.get(name)) for name in names) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _written(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    return " ".join(str(value).split()).replace("\\", "\\\\").replace("|", "\\|")


def frame_of(rows: Sequence[Row], columns: Sequence[str] | None = None, **about: object) -> pd.DataFrame:
    """Rows as a pandas frame; ``attrs`` holds ``units`` by column (where a name tells one) and ``about``.

    Columns are the same, in the same order, whatever the rows: also where there is none.
    """
    import pandas as pd  # half a second that only frames cost

    names = list(columns) if columns is not None else columns_of(rows)
    found = pd.DataFrame([{name: row.get(name) for name in names} for row in rows], columns=names)
    found.attrs.update({"units": {name: unit for name in names if (unit := unit_of(name))}, **about})
    return found
