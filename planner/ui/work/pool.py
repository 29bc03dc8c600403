"""A bounded number of workers and the queue before them.

A job is watched by the visitors who wait for it. One that nobody watches any more is stopped, so that a closed tab
frees its place; one that somebody stops goes on while somebody else waits for the same answer.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from planner.errors import InputError, Problem
from planner.ui.work.request import Request, Result, Tell

State = Literal["waiting", "working", "done", "failed", "stopped", "left"]
GRACE_S = 3.0
"""How long a page may be away (a reload, a lost connection) before its job is stopped."""
_LOOK_S = 0.25


class Runner(Protocol):
    """What works: a process, or in tests a thread."""

    @property
    def alive(self) -> bool: ...
    def run(self, request: Request, tell: Tell) -> Result: ...
    def stop(self) -> None: ...


@dataclass(eq=False)
class Job:
    """One request being waited for or worked on. Pages read it, the pool writes it."""

    request: Request
    key: str
    limit_s: float
    """Longest it may work; 0: as long as its solves may."""
    state: State = "waiting"
    stage: str = "Waiting for a place"
    fraction: float = 0.0
    result: Result = field(default_factory=Result)
    asked_at: float = field(default_factory=time.monotonic)
    began_at: float | None = None
    watchers: dict[str, float] = field(default_factory=dict)
    """Who waits for it, and when they were last here."""
    owners: set[str] = field(default_factory=set)
    _runner: Runner | None = None
    _done: threading.Event = field(default_factory=threading.Event)

    @property
    def done(self) -> bool:
        """Whether it has ended, one way or another."""
        return self._done.is_set()

    @property
    def cancelled(self) -> bool:
        """Whether it was stopped before its end."""
        return self.state in ("stopped", "left")

    @property
    def seconds(self) -> float:
        """Since it was asked for."""
        return time.monotonic() - self.asked_at

    @property
    def working_s(self) -> float:
        """Since a worker began."""
        return 0.0 if self.began_at is None else time.monotonic() - self.began_at

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end; whether it came."""
        return self._done.wait(timeout_s)


class Pool:
    """Workers and their queue, for one server.

    places   jobs at work at the same time; the others wait in order
    hire     makes a worker
    alive    whether a visitor's page is open
    ended    told of every job that has ended, after its result is there
    began    told of every job that a worker begins
    beat     called every two seconds, to say that this server works
    """

    def __init__(
        self,
        places: int,
        hire: Callable[[], Runner],
        alive: Callable[[str], bool],
        ended: Callable[[Job], None],
        beat: Callable[[], None] = lambda: None,
        began: Callable[[Job], None] = lambda job: None,
    ) -> None:
        self.places, self._hire, self._alive, self._ended, self._beat = places, hire, alive, ended, beat
        self._began = began
        self._lock = threading.RLock()
        self._waiting: deque[Job] = deque()
        self._working: list[Job] = []
        self._idle: list[Runner] = []
        self._ready = False
        self._closed = threading.Event()
        threading.Thread(target=self._look_after, name="planner-pool", daemon=True).start()

    def submit(self, request: Request, key: str, watcher: str, owner: str, quota: int, limit_s: float = 0.0) -> Job:
        """Join the job of this key, or begin one. Raises ``InputError`` where the owner has too many already."""
        with self._lock:
            job = next((j for j in (*self._working, *self._waiting) if j.key == key and not j.done), None)
            if job is None:
                mine = sum(owner in j.owners for j in (*self._working, *self._waiting))
                if mine >= quota:
                    raise InputError(
                        Problem(
                            "as many of your plans are being worked on as one visitor may have",
                            found=str(mine),
                            allowed=str(quota),
                            remedy="Wait for one to end, or stop one.",
                        )
                    )
                job = Job(request, key, limit_s)
                self._waiting.append(job)
            job.watchers[watcher] = time.monotonic()
            job.owners.add(owner)
            self._fill()
            return job

    def ready(self) -> None:
        """Hire the workers that are missing, so that what is asked next finds one that has imported everything; from
        now on, whenever one was stopped."""
        with self._lock:
            self._ready = True
            missing = 0 if self._closed.is_set() else self.places - len(self._working) - len(self._idle)
        for _ in range(missing):
            runner = self._hire()
            with self._lock:
                keep = not self._closed.is_set() and len(self._working) + len(self._idle) < self.places
                if keep:
                    self._idle.append(runner)
            if not keep:
                runner.stop()

    def position(self, job: Job) -> int:
        """Place in the queue, from 1; 0 of a job at work or ended."""
        with self._lock:
            return self._waiting.index(job) + 1 if job in self._waiting else 0

    @property
    def crowd(self) -> int:
        """Jobs that wait or are worked on."""
        return len(self._working) + len(self._waiting)

    def find(self, key: str) -> Job | None:
        """The job of a key that is waiting or at work."""
        with self._lock:
            return next((j for j in (*self._working, *self._waiting) if j.key == key), None)

    def watch(self, job: Job, watcher: str) -> None:
        """Somebody else waits for it, or still does."""
        job.watchers[watcher] = time.monotonic()

    def cancel(self, job: Job, watcher: str) -> None:
        """A visitor wants it no more; it is stopped unless another still waits for it."""
        with self._lock:
            job.watchers.pop(watcher, None)
            if not job.watchers:
                self._stop(job, "stopped")

    def close(self) -> None:
        """Stop everything: the server ends."""
        self._closed.set()
        with self._lock:
            for job in (*self._waiting, *self._working):
                self._stop(job, "left")
            idle, self._idle = self._idle, []
        for runner in idle:
            runner.stop()

    def _stop(self, job: Job, state: State) -> None:
        if job.done or job.cancelled:  # the first reason is the true one, also while the worker still ends
            return
        job.state = state
        if job in self._waiting:
            self._waiting.remove(job)
            self._finish(job)
        elif job._runner is not None:
            threading.Thread(target=job._runner.stop, daemon=True).start()

    def _finish(self, job: Job) -> None:
        try:
            self._ended(job)
        finally:
            job._done.set()

    def _fill(self) -> None:
        """Give free places to those who have waited longest."""
        with self._lock:
            while self._waiting and len(self._working) < self.places:
                job = self._waiting.popleft()
                self._working.append(job)
                job.state, job.stage, job.began_at = "working", "Starting", time.monotonic()
                threading.Thread(target=self._work, args=(job,), name=f"plan-{job.key[:12]}", daemon=True).start()

    def _work(self, job: Job) -> None:
        runner = self._hired()
        with self._lock:
            job._runner = runner
            stopped = job.cancelled  # while the worker was being hired
        result = Result()
        try:
            if not stopped:
                self._began(job)
                result = runner.run(job.request, lambda stage, share: self._told(job, stage, share))
        finally:
            with self._lock:
                if not job.cancelled:  # what a stopped one returned is no answer
                    job.result = result
                    job.state = "done" if job.result.document else "failed"
                keep = runner.alive and not (job.cancelled or self._closed.is_set())
                if keep:
                    self._idle.append(runner)
            if not keep:
                runner.stop()
            try:
                self._finish(job)
            finally:
                with self._lock:
                    self._working.remove(job)
                self._fill()
                if job.cancelled and self._ready:  # its worker was killed
                    self.ready()

    def _hired(self) -> Runner:
        with self._lock:
            while self._idle:
                runner = self._idle.pop()
                if runner.alive:
                    return runner
        return self._hire()

    @staticmethod
    def _told(job: Job, stage: str, share: float) -> None:
        job.stage, job.fraction = stage, min(1.0, max(0.0, float(share)))

    def _look_after(self) -> None:
        """Stop what nobody waits for, and what takes too long."""
        beaten = 0.0
        while not self._closed.wait(_LOOK_S):
            now = time.monotonic()
            with self._lock:
                jobs = [*self._waiting, *self._working]
            for job in jobs:
                for watcher, last in list(job.watchers.items()):
                    if self._alive(watcher):
                        job.watchers[watcher] = now
                    elif now - last > GRACE_S:
                        job.watchers.pop(watcher, None)
                with self._lock:
                    if not job.watchers:
                        self._stop(job, "left")
                    elif job.limit_s and job.working_s > job.limit_s and not job.done:
                        job.result = Result(problems=(_too_long(job),))
                        self._stop(job, "stopped")
            if jobs and now - beaten > 2.0:
                beaten = now
                self._beat()


def _too_long(job: Job) -> Problem:
    return Problem(
        f"stopped after {job.limit_s:g} s, the limit of the app for one question",
        remedy=f"`planner {job.request.what} FILE` on the command line has no such limit.",
    )
