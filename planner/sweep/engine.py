"""Runs tasks one after the other, or on processes of this machine.

An engine takes tasks ``(key, scenario as plain data)`` and yields ``Done`` in the order they end. Processes are fresh
interpreters (``spawn``), get their tasks in chunks of about half a second, and send each answer as soon as it is
there. A process that dies takes one task with it: the task is tried once more in another process. However the caller
leaves the loop, Ctrl-C included, the processes are ended; a solver's own child ends with its parent.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from planner.catalog import Catalog, load_catalog
from planner.errors import InputError, PlannerError, unknown_name

ENGINES = ("local", "serial", "dask")
CHUNK_S = 0.5
LARGEST_CHUNK = 50
ATTEMPTS = 2
"""How often a task is tried whose process died."""

Task = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Done:
    """How a task ended: the text of its plan.json, or why there is none."""

    key: str
    plan: str
    error: str
    seconds: float
    attempts: int = 1


def run_tasks(tasks: Iterable[Task], engine: str, workers: int | None, catalog_dir: Path | None) -> Iterator[Done]:
    """Answers in the order they come. ``workers`` None: one per core. Raises ``InputError`` for an unknown engine."""
    check_engine(engine)
    listed = list(tasks)
    if engine not in {"local", "serial"}:
        from planner.sweep.cluster import run_on_dask

        return run_on_dask(listed, engine, workers or _cores(), catalog_dir)
    if engine == "serial":
        return _serial(listed, catalog_dir)
    return _local(listed, min(workers or _cores(), max(len(listed), 1)), catalog_dir)


def check_engine(engine: str) -> None:
    """Raise ``InputError`` for an engine that there is not, or an address that is none."""
    if engine.startswith("dask:"):
        from planner.sweep.cluster import address_of

        address_of(engine)
    elif engine not in ENGINES:
        raise unknown_name("engine", engine, ENGINES, path="engine")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _serial(tasks: list[Task], catalog_dir: Path | None) -> Iterator[Done]:
    if not tasks:
        return
    catalog = load_catalog(catalog_dir)
    for task in tasks:
        yield solve_task(task, catalog)


def solve_task(task: Task, catalog: Catalog) -> Done:
    """One task; an error is an answer, so that one case cannot stop a sweep."""
    from planner.planning.plan import plan

    key, data = task
    started = time.perf_counter()
    try:
        text, error = plan(data, catalog=catalog).to_json(), ""
    except InputError as wrong:
        text, error = "", "; ".join(str(p) for p in wrong.problems)
    except PlannerError as wrong:
        text, error = "", str(wrong)
    except Exception as fault:
        text, error = "", f"internal error: {type(fault).__name__}: {fault}"
    return Done(key, text, error, time.perf_counter() - started)


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    waiting: deque[tuple[Task, int]] = field(default_factory=deque)
    """Tasks sent and not answered, in order, each with the number of this attempt."""


def _local(tasks: list[Task], workers: int, catalog_dir: Path | None) -> Iterator[Done]:
    if not tasks:
        return
    context = multiprocessing.get_context("spawn")
    queue = deque((task, 1) for task in tasks)
    crew: list[_Worker] = []
    pace = CHUNK_S  # seconds of a task, a running estimate
    try:
        while queue or any(w.waiting for w in crew):
            while queue and len(crew) < workers:
                crew.append(_hire(context, catalog_dir))
            for worker in crew:
                if not worker.waiting and queue:
                    _send(worker, queue, _chunk(pace, len(queue), workers))
            ready = wait([w.pipe for w in crew if w.waiting])
            for worker in [w for w in crew if w.pipe in ready]:
                try:
                    done: Done = worker.pipe.recv()
                except (EOFError, OSError):
                    crew.remove(worker)
                    yield from _bury(worker, queue)
                    continue
                _, attempt = worker.waiting.popleft()
                pace = 0.7 * pace + 0.3 * done.seconds
                yield Done(done.key, done.plan, done.error, done.seconds, attempt)
    finally:
        for worker in crew:
            worker.process.terminate()
        for worker in crew:
            worker.process.join(5.0)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.pipe.close()


def _chunk(pace: float, left: int, workers: int) -> int:
    """Tasks to send at once: about half a second of them, but never so many that another worker starves."""
    return max(1, min(int(CHUNK_S / max(pace, 1e-3)), LARGEST_CHUNK, left // (2 * workers)))


def _hire(context: multiprocessing.context.SpawnContext, catalog_dir: Path | None) -> _Worker:
    here, there = context.Pipe()
    process = context.Process(target=work, args=(there, catalog_dir), daemon=True)
    process.start()
    there.close()
    return _Worker(process, here)


def _send(worker: _Worker, queue: deque[tuple[Task, int]], size: int) -> None:
    chunk = [queue.popleft() for _ in range(min(size, len(queue)))]
    worker.waiting.extend(chunk)
    # a dead process is noticed when its answer is waited for
    with contextlib.suppress(OSError):
        worker.pipe.send([task for task, _ in chunk])


def _bury(worker: _Worker, queue: deque[tuple[Task, int]]) -> Iterator[Done]:
    """A process died at its first unanswered task: that one is tried again or given up, the others go back."""
    worker.process.join()
    code = worker.process.exitcode or 0
    worker.pipe.close()
    if not worker.waiting:
        return
    (task, attempt), *rest = worker.waiting
    queue.extendleft(reversed(rest))
    if attempt < ATTEMPTS:
        queue.append((task, attempt + 1))
        return
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    yield Done(task[0], "", f"the process that planned it died ({how}), {attempt} times", 0.0, attempt)


def work(pipe: Connection, catalog_dir: Path | None) -> None:
    """A worker process: chunks of tasks in, answers out, until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, and the parent ends its processes
    with contextlib.suppress(EOFError, OSError):
        catalog = load_catalog(catalog_dir)
        while True:
            for task in pipe.recv():
                pipe.send(solve_task(task, catalog))
