"""How likely a plan keeps its promises, in words."""

from __future__ import annotations

from planner.answer.plan import Plan
from planner.scenario.outcomes import CENTRAL


def percent(chance: float) -> str:
    """A chance in whole per cents, without claiming nought or all."""
    return "over 99%" if chance > 0.995 else "under 1%" if chance < 0.005 else f"{chance:.0%}"


def said(plan: Plan, workload: str, before: str = " ") -> str:
    """The chance of a workload's promise, in brackets, with what was asked; nothing where it is not known."""
    promise = next((p for p in plan.chance.promises if p.workload == workload), None) if plan.chance else None
    if promise is None:
        return ""
    asked = f", {percent(promise.asked)} asked" if promise.asked > CENTRAL else ""
    return f"{before}({percent(promise.chance)} likely to be {'in time' if promise.what == 'date' else 'kept'}{asked})"


def together(plan: Plan) -> str:
    """The chance of all promises together as a sentence; nothing for a single one."""
    chance = plan.chance
    if chance is None or len(chance.promises) < 2:
        return ""
    least, most = percent(chance.all_kept_least), percent(chance.all_kept_most)
    if least == most:
        return f" All promises together: {most} likely."
    return f" All promises together: {least} to {most} likely, by how much the model's errors have in common."
