"""What may come otherwise than planned: distributions that sampled futures are drawn from."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from planner.scenario.base import Finding, Part, parse_number, report, unit

CENTRAL = 0.5
"""The confidence of a plan of central figures."""
PRICED = (CENTRAL, 0.8, 0.95)
"""Confidences that are priced beside the one that is asked."""


class Spread(Part):
    """Quantiles ``p10``, ``p50``, ``p90``, or ``values`` that are equally likely. A number is certain."""

    p10: float | None = Field(
        default=None, description="One in ten lies below.", json_schema_extra=unit("as its place")
    )
    p50: float | None = Field(default=None, description="Half lie below.", json_schema_extra=unit("as its place"))
    p90: float | None = Field(
        default=None, description="Nine in ten lie below.", json_schema_extra=unit("as its place")
    )
    values: tuple[float, ...] = Field(
        default=(),
        max_length=1000,
        description="Values that are equally likely.",
        json_schema_extra=unit("as its place"),
    )

    @model_validator(mode="before")
    @classmethod
    def _certain(cls, data: Any) -> Any:
        if isinstance(data, str):
            data = parse_number(data) if parse_number(data) is not None else data
        if isinstance(data, int | float) and not isinstance(data, bool):
            return {"values": (float(data),)}
        return data

    @model_validator(mode="after")
    def _whole(self) -> Self:
        quantiles = (self.p10, self.p50, self.p90)
        given = [q for q in quantiles if q is not None]
        allowed = "p10, p50 and p90, or values, or a number"
        if bool(given) == bool(self.values) or (given and len(given) < 3):
            report([Finding((), "is no distribution", allowed=allowed)])
        if given != sorted(given):
            report([Finding((), "the quantiles are not in order", allowed="p10 <= p50 <= p90")])
        return self


class Outcomes(Part):
    """Uncertainty: how far delivery, speed, prices, demand and failures may be from the plan's figures."""

    samples: int = Field(default=1000, ge=50, le=20_000, description="Futures that are drawn.")
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="Seed: the same futures every time.")
    confidence: float = Field(
        default=0.9,
        ge=0.5,
        lt=1,
        description="Probability with which a plan shall keep each date and load; cost at risk is the mean cost of the"
        " worst futures beyond it.",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    slip_quarters: dict[str, Spread] = Field(
        default={},
        description="{system: how much later it is delivered}; none: by what is known of its maker and status.",
        json_schema_extra=unit("quarters"),
    )
    time_factor: dict[str, Spread] = Field(
        default={},
        description="{system: what run times and latencies are multiplied by}; none: the performance model's interval.",
        json_schema_extra=unit("factor"),
    )
    price_factor: dict[str, Spread] = Field(
        default={},
        description="{system: what its price is multiplied by}; none: the catalog's range, where it states one.",
        json_schema_extra=unit("factor"),
    )
    tariff_factor: dict[str, Spread] = Field(
        default={},
        description="{site: what its tariff is multiplied by}; none: the catalog's range, where it states one.",
        json_schema_extra=unit("factor"),
    )
    demand_factor: dict[str, Spread] = Field(
        default={},
        description="{workload: what its demand is multiplied by (loads: rate, runs: tokens)}; none: certain.",
        json_schema_extra=unit("factor"),
    )
    failure_factor: Spread | None = Field(
        default=None,
        description="What the failure rate is multiplied by; none: the catalog's range of failure rates.",
        json_schema_extra=unit("factor"),
    )
    late: Literal["wait", "rent"] = Field(
        default="wait",
        description="What is done about a date that would be missed: wait (it is missed), or rent what is missing"
        " where a chip of the scenario's systems can be rented that makes it.",
    )
    late_usd_per_day: float = Field(
        default=0, ge=0, le=1e12, description="What a day after the date costs.", json_schema_extra=unit("USD/day")
    )
