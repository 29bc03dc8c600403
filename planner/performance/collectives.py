"""Seconds of collectives over the tiers of a cluster, for arrays of groups.

A group has ``size`` ranks, ``stride`` chips apart (placement order TP, CP, EP, DP, PP puts the ranks of the inner
dimensions between them). Ring collectives that leave a domain run at the lower of the link inside and the sum of the
network ports of the group's members in one domain (NCCL rings over all NICs); start-up grows with the members
inside a domain and the logarithm of the number of domains. Before NCCL 2.12 (2022, PXN) could send through a
neighbour's port, groups whose ranks alternate on a server left it by one port each where every chip has an adapter of
its own; where chips share adapters a ring left by the one it came in by, so all of a server's rings crossed the link
between its processors. Volumes: all-gather and reduce-scatter (n-1)/n*S,
all-reduce twice that, all-to-all (n-1)/n*S of which only the part that leaves a domain uses the outer tier.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.network.tiers import Tier

Floats = NDArray[np.float64]

# Seconds a collective call costs whatever its size: kernel launch and rendez-vous (NCCL fits on B200: 22-26 us).
CALL_SECONDS = 22e-6
# Steps of a ring inside a domain cost about three link latencies each (B200: 9.2 us a step; A100 over 8: 92 us in all).
STEP_LATENCIES = 3.0
# Bytes/s and direction between the two processors of a server for traffic of its adapters, all rings together: what
# A100 servers with four adapters show on two clusters, of 100 and of 200 Gb/s an adapter (docs/training-model.md, 10).
PROCESSOR_LINK = 25e9
# A collective that leaves its domain pays for network set-up and the ramp of small messages (Primus: about 200 us).
OFF_DOMAIN_SECONDS = 200e-6
# Time of an all-reduce inside a domain over twice that of a gather at the tier's mean efficiency: measured bus
# bandwidth 0.74 against 0.69 (A100), 0.78 against 0.66 (B200), 0.99 against 0.73 (H100, reduced in the switch).
ALL_REDUCE_FACTOR, IN_SWITCH_FACTOR = 0.91, 0.78


def _members(size: Floats, stride: Floats, tier: Tier) -> Floats:
    """Ranks of a group inside one domain of a tier."""
    return np.clip(np.floor(tier.size / stride), 1.0, size)


def ring_rate(
    tiers: tuple[Tier, ...], size: Floats, stride: Floats, joined_ports: bool = True
) -> tuple[Floats, Floats]:
    """Bytes/s at which (n-1)/n*S passes in a ring, and start-up seconds of one collective.

    ``size`` and ``stride`` are arrays of one shape; groups of one rank get infinite rate and no start-up.
    ``joined_ports``: groups that alternate with others (``stride`` > 1) leave a domain by all their members' ports;
    otherwise by one port, or over their share of the link between processors where chips share adapters.
    """
    inside = _members(size, stride, tiers[0])
    rate = np.where(inside > 1, tiers[0].bandwidth * tiers[0].efficiency, np.inf)
    start = CALL_SECONDS + STEP_LATENCIES * tiers[0].latency * (inside - 1)
    covered = inside
    for tier in tiers[1:]:
        members = _members(size, stride, tier) if tier is not tiers[-1] else size
        leaves = members > covered
        ports = tier.bandwidth * covered
        if not joined_ports:
            alone = PROCESSOR_LINK / stride if tier.adapter_chips > 1 else tier.bandwidth
            ports = np.where((stride > 1) & (covered > 1), np.minimum(ports, alone), ports)
        ports = ports * tier.efficiency / tier.oversubscription
        rate = np.where(leaves, np.minimum(rate, ports), rate)
        start = start + np.where(leaves, tier.latency * np.log2(np.maximum(members / covered, 1.0)) * 2.0, 0.0)
        covered = np.maximum(covered, members)
    start = start + np.where(size > inside, OFF_DOMAIN_SECONDS, 0.0)
    return rate, np.where(size > 1, start, 0.0)


def all_gather(
    tiers: tuple[Tier, ...], size: Floats, stride: Floats, total_bytes: Floats, joined_ports: bool = True
) -> Floats:
    """Seconds to gather ``total_bytes`` (the whole buffer) over each group; a reduce-scatter costs the same."""
    rate, start = ring_rate(tiers, size, stride, joined_ports)
    return (size - 1) / size * total_bytes / rate + start


def all_reduce(tiers: tuple[Tier, ...], size: Floats, stride: Floats, total_bytes: Floats) -> Floats:
    """Seconds to all-reduce ``total_bytes`` over each group; less inside a domain, least where its switch reduces."""
    rate, start = ring_rate(tiers, size, stride)
    inside = _members(size, stride, tiers[0]) >= size
    factor = np.where(inside, IN_SWITCH_FACTOR if tiers[0].in_switch_reduction else ALL_REDUCE_FACTOR, 1.0)
    return 2.0 * (size - 1) / size * total_bytes / rate * factor + start


def all_to_all(
    tiers: tuple[Tier, ...],
    size: Floats,
    stride: Floats,
    rank_bytes: Floats,
    dedup: Floats,
) -> Floats:
    """Seconds of an all-to-all in which every rank sends ``rank_bytes`` in all.

    The share to ranks of the same domain goes over the inner tier; the share that leaves is multiplied by ``dedup``
    (distinct remote domains a token crosses to, over its copies: hierarchical dispatch sends one copy per domain and
    fans out inside it) and goes through each rank's own port.
    """
    inside = _members(size, stride, tiers[0])
    inner = tiers[0].bandwidth * tiers[0].efficiency
    away = (size - inside) / size
    # what arrives from outside is forwarded inside when it was deduplicated
    seconds_in = rank_bytes * ((inside - 1) / size + away * (1.0 - dedup)) / inner
    outer = tiers[1] if len(tiers) > 1 else tiers[0]
    last = tiers[-1]
    middle = np.where(_members(size, stride, outer) >= size, 1.0, 0.0)
    rate = np.where(
        middle > 0,
        outer.bandwidth * outer.efficiency / outer.oversubscription * outer.evenly(size),
        last.bandwidth * last.efficiency / last.oversubscription * last.evenly(size),
    )
    seconds_out = rank_bytes * away * dedup / rate
    start = CALL_SECONDS * 2 + tiers[0].latency * np.minimum(inside, 8.0)
    start = start + np.where(away > 0, outer.latency * 3.0 + 0.1e-6 * (size - inside), 0.0)
    return np.where(size > 1, np.maximum(seconds_in, seconds_out) + start, 0.0)


def point_to_point(tiers: tuple[Tier, ...], distance: Floats, message_bytes: Floats) -> Floats:
    """Seconds to send ``message_bytes`` to the rank ``distance`` chips away, with nothing else on its port."""
    seconds = np.full(np.shape(distance), 0.0)
    done = np.zeros(np.shape(distance), dtype=bool)
    for i, tier in enumerate(tiers):
        reach = distance < tier.size if i < len(tiers) - 1 else np.ones(np.shape(distance), dtype=bool)
        here = reach & ~done
        rate = tier.bandwidth * tier.efficiency / tier.oversubscription * tier.flow
        cost = message_bytes / rate + tier.latency * 2 + 4e-6
        seconds = np.where(here, cost, seconds)
        done |= reach
    return seconds


def distinct_domains_share(domains: Floats, copies: float, limit: float) -> Floats:
    """Distinct remote domains a token with ``copies`` balanced destinations reaches, over the remote copies.

    K domains of equal size: expected distinct domains K*(1 - (1 - 1/K)^copies), one of them the token's own with the
    same chance; at most ``limit`` (node-limited routing, 0 = none). One where there is one domain.
    """
    k = np.maximum(domains, 1.0)
    distinct = k * (1.0 - (1.0 - 1.0 / k) ** copies)
    if limit > 0:
        distinct = np.minimum(distinct, limit)
    remote_share = (k - 1.0) / k
    return np.where(k > 1, np.clip(distinct * remote_share / np.maximum(copies * remote_share, 1e-9), 0.0, 1.0), 1.0)
