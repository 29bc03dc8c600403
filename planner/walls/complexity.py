"""Complexity: how many different things a plan asks people to run, and what keeping them running takes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from planner.answer.plan import Alternative, Deployment, Plan
from planner.answer.walls import ComplexityWall, Simpler
from planner.catalog import Catalog
from planner.network.capability import domain_chips
from planner.scenario.types import Scenario

WITHIN = (0.01, 0.02, 0.05)
"""Shares of the objective within which the simplest plan is told."""
STAFF = "opex_staff"
"""Cost item: operations staff for a megawatt."""


def complexity_wall(scenario: Scenario, plan: Plan, catalog: Catalog) -> ComplexityWall:
    """Kinds, pools, stacks, failure domains, spares, people and lost time. ``catalog``: with assumptions."""
    held = plan.holdings
    largest, domains = 0, 0
    for h in held:
        size = min(domain_chips(catalog.system(h.system), catalog.chip(h.chip)), h.chips) or 1
        largest = max(largest, size)
        domains += math.ceil(h.chips / size)
    mw = plan.totals.facility_mw if plan.totals is not None else 0.0
    return ComplexityWall(
        kinds=len(plan.kinds),
        pools=len(plan.pools),
        stacks=len(_stacks(scenario, plan, catalog)),
        domains=domains,
        largest_domain_chips=largest,
        spares=sum(d.spares for d in plan.deployments),
        people=mw * catalog.cost(STAFF),
        lost=_lost(plan.deployments, catalog),
        simpler=tuple(_simpler(plan.alternatives, len(plan.kinds))),
    )


def _stacks(scenario: Scenario, plan: Plan, catalog: Catalog) -> set[tuple[str, str]]:
    """(family of chips, framework, engine or kind of work) of everything that runs."""
    runs = {w.name: getattr(w, "framework", "") or getattr(w, "engine", "") or w.kind for w in scenario.workloads}
    return {(catalog.chip(d.chip).text("family") or d.chip, runs.get(d.workload, d.workload)) for d in plan.deployments}


def _lost(deployments: Sequence[Deployment], catalog: Catalog) -> float:
    """Share of the chips' time that spares, restarts, lost work and checkpoints take."""
    all_chips, useful = [], []
    for d in deployments:
        spare = d.spares * catalog.system(d.system).unit_chips
        all_chips.append(float(d.chips + spare))
        useful.append(d.chips * (1.0 if d.predicted.ettr is None else d.predicted.ettr))
    whole = math.fsum(all_chips)
    return 1.0 - math.fsum(useful) / whole if whole else 0.0


def _simpler(alternatives: Sequence[Alternative], kinds: int) -> list[Simpler]:
    """The plan of fewest kinds, then least loss, within each share; what is no simpler than the plan is none."""
    found = []
    for within in WITHIN:
        able = [
            (a.kinds, a.difference, a.name)
            for a in alternatives
            if a.objective is not None
            and a.difference is not None
            and 0 < a.kinds < kinds
            and abs(a.difference) <= within
        ]
        if able:
            least, difference, name = min(able, key=lambda x: (x[0], abs(x[1]), x[2]))
            found.append(Simpler(within=within, name=name, kinds=least, difference=difference))
    return found
