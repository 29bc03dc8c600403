"""The engine ``dask``: the same tasks on a Dask cluster (extra ``[cluster]``), a scheduler's address or this machine.

    dask                     a LocalCluster: one process a core
    dask:tcp://host:8786     workers that are there already; how they came to be (Slurm, Kubernetes, SSH) is the user's

Every worker needs the planner of the same version and, where ``--catalog`` names a folder, that folder. A worker that
dies gives its tasks back; a task whose workers die again and again is given up, as the local engine does. Where the
scheduler is gone, what came back is kept and ``SolveError`` says so: the same command goes on from there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from planner.catalog import load_catalog
from planner.errors import InputError, Problem, SolveError
from planner.sweep.engine import Done, Task, solve_task

PREFIX = "dask"


def address_of(engine: str) -> str | None:
    """The scheduler's address of ``dask:tcp://host:8786``; None of ``dask``. Raises ``InputError``."""
    _, _, address = engine.partition(":")
    if engine != PREFIX and not address.startswith(("tcp://", "tls://", "ucx://", "ws://", "wss://")):
        raise InputError(
            Problem("is no address of a scheduler", path="engine", found=engine, allowed="dask, dask:tcp://host:8786")
        )
    return address or None


def run_on_dask(tasks: list[Task], engine: str, workers: int, catalog_dir: Path | None) -> Iterator[Done]:
    """Answers in the order they come. Raises ``InputError`` without Dask, ``SolveError`` without a scheduler."""
    address = address_of(engine)
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise InputError(
            Problem(
                "the engine dask needs dask.distributed, which is not installed", path="engine",
                remedy='Install it: pip install "ai-compute-planner[cluster]".',
            )
        ) from None  # fmt: skip
    if not tasks:
        return
    folder = None if catalog_dir is None else str(catalog_dir.resolve())
    where: dict[str, Any] = (
        {"address": address} if address
        else {"n_workers": workers, "threads_per_worker": 1, "processes": True, "dashboard_address": None,
              "silence_logs": logging.ERROR}
    )  # fmt: skip
    left = {key for key, _ in tasks}
    try:
        with Client(**where, set_as_default=False) as client:  # type: ignore[no-untyped-call]
            futures = client.map(_solve, tasks, key=[key for key, _ in tasks], catalog_dir=folder, pure=True)
            for future in as_completed(futures, loop=client.loop):  # type: ignore[no-untyped-call]
                left.discard(future.key)
                done = _done(future)
                future.release()
                yield done
    except OSError as error:
        raise SolveError(
            f"the scheduler is gone ({error}): {len(left)} of {len(tasks)} cases are open; run the sweep again"
        ) from None
    if left:
        raise SolveError(f"the scheduler lost {len(left)} of {len(tasks)} cases; run the sweep again")


def _solve(task: tuple[str, Mapping[str, Any]], catalog_dir: str | None) -> Done:
    """On a worker: one task, with the catalog that this process has read already."""
    return solve_task(task, load_catalog(catalog_dir))


def _done(future: Any) -> Done:
    if future.status == "finished":
        done: Done = future.result()
        return done
    if future.status == "cancelled":  # the scheduler forgot it: it is not known how it ended
        raise OSError("it lost the connection")
    return Done(future.key, "", f"the workers that planned it died: {future.exception()}", 0.0)
