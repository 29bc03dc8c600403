"""Fixtures of the whole suite."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import blas  # noqa: F401 - before NumPy
import pytest
from tools import write_round_catalog

import planner.solve.child
from planner.catalog import Catalog, load_catalog
from planner.options.work import memory
from planner.options.work.describe import Describer
from planner.scenario import problem_digest
from planner.solve.drive import JOBS, solve_here
from planner.solve.form import FloatArray, Program
from planner.solve.status import Limits, ProgressCallback, Solution

os.environ.setdefault("PLANNER_ANSWERS", "none")  # what else a plan may say is asked for where it is tested
os.environ.setdefault("PLANNER_CACHE", "off")  # tests leave nothing in the cache of who runs them

ROOT = Path(__file__).resolve().parent.parent


LONGEST_FIRST = ("tests/ui/test_browser.py", "tests/test_scenarios.py")
"""Files whose tests take longest, each in one place of the run: begun first, so that none is left over at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first; the order of all others stays."""
    rank = {name: i for i, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.nodeid.split("::")[0], len(rank)))


@pytest.fixture(scope="session")
def shipped() -> Catalog:
    """The shipped catalog, read once."""
    return load_catalog()


@pytest.fixture(autouse=True)
def _no_search_is_kept() -> None:
    """Tests replace parts of searches: what one found is not for the next."""
    memory.forget()


@pytest.fixture
def described_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same work of one scenario is described once, for tests that check one plan some hundred times."""
    for name in ("describe", "describe_work"):
        real, known = getattr(Describer, name), {}

        def once(self: Describer, *of: Any, _real: Any = real, _known: dict[Any, Any] = known, **more: Any) -> Any:
            key = (problem_digest(self.scenario, self.catalog.digest), repr(of), repr(more))
            if key not in _known:
                _known[key] = _real(self, *of, **more)
            return _known[key]

        monkeypatch.setattr(Describer, name, once)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Solves run in this process: starting a child takes longer than a small solve. What is solved is the same."""

    def solve(
        program: Program,
        limits: Limits,
        backend: str,
        progress: ProgressCallback | None = None,
        start: FloatArray | None = None,
        _mail: Any = None,
    ) -> Solution:
        return solve_here(program, limits, backend, None, start)

    def job(name: str, program: Program, limits: Limits, options: Mapping[str, Any], *_: Any, **__: Any) -> bytes:
        return JOBS[name](program, limits, options, lambda *_: None)

    monkeypatch.setattr(planner.solve.child, "solve_in_child", solve)
    monkeypatch.setattr(planner.solve.child, "run_in_child", job)
    monkeypatch.setattr(planner.solve.child, "SIDE_BY_SIDE", False)


@pytest.fixture(scope="session")
def round_catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The shipped catalog under the folder of round numbers (``tools.ROUND_CATALOG``)."""
    return load_catalog(write_round_catalog(tmp_path_factory.mktemp("round")))
