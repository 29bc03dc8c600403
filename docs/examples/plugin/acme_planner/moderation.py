"""A kind of workload: messages that a model reads and answers with one of a few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from planner.scenario.base import unit
from planner.scenario.kinds.restated import Restated, figure

VERDICT_TOKENS = 4
"""Tokens of a verdict."""


class Moderation(Restated):
    """Messages a second that get a verdict within a time."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset(
        {"requests_per_s", "output_tokens", "ttft_ms", "tpot_ms", "disaggregated", "request_classes"}
    )

    kind: Literal["moderation"] = Field(description="`moderation`")  # type: ignore[assignment]
    messages_per_s: float = Field(gt=0, description="Messages a second.", json_schema_extra=unit("messages/s"))
    verdict_ms: float = Field(gt=0, description="Limit on the time to a verdict.", json_schema_extra=unit("ms"))

    @classmethod
    def restate(cls, said: Mapping[str, Any]) -> dict[str, Any]:
        """A serving load with very short answers."""
        return {
            "requests_per_s": figure(said, "messages_per_s", 1.0), "output_tokens": VERDICT_TOKENS,
            "ttft_ms": figure(said, "verdict_ms", 1000.0), "disaggregated": "never",
        }  # fmt: skip

    @property
    def asked(self) -> tuple[float, str, str]:
        """Messages a second, in a plan's words."""
        return self.messages_per_s, "messages/s", "messages_per_s"
