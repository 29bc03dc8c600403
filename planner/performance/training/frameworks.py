"""The profile that a framework's published name, its year and its own words about a run stand for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from planner.performance.training.generations import with_mechanisms, without_mechanisms
from planner.performance.training.profile import Profile
from planner.performance.training.stacks import PROFILES

_CLASSIC_UNTIL = 2023  # Megatron-LM's own fused attention became usual in 2024
_UNFUSED_UNTIL = 2022
_FUSED_DISPATCH_FROM = 2026  # of Megatron-Core's own recipes


def _release_of(framework: str) -> tuple[int, int]:
    """Year and month of a release named like NeMo's containers (``26.06``); (0, 0) where there is none."""
    found = re.search(r"\b(2\d)\.(0[1-9]|1[0-2])\b", framework)
    return (2000 + int(found.group(1)), int(found.group(2))) if found else (0, 0)


def profile_for_framework(
    framework: str, year: int | None = None, *, audited: bool = False, gpu: bool = False
) -> Profile:
    """The profile a framework's published name stands for; ``audited``: an MLPerf entry, tuned by hand; ``gpu``: it
    ran on GPUs, where XLA learnt to hide collectives later than on TPUs.

    A profile's own name is that profile: what a user ran may be called what it was planned as.
    """
    if framework in PROFILES:
        return PROFILES[framework]
    low = framework.lower()
    when = year if year is not None else 2024
    classic = when <= _CLASSIC_UNTIL
    release = _release_of(low)
    bridge = "bridge_2606" if release >= (2026, 6) else "bridge_2026" if when >= 2026 else "bridge"
    if (audited or "mlperf" in low) and when >= 2025 and re.search("nemo|megatron|bridge|primus|rocm", low):
        return PROFILES["mlperf_2026" if when >= 2026 else "mlperf"]
    rules: tuple[tuple[tuple[str, ...], str], ...] = (
        (("hai-llm",), "hai_llm"),
        (("megatron-deepspeed",), "megatron_fork" if classic and "habana" not in low else "deepspeed"),
        (("mindspeed", "modellink", "mindformers"), "mindspeed"),
        (("maxtext", "jax", "pax", "t5x", "xla"), "xla_2023" if classic and gpu else "xla"),
        (("neuron", "nxd"), "plain"),
        (("primus", "rocm"), bridge),
        (("nanotron",), "nanotron"),
        (("oneflow",), "megatron_fork"),
        (("ptd-p",), "megatron_classic"),
        (("automodel",), "automodel"),
        (
            ("fsdp", "foundry", "composer", "torchtitan", "olmo", "pytorch", "lit-gpt", "accelerate"),
            "fsdp_2023" if classic else "fsdp",
        ),
        (
            ("deepspeed", "zero", "colossal", "paddle", "opt", "metaseq"),
            "deepspeed_classic" if when <= _UNFUSED_UNTIL else "deepspeed",
        ),
        (("bridge", "mlperf"), bridge),
        (("nemo-megatron",), "megatron_classic" if when <= _UNFUSED_UNTIL else "nemo_2024"),
        (("nemo", "transformer"), "bridge" if when >= 2025 and "core" in low else "nemo_2024"),
        (("megatron-lm",), "megatron_classic" if classic else "mcore"),
        (("megatron",), "megatron_classic" if classic else bridge if when >= _FUSED_DISPATCH_FROM else "mcore"),
    )
    for words, name in rules:
        if any(word in low for word in words):
            return PROFILES[name]
    return PROFILES["default"]


# What a source says of its stack beside the framework's name: the words, mechanisms switched on, and switched off.
_WORDS: tuple[tuple[str, Sequence[str], Sequence[str]], ...] = (
    (r"deepep|hybridep|hybrid-ep", ("fused_dispatch",), ()),
    (r"all-to-all dispatcher|dispatcher=(alltoall|all-to-all)", (), ("fused_dispatch",)),
    (r"all-to-all overlap|ep overlap|overlap_moe_expert_parallel", ("expert_exchange_overlap",), ()),
    (r"cuda_graph=full|full[- _]iteration", ("iteration_graphs",), ()),
    (r"cuda_graph=transformer_engine", (), ("fused_experts", "iteration_graphs")),
)


def with_stated_mechanisms(profile: Profile, words: str) -> Profile:
    """The profile with the mechanisms that a source's words name, without those they rule out."""
    low = words.lower()
    for pattern, on, off in _WORDS:
        if re.search(pattern, low):
            profile = without_mechanisms(with_mechanisms(profile, on), off)
    return replace(profile)


__all__ = ["profile_for_framework", "with_stated_mechanisms"]
