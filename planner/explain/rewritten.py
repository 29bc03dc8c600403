"""What figures are worth that no bound of a row holds: the program is written again with them a little looser.

A date decides which starts exist, and the share of a vendor is in every coefficient of its row.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from planner.answer.plan import Binding, Plan
from planner.catalog import Catalog
from planner.explain.binding import gain_of
from planner.explain.limits import SHARES
from planner.fleet.model import OBJECTIVE_UNITS
from planner.options.hardware.choices import start_days
from planner.scenario.types import Scenario
from planner.solve import Limits, Solution

Again = Callable[[Scenario, float, bool], Solution | None]
"""The best plan of a scenario in so many seconds, or its relaxation; None where some workload cannot be."""
FEW_DAYS = 4.0
"""A date nearer than this is not moved by whole days."""
_POINTS = (1.0, 5.0, 10.0, 25.0)
"""Of all chips, in per cent."""


@dataclass(frozen=True)
class Leaf:
    """A figure of a scenario, how much of it a plan uses, and a scenario with more of it."""

    label: str
    kind: str
    path: str
    unit: str
    used: float
    of: float
    steps: tuple[float, ...]
    more: Callable[[Scenario, float], Scenario]


def worth_of_leaves(
    scenario: Scenario, catalog: Catalog, answer: Plan, value: float, again: Again, limits: Limits, *, relaxed: bool
) -> tuple[Binding, ...]:
    """Dates and vendor shares that more of makes the objective better, each by planning again.

    ``value``: the objective to compare with, in the solver's scaled unit: of the best plan, or of its relaxation where
    ``relaxed``. Where the largest steps of all together bring nothing, that is the only question.
    """
    asked = [*_dates(scenario, answer), *_shares(scenario, catalog, answer)]
    name = scenario.objective[0]
    unit, scale = OBJECTIVE_UNITS[name]
    began = time.monotonic()

    def gain(other: Scenario, questions: int) -> float | None:
        left = limits.time_limit_s - (time.monotonic() - began)
        found = again(other, left / questions, relaxed) if left > 0.1 else None
        if found is None or not math.isfinite(found.objective) or not (relaxed or found.status.has_plan):
            return None
        return gain_of(value, found.objective, proven=relaxed or found.status == "proven_optimal", limits=limits)

    if len(asked) > 1:
        loosest = scenario
        for leaf in asked:
            loosest = leaf.more(loosest, leaf.steps[-1])
        if not gain(loosest, 2):
            return ()
    found = []
    for i, leaf in enumerate(asked):
        questions = 2 * (len(asked) - i)
        if not gain(leaf.more(scenario, leaf.steps[-1]), questions):
            continue
        told = ((step, gain(leaf.more(scenario, step), questions)) for step in leaf.steps)
        step, worth = next(((s, g) for s, g in told if g), (leaf.steps[-1], None))
        if worth is None:
            continue
        of_what = "of the relaxation (parts of systems allowed), " if relaxed else ""
        found.append(
            Binding(
                limit=leaf.label, used=leaf.used, of=leaf.of, unit=leaf.unit,
                worth_per_unit=abs(worth * scale) / step, worth_unit=f"{unit} per {leaf.unit}",
                note=f"{of_what}solved again with {step:.4g} {leaf.unit} more", kind=leaf.kind, path=leaf.path,
            )
        )  # fmt: skip
    return tuple(found)


def _dates(scenario: Scenario, answer: Plan) -> list[Leaf]:
    """The date of each run that has one; what ends with the horizon is not the run's own."""
    found = []
    for w in scenario.workloads:
        days = getattr(w, "finish_within_days", None)
        runs = [r for r in answer.schedule.runs if r.workload == w.name] if answer.schedule is not None else []
        if days is None or not runs:
            continue

        def more(other: Scenario, step: float, name: str = w.name, days: float = days) -> Scenario:
            later = {"finish_within_days": days + step}
            changed = tuple(x.model_copy(update=later) if x.name == name else x for x in other.workloads)
            return other.model_copy(update={"workloads": changed})

        used = max(r.end_day for r in runs) - start_days(scenario, getattr(w, "start", None))
        unit = [1.0] if days >= FEW_DAYS else []
        steps = (*unit, *(share * days for share in SHARES if not unit or share * days > 1.0))
        path = f"workloads.{w.name}.finish_within_days"
        found.append(Leaf(f"{w.name} within {days:g} days", "deadline", path, "days", used, float(days), steps, more))
    return found


def _shares(scenario: Scenario, catalog: Catalog, answer: Plan) -> list[Leaf]:
    """The largest share of each vendor that has one."""
    found = []
    lots = [x for x in answer.fleet.lots if x.acquire != "installed"] if answer.fleet is not None else []
    chips = sum(x.chips for x in lots)
    for vendor, share in scenario.limits.vendor_share.items():
        if share >= 1 or not chips:
            continue

        def more(other: Scenario, step: float, vendor: str = vendor, share: float = share) -> Scenario:
            shares = {**other.limits.vendor_share, vendor: min(1.0, share + step / 100)}
            return other.model_copy(update={"limits": other.limits.model_copy(update={"vendor_share": shares})})

        mine = sum(x.chips for x in lots if catalog.chip(x.chip).vendor.lower() == vendor.lower())
        label = f"at most {share:.0%} of the chips acquired of {vendor}"
        steps = tuple(s for s in _POINTS if s < 100 * (1 - share)) or (100 * (1 - share),)
        path = f"limits.vendor_share.{vendor}"
        found.append(Leaf(label, "share", path, "% of chips", 100 * mine / chips, 100 * share, steps, more))
    return found
