"""What the pages ask for: the catalog, the shipped scenarios, and plans computed beside the page that waits for them.

The only module of the app that calls the planner. Answers are cached by question: the canonical scenario, the
variant, the catalog's digest and the planner's version. Cached data is shared by all visitors and never changed.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, Self

import streamlit as st

from planner.answer.plan import Plan
from planner.catalog import Catalog, load_catalog
from planner.catalog.load import data_path
from planner.errors import InputError, PlannerError, Problem
from planner.scenario import Scenario, load_text, scenario_from_mapping
from planner.scenario.assumed import with_assumed
from planner.scenario.yaml import decode, parse, read_bytes, to_yaml
from planner.ui.launch import CATALOG_VARIABLE
from planner.ui.settings import settings

_LOG = logging.getLogger(__name__)
Progress = Callable[[str, float], None]


class PlanFunction(Protocol):
    """``planner.plan``."""

    def __call__(
        self,
        scenario: Mapping[str, Any],
        *,
        catalog: Catalog | None,
        variant: str | None,
        progress: Progress | None,
        cancel: Callable[[], bool] | None,
    ) -> Plan: ...


def plan_function() -> PlanFunction:
    """The planner itself; tests put another one here."""
    from planner import plan

    return plan


@dataclass(frozen=True)
class Draft:
    """A scenario being edited: its plain data, the checked record, and the file it came from."""

    data: Mapping[str, Any]
    scenario: Scenario
    origin: str
    text: str
    """The file as it was; what is downloaded while nothing has been edited."""
    edited: bool = False

    def with_data(self, data: Mapping[str, Any]) -> Draft:
        """The draft with other data. Raises ``InputError``."""
        scenario = scenario_from_mapping(data, self.origin)
        _check_size(scenario)
        return replace(self, data=data, scenario=scenario, edited=True)

    def yaml(self) -> str:
        """The scenario as a file that the batch runner reads."""
        return to_yaml(dict(self.data)) if self.edited else self.text


@dataclass(frozen=True)
class Question:
    """What a plan is computed for: one scenario and variant, as canonical text."""

    text: str
    variant: str | None

    @classmethod
    def of(cls, draft: Draft, variant: str | None) -> Question:
        """The question a draft asks."""
        return cls(json.dumps(draft.data, sort_keys=True, ensure_ascii=False, default=list), variant)

    @property
    def digest(self) -> str:
        """A short name of the question."""
        return hashlib.sha256(f"{self.variant}\n{self.text}".encode()).hexdigest()[:12]


class Cancelled(Exception):  # noqa: N818  not an error: the visitor asked for it
    """The visitor stopped the plan."""


@st.cache_resource(show_spinner="Reading the catalog")
def catalog() -> Catalog:
    """The catalog, with the folder given to ``planner app --catalog`` merged over it. Raises ``InputError``."""
    extra = os.environ.get(CATALOG_VARIABLE)
    return load_catalog(Path(extra) if extra else None)


def version() -> str:
    """The planner's version."""
    try:
        return importlib.metadata.version("ai-compute-planner")
    except importlib.metadata.PackageNotFoundError:
        return "checkout"


def shipped() -> tuple[str, ...]:
    """File names of the shipped scenarios; quickstart first."""
    names = sorted(p.name for p in data_path("scenarios").glob("*.yaml"))
    return tuple(sorted(names, key=lambda name: name != "quickstart.yaml"))


def open_shipped(name: str) -> Draft:
    """A shipped scenario. Raises ``InputError``; a name that is not one of ``shipped`` is refused."""
    if name not in shipped():
        raise InputError(Problem("there is no such scenario", found=name[:80], allowed=", ".join(shipped())))
    return open_bytes(read_bytes(data_path("scenarios") / name), name, data_path("scenarios"))


def open_bytes(content: bytes, name: str, folder: Path | None = None) -> Draft:
    """A scenario from the bytes of a file; ``name`` is only what messages call it. Raises ``InputError``.

    ``folder``: where a file of assumptions that it names is read from; an upload may name none.
    """
    limit = settings().upload_mib
    if len(content) > limit << 20:
        raise InputError(
            Problem("is too large", file=name, found=f"{len(content) / 2**20:.1f} MiB", allowed=f"{limit} MiB")
        )
    text = decode(content, name)
    scenario = load_text(text, name, folder=folder)
    _check_size(scenario)
    _check_names(scenario)
    document = parse(text, name)
    whole, _, _ = with_assumed(document, name, folder)
    # figures of a file of assumptions become the scenario's own: what is downloaded must read without it
    return Draft(whole.data, scenario, name, text if whole is document else to_yaml(dict(whole.data)))


def _check_size(scenario: Scenario) -> None:
    limits = settings()
    problems = [
        Problem(f"too many {what} for the app", path=what, found=str(found), allowed=f"at most {most}")
        for what, found, most in (
            ("sites", len(scenario.sites), limits.sites),
            ("workloads", len(scenario.workloads), limits.workloads),
            ("periods", len(scenario.periods), limits.periods),
        )
        if found > most
    ]
    if problems:
        raise InputError([replace(p, remedy="`planner plan` on the command line has no such limit.") for p in problems])


def _check_names(scenario: Scenario) -> None:
    from planner.scenario import check_scenario

    check_scenario(scenario, catalog())


@st.cache_resource(show_spinner=False)
def _places() -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(settings().concurrent_plans)


def limited(text: str) -> dict[str, Any]:
    """The scenario of a canonical text, its solves held to the app's time and threads."""
    data: dict[str, Any] = json.loads(text)
    limits = settings()
    solve = dict(data.get("solve") or {})
    solve["time_limit_s"] = min(float(solve.get("time_limit_s") or limits.solve_seconds), limits.solve_seconds)
    solve["threads"] = min(int(solve.get("threads") or limits.threads), limits.threads)
    data["solve"] = solve
    return data


@st.cache_data(show_spinner=False, max_entries=settings().cached_plans, ttl=settings().cached_hours * 3600)
def _answer(
    text: str,
    variant: str | None,
    catalog_digest: str,
    planner_version: str,
    _catalog: Catalog,
    _progress: Progress,
    _cancel: Callable[[], bool],
) -> Plan:
    """The plan of a question. The digest and version are there for the key."""
    plan = plan_function()(limited(text), catalog=_catalog, variant=variant, progress=_progress, cancel=_cancel)
    if _cancel():
        raise Cancelled  # what a stopped solve returned is not the answer to keep
    return plan


@dataclass
class Job:
    """One plan being computed in a thread of its own. The page reads it, the thread writes it."""

    question: Question
    stage: str = "Starting"
    fraction: float = 0.0
    plan: Plan | None = None
    problems: tuple[Problem, ...] = ()
    fault: str = ""
    cancelled: bool = False
    started: float = field(default_factory=time.monotonic)
    _stop: threading.Event = field(default_factory=threading.Event)
    _done: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def start(cls, question: Question) -> Self:
        """Begin computing."""
        return cls(question).begin()

    def begin(self) -> Self:
        """Run in a thread; the job itself."""
        threading.Thread(target=self._run, name=f"plan-{self.question.digest}", daemon=True).start()
        return self

    @property
    def done(self) -> bool:
        """Whether there is an answer, or a reason for none."""
        return self._done.is_set()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.started

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end; whether it came."""
        return self._done.wait(timeout_s)

    def cancel(self) -> None:
        """Ask it to stop; the solver's process is ended by the planner."""
        self._stop.set()

    def _progress(self, stage: str, fraction: float) -> None:
        self.stage, self.fraction = stage, min(1.0, max(0.0, float(fraction)))
        if self._stop.is_set():
            raise Cancelled

    @contextmanager
    def _place(self) -> Iterator[None]:
        """A place among the plans computed at the same time."""
        places = _places()
        while not places.acquire(timeout=0.2):
            self.stage = "Waiting for another plan to finish"
            if self._stop.is_set():
                raise Cancelled
        try:
            yield
        finally:
            places.release()

    def _work(self, facts: Catalog) -> None:
        """What is computed, and kept in the job."""
        question = self.question
        self.plan = _answer(
            question.text, question.variant, facts.digest, version(), facts, self._progress, self._stop.is_set
        )

    def _run(self) -> None:
        try:
            facts = catalog()
            with self._place():
                self._work(facts)
        except Cancelled:
            self.cancelled = True
        except PlannerError as error:
            self.cancelled = self._stop.is_set()  # the planner's own word for it is an error too
            self.problems = () if self.cancelled else error.problems
        except Exception:
            _LOG.exception("planning failed")
            self.fault = "The planner failed on this scenario. This is our fault; the server's log says more."
        finally:
            self._done.set()
