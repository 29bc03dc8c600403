"""What a visitor sees before there is an answer: the question that is open, and examples to begin with."""

from __future__ import annotations

import streamlit as st

from planner.ui import places, service
from planner.ui.service import Example
from planner.ui.state import Visit
from planner.ui.words import md

_KINDS = {
    "serving": "Serve users",
    "training": "Train a model",
    "recurring_training": "Retrain",
    "post_training": "Reinforce",
    "recommendation": "Recommend",
    "encoding": "Embed and rank",
    "diffusion": "Images and video",
    "agents": "Agents",
}
"""Kinds of work that people look for; the others are found under all."""


def welcome(v: Visit) -> None:
    """Draw it."""
    st.header("What AI compute to buy, build or rent", anchor=False)
    st.markdown(
        "Change the numbers in the form (on a small screen behind »), press **Plan**: the answer says what to get, "
        "what it costs, how long it takes, how sure that is, what limits it, what would change it, and why not the "
        "others."
    )
    if v.draft is not None:
        st.markdown(
            f"Open now: **{md(v.draft.scenario.name)}** :gray[{md(' '.join(v.draft.scenario.description.split()))}]"
        )
    with st.container(horizontal=True):
        st.button(
            "Plan this question", key="welcome.plan", type="primary", icon=":material/play_arrow:", on_click=v.want
        )
        if st.button("Build your own", key="welcome.build", icon=":material/construction:"):
            st.switch_page(places.page("build"))
    st.subheader("Or begin with an example", anchor=False)
    found = service.examples()
    kind = st.pills(
        "What the example is about", [k for k in _KINDS if any(k in e.kinds for e in found)],
        format_func=lambda k: _KINDS[k], key="welcome.kind", label_visibility="collapsed",
    )  # fmt: skip
    shown = [e for e in found if kind is None or kind in e.kinds]
    for start in range(0, len(shown), 3):
        for place, example in zip(st.columns(3), shown[start : start + 3], strict=False):
            with place.container(border=True, height="stretch"):
                _card(v, example)


def _card(v: Visit, example: Example) -> None:
    is_open = v.draft is not None and v.draft.origin == example.file and not v.question_id
    st.markdown(f"**{md(example.title)}**  \n{md(example.description)}")
    st.button(
        "Open" if not is_open else "Is open", key=f"welcome.{example.file}", on_click=v.open_shipped,
        args=(example.file,), disabled=is_open, width="stretch", help=f"Opens {example.title}",
    )  # fmt: skip
