"""The scenarios that come with the planner, by name: ``quickstart`` is ``scenarios/quickstart.yaml``."""

from __future__ import annotations

import os
from pathlib import Path

from planner.catalog.load import data_path
from planner.errors import InputError, Problem, nearest_name

STDIN = "-"
"""What stands for standard input in the place of a file."""


def shipped_scenarios() -> dict[str, Path]:
    """Files of the scenarios that come with the planner, by name."""
    return {path.stem: path for path in sorted(data_path("scenarios").glob("*.yaml"))}


def scenario_file(name: Path | str) -> Path:
    """The file that a name stands for: itself where it is there, else the shipped scenario of that name.

    Only a bare word can be a shipped name; a path, or anything with an ending, is a file. Raises ``InputError`` with
    the nearest shipped name for a bare word that is neither.
    """
    path = Path(name)
    if path.suffix or len(path.parts) != 1 or os.path.exists(path):  # noqa: PTH110 - False for names that no file can have
        return path
    known = shipped_scenarios()
    if path.name in known:
        return known[path.name]
    raise InputError(
        Problem(
            "there is neither such a file nor a shipped scenario of this name",
            file=str(path) if len(str(path)) <= 60 else f"{str(path)[:30]}...",
            nearest=nearest_name(path.name, list(known)),
            allowed=", ".join(known),
        )
    )
