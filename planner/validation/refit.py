"""Both calibrations from the carried measurements, written where they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from planner.answer.plan import write_text
from planner.catalog import Catalog
from planner.catalog.load import catalog_folder
from planner.performance.measured.calibration import calibration_yaml as training_yaml
from planner.performance.measured.levels_file import levels_csv
from planner.performance.measured.neighbours import neighbours_csv
from planner.performance.serving.profile import levels_file
from planner.validation.cases import read_cases
from planner.validation.serving.cut_table import ALL, chip_orders, cut_rows, cuts_csv
from planner.validation.serving.fit import calibrate_serving
from planner.validation.serving.fit import calibration_yaml as serving_yaml
from planner.validation.training.calibrate import calibrate


def refit(catalog: Catalog, out: Path | None, *, serving_seconds: float = 600.0) -> Iterator[str]:
    """Refit training (seconds) and serving (``serving_seconds`` and some minutes); yields a line each.

    ``out``: folder for ``training.yaml``, ``training_runs.csv``, ``serving.yaml``, ``serving_levels.csv`` and
    ``serving_left_out.csv``; None: the catalog's own
    ``calibration`` folder. Raises ``InputError`` when it cannot be written.
    """
    base = catalog_folder()
    folder = out if out is not None else base / "calibration"
    training = calibrate(read_cases(base / "measurements" / "training.csv"), catalog)
    write_text(folder / "training.yaml", training_yaml(training))
    write_text(folder / "training_runs.csv", neighbours_csv(training.neighbours))
    error = training.error
    yield (
        f"training: {len(training.effects)} effects and {training.neighbours.count} runs from "
        f"{len(training.sources)} sources; left-out error "
        f"{error.get('mean', 0.0):.1%} mean, {error.get('median', 0.0):.1%} median; {folder / 'training.yaml'}"
    )
    cases = read_cases(base / "measurements" / "serving.csv")
    serving, seen = calibrate_serving(cases, catalog, seconds=serving_seconds)
    rows = cut_rows(seen, serving)
    write_text(folder / "serving.yaml", serving_yaml(serving))
    write_text(levels_file(folder / "serving.yaml"), levels_csv(serving.levels))
    write_text(folder / "serving_left_out.csv", cuts_csv(rows, chip_orders(seen)))
    errors = ", ".join(f"{r.cut} {r.median:.1%}" for r in rows if r.unit == ALL and r.quantity == "tpot")
    yield (
        f"serving: {len(serving.families)} families, {len(serving.engines)} engines, {len(serving.pace.effects)}"
        f" levels; median error of TPOT left out by {errors}; {folder / 'serving.yaml'}"
    )
