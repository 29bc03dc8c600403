"""Published measurements as cases, and predictions beside them as results: what training and serving share."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from planner.errors import InputError, Problem

MAX_BYTES = 64 * 1024 * 1024
MOST_CASES = 50_000
MOST_PROBLEMS = 100
"""Said at once; a file with more is wrong for one reason."""


WHOLE = (
    "n_chips", "chips_per_node", "tp", "pp", "vpp", "dp", "ep", "cp", "micro_batch", "global_batch", "seq_len",
    "layers", "hidden", "ffn_hidden", "moe_ffn_hidden", "heads", "kv_heads", "head_dim", "vocab", "experts",
    "experts_per_token", "prefill_chips", "decode_chips", "year",
)  # fmt: skip
"""Columns of counts: a cell is blank or a whole number of 1 or more."""
SWITCHES = ("sp",)
"""Columns of what is on or off: a cell is blank, 0 or 1."""
LARGEST = 1e9
"""No count or size is larger."""
SIZES = ("params_b", "active_params_b", "isl", "osl", "concurrency_or_batch", "request_rate_qps")
"""Columns of sizes and loads: a cell is blank or a number above 0."""
FIGURES = (
    "step_time_s", "tokens_per_s_per_chip", "model_tflops_per_chip", "mfu", "peak_memory_gib", "total_time_h",
    "total_tokens_b", "output_tok_s_total", "output_tok_s_per_chip", "input_tok_s_per_chip", "total_tok_s_per_chip",
    "ttft_ms", "tpot_ms", "power_w_per_chip",
)  # fmt: skip
"""Columns of measurements: a cell is blank or a number."""


WORDS = (
    "source_title", "source_kind", "model", "architecture", "chip", "framework", "framework_version",
    "weight_precision", "kv_precision", "precision", "disaggregated", "scenario", "zero_stage_or_fsdp", "recompute",
    "notes",
)  # fmt: skip
"""Columns of words."""


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
    def impossible(self) -> str:
        """What no run can have, in words: a count below 1, a size that is no number; empty where all is well."""
        for columns, words, read in (
            (WHOLE, "a whole number from 1", self.whole),
            (SIZES, "above 0", self.number),
        ):
            for column in columns:
                cell, value = self.text(column), read(column)
                if cell and (value is None or not 0 < value <= LARGEST):
                    return f"{column} is {cell[:40]!r}; allowed: {words} to {LARGEST:.0e}, blank where nothing is said"
        for column in SWITCHES:
            if self.text(column) not in {"", "0", "1"}:
                return f"{column} is {self.text(column)[:40]!r}; allowed: 0, 1, blank where nothing is said"
        return ""

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


def read_cases(path: Path, *, numbered: bool = False) -> tuple[Case, ...]:
    """The cases of a CSV file with a header line. Raises ``InputError`` naming every row that cannot be read.

    ``numbered``: rows without a case_id are called by their line.
    """
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
            if "case_id" not in header and not numbered:
                raise InputError(Problem("has no column case_id", file=str(path), line=1, found=", ".join(header[:8])))
            for row in reader:
                line = reader.line_num
                if len(cases) >= MOST_CASES or len(problems) > MOST_PROBLEMS:
                    what = f"more than {MOST_CASES} cases" if len(cases) >= MOST_CASES else "reading stopped here"
                    problems.append(Problem(what, file=str(path), line=line))
                    break
                if None in row:
                    problems.append(Problem("has more cells than the header", file=str(path), line=line))
                    continue
                cells = {name.strip(): (value or "").strip() for name, value in row.items() if name}
                if numbered:  # most columns are optional: what is not there is not said
                    cells = {**dict.fromkeys(WORDS, ""), **cells, "case_id": cells.get("case_id") or f"line {line}"}
                case_id = cells.get("case_id", "")
                if not case_id or case_id in seen:
                    word = "repeats" if case_id else "has no"
                    problems.append(Problem(f"{word} case_id", file=str(path), line=line, found=case_id))
                    continue
                seen.add(case_id)
                case = Case(case_id, cells, str(path), line)
                problems += _no_figures(case)
                cases.append(case)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(Problem(f"not a CSV file in UTF-8: {error}", file=str(path))) from error
    if problems:
        raise InputError(problems)
    return tuple(cases)


def _no_figures(case: Case) -> list[Problem]:
    """Measurements that are no numbers: nothing could be said of them."""
    return [
        Problem("is no number", file=case.file, line=case.line, path=column, found=case.text(column),
                allowed="a number, or blank where the source does not say")
        for column in FIGURES
        if case.text(column) and case.number(column) is None
    ]  # fmt: skip


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
