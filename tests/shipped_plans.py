"""Plans of the shipped scenarios, each made once in a run of the suite, whichever worker asks first."""

from __future__ import annotations

import fcntl
import os
import tempfile
from functools import cache
from pathlib import Path

from planner import load_catalog, plan
from planner.answer.plan import Plan
from planner.catalog import Catalog

FOLDER = Path(__file__).parents[1] / "scenarios"
LONG = frozenset({"national-fleet"})
"""Planned by benchmarks/national_fleet.py: minutes."""
NAMES = tuple(sorted(p.stem for p in FOLDER.glob("*.yaml") if p.stem not in LONG))
_RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", "")


@cache
def _catalog() -> Catalog:
    return load_catalog()


@cache
def planned(name: str, variant: str | None = None) -> Plan:
    """The plan of a shipped scenario."""
    if not _RUN:
        return _made(name, variant)
    folder = Path(tempfile.gettempdir()) / f"planner-plans-{os.getuid()}-{_RUN}"
    folder.mkdir(mode=0o700, exist_ok=True)
    file = folder / f"{name}.{variant or ''}.json"
    with (folder / f"{file.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            file.write_text(_made(name, variant).to_json(), encoding="utf-8")
    return Plan.from_json(file.read_text(encoding="utf-8"))


def _made(name: str, variant: str | None) -> Plan:
    return plan(FOLDER / f"{name}.yaml", catalog=_catalog(), variant=variant)
