"""Seconds of matrix products, fused attention and memory-bound kernels, for arrays of shapes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.performance.laws import KernelLaw

Floats = NDArray[np.float64]


# Matrix units are fed in blocks: a width that is no multiple of 64 elements leaves part of them idle, one that is no
# multiple of 8 (16 bytes) falls back to slower loads (cuBLAS and CUTLASS alignment rules; BLOOM's search shows both).
_ALIGNED: tuple[tuple[int, float], ...] = (
    (64, 1.0),
    (32, 0.96),
    (16, 0.90),
    (8, 0.82),
    (4, 0.55),
    (2, 0.45),
    (1, 0.35),
)


_SHARE_OF_BLOCK = np.full(65, 1.0)
for _block, _share in _ALIGNED:
    _SHARE_OF_BLOCK[_block] = _share


def alignment(width: Floats | float) -> Floats:
    """Share of the rate that a matrix of ``width`` columns keeps, by the largest power of two that divides it."""
    whole = np.asarray(width).astype(np.int64)
    return np.asarray(_SHARE_OF_BLOCK[np.minimum(whole & -whole, 64)])


def gemm_seconds(
    m: Floats,
    n: Floats | float,
    k: Floats | float,
    rate: float,
    bandwidth: float,
    law: KernelLaw,
    element_bytes: float = 2.0,
) -> Floats:
    """Seconds of an (m x k)(k x n) product; arrays broadcast; ``rate``: FLOP/s of large products.

    t = 2mnk/rate*(1 + wave_share*W/(m*n)) + bytes_share*bytes/bandwidth + launch: the second factor is the last,
    partly filled wave of tiles (W outputs are computed at once), the bytes stand for what prologue and epilogue
    leave uncovered. Fitted on published A100 and B200 efficiency by size: 0.62 at 20 GFLOP to 0.75 at 1 TFLOP.
    """
    outputs = m * n
    flops = 2.0 * outputs * k / (alignment(n) * alignment(k))
    wave = 1.0 + law.wave_share * np.minimum(law.wave_outputs / outputs, 8.0)
    moved = element_bytes * (m * k + n * k) + 2.0 * outputs
    return flops / rate * wave + law.bytes_share * moved / bandwidth + law.launch_s


def grouped_gemm_seconds(
    tokens_per_expert: Floats,
    experts: Floats,
    n: Floats | float,
    k: Floats | float,
    rate: float,
    bandwidth: float,
    law: KernelLaw,
    element_bytes: float = 2.0,
    fused: bool = False,
) -> Floats:
    """Seconds of one product of each of ``experts`` local experts, ``tokens_per_expert`` rows each, in one kernel.

    Compute and memory traffic add: reading each expert's weights is what makes few tokens per expert slow (efficiency
    0.18 at 128 tokens, 0.43 at 1,100, 0.49 at 2,300 on B200); rows are padded to tiles of 128 by half a tile.
    ``fused``: one persistent kernel for all experts, whose traffic streams under its compute: the longer of the two.
    """
    rows = tokens_per_expert + np.minimum(64.0, tokens_per_expert)
    flops = 2.0 * rows * experts * n * k
    moved = experts * (element_bytes * (tokens_per_expert * k + n * k) + 2.0 * tokens_per_expert * n)
    compute, traffic = flops / (rate * law.grouped), moved / (bandwidth * law.memory)
    return (np.maximum(compute, traffic) if fused else compute + traffic) + law.launch_s * 2.0


def attention_seconds(
    flops: Floats, keys: Floats | float, asymptote: float, peak: float, law: KernelLaw, head: float = 128.0
) -> Floats:
    """Seconds of fused attention of ``flops`` (causal FLOPs only) whose queries see up to ``keys`` keys.

    Each score takes one exponential whatever the ``head`` size: of heads of 64 it weighs twice as much as of 128.
    """
    reach = np.asarray(keys, dtype=np.float64)
    softmax = 1.0 + law.softmax * (128.0 / head - 1.0)
    return flops / (peak * asymptote) * softmax * (1.0 + law.attention_half / np.maximum(reach, 1.0)) + law.launch_s


def stream_seconds(moved: Floats, kernels: float, bandwidth: float, law: KernelLaw) -> Floats:
    """Seconds of ``kernels`` memory-bound kernels that move ``moved`` bytes in all."""
    return moved / (bandwidth * law.memory) + kernels * law.launch_s
