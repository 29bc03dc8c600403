"""Every environment variable that the planner reads, once: name, meaning, default (docs/settings.md shows the table).

The app's own limits (``PLANNER_APP_...``) are fields of ``planner.ui.settings.Settings``. What is kept for a user lies
where the operating system wants it (XDG on Linux): the cache folder holds only what can be made again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

APP_NAME = "ai-compute-planner"
OFF = frozenset({"off", "no", "0", "false"})


BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def spare_blas_threads() -> None:
    """One thread for NumPy's matrix products, unless the environment says otherwise; before NumPy is imported.

    Those of the planner are small: more threads wait for each other and take a third more processor time for the same
    wall clock.
    """
    for name in BLAS_THREADS:
        os.environ.setdefault(name, "1")


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """The same while the block runs, whoever has imported NumPy; also as a decorator."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield


@dataclass(frozen=True)
class Setting:
    """An environment variable and what it does."""

    name: str
    meaning: str
    default: str


CATALOG = Setting(
    "PLANNER_CATALOG",
    "folder of your own chips, systems and prices, merged over the catalog by every command that is given no "
    "`--catalog`, and by the app",
    "none",
)
ANSWERS = Setting(
    "PLANNER_ANSWERS",
    "how much is answered beside a plan where the scenario's `solve.answers` says nothing: `none`, `fast` or `full`",
    "`fast`",
)
CACHE = Setting(
    "PLANNER_CACHE", "folder of what can be made again (the catalog as it was read); `off` keeps nothing",
    "`ai-compute-planner` in the user's cache folder (`$XDG_CACHE_HOME`, else `~/.cache`)",
)  # fmt: skip
DEBUG = Setting("PLANNER_DEBUG", "anything: a fault of the program shows its traceback", "unset")
LOG = Setting(
    "PLANNER_LOG",
    "level of what is logged on standard error: `debug`, `info` or `warning`; `-v` is `info`, `-vv` is `debug`",
    "`warning`",
)
MEASUREMENTS = Setting(
    "PLANNER_MEASUREMENTS",
    "table of runs that you measured: predictions near them are corrected by every command that plans or estimates; "
    "`--measurements` and a scenario's own `measurements` come before it",
    "none",
)
PLUGINS = Setting(
    "PLANNER_PLUGINS", "`off` uses no catalog, exporter, reader or kind of workload of other packages", "on"
)
STORE = Setting(
    "PLANNER_APP_STORE",
    "where the app keeps questions, plans and measurements: a file, or a SQLAlchemy URL (PostgreSQL too)",
    "`ai-compute-planner/app.sqlite` in the user's data folder (`$XDG_DATA_HOME`, else `~/.local/share`)",
)
APP_PREFIX = Setting("PLANNER_APP_...", "limits of the app, one variable each (docs/app.md)", "see docs/app.md")

SETTINGS = (CATALOG, ANSWERS, CACHE, DEBUG, LOG, MEASUREMENTS, PLUGINS, STORE, APP_PREFIX)


def installed_version() -> str:
    """Version of the installed planner."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(APP_NAME)
    except PackageNotFoundError:
        return "0+unknown"


def value_of(setting: Setting) -> str | None:
    """What the environment says, stripped; None where it says nothing."""
    return os.environ.get(setting.name, "").strip() or None


def cache_folder() -> Path | None:
    """Where what can be made again is kept, made when it is first written; None where nothing shall be kept."""
    said = value_of(CACHE)
    if said is not None:
        return None if said.casefold() in OFF else Path(said).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path(APP_NAME, appauthor=False)
