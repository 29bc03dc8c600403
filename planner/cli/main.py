"""The command line. Thin: it reads arguments, calls the same functions as everyone else, and prints what they return.

Exit codes: 0 plan, 2 input, 3 infeasible (with diagnosis), 4 limit reached with a plan, 5 limit reached without,
70 internal, 130 interrupted. Everything a person reads beside the answer goes to standard error, so that ``--json``
leaves nothing but JSON on standard output.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from planner.cli import plan, outlook, supernode, estimate, catalog  # isort: skip

from planner.cli.base import CatalogDir, app, say
from planner.errors import EXIT_INPUT, EXIT_INTERNAL, EXIT_INTERRUPTED, EXIT_OK, PlannerError

COMMANDS = (plan, outlook, supernode, estimate, catalog)
"""Modules that register commands when they are imported, in the order of ``--help``."""


@app.command("app")
def app_command(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port on this machine.")] = 8501,
    catalog: CatalogDir = None,
) -> int:
    """Open the app in a browser."""
    from planner.ui.launch import launch

    return launch(port=port, catalog_dir=catalog)


def run(arguments: Sequence[str] | None = None) -> int:
    """The command line as a function: arguments in, exit code out; errors are told on standard error."""
    command = typer.main.get_command(app)
    try:
        code = command.main(
            args=None if arguments is None else list(arguments), prog_name="planner", standalone_mode=False
        )
        sys.stdout.flush()
    except PlannerError as error:
        for problem in error.problems:
            say(f"error: {problem}")
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        code = EXIT_INTERRUPTED
    except typer.Exit as error:
        code = error.exit_code
    except (BrokenPipeError, SystemExit) as error:
        # the reader went away (a pager, head): nothing is wrong, and nothing more may be written
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except Exception as error:
        if callable(show := getattr(error, "show", None)):  # wrong usage; typer keeps the class of these to itself
            show()
            return EXIT_INPUT
        if os.environ.get("PLANNER_DEBUG"):
            raise
        say(f"internal error: {type(error).__name__}: {error}\nThis is our fault: PLANNER_DEBUG=1 shows more.")
        return EXIT_INTERNAL
    if code == EXIT_INTERRUPTED:  # typer makes an exit of an interrupt
        say("interrupted")
    return int(code or 0)


def main() -> None:
    """Entry point of the ``planner`` command."""
    sys.exit(run())


if __name__ == "__main__":
    main()
