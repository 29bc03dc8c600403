"""Techniques of training stacks with the date they became usual: what a generation of stacks shares.

Frameworks copy techniques from each other within months: fused attention, Transformer Engine's kernels, captured
graphs, fused dispatch of tokens to experts. A mechanism is such a technique: when it came, and what it sets in a
profile. A stack is a manner of sharding (pipelines, fully sharded, XLA) with the mechanisms of its time, so that one
nobody has measured takes the level of its generation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from planner.performance.training.profile import Profile, with_changes


@dataclass(frozen=True)
class Mechanism:
    """A technique: since when tuned stacks have it, the parameters it sets, those of a stack without it."""

    name: str
    since: tuple[int, int]
    """Year and month of the first release of a public stack that has it on in its recipes."""
    source: str
    sets: Mapping[str, float | bool]
    without: Mapping[str, float | bool]


MECHANISMS: Mapping[str, Mechanism] = {
    m.name: m
    for m in (
        Mechanism(
            "fused_attention", (2023, 7), "FlashAttention-2, arXiv:2307.08691",
            {"flash": True}, {"flash": False},
        ),
        Mechanism(
            "fused_operators", (2024, 1), "Transformer Engine 1.x: norms, activations, casts and loss in few kernels",
            {"memory_passes": 0.8, "attention": 1.15}, {"memory_passes": 1.0, "attention": 1.0},
        ),
        Mechanism(
            "latency_hiding", (2024, 1), "XLA's latency-hiding scheduler on GPUs (JAX-Toolbox's recommended flags): "
            "collectives are issued ahead of what needs them; before, each waits",
            {"dp_overlap": 0.85, "zero3_overlap": 0.85}, {"dp_overlap": 0.0, "zero3_overlap": 0.0},
        ),
        Mechanism(
            "layer_graphs", (2025, 9), "Megatron-Bridge 25.09: CUDA graphs of layers",
            {"host_s": 0.0, "step_s": 0.003}, {"host_s": 1e-4, "step_s": 0.01},
        ),
        Mechanism(
            "fused_dispatch", (2025, 2), "DeepEP (February 2025); HybridEP in Megatron-Core 0.16: one kernel permutes "
            "and sends, once to a server, tokens of all experts",
            {"permute": 0.25, "ep_dedup": 0.8, "ep_overlap": 0.75, "moe_s": 1.6e-4},
            {"permute": 1.0, "ep_dedup": 0.5, "ep_overlap": 0.0, "moe_s": 3e-4},
        ),
        Mechanism(
            "expert_exchange_overlap", (2025, 6), "Megatron-Core 0.13: dispatch of one micro-batch under the other's "
            "attention and experts (as DualPipe, arXiv:2412.19437)",
            {"ep_overlap": 0.9}, {"ep_overlap": 0.2},
        ),
        Mechanism(
            "iteration_graphs", (2026, 6), "Megatron-Bridge 26.06: whole iterations as one graph",
            {"moe_s": 4e-5, "expert_host_s": 0.0, "expert_launch_s": 0.0},
            {"moe_s": 1.6e-4, "expert_host_s": 1.5e-3, "expert_launch_s": 5e-5},
        ),
        Mechanism(
            "fused_experts", (2026, 6), "Transformer Engine 2.14: MXFP8 products, gated activation and quantisation "
            "of all experts in one kernel",
            {"fused_experts": True}, {"fused_experts": False},
        ),
    )
}  # fmt: skip


def with_mechanisms(profile: Profile, names: Iterable[str]) -> Profile:
    """The profile with some mechanisms switched on."""
    for name in names:
        profile = with_changes(profile, **MECHANISMS[name].sets)
    return profile


def without_mechanisms(profile: Profile, names: Iterable[str]) -> Profile:
    """The profile with some mechanisms switched off."""
    for name in names:
        profile = with_changes(profile, **MECHANISMS[name].without)
    return profile


__all__ = ["MECHANISMS", "Mechanism", "with_mechanisms", "without_mechanisms"]
