"""Fixtures of the command line's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_support import Shell

import planner.catalog
from planner.catalog import Catalog


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, shipped: Catalog) -> Shell:
    """The command line; the shipped catalog is read once, and tables are 100 columns wide wherever the tests run."""
    load = planner.catalog.load_catalog

    def once(extra: Path | str | None = None) -> Catalog:
        return shipped if extra is None else load(extra)

    monkeypatch.setattr(planner.catalog, "load_catalog", once)
    monkeypatch.setenv("COLUMNS", "100")
    return Shell(capsys)
