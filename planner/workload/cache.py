"""What a sequence leaves in memory while it is served: keys and values, latents, states."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from planner.catalog.architecture import ModelArch
from planner.workload.layers import layer_profiles


def kv_bytes_per_sequence(
    model: ModelArch,
    tokens: ArrayLike,
    bytes_per_element: ArrayLike,
    *,
    state_bytes_per_element: float | None = None,
) -> Any:
    """Bytes of cache of one sequence of ``tokens`` tokens (scalars or arrays that broadcast; a float for scalars).

    Layers with a window keep at most the window; latent attention keeps its latent and rotary part (and the index
    key, when sparse); state-space and linear layers keep a state whatever the length. States are kept at 2 bytes an
    element or more even where keys and values are quantised, unless ``state_bytes_per_element`` says otherwise.
    """
    length = np.asarray(tokens, dtype=np.float64)
    size = np.asarray(bytes_per_element, dtype=np.float64)
    state_size = np.maximum(size, 2.0) if state_bytes_per_element is None else np.asarray(state_bytes_per_element)
    total = np.zeros(np.broadcast_shapes(length.shape, size.shape))
    for p in layer_profiles(model):
        kept = length if p.window is None else np.minimum(length, float(p.window))
        total = total + p.count * (kept * p.kv_elements * size + p.state_elements * state_size)
    return float(total) if total.ndim == 0 else total


def kv_bytes_per_token(model: ModelArch, bytes_per_element: float) -> float:
    """Bytes each further token of context adds while no window is full. DeepSeek-V3 in BF16: 70,272."""
    return sum(p.count * p.kv_elements for p in layer_profiles(model)) * bytes_per_element


def state_bytes_per_sequence(model: ModelArch, bytes_per_element: float) -> float:
    """Bytes of state-space and linear-attention state of one sequence."""
    return sum(p.count * p.state_elements for p in layer_profiles(model)) * bytes_per_element
