"""What the model cannot tell apart: how much better one option must look before it is better in fact.

Errors of two options are correlated (one model, one stack, the same physics), so they are compared by pairs: of
measured runs of one model and precision, predicted without their source, how many came out in the predicted order, by
how far apart they were predicted, on one chip and across chips (``measured.ordering``). Two options nearer than the
distance at which that share reaches what is asked are a tie.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from planner.performance.measured.calibration import shipped_training_calibration
from planner.performance.measured.ordering import OrderShare
from planner.performance.serving.profile import shipped_serving_calibration
from planner.scenario.kinds import Workload
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving, Training

SURE = 0.8
"""Share of pairs in the predicted order from which two options are told apart."""
QUANTITY = "tokens_per_s_per_chip"
LARGEST = 1.0
"""Where even the furthest class is less sure than asked."""


def distance_for(shares: Sequence[OrderShare], same_chip: bool, sure: float = SURE) -> float:
    """How far apart rates must be predicted, as a share, for pairs to be in the predicted order so often.

    Classes hold distances from ``apart`` to ``until``; their shares are taken at the middles (geometric; half a coin at
    none), made to grow, and are linear between. No class of measured pairs: ``LARGEST``.
    """
    mine = sorted((s for s in shares if s.quantity == QUANTITY and s.same_chip == same_chip), key=lambda s: s.apart)
    if not mine:
        return LARGEST
    at = [0.0, *((s.apart * (s.until or 2.0 * s.apart)) ** 0.5 for s in mine)]
    right = np.maximum.accumulate([0.5, *(s.right for s in mine)])
    if right[-1] < sure:
        return LARGEST
    return float(np.interp(sure, right + np.arange(len(right)) * 1e-9, at))


def cannot_tell_apart(workload: Workload, same_chip: bool, sure: float = SURE) -> float:
    """The share by which two options of a workload must differ to be told apart; of kinds of which no pairs are
    measured ``LARGEST``."""
    if isinstance(workload, Training):
        return distance_for(shipped_training_calibration().order, same_chip, sure)
    if isinstance(workload, Serving):
        return distance_for(shipped_serving_calibration().order, same_chip, sure)
    return LARGEST


def tie_share(scenario: Scenario, same_chip: bool = False, sure: float = SURE) -> float:
    """The share of the objective within which plans of a scenario are a tie: the least of its workloads', since what
    one of them tells apart is told apart. Cost and energy of work go with its rate."""
    return min(cannot_tell_apart(w, same_chip, sure) for w in scenario.workloads)
