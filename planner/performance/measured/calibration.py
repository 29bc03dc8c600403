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
from planner.performance.measured.neighbours import Neighbours, carried_over, fit_neighbours
from planner.performance.measured.observation import Observation
from planner.performance.measured.ordering import OrderShare, read_order
from planner.performance.measured.spread import SpreadTable, fit_spread

Floats = NDArray[np.float64]

BOUNDS = (0.55, 2.2)
"""A level outside of this is a mechanism that is missing, not a level."""

EFFECT = "effect:"
# Strength of shrinkage by kind of effect: groups of measurements that count as much as the belief in no effect.
_SHRINKAGE: Mapping[str, float] = {
    "all": 0.5,
    "profile": 2.0,
    "family": 2.0,
    "chip": 3.0,
    "precision": 3.0,
    "experts": 3.0,
    "family+profile": 3.0,
    "family+precision": 3.0,
    "family+experts": 4.0,
    "profile+experts": 4.0,
    "profile+precision": 4.0,
}


def _kind(effect: str) -> str:
    return "+".join(part.split("=")[0] for part in effect.split("+"))


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
    spread: SpreadTable = field(default_factory=SpreadTable)
    sources: tuple[str, ...] = ()
    error: Mapping[str, float] = field(default_factory=dict)
    order: tuple[OrderShare, ...] = ()
    neighbours: Neighbours = field(default_factory=Neighbours)

    def efficiency(self, family: str, chip_id: str) -> dict[str, float]:
        """The parameters a platform of that chip carries."""
        result: dict[str, float] = {}
        for name, value in self.effects.items():
            parts = dict(part.split("=", 1) for part in name.split("+") if "=" in part)
            if parts.get("family", family) == family and parts.get("chip", chip_id) == chip_id:
                result[EFFECT + name] = value
        return result


def fit_effects(observations: Sequence[Observation]) -> dict[str, float]:
    """Effects by ridge regression on the median log ratio of each group, outliers damped (Huber weights, 0.15).

    Each group counts once however many rows it has; every kind of effect is shrunk by its own strength.
    """
    groups: dict[str, list[Observation]] = {}
    for o in observations:
        if o.fit:
            groups.setdefault(o.group, []).append(o)
    if not groups:
        return {}
    members = list(groups.values())
    target = np.array([float(np.median([math.log(o.ratio) for o in rows])) for rows in members])
    names = sorted({name for rows in members for name in rows[0].effects})
    index = {name: i for i, name in enumerate(names)}
    design = np.zeros((len(members), len(names)))
    for row, rows in enumerate(members):
        for name in rows[0].effects:
            design[row, index[name]] = 1.0
    penalty = np.diag([_SHRINKAGE[_kind(name)] for name in names])
    weights = np.ones(len(members))
    solution = np.zeros(len(names))
    for _ in range(4):
        weighted = design * weights[:, None]
        solution = np.linalg.solve(design.T @ weighted + penalty, weighted.T @ target)
        residual = np.abs(target - design @ solution)
        weights = np.minimum(1.0, 0.15 / np.maximum(residual, 1e-9))
    return {name: float(value) for name, value in zip(names, solution, strict=True) if abs(value) > 1e-4}


def _source(o: Observation) -> str:
    return o.source


def left_out(
    observations: Sequence[Observation], unit: Callable[[Observation], str] = _source, *, near: bool = True
) -> tuple[list[float], list[float]]:
    """(levels, unexplained) of observations when their whole source (or another ``unit``) is left out, in order.

    A level is that of its effects and, with ``near``, of what measured runs near it leave over, both of the other
    units alone; ``unexplained`` is the share of variance that those runs do not explain.
    """
    levels, unexplained = [1.0] * len(observations), [1.0] * len(observations)
    units = [unit(o) for o in observations]
    for name in sorted(set(units)):
        held = [i for i, other in enumerate(units) if other == name]
        rest = [o for o, other in zip(observations, units, strict=True) if other != name and o.fit]
        effects, left = effects_and_residuals(rest)
        asked = [observations[i] for i in held]
        shifts, shares = carried_over(rest, left, asked) if near else (np.zeros(len(held)), np.ones(len(held)))
        for i, shift, share in zip(held, shifts, shares, strict=True):
            levels[i] = level_of(effects, observations[i].effects, float(shift))
            unexplained[i] = float(share)
    return levels, unexplained


def left_out_levels(
    observations: Sequence[Observation], unit: Callable[[Observation], str] = _source, *, near: bool = True
) -> list[float]:
    """The levels of ``left_out``."""
    return left_out(observations, unit, near=near)[0]


def effects_and_residuals(observations: Sequence[Observation]) -> tuple[dict[str, float], list[float]]:
    """Effects as a platform carries them, and the logarithm of what each observation leaves over them."""
    effects = {EFFECT + name: value for name, value in fit_effects(observations).items()}
    return effects, [math.log(o.ratio / level_of(effects, o.effects)) for o in observations]


def calibrate_training(observations: Sequence[Observation]) -> TrainingCalibration:
    """Fit the effects on all observations, and the intervals and the error with whole sources left out in turn."""
    levels, unexplained = left_out(observations)
    residuals = [math.log(o.ratio / level) for o, level in zip(observations, levels, strict=True)]
    spread = fit_spread(residuals, unexplained, [o.family for o in observations], [o.group for o in observations])
    per_group: dict[str, list[float]] = {}
    for o, level in zip(observations, levels, strict=True):
        per_group.setdefault(o.group, []).append(abs(level / o.ratio - 1.0))
    errors = [float(np.mean(v)) for v in per_group.values()]
    error = {"mean": float(np.mean(errors)), "median": float(np.median(errors))} if errors else {}
    used = tuple(sorted({o.source for o in observations if o.fit}))
    effects = fit_effects(observations)
    _, left = effects_and_residuals(observations)
    return TrainingCalibration(effects, spread, used, error, neighbours=fit_neighbours(observations, left))


def calibration_yaml(calibration: TrainingCalibration) -> str:
    """The text of ``catalog/calibration/training.yaml``."""
    data = {
        "training": {
            "effects": {name: round(value, 4) for name, value in sorted(calibration.effects.items())},
            "spread": {
                "knots": [[round(x, 4) for x in knot] for knot in calibration.spread.knots],
                "families": {name: round(x, 3) for name, x in sorted(calibration.spread.scales.items())},
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
        if _kind(str(name)) not in _SHRINKAGE:
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


def _read_spread(value: object, file: Path, problems: list[Problem]) -> SpreadTable:
    where = "training.spread"
    if not isinstance(value, dict):
        problems.append(Problem("must be a mapping of knots and families", file=str(file), path=where))
        return SpreadTable()
    knots = []
    for i, knot in enumerate(value.get("knots") or []):
        path = f"{where}.knots[{i}]"
        if not isinstance(knot, list) or len(knot) != 3:
            problems.append(Problem("must be three numbers: unexplained share, low, high", file=str(file), path=path))
            continue
        share = _number(knot[0], 0.0, 1.0, path, file, problems)
        low, high = _number(knot[1], -3.0, 0.0, path, file, problems), _number(knot[2], 0.0, 3.0, path, file, problems)
        knots.append((share, low, high))
    if knots != sorted(knots):
        problems.append(Problem("must ascend by unexplained share", file=str(file), path=f"{where}.knots"))
    scales = {
        str(name): _number(x, 0.05, 20.0, f"{where}.families.{name}", file, problems)
        for name, x in dict(value.get("families") or {}).items()
    }
    return SpreadTable(tuple(knots), scales)


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
