"""One linear program kept in HiGHS and solved again under other bounds: each answer starts from the basis of the last.

Building and presolving cost more than the few simplex steps that a changed bound takes.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from planner.solve.form import FloatArray, Program, normalised, scaled, violations
from planner.solve.highs import TIGHT, read_linear
from planner.solve.model import build
from planner.solve.status import Limits, Solution, Status


class KeptLinear:
    """A linear program whose bounds of rows and columns may change; coefficients and objective stay."""

    def __init__(self, program: Program, limits: Limits) -> None:
        if program.integer.any():
            raise ValueError("a kept model is linear: whole columns need a search")
        self._limits = replace(limits, log=False)
        even, factor = normalised(program)
        image = scaled(even)
        self._row_factor, self._image = factor * image.row_factor, image
        # the same tolerances as of the point that is checked, so that no second run is needed
        self._highs = build(image.program, self._limits, time_limit_s=limits.time_limit_s, options=dict(TIGHT))
        self._at = image.program
        self._highs.run()

    def at(self, program: Program, time_limit_s: float) -> Solution:
        """The optimum under the bounds of `program`, which differs from the first one in nothing else.

        A status without a plan is proven; NO_PLAN_FOUND where the answer did not come in time or is not to be trusted.
        """
        started = time.monotonic()
        image = self._image
        now = replace(
            image.program,
            lower=program.lower / image.column_factor,
            upper=program.upper / image.column_factor,
            row_lower=program.row_lower * self._row_factor,
            row_upper=program.row_upper * self._row_factor,
        )
        for j in np.flatnonzero((now.lower != self._at.lower) | (now.upper != self._at.upper)).tolist():
            self._highs.changeColBounds(j, now.lower[j], now.upper[j])
        for i in np.flatnonzero((now.row_lower != self._at.row_lower) | (now.row_upper != self._at.row_upper)).tolist():
            self._highs.changeRowBounds(i, now.row_lower[i], now.row_upper[i])
        self._at = now
        self._highs.setOptionValue("time_limit", self._highs.getRunTime() + max(0.01, time_limit_s))
        self._highs.run()
        found = read_linear(now, self._highs, self._limits, started)
        if found.values is None:
            return found
        values: FloatArray = np.clip(image.unscale(found.values), program.lower, program.upper) + 0.0
        if violations(program, values):
            return replace(found, status=Status.NO_PLAN_FOUND, values=None, message="a matter of scaling")
        objective = program.objective_at(values)
        return replace(found, values=values, objective=objective, bound=objective, gap=0.0)
