"""The training stacks a scenario may name are profiles that the performance model knows."""

from __future__ import annotations

from typing import get_args

from planner.performance.training.stacks import PROFILES
from planner.scenario.workloads import Framework


def test_every_framework_is_a_profile() -> None:
    assert set(get_args(Framework)) <= set(PROFILES)
