"""A step over two unequal groups: whole micro-batches that add up, the best split, what the slower link costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.catalog import Catalog
from planner.performance.compile import build_platform
from planner.performance.platform import Platform
from planner.performance.training.mixed import MixedGroup, _split, exchange_seconds, mixed_steps, side
from planner.performance.training.stacks import get_profile
from planner.performance.training.step import TrainingCandidates, TrainingJob, estimate_training
from planner.workload.parameters import parameter_counts

PROFILE = get_profile("default")


@pytest.fixture(scope="module")
def platforms(shipped: Catalog) -> tuple[Platform, Platform]:
    """H100 and A100 servers."""
    return (
        build_platform(shipped, "hgx_h100_oem", "h100_sxm", "air_crah"),
        build_platform(shipped, "dgx_a100", "a100_80_sxm", "air_crah"),
    )


@settings(max_examples=200, deadline=None)
@given(total=st.integers(1, 400), da=st.integers(1, 40), db=st.integers(1, 40))
def test_splits_are_all_whole_splits(total: int, da: int, db: int) -> None:
    """Every m_a of one or more that leaves group b a whole number of one or more, and no other."""
    first, stride, count = _split(total, da, db)
    found = [first + k * stride for k in range(count)]
    assert found == [m for m in range(1, total + 1) if (total - da * m) >= db and (total - da * m) % db == 0]


@pytest.mark.parametrize(("tp", "pp", "dp_a", "dp_b"), [(1, 1, 8, 16), (2, 1, 4, 24), (1, 2, 6, 2), (4, 2, 3, 5)])
def test_the_best_split_is_that_of_trying_all(
    shipped: Catalog, platforms: tuple[Platform, Platform], tp: int, pp: int, dp_a: int, dp_b: int
) -> None:
    """All splits and recomputations by hand, one by one."""
    job = TrainingJob(shipped.model("llama-3.1-8b"), 8192, 256)
    layout = TrainingCandidates.of(tp=tp, pp=pp, sp=int(tp > 1), micro_batch=1, zero_stage=1)
    a, b = (MixedGroup(p, np.array([d])) for p, d in zip(platforms, (dp_a, dp_b), strict=True))
    found = mixed_steps(job, (a, b), layout, PROFILE)
    times = []
    for ma in range(1, 256 // dp_a + 1):
        left = 256 - dp_a * ma
        if left < dp_b or left % dp_b:
            continue
        both = [float(side(job, g, layout, PROFILE, np.array([m]))[0][0]) for g, m in ((a, ma), (b, left // dp_b))]
        times.append(max(both))
    assert found.fits[0]
    assert float(found.step_time_s[0] - found.exchange_s[0]) == pytest.approx(min(times))
    ma, mb = (int(m[0]) for m in found.micro_batches)
    assert dp_a * ma + dp_b * mb == 256
    assert ma > mb  # the faster chip takes more


def test_a_side_is_the_training_model_of_its_share(shipped: Catalog, platforms: tuple[Platform, Platform]) -> None:
    """With m micro-batches a group is a run of its own on a batch of d times m."""
    job = TrainingJob(shipped.model("llama-3.1-8b"), 8192, 1024)
    layout = TrainingCandidates.of(tp=2, pp=2, dp=8, sp=1, micro_batch=2, zero_stage=1)
    mine = estimate_training(job, platforms[0], layout, PROFILE, micro_batches=np.array([5]))
    alone = estimate_training(replace(job, global_batch=8 * 2 * 5), platforms[0], layout, PROFILE)
    for name in ("step_time_s", "tokens_per_s", "mfu", "memory_bytes"):
        assert getattr(mine, name)[0] == pytest.approx(getattr(alone, name)[0])


def test_the_exchange_is_the_gradients_over_the_slower_side(
    shipped: Catalog, platforms: tuple[Platform, Platform]
) -> None:
    """Bytes over ports: doubling the slower side's ports halves it; the faster side's change nothing."""
    job = TrainingJob(shipped.model("llama-3.1-8b"), 8192, 256)

    def seconds(chips_a: int, chips_b: int) -> float:
        return float(exchange_seconds(job, PROFILE, platforms, (np.array([chips_a]), np.array([chips_b])))[0])

    rates = [p.tiers[-1].bandwidth * p.tiers[-1].efficiency / p.tiers[-1].oversubscription for p in platforms]
    sent = parameter_counts(job.model).total * PROFILE.grad_traffic_bytes
    start = seconds(10**12, 10**12)
    slow = 0 if rates[0] * 8 < rates[1] * 64 else 1
    assert seconds(8, 64) - start == pytest.approx(sent / min(8 * rates[0], 64 * rates[1]), rel=1e-3)
    assert slow == 0
    assert seconds(16, 64) - start == pytest.approx((seconds(8, 64) - start) / 2, rel=1e-3)
    assert seconds(8, 128) == pytest.approx(seconds(8, 64))


def test_nothing_fits_where_one_side_has_no_room(shipped: Catalog, platforms: tuple[Platform, Platform]) -> None:
    """A 405B model on single chips: no split, said so rather than guessed."""
    job = TrainingJob(shipped.model("llama-3.1-405b"), 8192, 256)
    layout = TrainingCandidates.of(tp=1, pp=1, micro_batch=1, zero_stage=1)
    groups = tuple(MixedGroup(p, np.array([8])) for p in platforms)
    assert not mixed_steps(job, (groups[0], groups[1]), layout, PROFILE).fits[0]
