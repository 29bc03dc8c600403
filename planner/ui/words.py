"""Text on the page: what comes from files is shown as it is written, never as markup."""

from __future__ import annotations

import re
from collections.abc import Sequence

import streamlit as st

from planner.errors import Problem
from planner.report.format import clean

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$<>:&^=])")


def md(text: object) -> str:
    """Text in which Markdown, links, emoji codes and formulas mean nothing."""
    return _MARKUP.sub(r"\\\1", clean(text))


def show_problems(about: str, problems: Sequence[Problem]) -> None:
    """What is wrong, where, what was found, what would be accepted, the nearest name and the remedy."""
    count = len(problems)
    st.error(f"**{md(about)}**: {'one problem' if count == 1 else f'{count} problems'}. Nothing else changed.")
    for problem in problems[:20]:
        where = f"{problem.file}, line {problem.line}" if problem.file and problem.line else problem.file
        if not where and problem.line:
            where = f"line {problem.line}"
        head = " · ".join(f"**{md(part)}**" for part in (where, problem.path) if part)
        lines = [f"{head}: {md(problem.message)}" if head else md(problem.message)]
        for name, value in (
            ("Found", problem.found),
            ("Allowed", problem.allowed),
            ("Did you mean", problem.nearest),
            ("Remedy", problem.remedy),
        ):
            if value:
                lines.append(f"{name}: {md(value)}")
        st.markdown("- " + "  \n  ".join(lines))
    if count > 20:
        st.caption(f"and {count - 20} more")
