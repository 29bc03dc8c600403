"""Moving bytes between memories: stages, copies, software per message, waiting.

    staged, one stage after the other   t = m o + sum_k (L_k + s / B_k)            m messages of o seconds of software
    pipelined, or one stage             t = m o + sum_k L_k + s / min_k B_k
    half of the rate is reached at      s_half = B (o + L)
    waiting for the slowest stage       rho / (2 (1 - rho)) s / B                  M/D/1, at a share rho of its time

A copy that goes through the host's memory has a stage for each pass over the host's link; direct paths (network cards
that read device memory, one address space over a fabric) have fewer. What network cards reach is ``nic_access`` of a
system: ``both`` host and device memory (GPUDirect RDMA), ``device`` memory only (ports on the chip: Ascend, Gaudi), or
``host`` memory only. Blocks of caches are copied stage after stage; collectives and checkpoints are cut into pieces and
pipelined. Shapes: numbers or arrays that broadcast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.network.remote import MESSAGE_S
from planner.network.tiers import Tier

Floats = NDArray[np.float64]
Memory = Literal["device", "host", "store"]
"""Of a chip, of its host, or of a storage server, whose own network cards reach it."""
LINK_SHARE = 0.80
"""Of a host link's nominal rate that copies reach: measured on NVLink-C2C in one direction."""
KERNEL_COPY = 62e9
"""Bytes/s at which a server's kernel copies payloads for TCP: from Mooncake's engine on 4 x 200 Gb/s, 87 GB/s and 2.4
times TCP (1/36.3 - 1/87); its 8 x 400 Gb/s, 190 GB/s and 4.6 times TCP, then come out 13% off."""
SPREAD_CHIPS = 512.0
"""Chips over which transfers between any two of a fabric are spread evenly: a pod."""
MOST_LOAD = 0.95
"""Beyond it the waiting formula says nothing."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One link or copy on the way: bytes/s that payload reaches, and seconds until its first byte is there."""

    name: str
    rate: float
    latency_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Route:
    """A way between two memories. ``message_s``: software of one message; ``pipelined``: stages run at once."""

    name: str
    stages: tuple[Stage, ...]
    message_s: float = 0.0
    pipelined: bool = False

    @property
    def rate(self) -> float:
        """Bytes/s of one large message."""
        if self.pipelined:
            return min(stage.rate for stage in self.stages)
        return 1.0 / math.fsum(1.0 / stage.rate for stage in self.stages)

    @property
    def latency_s(self) -> float:
        """Seconds of an empty message."""
        return self.message_s + math.fsum(stage.latency_s for stage in self.stages)

    @property
    def half_size(self) -> float:
        """Bytes of a message at which half of ``rate`` is reached."""
        return self.rate * self.latency_s

    def seconds(self, size: ArrayLike, messages: ArrayLike = 1.0, load: ArrayLike = 0.0) -> Floats:
        """Seconds to move ``size`` bytes in ``messages`` messages while the slowest stage is busy a share ``load``."""
        s, m = np.asarray(size, dtype=np.float64), np.asarray(messages, dtype=np.float64)
        rho = np.clip(np.asarray(load, dtype=np.float64), 0.0, MOST_LOAD)
        slowest = min(stage.rate for stage in self.stages)
        waiting = rho / (2.0 * (1.0 - rho)) * s / slowest
        first = math.fsum(stage.latency_s for stage in self.stages)
        return np.asarray(m * self.message_s + first + s / self.rate + waiting)

    def effective_rate(self, message: ArrayLike) -> Floats:
        """Bytes/s of messages of a size one after another: B s / (s + s_half)."""
        s = np.asarray(message, dtype=np.float64)
        return np.asarray(self.rate * s / (s + self.half_size))


def over_network(
    out: Tier,
    host_rate: float,
    nic_access: str,
    source: Memory = "device",
    target: Memory = "device",
    pipelined: bool = False,
) -> Route:
    """From a memory of one server to one of another over the scale-out tier ``out``.

    ``host_rate``: bytes/s of a chip's host link. A pass over it is added at either end whose memory the network cards
    do not reach.
    """
    link = Stage("host link", host_rate * LINK_SHARE, MESSAGE_S["copy"])
    spread = float(out.evenly(np.asarray(SPREAD_CHIPS))) / out.oversubscription
    net = Stage("network", out.bandwidth * out.efficiency * spread, out.latency)
    stages = [net]
    if nic_access not in {"both", source} and source != "store":
        stages.insert(0, link)
    if nic_access not in {"both", target} and target != "store":
        stages.append(link)
    name = "direct" if len(stages) == 1 else f"{len(stages) - 1} copies over the host"
    return Route(name, tuple(stages), MESSAGE_S["nic"], pipelined)


def through_tcp(network_rate: float) -> Route:
    """Between two servers through their kernels: the payload is copied by a server at ``KERNEL_COPY`` on its way."""
    return Route("TCP", (Stage("kernel copy", KERNEL_COPY), Stage("network", network_rate)), MESSAGE_S["nic"])


def within_domain(rate: float, access_s: float) -> Route:
    """Within a scale-up domain by addresses: one stage of ``rate`` bytes/s, ``access_s`` of a small access."""
    return Route("fabric", (Stage("fabric", rate),), access_s)


def to_store(network: Route, store_rate: float) -> Route:
    """The same way on to a store that takes ``store_rate`` bytes/s from each chip: written in pieces, so pipelined."""
    return Route(f"{network.name}, store", (*network.stages, Stage("store", store_rate)), network.message_s, True)
