"""Logs in the form that the tools write them: what is read out of each, and what is asked for by name.

Forms: Megatron-LM at commit 000c4ac (``training_log``, ``print_args``), torchtitan 0.2 (``MetricsProcessor.log``, with
its colours), GenAI-Perf 0.0.13 (``profile_export_genai_perf.json``), LoadGen of MLPerf inference v5.1, mllog of MLPerf
training v5.1. Figures are made up.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner.errors import InputError
from planner.validation.own.readers import cells_of

RUN = {"model": "llama-3.1-8b", "chip": "h100_sxm", "n_chips": "8"}


def _megatron(steps: int) -> str:
    arguments = {
        "bf16": "True", "context_parallel_size": "1", "data_parallel_size": "2", "expert_model_parallel_size": "1",
        "fp8": "hybrid", "global_batch_size": "128", "micro_batch_size": "1", "pipeline_model_parallel_size": "2",
        "recompute_granularity": "selective", "seq_length": "8192", "sequence_parallel": "True",
        "tensor_model_parallel_size": "2", "use_distributed_optimizer": "True",
        "virtual_pipeline_model_parallel_size": "None", "world_size": "8",
    }  # fmt: skip
    lines = ["------------------------ arguments ------------------------"]
    lines += [f"  {name} {'.' * (48 - len(name))} {value}" for name, value in arguments.items()]
    lines += ["-------------------- end of arguments ---------------------"]
    for i in range(1, steps + 1):
        took = 40_000.0 if i == 1 else 5_400.0 if i % 2 else 5_600.0
        lines.append(
            f" [2026-03-01 10:{i:02d}:00] iteration {i:8d}/{500:8d} | consumed samples: {i * 128:12d} |"
            f" elapsed time per iteration (ms): {took:.1f} | throughput per GPU (TFLOP/s/GPU): {450.0:.1f} |"
            f" learning rate: {3e-4:.6E} | global batch size: {128:5d} | lm loss: {9.1:.6E} | loss scale: 1.0 |"
            f" grad norm: 1.000 | number of skipped iterations:   0 | number of nan iterations:   0 |"
        )
    return "\n".join(lines) + "\n"


def _torchtitan() -> str:
    start = "[rank0]:[titan] 2026-02-03 10:00:00,000 - root - INFO - "
    return "".join(
        f"{start}\x1b[31mstep: {i:2}  \x1b[32mloss: {8.1:8.5f}  \x1b[38;2;180;60;0mgrad_norm: {1.2:7.4f}  "
        f"\x1b[38;2;54;234;195mmemory: {47.48:5.2f}GiB(49.97%)  \x1b[34mtps: {900 if i == 1 else 7_510:,}  "
        f"\x1b[36mtflops: {402.3:,.2f}  \x1b[35mmfu: 40.68%\x1b[39m\n"
        for i in range(1, 31)
    )


SUMMARY = """================================================
MLPerf Results Summary
================================================
SUT name : llama2-70b-Server-SUT
Scenario : Server
Mode     : PerformanceOnly
Completed samples per second    : 100.00
Completed tokens per second: 29400.00
Result is : VALID
  Performance constraints satisfied : Yes
  Min duration satisfied : Yes
  Min queries satisfied : Yes
  Early stopping satisfied: Yes
TTFT Early Stopping Result:
 * Run successful.
TPOT Early Stopping Result:
 * Run successful.

================================================
Additional Stats
================================================
Scheduled samples per second : 101.30
Mean latency (ns)               : 17499356575

Completed tokens per second                 : 29400.00
Mean First Token latency (ns)               : 200849949
99.00 percentile first token latency (ns)   : 674674289

Mean Time per Output Token (ns)               : 61403731

================================================
Test Parameters Used
================================================
samples_per_query : 24576
target_qps : 101.3

No warnings encountered during test.

No errors encountered during test.
"""


def _mllog(step: float | None) -> str:
    def line(key: str, value: object, ms: float, kind: str = "POINT_IN_TIME", **about: object) -> str:
        event = {
            "namespace": "", "time_ms": int(ms), "event_type": kind, "key": key, "value": value,
            "metadata": {"file": "/workspace/llm/custom_callbacks.py", "lineno": 161, **about},
        }  # fmt: skip
        return f"0: :::MLLOG {json.dumps(event)}\n"

    text = "GCC 11\n" + line("submission_benchmark", "llama31_8b", 0) + line("global_batch_size", 32, 1)
    for i in range(3):
        begin = 1_000_000 + i * 40_000
        text += line("block_start", None, begin, "INTERVAL_START", samples_count=i * 12_288)
        if step is not None:
            text += line("tracked_stats", {"train_step_time": step, "reduced_train_loss": 5.0}, begin, samples_count=1)
        text += line("block_stop", None, begin + 38_400, "INTERVAL_END", samples_count=(i + 1) * 12_288)
    return text


GENAI = {
    "request_throughput": {"unit": "requests/sec", "avg": 2.5},
    "request_latency": {"unit": "ms", "avg": 12000.0, "p50": 11900.0},
    "time_to_first_token": {"unit": "ms", "avg": 210.5, "p99": 400.0},
    "inter_token_latency": {"unit": "ms", "avg": 23.25, "p99": 30.0},
    "output_token_throughput": {"unit": "tokens/sec", "avg": 1000.0},
    "output_token_throughput_per_user": {"unit": "tokens/sec/user", "avg": 43.0},
    "output_sequence_length": {"unit": "tokens", "avg": 400.0},
    "input_sequence_length": {"unit": "tokens", "avg": 2000.0},
    "input_config": {
        "model_names": ["llama-3.1-70b"], "backend": "vllm", "endpoint_type": "chat",
        "perf_analyzer": {"stimulus": {"concurrency": 32}},
    },
}  # fmt: skip


def read(folder: Path, name: str, text: str, **row: str) -> dict[str, str]:
    """What a row says once its log is read."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return cells_of(file, row, 2, "runs.csv")


def test_megatron_says_its_layout_and_its_steps(tmp_path: Path) -> None:
    found = read(tmp_path, "megatron.log", _megatron(50), model="llama-3.1-8b", chip="h100_sxm")
    assert float(found["step_time_s"]) in (5.4, 5.5, 5.6)  # the middle of what is warm, the first step not in it
    wanted = {
        "n_chips": "8", "tp": "2", "pp": "2", "dp": "2", "cp": "1", "ep": "1", "micro_batch": "1", "sp": "1",
        "global_batch": "128", "seq_len": "8192", "precision": "fp8", "recompute": "selective",
        "zero_stage_or_fsdp": "zero-1", "model_tflops_per_chip": "450",
    }  # fmt: skip
    assert {name: found.get(name) for name in wanted} == wanted
    assert "vpp" not in found
    assert read(tmp_path, "megatron.log", _megatron(50), **RUN, tp="4")["tp"] == "4", "the row has the last word"


def test_torchtitan_says_tokens_of_a_device(tmp_path: Path) -> None:
    found = read(tmp_path, "out.txt", _torchtitan(), **RUN, seq_len="8192", global_batch="16")
    assert found["tokens_per_s_per_chip"] == "7510"
    assert found["peak_memory_gib"] == "47.48"
    with pytest.raises(InputError, match="seq_len, global_batch"):
        read(tmp_path, "out.txt", _torchtitan(), **RUN)


def test_genai_perf_says_load_and_latencies(tmp_path: Path) -> None:
    found = read(tmp_path, "profile_export_genai_perf.json", json.dumps(GENAI), chip="h200_sxm", n_chips="4")
    assert found["model"] == "llama-3.1-70b"
    assert (found["isl"], found["osl"], found["concurrency_or_batch"]) == ("2000", "400", "32")
    assert (found["output_tok_s_per_chip"], found["tpot_ms"], found["ttft_ms"]) == ("250", "23.25", "210.5")
    old = {**GENAI, "inter_token_latency": {"unit": "ns", "avg": "23250000.0"}, "input_config": {"concurrency": 8}}
    found = read(tmp_path, "old.json", json.dumps(old), chip="h200_sxm", n_chips="4", model="llama-3.1-70b")
    assert (found["tpot_ms"], found["concurrency_or_batch"]) == ("23.25", "8")


def test_a_folder_of_mlperf_inference(tmp_path: Path) -> None:
    read(tmp_path, "run_1/mlperf_log_summary.txt", SUMMARY, chip="h200_sxm", n_chips="8", model="m", isl="294")
    found = cells_of(tmp_path, {"chip": "h200_sxm", "n_chips": "8", "model": "m", "isl": "294"}, 2, "runs.csv")
    assert (found["output_tok_s_per_chip"], found["osl"], found["scenario"]) == ("3675", "294", "online")
    assert float(found["tpot_ms"]) == pytest.approx(61.403731)
    assert float(found["ttft_ms"]) == pytest.approx(200.849949)
    offline = SUMMARY.replace("Scenario : Server", "Scenario : Offline").replace("Completed ", "")
    found = read(tmp_path, "o/mlperf_log_summary.txt", offline, chip="h200_sxm", n_chips="8", model="m", isl="294")
    assert found["scenario"] == "max_throughput"
    assert "tpot_ms" not in found
    with pytest.raises(InputError, match="INVALID"):
        read(tmp_path, "bad.txt", SUMMARY.replace(": VALID", ": INVALID"), chip="h200_sxm", n_chips="8")


@pytest.mark.parametrize(("step", "seconds"), [(0.25, 0.25), (None, 0.1)])
def test_a_folder_of_mlperf_training(step: float | None, seconds: float, tmp_path: Path) -> None:
    """Logged step times count; without them blocks: 12,288 samples in 38.4 s are 32 in a tenth of a second."""
    row = {**RUN, "seq_len": "8192"}
    for i in range(3):
        (tmp_path / f"result_{i}.txt").write_text(_mllog(step), encoding="utf-8")
    found = cells_of(tmp_path, row, 2, "runs.csv")
    assert float(found["step_time_s"]) == pytest.approx(seconds)
    assert found["global_batch"] == "32"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no log that is known"), ("hello\n", "no log that is known"), ("{", "cannot be read"),
        ("[1]", "no JSON object"), (":::MLLOG {}\n", "cannot be timed"), ("{}", "it lacks completed"),
    ],
)  # fmt: skip
def test_what_is_no_log_is_said(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        read(tmp_path, "x.log", text, **RUN)
