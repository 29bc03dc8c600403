"""What a sequence leaves in memory while it is served: keys and values, latents, states."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from planner.catalog.architecture import ModelArch
from planner.workload.layers import LayerProfile, layer_profiles

STATE_BYTES = {"bf16": 2.0, "fp16": 2.0, "fp32": 4.0}
CONV_BYTES = 2.0  # inputs that a convolution still needs: in the model's own 16 bits


def state_bytes_of(model: ModelArch) -> float:
    """Bytes of an element of a recurrent state, as the model's config names it; a quantised cache changes nothing."""
    return STATE_BYTES[model.state_precision]


def layer_cache_bytes(
    layer: LayerProfile, tokens: ArrayLike, kv_bytes: ArrayLike, state_bytes: float, beyond: ArrayLike = 0.0
) -> Any:
    """Bytes that one layer keeps of a sequence of ``tokens`` tokens (arrays that broadcast).

    ``beyond``: tokens a layer with a window holds besides it, such as those of the chunk in work. Compressed attention
    keeps its window of raw keys beside the compressed ones.
    """
    held, kv_bytes = np.asarray(tokens, dtype=np.float64), np.asarray(kv_bytes, dtype=np.float64)
    kept = held if layer.window is None else np.minimum(held, layer.window + np.asarray(beyond, dtype=np.float64))
    fixed = layer.conv_elements * CONV_BYTES
    if layer.local_elements:
        raw = np.minimum(held, layer.state_elements / layer.local_elements) * layer.local_elements
        return (kept * layer.kv_elements + raw) * kv_bytes + fixed
    return kept * layer.kv_elements * kv_bytes + layer.state_elements * state_bytes + fixed


def kv_bytes_per_sequence(
    model: ModelArch,
    tokens: ArrayLike,
    bytes_per_element: ArrayLike,
    *,
    state_bytes_per_element: float | None = None,
) -> Any:
    """Bytes of cache of one sequence of ``tokens`` tokens (scalars or arrays that broadcast; a float for scalars).

    Layers with a window keep at most the window; latent attention keeps its latent and rotary part (and the index
    key, when sparse); state-space and linear layers keep a state whatever the length, in the precision the model names
    unless ``state_bytes_per_element`` says otherwise.
    """
    length = np.asarray(tokens, dtype=np.float64)
    size = np.asarray(bytes_per_element, dtype=np.float64)
    state = state_bytes_of(model) if state_bytes_per_element is None else state_bytes_per_element
    total = np.zeros(np.broadcast_shapes(length.shape, size.shape))
    for p in layer_profiles(model):
        total = total + p.count * layer_cache_bytes(p, length, size, state)
    return float(total) if total.ndim == 0 else total


def kv_bytes_per_token(model: ModelArch, bytes_per_element: float) -> float:
    """Bytes each further token of context adds while no window is full. DeepSeek-V3 in BF16: 70,272."""
    return sum(p.count * p.kv_elements for p in layer_profiles(model)) * bytes_per_element


def state_bytes_per_sequence(model: ModelArch, bytes_per_element: float | None = None) -> float:
    """Bytes of state-space and linear-attention state of one sequence, convolutions included.

    ``bytes_per_element`` None: the precision the model names.
    """
    size = state_bytes_of(model) if bytes_per_element is None else bytes_per_element
    return sum(
        p.count * (p.state_elements * size + p.conv_elements * CONV_BYTES)
        for p in layer_profiles(model)
        if not p.local_elements
    )
