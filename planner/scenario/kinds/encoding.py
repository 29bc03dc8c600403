"""Encoders: embedding, reranking, classification. Texts are read and nothing is generated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from planner.scenario.base import Finding, report, unit
from planner.scenario.kinds.restated import figure
from planner.scenario.kinds.window import NOT_ASKED, ByADate, rate_of

_RATES = frozenset({"growth_per_year", "peak_to_mean", "arrival_cv", "percentile", "utilisation", "tolerate_failures",
                    "availability"})  # fmt: skip
"""What a load of texts a second says as a serving load does."""


class Encoding(ByADate):
    """An encoder (embedding, reranking, classification): texts a second at a latency, or tokens by a date."""

    HIDDEN: ClassVar[frozenset[str]] = (NOT_ASKED - _RATES) | {
        "output_tokens", "output_cv", "kv_precision", "cached_prefix", "prefix_hits", "prefix_network_pool",
        "speculation",
    }  # fmt: skip

    kind: Literal["encoding"] = Field(description="`encoding`")  # type: ignore[assignment]
    texts_per_s: float | None = Field(
        default=None,
        gt=0,
        le=1e8,
        description="Texts (or query and document pairs of a reranker) a second, at the peak.",
        json_schema_extra=unit("texts/s"),
    )
    latency_ms: float | None = Field(
        default=None,
        ge=0.1,
        le=3.6e6,
        description="Limit on the time of one text, at the percentile; none: no limit.",
        json_schema_extra=unit("ms", looks_like="seconds"),
    )
    tokens: float | None = Field(
        default=None,
        gt=0,
        le=1e18,
        description="Tokens to encode within finish_within_days, in the place of texts_per_s.",
        json_schema_extra=unit("tokens", looks_like="billions"),
    )

    @classmethod
    def restate(cls, said: Mapping[str, Any]) -> dict[str, Any]:
        """A load whose answer is the one vector or score that a text leaves."""
        alone = {"output_tokens": 1, "disaggregated": "never"}
        if said.get("tokens") is not None:
            return {**rate_of(said, figure(said, "tokens", 1.0) / figure(said, "input_tokens", 1.0)), **alone}
        latency = said.get("latency_ms")
        limit = {} if latency is None else {"ttft_ms": max(1.0, figure(said, "latency_ms", 1.0))}
        return {"requests_per_s": figure(said, "texts_per_s", 1.0), **limit, **alone}

    @property
    def asked(self) -> tuple[float, str, str]:
        """Texts a second, or tokens to encode."""
        if self.tokens is not None:
            return self.tokens, "tokens", "tokens"
        return float(self.texts_per_s or 0.0), "texts/s", "texts_per_s"

    @property
    def answer_tokens(self) -> int:
        """None: what is left of a text is a vector or a score."""
        return 0

    @model_validator(mode="after")
    def _a_rate_or_an_amount(self) -> Self:
        findings = []
        if (self.texts_per_s is None) == (self.tokens is None):
            findings.append(Finding((), "says either texts_per_s or tokens", remedy="Give one of the two."))
        if (self.tokens is None) != (self.finish_within_days is None):
            findings.append(Finding((), "tokens and finish_within_days go together", remedy="Give both or neither."))
        if self.tokens is not None:
            for name in sorted(_RATES | {"latency_ms"}):
                if name != "utilisation" and getattr(self, name) != type(self).model_fields[name].default:
                    message = "has no meaning for tokens by a date"
                    findings.append(Finding((name,), message, remedy="Remove it, or give texts_per_s."))
        report(findings)
        return self
