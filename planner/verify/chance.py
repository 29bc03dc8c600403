"""How likely a plan keeps each of its promises: the same account as the margin that a confidence takes (``margins``).

A deployment's times (of a step, a token, a batch) are predictions times a factor of which the performance model states
the 80% interval; rates fall, days and latencies grow by it. Systems that are on a roadmap may come late, failures may
be more frequent than planned, demand may differ where the scenario says so. Of one workload all deployments err
together; of several workloads the truth lies between errors that have nothing in common and one error that moves all of
them, so both are told. Money is no part of a promise.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.answer.plan import Chance, Deployment, Plan, Predicted, PromiseChance, ScheduledLoad, ScheduledRun
from planner.catalog import Catalog
from planner.options.hardware.choices import announced_days, delivery, platform_of, start_days
from planner.options.work.training import TrainingSearch
from planner.scenario.base import month_index
from planner.scenario.kinds import ByADate, Workload
from planner.scenario.pooled import pool_of, pools_of
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving, Training
from planner.uncertainty.margins import Margin, margin_of, times_at
from planner.uncertainty.times import share_below, time_factor

_FARTHEST = 6.0
"""Standard deviations beyond which a chance is nought or one."""
_HALVINGS = 60
_DAYS_PER_YEAR = 365.25
_SLACK = 1e-9
_SAME_DAY = 1e-6
BASIS = (
    "80% intervals of the performance model, lognormal on either side; deliveries of what is not sold yet, failure"
    " rates, and demand where the scenario says that it is uncertain"
)


@dataclass(frozen=True)
class Working:
    """What one deployment, or unit of a load, is predicted to do; ``rates`` by phase, of all of them."""

    site: str
    system: str
    chip: str
    predicted: Predicted
    rates: Mapping[str, float]
    margin: Margin
    slack_days: float | None = None
    """Days that its systems may come later than announced and still be there when counted on; None: any."""
    busy: float | None = None
    """Of replicas that answer classes of requests: the share of their time that it takes at the rates counted on."""

    @property
    def there(self) -> float:
        """Chance that its systems are there when they are counted on."""
        if self.slack_days is None:
            return 1.0
        return float(np.mean(np.asarray(self.margin.slip_days) <= self.slack_days + _SAME_DAY))

    def slower(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """What its times are multiplied by where shares (n,) of outcomes are better."""
        return times_at(self.margin.time, *(ends_of(self.predicted) or (1.0, 1.0)), shares)

    @property
    def spare(self) -> float:
        """What its rates are over those counted on: more than one where its replicas have time left."""
        low, high = ends_of(self.predicted) or (1.0, 1.0)
        return 1.0 if self.busy is None else float(self.margin.less(low, high)[0]) / self.busy


@dataclass(frozen=True)
class Running:
    """A run as planned: days that it takes on so many chips, from when."""

    systems: tuple[tuple[str, str], ...]
    """(system, chip) of all that it needs."""
    predicted: Predicted
    margin: Margin
    chips: int
    ready: float
    """Days from the start until its systems are there as announced."""
    release: float
    """Days before which it does not begin."""
    missing: float
    """Share of an elastic run's chips that wait for repair."""
    due: float

    @property
    def chance(self) -> float | None:
        """That it ends in time; None where no interval is known."""
        ends = ends_of(self.predicted)
        if ends is None or not self.predicted.days:
            return None
        kept = self.margin.kept_runs(
            self.predicted.days, self.chips, *ends, ready=self.ready, release=self.release, missing=self.missing
        )
        return float(kept(np.array([self.due * (1 + _SLACK)]))[0])


def chance_of(scenario: Scenario, plan: Plan, catalog: Catalog) -> Chance | None:
    """The chance of each promise of a plan, and of all together; None where no interval is known.

    ``catalog`` holds the scenario's assumptions. Pure: the verifier computes it again.
    """
    view = Promises(scenario, plan, catalog)
    promises = []
    for workload in scenario.workloads:
        run = workload.runs_once
        chance = view.date(workload) if run else view.load(workload)
        if chance is None:
            continue
        asked = scenario.confidence_of(workload.name)
        what = "date" if run else "load"
        promises.append(PromiseChance(workload=workload.name, what=what, chance=min(chance, 1.0), asked=asked))
    if not promises:
        return None
    # loads that one pool answers keep their promises together or not at all
    followers = {name for names in pools_of(scenario).values() for name in names[1:]}
    chances = [p.chance for p in promises if p.workload not in followers]
    return Chance(promises=tuple(promises), all_kept_least=math.prod(chances), all_kept_most=min(chances), basis=BASIS)


def factor(predicted: Predicted, z: float) -> float | None:
    """What a predicted time is multiplied by at ``z`` standard deviations; None where no interval is known."""
    ends = ends_of(predicted)
    return None if ends is None else time_factor(*ends, z)


def ends_of(predicted: Predicted) -> tuple[float, float] | None:
    """Both ends of the 80% interval over the prediction; None where no interval is known."""
    told = predicted.interval
    middle = None if told is None else getattr(predicted, told.quantity, None)
    if told is None or not middle or min(told.low, told.high) <= 0:  # a plan from anywhere
        return None
    return told.low / middle, told.high / middle


@dataclass(frozen=True)
class Promises:
    """What a plan promises, and what each promise rests on."""

    scenario: Scenario
    plan: Plan
    catalog: Catalog

    def _margin(self, workload: Workload, system: str, chip: str, acquire: str) -> Margin:
        return margin_of(self.scenario, self.catalog, workload, system, chip, there=acquire == "installed")

    def _announced(self, system: str, chip: str) -> float:
        """Days from the start until what is on a roadmap is sold, as announced."""
        return announced_days(self.scenario, self.catalog.system(system), self.catalog.chip(chip))

    # -- dates -----------------------------------------------------------------------------------------------------

    def date(self, workload: Workload) -> float | None:
        """The chance that a run ends in time; None where it cannot be known."""
        kept = [run.chance for run in self.running(workload)]
        known = [k for k in kept if k is not None]
        return min(known) if known and len(known) == len(kept) else None

    def running(self, workload: Workload) -> list[Running]:
        """The runs that are planned of a workload, each with what it waits for and when it is due."""
        asked = getattr(workload, "finish_within_days", None)
        begins = start_days(self.scenario, getattr(workload, "start", None))
        due = self.scenario.horizon_years * _DAYS_PER_YEAR
        if asked is not None:
            due = min(due, begins + asked)
        if self.plan.schedule is not None:
            runs = [r for r in self.plan.schedule.runs if r.workload == workload.name and r.leads]
            return [self._scheduled(workload, r, due) for r in runs]
        mine = [d for d in self.plan.deployments if d.workload == workload.name]
        return [self._deployed(workload, d, mine, begins, due) for d in mine if d.predicted.finish_days is not None]

    def _deployed(
        self, workload: Workload, d: Deployment, mine: Sequence[Deployment], begins: float, due: float
    ) -> Running:
        margin = self._margin(workload, d.system, d.chip, d.acquire)
        together = [x for x in mine if d.mix and x.mix == d.mix and x is not d]
        for x in together:
            margin = margin.beside(self._margin(workload, x.system, x.chip, x.acquire))
        ready = [0.0]
        months = [0.0]
        for x in (d, *together):
            period = self.plan.periods.index(x.period)
            months.append(start_days(self.scenario, x.period))
            if x.acquire != "installed":
                arrives, _ = delivery(
                    self.scenario, self.catalog.system(x.system), self.catalog.chip(x.chip), period
                )  # fmt: skip
                ready.append(arrives or 0.0)
        chips = sum(x.chips for x in (d, *together))
        missing = self._missing(workload, d) if not together else 0.0
        systems = tuple((x.system, x.chip) for x in (d, *together) if x.acquire != "installed")
        return Running(systems, d.predicted, margin, chips, max(ready), max(*months, begins), missing, due)

    def _scheduled(self, workload: Workload, r: ScheduledRun, due: float) -> Running:
        margin = self._margin(workload, r.system, r.chip, "buy")
        assert self.plan.schedule is not None  # noqa: S101 - it has this run
        both = [r, *(x for x in self.plan.schedule.runs if r.mix and x.mix == r.mix and x is not r)]
        for x in both[1:]:
            margin = margin.beside(self._margin(workload, x.system, x.chip, "buy"))
        ready = max(self._announced(x.system, x.chip) for x in both)
        missing = self._missing(workload, r) if len(both) == 1 else 0.0
        systems, chips = tuple((x.system, x.chip) for x in both), sum(x.chips for x in both)
        return Running(systems, r.predicted, margin, chips, ready, r.start_day, missing, due)

    def _missing(self, workload: Workload, d: Deployment | ScheduledRun) -> float:
        """Share of an elastic run's chips that wait for repair."""
        if not isinstance(workload, Training) or not workload.elastic:
            return 0.0
        platform = platform_of(self.catalog, d.system, d.chip, d.cooling, d.power_cap, d.topology)
        search = TrainingSearch(workload, self.catalog)
        return float(search.missing_of(platform, np.array([d.chips]), np.array([d.parallelism.dp]))[0])

    # -- loads -----------------------------------------------------------------------------------------------------

    def load(self, workload: Workload) -> float | None:
        """The chance that a load is carried within its latencies; None where it cannot be known."""
        periods = self.working(workload)
        every = [w for _, some in periods for w in some]
        if not every or any(ends_of(w.predicted) is None for w in every):
            return None
        demand = every[0].margin.demand
        demand = demand if len(set(demand)) > 1 else demand[:1]

        def kept(times: float) -> float:
            def holds(z: float) -> bool:
                return all(_answers(workload, wanted * times, some, z) for wanted, some in periods)

            return float(share_below(_largest(holds)))

        late: dict[int, float] = {}
        for w in every:
            late[id(w.margin)] = min(w.there, late.get(id(w.margin), 1.0))
        return math.prod(late.values()) * math.fsum(kept(x) for x in demand) / len(demand)

    def working(self, workload: Workload) -> list[tuple[float, list[Working]]]:
        """(demand, what works) of a load at each time at which they differ."""
        margins: dict[tuple[str, str], Margin] = {}
        found: list[tuple[float, list[Working]]] = []
        if self.plan.schedule is None:
            some = []
            for d in self.plan.deployments:
                if d.workload != workload.name:
                    continue
                key = (d.system, d.acquire)
                margin = margins.setdefault(key, self._margin(workload, d.system, d.chip, d.acquire))
                busy = math.fsum(a.share_of_time for a in d.answers) or None
                rates = _rates(d.role, d.predicted, _spare(workload, d))
                slack = None if len(set(margin.slip_days)) == 1 else 0.0
                some.append(
                    Working(d.site.split("/")[0], d.system, d.chip, d.predicted, rates, margin, slack, busy)
                )  # fmt: skip
            wanted = getattr(workload, "requests_per_s", None) or getattr(workload, "samples_per_s", None) or 0.0
            return [(wanted, some)] if some else []
        pool = pool_of(self.scenario, workload.name)
        wanted_of = [d.asked for d in self.plan.schedule.demand if d.workload in pool]
        for period, asked in enumerate(map(math.fsum, zip(*wanted_of, strict=True))):
            some = []
            for x in self.plan.schedule.loads:
                if x.workload == pool[0] and x.units[period]:
                    margin = margins.setdefault(
                        (x.system, ""), self._margin(workload, x.system, x.chip, "buy")
                    )  # fmt: skip
                    answers = x.answers[period] if x.answers else ()
                    busy = math.fsum(a.share_of_time for a in answers) or None
                    rates = _rates(x.role, x.predicted, x.units[period])
                    slack = self._slack(x, margin)
                    some.append(
                        Working(x.site.split("/")[0], x.system, x.chip, x.predicted, rates, margin, slack, busy)
                    )  # fmt: skip
            if asked > 0 and some:
                found.append((asked, some))
        return found

    def _slack(self, x: ScheduledLoad, margin: Margin) -> float | None:
        """Days that the lots that a load may stand on may be late until it first stands on them; None: any."""
        lots = self.plan.fleet.lots if self.plan.fleet is not None else ()
        mine = [lot for lot in lots if lot.system == x.system and lot.site == x.site and lot.acquire != "installed"]
        if not mine or len(set(margin.slip_days)) == 1:
            return None
        begins = month_index(self.scenario.start)
        first = min(month_index(lot.begin) if lot.begin else begins for lot in mine)
        starts = self.plan.periods or (self.plan.start,)
        works = next((month_index(starts[k]) for k, n in enumerate(x.units) if n), begins)
        counted = (max(first, works) - begins) * _DAYS_PER_YEAR / 12
        return counted - self._announced(x.system, x.chip)


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


def _answers(workload: Workload, wanted: float, working: Sequence[Working], z: float) -> bool:
    """Whether what works carries a demand within the latencies when its times are ``z`` deviations off."""
    return bool(answers(workload, np.array([wanted]), working, share_below(np.array([z])))[0])


def answers(
    workload: Workload, wanted: NDArray[np.float64], working: Sequence[Working], shares: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether what works carries demands (n,) within the latencies, where shares (n,) of outcomes are better."""
    sites: dict[str, dict[str, NDArray[np.float64]]] = defaultdict(dict)
    kept = np.ones(len(shares), np.bool_)
    nothing = np.zeros(len(shares))
    for w in working:
        times = w.slower(shares)
        for phase, rate in w.rates.items():
            sites[w.site][phase] = sites[w.site].get(phase, nothing) + rate / times * w.spare
        for name in ("ttft_ms", "tpot_ms", "latency_ms"):
            limit, value = getattr(workload, name, None), getattr(w.predicted, name)
            if limit is not None and value is not None:
                kept &= value * times <= limit * (1 + _SLACK)
    phases = ("prefill", "decode") if isinstance(workload, Serving) else ("score",)
    served = sum((np.min([rates.get(p, nothing) for p in phases], axis=0) for rates in sites.values()), start=nothing)
    return np.asarray(kept & (served >= wanted * (1 - 1e-6)))
