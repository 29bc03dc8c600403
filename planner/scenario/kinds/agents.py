"""Agents: sessions of many calls over one growing context, with pauses for tools between them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from planner.scenario.base import MANY, Finding, report, unit
from planner.scenario.kinds.restated import Restated, figure


class Agents(Restated):
    """Agents: sessions of many calls over one growing context, with pauses for tools between them."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset(
        {"requests_per_s", "requests_path", "input_tokens", "input_cv", "cached_prefix", "prefix_hits",
         "prefix_network_pool", "request_classes", "disaggregated", "cache_exchange", "growth_per_year"}
    )  # fmt: skip

    kind: Literal["agents"] = Field(description="`agents`")  # type: ignore[assignment]
    sessions_per_s: float = Field(
        gt=0, le=1e6, description="Sessions that begin, at the peak.", json_schema_extra=unit("sessions/s")
    )
    calls: int = Field(ge=1, le=MANY, description="Calls of the model in a session.", json_schema_extra=unit("calls"))
    first_prompt: int = Field(
        ge=1, le=10_000_000, description="Tokens of the first call's prompt.", json_schema_extra=unit("tokens")
    )
    last_prompt: int = Field(
        ge=1, le=10_000_000, description="Tokens of the last call's prompt: the context by then.",
        json_schema_extra=unit("tokens"),
    )  # fmt: skip
    tool_wait_s: float = Field(
        ge=0,
        le=86_400,
        description="Pause between two calls of a session, while a tool works or a person thinks.",
        json_schema_extra=unit("s", looks_like="ms"),
    )

    @classmethod
    def restate(cls, said: Mapping[str, Any]) -> dict[str, Any]:
        """Calls a second with prompts that grow evenly from the first to the last."""
        first, last = figure(said, "first_prompt", 1.0), figure(said, "last_prompt", 1.0)
        mean = max(1.0, (first + last) / 2.0)
        return {
            "requests_per_s": figure(said, "sessions_per_s", 1.0) * figure(said, "calls", 1.0),
            "input_tokens": min(round(mean), 10_000_000),
            "input_cv": min(abs(last - first) / math.sqrt(12.0) / mean, 10.0),
            "disaggregated": "never",
        }

    @property
    def asked(self) -> tuple[float, str, str]:
        """Sessions that begin in a second."""
        return self.sessions_per_s, "sessions/s", "sessions_per_s"

    @property
    def longest_tokens(self) -> int:
        """Tokens of the last call."""
        return self.last_prompt + self.output_tokens

    @property
    def paused_sessions(self) -> float:
        """Sessions that wait for a tool at any time (Little's law): their cache is what there is to keep."""
        return self.sessions_per_s * (self.calls - 1) * self.tool_wait_s

    @property
    def seen_share(self) -> float:
        """Share of prompt tokens that an earlier call of the session has read or written already."""
        read = self.calls * (self.first_prompt + self.last_prompt) / 2.0
        return max(0.0, 1.0 - self.last_prompt / read)

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.last_prompt < self.first_prompt:
            report([Finding(("last_prompt",), "is below first_prompt", str(self.last_prompt))])
        return self
