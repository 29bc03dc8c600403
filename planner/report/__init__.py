"""A plan as a page a person can read: on a terminal, as one HTML file, and as rows for the app."""

from planner.report.console import console
from planner.report.diff import diff_rows, diff_table
from planner.report.page import html_page

__all__ = ["console", "diff_rows", "diff_table", "html_page"]
