"""Jobs in kept workers, one or several at once, from one thread: deadlines, second attempts, and nobody left behind.

    with Crew() as crew:
        task = crew.start("highs", "solve", parts, limits, options)
        while (event := crew.next()) ...

Whoever leaves the block, Ctrl-C included, ends the workers that have not answered.
"""

from __future__ import annotations

import math
import queue
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

from planner.solve import wire
from planner.solve.form import FloatArray
from planner.solve.pool import GONE, Message, Worker, hire, release
from planner.solve.status import Limits, Progress, Solution, Status, relative_gap, status_of_plan

GRACE_S = 2.0
"""Time a solve may overrun its limit, besides a twentieth of the limit, before its process is killed."""
START_S = 60.0
"""Time a child has to import its modules on a busy machine."""
BEAT_S = 0.5
ATTEMPTS = 2
"""How often a job is tried whose process died."""
_LEAST_S = 0.2
"""Time that must be left for another attempt."""


@dataclass
class Talk:
    """What a child has told so far."""

    started: float = field(default_factory=time.monotonic)
    phase: str = "starting"
    values: FloatArray | None = None
    objective: float = math.nan
    bound: float = -math.inf
    nodes: int | None = None

    def hear(self, block: bytes) -> tuple[str, float, float, FloatArray | None, int | None]:
        """A PROGRESS block, kept where it is better than what was known; its parts as a hook takes them."""
        report, arrays = wire.unpack(block)
        values: FloatArray | None = arrays.get("values")
        self.phase, self.bound = report["phase"], max(self.bound, report["bound"])
        self.nodes = report["nodes"] if report["nodes"] is not None else self.nodes
        if values is not None and not report["objective"] >= self.objective:
            self.values, self.objective = values, report["objective"]
        return report["phase"], report["objective"], report["bound"], values, report["nodes"]

    def progress(self) -> Progress:
        """The same as a heartbeat."""
        return Progress(
            seconds=time.monotonic() - self.started,
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


@dataclass(eq=False)
class Task:
    """A job that runs. `until`: when its time limit ends; `deadline`: when it is killed."""

    kind: str
    job: str
    parts: wire.Parts
    limits: Limits
    options: Mapping[str, Any]
    talk: Talk
    worker: Worker
    until: float
    deadline: float
    attempt: int = 1
    keep: bool = True
    stopped: bool = False
    name: str = ""


@dataclass(frozen=True)
class Event:
    """What happened to a task: PROGRESS (`told`, as a hook takes it), or its end.

    An end is RESULT (`block`), ERROR (`text`; the job said so, or its process died twice) or LATE: the hard deadline
    passed and it was killed. A beat has no task: nothing happened for a while.
    """

    task: Task | None
    what: str
    block: bytes = b""
    text: str = ""
    told: tuple[str, float, float, FloatArray | None, int | None] | None = None


BEAT, PROGRESS, RESULT, ERROR, LATE = "beat", "progress", "result", "error", "late"


class Crew:
    """Workers that do jobs for one caller, in one thread."""

    def __init__(self, boot: str) -> None:
        self._boot = boot
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.running: list[Task] = []

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.dismiss(list(self.running))

    def start(
        self, kind: str, job: str, parts: wire.Parts, limits: Limits, options: Mapping[str, Any], name: str = ""
    ) -> Task:
        """Start a job in a worker of this kind ("highs", "cpsat")."""
        now = time.monotonic()
        # a limit on memory cannot be taken back: such a child is used once
        once = limits.memory_mb is not None
        worker = hire(kind, self._boot, fresh=once)
        task = Task(
            kind, job, parts, limits, options, Talk(), worker, now + limits.time_limit_s, now + START_S,
            keep=not once, name=name,
        )  # fmt: skip
        self.running.append(task)
        worker.send(job, parts, limits, options, self._inbox)
        return task

    def dismiss(self, tasks: Iterable[Task]) -> None:
        """End tasks that have not answered: their processes are killed."""
        for task in tasks:
            self.running.remove(task)
            release(task.worker, keep=False)

    def offer(self, values: FloatArray, objective: float, to: Iterable[Task]) -> None:
        """Tell running tasks of a plan."""
        for task in to:
            task.worker.offer(values, objective)

    def stop(self, tasks: Iterable[Task]) -> None:
        """Tell running tasks that nothing more is wanted of them; those that answer are kept."""
        for task in tasks:
            if not task.stopped:
                task.stopped = True
                task.worker.stop()

    def next(self, most_s: float = BEAT_S) -> Event:
        """The next thing that happens; a beat where nothing does for `most_s`."""
        ends = time.monotonic() + most_s
        while True:
            now = time.monotonic()
            for task in self.running:
                if now >= task.deadline:
                    self.dismiss([task])
                    return Event(task, LATE)
            soonest = min([ends, *(task.deadline for task in self.running)])
            try:
                worker, said, block = self._inbox.get(timeout=max(0.0, soonest - now))
            except queue.Empty:
                if time.monotonic() >= ends:
                    return Event(None, BEAT)
                continue
            found = next((t for t in self.running if t.worker is worker), None)
            event = None if found is None else self._heard(found, said, block)
            if event is not None:
                return event

    def _heard(self, task: Task, said: bytes, block: bytes) -> Event | None:
        if said == GONE:
            return self._mourned(task)
        if said == wire.STARTED:
            task.deadline = time.monotonic() + 1.05 * task.limits.time_limit_s + GRACE_S
        elif said == wire.LEAVING:
            task.keep = False
        elif said == wire.PROGRESS:
            return Event(task, PROGRESS, told=task.talk.hear(block))
        elif said in (wire.RESULT, wire.ERROR):
            self.running.remove(task)
            release(task.worker, keep=task.keep)
            if said == wire.RESULT:
                return Event(task, RESULT, block=block)
            return Event(task, ERROR, text=block.decode("utf-8", errors="replace"))
        return None

    def _mourned(self, task: Task) -> Event | None:
        """A process that died: its job is tried once more with the time that is left."""
        text = task.worker.obituary()
        left = task.until - time.monotonic()
        self.dismiss([task])
        if task.attempt >= ATTEMPTS or left < _LEAST_S or task.stopped:
            return Event(task, ERROR, text=text)
        again = replace(task.limits, time_limit_s=left)
        task.worker = hire(task.kind, self._boot, fresh=True)
        task.attempt, task.limits, task.deadline = task.attempt + 1, again, time.monotonic() + START_S
        self.running.append(task)
        task.worker.send(task.job, task.parts, again, task.options, self._inbox)
        return None
