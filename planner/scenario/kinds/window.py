"""Work without latency that is to be done by a date, in all hours or in some of each day: what such kinds share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, PrivateAttr, model_validator

from planner.scenario.base import Finding, report, unit
from planner.scenario.kinds.restated import Restated, figure
from planner.scenario.workloads import BUSIEST

HOURS_PER_DAY = 24.0
SMALLEST_RATE = 1e-9

NOT_ASKED = frozenset(
    {"requests_per_s", "requests_path", "growth_per_year", "peak_to_mean", "arrival_cv", "ttft_ms", "tpot_ms",
     "percentile", "tolerate_failures", "availability", "utilisation", "disaggregated", "cache_exchange",
     "request_classes"}
)  # fmt: skip
"""What a serving load says of rate, latency and spare units, and work without latency does not."""


class ByADate(Restated):
    """So much work by a date: replicas are full, and nobody waits for an answer."""

    finish_within_days: float | None = Field(
        default=None,
        gt=0,
        le=36500,
        description="Days from the start within which all of it must be done.",
        json_schema_extra=unit("days"),
    )
    hours_per_day: float = Field(
        default=HOURS_PER_DAY,
        gt=0,
        le=HOURS_PER_DAY,
        description="Hours of each day in which it may run: 9, where it has the systems of a daytime load at night.",
        json_schema_extra=unit("hours"),
    )

    _over_time: bool = PrivateAttr(default=False)

    def in_time(self) -> Self:
        """The same in a plan over time: a run of units side by side that begins when it suits, over by its date."""
        found = self.model_copy()
        found._over_time = True
        return found

    @property
    def runs_once(self) -> bool:
        """Over time it is a run; in a plan of one decision it has its window from the start on."""
        return self._over_time and self.window_hours is not None

    @property
    def requests_in_all(self) -> float:
        """Requests to answer in the window."""
        return self.requests_per_s * (self.window_hours or 0.0) * 3600.0

    @property
    def window_hours(self) -> float | None:
        """Hours there are to do it in; None where it is answered all the time."""
        return None if self.finish_within_days is None else self.finish_within_days * self.hours_per_day

    @property
    def restated(self) -> frozenset[str]:
        """Of work by a date, how full replicas are."""
        return frozenset() if self.window_hours is None else frozenset({"utilisation"})

    def hours_worked(self, load: float) -> float:
        """Hours of its window in which a unit of a load (share of its throughput over the window) works."""
        return (self.window_hours or 0.0) * load / self.utilisation

    @model_validator(mode="after")
    def _hours_need_a_date(self) -> ByADate:
        if self.finish_within_days is None and self.hours_per_day != HOURS_PER_DAY:
            report([Finding(("hours_per_day",), "has no meaning without finish_within_days", str(self.hours_per_day))])
        return self


def rate_of(said: Mapping[str, Any], requests: float) -> dict[str, Any]:
    """The load that does ``requests`` within a window, with full replicas and no latency."""
    seconds = figure(said, "finish_within_days", 1.0) * figure(said, "hours_per_day", HOURS_PER_DAY) * 3600.0
    return {
        "requests_per_s": max(requests / seconds, SMALLEST_RATE),
        "utilisation": BUSIEST,
        "disaggregated": "never",
    }
