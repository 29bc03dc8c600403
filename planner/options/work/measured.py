"""The measured runs that an estimate of training rests on, and what they change: for plans and estimates alike."""

from __future__ import annotations

import math

from planner.answer.plan import MeasuredRun
from planner.performance.measured.process import WIDTHS, Run
from planner.performance.platform import Platform
from planner.performance.training.profile import Profile
from planner.performance.training.step import TrainingCandidates, TrainingJob, measured_job, measured_shift

LEAST_LIKENESS = 0.05
"""Runs that share less of their variance with the one asked are not worth showing."""


def measured_runs(
    job: TrainingJob, platform: Platform, profile: Profile, layout: TrainingCandidates
) -> tuple[float | None, list[MeasuredRun]]:
    """(correction, runs) of one layout: the factor on its step time that measured runs near it make, None where none
    is near, and those with most in common with it, most first.
    """
    shift = measured_shift(job, platform, profile, layout)
    if shift is None:
        return None, []
    asked = measured_job(job, platform, profile)
    widths = {name: getattr(layout, name) for name in WIDTHS}
    found = platform.neighbours.nearest(asked, widths, layout.chips, layout.recompute)
    runs = [_shown(run, likeness) for run, likeness in found if likeness >= LEAST_LIKENESS]
    return (math.exp(float(shift[0])), runs) if runs else (None, [])


def _shown(run: Run, likeness: float) -> MeasuredRun:
    return MeasuredRun(
        case_id=run.case_id,
        source=run.source,
        chip=run.chip,
        model=run.model,
        precision=run.precision,
        chips=run.size("chips"),
        tp=run.size("tp"),
        pp=run.size("pp"),
        ep=run.size("ep"),
        likeness=likeness,
        measured_over_predicted=math.exp(run.residual),
    )
