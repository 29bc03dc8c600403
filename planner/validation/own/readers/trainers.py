"""Logs of training programs, as cells of a row of measurements.

Megatron-LM (Core 0.5 to 0.14, commit 000c4ac; Megatron-Bridge logs the same lines): the arguments that it prints when
it starts, and a line an iteration with its milliseconds. torchtitan (0.1 to 0.2): a line a step with tokens per second
of a device. Times are medians once the run is warm.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from planner.validation.own.readers.common import Reading, UnreadableError, cells, number, settled

_ITERATION = re.compile(r"iteration\s+(\d+)/\s*\d+ \|(.*)")
_ELAPSED = re.compile(r"elapsed time per iteration \(ms\):\s*([\d.]+)")
_BATCH = re.compile(r"global batch size:\s*(\d+)")
_FLOPS = re.compile(r"throughput per GPU \(TFLOP/s/GPU\):\s*([\d.]+)")
_ARGUMENT = re.compile(r"^(?:\S*:\s)?\s*(\w+) \.{2,} (.+?)\s*$", re.MULTILINE)
_STEP = re.compile(r"step:\s*(\d+)\s.*?\b(?:tps|wps):\s*([\d,]+)")
_MEMORY = re.compile(r"memory:\s*([\d.]+)GiB")
_COUNTS: Mapping[str, str] = {
    "n_chips": "world_size", "tp": "tensor_model_parallel_size", "pp": "pipeline_model_parallel_size",
    "cp": "context_parallel_size", "ep": "expert_model_parallel_size", "dp": "data_parallel_size",
    "vpp": "virtual_pipeline_model_parallel_size", "micro_batch": "micro_batch_size",
    "global_batch": "global_batch_size", "seq_len": "seq_length",
}  # fmt: skip
_NONE = ("None", "False", "0", "")


def is_megatron(text: str) -> bool:
    """Whether it is a log of Megatron's."""
    return _ELAPSED.search(text) is not None


def megatron_cells(text: str, row: Mapping[str, str]) -> Reading:
    """Step time, batch, and the layout where its arguments were printed. Raises ``UnreadableError``."""
    times, flops, batches = [], [], []
    for _, fields in _ITERATION.findall(text):
        elapsed = _ELAPSED.search(fields)
        if elapsed is None:
            continue
        times.append(float(elapsed[1]) / 1e3)
        batch, told = _BATCH.search(fields), _FLOPS.search(fields)
        batches += [float(batch[1])] if batch else []
        flops += [float(told[1])] if told else []
    if not times:
        raise UnreadableError("is a log of Megatron-LM without an iteration in it")
    given = dict(_ARGUMENT.findall(text))
    found = {column: number(given.get(name)) for column, name in _COUNTS.items()}
    if batches:
        found["global_batch"] = batches[-1]
    return Reading(
        "Megatron-LM",
        True,
        cells(
            {
                **found,
                "step_time_s": settled(times),
                "model_tflops_per_chip": settled(flops) if flops else None,
                "framework": "Megatron-Core",
                **(_switches(given) if given else {}),
            }
        ),
    )


def _switches(given: Mapping[str, str]) -> dict[str, str]:
    fp8 = given.get("fp8") or given.get("fp8_format") or "None"
    fp4 = given.get("fp4") or given.get("fp4_format") or "None"
    precision = "fp4" if fp4 not in _NONE else "fp8" if fp8 not in _NONE else "bf16"
    if given.get("fp8_recipe") == "mxfp8" and precision == "fp8":
        precision = "mxfp8"
    recompute = given.get("recompute_granularity", "None")
    stage = {"optim_grads": "zero-2", "optim_grads_params": "zero-3", "optim": "zero-1"}
    sharded = stage.get(given.get("data_parallel_sharding_strategy", ""), "")
    fsdp = given.get("use_megatron_fsdp", "False") not in _NONE
    return {
        "precision": precision,
        "sp": "1" if given.get("sequence_parallel") == "True" else "0",
        "recompute": "none" if recompute in _NONE else recompute,
        "zero_stage_or_fsdp": sharded if fsdp and sharded else
        "zero-1" if given.get("use_distributed_optimizer") == "True" else "none",
    }  # fmt: skip


def is_torchtitan(text: str) -> bool:
    """Whether it is a log of torchtitan's."""
    return _STEP.search(text) is not None


def torchtitan_cells(text: str, row: Mapping[str, str]) -> Reading:
    """Tokens/s of a device, and the most memory that it reserved."""
    steps: dict[int, float] = {}
    for step, rate in _STEP.findall(text):  # every rank may print its own: the last of a step counts
        steps[int(step)] = float(rate.replace(",", ""))
    memory = [float(m) for m in _MEMORY.findall(text)]
    told = {
        "tokens_per_s_per_chip": settled([steps[k] for k in sorted(steps)]),
        "peak_memory_gib": max(memory) if memory else None,
        "framework": "torchtitan (PyTorch)",
    }
    return Reading("torchtitan", True, cells(told))
