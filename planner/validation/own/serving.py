"""How far off serving is once a few rows of its engine, chip and model are known.

Every group of rows of one engine, chip and model is left out of the levels; a few of its rows then come back as a
user's own runs (``own_levels.with_runs``), and the rest is predicted. The constants of the physical model stay those of
the calibration, which have seen the group.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from planner.catalog import Catalog
from planner.performance.measured.levels import Levels
from planner.performance.measured.own_levels import OwnRun, group_name, with_runs
from planner.performance.serving.levels import COVARIATES, KNOWN_KINDS, PACE_KINDS
from planner.performance.serving.profile import shipped_serving_calibration
from planner.validation.cases import Case
from planner.validation.own.training import DRAWS, LEAST_ROWS, Told
from planner.validation.serving.descent import Residuals
from planner.validation.serving.effects import NUISANCE, Mixed, with_known
from planner.validation.serving.observed import Runs


def told_by_own(rows: Sequence[Case], catalog: Catalog, counts: Sequence[int]) -> dict[str, list[Told]]:
    """Every group's rows predicted from so many of them: of ``tpot_ms`` and of ``tokens/s``."""
    shipped = shipped_serving_calibration()
    residuals = Residuals(rows, catalog)
    base = replace(shipped, pace=Levels(COVARIATES), ttft=Levels(COVARIATES))
    left = residuals.at(base)
    runs = Runs(residuals, residuals.per_chip(base))
    observed = runs.pace(left)
    mixed = Mixed(observed, {**dict(PACE_KINDS), **dict.fromkeys(NUISANCE, (0,))}, len(COVARIATES))
    variances = mixed.variances()
    # what no name tells is as wide as in the shipped levels, which know the benches that constants were fitted beside
    apart = {kind: shipped.pace.kinds[kind][0] for kind in KNOWN_KINDS if kind in shipped.pace.kinds}
    groups: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for i in range(len(residuals.cases)):
        figure = runs.by_case.get(i)
        if figure and runs.names[i] and math.isfinite(observed[i].value):
            first = residuals.figures[figure[0]]
            groups[first.engine, first.chip, first.model].append(i)
    found: dict[str, list[Told]] = {"tpot_ms": [], "tokens/s": []}
    for (engine, chip, model), mine in groups.items():
        if len(mine) < LEAST_ROWS:
            continue
        name = f"{engine} | {chip} | {model}"
        out = np.zeros(len(residuals.cases), dtype=np.bool_)
        out[mine] = True
        levels = with_known(mixed.levels(COVARIATES, variances, ~out), observed, apart, ~out)
        levels = replace(levels, own=shipped.pace.own, knots=shipped.pace.knots)
        own = [_own(runs, i, observed[i].value, levels) for i in mine]
        for known in counts:
            for draw in range(DRAWS):
                dice = np.random.default_rng([draw, known, len(mine)])
                chosen = set(dice.choice(len(mine), known, replace=False).tolist())
                informed = with_runs(levels, [own[k] for k in sorted(chosen)])
                for k, i in enumerate(mine):
                    if k in chosen:
                        continue
                    before, after = levels.at(own[k].names), informed.at(own[k].names)
                    low, high = informed.ends(np.array(informed.deviation(after, own[k].covariates)))
                    for j in runs.by_case[i]:
                        quantity = residuals.figures[j].quantity
                        if not math.isfinite(left[j]) or quantity == "ttft_ms":
                            continue
                        # log measured over modelled time: of a rate its inverse
                        slower = -left[j] if quantity == "tpot_ms" else left[j]
                        error = slower - float(after.value @ own[k].covariates)
                        was = slower - float(before.value @ own[k].covariates)
                        held = bool(math.log(float(low)) <= error <= math.log(float(high)))
                        what = "tpot_ms" if quantity == "tpot_ms" else "tokens/s"
                        found[what].append(Told(name, known, error, was, held))
    return found


def _own(runs: Runs, i: int, value: float, levels: Levels) -> OwnRun:
    names = {k: v for k, v in runs.names[i].items() if k not in NUISANCE}
    engine, family = names["engine"], names["chips"]
    precision = names["precision+engine"].split(" ", 1)[0]
    names |= {"place": engine, "group": group_name(engine, family, names["model"], precision)}
    at = levels.at(names)
    return OwnRun(names, runs.covariates[i], value - float(at.value @ runs.covariates[i]), str(i))
