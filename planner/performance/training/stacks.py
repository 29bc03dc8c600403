"""Training stacks by name: the profile of each, and the date of the techniques in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from planner.errors import unknown_name
from planner.performance.training.generations import with_mechanisms, without_mechanisms
from planner.performance.training.profile import Profile

# A competent stack of one's own: Llama 3 405B ran at 43% of peak where tuned stacks reach 54% on the same chips.
_CHEAP = ("core_attention", "norms", "activation", "latent_up")
_DEFAULT = Profile("default", kernel=1.15, straggler_cv=0.008, selective=_CHEAP)
_TUNED = Profile(
    "nemo_2024",
    code="megatron",
    generation=2024,
    tp_overlap=0.5,
    ep_overlap=0.3,
    dp_overlap=0.93,
    p2p_overlap=0.7,
    straggler_cv=0.004,
    step_s=0.007,
    memory_passes=0.8,
    attention=1.15,
)

# Megatron-Bridge and MLPerf entries of 2025: graphs of layers; then those of 2026 with fused dispatch.
_BRIDGE = replace(
    with_mechanisms(_TUNED, ("layer_graphs",)),
    name="bridge",
    generation=2025,
    selective=_CHEAP,
    memory_passes=0.6,
    attention=1.15,
    moe_s=1.5e-4,
    balanced_stages=True,
    tp_overlap=0.4,
    dp_overlap=0.95,
)

_BRIDGE_2026 = replace(
    with_mechanisms(_BRIDGE, ("fused_dispatch",)),
    name="bridge_2026",
    generation=2026,
    grad_bytes=2.0,
    optimizer_bytes=8.0,
    other_passes=1.0,
    attention=1.4,
    tp_overlap=0.35,
    p2p_overlap=0.9,
)
# Its releases from 26.06 on.
_BRIDGE_2606 = replace(
    with_mechanisms(_BRIDGE_2026, ("iteration_graphs", "fused_experts")), name="bridge_2606", level_as="bridge_2026"
)

_MLPERF = replace(with_mechanisms(_BRIDGE, ("iteration_graphs",)), name="mlperf", level_as="mlperf")
_MLPERF_2026 = replace(_BRIDGE_2606, name="mlperf_2026", level_as="mlperf")

_CLASSIC = Profile(
    "megatron_classic",
    code="megatron_classic",
    generation=2021,
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

_FSDP = Profile(
    "fsdp",
    code="fsdp",
    sharded_weight_bytes=0.0,
    split_logit_bytes=16.0,
    selective=("operators",),
    memory_passes=0.9,
    host_s=3e-4,
    tp_overlap=0.0,
    dp_overlap=0.8,
    zero3_overlap=0.95,
    reduce_every_micro_batch=True,
    attention=0.75,
    straggler_cv=0.004,
)

_DEEPSPEED = Profile(
    "deepspeed",
    code="deepspeed",
    # its reduce bucket of 5e8 elements of 2 bytes, 4.5 times over where communication overlaps (its configuration page)
    bucket_gib=4.5 * 5e8 * 2.0 / 2**30,
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

_XLA = Profile(
    "xla",
    code="xla",
    hybrid_shard=True,
    tp_overlap=0.5,
    dp_overlap=0.85,
    zero3_overlap=0.85,
    straggler_cv=0.003,
    step_s=0.025,
    memory_passes=1.6,
    attention=0.85,
    expert_host_s=0.0,
    expert_launch_s=0.0,
)

PROFILES: Mapping[str, Profile] = {
    p.name: p
    for p in (
        _DEFAULT,
        # NeMo on Megatron-Core and Transformer Engine since 2024.
        _TUNED,
        # MLPerf entries: the same code tuned by hand for one model and system, whole iterations as graphs.
        _MLPERF,
        _MLPERF_2026,
        # What tuned stacks of today reach: the newest generation.
        replace(_BRIDGE_2606, name="tuned"),
        _BRIDGE,
        _BRIDGE_2026,
        _BRIDGE_2606,
        # Megatron-Core as it comes, nothing tuned.
        Profile(
            "mcore",
            code="megatron",
            selective=_CHEAP,
            tp_overlap=0.5,
            ep_overlap=0.0,
            dp_overlap=0.95,
            p2p_overlap=0.3,
            memory_passes=1.0,
            host_s=1e-4,
        ),
        Profile(
            "plain", tp_overlap=0.0, ep_overlap=0.0, dp_overlap=0.0, p2p_overlap=0.0, memory_passes=1.4, host_s=2e-4
        ),
        # Megatron-LM before fused attention, and its forks: SC21, Korthikanti 2022, Megatron-DeepSpeed, OneFlow.
        _CLASSIC,
        # Its forks: Megatron-DeepSpeed, GPT-NeoX, OneFlow's.
        replace(_CLASSIC, name="megatron_fork", p2p_split_gradients=False, accumulate_bytes=6.0),
        _FSDP,
        # NeMo Automodel: FSDP2 with Transformer Engine's kernels and DeepEP.
        replace(
            with_mechanisms(_FSDP, ("fused_operators", "fused_dispatch")),
            name="automodel",
            generation=2026,
            host_s=1e-4,
            split_logit_bytes=8.0,
        ),
        # The same with the fused attention of 2023 (Triton FlashAttention-1).
        Profile(
            "fsdp_2023",
            code="fsdp",
            generation=2023,
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
        _XLA,
        # The same on GPUs before its scheduler hid collectives there.
        replace(without_mechanisms(_XLA, ("latency_hiding",)), name="xla_2023", generation=2023),
        Profile(
            "mindspeed",
            tp_overlap=0.4,
            dp_overlap=0.7,
            ep_overlap=0.3,
            memory_passes=1.2,
            permute=1.6,
        ),
        # DeepSeek-V3's own (arXiv:2412.19437): DualPipe, dispatch as in DeepEP, activations cached in 8 bits, 16-bit
        # moments.
        replace(
            with_mechanisms(Profile("hai_llm"), ("fused_operators", "fused_dispatch", "expert_exchange_overlap")),
            generation=2024,
            dp_overlap=0.95,
            p2p_overlap=0.95,
            schedule="dualpipe",
            ep_dispatch_bytes=1.03,
            ep_dedup=1.0,
            straggler_cv=0.004,
            balanced_stages=True,
            permute=0.4,
            moe_s=5e-5,
            expert_host_s=0.0,
            expert_launch_s=0.0,
            activations=0.75,
            optimizer_bytes=8.0,
            selective=("norms", "latent_up", "activation"),
        ),
    )
}


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
