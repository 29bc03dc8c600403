"""A sweep from its file to its summary: expand, see what is known, plan the rest, keep every answer at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from planner.answer.plan import Plan
from planner.catalog import load_catalog
from planner.errors import InputError, Problem, unknown_name
from planner.scenario import check_scenario, resolve
from planner.sweep.engine import ENGINES, run_tasks
from planner.sweep.file import MOST_PROBLEMS, Case, Sweep, load_sweep
from planner.sweep.outcome import CaseResult, SweepOutcome, result_of, summary_csv
from planner.sweep.store import Row, Store, key_of

SUMMARY = "summary.csv"


def run_sweep(
    file: Path | str,
    out: Path | str,
    *,
    engine: str = "local",
    workers: int | None = None,
    catalog_dir: Path | None = None,
    progress: Callable[[str, float], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> SweepOutcome:
    """Plan every case of a sweep file and keep the answers in ``out``; what is there already is not planned again.

    ``engine``: ``local`` (``workers`` processes, one solver thread each) or ``serial``. Equal questions are planned
    once. No plan being possible is an answer; a case that failed is tried again by the next run. ``tell`` gets lines
    for a person (how many cases, known, to run), ``progress`` (what, share). Interrupted, it ends its processes and
    keeps what is done: the same call resumes. Raises ``InputError`` for a wrong file, before anything is written.
    """
    started = time.perf_counter()
    if engine not in ENGINES:
        raise unknown_name("engine", engine, ENGINES, path="engine")
    sweep = load_sweep(file)
    catalog = load_catalog(catalog_dir)
    _check(sweep, lambda case: check_scenario(case.scenario, catalog))
    from planner.api import planner_version

    version = planner_version()
    keys = [key_of(case.scenario, catalog.digest, version) for case in sweep.cases]
    tasks: dict[str, Mapping[str, Any]] = {}
    for key, case in zip(keys, sweep.cases, strict=True):
        tasks.setdefault(key, _task(case, one_thread=engine == "local"))
    say = tell or (lambda _: None)
    with Store(Path(out)) as store:
        before = store.rows()
        known = {key for key in tasks if key in before and before[key].state == "done"}
        open_ = [(key, data) for key, data in tasks.items() if key not in known]
        say(f"{len(keys)} cases, {len(tasks)} distinct: {len(known)} done, {len(open_)} to run")
        ran = 0
        try:
            for done in run_tasks(open_, engine, workers, catalog_dir):
                attempts = done.attempts + (before[done.key].attempts if done.key in before else 0)
                if done.error:
                    store.fail(done.key, done.error, done.seconds, attempts)
                else:
                    store.keep(done.key, Plan.from_json(done.plan), done.seconds, attempts)
                ran += 1
                if progress is not None:
                    progress(f"{len(known) + ran} of {len(tasks)}", (len(known) + ran) / len(tasks))
        except KeyboardInterrupt:
            say(f"stopped: {len(known) + ran} of {len(tasks)} done; the same command goes on from here")
            raise
        rows = store.rows()
        cases = tuple(_result(store, rows.get(key), case, key) for key, case in zip(keys, sweep.cases, strict=True))
        outcome = SweepOutcome(
            name=sweep.name, out=str(out), cases=cases, expanded=len(keys), distinct=len(tasks), already=len(known),
            ran=ran, failed=sum(1 for key in tasks if key not in rows or rows[key].state == "failed"),
            seconds=round(time.perf_counter() - started, 3),
        )  # fmt: skip
        store.write(SUMMARY, summary_csv(outcome, sweep.paths))
    return outcome


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


def _result(store: Store, row: Row | None, case: Case, key: str) -> CaseResult:
    names: dict[str, Any] = {"name": case.name, "variant": case.variant, "overrides": case.overrides, "key": key}
    if row is None or row.state == "failed":
        return result_of(None, **names, seconds=row.seconds if row else 0.0, error=row.error if row else "did not run")
    file = store.plan_file(key)
    plan = Plan.read(file)
    return result_of(plan, **names, seconds=row.seconds, file=file.relative_to(store.folder).as_posix())
