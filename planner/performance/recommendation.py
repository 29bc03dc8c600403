"""Recommenders (DLRM class): embedding tables over chips, exchange of vectors, dense layers; training and serving.

Per step of ``local_batch`` samples on each of G chips (arXiv:1906.00091 for the model, 2104.05158 and 2403.00877 for
its sharding):

    look-ups     rows read at random:   t = n rows * row bytes / (BW * e_gather)   + rows not in HBM over the host link
    exchange     table-wise, pooled:    2 * B (G-1)/G * sum(dim * b)  bytes per chip and step, forward and backward
                 row-wise:              times min(pooling, G): partial sums from every chip that holds rows of a sample
    dense        2 * sum(n k) FLOPs a sample, three times that when training; gradients all-reduced
    cache        a share c of the rows in HBM serves c^(1-s) of the look-ups (Zipf exponent s < 1)
    pooled       rows lie over the memories of a domain with one address space; a chip loads those of its own samples:
                 t = n rows * row bytes / min(BW_link * e, Q * row bytes / small access), and nothing is exchanged;
                 what is left of its own memory caches the most popular rows

Shapes: arrays (n,). Table-wise placement puts whole tables on chips, so the fullest chip sets the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from planner.catalog.architecture import ModelArch
from planner.errors import InputError, Problem, nearest_name
from planner.performance.platform import Platform
from planner.performance.serving import collectives as coll
from planner.performance.serving.job import BYTES_PER_ELEMENT
from planner.performance.serving.step import compute_rate
from planner.workload.parameters import mlp_shapes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TABLE_WISE, ROW_WISE, POOLED = 0, 1, 2
INDEX_BYTES = 8.0
BATCHES: tuple[int, ...] = tuple(2**k for k in range(6, 17))
PARTS = (
    "lookups",
    "host_rows",
    "remote_rows",
    "index_exchange",
    "vector_exchange",
    "dense",
    "gradient_reduce",
    "fixed",
)


@dataclass(frozen=True)
class RecommendationProfile:
    """Constants of the model; efficiencies are shares of the catalog's peak."""

    gather_efficiency: float = 0.50  # random rows of 128 B and more; FBGEMM reports 0.4-0.7 of HBM bandwidth
    sector_bytes: float = 64.0  # a shorter row still moves this much
    dense_efficiency: float = 0.35  # small GEMMs of MLPs
    dense_half_batch: float = 512.0  # samples a chip at which they reach half of it
    host_efficiency: float = 0.6
    zipf: float = 0.75  # exponent of row popularity (RecShard: 10% of rows serve well over half of the look-ups)
    exchange_s: float = 30e-6  # start-up of one all-to-all
    fixed_s: float = 0.4e-3  # per step: launch of a few hundred kernels
    overlap: float = 0.5  # share of exchange hidden under the bottom MLP and the next batch's look-ups, at most
    optimizer_passes: float = 3.0  # row traffic of a training step over a forward one: read, read-modify-write
    outstanding_loads: float = 4096.0  # of one chip in flight (estimate): 4096 rows of 256 B in 2 us are 524 GB/s
    request_s: float = 2e-3  # feature fetch and pre-processing in a request's latency
    low80: float = 0.6
    high80: float = 1.7


@dataclass(frozen=True)
class RecommendationJob:
    """``precision`` of the dense layers, ``embedding_precision`` of rows and exchanged vectors; ``training`` or not."""

    model: ModelArch
    precision: str = "bf16"
    embedding_precision: str = "bf16"
    training: bool = False

    def __post_init__(self) -> None:
        problems: list[Problem] = []
        allowed = list(BYTES_PER_ELEMENT)
        for name in ("precision", "embedding_precision"):
            value = getattr(self, name)
            if value not in allowed:
                problems.append(Problem("unknown precision", path=name, found=repr(value), allowed=", ".join(allowed),
                                        nearest=nearest_name(str(value), allowed)))  # fmt: skip
        if not self.model.tables:
            problems.append(Problem(f"model {self.model.id} has no embedding tables", path="model"))
        if problems:
            raise InputError(problems)


@dataclass(frozen=True)
class RecommendationCandidates:
    """int64 arrays (n,): ``chips`` of one replica, ``sharding`` 0 table-wise 1 row-wise 2 pooled, ``local_batch``
    samples per chip and step, ``hbm_percent`` of the rows kept in the chips' own memory (the rest in the hosts')."""

    chips: Ints
    sharding: Ints
    local_batch: Ints
    hbm_percent: Ints

    def __post_init__(self) -> None:
        problems: list[Problem] = []
        limits = {
            "chips": (1, 1 << 24),
            "sharding": (TABLE_WISE, POOLED),
            "local_batch": (1, 1 << 30),
            "hbm_percent": (1, 100),
        }
        length: int | None = None
        for f in fields(self):
            array = np.atleast_1d(np.asarray(getattr(self, f.name), dtype=np.int64))
            object.__setattr__(self, f.name, array)
            length = array.size if length is None else length
            low, high = limits[f.name]
            if array.ndim != 1 or array.size != length:
                problems.append(Problem("arrays must have one length", path=f.name, found=str(array.shape)))
            elif array.size and (array.min() < low or array.max() > high):
                found = f"{array.min()}..{array.max()}"
                problems.append(Problem("out of bounds", path=f.name, found=found, allowed=f"{low} to {high}"))
        if problems:
            raise InputError(problems)

    def __len__(self) -> int:
        return int(self.chips.size)


@dataclass(frozen=True)
class RecommendationEstimate:
    """Float arrays (n,). ``breakdown`` sums to ``step_time_s``, ``memory`` to ``memory_bytes`` (the fullest chip);
    ``latency_s`` of one request in a batch (serving); ``low80``, ``high80`` multiply the times."""

    chips: Ints
    step_time_s: Floats
    samples_per_s: Floats
    samples_per_s_per_chip: Floats
    latency_s: Floats
    memory_bytes: Floats
    memory_limit_bytes: Floats
    fits: NDArray[np.bool_]
    host_bytes: Floats
    breakdown: Mapping[str, Floats]
    memory: Mapping[str, Floats]
    low80: Floats
    high80: Floats


def dense_flops_per_sample(model: ModelArch) -> float:
    """Forward FLOPs of the dense layers and of the pairwise interaction, per sample."""
    flops = sum(2.0 * k * n for _, k, n in mlp_shapes(model))
    if not getattr(model, "cross_layers", 0):
        vectors = sum(t.tables for t in model.tables) + 1
        dim = max(t.dim for t in model.tables)
        flops += float(vectors * vectors * dim)  # half of the vectors x vectors products, 2 FLOPs each
    return float(flops)


def hit_share(hbm_share: Floats, zipf: float) -> Floats:
    """Share of look-ups that the most popular ``hbm_share`` of rows serves: c^(1-s) for Zipf exponent s < 1."""
    return np.asarray(np.clip(hbm_share, 0.0, 1.0) ** (1.0 - zipf))


def estimate_recommendation(
    job: RecommendationJob,
    platform: Platform,
    candidates: RecommendationCandidates,
    profile: RecommendationProfile | None = None,
) -> RecommendationEstimate:
    """Throughput, latency and memory of every candidate. Raises ``UnknownFigureError`` without a dense rate."""
    p, c, model = profile or RecommendationProfile(), candidates, job.model
    g = c.chips.astype(np.float64)
    batch = c.local_batch.astype(np.float64)
    pooled_rows = c.sharding == POOLED
    row_wise = (c.sharding == ROW_WISE) | pooled_rows
    tables = float(sum(t.tables for t in model.tables))
    size = BYTES_PER_ELEMENT[job.embedding_precision]
    rate = compute_rate(platform, job.precision)
    train = job.training
    # the fullest chip: whole tables when table-wise, rows spread evenly otherwise (row-wise Adagrad: 4 bytes a row)
    uneven = np.where(row_wise, 1.0, np.ceil(tables / g) * g / tables)
    # --- look-ups: every chip serves the whole batch for its share of the tables
    share = c.hbm_percent / 100.0
    hits = hit_share(share, p.zipf)
    rows_bytes = sum(t.tables * t.pooling * max(t.dim * size, p.sector_bytes) for t in model.tables)
    passes = p.optimizer_passes if train else 1.0
    moved = batch * rows_bytes * uneven * passes
    wide = float(sum(n for _, _, n in mlp_shapes(model)))
    weights = float(sum(k * n for _, k, n in mlp_shapes(model)))
    rows = float(sum(t.tables * t.rows for t in model.tables))
    row_store = float(sum(t.tables * t.rows * t.dim * size for t in model.tables)) + (4.0 * rows if train else 0.0)
    kept = row_store * uneven / g
    both = 2.0 if train else 1.0
    pooled = float(sum(t.tables * t.dim * size for t in model.tables))
    lookups_per_sample = sum(t.tables * t.pooling for t in model.tables)
    memory = {
        "embeddings": kept * share,
        "dense": np.full(len(c), weights * (16.0 if train else BYTES_PER_ELEMENT[job.precision])),
        "activations": batch * (wide * 2.0 * both + pooled * 2.0 + lookups_per_sample * INDEX_BYTES),
        "workspace": np.full(len(c), float(2 << 30)),
    }
    limit = np.full(len(c), platform.memory_bytes * 0.95)
    # a pooled row is near where it is the chip's own or popular enough for what is left of its memory
    left = 0.99 * np.maximum(limit - np.asarray(sum(memory.values())), 0.0)
    cached = hit_share(left / row_store, p.zipf)
    remote = np.where(pooled_rows, (1.0 - 1.0 / g) * (1.0 - cached), 0.0)
    memory["row_cache"] = np.where(pooled_rows, np.minimum(left, row_store * (1.0 - 1.0 / g)), 0.0)
    link = platform.tiers[0]
    row_bytes = rows_bytes / max(lookups_per_sample, 1e-30)
    # reads, and in training writes that others may hold copies of, both of rows in flight at once
    reads, writes = 1.0 / passes, 1.0 - 1.0 / passes
    access_s = reads * platform.remote.small_read_s + writes * platform.remote.small_write_s
    by_load = np.minimum(link.bandwidth * link.efficiency, p.outstanding_loads * row_bytes / max(access_s, 1e-9))
    lookups = moved * hits * (1.0 - remote) / (platform.memory_bandwidth * p.gather_efficiency)
    host_rows = moved * (1.0 - hits) / (platform.host_bandwidth * p.host_efficiency)
    remote_rows = moved * hits * remote / by_load
    # --- exchange
    partial = np.asarray(sum(t.tables * t.dim * size * np.minimum(t.pooling, g) for t in model.tables))
    payload = batch * np.where(row_wise, np.maximum(partial, pooled), pooled)
    vectors = both * coll.all_to_all(c.chips, payload, platform.tiers, start_up=p.exchange_s)
    indices = coll.all_to_all(c.chips, batch * lookups_per_sample * INDEX_BYTES, platform.tiers, start_up=p.exchange_s)
    vectors, indices = (np.where(pooled_rows, 0.0, v) for v in (vectors, indices))
    # --- dense layers
    efficiency = p.dense_efficiency * batch / (batch + p.dense_half_batch)
    dense = batch * dense_flops_per_sample(model) * (3.0 if train else 1.0) / (rate * efficiency)
    dense = np.maximum(dense, weights * BYTES_PER_ELEMENT[job.precision] / platform.memory_bandwidth)
    reduce = coll.all_reduce(c.chips, np.full(len(c), weights * 4.0), platform.tiers, start_up=p.exchange_s)
    reduce = reduce if train else np.zeros(len(c))
    # --- what hides behind what: exchange and reduction under dense work, up to ``overlap`` of themselves
    cover = np.minimum(p.overlap * (vectors + indices + reduce), 0.5 * dense)
    exposed = 1.0 - cover / np.maximum(vectors + indices + reduce, 1e-30)
    breakdown = {
        "lookups": lookups,
        "host_rows": host_rows,
        "remote_rows": remote_rows,
        "index_exchange": indices * exposed,
        "vector_exchange": vectors * exposed,
        "dense": dense,
        "gradient_reduce": reduce * exposed,
        "fixed": np.full(len(c), p.fixed_s),
    }
    step = np.asarray(sum(breakdown[name] for name in PARTS))
    used = np.asarray(sum(memory.values()))
    placed = legal(c.chips, c.sharding, c.hbm_percent, int(tables), pool_chips(platform))
    return RecommendationEstimate(
        chips=c.chips,
        step_time_s=step,
        samples_per_s=batch * g / step,
        samples_per_s_per_chip=batch / step,
        latency_s=step + p.request_s,
        memory_bytes=used,
        memory_limit_bytes=limit,
        fits=(used <= limit) & placed,
        host_bytes=kept * (1.0 - share),
        breakdown=breakdown,
        memory=memory,
        low80=np.full(len(c), p.low80),
        high80=np.full(len(c), p.high80),
    )


def legal(chips: Ints, sharding: Ints, hbm_percent: Ints, tables: int, pool: int) -> NDArray[np.bool_]:
    """Placements that exist, (n,): whole tables on no more chips than tables; pooled rows on 2 to ``pool`` chips, all
    in their memories."""
    together = (chips > 1) & (chips <= pool) & (hbm_percent == 100)
    return np.asarray(np.where(sharding == POOLED, together, (sharding == ROW_WISE) | (chips <= tables)))


def pool_chips(platform: Platform) -> int:
    """Chips that can load each other's memory: the scale-up domain of a system with one address space, else 1."""
    return platform.remote.chips if platform.remote.spans_domain else 1


def recommendation_grid(
    job: RecommendationJob,
    max_chips: int,
    *,
    pool: int = 1,
    batches: tuple[int, ...] = BATCHES,
    hbm_percents: tuple[int, ...] = (100, 50, 25, 10),
) -> RecommendationCandidates:
    """Every replica size (powers of two up to ``max_chips``, and the ``pool``), sharding, batch and share in HBM.

    ``pool``: chips with one address space; up to so many may read pooled rows. Raises ``InputError`` when
    ``max_chips`` is below 1.
    """
    if max_chips < 1:
        raise InputError(Problem("must be 1 or more", path="max_chips", found=str(max_chips)))
    tables = sum(t.tables for t in job.model.tables)
    powers = {2**k for k in range(max_chips.bit_length()) if 2**k <= max_chips}
    sizes = np.array(sorted(powers | ({pool} if 1 < pool <= max_chips else set())), dtype=np.int64)
    g, s, b, h = np.meshgrid(sizes, np.array([TABLE_WISE, ROW_WISE, POOLED]), np.array(batches), np.array(hbm_percents),
                             indexing="ij")  # fmt: skip
    keep = legal(g.ravel(), s.ravel(), h.ravel(), int(tables), pool)
    return RecommendationCandidates(g.ravel()[keep], s.ravel()[keep], b.ravel()[keep], h.ravel()[keep])
