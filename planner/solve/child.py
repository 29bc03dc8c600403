"""Solving in a child process that can be killed: solvers overrun their limits, run out of memory and abort.

A child is an interpreter of its own that imports numpy and one solver, and none of the planner's other rooms
(`worker`); it is kept for the next job (`pool`). The parent kills it at a hard deadline, when it is interrupted, and
when the progress callback raises (`crew`); the child ends itself when its parent is gone. A checked plan that the child
reported before it was killed is not lost, and a job whose process dies is tried once more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from planner.errors import SolveError
from planner.solve import crew as crew_room
from planner.solve import wire
from planner.solve.crew import ERROR, LATE, PROGRESS, Crew, Talk
from planner.solve.form import FloatArray, Program
from planner.solve.pool import BOOT
from planner.solve.status import Hook, Limits, Mail, ProgressCallback, Solution, Status

_BOOT = BOOT
SIDE_BY_SIDE = True
"""Jobs that do not depend on each other run at once, as many as the limits have threads."""


def solve_in_child(
    program: Program,
    limits: Limits,
    backend: str,
    progress: ProgressCallback | None = None,
    start: FloatArray | None = None,
    mail: Mail | None = None,
) -> Solution:
    """`drive.solve_here` in a child, from the plan `start` (n,) if there is one; `mail` is passed on.

    Never raises for what the child does: a crash is a solution with status failed.
    """
    options = {"backend": backend, "start": None if start is None else start.tolist(), "raced": mail is not None}
    talk = Talk()

    def report(*_: Any) -> None:
        if progress is not None:
            progress(talk.progress())

    try:
        block = converse("highs", "solve", wire.program_parts(program), limits, options, report, talk, mail)
    except ChildError as error:
        return talk.solution(limits, backend, str(error), Status.FAILED)
    if block is not None:
        return wire.solution_from(block)
    return talk.solution(limits, backend, late_message(), Status.NO_PLAN_FOUND)


def solve_side_by_side(
    program: Program,
    limits: Limits,
    progress: ProgressCallback | None = None,
    start: FloatArray | None = None,
) -> Solution:
    """A race of several ways to solve it where that may help, else `solve_in_child`."""
    from planner.solve.race import race, worth_racing

    if not worth_racing(program, limits):
        return solve_in_child(program, limits, "auto", progress, start)
    return race(program, limits, _BOOT, progress, start)


def late_message() -> str:
    """What is said of a solve that was killed."""
    return f"stopped at the hard deadline, {crew_room.GRACE_S:g} s and more after the time limit"


def run_in_child(job: str, program: Program, limits: Limits, options: Mapping[str, Any]) -> bytes:
    """Another job of `drive.JOBS` in a child; its answer as bytes. SolveError when it crashed or was killed."""
    try:
        block = converse("highs", job, wire.program_parts(program), limits, options)
    except ChildError as error:
        raise SolveError(f"{job}: {error}") from error
    if block is None:
        raise SolveError(f"{job}: stopped at the hard deadline")
    return block


def run_side_by_side(job: str, asked: Sequence[tuple[Program, Limits, Mapping[str, Any]]]) -> list[bytes]:
    """`run_in_child` for each of several programs, all at once; answers in their order."""
    if len(asked) == 1 or not SIDE_BY_SIDE:
        return [run_in_child(job, *one) for one in asked]
    answers: list[bytes] = [b""] * len(asked)
    with Crew(_BOOT) as crew:
        place = {
            id(crew.start("highs", job, wire.program_parts(program), limits, options)): k
            for k, (program, limits, options) in enumerate(asked)
        }
        while crew.running:
            event = crew.next()
            if event.what in (ERROR, LATE):
                raise SolveError(f"{job}: {event.text or 'stopped at the hard deadline'}")
            if event.what != PROGRESS and event.task is not None:
                answers[place[id(event.task)]] = event.block
    return answers


class ChildError(Exception):
    """The child ended without an answer."""


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
    hook   told what the child tells, and at every beat what is known; what it raises ends the job
    mail   passed on to the child

    ChildError where the job failed or its process died twice.
    """
    talk = talk or Talk()
    passed_on = None
    with Crew(_BOOT) as crew:
        task = crew.start(kind, job, parts, limits, options)
        task.talk = talk
        while True:
            event = crew.next()
            if event.what == ERROR:
                raise ChildError(event.text)
            if event.what == LATE:
                return None
            if event.what not in (PROGRESS, crew_room.BEAT):
                return event.block
            if hook is not None:
                hook(*(event.told or (talk.phase, math.nan, talk.bound, None, talk.nodes)))
            if mail is not None:
                if mail.stopped:
                    crew.stop([task])
                if mail.offer is not passed_on and mail.offer is not None:
                    passed_on = mail.offer
                    crew.offer(passed_on[1], passed_on[0], [task])
