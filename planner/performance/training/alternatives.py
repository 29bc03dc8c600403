"""What another training stack would make of the same layout: what a plan's choice of stack is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from planner.performance.platform import Platform
from planner.performance.training.profile import Profile
from planner.performance.training.stacks import PROFILES
from planner.performance.training.step import TrainingCandidates, TrainingJob, estimate_training


@dataclass(frozen=True)
class StackOutcome:
    """One layout under one stack."""

    stack: str
    generation: int
    """Year of its techniques."""
    step_time_s: float
    time_ratio: float
    """Its step time over that of the stack assumed: hours and rented money go with it."""
    fits: bool
    """Whether the layout fits in memory under it."""


def under_stacks(
    job: TrainingJob, platform: Platform, layout: TrainingCandidates, assumed: Profile, names: Sequence[str]
) -> tuple[StackOutcome, ...]:
    """The layout (arrays of length one) under each named stack, fastest first; ``assumed`` among them.

    Raises ``KeyError`` for a name that is no stack, and what ``estimate_training`` raises.
    """
    base = float(estimate_training(job, platform, layout, assumed, detail=False).step_time_s[0])
    stacks = {assumed.name: assumed, **{name: PROFILES[name] for name in names if name != assumed.name}}
    found = []
    for name, stack in stacks.items():
        one = estimate_training(job, platform, layout, stack, detail=False)
        step = float(one.step_time_s[0])
        found.append(StackOutcome(name, stack.generation, step, step / base, bool(one.fits[0])))
    return tuple(sorted(found, key=lambda o: o.step_time_s))


__all__ = ["StackOutcome", "under_stacks"]
