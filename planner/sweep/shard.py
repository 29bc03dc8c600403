"""One sweep on many machines that share nothing but a file system: shards, and putting them together.

``3/40`` is every fortieth distinct question, counted from the third: each shard expands the same file, plans its own
questions and keeps them in a folder of its own (``shard-03-of-40``), so that no two processes write one ledger.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from planner.errors import InputError, Problem
from planner.sweep.store import LEDGER, Row, Store, rows_of

MOST_SHARDS = 100_000
T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """Part ``number`` (from 1) of ``of``."""

    number: int
    of: int

    @classmethod
    def read(cls, text: str) -> Shard:
        """``3/40``. Raises ``InputError``."""
        found = re.fullmatch(r"\s*(\d{1,6})\s*/\s*(\d{1,6})\s*", text)
        if found is not None:
            shard = cls(int(found[1]), int(found[2]))
            if 1 <= shard.number <= shard.of <= MOST_SHARDS:
                return shard
        raise InputError(Problem("is no shard", path="--shard", found=text, allowed="N/M with N from 1 to M, as 3/40"))

    def take(self, items: Sequence[T]) -> list[T]:
        """The items of this shard, in order; all shards together have every item once."""
        return list(items[self.number - 1 :: self.of])

    @property
    def folder(self) -> str:
        """Name of the folder of its results."""
        return f"shard-{self.number:0{len(str(self.of))}d}-of-{self.of}"


def shard_folders(out: Path) -> list[Path]:
    """Folders of shards below a sweep's folder that have a ledger."""
    return sorted(p.parent for p in out.glob(f"shard-*-of-*/{LEDGER}"))


def merge_into(store: Store) -> int:
    """Take over every answer of the shards below a store's folder; returns how many were new. Shards stay as they are.

    Failures are not taken over: the next run tries them again. Raises ``InputError`` for a ledger that is none.
    """
    known = store.rows()
    new = 0
    for folder in shard_folders(store.folder):
        for row in _rows(folder):
            plan = folder / store.plan_file(row.key).relative_to(store.folder)
            if row.state != "done" or not plan.is_file() or (row.key in known and known[row.key].state == "done"):
                continue
            target = store.plan_file(row.key)
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f".{target.name}.merging")
            shutil.copyfile(plan, temporary)
            temporary.replace(target)
            store.take_over(row)
            known[row.key] = row
            new += 1
    return new


def _rows(folder: Path) -> Iterator[Row]:
    file = folder / LEDGER
    try:
        ledger = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)
        try:
            yield from rows_of(ledger)
        finally:
            ledger.close()
    except sqlite3.DatabaseError as error:
        what = "a sweep is still writing here" if "locked" in str(error) else f"is not a ledger of a sweep: {error}"
        raise InputError(Problem(what, file=str(file))) from None
