"""Kinds that are another in other words (most a serving load): what they say becomes its fields, and all else follows.

A restated kind is planned, priced, verified, exported and explained as the load or run that it stands for. It says
what a user of that kind knows (texts a second, tokens by a date); ``restate`` makes of it what a load says. Fields of a
load that its own words decide are ``HIDDEN``: they are no part of its schema or reference, and a file may give one only
as it follows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from planner.scenario.base import Finding, Part, parse_number, report
from planner.scenario.workloads import Serving

_SAY_HOW_MUCH = ("tokens", "requests", "texts_per_s", "sessions_per_s", "requests_per_day", "tokens_per_run")
"""Words that say how much there is to do, whichever a kind has."""


class OtherWords(Part):
    """A kind whose own words become the fields of another kind, from which it is derived beside this class."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset()
    """Fields of the other kind that are no words of this one."""

    _OF_THE_RATE: ClassVar[tuple[str, ...]] = (
        "tokens",
        "requests",
        "texts_per_s",
        "sessions_per_s",
        "requests_per_day",
    )
    """Words that say how much there is to do, whichever a kind has."""

    @property
    def restated(self) -> frozenset[str]:
        """Fields that a user of this kind may give and that these words decide all the same."""
        return frozenset()

    @classmethod
    def restate(cls, said: Mapping[str, Any]) -> dict[str, Any]:
        """What the other kind says instead of its hidden fields, from the words of this kind; those left out keep their
        default. Where words are missing or wrong, anything: their own error is reported."""
        raise NotImplementedError

    @model_validator(mode="before")
    @classmethod
    def _restated(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        said = {k: v for k, v in data.items() if k not in cls.HIDDEN}
        follows = cls.restate(said)
        findings = []
        for name in cls.HIDDEN & data.keys():
            given = data[name]
            default = cls.model_fields[name].get_default(call_default_factory=True)
            if given is not None and not _same(given, follows.get(name, default)):
                findings.append(
                    Finding((name,), "is no field of this kind", str(given), remedy="Remove it: other words decide it.")
                )
        findings += cls._beyond(said, follows)
        report(findings)
        return {**said, **follows}

    @classmethod
    def _beyond(cls, said: Mapping[str, Any], follows: Mapping[str, Any]) -> list[Finding]:
        """What the words come to that is more than the other kind can ask: never cut in silence to a plan for less."""
        findings = []
        for name in cls.HIDDEN & follows.keys():
            bound = next((m.le for m in cls.model_fields[name].metadata if hasattr(m, "le")), math.inf)
            value = follows[name]
            if not isinstance(value, int | float) or value <= bound:
                continue
            extra = cls.model_fields[name].json_schema_extra
            what = f" {extra['unit']}" if isinstance(extra, Mapping) and "unit" in extra else ""
            asked = next((n for n in _SAY_HOW_MUCH if n in said), "kind")
            findings.append(
                Finding(
                    (asked,), f"comes to {value:.3g}{what} with the words beside it", str(said.get(asked)),
                    f"at most {bound:,.0f}{what}", "Check the units.",
                )
            )  # fmt: skip
        return findings

    @model_serializer(mode="wrap")
    def _in_its_own_words(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {k: v for k, v in handler(self).items() if k not in self.HIDDEN}


class Restated(OtherWords, Serving):
    """A serving load in other words."""


def _same(given: Any, follows: Any) -> bool:
    if isinstance(given, int | float) and isinstance(follows, int | float):
        return math.isclose(given, follows, rel_tol=1e-9)
    return bool(given == follows or (not given and not follows))


def figure(said: Mapping[str, Any], name: str, default: float) -> float:
    """A positive number among some words; ``default`` where it is missing or none."""
    value = said.get(name)
    value = parse_number(value) if isinstance(value, str) else value
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
    return float(value) if usable and value is not None else default
