"""Measurements out of logs, by readers that other packages bring (``planner.plugins``)."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from planner import plugins
from planner.errors import InputError, Problem, unknown_name
from planner.tables import csv_text
from planner.validation.cases import Case, read_cases


def read_log(path: Path, reader: str) -> tuple[Case, ...]:
    """The cases that a reader finds in a log, checked as those of a table are.

    Raises ``InputError`` for an unknown reader, one that fails, a log without measurements, and everything that is
    wrong with a row.
    """
    known = plugins.names(plugins.LOG_READERS)
    if reader not in known:
        raise unknown_name("log reader", reader, list(known), path="--reader")
    if not path.is_file():
        raise InputError(Problem("there is no such log", file=str(path)))
    read: plugins.LogReader = plugins.load(plugins.LOG_READERS, reader)
    try:
        rows = [dict(row) for row in read(path) if isinstance(row, Mapping)]
    except InputError:
        raise
    except Exception as error:
        message = f"the reader {reader!r} ({known[reader]}) failed: {type(error).__name__}: {error}"
        raise InputError(Problem(message, file=str(path))) from error
    if not rows:
        raise InputError(Problem(f"the reader {reader!r} found no measurement", file=str(path)))
    for number, row in enumerate(rows, 1):
        row.setdefault("case_id", f"{path.stem}-{number}")
        row.setdefault("source_title", path.name)
    with tempfile.TemporaryDirectory(prefix="planner-log-") as folder:
        table = Path(folder) / f"{path.name}.csv"
        table.write_text(csv_text(rows), encoding="utf-8")
        return read_cases(table)
