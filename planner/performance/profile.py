"""Framework profiles: how mature a training stack is, as named parameters.

The same chips and model differ by 1.25-1.35x between a plain and a heavily tuned stack, so the stack is part of the
question. A profile is chosen by the framework's name (and, where one name spans eras, its year), never by a result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from planner.errors import unknown_name


@dataclass(frozen=True, slots=True)
class Profile:
    """Parameters of a framework.

    ``flash``: fused attention (otherwise scores, softmax and dropout pass through memory, and nothing is skipped for
    causality). ``memory_passes``: element-wise traffic over that of a fused stack. ``host_s``: seconds of host work
    per layer and pass that computation must exceed. ``*_overlap``: omega, the share of that communication which the
    schedule hides. ``mu``: slow-down while overlapped. ``grad_bytes``: bytes of a gradient as reduced.
    ``reduce_every_micro_batch``: gradients are reduced each micro-batch, not once. ``straggler_cv``: relative spread of
    step times between servers. ``step_s``: seconds of host work per step. ``schedule``: 1f1b, zb_h1 or dualpipe.
    ``fp8_weights``: quantised copies of the weights are kept. ``overhead_gib``: context and libraries on the chip.
    """

    name: str
    flash: bool = True
    memory_passes: float = 1.0
    host_s: float = 0.0
    kernel: float = 1.0
    tp_overlap: float = 0.2
    cp_overlap: float = 0.7
    ep_overlap: float = 0.2
    dp_overlap: float = 0.85
    zero3_overlap: float = 0.85
    p2p_overlap: float = 0.5
    mu: float = 0.03
    grad_bytes: float = 4.0
    reduce_every_micro_batch: bool = False
    straggler_cv: float = 0.006
    step_s: float = 0.01
    schedule: str = "1f1b"
    ep_dispatch_bytes: float = 2.0
    imbalance: float = 1.0
    overhead_gib: float = 2.5
    account_embedding: bool = False


_DEFAULT = Profile("default")

PROFILES: Mapping[str, Profile] = {
    p.name: p
    for p in (
        _DEFAULT,
        # Megatron-Core and what is built on it since 2024: Transformer Engine, NeMo, Megatron-Bridge, MLPerf entries.
        Profile(
            "tuned",
            tp_overlap=0.6,
            ep_overlap=0.4,
            dp_overlap=0.93,
            p2p_overlap=0.8,
            straggler_cv=0.004,
            step_s=0.005,
        ),
        Profile(
            "plain", tp_overlap=0.0, ep_overlap=0.0, dp_overlap=0.0, p2p_overlap=0.0, memory_passes=1.4, host_s=2e-4
        ),
        # Megatron-LM before fused attention, and its forks: SC21, Korthikanti 2022, Megatron-DeepSpeed, OneFlow.
        Profile(
            "megatron_classic",
            flash=False,
            memory_passes=1.15,
            tp_overlap=0.0,
            dp_overlap=0.0,
            p2p_overlap=0.0,
            host_s=1.5e-4,
            straggler_cv=0.006,
        ),
        Profile(
            "fsdp",
            memory_passes=1.5,
            host_s=3e-4,
            tp_overlap=0.0,
            dp_overlap=0.8,
            zero3_overlap=0.85,
            reduce_every_micro_batch=True,
        ),
        Profile("deepspeed", memory_passes=1.5, host_s=4e-4, tp_overlap=0.0, dp_overlap=0.6, zero3_overlap=0.6),
        Profile(
            "nanotron", memory_passes=1.5, host_s=5e-4, tp_overlap=0.0, dp_overlap=0.5, p2p_overlap=0.0, step_s=0.05
        ),
        Profile("xla", tp_overlap=0.5, dp_overlap=0.85, zero3_overlap=0.85, straggler_cv=0.003),
        Profile("mindspeed", tp_overlap=0.4, dp_overlap=0.7, ep_overlap=0.3, memory_passes=1.2),
        Profile(
            "hai_llm",
            ep_overlap=0.9,
            dp_overlap=0.95,
            p2p_overlap=0.95,
            schedule="dualpipe",
            ep_dispatch_bytes=1.03,
            straggler_cv=0.004,
        ),
    )
}

_CLASSIC_UNTIL = 2022


def get_profile(name: str | Profile | None) -> Profile:
    """The profile of that name (a ``Profile`` is returned as it is; None is ``default``). Raises ``InputError``."""
    if name is None:
        return _DEFAULT
    if isinstance(name, Profile):
        return name
    found = PROFILES.get(name)
    if found is None:
        raise unknown_name("framework profile", name, sorted(PROFILES))
    return found


def profile_for_framework(framework: str, year: int | None = None) -> Profile:
    """The profile a framework's published name stands for."""
    low = framework.lower()
    early = year is not None and year <= _CLASSIC_UNTIL
    rules: tuple[tuple[tuple[str, ...], str], ...] = (
        (("hai-llm",), "hai_llm"),
        (("megatron-deepspeed",), "megatron_classic" if early else "deepspeed"),
        (("mindspeed", "modellink", "mindformers"), "mindspeed"),
        (("maxtext", "jax", "pax", "t5x", "xla"), "xla"),
        (("neuron", "nxd"), "plain"),
        (("nanotron",), "nanotron"),
        (("oneflow", "ptd-p"), "megatron_classic"),
        (("fsdp", "foundry", "composer", "torchtitan", "olmo", "pytorch", "lit-gpt", "accelerate"), "fsdp"),
        (("deepspeed", "zero", "colossal", "paddle", "opt", "metaseq"), "deepspeed"),
        (("nemo", "bridge", "mlperf", "mcore", "megatron-core", "core", "primus", "transformer"), "tuned"),
        (("megatron",), "megatron_classic" if early else "tuned"),
    )
    for words, name in rules:
        if any(word in low for word in words):
            return PROFILES[name]
    return _DEFAULT


def with_changes(profile: Profile, **changes: object) -> Profile:
    """A copy of a profile with some parameters changed (a scenario's override)."""
    return replace(profile, **changes)  # type: ignore[arg-type]
