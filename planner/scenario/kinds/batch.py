"""Batch inference: so many requests or tokens through a model by a date, without latency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from planner.scenario.base import Finding, report, unit
from planner.scenario.kinds.restated import figure
from planner.scenario.kinds.window import NOT_ASKED, ByADate, rate_of


class Batch(ByADate):
    """Batch inference: so many requests or tokens by a date, with no latency."""

    HIDDEN: ClassVar[frozenset[str]] = NOT_ASKED

    kind: Literal["batch"] = Field(description="`batch`")  # type: ignore[assignment]
    requests: float | None = Field(
        default=None, gt=0, le=1e15, description="Requests to answer, or `tokens`.", json_schema_extra=unit("requests")
    )
    tokens: float | None = Field(
        default=None,
        gt=0,
        le=1e18,
        description="Tokens to read and write, prompts and answers together, or `requests`.",
        json_schema_extra=unit("tokens", looks_like="billions"),
    )
    finish_within_days: float = Field(
        gt=0,
        le=36500,
        description="Days from the start within which all of it must be done.",
        json_schema_extra=unit("days"),
    )

    @classmethod
    def restate(cls, said: Mapping[str, Any]) -> dict[str, Any]:
        """Requests a second over the window."""
        both = figure(said, "input_tokens", 1.0) + figure(said, "output_tokens", 1.0)
        return rate_of(said, figure(said, "requests", figure(said, "tokens", 1.0) / both))

    @property
    def asked(self) -> tuple[float, str, str]:
        """Requests or tokens to do."""
        leaf = "requests" if self.tokens is None else "tokens"
        return float(getattr(self, leaf) or 0.0), leaf, leaf

    @model_validator(mode="after")
    def _one_amount(self) -> Self:
        if (self.requests is None) == (self.tokens is None):
            report([Finding((), "says how much either in requests or in tokens", remedy="Give one of the two.")])
        return self
