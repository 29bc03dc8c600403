"""Calibrated levels: read from the catalog folder, and fitted from measurements.

What is fitted is the level of time, never a shape: a multiplier on a step made of few named effects (framework
profile, chip family, chip, precision, expert layers, and some pairs of these), each shrunk towards no effect by the
number of independent groups of measurements behind it, and their product bounded. A chip without measurements has its
family's effects, a family without them its profile's. Shapes (laws, tiers, schedules) stay as they are. What the
effects leave over near measured runs is carried on by ``neighbours``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from planner.catalog.load import catalog_folder
from planner.catalog.records import Chip
from planner.catalog.yaml_tree import safe_load
from planner.errors import InputError, Problem
from planner.performance.measured.neighbours import Neighbours, fit_neighbours
from planner.performance.measured.observation import Names, Observation
from planner.performance.measured.ordering import OrderShare, read_order
from planner.performance.measured.process import (
    LEVEL_TERMS,
    PRIOR_MEAN,
    TERMS,
    Fitted,
    Term,
    fit,
    run_of,
)
from planner.performance.measured.spread import Spread, fit_spread

Floats = NDArray[np.float64]

BOUNDS = (0.55, 2.2)
"""A level outside of this is a mechanism that is missing, not a level."""

EFFECT = "effect:"
ALL = "all"
"""The effect that all have: ``process.PRIOR_MEAN``."""


def level_of(efficiency: Mapping[str, float], names: Sequence[str], shift: float = 0.0) -> float:
    """The multiplier on time of the named effects and of ``shift`` (a logarithm), bounded; 1 where there is none."""
    total = sum(efficiency.get(EFFECT + name, 0.0) for name in names)
    return min(max(math.exp(total + shift), BOUNDS[0]), BOUNDS[1])


@dataclass(frozen=True)
class TrainingCalibration:
    """What ``catalog/calibration/training.yaml`` holds.

    ``effects``: logarithms of multipliers by name. ``spread``: the 80% intervals. ``sources``: what was fitted on.
    ``error``: cross-validated, sources left out in turn. ``order``: how often pairs of runs come out in the right
    order, sources left out likewise. ``neighbours``: the measured runs and what they leave over, in a file of their
    own.
    """

    effects: Mapping[str, float] = field(default_factory=dict)
    spread: Spread = field(default_factory=Spread)
    sources: tuple[str, ...] = ()
    error: Mapping[str, float] = field(default_factory=dict)
    order: tuple[OrderShare, ...] = ()
    neighbours: Neighbours = field(default_factory=Neighbours)

    def efficiency(self, family: str, chip_id: str) -> dict[str, float]:
        """The parameters a platform of that chip carries."""
        return {
            EFFECT + name: value
            for name, value, of_family, of_chip in self._of_chips
            if of_family in (None, family) and of_chip in (None, chip_id)
        }

    @functools.cached_property
    def _of_chips(self) -> tuple[tuple[str, float, str | None, str | None], ...]:
        """Effects with the family and the chip that their names hold to."""
        found = []
        for name, value in self.effects.items():
            parts = dict(part.split("=", 1) for part in name.split("+") if "=" in part)
            found.append((name, value, parts.get("family"), parts.get("chip")))
        return tuple(found)


def fit_effects(observations: Sequence[Observation]) -> dict[str, float]:
    """Effects by name: what the process over all runs says of each name alone (its terms that make a level)."""
    return _effects_of(process_of(observations), observations)


def process_of(observations: Sequence[Observation], terms: Sequence[Term] = TERMS) -> Fitted:
    """The process of all rows; those that may not be fitted are in it and say nothing."""
    return fit([run_of(o, math.log(o.ratio)) for o in observations], terms, [o.fit for o in observations])


def _effects_of(fitted: Fitted, rows: Sequence[Observation]) -> dict[str, float]:
    found: dict[str, float] = {ALL: PRIOR_MEAN} if any(o.fit for o in rows) else {}
    for o, weight in zip(rows, fitted.weights, strict=True):
        for term in LEVEL_TERMS:
            name = o.names.effect(term.names)
            found[name] = found.get(name, 0.0) + term.variance * float(weight)
    return {name: value for name, value in found.items() if abs(value) > 1e-4}


def effect_names(names: Names) -> tuple[str, ...]:
    """The effects that make the level of what has these names."""
    return (ALL, *(names.effect(term.names) for term in LEVEL_TERMS))


def residuals_over(effects: Mapping[str, float], observations: Sequence[Observation]) -> list[float]:
    """Logarithm of what each observation leaves over effects by name."""
    carried = {EFFECT + name: value for name, value in effects.items()}
    return [math.log(o.ratio / level_of(carried, effect_names(o.names))) for o in observations]


def _source(o: Observation) -> str:
    return o.source


@dataclass(frozen=True)
class LeftOut:
    """Observations predicted without their unit: levels, and standard deviations of their logarithms."""

    levels: tuple[float, ...]
    deviations: tuple[float, ...]


def left_out(
    observations: Sequence[Observation],
    unit: Callable[[Observation], str] = _source,
    *,
    near: bool = True,
    fitted: Fitted | None = None,
) -> LeftOut:
    """Levels when the whole source (or another ``unit``) of an observation is left out, in order.

    With ``near`` what measured runs near it leave over is in the level; of the other units alone. ``fitted``: the
    process of all rows, where it is known already.
    """
    whole = process_of(observations, TERMS if near else LEVEL_TERMS) if fitted is None else fitted
    said = whole.left_out([unit(o) for o in observations])
    return LeftOut(tuple(_bounded(float(m)) for m in said.mean), tuple(float(d) for d in said.deviation))


def predicted_from(known: Sequence[Observation], asked: Sequence[Observation]) -> LeftOut:
    """Levels of some observations from others alone (of an earlier year)."""
    said = process_of(known).predict([run_of(o) for o in asked])
    return LeftOut(tuple(_bounded(float(m)) for m in said.mean), tuple(float(d) for d in said.deviation))


def _bounded(log_level: float) -> float:
    return min(max(math.exp(log_level), BOUNDS[0]), BOUNDS[1])


def left_out_levels(
    observations: Sequence[Observation], unit: Callable[[Observation], str] = _source, *, near: bool = True
) -> list[float]:
    """The levels of ``left_out``."""
    return list(left_out(observations, unit, near=near).levels)


def kept_in_levels(observations: Sequence[Observation], folds: int) -> list[float]:
    """The level of each observation when one row in ``folds`` is left out in turn and the rest of its source is not."""
    fold = {id(o): str(i % folds) for i, o in enumerate(observations)}
    return left_out_levels(observations, lambda o: fold[id(o)])


INTERVAL_CUTS: tuple[Callable[[Observation], str], ...] = (
    _source,
    lambda o: o.profile,
    lambda o: o.family,
    lambda o: o.model_name,
    lambda o: o.model_family,
)
"""What is left out in turn for the intervals: they must hold for what no run is like, and for what many are."""


def interval_rows(observations: Sequence[Observation]) -> tuple[Floats, Floats, list[str], list[str]]:
    """Log residuals and deviations of rows left out in turn by each of ``INTERVAL_CUTS``; their groups and sources."""
    whole = process_of(observations)
    return _interval_rows(observations, [left_out(observations, unit, fitted=whole) for unit in INTERVAL_CUTS])


def _interval_rows(
    observations: Sequence[Observation], cuts: Sequence[LeftOut]
) -> tuple[Floats, Floats, list[str], list[str]]:
    pairs = [
        (o, level, d) for cut in cuts for o, level, d in zip(observations, cut.levels, cut.deviations, strict=True)
    ]
    residuals = np.array([math.log(o.ratio / level) for o, level, _ in pairs])
    deviations = np.array([d for _, _, d in pairs])
    return residuals, deviations, [o.group for o, _, _ in pairs], [o.source for o, _, _ in pairs]


def calibrate_training(observations: Sequence[Observation]) -> TrainingCalibration:
    """Fit the effects on all observations, and the intervals and the error with whole units left out in turn."""
    whole = process_of(observations)
    cuts = [left_out(observations, unit, fitted=whole) for unit in INTERVAL_CUTS]
    residuals, deviations, groups, _ = _interval_rows(observations, cuts)
    spread = fit_spread(residuals, deviations, groups)
    per_group: dict[str, list[float]] = {}
    for o, level in zip(observations, cuts[0].levels, strict=True):
        per_group.setdefault(o.group, []).append(abs(level / o.ratio - 1.0))
    errors = [float(np.mean(v)) for v in per_group.values()]
    error = {"mean": float(np.mean(errors)), "median": float(np.median(errors))} if errors else {}
    used = tuple(sorted({o.source for o in observations if o.fit}))
    effects = _effects_of(whole, observations)
    left = residuals_over(effects, observations)
    return TrainingCalibration(effects, spread, used, error, neighbours=fit_neighbours(observations, left))


def calibration_yaml(calibration: TrainingCalibration) -> str:
    """The text of ``catalog/calibration/training.yaml``."""
    data = {
        "training": {
            "effects": {name: round(value, 4) for name, value in sorted(calibration.effects.items())},
            "spread": {
                "knots": [[round(x, 4) for x in knot] for knot in calibration.spread.knots],
            },
            "left_out_error": {name: round(value, 4) for name, value in calibration.error.items()},
            "order": [share.to_json() for share in calibration.order],
            "sources": list(calibration.sources),
        }
    }
    head = (
        "# Levels of training time, fitted by `python -m planner.validation.training.calibrate`; do not edit by hand.\n"
    )
    return head + yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110)


def _number(value: object, low: float, high: float, where: str, file: Path, problems: list[Problem]) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= float(value) <= high:
        problems.append(Problem(f"must be a number from {low} to {high}", file=str(file), path=where, found=str(value)))
        return 0.0
    return float(value)


def read_training_calibration(file: Path) -> TrainingCalibration:
    """The calibration in a file; an absent file is no calibration. Raises ``InputError`` on one that is malformed."""
    if not file.is_file():
        return TrainingCalibration()
    try:
        data: Any = safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as wrong:
        raise InputError(Problem(f"not valid YAML: {wrong}", file=str(file))) from wrong
    training = data.get("training") if isinstance(data, dict) else None
    if not isinstance(training, dict):
        raise InputError(Problem("has no mapping 'training'", file=str(file)))
    problems: list[Problem] = []
    effects: dict[str, float] = {}
    for name, value in dict(training.get("effects") or {}).items():
        if tuple(part.split("=")[0] for part in str(name).split("+")) not in {(ALL,), *(t.names for t in LEVEL_TERMS)}:
            problems.append(Problem(f"unknown effect {name!r}", file=str(file), path="training.effects"))
            continue
        effects[str(name)] = _number(value, -2.0, 2.0, f"training.effects.{name}", file, problems)
    spread = _read_spread(training.get("spread") or {}, file, problems)
    order = read_order(training.get("order") or [], "training.order", str(file), problems)
    if problems:
        raise InputError(problems)
    sources = tuple(str(s) for s in training.get("sources") or ())
    error = {str(k): float(v) for k, v in dict(training.get("left_out_error") or {}).items()}
    return TrainingCalibration(effects, spread, sources, error, order)


def _read_spread(value: object, file: Path, problems: list[Problem]) -> Spread:
    where = "training.spread"
    if not isinstance(value, dict):
        problems.append(Problem("must be a mapping of knots", file=str(file), path=where))
        return Spread()
    knots = []
    for i, knot in enumerate(value.get("knots") or []):
        path = f"{where}.knots[{i}]"
        if not isinstance(knot, list) or len(knot) != 3:
            problems.append(Problem("must be three numbers: deviation, low, high", file=str(file), path=path))
            continue
        deviation = _number(knot[0], 0.0, 3.0, path, file, problems)
        low, high = _number(knot[1], -9.0, 0.0, path, file, problems), _number(knot[2], 0.0, 9.0, path, file, problems)
        knots.append((deviation, low, high))
    if knots != sorted(knots):
        problems.append(Problem("must ascend by deviation", file=str(file), path=f"{where}.knots"))
    return Spread(tuple(knots)) if knots else Spread()


@functools.cache
def shipped_training_calibration() -> TrainingCalibration:
    """The calibration that comes with the planner (read once; it never changes while a program runs)."""
    return read_training_calibration(catalog_folder() / "calibration" / "training.yaml")


def efficiency_of(chip: Chip, family: str, calibration: TrainingCalibration | None = None) -> dict[str, float]:
    """What a platform carries of a chip: the family's calibrated parameters."""
    found = shipped_training_calibration() if calibration is None else calibration
    return {**measured_rates(chip), **found.efficiency(family, chip.id)}


def measured_rates(chip: Chip) -> dict[str, float]:
    """Shares of the peaks that large matrix products were measured to reach on this very chip, where they were."""
    result: dict[str, float] = {}
    for name, rate, peak in (
        ("gemm", "measured_gemm_bf16_tflops_median", "bf16_fp16_tflops_dense"),
        ("gemm_8bit", "measured_gemm_fp8_tflops_median", "fp8_tflops_dense"),
        ("gemm_4bit", "measured_gemm_fp4_tflops_median", "fp4_tflops_dense"),
    ):
        measured, nominal = chip.get(rate), chip.get(peak)
        if measured is not None and nominal:
            result[name] = min(measured / nominal, 1.0)
    return result
