"""What a sweep keeps: one plan.json per question, and a ledger that says which are done.

The plan is written first and whole, the ledger row after it, so that what the ledger calls done is there. One process
writes; a second sweep into the same folder is refused.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from planner.answer.plan import SCHEMA_VERSION, Plan, write_bytes, write_text
from planner.errors import InputError, Problem
from planner.scenario import Scenario, problem_digest

LEDGER = "ledger.sqlite"
_TABLE = """
CREATE TABLE IF NOT EXISTS run (
    key TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('done', 'failed')),
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    seconds REAL NOT NULL,
    error TEXT NOT NULL
) STRICT
"""


def key_of(scenario: Scenario, catalog_digest: str, version: str) -> str:
    """What a result is kept under: the question, how it is to be solved, the facts and the version of the program."""
    question = problem_digest(scenario, catalog_digest, model_version=f"{version}/{SCHEMA_VERSION}")
    how = json.dumps(scenario.solve.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(f"{question}\0{how}".encode()).hexdigest()


@dataclass(frozen=True)
class Row:
    """One line of the ledger. ``state``: done (a plan, or the proof that there is none) or failed."""

    key: str
    state: str
    status: str
    attempts: int
    seconds: float
    error: str


def rows_of(ledger: sqlite3.Connection) -> Iterator[Row]:
    """Every line of a ledger."""
    for values in ledger.execute("SELECT key, state, status, attempts, seconds, error FROM run"):
        yield Row(*values)


class Store:
    """A folder of results. Use it as a context; raises ``InputError`` where the folder cannot be used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if folder.exists() and not folder.is_dir():
            raise InputError(Problem("--out is not a folder", file=str(folder), remedy="Name a folder."))
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(Problem(f"cannot write: {error.strerror or error}", file=str(folder))) from None
        self._ledger = self._open()

    def _open(self) -> sqlite3.Connection:
        file = self.folder / LEDGER
        try:
            ledger = sqlite3.connect(file, timeout=0.0, isolation_level=None)
            try:
                ledger.execute("PRAGMA locking_mode = EXCLUSIVE")  # held until the store is closed: one writer
                ledger.execute("BEGIN EXCLUSIVE")
                ledger.execute(_TABLE)
                ledger.execute("COMMIT")
            except sqlite3.Error:
                ledger.close()
                raise
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise InputError(
                    Problem(
                        "another sweep is writing here", file=str(self.folder), remedy="Wait, or use another --out."
                    )
                ) from None
            raise InputError(Problem(f"cannot write: {error}", file=str(file))) from None
        except sqlite3.DatabaseError as error:
            raise InputError(Problem(f"is not a ledger of a sweep: {error}", file=str(file))) from None
        return ledger

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ledger.close()

    def plan_file(self, key: str) -> Path:
        """Where the plan of a key is kept."""
        return self.folder / "plans" / key[:2] / f"{key}.json"

    def rows(self) -> dict[str, Row]:
        """The ledger by key; a row whose plan has gone does not count as done."""
        found = {}
        for row in rows_of(self._ledger):
            if row.state != "done" or self.plan_file(row.key).is_file():
                found[row.key] = row
        return found

    def keep(self, key: str, plan: Plan, seconds: float, attempts: int) -> None:
        """Keep an answer: the plan first, then its row."""
        plan.write(self.plan_file(key))
        self._put(Row(key, "done", plan.status, attempts, seconds, ""))

    def fail(self, key: str, error: str, seconds: float, attempts: int) -> None:
        """Note that a case has no answer, and why."""
        self._put(Row(key, "failed", "failed", attempts, seconds, error))

    def take_over(self, row: Row) -> None:
        """Note an answer whose plan is there already."""
        self._put(row)

    def _put(self, row: Row) -> None:
        self._ledger.execute(
            "INSERT OR REPLACE INTO run (key, state, status, attempts, seconds, error) VALUES (?, ?, ?, ?, ?, ?)",
            (row.key, row.state, row.status, row.attempts, row.seconds, row.error),
        )

    def write(self, name: str, text: str) -> Path:
        """Write a file of the folder whole; returns its path."""
        file = self.folder / name
        write_text(file, text)
        return file

    def write_data(self, name: str, data: bytes) -> Path:
        """The same of bytes."""
        file = self.folder / name
        write_bytes(file, data)
        return file
