"""The sweep file: a scenario and what to vary, read as warily as a scenario, and expanded into cases."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from planner.errors import InputError, Problem, nearest_name
from planner.scenario import Scenario, load_text, resolve, scenario_from_mapping
from planner.scenario.yaml import Document, decode, parse, path_text, read_bytes

MOST_CASES = 100_000
MOST_PROBLEMS = 20
"""Problems shown of a sweep's cases: one mistake in a file is a mistake in every case."""

FIELDS = ("name", "scenario", "variants", "values", "cases")
CASE_FIELDS = ("name", "overrides")


@dataclass(frozen=True)
class Case:
    """One scenario of a sweep: its name, and what differs from the scenario file."""

    name: str
    variant: str | None
    overrides: Mapping[str, Any]
    scenario: Scenario = field(repr=False, compare=False)


@dataclass(frozen=True)
class Sweep:
    """A sweep file, expanded. ``paths`` are the dot paths that some case sets, in the file's order."""

    name: str
    file: Path
    scenario_file: Path
    paths: tuple[str, ...]
    cases: tuple[Case, ...]


def load_sweep(path: Path | str) -> Sweep:
    """The sweep in a YAML file, every case of it read and valid.

    ``scenario``: a file in the sweep's folder (or below). ``variants``: names of the scenario's variants or overrides;
    null is the scenario as it stands. ``values``: dot paths, each with a list of values; every combination is a case.
    ``cases``: instead of ``values``, a list of ``{name, overrides}``. Raises ``InputError`` with every problem.
    """
    path = Path(path)
    document = parse(decode(read_bytes(path, what="sweep"), str(path)), str(path))
    reader = _Reader(path, document)
    data = reader.mapping()
    scenario_file = reader.scenario_file(data)
    variants = reader.variants(data)
    settings = reader.settings(data)
    reader.done()
    text = decode(read_bytes(scenario_file), str(scenario_file))
    cases: list[Case] = []
    problems: list[Problem] = []
    for variant in variants:
        base = resolve(load_text(text, str(scenario_file), variant, folder=scenario_file.parent))
        for name, overrides in settings:
            whole = " ".join(part for part in (variant or "", name) if part) or "as it stands"
            try:
                scenario = scenario_from_mapping(base, whole, overrides=overrides)
            except InputError as error:
                problems += error.problems
                continue
            cases.append(Case(whole, variant, overrides, scenario))
        if len(problems) > MOST_PROBLEMS:
            break
    if problems:
        more = len(problems) - MOST_PROBLEMS
        rest = [Problem(f"and {more} more problems in other cases", file=str(path))] if more > 0 else []
        raise InputError(problems[:MOST_PROBLEMS] + rest)
    paths = tuple(dict.fromkeys(p for _, overrides in settings for p in overrides))
    title = data.get("name")
    return Sweep(str(title) if title else path.stem, path, scenario_file, paths, tuple(cases))


class _Reader:
    """Takes a sweep file apart and collects what is wrong with it."""

    def __init__(self, path: Path, document: Document) -> None:
        self.path, self.document = path, document
        self.problems: list[Problem] = list(document.problems)

    def wrong(self, message: str, at: tuple[str | int, ...] = (), **more: str) -> None:
        """Note a problem at a place of the file."""
        line = next(
            (self.document.lines[at[:n]] for n in range(len(at), -1, -1) if at[:n] in self.document.lines), None
        )
        self.problems.append(Problem(message, file=str(self.path), line=line, path=path_text(at), **more))

    def done(self) -> None:
        """Raise what has been found, if anything."""
        if self.problems:
            raise InputError(sorted(self.problems, key=lambda p: p.line or 0))

    def mapping(self) -> Mapping[str, Any]:
        """The file's fields."""
        data = self.document.data
        if not isinstance(data, Mapping):
            self.wrong("must be a mapping of fields at the top", allowed=", ".join(FIELDS))
            self.done()
        found: Mapping[str, Any] = data
        for key in found:
            if key not in FIELDS:
                self.wrong("unknown field", (key,), nearest=nearest_name(key, FIELDS), allowed=", ".join(FIELDS))
        if "values" in found and "cases" in found:
            self.wrong("gives both values and cases", ("cases",), remedy="Keep one of them.")
        return found

    def scenario_file(self, data: Mapping[str, Any]) -> Path:
        """The scenario's file, which must lie in the sweep's folder: a sweep from a stranger reads nothing else."""
        name = data.get("scenario")
        folder = self.path.parent
        if not isinstance(name, str) or not name.strip():
            self.wrong("needs the name of a scenario file", ("scenario",), remedy="Such as scenario: quickstart.yaml")
            return folder
        if PurePosixPath(name).is_absolute() or not (folder / name).resolve().is_relative_to(folder.resolve()):
            self.wrong("must be a file in the sweep's folder", ("scenario",), found=name[:80])
        return folder / name

    def variants(self, data: Mapping[str, Any]) -> list[str | None]:
        """Variants to run; the scenario as it stands where none are named."""
        given = data.get("variants")
        if given is None:
            return [None]
        listed = given if isinstance(given, list) else [given]
        found: list[str | None] = []
        for i, one in enumerate(listed):
            if one is not None and not isinstance(one, str):
                self.wrong("must be the name of a variant, or null", ("variants", i), found=str(one)[:60])
            elif one in found:
                self.wrong("is named twice", ("variants", i), found=str(one)[:60])
            else:
                found.append(one)
        return found or [None]

    def settings(self, data: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
        """(name, overrides) of each combination or case."""
        if data.get("cases") is not None:
            return list(self._cases(data["cases"]))
        values = data.get("values")
        if values is None:
            return [("", {})]
        if not isinstance(values, Mapping):
            self.wrong("must be dot paths, each with a list of values", ("values",), found=str(values)[:60])
            return []
        for path, listed in values.items():
            if not isinstance(listed, list) or not listed:
                self.wrong("must be a list of values", ("values", path), found=str(listed)[:60])
        lists = [v if isinstance(v, list) else [v] for v in values.values()]
        count = math.prod(len(v) for v in lists)
        if count > MOST_CASES:
            self.wrong("is too many cases", ("values",), found=f"{count:,}", allowed=f"at most {MOST_CASES:,}")
            return []
        return [
            (", ".join(f"{short(p)}={_text(v)}" for p, v in zip(values, chosen, strict=True)),
             dict(zip(values, chosen, strict=True)))
            for chosen in itertools.product(*lists)
        ]  # fmt: skip

    def _cases(self, given: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
        if not isinstance(given, list) or not given:
            self.wrong("must be a list of cases", ("cases",), allowed="- {name: ..., overrides: {path: value}}")
            return
        if len(given) > MOST_CASES:
            self.wrong("is too many cases", ("cases",), found=f"{len(given):,}", allowed=f"at most {MOST_CASES:,}")
            return
        names: set[str] = set()
        for i, case in enumerate(given):
            at = ("cases", i)
            if not isinstance(case, Mapping):
                self.wrong("must be {name, overrides}", at, found=str(case)[:60])
                continue
            for key in case:
                if key not in CASE_FIELDS:
                    self.wrong("unknown field", (*at, key), nearest=nearest_name(key, CASE_FIELDS))
            name, overrides = case.get("name"), case.get("overrides")
            if not isinstance(name, str) or not name:
                self.wrong("needs a name", (*at, "name"))
                continue
            if name in names:
                self.wrong("is the name of two cases", (*at, "name"), found=name[:60])
            names.add(name)
            if overrides is not None and not isinstance(overrides, Mapping):
                self.wrong("must be dot paths with values", (*at, "overrides"), found=str(overrides)[:60])
                continue
            yield name, dict(overrides or {})


def short(path: str) -> str:
    """The last part of a dot path, which says enough in a name."""
    return path.rpartition(".")[2]


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "+".join(_text(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
