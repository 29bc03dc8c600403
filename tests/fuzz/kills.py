"""Killed at a random moment: no orphan, nothing half-written, and what is started again comes to the same end.

``python tests/fuzz/kills.py [plan|child|sweep|worker|app ...] [--count 25]``. ``plan`` and ``sweep`` kill the command
(SIGKILL), ``child`` a solver's process below a plan, ``worker`` a process of a sweep, ``app`` a server of the app whose
next one finds the plan in the store and starts it again.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import yaml
from kinds import SMALL

from planner.answer.plan import Plan

LONGEST_S = 300


def children(pid: int) -> set[int]:
    """Processes below a process."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found.update(int(n) for n in (task / "children").read_text().split())
    return found | {g for child in found for g in children(child)}


def alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def started(folder: Path, what: str) -> subprocess.Popen[bytes]:
    """The command, in a session of its own."""
    if what == "app":
        store = {**os.environ, "PLANNER_APP_STORE": str(folder / "app.sqlite")}
        line = [sys.executable, "-W", "ignore", str(Path(__file__).parent / "served.py"), str(folder)]
        return subprocess.Popen(
            line, env=store, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
    tail = ["sweep", "sweep.yaml", "--workers", "2"] if what in {"sweep", "worker"} else ["plan", "scenario.yaml"]
    line = [sys.executable, "-W", "ignore", "-m", "planner", *tail, "--out", "out"]
    return subprocess.Popen(line, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)


def whole(folder: Path) -> list[str]:
    """Files that are there and not whole."""
    wrong = []
    for file in folder.rglob("*.json"):
        try:
            Plan.read(file)
        except Exception as error:
            wrong.append(f"{file.name}: {str(error)[:80]}")
    return wrong


def killed(what: str, folder: Path, rng: random.Random, seconds: float) -> list[str]:
    """What went wrong; ``seconds``: how long the command takes when it is left alone."""
    process = started(folder, what)
    time.sleep(rng.uniform(0.05, 0.95) * seconds)
    below = children(process.pid)
    victim = process.pid if what in {"plan", "sweep", "app"} else rng.choice(sorted(below)) if below else None
    if victim is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    _, told = process.communicate(timeout=LONGEST_S)
    wrong = []
    if what in {"child", "worker"} and process.returncode != 0:
        wrong.append(f"exit {process.returncode}: {told.decode()[-160:]!r}")
    deadline = time.monotonic() + 15
    while any(map(alive, below)) and time.monotonic() < deadline:
        time.sleep(0.05)
    orphans = [pid for pid in below if alive(pid)]
    for pid in orphans:
        os.kill(pid, signal.SIGKILL)
    wrong += [f"{len(orphans)} orphans"] if orphans else []
    return wrong + whole(folder)


def main() -> int:
    """Kills that left something behind, as an exit code of 0 or 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", default=["plan", "child", "sweep", "worker", "app"])
    parser.add_argument("--count", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    failed = 0
    for what in asked.kinds:
        bad = 0
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "scenario.yaml").write_text(yaml.safe_dump(SMALL, sort_keys=False), encoding="utf-8")
            values = {"workloads.chat.requests_per_s": [1, 2, 3, 4, 5, 6]}
            (folder / "sweep.yaml").write_text(yaml.safe_dump({"scenario": "scenario.yaml", "values": values}))
            begun = time.monotonic()
            started(folder, what).communicate(timeout=LONGEST_S)
            seconds = time.monotonic() - begun
            target = folder / "out" / ("summary.csv" if what in {"sweep", "worker"} else "plan.json")
            before = target.read_text(encoding="utf-8")
            for number in range(asked.seed, asked.seed + asked.count):
                for file in sorted((folder / "out").rglob("*"), reverse=True):
                    file.rmdir() if file.is_dir() else file.unlink()
                for kept in folder.glob("app.sqlite*"):
                    kept.unlink()
                wrong = killed(what, folder, random.Random(f"{what} {number}"), seconds)
                if what in {"sweep", "worker"}:
                    started(folder, what).communicate(timeout=LONGEST_S)
                    if _answers(target) != _answers_of(before):
                        wrong.append("another result after resuming")
                if what in {"plan", "child", "app"}:
                    if what != "child":
                        started(folder, what).communicate(timeout=LONGEST_S)
                    if not target.exists() or _decided(target.read_text(encoding="utf-8")) != _decided(before):
                        wrong.append("another plan in the end")
                if wrong:
                    bad += 1
                    print(f"{what} {number}: {wrong}", flush=True)  # noqa: T201
        failed += bad
        print(f"{what}: {asked.count - bad} of {asked.count} leave nothing behind", flush=True)  # noqa: T201
    return 1 if failed else 0


def _decided(text: str) -> object:
    """A plan's value and deployments, without what depends on the time that there was."""
    data = json.loads(text)
    return data["objective"]["values"], data["deployments"]


def _answers(file: Path) -> list[str]:
    return _answers_of(file.read_text(encoding="utf-8"))


def _answers_of(text: str) -> list[str]:
    """Rows of a sweep's summary without how long they took."""
    rows = csv.DictReader(io.StringIO(text))
    return sorted(str({k: v for k, v in row.items() if "seconds" not in k and k != "attempts"}) for row in rows)


if __name__ == "__main__":
    sys.exit(main())
