"""Reading the catalog: long, flat CSV files, one row a figure; every problem of every file at once.

``id,field,low,value,high,unit,as_of,source,kind,note``. ``value`` may be ``unknown`` (nobody published it) or ``none``
(the part has no such thing: no native FP4). Rows whose field is a text attribute need no source and no kind.
``source`` is one or more keys of ``sources.csv`` separated by ``;``, or the citation itself.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FiniteFloat,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from planner.catalog.fields import FIGURE_KINDS, LONGEST_TEXT, RECORD_KINDS, FieldSpec, specs
from planner.catalog.records import Figure, FigureKind
from planner.errors import InputError, Problem, at_most, nearest_name

COLUMNS = ("id", "field", "low", "value", "high", "unit", "as_of", "source", "kind", "note")
_REQUIRED_COLUMNS = ("id", "field", "value")
_FOLDERS = ("chips", "systems", "interconnects")
_MAX_BYTES = 8 * 1024 * 1024
_MOST_ROWS = 50_000
"""Of one file; the largest shipped has three thousand."""
MOST_RECORDS = 5_000
"""Of one kind, the planner's own included."""
MOST_PROBLEMS = 100
"""Said at once: a file with more is wrong for one reason, and looking for nearest names takes its time."""
UNKNOWN, NONE = "unknown", "none"


def _blank_to_none(cell: object) -> object:
    return None if cell == "" else cell


_Number = Annotated[FiniteFloat | None, BeforeValidator(_blank_to_none)]
_Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_TEXT)]


class _Row(BaseModel):
    """One row as it stands in a file; what its field asks of it is checked afterwards."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[
        str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$", max_length=80)
    ]
    field: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
    value: _Text
    low: _Number = None
    high: _Number = None
    unit: _Text = ""
    as_of: Annotated[
        str, StringConstraints(strip_whitespace=True, pattern=r"^(\d{4}(-(0[1-9]|1[0-2])(-\d{2})?)?)?$")
    ] = ""
    source: _Text = ""
    kind: Annotated[
        Literal["datasheet", "measured", "list_price", "estimate", "assumption", ""],
        StringConstraints(strip_whitespace=True),
    ] = ""
    note: _Text = ""


_ROWS = TypeAdapter(list[_Row])
_AT_ONCE = 1000
"""Rows validated together."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A checked row: a text (``figure`` None) or a figure, and where it was written."""

    spec: FieldSpec
    text: str
    figure: Figure | None
    file: str
    line: int


@dataclass
class Tables:
    """The rows of one or several folders by kind of record, id and field; problems found on the way."""

    entries: dict[str, dict[str, dict[str, Entry]]] = field(default_factory=lambda: {kind: {} for kind in RECORD_KINDS})
    model_folders: list[Path] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    hasher: hashlib._Hash = field(default_factory=hashlib.sha256)

    def raise_problems(self) -> None:
        """Raise ``InputError`` with all problems found so far, if there are any."""
        if self.problems:
            raise InputError(at_most(self.problems, MOST_PROBLEMS))


def data_path(name: str) -> Path:
    """Where ``catalog``, ``scenarios`` or ``app.py`` lies: beside the package in a checkout, else inside it.

    Raises ``InputError`` when it is in neither place.
    """
    package = Path(__file__).resolve().parents[1]
    for found in (package.parent / name, package / "_data" / name):
        if found.exists() and ((package.parent / "pyproject.toml").is_file() or found.parent.name == "_data"):
            return found
    remedy = "Reinstall the package."
    raise InputError(Problem(f"{name}, a part of the planner, is missing", file=str(package), remedy=remedy))


def catalog_folder() -> Path:
    """The folder of the catalog that comes with the planner; raises ``InputError`` when it is missing."""
    return data_path("catalog")


def check_extra_folder(folder: Path) -> None:
    """Raise ``InputError`` when a user's catalog folder does not exist, is a file, or holds nothing of a catalog."""
    if not folder.exists():
        raise InputError(Problem("catalog folder does not exist", file=str(folder)))
    if not folder.is_dir():
        remedy = f"Give the folder that holds it: {folder.parent}."
        raise InputError(Problem("catalog must be a folder, this is a file", file=str(folder), remedy=remedy))
    wrong_names: list[Problem] = []
    if not any(_csv_files(folder, wrong_names)) and not wrong_names and not (folder / "models").is_dir():
        allowed = ", ".join(f"{kind}.csv" for kind in RECORD_KINDS) + ", models/*.yaml"
        raise InputError(Problem("catalog folder holds nothing to read", file=str(folder), allowed=allowed))


def read_folder(folder: Path, tables: Tables, *, root: Path | None = None) -> None:
    """Add one catalog folder to ``tables``; rows of the same id and field replace earlier ones.

    The folder may be laid out like the planner's (``chips/*.csv``, ...) or be flat (``chips.csv``, ...). Problems are
    collected in ``tables.problems``. ``root`` is what file names in messages are relative to (default: absolute).
    """
    sources = _read_sources(folder, tables)
    seen: dict[tuple[str, str, str], tuple[str, int]] = {}
    for kind, path in _csv_files(folder, tables.problems):
        shown = str(path.relative_to(root)) if root else str(path)
        content = _read_bytes(path, shown, tables)
        if content is None:
            continue
        for line, row in _rows(content, shown, tables.problems):
            if len(tables.problems) > MOST_PROBLEMS:
                tables.problems.append(Problem("reading stopped here: too many problems", file=shown, line=line))
                return
            entry = _entry(kind, row, shown, line, sources, tables.problems)
            if entry is None:
                continue
            where = (kind, row.id, entry.spec.field)
            if where in seen:
                file, first = seen[where]
                message = f"{row.id}: {entry.spec.field} is given twice; first in {file}:{first}"
                tables.problems.append(Problem(message, file=shown, line=line, remedy="Keep one of the two rows."))
                continue
            seen[where] = (shown, line)
            if len(tables.entries[kind]) >= MOST_RECORDS and row.id not in tables.entries[kind]:
                tables.problems.append(Problem(f"more than {MOST_RECORDS} {kind}", file=shown, line=line))
                return
            tables.entries[kind].setdefault(row.id, {})[entry.spec.field] = entry
    if (folder / "models").is_dir():
        tables.model_folders.append(folder / "models")
    for path in sorted(
        [*folder.glob("models/*.y*ml"), *folder.glob("calibration*.yaml"), *folder.glob("calibration/*.yaml")]
    ):
        tables.hasher.update(path.name.encode() + b"\0" + path.read_bytes())


def _csv_files(folder: Path, problems: list[Problem]) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.glob("*.csv")):
        if path.stem in RECORD_KINDS:
            yield path.stem, path
        elif path.stem != "sources":
            names = [*RECORD_KINDS, "sources"]
            allowed = ", ".join(f"{name}.csv" for name in names)
            near = nearest_name(path.stem, names)
            problems.append(
                Problem("not a catalog file", file=str(path), allowed=allowed, nearest=f"{near}.csv" if near else "")
            )
    for kind in _FOLDERS:
        for path in sorted((folder / kind).glob("*.csv")):
            yield kind, path


def _read_bytes(path: Path, shown: str, tables: Tables) -> str | None:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError(f"larger than {_MAX_BYTES >> 20} MiB")
        content = path.read_bytes()
        tables.hasher.update(path.name.encode() + b"\0" + content)
        return content.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
        tables.problems.append(Problem("cannot be read", file=shown, found=reason, remedy="Save it as CSV in UTF-8."))
        return None


def _read_sources(folder: Path, tables: Tables) -> Mapping[str, str]:
    path = folder / "sources.csv"
    if not path.is_file():
        return {}
    content = _read_bytes(path, str(path), tables)
    if content is None:
        return {}
    reader = csv.DictReader(io.StringIO(content))
    if reader.fieldnames is None or set(reader.fieldnames) != {"key", "citation"}:
        found = ",".join(reader.fieldnames or ())
        tables.problems.append(Problem("wrong columns", file=str(path), line=1, found=found, allowed="key,citation"))
        return {}
    return {(row["key"] or "").strip(): (row["citation"] or "").strip() for row in reader}


def _rows(content: str, file: str, problems: list[Problem]) -> Iterator[tuple[int, _Row]]:
    """Rows of one file that are well formed by themselves, with their line numbers."""
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    cells: list[dict[str, str]] = []
    lines: list[int] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        if not _header_is_good(header, file, problems):
            return
        for row in reader:
            if not row or row[0].lstrip().startswith("#") or not any(cell.strip() for cell in row):
                continue
            if len(row) > len(header):
                if len(problems) > MOST_PROBLEMS:
                    return
                message = f"row has {len(row)} cells, the header has {len(header)}"
                remedy = "Put cells that contain a comma in double quotes."
                problems.append(Problem(message, file=file, line=reader.line_num, remedy=remedy))
                continue
            if len(cells) == _MOST_ROWS:
                problems.append(Problem(f"more than {_MOST_ROWS} rows", file=file, line=reader.line_num))
                return
            cells.append(dict(zip(header, row, strict=False)))
            lines.append(reader.line_num)
    except csv.Error as error:
        problems.append(Problem("not valid CSV", file=file, line=reader.line_num, found=str(error)))
        return
    for begin in range(0, len(cells), _AT_ONCE):
        if len(problems) > MOST_PROBLEMS:
            return
        end = begin + _AT_ONCE
        yield from _checked(cells[begin:end], lines[begin:end], file, problems)


def _checked(
    cells: list[dict[str, str]], lines: list[int], file: str, problems: list[Problem]
) -> Iterator[tuple[int, _Row]]:
    bad: set[int] = set()
    try:
        rows = _ROWS.validate_python(cells)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            index = int(fault["loc"][0])
            column = str(fault["loc"][1]) if len(fault["loc"]) > 1 else ""
            if index not in bad or column:
                problems.append(_row_problem(column, fault["input"], fault["msg"], cells[index], file, lines[index]))
            bad.add(index)
        good = [i for i in range(len(cells)) if i not in bad]
        rows = _ROWS.validate_python([cells[i] for i in good])
        lines = [lines[i] for i in good]
    yield from zip(lines, rows, strict=True)


def _header_is_good(header: Sequence[str], file: str, problems: list[Problem]) -> bool:
    before = len(problems)
    allowed = ",".join(COLUMNS)
    for name in header[: 2 * len(COLUMNS)]:
        if name not in COLUMNS:
            near = nearest_name(name, COLUMNS)
            problems.append(Problem(f"unknown column {name!r}", file=file, line=1, allowed=allowed, nearest=near))
    for name in _REQUIRED_COLUMNS:
        if name not in header:
            problems.append(Problem(f"column {name!r} is missing", file=file, line=1, allowed=allowed))
    if len(set(header)) < len(header):
        problems.append(Problem("a column is given twice", file=file, line=1, found=",".join(header)))
    return len(problems) == before


def _row_problem(column: str, found: object, message: str, cells: Mapping[str, str], file: str, line: int) -> Problem:
    who = cells.get("id", "").strip()
    path = ".".join(part for part in (who, cells.get("field", "").strip()) if part)
    if column == "kind":
        near = nearest_name(str(found), FIGURE_KINDS)
        allowed = ", ".join(FIGURE_KINDS)
        return Problem("unknown kind", file=file, line=line, path=path, found=str(found), allowed=allowed, nearest=near)
    if column in {"low", "high"}:
        return Problem(f"{column} is not a finite number", file=file, line=line, path=path, found=str(found))
    if column == "as_of":
        allowed = "YYYY, YYYY-MM, YYYY-MM-DD or empty"
        return Problem("bad date in as_of", file=file, line=line, path=path, found=str(found), allowed=allowed)
    if column == "id":
        allowed = "letters, digits, '_', '-', '.'"
        return Problem("bad id", file=file, line=line, path=path, found=repr(found), allowed=allowed)
    return Problem(f"{column or 'row'}: {message}", file=file, line=line, path=path, found=repr(found)[:80])


def _entry(
    kind: str, row: _Row, file: str, line: int, sources: Mapping[str, str], problems: list[Problem]
) -> Entry | None:
    path = f"{row.id}.{row.field}"
    known = specs(kind)
    spec = known.get(row.field)
    if spec is None:
        problems.append(
            Problem(
                f"unknown field {row.field!r} of {kind}",
                file=file,
                line=line,
                path=row.id,
                nearest=nearest_name(row.field, list(known)),
                remedy="The fields are listed in planner/catalog/fields.py.",
            )
        )
        return None

    def wrong(message: str, **more: str) -> None:
        problems.append(Problem(message, file=file, line=line, path=path, **more))

    if spec.is_text:
        fault = text_fault(spec, row.value)
        if fault:
            wrong(fault, found=repr(row.value))
            return None
        return Entry(spec, row.value, None, file, line)

    before = len(problems)
    value: float | None = None
    if row.value not in {UNKNOWN, NONE}:
        value = _number(row.value)
        if value is None:
            wrong("value is not a finite number", found=row.value or "nothing", allowed="a number, unknown or none")
            return None
    right_unit = not (row.unit and spec.unit) or row.unit == spec.unit
    if not right_unit:
        wrong("wrong unit", found=row.unit, allowed=spec.unit)
    for name, number in (("low", row.low), ("value", value), ("high", row.high)):
        fault = figure_fault(spec, number, row.unit) if right_unit and number is not None else ""
        if fault:
            allowed = bounds_text(spec, row.unit)
            wrong(f"{name} {fault}", found=f"{number:g} {spec.unit or row.unit}".rstrip(), allowed=allowed)
    ordered = [number for number in (row.low, value, row.high) if number is not None]
    if ordered != sorted(ordered):
        found = ", ".join("unknown" if n is None else f"{n:g}" for n in (row.low, value, row.high))
        wrong("low, value and high are out of order", found=found)
    if not row.source:
        wrong("source is missing", remedy="Say where the figure comes from; your own quote or guess is a source too.")
    if not row.kind:
        wrong("kind is missing", allowed=", ".join(FIGURE_KINDS))
    if len(problems) > before:
        return None
    figure = Figure(
        value=value,
        unit=spec.unit or row.unit,
        source=_citation(row.source, sources),
        kind=_kind(row.kind),
        as_of=row.as_of,
        low=row.low,
        high=row.high,
        note=row.note,
        absent=row.value == NONE,
    )
    return Entry(spec, "", figure, file, line)


def _kind(text: str) -> FigureKind:
    for kind in ("datasheet", "measured", "list_price", "estimate", "assumption"):
        if kind == text:
            return kind
    raise ValueError(text)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def _citation(source: str, sources: Mapping[str, str]) -> str:
    whole = sources.get(source)
    if whole is not None:
        return whole
    return " | ".join(sources.get(part.strip(), part.strip()) for part in source.split(";") if part.strip())


def figure_fault(spec: FieldSpec, number: float, unit: str = "") -> str:
    """What is wrong with a figure of a field, in words, or an empty string; ``unit``: of a cost item's row."""
    low, high = spec.bounds(unit)
    if not low <= number <= high:
        return "is out of bounds"
    return "is no whole number" if spec.is_count and number != int(number) else ""


def bounds_text(spec: FieldSpec, unit: str = "") -> str:
    """The bounds of a field in words; ``unit``: of a cost item's row."""
    low, high = spec.bounds(unit)
    return f"{low:g} to {high:g} {spec.unit or unit}".rstrip() + (", whole" if spec.is_count else "")


_MONTH = re.compile(r"^\d{4}-(0[1-9]|1[0-2])$")


def text_fault(spec: FieldSpec, value: str) -> str:
    """What is wrong with a text attribute, or an empty string."""
    if not value:
        return "value is empty"
    if len(value) > LONGEST_TEXT:
        return f"is longer than {LONGEST_TEXT} characters"
    if spec.words and value not in spec.words:
        near = nearest_name(value, spec.words)
        return f"must be one of {', '.join(spec.words)}" + (f"; did you mean {near!r}?" if near else "")
    if spec.field == "available_from" and not _MONTH.match(value):
        return "must be a month, YYYY-MM"
    return ""
