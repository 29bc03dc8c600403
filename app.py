"""The app: ``streamlit run app.py``, or ``planner app``. Only a frame; the pages are in ``planner/ui``."""

from planner.ui.frame import main

main()
