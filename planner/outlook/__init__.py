"""Answers about the answer, each found by solving again: what else was possible, what would change it, how sure it is.

    pareto        no plan is better in one of some objectives and as good in the others
    alternatives  plans nearly as cheap as the best one that differ from it most
    sensitivity   which figure, moved within its interval, changes the decision, and where
    outlook       the plan in sampled futures: what it costs, whether it is in time, whether waiting is better
    recourse      what to buy first when the rest may follow what was learned (``planner.outlook.recourse``)
    measure       which run to make before deciding, and what it is worth (``planner.outlook.measure``)

Stands after ``api`` on the road: everything here asks the planner, and nothing on the road knows of it.
"""

from planner.outlook.ahead import outlook
from planner.outlook.near import alternatives
from planner.outlook.pareto import pareto
from planner.outlook.result import Alternatives, Outlook, ParetoFront, Sensitivity
from planner.outlook.sensitivity import sensitivity

__all__ = ["Alternatives", "Outlook", "ParetoFront", "Sensitivity", "alternatives", "outlook", "pareto", "sensitivity"]
