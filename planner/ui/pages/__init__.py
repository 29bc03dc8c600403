"""The pages: scripts that Streamlit runs, one a page."""
