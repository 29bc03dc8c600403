"""Solving in a child process that can be killed: solvers overrun their limits, run out of memory and abort.

A child is an interpreter of its own that imports numpy and one solver, and none of the planner's other rooms
(`worker`); it is kept for the next job (`pool`). The parent kills it at a hard deadline, when it is interrupted, and
when the progress callback raises; the child ends itself when its parent is gone. A checked plan that the child
reported before it was killed is not lost, and a child that dies is tried once more.
"""

from __future__ import annotations

import math
import queue
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from planner.errors import SolveError
from planner.solve import wire
from planner.solve.form import FloatArray, Program
from planner.solve.pool import BOOT, GONE, Message, hire, release
from planner.solve.status import (
    Hook,
    Limits,
    Mail,
    Progress,
    ProgressCallback,
    Solution,
    Status,
    relative_gap,
    status_of_plan,
)

GRACE_S = 2.0
"""Time a solve may overrun its limit, besides a twentieth of the limit, before its process is killed."""
START_S = 60.0
"""Time the child has to import its modules on a busy machine."""
BEAT_S = 0.5
ATTEMPTS = 2
"""How often a job is tried whose process died."""
_LEAST_S = 0.2
"""Time that must be left for another attempt."""
_BOOT = BOOT


def deadline_of(limits: Limits) -> float:
    """Seconds after which a job under these limits is killed."""
    return 1.05 * limits.time_limit_s + GRACE_S


def solve_in_child(
    program: Program,
    limits: Limits,
    backend: str,
    progress: ProgressCallback | None = None,
    start: FloatArray | None = None,
) -> Solution:
    """`drive.solve_here` in a child, from the plan `start` (n,) if there is one.

    Never raises for what the child does: a crash is a solution with status failed.
    """
    options = {"backend": backend, "start": None if start is None else start.tolist()}
    talk = Talk()
    started = time.monotonic()

    def report(phase: str, objective: float, bound: float, values: FloatArray | None, nodes: int | None = None) -> None:
        if progress is not None:
            progress(talk.progress(time.monotonic() - started))

    try:
        block = converse("highs", "solve", wire.program_parts(program), limits, options, report, talk)
    except ChildError as error:
        return talk.solution(limits, backend, str(error), Status.FAILED)
    if block is not None:
        return wire.solution_from(block)
    message = f"stopped at the hard deadline, {GRACE_S:g} s and more after the time limit"
    return talk.solution(limits, backend, message, Status.NO_PLAN_FOUND)


def run_in_child(job: str, program: Program, limits: Limits, options: Mapping[str, Any]) -> bytes:
    """Another job of `drive.JOBS` in a child; its answer as bytes. SolveError when it crashed or was killed."""
    try:
        block = converse("highs", job, wire.program_parts(program), limits, options)
    except ChildError as error:
        raise SolveError(f"{job}: {error}") from error
    if block is None:
        raise SolveError(f"{job}: stopped at the hard deadline")
    return block


class ChildError(Exception):
    """The child ended without an answer. ``died``: the process did, and another may do better."""

    def __init__(self, text: str, *, died: bool = False) -> None:
        super().__init__(text)
        self.died = died


@dataclass
class Talk:
    """What a child has told so far."""

    started: float = -1.0
    phase: str = "starting"
    values: FloatArray | None = None
    objective: float = math.nan
    bound: float = -math.inf
    nodes: int | None = None

    def __post_init__(self) -> None:
        self.started = time.monotonic()

    def hear(self, block: bytes) -> tuple[str, float, float, FloatArray | None, int | None]:
        """A PROGRESS block, kept where it is better than what was known; its parts as a hook takes them."""
        report, arrays = wire.unpack(block)
        values: FloatArray | None = arrays.get("values")
        self.phase, self.bound = report["phase"], max(self.bound, report["bound"])
        self.nodes = report["nodes"] if report["nodes"] is not None else self.nodes
        if values is not None and not report["objective"] >= self.objective:
            self.values, self.objective = values, report["objective"]
        return report["phase"], report["objective"], report["bound"], values, report["nodes"]

    def progress(self, seconds: float) -> Progress:
        """The same as a heartbeat."""
        return Progress(
            seconds=seconds,
            phase=self.phase,
            incumbent=None if math.isnan(self.objective) else self.objective,
            bound=self.bound if math.isfinite(self.bound) else None,
            nodes=self.nodes,
        )

    def solution(self, limits: Limits, solver: str, message: str, otherwise: Status) -> Solution:
        """The plan that was told, under the bound that was told; a solution of status `otherwise` without one."""
        seconds = time.monotonic() - self.started
        if self.values is None:
            bound = -math.inf if otherwise is Status.FAILED else self.bound
            return Solution(otherwise, bound=bound, solver=solver, seconds=seconds, message=message)
        bound = min(self.bound, self.objective)
        return Solution(
            status_of_plan(self.objective, bound, limits.gap),
            self.values,
            self.objective,
            bound,
            relative_gap(self.objective, bound),
            solver,
            seconds,
            None,
            message,
            nodes=self.nodes,
        )


def converse(
    kind: str,
    job: str,
    parts: wire.Parts,
    limits: Limits,
    options: Mapping[str, Any],
    hook: Hook | None = None,
    talk: Talk | None = None,
    mail: Mail | None = None,
) -> bytes | None:
    """A job in a kept worker of this kind: its answer as bytes, None where the hard deadline passed.

    parts  what it is about: of a program (`wire.program_parts`), or arrays alone
    hook  told what the child tells, and at every beat what is known; what it raises ends the job
    mail  passed on to the child

    A process that dies is tried once more with the time that is left. ChildError on what cannot be helped.
    """
    talk = talk or Talk()
    until = time.monotonic() + limits.time_limit_s
    for attempt in range(1, ATTEMPTS + 1):
        here = limits if attempt == 1 else replace(limits, time_limit_s=max(_LEAST_S, until - time.monotonic()))
        try:
            return _converse(kind, job, parts, here, options, hook, talk, mail)
        except ChildError as error:
            if not error.died or attempt == ATTEMPTS or until - time.monotonic() < _LEAST_S:
                raise
    raise AssertionError("unreachable")


def _converse(
    kind: str,
    job: str,
    parts: wire.Parts,
    limits: Limits,
    options: Mapping[str, Any],
    hook: Hook | None,
    talk: Talk,
    mail: Mail | None,
) -> bytes | None:
    inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
    # a limit on memory cannot be taken back: such a child is used once
    worker = hire(kind, _BOOT, fresh=limits.memory_mb is not None)
    answered = stopped = False
    staying = limits.memory_mb is None
    passed_on = None
    try:
        worker.send(job, parts, limits, options, inbox)
        deadline = time.monotonic() + START_S
        while True:
            said, block = b"", b""
            try:
                _, said, block = inbox.get(timeout=max(0.0, min(BEAT_S, deadline - time.monotonic())))
            except queue.Empty:
                if time.monotonic() >= deadline:
                    return None
                said = b"."
            if said == GONE:
                raise ChildError(worker.obituary(), died=True)
            if said == wire.STARTED:
                deadline = time.monotonic() + deadline_of(limits)
            elif said == wire.RESULT:
                answered = True
                return block
            elif said == wire.ERROR:
                answered = True
                raise ChildError(block.decode("utf-8", errors="replace"))
            elif said == wire.LEAVING:
                staying = False
            told: tuple[str, float, float, FloatArray | None, int | None]
            told = (talk.phase, math.nan, talk.bound, None, talk.nodes)
            if said == wire.PROGRESS:
                told = talk.hear(block)
            if hook is not None:
                hook(*told)
            if mail is not None:
                if mail.stopped and not stopped:
                    stopped = True
                    worker.stop()
                if mail.offer is not passed_on and mail.offer is not None:
                    passed_on = mail.offer
                    worker.offer(passed_on[1], passed_on[0])
    finally:
        # here on every way out, Ctrl-C included: a child that has not answered does not outlive its solve
        release(worker, keep=answered and staying)
