"""The catalog as it was last read, kept under the digest of its files: reading and checking takes longer.

In a process a catalog is kept whole; between processes its records lie in the user's cache folder
(``planner.kept``) as JSON. What is kept there is used only under the same bytes of every file and the same code that
reads them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.catalog.records import Figure
from planner.kept import read_kept, write_kept

if TYPE_CHECKING:
    from planner.catalog.catalog import Catalog

MOST = 4
"""Catalogs kept in a process, and files kept on disk."""
_in_process: dict[str, Catalog] = {}
_READERS = ("load.py", "fields.py", "records.py", "catalog.py", "kept.py")

Parts = Mapping[str, Mapping[str, tuple[Mapping[str, str], Mapping[str, Figure]]]]
"""Attributes and figures by kind of record and id."""


def digest_of(folders: Sequence[Path]) -> str:
    """sha256 over the name and the bytes of everything a catalog is read from, and over the code that reads it."""
    found = hashlib.sha256(_code().encode())
    for folder in folders:
        found.update(str(folder.resolve()).encode() + b"\0")
        for pattern in ("*.csv", "*/*.csv", "models/*.y*ml", "calibration*.yaml", "calibration/*.yaml"):
            for path in sorted(folder.glob(pattern)):
                if path.is_file() and path.parent.name != "measurements":
                    data = path.read_bytes()
                    found.update(f"{path.relative_to(folder)}\0{len(data)}\0".encode() + data)
    return found.hexdigest()


@cache
def _code() -> str:
    here = Path(__file__).resolve().parent
    return hashlib.sha256(b"".join((here / name).read_bytes() for name in _READERS)).hexdigest()


def kept(digest: str) -> Catalog | None:
    """The catalog of this digest that this process has."""
    return _in_process.get(digest)


def keep(digest: str, catalog: Catalog) -> Catalog:
    """Keep a catalog for this process, the oldest of more than ``MOST`` going; returns it."""
    while len(_in_process) >= MOST:
        del _in_process[next(iter(_in_process))]
    _in_process[digest] = catalog
    return catalog


def read_parts(digest: str) -> tuple[Parts, str] | None:
    """(records, digest of the catalog) kept on disk under a digest of files; None where there is nothing to use."""
    data = read_kept(_name(digest))
    if data is None:
        return None
    try:
        told: Any = json.loads(data)
        parts = {
            kind: {
                key: (attributes, {name: Figure(*values) for name, values in figures.items()})
                for key, (attributes, figures) in records.items()
            }
            for kind, records in told["records"].items()
        }
        return parts, str(told["digest"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def write_parts(digest: str, parts: Parts, catalog_digest: str) -> None:
    """Keep records on disk; what cannot be written is not kept, and what is too old goes."""
    records = {
        kind: {
            key: (dict(attributes), {name: _row(figure) for name, figure in figures.items()})
            for key, (attributes, figures) in found.items()
        }
        for kind, found in parts.items()
    }
    text = json.dumps({"digest": catalog_digest, "records": records})
    write_kept(_name(digest), text.encode(), "catalog-*.json", MOST)


def _row(f: Figure) -> tuple[object, ...]:
    return (f.value, f.unit, f.source, f.kind, f.as_of, f.low, f.high, f.note, f.absent)


def _name(digest: str) -> str:
    return f"catalog-{digest[:32]}.json"
