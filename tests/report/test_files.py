"""PDF, XLSX, PNG and SVG of a plan: whole, readable, and nothing of a plan is run in them."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "ui"))
from sample_plan import infeasible_plan, sample_plan

from planner.plots.files import charts_of, charts_zip, svg
from planner.report.pdf import pdf
from planner.report.tables import every_sheet
from planner.report.workbook import workbook

HOSTILE = '=HYPERLINK("http://evil") #import "x" $y$ <script>'


def test_a_workbook_has_every_table_and_numbers_to_calculate_with() -> None:
    from openpyxl import load_workbook

    plan = sample_plan(HOSTILE)
    book = load_workbook(io.BytesIO(workbook(plan, {})))
    assert {s.title[:31] for s in every_sheet(plan, {})} <= set(book.sheetnames)
    cost = book["# cost"]
    head = [c.value for c in cost[1]]
    spent = sum(row[head.index("usd")].value for row in cost.iter_rows(min_row=2)) if "usd" in head else None
    assert spent is None or spent == pytest.approx(plan.totals.tco_usd)  # type: ignore[union-attr]
    assert {c.data_type for sheet in book for row in sheet.iter_rows() for c in row} <= {
        "s",
        "n",
        "inlineStr",
    }  # no formula


def test_a_pdf_is_made_of_a_plan_and_of_none_whatever_their_words() -> None:
    plan = sample_plan(HOSTILE)
    charts = {title: svg(chart) for title, chart in charts_of(plan, {}).items()}
    made = pdf(plan, {}, charts)
    assert made.startswith(b"%PDF")
    assert len(made) > 20_000
    none = infeasible_plan(now=1.0, needed=2.0, limit="sites.a.power_mw")
    assert pdf(none, {}).startswith(b"%PDF")


def test_charts_are_files_of_both_kinds() -> None:
    plan = sample_plan()
    archive = zipfile.ZipFile(io.BytesIO(charts_zip(plan, {})))
    names = archive.namelist()
    assert len(names) == 2 * len(charts_of(plan, {}))
    assert all(archive.read(n).startswith(b"\x89PNG") for n in names if n.endswith(".png"))
    assert all(archive.read(n).startswith(b"<svg") for n in names if n.endswith(".svg"))
