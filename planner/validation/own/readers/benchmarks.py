"""Results that load generators write, as cells of a row of measurements.

vLLM 0.6 to 0.33 (``vllm bench serve --save-result``: one JSON object), SGLang 0.4 to 0.5.23 (``sglang.bench_serving
--output-file``: a JSON object a line, the last one counts), GenAI-Perf 0.0.5 to 0.0.16 and AIPerf 0.8
(``profile_export_genai_perf.json``, ``profile_export_aiperf.json``: a mapping of statistics for each metric). All say
how many tokens went in and out, how many requests were in flight, and how long it took; on which chips, how many, in
which layout and precision they do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.validation.own.readers.common import Reading, UnreadableError, cells, chips_of, number

NEEDED = ("completed", "total_input_tokens", "total_output_tokens", "output_throughput")
_MS: Mapping[str, float] = {"ms": 1.0, "ns": 1e-6, "us": 1e-3, "s": 1e3, "sec": 1e3}


def benchmark_cells(data: Mapping[str, Any], row: Mapping[str, str]) -> Reading:
    """What a load generator's result says. Raises ``UnreadableError``."""
    if isinstance(data.get("output_token_throughput"), Mapping):
        return _genai_perf(data, row)
    missing = [name for name in NEEDED if not number(data.get(name))]
    if missing:
        raise UnreadableError(
            f"is no result of vLLM's, SGLang's or GenAI-Perf's benchmark: it lacks {', '.join(missing)}"
        )
    done = number(data["completed"]) or 1.0
    backend = str(data.get("backend") or data.get("endpoint_type") or "").lower()
    engine = "SGLang" if backend.startswith("sglang") else "vLLM" if "vllm" in backend or "openai" in backend else ""
    told = {
        "framework": engine,
        "model": str(data.get("model_id") or data.get("model") or ""),
        "isl": (number(data["total_input_tokens"]) or 0.0) / done,
        "osl": (number(data["total_output_tokens"]) or 0.0) / done,
        "concurrency_or_batch": number(data.get("max_concurrency")) or number(data.get("concurrency")),
        "scenario": "online",
        "output_tok_s_per_chip": (number(data["output_throughput"]) or 0.0) / chips_of(row),
        "tpot_ms": number(data.get("mean_tpot_ms")),
        "ttft_ms": number(data.get("mean_ttft_ms")),
        "year": str(data.get("date") or "")[:4],
    }
    return Reading(engine or "a load generator", False, cells(told))


def _genai_perf(data: Mapping[str, Any], row: Mapping[str, str]) -> Reading:
    asked: Mapping[str, Any] = data.get("input_config") or {}
    models = asked.get("model_names") or asked.get("model") or ""
    endpoint = asked.get("endpoint")
    if not models and isinstance(endpoint, Mapping):  # AIPerf: the configuration in groups
        models = endpoint.get("model_names") or ""
    model = models if isinstance(models, str) else next(iter(models), "")
    rate = number(_average(data, "output_token_throughput"))
    if not rate:
        raise UnreadableError("is a result of GenAI-Perf without output_token_throughput")
    told = {
        "model": str(model),
        "framework": {"vllm": "vLLM", "tensorrtllm": "TensorRT-LLM"}.get(str(asked.get("backend") or "").lower(), ""),
        "isl": number(_average(data, "input_sequence_length")) or number(_average(data, "num_input_token")),
        "osl": number(_average(data, "output_sequence_length")) or number(_average(data, "num_output_token")),
        "concurrency_or_batch": _concurrency(asked),
        "scenario": "online",
        "output_tok_s_per_chip": rate / chips_of(row),
        "tpot_ms": _ms(data, "inter_token_latency"),
        "ttft_ms": _ms(data, "time_to_first_token"),
        "year": str(data.get("start_time") or "")[:4],
    }
    return Reading("GenAI-Perf", False, cells(told))


def _average(data: Mapping[str, Any], name: str) -> object:
    metric = data.get(name)
    return metric.get("avg") if isinstance(metric, Mapping) else None


def _ms(data: Mapping[str, Any], name: str) -> float | None:
    value = number(_average(data, name))
    unit = str(data[name].get("unit") or "ms") if value else "ms"
    return None if value is None else value * _MS.get(unit, 1.0)


def _concurrency(asked: Mapping[str, Any]) -> float | None:
    """Requests in flight, wherever a release puts them: of the first level, of perf_analyzer's stimulus, of loadgen."""
    for group in (asked, (asked.get("perf_analyzer") or {}).get("stimulus"), asked.get("loadgen")):
        if isinstance(group, Mapping) and number(group.get("concurrency")):
            return number(group["concurrency"])
    return None
