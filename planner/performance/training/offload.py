"""States and activations kept off the chip: seconds that stay exposed, bytes that stay on the chip.

Optimizer states in the memory of the host are updated by its processors (ZeRO-Offload, arXiv:2101.06840): gradients
go down behind the last backward pass, the update takes the processors' own memory bandwidth when all gradients are
there, new 16-bit weights come up behind it; where gradients are sharded (ZeRO 2, 3) they live there too. States in a
supernode's pool or on drives, which have a rate of their own, stream through the chip once a step (read and written,
12 bytes a parameter each way) while the last micro-batch is in its backward pass (ZeRO-Infinity, arXiv:2104.07857).
Weights are read twice a micro-batch (forward, backward); activations leave during the forward pass and return during
the backward pass. What a pass hides costs nothing, the difference is exposed. Two layers of whatever is offloaded
stay resident: the one in use and the one on its way.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from planner.network.transfer import LINK_SHARE
from planner.performance.platform import Platform
from planner.performance.training.profile import Profile

Floats = NDArray[np.float64]

RESIDENT_LAYERS = 2.0
HOST_UPDATE_BYTES_S = 150e9
"""Bytes/s at which the processors of one server update states: what 8B parameters on eight H200 and on eight B200 take
beyond computing (1.7 s a step on both; the carried rows of short sequences with offload)."""
WIRE_BYTES = 2.0
"""Bytes of a gradient on its way down and of a weight on its way up."""


def offload_rate(platform: Platform, profile: Profile) -> float:
    """Bytes/s between a chip and the memory it offloads to, one direction."""
    nominal = profile.offload_gb_s * 1e9 if profile.offload_gb_s > 0 else platform.host_bandwidth
    return nominal * LINK_SHARE


def update_bytes(profile: Profile) -> float:
    """Bytes that an update of Adam moves a parameter: gradient, states read and written, the 16-bit copy."""
    return 6.0 + 2.0 * profile.optimizer_bytes


def resident(stored: Floats, share: Floats | float, layers: Floats) -> Floats:
    """Bytes of ``stored`` (of ``layers`` layers) that stay on the chip when ``share`` of them is offloaded."""
    if not np.any(np.asarray(share) > 0):
        return stored
    return np.asarray(stored * (1.0 - share * np.maximum(1.0 - RESIDENT_LAYERS / np.maximum(layers, 1.0), 0.0)))


def offload_seconds(
    platform: Platform,
    profile: Profile,
    bytes_: Mapping[str, Floats],
    forward_s: Floats,
    backward_s: Floats,
    tail_s: Floats,
    turns: Floats,
) -> Floats:
    """Exposed seconds of a step, (n,).

    ``bytes_``: ``weights``, ``optimizer`` and ``activations`` of one micro-batch on a stage; ``forward_s``,
    ``backward_s``: of a micro-batch on the slowest stage; ``tail_s``: what optimizer traffic may hide behind;
    ``turns``: micro-batches the slowest stage sees, filling included.
    """
    rate = offload_rate(platform, profile)
    weights = bytes_["weights"] * (profile.offload_weights / rate)
    kept = bytes_["activations"] * (profile.offload_activations / rate)
    share = profile.offload_optimizer
    parameters = bytes_["optimizer"] * (share / profile.optimizer_bytes)
    if profile.offload_gb_s > 0:
        states = np.maximum(bytes_["optimizer"] * (share / rate) - tail_s, 0.0)  # in and out at once
    else:
        wire = parameters * (WIRE_BYTES / rate)
        update = parameters * (update_bytes(profile) * max(platform.server_chips, 1) / HOST_UPDATE_BYTES_S)
        states = np.maximum(wire - tail_s, 0.0) + np.maximum(update, wire)
    ahead = np.maximum(np.maximum(weights, kept) - forward_s, 0.0)
    back = np.maximum(weights + kept - backward_s, 0.0)
    return np.asarray((ahead + back) * turns + states)
