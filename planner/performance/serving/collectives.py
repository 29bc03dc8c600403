"""Collectives of serving over the tiers of a platform: all-reduce, gather, expert dispatch and combine, point to point.

Shapes: every argument that is an array has shape (n,). Times are seconds of one call. Groups lie on consecutive
chips, so a group of n chips stays in the innermost tier that holds n.

Sources: ring volume 2(n-1)/n and its hierarchical form (arXiv:1909.09756 and the NCCL documentation); dispatch and
combine as start-up plus bytes of the tokens that leave (DeepEP's published low-latency table is reproduced within 8%).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.network.tiers import Tier

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


ONE_STEP_BYTES = 2e6
"""Half of this and less, kernels of an engine exchange in one step; several times this goes round a ring."""


@dataclass(frozen=True)
class Spread:
    """How a group of ``size`` chips lies on two levels: ``inner`` chips in one domain, ``outer`` such domains."""

    size: Floats
    inner: Floats
    outer: Floats
    inner_bandwidth: Floats
    outer_bandwidth: Floats
    inner_latency: Floats
    outer_latency: Floats


def effective_bandwidth(tier: Tier) -> float:
    """Bytes/s one chip reaches with large messages inside ``tier``."""
    return tier.bandwidth * tier.efficiency / tier.oversubscription


def spread(n: Ints | Spread, tiers: tuple[Tier, ...]) -> Spread:
    """Place groups of ``n`` chips: the tier that holds the group is the outer level, the one below it the inner.

    A ``Spread`` passes through: what every collective of one group shares is worked out once.
    """
    if isinstance(n, Spread):
        return n
    size = np.asarray(n, dtype=np.float64)
    inner = np.ones_like(size)
    bandwidth_in = np.full_like(size, effective_bandwidth(tiers[0]))
    latency_in = np.full_like(size, tiers[0].latency)
    bandwidth_out, latency_out = bandwidth_in.copy(), latency_in.copy()
    done = np.zeros(size.shape, dtype=bool)
    for i, tier in enumerate(tiers):
        last = i == len(tiers) - 1
        here = ~done & ((size <= tier.size) | last)
        below = tiers[i - 1] if i else tier
        domain = float(below.size) if i else 1.0
        inner = np.where(here, np.minimum(size, domain) if i else size, inner)
        bandwidth_in = np.where(here, effective_bandwidth(below), bandwidth_in)
        latency_in = np.where(here, below.latency, latency_in)
        bandwidth_out = np.where(here, effective_bandwidth(tier), bandwidth_out)
        latency_out = np.where(here, tier.latency, latency_out)
        done |= here
    return Spread(size, inner, size / inner, bandwidth_in, bandwidth_out, latency_in, latency_out)


def _flat_over_the_bus(s: Spread, tiers: tuple[Tier, ...]) -> Spread:
    """Groups that span bridged pairs of a server ring over the host bus whole: no level inside to reduce in first."""
    buses = [i for i, tier in enumerate(tiers) if i and tier.kind not in ("scale_up", "scale_out")]
    if not buses:
        return s
    size = s.size
    bus = (size > tiers[buses[0] - 1].size) & (size <= tiers[buses[0]].size)
    inner, outer = np.where(bus, 1.0, s.inner), np.where(bus, size, s.outer)
    return replace(s, inner=inner, outer=outer)


def all_reduce(
    n: Ints | Spread, payload: Floats, tiers: tuple[Tier, ...], *, start_up: float, step: float = 0.0,
    across: float = 0.0, ring: float = 0.0, share: float = 1.0,
) -> Floats:  # fmt: skip
    """Seconds to all-reduce ``payload`` bytes over ``n`` chips; 0 for n = 1.

    Two levels: reduce-scatter inside, all-reduce of the share across, all-gather inside. ``start_up``: seconds of
    software per call; ``step``: seconds per doubling of the group on top of the tier's latency; ``across``: more
    seconds of software for a group that leaves the domain; ``ring``: seconds per step of a ring, 2(n-1) of them, which
    messages beyond ``ONE_STEP_BYTES`` take in libraries that exchange only smaller ones in one step; ``share``: of the
    tiers' bandwidth that the library reaches.
    """
    s = _flat_over_the_bus(spread(n, tiers), tiers)
    inside = 2.0 * (s.inner - 1.0) / s.inner * payload / s.inner_bandwidth
    outside = 2.0 * (s.outer - 1.0) / s.outer * payload / s.inner / s.outer_bandwidth
    # inside a domain custom kernels exchange in one step; across domains a tree of steps
    hops = np.where(s.inner > 1, s.inner_latency, 0.0) + np.log2(s.inner) * step
    left = (s.inner > 1) & (s.outer > 1)
    hops = hops + np.where(left, start_up + across, 0.0) + np.log2(s.outer) * (s.outer_latency + step)
    steps = 2.0 * (s.size - 1.0) * ring * payload / (payload + ONE_STEP_BYTES)
    return np.where(s.size > 1, start_up + hops + steps + (inside + outside) / share, 0.0)


def gather_scatter(n: Ints | Spread, payload: Floats, tiers: tuple[Tier, ...], *, start_up: float) -> Floats:
    """Seconds to all-gather ``payload`` bytes (the gathered size) over ``n`` chips, or to reduce-scatter them."""
    s = spread(n, tiers)
    inside = (s.inner - 1.0) / s.inner * payload / s.inner_bandwidth
    across = (s.outer - 1.0) / s.outer * payload / s.inner / s.outer_bandwidth
    hops = np.where(s.inner > 1, s.inner_latency, 0.0) + np.log2(s.outer) * s.outer_latency
    return np.where(s.size > 1, start_up + hops + inside + across, 0.0)


def all_to_all(
    n: Ints | Spread, payload: Floats, tiers: tuple[Tier, ...], *, start_up: float, per_doubling: float = 0.0,
    once: Floats | float = 1.0,
) -> Floats:  # fmt: skip
    """Seconds for each of ``n`` chips to send ``payload`` bytes spread evenly over all of them (itself included).

    start_up + per_doubling * log2(n / 8) + max(share to other chips of the domain, share to other domains), the two
    on their own links; ``once``: share of the copies for other domains that cross, where a token goes to each domain
    once and is copied there. This is expert dispatch (FP8: hidden + hidden/128*4 bytes per token and expert) and
    combine.
    """
    s = spread(n, tiers)
    size = s.size
    local = payload * (s.inner - 1.0) / size / s.inner_bandwidth
    remote = once * payload * (size - s.inner) / size / (s.outer_bandwidth * tiers[-1].evenly(size))
    growth = per_doubling * np.maximum(np.log2(np.maximum(size, 1.0) / 8.0), 0.0)
    return np.where(size > 1, start_up + growth + np.maximum(local, remote), 0.0)


def point_to_point(n: Ints, payload: Floats, tiers: tuple[Tier, ...], *, start_up: float) -> Floats:
    """Seconds to send ``payload`` bytes to the next stage, which lies ``n`` chips away."""
    s = spread(np.asarray(n) * 2, tiers)
    flow = np.where(s.size > tiers[-2].size, tiers[-1].flow, 1.0) if len(tiers) > 1 else 1.0
    return start_up + s.outer_latency + payload / (s.outer_bandwidth * flow)
