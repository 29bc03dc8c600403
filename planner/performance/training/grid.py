"""Every legal parallel layout of a job on a number of chips: a declared grid, none sampled.

Legal means: the widths multiply to the chips (data parallelism is what is left); tp divides the query heads and, where
key/value heads are fewer, divides or is divided by them; pp leaves no stage empty and vpp cuts the layers of a stage
evenly (embedding, head and extra predictions may count as a layer each); cp divides the sequence; ep divides
the experts and the ranks of one stage; dp x micro-batch divides the global batch; interleaving wants micro-batches in
whole rounds of the stages; gradients and weights (ZeRO 2, 3) are sharded only without pipeline; sequence parallelism
goes with tp > 1, and with tp > 1 experts want it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.catalog.architecture import ModelArch
from planner.errors import InputError, Problem
from planner.performance.platform import Platform
from planner.performance.training.step import TrainingCandidates, TrainingJob

Ints = NDArray[np.int64]

CHUNK = 1 << 18


@dataclass(frozen=True)
class TrainingGrid:
    """The values each width may take; None means: chosen from the job, as said beside it.

    tp: powers of two up to ``max_tp``; pp: divisors of the chips up to the layers; vpp: divisors of a stage's layers;
    cp: powers of two up to one rank per 4,096 tokens, 32 at most; ep: divisors of the experts; micro_batch: powers of
    two up to ``max_micro_batch``; sp: 1 wherever tp > 1. ``sharded_pipeline`` allows ZeRO 2 and 3 together with a
    pipeline, which few frameworks do (Llama 3's did). Of numbers of stages that leave the fullest one as many layers
    the fewest is taken: more wait longer for the same memory. ``spare_stages`` takes the others too (four layers on
    three stages), which is for where nothing else fits.
    """

    tp: Sequence[int] | None = None
    pp: Sequence[int] | None = None
    vpp: Sequence[int] | None = None
    cp: Sequence[int] | None = None
    ep: Sequence[int] | None = None
    micro_batch: Sequence[int] | None = None
    zero_stage: Sequence[int] = (0, 1, 2, 3)
    recompute: Sequence[int] = (0, 1, 2)
    sp: Sequence[int] | None = None
    sharded_pipeline: bool = False
    spare_stages: bool = False
    max_tp: int = 64
    max_pp: int = 128
    max_vpp: int = 16
    max_micro_batch: int = 32


DEFAULT_GRID = TrainingGrid()


def divisors(number: int) -> tuple[int, ...]:
    """The divisors of a positive number, ascending."""
    small = [d for d in range(1, int(number**0.5) + 1) if number % d == 0]
    return tuple(sorted({*small, *(number // d for d in small)}))


def _powers(limit: int) -> tuple[int, ...]:
    return tuple(1 << i for i in range(max(int(limit), 1).bit_length()))


def _heads(model: ModelArch) -> tuple[int, int]:
    """Greatest common divisor of query-like heads over the groups, and of key/value heads."""
    query, kv = 0, 0
    for group in model.groups:
        m = group.mixer
        own = m.heads or m.ssm_heads or m.linear_v_heads
        query = int(np.gcd(query, own)) if own else query
        pair = m.kv_heads if m.kind == "attention" else 0
        kv = int(np.gcd(kv, pair)) if pair else kv
    return query or 1, kv or query or 1


def _sorted(values: Sequence[int], name: str) -> Ints:
    array = np.unique(np.asarray(list(values), dtype=np.int64))
    low = 0 if name in {"zero_stage", "recompute", "sp"} else 1
    if array.size == 0 or int(array[0]) < low:
        raise InputError(Problem(f"{name} needs values of {low} or more", path=f"grid.{name}", found=str(list(values))))
    return array


@dataclass(frozen=True)
class _Axes:
    tp: Ints
    pp: Ints
    cp: Ints
    ep: Ints
    vpp: Ints
    micro_batch: Ints
    zero_stage: Ints
    recompute: Ints
    sp: Ints


def _axes(job: TrainingJob, platform: Platform, chips: int, grid: TrainingGrid) -> _Axes:
    model = job.model
    experts = max((g.feed_forward.experts for g in model.groups if g.feed_forward.kind == "moe"), default=1)
    widest = min(grid.max_tp, max(platform.tiers[0].size, 1))
    context = min(max(job.sequence_length // 4096, 1), 32)
    per_stage = divisors_up_to(model.layers + 2 + model.mtp_layers, grid.max_vpp)
    return _Axes(
        tp=_sorted(grid.tp if grid.tp is not None else _powers(widest), "tp"),
        pp=_sorted(
            grid.pp if grid.pp is not None else [d for d in divisors(chips) if d <= min(model.layers, grid.max_pp)],
            "pp",
        ),
        cp=_sorted(grid.cp if grid.cp is not None else _powers(context), "cp"),
        ep=_sorted(grid.ep if grid.ep is not None else divisors(experts), "ep"),
        vpp=_sorted(grid.vpp if grid.vpp is not None else per_stage, "vpp"),
        micro_batch=_sorted(
            grid.micro_batch
            if grid.micro_batch is not None
            else _powers(min(grid.max_micro_batch, max(job.global_batch, 1))),
            "micro_batch",
        ),
        zero_stage=_sorted(grid.zero_stage, "zero_stage"),
        recompute=_sorted(grid.recompute, "recompute"),
        sp=_sorted(grid.sp if grid.sp is not None else (0, 1), "sp"),
    )


def divisors_up_to(layers: int, limit: int) -> tuple[int, ...]:
    """Chunks per stage that can cut some stage of a model of that many layers evenly: 1 to ``limit``."""
    return tuple(range(1, min(limit, layers) + 1))


def _outer(job: TrainingJob, chips: int, axes: _Axes, spare_stages: bool) -> tuple[Ints, Ints, Ints]:
    """Legal (tp, pp, cp), each (k,)."""
    tp, pp, cp = (a.reshape(-1) for a in np.meshgrid(axes.tp, axes.pp, axes.cp, indexing="ij"))
    query, kv = _heads(job.model)
    layers = job.model.layers
    fewest = -(-layers // pp) * (pp - 1) < layers
    legal = (
        (chips % (tp * pp * cp) == 0)
        & (query % tp == 0)
        & ((kv % tp == 0) | (tp % kv == 0))
        & (fewest | (spare_stages & (pp <= layers)))  # none is empty (``stage_layers``)
        & (job.sequence_length % (2 * cp) == 0)
    )
    return tp[legal], pp[legal], cp[legal]


def declared_size(job: TrainingJob, platform: Platform, chips: int, grid: TrainingGrid) -> int:
    """Combinations of the declared grid, legal and illegal."""
    axes = _axes(job, platform, chips, grid)
    sizes = (axes.tp, axes.pp, axes.cp, axes.ep, axes.vpp, axes.micro_batch, axes.zero_stage, axes.recompute, axes.sp)
    return int(np.prod([a.size for a in sizes], dtype=np.int64))


def training_grid_chunks(
    job: TrainingJob, platform: Platform, chips: int, grid: TrainingGrid = DEFAULT_GRID, chunk: int = CHUNK
) -> Iterator[TrainingCandidates]:
    """The legal candidates in pieces of bounded size (at most about ``chunk`` combinations looked at in each)."""
    if chips < 1:
        raise InputError(Problem("chips must be 1 or more", found=str(chips), path="chips"))
    axes = _axes(job, platform, chips, grid)
    tp, pp, cp = _outer(job, chips, axes, grid.spare_stages)
    layers, is_moe = job.model.layers, np.bool_(job.model.is_moe)
    # embedding, head and each extra prediction may stand for a layer (Megatron's account_for_... and pipeline layouts)
    extras = (0, 2, *range(3, 3 + job.model.mtp_layers))
    experts = int(max((g.feed_forward.experts for g in job.model.groups if g.feed_forward.kind == "moe"), default=1))
    # first what decides legality, then the free choices; each test over the axes it is about (remainders are slow)
    widths = axes.ep[experts % axes.ep == 0]
    ep, vpp, micro = (a.reshape(-1) for a in np.meshgrid(widths, axes.vpp, axes.micro_batch, indexing="ij"))
    zero, recompute, sp = (a.reshape(-1) for a in np.meshgrid(axes.zero_stage, axes.recompute, axes.sp, indexing="ij"))
    # what may be chosen freely goes by whether there is a pipeline and tensor parallelism
    one_stage, one_rank = (np.array(x)[:, None] for x in ((True, True, False, False), (True, False, True, False)))
    free = ((zero < 2) | one_stage | grid.sharded_pipeline) & ((sp == 0) | ~one_rank) & ((sp == 1) | one_rank | ~is_moe)
    if grid.sp is None:
        free &= (sp == 1) | one_rank
    rows = max(chunk // max(ep.size * zero.size, 1), 1)
    for start in range(0, tp.size, rows):
        part = slice(start, start + rows)
        t, p, c = (a[part, None] for a in (tp, pp, cp))
        d = chips // (t * p * c)
        batch = d * axes.micro_batch
        whole = job.global_batch % batch == 0  # (rows, micro)
        rounds = job.global_batch // np.maximum(batch, 1)
        spread = (d * c * t) % widths == 0  # (rows, ep)
        even = np.isin(-layers % (p * axes.vpp), extras) & (p > 1)  # (rows, vpp)
        interleaved = even[:, :, None] & (rounds % p == 0)[:, None, :]  # (rows, vpp, micro)
        stages = (axes.vpp == 1)[:, None] | interleaved
        legal = (spread[:, :, None, None] & (stages & whole[:, None, :])[:, None]).reshape(len(t), ep.size)
        row, column = np.nonzero(legal)
        if row.size == 0:
            continue
        t1, p1, c1 = tp[part][row], pp[part][row], cp[part][row]
        e1, v1, m1 = ep[column], vpp[column], micro[column]
        i, j = np.nonzero(free[2 * (p1 > 1) + (t1 > 1)])
        t2, p2, c2 = t1[i], p1[i], c1[i]
        yield TrainingCandidates(
            tp=t2,
            pp=p2,
            vpp=v1[i],
            dp=chips // (t2 * p2 * c2),
            cp=c2,
            ep=e1[i],
            micro_batch=m1[i],
            zero_stage=zero[j],
            recompute=recompute[j],
            sp=sp[j],
        )


def training_grid(
    job: TrainingJob, platform: Platform, chips: int, grid: TrainingGrid = DEFAULT_GRID
) -> TrainingCandidates:
    """Every legal combination of the grid on ``chips`` chips, as one set of arrays (n,); n may be zero.

    A grid of millions is better walked with ``training_grid_chunks``. Raises ``InputError`` on an empty axis.
    """
    pieces = list(training_grid_chunks(job, platform, chips, grid))
    names = ("tp", "pp", "vpp", "dp", "cp", "ep", "micro_batch", "zero_stage", "recompute", "sp")
    if not pieces:
        empty = np.zeros(0, dtype=np.int64)
        return TrainingCandidates(*(empty for _ in names))
    return TrainingCandidates(*(np.concatenate([getattr(piece, name) for piece in pieces]) for name in names))
