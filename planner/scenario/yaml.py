"""A YAML reader for files written by people and by strangers.

It takes the events of PyYAML's parser (libyaml where there is one) and builds plain data itself, without recursion and
without YAML 1.1's surprises: no anchors, aliases or tags, so nothing can be built or blown up; a key twice in one
mapping is a problem with both lines; ``1e12`` is a number; ``2026-10``, ``12:30``, ``017``, ``no`` and ``on`` stay
text; only ``true`` and ``false`` are booleans; depth and size are bounded. Every value's line is kept.
"""

from __future__ import annotations

import errno
import math
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from planner.errors import InputError, Problem, nearest_name

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_DIGITS = 60

_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?([0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")
_WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    word: value
    for value, words in {True: ("true", "True", "TRUE"), False: ("false", "False", "FALSE")}.items()
    for word in words
}

Path_ = tuple[str | int, ...]


def plain_value(text: str) -> Any:
    """What an unquoted scalar means: None, bool, int, float or the text itself.

    Raises ValueError, with a message for people, for a number that is too long or too large.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _LEADING_ZERO.fullmatch(text) or not _FLOAT.fullmatch(text):
        return text
    if len(text) > MAX_DIGITS:
        raise ValueError(f"is a number of {len(text)} characters; {MAX_DIGITS} is the most that is read")
    plain = text.replace("_", "")
    if _INT.fullmatch(text):
        return int(plain)
    value = float(plain)
    if not math.isfinite(value):
        raise ValueError("is too large for a number")
    return value


@dataclass
class Document:
    """A file as plain data, the line of every path in it, and what is wrong with its form."""

    data: Any = None
    lines: dict[Path_, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    unreadable: set[Path_] = field(default_factory=set)
    """Paths whose value could not be read; a problem says why, so nothing more is said about them."""


@dataclass
class _Frame:
    """A collection that is being filled."""

    container: dict[str, Any] | list[Any]
    path: Path_
    key: str | None = None
    duplicate: bool = False
    key_lines: dict[str, int] = field(default_factory=dict)


def read_bytes(path: Path, *, max_bytes: int = MAX_BYTES, what: str = "scenario") -> bytes:
    """The bytes of a regular file no larger than ``max_bytes``. Raises ``InputError`` with one clear message."""
    shown = str(path)
    try:
        # Not blocking: opening a pipe must not wait for somebody to write to it.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except (OSError, ValueError) as error:
        raise InputError(_why_not_opened(path, error, what)) from None
    try:
        about = os.fstat(handle)
        if stat.S_ISDIR(about.st_mode):
            raise InputError(_is_a_directory(path, what))
        if not stat.S_ISREG(about.st_mode):
            raise InputError(Problem(f"is not a regular file, so no {what}", file=shown, remedy="Name a YAML file."))
        if about.st_size > max_bytes:
            raise InputError(_too_large(shown, about.st_size, max_bytes, what))
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise InputError(_why_not_opened(path, error, what)) from None
    finally:
        os.close(handle)
    if len(data) > max_bytes:
        raise InputError(_too_large(shown, len(data), max_bytes, what))
    return data


def _too_large(shown: str, size: int, max_bytes: int, what: str) -> Problem:
    return Problem(
        f"is too large for a {what}",
        file=shown,
        found=f"{size / (1 << 20):.1f} MiB",
        allowed=f"at most {max_bytes / (1 << 20):g} MiB",
        remedy="Is it the right file?",
    )


def _is_a_directory(path: Path, what: str) -> Problem:
    inside = sorted(p.name for p in path.glob("*.yaml"))[:5] if path.is_dir() else []
    remedy = f"Name a file in it, such as {path / inside[0]}." if inside else "Name a YAML file."
    return Problem(f"is a directory, not a {what} file", file=str(path), remedy=remedy)


def _why_not_opened(path: Path, error: OSError | ValueError, what: str) -> Problem:
    shown = str(path).replace("\x00", "\\0")
    if isinstance(error, IsADirectoryError):
        return _is_a_directory(path, what)
    if isinstance(error, PermissionError):
        return Problem("may not be read: permission denied", file=shown, remedy=f"Try: chmod u+r {shown}")
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        near = ""
        if path.parent.is_dir():
            near = nearest_name(path.name, [p.name for p in path.parent.glob("*.y*ml")])
        return Problem(
            f"there is no such {what} file",
            file=shown,
            nearest=str(path.parent / near) if near else "",
            remedy="" if near else "`planner init` writes one to start from.",
        )
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return Problem(f"is too long for the name of a {what} file", file=shown[:60] + "...")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Problem(f"cannot be read: {reason}", file=shown)


def decode(data: bytes, file: str = "") -> str:
    """UTF-8 text, with or without a byte-order mark. Raises ``InputError`` naming the line of the first bad byte."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        utf16 = data[:2] in {b"\xff\xfe", b"\xfe\xff"}
        raise InputError(
            Problem(
                "is not UTF-8 text",
                file=file,
                line=line,
                found="UTF-16" if utf16 else f"byte 0x{data[error.start]:02x}",
                remedy="Save the file as UTF-8.",
            )
        ) from None


def parse(text: str, file: str = "") -> Document:
    """Plain data of one YAML document, with the line of every path.

    Raises ``InputError`` where the text is no YAML at all, is empty, or is too deep; other faults of form (duplicate
    keys, aliases, tags, impossible numbers) are collected in ``problems`` so that the rest can be checked too.
    """
    if len(text) > MAX_BYTES:
        raise InputError(_too_large(file, len(text), MAX_BYTES, "scenario"))
    return _Builder(file).build(text)


class _Builder:
    def __init__(self, file: str) -> None:
        self.file = file
        self.document = Document()
        self.stack: list[_Frame] = []
        self.documents = 0
        self.anchors: list[int] = []
        self.tags: list[tuple[int, str]] = []

    def build(self, text: str) -> Document:
        try:
            parser = _PARSER(text)
            try:
                while parser.check_event():
                    self._take(parser.get_event())
            finally:
                parser.dispose()
        except yaml.YAMLError as error:
            raise InputError(_syntax_problem(error, text, self.file)) from None
        if self.documents == 0 or self.document.data is None:
            raise InputError(
                Problem("is empty", file=self.file, remedy="`planner init` writes a scenario to start from.")
            )
        self._report_forms()
        return self.document

    def _report_forms(self) -> None:
        problems = self.document.problems
        if self.anchors:
            lines = ", ".join(str(n) for n in sorted(set(self.anchors))[:5])
            more = ", ..." if len(set(self.anchors)) > 5 else ""
            problems.append(
                Problem(
                    "anchors (&) and aliases (*) are not read",
                    file=self.file,
                    line=self.anchors[0],
                    found=f"{len(self.anchors)} of them, lines {lines}{more}",
                    remedy="Write the value out, or use `overrides`; quote a text that begins with & or *.",
                )
            )
        for line, tag in self.tags[:5]:
            problems.append(
                Problem(
                    "tags (!) are not read: nothing in a scenario is evaluated",
                    file=self.file,
                    line=line,
                    found=_short(tag),
                    remedy="Remove the tag; quote a text that begins with !.",
                )
            )

    def _take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise InputError(
                    Problem(
                        "a second document begins here; a scenario file holds one",
                        file=self.file,
                        line=line,
                        remedy="Remove the line `---`, or split the file.",
                    )
                )
        elif isinstance(event, yaml.AliasEvent):
            self.anchors.append(line)
            self._place(None, line, readable=False)
        elif isinstance(event, yaml.ScalarEvent):
            self._note_anchor(event, line)
            self._scalar(event, line)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._note_anchor(event, line)
            self._open({} if isinstance(event, yaml.MappingStartEvent) else [], line, readable=event.tag in {None, "!"})
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self.stack.pop()

    def _note_anchor(self, event: Any, line: int) -> None:
        if event.anchor is not None:
            self.anchors.append(line)
        if event.tag not in {None, "!"}:
            self.tags.append((line, str(event.tag)))

    def _open(self, container: dict[str, Any] | list[Any], line: int, *, readable: bool) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise InputError(
                Problem(f"is nested deeper than {MAX_DEPTH} levels", file=self.file, line=line, remedy="Flatten it.")
            )
        path = self._place(container, line, readable=readable)
        self.stack.append(_Frame(container, path))

    def _scalar(self, event: Any, line: int) -> None:
        frame = self.stack[-1] if self.stack else None
        if frame is not None and isinstance(frame.container, dict) and frame.key is None:
            self._key(frame, event.value, line)
            return
        readable = event.tag in {None, "!"}
        value: Any = event.value
        if not event.style and event.tag is None:
            try:
                value = plain_value(event.value)
            except ValueError as error:
                path = self._place(None, line, readable=False)
                self.document.problems.append(
                    Problem(str(error), file=self.file, line=line, path=path_text(path), found=_short(event.value))
                )
                return
        self._place(value, line, readable=readable)

    def _key(self, frame: _Frame, key: str, line: int) -> None:
        frame.key = key
        frame.duplicate = key in frame.key_lines
        if frame.duplicate:
            self.document.problems.append(
                Problem(
                    f"duplicate key {_short(key)!r} (lines {frame.key_lines[key]} and {line})",
                    file=self.file,
                    line=line,
                    path=path_text(frame.path),
                    remedy="Keep one of them.",
                )
            )
        else:
            frame.key_lines[key] = line
            self.document.lines[(*frame.path, key)] = line

    def _place(self, value: Any, line: int, *, readable: bool) -> Path_:
        """Put a value where it belongs; returns its path."""
        if not self.stack:
            self.document.data = value
            self.document.lines[()] = line
            path: Path_ = ()
        else:
            frame = self.stack[-1]
            if isinstance(frame.container, list):
                path = (*frame.path, len(frame.container))
                self.document.lines[path] = line
                frame.container.append(value)
            elif frame.key is None:
                raise InputError(
                    Problem("a key must be plain text, not a list or a mapping", file=self.file, line=line)
                )
            else:
                path = (*frame.path, frame.key)
                if not frame.duplicate:
                    frame.container[frame.key] = value
                else:  # the first one stays; what stands under the second is read into nothing
                    readable = False
                frame.key = None
        if not readable:
            self.document.unreadable.add(path)
        return path


def _syntax_problem(error: yaml.YAMLError, text: str, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = mark.line + 1 if mark is not None else None
    reason = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML")
    if line is None and getattr(error, "position", None) is not None:
        line = text.count("\n", 0, int(error.position)) + 1  # type: ignore[attr-defined]
    lines = text.splitlines()
    shown = lines[line - 1] if line is not None and line <= len(lines) else ""
    remedy = ""
    if "\t" in shown[: len(shown) - len(shown.lstrip())] or "'\\t'" in reason:
        remedy = "Indent with spaces, not tabs."
    elif "control characters" in reason or "special characters" in reason:
        remedy = "Remove the control character."
    elif "mapping values are not allowed" in reason:
        remedy = "Check the indentation, and quote texts that hold a colon."
    return Problem(f"is not valid YAML: {reason}", file=file, line=line, found=_short(shown.strip()), remedy=remedy)


def path_text(path: Path_) -> str:
    """``sites[0].power_mw`` for a path."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def _short(value: str, limit: int = 60) -> str:
    clean = "".join(c if c.isprintable() else " " for c in value)
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."


class _Writer(yaml.SafeDumper):
    """Writes what ``parse`` reads back: texts that would read as something else are quoted."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(writer: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    try:
        reads_back = plain_value(value) == value
    except ValueError:
        reads_back = False
    style = None if reads_back else "'"
    if not value.isprintable():  # line breaks of any script and control characters survive only as escapes
        style = '"'
    return writer.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Writer.add_representer(str, _represent_text)


def to_yaml(data: Any) -> str:
    """Plain data as YAML text that ``parse`` reads back to the same data."""
    text = yaml.dump(data, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=120)
    return str(text)
