"""What the figures that a scenario assumes are worth to its plan: each a quarter either way, the plan kept as it is.

Of a plan of one period what it consists of is described and priced again under each figure; the ones with which a
promise is likelier broken come first, then those that move its cost most. Figures of hardware that the plan does not
use come last, and say nothing. What is decided anew under other figures is ``planner sensitivity``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from planner.answer.plan import Assumption, Deployment, Plan
from planner.catalog import Catalog
from planner.errors import PlannerError
from planner.options.work.describe import Describer
from planner.scenario.types import Scenario
from planner.uncertainty.spreads import UNSTATED
from planner.verify.chance import chance_of
from planner.verify.compare import differences
from planner.verify.specs import grown, spec_of

EVERYWHERE = frozenset({"regions", "costs"})
"""Kinds of records that any plan may rest on."""
_SAME_USD = 1e-6


def weighed(scenario: Scenario, plan: Plan, known: Catalog) -> tuple[Assumption, ...]:
    """The plan's assumptions with what they are worth to it, most first. ``known`` holds them."""
    used = {name for x in plan.holdings for name in (x.system, x.chip, x.cooling, x.interconnect)}
    found = [_weighed(scenario, plan, known, a, used) for a in plan.assumptions]
    return tuple(sorted(found, key=_rank))


def _rank(a: Assumption) -> tuple[bool, bool, float, float]:
    moved = a.moves_usd is not None or a.breaks
    return not moved, not a.breaks, 1.0 if a.chance is None else a.chance, -(a.moves_usd or 0.0)


def _weighed(scenario: Scenario, plan: Plan, known: Catalog, a: Assumption, used: set[str]) -> Assumption:
    kind, record, field = [*a.path.split("."), "", ""][:3]
    bare = a.model_copy(update={"moves_usd": None, "chance": None, "breaks": False})
    # replicas that answer classes of requests are described with what each answers, which others would divide otherwise
    if plan.fleet is not None or any(d.answers for d in plan.deployments):
        return bare
    if not isinstance(a.value, float | int) or isinstance(a.value, bool):
        return bare
    if plan.totals is None or (record not in used and kind not in EVERYWHERE):
        return bare
    moves: list[float] = []
    chances: list[float] = []
    breaks = False
    for factor in (1.0 - UNSTATED, 1.0 + UNSTATED):
        try:
            other = known.with_assumptions({kind: {record: {field: a.value * factor}}})
        except PlannerError:
            continue  # out of the field's bounds, a share above one for instance
        try:
            again = _again(scenario, plan, other)
        except (PlannerError, ArithmeticError):
            breaks = True
            continue
        moves.append(math.fsum(d.cost.total_usd for d in again.deployments) - plan.totals.tco_usd)
        told = chance_of(scenario, again, other)
        chances += [] if told is None else [min(p.chance for p in told.promises)]
    largest = max(map(abs, moves), default=None)
    if not breaks and largest is not None and largest <= _SAME_USD * plan.totals.tco_usd:
        largest = 0.0
    return a.model_copy(update={"moves_usd": largest, "chance": min(chances, default=None), "breaks": breaks})


def _again(scenario: Scenario, plan: Plan, catalog: Catalog) -> Plan:
    """The plan with what its deployments do and cost under another catalog."""
    describer = Describer(scenario, catalog, other_stacks=False)

    def described(d: Deployment) -> Deployment:
        found = describer.describe(spec_of(d, scenario, plan))
        units = d.systems // max(found.systems, 1)
        cost = d.cost.model_copy(update={"total_usd": float(found.priced.cost_usd[0]) * units})
        return d.model_copy(update={"predicted": grown(found.predicted, units), "cost": cost})

    return plan.model_copy(update={"deployments": tuple(described(d) for d in plan.deployments)})


def assumption_failures(plan: Plan, scenario: Scenario, catalog: Catalog) -> Iterator[str]:
    """Whether what is said of assumptions comes out again. ``catalog`` has none yet."""
    if not plan.assumptions:
        return
    try:
        found = weighed(scenario, plan, catalog.with_assumptions(scenario.assume.as_mapping()))
    except (PlannerError, KeyError, ValueError, IndexError, ArithmeticError) as error:
        yield f"what its assumptions are worth cannot be recomputed: {error}"
        return
    said, again = ([a.model_dump() for a in some] for some in (plan.assumptions, found))
    yield from differences("assumptions", said, again)
