"""Limits, server options and safety of the app."""

from __future__ import annotations

import dataclasses
import http.client
import re
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.errors import InputError
from planner.ui import service
from planner.ui.launch import config_toml, launch
from planner.ui.settings import SERVER_OPTIONS, Settings
from planner.ui.words import md

ROOT = Path(__file__).parents[2]


def test_the_checkout_and_the_installed_app_start_with_the_same_options() -> None:
    shipped = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert shipped == tomllib.loads(config_toml())


def test_the_options_are_safe() -> None:
    assert SERVER_OPTIONS["server.address"] == "127.0.0.1"
    assert SERVER_OPTIONS["client.showErrorDetails"] == "none"
    assert SERVER_OPTIONS["browser.gatherUsageStats"] is False
    assert SERVER_OPTIONS["server.maxUploadSize"] == 4
    assert SERVER_OPTIONS["server.maxMessageSize"] == 50
    assert not {"server.enableCORS", "server.enableXsrfProtection"} & set(SERVER_OPTIONS)  # on, as Streamlit has them


def test_every_option_is_one_that_streamlit_knows() -> None:
    from streamlit import config

    known = config.get_config_options()
    assert [name for name in SERVER_OPTIONS if name not in known] == []


def test_no_page_writes_html() -> None:
    for file in (ROOT / "planner" / "ui").rglob("*.py"):
        assert "unsafe_allow_html" not in file.read_text(encoding="utf-8"), file


def test_limits_come_from_the_environment() -> None:
    found = Settings.from_environment({"PLANNER_APP_SOLVE_SECONDS": "7.5", "PLANNER_APP_SITES": "3", "OTHER": "x"})
    assert (found.solve_seconds, found.sites, found.workloads) == (7.5, 3, Settings().workloads)


def test_wrong_limits_are_all_told() -> None:
    with pytest.raises(InputError) as error:
        Settings.from_environment({"PLANNER_APP_SITES": "many", "PLANNER_APP_UPLOAD_MIB": "9000"})
    assert [p.path for p in error.value.problems] == ["PLANNER_APP_UPLOAD_MIB", "PLANNER_APP_SITES"]
    assert error.value.problems[0].allowed == "a whole number from 1 to 4"


def test_too_many_sites_for_the_app_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    draft = service.open_shipped("quickstart.yaml")
    monkeypatch.setattr(service, "settings", lambda: Settings(sites=1))
    site = draft.data["sites"][0]
    with pytest.raises(InputError, match="too many sites"):
        draft.with_data({**draft.data, "sites": [site, {**site, "name": "b"}]})


@pytest.mark.parametrize("name", ["../pyproject.toml", "/etc/passwd", "schema.json", "nothing.yaml"])
def test_only_shipped_scenarios_are_opened_by_name(name: str) -> None:
    with pytest.raises(InputError, match="no such scenario"):
        service.open_shipped(name)


def test_every_shipped_scenario_opens() -> None:
    assert service.shipped()[0] == "quickstart.yaml"
    for name in service.shipped():
        assert service.open_shipped(name).scenario.description, name


def test_a_catalog_folder_that_is_none_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a folder"):
        launch(port=1, catalog_dir=tmp_path / "nowhere")


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_escaped_text_reads_as_it_was_written(text: str) -> None:
    from planner.report.format import clean

    escaped = md(text)
    assert escaped.replace("\\", "") == clean(text).replace("\\", "")
    bare = escaped.replace("\\\\", "")
    for i, c in enumerate(bare):
        if c in "`*_[]$<:|":
            assert i > 0
            assert bare[i - 1] == "\\"


def test_the_documented_limits_are_the_limits() -> None:
    text = (ROOT / "docs" / "app.md").read_text(encoding="utf-8")
    documented = dict(re.findall(r"`PLANNER_APP_([A-Z_]+)` \| (\S+) \|", text))
    assert documented.pop("CONCURRENT_PLANS") == "cores"  # the one that follows the machine
    assert 2 <= Settings().concurrent_plans <= 8
    assert {name.lower(): float(value) for name, value in documented.items()} == {
        item.name: float(item.default)  # type: ignore[arg-type]
        for item in dataclasses.fields(Settings)
        if item.name != "concurrent_plans"
    }


def test_the_started_app_answers_here_only_and_leaves_nothing_behind() -> None:
    """Proves that ``planner app`` serves the packaged app with its options, and that ending it ends the server."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = int(s.getsockname()[1])
    line = [sys.executable, "-m", "planner", "app", "--port", str(port)]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            end = time.monotonic() + 30
            while _status(port, "/_stcore/health") != 200:
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.1)
            upgrade = {
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            }
            assert _status(port, "/_stcore/stream", {**upgrade, "Host": f"localhost:{port}"}) == 101
            assert _status(port, "/_stcore/stream", {**upgrade, "Host": "evil.example"}) == 403
        finally:
            process.terminate()
            process.wait(20)
    assert _status(port, "/_stcore/health") is None


def _status(port: int, path: str, headers: Mapping[str, str] | None = None) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", path, headers=dict(headers or {}))
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()
