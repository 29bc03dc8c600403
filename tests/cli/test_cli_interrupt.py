"""Ctrl-C while a solver runs: exit code 130, no process left, nothing half-written."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_support import files_of, write

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc to see child processes")


def children(pid: int) -> set[int]:
    """Processes below a process, its threads' children included."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found.update(int(n) for n in (task / "children").read_text().split())
    return found | {g for child in found for g in children(child)}


def alive(pid: int) -> bool:
    """Whether a process runs (one that waits to be buried does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(true: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Wait for something, not for ever."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.01)
    return False


HEARING = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);from planner.cli import main; main()"
"""The planner, hearing Ctrl-C even where the tests' own process was told to ignore it."""


def command(*arguments: object) -> subprocess.Popen[str]:
    """The planner in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", HEARING, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def test_ctrl_c_during_a_solve(tmp_path: Path) -> None:
    file, out = write(tmp_path), tmp_path / "out"
    process = command("plan", file, "--out", out, "--json")
    try:
        assert until(lambda: bool(children(process.pid)) or process.poll() is not None)
        born = children(process.pid)
        assert born, "the solve has no process of its own"
        os.kill(process.pid, signal.SIGINT)
        printed, told = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert printed == ""
    assert told.strip().endswith("interrupted")
    assert "Traceback" not in told
    assert files_of(tmp_path) == {"small.yaml"}
    assert until(lambda: not any(alive(pid) for pid in born), 10)


def test_ctrl_c_during_a_sweep_keeps_what_is_done_and_resumes(tmp_path: Path) -> None:
    write(tmp_path)
    rates = ", ".join(str(n) for n in range(1, 31))
    sweep = write(tmp_path, f"scenario: small.yaml\nvalues: {{workloads.chat.requests_per_s: [{rates}]}}\n", "s.yaml")
    out = tmp_path / "out"
    process = command("sweep", sweep, "--out", out, "--workers", 2)
    try:
        assert until(lambda: any(out.rglob("*.json")) or process.poll() is not None)
        born = children(process.pid)
        os.killpg(process.pid, signal.SIGINT)  # a terminal tells the whole group
        _, told = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "the same command goes on from here" in told
    assert "Traceback" not in told
    assert until(lambda: not any(alive(pid) for pid in born), 10)
    kept = {p.name for p in out.rglob("*.json")}
    assert 0 < len(kept) < 30
    assert all(not name.startswith(".") for name in kept)
    again = command("sweep", sweep, "--out", out, "--workers", 2)
    try:
        assert until(lambda: len({p.name for p in out.rglob("*.json")}) > len(kept) or again.poll() is not None)
        os.killpg(again.pid, signal.SIGINT)
        _, told = again.communicate(timeout=30)
    finally:
        again.kill()
    assert f"{len(kept)} done, {30 - len(kept)} to run" in told
