"""Chip power while serving, from what a step spends its time on.

P = P_max * (idle + (1 - idle) * a),  a = sum over the parts of a step of share * activity.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from planner.performance.serving.job import ServingEstimate

Floats = NDArray[np.float64]

IDLE_POWER = 0.13
"""Of TDP, where a chip's own idle power is not published."""

# Share of the dynamic range a chip draws while it does nothing but that part. Streaming weights or cache at full
# bandwidth draws about half to two thirds of the range, matrix units at full rate nearly all (arXiv:2311.18677 fig. 8:
# prompt phase near TDP, token phase 50-70%); waiting for a link or the host little.
ACTIVITY: Mapping[str, float] = {
    "gemm": 0.75,
    "experts": 0.70,
    "attention": 0.70,
    "elementwise": 0.6,
    "head": 0.75,
    "all_reduce": 0.45,
    "all_to_all": 0.40,
    "pipeline": 0.30,
    "layers_fixed": 0.45,
    "step_fixed": 0.35,
    "sequences_fixed": 0.35,
}


def chip_power(estimate: ServingEstimate, tdp_w: float, idle_fraction: float) -> Floats:
    """Mean watts of one chip at the estimate's load, (n,)."""
    step = np.maximum(estimate.step_s, 1e-30)
    active = np.zeros(step.shape)
    for name, seconds in estimate.breakdown.items():
        active = active + ACTIVITY[name] * seconds / step
    return np.asarray(tdp_w * (idle_fraction + (1.0 - idle_fraction) * np.minimum(active, 1.0)))
