"""How likely a plan keeps each of its promises, from the intervals of what it predicts.

A deployment's time (of a step, a token, a batch) is its prediction times a factor whose 80% interval the performance
model states: lognormal on either side of the prediction, as wide as that side of the interval. Rates fall and days and
latencies grow by it. Of one workload all deployments move together; of several the truth lies between errors that
have nothing to do with each other and one error that moves all of them, so both are told.

Only performance is uncertain here; ``planner outlook`` draws prices, deliveries, demand and failures as well.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from planner.answer.plan import Chance, Deployment, Plan, Predicted, PromiseChance
from planner.scenario.base import month_index
from planner.scenario.kinds import ByADate, Workload
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving

_NORMAL = NormalDist()
_NINETIETH = _NORMAL.inv_cdf(0.9)
_FARTHEST = 6.0
"""Standard deviations beyond which a chance is nought or one."""
_HALVINGS = 60
_DAYS_PER_YEAR = 365.25
_SLACK = 1e-9
BASIS = "80% intervals of the performance model, lognormal on either side; all else as planned"


@dataclass(frozen=True)
class _Working:
    """What one deployment, or unit of a load, is predicted to do; ``rates`` by phase, of all of them."""

    site: str
    predicted: Predicted
    rates: Mapping[str, float]


def chance_of(scenario: Scenario, plan: Plan) -> Chance | None:
    """The chance of each promise of a plan, and of all together; None where no interval is known.

    Pure: the verifier computes it again.
    """
    promises = []
    for workload in scenario.workloads:
        kept = _kept(scenario, plan, workload)
        if kept is None:
            continue
        what, holds = kept
        z = _largest(holds)
        promises.append(PromiseChance(workload=workload.name, what=what, chance=_NORMAL.cdf(z)))
    if not promises:
        return None
    chances = [p.chance for p in promises]
    return Chance(promises=tuple(promises), all_kept_least=math.prod(chances), all_kept_most=min(chances), basis=BASIS)


def _largest(holds: Callable[[float], bool]) -> float:
    """The largest deviation, in standard deviations of log time, at which a promise still holds."""
    low, high = -_FARTHEST, _FARTHEST
    if holds(high):
        return math.inf
    if not holds(low):
        return -math.inf
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def factor(predicted: Predicted, z: float) -> float | None:
    """What a predicted time is multiplied by at ``z`` standard deviations; None where no interval is known."""
    told = predicted.interval
    middle = None if told is None else getattr(predicted, told.quantity, None)
    if told is None or not middle or told.low <= 0:
        return None
    return time_factor(told.low / middle, told.high / middle, z)


def time_factor(low80: float, high80: float, z: float) -> float:
    """A time over its prediction at ``z`` standard deviations of its logarithm, of which an 80% interval is known."""
    return math.exp(abs(z) / _NINETIETH * math.log(high80 if z > 0 else low80))


def deviation(share: float) -> float:
    """The standard deviations below which a share of outcomes lies; 0 < ``share`` < 1."""
    return _NORMAL.inv_cdf(share)


def _kept(scenario: Scenario, plan: Plan, workload: Workload) -> tuple[str, Callable[[float], bool]] | None:
    """(date or load, whether the promise holds at a deviation) of a workload; None where it cannot be known."""
    if workload.runs_once:
        return _date(scenario, plan, workload)
    return _load(scenario, plan, workload)


def _date(scenario: Scenario, plan: Plan, workload: Workload) -> tuple[str, Callable[[float], bool]] | None:
    asked, start = getattr(workload, "finish_within_days", None), getattr(workload, "start", None)
    begins = (month_index(start) - month_index(scenario.start)) * _DAYS_PER_YEAR / 12 if start else 0.0
    due = scenario.horizon_years * _DAYS_PER_YEAR
    if asked is not None:
        due = min(due, begins + asked)
    # (day on which it begins, what is predicted of it)
    deployments = plan.deployments if plan.schedule is None else ()  # of a fleet they are a view of its schedule
    mine = [
        ((d.predicted.finish_days or 0.0) - (d.predicted.days or 0.0), d.predicted)
        for d in deployments
        if d.workload == workload.name and d.predicted.finish_days is not None
    ]
    if plan.schedule is not None:
        mine += [(r.start_day, r.predicted) for r in plan.schedule.runs if r.workload == workload.name]
    if not mine or any(factor(p, 0.0) is None or not p.days for _, p in mine):
        return None

    def holds(z: float) -> bool:
        ends = (begin + (p.days or 0.0) * (factor(p, z) or 1.0) for begin, p in mine)
        return all(end <= due * (1 + _SLACK) for end in ends)

    return "date", holds


def _load(scenario: Scenario, plan: Plan, workload: Workload) -> tuple[str, Callable[[float], bool]] | None:
    periods = list(_working(scenario, plan, workload))
    if not periods or any(factor(w.predicted, 0.0) is None for _, some in periods for w in some):
        return None

    def holds(z: float) -> bool:
        return all(_answers(workload, wanted, some, z) for wanted, some in periods)

    return "load", holds


def _working(scenario: Scenario, plan: Plan, workload: Workload) -> Iterator[tuple[float, list[_Working]]]:
    """(demand, what works) of a load at each time at which they differ."""
    mine = [d for d in plan.deployments if d.workload == workload.name]
    if mine and plan.schedule is None:
        wanted = getattr(workload, "requests_per_s", None) or getattr(workload, "samples_per_s", None) or 0.0
        rates = [_rates(d.role, d.predicted, _spare(workload, d)) for d in mine]
        yield wanted, [_Working(d.site.split("/")[0], d.predicted, r) for d, r in zip(mine, rates, strict=True)]
    if plan.schedule is None:
        return
    for demand in plan.schedule.demand:
        if demand.workload != workload.name:
            continue
        for period, asked in enumerate(demand.asked):
            units = [(x, x.units[period]) for x in plan.schedule.loads if x.workload == workload.name]
            some = [_Working(x.site.split("/")[0], x.predicted, _rates(x.role, x.predicted, n)) for x, n in units if n]
            if asked > 0 and some:
                yield asked, some


def _spare(workload: Workload, deployment: Deployment) -> float:
    """What a deployment does in all of the time that it has, over what is planned: of work by a date, its window."""
    if isinstance(workload, ByADate) and workload.window_hours is not None:
        return workload.utilisation / (deployment.parallelism.load or workload.utilisation)
    return 1.0


def _rates(role: str, predicted: Predicted, count: float) -> dict[str, float]:
    """Requests (or samples) a second by phase."""
    rate = (predicted.requests_per_s if predicted.samples_per_s is None else predicted.samples_per_s) or 0.0
    phases = {"serve": ("prefill", "decode"), "recommend": ("score",), "generate": ("score",)}.get(role, (role,))
    return dict.fromkeys(phases, rate * count)


def _answers(workload: Workload, wanted: float, working: Sequence[_Working], z: float) -> bool:
    """Whether what works carries a demand within the latencies when its times are ``z`` deviations off."""
    sites: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for w in working:
        times = factor(w.predicted, z) or 1.0
        for phase, rate in w.rates.items():
            sites[w.site][phase] += rate / times
        for name in ("ttft_ms", "tpot_ms", "latency_ms"):
            limit, value = getattr(workload, name, None), getattr(w.predicted, name)
            if limit is not None and value is not None and value * times > limit * (1 + _SLACK):
                return False
    phases = ("prefill", "decode") if isinstance(workload, Serving) else ("score",)
    served = sum(min(rates[p] for p in phases) for rates in sites.values())
    return served >= wanted * (1 - 1e-6)


def percent(chance: float) -> str:
    """A chance in whole per cents, without claiming nought or all."""
    return "over 99%" if chance > 0.995 else "under 1%" if chance < 0.005 else f"{chance:.0%}"


def said(plan: Plan, workload: str, before: str = " ") -> str:
    """The chance of a workload's promise, in brackets; nothing where it is not known."""
    promise = next((p for p in plan.chance.promises if p.workload == workload), None) if plan.chance else None
    if promise is None:
        return ""
    return f"{before}({percent(promise.chance)} likely to be {'in time' if promise.what == 'date' else 'kept'})"


def together(plan: Plan) -> str:
    """The chance of all promises together as a sentence; nothing for a single one."""
    chance = plan.chance
    if chance is None or len(chance.promises) < 2:
        return ""
    least, most = percent(chance.all_kept_least), percent(chance.all_kept_most)
    if least == most:
        return f" All promises together: {most} likely."
    return f" All promises together: {least} to {most} likely, by how much the model's errors have in common."
