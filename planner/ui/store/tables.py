"""The tables of the store. Times are UTC seconds since 1970, so that every database keeps them alike."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

RUNNING = frozenset({"waiting", "working"})
"""States of a plan that is still being worked on, by a server that says so every few seconds."""
ENDED = frozenset({"done", "failed", "stopped", "left", "interrupted"})
"""done: there is an answer (which may be that there is no plan); failed: a problem says why; stopped: by its owner;
left: its page was closed; interrupted: its server ended."""


class Base(MappedAsDataclass, DeclarativeBase):
    """Of all tables."""


class QuestionRow(Base):
    """A question as it stands, under a name."""

    __tablename__ = "questions"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(200), index=True)
    """Who may change it; empty: the workspace that all share where nobody signs in."""
    name: Mapped[str] = mapped_column(String(200))
    origin: Mapped[str] = mapped_column(String(200))
    """The file that it came from."""
    text: Mapped[str] = mapped_column(Text)
    variant: Mapped[str | None] = mapped_column(String(200), default=None)
    note: Mapped[str] = mapped_column(Text, default="")
    version: Mapped[int] = mapped_column(default=0)
    """The last version that was kept."""
    created: Mapped[float] = mapped_column(default=0.0)
    changed: Mapped[float] = mapped_column(default=0.0)


class Version(Base):
    """A question as it once was."""

    __tablename__ = "versions"

    question: Mapped[str] = mapped_column(ForeignKey("questions.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    variant: Mapped[str | None] = mapped_column(String(200), default=None)
    created: Mapped[float] = mapped_column(default=0.0)


class PlanRow(Base):
    """A plan that was asked for: of which question, how far it is, and the key of its answer."""

    __tablename__ = "plans"
    __table_args__ = (Index("plans_key", "key"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(200), index=True)
    name: Mapped[str] = mapped_column(String(300))
    key: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(Text)
    """The scenario that was planned; empty of a plan that came from a file."""
    state: Mapped[str] = mapped_column(String(20))
    question: Mapped[str] = mapped_column(String(32), default="", index=True)
    version: Mapped[int] = mapped_column(default=0)
    variant: Mapped[str | None] = mapped_column(String(200), default=None)
    note: Mapped[str] = mapped_column(Text, default="")
    problems: Mapped[str] = mapped_column(Text, default="")
    """JSON of what is wrong, where it failed."""
    server: Mapped[str] = mapped_column(String(32), default="")
    created: Mapped[float] = mapped_column(default=0.0)
    seen: Mapped[float] = mapped_column(default=0.0)
    """When its server last said that it is working on it."""


class Answer(Base):
    """An answer, by the key of what was asked: text of JSON, compressed."""

    __tablename__ = "answers"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    document: Mapped[bytes] = mapped_column(LargeBinary)
    created: Mapped[float] = mapped_column(default=0.0)


class Measurement(Base):
    """A table of measurements, as CSV text."""

    __tablename__ = "measurements"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(200), index=True)
    name: Mapped[str] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(Text)
    created: Mapped[float] = mapped_column(default=0.0)
