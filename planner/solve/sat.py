"""CP-SAT: the jobs of a worker of kind "cpsat", in whole numbers only.

The only module that imports OR-Tools, which no process with highspy in it may do (`worker`). It takes the arrays of an
integer image (`cpsat`) or of intervals (`intervals`) and answers in the same terms; what that is worth as a plan is
for those who asked.
"""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from ortools.sat.python import cp_model

from planner.solve import wire
from planner.solve.form import IntArray
from planner.solve.status import Hook, Limits, Mail

FAR = 2**62
"""A limit of an integer row that is none."""
_BEATS_S = 1.0
"""Reading tens of thousands of columns takes a while: once in so many seconds is enough to survive a kill."""
_EAR_S = 0.05

Arrays = Mapping[str, np.ndarray[Any, Any]]


def _image_job(arrays: Arrays, limits: Limits, options: Mapping[str, Any], hook: Hook, mail: Mail) -> bytes:
    """Minimise over an image: `word` one of optimal, feasible, infeasible, invalid, unknown; its `y` and `bound`."""
    model = cp_model.CpModel()
    columns = [model.new_int_var(0, width, "") for width in arrays["width"].tolist()]
    starts, cols, coefficients = (arrays[name].tolist() for name in ("starts", "cols", "coefficients"))
    for row, (low, high) in enumerate(zip(arrays["lower"].tolist(), arrays["upper"].tolist(), strict=True)):
        part = slice(starts[row], starts[row + 1])
        expression = cp_model.LinearExpr.weighted_sum([columns[j] for j in cols[part]], coefficients[part])
        model.add_linear_constraint(expression, low, high)
    used = np.flatnonzero(arrays["objective"]).tolist()
    model.minimize(cp_model.LinearExpr.weighted_sum([columns[j] for j in used], arrays["objective"][used].tolist()))
    if "hint" in arrays:
        for column, value in zip(columns, arrays["hint"].tolist(), strict=True):
            model.add_hint(column, value)
    solver = _solver(limits)
    solver.parameters.num_workers = limits.worker_count
    solver.parameters.relative_gap_limit = options["gap"]
    lines: list[str] = []
    if limits.log:
        solver.parameters.log_search_progress = True
        solver.parameters.log_to_stdout = False
        solver.log_callback = lines.append
    stop_at = options["stop_at"]
    watch = _Watch(columns, hook, -math.inf if stop_at is None else stop_at, mail)
    solver.best_bound_callback = watch.new_bound
    word = _stopped_by(mail, solver, lambda: solver.solve(model, watch))
    names = {
        cp_model.OPTIMAL: "optimal", cp_model.FEASIBLE: "feasible", cp_model.INFEASIBLE: "infeasible",
        cp_model.MODEL_INVALID: "invalid",
    }  # fmt: skip
    head = {
        "word": names.get(word, "unknown"),
        "bound": solver.best_objective_bound,
        "branches": int(solver.num_branches),
        "why": model.validate() if word == cp_model.MODEL_INVALID else "",
        "log": "\n".join(lines) if limits.log else None,
    }
    found = word in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    return wire.pack(head, {"y": _values(columns, solver.value)} if found else {})


def _stopped_by(mail: Mail, solver: cp_model.CpSolver, solve: Callable[[], Any]) -> Any:
    """Solve, and stop as soon as the mail says so."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_EAR_S):
            if mail.stopped:
                solver.stop_search()
                return

    threading.Thread(target=watch, daemon=True).start()
    try:
        return solve()
    finally:
        done.set()


def _intervals_job(arrays: Arrays, limits: Limits, options: Mapping[str, Any], _hook: Hook, _mail: Mail) -> bytes:
    """`intervals.earliest_starts`: the starts, and whether they are proven; no starts where none came in time.

    With `least` that of a resource is sought instead (`intervals.least_amount`): -1 where no amount is enough.
    """
    tasks, resources = options["tasks"], options["resources"]
    model = cp_model.CpModel()
    starts, ends = {}, {}
    used: dict[str, list[tuple[cp_model.IntervalVar, int]]] = defaultdict(list)
    for task in tasks:
        start = model.new_int_var(task["earliest"], task["latest"], f"start[{task['name']}]")
        starts[task["name"]], ends[task["name"]] = start, start + task["length"]
        interval = model.new_fixed_size_interval_var(start, task["length"], task["name"])
        for name in (task["resource"], *task["beside"]):
            used[name].append((interval, task["amount"]))
        model.add_hint(start, task["latest"] if task["known"] is None else task["known"])
    for task in tasks:
        for before in task["after"]:
            model.add(starts[task["name"]] >= ends[before])
    if options.get("least"):
        return _least(model, limits, used[options["least"]])
    for name, levels in resources.items():
        mine = used[name]
        most = max((level["amount"] for level in levels), default=0)
        # what is missing from the largest amount is taken by a task that cannot move
        for i, level in enumerate(levels):
            if level["amount"] < most:
                length = level["end"] - level["start"]
                taken = model.new_fixed_size_interval_var(level["start"], length, f"{name}[{i}]")
                mine.append((taken, most - level["amount"]))
        if mine:
            model.add_cumulative([interval for interval, _ in mine], [amount for _, amount in mine], most)
    model.minimize(sum(starts.values()))
    solver = _solver(limits)
    solver.parameters.num_workers = 1
    word = solver.solve(model)
    if word not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return wire.pack({"starts": None, "proven": word == cp_model.INFEASIBLE}, {})
    found = {name: int(solver.value(start)) for name, start in starts.items()}
    return wire.pack({"starts": found, "proven": word == cp_model.OPTIMAL}, {})


def _least(model: cp_model.CpModel, limits: Limits, mine: list[tuple[cp_model.IntervalVar, int]]) -> bytes:
    """By halving: with the amount given, pairs that it does not hold together exclude each other, which CP-SAT proves
    at once; with the amount sought as a variable four tasks took it more than 20 s."""
    started = time.monotonic()
    intervals, amounts = [interval for interval, _ in mine], [amount for _, amount in mine]

    def word(amount: int) -> object:
        tried = model.clone()
        tried.add_cumulative(intervals, amounts, amount)
        left = max(0.05, limits.time_limit_s - (time.monotonic() - started))
        solver = _solver(replace(limits, time_limit_s=left))
        solver.parameters.num_workers = 1
        return solver.solve(tried)

    low, high = max(amounts, default=0), sum(amounts)
    if word(high) == cp_model.INFEASIBLE:
        return wire.pack({"least": -1}, {})
    while low < high:
        middle = (low + high) // 2
        found = word(middle)
        if found == cp_model.INFEASIBLE:
            low = middle + 1
        elif found in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            high = middle
        else:
            break  # what is proven so far is a bound
    return wire.pack({"least": low}, {})


def _solver(limits: Limits) -> cp_model.CpSolver:
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = limits.time_limit_s
    solver.parameters.random_seed = limits.seed
    if limits.reproducible:
        # one worker counts its own work; the wall clock above ends the run only if the machine is much slower
        solver.parameters.max_deterministic_time = limits.time_limit_s
    return solver


def _values(columns: list[cp_model.IntVar], value: Callable[[cp_model.IntVar], int]) -> IntArray:
    return np.array([value(column) for column in columns], dtype=np.int64)


class _Watch(cp_model.CpSolverSolutionCallback):
    """Passes on what CP-SAT learns, in the image's terms, and stops it at a good enough plan or when told to."""

    def __init__(self, columns: list[cp_model.IntVar], hook: Hook, stop_at: float, mail: Mail) -> None:
        super().__init__()
        self._columns, self._hook, self._stop_at, self._mail = columns, hook, stop_at, mail
        self._next_values = 0.0

    def on_solution_callback(self) -> None:
        objective = float(self.objective_value)
        if objective <= self._stop_at or self._mail.stopped:
            self.stop_search()
        values = None
        if time.monotonic() >= self._next_values:
            values = _values(self._columns, self.value).astype(np.float64)  # below 2^53: widths are
            self._next_values = time.monotonic() + _BEATS_S
        self._hook("CP-SAT", objective, float(self.best_objective_bound), values)

    def new_bound(self, bound: float) -> None:
        self._hook("CP-SAT", math.nan, float(bound), None)


Job = Callable[[Arrays, Limits, Mapping[str, Any], Hook, Mail], bytes]
JOBS: dict[str, Job] = {"image": _image_job, "intervals": _intervals_job}
"""What a worker of kind "cpsat" can do, by name."""
