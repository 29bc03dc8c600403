"""Prefix reuse of a load on a system: what the pools that its hardware has find of the prompts.

Nearest first: host memory of a server, read by its own chips; host memory of a whole scale-up domain where the system
has one address space; a store on the scale-out network where the load allows one. The workload's curve says how much
there is to find (``planner.performance.serving.prefix_cache``).
"""

from __future__ import annotations

import numpy as np

from planner.answer.plan import CacheKept
from planner.catalog import Catalog
from planner.catalog.architecture import ModelArch
from planner.network.capability import host_bytes_per_chip
from planner.network.transfer import over_network, within_domain
from planner.options.work.paused import kept_for
from planner.performance.platform import Platform
from planner.performance.precision import peak_name
from planner.performance.serving.job import BYTES_PER_ELEMENT
from planner.performance.serving.kv_budget import cache_bytes_per_request
from planner.performance.serving.prefix_cache import Pool, hit_curve, reuse
from planner.performance.serving.step import compute_rate
from planner.scenario.kinds import Agents
from planner.scenario.workloads import Serving
from planner.workload.parameters import parameter_counts

HOST_SHARE = 0.8
"""Of host memory that may hold caches; the rest is the system's and the engine's."""
HOST_READ_SHARE = 0.6
"""Of the host link's rate that a chip reads caches at."""
PREFILL_SHARE = 0.27
"""Of the peak that prefill reaches: middle of 0.24-0.33 over four chips, so that chips are counted before they are
searched."""
BLOCK_TOKENS = 128
LARGE_BLOCK = 64e6
"""Bytes of a block of caches where no model is named."""


def pools_of(
    catalog: Catalog, platform: Platform, *, network: bool, block_bytes: float = LARGE_BLOCK
) -> tuple[Pool, ...]:
    """Pools of a system, nearest first; none where its host memory is unknown.

    One pool of a domain replaces the separate ones of its servers: the same bytes, read by all, at the rate of the
    system's record (103 GB/s measured on A3); a store is read over the network, with a copy over the host where network
    cards do not reach its memory. Blocks of ``block_bytes`` pay software and latency each. Where one address space
    holds one chip, each chip keeps caches of its own.
    """
    host = host_bytes_per_chip(catalog.system(platform.system_id))
    if host is None:
        return ()
    room = HOST_SHARE * host
    local = platform.host_bandwidth * HOST_READ_SHARE
    if platform.remote.spans_domain:
        fabric = within_domain(platform.remote.read_rate, platform.remote.small_read_s)
        return (Pool("domain", "domain", room, float(fabric.effective_rate(block_bytes))),)
    if network:
        away = over_network(platform.tiers[-1], platform.host_bandwidth, platform.nic_access, source="host")
        return (Pool("network", "cluster", room, float(away.effective_rate(block_bytes))),)
    if platform.remote.scope == "chip":
        return (Pool("chip", "chip", room, local),)
    return (Pool("server", "server", room, local),)


def kept_by(catalog: Catalog, workload: Agents, model: ModelArch, platform: Platform, precision: str) -> CacheKept:
    """Caches of pausing sessions on a platform, in the pools that it has."""
    pools = pools_of(catalog, platform, network=False)
    return kept_for(catalog, workload, model, platform, precision, pools)


def cached_prefix(catalog: Catalog, workload: Serving, model: ModelArch, platform: Platform, precision: str) -> float:
    """Share of prompt tokens that a system's pools find for a load: ``cached_prefix`` where no curve is named.

    The pools are sized as if this system did all prefill of the load, so in a plan that mixes systems the larger pool
    is somewhat flattered. Chips that prefill are counted at ``PREFILL_SHARE`` of the peak and the load's
    ``utilisation``, whole systems.
    """
    if isinstance(workload, Agents):
        return kept_by(catalog, workload, model, platform, precision).found_share
    if workload.prefix_hits is None:
        return workload.cached_prefix
    one = np.ones(1, dtype=np.int64)
    size = BYTES_PER_ELEMENT[peak_name(workload.kv_precision or "bf16")]
    tokens = float(workload.input_tokens)
    per_token = float(cache_bytes_per_request(model, tokens, size, one, one, BLOCK_TOKENS)[0]) / tokens
    pools = pools_of(catalog, platform, network=workload.prefix_network_pool, block_bytes=per_token * BLOCK_TOKENS)
    if not pools:
        return 0.0
    pace = PREFILL_SHARE * compute_rate(platform, precision) / (2.0 * float(parameter_counts(model).active))
    needed = workload.requests_per_s * tokens / (pace * workload.utilisation)
    chips = -(-needed // platform.system_chips) * platform.system_chips
    found = reuse(
        hit_curve(workload.prefix_hits),
        pools,
        chips=chips,
        chips_per_server=platform.server_chips,
        chips_per_domain=platform.tiers[0].size,
        requests_per_s=workload.requests_per_s,
        input_tokens=tokens,
        kv_bytes_per_token=per_token,
        prefill_tokens_per_s=pace,
    )
    # what is computed anew must also be written there, by the chips that prefill
    written = workload.requests_per_s * tokens * (1.0 - float(found.hit)) * per_token / chips
    kept = min(1.0, platform.remote.write_rate / written) if platform.remote.spans_domain and written else 1.0
    return float(found.hit) * kept
