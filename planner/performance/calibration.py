"""Calibrated levels: read from the catalog folder, and fitted from measurements.

What is fitted is little and physical: one speed factor per (chip family, framework profile), a multiplier on what the
matrix units and fused kernels sustain, shrunk to the family's and to the profile's own level and bounded. Shapes
(laws, tiers, schedules) are not fitted here.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from planner.catalog.load import catalog_folder
from planner.catalog.records import Chip
from planner.errors import InputError, Problem

BOUNDS = (0.35, 1.35)
"""A speed factor outside of this is a mechanism that is missing, not a level."""


@dataclass(frozen=True)
class TrainingCalibration:
    """What ``catalog/calibration/training.yaml`` holds.

    ``families``: parameter by family (``speed``, ``speed.<profile>``, ``low80``, ``high80``, ``low80.<profile>``);
    ``everything``: the same for families without rows.
    """

    families: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    everything: Mapping[str, float] = field(default_factory=dict)

    def efficiency(self, family: str) -> dict[str, float]:
        """Parameters of a family over those of all families."""
        return {**self.everything, **self.families.get(family, {})}


def _numbers(value: object, path: str, file: Path, problems: list[Problem]) -> dict[str, float]:
    if not isinstance(value, dict):
        problems.append(Problem("must be a mapping of names to numbers", file=str(file), path=path))
        return {}
    result: dict[str, float] = {}
    for name, number in value.items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0.0 < float(number) < 100.0:
            problems.append(
                Problem("must be a number between 0 and 100", file=str(file), path=f"{path}.{name}", found=str(number))
            )
            continue
        result[str(name)] = float(number)
    return result


def read_training_calibration(file: Path) -> TrainingCalibration:
    """The calibration in a file; an absent file is no calibration. Raises ``InputError`` on one that is malformed."""
    if not file.is_file():
        return TrainingCalibration()
    try:
        data: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(Problem(f"not valid YAML: {error}", file=str(file))) from error
    problems: list[Problem] = []
    training = data.get("training") if isinstance(data, dict) else None
    if not isinstance(training, dict):
        raise InputError(Problem("has no mapping 'training'", file=str(file)))
    families = {
        str(name): _numbers(value, f"training.families.{name}", file, problems)
        for name, value in (training.get("families") or {}).items()
    }
    everything = _numbers(training.get("everything") or {}, "training.everything", file, problems)
    if problems:
        raise InputError(problems)
    return TrainingCalibration(families, everything)


@functools.cache
def shipped_training_calibration() -> TrainingCalibration:
    """The calibration that comes with the planner (read once; it never changes while a program runs)."""
    return read_training_calibration(catalog_folder() / "calibration" / "training.yaml")


def efficiency_of(chip: Chip, family: str, calibration: TrainingCalibration | None = None) -> dict[str, float]:
    """What a platform carries of a chip: the family's calibrated parameters."""
    found = shipped_training_calibration() if calibration is None else calibration
    return {**measured_rates(chip), **found.efficiency(family)}


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
