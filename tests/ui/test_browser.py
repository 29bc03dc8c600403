"""The real app in a real browser: headless Chromium loads it, plans, downloads, and is refused a broken file.

Needs Debian's ``chromium`` and ``chromium-driver``. Without them the tests are skipped, except where the environment
says ``CI=true``: there the browser has to be there.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from planner.answer.plan import Plan, plan_schema
from planner.report.summary import served_requests

ROOT = Path(__file__).parents[2]
START_S, PAGE_S, PLAN_S = 40, 20, 60

pytestmark = pytest.mark.browser


def _programs() -> tuple[str, str]:
    """The browser and its driver; skips, or fails in CI, where there is none."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if browser and driver:
        return browser, driver
    reason = "no Chromium with its driver on this machine (Debian: apt-get install chromium chromium-driver)"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/_stcore/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app, started as a person in a checkout starts it."""
    _programs()
    port = _free_port()
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"],
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            end = time.monotonic() + START_S
            while not _healthy(port):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)
    assert "Traceback" not in log.read_text(), log.read_text()


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    """Where the browser puts files."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    return folder


@pytest.fixture
def browser(tmp_path: Path, downloads: Path) -> Iterator[Any]:
    """Headless Chromium with an empty profile, 1280 x 800."""
    from selenium import webdriver

    program, driver = _programs()
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--window-size=1280,800",
    ):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield chrome
    finally:
        chrome.quit()


def wait_for(browser: Any, xpath: str, timeout_s: float = PAGE_S) -> Any:
    """The first element of an XPath, once it is shown."""
    from selenium.common.exceptions import TimeoutException
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    def shown(_: Any) -> Any:
        return next((e for e in browser.find_elements(By.XPATH, xpath) if e.is_displayed()), None)

    try:
        return WebDriverWait(browser, timeout_s, poll_frequency=0.1, ignored_exceptions=_stale()).until(shown)
    except TimeoutException:
        pytest.fail(f"{xpath} is not on the page:\n{words(browser)}")


def _stale() -> tuple[type[Exception], ...]:
    from selenium.common.exceptions import StaleElementReferenceException

    return (StaleElementReferenceException,)


def words(browser: Any) -> str:
    """All text on the page."""
    return str(browser.execute_script("return document.body.innerText"))


def set_number(browser: Any, label: str, value: str) -> None:
    """Type a number over the one that is there."""
    from selenium.webdriver.common.keys import Keys

    field = wait_for(browser, f"//input[@aria-label='{label}']")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(value)


def plan(browser: Any) -> None:
    wait_for(browser, "//button[not(@disabled)][.//p[text()='Plan']]").click()


def sentence(browser: Any, before: str = "") -> str:
    """The answer sentence, once there is one other than ``before``."""
    end = time.monotonic() + PLAN_S
    while True:
        heads = browser.execute_script("return [...document.querySelectorAll('h2')].map(h => h.innerText)")
        found = [text for text in heads if "$" in text and text != before]
        if found:
            return str(found[0])
        assert time.monotonic() < end, words(browser)
        time.sleep(0.1)


def downloaded(folder: Path, name: str) -> Path:
    end = time.monotonic() + PAGE_S
    while not (folder / name).is_file():
        assert time.monotonic() < end, list(folder.iterdir())
        time.sleep(0.1)
    return folder / name


def test_a_person_plans_changes_a_number_downloads_and_uploads_a_broken_file(
    server: str, browser: Any, downloads: Path, tmp_path: Path
) -> None:
    from selenium.webdriver.common.by import By

    browser.get(f"{server}/?scenario=quickstart")
    wait_for(browser, "//input[@aria-label='Requests at the peak (requests/s)']")
    plan(browser)
    first = sentence(browser)

    set_number(browser, "Requests at the peak (requests/s)", "90")
    plan(browser)
    second = sentence(browser, before=first)
    assert "optimal" in words(browser)
    assert "verified" in words(browser)

    wait_for(browser, "//button[.//p[text()='Download plan.json']]").click()
    text = downloaded(downloads, "plan.json").read_text(encoding="utf-8")
    answer = Plan.from_json(text)
    jsonschema.validate(json.loads(text), plan_schema())
    assert answer.verified
    assert " ".join(second.split()) == " ".join(answer.answer.split())
    assert served_requests(answer, "assistant") >= 90

    broken = tmp_path / "broken.yaml"
    good = (ROOT / "scenarios" / "quickstart.yaml").read_text(encoding="utf-8")
    broken.write_text(good.replace("power_mw: 1 ", "power_kw: 900 "), encoding="utf-8")
    browser.find_element(By.XPATH, "//input[@type='file']").send_keys(str(broken))
    wait_for(browser, "//*[contains(text(), 'broken.yaml')]//ancestor::*[contains(., 'power_mw')]")
    told = words(browser)
    assert "unknown field 'power_kw'" in told
    assert "Traceback" not in told
    assert sentence(browser) == second  # the last good answer is still there

    wide = browser.execute_script("return document.scrollingElement.scrollWidth - window.innerWidth")
    assert wide <= 0  # nothing to scroll sideways at 1280 x 800
    severe = [e for e in browser.get_log("browser") if e["level"] == "SEVERE"]
    assert not severe, severe


def test_every_page_opens_from_the_navigation(server: str, browser: Any) -> None:
    browser.get(server)
    for page, head in (
        ("Compare", "Compare plans"),
        ("Catalog", "Catalog"),
        ("Accuracy", "How far the numbers can be trusted"),
        ("Help", "How to read a plan"),
        ("Plan", "What AI compute to buy, build or rent"),
    ):
        wait_for(browser, f"//a[.//*[text()='{page}']]").click()
        wait_for(browser, f"//h2[normalize-space()='{head}']")
        assert "Traceback" not in words(browser)
