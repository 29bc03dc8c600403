"""The ``ai-compute-planner`` command: the ``planner`` command under a name that no other package takes.

Another package on PyPI installs a module and a command called ``planner``. Where that one is found first, this says so
instead of ending in a traceback about a name it does not have.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def main() -> None:
    """Run the planner, or say which other module hides it (exit code 2)."""
    try:
        import planner
        from planner import settings

        ours = Path(planner.__file__ or "").parent == Path(settings.__file__).parent
        ours = ours and settings.APP_NAME == "ai-compute-planner"
    except (ImportError, AttributeError) as error:
        name = getattr(error, "name", None)
        if isinstance(error, ImportError) and name is not None and not name.startswith("planner"):
            raise
        ours = False
    if not ours:
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
