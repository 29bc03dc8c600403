"""One training step over two unequal groups of chips: data parallelism with integer micro-batches, by speed.

Both groups hold whole replicas of the same layout (TP, PP, CP, EP, micro-batch, ZeRO 1 within each group); group g has
d_g replicas, each working through m_g micro-batches:

    d_a m_a + d_b m_b = global batch / micro-batch        whole numbers
    step = max(step_a(m_a), step_b(m_b)) + exchange       step_g: the training model of the group alone
    exchange = gradient bytes / min over groups of (chips x network port) + start-up

The exchange is the all-reduce of the summed gradients between the two groups (2 (n-1)/n S over n = 2 parties: S each
way), over all their ports at the pace of the slower side, and not hidden behind computing. Step times grow with
m, so the best split lies where the two cross: found by bisection, with the split on either side of it tried.
Unequal shares of a batch over unequal chips: HetPipe (arXiv:2005.14038), Whale (arXiv:2011.09208).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.network.tiers import Tier
from planner.performance.collectives import OFF_DOMAIN_SECONDS
from planner.performance.platform import Platform
from planner.performance.training.profile import Profile
from planner.performance.training.step import TrainingCandidates, TrainingEstimate, TrainingJob, estimate_training
from planner.workload.parameters import parameter_counts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RECOMPUTE = (0, 1, 2)


@dataclass(frozen=True)
class MixedGroup:
    """One side: its platform and its replicas of each layout, (n,)."""

    platform: Platform
    dp: Ints


@dataclass(frozen=True)
class MixedSteps:
    """The best split of each layout, arrays (n,): micro-batches a replica, recomputation, seconds of the two sides
    alone and of the whole step. ``fits`` is False where no whole split fits in both groups' memory."""

    micro_batches: tuple[Ints, Ints]
    recompute: tuple[Ints, Ints]
    side_s: tuple[Floats, Floats]
    exchange_s: Floats
    step_time_s: Floats
    fits: NDArray[np.bool_]

    def part(self, begin: int, end: int) -> MixedSteps:
        """Those of some of the layouts."""
        at = slice(begin, end)
        return MixedSteps(
            micro_batches=(self.micro_batches[0][at], self.micro_batches[1][at]),
            recompute=(self.recompute[0][at], self.recompute[1][at]),
            side_s=(self.side_s[0][at], self.side_s[1][at]),
            exchange_s=self.exchange_s[at],
            step_time_s=self.step_time_s[at],
            fits=self.fits[at],
        )


def exchange_seconds(
    job: TrainingJob, profile: Profile, platforms: tuple[Platform, Platform], chips: tuple[Ints, Ints]
) -> Floats:
    """Seconds of the gradients' all-reduce between the groups, (n,); ``chips`` (n,) of each group."""
    counts = parameter_counts(job.model)
    sent = float(counts.total) * profile.grad_traffic_bytes
    rates = [n * _port(p.tiers[-1]) for p, n in zip(platforms, chips, strict=True)]
    slower = np.minimum(*rates)
    return np.asarray(sent / slower + OFF_DOMAIN_SECONDS + 2.0 * max(p.tiers[-1].latency for p in platforms))


def _port(tier: Tier) -> float:
    return tier.bandwidth * tier.efficiency / tier.oversubscription


def side(
    job: TrainingJob, group: MixedGroup, layout: TrainingCandidates, profile: Profile, micro_batches: Ints
) -> tuple[Floats, Ints]:
    """(seconds, recomputation) of one group at given micro-batches: the fastest recomputation that fits, or inf."""
    n, modes = layout.size, len(RECOMPUTE)
    mine = replace(layout, dp=group.dp).take(np.tile(np.arange(n), modes))  # one call for all modes of recomputation
    mine = replace(mine, recompute=np.repeat(np.array(RECOMPUTE, dtype=np.int64), n))
    found = estimate_training(
        job, group.platform, mine, profile, detail=False, micro_batches=np.tile(micro_batches, modes)
    )
    table = np.where(found.fits, found.step_time_s, np.inf).reshape(modes, n)
    best = table.argmin(axis=0)
    return table[best, np.arange(table.shape[1])], best.astype(np.int64)


def mixed_steps(
    job: TrainingJob, groups: tuple[MixedGroup, MixedGroup], layout: TrainingCandidates, profile: Profile
) -> MixedSteps:
    """The fastest split of the global batch for every layout (n,) that both groups' replicas share.

    ``layout.dp`` and ``layout.recompute`` are not read: each group has its own. Raises what the training model raises.
    """
    n = layout.size
    a, b = groups
    total = job.global_batch // layout.micro_batch
    even = job.global_batch % layout.micro_batch == 0
    first, stride, count = _splits(total, a.dp, b.dp)
    count = np.where(even, count, 0)
    alive = count > 0

    def at(k: Ints) -> tuple[Ints, Ints]:
        ma = np.where(alive, first + k * stride, 1)
        mb = np.where(alive, (total - a.dp * ma) // b.dp, 1)
        return np.maximum(ma, 1), np.maximum(mb, 1)

    def sides(k: Ints) -> tuple[tuple[Floats, Ints], tuple[Floats, Ints], tuple[Ints, Ints]]:
        ma, mb = at(k)
        return side(job, a, layout, profile, ma), side(job, b, layout, profile, mb), (ma, mb)

    # the largest k at which group a is not the slower one; -1 where it always is
    low, high = np.full(n, -1, dtype=np.int64), np.maximum(count, 1) - 1
    while np.any(low < high):
        middle = (low + high + 1) // 2
        (ta, _), (tb, _), _ = sides(np.maximum(middle, 0))
        ahead = ta <= tb
        low = np.where((low < high) & ahead, middle, low)
        high = np.where((low < high) & ~ahead, middle - 1, high)
    best: list[tuple[Floats, Floats, Floats, Ints, Ints, Ints, Ints]] = []
    for k in (np.maximum(low, 0), np.minimum(low + 1, np.maximum(count, 1) - 1)):
        (ta, ra), (tb, rb), (ma, mb) = sides(k)
        best.append((np.maximum(ta, tb), ta, tb, ma, mb, ra, rb))
    second = best[1][0] < best[0][0]
    pick = [np.where(second, y, x) for x, y in zip(*best, strict=True)]
    exchange = exchange_seconds(
        job, profile, (a.platform, b.platform), (_chips(layout, a.dp), _chips(layout, b.dp))
    )  # fmt: skip
    step = np.where(alive, pick[0], np.inf) + exchange
    return MixedSteps(
        micro_batches=(pick[3].astype(np.int64), pick[4].astype(np.int64)),
        recompute=(pick[5].astype(np.int64), pick[6].astype(np.int64)),
        side_s=(pick[1], pick[2]),
        exchange_s=exchange,
        step_time_s=step,
        fits=np.isfinite(step),
    )


def _chips(layout: TrainingCandidates, dp: Ints) -> Ints:
    return np.asarray(layout.tp * layout.pp * layout.cp * dp)


def _splits(total: Ints, da: Ints, db: Ints) -> tuple[Ints, Ints, Ints]:
    """(first, stride, count) of the m_a >= 1 with m_b = (total - d_a m_a) / d_b a whole number of one or more."""
    first, stride, count = (np.zeros(len(total), dtype=np.int64) for _ in range(3))
    known: dict[tuple[int, int, int], tuple[int, int, int]] = {}
    for i, key in enumerate(zip(total.tolist(), da.tolist(), db.tolist(), strict=True)):
        if key not in known:
            known[key] = _split(*key)
        first[i], stride[i], count[i] = known[key]
    return first, stride, count


def _split(total: int, da: int, db: int) -> tuple[int, int, int]:
    common = math.gcd(da, db)
    if total % common:
        return 0, 1, 0
    step = db // common
    least = (total // common * pow(da // common, -1, step)) % step if step > 1 else 0
    least = least or step  # one micro-batch at least
    most = (total - db) // da
    return least, step, max(0, (most - least) // step + 1)


def group_estimate(
    job: TrainingJob, platform: Platform, layout: TrainingCandidates, profile: Profile, micro_batches: int
) -> TrainingEstimate:
    """The whole estimate of one group (arrays of length one), breakdown and memory included."""
    return estimate_training(job, platform, layout, profile, micro_batches=np.array([micro_batches]))
