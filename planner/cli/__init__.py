"""The command line; ``main`` is the entry point, ``run`` the same as a function."""

from planner.settings import spare_blas_threads

spare_blas_threads()

from planner.cli.base import app  # noqa: E402 - the environment is read as NumPy is imported
from planner.cli.main import main, run  # noqa: E402

__all__ = ["app", "main", "run"]
