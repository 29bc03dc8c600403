"""Dot paths into a scenario: what stands where, which fields there are, and setting one leaf.

``sites.guizhou.tariff_usd_per_kwh`` reaches the element of ``sites`` whose name is ``guizhou``; ``workloads.0.tokens``
the first workload. Names that hold dots are matched longest first.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from planner.errors import nearest_name
from planner.scenario.kinds import WORKLOAD_KINDS
from planner.scenario.types import Scenario

Path = tuple[str | int, ...]

NOT_BY_OVERRIDE = ("version", "overrides", "variants", "assume_file")
"""What an override may not set: the format, the overrides themselves, and what else is read (its figures it may)."""


class PathError(ValueError):
    """A dot path that leads nowhere; says which part is wrong, what is near and what there is."""

    def __init__(self, message: str, *, nearest: str = "", allowed: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.nearest = nearest
        self.allowed = ", ".join(allowed[:20]) + (", ..." if len(allowed) > 20 else "")


@dataclass(frozen=True)
class Place:
    """A position in the schema: the type there (None: anything goes) and the field that holds it, where one does."""

    annotation: Any
    info: FieldInfo | None = None
    owner: type[BaseModel] | None = None


ROOT = Place(Scenario)


def bare(annotation: Any) -> Any:
    """A type without ``Annotated`` and ``| None``; a union of records stays a union."""
    while True:
        origin = typing.get_origin(annotation)
        if origin is Annotated:
            annotation = typing.get_args(annotation)[0]
            continue
        if origin in (typing.Union, types.UnionType):
            rest = [a for a in typing.get_args(annotation) if a is not type(None)]
            if len(rest) == 1:
                annotation = rest[0]
                continue
        return annotation


def record_type(annotation: Any, value: Any) -> type[BaseModel] | None:
    """The record at a position; for a workload, the one its ``kind`` names."""
    core = bare(annotation)
    if isinstance(core, type) and issubclass(core, BaseModel):
        return core
    if typing.get_origin(core) in (typing.Union, types.UnionType):
        kind = value.get("kind") if isinstance(value, Mapping) else None
        return WORKLOAD_KINDS.get(kind) if isinstance(kind, str) else None
    return None


def step(place: Place, value: Any, part: str | int) -> Place:
    """The position one part further down; anything goes where the schema says nothing."""
    record = record_type(place.annotation, value)
    if record is not None:
        info = record.model_fields.get(str(part))
        return Place(None) if info is None else Place(info.annotation, info, record)
    core = bare(place.annotation)
    origin, arguments = typing.get_origin(core), typing.get_args(core)
    if origin is tuple:
        return Place(arguments[0], place.info, place.owner)
    if origin is dict:
        return Place(arguments[1], place.info, place.owner)
    return Place(None)


def place_at(data: Any, path: Path) -> Place:
    """The position of a concrete path (keys and indices) in the schema."""
    place, value = ROOT, data
    for part in path:
        place = step(place, value, part)
        value = _child(value, part)
    return place


def _child(value: Any, part: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, Sequence) and not isinstance(value, str) and isinstance(part, int) and part < len(value):
        return value[part]
    return None


def resolve_dots(dotted: str, data: Any) -> Path:
    """The concrete path of a dot path in the data. Raises ``PathError`` where the schema has no such place."""
    parts = dotted.split(".")
    place, value = ROOT, data
    path: list[str | int] = []
    while parts:
        taken, part = _next_part(place, value, parts, dotted)
        parts = parts[taken:]
        path.append(part)
        place, value = step(place, value, part), _child(value, part)
    if path[0] in NOT_BY_OVERRIDE:
        raise PathError(f"{path[0]} cannot be overridden")
    return tuple(path)


def _next_part(place: Place, value: Any, parts: list[str], dotted: str) -> tuple[int, str | int]:
    """How many of the parts make up the next step, and that step."""
    done = dotted[: len(dotted) - len(".".join(parts))].rstrip(".")
    at = f" in {done}" if done else ""
    record = record_type(place.annotation, value)
    if record is not None:
        fields = list(record.model_fields)
        if parts[0] not in fields:
            near = nearest_name(parts[0], fields)
            whole = ".".join(p for p in (done, near, *parts[1:]) if p) if near else ""
            raise PathError(f"there is no field {parts[0]!r}{at}", nearest=whole, allowed=fields)
        if value is not None and not isinstance(value, Mapping):
            raise PathError(f"{done} is written as a single value: set {done} as a whole")
        return 1, parts[0]
    core = bare(place.annotation)
    origin = typing.get_origin(core)
    if origin is tuple:
        return _element(value if isinstance(value, list | tuple) else [], parts, done)
    if origin is dict or core in {None, Any}:
        known = [str(k) for k in value] if isinstance(value, Mapping) else []
        for taken in range(len(parts), 1, -1):
            if ".".join(parts[:taken]) in known:
                return taken, ".".join(parts[:taken])
        if place.info is not None and origin is not dict and not isinstance(value, Mapping) and core is not None:
            raise PathError(f"{done} has nothing below it")
        return _free_key(core, parts)
    raise PathError(f"{done} is a single value, with nothing below it")


def _free_key(core: Any, parts: list[str]) -> tuple[int, str]:
    """A key that is not there yet. Of {id: {field: figure}} the last part is the field and the rest is the id."""
    inner = bare(typing.get_args(core)[1]) if typing.get_origin(core) is dict else None
    if typing.get_origin(inner) is dict and len(parts) > 1:
        return len(parts) - 1, ".".join(parts[:-1])
    if inner == float | str:
        return len(parts), ".".join(parts)
    return 1, parts[0]


def _element(elements: Sequence[Any], parts: list[str], done: str) -> tuple[int, int]:
    names = [e.get("name") if isinstance(e, Mapping) else None for e in elements]
    for taken in range(len(parts), 0, -1):
        joined = ".".join(parts[:taken])
        if joined in names:
            return taken, names.index(joined)
    if parts[0].isdigit():
        if len(parts[0]) <= 6 and int(parts[0]) < len(elements):
            return 1, int(parts[0])
        raise PathError(f"{done} has {len(elements)} elements: there is no {parts[0]}, counting from 0")
    there = [n for n in names if isinstance(n, str)]
    near = nearest_name(parts[0], there)
    whole = ".".join(p for p in (done, near, *parts[1:]) if p) if near else ""
    raise PathError(f"no element of {done} is called {parts[0]!r}", nearest=whole, allowed=there)


def set_at(data: Any, path: Path, value: Any) -> Any:
    """A copy of the data with one leaf set; only what lies on the path is copied, mappings that lack are made."""
    if not path:
        return value
    part, rest = path[0], path[1:]
    if isinstance(part, int):
        elements = list(data)
        elements[part] = set_at(elements[part], rest, value)
        return elements
    fields = dict(data) if isinstance(data, Mapping) else {}
    fields[part] = set_at(fields.get(part), rest, value)
    return fields
