"""Framework profiles: how mature a training stack is, as named parameters.

The same chips and model differ by 1.25-1.35x between a plain and a heavily tuned stack, so the stack is part of the
question. A profile is chosen by the framework's name (and, where one name spans eras, its year), never by a result.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from planner.errors import unknown_name


@dataclass(frozen=True, slots=True)
class Profile:
    """Parameters of a framework.

    ``flash``: fused attention (otherwise scores, softmax and dropout pass through memory, and nothing is skipped for
    causality). ``memory_passes``: element-wise traffic over that of a fused stack. ``host_s``: seconds of host work
    per layer and forward pass (twice that backward). ``kernel``: multiplier on all kernel times; ``attention``: share
    of the law's attention rate its kernels reach; ``moe_s``: seconds of routing bookkeeping per expert layer and pass;
    ``ep_dedup``: share of the saving from sending a token once to a domain (hierarchical dispatch) that is realised.
    ``p2p_split_gradients``: the ranks of a tensor-parallel group send gradients to the stage before in parts, as they
    send activations; DeepSpeed's pipelines split only these.
    ``*_overlap``: omega, the share of that communication which the schedule hides. ``mu``: slow-down while overlapped.
    ``grad_bytes``: bytes of a gradient as kept, ``grad_traffic_bytes`` as reduced; ``grad_all_reduce``: every rank gets
    all sums, though optimizer states are sharded (DeepSpeed's BF16 optimizer). ``joined_ports``: data-parallel groups
    whose ranks alternate on a server use the ports of all of them (NCCL 2.12 of 2022, PXN). ``memory_pressure``:
    slow-down of a step that needs most of the chip's memory (the allocator frees its cache and asks again).
    ``accumulate_bytes``: bytes per local parameter that adding a micro-batch's gradients to those before moves, 0 where
    weight gradients are accumulated in the matrix product. ``permute``: traffic of token permutation over that of
    separate kernels. ``hybrid_shard``: weights are sharded inside a scale-up domain only and
    replicated across (ZeRO 3 of pods). ``reduce_every_micro_batch``: gradients are reduced each micro-batch, not once.
    ``straggler_cv``: relative spread of step times between servers. ``step_s``: seconds of host work per step.
    ``schedule``: 1f1b, zb_h1 or dualpipe. ``balanced_stages``: layers are placed so that embedding, head and
    multi-token prediction count. ``overhead_gib``: context and libraries on the chip.
    ``activations``: bytes kept for backward over those of fused operators. ``fused_experts``: products, gated
    activation and quantisation of the routed experts are one kernel where the recipe scales blocks. ``level_as``: the
    profile whose calibrated level it shares.

    Techniques of a run, off unless asked for (``with_changes``, ``training_grid.techniques``): ``async_tp``: matrices
    and the collectives of tensor parallelism with sequence parallelism are cut into tp tiles, one transfer under
    the next product. ``recompute_share``: share of the layers that full recomputation repeats.
    ``offload_optimizer``, ``offload_weights``, ``offload_activations``: share of these bytes kept in host or pooled
    memory; ``offload_gb_s``: GB/s of that memory per chip and direction, 0 for the platform's host link.
    ``tiled_loss``: output head and loss over tiles of the sequence, an eighth of the logits alive at a time.
    """

    name: str
    flash: bool = True
    memory_passes: float = 1.0
    host_s: float = 0.0
    kernel: float = 1.0
    attention: float = 1.0
    moe_s: float = 1e-4
    ep_dedup: float = 0.5
    tp_overlap: float = 0.2
    cp_overlap: float = 0.7
    ep_overlap: float = 0.2
    dp_overlap: float = 0.85
    zero3_overlap: float = 0.85
    p2p_overlap: float = 0.5
    p2p_split_gradients: bool = True
    mu: float = 0.03
    grad_bytes: float = 4.0
    grad_traffic_bytes: float = 2.0
    grad_all_reduce: bool = False
    joined_ports: bool = True
    memory_pressure: float = 0.0
    accumulate_bytes: float = 0.0
    permute: float = 1.0
    hybrid_shard: bool = False
    reduce_every_micro_batch: bool = False
    straggler_cv: float = 0.006
    step_s: float = 0.01
    schedule: str = "1f1b"
    ep_dispatch_bytes: float = 2.0
    fused_experts: bool = False
    imbalance: float = 1.0
    overhead_gib: float = 2.5
    activations: float = 1.0
    balanced_stages: bool = False
    async_tp: bool = False
    recompute_share: float = 1.0
    offload_optimizer: float = 0.0
    offload_weights: float = 0.0
    offload_activations: float = 0.0
    offload_gb_s: float = 0.0
    tiled_loss: bool = False
    level_as: str = ""

    @property
    def level_name(self) -> str:
        """The profile whose calibrated level it has: releases of one stack share theirs."""
        return self.level_as or self.name

    @property
    def offloads(self) -> bool:
        """Whether anything lives outside the chip's memory."""
        return self.offload_optimizer > 0 or self.offload_weights > 0 or self.offload_activations > 0


# A competent stack of one's own: Llama 3 405B ran at 43% of peak where tuned stacks reach 54% on the same chips.
_DEFAULT = Profile("default", kernel=1.15, straggler_cv=0.008)
_TUNED = Profile(
    "tuned",
    tp_overlap=0.5,
    ep_overlap=0.3,
    dp_overlap=0.93,
    p2p_overlap=0.7,
    straggler_cv=0.004,
    step_s=0.007,
    memory_passes=0.8,
    attention=1.15,
)

_BRIDGE_2026 = replace(
    _TUNED,
    name="bridge_2026",
    memory_passes=1.0,
    step_s=0.003,
    ep_overlap=0.75,
    ep_dedup=0.8,
    moe_s=1.2e-4,
    permute=0.25,
    attention=1.2,
    tp_overlap=0.35,
    p2p_overlap=0.9,
    balanced_stages=True,
    dp_overlap=0.95,
)

_CLASSIC = Profile(
    "megatron_classic",
    flash=False,
    memory_passes=0.95,
    tp_overlap=0.0,
    dp_overlap=0.0,
    p2p_overlap=0.0,
    host_s=6e-4,
    joined_ports=False,
    memory_pressure=0.03,
    straggler_cv=0.007,
)

_DEEPSPEED = Profile(
    "deepspeed",
    accumulate_bytes=6.0,
    p2p_split_gradients=False,
    grad_traffic_bytes=2.0,
    memory_passes=3.0,
    host_s=4e-4,
    tp_overlap=0.1,
    dp_overlap=0.6,
    zero3_overlap=0.6,
    attention=1.1,
)

PROFILES: Mapping[str, Profile] = {
    p.name: p
    for p in (
        _DEFAULT,
        # NeMo on Megatron-Core and Transformer Engine since 2024.
        _TUNED,
        # Megatron-Bridge and MLPerf entries of 2025: CUDA graphs, fused routing; then those of 2026.
        replace(
            _TUNED,
            name="bridge",
            memory_passes=0.6,
            attention=1.15,
            moe_s=1.5e-4,
            step_s=0.003,
            balanced_stages=True,
            tp_overlap=0.4,
            dp_overlap=0.95,
        ),
        _BRIDGE_2026,
        # Its releases from 26.06 on: whole iterations as graphs, fused MXFP8 experts, dispatch of quantised tokens.
        replace(
            _BRIDGE_2026,
            name="bridge_2606",
            fused_experts=True,
            moe_s=2e-5,
            level_as="bridge_2026",
        ),
        # Megatron-Core as it comes, nothing tuned.
        Profile(
            "mcore", tp_overlap=0.5, ep_overlap=0.0, dp_overlap=0.95, p2p_overlap=0.3, memory_passes=1.0, host_s=1e-4
        ),
        Profile(
            "plain", tp_overlap=0.0, ep_overlap=0.0, dp_overlap=0.0, p2p_overlap=0.0, memory_passes=1.4, host_s=2e-4
        ),
        # Megatron-LM before fused attention, and its forks: SC21, Korthikanti 2022, Megatron-DeepSpeed, OneFlow.
        _CLASSIC,
        # Its forks: Megatron-DeepSpeed, GPT-NeoX, OneFlow's.
        replace(_CLASSIC, name="megatron_fork", p2p_split_gradients=False, accumulate_bytes=6.0),
        Profile(
            "fsdp",
            memory_passes=0.9,
            host_s=3e-4,
            tp_overlap=0.0,
            dp_overlap=0.8,
            zero3_overlap=0.95,
            reduce_every_micro_batch=True,
            attention=0.75,
            straggler_cv=0.004,
        ),
        # The same with the fused attention of 2023 (Triton FlashAttention-1).
        Profile(
            "fsdp_2023",
            memory_passes=1.6,
            attention=0.6,
            host_s=3e-4,
            tp_overlap=0.0,
            dp_overlap=0.8,
            zero3_overlap=0.75,
            reduce_every_micro_batch=True,
        ),
        _DEEPSPEED,
        # The same before fused attention.
        replace(_DEEPSPEED, name="deepspeed_classic", flash=False),
        Profile(
            "nanotron",
            activations=1.45,
            memory_passes=1.5,
            host_s=5e-4,
            tp_overlap=0.0,
            dp_overlap=0.5,
            p2p_overlap=0.0,
            step_s=0.05,
        ),
        Profile(
            "xla",
            hybrid_shard=True,
            tp_overlap=0.5,
            dp_overlap=0.85,
            zero3_overlap=0.85,
            straggler_cv=0.003,
            step_s=0.025,
            memory_passes=1.6,
            attention=0.85,
        ),
        Profile(
            "mindspeed",
            tp_overlap=0.4,
            dp_overlap=0.7,
            ep_overlap=0.3,
            memory_passes=1.2,
            permute=1.6,
        ),
        Profile(
            "hai_llm",
            ep_overlap=0.9,
            dp_overlap=0.95,
            p2p_overlap=0.95,
            schedule="dualpipe",
            ep_dispatch_bytes=1.03,
            ep_dedup=1.0,
            straggler_cv=0.004,
            balanced_stages=True,
            memory_passes=0.6,
            permute=0.4,
            attention=1.15,
            moe_s=5e-5,
        ),
    )
}

_CLASSIC_UNTIL = 2023  # Megatron-LM's own fused attention became usual in 2024
_UNFUSED_UNTIL = 2022


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


def _release_of(framework: str) -> tuple[int, int]:
    """Year and month of a release named like NeMo's containers (``26.06``); (0, 0) where there is none."""
    found = re.search(r"\b(2\d)\.(0[1-9]|1[0-2])\b", framework)
    return (2000 + int(found.group(1)), int(found.group(2))) if found else (0, 0)


def profile_for_framework(framework: str, year: int | None = None) -> Profile:
    """The profile a framework's published name stands for."""
    low = framework.lower()
    when = year if year is not None else 2024
    classic = when <= _CLASSIC_UNTIL
    release = _release_of(low)
    bridge = "bridge_2606" if release >= (2026, 6) else "bridge_2026" if when >= 2026 else "bridge"
    rules: tuple[tuple[tuple[str, ...], str], ...] = (
        (("hai-llm",), "hai_llm"),
        (("megatron-deepspeed",), "megatron_fork" if classic and "habana" not in low else "deepspeed"),
        (("mindspeed", "modellink", "mindformers"), "mindspeed"),
        (("maxtext", "jax", "pax", "t5x", "xla"), "xla"),
        (("neuron", "nxd"), "plain"),
        (("primus", "rocm"), bridge),
        (("nanotron",), "nanotron"),
        (("oneflow",), "megatron_fork"),
        (("ptd-p",), "megatron_classic"),
        (
            ("fsdp", "foundry", "composer", "torchtitan", "olmo", "pytorch", "lit-gpt", "accelerate"),
            "fsdp_2023" if classic else "fsdp",
        ),
        (
            ("deepspeed", "zero", "colossal", "paddle", "opt", "metaseq"),
            "deepspeed_classic" if when <= _UNFUSED_UNTIL else "deepspeed",
        ),
        (("bridge", "mlperf"), bridge),
        (("nemo-megatron",), "megatron_classic" if when <= _UNFUSED_UNTIL else "tuned"),
        (("nemo", "transformer"), "bridge" if when >= 2025 and "core" in low else "tuned"),
        (("megatron",), "megatron_classic" if classic else "mcore"),
    )
    for words, name in rules:
        if any(word in low for word in words):
            return PROFILES[name]
    return _DEFAULT


def with_changes(profile: Profile, **changes: object) -> Profile:
    """A copy of a profile with some parameters changed (a scenario's override)."""
    return replace(profile, **changes)  # type: ignore[arg-type]
