"""Figures of workloads that a scenario gives by hand, as assumptions that a plan lists."""

from __future__ import annotations

from planner.scenario.types import Scenario
from planner.scenario.workloads import Training


def by_hand(scenario: Scenario) -> dict[str, tuple[float, str]]:
    """{path: (MFU, what rests on it)} of every MFU that somebody gave: of one system or chip, or of all systems."""
    found: dict[str, tuple[float, str]] = {}
    for w in scenario.workloads:
        if not isinstance(w, Training):
            continue
        if w.mfu is not None:
            found[f"workloads.{w.name}.mfu"] = (w.mfu, f"{w.name} on every system")
        for name, value in w.mfu_of.items():
            found[f"workloads.{w.name}.mfu_of.{name}"] = (value, f"{w.name} on {name}")
    return found
