"""A row that names a log, with what the log says: found, read, and what is missing asked for by name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from planner.errors import InputError, Problem
from planner.validation.own.readers.benchmarks import benchmark_cells
from planner.validation.own.readers.common import Cells, Reading, UnreadableError, text_of
from planner.validation.own.readers.mlperf import inference_cells, is_inference, is_training, training_cells
from planner.validation.own.readers.trainers import is_megatron, is_torchtitan, megatron_cells, torchtitan_cells

MAX_BYTES = 256 * 1024 * 1024
"""Detailed results hold every request."""
KNOWN = (
    "vllm bench serve --save-result, sglang.bench_serving --output-file, genai-perf and aiperf JSON, Megatron-LM and"
    " torchtitan logs, MLPerf result folders"
)
NEEDED: Mapping[bool, tuple[str, ...]] = {
    True: ("model", "chip", "n_chips", "seq_len", "global_batch"),
    False: ("model", "chip", "n_chips", "isl", "osl"),
}
"""Columns that a row of training (True) or serving must have once its log is read."""


_JSON = re.compile(r'\s*(\{|\[\s*[\[{\d"])')
"""How JSON begins; a line of a log may begin with a bracket too."""


def cells_of(path: Path, row: Mapping[str, str], line: int, file: str) -> Cells:
    """What a log says, for a row that names it (``log``); cells of the row come first.

    Raises ``InputError`` naming the log, and what it lacks.
    """

    def wrong(message: str, allowed: str = "") -> InputError:
        return InputError(Problem(message, file=file, line=line, path="log", found=str(path), allowed=allowed))

    if not path.exists() or (path.is_file() and path.stat().st_size > MAX_BYTES):
        raise wrong("there is no such log, or it is too large")
    try:
        reading = _read(path, row)
    except UnreadableError as error:
        raise wrong(str(error), error.allowed or KNOWN) from error
    except (ValueError, OSError) as error:
        raise wrong(f"cannot be read: {error}", KNOWN) from error
    found = {**reading.cells, **{name: cell for name, cell in row.items() if cell}}
    missing = [name for name in NEEDED[reading.training] if not found.get(name)]
    if missing:
        raise wrong(f"a log of {reading.tool} does not say {', '.join(missing)}", f"{', '.join(missing)} in the row")
    return found


def _read(path: Path, row: Mapping[str, str]) -> Reading:
    if path.is_dir():
        summary = next(iter(sorted(path.rglob("mlperf_log_summary.txt"))), None)
        if summary is not None:
            return inference_cells(text_of(summary), row)
        results = sorted(path.glob("result_*.txt")) or sorted(path.rglob("result_*.txt"))
        if results:
            return training_cells([text_of(p) for p in results], row)
        raise UnreadableError("is a folder without mlperf_log_summary.txt and without result_*.txt")
    text = text_of(path)
    if _JSON.match(text):
        return benchmark_cells(_last_object(text), row)
    for fits, read in (
        (is_training, lambda t, r: training_cells([t], r)),
        (is_inference, inference_cells),
        (is_megatron, megatron_cells),
        (is_torchtitan, torchtitan_cells),
    ):
        if fits(text):
            return read(text, row)
    raise UnreadableError("is no log that is known here")


def _last_object(text: str) -> Mapping[str, object]:
    """The one object of a JSON file, or that of the last line."""
    try:
        data = json.loads(text)
    except ValueError:
        data = json.loads([line for line in text.splitlines() if line.strip()][-1])
    if isinstance(data, list) and data:
        data = data[-1]
    if not isinstance(data, dict):
        raise UnreadableError("has no JSON object in it")
    return data
