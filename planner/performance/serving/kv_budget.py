"""What an engine leaves for the cache, and how many requests fit in it: a hard limit on concurrency.

vLLM:      room = u * memory - weights - activations - non_torch          (u = gpu_memory_utilization)
TensorRT:  room = u * (memory - weights - activations - non_torch) * 0.985  (free memory after load; 1.5% kept back)
SGLang:    room = u * memory - weights                                    (u = mem_fraction_static; workspace outside)

The workspace constants are data with the release they were measured on (``ACTIVATIONS``, ``NON_TORCH``), because
they move with releases: vLLM profiles one forward pass of ``max_num_batched_tokens`` tokens.
Shapes: arrays are (n,), bytes are per chip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.catalog.architecture import ModelArch
from planner.performance.serving.job import BYTES_PER_ELEMENT
from planner.performance.serving.profile import ServingProfile
from planner.workload.layers import LayerProfile, layer_profiles

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

GIB = float(2**30)
TRTLLM_KEPT_BACK = 0.985
STATE_BYTES = 2.0  # states stay in 16 bit or wider even where the cache is quantised


@dataclass(frozen=True, slots=True)
class Workspace:
    """Measured workspace of one engine release, GiB per chip."""

    release: str
    activations: Mapping[str, float]  # by model family, plus "dense" and "moe"
    non_torch_one: float
    non_torch_many: float
    source: str


# Peak activation memory of the profiling pass and memory outside the allocator (CUDA context, NCCL, graphs).
WORKSPACES: Mapping[str, Workspace] = {
    "vllm-0.19": Workspace(
        "0.19",
        {
            "llama": 1.89,
            "qwen": 2.21,
            "qwen_moe": 2.68,
            "mixtral": 1.21,
            "deepseek": 1.93,
            "gemma": 3.94,
            "dense": 2.0,
            "moe": 2.5,
        },
        0.27,
        2.10,
        "llm-d-planner constants, vLLM 0.19 on H100",
    ),
    "vllm-0.10": Workspace(
        "0.10",
        {"llama": 4.84, "qwen": 5.6, "dense": 5.2, "moe": 7.4},
        0.0,
        0.0,
        "llm-d-planner's table of measured cache room on H100 (release not stated): activations 4.8-5.6 dense, 7.4 MoE,"
        " with what lies outside the allocator in them",
    ),
    "trtllm-1.0": Workspace(
        "1.0",
        {"dense": 0.0, "moe": 0.0},  # computed from tokens: see ``activation_bytes``
        3.5,
        3.9,
        "aiconfigurator: 3.5 GB other, 342-392 MB NCCL; activations 2*T*h*c",
    ),
}


def activation_bytes(model: ModelArch, tp: Ints, tokens: Floats, workspace: Workspace) -> Floats:
    """Activation workspace per chip: the release's measured figure, or 2*T*h*c where it has none.

    c = 10.5 (TP1), 6.25 (TP2), 5 (TP4 and wider), double for MoE (aiconfigurator's TensorRT-LLM terms).
    """
    moe = model.is_moe
    family = model.family + ("_moe" if moe else "")
    known = workspace.activations.get(family)
    if known is None and not moe:
        known = workspace.activations.get(model.family)
    if known is None:
        known = workspace.activations["moe" if moe else "dense"]
    if known > 0.0:
        return np.full(np.shape(tp), known * GIB)
    width = np.where(tp <= 1, 10.5, np.where(tp <= 2, 6.25, 5.0)) * (2.0 if moe else 1.0)
    return np.asarray(2.0 * np.minimum(tokens, 16384.0) * model.hidden * width)


def _weight_elements(profiles: tuple[LayerProfile, ...]) -> tuple[float, float, float]:
    """Elements of all layers: cut by TP, replicated over TP, of routed experts."""
    cut = sum(p.count * sum(g.weights for g in p.gemms if g.shard != "none") for p in profiles)
    whole = sum(p.count * sum(g.weights for g in p.gemms if g.shard == "none") for p in profiles)
    return float(cut), float(whole), float(sum(p.count * p.routed_params for p in profiles))


def dense_bytes_per_element(model: ModelArch, precision: str) -> float:
    """Bytes of a weight outside the routed experts.

    4-bit releases of MoE models quantise the experts: attention and shared layers stay 16-bit where the weights were
    trained so (gpt-oss) and 8-bit otherwise.
    """
    if precision in ("fp4", "mxfp4", "int4") and model.is_moe:
        return 2.0 if model.weights in ("mxfp4", "fp4") else 1.0
    return BYTES_PER_ELEMENT[precision]


def weight_bytes(
    model: ModelArch, precision: str, tp: Ints, pp: Ints, attention_dp: Ints, *, draft: bool = False
) -> Floats:
    """Bytes of weights on a chip of the fullest stage, (n,). Embedding and head stay in 16 bit and are cut by TP.

    Routed experts are spread over all tp * attention_dp chips of a stage (by ep, then inside each expert).
    """
    profiles = layer_profiles(model)
    cut, whole, routed = _weight_elements(profiles)
    dense = dense_bytes_per_element(model, precision)
    layers = float(max(model.layers, 1))
    per_stage = np.ceil(layers / pp) / layers
    chips = (tp * attention_dp).astype(np.float64)
    body = (cut / tp + whole) * dense + routed / chips * BYTES_PER_ELEMENT[precision]
    table = 2.0 * model.vocab * model.hidden / tp
    ends = np.where(pp > 1, table, table * (1.0 if model.tied_embeddings else 2.0))
    total = body * per_stage + ends
    if draft and model.mtp_layers:
        last = profiles[-1]
        extra = last.dense_params / tp * dense + last.routed_params / chips * BYTES_PER_ELEMENT[precision]
        total = total + model.mtp_layers * extra
    return np.asarray(total)


def kv_shards(model: ModelArch, group: int, tp: Ints) -> Floats:
    """Over how many chips of a TP group the cache of a layer is cut: up to its key-value heads; a latent is not cut."""
    mixer = model.groups[group].mixer
    heads = {
        "attention": mixer.kv_heads,
        "mla": 1,
        "mamba2": mixer.ssm_heads,
        "linear": mixer.linear_v_heads,
        "none": 1,
    }[mixer.kind]
    return np.minimum(tp, max(heads, 1)).astype(np.float64)


def cache_bytes_per_request(
    model: ModelArch, tokens: Floats | float, kv_bytes: float, tp: Ints, pp: Ints, block: int, windowed: bool = True
) -> Floats:
    """Bytes on one chip for one request holding ``tokens`` tokens (rounded up to blocks), (n,).

    ``windowed``: tokens that left a layer's window are freed.
    """
    held = np.ceil(np.asarray(tokens, dtype=np.float64) / block) * block
    total = np.zeros(np.broadcast_shapes(np.shape(tp), np.shape(held)))
    for p in layer_profiles(model):
        kept = held if p.window is None or not windowed else np.minimum(held, float(p.window + block))
        shards = kv_shards(model, p.group, tp)
        total = total + p.count * (kept * p.kv_elements * kv_bytes + p.state_elements * STATE_BYTES) / shards
    return np.asarray(total / pp)


@dataclass(frozen=True)
class KvBudget:
    """Memory of a chip of the fullest stage, (n,), bytes; ``slots``: requests per attention copy that fit, whole."""

    weights: Floats
    activations: Floats
    non_torch: Floats
    room: Floats
    limit: Floats
    bytes_per_request: Floats
    slots: Floats


def kv_budget(
    model: ModelArch,
    *,
    precision: str,
    kv_precision: str,
    memory_bytes: float,
    tp: Ints,
    pp: Ints,
    attention_dp: Ints,
    chunk: Ints,
    held_tokens: Floats | float,
    profile: ServingProfile,
    draft: bool = False,
) -> KvBudget:
    """Cut a chip's memory as the engine does and count the requests of ``held_tokens`` tokens that fit."""
    weights = weight_bytes(model, precision, tp, pp, attention_dp, draft=draft)
    trt = profile.engine == "trtllm"
    workspace = WORKSPACES[profile.workspace]
    activations = profile.activation_scale * activation_bytes(model, tp, chunk.astype(np.float64), workspace)
    many = tp * pp * attention_dp > 1
    non_torch = np.where(many, workspace.non_torch_many, workspace.non_torch_one) * GIB
    used = weights + activations + non_torch
    u = profile.memory_utilisation
    if trt:
        room = u * (memory_bytes - used) * TRTLLM_KEPT_BACK
        limit = used + np.maximum(room, 0.0)
    elif profile.engine == "sglang":  # mem_fraction_static covers weights and cache; the rest is the workspace's
        room = np.minimum(u * memory_bytes - weights, memory_bytes - used)
        limit = np.full_like(used, memory_bytes)
    else:
        room = u * memory_bytes - used
        limit = np.full_like(used, u * memory_bytes)
    each = cache_bytes_per_request(
        model, held_tokens, BYTES_PER_ELEMENT[kv_precision], tp, pp, profile.block_tokens, profile.window_cache
    )
    slots = np.floor(np.maximum(room, 0.0) / np.maximum(each, 1.0))
    return KvBudget(weights, activations, non_torch, room, limit, each, slots)
