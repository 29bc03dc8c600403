"""A planner in place of the real one, and caches that forget between tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from fake_planner import FakePlanner
from streamlit.testing.v1 import AppTest

from planner.ui import service

APP = Path(__file__).parents[2] / "app.py"
TIMEOUT_S = 30


@pytest.fixture(autouse=True)
def _fresh_answers() -> Iterator[None]:
    st.cache_data.clear()
    yield
    st.cache_data.clear()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakePlanner:
    """A planner that answers at once."""
    planner = FakePlanner()
    monkeypatch.setattr(service, "plan_function", lambda: planner)
    return planner


@pytest.fixture
def app() -> Callable[..., AppTest]:
    """The app as a visitor opens it, with a scenario in the link."""

    def opened(scenario: str = "quickstart") -> AppTest:
        at = AppTest.from_file(str(APP), default_timeout=TIMEOUT_S)
        at.query_params["scenario"] = scenario
        return at.run()

    return opened
