"""What a plan sets to work, as deployments to launch: its own, or the runs and loads of a shared fleet."""

from __future__ import annotations

from collections import defaultdict
from typing import Literal

from planner.answer.plan import Cost, Deployment, DeploymentPower, Fleet, Plan, ScheduledLoad, ScheduledRun


def work_of(plan: Plan) -> tuple[Deployment, ...]:
    """Deployments of a plan. Of a shared fleet each run, and each unit of a load at its largest count.

    Their cost and power are those of the work alone: what stands is the fleet's.
    """
    if plan.fleet is None or plan.schedule is None:
        return plan.deployments
    runs = [_deployment(plan, r, r.start_date[:7], 1, 1) for r in plan.schedule.runs]
    loads = []
    for x in plan.schedule.loads:
        most = max(x.units, default=0)
        if most:
            first = next(name for name, n in zip(plan.periods, x.units, strict=True) if n)
            loads.append(_deployment(plan, x, first, most, x.replicas * most))
    return (*runs, *loads)


def _deployment(plan: Plan, x: ScheduledRun | ScheduledLoad, month: str, units: int, replicas: int) -> Deployment:
    assert plan.fleet is not None  # noqa: S101 - narrowed by the caller
    spares = x.spares if isinstance(x, ScheduledRun) else 0
    rates = ("tokens_per_s", "input_tokens_per_s", "requests_per_s", "samples_per_s")
    grown = {n: v * units for n in rates if (v := getattr(x.predicted, n)) is not None}
    added = x.added_mw * units
    opex = x.money.opex_usd_by_year
    return Deployment(
        workload=x.workload,
        role=x.role,
        site=x.site,
        period=month,
        system=x.system,
        chip=x.chip,
        cooling=x.cooling,
        interconnect=x.interconnect,
        systems=x.systems * units,
        replicas=replicas,
        chips=x.chips * units,
        spares=spares,
        racks=0,
        acquire=_acquired(plan.fleet, x),
        parallelism=x.parallelism,
        precision=x.precision,
        predicted=x.predicted.model_copy(update=grown),
        power=DeploymentPower(it_mw=0.0, facility_mw=added, it_average_mw=0.0, facility_average_mw=added, pue=1.0),
        cost=Cost(
            capex_usd=0.0,
            opex_usd_per_year=sum(opex) / max(1, len(opex)),
            total_usd=x.money.total_usd,
            lines_usd=x.money.lines_usd,
        ),
        carbon_t=sum(x.carbon_t_by_year),
        water_m3=sum(x.water_m3_by_year),
        option=x.option,
        power_cap=x.power_cap,
    )


def _acquired(fleet: Fleet, x: ScheduledRun | ScheduledLoad) -> Literal["buy", "rent", "installed"]:
    """How most of the systems were acquired that the work may use."""
    counts: dict[Literal["buy", "rent", "installed"], int] = defaultdict(int)
    for lot in fleet.lots:
        mine = (lot.site, lot.system, lot.chip, lot.cooling, lot.fabric, lot.power_cap)
        theirs = (x.site, x.system, x.chip, x.cooling, x.fabric, x.power_cap)
        if mine == theirs and lot.workload in {"", x.workload}:
            counts[lot.acquire] += lot.systems
    return max(counts, key=lambda name: counts[name])
