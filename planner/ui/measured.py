"""Measurements of one's own: uploaded or typed in a table, kept, and set beside what the model predicts."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from planner.errors import InputError, Problem
from planner.report import format as fmt
from planner.tables import csv_text
from planner.ui import access, service
from planner.ui.settings import settings
from planner.ui.words import md, show_problems
from planner.validation import report

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "Training runs": (
        "case_id", "model", "chip", "n_chips", "precision", "tp", "pp", "dp", "ep", "cp", "micro_batch", "global_batch",
        "seq_len", "framework", "step_time_s", "tokens_per_s_per_chip", "mfu", "source_title",
    ),
    "Serving runs": (
        "case_id", "model", "chip", "n_chips", "framework", "framework_version", "weight_precision", "tp", "pp", "ep",
        "isl", "osl", "concurrency_or_batch", "output_tok_s_per_chip", "ttft_ms", "tpot_ms", "source_title",
    ),
}  # fmt: skip
"""What a table typed by hand has; an uploaded one may have every column of docs/accuracy.md."""
_UPLOAD = "measured.upload"
_OPEN, _TROUBLE = "measured.open", "measured.problems"


def _uploaded() -> None:
    file = st.session_state.get(_UPLOAD)
    if file is None:
        return
    try:
        text = file.getvalue().decode("utf-8-sig")
        _rows(text)
    except (UnicodeDecodeError, csv.Error) as error:
        st.session_state[_TROUBLE] = (file.name, (Problem(f"is no CSV in UTF-8: {error}"),))
        return
    st.session_state.pop(_TROUBLE, None)
    st.session_state[_OPEN] = service.store().keep_measurement(access.owner(), fmt.clean(file.name), text)


def _rows(text: str) -> tuple[list[str], list[dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(text), strict=True)
    rows = [{k: v or "" for k, v in row.items() if k is not None} for row in reader]
    return list(reader.fieldnames or ()), rows


def _begin() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.selectbox("New table of", list(COLUMNS), key="measured.kind", width=220)
        if st.button("Begin a table", key="measured.new", icon=":material/add:"):
            text = ",".join(COLUMNS[kind]) + "\n"
            st.session_state[_OPEN] = service.store().keep_measurement(access.owner(), kind, text)
    st.file_uploader(
        f"or a CSV with the columns of `planner validate --cases` (up to {settings().upload_mib} MiB)", type=["csv"],
        key=_UPLOAD, on_change=_uploaded, max_upload_size=settings().upload_mib,
    )  # fmt: skip
    if _TROUBLE in st.session_state:
        show_problems(*st.session_state[_TROUBLE])


def show_measurements() -> None:
    """The section: which table is open, its rows, and the predictions beside them."""
    st.subheader("Your measurements", anchor=False)
    _begin()
    kept = {m.id: m for m in service.store().measurements(access.owner())}
    if not kept:
        return
    first = st.session_state.get(_OPEN)
    ids = list(kept)
    chosen = st.selectbox(
        "Kept tables", ids, index=ids.index(first) if first in ids else 0, format_func=lambda i: kept[i].name,
        key=f"measured.which.{len(ids)}.{first}",
    )  # fmt: skip
    table = kept[chosen]
    head, rows = _rows(table.text)
    told: Any = st.data_editor(
        rows or [dict.fromkeys(head, "")], num_rows="dynamic", hide_index=True, width="stretch",
        key=f"measured.table.{chosen}.{len(table.text)}",
    )  # fmt: skip
    now = csv_text([{c: row.get(c) or "" for c in head} for row in told if any(row.get(c) for c in head)], head)
    with st.container(horizontal=True):
        if st.button("Keep and predict", key="measured.go", type="primary", icon=":material/target:"):
            service.store().keep_measurement(table.owner, table.name, now, table.id)
            _predict(now, table.name)
        if st.button("Delete it", key="measured.drop", icon=":material/delete:"):
            service.store().drop_measurement(table.id)
            st.rerun()


def _predict(text: str, name: str) -> None:
    """Every measured figure beside what the model says of it."""
    with tempfile.TemporaryDirectory() as folder, st.spinner("Predicting"):
        file = Path(folder) / "cases.csv"
        file.write_text(text, encoding="utf-8")
        try:
            results = report.validate(file, service.catalog()).results
        except InputError as error:
            show_problems(name, error.problems)
            return
    if not results:
        st.info("No row has a measured figure.")
    st.dataframe(
        [
            {
                "Case": r.case_id, "Quantity": fmt.label(r.quantity), "Measured": r.measured, "Predicted": r.predicted,
                "Predicted over measured": f"{r.predicted / r.measured - 1:+.1%}" if r.predicted and r.measured else "",
                "Why not": md(r.reason) if r.predicted is None else "",
            }
            for r in results[: settings().table_rows]
        ],
        hide_index=True, placeholder="–", width="stretch", key="measured.results",
    )  # fmt: skip
