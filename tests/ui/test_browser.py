"""The real app in a real browser: headless Chromium loads it, plans, downloads, and is refused a broken file.

Needs Debian's ``chromium`` and ``chromium-driver``. Without them the tests are skipped, except where the environment
says ``CI=true``: there the browser has to be there.
"""

from __future__ import annotations

import functools
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from shipped_plans import NAMES, planned

from planner.answer.plan import Plan, plan_schema
from planner.report.board import board
from planner.report.names import readable
from planner.report.summary import served_requests
from planner.ui import service
from planner.ui.answer import headline
from planner.ui.first import board_html
from planner.ui.service import Question
from planner.ui.store import RUNNING, PlanRow, Store
from planner.ui.store.store import SILENT_S
from planner.ui.work import Request

ROOT = Path(__file__).parents[2]
START_S, PAGE_S, PLAN_S = 120, 60, 180
"""Seconds after which something has failed: a busy machine is no failure."""

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


def started(port: int, folder: Path) -> subprocess.Popen[bytes]:
    """The app, started as a person in a checkout starts it, with a store of its own, one worker, and plans without
    what other confidences cost: the tests of plans have those."""
    log = folder / "log"
    with log.open("a") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"],
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                "PLANNER_APP_STORE": str(folder / "app.sqlite"),
                "PLANNER_APP_CONCURRENT_PLANS": "1",
                "PLANNER_ANSWERS": "none",
            },
        )
    end = time.monotonic() + START_S
    while not _healthy(port):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)
    return process


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app, for all tests that do not end it; the quickstart has been planned there before."""
    _programs()
    port, folder = _free_port(), tmp_path_factory.mktemp("server")
    _kept("quickstart", Store(f"sqlite:///{folder / 'app.sqlite'}"))
    process = started(port, folder)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
    log = (folder / "log").read_text()
    assert "Traceback" not in log, log


def _kept(name: str, store: Store) -> None:
    """Put the plan of a shipped scenario where somebody's pressing Plan would have put it."""
    draft = service.open_shipped(f"{name}.yaml")
    key = service.key_of(Request(service.limited(Question.of(draft, None).text)))
    store.keep_answer(key, planned(name).to_json())
    store.add_plan(PlanRow(f"kept-{name}", "", draft.scenario.name, key, draft.yaml(), "done"), 9)
    store.engine.dispose()


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the browser puts files."""
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture
def browser(chromium: Any) -> Iterator[Any]:
    """The one browser, with one empty tab of 1280 x 800, light."""
    chromium.set_window_size(1280, 800)
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    yield chromium
    first, *others = chromium.window_handles
    for handle in others:
        chromium.switch_to.window(handle)
        chromium.close()
    chromium.switch_to.window(first)
    chromium.get("about:blank")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory, downloads: Path) -> Iterator[Any]:
    """Headless Chromium with an empty profile."""
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
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
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
    """What an act meets where the page is drawn anew at that moment: a field that went, is off or is covered."""
    from selenium.common.exceptions import (
        ElementClickInterceptedException,
        ElementNotInteractableException,
        InvalidElementStateException,
        StaleElementReferenceException,
    )

    return (
        StaleElementReferenceException,
        ElementNotInteractableException,
        ElementClickInterceptedException,
        InvalidElementStateException,
    )


def until_it_stands(act: Callable[..., None]) -> Callable[..., None]:
    """An act tried again where the page drew its field anew in between, as a person would."""

    @functools.wraps(act)
    def tried(*args: Any) -> None:
        end = time.monotonic() + PAGE_S
        while True:
            try:
                return act(*args)
            except _stale():
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    return tried


def words(browser: Any) -> str:
    """All text on the page."""
    return str(browser.execute_script("return document.body.innerText"))


@until_it_stands
def set_number(browser: Any, label: str, value: str) -> None:
    """Type a number over the one that is there."""
    from selenium.webdriver.common.keys import Keys

    field = wait_for(browser, f"//input[@aria-label='{label}']")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(value)


@until_it_stands
def click(browser: Any, xpath: str) -> None:
    wait_for(browser, xpath).click()


def plan(browser: Any) -> None:
    click(browser, "//button[not(@disabled)][.//p[text()='Plan']]")


def sentence(browser: Any, before: str = "") -> str:
    """The answer in words, once there is one other than ``before``."""
    end = time.monotonic() + PLAN_S
    script = "return [...document.querySelectorAll('.st-key-sentence h2, .st-key-sentence h2 ~ *, .st-key-sentence p')]"
    while True:
        found = " ".join(dict.fromkeys(browser.execute_script(script + ".map(e => e.innerText)")))
        if "$" in found and "Cost over" in found and found != before:
            return found
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
    from selenium.webdriver.common.keys import Keys

    browser.get(f"{server}/?scenario=quickstart")
    plan(browser)
    first = sentence(browser)
    set_number(browser, "Requests at the peak (requests/s)", "90")
    plan(browser)
    second = sentence(browser, before=first)
    settled(browser)
    assert "optimal" in words(browser)
    assert "verified" in words(browser)

    assert "One more unit is worth" not in words(browser)  # a tab is drawn when it is opened
    click(browser, "//*[@role='tab'][contains(., 'Limits')]")
    wait_for(browser, "//th[.='One more unit is worth']")
    click(browser, "//button[contains(., 'Download')]")
    click(browser, "//button[.//p[text()='Download plan.json']]")
    text = downloaded(downloads, "plan.json").read_text(encoding="utf-8")
    answer = Plan.from_json(text)
    jsonschema.validate(json.loads(text), plan_schema())
    assert answer.verified
    told = readable(answer.answer, service.short())
    assert all(part.strip(" .") in second for part in told.split("; ")[2:])
    assert served_requests(answer, "assistant") >= 90
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.ESCAPE)

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


PAGES = (
    ("Build", "Build a question"),
    ("Outlook", "Questions about the answer"),
    ("Supernode", "Supernode or servers"),
    ("Compare", "Compare plans"),
    ("Workspace", "Workspace"),
    ("Catalog", "Catalog"),
    ("Accuracy", "How far the numbers can be trusted"),
    ("Help", "How to read a plan"),
    ("Plan", "What AI compute to buy, build or rent"),
)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_opens_from_the_navigation_without_a_serious_fault(server: str, browser: Any, theme: str) -> None:
    """axe-core finds none, on every page and on an answer; nothing is cut at the side on a phone or a tablet."""
    browser.set_window_size(1920, 1080)
    media = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.get(f"{server}/plan?id=kept-quickstart")
    sentence(browser)
    settled(browser)
    assert faults(browser) == [], "an answer"
    for width in (1024, 390):
        browser.set_window_size(width, 844)
        side = "const m = document.querySelector('[data-testid=stMain]'); return m.scrollWidth - m.clientWidth"
        assert browser.execute_script(side) <= 0, width
    browser.set_window_size(1920, 1080)
    for page, head in PAGES:
        click(browser, f"//a[.//*[text()='{page}']]")
        wait_for(browser, f"//h2[normalize-space()='{head}']")
        settled(browser)
        assert "Traceback" not in words(browser)
        assert faults(browser) == [], page


def faults(browser: Any) -> list[str]:
    """Serious faults that axe-core finds. Cells of Streamlit's tables share ids from table to table: theirs."""
    import axe_core_python

    script = next(Path(axe_core_python.__file__).parent.rglob("axe.min.js"))
    browser.execute_script(script.read_text(encoding="utf-8"))
    found = browser.execute_async_script("axe.run(document).then(r => arguments[0](r.violations))")
    serious = [v for v in found if v["impact"] in ("serious", "critical") and v["id"] != "duplicate-id-active"]
    return [f"{v['id']}: {n['html'][:200]}" for v in serious for n in v["nodes"]]


@until_it_stands
def press(browser: Any, label: str) -> None:
    button = wait_for(browser, f"//button[not(@disabled)][normalize-space(.)='{label}' or .//p[text()='{label}']]")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    settled(browser)


def settled(browser: Any) -> None:
    """Wait until the script has run to its end: three looks in a row see it idle, and nothing still to be drawn."""
    end, quiet = time.monotonic() + PAGE_S, 0
    busy = "return !!document.querySelector('[data-testid=stStatusWidget], [data-testid=stSkeleton]')"
    while quiet < 3:
        time.sleep(0.1)
        quiet = 0 if browser.execute_script(busy) else quiet + 1
        assert time.monotonic() < end, words(browser)


@until_it_stands
def fill(browser: Any, label: str, value: str) -> None:
    """Type into a field and leave it."""
    from selenium.webdriver.common.keys import Keys

    field = wait_for(browser, f"//*[self::input or self::textarea][@aria-label='{label}']")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(value, Keys.TAB)
    settled(browser)


@until_it_stands
def choose(browser: Any, label: str, value: str) -> None:
    """Choose what begins with a text in a list."""
    from selenium.webdriver.common.keys import Keys

    field = wait_for(browser, f"//input[contains(@aria-label, '{label}')]")
    field.click()
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(value)
    wait_for(browser, f"//*[@role='option'][contains(., '{value}')]").click()
    wait_for(browser, f"//input[contains(@aria-label, '{label}')]").send_keys(Keys.TAB)
    settled(browser)


@pytest.mark.slow
def test_thirty_megawatts_are_asked_planned_varied_compared_and_shared_without_a_file(
    server: str, browser: Any
) -> None:
    """The question of the documents, as somebody new asks it: by clicks alone, to a link that others open."""
    browser.set_window_size(1440, 900)
    browser.get(f"{server}/build")
    press(browser, "New question")
    fill(browser, "Name", "hall-a")
    fill(browser, "Power at the meter (MW)", "20")
    press(browser, "Duplicate")
    wait_for(browser, "//input[@aria-label='Name'][@value='hall-a-2']")
    fill(browser, "Name", "hall-b")
    fill(browser, "Power at the meter (MW)", "10")

    press(browser, "Workloads")
    choose(browser, "Model", "Qwen3 30B-A3B")
    fill(browser, "Requests at the peak (requests/s)", "2000")
    fill(browser, "Growth a year, 0.2 is 20% (fraction/year)", "0.2")
    choose(browser, "Kind of workload", "Pre-training")
    press(browser, "Add a workload")
    fill(browser, "Tokens to train on (billions)", "15000")
    fill(browser, "Global batch (sequences)", "2048")

    press(browser, "Hardware")
    for name in ("DGX H200", "MI300X, 8 in a server", "H100 SXM5 80GB, 8 in a server", "DGX B200"):
        choose(browser, "Systems that compete", name)
    press(browser, "Limits and time")
    fill(browser, "Name", "30 MW campus")
    fill(browser, "Gap that is good enough (fraction)", "0.05")
    press(browser, "As a file")
    assert "qwen3-30b" in browser.execute_script("return document.querySelector('textarea').value")

    press(browser, "Plan it")
    first = sentence(browser)
    assert "hall-b" in words(browser)
    cards = browser.execute_script("return [...document.querySelectorAll('.board section')].map(s => s.dataset.card)")
    assert cards == ["what", "cost", "long", "sure", "limits", "changes", "others"]
    assert browser.execute_script("return document.querySelector('.board').getBoundingClientRect().bottom") <= 900
    link = browser.current_url

    fill(browser, "Requests at the peak (requests/s)", "3000")
    plan(browser)
    second = sentence(browser, before=first)

    click(browser, "//a[.//*[text()='Compare']]")
    wait_for(browser, "//*[text()='baseline']")
    assert "30 MW campus (2)" in words(browser)

    browser.switch_to.new_window("tab")  # somebody else, with the link of the first plan
    browser.get(f"{server}/plan?id={link.split('plan=')[1].split('&')[0]}")
    assert sentence(browser) == first
    browser.switch_to.new_window("tab")  # and the question, as it was left
    browser.get(f"{server}/?question={link.split('question=')[1].split('&')[0]}")
    wait_for(browser, "//input[@aria-label='Requests at the peak (requests/s)'][@value='3000']")
    assert second != first


def test_the_first_screen_holds_the_seven_answers_of_every_shipped_scenario(server: str, browser: Any) -> None:
    """At 1440 x 900, form beside it: the cards of every plan are set into the page and their end is measured."""
    browser.set_window_size(1440, 900)
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 1440, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    browser.get(f"{server}/?plan=kept-quickstart")
    sentence(browser)
    settled(browser)
    script = """
        const [head, rest, html] = arguments, box = document.querySelector('.st-key-sentence');
        box.querySelector('h2').innerText = head; [...box.querySelectorAll('p')].at(-1).innerText = rest;
        document.querySelector('.board').outerHTML = html;
        return document.querySelector('.board').getBoundingClientRect().bottom"""
    low: dict[str, float] = {}
    for name in NAMES:
        answer = planned(name)
        if answer.has_plan:
            cards = board_html(board(answer, service.names(), service.short()))
            low[name] = browser.execute_script(script, *headline(answer), cards)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert {name: end for name, end in low.items() if end > 900} == {}


def test_a_killed_server_loses_nothing_and_a_closed_tab_frees_its_place(browser: Any, tmp_path: Path) -> None:
    port = _free_port()
    process = started(port, tmp_path)
    try:
        address = f"http://127.0.0.1:{port}"
        browser.get(f"{address}/?scenario=national-fleet")
        wait_for(browser, "//input[contains(@aria-label, 'Power at the meter')]")
        plan(browser)
        wait_for(browser, "//button[.//p[text()='Cancel']]")
        browser.refresh()  # keeps waiting for the same plan
        wait_for(browser, "//button[.//p[text()='Cancel']]")
        link = browser.current_url
        assert "plan=" in link
        process.kill()
        process.wait(10)
        store = Store(f"sqlite:///{tmp_path / 'app.sqlite'}")
        (row,) = store.plans("")
        assert row.state == "working"
        store.change_plan(row.id, seen=row.seen - SILENT_S)  # nobody waits here until the silence is long enough
        process = started(port, tmp_path)
        browser.get(link)
        wait_for(browser, "//*[contains(text(), 'interrupted')]", 30)
        press(browser, "Start it again")
        wait_for(browser, "//button[.//p[text()='Cancel']]")
        waiting = browser.current_window_handle
        browser.switch_to.new_window("tab")
        browser.get(f"{address}/?scenario=gpu-mix")
        plan(browser)
        wait_for(browser, "//button[.//p[text()='Cancel']]")
        assert [p.state in RUNNING for p in store.plans("")] == [True, True]
        browser.get("about:blank")  # one tab goes elsewhere, the other is closed
        elsewhere = browser.current_window_handle
        browser.switch_to.window(waiting)
        browser.close()
        browser.switch_to.window(elsewhere)
        end = time.monotonic() + 30
        # the short one may have its answer before its tab has gone
        while (states := [p.state for p in store.plans("")]) not in (["left", "left"], ["done", "left"]):
            assert time.monotonic() < end, states
            time.sleep(0.2)
    finally:
        process.kill()
        process.wait(10)
