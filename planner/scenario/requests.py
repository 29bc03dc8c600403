"""Requests of several sizes in one load: classes, or a table of prompt lengths by answer lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from planner.scenario.base import Finding, Part, parse_number, report, unit

SHARE_TOLERANCE = 1e-6
"""Shares that are said to sum to one may be off by rounding."""


class RequestClass(Part):
    """Requests of one size, a share of a load. Every class may be answered by other hardware."""

    name: str = Field(default="", max_length=60, description="Name of the class; none: its lengths.")
    input_tokens: int = Field(ge=1, le=10_000_000, description="Prompt length.", json_schema_extra=unit("tokens"))
    output_tokens: int = Field(ge=1, le=10_000_000, description="Answer length.", json_schema_extra=unit("tokens"))
    share: float = Field(
        gt=0,
        le=1,
        description="Share of the load's requests; `requests_per_s` may be written in its place, for all classes.",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    ttft_ms: float | None = Field(
        default=None,
        ge=1,
        le=3.6e6,
        description="Limit on the time to the first token; none: the load's.",
        json_schema_extra=unit("ms", looks_like="seconds"),
    )
    tpot_ms: float | None = Field(
        default=None,
        ge=0.1,
        le=6e5,
        description="Limit on the time per output token after the first; none: the load's.",
        json_schema_extra=unit("ms", looks_like="seconds"),
    )

    @property
    def label(self) -> str:
        """Its name, or its lengths."""
        return self.name or f"{self.input_tokens}+{self.output_tokens}"


def with_classes(data: Any) -> Any:
    """A load's plain data with its classes in one form: shares that sum to one, mean lengths, requests a second.

    Takes ``request_table`` {input_tokens: [..], output_tokens: [..], weights: [[..], ..]} (a row for each prompt
    length; weights of any sum, zeros left out) and ``requests_per_s`` in classes in the place of shares. What is not
    well-formed is left for the types to report.
    """
    if not isinstance(data, Mapping) or not (data.get("request_classes") or data.get("request_table")):
        return data
    data = dict(data)
    table = data.pop("request_table", None)
    if table is not None:
        if data.get("request_classes"):
            report([Finding(("request_table",), "give request_classes or request_table, not both")])
        data["request_classes"] = _from_table(table)
    classes = data["request_classes"]
    if not isinstance(classes, Sequence) or not all(isinstance(c, Mapping) for c in classes):
        return data
    made = [dict(c) for c in classes]
    rates = [_number(c.get("requests_per_s")) for c in made]
    if any(r is not None for r in rates):
        if any(r is None or r <= 0 for r in rates) or any("share" in c for c in made):
            report([Finding(("request_classes",), "give every class a share, or every class its requests_per_s")])
        total = sum(r for r in rates if r is not None)
        stated = _number(data.get("requests_per_s"))
        if stated is not None and abs(stated - total) > SHARE_TOLERANCE * total:
            report([Finding(("requests_per_s",), f"the classes sum to {total:g}", found=f"{stated:g}")])
        data["requests_per_s"] = total
        for c, r in zip(made, rates, strict=True):
            del c["requests_per_s"]
            c["share"] = (r or 0.0) / total
    shares = [_number(c.get("share")) for c in made]
    if any(s is None or s <= 0 for s in shares):
        data["request_classes"] = made
        return data
    total = sum(s for s in shares if s is not None)
    if abs(total - 1.0) > SHARE_TOLERANCE:
        report([Finding(("request_classes",), "shares must sum to one", found=f"{total:g}", allowed="1")])
    data["request_classes"] = made
    for name in ("input_tokens", "output_tokens"):
        lengths = [_number(c.get(name)) for c in made]
        if any(length is None for length in lengths):
            continue
        mean = max(1, round(sum((s or 0.0) * (n or 0.0) for s, n in zip(shares, lengths, strict=True)) / total))
        stated = _number(data.get(name))
        if stated is not None and stated != mean:
            report(
                [
                    Finding(
                        (name,), f"the classes have a mean of {mean}", found=f"{stated:g}",
                        remedy=f"Remove {name}: the classes say it.",
                    )
                ]
            )  # fmt: skip
        data[name] = mean
    return data


def distinct(classes: Sequence[RequestClass]) -> None:
    """Report classes of one name."""
    seen: set[str] = set()
    for i, c in enumerate(classes):
        if c.label in seen:
            report([Finding(("request_classes", i), f"there is a class {c.label} already", remedy="Name it.")])
        seen.add(c.label)


def _from_table(table: Any) -> list[dict[str, Any]]:
    if not isinstance(table, Mapping) or set(table) != {"input_tokens", "output_tokens", "weights"}:
        report([Finding(("request_table",), "needs input_tokens, output_tokens and weights, and nothing else")])
    ins, outs, rows = table["input_tokens"], table["output_tokens"], table["weights"]
    lists = all(isinstance(x, Sequence) and not isinstance(x, str) and len(x) for x in (ins, outs, rows))
    if not lists or len(rows) != len(ins) or any(not isinstance(r, Sequence) or len(r) != len(outs) for r in rows):
        report(
            [
                Finding(
                    ("request_table", "weights"), "weights need a row for each prompt length, a figure for each answer"
                )
            ]
        )
    numbers = [[_number(w) for w in row] for row in rows]
    if any(w is None or w < 0 for row in numbers for w in row) or not any(w for row in numbers for w in row):
        report([Finding(("request_table", "weights"), "weights must be numbers of zero or more, not all zero")])
    total = sum(w or 0.0 for row in numbers for w in row)
    return [
        {"input_tokens": i, "output_tokens": o, "share": w / total}
        for i, row in zip(ins, numbers, strict=True)
        for o, w in zip(outs, row, strict=True)
        if w
    ]


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        value = parse_number(value)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
