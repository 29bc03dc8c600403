"""Results that load generators write, as cells of a row of measurements.

vLLM's ``vllm bench serve --save-result`` (one JSON object) and SGLang's ``sglang.bench_serving --output-file`` (a JSON
object a line, the last one counts). Both say how many tokens went in and out, how many requests were in flight, and
how long it took; on which chips, how many, in which layout and precision they do not: the row that names the log says
that.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from planner.errors import InputError, Problem

MAX_BYTES = 256 * 1024 * 1024
"""Detailed results hold every request."""
NEEDED = ("completed", "total_input_tokens", "total_output_tokens", "output_throughput")


def cells_of(path: Path, row: Mapping[str, str], line: int, file: str) -> dict[str, str]:
    """What a log says, for a row that names it (``log``); cells of the row come first.

    Raises ``InputError`` naming the log, and what it lacks.
    """

    def wrong(message: str, **more: str) -> InputError:
        return InputError(Problem(message, file=file, line=line, path="log", found=str(path), **more))

    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        raise wrong("there is no such log, or it is too large")
    try:
        data = _last(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise wrong(f"is no JSON: {error}") from error
    missing = [name for name in NEEDED if not _number(data.get(name))]
    if missing:
        raise wrong(
            f"is no result of vLLM's or SGLang's benchmark: it lacks {', '.join(missing)}",
            allowed="vllm bench serve --save-result, sglang.bench_serving --output-file",
        )
    chips = _number(row.get("n_chips"))
    if not chips:
        raise wrong("says nothing of the chips", allowed="n_chips in the row, beside chip, tp and weight_precision")
    done = _number(data["completed"]) or 1.0
    backend = str(data.get("backend") or data.get("endpoint_type") or "").lower()
    told = {
        "framework": "SGLang"
        if backend.startswith("sglang")
        else "vLLM"
        if "vllm" in backend or "openai" in backend
        else "",
        "model": str(data.get("model_id") or data.get("model") or ""),
        "isl": _number(data["total_input_tokens"]) / done,  # type: ignore[operator]
        "osl": _number(data["total_output_tokens"]) / done,  # type: ignore[operator]
        "concurrency_or_batch": _number(data.get("max_concurrency")) or _number(data.get("concurrency")),
        "scenario": "online",
        "output_tok_s_per_chip": _number(data["output_throughput"]) / chips,  # type: ignore[operator]
        "tpot_ms": _number(data.get("mean_tpot_ms")),
        "ttft_ms": _number(data.get("mean_ttft_ms")),
        "year": str(data.get("date") or "")[:4],
    }
    found = {name: f"{v:.10g}" if isinstance(v, float) else v for name, v in told.items() if v}
    return {**found, **{name: cell for name, cell in row.items() if cell}}


def _last(text: str) -> dict[str, Any]:
    """The one object of a JSON file, or that of the last line."""
    try:
        data = json.loads(text)
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
        if not lines:
            raise
        data = json.loads(lines[-1])
    if isinstance(data, list) and data:
        data = data[-1]
    if not isinstance(data, dict):
        raise ValueError("no object in it")
    return data


def _number(value: object) -> float | None:
    """A number above 0; None for anything else (``inf`` is a rate without end)."""
    try:
        found = float(str(value))
    except ValueError:
        return None
    return found if math.isfinite(found) and found > 0 else None
