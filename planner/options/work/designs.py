"""What the searches find on a platform, kept with its performance only: priced where it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from planner.catalog import Catalog
from planner.errors import InputError
from planner.facility.capacity import Level
from planner.options.enumerate import Collector, Search
from planner.options.hardware.choices import Choice, start_days
from planner.options.option import Role
from planner.options.ownership import (
    Standing,
)
from planner.options.pricing import Designs, Priced
from planner.scenario.kinds import Workload
from planner.scenario.types import Scenario
from planner.uncertainty.margins import Margin, margin_of, shared_margin


@dataclass(frozen=True)
class FoundDesign:
    """What a search found on a platform: performance only."""

    role: Role
    precision: str
    systems: int
    spares: int
    chips: int
    replicas: int
    rates: Mapping[str, float]
    activity: float
    days: float
    layout: Mapping[str, int]
    tokens_per_s: float
    cache_pool: str = ""

    @property
    def part(self) -> int:
        """Chips of the part of a system that it occupies; 0 where it takes whole systems."""
        return self.layout.get("part", 0)


NOT_PRICED = cast("Priced", None)
"""In the place of prices that nobody reads."""


class DesignSearcher(Collector):
    """The enumeration's own searches, with their findings kept instead of priced."""

    parts = True

    def __init__(self, scenario: Scenario, catalog: Catalog, levels: Mapping[str, Level], relaxed: bool) -> None:
        super().__init__(scenario, catalog, levels, relaxed, [])
        self.found: list[FoundDesign] = []
        self.room = 1

    def margin_on(self, workload: Workload, choice: Choice) -> Margin:
        """What work must bear; what its systems must is of their lots (``arrivals``)."""
        return shared_margin(margin_of(self.scenario, self.catalog, workload, choice.system.id, choice.chip.id))[0]

    def bounds(self, choice: Choice, ready: float, *, beyond: bool = False, cluster: bool = True) -> Any:
        """What the largest of all places of this platform leaves; each place's own limit is applied when priced."""
        from planner.options.enumerate import _Bounds

        per = choice.system.unit_chips
        return _Bounds(self.room, min(self.room * per, max(per, self.scenario.fleet.fabric_chips)))

    def price(self, choice: Choice, designs: Designs, ready: float) -> Priced:
        """Nothing: what is found is priced where it stands."""
        return NOT_PRICED

    @property
    def made(self) -> int:
        return len(self.found)

    def append(
        self, choice: Choice, workload: str, role: str, period: int, precision: str, designs: Designs, priced: Priced,
        i: int, *, replicas: int, max_units: int, rates: Mapping[str, float], tokens_per_s: float, finish_days: float,
        layout: Mapping[str, int], cache_pool: str = "", due_days: float = 0.0, **_more: Any,
    ) -> None:  # fmt: skip
        days = float(designs.run_hours[i]) / 24.0
        if "run" in rates:
            asked = next(w for w in self.scenario.workloads if w.name == workload)
            # hours that are priced end with the horizon, a run that takes longer does not
            longer = max(finish_days, due_days) - start_days(self.scenario, getattr(asked, "start", None))
            days = longer if longer > days + 1e-6 else days
        self.found.append(
            FoundDesign(cast("Role", role), precision, int(designs.systems[i]), int(designs.spares[i]),
                   int(designs.chips[i]), replicas, dict(rates), float(designs.activity[i]), days, dict(layout),
                   tokens_per_s, cache_pool)
        )  # fmt: skip


def designs_of(searcher: DesignSearcher, searches: Sequence[Search], stands: Sequence[Standing]) -> list[FoundDesign]:
    """What a workload's search finds on a platform, asked at the first place that can answer."""
    before = len(searcher.dropped)
    for stand in stands:
        searcher.found = []
        try:
            searcher.add(searches, stand.choice, 0, 0.0)
        except InputError as error:
            searcher.drop(stand.choice, searches[0].workload.name, str(error.problems[0]))
            continue
        if searcher.found:
            del searcher.dropped[before:]
            return searcher.found
        break
    return []
