"""What another training stack would make of the same layout: what a plan's choice of stack is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from planner.performance.platform import Platform
from planner.performance.training.profile import Profile
from planner.performance.training.step import TrainingCandidates, TrainingJob, estimate_training

GENERIC = ("tuned", "default", "plain")
"""Degrees of maturity: what a run may turn out to be where nobody knows its stack yet."""


@dataclass(frozen=True)
class StackOutcome:
    """One layout under one stack; ``low_s`` and ``high_s`` are the ends of its 80% interval of a step."""

    stack: str
    generation: int
    """Year of its techniques."""
    step_time_s: float
    low_s: float
    high_s: float
    time_ratio: float
    """Its step time over that of the stack assumed: hours and money go with it."""
    fits: bool
    """Whether the layout fits in memory under it."""


def rivals_of(job: TrainingJob, platform: Platform) -> tuple[str, ...]:
    """Names of the stacks that may run such a job on such chips: degrees of maturity, and what is made for them.

    XLA alone on TPUs; MindSpeed on Ascend; Megatron-Core as it comes elsewhere; DeepSeek's own for experts on GPUs.
    """
    if platform.family.startswith("google"):
        return ("xla",)
    if platform.family.startswith("huawei"):
        return (*GENERIC, "mindspeed")
    gpu = platform.family.startswith("nvidia")
    return (*GENERIC, "mcore", *(("hai_llm",) if gpu and job.model.is_moe else ()))


def under_stacks(
    job: TrainingJob, platform: Platform, layout: TrainingCandidates, assumed: Profile, stacks: Mapping[str, Profile]
) -> tuple[StackOutcome, ...]:
    """The layout (arrays of length one) under the stack assumed and under each of ``stacks``, fastest first.

    Stacks keep other bytes a parameter, so each recomputes what makes it fastest among what fits; one that fits
    with none is shown with that of the layout. Raises what ``estimate_training`` raises.
    """
    base = 0.0
    found = []
    for name, stack in {assumed.name: assumed, **{n: s for n, s in stacks.items() if n != assumed.name}}.items():
        tried = layout if not base else replace(layout.take([0, 0, 0]), recompute=np.arange(3))
        one = estimate_training(job, platform, tried, stack)
        own = 0 if not base else int(layout.recompute[0])
        at = int(np.argmin(np.where(one.fits, one.step_time_s, np.inf))) if one.fits.any() else own
        step = float(one.step_time_s[at])
        base = base or step
        low, high = step * float(one.low80[at]), step * float(one.high80[at])
        found.append(StackOutcome(name, stack.generation, step, low, high, step / base, bool(one.fits[at])))
    return tuple(sorted(found, key=lambda o: o.step_time_s))


__all__ = ["StackOutcome", "rivals_of", "under_stacks"]
