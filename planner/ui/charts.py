"""Charts on the page: their words in a colour that the page's theme lets people read."""

from __future__ import annotations

from typing import Any

import streamlit as st

_WORDS = {"light": "#3d4a57", "dark": "#c3ccd5"}


def draw(chart: Any, spoken: str, *, stretch: bool = True) -> None:
    """Draw a chart; ``spoken``: what it says, for people who do not see it. ``stretch``: as wide as its place, else as
    it was made."""
    colour = _WORDS.get(str(st.context.theme.type or "light"), _WORDS["light"])
    told = chart.configure_text(color=colour)
    told = told.configure_axis(labelColor=colour, titleColor=colour).configure_legend(
        labelColor=colour, titleColor=colour
    )
    st.altair_chart(told, width="stretch" if stretch else "content", alt=spoken)
