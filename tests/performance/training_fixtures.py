"""Small hand-made models and platforms for the training tests: no catalog, no calibration."""

from __future__ import annotations

from planner.catalog.architecture import FeedForward, LayerGroup, Mixer, ModelArch
from planner.network.tiers import Tier
from planner.performance.platform import Platform

GIB = float(1 << 30)


def dense_model(
    layers: int = 24, hidden: int = 4096, heads: int = 32, kv_heads: int = 8, ffn: int = 14336
) -> ModelArch:
    """A Llama-like model."""
    mixer = Mixer(heads=heads, kv_heads=kv_heads, head_dim=hidden // heads)
    group = LayerGroup(layers, mixer, FeedForward(hidden=ffn))
    return ModelArch("dense", "Dense", "llama", "dense", hidden, 32000, (group,))


def moe_model(layers: int = 16, hidden: int = 2048, experts: int = 64) -> ModelArch:
    """A mixture of experts with one dense layer first."""
    mixer = Mixer(heads=16, kv_heads=16, head_dim=128)
    moe = FeedForward(kind="moe", experts=experts, experts_per_token=6, expert_hidden=1408, shared_hidden=2816)
    groups = (LayerGroup(1, mixer, FeedForward(hidden=10944)), LayerGroup(layers - 1, mixer, moe))
    return ModelArch("moe", "MoE", "deepseek", "moe", hidden, 102400, groups)


def platform(domain: int = 8, out_gb_s: float = 50.0, sigma: float = 0.15, **changes: object) -> Platform:
    """An H100-like platform."""
    tiers = (
        Tier("inside", domain, 450e9, 3.3e-6, 0.74, kind="scale_up"),
        Tier("outside", 1 << 40, out_gb_s * 1e9, 6e-6, 0.8, kind="scale_out"),
    )
    values: dict[str, object] = {
        "system_id": "server",
        "chip_id": "h100_like",
        "cooling_id": "",
        "vendor": "NVIDIA",
        "family": "nvidia_hopper",
        "peak_flops": {"bf16": 989.4e12, "fp8": 1979e12},
        "memory_bytes": 79.0 * GIB,
        "memory_bandwidth": 3.35e12,
        "host_bandwidth": 64e9,
        "tiers": tiers,
        "system_chips": 8,
        "server_chips": 8,
        "comm_core_share": sigma,
    }
    values.update(changes)
    return Platform(**values)  # type: ignore[arg-type]
