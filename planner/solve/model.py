"""A program as a HiGHS model, from arrays: column j and row i of HiGHS are those of the program.

A plan to start from is never given by `setSolution`: HiGHS 1.16.0 returns such a start as optimal where presolve
leaves nothing to solve. It is handed to the running search as a user solution (`callback`), as are the plans that
others find meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import highspy
import numpy as np

from planner.errors import SolveError
from planner.solve.form import FloatArray, IntArray, Program, violations
from planner.solve.status import Hook, Limits, Mail

SMALL = 500
"""Columns up to which HiGHS gets one thread and no feasibility jump: it takes 0.03 s whatever the program, and threads
0.02 s to start, where these take less."""

Event = highspy.cb.HighsCallbackType


def build(program: Program, limits: Limits, *, time_limit_s: float, options: dict[str, Any]) -> highspy.Highs:
    """The model, ready to run under these limits; `options` are HiGHS's own, on top of those of the limits.

    HiGHS prints one line of version to the process's standard output as it is made; `worker` keeps that out of sight.
    Raises ``SolveError`` where HiGHS refuses the model or an option.
    """
    highs: Any = highspy.Highs()  # type: ignore[no-untyped-call]
    settings: dict[str, Any] = {
        "output_flag": limits.log,
        "log_to_console": False,
        "mip_rel_gap": limits.gap,
        "mip_abs_gap": 1e-9,
        # after a restart HiGHS 1.16.0 proves what is not the best (the battery has one)
        "mip_allow_restart": False,
        "threads": limits.worker_count,
        "time_limit": max(0.01, time_limit_s),
        "random_seed": limits.seed,
    }
    if limits.target is not None:
        settings["objective_target"] = limits.target
    if program.column_count <= SMALL:
        settings |= {"threads": 1, "mip_heuristic_run_feasibility_jump": False}
    settings |= options
    for name, value in settings.items():
        if highs.setOptionValue(name, value) == highspy.HighsStatus.kError:
            raise SolveError(f"HiGHS takes no option {name} = {value!r}")
    if highs.passModel(_linear_program(program)) == highspy.HighsStatus.kError:
        raise SolveError("HiGHS refuses the model")
    made: highspy.Highs = highs
    return made


def _linear_program(program: Program) -> highspy.HighsLp:
    starts, columns, values = by_rows(program)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = program.column_count, program.row_count
    lp.col_cost_, lp.offset_ = program.objective, program.objective_offset
    lp.col_lower_, lp.col_upper_ = program.lower, program.upper
    lp.row_lower_, lp.row_upper_ = program.row_lower, program.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = starts, columns, values
    if program.integer.any():
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[whole] for whole in program.integer.tolist()]
    return lp


def by_rows(program: Program) -> tuple[IntArray, IntArray, FloatArray]:
    """Coefficients row by row: (starts (m + 1,), columns, values); each column once in a row, and no zeros."""
    rows, cols, vals = program.rows, program.cols, program.vals
    order = np.lexsort((cols, rows))
    rows, cols, vals = rows[order], cols[order], vals[order]
    new = np.ones(len(rows), dtype=np.bool_)
    new[1:] = (rows[1:] != rows[:-1]) | (cols[1:] != cols[:-1])
    if not new.all():
        vals = np.bincount(np.cumsum(new) - 1, weights=vals).astype(np.float64)
        rows, cols = rows[new], cols[new]
    live = vals != 0.0
    rows, cols, vals = rows[live], cols[live], vals[live]
    return np.searchsorted(rows, np.arange(program.row_count + 1)), cols, vals


def listen(highs: highspy.Highs, program: Program, hook: Hook | None, mail: Mail | None) -> None:
    """Tell `hook` what HiGHS learns while it runs, and HiGHS what comes by `mail`."""
    events = []
    if hook is not None:
        events += [Event.kCallbackMipImprovingSolution, Event.kCallbackMipLogging]
    if mail is not None:
        events += [Event.kCallbackMipUserSolution, Event.kCallbackMipInterrupt]
    if events:
        highs.setCallback(_callback(program, hook, mail), None)
        for event in events:
            highs.startCallback(event)


def _callback(program: Program, hook: Hook | None, mail: Mail | None) -> Callable[..., None]:
    given: FloatArray | None = None

    def report(kind: Any, _message: str, out: Any, answer: Any, _data: Any) -> None:
        nonlocal given
        if kind == Event.kCallbackMipInterrupt:
            answer.user_interrupt = bool(mail is not None and mail.stopped)
        elif kind == Event.kCallbackMipUserSolution:
            offer = mail.offer if mail is not None else None
            if offer is not None and offer[1] is not given and offer[0] < float(out.mip_primal_bound):
                given = offer[1]
                answer.setSolution(given)
        elif hook is None:
            return
        elif kind == Event.kCallbackMipImprovingSolution:
            values = np.array(out.mip_solution, dtype=np.float64)
            values = np.clip(np.where(program.integer, np.round(values), values), program.lower, program.upper)
            if not violations(program, values):
                bound, nodes = float(out.mip_dual_bound), int(out.mip_node_count)
                hook("HiGHS", program.objective_at(values), bound, values, nodes)
        else:
            primal, bound = float(out.mip_primal_bound), float(out.mip_dual_bound)
            hook("HiGHS", primal if math.isfinite(primal) else math.nan, bound, None, int(out.mip_node_count))

    return report
