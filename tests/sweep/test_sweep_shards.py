"""Sweeps on many machines: shards that share nothing, clusters that go away, results that anything reads."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sweep_support import sweep_file

from planner.catalog import Catalog
from planner.errors import InputError, SolveError
from planner.sweep import run_sweep
from planner.sweep.cluster import run_on_dask
from planner.sweep.engine import Done, check_engine
from planner.sweep.run import Pace
from planner.sweep.shard import Shard

RATES = "scenario: small.yaml\nvalues: {workloads.chat.requests_per_s: [5, 10, 10.0, 2000, 1e6]}\n"
TIMES = ("seconds", "file")
"""Columns in which two runs of one sweep may differ."""


@pytest.fixture
def quick(in_process: None, monkeypatch: pytest.MonkeyPatch, shipped: Catalog) -> None:
    """One process, one reading of the catalog."""
    for module in ("run", "engine"):
        monkeypatch.setattr(f"planner.sweep.{module}.load_catalog", lambda _=None: shipped)


def summary(folder: Path) -> list[dict[str, str]]:
    """summary.csv without what two runs do not share."""
    rows = list(csv.DictReader((folder / "summary.csv").read_text().splitlines(keepends=True)))
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


@pytest.mark.usefixtures("quick")
def test_shards_put_together_are_one_run(tmp_path: Path) -> None:
    """Every question once, in any order, some shards twice; what is missing is said and planned by the next run."""
    file = sweep_file(tmp_path, RATES)
    run_sweep(file, tmp_path / "whole", engine="serial")
    out = tmp_path / "parts"
    counts = [run_sweep(file, out, engine="serial", shard=f"{n}/3").ran for n in (3, 1)]
    half = run_sweep(file, out, engine="serial", merge=True)
    assert half.failed == 4 - sum(counts) > 0
    assert {c.error for c in half.cases} == {"", "did not run"}
    counts.append(run_sweep(file, out, engine="serial", shard=Shard(2, 3)).ran)
    assert sum(counts) == 4  # 10 and 10.0 are one question
    told: list[str] = []
    merged = run_sweep(file, out, engine="serial", merge=True, tell=told.append)
    assert merged.failed == 0
    assert told == [f"{counts[2]} answers taken over from 3 shards"]
    assert summary(out) == summary(tmp_path / "whole")
    assert run_sweep(file, out, engine="serial").ran == 0


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "-1/3", ""])
def test_what_is_no_shard(text: str) -> None:
    """Told with the form that is one."""
    with pytest.raises(InputError, match="N/M"):
        Shard.read(text)


def test_shards_have_everything_once() -> None:
    """For every number of shards and items."""
    for of in range(1, 9):
        for n in range(20):
            taken = [x for i in range(1, of + 1) for x in Shard(i, of).take(range(n))]
            assert sorted(taken) == list(range(n))
    assert len({Shard(i, 40).folder for i in range(1, 41)}) == 40


@pytest.mark.usefixtures("quick")
def test_results_are_parquet_with_the_columns_people_ask_for(tmp_path: Path) -> None:
    """Numbers as numbers; latencies, speed, cost a token; a case without a plan is a row of its own."""
    pytest.importorskip("pyarrow")
    run_sweep(sweep_file(tmp_path, RATES), tmp_path / "out", engine="serial")
    frame = pd.read_parquet(tmp_path / "out" / "summary.parquet")
    assert list(frame["workloads.chat.requests_per_s"]) == [5, 10, 10, 2000, 1e6]
    asked = ["days", "ttft_ms", "tpot_ms", "tokens_per_s", "mfu", "usd_per_m_tokens", "facility_mw", "chips", "binding"]
    assert set(asked) <= set(frame.columns)
    assert frame["ttft_ms"].iloc[:4].notna().all()
    assert frame["usd_per_m_tokens"].iloc[3] < frame["usd_per_m_tokens"].iloc[0]
    assert frame["status"].iloc[4] == "infeasible"
    assert pd.isna(frame["tco_usd"].iloc[4])


@pytest.mark.usefixtures("quick")
def test_a_summary_is_there_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And progress says how fast and how long still."""
    monkeypatch.setattr("planner.sweep.run.SUMMARY_EVERY_S", -1e9)
    seen: list[tuple[str, int]] = []

    def look(what: str, share: float) -> None:
        rows = summary(tmp_path / "out") if (tmp_path / "out" / "summary.csv").is_file() else []
        seen.append((what, sum(row["status"] != "failed" for row in rows)))

    run_sweep(sweep_file(tmp_path, RATES), tmp_path / "out", engine="serial", progress=look)
    assert [known for _, known in seen] == [0, 1, 3, 4]
    assert re.fullmatch(r"1 of 4, \S+ (s each|a second), \S+ \S+ left", seen[0][0])
    assert "left" not in seen[-1][0]


def test_pace_is_a_rate_and_a_rest() -> None:
    """Ten in five seconds: two a second, forty left are twenty seconds."""
    pace = Pace(50)
    pace.began -= 5.0
    assert re.fullmatch(r", 2 a second, 2[01](\.\d)? s left|, 2\.0 a second, 2[01](\.\d)? s left", pace.after(10))
    assert pace.after(0) == ""


@pytest.mark.parametrize("engine", ["dask:host", "dask:http://host:1", "spark", "dask "])
def test_engines_that_are_none(engine: str) -> None:
    """Before anything is read."""
    with pytest.raises(InputError):
        check_engine(engine)


class FakeFuture:
    """A future as Dask gives them back."""

    def __init__(self, key: str, status: str, done: Done | None = None) -> None:
        self.key, self.status, self.done = key, status, done

    def result(self) -> Any:
        """What the worker returned."""
        return self.done

    def exception(self) -> Exception:
        """Why there is nothing."""
        return RuntimeError("KilledWorker")

    def release(self) -> None:
        """Forget it."""


def test_a_cluster_that_goes_away_keeps_what_came_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task whose workers die is an answer; a scheduler that is gone ends the run with how many are open."""
    distributed = pytest.importorskip("distributed")
    futures = [FakeFuture("a", "finished", Done("a", "plan", "", 1.0)), FakeFuture("b", "error")]

    class Fake:
        loop = None

        def __init__(self, **_: Any) -> None: ...
        def __enter__(self) -> Fake:
            return self

        def __exit__(self, *_: object) -> None: ...
        def map(self, *_: Any, **__: Any) -> list[FakeFuture]:
            return futures

    def completed(found: list[FakeFuture], **_: Any) -> Iterator[FakeFuture]:
        yield from found
        raise OSError("Timed out trying to connect")

    monkeypatch.setattr(distributed, "Client", Fake)
    monkeypatch.setattr(distributed, "as_completed", completed)
    came: list[Done] = []
    with pytest.raises(SolveError, match="1 of 3 cases are open"):
        came.extend(run_on_dask([(k, {}) for k in "abc"], "dask:tcp://h:1", 2, None))
    assert [d.key for d in came] == ["a", "b"]
    assert "KilledWorker" in came[1].error


@pytest.mark.slow
def test_dask_gives_what_one_process_gives(tmp_path: Path) -> None:
    """On a cluster of this machine, real workers and solvers."""
    pytest.importorskip("distributed")
    file = sweep_file(tmp_path, RATES)
    run_sweep(file, tmp_path / "serial", engine="serial")
    outcome = run_sweep(file, tmp_path / "dask", engine="dask", workers=2)
    assert outcome.failed == 0
    assert summary(tmp_path / "dask") == summary(tmp_path / "serial")
