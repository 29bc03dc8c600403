"""The ``ai-compute-planner`` command: the ``planner`` command under a name that no other package takes.

Another package on PyPI installs a module and a command called ``planner``. Where that one is found first, this says so
instead of ending in a traceback about a name it does not have.
"""

from __future__ import annotations

import importlib.util
import sys


def main() -> None:
    """Run the planner, or say which other module hides it (exit code 2)."""
    try:
        from planner.settings import APP_NAME
    except ImportError as error:
        if error.name is not None and not error.name.startswith("planner"):
            raise
        APP_NAME = ""
    if APP_NAME != "ai-compute-planner":
        sys.stderr.write(_hidden() + "\n")
        sys.exit(2)
    from planner.cli import main as run

    run()


def _hidden() -> str:
    try:
        found = importlib.util.find_spec("planner")
    except (ImportError, ValueError):
        found = None
    where = "nowhere" if found is None else found.origin or ", ".join(found.submodule_search_locations or ()) or "?"
    return (
        f"error: the module 'planner' that Python finds first is not that of ai-compute-planner: {where}\n"
        "Another package or a file of yours has its name. Rename the file, or `pip uninstall planner` and"
        " `pip install --force-reinstall ai-compute-planner`, or use a virtual environment of its own."
    )


if __name__ == "__main__":
    main()
