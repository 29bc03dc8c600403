"""Plans and questions about them, worked on in processes beside the pages that wait for them."""

from planner.ui.work.pool import Job, Pool
from planner.ui.work.request import PLAN, Request, Result

__all__ = ["PLAN", "Job", "Pool", "Request", "Result"]
