"""What the pages ask for: the catalog, the shipped scenarios, the store, and the workers that plan.

The only module of the app that reads the planner's inputs. Answers are kept by question: the canonical scenario, the
variant, the catalog's digest and the planner's version. They are shared by all visitors and never changed.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import json
import os
import secrets
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import streamlit as st

from planner.catalog import Catalog, load_catalog
from planner.catalog.load import data_path
from planner.errors import InputError, Problem
from planner.report.names import short_names, system_names
from planner.scenario import Scenario, load_text, scenario_from_mapping
from planner.scenario.assumed import with_assumed
from planner.scenario.yaml import decode, parse, read_bytes, to_yaml
from planner.settings import installed_version
from planner.ui.access import is_here
from planner.ui.launch import CATALOG_VARIABLE
from planner.ui.settings import settings
from planner.ui.store import Store, store_url
from planner.ui.work import Job, Pool, Request
from planner.ui.work.pool import Runner
from planner.ui.work.process import Worker

SERVER = secrets.token_hex(8)
"""This process, in the store: a plan that another one began and says no more about was interrupted."""


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
        return cls(canonical(draft.data), variant)

    @property
    def digest(self) -> str:
        """A short name of the question."""
        return hashlib.sha256(f"{self.variant}\n{self.text}".encode()).hexdigest()[:12]


def canonical(data: Any) -> str:
    """Plain data as the one text that says it."""
    return json.dumps(data, sort_keys=True, ensure_ascii=False, default=list)


@st.cache_resource(show_spinner="Reading the catalog")
def catalog() -> Catalog:
    """The catalog, with the folder given to ``planner app --catalog`` merged over it. Raises ``InputError``."""
    extra = os.environ.get(CATALOG_VARIABLE)
    return load_catalog(Path(extra) if extra else None)


@st.cache_resource(show_spinner=False)
def names() -> Mapping[str, str]:
    """What systems and chips are called, by id."""
    return system_names(catalog())


@st.cache_resource(show_spinner=False)
def short() -> Mapping[str, str]:
    """Systems, chips and coolings in a few words, by id."""
    return short_names(catalog())


def version() -> str:
    """The planner's version."""
    return installed_version()


def shipped() -> tuple[str, ...]:
    """File names of the shipped scenarios; quickstart first."""
    names = sorted(p.name for p in data_path("scenarios").glob("*.yaml"))
    return tuple(sorted(names, key=lambda name: name != "quickstart.yaml"))


@dataclass(frozen=True)
class Example:
    """A shipped scenario, as a list shows it."""

    file: str
    title: str
    description: str
    kinds: frozenset[str]


@st.cache_resource(show_spinner=False)
def examples() -> tuple[Example, ...]:
    """Every shipped scenario by its title, in the order of ``shipped``."""
    found = []
    for name in shipped():
        data = parse(decode(read_bytes(data_path("scenarios") / name), name), name).data
        kinds = frozenset(str(w.get("kind", "training")) for w in data.get("workloads", ()))
        found.append(Example(name, str(data["name"]), " ".join(str(data.get("description", "")).split()), kinds))
    return tuple(found)


def title_of(name: str) -> str:
    """What a shipped scenario is called."""
    return next((e.title for e in examples() if e.file == name), name)


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


def limited(text: str) -> str:
    """The scenario of a canonical text, its solves held to the app's time and threads, as canonical text."""
    data: dict[str, Any] = json.loads(text)
    limits = settings()
    solve = dict(data.get("solve") or {})
    solve["time_limit_s"] = min(float(solve.get("time_limit_s") or limits.solve_seconds), limits.solve_seconds)
    solve["threads"] = min(int(solve.get("threads") or limits.threads), limits.threads)
    data["solve"] = solve
    return canonical(data)


@st.cache_resource(show_spinner=False)
def store() -> Store:
    """What the app keeps. Raises ``InputError`` where it cannot be used."""
    return Store(store_url())


def hire() -> Runner:
    """A worker; tests put another one here."""
    return Worker()


def _hired() -> Runner:
    return hire()  # looked up when it is called: a test's is another


@st.cache_resource(show_spinner=False)
def pool() -> Pool:
    """The workers of this server."""
    return Pool(
        settings().concurrent_plans, _hired, is_here, _ended, beat=lambda: store().still_here(SERVER), began=began
    )


@st.cache_resource(show_spinner=False)
def make_ready() -> None:
    """Once a server, beside the first page: workers that have everything imported, and a heap that is quick to clean.

    Streamlit collects garbage after every run of a page, over every object there is; the catalog alone has a million,
    and they stay.
    """
    catalog(), names(), short(), examples()
    threading.Thread(target=_make_ready, args=(pool(),), name="planner-ready", daemon=True).start()


def _make_ready(workers: Pool) -> None:
    workers.ready()
    for module in ("pandas", "altair", "planner.plots.answer_charts"):
        importlib.import_module(module)
    gc.collect()
    gc.freeze()


def began(job: Job) -> None:
    """Say of every plan that waits for a job that it is being worked on."""
    store().move(job.key, SERVER, "working")


def _ended(job: Job) -> None:
    """Keep what came of a job, and say so of every plan that waits for it."""
    if job.result.document:
        store().keep_answer(job.key, job.result.document)
    problems = job.result.problems or ((Problem(job.result.fault),) if job.result.fault else ())
    store().move(job.key, SERVER, job.state, json.dumps([asdict(p) for p in problems]) if problems else "")


def key_of(request: Request) -> str:
    """The name of the answer to a request: of this catalog and this version of the planner."""
    return request.key(catalog().digest, version())
