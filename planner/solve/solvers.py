"""Names of solvers, and whether one can take a program; loads none of them.

`auto`, `highs`, `cpsat`, `split` and `brute` come with the planner. Those of `OTHER` are solvers that PuLP knows: the
user's own installation and licence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from planner.solve.form import Program
from planner.solve.integers import ImpossibleError, RefusedError, integer_image
from planner.solve.tighten import tightened_bounds

OWN = ("auto", "highs", "cpsat", "cpsat_grid", "brute", "split")
MOST_POINTS = 2_000_000
"""Points of integer columns that `brute` enumerates at most."""


@dataclass(frozen=True)
class Other:
    """A solver by PuLP: what people call it, and PuLP's classes for it, the first that is available."""

    title: str
    classes: tuple[str, ...]


OTHER = {
    "cbc": Other("CBC", ("PULP_CBC_CMD", "COIN_CMD")),
    "scip": Other("SCIP", ("SCIP_PY", "SCIP_CMD", "FSCIP_CMD")),
    "gurobi": Other("Gurobi", ("GUROBI", "GUROBI_CMD")),
    "cplex": Other("CPLEX", ("CPLEX_PY", "CPLEX_CMD")),
    "xpress": Other("Xpress", ("XPRESS_PY", "XPRESS")),
    "copt": Other("COPT", ("COPT", "COPT_CMD")),
    "mosek": Other("MOSEK", ("MOSEK",)),
}


def classes_of(name: str) -> tuple[str, ...]:
    """PuLP's classes for a solver of `OTHER`."""
    return OTHER[name].classes


def refusal(program: Program, backend: str) -> str:
    """Why a backend cannot take this program; empty where it can. For those who choose it, before it is run."""
    if backend in ("cpsat", "cpsat_grid"):
        try:
            integer_image(program, grid=True)
        except RefusedError as refused:
            return str(refused)
        except ImpossibleError:
            return ""
    if backend == "brute":
        points = _points(program)
        if points > MOST_POINTS:
            many = f"{points:.3g} points" if math.isfinite(points) else "endlessly many points"
            return f"{many} would have to be tried, {MOST_POINTS:,} can be"
    if backend in OTHER:
        import pulp

        kinds = [k for k in classes_of(backend) if _available(pulp, k)]
        if not kinds:
            return f"PuLP finds no {OTHER[backend].title} here (looked for as {', '.join(classes_of(backend))})"
    return ""


def _points(program: Program) -> float:
    lower, upper, possible = tightened_bounds(program)
    if not possible:
        return 0.0
    whole = program.integer
    lower = np.where(np.isfinite(program.lower), program.lower, lower)[whole]
    upper = np.where(np.isfinite(program.upper), program.upper, upper)[whole]
    if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
        return math.inf
    counts = np.log(np.maximum(np.floor(upper + 1e-9) - np.ceil(lower - 1e-9) + 1.0, 1.0))
    return float(np.exp(min(700.0, float(counts.sum()))))


def _available(pulp: object, kind: str) -> bool:
    try:
        return bool(pulp.getSolver(kind, msg=False).available())  # type: ignore[attr-defined]
    except Exception:  # a solver's library may raise what it likes where it is half installed
        return False
