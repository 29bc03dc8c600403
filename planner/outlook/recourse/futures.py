"""A question's program in each of some futures, with what may be bought first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from planner.fleet.build import build_fleet
from planner.fleet.model import FleetModel
from planner.options.option import Option
from planner.outlook.ahead import View
from planner.outlook.recourse.extensive import Future
from planner.solve.form import Program, with_row

_SURE = 1e-9


def futures_of(view: View, options: Sequence[Option]) -> tuple[list[Future], list[int]]:
    """(the program of each future that the view draws, columns of what is bought in the first period)."""
    told = view.futures.of(options)
    good = [_good(view, o, f.finish_days, f.late_days) for o, f in zip(options, told, strict=True)]
    speeds = [
        np.ones(view.draws.n) if o.rates.get("run") else f.speed / view.draws.demand_factor(o.workload)
        for o, f in zip(options, told, strict=True)
    ]
    rates = [view.rates_of(o) for o in options]
    penalties = [_penalty(view, o, f.finish_days) for o, f in zip(options, told, strict=True)]
    found: list[Future] = []
    first: list[int] = []
    for s in range(view.draws.n):
        moved = [
            replace(
                o,
                rates=o.rates if o.rates.get("run") else {n: r * float(v[s]) * bool(g[s]) for n, r in rate.items()},
                cost_usd=float(f.cost_usd[s] + lateness[s]),
                due_days=0.0,
                finish_days=0.0,
            )
            for o, f, v, g, rate, lateness in zip(options, told, speeds, good, rates, penalties, strict=True)
        ]
        model = build_fleet(view.scenario, moved)
        late = {c for c, o, g in zip(model.units, options, good, strict=True) if o.rates.get("run") and not g[s]}
        program = _open(model, late)
        found.append(Future(program, model.objectives["cost"], _promises(view, program)))
        first = [c for c, o in zip(model.units, options, strict=True) if o.period == 0]
    return found, first


def _good(view: View, o: Option, finish: np.ndarray, late: np.ndarray) -> np.ndarray:
    """Whether an option keeps its promise in each future: a run its date, a unit of a load its latencies."""
    deadline = view.futures.deadline(o.workload)
    if deadline is not None:
        return np.asarray(finish <= deadline * (1 + _SURE))
    return np.asarray(view.answers(o, late))


def _penalty(view: View, o: Option, finish: np.ndarray) -> np.ndarray:
    """What the days cost by which a run is late, USD."""
    deadline = view.futures.deadline(o.workload)
    over = np.zeros(len(finish)) if deadline is None else np.maximum(0.0, finish - deadline)
    return np.asarray(over * view.outcomes.late_usd_per_day)


def _promises(view: View, program: Program) -> dict[str, tuple[int, ...]]:
    rows = {name: i for i, name in enumerate(program.row_names)}
    return {
        w.name: tuple(rows[n] for n in (f"kept[{w.name}]", f"demand[{w.name}]") if n in rows)
        for w in view.scenario.workloads
    }


def _open(model: FleetModel, late: set[int]) -> Program:
    """A program in which each run is bought once or more, and one of what is bought is in time where its date is kept.

    One that comes late is still a run: what is missed is done, and paid for.
    """
    p = model.program
    runs = [i for i, name in enumerate(p.row_names) if name.startswith("run[")]
    upper = np.array(p.row_upper)
    upper[runs] = np.inf
    program = replace(p, row_upper=upper)
    for i in runs:
        mine = p.rows == i
        on_time = {int(j): float(v) for j, v in zip(p.cols[mine], p.vals[mine], strict=True) if int(j) not in late}
        program = with_row(program, p.row_names[i].replace("run[", "kept[", 1), on_time, lower=1.0, kind="demand")
    return program
