"""The address of the Plan page: which plan, question, scenario and variant are open. A reload, Back and another tab
find them by it."""

from __future__ import annotations

import streamlit as st

from planner.errors import Problem
from planner.ui import service
from planner.ui.state import Visit

_LAST = "address.last"
_NAMES = ("plan", "question", "scenario", "variant")


def arrive(v: Visit) -> None:
    """Open what the address names, where it is not what is open; the first shipped scenario for an empty one."""
    asked = {name: st.query_params[name] for name in _NAMES if st.query_params.get(name)}
    if v.draft is not None and (not asked or asked == st.session_state.get(_LAST)):
        return
    st.session_state[_LAST] = asked
    names, unknown = service.shipped(), []
    if "plan" in asked and not v.open_plan(asked["plan"]):
        unknown.append(_none("plan", asked["plan"]))
    if "question" in asked and not v.open_question(asked["question"]):
        unknown.append(_none("question", asked["question"]))
    if "scenario" in asked and not {"plan", "question"} & set(asked):
        wanted = f"{asked['scenario']}.yaml"
        if wanted in names:
            v.open_shipped(wanted, asked.get("variant"))
        else:
            unknown.append(_none("scenario", asked["scenario"], ", ".join(n.removesuffix(".yaml") for n in names)))
    if v.draft is None and names and not v.problems:
        v.open_shipped(names[0])
    if unknown:
        v.complain("This address", tuple(unknown))


def show(v: Visit) -> None:
    """Write what is open into the address."""
    now: dict[str, str] = {}
    plan = v.waiting.id if v.waiting is not None else v.plan_id
    if plan:
        now["plan"] = plan
    if v.question_id:
        now["question"] = v.question_id
    elif v.draft is not None and v.draft.origin in service.shipped():
        now["scenario"] = v.draft.origin.removesuffix(".yaml")
        if v.variant:
            now["variant"] = v.variant
    if {n: st.query_params.get(n) for n in now} != now or any(n in st.query_params for n in _NAMES if n not in now):
        st.query_params.from_dict(now)
    st.session_state[_LAST] = now


def link(plan_id: str) -> str:
    """The address that shows a plan to whoever opens it."""
    url = (st.context.url or "").split("?")[0]
    base = url.rsplit("/", 1)[0] if url.count("/") > 2 else url
    return f"{base}/plan?id={plan_id}"


def _none(what: str, name: str, allowed: str = "") -> Problem:
    return Problem(f"there is no such {what}", found=name[:80], allowed=allowed)
