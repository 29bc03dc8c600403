"""From the solver's counts to the plan's deployments and totals: data only, no judgement."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from planner.answer.plan import Cost, Deployment, DeploymentPower, Predicted, Totals
from planner.answer.words import throughput_of
from planner.cost.of_plan import joules_per_token, requests_of, unit_cost_usd, usd_per_m_tokens, worked_of
from planner.errors import SolveError
from planner.fleet.model import FleetModel
from planner.options.counted import objective_values
from planner.options.option import Option
from planner.options.work.classes import answered
from planner.options.work.describe import Described, Describer, spec_of_option
from planner.scenario.types import Scenario

SCALED_RATES = ("tokens_per_s", "input_tokens_per_s", "requests_per_s", "samples_per_s")
"""Predicted figures that grow with the number of units; all others are of a unit."""
LEAST_ANSWERED = 1e-12
"""Requests a second of a class below this are rounding of the solver's."""
RACK_SLACK = 1e-9
"""Of a rack: rounding of n times a part of a rack, not another rack."""


@dataclass(frozen=True)
class Chosen:
    """An option of the plan and how many units of it."""

    option: Option
    units: int
    answers: Mapping[str, float] = field(default_factory=dict)
    """Requests a second by class, where a load has classes."""


def chosen_options(model: FleetModel, values: Sequence[float] | np.ndarray) -> list[Chosen]:
    """Options with at least one unit, largest capital first. Raises ``SolveError`` on a count that is not whole."""
    found = []
    for i, (option, column) in enumerate(zip(model.options, model.units, strict=True)):
        value = float(values[column])
        units = round(value)
        if abs(value - units) > 1e-6:
            raise SolveError(f"the solver returned {value} units of {option.id}")
        if units:
            amounts = {c: float(values[at]) * each for c, (at, each) in model.answers.get(i, {}).items()}
            found.append(Chosen(option, units, {c: a for c, a in amounts.items() if a > LEAST_ANSWERED}))
    return sorted(found, key=lambda c: (-c.option.cost_usd * c.units, c.option.id))


def deployment_of(scenario: Scenario, chosen: Chosen, described: Described) -> Deployment:
    """One deployment of the plan."""
    o, n, d = chosen.option, chosen.units, described
    p = d.priced
    answers, predicted = answered(d, chosen.answers, n) if d.class_rates else ((), None)
    grown = {name: getattr(d.predicted, name) * n for name in SCALED_RATES if getattr(d.predicted, name) is not None}
    lines = {name: float(v[0]) * n for name, v in p.cost_lines_usd.items()}
    return Deployment(
        workload=o.workload,
        role=o.role,
        site=o.location,
        period=scenario.period_starts[o.period],
        system=o.system,
        chip=o.chip,
        cooling=o.cooling,
        interconnect=o.interconnect,
        systems=d.systems * n,
        replicas=d.replicas * n,
        chips=d.chips * n,
        spares=d.spares * n,
        racks=math.ceil(float(p.racks[0]) * n - RACK_SLACK),
        acquire=o.acquire,
        rent_term=p.rent_term[0] if p.rent_term else "",
        parallelism=d.parallelism,
        precision=o.precision,
        predicted=predicted or Predicted(**{**d.predicted.model_dump(), **grown, "interval": d.predicted.interval}),
        mix=o.mix,
        cache_pool=d.cache_pool,
        power_cap=o.power_cap,
        topology=o.topology,
        answers=answers,
        power=DeploymentPower(
            it_mw=float(p.it_peak_w[0]) * n / 1e6,
            facility_mw=float(p.facility_peak_w[0]) * n / 1e6,
            it_average_mw=float(p.it_average_w[0]) * n / 1e6,
            facility_average_mw=float(p.facility_average_w[0]) * n / 1e6,
            pue=p.pue,
            breakdown_mw={name: float(v[0]) * n / 1e6 for name, v in p.power_breakdown_w.items() if v[0]},
        ),
        cost=Cost(
            capex_usd=float(p.capex_usd[0]) * n,
            capex_lines_usd={name: float(v[0]) * n for name, v in p.capex_lines_usd.items()},
            opex_usd_per_year=float(p.opex_usd_per_year[0]) * n,
            total_usd=math.fsum(lines.values()),
            lines_usd=lines,
        ),
        carbon_t=float(p.carbon_t[0]) * n,
        water_m3=float(p.water_m3[0]) * n,
        network={name: float(v[0]) * n for name, v in p.network.items() if v[0]},
        option=o.id,
    )


def deployments_of(scenario: Scenario, describer: Describer, chosen: Sequence[Chosen]) -> tuple[Deployment, ...]:
    """All deployments, in the order of the scenario's workloads."""
    order = {w.name: i for i, w in enumerate(scenario.workloads)}
    made = []
    filled: dict[tuple[str, ...], float] = defaultdict(float)
    mixes: dict[str, list[Option]] = defaultdict(list)
    for c in chosen:
        if c.option.mix:
            mixes[c.option.mix].append(c.option)
    for c in chosen:
        partner = next((o for o in mixes[c.option.mix] if o is not c.option), None) if c.option.mix else None
        deployment = deployment_of(scenario, c, describer.describe(spec_of_option(c.option, partner)))
        # systems of one kind share racks: each deployment counts the racks that it adds
        kind = (deployment.site, deployment.system, deployment.chip, deployment.cooling)
        before = math.ceil(filled[kind] - RACK_SLACK)
        filled[kind] += c.option.racks * c.units
        made.append(deployment.model_copy(update={"racks": math.ceil(filled[kind] - RACK_SLACK) - before}))
    return tuple(sorted(made, key=lambda d: (order[d.workload], d.site, d.role, d.option)))


def totals_of(scenario: Scenario, deployments: Sequence[Deployment]) -> Totals:
    """Sums over deployments. Rented systems draw another's power and count no site racks."""
    return Totals(
        chips=sum(d.chips for d in deployments),
        systems=sum(d.systems for d in deployments),
        racks=sum(d.racks for d in deployments),
        it_mw=math.fsum(d.power.it_mw for d in deployments if d.acquire != "rent"),
        facility_mw=math.fsum(d.power.facility_mw for d in deployments if d.acquire != "rent"),
        capex_usd=math.fsum(d.cost.capex_usd for d in deployments),
        opex_usd_per_year=math.fsum(d.cost.opex_usd_per_year for d in deployments),
        tco_usd=math.fsum(d.cost.total_usd for d in deployments),
        usd_per_m_tokens=usd_per_m_tokens(scenario, worked_of(scenario, deployments), requests_of(scenario)),
        unit_cost_usd=unit_cost_usd(scenario, deployments),
        joules_per_token=joules_per_token(scenario, deployments),
        carbon_t=math.fsum(d.carbon_t for d in deployments),
        water_m3=math.fsum(d.water_m3 for d in deployments),
    )


def plan_values(scenario: Scenario, deployments: Sequence[Deployment], totals: Totals) -> dict[str, float]:
    """The plan's value of every objective the planner knows, in people's units."""
    return objective_values(
        totals,
        time=math.fsum(d.predicted.finish_days or 0.0 for d in deployments),
        throughput=throughput_of(scenario, deployments),
    )
