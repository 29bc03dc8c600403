"""What a unit of work costs in a plan: a chip-hour, a run, a million tokens, and the same of input, cached and output.

One piece of arithmetic for the plan and for its verifier: both ask it of the same deployments.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from planner.answer.plan import Deployment
from planner.cost.tokens import PerToken, per_million_tokens
from planner.cost.unit import added_lines, unit_costs
from planner.performance.serving.profile import ServingProfile
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving, Training

HOURS_PER_YEAR = 8760.0
KINDS = ("input", "cached", "output")


def unit_cost_usd(scenario: Scenario, deployments: Sequence[Deployment]) -> dict[str, dict[str, dict[str, float]]]:
    """{workload: {chip_hour | run | million_tokens | million_input_tokens | ...: {line: USD, ..., total: USD}}}.

    Lines sum to their total. Chip-hours are those of the chips that work: over the horizon where bought, over the run
    where rented for one. Tokens are those asked for over the horizon. A serving load's cost is divided over computed
    and cached prompt tokens and answer tokens by the rule of ``planner.cost.tokens``; cached ones are left out where
    there are none.
    """
    hours = scenario.horizon_years * HOURS_PER_YEAR
    found = {}
    for workload in scenario.workloads:
        mine = [d for d in deployments if d.workload == workload.name]
        is_run = isinstance(workload, Training) or getattr(workload, "mode", "") == "training"
        chip_hours = sum(
            d.chips * ((d.predicted.days or 0.0) * 24.0 if is_run and d.acquire == "rent" else hours) for d in mine
        )
        tokens = 0.0
        if isinstance(workload, Training):
            tokens = workload.tokens
        elif isinstance(workload, Serving):
            tokens = workload.mean_requests_per_s * (workload.input_tokens + workload.output_tokens) * hours * 3600.0
        lines = added_lines(d.cost.lines_usd for d in mine)
        costs = unit_costs(lines, chip_hours=chip_hours, runs=float(is_run), million_tokens=tokens / 1e6)
        if isinstance(workload, Serving) and mine and all(d.predicted.prefill_share is not None for d in mine):
            costs |= _by_kind(workload, mine, list(lines), hours * 3600.0)
        if mine and lines:
            found[workload.name] = costs
    return found


def joules_per_token(scenario: Scenario, deployments: Sequence[Deployment]) -> dict[str, dict[str, float]]:
    """{serving load: {input | cached | output: J}}: average power at the meter over the tokens asked for, divided by
    the rule of the cost; rented chips' power counts."""
    seconds = scenario.horizon_years * HOURS_PER_YEAR * 3600.0
    found = {}
    for workload in scenario.workloads:
        mine = [d for d in deployments if d.workload == workload.name]
        if not isinstance(workload, Serving) or not mine or any(d.predicted.prefill_share is None for d in mine):
            continue
        joules = np.array([d.power.facility_average_mw * 1e6 * seconds for d in mine])
        shares = np.array([d.predicted.prefill_share for d in mine], dtype=np.float64)
        whole = float(joules.sum())
        part = float(joules @ shares) / whole if whole > 0.0 else 0.0
        each = _divided(workload, mine, seconds, np.array([whole]), np.array([part]))
        kinds = {k: float(getattr(each, k)[0]) / 1e6 for k in KINDS}
        found[workload.name] = kinds if _cached(workload, mine) > 0.0 else {k: kinds[k] for k in ("input", "output")}
    return found


def _cached(workload: Serving, mine: Sequence[Deployment]) -> float:
    """Share of prompt tokens that are reused: the load's, or what its systems' pools find, by requests."""
    if workload.prefix_hits is None:
        return workload.cached_prefix
    rates = [(d.predicted.requests_per_s or 0.0, d.predicted.cached_prefix or 0.0) for d in mine if d.role != "decode"]
    whole = sum(rate for rate, _ in rates)
    return sum(rate * share for rate, share in rates) / whole if whole else 0.0


def _divided(
    workload: Serving, mine: Sequence[Deployment], seconds: float, amount: np.ndarray, prefill_share: np.ndarray
) -> PerToken:
    requests = workload.mean_requests_per_s * seconds
    return per_million_tokens(
        amount,
        prefill_share=prefill_share,
        input_tokens=requests * workload.input_tokens,
        cached_prefix=_cached(workload, mine),
        output_tokens=requests * workload.output_tokens,
        reuse_efficiency=ServingProfile.reuse_efficiency,
    )


def _by_kind(
    workload: Serving, mine: Sequence[Deployment], names: Sequence[str], seconds: float
) -> dict[str, dict[str, float]]:
    amounts = np.array([[d.cost.lines_usd.get(name, 0.0) for name in names] for d in mine])
    shares = np.array([d.predicted.prefill_share for d in mine], dtype=np.float64)
    whole, prompts = amounts.sum(axis=0), shares @ amounts
    # a line that nobody pays has no share of its own
    part = np.clip(np.divide(prompts, whole, out=np.zeros_like(prompts), where=whole != 0.0), 0.0, 1.0)
    each = _divided(workload, mine, seconds, whole, part)
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
