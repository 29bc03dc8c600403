"""`assume_file`: figures supplied by hand that stand in a file of their own, so that several scenarios share them.

The file holds what `assume` holds: {kind: {id: {field: figure}}}. It is read where the scenario is read from a file,
from that file's folder; a figure that the scenario itself assumes comes before the file's. After that the figures are
the scenario's own: `resolve` writes them out, and where they came from is no part of the question.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from planner.errors import InputError, Problem
from planner.scenario.problems import problems_of, shown
from planner.scenario.types import Assumptions, Source
from planner.scenario.yaml import Document, decode, parse, read_bytes

FIELD = "assume_file"
Places = dict[tuple[str | int, ...], tuple[str, int]]


class _Whole(BaseModel):
    model_config = ConfigDict(extra="forbid")
    assume: Assumptions


def with_assumed(document: Document, file: str, folder: FilePath | None) -> tuple[Document, Places, list[Problem]]:
    """The document with the figures of its ``assume_file`` under ``assume``; where each stands; what is wrong.

    ``folder`` is where the scenario's file is; none: there is no file, so none is read. A document without
    ``assume_file`` comes back as it is. Never raises: what is wrong is said beside all else that is.
    """
    data = document.data
    if not isinstance(data, Mapping) or data.get(FIELD) in (None, ""):  # a resolved scenario dumps it empty
        return document, {}, []
    name = data[FIELD]
    line = document.lines.get((FIELD,))
    rest = {key: value for key, value in data.items() if key != FIELD}
    if not isinstance(name, str) or not name.strip():
        wrong = Problem("must be the name of a file", file=file, line=line, path=FIELD, found=shown(name))
        return replace(document, data=rest), {}, [wrong]
    if folder is None:
        wrong = Problem(
            "can only be read where the scenario is read from a file", file=file, line=line, path=FIELD,
            found=shown(name), remedy="Write its figures under `assume`; `planner resolve` prints them so.",
        )  # fmt: skip
        return replace(document, data=rest), {}, [wrong]
    path = folder / name
    try:
        there = parse(decode(read_bytes(path, what="assumptions"), str(path)), str(path))
    except InputError as error:
        # the reader says what is wrong with the file; here stands who asked for it
        problems = [replace(p, path=p.path or FIELD) for p in error.problems]
        return replace(document, data=rest), {}, problems
    lines = {("assume", *p): n for p, n in there.lines.items()}
    source = Source(str(path), lines)
    problems = list(there.problems)
    try:
        _Whole.model_validate({"assume": there.data})
    except ValidationError as error:
        unreadable = {("assume", *p) for p in there.unreadable}
        problems += problems_of(error, {"assume": there.data}, source, unreadable)
    own = rest.get("assume")
    if problems or not (own is None or isinstance(own, Mapping)):
        return replace(document, data=rest), {}, problems
    merged = _merged(there.data, own or {})
    places = {p: (str(path), n) for p, n in lines.items() if p not in document.lines}
    return replace(document, data={**rest, "assume": merged}), places, []


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings within mappings together; ``above`` where both have a figure."""
    found = dict(below)
    for key, value in above.items():
        was = found.get(key)
        both = isinstance(was, Mapping) and isinstance(value, Mapping)
        found[key] = _merged(was, value) if both else value  # type: ignore[arg-type]
    return found
