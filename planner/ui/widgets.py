"""One input of a form as a widget."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import streamlit as st

from planner.ui.inputs import Input


def widget(item: Input, key: str, on_change: Callable[[], None] | None = None) -> Any:
    """Draw an input; what it says, in the shown unit. A widget's own state comes before the scenario's value.
    ``on_change`` is called before the page is drawn anew, whichever page that is."""
    called = item.called.get
    if item.kind == "names":
        return st.multiselect(
            item.label, item.options, default=list(item.value), key=key, on_change=on_change, help=item.help,
            placeholder=item.empty or "Choose", format_func=lambda v: called(v, v),
        )  # fmt: skip
    if item.kind == "choice":
        index = item.options.index(item.value) if item.value in item.options else None
        return st.selectbox(
            item.label, item.options, index=index, key=key, on_change=on_change, help=item.help,
            format_func=lambda v: called(v, v), placeholder=item.empty or "Choose",
        )  # fmt: skip
    if item.kind == "switch":
        return st.toggle(item.label, value=bool(item.value), key=key, on_change=on_change, help=item.help)
    if item.kind == "text":
        return st.text_input(
            item.label, value=item.value, key=key, on_change=on_change, help=item.help, placeholder=item.empty or None
        )
    if item.kind == "yaml":
        return st.text_area(
            item.label,
            value=item.value,
            key=key,
            on_change=on_change,
            help=item.help,
            height=80,
            placeholder=item.empty or "not set",
        )
    whole = item.kind == "whole"
    # without bounds: a browser keeps a number out of bounds on the page, tells nobody, and the next plan is of the old
    # one; here it is refused with the reason and what is allowed
    return st.number_input(
        item.label,
        value=item.value,
        step=_step(item.value, whole=whole),
        format="%d" if whole else "%g",
        key=key,
        on_change=on_change,
        help=item.help,
        placeholder=item.empty or None,
    )


def _step(value: float | int | None, *, whole: bool) -> float | int:
    """About a tenth of the value, a power of ten."""
    if not value:
        return 1 if whole else 0.1
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    return max(1, int(step)) if whole else float(f"{step:.0e}")
