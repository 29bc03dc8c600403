"""A plan as a page a person can read: on a terminal, as one HTML file, and as rows for the app."""

from planner.report.console import comparison as console_comparison
from planner.report.console import console
from planner.report.page import html_page

__all__ = ["console", "console_comparison", "html_page"]
