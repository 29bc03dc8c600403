"""Reading and writing the store. Every call is one transaction; rows that come back are plain copies."""

from __future__ import annotations

import os
import secrets
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, and_, create_engine, delete, event, func, or_, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session

from planner.errors import InputError, Problem
from planner.settings import APP_NAME, STORE
from planner.ui.store.tables import RUNNING, Answer, Base, Measurement, PlanRow, QuestionRow, Version

SILENT_S = 10.0
"""A plan whose server has said nothing for so long was interrupted."""
_REMEDY = f"Set {STORE.name} to a file that can be written, or to a SQLAlchemy URL such as postgresql+psycopg://..."


def store_url(environment: Mapping[str, str] = os.environ) -> str:
    """Where the store is, as a SQLAlchemy URL."""
    said = environment.get(STORE.name, "").strip()
    if "://" in said or said.startswith("sqlite:"):
        return said
    from platformdirs import user_data_path

    file = Path(said).expanduser() if said else user_data_path(APP_NAME, appauthor=False) / "app.sqlite"
    return f"sqlite:///{file.absolute()}"


def new_id() -> str:
    """A name that cannot be guessed: who has the link may read."""
    return secrets.token_hex(8)


class Store:
    """The database at a URL; its tables are made where they are missing. Raises ``InputError`` where it cannot be
    used."""

    def __init__(self, url: str) -> None:
        try:
            where = make_url(url)
            if where.get_backend_name() == "sqlite" and where.database:
                Path(where.database).parent.mkdir(parents=True, exist_ok=True)
            self.engine: Engine = create_engine(url, pool_pre_ping=True)
            if where.get_backend_name() == "sqlite":
                event.listen(self.engine, "connect", _sqlite_options)
            Base.metadata.create_all(self.engine)
        except (ArgumentError, SQLAlchemyError, OSError, ImportError) as error:
            told = str(getattr(error, "orig", None) or error).splitlines()[0]
            problem = Problem(f"the app's store cannot be used: {told}", path=STORE.name, remedy=_REMEDY)
            raise InputError(problem) from None

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    # questions

    def questions(self, owner: str, search: str = "") -> Sequence[QuestionRow]:
        """Questions of a workspace, last changed first; ``search`` in name, note and text."""
        wanted = select(QuestionRow).where(QuestionRow.owner == owner)
        if search:
            wanted = wanted.where(_found(search, QuestionRow.name, QuestionRow.note, QuestionRow.text))
        with self._session() as session:
            return session.scalars(wanted.order_by(QuestionRow.changed.desc())).all()

    def question(self, id_: str) -> QuestionRow | None:
        """A question, None where there is none."""
        with self._session() as session:
            return session.get(QuestionRow, id_)

    def add_question(
        self, owner: str, name: str, origin: str, text: str, variant: str | None, note: str = ""
    ) -> QuestionRow:
        """Keep a new question."""
        now = time.time()
        row = QuestionRow(new_id(), owner, name[:200], origin[:200], text, variant, note, 0, now, now)
        with self._session() as session:
            session.add(row)
        return row

    def change_question(self, id_: str, *, seen: str | None = None, **fields: Any) -> None:
        """Set fields of a question. ``seen``: the text that the writer had; another one is kept as a version first,
        so that two tabs lose nothing of each other's."""
        with self._session() as session:
            row = session.get(QuestionRow, id_)
            if row is None:
                return
            if seen is not None and "text" in fields and row.text not in (seen, fields["text"]):
                _freeze(session, row)
            for name, value in fields.items():
                setattr(row, name, value)
            row.changed = time.time()

    def freeze(self, id_: str) -> int:
        """Keep the question as it is as a version, unless it is the last one; its number."""
        with self._session() as session:
            row = session.get(QuestionRow, id_)
            return 0 if row is None else _freeze(session, row)

    def versions(self, id_: str) -> Sequence[Version]:
        """Versions of a question, the last first."""
        with self._session() as session:
            return session.scalars(select(Version).where(Version.question == id_).order_by(Version.number.desc())).all()

    def drop_question(self, id_: str) -> None:
        """Forget a question and its versions; its plans stay."""
        with self._session() as session:
            session.execute(delete(Version).where(Version.question == id_))
            session.execute(delete(QuestionRow).where(QuestionRow.id == id_))

    # plans

    def plans(self, owner: str, search: str = "", most: int = 500) -> Sequence[PlanRow]:
        """Plans of a workspace, newest first."""
        wanted = select(PlanRow).where(PlanRow.owner == owner)
        if search:
            wanted = wanted.where(_found(search, PlanRow.name, PlanRow.note, PlanRow.text))
        with self._session() as session:
            rows = session.scalars(wanted.order_by(PlanRow.created.desc()).limit(most)).all()
        return [_as_it_is(row) for row in rows]

    def plan(self, id_: str) -> PlanRow | None:
        """A plan, None where there is none; one whose server fell silent is interrupted."""
        with self._session() as session:
            row = session.get(PlanRow, id_)
        return None if row is None else _as_it_is(row)

    def add_plan(self, row: PlanRow, most: int) -> PlanRow:
        """Keep a plan that is asked for; the same one of the same question again is the one that is there. At most
        ``most`` plans are kept: the oldest without a note go first."""
        now = time.time()
        with self._session() as session:
            same = select(PlanRow).where(
                PlanRow.key == row.key, PlanRow.owner == row.owner, PlanRow.question == row.question
            )
            if row.question and (found := session.scalars(same).first()) is not None:
                found.state, found.server, found.seen, found.problems = row.state, row.server, now, row.problems
                found.version = max(found.version, row.version)
                return found
            row.created = row.seen = now
            session.add(row)
            spare = (session.scalar(select(func.count()).select_from(PlanRow)) or 0) - most
            if spare > 0:
                oldest = select(PlanRow.id).where(PlanRow.note == "").order_by(PlanRow.created).limit(spare)
                session.execute(delete(PlanRow).where(PlanRow.id.in_(session.scalars(oldest).all())))
        return row

    def change_plan(self, id_: str, **fields: Any) -> None:
        """Set fields of a plan."""
        with self._session() as session:
            session.execute(update(PlanRow).where(PlanRow.id == id_).values(**fields))

    def drop_plan(self, id_: str) -> None:
        """Forget a plan."""
        with self._session() as session:
            session.execute(delete(PlanRow).where(PlanRow.id == id_))

    def move(self, key: str, server: str, state: str, problems: str = "") -> None:
        """A server's plans of one key that are being worked on go to another state."""
        running = (PlanRow.key == key, PlanRow.server == server, PlanRow.state.in_(RUNNING))
        with self._session() as session:
            session.execute(update(PlanRow).where(*running).values(state=state, problems=problems, seen=time.time()))

    def still_here(self, server: str) -> None:
        """A server works on what it said it works on."""
        mine = (PlanRow.server == server, PlanRow.state.in_(RUNNING))
        with self._session() as session:
            session.execute(update(PlanRow).where(*mine).values(seen=time.time()))

    # answers

    def answer(self, key: str) -> str | None:
        """The answer to what a key names, None where there is none yet."""
        with self._session() as session:
            row = session.get(Answer, key)
        return None if row is None else zlib.decompress(row.document).decode()

    def keep_answer(self, key: str, document: str) -> None:
        """Keep an answer."""
        with self._session() as session:
            session.merge(Answer(key, zlib.compress(document.encode(), 6), time.time()))

    # measurements

    def measurements(self, owner: str) -> Sequence[Measurement]:
        """Tables of measurements of a workspace, newest first."""
        wanted = select(Measurement).where(Measurement.owner == owner).order_by(Measurement.created.desc())
        with self._session() as session:
            return session.scalars(wanted).all()

    def keep_measurement(self, owner: str, name: str, text: str, id_: str = "") -> str:
        """Keep a table of measurements, in the place of the one with this id."""
        row = Measurement(id_ or new_id(), owner, name[:200], text, time.time())
        with self._session() as session:
            session.merge(row)
        return row.id

    def drop_measurement(self, id_: str) -> None:
        """Forget a table of measurements."""
        with self._session() as session:
            session.execute(delete(Measurement).where(Measurement.id == id_))


def _freeze(session: Session, row: QuestionRow) -> int:
    last = session.get(Version, (row.id, row.version))
    if last is None or (last.text, last.variant) != (row.text, row.variant):
        row.version += 1
        session.add(Version(row.id, row.version, row.text, row.variant, time.time()))
    return row.version


def _as_it_is(row: PlanRow) -> PlanRow:
    """A detached copy, with the state that its server's silence makes."""
    if row.state in RUNNING and time.time() - row.seen > SILENT_S:
        row.state = "interrupted"
    return row


def _found(search: str, *columns: Any) -> Any:
    """Rows in which every word stands in one of the columns."""
    return and_(
        *(
            or_(*(func.lower(column).contains(word, autoescape=True) for column in columns))
            for word in search.lower().split()[:8]
        )
    )


def _sqlite_options(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA busy_timeout=15000")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
