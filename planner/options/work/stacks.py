"""What the choice of a training stack is worth for a planned run: the same layout under others that may run it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.answer.plan import Interval, StackChoice
from planner.errors import UnknownFigureError
from planner.options.work.training import SECONDS_PER_DAY, Size, TrainingSearch, one_layout, stack_of
from planner.performance.compile import build_platform
from planner.performance.platform import Platform
from planner.performance.training.alternatives import rivals_of, under_stacks
from planner.performance.training.grid import divisors
from planner.performance.training.step import estimate_training


def stacks_of(
    search: TrainingSearch, platform: Platform, precision: str, size: Size
) -> tuple[list[StackChoice], Interval | None]:
    """(stacks, interval) of a run in one layout: what each stack makes of it, fastest first, and the 80% interval of
    a step where it is not known which of those that fit it will be. Nothing where the scenario fixes the MFU.
    """
    workload = search.workload
    if workload.mfu is not None:
        return [], None
    job = search.job(precision)
    others = {name: stack_of(workload, name) for name in rivals_of(job, platform)}
    found = under_stacks(job, platform, one_layout(size.layout), search.stack, others)
    hours = size.days * SECONDS_PER_DAY / 3600.0 * size.chips
    told = [
        StackChoice(
            framework=o.stack, generation=o.generation, assumed=o.stack == search.stack.name,
            step_time_s=o.step_time_s, low_s=o.low_s, high_s=o.high_s, time_ratio=o.time_ratio,
            chip_hours=hours * o.time_ratio, fits=o.fits,
        )
        for o in found
    ]  # fmt: skip
    able = [s for s in told if s.fits]
    if len(able) < 2:
        return told, None
    names = ", ".join(s.framework for s in able)
    return told, Interval(
        quantity="step_time_s",
        low=min(s.low_s for s in able),
        high=max(s.high_s for s in able),
        basis=f"from the low end of the fastest to the high end of the slowest of {names}",
    )


def linearity_of(search: TrainingSearch, platform: Platform, precision: str, size: Size) -> float:
    """Tokens/s of a chip in a run over those in the fewest replicas that its layout fits in, each with as many
    micro-batches: what growing costs in communication and stragglers (weak scaling, failures apart)."""
    layout, job = size.layout, search.job(precision)
    inner = layout["tp"] * layout["cp"]
    able = np.array([n for n in divisors(layout["dp"]) if inner * n % layout["ep"] == 0], dtype=np.int64)
    sizes = replace(one_layout(layout).take(np.zeros(len(able), dtype=np.int64)), dp=able)
    rounds = job.global_batch // (layout["dp"] * layout["micro_batch"])
    found = estimate_training(
        job, platform, sizes, search.stack, detail=False, micro_batches=rounds, shift=np.zeros(len(able))
    )
    few = int(np.argmax(found.fits))  # of fewer each holds more of the states, and updates more
    return float(found.tokens_per_s_per_chip[-1] / found.tokens_per_s_per_chip[few])


def relative_of(search: TrainingSearch, platform: Platform, precision: str, size: Size) -> float | None:
    """Tokens/s of a chip over those of a chip of the system that the claims name, in the same degrees on as many chips.

    There in the fastest of the run's precisions that its chip has, recomputing what makes it fastest among what fits.
    None where it does not fit there, or that system lacks a figure. Raises ``InputError`` on an unknown name.
    """
    claims = search.workload.claims
    if claims is None or claims.relative_to is None:
        return None
    system = search.catalog.system(claims.relative_to)
    try:
        other = build_platform(search.catalog, system.id, system.chip_ids[0], "")
        there = search.precision_of(other)
        if there is None:
            return None
        layout = one_layout(size.layout).take([0, 0, 0])
        tried = replace(layout, recompute=np.arange(3))
        beside = estimate_training(search.job(there), other, tried, search.stack, detail=False)
    except UnknownFigureError:
        return None
    here = estimate_training(search.job(precision), platform, layout, search.stack, detail=False)
    rates = np.where(beside.fits, beside.tokens_per_s_per_chip, 0.0)
    return float(here.tokens_per_s_per_chip[0] / rates.max()) if rates.max() > 0 else None


__all__ = ["linearity_of", "relative_of", "stacks_of"]
