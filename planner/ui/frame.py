"""The frame around the pages: title, navigation, and what every page needs first."""

from __future__ import annotations

import streamlit as st

from planner.errors import InputError
from planner.ui import access, service
from planner.ui.places import pages
from planner.ui.settings import settings
from planner.ui.words import show_problems

_ICON = (  # drawn here: an emoji or a symbol would be fetched from the network
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#2f6299"/>'
    '<path d="M8 23V15M14 23V9M20 23V12M26 23V18" stroke="#fff" stroke-width="3.4" stroke-linecap="round"/></svg>'
)

_STYLE = """<style>
[data-testid="stMainBlockContainer"] {padding: 3.3rem clamp(.8rem, 2.2vw, 2.6rem) 3rem;}
[data-testid="stMainBlockContainer"] h2 {line-height: 1.3; padding-top: .2rem;}
[data-testid="stTopNavLink"] span {color: inherit !important;}
button[data-selected="true"], button[data-selected="true"] p {color: inherit !important;}
[data-testid="stSidebarHeader"] {height: 3rem; padding-bottom: 0; margin-bottom: 0;}
.stTabs [data-baseweb="tab-list"] {flex-wrap: wrap;}
[data-testid="stCaptionContainer"] {color: inherit; opacity: .84;}
.st-key-narrow {display: none;}
@media (max-width: 767px) {.st-key-narrow {display: flex;}}
</style>"""


_LEAVES = """<script>
if (!window.plannerLeaves) {
  window.plannerLeaves = true;
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) { window.plannerSocket = this; return send.call(this, data); };
  window.addEventListener("pagehide", () => { if (window.plannerSocket) { window.plannerSocket.close(); } });
}
</script>"""
"""A page that is left for another one may sleep in the browser with its connection open and its plan at work: it closes
the connection as it goes. Come back to, it connects again by itself."""


def main() -> None:
    """Set the page up and run the one that was asked for."""
    st.set_page_config(
        page_title="AI compute planner",
        page_icon=_ICON,
        layout="wide",
        initial_sidebar_state=360,
        menu_items={"Get help": None, "Report a bug": None, "About": f"AI compute planner {service.version()}"},
    )
    page = st.navigation(pages(), position="top")
    try:
        settings()
        service.catalog()
        service.store()
        service.make_ready()
    except InputError as error:
        st.title("The planner cannot start")
        show_problems("Its settings or catalog", error.problems)
        st.stop()
    st.html(_STYLE)
    st.html(_LEAVES, unsafe_allow_javascript=True)
    st.logo(_ICON, size="small", link=None)
    access.let_in()
    page.run()
