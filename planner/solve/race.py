"""Several ways to solve one program at once, in kept children: what one finds helps all, and the first proof ends it.

Every way gets a process and a share of the threads. A plan that one finds is checked here and offered to the others
(HiGHS takes it as a user solution, the split as the plan to better, CP-SAT stops at what is good enough); the best plan
and the best bound may come from different ones, and together they are the proof. A way that has ended without one makes
room for the next, and one that has not answered when the time is up is killed.

The clock decides who finds what first, so `reproducible` limits, and those of one thread, are solved one way after the
other instead (`drive`).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

from planner.solve import wire
from planner.solve.crew import BEAT, BEAT_S, ERROR, LATE, PROGRESS, Crew, Event, Task
from planner.solve.form import FloatArray, Program, violations
from planner.solve.projection import projection_of
from planner.solve.status import Limits, Progress, ProgressCallback, Solution, Status, relative_gap, status_of_plan

HEAD_START_S = 0.7
"""What the first way is given alone where a program is small: most of those are solved by then."""
SMALL = 2_000
"""Whole columns up to which a program is small."""
LARGE = 20_000
"""Whole columns from which HiGHS on the whole program makes room for local search, once others have a plan."""
_CLOSE = 0.05
"""Gap from which on plans near the best one are worth more than a tree that has found neither plan nor bound."""
_OFFER = 1e-4
"""Relative improvement that is worth telling the others."""
_OVERTIME_S = 0.5
"""How long after the time limit an answer is waited for where a plan is known."""
_LEAST_S = 0.1
"""Time that must be left for another way to begin."""
_PARTING_S = 0.2
"""How long those that lost are given to stop, so that their processes can be kept."""


@dataclass(frozen=True)
class Way:
    """A backend by its name in a message."""

    backend: str
    name: str


WHOLE, SPLIT = Way("highs", "HiGHS on the whole program"), Way("split", "the split")
COUNTS, CPSAT = Way("projected", "the counts alone"), Way("cpsat", "CP-SAT")
NEAR = Way("near", "local search")
LAST = Way("auto", "one after the other")


def worth_racing(program: Program, limits: Limits) -> bool:
    """There is something to search for, and someone beside the first to do it."""
    return bool(program.integer.any()) and not limits.reproducible and limits.worker_count > 1


def ways_of(program: Program, threads: int = 2) -> list[Way]:
    """What is tried, in order. Where there are threads for it, local search runs beside the others from the start."""
    ways = [WHOLE, SPLIT]
    if threads > 2:
        ways.append(NEAR)
    if program.integer.all():
        ways.append(CPSAT)
    return [COUNTS, *ways] if projection_of(program) is not None else ways


def race(
    program: Program,
    limits: Limits,
    boot: str,
    progress: ProgressCallback | None = None,
    start: FloatArray | None = None,
) -> Solution:
    """Solve a program by all ways that fit; a Solution whatever becomes of them. Raises what `progress` raises."""
    with Crew(boot) as crew:
        return _Race(program, limits, crew, progress, start).run()


class _Race:
    def __init__(
        self, program: Program, limits: Limits, crew: Crew, progress: ProgressCallback | None, start: FloatArray | None
    ) -> None:
        self.program, self.limits, self.crew, self.progress = program, limits, crew, progress
        self.parts = wire.program_parts(program)
        self.began = time.monotonic()
        self.values: FloatArray | None = None
        self.objective, self.found_by = math.inf, ""
        self.bound, self.bound_by = -math.inf, ""
        self.told = math.inf
        self.waiting = ways_of(program, limits.worker_count)
        at_once = min(max(2, limits.worker_count), len(self.waiting))
        self.at_once, self.threads = at_once, max(1, limits.worker_count // at_once)
        self.nodes: dict[str, int] = {}
        self.solvers: list[str] = []
        self.logs: list[str] = []
        self.remarks: list[str] = []
        self.failed: list[str] = []
        self.phase = "starting"
        self.large = int(program.integer.sum()) > LARGE and self.at_once < 3
        self.searched = False
        """HiGHS has answered on the whole program, or will not."""
        if start is not None and not violations(program, start):
            self._plan(start, program.objective_at(start), "the plan it began from")

    def left(self) -> float:
        return self.limits.time_limit_s - (time.monotonic() - self.began)

    def run(self) -> Solution:
        alone = int(self.program.integer.sum()) <= SMALL
        self._start()
        while self.crew.running or (self.waiting and self.left() > _LEAST_S) or self._last_resort():
            if self.waiting and self.left() > _LEAST_S and len(self.crew.running) < (1 if alone else self.at_once):
                self._start()
            ahead = self._head_start() if alone else BEAT_S
            event = self.crew.next(max(0.0, min(BEAT_S, ahead)))
            alone = alone and self._head_start() > 0.0
            ended = self._heard(event)
            if ended is not None or self._good_enough():
                return self._part(ended or self._solution(""))
            if self.left() < -_OVERTIME_S and self.values is not None:
                return self._part(self._solution("the time limit passed"))
            if self.progress is not None:
                self.progress(self._heartbeat())
            self._share()
            self._make_room()
        return self._solution("; ".join(self.remarks))

    def _head_start(self) -> float:
        """Seconds that the first way still has for itself, from when its process has begun."""
        since = min((task.since for task in self.crew.running), default=-math.inf)
        since = min(since, self.began + 2.0 * HEAD_START_S)  # a busy machine, or a process that does not begin
        return since + HEAD_START_S - time.monotonic()

    def _last_resort(self) -> bool:
        """Nobody runs, and the whole program was not searched to an end: once more, alone."""
        if self.searched or self.left() < _LEAST_S:
            return False
        self.searched, self.threads = True, self.limits.worker_count
        self.waiting = [LAST]
        self._start()
        return True

    def _start(self) -> None:
        way = self.waiting.pop(0)
        start = None if self.values is None else self.values.tolist()
        limits = replace(self.limits, time_limit_s=max(0.05, self.left()), threads=self.threads)
        options = {"backend": way.backend, "start": start, "raced": way is not LAST}
        self.crew.start("highs", "solve", self.parts, limits, options, way.name)

    def _heard(self, event: Event) -> Solution | None:
        """What an event changes; the solution where it settles all."""
        task = event.task
        if task is None or event.what == BEAT:
            return None
        if event.what == PROGRESS and event.told is not None:
            phase, objective, bound, values, nodes = event.told
            self.phase = task.name if phase in task.name else f"{task.name}: {phase}"
            if nodes is not None:
                self.nodes[task.name] = nodes
            self._bound(bound, task.name)
            if values is not None and objective < self.objective and not violations(self.program, values):
                self._plan(values, self.program.objective_at(values), task.name)
            return None
        if event.what in (ERROR, LATE):
            text = event.text or "stopped at the hard deadline"
            self.remarks.append(f"{task.name}: {text}")
            if event.what == ERROR:
                self.failed.append(text)
            return None
        return self._answered(task, wire.solution_from(event.block))

    def _answered(self, task: Task, found: Solution) -> Solution | None:
        self.searched = self.searched or (task.name == WHOLE.name and found.status is not Status.FAILED)
        if found.nodes is not None:
            self.nodes[task.name] = found.nodes
        if found.log:
            self.logs.append(f"=== {task.name} ===\n{found.log}")
        self.solvers.extend(s for s in found.solver.split(" + ") if s not in self.solvers)
        if found.status in (Status.INFEASIBLE, Status.UNBOUNDED) and self.values is None:
            return replace(found, seconds=time.monotonic() - self.began, bound_by=task.name, log=self._log())
        if found.status is Status.FAILED:
            self.failed.append(found.message)
        if found.message:
            self.remarks.append(f"{task.name}: {found.message}")
        if math.isfinite(found.bound):
            self._bound(found.bound, task.name)
        if found.values is not None and not violations(self.program, found.values):
            self._plan(found.values, self.program.objective_at(found.values), task.name)
        return None

    def _plan(self, values: FloatArray, objective: float, name: str) -> None:
        if objective < self.objective:
            self.values, self.objective, self.found_by = values, objective, name

    def _bound(self, bound: float, name: str) -> None:
        if bound > self.bound and math.isfinite(bound):
            self.bound, self.bound_by = bound, name

    def _good_enough(self) -> bool:
        if self.values is None:
            return False
        return status_of_plan(self.objective, min(self.bound, self.objective), self.limits.gap) is not Status.FEASIBLE

    def _share(self) -> None:
        """Offer the best plan to those that have none as good."""
        if self.values is None or not self.objective < self.told - _OFFER * max(1e-9, abs(self.objective)):
            return
        self.told = self.objective
        self.crew.offer(self.values, self.objective, [t for t in self.crew.running if t.name != self.found_by])

    def _make_room(self) -> None:
        """Of a large program, local search instead of a whole tree that has neither the plan nor the bound."""
        if self.large and WHOLE.name not in (self.found_by, self.bound_by) and self.gap() < _CLOSE:
            self.large = False
            whole = [task for task in self.crew.running if task.name == WHOLE.name]
            if whole and NEAR not in self.waiting:
                self.crew.dismiss(whole)
                self.waiting.insert(0, NEAR)

    def gap(self) -> float:
        """Relative gap of the best plan under the best bound; infinite without a plan."""
        return math.inf if self.values is None else relative_gap(self.objective, min(self.bound, self.objective))

    def _heartbeat(self) -> Progress:
        return Progress(
            seconds=time.monotonic() - self.began,
            phase=self.phase,
            incumbent=None if self.values is None else self.objective,
            bound=self.bound if math.isfinite(self.bound) else None,
            nodes=sum(self.nodes.values()) if self.nodes else None,
        )

    def _part(self, solution: Solution) -> Solution:
        """Stop those that still run; who does so at once is kept for the next race."""
        ends = time.monotonic() + _PARTING_S
        self.crew.stop(self.crew.running)
        while self.crew.running and time.monotonic() < ends:
            event = self.crew.next(max(0.0, ends - time.monotonic()))
            if event.what not in (PROGRESS, BEAT, ERROR, LATE) and event.task is not None:
                found = wire.solution_from(event.block)
                self.solvers.extend(s for s in found.solver.split(" + ") if s not in self.solvers)
        return replace(solution, solver=" + ".join(self.solvers) or solution.solver)

    def _log(self) -> str | None:
        return "\n".join(self.logs) if self.limits.log else None

    def _solution(self, message: str) -> Solution:
        seconds, solver = time.monotonic() - self.began, " + ".join(self.solvers)
        nodes = sum(self.nodes.values()) if self.nodes else None
        if self.values is None:
            all_failed = bool(self.failed) and len(self.failed) == len(self.remarks)
            status = Status.FAILED if all_failed else Status.NO_PLAN_FOUND
            return Solution(
                status, bound=self.bound, solver=solver, seconds=seconds, log=self._log(), message=message,
                bound_by=self.bound_by, nodes=nodes,
            )  # fmt: skip
        bound = min(self.bound, self.objective)
        return Solution(
            status_of_plan(self.objective, bound, self.limits.gap), self.values, self.objective, bound,
            relative_gap(self.objective, bound), solver, seconds, self._log(), message,
            found_by=self.found_by, bound_by=self.bound_by, nodes=nodes,
        )  # fmt: skip
