"""From a question to its kept plan: asked of the workers, or found among the answers that there are."""

from __future__ import annotations

import hashlib
import json

import streamlit as st

from planner.answer.plan import Plan
from planner.errors import InputError, Problem
from planner.ui import access, service
from planner.ui.service import Question
from planner.ui.settings import settings
from planner.ui.store import PlanRow
from planner.ui.store.store import new_id
from planner.ui.work import Job, Request


def ask(question: Question, name: str, text: str, of: str = "", version: int = 0) -> tuple[PlanRow, Job | None]:
    """A kept plan of a question, and the job that makes it; no job where the answer is there already.

    ``text``: the scenario as a file. ``of``, ``version``: the kept question. Raises ``InputError`` where the visitor
    has too many jobs.
    """
    request = Request(service.limited(question.text), question.variant)
    key, store = service.key_of(request), service.store()
    there = store.answer(key) is not None
    row = PlanRow(
        id=new_id(),
        owner=access.owner(),
        name=name,
        key=key,
        text=text,
        state="done" if there else "waiting",
        question=of,
        version=version,
        variant=question.variant,
        server=service.SERVER,
    )
    row = store.add_plan(row, settings().stored_plans)
    if there:
        return row, None
    try:
        job = submit(request, key)
    except InputError:
        store.change_plan(row.id, state="stopped")
        raise
    _said(job)
    return row, job


def submit(request: Request, key: str, limit_s: float = 0.0) -> Job:
    """Give a request to the workers, for this page. Raises ``InputError``."""
    page = access.page_id()
    return service.pool().submit(request, key, page, access.owner() or page, settings().visitor_plans, limit_s)


def again(row: PlanRow) -> Job | None:
    """Begin a plan that was interrupted, stopped or left once more. Raises ``InputError``."""
    if read_plan(row.key) is not None:
        service.store().change_plan(row.id, state="done")
        return None
    draft = service.open_bytes(row.text.encode(), f"{row.name}.yaml")
    request = Request(service.limited(Question.of(draft, row.variant).text), row.variant)
    key = service.key_of(request)  # another one where the catalog or the planner has changed since
    service.store().change_plan(row.id, key=key, state="waiting", server=service.SERVER, problems="")
    service.store().still_here(service.SERVER)
    job = submit(request, key)
    _said(job)
    return job


def _said(job: Job) -> None:
    """Say of a plan that joins a job which works for somebody else already that it is being worked on."""
    if job.state == "working":
        service.began(job)


def found(row: PlanRow) -> Plan | None:
    """The answer of a kept plan, None where there is none."""
    return read_plan(row.key) if row.state == "done" else None


@st.cache_resource(show_spinner=False, max_entries=128)
def _parsed(key: str, _text: str) -> Plan:
    return Plan.from_json(_text)


def read_plan(key: str) -> Plan | None:
    """The plan kept under a key; plans are never changed, so all pages share one. None too where another version of
    the planner wrote it in a form that this one does not read."""
    text = service.store().answer(key)
    try:
        return None if text is None else _parsed(key, text)
    except InputError:
        return None


def keep_file(name: str, content: bytes) -> PlanRow:
    """Keep the plan of a plan.json. Raises ``InputError``."""
    text = content.decode("utf-8", errors="replace")
    Plan.from_json(text, file=name)
    key = hashlib.sha256(content).hexdigest()
    service.store().keep_answer(key, text)
    row = PlanRow(id=new_id(), owner=access.owner(), name=name, key=key, text="", state="done")
    return service.store().add_plan(row, settings().stored_plans)


def problems_of(row: PlanRow) -> tuple[Problem, ...]:
    """What was wrong, of a plan that failed."""
    return tuple(Problem(**p) for p in json.loads(row.problems)) if row.problems else ()


def name_of(plan_name: str, variant: str | None) -> str:
    """What a new plan is called."""
    return f"{plan_name}, {variant}" if variant else plan_name
