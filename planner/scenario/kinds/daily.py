"""Serving by the hour: users in time zones, a working day and a night, so demand has a peak and a valley every day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from planner.scenario.base import Finding, Name, Part, report, unit
from planner.scenario.kinds.restated import Restated, figure

HOURS = 24
Hours = tuple[int, ...]
"""Hours of a day, UTC, ascending; none: all of them."""


class Users(Part):
    """Some of the users: one time zone, and how much of their traffic falls into their working day."""

    name: Name = Field(description="Where they are.")
    share: float = Field(
        gt=0,
        le=1,
        description="Share of all requests of a day.",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    utc_offset: float = Field(
        ge=-12, le=14, description="Hours their clocks are ahead of UTC.", json_schema_extra=unit("hours")
    )
    day_share: float = Field(
        default=0.6,
        ge=0,
        le=1,
        description="Share of their requests between `day_from` and `day_to`, local time.",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    day_from: int = Field(
        default=9, ge=0, le=23, description="Hour at which their day begins.", json_schema_extra=unit("hour")
    )
    day_to: int = Field(default=18, ge=1, le=24, description="Hour at which it ends.", json_schema_extra=unit("hour"))

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.day_to <= self.day_from:
            report([Finding(("day_to",), "is not after day_from", str(self.day_to))])
        return self


def hourly_rates(requests_per_day: float, users: Sequence[Mapping[str, Any] | Users]) -> tuple[float, ...]:
    """Requests a second in each hour of a day, UTC, (24,). Offsets of half an hour count as the hour they begin in."""
    rates = [0.0] * HOURS
    for one in users:
        u = one if isinstance(one, Users) else Users.model_validate(one)
        length = u.day_to - u.day_from
        for local in range(HOURS):
            inside = u.day_from <= local < u.day_to
            share = u.day_share / length if inside else (1.0 - u.day_share) / max(HOURS - length, 1)
            hour = int((local - u.utc_offset) // 1) % HOURS
            rates[hour] += requests_per_day * u.share * share / 3600.0
    return tuple(rates)


def hours_text(hours: Sequence[int]) -> str:
    """'18-09 UTC' of the hours from 18 to 9."""
    if not hours or len(hours) == HOURS:
        return "all day"
    begins = sorted(h for h in hours if (h - 1) % HOURS not in hours)
    parts = []
    for begin in begins:
        end = begin
        while end % HOURS in hours:
            end += 1
        parts.append(f"{begin:02d}-{end % HOURS:02d}")
    return f"{' and '.join(parts)} UTC"


class Daily(Restated):
    """A serving load by the hour: requests a day from users in time zones; what is rented may be on for the peak."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset(
        {"requests_per_s", "requests_path", "growth_per_year", "peak_to_mean", "request_classes", "disaggregated",
         "cache_exchange", "tolerate_failures", "availability"}
    )  # fmt: skip

    kind: Literal["daily"] = Field(description="`daily`")  # type: ignore[assignment]
    requests_per_day: float = Field(
        gt=0, le=1e13, description="Requests of a day, from all users.", json_schema_extra=unit("requests/day")
    )
    users: Annotated[tuple[Users, ...], Field(min_length=1, max_length=24)] = Field(
        description="Users by time zone: `[{name: .., share: 0.4, utc_offset: -5, day_share: 0.6}]`; shares sum to 1."
    )

    @classmethod
    def restate(cls, said: Mapping[str, Any]) -> dict[str, Any]:
        """The peak of the day, and how far it is above the mean."""
        rates = [1.0]
        users = said.get("users")
        if isinstance(users, list | tuple) and users:
            try:
                rates = list(hourly_rates(figure(said, "requests_per_day", 1.0), users))
            except (TypeError, ValueError):
                rates = [1.0]  # their own error is reported
        peak, mean = max(rates), sum(rates) / len(rates)
        return {
            "requests_per_s": max(peak, 1e-9),
            "peak_to_mean": min(max(peak / mean, 1.0), 1000.0) if mean > 0 else 1.0,
            "disaggregated": "never",
        }

    @property
    def asked(self) -> tuple[float, str, str]:
        """Requests of a day."""
        return self.requests_per_day, "requests/day", "requests_per_day"

    @property
    def by_rank(self) -> tuple[tuple[int, float], ...]:
        """(hours, requests/s): in so many hours of a day at least so much is asked, for each level below the peak."""
        rates = sorted(hourly_rates(self.requests_per_day, self.users), reverse=True)
        ends = [n for n in range(1, HOURS) if rates[n] < rates[n - 1] * (1 - 1e-9)]
        return tuple((n, rates[n - 1]) for n in [*ends, HOURS])

    def busiest(self, hours: int) -> Hours:
        """The hours of a day of most demand, so many of them: those of a level (``by_rank``) come together."""
        rates = hourly_rates(self.requests_per_day, self.users)
        return tuple(sorted(sorted(range(HOURS), key=lambda hour: (-rates[hour], hour))[:hours]))

    @model_validator(mode="after")
    def _all_of_them(self) -> Self:
        whole = sum(u.share for u in self.users)
        findings = []
        if abs(whole - 1.0) > 1e-6:
            findings.append(Finding(("users",), "shares do not sum to 1", f"{whole:g}"))
        names = [u.name for u in self.users]
        findings += [Finding(("users", i, "name"), "is given twice", n) for i, n in enumerate(names) if n in names[:i]]
        report(findings)
        return self
