"""The three walls that a plan stands between: communication, power and cooling, complexity; which of them binds.

Pure functions of a plan, its scenario and its catalog, without a solver: what plans know already (times by cause, what
one more unit of a limit is worth, rivals) is put together, so that ``planner.verify`` can put it together again.
"""

from __future__ import annotations

from planner.walls.binding import walls_of

__all__ = ["walls_of"]
