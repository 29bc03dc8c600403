"""Published measurements as cases, and predictions beside them as results: what training and serving share."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from planner.errors import InputError, Problem

MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Case:
    """One row of a table of measurements: its cells by column name, stripped; blank means the source does not say."""

    case_id: str
    cells: Mapping[str, str]
    file: str = ""
    line: int = 0

    def text(self, column: str) -> str:
        """A cell, empty when blank or absent."""
        return self.cells.get(column, "")

    def number(self, column: str) -> float | None:
        """A cell as a number, None when blank or not a finite number."""
        cell = self.cells.get(column, "")
        if not cell:
            return None
        try:
            value = float(cell)
        except ValueError:
            return None
        return value if math.isfinite(value) else None

    def whole(self, column: str) -> int | None:
        """A cell as a whole number, None when blank or not one."""
        value = self.number(column)
        return int(value) if value is not None and value == int(value) else None

    @property
    def source(self) -> str:
        """What is left out together when calibrating: the title of the source."""
        return self.text("source_title") or self.case_id.split("-")[0]


@dataclass(frozen=True)
class CaseResult:
    """A measured quantity of a case and what the planner says; ``predicted`` is None with a ``reason`` otherwise.

    ``low80``, ``high80``: ends of the 80% interval in the quantity's unit. ``baseline``: the one-constant formula's
    answer. ``tags``: source, chip, model, precision and what else a summary groups by. ``assumed``: knobs the source
    leaves out and the default each got.
    """

    case_id: str
    quantity: str
    measured: float
    predicted: float | None
    low80: float | None = None
    high80: float | None = None
    reason: str = ""
    baseline: float | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    assumed: Mapping[str, str] = field(default_factory=dict)

    @property
    def error(self) -> float | None:
        """Signed relative error, predicted/measured - 1."""
        return None if self.predicted is None else self.predicted / self.measured - 1.0

    def to_json(self) -> dict[str, object]:
        """The entry of ``planner validate --json``."""
        return {
            "case_id": self.case_id,
            "quantity": self.quantity,
            "measured": self.measured,
            "predicted": self.predicted,
            "low80": self.low80,
            "high80": self.high80,
            "reason": self.reason,
        }


def read_cases(path: Path) -> tuple[Case, ...]:
    """The cases of a CSV file with a header line. Raises ``InputError`` naming every row that cannot be read."""
    if not path.is_file():
        raise InputError(Problem("file of cases does not exist", file=str(path)))
    if path.stat().st_size > MAX_BYTES:
        raise InputError(Problem(f"file of cases is larger than {MAX_BYTES >> 20} MiB", file=str(path)))
    problems: list[Problem] = []
    cases: list[Case] = []
    seen: set[str] = set()
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle)
            header = [name.strip() for name in reader.fieldnames or []]
            if "case_id" not in header:
                raise InputError(Problem("has no column case_id", file=str(path), line=1, found=", ".join(header[:8])))
            for row in reader:
                line = reader.line_num
                if None in row:
                    problems.append(Problem("has more cells than the header", file=str(path), line=line))
                    continue
                cells = {name.strip(): (value or "").strip() for name, value in row.items() if name}
                case_id = cells.get("case_id", "")
                if not case_id or case_id in seen:
                    word = "repeats" if case_id else "has no"
                    problems.append(Problem(f"{word} case_id", file=str(path), line=line, found=case_id))
                    continue
                seen.add(case_id)
                cases.append(Case(case_id, cells, str(path), line))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(Problem(f"not a CSV file in UTF-8: {error}", file=str(path))) from error
    if problems:
        raise InputError(problems)
    return tuple(cases)


def kind_of(cases: Sequence[Case]) -> str:
    """``training`` or ``serving``: which table the columns belong to. Raises ``InputError`` when they are neither."""
    if not cases:
        return "training"
    columns = set(cases[0].cells)
    if {"seq_len", "global_batch"} & columns:
        return "training"
    if {"input_len", "output_len", "isl", "osl", "concurrency", "output_tok_s_per_chip", "tpot_ms"} & columns:
        return "serving"
    raise InputError(
        Problem(
            "columns are neither of training nor of serving measurements",
            file=cases[0].file,
            line=1,
            found=", ".join(sorted(columns)[:12]),
            allowed="the columns of catalog/measurements/training.csv or serving.csv",
        )
    )


def merged(tables: Iterable[Sequence[CaseResult]]) -> tuple[CaseResult, ...]:
    """Several tables of results as one."""
    return tuple(result for table in tables for result in table)
