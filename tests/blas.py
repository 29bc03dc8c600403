"""Imported by ``conftest`` before anything that imports NumPy: tests run side by side, each with a thread."""

from planner.settings import spare_blas_threads

spare_blas_threads()
