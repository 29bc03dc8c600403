"""A plan as a workbook: every table of its page as a sheet, and the figures behind them as numbers."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from planner.answer import rows as plan_rows
from planner.answer.plan import Plan
from planner.errors import InputError
from planner.report.tables import every_sheet
from planner.tables import NO_OPENPYXL, columns_of, safe_cell

_LONGEST_TITLE, _WIDEST = 31, 60


def workbook(plan: Plan, names: Mapping[str, str]) -> bytes:
    """The plan as the bytes of an XLSX file. Raises ``InputError`` where openpyxl is not installed.

    Sheets with a ``#`` hold numbers in the plan's own units (which stand in the column names) for calculating with.
    """
    try:
        from openpyxl import Workbook
    except ImportError:
        raise InputError(NO_OPENPYXL) from None
    book = Workbook()
    book.remove(book.active)
    for sheet in every_sheet(plan, names):
        _add(book, sheet.title, [list(sheet.head), *(list(row) for row in sheet.rows)])
    raw = {
        "# deployments": plan_rows.deployment_rows(plan), "# cost": plan_rows.cost_rows(plan),
        "# timeline": plan_rows.timeline_rows(plan), "# binding": plan_rows.binding_rows(plan),
        "# alternatives": plan_rows.alternative_rows(plan), "# assumptions": plan_rows.assumption_rows(plan),
    }  # fmt: skip
    for title, rows in raw.items():
        if rows:
            columns = columns_of(rows)
            _add(book, title, [columns, *([_plain(row.get(c)) for c in columns] for row in rows)])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | str) or value is None else str(value)


def _add(book: Any, title: str, rows: Sequence[Sequence[Any]]) -> None:
    from openpyxl.styles import Alignment, Font
    from openpyxl.utils import get_column_letter

    sheet = book.create_sheet(re.sub(r"[\[\]:*?/\\]", " ", title)[:_LONGEST_TITLE])
    for row in rows:
        sheet.append([safe_cell(cell) for cell in row])
    for row in sheet.iter_rows():
        for cell in row:
            cell.alignment = Alignment(vertical="top", wrap_text=True)
            if isinstance(cell.value, str):
                cell.data_type = "s"  # text, whatever it begins with
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    for i in range(1, sheet.max_column + 1):
        longest = max(len(str(line)) for r in rows for line in str(r[i - 1] if i <= len(r) else "").split("\n"))
        sheet.column_dimensions[get_column_letter(i)].width = min(_WIDEST, longest + 3)
    sheet.freeze_panes = "A2"
