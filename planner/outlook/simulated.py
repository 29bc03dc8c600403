"""A plan's serving replicas followed request by request: a check beside the queueing model it was made with."""

from __future__ import annotations

import numpy as np

from planner.answer.plan import Deployment, Plan, Simulation
from planner.catalog import Catalog, load_catalog
from planner.options.hardware.choices import platform_of
from planner.options.work.describe import layout_of_plan
from planner.options.work.serving import SHAPE, ServingSearch
from planner.performance.serving.replica import ServingCandidates, estimate_serving
from planner.performance.serving.simulation import simulate
from planner.scenario import Scenario
from planner.scenario.workloads import Serving

REQUESTS = 4000
"""Requests of one simulation at least, seeded: the same plan gives the same figures."""
MOST = 60_000


def with_simulations(plan: Plan, scenario: Scenario, catalog: Catalog | None = None, requests: int = REQUESTS) -> Plan:
    """The plan with ``simulations``: one for every serving deployment of a load without classes.

    ``scenario``: the one that was planned. Some tenths of a second a deployment. A plan of a shared fleet has no
    deployments and is returned as it is.
    """
    known = (catalog if catalog is not None else load_catalog()).with_assumptions(scenario.assume.as_mapping())
    loads = {w.name: w for w in scenario.workloads if isinstance(w, Serving) and not w.request_classes}
    made = tuple(
        _simulated(d, loads[d.workload], known, requests)
        for d in plan.deployments
        if d.workload in loads and d.parallelism.load
    )
    beside = plan.model_copy(update={"simulations": made})
    return beside if plan.seal_is_broken else beside.sealed


def _simulated(d: Deployment, load: Serving, catalog: Catalog, requests: int) -> Simulation:
    search = ServingSearch(load, catalog)
    platform = platform_of(catalog, d.system, d.chip, d.cooling, d.power_cap, d.topology)
    layout = layout_of_plan(d.parallelism, d.role)
    candidates = ServingCandidates(**{name: np.array([layout[name]], dtype=np.int64) for name in SHAPE})
    job = search.job(d.precision, platform, layout.get("drafts", 0))
    estimate = estimate_serving(job, platform, candidates)
    rate = float(estimate.requests_per_s[0]) * (d.parallelism.load or 0.0)
    journey = float(search.journey_s(platform, candidates, estimate, rate)[0])
    # long enough that the replica fills several times over
    enough = min(max(requests, 8 * round(float(estimate.concurrency[0]))), MOST)
    run = simulate(job, platform, candidates, rate, traffic=search.traffic, requests=enough)
    ttft = None if d.role == "decode" else (run.ttft_s(load.percentile) + journey) * 1e3
    tpot = None if d.role == "prefill" else run.tpot_s(load.percentile) * 1e3
    limits = (("ttft_ms", ttft, load.ttft_ms), ("tpot_ms", tpot, load.tpot_ms))
    return Simulation(
        workload=d.workload, role=d.role, site=d.site, system=d.system, requests=run.requests, requests_per_s=rate,
        percentile=load.percentile, planned_ttft_ms=d.predicted.ttft_ms, ttft_ms=ttft,
        planned_tpot_ms=d.predicted.tpot_ms, tpot_ms=tpot, waited=run.waited,
        ttft_limit_ms=load.ttft_ms, tpot_limit_ms=load.tpot_ms,
        misses=tuple(name for name, value, limit in limits if value is not None and limit and value > limit),
    )  # fmt: skip
