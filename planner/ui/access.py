"""Who is here: a page (for the work that it waits for), and, where people sign in, a person (for what they keep).

Signing in is Streamlit's own: an ``[auth]`` section in ``.streamlit/secrets.toml`` names an OpenID provider. Without
one everybody who reaches the app shares one workspace.
"""

from __future__ import annotations

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError
from streamlit.runtime import Runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

SHARED = ""
"""The owner of what everybody shares."""


def signs_in() -> bool:
    """Whether this app asks people to sign in."""
    try:
        return "auth" in st.secrets
    except StreamlitSecretNotFoundError:
        return False


def owner() -> str:
    """Whose workspace the visitor has."""
    if not signs_in():
        return SHARED
    return str(st.user.get("email") or st.user.get("sub") or "") if st.user.is_logged_in else ""


def page_id() -> str:
    """The open page."""
    context = get_script_run_ctx()
    return context.session_id if context is not None else ""


def is_here(page: str) -> bool:
    """Whether a page is still open."""
    return not Runtime.exists() or Runtime.instance().is_active_session(page)


def let_in() -> None:
    """Ask for signing in where the app wants it, and stop the page until it is done."""
    if not signs_in() or st.user.is_logged_in:
        return
    st.header("Sign in", anchor=False)
    st.markdown("This planner keeps the questions and plans of each person apart. Links that you share can be read.")
    st.button("Sign in", type="primary", on_click=st.login)
    st.stop()


def who() -> None:
    """Who is signed in, and the way out; nothing where nobody signs in."""
    if signs_in() and st.user.is_logged_in:
        st.caption(f"Signed in as {owner()}")
        st.button("Sign out", on_click=st.logout, key="access.out")
