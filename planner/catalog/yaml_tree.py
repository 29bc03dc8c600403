"""YAML of the catalog as plain data with line numbers: no tags, no aliases, no duplicate keys, ``1e12`` is a number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import yaml

from planner.errors import InputError, Problem

MAX_BYTES = 1_000_000
MAX_NODES = 50_000
"""Values of a file: a hundred models have five thousand."""
MAX_DEPTH = 12

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def safe_load(text: str) -> Any:
    """The data of YAML text that comes with the planner; ``yaml.safe_load``, in C where PyYAML has it."""
    return yaml.load(text, _Base)  # noqa: S506 - one of the two safe loaders


class _Loader(_Base):  # type: ignore[misc]
    """SafeLoader (in C where PyYAML was built with libyaml) that reads 1e12 as a number and dates as text."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {
        first: [(tag, pattern) for tag, pattern in rules if tag != "tag:yaml.org,2002:timestamp"]
        for first, rules in _Base.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)
_SCALARS = {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str")}


@dataclass(frozen=True)
class YamlTree:
    """Data of a file and the line of every path in it (path: keys and indices)."""

    data: Any
    lines: Mapping[tuple[str | int, ...], int]
    file: str


def read_yaml(path: Path) -> YamlTree:
    """The data of a YAML file. Raises ``InputError`` when it cannot be read or is not plain YAML."""
    file = str(path)
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Problem(f"cannot read the file: {error}", file=file)) from None
    if len(raw) > MAX_BYTES:
        raise InputError(Problem(f"file of {len(raw)} bytes", file=file, allowed=f"at most {MAX_BYTES} bytes"))
    return parse_yaml(text, file)


def parse_yaml(text: str, file: str = "") -> YamlTree:
    """The data of YAML text. Raises ``InputError`` for bad syntax, aliases, tags, duplicate keys or deep nesting."""
    if len(text) > MAX_BYTES or text.count(",") + text.count("\n") > MAX_NODES:  # before the parser takes its time
        allowed = f"at most {MAX_BYTES} characters and {MAX_NODES} values"
        raise InputError(Problem("the file is too long", file=file, found=f"{len(text)} characters", allowed=allowed))
    lines: dict[tuple[str | int, ...], int] = {}
    problems: list[Problem] = []
    seen: set[int] = set()
    loader: Any = None

    def line_of(node: Any) -> int:
        return int(node.start_mark.line) + 1

    def build(node: Any, path: tuple[str | int, ...]) -> Any:
        where = ".".join(str(p) for p in path)
        lines[path] = line_of(node)
        if isinstance(node, yaml.ScalarNode):
            if node.tag not in _SCALARS:
                problems.append(Problem(f"tag {node.tag} is not plain YAML", file=file, line=line_of(node), path=where))
                return None
            try:
                return loader.construct_object(node)
            except (ValueError, yaml.YAMLError):
                problems.append(Problem("not a value", file=file, line=line_of(node), path=where, found=node.value))
                return None
        if id(node) in seen:
            problems.append(Problem("YAML aliases are not allowed", file=file, line=line_of(node), path=where))
            return None
        seen.add(id(node))
        if len(path) >= MAX_DEPTH:
            problems.append(Problem("nested too deeply", file=file, line=line_of(node), allowed=f"{MAX_DEPTH} levels"))
            return None
        if isinstance(node, yaml.SequenceNode):
            return [build(child, (*path, i)) for i, child in enumerate(node.value)]
        found: dict[str, Any] = {}
        for key_node, child in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                problems.append(Problem("a key must be a name", file=file, line=line_of(key_node), path=where))
                continue
            key = str(key_node.value)
            if key in found:
                problems.append(Problem(f"{key!r} is given twice", file=file, line=line_of(key_node), path=where))
            found[key] = build(child, (*path, key))
            lines[(*path, key)] = line_of(key_node)
        return found

    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        data = None if node is None else build(node, ())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error)
        line = None if mark is None else mark.line + 1
        raise InputError(Problem(f"not valid YAML: {reason}", file=file, line=line)) from None
    finally:
        if loader is not None:
            loader.dispose()
    if problems:
        raise InputError(problems)
    return YamlTree(data, lines, file)
