"""Whether the limits that a plan's simulations stand beside are those of the scenario, and misses what they say."""

from __future__ import annotations

from planner.answer.plan import Plan
from planner.scenario import Scenario
from planner.scenario.workloads import Serving


def simulation_failures(plan: Plan, scenario: Scenario) -> list[str]:
    """What is wrong with limits and misses; the simulated percentiles themselves are a check that nothing rests on."""
    loads = {w.name: w for w in scenario.workloads if isinstance(w, Serving)}
    failures: list[str] = []
    for i, s in enumerate(plan.simulations):
        where = f"simulations[{i}] of {s.workload}"
        load = loads.get(s.workload)
        if load is None:
            failures.append(f"{where}: the scenario has no such serving load")
            continue
        limits = {"ttft_ms": load.ttft_ms, "tpot_ms": load.tpot_ms}
        told = {"ttft_ms": s.ttft_limit_ms, "tpot_ms": s.tpot_limit_ms}
        found = {"ttft_ms": s.ttft_ms, "tpot_ms": s.tpot_ms}
        failures += [
            f"{where}: the limit {name} is {told[name]}, the scenario says {limit}"
            for name, limit in limits.items()
            if told[name] != limit
        ]
        missed = tuple(n for n, limit in limits.items() if limit and (value := found[n]) is not None and value > limit)
        if missed != s.misses:
            failures.append(f"{where}: misses {list(s.misses)}, by its own figures {list(missed)}")
    return failures
