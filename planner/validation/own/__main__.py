"""``python -m planner.validation.own [--training FILE] [--serving FILE]``: what a few rows of a user's own are worth.

Groups that have eight rows or more are left out of the calibration, one to three of their rows come back as a user's
own, and the median error of the rest is printed before and after, with how often the 80% interval held.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median

from planner.catalog import load_catalog
from planner.catalog.load import catalog_folder
from planner.performance.measured.calibration import shipped_training_calibration
from planner.validation.cases import read_cases
from planner.validation.own import serving, training
from planner.validation.own.training import Told
from planner.validation.training.calibrate import answers_of, observations_of

BARS = {("tpot_ms", 3): 0.08, ("tokens/s", 3): 0.09, ("tpot_ms", 1): 0.11, ("step_time_s", 2): 0.05}
"""Largest median error wanted, by quantity and rows known."""


def lines_of(quantity: str, told: Sequence[Told], counts: Sequence[int]) -> list[str]:
    """One line for each number of rows known."""
    found = []
    for known in counts:
        mine = [t for t in told if t.known == known]
        if not mine:
            continue
        after, before = (median(abs(math.expm1(x)) for x in errors)
                         for errors in ([t.error for t in mine], [t.before for t in mine]))  # fmt: skip
        bar = BARS.get((quantity, known))
        wanted = "" if bar is None else f", at most {bar:.0%} wanted"
        groups = len({t.group for t in mine})
        held = fmean(t.held for t in mine)
        found.append(
            f"{quantity:12s} {known} known: median error {after:.1%} ({before:.1%} with none{wanted}),"
            f" interval held {held:.0%}, {groups} groups"
        )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was found."""
    folder = catalog_folder() / "measurements"
    parser = argparse.ArgumentParser(description="What a few measurements of one's own are worth.")
    parser.add_argument("--training", type=Path, default=folder / "training.csv")
    parser.add_argument("--serving", type=Path, default=folder / "serving.csv")
    parser.add_argument("--only", choices=["training", "serving"], default=None)
    chosen = parser.parse_args(arguments)
    catalog, counts = load_catalog(), (1, 2, 3)
    told: dict[str, Sequence[Told]] = {}
    if chosen.only != "training":
        told |= serving.told_by_own(read_cases(chosen.serving), catalog, counts)
    if chosen.only != "serving":
        rows = observations_of(answers_of(read_cases(chosen.training), catalog))
        told["step_time_s"] = training.told_by_own(rows, shipped_training_calibration().spread, counts)
    for quantity, some in told.items():
        sys.stdout.write("\n".join(lines_of(quantity, some, counts)) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
