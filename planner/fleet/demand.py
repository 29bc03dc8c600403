"""Demand: every workload is done. A run happens exactly once; a load is served at its rate by prefill and decode.

A load is there from the plan's first period on, so only what is bought in that period answers it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from planner.fleet.model import Draft, Limit
from planner.fleet.redundancy import Counting, Unit, add_left, site_of
from planner.scenario.kinds import Counted
from planner.scenario.workloads import Recommendation, Serving, Training


def add(draft: Draft) -> None:
    """One row for each run; for each load one row, or a balance per site where phases are separate."""
    by_workload: dict[str, list[int]] = defaultdict(list)
    for i, option in enumerate(draft.options):
        by_workload[option.workload].append(i)
    for workload in draft.scenario.workloads:
        mine = by_workload.get(workload.name, [])
        path = f"workloads.{workload.name}"
        if isinstance(workload, Training) or workload.runs_once:
            row = f"run[{workload.name}]"
            runs = {draft.units[i]: 1.0 for i in mine if draft.options[i].rates.get("run")}
            draft.builder.add_row(row, runs, lower=1.0, upper=1.0, kind="demand")
            _together(draft, mine)
            draft.limits[row] = Limit(row, "demand", f"{workload.name} must run once", 1.0, "run", 1.0, path, 1)
            continue
        mine = [i for i in mine if draft.options[i].period == 0]
        if isinstance(workload, Serving) and workload.request_classes:
            _answer(draft, workload, mine, path)
            continue
        demand, unit, leaf = workload.asked
        tokens = float(workload.input_tokens + workload.output_tokens) if isinstance(workload, Serving) else 1.0
        _serve(draft, workload, mine, demand, unit, f"{path}.{leaf}", tokens)


def _serve(
    draft: Draft,
    workload: Serving | Recommendation | Counted,
    mine: list[int],
    demand: float,
    unit: str,
    path: str,
    tokens: float,
) -> None:
    name = workload.name
    label = f"{name} at {demand:g} {unit}"
    scale = max(demand, 1e-9)
    row = f"demand[{name}]"
    limit = Limit(row, "demand", label, demand, unit, scale, path, 1)
    split = any(draft.options[i].role in {"prefill", "decode"} for i in mine)
    if not split:
        left = _left(draft, name, mine, {})
        # of what is asked for in other words: so much of it a request a second over its window does
        a_second = workload.requests_per_s if isinstance(workload, Serving) else float(workload.samples_per_s or 0.0)
        each = demand / a_second if a_second else 1.0
        levels = workload.by_rank if isinstance(workload, Serving) else ()
        by_hour = {f"{n} h" for n, _ in levels}
        rates = {
            draft.units[i]: min(r for k, r in draft.options[i].rates.items() if k not in by_hour) * each for i in mine
        }
        # below the peak: what is on for so many hours a day carries what is asked in as many
        for hours, asked in levels[1:]:
            on = {draft.units[i]: r / a_second for i in mine if (r := draft.options[i].rates[f"{hours} h"]) > 0}
            draft.builder.add_row(f"demand[{name},{hours} h]", on, lower=asked / a_second, kind="balance")
        draft.add_limit(limit, rates if left is None else {left: scale})
        return
    # KV caches do not travel between sites: each site serves the lesser of its two phases.
    sites = sorted({site_of(draft.options[i]) for i in mine})
    served = {}
    draft.split.add(name)
    for site in sites:
        most = sum(
            draft.options[i].rates.get("decode", 0.0) * draft.options[i].max_units
            for i in mine
            if site_of(draft.options[i]) == site
        )
        upper = max(most, demand)
        column = draft.builder.add_column(f"served[{name},{site}]", lower=0.0, upper=upper / scale)
        served[site] = column
        draft.served[column] = tokens * scale
        for phase in ("decode", "prefill"):  # both, even where no option here does one of them
            here = {
                draft.units[i]: draft.options[i].rates.get(phase, 0.0) / scale
                for i in mine
                if site_of(draft.options[i]) == site and draft.options[i].rates.get(phase, 0.0) > 0
            }
            draft.builder.add_row(f"{phase}[{name},{site}]", {**here, column: -1.0}, lower=0.0, kind="balance")
    answered = dict.fromkeys(served.values(), 1.0)
    left = _left(draft, name, mine, served)
    if left is not None:
        answered = {left: 1.0}
    draft.builder.add_row(row, answered, lower=demand / scale, kind="demand")
    draft.limits[row] = limit


def _left(draft: Draft, name: str, mine: list[int], served: Mapping[str, int]) -> int | None:
    """The column of what is left of a load when units fail; None where it asks for nothing to spare."""
    rule = next((r for i in mine if (r := draft.options[i].redundancy) is not None), None)
    if rule is None:
        return None
    units = {i: Unit(draft.units[i], o.chips, o.rates, site_of(o)) for i in mine if (o := draft.options[i])}
    return add_left(Counting(draft.builder, draft.add_limit, units), name, rule, served)


def _together(draft: Draft, mine: list[int]) -> None:
    """The two options of a run on two kinds of systems are bought together or not at all."""
    pairs: dict[str, dict[int, float]] = defaultdict(dict)
    for i in mine:
        option = draft.options[i]
        if option.mix:
            pairs[option.mix][draft.units[i]] = 1.0 if option.rates.get("run") else -1.0
    for mix, both in pairs.items():
        draft.builder.add_row(f"mix[{mix}]", both, lower=0.0, upper=0.0, kind="balance")


def _answer(draft: Draft, workload: Serving, mine: list[int], path: str) -> None:
    """A load with classes of requests: every class at its rate, and the time of the units of each option is enough.

    ``answer[o,c]`` is the share of class c's demand that the units of option o answer; all slices of a class are one.
    """
    draft.split.add(workload.name)
    demand = {c.label: c.share * workload.requests_per_s for c in workload.request_classes}
    tokens = {c.label: float(c.input_tokens + c.output_tokens) for c in workload.request_classes}
    most = 1.0 if "throughput" not in draft.scenario.objective else None
    answered: dict[str, dict[int, float]] = {label: {} for label in demand}
    for i in mine:
        option = draft.options[i]
        columns: dict[str, tuple[int, float]] = {}
        taken: dict[int, float] = {draft.units[i]: -1.0}
        for label, asked in demand.items():
            rate = option.rates.get(label, 0.0)
            if rate <= 0:
                continue
            ceiling = rate * option.max_units / asked
            upper = ceiling if most is None else min(most, ceiling)
            column = draft.builder.add_column(f"answer[{option.id},{label}]", upper=upper)
            columns[label] = (column, asked)
            taken[column] = asked / rate
            answered[label][column] = 1.0
            draft.served[column] = tokens[label] * asked
        draft.answers[i] = columns
        draft.builder.add_row(f"time[{option.id}]", taken, upper=0.0, kind="balance")
    scale = max(workload.requests_per_s, 1e-9)
    total = f"answered[{workload.name}]"
    ends = [sum(draft.options[i].rates.get(c, 0.0) * draft.options[i].max_units for i in mine) / d
            for c, d in demand.items()]  # fmt: skip
    whole = draft.builder.add_column(total, lower=0.0, upper=max(1.0, *ends) if most is None else 1.0)
    for label, columns_of in answered.items():
        draft.builder.add_row(f"class[{workload.name},{label}]", {**columns_of, whole: -1.0}, lower=0.0, kind="balance")
    row = f"demand[{workload.name}]"
    words = f"{workload.name} at {workload.requests_per_s:g} requests/s in {len(demand)} classes"
    limit = Limit(row, "demand", words, workload.requests_per_s, "requests/s", scale, f"{path}.requests_per_s", 1)
    draft.add_limit(limit, {whole: scale})
