"""An option in sampled futures: what it costs and when it ends, re-priced exactly without pricing it again.

The cost of an option is linear in the price of its systems, in the tariff and in its rent, and follows the length of a
run through the annuity of the time it draws power. Two pricings more of each choice of hardware (price doubled, tariff
doubled) give the parts; tests hold that they add up to what pricing a future from scratch gives.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from planner.answer.plan import Interval
from planner.catalog import Catalog
from planner.catalog.records import Record
from planner.cost.finance import HOURS_PER_YEAR, annuity, discount_rate_of
from planner.facility.reliability import default_profile
from planner.options.hardware.choices import Choice, available_from, hardware_choices, platform_of, start_days
from planner.options.option import Option
from planner.options.pricing import DAYS_PER_YEAR, Designs, price
from planner.options.work.describe import Describer, spec_of_option
from planner.options.work.serving import activity as serving_activity
from planner.options.work.serving import peak_over_mean, worked_hours
from planner.options.work.training import TrainingSearch
from planner.options.work.training import activity as training_activity
from planner.outlook.draws import Draws, Floats
from planner.scenario.base import month_index
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving, Training
from planner.uncertainty.margins import Failures
from planner.workload.parameters import parameter_counts

R = TypeVar("R", bound=Record)
SHIFTS = 5
"""Delays at which what slips is priced again."""
_SAME = 1e-6
"""Relative difference up to which a re-pricing is that of the option."""


@dataclass(frozen=True)
class Parts:
    """What the cost of a unit of an option is made of, USD of present value; ``run_years`` 0 for a load."""

    fixed: float
    systems: float
    energy: float
    rent: float
    water: float
    run_years: float
    rate: float


@dataclass(frozen=True)
class Future:
    """A unit of an option in n futures, arrays (n,). ``speed``: what its rates are multiplied by."""

    cost_usd: Floats
    arrival_days: Floats
    run_days: Floats
    finish_days: Floats
    speed: Floats
    late_days: Floats
    """Days that it arrives after the plan counted on it."""


@dataclass
class Futures:
    """Futures of the options of one scenario. ``catalog`` holds the scenario's assumptions."""

    scenario: Scenario
    catalog: Catalog
    draws: Draws
    _choices: dict[tuple[str, str, str, str, str, float, str], Choice] = field(default_factory=dict)
    _parts: dict[str, Parts] = field(default_factory=dict)
    _intervals: dict[tuple[str, str, str, str], tuple[float, float]] = field(default_factory=dict)
    _found: dict[str, Future] = field(default_factory=dict)
    _shifted: dict[tuple[str, float], Parts] = field(default_factory=dict)
    _alike: dict[str, Sequence[Option]] = field(default_factory=dict)
    """Options of one choice of hardware, priced together."""

    def __post_init__(self) -> None:
        for c in hardware_choices(self.scenario, self.catalog)[0]:
            self._choices[c.place, c.system.id, c.chip.id, c.cooling_id, c.acquire, c.power_cap, c.topology] = c
        self._describer = Describer(self.scenario, self.catalog)
        self._profile = default_profile(self.catalog)

    def of(self, options: Sequence[Option]) -> list[Future]:
        """The futures of some options."""
        self._price([o for o in options if o.id not in self._parts])
        return [self._future(o) for o in options]

    def parts(self, option: Option) -> Parts:
        """What the cost of a unit of an option is made of."""
        if option.id not in self._parts:
            self._price([option])
        return self._parts[option.id]

    def arrival(self, option: Option, slip_days: float | Floats) -> Floats:
        """Days from the start until its systems are there, when they come so much later than announced."""
        begins = self._days(self.scenario.period_starts[option.period])
        slip = np.asarray(slip_days, np.float64)
        if option.acquire == "installed":
            return np.zeros_like(slip)
        choice = self._choice(option)
        month = available_from(choice.system, choice.chip) or self.scenario.start
        announced = self._days(month)
        # what is sold already comes a lead time later than ordered; what is not, never before it is ordered
        return np.maximum(begins, max(announced, begins) + slip) if announced > begins else begins + np.maximum(slip, 0)

    def planned_run_days(self, option: Option) -> float:
        """Days a run takes at the plan's figures; 0 for a load."""
        if not option.rates.get("run"):
            return 0.0
        return option.finish_days - max(float(self.arrival(option, 0.0)), self._release(option))

    def deadline(self, workload: str) -> float | None:
        """Days from the start by which a run must end; None for a load."""
        w = next(x for x in self.scenario.workloads if x.name == workload)
        if not w.runs_once:
            return None
        asked = getattr(w, "finish_within_days", None)
        horizon = self.scenario.horizon_years * DAYS_PER_YEAR
        return horizon if asked is None else min(horizon, start_days(self.scenario, getattr(w, "start", None)) + asked)

    # -- one option ------------------------------------------------------------------------------------------------

    def _future(self, o: Option) -> Future:
        if o.id in self._found:
            return self._found[o.id]
        draws, parts = self.draws, self._parts[o.id]
        zero = np.zeros(draws.n)
        slip = zero if o.acquire == "installed" else draws.slip_days(o.system, o.chip)
        arrival = self.arrival(o, slip)
        factor = draws.time_factor(o.workload, o.system, *self.interval(o))
        planned = self.planned_run_days(o)
        run = zero
        if planned:
            run = planned * factor * self._failures(o) * draws.demand_factor(o.workload)
        hours = np.ones(draws.n)
        if parts.run_years:
            hours = annuity(parts.rate, run * 24.0 / HOURS_PER_YEAR) / float(annuity(parts.rate, parts.run_years))
        begin = np.maximum(arrival, self._release(o)) if planned else arrival
        shift = arrival - float(self.arrival(o, 0.0))
        late = np.maximum(0.0, shift)
        fixed, systems, energy, other = self._parts_by(o, shift)
        cost = fixed + systems * draws.price_factor(o.system) + hours * (energy * draws.tariff_factor(o.site) + other)
        found = Future(cost, arrival, run, begin + run, 1.0 / factor, late)
        self._found[o.id] = found
        return found

    def _parts_by(self, o: Option, shift: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """(fixed, systems, energy, rent and water) of a unit that comes so many days later (n,) than announced.

        What comes later stands for less of the horizon: priced again at ``SHIFTS`` shifts, linear between them.
        """
        low, high = float(shift.min()), float(shift.max())
        at = np.unique(np.append(np.linspace(low, high, SHIFTS), 0.0)) if high > low or high else np.zeros(1)
        parts = [self.parts_if(o, float(x)) for x in at]
        columns = ([p.fixed for p in parts], [p.systems for p in parts], [p.energy for p in parts],
                   [p.rent + p.water for p in parts])  # fmt: skip
        fixed, systems, energy, other = (np.interp(shift, at, c) for c in columns)
        return fixed, systems, energy, other

    def parts_if(self, o: Option, late_days: float) -> Parts:
        """What a unit costs that comes so many days later than announced (below 0: earlier)."""
        if not late_days:
            return self.parts(o)
        key = (o.id, late_days)
        if key not in self._shifted:
            # what comes when the horizon ends does nothing any more: it is paid for as on the last day before
            ready = max(float(self.arrival(o, 0.0)), self._release(o) if o.rates.get("run") else 0.0)
            last = self.scenario.horizon_years * DAYS_PER_YEAR - 1.0 - ready
            mine = self._alike.get(o.id, [o])
            for x, parts in zip(mine, self._parts_of(mine, min(late_days, last)), strict=True):
                self._shifted[x.id, late_days] = parts
        return self._shifted[key]

    def interval(self, o: Option) -> tuple[float, float]:
        """Ends of the performance model's 80% interval as multipliers of time; the first layout speaks for its kind."""
        key = (o.workload, o.system, o.chip, o.role)
        if key not in self._intervals:
            told: Interval | None = self._describer.describe(spec_of_option(o)).predicted.interval
            middle = 0.0 if told is None else self._middle(o, told)
            self._intervals[key] = (1.0, 1.0) if told is None or not middle else (told.low / middle, told.high / middle)
        return self._intervals[key]

    def _middle(self, o: Option, told: Interval) -> float:
        predicted = self._describer.describe(spec_of_option(o)).predicted
        return float(getattr(predicted, told.quantity, None) or 0.0)

    def _failures(self, o: Option) -> Floats:
        """What failures at another rate multiply the days of a run by; 1 for recommenders."""
        w = next(x for x in self.scenario.workloads if x.name == o.workload)
        if not isinstance(w, Training):
            return np.ones(self.draws.n)
        size = float(parameter_counts(self.catalog.model(w.model)).total)
        missing = np.zeros(1)
        if w.elastic:
            search = TrainingSearch(w, self.catalog)
            platform = platform_of(self.catalog, o.system, o.chip, o.cooling, o.power_cap, o.topology)
            missing = search.missing_of(platform, np.array([o.chips]), np.array([o.parallelism["dp"]]))
        of = Failures(self._profile, size, w.checkpoint_interval_s)
        return np.asarray(of.stretch(o.chips, self.draws.failure_factor(), missing)[0], np.float64)

    def _release(self, o: Option) -> float:
        w = next(x for x in self.scenario.workloads if x.name == o.workload)
        return start_days(self.scenario, getattr(w, "start", None))

    def _peak_to_mean(self, o: Option) -> float:
        return float(getattr(next(x for x in self.scenario.workloads if x.name == o.workload), "peak_to_mean", 1.0))

    def _days(self, month: str) -> float:
        return (month_index(month) - month_index(self.scenario.start)) * DAYS_PER_YEAR / 12

    def _choice(self, o: Option) -> Choice:
        choice = self._choices[o.location, o.system, o.chip, o.cooling, o.acquire, o.power_cap, o.topology]
        return replace(choice, rent_term=o.rent_term)

    # -- prices ----------------------------------------------------------------------------------------------------

    def _price(self, options: Sequence[Option]) -> None:
        groups: dict[tuple[object, ...], list[Option]] = defaultdict(list)
        for o in options:
            kind = (o.location, o.system, o.chip, o.cooling, o.acquire, o.power_cap, o.period, o.workload, o.role,
                    o.rent_term, o.topology)  # fmt: skip
            groups[kind].append(o)
        for mine in groups.values():
            self._price_alike(mine)

    def _activity(self, o: Option, choice: Choice) -> float:
        """Share of its chips' power range that an option's work uses, as when it was priced."""
        workload = next(w for w in self.scenario.workloads if w.name == o.workload)
        if isinstance(workload, Serving):
            return serving_activity(o.role, peak_over_mean(workload, o.parallelism))
        if o.role != "train":  # of its own kinds a plan says the activity by its power; here as the phase most like it
            phase = "train" if o.rates.get("run") else "prefill" if o.role == "generate" else "serve"
            return serving_activity(phase, self._peak_to_mean(o))
        return training_activity(o.chips, o.systems - o.spares, choice.system.unit_chips)

    def _price_alike(self, mine: Sequence[Option]) -> None:
        self._parts |= {o.id: p for o, p in zip(mine, self._parts_of(mine, 0.0), strict=True)}
        self._alike |= {o.id: mine for o in mine}

    def _parts_of(self, mine: Sequence[Option], late_days: float) -> list[Parts]:
        """Parts of options of one choice of hardware that come so many days later than announced."""
        o, choice = mine[0], self._choice(mine[0])
        is_run = bool(o.rates.get("run"))
        ready = max(float(self.arrival(o, 0.0)), self._release(o) if is_run else 0.0) + late_days
        horizon = (self.scenario.horizon_years - ready / DAYS_PER_YEAR) * HOURS_PER_YEAR
        load = next(w for w in self.scenario.workloads if w.name == o.workload)
        hours = np.array(
            [
                self.planned_run_days(x) * 24.0
                if is_run
                else worked_hours(load, x.parallelism, horizon)
                if isinstance(load, Serving)
                else horizon
                for x in mine
            ]
        )
        designs = Designs(
            systems=np.array([x.systems for x in mine]),
            spares=np.array([x.spares for x in mine]),
            chips=np.array([x.chips for x in mine]),
            activity=np.array([self._activity(x, choice) for x in mine]),
            run_hours=hours,
            cluster=is_run,
        )

        def costs(of: Choice) -> NDArray[np.float64]:
            return price(self.scenario, self.catalog, of, designs, ready).cost_usd

        plain = price(self.scenario, self.catalog, choice, designs, ready)
        systems = energy = np.zeros(len(mine))
        if o.acquire == "buy":
            systems = costs(replace(choice, system=_doubled(choice.system, "price_usd"))) - plain.cost_usd
        if o.acquire != "rent":
            energy = costs(replace(choice, region=_doubled(choice.region, "tariff_usd_per_kwh"))) - plain.cost_usd
        zero = np.zeros(len(mine))
        rent, water = (plain.cost_lines_usd.get(name, zero) for name in ("rent", "water"))
        rate = discount_rate_of(self.catalog, self.scenario.finance.discount_rate)
        found = []
        for i, x in enumerate(mine):
            cost = float(plain.cost_usd[i]) if late_days else x.cost_usd
            own = bool(np.isclose(plain.cost_usd[i], cost, rtol=_SAME))
            a, e, r, w = (float(v[i]) if own else 0.0 for v in (systems, energy, rent, water))
            years = float(hours[i]) / HOURS_PER_YEAR if is_run else 0.0
            found.append(Parts(cost - a - e - r - w, a, e, r, w, years, rate))
        return found


def _doubled(record: R, name: str) -> R:
    """A record with one figure twice as large."""
    figure = record.figure(name)
    if figure is None or figure.value is None:
        return record
    return record.with_figures({name: replace(figure, value=2.0 * figure.value)})
