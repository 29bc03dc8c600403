"""Redundancy of a serving load: how many units may fail while the rest keeps rate and latency.

A unit fails when any of its chips does; it is back after the repair time. Units run at their planned load, so those
that are left keep the latency limits as long as their rate is enough: what is asked is capacity.

    tolerate_failures k     any k units of the largest kind in the plan may be gone
    availability q          k = min{k: Poisson cdf(k; (n + k) chips/8 r repair) >= q}, n units alone meeting the demand
"""

from __future__ import annotations

import math

from planner.facility.reliability import REFERENCE_NODE_CHIPS, ReliabilityProfile, spares
from planner.scenario.workloads import Serving

MOST_ROUNDS = 100


def failed_units(workload: Serving, profile: ReliabilityProfile, chips: int, rate: float) -> int:
    """Units of ``chips`` chips and ``rate`` requests/s that a plan must be able to lose; 0 where nothing is asked."""
    asked = workload.tolerate_failures
    if workload.availability is None or rate <= 0:
        return asked
    needed = math.ceil(workload.requests_per_s / rate * (1 - 1e-12))
    per_day = profile.node_failures_per_day.value * chips / REFERENCE_NODE_CHIPS
    lost = 0
    for _ in range(MOST_ROUNDS):  # more units fail a little more often: the count settles from below
        more = int(spares(needed + lost, per_day, profile.repair_s, workload.availability))
        if more <= lost:
            break
        lost = more
    return max(asked, lost)


def reserve(workload: Serving, profile: ReliabilityProfile, chips: int, rate: float) -> float:
    """Requests/s that must be spare where units of this kind are used."""
    return failed_units(workload, profile, chips, rate) * rate
