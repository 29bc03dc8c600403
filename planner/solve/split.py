"""Each solver for the half it is good at.

1. HiGHS with the structure columns whole and the counts continuous: a structure, and a bound that holds for the whole
   program. Where there are many columns it starts from the structure that is best for the few the LP would use.
2. Whole counts with that structure fixed: HiGHS over the columns the LP uses and the cheapest that help each row
   (`near`), then CP-SAT over those of least reduced cost. Its image of the program is drawn in where it is not exact,
   so a plan it finds is a plan; the bound is that of step 1.
3. What is still open after that goes to HiGHS: whole counts near the LP, then the whole program from the best plan.

The gap reported is always that of a whole plan against a bound proven for the whole program.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np

from planner.solve.form import BoolArray, FloatArray, Program, violations, with_fixed, with_integer
from planner.solve.highs import NO_SUB_PROBLEMS, relax, solve_highs, solver_name
from planner.solve.local import NAME, improve
from planner.solve.near import cheapest_helpers, users_of_suppliers
from planner.solve.status import Hook, Limits, Mail, Progress, Solution, Status, relative_gap, status_of_plan

WIDTHS = (3000, 300, 20_000)
"""How many of the cheapest columns join the LP's own, one attempt after the other. Only the last is given the best
plan so far as a hint: hinted attempts were measured to stall where fresh ones went on."""
_WIDTH_SHARES = (0.3, 0.5, 0.7)
"""Share of the time left that each attempt gets: where the first width stalls, another was measured to go on."""
_STRUCTURE_SHARE = 0.6
"""Share of the time for step 1: cutting it short was measured to cost far more than it saves."""
_STRUCTURE_GAP, _TREE_GAP = 0.3, 0.05
"""Shares of the gap that step 1 may leave, and the tree alone; whole counts need the rest. The tree mostly closes its
gap all at once."""
_BARE_SHARE = 0.4
"""Share of the time for step 1 that the tree alone is given first. Where it settles the structure it does so in a third
of what HiGHS's searches in parts of the program take, which hardly ever find anything that the tree does not."""
HELPERS = (6, 12)
"""How many columns may help each row in the attempts by HiGHS that come first."""
_HELPERS_SHARE, _HELPERS_GAP = 0.25, 0.02
"""Share of the time left for each of them, and of the gap, at which they end where the gap asked for is not reached."""
_NEAR_SHARE = 0.4
"""Share of the time left for plans near the one that is found first: CP-SAT comes after it."""
_COUNT_PRECISION = 1e-6
"""Relative precision of coefficients in step 2: what it loses of a limit, in money, is far below any gap."""
_SIFTED, _SIFTED_SHARE = 500, 0.25
"""Cheapest columns, and share of the time, for a first structure."""
SMALL = 2_000
"""Integer columns up to which a program is first given to HiGHS whole."""
_QUICK = 500
"""Columns up to which HiGHS is trusted to keep its time limit."""


def solve_split(
    program: Program,
    limits: Limits,
    hook: Hook | None = None,
    start: FloatArray | None = None,
    mail: Mail | None = None,
) -> Solution:
    """Solve by the split; falls back as far as the whole program by HiGHS while time is left.

    `start`: a plan (n,) that is known. `mail` brings plans of others, and may end the split between two steps.
    """
    run = _Run(program, limits, hook, mail)
    if start is not None and not violations(program, start):
        run.known(start, "the plan it began from")
    return run.solve()


class _Stops(Mail):
    """Mail of which only the stop is passed on: plans of the whole program are none of a part of it."""

    def __init__(self, mail: Mail) -> None:
        self._mail = mail
        self.offer = None

    @property
    def stopped(self) -> bool:  # type: ignore[override]
        return self._mail.stopped

    def put(self, values: FloatArray, objective: float) -> None:
        if self.offer is None or objective < self.offer[0]:
            self.offer = (objective, values)


def highs_that_stops(
    program: Program,
    limits: Limits,
    hook: Hook | None = None,
    start: FloatArray | None = None,
    mail: Mail | None = None,
    bare: bool = False,
) -> Solution:
    """HiGHS from a plan `start` (n,), in a process of its own where the program is large enough for it to overrun.

    Overruns of ten times and more are known; without this one would eat the time of everything after it. `bare`: by its
    tree alone, without searches in parts of the program.
    """
    if program.column_count <= _QUICK:
        return solve_highs(program, limits, hook, start, NO_SUB_PROBLEMS if bare else None, mail)
    from planner.solve.child import solve_in_child

    def report(progress: Progress) -> None:
        if hook is not None:
            unknown = progress.incumbent is None
            bound = -math.inf if progress.bound is None else progress.bound
            hook("HiGHS", math.nan if unknown else float(progress.incumbent or 0.0), bound, None, progress.nodes)

    return solve_in_child(program, limits, "tree" if bare else "highs", report, start, mail)


class _Run:
    """The best plan and bound so far, and the clock."""

    def __init__(self, program: Program, limits: Limits, hook: Hook | None, mail: Mail | None = None) -> None:
        self.program, self.limits, self.hook, self.mail = program, limits, hook, mail
        self.started = time.monotonic()
        self.bound = -math.inf
        self.best: Solution | None = None
        self.solvers: list[str] = []
        self.logs: list[str] = []
        self.remarks: list[str] = []

    def left(self) -> float:
        if self.mail is not None:
            if self.mail.stopped:
                return 0.0
            if self.mail.offer is not None:
                self.known(self.mail.offer[1], "another")
        return self.limits.time_limit_s - (time.monotonic() - self.started)

    def stops(self) -> Mail | None:
        """For a solve of a part: to end when this one shall."""
        return None if self.mail is None else _Stops(self.mail)

    def known(self, values: FloatArray, name: str) -> None:
        """A plan that comes from elsewhere, kept where it is better."""
        objective = self.program.objective_at(values)
        if self.best is None or objective < self.best.objective:
            self.best = Solution(Status.FEASIBLE, values, objective, found_by=name)

    def solve(self) -> Solution:
        program = self.program
        counts = program.integer & ~program.structure
        if not counts.any():
            return self._whole()
        relaxed = with_integer(program, program.structure)
        share = _STRUCTURE_SHARE if program.structure.any() else 1.0
        first = self._structure(relaxed, counts, share * self.left())
        if first.status is Status.INFEASIBLE:
            return self._end(Status.INFEASIBLE, bound=math.inf)
        self.bound = max(self.bound, first.bound)
        if first.values is None:
            self.remarks.append(f"structure: {first.message or first.status}")
            return self._whole()
        self._counts(first.values, counts)
        if self._good_enough():
            return self._finished()
        return self._whole()

    def _structure(self, relaxed: Program, counts: BoolArray, seconds: float) -> Solution:
        """Step 1, in so many seconds: the tree alone, and where that leaves too much open, all of HiGHS."""
        until = time.monotonic() + seconds

        def solved(some: float, start: FloatArray | None, bare: bool) -> Solution:
            gap = (_TREE_GAP if bare else _STRUCTURE_GAP) * self.limits.gap
            limits = replace(self.limits, time_limit_s=max(0.01, some), gap=gap)
            hook = self._bound_hook("structure")
            found = highs_that_stops(relaxed, limits, hook, start, self.stops(), bare)
            self.bound = max(self.bound, found.bound if math.isfinite(found.bound) else -math.inf)
            return self._note("structure", found)

        first = solved(_BARE_SHARE * seconds, None, bare=True)
        near = first.values is not None and first.gap <= _STRUCTURE_GAP * self.limits.gap
        if first.status.conclusive or near or self.left() <= 0.0:
            return first
        start = self._sifted(relaxed, counts) if first.values is None else first.values
        second = solved(until - time.monotonic(), start, bare=False)
        if second.values is None and second.status is not Status.INFEASIBLE:
            return first if first.values is not None else second
        return second

    def _sifted(self, relaxed: Program, counts: BoolArray) -> FloatArray | None:
        """A good structure from the few columns the LP would use: where HiGHS starts on all of them."""
        if not self.program.structure.any() or int(counts.sum()) <= 2 * _SIFTED:
            return None
        linear = relax(relaxed, replace(self.limits, time_limit_s=max(0.01, 0.2 * self.left()), log=False))
        if linear.values is None or linear.reduced_cost is None:
            return None
        self.bound = max(self.bound, linear.bound)
        near = _neighbourhood(self.program, linear.values, linear.reduced_cost, counts, _SIFTED)
        part = with_fixed(relaxed, counts & ~near, np.round(linear.values))
        limits = replace(
            self.limits,
            time_limit_s=max(0.01, _SIFTED_SHARE * self.left()),
            gap=_STRUCTURE_GAP * self.limits.gap,
            log=False,
        )
        return highs_that_stops(part, limits, mail=self.stops()).values

    def _counts(self, relaxed: FloatArray, counts: BoolArray) -> None:
        """Whole counts for the structure of a relaxed point."""
        from planner.solve.cpsat import solve_cpsat

        program = self.program
        held = with_fixed(program, program.structure, np.round(relaxed))
        linear = relax(held, replace(self.limits, time_limit_s=max(0.01, self.left()), log=False))
        if linear.values is None or linear.reduced_cost is None:
            self.remarks.append("the relaxation with the structure fixed has no point")
            return
        point = linear.values
        if np.all(np.abs(point - np.round(point))[counts] < 1e-9):
            self._offer(solve_highs(with_fixed(held, counts, np.round(point)), self._limits(self.left())))
            if self._good_enough():
                return
        self._helpers(held, point, linear.reduced_cost, counts)
        if self._good_enough():
            return
        if not self.limits.reproducible:
            self._near(_NEAR_SHARE * self.left())
            if self._good_enough():
                return
        tried: set[int] = set()
        for attempt, width in enumerate(WIDTHS):
            if self.left() <= 0.0:
                return
            near = _neighbourhood(program, point, linear.reduced_cost, counts, width)
            hint = self.best.values if self.best is not None and attempt == len(WIDTHS) - 1 else None
            if hint is not None:
                near |= counts & (np.abs(hint - np.round(point)) > 0.5)  # so that the plan fits
            open_columns = int((near & counts).sum())
            if open_columns in tried:
                continue
            tried.add(open_columns)
            part = with_fixed(held, counts & ~near, np.round(point))
            seconds = self.left() * _WIDTH_SHARES[attempt]
            found = self._note(
                f"counts over {open_columns} columns",
                solve_cpsat(
                    part,
                    self._limits(seconds, gap=min(self.limits.gap, 1e-4), target=self._target()),
                    self._plan_hook(f"counts over {open_columns} columns"),
                    grid=True,
                    tighten=True,
                    precision=_COUNT_PRECISION,
                    hint=hint,
                    mail=self.stops(),
                ),
            )
            self._offer(found)
            if self._good_enough():
                return
            if found.status is Status.FAILED:
                break
        if self.best is None and self.left() > 0.0:
            near = _neighbourhood(program, point, linear.reduced_cost, counts, WIDTHS[1])
            part = with_fixed(held, counts & ~near, np.round(point))
            self._offer(
                self._note(
                    "counts by HiGHS", solve_highs(part, self._limits(0.5 * self.left()), self._plan_hook("counts"))
                )
            )

    def _helpers(self, held: Program, point: FloatArray, reduced_cost: FloatArray, counts: BoolArray) -> None:
        """Whole counts by HiGHS: of the LP's own columns, what else works on what they supply, and the best helpers of
        each row; few: of all."""
        few = int(counts.sum()) <= _SIFTED
        for each in HELPERS[:1] if few else HELPERS:
            near = counts if few else _neighbourhood(self.program, point, reduced_cost, counts, 0)
            if not few:
                near |= users_of_suppliers(self.program, near, counts)
                near |= cheapest_helpers(self.program, reduced_cost, counts, each)
            part = with_fixed(held, counts & ~near, np.round(point))
            gap = _HELPERS_GAP * self.limits.gap
            limits = self._limits(_HELPERS_SHARE * self.left(), gap=gap, target=self._target())
            phase = f"counts over {int((near & counts).sum())} columns"
            self._offer(self._note(phase, highs_that_stops(part, limits, self._plan_hook(phase), mail=self.stops())))
            if self._good_enough() or self.left() <= 0.0:
                return

    def _whole(self) -> Solution:
        """The whole program by HiGHS with the time that is left, from the best plan."""
        if self.left() <= 0.02:
            return self._finished()
        if self.mail is not None and self.best is not None:
            # another has the whole program already
            self._near(self.left())
            return self._finished()
        start = self.best.values if self.best is not None else None
        found = self._note(
            "whole program",
            solve_highs(
                self.program, self._limits(self.left()), self._plan_hook("whole program"), start, mail=self.mail
            ),
        )
        if found.status in (Status.INFEASIBLE, Status.UNBOUNDED) and self.best is None:
            return self._end(found.status, bound=found.bound)
        if math.isfinite(found.bound):
            self.bound = max(self.bound, found.bound)
        self._offer(found)
        return self._finished(found)

    def _near(self, seconds: float) -> None:
        """Better plans near the best one."""
        if self.best is None or self.best.values is None:
            return

        def report(
            phase: str, objective: float, _bound: float, values: FloatArray | None, nodes: int | None = None
        ) -> None:
            if self.hook is not None:
                self.hook(phase, objective, self.bound, values, nodes)

        def enough(objective: float) -> bool:
            kind = status_of_plan(objective, min(self.bound, objective), self.limits.gap)
            return kind is not Status.FEASIBLE

        values, bound = improve(
            self.program, self.best.values, self._limits(seconds), enough=enough, hook=report, mail=self.mail
        )
        self.bound = max(self.bound, bound)
        if self.program.objective_at(values) < self.best.objective:
            self.known(values, NAME)
            if "HiGHS" not in " ".join(self.solvers):
                self.solvers.append(solver_name())

    def _limits(self, seconds: float, gap: float | None = None, target: float | None = None) -> Limits:
        gap = self.limits.gap if gap is None else gap
        return replace(self.limits, time_limit_s=max(0.01, seconds), gap=gap, target=target)

    def _target(self) -> float | None:
        """The objective at which the gap asked for is reached; None without a bound."""
        if not math.isfinite(self.bound):
            return None
        gap = 0.999 * self.limits.gap
        return self.bound / (1.0 - gap) if self.bound >= 0.0 else self.bound / (1.0 + gap)

    def _good_enough(self) -> bool:
        return self.best is not None and status_of_plan(
            self.best.objective, min(self.bound, self.best.objective), self.limits.gap
        ) in (Status.PROVEN_OPTIMAL, Status.WITHIN_GAP)

    def _offer(self, found: Solution, phase: str = "counts") -> None:
        if found.values is not None and (self.best is None or found.objective < self.best.objective):
            self.best = found if found.found_by else replace(found, found_by=phase)
            if self.hook is not None:
                # from here on the plan survives the killing of this process
                self.hook("plan", found.objective, self.bound, found.values)

    def _note(self, phase: str, found: Solution) -> Solution:
        self.solvers.extend(s for s in found.solver.split(" + ") if s and s not in self.solvers)
        if found.log:
            self.logs.append(f"--- {phase} ---\n{found.log}")
        return found

    def _bound_hook(self, phase: str) -> Hook | None:
        """Relaxed plans are no plans: only the bound is passed on."""
        hook = self.hook
        if hook is None:
            return None

        def report(
            _phase: str, _objective: float, bound: float, _values: FloatArray | None, nodes: int | None = None
        ) -> None:
            hook(phase, math.nan, bound, None, nodes)

        return report

    def _plan_hook(self, phase: str) -> Hook | None:
        """Plans with a part of the program fixed are plans; bounds of a part are none."""
        hook = self.hook
        if hook is None:
            return None

        def report(
            _phase: str, objective: float, bound: float, values: FloatArray | None, nodes: int | None = None
        ) -> None:
            known = max(self.bound, bound) if phase == "whole program" else self.bound
            hook(phase, objective, known, values, nodes)

        return report

    def _finished(self, last: Solution | None = None) -> Solution:
        best = self.best
        if best is None or best.values is None:
            if last is not None and last.message:
                self.remarks.append(last.message)
            return self._end(Status.NO_PLAN_FOUND, bound=self.bound)
        bound = min(self.bound, best.objective)
        status = status_of_plan(best.objective, bound, self.limits.gap)
        return replace(
            self._end(status, bound=bound),
            values=best.values,
            objective=best.objective,
            gap=relative_gap(best.objective, bound),
        )

    def _end(self, status: Status, bound: float) -> Solution:
        return Solution(
            status,
            bound=bound,
            solver=" + ".join(self.solvers),
            seconds=time.monotonic() - self.started,
            log="\n".join(self.logs) if self.limits.log else None,
            message="; ".join(self.remarks),
        )


def _neighbourhood(
    program: Program, point: FloatArray, reduced_cost: FloatArray, counts: BoolArray, width: int
) -> BoolArray:
    """Count columns the LP uses (off a whole-number bound) and the `width` cheapest others by reduced cost (n,)."""
    at_bound = (np.abs(point - program.lower) < 1e-7) | (np.abs(point - program.upper) < 1e-7)
    near = counts & ~(at_bound & (np.abs(point - np.round(point)) < 1e-7))
    others = np.flatnonzero(counts & ~near)
    if len(others) > width:
        others = others[np.argsort(np.abs(reduced_cost[others]), kind="stable")[:width]]
    near[others] = True
    return near
