"""Ten visitors of the app at once, each with a quickstart of their own: how long until each has an answer.

    python benchmarks/app_visitors.py [VISITORS]

Starts the app with an empty store and headless Chromium with a tab a visitor; every visitor asks for another number of
requests, so that no answer is shared. Needs what the browser tests need. Prints seconds from pressing Plan to the
first screen, as the page itself sees it, sorted, and the CPU seconds of that time by what spent them: the browsers of
the visitors are on the same machine.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import urlopen

from selenium import webdriver

ROOT = Path(__file__).parents[1]
_SET = """
const field = document.querySelector("input[aria-label='Requests at the peak (requests/s)']");
Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(field, arguments[0]);
field.dispatchEvent(new Event('input', {bubbles: true})); field.blur();
"""
_READY = "return !!document.querySelector(\"input[aria-label='Requests at the peak (requests/s)']\")"
_PRESS = """
const began = performance.now();
new MutationObserver((_, watch) => {
  if (document.querySelector('.board')) { window.took = (performance.now() - began) / 1000; watch.disconnect(); }
}).observe(document.body, {childList: true, subtree: true});
[...document.querySelectorAll('button')].find(b => b.innerText.trim() === 'Plan').click()
"""
_KINDS = (
    ("chrom", "browser"), ("planner.ui.work", "workers"), ("planner.solve", "solvers"), ("streamlit", "server"),
)  # fmt: skip
"""What a process is, by its command line."""
_TOOK = "return window.took"


def _until(browser: webdriver.Chrome, script: str, limit_s: float = 120.0) -> None:
    end = time.monotonic() + limit_s
    while not browser.execute_script(script):
        if time.monotonic() > end:
            raise TimeoutError(script)
        time.sleep(0.1)


def _cpu_seconds() -> dict[str, float]:
    """CPU seconds of this process and all below it so far, by what they are (from /proc: Linux)."""
    tick, found = os.sysconf("SC_CLK_TCK"), {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                found[int(entry.name)] = (
                    int(fields[1]), (int(fields[11]) + int(fields[12])) / tick, (entry / "cmdline").read_text()
                )  # fmt: skip
            except OSError:
                continue
    ours = {os.getpid()}
    while more := {p for p, (parent, _, _) in found.items() if parent in ours} - ours:
        ours |= more
    spent: dict[str, float] = {}
    for process in ours & set(found):
        _, seconds, line = found[process]
        what = next((name for mark, name in _KINDS if mark in line), "this script")
        spent[what] = spent.get(what, 0.0) + seconds
    return spent


def main(visitors: int) -> None:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = int(s.getsockname()[1])
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for argument in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--disable-background-timer-throttling", "--disable-renderer-backgrounding"):  # fmt: skip
        options.add_argument(argument)
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"], cwd=ROOT,
            env={**os.environ, "PLANNER_APP_STORE": f"{folder}/app.sqlite"}, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        try:
            address = f"http://127.0.0.1:{port}"
            while True:
                try:
                    urlopen(f"{address}/_stcore/health", timeout=1)  # noqa: S310  our own server
                    break
                except OSError:
                    time.sleep(0.2)
            tabs = []
            for i in range(visitors):
                if i:
                    browser.switch_to.new_window("tab")
                browser.get(f"{address}/?scenario=quickstart")
                _until(browser, _READY)
                time.sleep(0.5)
                browser.execute_script(_SET, str(21 + i))
                tabs.append(browser.current_window_handle)
            before = _cpu_seconds()
            for tab in tabs:
                browser.switch_to.window(tab)
                browser.execute_script(_PRESS)
            took: dict[str, float] = {}
            end = time.monotonic() + 300
            while len(took) < visitors and time.monotonic() < end:
                time.sleep(2.0)  # each page takes its own time: looking at one in a while costs the others little
                for tab in (t for t in tabs if t not in took):
                    browser.switch_to.window(tab)
                    if (seconds := browser.execute_script(_TOOK)) is not None:
                        took[tab] = float(seconds)
            spent = {what: seconds - before.get(what, 0.0) for what, seconds in _cpu_seconds().items()}
            print(
                f"{len(took)} of {visitors} answered after", ", ".join(f"{s:.1f}" for s in sorted(took.values())), "s"
            )
            told = ", ".join(f"{what} {seconds:.0f}" for what, seconds in spent.items())
            print(f"CPU from the first press to the last answer {sum(spent.values()):.0f} s: {told}")
        finally:
            browser.quit()
            server.terminate()
            server.wait()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
