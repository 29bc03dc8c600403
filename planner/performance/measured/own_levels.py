"""Levels corrected by a user's own runs: Bayesian regression on the effects of their names.

Before the runs an effect is what all measured runs say of its name, with its deviation; a name that none has is none,
give or take how much names of its kind differ. What no name of a plan tells, the part ``own`` of every deviation, is of
the place (source), of one engine, chip, model and precision there (group), and of the single run: the first two are
names too once a user has measured at the place that is planned for, so three runs settle most of them. Names that the
runs do not have keep their effects and deviations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.performance.measured.levels import Effect, Joint, Levels

Floats = NDArray[np.float64]

PLACE_SHARE, GROUP_SHARE = 0.35, 0.40
"""Of the variance of what no name tells: of a place, and of one engine, chip, model and precision there; the rest is of
the single run."""
FREEDOM = 4.0
"""Degrees of freedom of a run's own noise (Student's t): a run that contradicts the others counts less."""
ROUNDS = 4
LARGEST_OWN = 1.6
"""Residuals are cut here, as logarithms: five times as slow as predicted is something else."""


@dataclass(frozen=True)
class OwnRun:
    """A user's run: its names by kind (``place`` and ``group`` among them), covariates (k,), and log measured over
    predicted time; ``label`` names it for people."""

    names: Mapping[str, str]
    covariates: Floats
    value: float
    label: str = ""


def group_name(engine: str, family: str, model: str, precision: str) -> str:
    """Runs that are alike but for load, layout and lengths."""
    return f"{engine} | {family} | {model} | {precision}"


def with_runs(levels: Levels, runs: Sequence[OwnRun]) -> Levels:
    """The levels once these runs are known. ``value`` of the runs is over what the levels say of them now."""
    if not runs or not levels:
        return levels
    whole = levels.own**2
    width = len(levels.covariates)
    first = np.eye(1, width)[0]
    kinds = {k: np.asarray(v, np.float64) for k, v in levels.kinds.items()}
    kinds |= {"place": np.sqrt(PLACE_SHARE * whole) * first, "group": np.sqrt(GROUP_SHARE * whole) * first}
    noise = (1.0 - PLACE_SHARE - GROUP_SHARE) * whole
    keys: list[tuple[str, str, int]] = []
    prior: list[float] = []
    for run in runs:
        for kind, deviation in kinds.items():
            name = run.names.get(kind)
            if name is None:
                continue
            effect = levels.effects.get(f"{kind}={name}")
            spread = deviation if effect is None else np.asarray(effect.deviation)
            for c in range(width):
                if spread[c] > 0 and (kind, name, c) not in keys:
                    keys.append((kind, name, c))
                    prior.append(float(spread[c]) ** 2)
    design = np.zeros((len(runs), len(keys)))
    place = {key: i for i, key in enumerate(keys)}
    for row, run in zip(design, runs, strict=True):
        for kind in kinds:
            for c in range(width):
                at = place.get((kind, run.names.get(kind, ""), c))
                if at is not None:
                    row[at] = run.covariates[c]
    y = np.clip(np.array([r.value for r in runs]), -LARGEST_OWN, LARGEST_OWN)
    across = design * np.array(prior)  # (runs, keys): of each run with each effect
    among = design @ across.T
    weight = np.ones(len(runs))
    for _ in range(ROUNDS):
        inverse = np.linalg.inv(among + np.diag(noise / weight))
        alone = (noise / weight) * (inverse @ y)
        weight = (FREEDOM + 1.0) / (FREEDOM + alone**2 / noise)
    inverse = np.linalg.inv(among + np.diag(noise / weight))
    moved = across.T @ (inverse @ y)
    covariance = np.diag(prior) - across.T @ inverse @ across
    effects = dict(levels.effects)
    for kind, name in dict.fromkeys((kind, name) for kind, name, _ in keys):
        known = effects.get(f"{kind}={name}")
        value = np.zeros(width) if known is None else np.array(known.value)
        deviation = np.array(kinds[kind]) if known is None else np.array(known.deviation)
        for c in range(width):
            at = place.get((kind, name, c))
            if at is not None:
                value[c] += moved[at]
                deviation[c] = np.sqrt(max(covariance[at, at], 0.0))
        effects[f"{kind}={name}"] = Effect(tuple(value.tolist()), tuple(deviation.tolist()))
    return replace(
        levels,
        effects=effects,
        kinds={k: tuple(v.tolist()) for k, v in kinds.items()},
        own=float(np.sqrt(noise)),
        joint=Joint(tuple(keys), covariance),
    )
