"""The app's limits, each named, described and settable from outside, and the server options it starts with.

A limit is read from the environment variable ``PLANNER_APP_`` + its name in capitals, for example
``PLANNER_APP_SOLVE_SECONDS=60``. A value that is no number, or out of bounds, is an ``InputError``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from dataclasses import field as _field
from functools import cache
from typing import Any

from planner.errors import InputError, Problem

PREFIX = "PLANNER_APP_"


def _limit(default: float, about: str, least: float, most: float) -> Any:
    return _field(default=default, metadata={"about": about, "least": least, "most": most})


@dataclass(frozen=True, slots=True)
class Settings:
    """Limits of one running app."""

    upload_mib: int = _limit(1, "largest scenario or plan file that is read, MiB", 1, 4)
    solve_seconds: float = _limit(120.0, "longest a solve may take, whatever the scenario asks for, seconds", 1, 3600)
    question_seconds: float = _limit(
        300.0, "longest a question about an answer (Outlook page) may take in all, seconds", 1, 36_000
    )
    front_points: int = _limit(15, "most plans of a front on the Outlook page", 2, 200)
    concurrent_plans: int = _limit(
        min(max(os.cpu_count() or 1, 2), 8), "plans computed at the same time over all visitors; more wait", 1, 64
    )
    visitor_plans: int = _limit(2, "plans of one visitor waited for or worked on at the same time", 1, 64)
    stored_plans: int = _limit(5000, "plans kept in all; the oldest without a note go first", 1, 10_000_000)
    compared_plans: int = _limit(6, "plans side by side", 2, 8)
    sites: int = _limit(50, "sites in a scenario", 1, 1000)
    workloads: int = _limit(50, "workloads in a scenario", 1, 1000)
    periods: int = _limit(24, "periods in a scenario", 1, 1000)
    threads: int = _limit(2, "solver threads of one plan", 1, 64)
    table_rows: int = _limit(2000, "rows shown of a long table", 10, 100_000)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Defaults, replaced by what the environment says. Raises ``InputError`` with every wrong one."""
        given: dict[str, Any] = {}
        problems: list[Problem] = []
        for item in fields(cls):
            text = environment.get(PREFIX + item.name.upper())
            if text is None:
                continue
            least, most = item.metadata["least"], item.metadata["most"]
            whole = isinstance(item.default, int)
            try:
                value = int(text) if whole else float(text)
            except ValueError:
                value = float("nan")
            if least <= value <= most:
                given[item.name] = value
            else:
                problems.append(
                    Problem(
                        item.metadata["about"],
                        path=PREFIX + item.name.upper(),
                        found=text[:40],
                        allowed=f"{'a whole number' if whole else 'a number'} from {least:g} to {most:g}",
                    )
                )
        if problems:
            raise InputError(problems)
        return cls(**given)


@cache
def settings() -> Settings:
    """The limits of this process."""
    return Settings.from_environment(os.environ)


SERVER_OPTIONS: Mapping[str, str | int | bool | list[str] | list[int]] = {
    "server.address": "127.0.0.1",
    "server.headless": True,
    "server.maxUploadSize": 4,
    "server.maxMessageSize": 50,
    "server.fileWatcherType": "none",
    "server.allowedHosts": ["127.0.0.1", "localhost"],
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",
    "runner.magicEnabled": False,
    "client.toolbarMode": "minimal",
    "theme.font": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif",
    "theme.paddingTop": "1.6rem",
    "theme.baseRadius": "0.45rem",
    "theme.showWidgetBorder": True,
    "theme.metricValueFontSize": "1.45rem",
    "theme.metricValueFontWeight": 600,
    "theme.headingFontSizes": ["1.6rem", "1.15rem", "1.05rem", "1rem", "0.95rem", "0.9rem"],
    "theme.headingFontWeights": [650, 650, 650, 600, 600, 600],
    "theme.chartCategoricalColors": [
        "#3f7fc4",
        "#d9730d",
        "#2a9187",
        "#c2497f",
        "#8d63c9",
        "#9c7d12",
        "#66788a",
        "#4f8f2f",
    ],
    "theme.light.primaryColor": "#2f6299",
    "theme.light.backgroundColor": "#ffffff",
    "theme.light.secondaryBackgroundColor": "#f4f6f9",
    "theme.light.textColor": "#1d2733",
    "theme.light.borderColor": "#d9e0e7",
    "theme.light.grayTextColor": "#5b6875",
    "theme.light.grayBackgroundColor": "#eef1f5",
    "theme.light.linkColor": "#2a5a8f",
    "theme.dark.linkColor": "#8fbdee",
    "theme.dark.primaryColor": "#3a78bd",
    "theme.dark.backgroundColor": "#12181f",
    "theme.dark.secondaryBackgroundColor": "#1a222b",
    "theme.dark.textColor": "#e3e8ee",
    "theme.dark.borderColor": "#313c48",
    "theme.dark.grayTextColor": "#9aa7b4",
    "theme.dark.grayBackgroundColor": "#222c36",
}
"""What Streamlit is started with by ``planner app``; ``.streamlit/config.toml`` says the same for a checkout.

CORS and XSRF protection stay on, as Streamlit has them; so do both when the app is put behind a proxy.
"""
