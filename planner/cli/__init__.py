"""The command line; ``main`` is the entry point, ``run`` the same as a function."""

from planner.cli.base import app
from planner.cli.main import main, run

__all__ = ["app", "main", "run"]
