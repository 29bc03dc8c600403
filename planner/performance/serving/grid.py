"""Every legal replica shape of a job on a platform: none sampled, so "best" means best of the whole declared grid."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from planner.catalog.architecture import ModelArch
from planner.errors import InputError, Problem
from planner.performance.platform import Platform
from planner.performance.serving.checkpoint import unloadable, weight_bytes
from planner.performance.serving.job import AGGREGATED, DECODE, PREFILL, ServingCandidates, ServingJob

LOADS = (300, 500, 700)
"""Loads below the workload's ``utilisation`` that replicas may be planned at, in thousandths of their throughput: where
a latency limit leaves no room for queueing at the most, fewer requests on each replica may still meet it."""
LARGEST_REPLICA_CHIPS = 384
"""Replicas larger than this are not searched (the largest published one has 320)."""


def _steps(top: int) -> tuple[int, ...]:
    """1, 2, 3, 4, 6, 8, 12, ...: powers of two and the ones between, up to ``top``."""
    values = {2**k for k in range(top.bit_length())} | {3 * 2**k for k in range(top.bit_length())}
    return tuple(sorted(v for v in values if v <= top))


def _fine_steps(top: int) -> tuple[int, ...]:
    """``_steps`` and, from 20 on, the quarters between: a limit on TPOT binds between two coarse steps."""
    quarters = {q * 2**k for k in range(2, top.bit_length()) for q in (5, 7)}
    return tuple(sorted({*_steps(top), *(v for v in quarters if v <= top)}))


@dataclass(frozen=True)
class ServingGrid:
    """What is enumerated. ``batch`` counts requests per attention copy (the replica's cap is that times the copies);
    ``decode_batch`` the same of decode-only replicas, which come in one chunk and so can be tried in finer steps;
    a width 0 in ``expert_widths`` stands for "all chips of a stage". ``most_servers_per_tp``: TP stays inside the
    scale-up domain (1) unless a user allows more."""

    tensor: tuple[int, ...] = (1, 2, 4, 8, 16)
    pipeline: tuple[int, ...] = (1, 2, 4)
    copies: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 72, 96, 128, 144, 160, 256, 320)
    expert_widths: tuple[int, ...] = (1, 0)
    batch: tuple[int, ...] = field(default_factory=lambda: _steps(1024))
    decode_batch: tuple[int, ...] = field(default_factory=lambda: _fine_steps(1024))
    chunk: tuple[int, ...] = (1024, 2048, 4096, 8192, 16384)
    roles: tuple[int, ...] = (AGGREGATED, PREFILL, DECODE)
    tensor_in_domain: bool = True


def heads_divide(model: ModelArch, tp: int) -> bool:
    """Whether TP cuts every layer evenly: query heads (or recurrent heads) divide; key-value heads divide or repeat."""
    for group in model.groups:
        m = group.mixer
        heads = {"attention": m.heads, "mla": m.heads, "mamba2": m.ssm_heads, "linear": m.linear_v_heads, "none": 0}
        n = heads[m.kind]
        if n and n % tp:
            return False
        if m.kind == "attention" and m.kv_heads and m.kv_heads % tp and tp % m.kv_heads:
            return False
    return True


def _shapes(job: ServingJob, platform: Platform, max_chips: int, grid: ServingGrid) -> list[tuple[int, int, int, int]]:
    model = job.model
    experts = max((g.feed_forward.experts for g in model.groups), default=0)
    domain = platform.tiers[0].size if platform.tiers else 1
    shapes: set[tuple[int, int, int, int]] = set()
    for tp in grid.tensor:
        if not heads_divide(model, tp) or (grid.tensor_in_domain and tp > max(domain, 1)):
            continue
        for pp in grid.pipeline:
            if pp > model.layers:
                continue
            for dp in grid.copies:
                # copies of attention without shared experts are simply more replicas
                if tp * pp * dp > max_chips or (dp > 1 and not experts):
                    continue
                for width in grid.expert_widths if experts else (1,):
                    ep = tp * dp if width == 0 else width
                    redundant = experts and ep > experts  # more ranks than experts only with replicas of experts
                    if (tp * dp) % ep or (experts and not redundant and experts % ep and ep < 32):
                        continue
                    if redundant and ep > 2 * experts:
                        continue
                    if unloadable(model, job.precision, tp, dp, ep):
                        continue
                    shapes.add((tp, pp, dp, ep))
    return sorted(shapes)


def serving_grid(
    job: ServingJob, platform: Platform, max_chips: int, grid: ServingGrid | None = None
) -> ServingCandidates:
    """All legal candidates of at most ``max_chips`` chips per replica whose weights fit in memory.

    Batch caps are multiples of the attention copies; prefill-only replicas take one request per stage (what is not
    sharing a chunk waits), decode-only replicas carry no chunk, so neither is repeated over the other's values.
    Raises ``InputError`` when ``max_chips`` is below 1.
    """
    if max_chips < 1:
        raise InputError(Problem("must be 1 or more", path="max_chips", found=str(max_chips)))
    g = grid or ServingGrid()
    shapes = np.array(_shapes(job, platform, max_chips, g), dtype=np.int64).reshape(-1, 4)
    if shapes.size:
        need = weight_bytes(job.model, job.precision, shapes[:, 0], shapes[:, 1], shapes[:, 2])
        shapes = shapes[need < platform.memory_bytes]
    rows: list[NDArray[np.int64]] = []
    for role in g.roles:
        batches = np.array({PREFILL: (1,), DECODE: g.decode_batch}.get(role, g.batch), dtype=np.int64)
        chunks = np.array([g.chunk[0]] if role == DECODE else g.chunk, dtype=np.int64)
        s, b, c = np.meshgrid(np.arange(len(shapes)), batches, chunks, indexing="ij")
        tp, pp, dp, ep = shapes[s.ravel()].T
        batch = b.ravel() * dp * (pp if role == PREFILL else 1)
        keep = batch >= dp * pp
        rows.append(np.stack([tp, pp, ep, dp, batch, c.ravel(), np.full(tp.shape, role)])[:, keep])
    table = np.concatenate(rows, axis=1) if rows else np.zeros((7, 0), dtype=np.int64)
    return ServingCandidates(*table)
