"""A fleet over time: how systems are shared, how long they are kept, and figures that change by month."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from planner.scenario.base import Month, Part, month_index, parse_number, unit


def _figures(data: Any) -> Any:
    """Numbers of a mapping as people write them."""
    if not isinstance(data, Mapping):
        return data
    read = {k: parse_number(v) if isinstance(v, str) else v for k, v in data.items()}
    return {k: data[k] if v is None else v for k, v in read.items()}


MonthPath = Annotated[dict[Month, Annotated[float, Field(ge=0, le=1e15)]], BeforeValidator(_figures)]
"""{month: figure from that month on}: a step function. Before its first month the first figure holds."""

MAX_SLOTS = 600
"""Most slots of a plan: fifty years of months."""


def figure_at(path: Mapping[str, float], month: int) -> float:
    """The figure of a path in a month (``month_index``); ``path`` is not empty."""
    steps = sorted((month_index(m), v) for m, v in path.items())
    found = steps[0][1]
    for since, value in steps:
        if since <= month:
            found = value
    return found


class Fleet(Part):
    """How hardware is owned over time. Without it each workload has systems of its own, for the whole horizon."""

    shared: bool = Field(
        default=False,
        description="Systems of one kind at one place serve whatever needs them: loads grow, runs come and go, "
        "systems are bought, kept or sold by period. The plan then has a fleet and a schedule in the place of "
        "deployments.",
    )
    pool_loads: bool = Field(
        default=True,
        description="Shared fleets: loads alike in model, precisions, lengths, limits and all else but how many "
        "requests come are answered by the same replicas; false: each load has replicas of its own.",
    )
    slot_months: int = Field(
        default=1,
        ge=1,
        le=120,
        description="Runs start at whole multiples of this many months into a period.",
        json_schema_extra=unit("months"),
    )
    fabric_chips: int = Field(
        default=131_072,
        ge=8,
        le=131_072,
        description="Chips that the scale-out fabric of one place joins at most; no run is larger.",
        json_schema_extra=unit("chips"),
    )
    idle_systems: Literal["switched_off", "powered"] = Field(
        default="switched_off",
        description="Systems that stand and have no work: switched off they draw nothing, powered they idle. Spares "
        "of a run idle while it runs, either way.",
    )
    keep: Literal["horizon", "years", "periods"] = Field(
        default="horizon",
        description="When systems may be sold or handed back before the horizon ends: never, after whole years, or at "
        "any period.",
    )
    resale_share: float = Field(
        default=0.7,
        ge=0,
        le=1,
        description="Share of a system's worth at its age (the lesser of market value and unrecovered price) that a "
        "sale before the horizon's end brings.",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
