"""The frame around the pages: title, navigation, and what every page needs first."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from planner.errors import InputError
from planner.ui import access, service
from planner.ui.settings import settings
from planner.ui.words import show_problems

_PAGES = Path(__file__).parent / "pages"
_ICON = (  # drawn here: an emoji or a symbol would be fetched from the network
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#2f6299"/>'
    '<path d="M8 23V15M14 23V9M20 23V12M26 23V18" stroke="#fff" stroke-width="3.4" stroke-linecap="round"/></svg>'
)


def main() -> None:
    """Set the page up and run the one that was asked for."""
    st.set_page_config(
        page_title="AI compute planner",
        page_icon=_ICON,
        layout="wide",
        initial_sidebar_state=360,
        menu_items={"Get help": None, "Report a bug": None, "About": f"AI compute planner {service.version()}"},
    )
    page = st.navigation(
        [
            st.Page(_PAGES / "plan.py", title="Plan", icon=":material/architecture:", default=True),
            st.Page(_PAGES / "outlook.py", title="Outlook", icon=":material/query_stats:"),
            st.Page(_PAGES / "compare.py", title="Compare", icon=":material/compare:"),
            st.Page(_PAGES / "catalog.py", title="Catalog", icon=":material/menu_book:"),
            st.Page(_PAGES / "accuracy.py", title="Accuracy", icon=":material/target:"),
            st.Page(_PAGES / "help.py", title="Help", icon=":material/help:"),
        ],
        position="top",
    )
    try:
        settings()
        service.catalog()
        service.store()
    except InputError as error:
        st.title("The planner cannot start")
        show_problems("Its settings or catalog", error.problems)
        st.stop()
    access.let_in()
    page.run()
