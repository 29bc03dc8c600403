"""Result folders of MLPerf, as cells of a row of measurements.

Inference: LoadGen's ``mlperf_log_summary.txt`` (v3.1 to v6.0, with token metrics). Training: ``result_*.txt`` with
``:::MLLOG`` lines (v3.0 to v6.0, mlperf_logging): ``train_step_time`` of ``tracked_stats`` where it is logged, else the
time and samples between ``block_start`` and ``block_stop``. Of several files of one system the middle one counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from planner.validation.own.readers.common import Reading, UnreadableError, cells, chips_of, number, settled

_LINE = re.compile(r":::MLLOG (\{.*\})")
_FIGURE = re.compile(r"^\s*([A-Za-z][\w .()]*?)\s*:\s*([\w.+-]+)\s*$", re.MULTILINE)
_NS_PER_MS = 1e6


def is_training(text: str) -> bool:
    """Whether it is a result file of MLPerf Training."""
    return ":::MLLOG" in text


def is_inference(text: str) -> bool:
    """Whether it is LoadGen's summary."""
    return "MLPerf Results Summary" in text


def inference_cells(text: str, row: Mapping[str, str]) -> Reading:
    """Tokens/s of a chip, mean TTFT and TPOT. Raises ``UnreadableError``."""
    told = {name.lower(): value for name, value in _FIGURE.findall(text)}
    if told.get("result is") == "INVALID":
        raise UnreadableError("is a result that LoadGen calls INVALID", "a valid run")
    tokens = number(told.get("completed tokens per second")) or number(told.get("tokens per second"))
    samples = number(told.get("completed samples per second")) or number(told.get("samples per second"))
    if not tokens:
        raise UnreadableError("is a summary of LoadGen without tokens per second: its tokens were not counted")
    ttft, tpot = (
        number(told.get(name)) for name in ("mean first token latency (ns)", "mean time per output token (ns)")
    )
    offline = told.get("scenario", "").lower() == "offline"
    return Reading(
        "MLPerf inference",
        False,
        cells(
            {
                "output_tok_s_per_chip": tokens / chips_of(row),
                "osl": tokens / samples if samples else None,
                "ttft_ms": None if ttft is None or offline else ttft / _NS_PER_MS,
                "tpot_ms": None if tpot is None or offline else tpot / _NS_PER_MS,
                "scenario": "max_throughput" if offline else "online",
            }
        ),
    )


def training_cells(texts: Sequence[str], row: Mapping[str, str]) -> Reading:
    """Step time and batch. Raises ``UnreadableError`` where no file has them."""
    found = [_steps(list(_events(text))) for text in texts]
    known = [x for x in found if x is not None]
    if not known:
        raise UnreadableError(
            "has neither train_step_time nor blocks of samples: its steps cannot be timed", "result files of MLPerf"
        )
    return Reading(
        "MLPerf training", True,
        cells({"step_time_s": median(t for t, _ in known), "global_batch": known[0][1], "framework": "mlperf"}),
    )  # fmt: skip


def _events(text: str) -> Iterator[Mapping[str, Any]]:
    for found in _LINE.findall(text):
        try:
            event = json.loads(found)
        except ValueError:
            continue  # ranks may write into each other's lines
        if isinstance(event, dict):
            yield event


def _steps(events: Sequence[Mapping[str, Any]]) -> tuple[float, float] | None:
    """(seconds of a step, samples of a step)."""
    batch = next((number(e.get("value")) for e in events if e.get("key") == "global_batch_size"), None)
    if batch is None:
        return None
    logged = [
        seconds
        for e in events
        if e.get("key") == "tracked_stats" and isinstance(e.get("value"), dict)
        for name in ("train_step_time", "train_step_timing")
        if (seconds := number(e["value"].get(name)))
    ]
    if logged:
        return settled(logged), batch
    times: list[float] = []
    began: tuple[float, float] | None = None
    for e in events:
        about = e.get("metadata") or {}
        at = about.get("samples_count", about.get("epoch_num"))
        if not isinstance(at, int | float) or e.get("key") not in ("block_start", "block_stop"):
            continue
        if e["key"] == "block_start":
            began = (float(e["time_ms"]), float(at))
        elif began is not None and at > began[1]:
            times.append((float(e["time_ms"]) - began[0]) / 1e3 * batch / (float(at) - began[1]))
            began = None
    return (settled(times), batch) if times else None
