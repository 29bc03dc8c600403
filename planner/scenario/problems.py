"""What validation found, in the words of the person who wrote the file."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from planner.errors import Problem, nearest_name
from planner.scenario.base import Finding, parse_number
from planner.scenario.kinds import WORKLOAD_KINDS
from planner.scenario.paths import Path, Place, place_at, record_type
from planner.scenario.types import Scenario, Source
from planner.scenario.yaml import path_text

_SCALES: Mapping[str, Mapping[str, float]] = {
    "power": {"w": 1e-6, "kw": 1e-3, "mw": 1, "gw": 1e3},
    "time": {
        "us": 1e-6, "ms": 1e-3, "s": 1, "sec": 1, "seconds": 1, "minutes": 60, "min": 60, "hours": 3600, "h": 3600,
        "days": 86400, "weeks": 604800, "months": 2629800, "years": 31557600,
    },
    "money": {"usd": 1, "kusd": 1e3, "musd": 1e6, "busd": 1e9},
    "mass": {"g": 1e-3, "kg": 1, "t": 1e3, "kt": 1e6},
    "energy": {"kwh": 1, "mwh": 1e3},
    "volume": {"l": 1e-3, "m3": 1},
}  # fmt: skip
_CURRENCIES = ("cny", "rmb", "eur", "gbp", "jpy", "inr", "krw")
_ALLOWED_SHOWN = 14
_ASSUMED = 4
"""Parts of the path of an assumed figure: assume, kind, id, field."""


def shown(value: Any, limit: int = 60) -> str:
    """A value as it would stand in a file, short enough for a message."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, int) and value.bit_length() > 256:
        return "a very long number"
    text = repr(value) if isinstance(value, str) else str(value)
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def problems_of(error: ValidationError, data: Any, source: Source, unreadable: set[Path]) -> list[Problem]:
    """One problem per thing wrong, in the order of the file."""
    details = error.errors(include_url=False)
    paths = [_clean(d["loc"]) for d in details]
    found: list[Problem] = []
    for detail, path in zip(details, paths, strict=True):
        if any(path[:end] in unreadable for end in range(len(path) + 1)):
            continue  # said already, with the reason
        if detail["type"] == "too_short" and any(p[: len(path)] == path and p != path for p in paths):
            continue  # its elements were wrong, not missing
        if detail["type"] == "findings":
            if any(bad[: len(path)] == path for bad in unreadable):
                continue  # what could not be read may be what is missing
            found += [of_finding(finding, path, source) for finding in detail["ctx"]["findings"]]
            continue
        found.append(_of_detail(detail, path, data, source))
    return sorted(dict.fromkeys(found), key=lambda p: (p.line or 0, p.path))


def _clean(loc: tuple[str | int, ...]) -> Path:
    """The path in the file: pydantic puts the kind of a workload into it."""
    if len(loc) > 2 and loc[0] == "workloads" and loc[2] in WORKLOAD_KINDS:
        loc = loc[:2] + loc[3:]
    if loc[:1] == ("assume",):
        loc = loc[:_ASSUMED]  # below a figure stands only which type of it was tried
    return tuple(part for part in loc if part != "[key]")


def of_finding(finding: Finding, path: Path, source: Source) -> Problem:
    """The problem behind a finding; its path is relative to ``path``."""
    whole = (*path, *finding.path)
    return Problem(
        finding.message,
        file=source.file,
        line=source.line(whole),
        path=path_text(whole),
        found=finding.found,
        allowed=finding.allowed,
        remedy=finding.remedy,
    )


def _of_detail(detail: ErrorDetails, path: Path, data: Any, source: Source) -> Problem:
    place = place_at(data, path)
    kind, value = detail["type"], detail.get("input")
    says: dict[str, str]
    if path[:1] == ("assume",) and len(path) == _ASSUMED:
        says = {"message": "must be a figure (a finite number) or a text", "found": shown(value)}
    elif kind == "missing":
        says = _missing(path, place)
    elif kind == "extra_forbidden":
        says = _unknown(path, value, data)
    elif kind in {"union_tag_not_found", "union_tag_invalid"}:
        says = _workload_kind(kind, value)
        if kind == "union_tag_invalid":
            path = (*path, "kind")
    elif kind == "literal_error":
        says = _not_one_of(detail, value)
    elif kind in {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}:
        says = _out_of_bounds(kind, value, place)
    elif kind in {"float_type", "int_type", "int_from_float", "finite_number", "float_parsing", "int_parsing"}:
        says = _not_a_number(kind, value, place)
    elif kind == "string_type":
        says = _not_text(value, place)
    elif kind == "month":
        says = {"message": "is not a month", "found": shown(value), "allowed": "a month written YYYY-MM"}
        early = re.match(r"(\d{4})[-/.](\d{1,2})", str(value))
        if early and 1 <= int(early[2]) <= 12:
            says["nearest"] = f"{early[1]}-{int(early[2]):02d}"
    elif kind == "bool_type":
        says = {"message": "must be true or false", "found": shown(value), "allowed": "true, false"}
    elif kind in {"tuple_type", "list_type"}:
        says = {"message": "must be a list", "found": shown(value)}
        if isinstance(value, Mapping):
            says["remedy"] = "Begin each element with `- `."
    elif kind in {"model_type", "model_attributes_type", "dict_type", "mapping_type"}:
        says = {"message": "must be a mapping of fields to values", "found": shown(value)}
        if path[:1] == ("assume",):
            says["remedy"] = "Write {id: {field: figure}}; a cost item's field is `value`."
    elif kind == "too_short":
        says = {"message": f"is empty: at least one of {path_text(path)} is needed"}
    elif kind == "string_pattern_mismatch" and path[-1] == "engine":
        says = _not_an_engine(detail, value)
    elif kind in {"string_too_short", "string_too_long", "string_pattern_mismatch"}:
        says = _unusable_text(kind, value, path)
    else:
        says = {"message": str(detail["msg"]), "found": shown(value)}
    return Problem(file=source.file, line=source.line(path), path=path_text(path), **says)


def _unusable_text(kind: str, value: Any, path: Path) -> dict[str, str]:
    message = {"string_too_short": "is empty", "string_too_long": "is too long"}.get(kind, "cannot be used as a name")
    allowed = "1 to 80 characters, without line breaks, brackets, commas or `=`" if path[-1] == "name" else ""
    return {"message": message, "found": shown(value) if value else "", "allowed": allowed}


def _not_an_engine(detail: ErrorDetails, value: Any) -> dict[str, str]:
    """Engines are a pattern, since a release may follow a name; the names stand in its first group."""
    pattern = str(detail.get("ctx", {}).get("pattern", ""))
    names = pattern.partition("(")[2].partition(")")[0].split("|")
    release = " and, after a blank, a release as in `vllm 0.10`" if r"\d" in pattern else ""
    word = re.split(r"[^a-z_]", str(value).lower())[0]
    return {
        "message": "is not an engine the planner knows",
        "found": shown(value),
        "nearest": nearest_name(word, names),
        "allowed": f"{', '.join(names)}{release}",
    }


def _missing(path: Path, place: Place) -> dict[str, str]:
    description = (place.info.description or "") if place.info is not None else ""
    return {"message": "is missing", "remedy": description}


def _unknown(path: Path, value: Any, data: Any) -> dict[str, str]:
    name = str(path[-1])
    parent = place_at(data, path[:-1])
    record = record_type(parent.annotation, _at(data, path[:-1]))
    fields = [] if record is None else list(record.model_fields)
    near, remedy = unit_guess(name, value, fields)
    near = near or nearest_name(name, fields)
    elsewhere = "" if near or len(path) < 2 else _elsewhere(name)
    listed = "" if near else ", ".join(fields[:_ALLOWED_SHOWN]) + (", ..." if len(fields) > _ALLOWED_SHOWN else "")
    return {"message": f"unknown field {name!r}", "nearest": near, "allowed": listed, "remedy": remedy or elsewhere}


def _elsewhere(name: str) -> str:
    """Where a field of this name does stand, for one that was indented too far."""
    return f"`{name}` stands at the top of the file: check the indentation." if name in Scenario.model_fields else ""


def _at(data: Any, path: Path) -> Any:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def unit_guess(name: str, value: Any, fields: list[str]) -> tuple[str, str]:
    """The field that differs from ``name`` only in its units, and how to convert; empty texts where there is none."""
    words = name.lower().split("_")
    for candidate in fields:
        wanted = candidate.split("_")
        if len(wanted) != len(words):
            continue
        factor, currency, changed = 1.0, False, False
        for position, (have, want) in enumerate(zip(words, wanted, strict=True)):
            if have == want:
                continue
            scale = next((s for s in _SCALES.values() if have in s and want in s), None)
            if scale is None and not (have in _CURRENCIES and want == "usd"):
                break
            changed = True
            if scale is None:
                currency = True
                continue
            ratio = scale[have] / scale[want]
            factor = factor / ratio if position and "per" in words[:position] else factor * ratio
        else:
            if not changed:
                continue
            if currency:
                return candidate, "Convert it to USD."
            if isinstance(value, int | float) and not isinstance(value, bool):
                return candidate, f"{name}: {value:g} is {candidate}: {value * factor:g}."
            return candidate, f"Multiply by {factor:g}."
    return "", ""


def _workload_kind(kind: str, value: Any) -> dict[str, str]:
    allowed = ", ".join(WORKLOAD_KINDS)
    if kind == "union_tag_not_found":
        return {"message": "kind is missing: what sort of workload it is", "allowed": allowed}
    name = value.get("kind") if isinstance(value, Mapping) else value
    return {
        "message": f"unknown kind of workload {shown(name)}",
        "nearest": nearest_name(str(name), list(WORKLOAD_KINDS)),
        "allowed": allowed,
    }


def _not_one_of(detail: ErrorDetails, value: Any) -> dict[str, str]:
    allowed = re.findall(r"'([^']*)'", str(detail.get("ctx", {}).get("expected", "")))
    word = str(value).lower()
    longer = next((a for a in allowed if word.startswith(a)), "")  # colocation for colo
    return {
        "message": "is not one of the words allowed here",
        "found": shown(value),
        "nearest": nearest_name(word, allowed) or longer,
        "allowed": ", ".join(allowed),
    }


def _bounds(place: Place) -> str:
    words = []
    for constraint in place.info.metadata if place.info is not None else ():
        for attribute, text in (("gt", "above"), ("ge", "at least"), ("lt", "below"), ("le", "at most")):
            bound = getattr(constraint, attribute, None)
            if bound is not None:
                words.append(f"{text} {bound:g}" if abs(bound) < 1e6 else f"{text} {bound:.3g}")
    return ", ".join(words)


def _extra(place: Place, key: str) -> str:
    extra = place.info.json_schema_extra if place.info is not None else None
    return str(extra.get(key, "")) if isinstance(extra, dict) else ""


def _figure_wanted(place: Place) -> str:
    number = "a whole number" if place.info is not None and "int" in str(place.info.annotation) else "a number"
    bounds, in_unit = _bounds(place), _extra(place, "unit")
    return number + (f" {bounds}" if bounds else "") + (f", in {in_unit}" if in_unit else "")


def _out_of_bounds(kind: str, value: Any, place: Place) -> dict[str, str]:
    too_small = kind.startswith("greater")
    says = {
        "message": "is too small" if too_small else "is too large",
        "found": shown(value),
        "allowed": _figure_wanted(place),
    }
    if too_small and isinstance(value, int | float) and value < 0:
        says["message"] = "may not be negative"
    other = _extra(place, "looks_like")
    if other and isinstance(value, int | float) and value > 0 and kind != "greater_than":
        says["remedy"] = f"This looks like {other}; the unit here is {_extra(place, 'unit')}."
    return says


def _not_a_number(kind: str, value: Any, place: Place) -> dict[str, str]:
    says = {"message": "must be a number", "found": shown(value), "allowed": _figure_wanted(place)}
    if kind == "int_type" and isinstance(value, float):
        says["message"] = "must be a whole number"
    if isinstance(value, float) and not math.isfinite(value):
        value = str(value)
    if isinstance(value, str):
        text = value.strip()
        if text.lower().lstrip("+-") in {".inf", "inf", "infinity", ".nan", "nan"}:
            says["message"] = "must be a finite number"
            says["remedy"] = "Leave the field out where there is no limit."
        elif re.fullmatch(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?", text):
            says["remedy"] = f"Write {text.replace(',', '')}: no commas in numbers."
        elif text.endswith("%") and parse_number(text[:-1]) is not None:
            says["remedy"] = f"Write {(parse_number(text[:-1]) or 0) / 100:g}."
        elif re.match(r"[-+$]?[\d.]+\s*[A-Za-z$]", text):
            in_unit = _extra(place, "unit")
            says["remedy"] = "Write the number alone" + (f", in {in_unit}." if in_unit else ".")
    return says


def _not_text(value: Any, place: Place) -> dict[str, str]:
    says = {"message": "must be text", "found": shown(value)}
    if "YYYY-MM" in str(place.annotation) or (place.info is not None and "_valid_month" in repr(place.info)):
        says["allowed"] = "a month written YYYY-MM"
    elif isinstance(value, bool | int | float):
        says["remedy"] = f"Quote it: '{shown(value)}'."
    return says
