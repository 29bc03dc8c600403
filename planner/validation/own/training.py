"""How far off training steps are once one or two rows of their stack and chip are known.

Every group of rows of one stack on one chip is left out of the calibration; a few of its rows then come back as a
user's own runs (``Neighbours.with_own``), and the rest is predicted.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from planner.performance.measured.calibration import (
    EFFECT,
    effect_names,
    fit_effects,
    level_of,
    residuals_over,
)
from planner.performance.measured.neighbours import Job, Neighbours, fit_neighbours
from planner.performance.measured.observation import Observation
from planner.performance.measured.process import SHAPE, WIDTHS, Run, run_of
from planner.performance.measured.spread import Spread

LEAST_ROWS = 8
"""Groups with fewer rows are not asked."""
DRAWS = 3
"""Ways to choose the rows that are known."""


@dataclass(frozen=True)
class Told:
    """A row predicted from its group's known rows: log measured over predicted time, and whether the interval held."""

    group: str
    known: int
    error: float
    before: float
    held: bool


def job_of(run: Run) -> tuple[Job, Mapping[str, np.ndarray], np.ndarray, np.ndarray]:
    """(job, widths, chips, recompute) of a measured run, arrays of length one."""
    size = {name: 2.0**x for name, x in zip(SHAPE, run.shape, strict=True)}
    job = Job(
        run.profile, run.chip, run.model, run.precision, run.experts, round(size["sequence_length"]),
        size["active_parameters"], size["tokens_per_chip"] * size["chips"], run.source, run.family, run.generation,
        run.code,
    )  # fmt: skip
    widths = {name: np.array([round(size[name])]) for name in WIDTHS}
    return job, widths, np.array([round(size["chips"])]), np.array([int(run.recompute[:1] or 0)])


def predicted_log(run: Run, level: float, neighbours: Neighbours) -> float:
    """Logarithm of time over that of the physical model."""
    return math.log(level) + float(neighbours.log_shift(*job_of(run))[0])


def told_by_own(rows: Sequence[Observation], spread: Spread, counts: Sequence[int]) -> list[Told]:
    """Every group's rows predicted from so many of them."""
    groups: dict[str, list[Observation]] = defaultdict(list)
    for o in rows:
        if o.fit and len(o.shape) == len(SHAPE):
            groups[f"{o.profile} on {o.chip}"].append(o)
    found: list[Told] = []
    for name, mine in groups.items():
        if len(mine) < LEAST_ROWS:
            continue
        ids = {id(o) for o in mine}
        others = [o for o in rows if id(o) not in ids and f"{o.profile} on {o.chip}" != name]
        effects = fit_effects(others)
        base = fit_neighbours(others, residuals_over(effects, others))
        carried = {EFFECT + key: value for key, value in effects.items()}
        levels = [level_of(carried, effect_names(o.names)) for o in mine]
        runs = [replace(run_of(o), source="own") for o in mine]
        before = [math.log(o.ratio) - predicted_log(r, lv, base) for o, r, lv in zip(mine, runs, levels, strict=True)]
        for known in counts:
            for draw in range(DRAWS):
                dice = np.random.default_rng([draw, known, len(mine)])
                chosen = set(dice.choice(len(mine), known, replace=False).tolist())
                own = base.with_own([replace(runs[i], residual=before[i]) for i in sorted(chosen)])
                for i in range(len(mine)):
                    if i in chosen:
                        continue
                    job = job_of(runs[i])
                    error = math.log(mine[i].ratio) - predicted_log(runs[i], levels[i], own)
                    low, high = spread.ends(own.deviation(*job))
                    held = math.log(float(low[0])) <= error <= math.log(float(high[0]))
                    found.append(Told(name, known, error, before[i], held))
    return found
