"""The pages of the app, by name."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_PAGES = Path(__file__).parent / "pages"
_SHOWN = (
    ("plan", "Plan", ":material/architecture:"),
    ("build", "Build", ":material/construction:"),
    ("outlook", "Outlook", ":material/query_stats:"),
    ("supernode", "Supernode", ":material/hub:"),
    ("compare", "Compare", ":material/compare:"),
    ("workspace", "Workspace", ":material/folder_open:"),
    ("catalog", "Catalog", ":material/menu_book:"),
    ("accuracy", "Accuracy", ":material/target:"),
    ("help", "Help", ":material/help:"),
)
HOME = "plan"


def pages() -> list[st.Page]:
    """Those of the navigation, and the one that links of plans lead to."""
    shown = [page(name) for name, _, _ in _SHOWN if (_PAGES / f"{name}.py").is_file()]
    return [*shown, page("shared")]


def page(name: str) -> st.Page:
    """A page to go to."""
    if name == "shared":
        return st.Page(_PAGES / "shared.py", title="A plan", url_path="plan", visibility="hidden")
    title, icon = next((t, i) for n, t, i in _SHOWN if n == name)
    path = "question" if name == HOME else name  # the home page has the root, and keeps its name from others
    return st.Page(_PAGES / f"{name}.py", title=title, icon=icon, default=name == HOME, url_path=path)
