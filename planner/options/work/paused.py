"""Caches of agents between their calls: how much there is to keep, where a system keeps it, what that finds again.

While a tool works, a session's keys and values may leave the chip for the hosts' memory and come back with the next
call, or be computed again from the whole context. What is to be kept is the cache of the sessions that pause (Little's
law); what can be is the room of the pools (``work.pools``) of the chips that the load takes, and what they read in
time. Sessions come back to where their cache lies. Where a pool is too small, it holds so much of each prompt.

Chips that the load takes are counted before they are searched: prompts at ``PREFILL_SHARE`` of the peak, answers at the
pace at which ``DECODE_SHARE`` of memory bandwidth reads the contexts.
"""

from __future__ import annotations

import numpy as np

from planner.answer.plan import CacheKept
from planner.catalog import Catalog
from planner.catalog.architecture import ModelArch
from planner.performance.platform import Platform
from planner.performance.precision import peak_name
from planner.performance.serving.job import BYTES_PER_ELEMENT
from planner.performance.serving.kv_budget import cache_bytes_per_request
from planner.performance.serving.prefix_cache import Pool
from planner.performance.serving.step import compute_rate
from planner.scenario.kinds.agents import Agents
from planner.workload.parameters import parameter_counts

PREFILL_SHARE = 0.27
DECODE_SHARE = 0.6
BLOCK_TOKENS = 128
WORDS = {
    "chip": "memory of its own of each chip's host",
    "server": "host memory of its servers",
    "domain": "host memory of its domains, in one pool",
    "cluster": "a store on the network",
}


def kept_for(
    catalog: Catalog, workload: Agents, model: ModelArch, platform: Platform, precision: str, pools: tuple[Pool, ...]
) -> CacheKept:
    """What pausing sessions of a load leave to keep on a platform, and what share of prompts is found again."""
    one = np.ones(1, dtype=np.int64)
    size = BYTES_PER_ELEMENT[peak_name(workload.kv_precision or "bf16")]
    context = float(workload.input_tokens)
    each = float(cache_bytes_per_request(model, context, size, one, one, BLOCK_TOKENS)[0])
    needed = workload.paused_sessions * each
    rate, seen = workload.requests_per_s, workload.seen_share
    pace = PREFILL_SHARE * compute_rate(platform, precision) / (2.0 * float(parameter_counts(model).active))
    reading = rate * context * (1.0 - seen) / pace
    writing = rate * workload.output_tokens * each / (DECODE_SHARE * platform.memory_bandwidth)
    chips = -(-(reading + writing) / workload.utilisation // platform.system_chips) * platform.system_chips
    pool = pools[0] if pools else None
    room = 0.0 if pool is None else pool.bytes_per_chip * chips
    held = 1.0 if needed <= 0.0 else min(1.0, room / needed)
    wanted = rate * seen * each  # bytes a second that come back to the chips
    read = 0.0 if pool is None else pool.read_bytes_per_s * chips
    in_time = 1.0 if wanted <= 0.0 else min(1.0, read / wanted)
    where = "nowhere: host memory of the system is not known" if pool is None else WORDS[pool.scope]
    return CacheKept(
        paused_sessions=workload.paused_sessions,
        gb_a_session=each / 1e9,
        needed_tb=needed / 1e12,
        room_tb=room / 1e12,
        where=where,
        seen_share=seen,
        found_share=seen * min(held, in_time),
    )
