"""What every part of a scenario shares: strict frozen records, numbers as people write them, months."""

from __future__ import annotations

import math
import numbers
import re
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

MANY = 10_000_000
"""More than anyone counts of chips, racks or degrees: what is above is a slip, and must not overflow an integer."""

_NUMBER = re.compile(r"[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][-+]?\d+)?")
_LONGEST_NUMBER = 60
_MONTH = re.compile(r"(\d{4})-(\d{2})")
FIRST_YEAR, LAST_YEAR = 2010, 2100


def parse_number(text: str) -> float | int | None:
    """The number a text such as ``1e12``, ``20_000`` or ``017`` stands for; None where it is not a finite number."""
    text = text.strip()
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return None
    plain = text.replace("_", "")
    if re.fullmatch(r"[-+]?\d+", plain):
        return int(plain)
    value = float(plain)
    return value if math.isfinite(value) else None


def unit(name: str, *, looks_like: str = "") -> dict[str, Any]:
    """What a field's schema carries beside its bounds: its unit, and what a value out of bounds probably was."""
    extra = {"unit": name}
    if looks_like:
        extra["looks_like"] = looks_like
    return extra


def _valid_month(value: str) -> str:
    found = _MONTH.fullmatch(value)
    if not found or not 1 <= int(found[2]) <= 12 or not FIRST_YEAR <= int(found[1]) <= LAST_YEAR:
        raise PydanticCustomError("month", "must be a month written YYYY-MM")
    return value


Month = Annotated[
    str,
    AfterValidator(_valid_month),
    Field(json_schema_extra={"pattern": r"^\d{4}-(0[1-9]|1[0-2])$", "examples": ["2026-10"]}),
]
"""A calendar month, ``YYYY-MM``."""

Name = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f\[\]=,/]+$")]
"""A name that people give: it appears in tables and limits, so no control characters,
brackets, slashes, '=' or commas."""

Id = Annotated[str, Field(min_length=1, max_length=200)]
"""The name of something in the catalog."""

Precision = Literal["bf16", "fp16", "fp8", "fp4", "int8"]
"""A number format a workload may ask for; fp16 runs at the rate of bf16."""


def month_index(month: str) -> int:
    """Months since year 0, so that differences are numbers of months."""
    return int(month[:4]) * 12 + int(month[5:7]) - 1


def month_name(index: int) -> str:
    """The month with an index: the inverse of ``month_index``."""
    return f"{index // 12:04d}-{index % 12 + 1:02d}"


def _core(annotation: Any) -> Any:
    """An annotation without ``Annotated`` and ``| None``."""
    while True:
        if typing.get_origin(annotation) is Annotated:
            annotation = typing.get_args(annotation)[0]
            continue
        if typing.get_origin(annotation) in (typing.Union, types.UnionType):
            rest = [a for a in typing.get_args(annotation) if a is not type(None)]
            if len(rest) == 1:
                annotation = rest[0]
                continue
        return annotation


@cache
def field_shapes(model: type[BaseModel]) -> Mapping[str, str]:
    """How each field is read: ``float``, ``int``, ``names`` (text or a list of texts), ``list``, ``other``."""
    shapes = {}
    for name, info in model.model_fields.items():
        core = _core(info.annotation)
        shape = "other"
        if core is float:
            shape = "float"
        elif core is int:
            shape = "int"
        elif typing.get_origin(core) is tuple:
            item = _core(typing.get_args(core)[0])
            shape = "names" if item is str or typing.get_origin(item) is Literal else "list"
        shapes[name] = shape
    return shapes


def _read(value: Any, shape: str) -> Any:
    """A value in the form its field wants; what cannot be read is left for the validator to report."""
    if shape in {"float", "int"}:
        if isinstance(value, str):
            number = parse_number(value)
            value = value if number is None else number
        elif isinstance(value, numbers.Number) and not isinstance(value, bool | int | float):
            value = value.item() if hasattr(value, "item") else value  # a NumPy scalar from a caller in Python
        if shape == "int" and isinstance(value, float) and value.is_integer():
            value = int(value)
    elif shape == "names" and isinstance(value, str):
        value = (value,)
    elif shape in {"names", "list"} and isinstance(value, list):
        value = tuple(value)
    return value


class Part(BaseModel):
    """A part of a scenario: frozen, no unknown fields, strict types, no NaN and no infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _as_people_write(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        # A field left empty (`hardware:` with everything under it commented out) is a field not given.
        shapes = field_shapes(cls)
        return {
            key: _read(value, shapes.get(key, "other"))
            for key, value in data.items()
            if value is not None or key not in shapes
        }


class Finding(typing.NamedTuple):
    """A problem found by a check over several fields; ``path`` is relative to the record checked."""

    path: tuple[str | int, ...]
    message: str
    found: str = ""
    allowed: str = ""
    remedy: str = ""


def report(findings: list[Finding]) -> None:
    """Raise what a check over several fields found, if anything, in the form the reader turns into problems."""
    if findings:
        text = "; ".join(f.message for f in findings).replace("{", "{{").replace("}", "}}")
        raise PydanticCustomError("findings", text, {"findings": findings})
