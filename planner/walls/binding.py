"""Which wall binds, in one measure for all three, and the sentence that says so.

Each wall is measured by how hard it presses, of which 1 binds:

    communication      exposed share of all chips' time over a fifth: published training that is called bound by
                       communication spends 20-60% of its time on it (arXiv:2603.07685)
    power and cooling  a limit that one more unit of would make the plan better: 1, and ten times the share of the
                       objective that a tenth more of it is worth; otherwise how full the fullest level is, below 1
    complexity         kinds of systems over three, or lost time of chips over a tenth, whichever is more: large runs
                       that are called healthy report 90% effective time and more (arXiv:2407.21783)
"""

from __future__ import annotations

from collections.abc import Mapping

from planner.answer.plan import Plan
from planner.answer.walls import (
    CommunicationWall,
    ComplexityWall,
    Headroom,
    PowerWall,
    WallName,
    Walls,
)
from planner.answer.words import money, number
from planner.catalog import Catalog
from planner.scenario.types import Scenario
from planner.walls.communication import communication_wall
from planner.walls.complexity import complexity_wall
from planner.walls.power import power_wall

COMMUNICATION_BINDS = 0.20
KINDS_BIND = 3
LOST_BINDS = 0.10
FULL = 1.0 - 1e-6
"""Below 1: a limit that is used up, of which more changes nothing, does not bind."""
NO_LIMITS = {"power", "racks", "demand", "redundancy"}
"""Kinds of what binds that are a wall's own, or what was asked for."""


def walls_of(scenario: Scenario, plan: Plan, catalog: Catalog) -> Walls | None:
    """The walls of a plan; None where there is no plan. ``catalog`` is without the scenario's assumptions.

    Pure: the verifier computes it again, from the plan's own deployments, limits and alternatives.
    """
    if not plan.has_plan:
        return None
    known = catalog.with_assumptions(scenario.assume.as_mapping())
    communication = communication_wall(plan.deployments, known)
    power = power_wall(scenario, plan, known)
    complexity = complexity_wall(scenario, plan, known)
    pressure: dict[WallName, float] = {
        "communication": communication.share / COMMUNICATION_BINDS,
        "power and cooling": max((_pressed(x, plan) for x in power.levels), default=0.0),
        "complexity": max(complexity.kinds / KINDS_BIND, complexity.lost / LOST_BINDS),
    }
    order = sorted(pressure, key=lambda name: -pressure[name])
    binding = tuple(name for name in order if pressure[name] >= 1.0)
    words: Mapping[WallName, str] = {
        "communication": _of_communication(communication),
        "power and cooling": _of_power(plan, power),
        "complexity": _of_complexity(complexity),
    }
    if binding:
        sentence = f"What binds is {binding[0]}: {words[binding[0]]}."
    else:
        others = [b for b in plan.binding if b.kind not in NO_LIMITS and (b.worth_per_unit or 0.0) > 0]
        start = f"No wall binds, what limits the plan is {others[0].limit}" if others else "No wall binds"
        sentence = f"{start}; the nearest wall is {order[0]}: {words[order[0]]}."
    return Walls(
        binding=binding, pressure=pressure, sentence=sentence, communication=communication, power=power,
        complexity=complexity,
    )  # fmt: skip


def _pressed(x: Headroom, plan: Plan) -> float:
    value = abs(plan.objective.value or 0.0)
    if x.worth_per_unit and value:
        return 1.0 + 10.0 * min(1.0, 0.1 * x.of * x.worth_per_unit / value)
    return min(FULL, x.used / x.of) if x.of else FULL


def _of_communication(wall: CommunicationWall) -> str:
    if not wall.works:
        return "no times by cause are known"
    w = max(wall.works, key=lambda w: (w.share * w.chips, w.workload))
    tier = max(w.by_tier, key=lambda t: w.by_tier[t], default="")
    cause = max(w.by_cause, key=lambda c: w.by_cause[c], default="").replace("_", " ")
    if not w.share:
        return f"all of {w.workload}'s is hidden"
    needs = f"{number(w.without)} {w.quantity} instead of {number(w.now)}"
    return (
        f"{w.share:.0%} of {w.workload}'s time on {w.system} is communication that nothing hides, most of it {cause}"
        f" over {tier}; without it {needs} would do"
    )


def _of_power(plan: Plan, wall: PowerWall) -> str:
    if not wall.levels:
        return "nothing stands at a site of its own"
    x = max(wall.levels, key=lambda x: (_pressed(x, plan), x.used / x.of if x.of else 0.0))
    text = f"{number(x.used)} of {number(x.of)} {x.unit} at {x.place} are used"
    if x.worth_per_unit:
        unit, _, _ = x.worth_unit.partition(" per ")
        worth = money(x.worth_per_unit) if unit == "USD" else f"{number(x.worth_per_unit)} {unit}"
        text += f", and one more is worth {worth}"
    if x.unit == "racks":
        return text
    lift = max((y for y in wall.lifts if y.site.startswith(x.place) and y.lifts == x.unit), default=None,
               key=lambda y: y.factor)  # fmt: skip
    return text + (f" ({lift.instead} would leave {lift.factor - 1:.0%} more)" if lift is not None else "")


def _of_complexity(wall: ComplexityWall) -> str:
    def many(n: int, what: str) -> str:
        return f"{n:,} {what}{'' if n == 1 else 's'}"

    text = (
        f"{many(wall.kinds, 'kind')} of system in {many(wall.pools, 'pool')} and"
        f" {many(wall.stacks, 'software stack')}, {wall.lost:.0%} of the chips' time lost to failures and spares"
    )
    if wall.simpler:
        s = wall.simpler[0]
        text += f" ({s.name} would do for {abs(s.difference):.1%} more)"
    return text
