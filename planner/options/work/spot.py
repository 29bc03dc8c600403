"""Runs on spot capacity: how much longer they take, and what may not be on it."""

from __future__ import annotations

from dataclasses import replace

from planner.catalog import Catalog
from planner.facility.reliability import default_profile, mean_training_time, spot_training_time
from planner.options.hardware.choices import Choice
from planner.options.hardware.offers import SPOT
from planner.options.work.training import Size
from planner.scenario.kinds import Counted, Workload
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving, Training

NEVER = 1e-3
"""Share of the time below which a run on spot is one that never ends."""


def refusal(workload: Workload, choice: Choice) -> str:
    """Why a workload may not be on a choice's rent; empty where it may."""
    if choice.rent_term != SPOT:
        return ""
    if not workload.runs_once or isinstance(workload, Serving):
        return "spot systems may be taken away at any moment: a load, or work by a date, needs them all the time"
    if not isinstance(workload, Training | Counted):
        return f"kind: {workload.kind} is not planned on spot yet"
    return ""


def stretch(scenario: Scenario, catalog: Catalog, choice: Choice, chips: int, parameters: float) -> float:
    """What the days of a run on so many chips are multiplied by: 1 but on spot."""
    spot = scenario.hardware.spot
    if choice.rent_term != SPOT or spot is None:
        return 1.0
    profile = default_profile(catalog)
    share = spot_training_time(
        chips, parameters, profile, interruptions_per_day=spot.interruptions_per_day, back_after_s=spot.back_after_s,
        notice_s=spot.notice_s,
    )  # fmt: skip
    return mean_training_time(chips, parameters, profile) / max(share, NEVER)


def on_spot(scenario: Scenario, catalog: Catalog, choice: Choice, size: Size, parameters: float) -> Size:
    """A size of a training run as it goes on a choice's rent."""
    longer = stretch(scenario, catalog, choice, size.chips, parameters)
    return size if longer == 1.0 else replace(size, days=size.days * longer, ettr=size.ettr / longer)
