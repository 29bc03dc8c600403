"""What other packages add, by entry points: catalogs, export formats, readers of logs, kinds of workloads.

A package names them in its own pyproject.toml and is installed beside the planner; docs/plugins.md says what each group
gives and docs/examples/plugin is a whole package. ``PLANNER_PLUGINS=off`` uses none. Only what a command needs is
imported, and a plugin that cannot be is an ``InputError`` that names its package.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.errors import InputError, Problem
from planner.settings import OFF, PLUGINS, value_of

if TYPE_CHECKING:
    from planner.answer.plan import Plan
    from planner.catalog import Catalog

CATALOGS = "ai_compute_planner.catalogs"
"""A folder laid out like a user's own (docs/catalog.md), or a function that returns one."""
EXPORTERS = "ai_compute_planner.exporters"
"""``Exporter``: a format of ``planner export --for NAME``."""
LOG_READERS = "ai_compute_planner.log_readers"
"""``LogReader``: what ``planner validate --cases FILE --reader NAME`` reads measurements with."""
WORKLOADS = "ai_compute_planner.workloads"
"""A kind of workload by its name: a class of ``planner.scenario.kinds.restated.Restated``, a serving load in its own
words."""
GROUPS = {"catalog": CATALOGS, "exporter": EXPORTERS, "log reader": LOG_READERS, "workload": WORKLOADS}

Exporter = Callable[["Plan", "Catalog"], Iterable[tuple[str, "str | bytes"]]]
"""(plan, catalog with the plan's assumptions) -> names and contents of files. May raise ``InputError``."""
LogReader = Callable[[Path], Iterable[Mapping[str, Any]]]
"""file -> rows with the columns of catalog/measurements. May raise ``InputError``."""


def names(group: str) -> dict[str, str]:
    """What is installed of a group: names, each with the package it comes from, in alphabetical order."""
    return {name: package for name, (_, package) in sorted(_found(group).items())}


def load(group: str, name: str) -> Any:
    """The object of an entry point. Raises ``InputError`` where it cannot be imported, ``KeyError`` for no name."""
    entry, package = _found(group)[name]
    try:
        return entry.load()
    except Exception as error:
        raise InputError(
            Problem(
                f"the plugin {name!r} of the package {package} cannot be used: {type(error).__name__}: {error}",
                remedy=f"Mend or uninstall {package}; PLANNER_PLUGINS=off does without plugins.",
            )
        ) from error


def catalog_folders() -> list[Path]:
    """Folders of the installed catalogs, by name. Raises ``InputError`` for one that is no folder."""
    folders = []
    for name, package in names(CATALOGS).items():
        found = load(CATALOGS, name)
        folder = Path(found() if callable(found) else found)
        if not folder.is_dir():
            message = f"the catalog {name!r} of the package {package} is no folder"
            raise InputError(Problem(message, file=str(folder)))
        folders.append(folder)
    return folders


def _found(group: str) -> Mapping[str, tuple[importlib.metadata.EntryPoint, str]]:
    said = value_of(PLUGINS)
    return {} if said is not None and said.casefold() in OFF else _installed(group)


@cache
def _installed(group: str) -> Mapping[str, tuple[importlib.metadata.EntryPoint, str]]:
    found: dict[str, tuple[importlib.metadata.EntryPoint, str]] = {}
    for entry in importlib.metadata.entry_points(group=group):
        package = "?" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"
        found.setdefault(entry.name, (entry, package))
    return found
