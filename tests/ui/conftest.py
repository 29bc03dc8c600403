"""A planner in place of the real one, a store of each test's own, and workers in threads instead of processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from fake_planner import FakePlanner, Thread, use
from streamlit.testing.v1 import AppTest

from planner.ui import answer, asking, service
from planner.ui.work import pool
from planner.ui.work.request import functions

APP = Path(__file__).parents[2] / "app.py"
TIMEOUT_S = 30


@pytest.fixture(autouse=True)
def _own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PLANNER_APP_STORE", str(tmp_path / "app.sqlite"))
    monkeypatch.setattr(service, "hire", lambda: Thread(functions()))
    monkeypatch.setattr(service, "make_ready", lambda: None)  # workers are hired when a test asks, with what it set
    yield
    service.pool().close()
    service.store().engine.dispose()
    service.pool.clear()
    service.store.clear()
    asking._parsed.clear()
    st.cache_data.clear()


@pytest.fixture(autouse=True)
def every_tab(monkeypatch: pytest.MonkeyPatch) -> None:
    """All tabs of an answer are drawn: tests read what stands on each."""
    monkeypatch.setattr(answer, "is_open", lambda tab: True)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakePlanner:
    """A planner that answers at once."""
    planner = FakePlanner()
    use(monkeypatch, planner)
    return planner


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """The app as a visitor opens it, with a scenario in the link."""
    # a page that a test drives holds no connection: on a slow machine it would count as closed between two clicks
    monkeypatch.setattr(pool, "GRACE_S", 600.0)

    def opened(scenario: str = "quickstart", **names: str) -> AppTest:
        at = AppTest.from_file(str(APP), default_timeout=TIMEOUT_S)
        if scenario:
            at.query_params["scenario"] = scenario
        for name, value in names.items():
            at.query_params[name] = value
        return at.run()

    return opened
