"""The grid is every legal layout and nothing else."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from training_fixtures import dense_model, moe_model, platform

from planner.errors import InputError
from planner.performance.training.grid import TrainingGrid, declared_size, training_grid, training_grid_chunks
from planner.performance.training.step import TrainingCandidates, TrainingJob, estimate_training

NAMES = ("tp", "pp", "vpp", "dp", "cp", "ep", "micro_batch", "zero_stage", "recompute", "sp")


def _rows(c: TrainingCandidates) -> set[tuple[int, ...]]:
    return set(zip(*(getattr(c, n).tolist() for n in NAMES), strict=True))


def _brute(job: TrainingJob, chips: int, g: TrainingGrid, heads: int, kv: int, experts: int) -> set[tuple[int, ...]]:
    layers = job.model.layers
    legal = set()
    for tp, pp, vpp, cp, ep, mb, zero, rc, sp in product(
        g.tp, g.pp, g.vpp, g.cp, g.ep, g.micro_batch, g.zero_stage, g.recompute, g.sp
    ):
        if chips % (tp * pp * cp) or heads % tp or (kv % tp and tp % kv) or job.sequence_length % (2 * cp):
            continue
        if pp > layers or not (g.spare_stages or -(-layers // pp) * (pp - 1) < layers):
            continue
        dp = chips // (tp * pp * cp)
        if job.global_batch % (dp * mb) or experts % ep or (dp * cp * tp) % ep:
            continue
        rounds = job.global_batch // (dp * mb)
        even = layers % (pp * vpp) == 0 or (layers + 2) % (pp * vpp) == 0
        if vpp > 1 and (pp == 1 or rounds % pp or not even):
            continue
        if (zero >= 2 and pp > 1) or (sp and tp == 1) or (experts > 1 and tp > 1 and not sp):
            continue
        legal.add((tp, pp, vpp, dp, cp, ep, mb, zero, rc, sp))
    return legal


@pytest.mark.parametrize(("chips", "layers"), [(16, 6), (24, 10), (7, 8)])
@pytest.mark.parametrize(("experts", "spare"), [(1, False), (8, False), (1, True)])
def test_every_legal_layout_by_brute_force(chips, layers, experts, spare):
    model = moe_model(layers=layers, experts=experts) if experts > 1 else dense_model(layers, 512, 8, 4, 1024)
    heads, kv = (16, 16) if experts > 1 else (8, 4)
    job = TrainingJob(model, 64, 48)
    grid = TrainingGrid(
        tp=(1, 2, 3, 4, 8),
        pp=(1, 2, 3, 4),
        vpp=(1, 2, 3),
        cp=(1, 2),
        ep=(1, 2, 8),
        micro_batch=(1, 2, 3),
        zero_stage=(0, 1, 3),
        recompute=(0, 2),
        sp=(0, 1),
        spare_stages=spare,
    )
    found = training_grid(job, platform(), chips, grid)
    rows = _rows(found)
    assert len(rows) == found.size
    assert rows == _brute(job, chips, grid, heads, kv, experts)
    assert declared_size(job, platform(), chips, grid) == 5 * 4 * 3 * 2 * 3 * 3 * 3 * 2 * 2


def test_pieces_make_the_whole():
    job = TrainingJob(dense_model(), 4096, 256)
    whole = training_grid(job, platform(), 64)
    pieces = list(training_grid_chunks(job, platform(), 64, chunk=500))
    assert len(pieces) > 1
    assert set().union(*(_rows(p) for p in pieces)) == _rows(whole)
    assert np.all(whole.chips == 64)
    e = estimate_training(job, platform(), whole, "tuned", detail=False)
    assert np.all(np.isfinite(e.step_time_s))
    assert np.all(e.step_time_s > 0)
    assert e.fits.any()


def test_a_grid_nothing_fits_is_empty():
    job = TrainingJob(dense_model(), 4096, 7)
    assert training_grid(job, platform(), 64, TrainingGrid(tp=(1,), pp=(1,), cp=(1,))).size == 0


def test_wrong_grids_are_refused():
    job = TrainingJob(dense_model(), 4096, 64)
    with pytest.raises(InputError, match="chips must be 1 or more"):
        training_grid(job, platform(), 0)
    with pytest.raises(InputError, match="tp needs values of 1 or more"):
        training_grid(job, platform(), 8, TrainingGrid(tp=(0, 1)))
