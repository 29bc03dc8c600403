"""Closed form of pipelines with unequal stages.

T = m*max_i(t_i) + (sum_i t_i - max_i t_i)*share/v, t_i = forward plus backward of a micro-batch on stage i. The first
term is the slowest stage working without pause; the second the filling and draining through the others, which
interleaving cuts by the number v of chunks per stage (arXiv:2104.04473) and zero-bubble schedules by ``share``:
1F1B 1; ZB-H1 (p-1)(F+B-W), a third where F = B = W (arXiv:2401.10241); DualPipe (p/2-1)(F&B+B-3W), a third likewise
(arXiv:2412.19437).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BUBBLE_SHARE: Mapping[str, float] = {"1f1b": 1.0, "zb_h1": 1.0 / 3.0, "dualpipe": 1.0 / 3.0}


def bubble_seconds(
    total_s: Floats, slowest_s: Floats, chunks: Floats, micro_batches: Floats, stages: Floats, schedule: str
) -> Floats:
    """Seconds in which the slowest stage waits: filling and draining, and the ragged end of interleaving.

    ``total_s``: one micro-batch through all stages; ``slowest_s``: through the slowest; ``chunks``: v >= 1. With v > 1
    and micro-batches that are no multiple of the stages, the last round is padded: v-1 chunk slots for each missing.
    """
    fill = (total_s - slowest_s) * BUBBLE_SHARE[schedule] / chunks
    missing = np.mod(-micro_batches, stages)
    ragged = np.where(chunks > 1, (chunks - 1) * missing * slowest_s / np.maximum(chunks, 1.0) / stages, 0.0)
    return np.maximum(fill, 0.0) + ragged


def in_flight(micro_batches: Floats, stages: Floats, chunks: Floats, stage: Floats, schedule: str) -> Floats:
    """Micro-batches (in units of a whole stage's layers) whose activations a stage holds at its peak.

    1F1B: min(m, p-i). Interleaved: warm-up of (2(p-1-i) + (v-1)p + 1) chunks. DualPipe: p + 1.
    """
    if schedule == "dualpipe":
        return np.minimum(micro_batches, np.where(stages > 1, stages + 1.0, 1.0))
    plain = stages - stage
    interleaved = (2.0 * (stages - 1.0 - stage) + (chunks - 1.0) * stages + 1.0) / chunks
    return np.minimum(micro_batches, np.where((chunks > 1) & (stages > 1), interleaved, plain))


def stage_layers(layers: int, stages: Floats) -> tuple[Floats, Floats]:
    """Layers of the fullest stage, and of the last one; what is left over goes to the stages in the middle first."""
    whole = np.floor(layers / stages)
    rest = layers - whole * stages
    fullest = whole + (rest > 0)
    return fullest, np.where((rest > 0) & (rest >= stages - 0.5), fullest, whole)
