"""A worker: ``python -m planner.ui.work.worker``. Reads requests, a line each, and writes how far it is and the result.

It ends with its parent: the end of its input ends it, and with it the solvers that it started, which watch theirs.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
import time
from pathlib import Path

from planner.catalog import load_catalog
from planner.errors import InputError, PlannerError
from planner.settings import CATALOG
from planner.ui.work.request import PLAN, Request, Result, answered, functions

NICENESS = 5
"""Pages come first: a server that is busy solving still answers clicks."""
_EVERY_S = 0.2


def main() -> None:
    """Answer requests until the input ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # whatever a library prints goes to the log
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(NICENESS)
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()

    def write(line: str) -> None:
        try:
            out.write(line + "\n")
        except OSError:  # the parent is gone
            os._exit(0)

    last_at, last_said = 0.0, ""

    def tell(what: str, share: float) -> None:
        nonlocal last_at, last_said
        now = time.monotonic()
        if what != last_said or now - last_at > _EVERY_S:
            last_at, last_said = now, what
            write(json.dumps({"stage": what, "share": share}))

    extra = os.environ.get(CATALOG.name, "").strip()
    try:
        catalog = load_catalog(Path(extra) if extra else None)
    except InputError as error:
        while True:
            requests.get()
            write(Result(problems=error.problems).line())
    asked = functions()
    # what a first plan loads and keeps is there before somebody waits for it; a request that comes ends this
    with contextlib.suppress(PlannerError):
        asked[PLAN]("quickstart", catalog=catalog, cancel=lambda: not requests.empty())
    while True:
        request = Request.of_line(requests.get())
        write(answered(request, catalog, tell, lambda: False, asked).line())


def _read(requests: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)


if __name__ == "__main__":
    main()
