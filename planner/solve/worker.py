"""The child's side of `child`: jobs from standard input, answers to standard output, one after the other.

A worker of kind "highs" does the jobs of `drive`, one of kind "cpsat" those of `sat`: the two solvers never share a
process, because both carry a HiGHS of their own and the symbols of one satisfy the other (highspy 1.15.1 does not
load beside ortools 9.15). A worker is kept from job to job; it ends itself when its parent is gone, and when it has
had nothing to do for `IDLE_S`.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, BinaryIO

from planner.solve import wire
from planner.solve.form import FloatArray
from planner.solve.pool import end_idle
from planner.solve.status import Limits, Mail

IDLE_S = 300.0
"""A worker without a job for this long gives its memory back."""
KEPT_MB = 1500.0
"""A worker that has grown beyond this ends after its job."""
_REPORTS_PER_S = 10.0


def main(kind: str) -> None:
    """Take jobs until the parent is gone, there is nothing to do, or a job has left this process too large."""
    # solvers write to standard output as they please: keep the real one for messages, give them standard error
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    inbox: queue.SimpleQueue[tuple[bytes, Mail]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, inbox), daemon=True).start()
    lock = threading.Lock()

    def tell(kind: bytes, block: bytes = b"") -> None:
        with lock:
            wire.send(out, kind, block)

    while True:
        try:
            block, mail = inbox.get(timeout=IDLE_S)
        except queue.Empty:
            return
        _work(kind, block, mail, tell)
        if _too_large():
            return


def _work(kind: str, block: bytes, mail: Mail, tell: Callable[..., None]) -> None:
    try:
        head, arrays = wire.unpack(block)
        limits = Limits(**head["limits"])
        _limit_memory(limits.memory_mb)
        hook = _Reporter(tell)
        if kind == "cpsat":
            from planner.solve import sat

            tell(wire.STARTED)
            answer = sat.JOBS[head["job"]](arrays, limits, head["options"], hook, mail)
        else:
            from planner.solve.drive import JOBS

            program = wire.program_from(head["program"], arrays)
            tell(wire.STARTED)
            answer = JOBS[head["job"]](program, limits, head["options"], hook, mail)
        if _too_large():
            tell(wire.LEAVING)
        tell(wire.RESULT, answer)
    except Exception as error:
        # whatever it is, the parent must hear of it; only the text travels
        tell(wire.ERROR, f"{type(error).__name__}: {error}".encode())


class _Reporter:
    """The hook of a job: plans at once, everything else a few times a second."""

    def __init__(self, tell: Callable[..., None]) -> None:
        self._tell, self._last = tell, 0.0

    def __call__(
        self, phase: str, objective: float, bound: float, values: FloatArray | None, nodes: int | None = None
    ) -> None:
        now = time.monotonic()
        if values is not None or now - self._last >= 1.0 / _REPORTS_PER_S:
            self._last = now
            self._tell(wire.PROGRESS, wire.progress_block(phase, objective, bound, values, nodes))


def _listen(stdin: BinaryIO, inbox: queue.SimpleQueue[tuple[bytes, Mail]]) -> None:
    """Jobs to the inbox; to the mail of the job before, what others have learnt; the end when the stream is."""
    mail = Mail()
    while (message := wire.receive(stdin)) is not None:
        kind, block = message
        if kind == wire.JOB:
            mail = Mail()
            inbox.put((block, mail))
        elif kind == wire.STOP:
            mail.stopped = True
        elif kind == wire.OFFER:
            head, arrays = wire.unpack(block)
            mail.put(arrays["values"], head["objective"])
    end_idle()
    os._exit(130)


def _limit_memory(memory_mb: int | None) -> None:
    if memory_mb is None or sys.platform == "win32":
        return
    import resource

    size = memory_mb << 20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def _too_large() -> bool:
    """This process has had more memory than is kept for nothing; never where that is not known."""
    if sys.platform == "win32":
        return False
    import resource

    most: Any = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(most) / (1 << 20 if sys.platform == "darwin" else 1 << 10) > KEPT_MB
