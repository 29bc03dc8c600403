"""Solving in a child process that can be killed: solvers overrun their limits, run out of memory and abort.

The child is a fresh interpreter that imports numpy and the solvers and none of the planner's other rooms. Parent and
child talk through pipes (`wire`). The parent kills the child at a hard deadline, when it is interrupted, and when the
progress callback raises; the child ends itself when its parent is gone. A checked plan that the child reported before
it was killed is not lost.
"""

from __future__ import annotations

import contextlib
import math
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO

from planner.errors import SolveError
from planner.solve import wire
from planner.solve.form import FloatArray, Program
from planner.solve.status import Limits, Progress, ProgressCallback, Solution, Status, relative_gap, status_of_plan

GRACE_S = 2.0
"""Time a solve may overrun its limit, besides a twentieth of the limit, before its process is killed."""
_START_S = 60.0
"""Time the child has to import its modules on a busy machine."""
_BEAT_S = 0.5
_REPORTS_PER_S = 10.0

# The stand-in package keeps planner/__init__.py, and with it all other rooms, out of the child.
_BOOT = """
import sys, types
package = types.ModuleType("planner")
package.__path__ = [sys.argv[1]]
sys.modules["planner"] = package
from planner.solve.child import main
main()
"""


def solve_in_child(
    program: Program,
    limits: Limits,
    backend: str,
    progress: ProgressCallback | None = None,
    start: FloatArray | None = None,
) -> Solution:
    """`drive.solve_here` in a child; from the plan `start` (n,) if there is one and HiGHS solves.

    Never raises for what the child does: a crash is a solution with status failed.
    """
    started = time.monotonic()
    try:
        kind, block, best = _run(
            "solve",
            program,
            limits,
            {"backend": backend, "start": None if start is None else start.tolist()},
            progress,
        )
    except _ChildError as error:
        return Solution(Status.FAILED, solver=backend, seconds=time.monotonic() - started, message=str(error))
    if kind == wire.RESULT:
        return wire.solution_from(block)
    values, objective, bound = best
    message = f"stopped at the hard deadline, {GRACE_S:g} s and more after the time limit"
    seconds = time.monotonic() - started
    if values is None:
        return Solution(Status.NO_PLAN_FOUND, bound=bound, solver=backend, seconds=seconds, message=message)
    bound = min(bound, objective)
    return Solution(
        status_of_plan(objective, bound, limits.gap),
        values,
        objective,
        bound,
        relative_gap(objective, bound),
        backend,
        seconds,
        None,
        message,
    )


def run_in_child(job: str, program: Program, limits: Limits, options: Mapping[str, Any]) -> bytes:
    """Another job of `drive.JOBS` in a child; its answer as bytes. SolveError when it crashed or was killed."""
    try:
        kind, block, _ = _run(job, program, limits, options, None)
    except _ChildError as error:
        raise SolveError(f"{job}: {error}") from error
    if kind != wire.RESULT:
        raise SolveError(f"{job}: stopped at the hard deadline")
    return block


class _ChildError(Exception):
    """The child ended without an answer."""


def _run(
    job: str, program: Program, limits: Limits, options: Mapping[str, Any], progress: ProgressCallback | None
) -> tuple[bytes, bytes, tuple[FloatArray | None, float, float]]:
    """(RESULT, answer, ...) or (b"", b"", best plan so far) when the deadline passed; _ChildError on a crash."""
    head, arrays = wire.program_parts(program)
    block = wire.pack(
        {"job": job, "limits": wire.limits_head(limits), "options": dict(options), "program": head}, arrays
    )
    with tempfile.TemporaryFile() as errors:
        process = _start(errors)
        try:
            return _converse(process, block, limits, progress, errors)
        finally:
            # here on every way out, Ctrl-C included: no child outlives its solve
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()


def _start(errors: IO[bytes]) -> subprocess.Popen[bytes]:
    package = Path(__file__).resolve().parent.parent
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
    return subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
        [sys.executable, "-P", "-c", _BOOT, str(package)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=environment,
        start_new_session=os.name == "posix",  # Ctrl-C reaches the parent, and the parent kills
    )


def _converse(
    process: subprocess.Popen[bytes],
    block: bytes,
    limits: Limits,
    progress: ProgressCallback | None,
    errors: IO[bytes],
) -> tuple[bytes, bytes, tuple[FloatArray | None, float, float]]:
    if process.stdin is None or process.stdout is None:
        raise _ChildError("the child has no pipes")
    inbox: queue.SimpleQueue[tuple[bytes, bytes] | None] = queue.SimpleQueue()
    # threads, because a pipe cannot be waited for with a timeout everywhere; both end with the child
    for target, arguments in ((_write, (process.stdin, block)), (_read, (process.stdout, inbox))):
        threading.Thread(target=target, args=arguments, daemon=True).start()
    started = time.monotonic()
    deadline = started + _START_S
    values: FloatArray | None = None
    objective, bound, phase = math.nan, -math.inf, "starting"
    while True:
        try:
            message = inbox.get(timeout=max(0.0, min(_BEAT_S, deadline - time.monotonic())))
        except queue.Empty:
            if time.monotonic() >= deadline:
                return b"", b"", (values, objective, bound)
            message = (b"", b"")
        if message is None:
            raise _ChildError(_obituary(process, errors))
        kind, body = message
        if kind == wire.STARTED:
            deadline = time.monotonic() + 1.05 * limits.time_limit_s + GRACE_S
        elif kind == wire.RESULT:
            return wire.RESULT, body, (values, objective, bound)
        elif kind == wire.ERROR:
            raise _ChildError(body.decode("utf-8", errors="replace"))
        elif kind == wire.PROGRESS:
            report, arrays = wire.unpack(body)
            phase, bound = report["phase"], max(bound, report["bound"])
            if "values" in arrays and not report["objective"] >= objective:
                values, objective = arrays["values"], report["objective"]
        if progress is not None:
            progress(
                Progress(
                    seconds=time.monotonic() - started,
                    phase=phase,
                    incumbent=None if math.isnan(objective) else objective,
                    bound=bound if math.isfinite(bound) else None,
                )
            )


def _write(stream: IO[bytes], block: bytes) -> None:
    # the stream stays open: its end tells the child that its parent is gone
    with contextlib.suppress(OSError, ValueError):
        wire.send(stream, wire.JOB, block)  # type: ignore[arg-type]


def _read(stream: IO[bytes], inbox: queue.SimpleQueue[tuple[bytes, bytes] | None]) -> None:
    message: tuple[bytes, bytes] | None = (b"", b"")
    while message is not None:
        try:
            message = wire.receive(stream)  # type: ignore[arg-type]
        except (OSError, ValueError):
            message = None
        inbox.put(message)


def _obituary(process: subprocess.Popen[bytes], errors: IO[bytes]) -> str:
    try:
        code = process.wait(timeout=5.0)
    except subprocess.TimeoutExpired:
        return "the solver process closed its pipe without an answer"
    how = f"exit code {code}"
    if code < 0:
        with contextlib.suppress(ValueError):
            how = f"signal {signal.Signals(-code).name}"
    errors.seek(0)
    last = errors.read().decode("utf-8", errors="replace").strip().splitlines()[-3:]
    return f"the solver process ended without an answer ({how})" + (f": {' / '.join(last)}" if last else "")


def main() -> None:
    """The child: one job from standard input, one answer to standard output."""
    # solvers write to standard output as they please: keep the real one for messages, give them standard error
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    stdin = sys.stdin.buffer
    message = wire.receive(stdin)
    if message is None:
        return
    threading.Thread(target=_end_with_parent, args=(stdin,), daemon=True).start()
    lock = threading.Lock()

    def tell(kind: bytes, block: bytes = b"") -> None:
        with lock:
            wire.send(out, kind, block)

    try:
        head, arrays = wire.unpack(message[1])
        limits = Limits(**head["limits"])
        _limit_memory(limits.memory_mb)
        from planner.solve.drive import JOBS

        program = wire.program_from(head["program"], arrays)
        tell(wire.STARTED)
        answer = JOBS[head["job"]](program, limits, head["options"], _reporter(tell))
        tell(wire.RESULT, answer)
    except Exception as error:
        # whatever it is, the parent must hear of it; only the text travels
        tell(wire.ERROR, f"{type(error).__name__}: {error}".encode())


def _reporter(tell: Any) -> Any:
    last = 0.0

    def report(phase: str, objective: float, bound: float, values: FloatArray | None) -> None:
        nonlocal last
        now = time.monotonic()
        if values is not None or now - last >= 1.0 / _REPORTS_PER_S:
            last = now
            tell(wire.PROGRESS, wire.progress_block(phase, objective, bound, values))

    return report


def _limit_memory(memory_mb: int | None) -> None:
    if memory_mb is None or sys.platform == "win32":
        return
    import resource

    size = memory_mb << 20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def _end_with_parent(stdin: BinaryIO) -> None:
    while stdin.read(1):
        pass
    os._exit(130)
