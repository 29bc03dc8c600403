"""What an engine leaves for the cache, and how many requests fit in it: a hard limit on concurrency.

vLLM:      room = u * memory - weights - activations - non_torch          (u = gpu_memory_utilization)
TensorRT:  room = u * (memory - weights - activations - non_torch) * 0.985  (free memory after load; 1.5% kept back)
SGLang:    room = u * (memory - non_torch) - weights                      (u = mem_fraction_static of what is free
                                                                           before loading; workspace outside)

The workspace constants are data with the release they were measured on, because they move with releases: vLLM profiles
one forward pass of ``max_num_batched_tokens`` tokens and one sampling of ``max_num_seqs`` sequences.
Shapes: arrays are (n,), bytes are per chip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.catalog.architecture import ModelArch
from planner.performance.serving.checkpoint import weight_bytes
from planner.performance.serving.job import BYTES_PER_ELEMENT
from planner.performance.serving.profile import ServingProfile
from planner.workload.cache import layer_cache_bytes, state_bytes_of
from planner.workload.layers import layer_profiles

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

GIB = float(2**30)
TRTLLM_KEPT_BACK = 0.985


@dataclass(frozen=True, slots=True)
class Workspace:
    """Measured workspace of one engine release.

    ``sampler``: bytes for each entry of the vocabulary at the default of 1,024 sequences (logits, probabilities, their
    sort), 0 where activations are computed from tokens instead; ``forward``: GiB of the rest of the profiling pass;
    ``non_torch_*``: GiB outside the allocator (context, NCCL, graphs) on one chip and on four or more; buffers of NCCL
    are kept for each peer (measured: 0.5 GiB more on two chips than on one, 2 on four).
    """

    release: str
    sampler: float
    forward: float
    non_torch_one: float
    non_torch_many: float
    source: str


WORKSPACES: Mapping[str, Workspace] = {
    "vllm-0.19": Workspace(
        "0.19", 15.9e3, 0.0, 0.27, 2.10,
        "llm-d-planner constants, vLLM 0.19 on H100: 1.89 GiB (Llama 3), 2.21 (Qwen 3) and 3.94 (Gemma 3) are one"
        " figure a vocabulary entry, within 2%",
    ),
    "vllm-0.10": Workspace(
        "0.10", 34.5e3, 0.45, 0.27, 2.10,
        "llm-d-planner's table of measured cache room on H100 before: 4.84 GiB (Llama 3), 5.6 (Qwen 3), with what lies"
        " outside the allocator in them",
    ),
    "trtllm-1.0": Workspace(
        "1.0", 0.0, 0.0, 3.5, 3.9, "aiconfigurator: 3.5 GB other, 342-392 MB NCCL; activations 2*T*h*c"
    ),
}  # fmt: skip
PEERS = 3.0
"""Peers from which communication buffers grow no more."""
LEAN_SINCE = 2026
"""Year of the vLLM releases that sample without sorting whole vocabularies."""


def workspace_of(profile: ServingProfile, model: ModelArch) -> Workspace:
    """The workspace of a profile's release. Where vLLM's release is not known, that of the first releases that load the
    model: what every release since then leaves at least."""
    if profile.workspace != "vllm":
        return WORKSPACES[profile.workspace]
    year = int(model.as_of[:4]) if model.as_of else LEAN_SINCE
    return WORKSPACES["vllm-0.19" if year >= LEAN_SINCE else "vllm-0.10"]


def activation_bytes(model: ModelArch, tp: Ints, tokens: Floats, workspace: Workspace) -> Floats:
    """Activation workspace per chip: sampling and the intermediate results of routed experts, or 2*T*h*c where the
    release has no measured figure.

    Experts of width w on hidden size h, k of them a token: T*k*(max(2w, h) + w) elements (vLLM's fused kernels).
    c = 10.5 (TP1), 6.25 (TP2), 5 (TP4 and wider), double for MoE (aiconfigurator's TensorRT-LLM terms).
    """
    if workspace.sampler:
        routed = np.zeros(np.shape(tp))
        for group in model.groups:
            f = group.feed_forward
            if f.kind == "moe":
                width = f.expert_hidden / tp
                elements = np.maximum((2.0 if f.gated else 1.0) * width, f.expert_input or model.hidden) + width
                routed = np.maximum(routed, 2.0 * tokens * f.experts_per_token * elements)
        return np.asarray(workspace.sampler * model.vocab + workspace.forward * GIB + routed)
    width = np.where(tp <= 1, 10.5, np.where(tp <= 2, 6.25, 5.0)) * (2.0 if model.is_moe else 1.0)
    return np.asarray(2.0 * np.minimum(tokens, 16384.0) * model.hidden * width)


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
    model: ModelArch, tokens: Floats | float, kv_bytes: float, tp: Ints, pp: Ints, block: int, windowed: bool = True,
    chunk: Ints | int = 0,
) -> Floats:  # fmt: skip
    """Bytes on one chip for one request holding ``tokens`` tokens (rounded up to blocks), (n,).

    ``windowed``: tokens that left a layer's window are freed. ``chunk``: prompt tokens in work, which layers with a
    window hold besides it.
    """
    held = np.ceil(np.asarray(tokens, dtype=np.float64) / block) * block
    total = np.zeros(np.broadcast_shapes(np.shape(tp), np.shape(held), np.shape(chunk)))
    state = state_bytes_of(model)
    beyond = np.asarray(chunk, dtype=np.float64) + block if windowed else np.inf
    for p in layer_profiles(model):
        each = layer_cache_bytes(p, held, kv_bytes, state, beyond)
        total = total + p.count * each / kv_shards(model, p.group, tp)
    return np.asarray(total / pp)


@dataclass(frozen=True)
class KvBudget:
    """Memory of a chip of the fullest stage, (n,), bytes; ``slots``: requests per attention copy that fit, whole.

    ``capacity``: tokens of requests of the held length, as an engine reports them: it counts a request whose prompt is
    in work, so that layers with a window hold window and chunk. Of the requests in flight only those whose prompt is in
    work do, one chunk together: ``slots`` sets that chunk aside once.
    """

    weights: Floats
    activations: Floats
    non_torch: Floats
    room: Floats
    limit: Floats
    bytes_per_request: Floats
    slots: Floats
    capacity: Floats


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
    in_work: Ints | int = 0,
    held_tokens: Floats | float,
    profile: ServingProfile,
    draft: bool = False,
) -> KvBudget:
    """Cut a chip's memory as the engine does and count the requests of ``held_tokens`` tokens that fit.

    ``chunk``: tokens of the profiling pass; ``in_work``: of them those of prompts, 0 where prompts come from elsewhere.
    """
    weights = weight_bytes(model, precision, tp, pp, attention_dp, draft=draft)
    trt = profile.engine == "trtllm"
    workspace = workspace_of(profile, model)
    activations = profile.activation_scale * activation_bytes(model, tp, chunk.astype(np.float64), workspace)
    peers = np.minimum(tp * pp * attention_dp - 1, PEERS) / PEERS
    non_torch = (workspace.non_torch_one + (workspace.non_torch_many - workspace.non_torch_one) * peers) * GIB
    used = weights + activations + non_torch
    u = profile.memory_utilisation
    if trt:
        room = u * (memory_bytes - used) * TRTLLM_KEPT_BACK
        limit = used + np.maximum(room, 0.0)
    elif profile.engine == "sglang":  # mem_fraction_static covers weights and cache; the rest is the workspace's
        room = np.minimum(u * (memory_bytes - non_torch) - weights, memory_bytes - used)
        limit = np.full_like(used, memory_bytes)
    else:
        room = u * memory_bytes - used
        limit = np.full_like(used, u * memory_bytes)
    size = BYTES_PER_ELEMENT[kv_precision]
    block, windowed = profile.block_tokens, profile.window_cache
    each = cache_bytes_per_request(model, held_tokens, size, tp, pp, block, windowed)
    filling = cache_bytes_per_request(model, held_tokens, size, tp, pp, block, windowed, in_work)
    left = np.maximum(room, 0.0)
    slots = np.floor(np.maximum(left - (filling - each), 0.0) / np.maximum(each, 1.0))
    slots = np.where(left >= filling, np.maximum(slots, 1.0), 0.0)
    capacity = left / np.maximum(filling, 1.0) * held_tokens
    return KvBudget(weights, activations, non_torch, room, limit, each, slots, np.asarray(capacity))
