"""Every combination of a grid of layouts and a grid of techniques: generated, filtered, priced, none by sampling.

Layouts are the widths of ``training_grid``; techniques are what a run may switch on beside them. The memory of a step
does not depend on how it overlaps, so the work is: legal layouts once, then one pricing per technique, in pieces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from planner.performance.platform import Platform
from planner.performance.training.grid import DEFAULT_GRID, TrainingGrid, declared_size, training_grid_chunks
from planner.performance.training.profile import Profile
from planner.performance.training.step import TrainingCandidates, TrainingJob, estimate_training, measured_shift

PIECE = 1 << 17
"""Candidates priced at once: what keeps the arrays of a piece in the tens of megabytes."""


@dataclass(frozen=True)
class TechniqueGrid:
    """The values each technique may take: all combinations are tried.

    ``async_tp``: tensor parallelism tiled under its products, or not; ``dp_overlap``: gradients reduced behind the
    backward pass as the profile does, or not at all; ``offload_*``: shares kept in host or pooled memory;
    ``recompute_share``: shares of the layers that full recomputation repeats.
    """

    async_tp: Sequence[bool] = (False, True)
    dp_overlap: Sequence[bool] = (False, True)
    offload_optimizer: Sequence[float] = (0.0, 1.0)
    offload_weights: Sequence[float] = (0.0, 1.0)
    offload_activations: Sequence[float] = (0.0, 1.0)
    recompute_share: Sequence[float] = (1.0,)

    def profiles(self, base: Profile) -> Iterator[Profile]:
        """The profile with every combination of techniques but the recomputed share."""
        for tp, dp, optimizer, weights, kept in product(
            self.async_tp, self.dp_overlap, self.offload_optimizer, self.offload_weights, self.offload_activations
        ):
            yield replace(
                base,
                async_tp=tp,
                dp_overlap=base.dp_overlap if dp else 0.0,
                zero3_overlap=base.zero3_overlap if dp else 0.0,
                offload_optimizer=optimizer,
                offload_weights=weights,
                offload_activations=kept,
            )

    @property
    def size(self) -> int:
        """Combinations of techniques, the recomputed share apart."""
        parts = (
            self.async_tp,
            self.dp_overlap,
            self.offload_optimizer,
            self.offload_weights,
            self.offload_activations,
        )
        return int(np.prod([len(p) for p in parts]))


NO_TECHNIQUES = TechniqueGrid((False,), (True,), (0.0,), (0.0,), (0.0,), (1.0,))


@dataclass(frozen=True)
class Found:
    """One combination and what it does."""

    step_time_s: float
    memory_bytes: float
    host_bytes: float
    layout: TrainingCandidates  # one candidate
    profile: Profile


@dataclass(frozen=True)
class SearchResult:
    """Counts of a search and its fastest combinations that fit, fastest first.

    ``declared``: combinations of all axes; ``illegal``: of these, ruled out by divisibility; ``too_large``: priced and
    does not fit in memory; ``priced``: legal and fits.
    """

    declared: int
    illegal: int
    too_large: int
    priced: int
    best: tuple[Found, ...]


def _pieces(
    job: TrainingJob, platform: Platform, chips: int, grid: TrainingGrid, shared: bool
) -> Iterator[TrainingCandidates]:
    """Legal layouts in pieces of ``PIECE`` or fewer; only those that recompute whole layers where ``shared``."""
    for part in training_grid_chunks(job, platform, chips, grid):
        chosen = part.take(part.recompute == 2) if shared else part
        for start in range(0, chosen.size, PIECE):
            yield chosen.take(slice(start, start + PIECE))


def search_training(
    job: TrainingJob,
    platform: Platform,
    chips: int,
    profile: Profile,
    grid: TrainingGrid = DEFAULT_GRID,
    techniques: TechniqueGrid = NO_TECHNIQUES,
    *,
    keep: int = 5,
) -> SearchResult:
    """Price every combination; memory stays bounded by ``PIECE``. Raises what the grid and the estimate raise.

    A recomputed share below one applies to candidates with full recomputation only, and is counted there only.
    """
    shares = techniques.recompute_share or (1.0,)
    other = sum(r != 2 for r in grid.recompute)
    per_mode = declared_size(job, platform, chips, grid) // max(len(set(grid.recompute)), 1)
    whole = len(set(grid.recompute)) - other
    declared = per_mode * (other + whole * len(shares)) * techniques.size
    legal = fits = 0
    best: list[Found] = []
    for i, share in enumerate(shares):
        for part in _pieces(job, platform, chips, grid, shared=i > 0):
            shift = measured_shift(job, platform, profile, part)
            for chosen in techniques.profiles(profile):
                ready = replace(chosen, recompute_share=share)
                found = estimate_training(job, platform, part, ready, detail=False, only_fitting=True, shift=shift)
                legal += part.size
                inside = np.flatnonzero(found.fits)
                fits += inside.size
                if inside.size == 0:
                    continue
                times = found.step_time_s[inside]
                limit = best[-1].step_time_s if len(best) >= keep else np.inf
                if float(times.min()) >= limit:
                    continue
                order = np.argsort(times, kind="stable")[:keep]
                for at in inside[order]:
                    best.append(
                        Found(
                            float(found.step_time_s[at]),
                            float(found.memory_bytes[at]),
                            float(found.host_bytes[at]),
                            part.take(slice(int(at), int(at) + 1)),
                            ready,
                        )
                    )
                best = sorted(best, key=lambda f: f.step_time_s)[:keep]
    return SearchResult(declared, declared - legal, legal - fits, fits, tuple(best))
