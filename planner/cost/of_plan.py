"""What a unit of work costs in a plan: a chip-hour, a run, a million tokens, and the same of input, cached and output.

One piece of arithmetic for the plan and for its verifier, and for plans of both kinds: ``Worked`` is what some chips
did for a workload, of deployments (``worked_of``) or of a fleet over time (``planner.options.stock_worked``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from planner.answer.plan import Deployment
from planner.cost.finance import HOURS_PER_YEAR
from planner.cost.tokens import PerToken, per_million_tokens
from planner.cost.unit import added_lines, unit_costs
from planner.performance.serving.profile import ServingProfile
from planner.scenario.kinds import Agents, ByADate, Workload
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving, Training

KINDS = ("input", "cached", "output")


@dataclass(frozen=True)
class Worked:
    """What some chips did for a workload over the horizon, and what was paid and drawn for it."""

    workload: str
    role: str
    chip_hours: float
    """Of the chips that work: bought or rented for it, whether busy or not; of shared ones while they work for it."""
    lines_usd: Mapping[str, float]
    joules: float
    """At the meter, also of rented chips."""
    prefill_share: float | None = None
    """Of a serving load: share of the time that prompts take."""
    requests_per_s: float = 0.0
    cached_prefix: float = 0.0


def worked_of(scenario: Scenario, deployments: Sequence[Deployment]) -> list[Worked]:
    """Deployments as work. Runs on rented chips count their own hours, everything else the horizon."""
    horizon = scenario.horizon_years * HOURS_PER_YEAR
    runs = {w.name for w in scenario.workloads if w.runs_once}
    windows = {w.name: w for w in scenario.workloads if isinstance(w, ByADate) and w.window_hours is not None}

    def hours_of(d: Deployment) -> float:
        if d.parallelism.hours_per_day is not None:
            return horizon * d.parallelism.hours_per_day / 24.0
        if d.workload in windows:
            return windows[d.workload].hours_worked(d.parallelism.load or 0.0)
        return (d.predicted.days or 0.0) * 24.0 if d.workload in runs and d.acquire == "rent" else horizon

    def joule_hours(d: Deployment) -> float:
        return hours_of(d) if d.workload in windows or d.parallelism.hours_per_day else horizon

    return [
        Worked(
            workload=d.workload,
            role=d.role,
            chip_hours=d.chips * hours_of(d),
            lines_usd=d.cost.lines_usd,
            joules=d.power.facility_average_mw * 1e6 * 3600.0 * joule_hours(d),
            prefill_share=d.predicted.prefill_share,
            requests_per_s=d.predicted.requests_per_s or 0.0,
            cached_prefix=d.predicted.cached_prefix or 0.0,
        )
        for d in deployments
    ]


def requests_of(scenario: Scenario) -> dict[str, float]:
    """{serving load: requests of the horizon} where the demand does not change, at the mean of a day."""
    loads = (w for w in scenario.workloads if isinstance(w, Serving))
    return {w.name: w.mean_requests_per_s * w.answered_hours(scenario.horizon_years) * 3600.0 for w in loads}


def unit_cost_usd(scenario: Scenario, deployments: Sequence[Deployment]) -> dict[str, dict[str, dict[str, float]]]:
    """``unit_costs_of`` the deployments of a plan."""
    return unit_costs_of(scenario, worked_of(scenario, deployments), requests_of(scenario))


def joules_per_token(scenario: Scenario, deployments: Sequence[Deployment]) -> dict[str, dict[str, float]]:
    """``joules_of`` the deployments of a plan."""
    return joules_of(scenario, worked_of(scenario, deployments), requests_of(scenario))


def usd_per_m_tokens(scenario: Scenario, worked: Sequence[Worked], requests: Mapping[str, float]) -> dict[str, float]:
    """Cost over the horizon per million tokens that the workload asks for in it (input and output together)."""
    found = {}
    for workload in scenario.workloads:
        tokens = _tokens(workload, requests)
        if tokens > 0:
            cost = math.fsum(usd for x in worked if x.workload == workload.name for usd in x.lines_usd.values())
            found[workload.name] = cost / (tokens / 1e6)
    return found


def unit_costs_of(
    scenario: Scenario, worked: Sequence[Worked], requests: Mapping[str, float]
) -> dict[str, dict[str, dict[str, float]]]:
    """{workload: {chip_hour | run | million_tokens | million_input_tokens | ...: {line: USD, ..., total: USD}}}.

    Lines sum to their total. Tokens are those asked for over the horizon; ``requests``: {serving load: how many}. A
    serving load's cost is divided over computed and cached prompt tokens and answer tokens by the rule of
    ``planner.cost.tokens``; cached ones are left out where there are none.
    """
    found = {}
    for workload in scenario.workloads:
        mine = [x for x in worked if x.workload == workload.name]
        tokens = _tokens(workload, requests)
        lines = added_lines(x.lines_usd for x in mine)
        chip_hours = sum(x.chip_hours for x in mine)
        runs = workload.launches if isinstance(workload, Training) else int(workload.runs_once)
        costs = unit_costs(lines, chip_hours=chip_hours, runs=float(runs), million_tokens=tokens / 1e6)
        if (
            isinstance(workload, Serving)
            and workload.answer_tokens
            and mine
            and all(x.prefill_share is not None for x in mine)
        ):
            costs |= _by_kind(workload, mine, list(lines), requests[workload.name])
        if mine and lines:
            found[workload.name] = costs
    return found


def joules_of(
    scenario: Scenario, worked: Sequence[Worked], requests: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """{serving load: {input | cached | output: J}}: energy at the meter over the tokens asked for, divided by the
    rule of the cost; rented chips' power counts."""
    found = {}
    for workload in scenario.workloads:
        mine = [x for x in worked if x.workload == workload.name]
        if (
            not isinstance(workload, Serving)
            or not workload.answer_tokens
            or not mine
            or any(x.prefill_share is None for x in mine)
        ):
            continue
        joules = np.array([x.joules for x in mine])
        shares = np.array([x.prefill_share for x in mine], dtype=np.float64)
        whole = float(joules.sum())
        part = float(joules @ shares) / whole if whole > 0.0 else 0.0
        each = _divided(workload, mine, requests[workload.name], np.array([whole]), np.array([part]))
        kinds = {k: float(getattr(each, k)[0]) / 1e6 for k in KINDS}
        found[workload.name] = kinds if _cached(workload, mine) > 0.0 else {k: kinds[k] for k in ("input", "output")}
    return found


def _tokens(workload: Workload, requests: Mapping[str, float]) -> float:
    if isinstance(workload, Training):
        return workload.launches * workload.launch_tokens
    if isinstance(workload, Serving):
        return requests[workload.name] * (workload.input_tokens + workload.answer_tokens)
    return 0.0


def _cached(workload: Serving, mine: Sequence[Worked]) -> float:
    """Share of prompt tokens that are reused: the load's, or what its systems' pools find, by requests."""
    if workload.prefix_hits is None and not isinstance(workload, Agents):
        return workload.cached_prefix
    rates = [(x.requests_per_s, x.cached_prefix) for x in mine if x.role != "decode"]
    whole = sum(rate for rate, _ in rates)
    return sum(rate * share for rate, share in rates) / whole if whole else 0.0


def _divided(
    workload: Serving, mine: Sequence[Worked], requests: float, amount: np.ndarray, prefill_share: np.ndarray
) -> PerToken:
    return per_million_tokens(
        amount,
        prefill_share=prefill_share,
        input_tokens=requests * workload.input_tokens,
        cached_prefix=_cached(workload, mine),
        output_tokens=requests * workload.output_tokens,
        reuse_efficiency=ServingProfile.reuse_efficiency,
    )


def _by_kind(
    workload: Serving, mine: Sequence[Worked], names: Sequence[str], requests: float
) -> dict[str, dict[str, float]]:
    amounts = np.array([[x.lines_usd.get(name, 0.0) for name in names] for x in mine])
    shares = np.array([x.prefill_share for x in mine], dtype=np.float64)
    whole, prompts = amounts.sum(axis=0), shares @ amounts
    # a line that nobody pays has no share of its own
    part = np.clip(np.divide(prompts, whole, out=np.zeros_like(prompts), where=whole != 0.0), 0.0, 1.0)
    each = _divided(workload, mine, requests, whole, part)
    found = {}
    for kind in KINDS:
        if kind == "cached" and _cached(workload, mine) <= 0.0:
            continue
        lines = {name: float(usd) for name, usd in zip(names, getattr(each, kind), strict=True)}
        total = 0.0
        for usd in lines.values():
            total += usd
        found[f"million_{kind}_tokens"] = {**lines, "total": total}
    return found
