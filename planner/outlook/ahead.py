"""A plan in sampled futures: its cost at risk, the chance of its dates, plans that hold, and now against waiting.

Every plan compared is a verified plan at central figures, then held to each future: it keeps its hardware, whatever
comes. What is done about a date that would be missed is the scenario's ``outcomes.late``. Options are priced system by
system, so that none is left out because another dominates it at central figures.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.answer.plan import Plan
from planner.answer.words import money
from planner.catalog import Catalog
from planner.errors import PlannerError
from planner.fleet.build import build_fleet
from planner.fleet.model import FleetModel
from planner.options.enumerate import enumerate_options
from planner.options.option import Option, OptionSet
from planner.options.work.describe import Describer, spec_of_option
from planner.outlook.draws import Draws, Floats
from planner.outlook.futures import Futures
from planner.outlook.question import Asked, no_plan, plan_at, question_of, teller
from planner.outlook.result import Outlook, OutlookPlan, Promise, SlipChange, choice_figures, headings
from planner.planning.question import Cancel, Progress, Question
from planner.scenario.kinds import ByADate
from planner.scenario.outcomes import CENTRAL, Outcomes
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving
from planner.solve import lexicographic, solve, with_objective
from planner.uncertainty.spreads import DAYS_PER_QUARTER, quantiles

Bools = NDArray[np.bool_]
_MOST_PLANS = 8
_QUARTER_MONTHS = 3


@dataclass(frozen=True)
class _Held:
    """A plan in every future: arrays (n,); ``kept`` and ``finish`` by workload."""

    name: str
    plan: Plan
    cost: Floats
    kept: dict[str, Bools]
    finish: dict[str, Floats]

    @property
    def all_kept(self) -> Bools:
        return np.asarray(np.all(list(self.kept.values()), axis=0), np.bool_)


def outlook(
    scenario: Asked,
    *,
    catalog: Catalog | None = None,
    variant: str | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Outlook:
    """The plan of a scenario, and its rivals, in the futures that the scenario's ``outcomes`` describe.

    The same scenario, catalog and seed give the same answer but for ``seconds``. Arguments as in ``planner.plan``.
    Raises ``InputError`` for wrong input, ``NoPlanError`` where there is no plan.
    """
    started = time.perf_counter()
    tell = teller(progress, cancel)
    question, model = question_of(
        scenario, catalog, variant, lambda what, share: tell(what, 0.4 * share), over_time=True
    )
    asked = question.scenario
    if question.stock is not None:
        from planner.outlook.over_time_answers import outlook_over_time

        return outlook_over_time(question, tell, started)
    view = View(question, model, asked.outcomes or Outcomes())
    view.read_options(tell)
    tell("Solving for rivals", 0.7)
    held = view.plans()
    tell("Moving deliveries", 0.9)
    slips = view.slips()
    first = held[0]
    told = tuple(view.told(h, held) for h in held)
    findings = (*_slip_findings(slips), *_now_or_later(asked, held))
    tell("Done", 1.0)
    return Outlook(
        **headings(first.plan),
        answer=_sentence(told),
        samples=view.outcomes.samples,
        seed=view.outcomes.seed,
        confidence=view.outcomes.confidence,
        plans=told,
        slips=slips,
        findings=findings,
        notes=view.notes(),
        seconds=round(time.perf_counter() - started, 4),
    )


class View:
    """One question, its options by system, and its futures."""

    def __init__(self, question: Question, model: FleetModel, outcomes: Outcomes) -> None:
        self.question, self.model, self.outcomes = question, model, outcomes
        self.scenario = question.scenario
        self.draws = Draws(self.scenario, question.catalog, outcomes)
        # what a date lacks may be rented though the plan itself may not rent
        ways = self.scenario.hardware.acquire
        ways = (*ways, "rent") if outcomes.late == "rent" and "rent" not in ways else ways
        wide = _with_hardware(self.scenario, acquire=ways)
        self.futures = Futures(wide, question.catalog, self.draws)
        self.describer = Describer(wide, question.catalog)
        assert isinstance(question.found, OptionSet)  # noqa: S101 - shared fleets are refused before
        self.options: tuple[Option, ...] = question.found.options
        self.rented: tuple[Option, ...] = ()
        self.goal = self.scenario.objective[0]

    def read_options(self, tell: Progress) -> None:
        """Options of every system by itself, and rented ones where dates are kept by renting."""
        systems = list(dict.fromkeys([*self.scenario.hardware.systems, *(o.system for o in self.options)]))
        found = {o.id: o for o in self.options}
        for i, system in enumerate(systems if len(systems) > 1 else ()):
            tell(f"Pricing {system} by itself", 0.4 + 0.25 * i / len(systems))
            alone = enumerate_options(_with_hardware(self.scenario, systems=(system,)), self.question.catalog)
            found.update((o.id, o) for o in alone.options)
        self.options = tuple(found.values())
        if self.outcomes.late == "rent":
            rented = enumerate_options(_with_hardware(self.scenario, acquire=("rent",)), self.question.catalog)
            self.rented = tuple(o for o in rented.options if o.acquire == "rent")

    # -- plans -----------------------------------------------------------------------------------------------------

    def plans(self) -> list[_Held]:
        """The plan at central figures, the one that holds, and the best of each system and period alone."""
        goals = [self.model.objectives[g] for g in dict.fromkeys([*self.scenario.objective, "cost"])]
        found = lexicographic(self.model.program, goals, self.question.limits)
        best = next((s for s in reversed(found) if s.values is not None), None)
        if best is None or best.values is None:
            raise no_plan(self.scenario)
        central = plan_at(self.question, best.values.tolist())
        wanted: list[tuple[str, Plan | None]] = [("the plan", central), ("holds at the confidence", self.confident())]
        groups: dict[str, Callable[[Option], bool]] = {}
        for system in dict.fromkeys(o.system for o in self.options):
            groups[f"only {system}"] = lambda o, s=system: o.system == s  # type: ignore[misc]
        for period, name in enumerate(self.scenario.period_starts if len(self.scenario.period_starts) > 1 else ()):
            groups[f"bought in {name}"] = lambda o, p=period: o.period == p  # type: ignore[misc]
            for system in dict.fromkeys(o.system for o in self.options if o.period == period):
                groups[f"{system} bought in {name}"] = lambda o, s=system, p=period: o.system == s and o.period == p  # type: ignore[misc]
        for name, inside in groups.items():
            mine = [o for o in self.options if inside(o)]
            if 0 < len(mine) < len(self.options):
                wanted.append((name, self.best_of(mine)))
        held: list[_Held] = []
        seen = []
        for name, plan in wanted:
            key = None if plan is None else sorted((d.option, d.systems) for d in plan.deployments)
            if plan is not None and key not in seen and len(held) < _MOST_PLANS:
                seen.append(key)
                held.append(self.hold(name, plan))
        return held

    def best_of(self, options: Sequence[Option], cost: Sequence[float] | None = None) -> Plan | None:
        """The best plan over some options (by ``cost``, USD of each, where given); None where there is none."""
        if {w.name for w in self.scenario.workloads} - {o.workload for o in options}:
            return None
        model = build_fleet(self.scenario, options)
        vector = model.objectives["cost" if cost is not None else self.goal].copy()
        if cost is not None:
            vector[list(model.units)] = np.array(cost) / 1e6
        found = solve(with_objective(model.program, vector), self.question.limits)
        if found.values is None:
            return None
        try:
            return plan_at(self.question, found.values.tolist(), model)
        except PlannerError:
            return None

    def confident(self) -> Plan | None:
        """The plan of least expected cost over options whose promises hold at the confidence.

        A run takes one option, so leaving out those that are late too often is exact for its date. A load counts on the
        rate that its units reach at the confidence, demand included: enough where one factor moves them all, and
        checked over all futures like everything else.
        """
        kept, costs = [], []
        for o, future in zip(self.options, self.futures.of(self.options), strict=True):
            deadline = self.futures.deadline(o.workload)
            if deadline is not None:
                if np.mean(future.finish_days <= deadline * (1 + 1e-9)) < self.outcomes.confidence:
                    continue
                kept.append(o)
            else:
                if np.mean(self.answers(o, future.late_days)) < self.outcomes.confidence:
                    continue
                need = future.speed / self.draws.demand_factor(o.workload)
                rank = max(0, math.floor((1 - self.outcomes.confidence) * len(need) + 1e-9) - 1)
                share = float(np.sort(need)[rank])
                rates = {name: rate * share for name, rate in self.rates_of(o).items()}
                kept.append(replace(o, rates=rates, max_units=math.ceil(o.max_units / min(1.0, max(share, 0.01)))))
            costs.append(float(np.mean(future.cost_usd)))
        return self.best_of(kept, costs)

    def rates_of(self, o: Option) -> Mapping[str, float]:
        """What a unit of a load is predicted to do: its rates without the margin of the scenario's confidence."""
        if self.scenario.confidence_of(o.workload) <= CENTRAL:
            return o.rates
        predicted = self.describer.describe(spec_of_option(o)).predicted
        rate = predicted.requests_per_s if predicted.samples_per_s is None else predicted.samples_per_s
        return {name: rate or 0.0 if known > 0 else 0.0 for name, known in o.rates.items()}

    def _in_all_its_time(self, o: Option) -> float:
        """What a unit does in all of the time that it has, over what is planned: of work by a date, its window."""
        load = next(w for w in self.scenario.workloads if w.name == o.workload)
        if not isinstance(load, ByADate) or load.window_hours is None:
            return 1.0
        return load.utilisation * 1000.0 / o.parallelism["load"]

    def answers(self, o: Option, late: Floats) -> Bools:
        """Whether a unit of a load is there and within the load's latencies."""
        workload = next(w for w in self.scenario.workloads if w.name == o.workload)
        predicted = self.describer.describe(spec_of_option(o)).predicted
        factor = self.draws.time_factor(o.workload, o.system, *self.futures.interval(o))
        good = late <= 1e-9
        for name in ("ttft_ms", "tpot_ms", "latency_ms"):
            limit, value = getattr(workload, name, None), getattr(predicted, name)
            if limit is not None and value is not None:
                good &= value * factor <= limit * (1 + 1e-9)
        return np.asarray(good, np.bool_)

    # -- a plan in every future ------------------------------------------------------------------------------------

    def hold(self, name: str, plan: Plan) -> _Held:
        """A plan as it is in every future."""
        known = {o.id: o for o in self.options}
        chosen = [(known[d.option], d.systems // known[d.option].systems) for d in plan.deployments]
        futures = self.futures.of([o for o, _ in chosen])
        cost = np.sum([f.cost_usd * n for (_, n), f in zip(chosen, futures, strict=True)], axis=0)
        kept: dict[str, Bools] = {}
        finish: dict[str, Floats] = {}
        for w in self.scenario.workloads:
            mine = [(o, n, f) for (o, n), f in zip(chosen, futures, strict=True) if o.workload == w.name]
            deadline = self.futures.deadline(w.name)
            if deadline is not None:
                end = np.max([f.finish_days for _, _, f in mine], axis=0)
                run = np.max([f.run_days for _, _, f in mine], axis=0)
                extra, end = self._late(w.name, end, run, deadline)
                cost = cost + extra
                finish[w.name], kept[w.name] = end, end <= deadline * (1 + 1e-9)
                continue
            wanted = w.requests_per_s if isinstance(w, Serving) else float(getattr(w, "samples_per_s", 0.0) or 0.0)
            sites: dict[str, dict[str, Floats]] = defaultdict(dict)
            for o, n, f in mine:
                up = f.speed * self.answers(o, f.late_days) * self._in_all_its_time(o)
                for phase, rate in self.rates_of(o).items():
                    sites[o.site][phase] = sites[o.site].get(phase, np.zeros(self.draws.n)) + rate * n * up
            levels = {f"{n} h": asked for n, asked in w.by_rank} if isinstance(w, Serving) else {}
            phases = {p for rates in sites.values() for p in rates} - levels.keys()
            zero = np.zeros(self.draws.n)
            served = sum((np.min([r.get(p, zero) for p in phases], axis=0) for r in sites.values()), start=zero)
            grown = self.draws.demand_factor(w.name) * (1 - 1e-6)
            kept[w.name] = served >= wanted * grown
            for level, asked in levels.items():  # what is on for so many hours a day carries what is asked in as many
                on = sum((r.get(level, zero) for r in sites.values()), start=zero)
                kept[w.name] = kept[w.name] & (on >= asked * grown)
        return _Held(name, plan, np.asarray(cost, np.float64), kept, finish)

    def _late(self, workload: str, end: Floats, run: Floats, deadline: float) -> tuple[Floats, Floats]:
        """(USD for what is done about late ends, the ends after it)."""
        over = np.maximum(0.0, end - deadline)
        penalty = over * self.outcomes.late_usd_per_day
        if self.outcomes.late != "rent":
            return penalty, end
        share = np.minimum(1.0, over / np.maximum(run, 1e-9))
        best = np.full(self.draws.n, np.inf)
        mine = [o for o in self.rented if o.workload == workload]
        for future in self.futures.of(mine):
            # the missing share of the work is done on rented chips beside the fleet, before the date
            possible = share * future.run_days <= deadline - future.arrival_days
            best = np.where(possible, np.minimum(best, share * future.cost_usd), best)
        rents = (over > 0) & np.isfinite(best)
        return np.where(rents, best, penalty), np.where(rents, deadline, end)

    def told(self, h: _Held, all_held: Sequence[_Held]) -> OutlookPlan:
        """A held plan's figures; regret is against all that are compared."""
        n = self.draws.n
        promises = []
        for w, kept in h.kept.items():
            p = float(np.mean(kept))
            ends = h.finish.get(w)
            days = {} if ends is None else {
                f"finish_days_p{q}": float(np.quantile(ends, q / 100)) for q in (10, 50, 90)
            }  # fmt: skip
            promises.append(
                Promise(
                    workload=w, what="load" if ends is None else "date", probability=p,
                    error=math.sqrt(p * (1 - p) / n), within_days=self.futures.deadline(w), **days,
                )
            )  # fmt: skip
        worst = max(1, math.ceil((1 - self.outcomes.confidence) * n - 1e-9))
        costs = np.array([x.cost for x in all_held])
        ok = np.array([x.all_kept for x in all_held])
        least = np.where(ok, costs, np.inf).min(axis=0)
        least = np.where(np.isfinite(least), least, costs.min(axis=0))
        return OutlookPlan(
            **choice_figures(h.plan),
            name=h.name,
            expected_cost_usd=float(np.mean(h.cost)),
            cost_at_risk_usd=float(np.mean(np.sort(h.cost)[-worst:])),
            promises=tuple(promises),
            all_kept=float(np.mean(h.all_kept)),
            holds=all(p.probability >= self.outcomes.confidence for p in promises),
            expected_regret_usd=float(np.mean(np.maximum(0.0, h.cost - least))),
            missed_in_vain=float(np.mean(~h.all_kept & ok.any(axis=0))),
        )

    # -- deliveries ------------------------------------------------------------------------------------------------

    def slips(self) -> tuple[SlipChange, ...]:
        """For each system that may slip, the least slip at which planning again decides otherwise."""
        found = []
        for system in dict.fromkeys(o.system for o in self.options):
            chip = next(o.chip for o in self.options if o.system == system)
            spread = self.draws.slip_spread(system, chip)
            if spread is None:
                continue
            most = math.ceil(float(quantiles(spread, np.array([1.0]))[0]) * _QUARTER_MONTHS)
            if most <= 0:
                continue
            before = self._decision(system, 0)
            low, high, after = 0, None, ""
            for months in [*range(_QUARTER_MONTHS, most, _QUARTER_MONTHS), most]:
                after = self._decision(system, months)
                if after != before:
                    high = months
                    break
                low = months
            while high is not None and high - low > 1:
                middle = (low + high) // 2
                here = self._decision(system, middle)
                low, high, after = (middle, high, after) if here == before else (low, middle, here)
            days = self.draws.slip_days(system, chip)
            beyond = 0.0 if high is None else float(np.mean(days >= (high - 0.5) * DAYS_PER_QUARTER / _QUARTER_MONTHS))
            found.append(
                SlipChange(
                    system=system, before=before, changes_at_months=high, after=after if high is not None else before,
                    tried_months=most if high is None else high, probability=beyond,
                )
            )  # fmt: skip
        return tuple(found)

    def _decision(self, system: str, months: int) -> str:
        """What planning again decides when a system comes so many months later, in words."""
        moved = []
        for o in self.options:
            if o.system == system and o.acquire != "installed":
                slip = months * DAYS_PER_QUARTER / _QUARTER_MONTHS
                arrival = float(self.futures.arrival(o, slip))
                told = self.futures.parts_if(o, arrival - float(self.futures.arrival(o, 0.0)))
                cost = told.fixed + told.systems + told.energy + told.rent + told.water
                if not o.rates.get("run"):
                    if arrival > float(self.futures.arrival(o, 0.0)):
                        continue
                else:
                    run = self.futures.planned_run_days(o)
                    end = max(arrival, o.finish_days - run) + run
                    moved.append(replace(o, finish_days=end, due_days=end + o.due_days - o.finish_days, cost_usd=cost))
                    continue
            moved.append(o)
        if {w.name for w in self.scenario.workloads} - {o.workload for o in moved}:
            return "no plan"
        model = build_fleet(self.scenario, moved)
        found = solve(with_objective(model.program, model.objectives[self.goal]), self.question.limits)
        if found.values is None:
            return "no plan"
        used = {
            f"{o.system} bought in {self.scenario.period_starts[o.period]} for {o.workload}"
            for o, column in zip(model.options, model.units, strict=True)
            if found.values[column] > 0.5
        }
        return "; ".join(sorted(used))

    def notes(self) -> tuple[str, ...]:
        """What the figures rest on."""
        drawn = [name for name, values in self.draws.spreads().items() if np.ptp(values) > 0]
        late = {
            "wait": "A date that is not met is missed.",
            "rent": "What a date lacks is rented where a chip of the scenario's systems makes it.",
        }[self.outcomes.late]
        return (
            f"{self.draws.n} futures, seed {self.outcomes.seed}; drawn: {', '.join(sorted(drawn)) or 'nothing'}.",
            late + " Plans keep their hardware whatever comes; regret is against the plans listed here.",
        )


def _with_hardware(scenario: Scenario, **fields: object) -> Scenario:
    return scenario.model_copy(update={"hardware": scenario.hardware.model_copy(update=fields)})


def _slip_findings(slips: Sequence[SlipChange]) -> list[str]:
    found = []
    for s in slips:
        if s.changes_at_months is None:
            found.append(f"Up to {s.tried_months} months later, {s.system} changes nothing: {s.before}.")
        else:
            found.append(
                f"When {s.system} comes {s.changes_at_months} months or more later than announced, the decision changes"
                f" from {s.before} to {s.after}; it does so in {s.probability:.0%} of the futures."
            )
    return found


def _now_or_later(scenario: Scenario, held: Sequence[_Held]) -> list[str]:
    """Deciding now against waiting: the best of each, and how often waiting would have been better."""
    start = scenario.period_starts[0]
    now = [h for h in held if all(d.period == start for d in h.plan.deployments)]
    later = [h for h in held if any(d.period != start for d in h.plan.deployments)]
    if not now or not later:
        return []

    def cheapest(some: Sequence[_Held]) -> Floats:
        return np.asarray(np.min([np.where(h.all_kept, h.cost, np.inf) for h in some], axis=0), np.float64)

    a, b = cheapest(now), cheapest(later)
    either = np.isfinite(a) | np.isfinite(b)
    if not either.any():
        return ["In no future does any of these plans keep all dates, now or later."]
    better = float(np.mean(b < a))
    both = np.isfinite(a) & np.isfinite(b)
    worth = np.zeros(len(a))
    worth[both] = np.maximum(0.0, a[both] - b[both])
    return [
        f"Deciding now keeps all dates in {np.mean(np.isfinite(a)):.0%} of the futures, waiting in"
        f" {np.mean(np.isfinite(b)):.0%}. Waiting turns out better in {better:.0%}; to one who knew the future it"
        f" would be worth {money(float(np.mean(worth)))} on average where both keep the dates, so the regret of"
        " deciding now for the best of these plans is at most that."
    ]


def _sentence(plans: Sequence[OutlookPlan]) -> str:
    p = plans[0]
    kept = "; ".join(
        f"{x.workload} {'is in time' if x.what == 'date' else 'is answered'} with probability {x.probability:.1%}"
        for x in p.promises
    )
    if len(p.promises) > 1:
        kept += f"; all of it together with probability {p.all_kept:.1%}"
    text = (
        f"The plan costs {money(p.expected_cost_usd)} on average and {money(p.cost_at_risk_usd)} in its worst futures;"
        f" {kept}."
    )
    safe = next((x for x in plans[1:] if x.name.startswith("holds") and x.holds), None)
    if p.holds:
        return text + " That is what was asked."
    if safe is None:
        return text + " No plan that keeps everything with the stated confidence was found."
    pieces = "; ".join(f"{x.systems:,} {x.system} from {x.period}" for x in safe.pieces)
    return text + f" With the stated confidence it takes {pieces}, at {money(safe.expected_cost_usd)} on average."
