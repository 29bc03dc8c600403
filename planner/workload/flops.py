"""Model FLOPs: what the mathematics of a model needs, counted once, whatever the implementation does.

A matrix costs 2 FLOPs per weight and token forward and twice that backward. The attention core costs 2*score_dim
FLOPs per (query, key) pair; a causal mask leaves half of the pairs (arXiv:2104.04473 appendix, halved). Recomputation
is not model FLOPs. Input embeddings are look-ups and cost nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.catalog.architecture import ModelArch
from planner.workload.layers import LayerProfile, layer_profile, layer_profiles
from planner.workload.parameters import mlp_shapes

Floats = NDArray[np.float64]


def mean_keys(sequence_length: ArrayLike, window: int | None = None, chunked: bool = False) -> Floats:
    """Keys a query sees on average over a causal sequence (same shape as ``sequence_length``).

    Without a window S/2; with a sliding window w: w - w*w/(2S), as the first w queries see fewer; in chunks of w: w/2
    (the rest of a last, shorter chunk counted as it is).
    """
    s = np.asarray(sequence_length, dtype=np.float64)
    if window is None:
        return np.asarray(s / 2)
    w = np.minimum(float(window), s)
    if chunked:
        whole = np.floor(s / w)
        rest = s - whole * w
        return np.asarray((whole * w * w + rest * rest) / (2 * s))
    return np.asarray(w - w * w / (2 * s))


def _mean_capped(sequence_length: ArrayLike, cap: int) -> Floats:
    """Keys kept on average when at most ``cap`` are."""
    return mean_keys(sequence_length, cap or None)


def _core_flops(profile: LayerProfile, sequence_length: ArrayLike) -> Floats:
    """Forward FLOPs per token of the attention core, causal, averaged over the sequence."""
    keys = mean_keys(sequence_length, profile.window, profile.chunked)
    kept = np.minimum(keys, _mean_capped(sequence_length, profile.sparse_top_k)) if profile.sparse_top_k else keys
    return 2.0 * profile.score_dim * kept + 2.0 * profile.index_score_dim * keys


def attention_flops_per_token(model: ModelArch, sequence_length: ArrayLike) -> Floats:
    """Forward FLOPs per token of all attention cores, causal, averaged over a sequence of the given length."""
    zero = np.zeros_like(np.asarray(sequence_length, dtype=np.float64))
    return sum((p.count * _core_flops(p, sequence_length) for p in layer_profiles(model)), zero)


def matmul_weights(model: ModelArch) -> int:
    """Weights a token is multiplied with: active matrices and the output head, without the embedding look-up."""
    layers = sum(p.count * p.active_gemm_weights for p in layer_profiles(model))
    return layers + model.vocab * model.hidden + sum(k * n for _, k, n in mlp_shapes(model))


def interaction_flops(model: ModelArch) -> float:
    """Forward FLOPs per sample of a recommender's dot interaction and pooling (zero for other models)."""
    if not model.tables:
        return 0.0
    features = sum(t.tables for t in model.tables) + 1
    dots = 0.0 if model.cross_layers else features * (features - 1) / 2 * 2 * model.tables[0].dim
    return dots + sum(t.tables * t.pooling * t.dim for t in model.tables)


def _mtp_flops(model: ModelArch, sequence_length: ArrayLike) -> Floats:
    layers = [layer_profile(g, model.hidden) for g in model.mtp_groups]
    weights = sum(p.count * p.active_gemm_weights for p in layers)
    weights += 2 * model.hidden * model.hidden + model.vocab * model.hidden
    zero = np.zeros_like(np.asarray(sequence_length, dtype=np.float64))
    cores = sum((p.count * (p.scan_flops + _core_flops(p, sequence_length)) for p in layers), zero)
    return model.mtp_layers * (2.0 * weights + cores)


def _shaped(value: Floats) -> Any:
    return float(value) if value.ndim == 0 else value


def train_flops_per_token(model: ModelArch, sequence_length: ArrayLike, *, mtp: bool = False) -> Any:
    """Model FLOPs per trained token (per sample for a recommender): three times the forward pass.

    ``sequence_length`` tokens, scalar or array; the answer has its shape (a float for a scalar). Causal attention is
    counted at half. With ``mtp`` the multi-token prediction modules are counted as well.
    """
    s = np.asarray(sequence_length, dtype=np.float64)
    scan = sum(p.count * p.scan_flops for p in layer_profiles(model))
    forward = 2.0 * matmul_weights(model) + scan + interaction_flops(model) + attention_flops_per_token(model, s)
    if mtp and model.mtp_layers:
        forward = forward + _mtp_flops(model, s)
    return _shaped(np.asarray(3.0 * forward))


def forward_flops_per_token(model: ModelArch, context: ArrayLike) -> Any:
    """FLOPs of one token that attends to ``context`` keys (scalar or array; the answer has its shape).

    A prefill of S tokens costs S times this at context S/2, where no window cuts in. Output head included.
    Latent attention is counted in its plain form (``score_dim``), not absorbed.
    """
    keys = np.asarray(context, dtype=np.float64)
    flops = np.full(keys.shape, 2.0 * matmul_weights(model) + interaction_flops(model))
    for p in layer_profiles(model):
        seen = keys if p.window is None else np.minimum(keys, float(p.window))
        kept = np.minimum(seen, float(p.sparse_top_k)) if p.sparse_top_k else seen
        flops = flops + p.count * (2.0 * p.score_dim * kept + 2.0 * p.index_score_dim * seen + p.scan_flops)
    return _shaped(flops)


def vision_flops_per_image(model: ModelArch, tokens: float | None = None) -> float:
    """Forward FLOPs of the vision tower for one image (0 without a tower); attention sees every patch.

    ``tokens``: what the language model sees of the image, None = as many as the model's record says; patches are in
    proportion to them.
    """
    t = model.vision
    if t is None:
        return 0.0
    seen = float(t.tokens_per_image if tokens is None else tokens)
    patches = t.patches_per_image * seen / t.tokens_per_image
    matrices = t.layers * (4 * t.hidden * t.hidden + (3 if t.gated else 2) * t.hidden * t.ffn_hidden)
    core = t.layers * 4.0 * t.hidden * patches
    return patches * (2.0 * matrices + core) + 2.0 * seen * t.other_parameters
