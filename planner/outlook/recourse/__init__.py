"""Two-stage plans: what is bought now is fixed, what comes later follows what was learned."""

from planner.outlook.recourse.ask import recourse
from planner.outlook.recourse.result import KeptPromise, Later, Recourse

__all__ = ["KeptPromise", "Later", "Recourse", "recourse"]
