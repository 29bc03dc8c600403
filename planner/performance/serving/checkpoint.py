"""Weights on a chip as a checkpoint stores them, and which shards of it an engine can load.

A precision names the checkpoint that the model's maker publishes in it, where there is one: parts of it stay in 16 bits
(attention of Llama 3.1 405B's FP8 weights), and block-scaled ones cut only at multiples of their block. Without one,
all matrices but embedding, head and routers are in the precision; 4-bit releases of models with experts quantise those.
Shapes: arrays are (n,), bytes are per chip.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from planner.catalog.architecture import Checkpoint, LayerGroup, ModelArch
from planner.performance.serving.job import BYTES_PER_ELEMENT
from planner.workload.layers import Gemm, LayerProfile, layer_profile, layer_profiles
from planner.workload.parameters import vision_parameters

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WIDE = 2.0
"""Bytes of an element that is not quantised."""
_ROUTERS = frozenset({"router", "shared_gate", "hyper_mixer", "hyper_ffn"})
_DENSE = frozenset({"gate_up", "up", "down"})
_LATENT = frozenset({"latent_down", "latent_up"})
_NARROW = ("fp4", "mxfp4", "int4")


def dense_bytes_per_element(model: ModelArch, precision: str) -> float:
    """Bytes of a weight outside the routed experts where no checkpoint says more.

    4-bit releases of MoE models quantise the experts: attention and shared layers stay 16-bit where the weights were
    trained so (gpt-oss) and 8-bit otherwise.
    """
    if precision in _NARROW and model.is_moe:
        return 2.0 if model.weights in ("mxfp4", "fp4") else 1.0
    return BYTES_PER_ELEMENT[precision]


def checkpoint_of(model: ModelArch, precision: str) -> Checkpoint:
    """The maker's checkpoint in a precision; where there is none, one without parts kept or blocks."""
    return next((c for c in model.checkpoints if c.precision == precision), Checkpoint(precision))


def _part(gemm: Gemm, group: LayerGroup) -> str:
    """Which part of a checkpoint (``CHECKPOINT_PARTS``) a matrix outside the routed experts belongs to."""
    if gemm.name in _ROUTERS:
        return "router"
    if gemm.name in _DENSE:
        return "dense"
    if gemm.name.startswith("shared_") or gemm.name in _LATENT:
        return "shared"
    return "recurrent" if group.mixer.kind in ("mamba2", "linear") else "attention"


def _layer_bytes(
    model: ModelArch, group: LayerGroup, profile: LayerProfile, precision: str
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """(cut by TP, whole, routed) bytes of one layer: as the checkpoint quantises it, and left in 16 bits."""
    kept = checkpoint_of(model, precision)
    others = BYTES_PER_ELEMENT[kept.others] if kept.others else dense_bytes_per_element(model, precision)
    sums = [[0.0, 0.0], [0.0, 0.0]]
    for g in profile.gemms:
        part = _part(g, group)
        wide = part == "router" or part in kept.kept
        at = 0 if g.shard != "none" else 1
        sums[0][at] += g.weights * (WIDE if wide else others)
        sums[1][at] += g.weights * WIDE
    vectors = WIDE * (profile.dense_params - profile.gemm_weights)  # norms, biases, convolutions
    routed = WIDE if "experts" in kept.kept else BYTES_PER_ELEMENT[precision]
    return (
        (sums[0][0], sums[0][1] + vectors, profile.routed_params * routed),
        (sums[1][0], sums[1][1] + vectors, profile.routed_params * WIDE),
    )


def _body_bytes(model: ModelArch, groups: tuple[LayerGroup, ...], precision: str) -> tuple[float, float, float]:
    """(cut by TP, whole, routed) bytes of all layers of ``groups``; those kept whole are of the largest group."""
    cut = whole = routed = 0.0
    most = max(range(len(groups)), key=lambda i: groups[i].count, default=0)
    for i, group in enumerate(groups):
        narrow, wide = _layer_bytes(model, group, layer_profile(group, model.hidden, i), precision)
        left = min(checkpoint_of(model, precision).kept_layers, group.count) if i == most else 0
        for n, w in ((group.count - left, narrow), (left, wide)):
            cut, whole, routed = cut + n * w[0], whole + n * w[1], routed + n * w[2]
    return cut, whole, routed


def weight_bytes(
    model: ModelArch, precision: str, tp: Ints, pp: Ints, attention_dp: Ints, *, draft: bool = False
) -> Floats:
    """Bytes of weights on a chip of the fullest stage, (n,). Embedding, head and vision stay in 16 bit, cut by TP.

    Routed experts are spread over all tp * attention_dp chips of a stage (by ep, then inside each expert).
    """
    cut, whole, routed = _body_bytes(model, model.groups, precision)
    layers = float(max(model.layers, 1))
    per_stage = np.ceil(layers / pp) / layers
    chips = (tp * attention_dp).astype(np.float64)
    body = cut / tp + whole + routed / chips
    table = WIDE * (model.vocab + model.learned_positions) * model.hidden / tp
    ends = np.where(pp > 1, table, table * (1.0 if model.tied_embeddings else 2.0))
    if model.vision is not None:
        ends = ends + WIDE * vision_parameters(model.vision) / tp
    total = body * per_stage + ends
    if draft and model.mtp_layers:
        cut, whole, routed = _body_bytes(model, model.mtp_groups, precision)
        joined = WIDE * 2.0 * model.hidden * model.hidden
        total = total + model.mtp_layers * (cut / tp + whole + joined + routed / chips)
    return np.asarray(total)


def _cut_widths(model: ModelArch, precision: str) -> Iterator[tuple[str, int, int]]:
    """(matrix, its width that TP cuts, least width of a shard) of every quantised matrix outside the routed experts.

    Fused matrices are cut one by one: the keys of attention where a head is the least, gate and up each for itself.
    """
    kept = checkpoint_of(model, precision)
    for group, profile in zip(model.groups, layer_profiles(model), strict=True):
        m = group.mixer
        for g in profile.gemms:
            if g.shard == "none" or _part(g, group) in (*kept.kept, "router"):
                continue
            if g.name == "qkv":
                yield "q", m.heads * m.head_dim, 0
                yield "k", m.kv_heads * m.head_dim, m.head_dim
            elif g.name.endswith("gate_up"):
                yield g.name, g.n // 2, 0
            elif g.name not in ("decay", "in"):
                yield g.name, g.k if g.shard == "row" else g.n, 0


def unloadable(model: ModelArch, precision: str, tp: int, attention_dp: int, ep: int) -> str:
    """Why an engine cannot load the maker's block-scaled checkpoint in a layout; empty where it can.

    Every shard of a quantised matrix must be a multiple of the block on the side that TP cuts (vLLM and SGLang refuse
    others: "not divisible by weight quantization block_n"). Routed experts are cut over the chips of a stage that
    expert parallelism leaves, tp * attention_dp / ep.
    """
    block = checkpoint_of(model, precision).block
    if not block:
        return ""
    for name, width, least in _cut_widths(model, precision) if tp > 1 else ():
        shard = max(width // tp, least)
        if width % block == 0 and shard % block:
            return f"{name}: {width} / {tp} = {shard} is no multiple of {block}, the block of its {precision} scales"
    pieces = tp * attention_dp // ep
    if pieces > 1 and "experts" not in checkpoint_of(model, precision).kept:
        for group in model.groups:
            width = group.feed_forward.expert_hidden if group.feed_forward.kind == "moe" else 0
            if width % pieces or width // pieces % block:
                return (
                    f"experts: {width} / {pieces} = {width / pieces:g} is no multiple of {block}, the block of their"
                    f" {precision} scales"
                )
    return ""
