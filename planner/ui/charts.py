"""Charts on the page: their words in a colour that the page's theme lets people read."""

from __future__ import annotations

from typing import Any

import streamlit as st

_WORDS = {"light": "#3d4a57", "dark": "#c3ccd5"}


def draw(chart: Any, spoken: str) -> None:
    """Draw a chart; ``spoken``: what it says, for people who do not see it."""
    theme = str(st.context.theme.type or "light")
    st.altair_chart(chart.configure_text(color=_WORDS.get(theme, _WORDS["light"])), width="stretch", alt=spoken)
