"""What a solve may say, in our own words, and the limits it runs under."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from planner.solve.form import FloatArray

OPTIMAL_GAP = 1e-6
"""Relative gap up to which a plan is called proven optimal: the solvers' own feasibility tolerance."""


class Status(StrEnum):
    """The end of a solve. Solvers' own words are never passed on (PuLP calls a timed-out run optimal)."""

    PROVEN_OPTIMAL = "proven_optimal"
    """A checked plan and a bound that meets it."""
    WITHIN_GAP = "within_gap"
    """A checked plan whose proven gap is not larger than the gap asked for."""
    FEASIBLE = "feasible"
    """A checked plan; a limit was reached before its gap was small enough."""
    INFEASIBLE = "infeasible"
    """Proven: no point meets all rows."""
    UNBOUNDED = "unbounded"
    """Feasible, and the objective falls without end."""
    NO_PLAN_FOUND = "no_plan_found"
    """A limit was reached without a plan and without proof that there is none."""
    FAILED = "failed"
    """The solver crashed, refused the program, or gave an answer that did not survive the check."""

    @property
    def has_plan(self) -> bool:
        return self in (Status.PROVEN_OPTIMAL, Status.WITHIN_GAP, Status.FEASIBLE)

    @property
    def conclusive(self) -> bool:
        """Nothing more can be learnt by running on (except a smaller gap than was asked for)."""
        return self in (Status.PROVEN_OPTIMAL, Status.WITHIN_GAP, Status.INFEASIBLE, Status.UNBOUNDED)


@dataclass(frozen=True, slots=True)
class Limits:
    """How to solve, not what.

    time_limit_s  wall clock for the whole solve, seconds
    gap           relative gap at which a plan is good enough
    seed          random seed given to every solver
    threads       None: one when reproducible, else the machine's cores, at most 8
    reproducible  one thread, fixed seed and deterministic limits where the solver has them: the same program gives
                  the same values unless the wall clock cut the run short
    memory_mb     address space the solving child may take, MiB; None: not limited
    log           keep the solver's log in the solution
    target        an objective at which HiGHS and CP-SAT may end, however good the bound; None: there is none
    """

    time_limit_s: float = 120.0
    gap: float = 1e-3
    seed: int = 0
    threads: int | None = None
    reproducible: bool = False
    memory_mb: int | None = None
    log: bool = False
    target: float | None = None

    def __post_init__(self) -> None:
        if not (self.time_limit_s > 0.0 and math.isfinite(self.time_limit_s)):
            raise ValueError(f"time_limit_s must be a positive number, found {self.time_limit_s}")
        if not 0.0 <= self.gap < 1.0:
            raise ValueError(f"gap must be in 0 .. 1, found {self.gap}")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads must be at least 1, found {self.threads}")
        if not 0 <= self.seed < 2**31:
            raise ValueError(f"seed must be in 0 .. 2^31 - 1, found {self.seed}")

    @property
    def worker_count(self) -> int:
        if self.reproducible:
            return 1
        return self.threads or min(8, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """What came back. `values` (n,) is there exactly when `status.has_plan`, and has passed `violations`.

    objective, bound in the program's unit, offset included; bound is -inf when nothing is proven. gap is relative,
    |objective - bound| / max(1e-9, |objective|), nan without a plan. row_dual (m,) and reduced_cost (n,) are the LP's
    shadow prices, d objective / d bound, from `relax` only. found_by and bound_by: which part of the solve found the
    plan, and which proved the bound; nodes: of the search trees that were counted, together.
    """

    status: Status
    values: FloatArray | None = None
    objective: float = math.nan
    bound: float = -math.inf
    gap: float = math.nan
    solver: str = ""
    seconds: float = 0.0
    log: str | None = None
    message: str = ""
    row_dual: FloatArray | None = None
    reduced_cost: FloatArray | None = None
    found_by: str = ""
    bound_by: str = ""
    nodes: int | None = None

    @property
    def told_by(self) -> str:
        """The solvers, and where several ways were raced who found the plan and who proved the bound."""
        if not self.found_by or not self.bound_by:
            return self.solver
        return f"{self.solver} (plan: {self.found_by}; bound: {self.bound_by})"


@dataclass(frozen=True, slots=True)
class Progress:
    """One heartbeat of a running solve."""

    seconds: float
    phase: str
    incumbent: float | None
    bound: float | None
    nodes: int | None = None

    @property
    def gap(self) -> float | None:
        """Relative gap of the two, None while one is missing."""
        if self.incumbent is None or self.bound is None:
            return None
        return relative_gap(self.incumbent, min(self.bound, self.incumbent))

    @property
    def text(self) -> str:
        """Who has learnt something, the gap so far, and the nodes searched."""
        parts = [self.phase]
        if self.gap is not None:
            parts.append(f"gap {self.gap:.2%}")
        elif self.incumbent is not None:
            parts.append("a plan, no bound yet")
        if self.nodes:
            parts.append(f"{self.nodes:,} nodes")
        return ", ".join(parts)


ProgressCallback = Callable[[Progress], None]


class Hook(Protocol):
    """Called by a backend as it learns something.

    objective is nan, bound -inf, values and nodes None where they are not known. Values are a plan that has passed
    `violations`: it survives the killing of the process that found it.
    """

    def __call__(
        self, phase: str, objective: float, bound: float, values: FloatArray | None, nodes: int | None = None, /
    ) -> None: ...


class Mail:
    """What a running solve is told by those who solve the same program beside it. Written by one thread, read by many.

    stopped   nothing more is wanted of it: it may end at once
    offer     the best plan of the others, as (objective, values (n,)); it has passed `violations`
    """

    def __init__(self) -> None:
        self.stopped = False
        self.offer: tuple[float, FloatArray] | None = None

    def put(self, values: FloatArray, objective: float) -> None:
        """A plan, kept where it is better than the one before."""
        if self.offer is None or objective < self.offer[0]:
            self.offer = (objective, values)


def relative_gap(objective: float, bound: float) -> float:
    """|objective - bound| / max(1e-9, |objective|); inf while nothing is proven."""
    if not math.isfinite(bound):
        return math.inf
    return abs(objective - bound) / max(1e-9, abs(objective))


def status_of_plan(objective: float, bound: float, gap: float) -> Status:
    """The status of a checked plan with this objective under this proven bound, when `gap` was asked for."""
    proven = relative_gap(objective, bound)
    if proven <= OPTIMAL_GAP or abs(objective - bound) <= 1e-12:
        return Status.PROVEN_OPTIMAL
    # solvers round their own gap: a hair above the limit is the limit
    return Status.WITHIN_GAP if proven <= gap * (1.0 + 1e-6) else Status.FEASIBLE
