"""A plan over lots as recomputed: what was said of each part beside what comes out again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from planner.answer.plan import FleetLot, Plan, Priced, ScheduledLoad, ScheduledRun
from planner.facility.reliability import ReliabilityProfile, default_profile
from planner.options.hardware.timeline import Timeline
from planner.options.ownership import LotPrice, Standing
from planner.options.stock_figures import Hardware, StockFigures
from planner.options.work.describe import Described
from planner.scenario.types import Scenario
from planner.verify.compare import LIMIT_TOLERANCE


@dataclass
class LotAgain:
    said: FleetLot
    hardware: Hardware
    begin: int
    end: int
    stand: Standing
    price: LotPrice


@dataclass
class RunAgain:
    said: ScheduledRun
    hardware: Hardware
    described: Described


@dataclass
class LoadAgain:
    said: ScheduledLoad
    hardware: Hardware
    described: Described


@dataclass
class Again:
    """A plan as recomputed: what could be, with what could not listed in ``failures``."""

    plan: Plan
    scenario: Scenario
    figures: StockFigures
    lots: list[LotAgain] = field(default_factory=list)
    runs: list[RunAgain] = field(default_factory=list)
    loads: list[LoadAgain] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def reliability(self) -> ReliabilityProfile:
        return default_profile(self.figures.catalog)

    @property
    def timeline(self) -> Timeline:
        return self.figures.timeline

    def standing(self, period: int) -> Iterator[LotAgain]:
        """Lots that stand in a period."""
        return (x for x in self.lots if x.begin <= period < x.end)

    def lasting(self, period: int) -> Iterator[LotAgain]:
        """Lots that stand through a period: not what is rented for some days."""
        return (x for x in self.standing(period) if not x.said.rented_days)

    def parts(self) -> list[Priced]:
        """Everything that costs, as the plan says it; each was compared with its own price."""
        return [*(x.said for x in self.lots), *(x.said for x in self.runs), *(x.said for x in self.loads)]


def above(used: Fraction, limit: float) -> bool:
    return used > Fraction(limit) * (1 + LIMIT_TOLERANCE)


def scaled(values: Mapping[str, float], n: int) -> dict[str, float]:
    return {name: v * n for name, v in values.items()}


def by_year(values: Iterable[float], n: int = 1) -> dict[str, float]:
    return {str(k): float(v) * n for k, v in enumerate(values)}


def exact_sum(values: Iterable[float]) -> Fraction:
    return sum((Fraction(float(v)) for v in values), start=Fraction(0))
