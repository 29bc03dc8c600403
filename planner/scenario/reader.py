"""From a file to a scenario: read, override, validate, and say everything that is wrong at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from planner.errors import InputError, Problem, nearest_name
from planner.scenario.assumed import with_assumed
from planner.scenario.paths import Path, PathError, resolve_dots, set_at
from planner.scenario.problems import of_finding, problems_of, shown
from planner.scenario.shipped import scenario_file
from planner.scenario.types import Scenario, Source, repeated_names
from planner.scenario.yaml import MAX_DEPTH, Document, decode, parse, path_text, plain_value, read_bytes

INCLUDE = "include"
"""The one key of an override that is no path: names of overrides to apply first."""

Lines = dict[Path, int]


def load_scenario(
    path: FilePath | str, variant: str | None = None, overrides: Mapping[str, Any] | None = None
) -> Scenario:
    """The scenario in a YAML file, or of a name that comes with the planner (``quickstart``), whole and checked.

    ``variant`` names one of the file's variants or overrides; ``overrides`` maps dot paths to values and is applied
    last. Raises ``InputError`` with every problem of the file. Names are checked against a catalog by
    ``check_scenario``.
    """
    path = scenario_file(path)
    return load_text(decode(read_bytes(path), str(path)), str(path), variant, overrides, folder=path.parent)


def load_text(
    text: str,
    file: str = "",
    variant: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    *,
    folder: FilePath | None = None,
) -> Scenario:
    """The scenario in YAML text; ``file`` is what messages call it. Raises ``InputError``.

    ``folder`` is where an ``assume_file`` is looked for; none: the text may not name one.
    """
    return _build(parse(text, file), file, variant, overrides, folder)


def scenario_from_mapping(
    data: Mapping[str, Any], file: str = "", variant: str | None = None, overrides: Mapping[str, Any] | None = None
) -> Scenario:
    """The scenario in plain data (as a form or a notebook has it). Raises ``InputError``."""
    return _build(Document(data=_plain(data, file)), file, variant, overrides)


def parse_assignments(texts: Sequence[str]) -> dict[str, Any]:
    """``path=value`` texts as overrides, later ones over earlier ones. Raises ``InputError`` with every bad one."""
    found: dict[str, Any] = {}
    problems: list[Problem] = []
    for text in texts:
        try:
            path, value = parse_assignment(text)
        except InputError as error:
            problems += error.problems
            continue
        found[path] = value
    if problems:
        raise InputError(problems)
    return found


def overridden(scenario: Scenario, overrides: Mapping[str, Any]) -> Scenario:
    """A loaded scenario with some leaves set, by dot path. Raises ``InputError``."""
    from planner.scenario.identity import resolve

    return scenario_from_mapping(resolve(scenario), scenario.source.file, overrides=overrides)


def parse_assignment(text: str) -> tuple[str, Any]:
    """``sites.a.power_mw=5`` as a dot path and a value, the value read as YAML. Raises ``InputError``."""
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise InputError(
            Problem("is not an assignment", found=shown(text), allowed="path=value", remedy="Try limits.chips=64")
        )
    if value.strip()[:1] not in {"[", "{"}:
        try:
            return path.strip(), plain_value(value.strip())
        except ValueError as error:
            raise InputError(Problem(str(error), path=path.strip(), found=shown(value))) from None
    document = parse(value)
    if document.problems:
        raise InputError(document.problems)
    return path.strip(), document.data


@dataclass
class _State:
    """Data with overrides applied: its lines, where each overridden path came from, and what went wrong."""

    data: Any
    lines: Lines
    origins: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def _build(
    document: Document,
    file: str,
    variant: str | None,
    overrides: Mapping[str, Any] | None,
    folder: FilePath | None = None,
) -> Scenario:
    document, places, wrong_file = with_assumed(document, file, folder)
    source = Source(file, document.lines, places)
    if not isinstance(document.data, Mapping):
        raise InputError(
            Problem(
                "must be a mapping of fields at the top",
                file=file,
                line=document.lines.get(()),
                found=shown(document.data),
                remedy="Begin with `name: ...`; `planner init` shows a whole one.",
            )
        )
    reader = _Overrides(document, source)
    problems = [*document.problems, *wrong_file]
    base, wrong = _validate(document.data, source, document.unreadable)
    problems += wrong
    if base is None:  # a check over several fields needs them all to be right; names can be compared all the same
        problems += _repeated_names(document.data, source)
    problems += reader.check_all(validate=base is not None and not problems)
    wanted = reader.expand_variant(variant) if variant is not None else []
    problems += reader.take_problems()
    if problems or base is None:
        raise InputError(_in_order(problems))
    if not wanted and not overrides:
        return base.with_source(source)
    state = reader.applied(wanted)
    for dotted, value in (overrides or {}).items():
        reader.set(state, dotted, _plain(value, file), origin=dotted, line_of=None)
    result, wrong = _validate(state.data, Source(file, state.lines, places), set())
    wrong = state.problems + _with_origins(wrong, state)
    if wrong or result is None:
        raise InputError(_in_order(wrong))
    return result.with_source(Source(file, state.lines, places))


def _validate(data: Any, source: Source, unreadable: set[Path]) -> tuple[Scenario | None, list[Problem]]:
    try:
        return Scenario.model_validate(data), []
    except ValidationError as error:
        return None, problems_of(error, data, source, unreadable)


def _repeated_names(data: Mapping[str, Any], source: Source) -> list[Problem]:
    problems = []
    for section in ("sites", "workloads"):
        elements = data.get(section)
        names = (
            [e.get("name") if isinstance(e, Mapping) else None for e in elements] if isinstance(elements, list) else []
        )
        problems += [of_finding(f, (), source) for f in repeated_names(section, names)]
    return problems


def _in_order(problems: Sequence[Problem]) -> list[Problem]:
    return sorted(dict.fromkeys(problems), key=lambda p: p.line or 0)


def _with_origins(problems: list[Problem], state: _State) -> list[Problem]:
    """Problems of overridden places under the name of the override that set them."""
    out = []
    for problem in problems:
        origin = ""
        for path, name in state.origins.items():
            text = path_text(path)
            if problem.path == text or problem.path.startswith((f"{text}.", f"{text}[")):
                origin = name
        out.append(replace(problem, path=origin, message=f"{problem.path}: {problem.message}") if origin else problem)
    return out


class _Overrides:
    """The overrides and variants of one file."""

    def __init__(self, document: Document, source: Source) -> None:
        self.document, self.source = document, source
        self.data: Mapping[str, Any] = document.data
        self.overrides = _mappings(self.data.get("overrides"))
        variants = self.data.get("variants")
        self.variants: Mapping[str, Any] = variants if isinstance(variants, Mapping) else {}
        self.problems: list[Problem] = []

    def take_problems(self) -> list[Problem]:
        """What has been found since last asked."""
        taken, self.problems = self.problems, []
        return taken

    def _problem(self, message: str, path: Path, **more: str) -> None:
        self.problems.append(
            Problem(message, file=self.source.file, line=self.source.line(path), path=path_text(path), **more)
        )

    def check_all(self, *, validate: bool) -> list[Problem]:
        """Everything wrong with any override or variant, used or not; ``validate`` also checks what they lead to."""
        used: set[str] = set()
        plans: list[list[str]] = []
        for name in self.variants:
            names = self.expand_variant(str(name))
            used.update(names)
            plans.append(names)
        plans += [self._expand([name], ("overrides", name)) for name in self.overrides if name not in used]
        problems = self.take_problems()
        for names in plans:
            state = self.applied(names)
            problems += state.problems
            if validate and not state.problems:
                _, wrong = _validate(state.data, Source(self.source.file, state.lines), set())
                problems += _with_origins(wrong, state)
        return problems

    def expand_variant(self, name: str) -> list[str]:
        """Names of overrides a variant stands for, in order of application."""
        if name in self.variants:
            return self._follow([name], self._variant_parts, "variants")
        if name in self.overrides:
            return self._expand([name], ("overrides", name))
        there = [*map(str, self.variants), *self.overrides]
        self.problems.append(
            Problem(
                f"there is no variant {shown(name)}",
                file=self.source.file,
                nearest=nearest_name(name, there),
                allowed=", ".join(there) or "none: the file has no variants",
            )
        )
        return []

    def _variant_parts(self, name: str) -> list[str]:
        parts = self.variants.get(name)
        if isinstance(parts, str):
            return [parts]
        return [p for p in parts if isinstance(p, str)] if isinstance(parts, list | tuple) else []

    def _follow(self, trail: list[str], parts_of: Callable[[str], list[str]], section: str) -> list[str]:
        """Overrides behind the last name of a trail; a name met twice on the trail is a circle."""
        names: list[str] = []
        at: Path = (section, trail[-1])
        for part in parts_of(trail[-1]):
            if part in self.overrides and section == "variants":
                names += self._expand([part], at)
            elif part in (self.variants if section == "variants" else self.overrides):
                if part in trail:
                    circle = " -> ".join([*trail[trail.index(part) :], part])
                    self._problem(f"goes round in a circle: {circle}", at, remedy="Take one of them out.")
                    continue
                names += self._follow([*trail, part], parts_of, section)
            else:
                there = [*self.overrides, *(map(str, self.variants) if section == "variants" else ())]
                self._problem(
                    f"there is no override {shown(part)}",
                    at,
                    nearest=nearest_name(part, there),
                    allowed=", ".join(there) or "none: the file has no overrides",
                )
        return names if section == "variants" else [*names, trail[-1]]

    def _expand(self, trail: list[str], at: Path) -> list[str]:
        """An override with what it includes, those first."""
        return self._follow(trail, self._included, "overrides")

    def _included(self, name: str) -> list[str]:
        parts = self.overrides.get(name, {}).get(INCLUDE)
        if parts is None:
            return []
        if isinstance(parts, str):
            return [parts]
        if isinstance(parts, list | tuple) and all(isinstance(p, str) for p in parts):
            return list(parts)
        self._problem(
            "must be the name of an override or a list of names", ("overrides", name, INCLUDE), found=shown(parts)
        )
        return []

    def applied(self, names: Sequence[str]) -> _State:
        """The data with overrides applied in order; later wins."""
        state = _State(self.data, dict(self.source.lines))
        for name in dict.fromkeys(names):
            for dotted, value in self.overrides[name].items():
                if dotted != INCLUDE:
                    line_of: Path = ("overrides", name, dotted)
                    self.set(state, dotted, value, origin=path_text(line_of), line_of=line_of)
        return state

    def set(self, state: _State, dotted: str, value: Any, *, origin: str, line_of: Path | None) -> None:
        """Set one leaf of a state, and remember where it came from."""
        try:
            path = resolve_dots(str(dotted), state.data)
        except PathError as error:
            line = self.source.line(line_of) if line_of is not None else None
            state.problems.append(
                Problem(
                    str(error),
                    file=self.source.file,
                    line=line,
                    path=origin,
                    nearest=error.nearest,
                    allowed="" if error.nearest else error.allowed,
                )
            )
            return
        state.data = set_at(state.data, path, value)
        state.origins = {p: o for p, o in state.origins.items() if p[: len(path)] != path} | {path: origin}
        state.lines = {p: n for p, n in state.lines.items() if p[: len(path)] != path}
        if line_of is not None:
            below = {p: n for p, n in self.source.lines.items() if p[: len(line_of)] == line_of}
            state.lines |= {(*path, *p[len(line_of) :]): n for p, n in below.items()}


def _mappings(value: Any) -> dict[str, Mapping[str, Any]]:
    if not isinstance(value, Mapping):
        return {}
    return {str(name): delta for name, delta in value.items() if isinstance(delta, Mapping)}


def _plain(data: Any, file: str, depth: int = 0) -> Any:
    """Plain dicts, lists and scalars of what a caller in Python gave; bounded, so that no circle hangs us."""
    if depth > MAX_DEPTH:
        raise InputError(Problem(f"is nested deeper than {MAX_DEPTH} levels", file=file))
    if isinstance(data, Mapping):
        return {str(key): _plain(value, file, depth + 1) for key, value in data.items()}
    if isinstance(data, list | tuple | set | frozenset):
        return [_plain(value, file, depth + 1) for value in data]
    return data
