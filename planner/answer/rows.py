"""A plan as rows of plain data: what command line, sweeps and frames show of it. docs/python.md names every column.

Names and units are those of plan.json. Every kind of plan has the same columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the plan imports this module when a frame is asked of it
    from planner.answer.plan import (
        Deployment,
        Parallelism,
        Plan,
        Predicted,
        Priced,
    )
    from planner.tables import Row

_LAYOUT = ("tp", "pp", "vpp", "dp", "cp", "ep", "micro_batch", "global_batch", "zero_stage", "recompute", "batch",
           "chunk_tokens")  # fmt: skip
_PREDICTED = ("step_time_s", "tokens_per_s", "tokens_per_s_per_chip", "input_tokens_per_s", "requests_per_s",
              "samples_per_s", "mfu", "ettr", "days", "finish_days", "ttft_ms", "tpot_ms", "latency_ms",
              "memory_gb_per_chip", "memory_limit_gb_per_chip")  # fmt: skip
DEPLOYMENT_COLUMNS = (
    "workload", "role", "site", "period", "system", "chip", "cooling", "interconnect", "acquire", "rent_term",
    "systems", "replicas", "chips", "spares", "racks", "precision", "power_cap", "topology", *_LAYOUT, *_PREDICTED,
    "interval_quantity", "low80", "high80", "it_mw", "facility_mw", "facility_average_mw", "pue", "capex_usd",
    "opex_usd_per_year", "total_usd", "carbon_t", "water_m3", "option",
)  # fmt: skip
COST_COLUMNS = ("what", "workload", "site", "system", "line", "usd")
TIMELINE_COLUMNS = ("what", "workload", "site", "system", "chip", "begin", "end", "systems", "chips", "power_mw")
BINDING_COLUMNS = ("limit", "used", "of", "unit", "worth_per_unit", "worth_unit", "note")
ASSUMPTION_COLUMNS = ("path", "value", "unit", "source", "rests_on_it", "moves_usd", "chance", "breaks")
ALTERNATIVE_COLUMNS = ("name", "objective", "difference", "summary")
SUMMARY_COLUMNS = (
    "scenario", "variant", "status", "objective", "objective_value", "objective_unit", "bound", "gap", "hardware",
    "systems", "chips", "racks", "it_mw", "facility_mw", "capex_usd", "opex_usd_per_year", "tco_usd", "carbon_t",
    "water_m3", "days", "ttft_ms", "tpot_ms", "tokens_per_s", "requests_per_s", "mfu", "usd_per_m_tokens", "binding",
    "verified", "seconds", "answer",
)  # fmt: skip


def summary_row(plan: Plan) -> Row:
    """One row a plan. ``days`` is the last end of a run, latencies and MFU are the worst, rates the sum of workloads.

    ``usd_per_m_tokens`` is empty where several workloads have one: ``totals.usd_per_m_tokens`` has each.
    """
    o, t = plan.objective, plan.totals
    names = ("systems", "chips", "racks", "it_mw", "facility_mw", "capex_usd", "opex_usd_per_year", "tco_usd",
             "carbon_t", "water_m3")  # fmt: skip
    totals = {name: None if t is None else getattr(t, name) for name in names}
    predicted = [(d.role, d.predicted) for d in plan.deployments]

    def worst(name: str, pick: Any) -> float | None:
        values = [v for _, p in predicted if (v := getattr(p, name)) is not None]
        return pick(values) if values else None

    def summed(name: str, roles: Sequence[str]) -> float | None:
        found = [v for role, p in predicted if role in roles and (v := getattr(p, name)) is not None]
        return sum(found) if found else None

    tokens = list(t.usd_per_m_tokens.values()) if t is not None else []
    return {
        "scenario": plan.scenario, "variant": plan.variant, "status": plan.status, "objective": o.name,
        "objective_value": o.value, "objective_unit": o.unit, "bound": o.bound, "gap": o.gap,
        "hardware": hardware(plan), **totals,
        "days": worst("days", max), "ttft_ms": worst("ttft_ms", max), "tpot_ms": worst("tpot_ms", max),
        "tokens_per_s": summed("tokens_per_s", ("train", "serve", "decode")),
        "requests_per_s": summed("requests_per_s", ("serve", "decode", "recommend")), "mfu": worst("mfu", min),
        "usd_per_m_tokens": tokens[0] if len(tokens) == 1 else None,
        "binding": "; ".join(b.limit for b in plan.binding), "verified": plan.verified, "seconds": plan.proof.seconds,
        "answer": plan.answer,
    }  # fmt: skip


def hardware(plan: Plan) -> str:
    """``2 x mi300x_8, 4 x hgx_h800``: systems of the plan by id."""
    counts: dict[str, int] = {}
    for held in plan.holdings:
        counts[held.system] = counts.get(held.system, 0) + held.systems
    return ", ".join(f"{n} x {name}" for name, n in counts.items())


def deployment_rows(plan: Plan) -> list[Row]:
    """One row a deployment."""
    return [_deployment(d) for d in plan.deployments]


def _deployment(d: Deployment) -> Row:
    names = ("workload", "role", "site", "period", "system", "chip", "cooling", "interconnect", "acquire", "rent_term",
             "systems", "replicas", "chips", "spares", "racks", "precision", "power_cap")  # fmt: skip
    return {
        **{name: getattr(d, name) for name in names}, **_told(d.parallelism, d.predicted),
        "it_mw": d.power.it_mw, "facility_mw": d.power.facility_mw, "facility_average_mw": d.power.facility_average_mw,
        "pue": d.power.pue, "capex_usd": d.cost.capex_usd, "opex_usd_per_year": d.cost.opex_usd_per_year,
        "total_usd": d.cost.total_usd, "carbon_t": d.carbon_t, "water_m3": d.water_m3, "option": d.option,
    }  # fmt: skip


def _told(layout: Parallelism, p: Predicted) -> Mapping[str, Any]:
    i = p.interval
    ends = {"interval_quantity": i.quantity, "low80": i.low, "high80": i.high} if i is not None else {}
    return {n: getattr(layout, n) for n in _LAYOUT} | {n: getattr(p, n) for n in _PREDICTED} | ends


def cost_rows(plan: Plan) -> list[Row]:
    """One row a cost line of each part of a plan (deployment; of fleets lot, run, load), USD over the horizon.

    They sum to ``totals.tco_usd``.
    """
    rows: list[Row] = []

    def add(what: str, part: Any, lines: Mapping[str, float]) -> None:
        about = {name: getattr(part, name, "") for name in ("workload", "site", "system")}
        rows.extend({"what": what, **about, "line": line, "usd": usd} for line, usd in lines.items())

    for d in plan.deployments if plan.fleet is None else ():
        add("deployment", d, d.cost.lines_usd)
    for what, priced in _priced(plan):
        add(what, priced, priced.money.lines_usd)
    return rows


def _priced(plan: Plan) -> Iterator[tuple[str, Priced]]:
    if plan.fleet is not None and plan.schedule is not None:
        for what, parts in (("lot", plan.fleet.lots), ("run", plan.schedule.runs), ("load", plan.schedule.loads)):
            for part in parts:
                yield what, part


def timeline_rows(plan: Plan) -> list[Row]:
    """What is there or at work from when until when, ISO dates; ``end`` is the first day after.

    ``what``: deployment (to the end of its run, else of the horizon), or of a shared fleet lot, run, load (one row for
    every stretch of periods with the same number of units).
    """
    end = _horizon_end(plan)
    rows: list[Row] = []
    for d in plan.deployments if plan.fleet is None else ():
        days = d.predicted.finish_days
        until = _first(plan.start) + timedelta(days=days) if days is not None else end
        rows.append(_bar("deployment", d, d.workload, _first(d.period), until, d.systems, d.chips, d.power.facility_mw))
    if plan.fleet is None or plan.schedule is None:
        return rows
    for lot in plan.fleet.lots:
        until = _first(lot.end) if lot.end else end
        rows.append(_bar("lot", lot, lot.workload, _first(lot.begin), until, lot.systems, lot.chips, lot.power_mw))
    for run in plan.schedule.runs:
        begins, ends = date.fromisoformat(run.start_date), date.fromisoformat(run.end_date)
        rows.append(_bar("run", run, run.workload, begins, ends, run.systems, run.chips, run.added_mw))
    starts = [*(_first(period) for period in plan.periods), end]
    for load in plan.schedule.loads:
        for first, last, n in _stretches(load.units):
            rows.append(
                _bar("load", load, load.workload, starts[first], starts[last], load.systems * n, load.chips * n,
                     load.added_mw * n)
            )  # fmt: skip
    return rows


def _bar(what: str, x: Any, workload: str, begin: date, end: date, systems: int, chips: int, power_mw: float) -> Row:
    return {
        "what": what, "workload": workload, "site": x.site, "system": x.system, "chip": x.chip,
        "begin": begin.isoformat(), "end": end.isoformat(), "systems": systems, "chips": chips, "power_mw": power_mw,
    }  # fmt: skip


def _stretches(units: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """(first, one past the last, count) of neighbouring equal counts above zero."""
    first = 0
    for i in range(1, len(units) + 1):
        if i == len(units) or units[i] != units[first]:
            if units[first]:
                yield first, i, units[first]
            first = i


def _first(month: str) -> date:
    """The first day of a month YYYY-MM."""
    year, _, number = month.partition("-")
    return date(int(year), int(number[:2]), 1)


def _horizon_end(plan: Plan) -> date:
    begin = _first(plan.start)
    months = begin.year * 12 + begin.month - 1 + round(12 * plan.horizon_years)
    return date(months // 12, months % 12 + 1, 1)


def binding_rows(plan: Plan) -> list[Row]:
    """One row a limit that binds, with what one more unit is worth."""
    return [{name: getattr(b, name) for name in BINDING_COLUMNS} for b in plan.binding]


def assumption_rows(plan: Plan) -> list[Row]:
    """One row a figure that nobody has published and that the plan rests on."""
    return [
        {name: getattr(a, name) for name in ASSUMPTION_COLUMNS}
        | {"rests_on_it": "; ".join(a.rests_on_it), "breaks": "yes" if a.breaks else "no"}
        for a in plan.assumptions
    ]


def alternative_rows(plan: Plan) -> list[Row]:
    """The plan and its rivals: name, objective, difference (a fraction of the plan's), what it is made of."""
    best = {"name": "the plan", "objective": plan.objective.value, "difference": 0.0, "summary": hardware(plan)}
    return [best, *({name: getattr(a, name) for name in ALTERNATIVE_COLUMNS} for a in plan.alternatives)]
