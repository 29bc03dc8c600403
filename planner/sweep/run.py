"""A sweep from its file to its summary: expand, see what is known, plan the rest, keep every answer at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from planner.answer.plan import Plan
from planner.catalog import load_catalog
from planner.errors import InputError, Problem
from planner.report import format as fmt
from planner.scenario import check_scenario, resolve
from planner.sweep.engine import check_engine, run_tasks
from planner.sweep.file import MOST_PROBLEMS, Case, Sweep, load_sweep
from planner.sweep.outcome import CaseResult, SweepOutcome, result_of, summary_csv, summary_parquet
from planner.sweep.shard import Shard, merge_into, shard_folders
from planner.sweep.store import Row, Store, key_of

SUMMARY, SUMMARY_PARQUET = "summary.csv", "summary.parquet"
SUMMARY_EVERY_S = 30.0
"""Between two summaries of a sweep that runs; more where writing one takes long."""
_LOG = logging.getLogger(__name__)


def run_sweep(
    file: Path | str,
    out: Path | str,
    *,
    engine: str = "local",
    workers: int | None = None,
    shard: str | Shard | None = None,
    merge: bool = False,
    catalog_dir: Path | None = None,
    progress: Callable[[str, float], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> SweepOutcome:
    """Plan every case of a sweep file and keep the answers in ``out``; what is there already is not planned again.

    ``engine``: ``local`` (``workers`` processes, one solver thread each), ``serial``, ``dask`` or
    ``dask:tcp://host:8786`` (extra ``[cluster]``). ``shard``: ``"3/40"`` plans only every fortieth distinct question,
    into a folder of its own below ``out``; ``merge`` plans nothing and puts the shards of ``out`` together. Equal
    questions are planned once. No plan being possible is an answer; a case that failed is tried again by the next run.
    ``tell`` gets lines for a person (how many cases, known, to run), ``progress`` (what, share). Interrupted, it ends
    its processes and keeps what is done: the same call resumes. Raises ``InputError`` for a wrong file, before anything
    is written, and ``SolveError`` where a cluster went away.
    """
    started = time.perf_counter()
    check_engine(engine)
    part = Shard.read(shard) if isinstance(shard, str) else shard
    if part is not None and merge:
        raise InputError(Problem("a shard plans, merging plans nothing", path="--merge", remedy="Give one of the two."))
    sweep = load_sweep(file)
    catalog = load_catalog(catalog_dir)
    _check(sweep, lambda case: check_scenario(case.scenario, catalog))
    from planner.planning.draft import planner_version

    version = planner_version()
    keys = [key_of(case.scenario, catalog.digest, version) for case in sweep.cases]
    cases = list(zip(keys, sweep.cases, strict=True))
    if part is not None:
        mine = set(part.take(list(dict.fromkeys(keys))))
        cases = [(key, case) for key, case in cases if key in mine]
    tasks: dict[str, Mapping[str, Any]] = {}
    for key, case in cases:
        tasks.setdefault(key, _task(case, one_thread=engine != "serial"))
    say = tell or (lambda _: None)
    with Store(Path(out) if part is None else Path(out) / part.folder) as store:
        if merge:
            say(f"{merge_into(store)} answers taken over from {len(shard_folders(store.folder))} shards")
        before = store.rows()
        known = {key for key in tasks if key in before and before[key].state == "done"}
        open_ = [] if merge else [(key, data) for key, data in tasks.items() if key not in known]
        ran = 0
        if not merge:
            say(f"{len(cases)} cases, {len(tasks)} distinct: {len(known)} done, {len(open_)} to run")
            pace = Pace(len(open_))
            summed = time.monotonic()
            try:
                for done in run_tasks(open_, engine, workers, catalog_dir):
                    attempts = done.attempts + (before[done.key].attempts if done.key in before else 0)
                    if done.error:
                        _LOG.warning("%s failed: %s", done.key[:12], done.error)
                        store.fail(done.key, done.error, done.seconds, attempts)
                    else:
                        store.keep(done.key, Plan.from_json(done.plan), done.seconds, attempts)
                    ran += 1
                    if progress is not None:
                        progress(
                            f"{len(known) + ran} of {len(tasks)}{pace.after(ran)}", (len(known) + ran) / len(tasks)
                        )
                    if time.monotonic() - summed > SUMMARY_EVERY_S + 20 * pace.summary_s:
                        pace.summary_s = _write_summary(store, sweep, _results(store, cases))
                        summed = time.monotonic()
            except KeyboardInterrupt:
                say(f"stopped: {len(known) + ran} of {len(tasks)} done; the same command goes on from here")
                raise
        rows = store.rows()
        results = _results(store, cases)
        outcome = SweepOutcome(
            name=sweep.name, out=str(store.folder), cases=results, expanded=len(cases), distinct=len(tasks),
            already=len(known), ran=ran,
            failed=sum(1 for key in tasks if key not in rows or rows[key].state == "failed"),
            seconds=round(time.perf_counter() - started, 3),
        )  # fmt: skip
        _write_summary(store, sweep, results)
    return outcome


def _write_summary(store: Store, sweep: Sweep, results: Sequence[CaseResult]) -> float:
    """summary.csv and, where pyarrow is there, summary.parquet; returns the seconds that took."""
    began = time.monotonic()
    store.write(SUMMARY, summary_csv(results, sweep.paths))
    try:
        data = summary_parquet(results)
    except ImportError:
        return time.monotonic() - began
    store.write_data(SUMMARY_PARQUET, data)
    return time.monotonic() - began


@dataclass
class Pace:
    """How fast cases are planned, and when the rest will be done."""

    total: int
    began: float = field(default_factory=time.monotonic)
    summary_s: float = 0.0
    """Seconds that writing the summary took."""

    def after(self, ran: int) -> str:
        """``, 2.1 a second, 38 s left``; empty before anything was planned."""
        passed = time.monotonic() - self.began
        if not ran or passed <= 0:
            return ""
        rate = ran / passed
        said = f"{rate:.1f} a second" if rate >= 1 else f"{1 / rate:.1f} s each"
        return f", {said}, {fmt.seconds((self.total - ran) / rate)} left" if ran < self.total else f", {said}"


def _check(sweep: Sweep, check: Callable[[Case], None]) -> None:
    """Raise what is wrong with any case, each told once: names that the catalog does not have."""
    problems: dict[tuple[str, str, str], Problem] = {}
    for case in sweep.cases:
        try:
            check(case)
        except InputError as error:
            for p in error.problems:
                problems.setdefault((p.path, p.message, p.found), p)
        if len(problems) >= MOST_PROBLEMS:
            break
    if problems:
        raise InputError(problems.values())


def _task(case: Case, *, one_thread: bool) -> Mapping[str, Any]:
    """A case as plain data; with many processes each solver has one thread, unless the scenario says how many."""
    data = resolve(case.scenario)
    if one_thread and case.scenario.solve.threads is None:
        data["solve"] = {**data.get("solve", {}), "threads": 1}
    return data


def _results(store: Store, cases: Sequence[tuple[str, Case]]) -> tuple[CaseResult, ...]:
    """The row of every case; a plan that several cases share is read once."""
    rows = store.rows()
    read: dict[str, Plan] = {}
    return tuple(_result(store, rows.get(key), case, key, read) for key, case in cases)


def _result(store: Store, row: Row | None, case: Case, key: str, read: dict[str, Plan]) -> CaseResult:
    names: dict[str, Any] = {"name": case.name, "variant": case.variant, "overrides": case.overrides, "key": key}
    if row is None or row.state == "failed":
        return result_of(None, **names, seconds=row.seconds if row else 0.0, error=row.error if row else "did not run")
    file = store.plan_file(key)
    if key not in read:
        read[key] = Plan.read(file)
    return result_of(read[key], **names, seconds=row.seconds, file=file.relative_to(store.folder).as_posix())
