"""Lines to totals, totals to the objective, and the tables that are counted from them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import astuple
from fractions import Fraction

from planner.answer.plan import Plan
from planner.cost.of_plan import joules_of, unit_costs_of, usd_per_m_tokens
from planner.options.counted import objective_values
from planner.options.hardware.arrivals import demand_of
from planner.options.hardware.timeline import DAYS_PER_MONTH
from planner.options.stock_figures import Hardware, rate_unit
from planner.options.stock_worked import requests_over_time, throughput_over_time, worked_over_time
from planner.scenario.workloads import Serving
from planner.verify.again import Again, LotAgain, exact_sum
from planner.verify.compare import differences, near
from planner.verify.limits import rented_at_once
from planner.verify.occupancy import answered_share, busy_systems


def sum_failures(again: Again, plan: Plan) -> Iterator[str]:
    assert plan.fleet is not None  # noqa: S101 - narrowed for the type checker
    assert plan.schedule is not None  # noqa: S101
    if plan.totals is None:
        yield "a plan has no totals"
        return
    line = again.timeline
    parts = again.parts()
    rows = list(period_rows(again))
    yield from differences(
        "fleet.standing",
        {str(i): s.model_dump() for i, s in enumerate(plan.fleet.standing)},
        {str(i): row for i, row in enumerate(rows)},
    )
    years = [
        {
            "year": k + 1,
            "capex_usd": float(exact_sum(x.said.money.capex_usd for x in again.lots if line.year_of(x.begin) == k)),
            "opex_usd": float(exact_sum(p.money.opex_usd_by_year[k] for p in parts)),
            "carbon_t": float(exact_sum(p.carbon_t_by_year[k] for p in parts)),
            "water_m3": float(exact_sum(p.water_m3_by_year[k] for p in parts)),
        }
        for k in range(line.years)
    ]
    yield from differences(
        "fleet.years",
        {str(y.year): y.model_dump() for y in plan.fleet.years},
        {str(y["year"]): y for y in years},
    )
    yield from differences(
        "schedule.demand",
        {d.workload: [d.unit, *d.asked, *d.answered] for d in plan.schedule.demand},
        dict(_demand_rows(again)),
    )

    def largest(pick: Callable[[LotAgain], float]) -> float:
        lasts = [exact_sum(pick(x) for x in again.lasting(t)) for t in range(line.periods)]
        return max(float(a + Fraction(rented_at_once(again, t, pick))) for t, a in enumerate(lasts))

    worked, requests = worked_over_time(again.figures, plan.fleet, plan.schedule), requests_over_time(again.figures)
    racks = [sum(int(str(r["racks"])) for r in rows if r["period"] == name) for name in line.names]
    totals = {
        "chips": largest(lambda x: x.said.chips),
        "systems": largest(lambda x: x.said.systems),
        "racks": max(racks),
        "it_mw": largest(lambda x: x.said.it_mw),
        "facility_mw": largest(lambda x: x.said.power_mw),
        "capex_usd": float(exact_sum(x.said.money.capex_usd for x in again.lots)),
        "opex_usd_per_year": float(exact_sum(p["opex_usd"] for p in years)) / again.scenario.horizon_years,
        "tco_usd": float(exact_sum(p.money.total_usd for p in parts)),
        "usd_per_m_tokens": usd_per_m_tokens(again.scenario, worked, requests),
        "unit_cost_usd": unit_costs_of(again.scenario, worked, requests),
        "joules_per_token": joules_of(again.scenario, worked, requests),
        "carbon_t": float(exact_sum(p["carbon_t"] for p in years)),
        "water_m3": float(exact_sum(p["water_m3"] for p in years)),
    }
    yield from differences("totals", plan.totals.model_dump(), totals)
    values = objective_values(
        totals,
        time=float(exact_sum(max(x.said.counted_to_day, x.said.end_day) for x in again.runs if x.said.leads)),
        throughput=throughput_over_time(again.figures, plan.schedule),
    )
    yield from differences("objective.values", plan.objective.values, values)
    value = plan.objective.value
    if value is None or not near(value, plan.objective.values.get(plan.objective.name)):
        yield f"objective.value is {value}, objective.values says {plan.objective.values.get(plan.objective.name)}"


def period_rows(again: Again) -> Iterator[dict[str, object]]:
    """What stands of each kind in each period, and how busy it is, in the order of the plan."""
    line = again.timeline
    for t, name in enumerate(line.names):
        kinds: dict[Hardware, list[LotAgain]] = defaultdict(list)
        for x in again.lasting(t):
            kinds[x.hardware.kind].append(x)
        low, high = line.edges[t] * DAYS_PER_MONTH, line.edges[t + 1] * DAYS_PER_MONTH
        for h, mine in sorted(kinds.items(), key=lambda item: astuple(item[0])):
            own = [x for x in mine if x.said.acquire != "rent"]
            systems = sum(x.said.systems for x in mine)
            busy = busy_systems(again, h, t)
            for run in again.runs:
                if run.hardware.kind == h and not run.said.rented_alone:
                    within = max(0.0, min(run.said.end_day, high) - max(run.said.start_day, low))
                    of_day = len(run.said.hours) / 24 if run.said.hours else 1.0
                    busy += run.described.systems * of_day * within / (high - low)
            yield {
                "period": name, "site": h.place, "system": h.system, "chip": h.chip, "cooling": h.cooling,
                "fabric": h.fabric, "power_cap": h.power_cap, "topology": h.topology,
                "systems": systems, "chips": sum(x.stand.chips * x.said.systems for x in mine),
                "racks": math.ceil(exact_sum(x.stand.racks * x.said.systems for x in own) - Fraction(1, 10**9)),
                "power_mw": float(exact_sum(x.said.power_mw for x in own)), "utilisation": busy / systems,
            }  # fmt: skip


def _demand_rows(again: Again) -> Iterator[tuple[str, list[object]]]:
    for workload in again.scenario.workloads:
        if not workload.runs_once:
            phases = ("prefill", "decode") if isinstance(workload, Serving) else ("score",)
            periods = range(again.timeline.periods)
            answered = (float(answered_share(again, workload.name, phases, t)) for t in periods)
            yield workload.name, [rate_unit(workload), *map(float, demand_of(workload, again.timeline)), *answered]
