"""Ten visitors of the app at once, each with a quickstart of their own: how long until each has an answer.

    python benchmarks/app_visitors.py [VISITORS]

Starts the app with an empty store and headless Chromium with a tab a visitor; every visitor asks for another number of
requests, so that no answer is shared. Needs what the browser tests need. Prints seconds from pressing Plan to the
first screen, sorted, and the CPU seconds of everything.
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
_PRESS = "[...document.querySelectorAll('button')].find(b => b.innerText.trim() === 'Plan').click()"
_DONE = "return !!document.querySelector('.board')"


def _until(browser: webdriver.Chrome, script: str, limit_s: float = 120.0) -> None:
    end = time.monotonic() + limit_s
    while not browser.execute_script(script):
        if time.monotonic() > end:
            raise TimeoutError(script)
        time.sleep(0.1)


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
            began: dict[str, float] = {}
            for tab in tabs:
                browser.switch_to.window(tab)
                browser.execute_script(_PRESS)
                began[tab] = time.monotonic()
            took: dict[str, float] = {}
            while len(took) < visitors and time.monotonic() - max(began.values()) < 300:
                for tab in (t for t in tabs if t not in took):
                    browser.switch_to.window(tab)
                    if browser.execute_script(_DONE):
                        took[tab] = time.monotonic() - began[tab]
                time.sleep(0.05)
            print(
                f"{len(took)} of {visitors} answered after", ", ".join(f"{s:.1f}" for s in sorted(took.values())), "s"
            )
        finally:
            browser.quit()
            server.terminate()
            server.wait()
    used, load = os.times(), os.getloadavg()[0]
    print(f"CPU {used.children_user + used.children_system:.0f} s on {os.cpu_count()} cores, load {load:.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
