"""Which constants a job is served with: its engine's, on the platform's family, with the memory it may use."""

from __future__ import annotations

from dataclasses import replace

from planner.performance.platform import Platform
from planner.performance.serving.job import ServingJob
from planner.performance.serving.profile import ServingProfile, serving_family, shipped_serving_calibration


def year_of_month(month: str | None) -> float:
    """Years of a month written YYYY-MM (the middle of it); 0 of none."""
    return int(month[:4]) + (int(month[5:7]) - 0.5) / 12.0 if month else 0.0


def profile_of(job: ServingJob, platform: Platform) -> ServingProfile:
    """The calibrated profile of the job's engine (and release) on the platform's family, with what a user measured."""
    engine, _, release = job.engine.partition(" ")
    family = serving_family(platform.chip_id, platform.family)
    calibration = platform.serving or shipped_serving_calibration()
    profile = calibration.profile(family, engine, release=release, date=job.software_year)
    return profile if job.memory_fraction is None else replace(profile, memory_utilisation=job.memory_fraction)
