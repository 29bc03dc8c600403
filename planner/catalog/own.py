"""What a user's own folder brings: which records are new, which are changed, and what is thin about those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from planner.catalog.catalog import Catalog, load_catalog
from planner.catalog.check import check_catalog
from planner.catalog.fields import RECORD_KINDS
from planner.catalog.load import Tables, check_extra_folder, read_folder
from planner.errors import InputError, Problem


@dataclass(frozen=True)
class OwnFolder:
    """A folder against the catalog below it: ids by kind, and how many figures of it replace one there."""

    new: dict[str, tuple[str, ...]]
    changed: dict[str, tuple[str, ...]]
    warnings: tuple[Problem, ...]
    """Of its own records only."""


def check_own(folder: Path) -> tuple[OwnFolder, Catalog]:
    """What a folder brings, and the catalog with it. Raises ``InputError`` with everything that is wrong with it."""
    check_extra_folder(folder)
    merged = load_catalog(folder)
    below = load_catalog()
    tables = Tables()
    read_folder(folder, tables)
    if tables.problems:
        raise InputError(tables.problems)
    mine = {kind: tuple(tables.entries[kind]) for kind in RECORD_KINDS}
    models = merged.models if (folder / "models").is_dir() else ()
    mine["models"] = tuple(m for m in models if _differs(merged, below, m))
    there = {**{kind: below.records(kind) for kind in RECORD_KINDS}, "models": below.models}
    own = {f"{kind}.{key}" for kind, keys in mine.items() for key in keys}
    warnings = [p for p in check_catalog(merged) if p.path in own or p.path.rpartition(".")[0] in own]
    return OwnFolder(
        {kind: tuple(k for k in keys if k not in there[kind]) for kind, keys in mine.items()},
        {kind: tuple(k for k in keys if k in there[kind]) for kind, keys in mine.items()},
        tuple(warnings),
    ), merged


def _differs(merged: Catalog, below: Catalog, name: str) -> bool:
    return name not in below.models or merged.models[name] != below.models[name]


def counted(found: Sequence[tuple[str, Sequence[str]]]) -> str:
    """``1 chip (my_chip), 2 systems (a, b)`` of ids by kind; empty where there is none."""
    words = []
    for kind, keys in found:
        if keys:
            shown = ", ".join(keys[:4]) + (f" and {len(keys) - 4} more" if len(keys) > 4 else "")
            name = kind.removesuffix("s") if len(keys) == 1 and kind not in {"cooling"} else kind
            words.append(f"{len(keys)} {name} ({shown})")
    return ", ".join(words)
