"""How likely a plan keeps its promises, in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from planner.answer.plan import AtConfidence, Plan, PlanAt
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


def hardware_of(plan: Plan | PlanAt) -> str:
    """Systems of a plan by kind, most first: ``247 mi300x_8``."""
    counts: dict[str, int] = defaultdict(int)
    for x in plan.deployments if plan.fleet is None else plan.fleet.lots:
        counts[x.system] += x.systems
    return " and ".join(f"{n:,} {name}" for name, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def price_of_more(plan: Plan, money: Callable[[float], str]) -> str:
    """What other confidences cost, as a sentence with a blank before; nothing where none was priced.

    ``money`` writes an amount of USD.
    """
    told = [text for x in plan.at_confidences if (text := _at(x, money))]
    return f" {'; '.join(told)[0].upper()}{'; '.join(told)[1:]}." if told else ""


def _at(x: AtConfidence, money: Callable[[float], str]) -> str:
    with_it = f"with {percent(x.confidence)}"
    if x.status == "same":
        return f"{with_it}: the same plan"
    if x.status == "out_of_reach":
        return f"{with_it}: out of reach"
    if x.status == "planned" and x.more_usd is not None:
        sign = "+" if x.more_usd >= 0 else "-"
        return f"{with_it}: {x.hardware}, {sign}{money(abs(x.more_usd))}"
    return ""
