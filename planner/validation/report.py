"""The whole validation: every measured case the planner carries, or a file of a user's own."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from planner.catalog import Catalog, load_catalog
from planner.catalog.load import catalog_folder
from planner.validation.cases import Case, CaseResult, kind_of, merged, read_cases
from planner.validation.summary import overall, summary_json
from planner.validation.training.rows import validate_training

if TYPE_CHECKING:
    import pandas as pd

TRAINING_TAGS = ("source", "chip", "family", "precision", "profile", "chip_family")
SERVING_TAGS = ("source", "chip", "model", "precision", "engine")
TIME_QUANTITIES = ("step_time_s",)

Validator = Callable[[Sequence[Case], Catalog], Sequence[CaseResult]]


@dataclass(frozen=True, repr=False)
class ValidationReport:
    """Results of training and serving rows; ``to_json`` is what ``planner validate --json`` prints."""

    results: tuple[CaseResult, ...]

    def select(self, kind: str, quantity: str = "") -> tuple[CaseResult, ...]:
        """Results of one kind (training, serving), of one quantity where named."""
        return tuple(
            r
            for r in self.results
            if r.tags.get("kind", "training") == kind and (not quantity or r.quantity == quantity)
        )

    def step_times(self, pretraining_only: bool = True) -> tuple[CaseResult, ...]:
        """One result of speed per training row: step time where given, else the rate, else TFLOP/s or hours."""
        order = ("step_time_s", "tokens_per_s_per_chip", "model_tflops_per_chip", "total_time_h")
        best: dict[str, CaseResult] = {}
        for r in self.select("training"):
            if r.quantity not in order or (pretraining_only and r.tags.get("pretraining") == "no"):
                continue
            held = best.get(r.case_id)
            if held is None or order.index(r.quantity) < order.index(held.quantity):
                best[r.case_id] = r
        return tuple(best.values())

    def rows(self) -> list[dict[str, object]]:
        """One row a measured quantity: prediction, interval, error, baseline, then the tags (source, chip, ...)."""
        return [
            {**r.to_json(), "error": r.error, "baseline": r.baseline, **dict(r.tags)} for r in self.results
        ]  # fmt: skip

    def frame(self) -> pd.DataFrame:
        """The same as a pandas frame; ``error`` is signed, predicted / measured - 1."""
        from planner.tables import frame_of

        return frame_of(self.rows())

    def __repr__(self) -> str:
        answered = sum(r.predicted is not None for r in self.results)
        return f"<ValidationReport of {len(self.results)} measured quantities, {answered} predicted>"

    def to_json(self) -> dict[str, object]:
        """``{"cases": [...], "summary": {...}}`` of plain data."""
        summary: dict[str, object] = {}
        training = self.step_times()
        if training:
            summary["training"] = summary_json(training, TRAINING_TAGS)
        memory = self.select("training", "peak_memory_gib")
        if memory:
            summary["training_memory"] = summary_json(memory, ("source", "chip"))
        serving = self.select("serving")
        quantities = sorted({r.quantity for r in serving})
        if serving:
            summary["serving"] = {
                q: summary_json([r for r in serving if r.quantity == q], SERVING_TAGS) for q in quantities
            }
        reasons: dict[str, int] = {}
        for r in self.results:
            if r.predicted is None:
                reasons[r.reason] = reasons.get(r.reason, 0) + 1
        summary["unanswered"] = dict(sorted(reasons.items(), key=lambda item: -item[1]))
        return {"cases": [r.to_json() for r in self.results], "summary": summary}


def _serving_validator() -> Validator | None:
    try:
        module = importlib.import_module("planner.validation.serving.rows")
    except ModuleNotFoundError:
        return None
    found: Validator | None = getattr(module, "validate_serving", None)
    return found


def carried_tables() -> tuple[Path, ...]:
    """The tables of measurements that come with the planner."""
    return tuple(sorted((catalog_folder() / "measurements").glob("*.csv")))


def validate(path: Path | None = None, catalog: Catalog | None = None) -> ValidationReport:
    """Predict every case of a file (or of all tables the planner carries) and put it beside the measurement.

    Raises ``InputError`` when a file cannot be read or is of neither kind.
    """
    ready = load_catalog() if catalog is None else catalog
    tables: list[Sequence[CaseResult]] = []
    for table in (path,) if path is not None else carried_tables():
        cases = read_cases(table)
        if kind_of(cases) == "training":
            tables.append(validate_training(cases, ready))
        else:
            serving = _serving_validator()
            if serving is not None:
                tables.append(serving(cases, ready))
    return ValidationReport(merged(tables))


__all__ = ["ValidationReport", "carried_tables", "overall", "validate"]
