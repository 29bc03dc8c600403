"""Environment variables: one list, true in the documents and in the code."""

from __future__ import annotations

import re
from pathlib import Path

from planner.settings import APP_PREFIX, SETTINGS

ROOT = Path(__file__).resolve().parent.parent


def test_the_documented_table_is_the_one_in_the_code() -> None:
    """Name, meaning and default, cell by cell."""
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = [
        tuple(cell.strip() for cell in line.strip("| \n").split(" | "))
        for line in text.splitlines()
        if "`PLANNER_" in line and line.startswith("|")
    ]
    assert rows == [(f"`{s.name}`", s.meaning, s.default) for s in SETTINGS]


def test_the_code_reads_no_variable_that_is_not_listed() -> None:
    """Every PLANNER_ name in the package is a setting, or one of the app's."""
    listed = {s.name for s in SETTINGS}
    prefix = APP_PREFIX.name.rstrip(".")
    for path in (ROOT / "planner").rglob("*.py"):
        for name in re.findall(r"\bPLANNER_[A-Z_]+", path.read_text(encoding="utf-8")):
            assert name in listed or name.startswith(prefix), f"{path}: {name}"
