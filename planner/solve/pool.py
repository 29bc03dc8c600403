"""Solving processes, kept from job to job: starting an interpreter costs more than solving a small program.

A `Worker` is one of them, with a thread that reads what it says. `hire` takes one that has nothing to do or starts
one, `release` gives it back or ends it. Whoever hires one gives it back on every way out, so that none outlives the
solve it was hired for unless it is idle; idle ones end with this process (their input ends, and `atexit`).
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from planner.solve import wire
from planner.solve.form import FloatArray
from planner.solve.status import Limits

_FITS = 32_000
"""Bytes that an empty pipe takes at once."""
_LEAVE_S = 1.0
"""Time an idle worker has to end of itself."""
MOST_IDLE = 4
"""Workers that are kept with nothing to do, at most."""

# The stand-in package keeps planner/__init__.py, and with it all other rooms, out of the child.
BOOT = """
import sys, types
package = types.ModuleType("planner")
package.__path__ = [sys.argv[1]]
sys.modules["planner"] = package
from planner.solve.worker import main
main(sys.argv[2])
"""

Message = tuple["Worker", bytes, bytes]
"""Who says it, what kind (`wire`), and the block. Kind ``GONE``: the worker has ended."""
GONE = b""


class Worker:
    """A process, what it has written to standard error, and a thread that puts what it says into an inbox."""

    def __init__(self, kind: str, boot: str) -> None:
        self.kind, self.boot = kind, boot
        # appended to, so that it can be cut between jobs; closed by `end`
        self.errors: IO[bytes] = tempfile.TemporaryFile("a+b")  # noqa: SIM115
        self.process = _start(kind, boot, self.errors)
        self._inbox: queue.SimpleQueue[Message] | None = None
        self._lock = threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()

    def send(
        self,
        job: str,
        parts: wire.Parts,
        limits: Limits,
        options: Mapping[str, Any],
        inbox: queue.SimpleQueue[Message],
    ) -> None:
        """Start a job on a program's `parts`; what the worker says of it goes to `inbox`."""
        head, arrays = parts
        told = {"job": job, "limits": wire.limits_head(limits), "options": dict(options), "program": head}
        self._inbox = inbox
        os.ftruncate(self.errors.fileno(), 0)
        self._post(wire.JOB, wire.pack(told, arrays))

    def offer(self, values: FloatArray, objective: float) -> None:
        """Tell the running job of a plan that another has found."""
        self._post(wire.OFFER, wire.pack({"objective": objective}, {"values": values}))

    def stop(self) -> None:
        """Tell the running job that nothing more is wanted of it."""
        self._post(wire.STOP, b"")

    def obituary(self) -> str:
        """How the process ended, and its last words."""
        try:
            code = self.process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            return "the solver process closed its pipe without an answer"
        how = f"exit code {code}"
        if code < 0:
            with contextlib.suppress(ValueError):
                how = f"signal {signal.Signals(-code).name}"
        self.errors.seek(0)
        last = self.errors.read().decode("utf-8", errors="replace").strip().splitlines()[-3:]
        return f"the solver process ended without an answer ({how})" + (f": {' / '.join(last)}" if last else "")

    def dismiss(self) -> None:
        """Let an idle one end of itself: it ends those it has hired, too."""
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()

    def end(self) -> None:
        """Kill it, wait until it is gone, close its pipes."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.errors):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _post(self, kind: bytes, block: bytes) -> None:
        # a thread, because a pipe that nobody reads blocks the writer; what fits into an empty pipe does not
        if kind == wire.JOB and len(block) < _FITS:
            self._write(kind, block)
        else:
            threading.Thread(target=self._write, args=(kind, block), daemon=True).start()

    def _write(self, kind: bytes, block: bytes) -> None:
        # the stream stays open: its end tells the child that its parent is gone
        with self._lock, contextlib.suppress(OSError, ValueError):
            wire.send(self.process.stdin, kind, block)  # type: ignore[arg-type]

    def _read(self) -> None:
        while True:
            try:
                message = wire.receive(self.process.stdout)  # type: ignore[arg-type]
            except (OSError, ValueError):
                message = None
            inbox = self._inbox
            if inbox is not None:
                inbox.put((self, *(message or (GONE, b""))))
            if message is None:
                return


def hire(kind: str, boot: str = BOOT, *, fresh: bool = False) -> Worker:
    """A worker of this kind with nothing to do, or a new one; ``fresh``: always a new one."""
    while not fresh:
        with _lock:
            found = next((w for w in reversed(_idle) if w.kind == kind and w.boot == boot), None)
            if found is None:
                break
            _idle.remove(found)
        if found.process.poll() is None:
            return found
        found.end()
    return Worker(kind, boot)


def release(worker: Worker, *, keep: bool) -> None:
    """Give a worker back: kept when it has answered its job and said so, else ended."""
    worker._inbox = None
    if not keep or worker.process.poll() is not None:
        worker.end()
        return
    with _lock:
        _idle.append(worker)
        ended = _idle.pop(0) if len(_idle) > MOST_IDLE else None
    if ended is not None:
        ended.end()


def end_idle() -> None:
    """End all workers that have nothing to do."""
    with _lock:
        found = list(_idle)
        _idle.clear()
    for worker in found:
        worker.dismiss()
    for worker in found:
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.process.wait(timeout=_LEAVE_S)
        worker.end()


_idle: list[Worker] = []
_others: list[Worker] = []
"""Of the process that this one is a copy of; kept so that nothing of theirs is closed again."""
_lock = threading.Lock()
atexit.register(end_idle)


def _forget() -> None:
    """In a forked copy of this process: the workers are the other one's, and their pipes must not be held open."""
    global _lock  # noqa: PLW0603 - another thread may have held it when the copy was made
    _lock = threading.Lock()
    for worker in _idle:
        for pipe in (worker.process.stdin, worker.process.stdout):
            # not through the buffer: a thread that is not here may hold its lock
            with contextlib.suppress(OSError, AttributeError):
                pipe.raw.close()  # type: ignore[union-attr]
        worker.process.returncode = 0  # not ours to wait for
    _others.extend(_idle)
    _idle.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _start(kind: str, boot: str, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    package = Path(__file__).resolve().parent.parent
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
    return subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
        [sys.executable, "-P", "-c", boot, str(package), kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=environment,
        start_new_session=os.name == "posix",  # Ctrl-C reaches the parent, and the parent kills
    )
