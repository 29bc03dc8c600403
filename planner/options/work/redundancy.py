"""Redundancy of a serving load: how many units may fail while the rest keeps rate and latency.

A unit fails when any of its chips does; it is back after the repair time. Units run at their planned load, so those
that are left keep the latency limits as long as their rate is enough: what is asked is capacity.

    tolerate_failures k     any k units that the plan has may be gone
    availability q          k = min{k: Poisson cdf(k; (n + k) chips/8 r repair) >= q}, n units alone meeting the demand

Losing the k units with the largest rates leaves ``sum of n min(rate, cap) - k cap`` of units that are counted at no
more than ``cap`` each, for the best cap: those that are larger lose nothing more than a cap's worth. The best cap is a
rate of some unit, or, where k falls as units grow, a rate at which it falls. So a plan holds when there is a *way* to
count it, a cap and what may then be gone. Phases fail apart: what prefill loses, decode need not carry as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from planner.facility.reliability import REFERENCE_NODE_CHIPS, ReliabilityProfile, spares
from planner.scenario.workloads import Serving

MOST_ROUNDS = 100
Kind = tuple[int, float]
"""A kind of unit: its chips, and its rate in requests/s."""
Units = tuple[int, float, int]
"""Units of one kind: chips of one, rate of one in requests/s, how many."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to count on units: each at no more than ``cap`` requests/s, those of up to ``chips`` chips, less the
    ``lost`` of them that may be gone."""

    cap: float
    chips: int
    lost: int

    def counted(self, chips: int, rate: float) -> float:
        """What one unit counts for, requests/s."""
        return min(rate, self.cap) if chips <= self.chips else 0.0


@dataclass(frozen=True, slots=True)
class Redundancy:
    """What a load asks: ``tolerate`` units, or as many as ``availability`` wants of units that fail so often."""

    requests_per_s: float
    tolerate: int
    availability: float | None
    failures_per_chip_day: float
    repair_s: float

    @classmethod
    def of(cls, workload: Serving, profile: ReliabilityProfile) -> Redundancy | None:
        """Of a load; None where it asks for none."""
        if not workload.tolerate_failures and workload.availability is None:
            return None
        per_chip = profile.node_failures_per_day.value / REFERENCE_NODE_CHIPS
        return cls(
            workload.requests_per_s, workload.tolerate_failures, workload.availability, per_chip, profile.repair_s
        )

    def lost(self, chips: int, rate: float) -> int:
        """Units of ``chips`` chips and ``rate`` requests/s that a plan of such units must be able to lose."""
        if self.availability is None or rate <= 0:
            return self.tolerate
        return max(self.tolerate, self._failing(chips, math.ceil(self.requests_per_s / rate * (1 - 1e-12))))

    def _failing(self, chips: int, needed: int) -> int:
        assert self.availability is not None  # noqa: S101 - narrowed for the type checker
        lost = 0
        for _ in range(MOST_ROUNDS):  # more units fail a little more often: the count settles from below
            more = int(spares(needed + lost, self.failures_per_chip_day * chips, self.repair_s, self.availability))
            if more <= lost:
                break
            lost = more
        return lost

    def ways(self, kinds: Iterable[Kind], lost: int | None = None) -> tuple[Way, ...]:
        """Every way worth trying to count units of some kinds, of which ``lost``, or those that fail, may be gone."""
        known = sorted(set(kinds))
        if not known:
            return ()
        if lost is not None:  # the same number whatever the units are
            largest = max(chips for chips, _ in known)
            return tuple(Way(rate, largest, lost) for rate in sorted({rate for _, rate in known}))
        found = []
        for most in sorted({chips for chips, _ in known}):
            rates = {rate for chips, rate in known if chips <= most}
            for cap in sorted(rates | set(self._steps(most, min(rates), max(rates)))):
                needed = math.ceil(self.requests_per_s / cap * (1 - 1e-12))
                found.append(Way(cap, most, self._failing(most, needed)))
        return tuple(found)

    def _steps(self, chips: int, least: float, most: float) -> Iterator[float]:
        """The smallest rate of each number of units that fail, between two rates."""
        few, many = (math.ceil(self.requests_per_s / rate * (1 - 1e-12)) for rate in (most, least))
        while few < many:
            failing = self._failing(chips, few)
            low, high = few, many  # the last count of units of which no more fail
            while low < high:
                middle = -(-(low + high) // 2)
                low, high = (middle, high) if self._failing(chips, middle) <= failing else (low, middle - 1)
            yield self.requests_per_s / low
            few = low + 1

    def left(self, units: Sequence[Units], lost: int | None = None) -> Fraction:
        """Requests/s that some units still give when the worst ``lost`` of them, or those that fail, are gone."""
        best = Fraction(0)
        for way in self.ways(((chips, rate) for chips, rate, _ in units), lost):
            given = sum((Fraction(way.counted(c, r)) * n for c, r, n in units), start=Fraction(0))
            best = max(best, given - way.lost * Fraction(way.cap))
        return best
