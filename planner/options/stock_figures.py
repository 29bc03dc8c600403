"""Figures of a shared fleet's lots and work, from their description alone; answer and check are made of them.

A lot is hardware of a kind at a place, acquired in one way, from one period until another; work is a run from a slot,
or units of a load by period. Prices are those of ``ownership``, performance that of ``describe``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Catalog
from planner.errors import InputError, Problem
from planner.facility.power import PHASE_ACTIVITY
from planner.facility.reliability import ReliabilityProfile, default_profile
from planner.network.fabric import Fabric
from planner.options.hardware.choices import start_days
from planner.options.hardware.hours import day_share, days_by_the_hour, hours_of_unit, stop_s, stretches
from planner.options.hardware.timeline import Timeline, timeline_of
from planner.options.ownership import (
    LotPrice,
    Standing,
    load_watts,
    price_load,
    price_lot,
    price_run,
    rented_for_run,
    run_watts,
    serves_only,
    standing,
)
from planner.options.parts import systems_taken
from planner.options.work.by_a_date import at_work, days_in, days_of, without_units
from planner.options.work.describe import Described, Describer, Spec
from planner.scenario.kinds import ByADate, Workload
from planner.scenario.kinds.daily import Hours
from planner.scenario.topology import FAT_TREE, Topology
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving, Training
from planner.workload.parameters import parameter_counts

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Hardware:
    """What is interchangeable: systems of one kind at one place in one fabric."""

    place: str
    system: str
    chip: str
    cooling: str
    fabric: Fabric = "pod"
    owner: str = ""
    """The workload whose own systems these are; empty where they are shared."""
    power_cap: float = 1.0
    topology: Topology = FAT_TREE

    @property
    def kind(self) -> Hardware:
        """The same, whosever they are."""
        return replace(self, owner="")


@dataclass(frozen=True)
class WorkFigures:
    """What work costs on top of systems that stand. Lines sum to the cost; by year of the plan, not discounted."""

    lines_usd: Mapping[str, float]
    opex_usd: Floats
    carbon_t: Floats
    water_m3: Floats


def activity_of(workload: Workload, role: str, described: Described, used: float = 1.0) -> float:
    """Share of its systems' chips' power range that work takes: of a load in the mean of a day.

    ``used``: share of the systems' chips that a training run uses; the others idle.
    """
    if described.activity is not None:
        return described.activity
    if isinstance(workload, Training):
        return PHASE_ACTIVITY["train"] * used
    if workload.runs_once and not isinstance(workload, Serving):
        return PHASE_ACTIVITY["train"]
    phase = role if isinstance(workload, Serving) else "serve"
    return PHASE_ACTIVITY[phase] / getattr(workload, "peak_to_mean", 1.0)


@dataclass(frozen=True)
class Beside:
    """The other side of a run on two kinds of systems; ``leads``: whether the side that is asked about is the lead."""

    hardware: Hardware
    layout: Mapping[str, int]
    leads: bool


@dataclass
class StockFigures:
    """Figures of one scenario. ``catalog`` holds the scenario's assumptions.

    Every method raises ``InputError`` for what the scenario does not allow.
    """

    scenario: Scenario
    catalog: Catalog
    _stands: dict[tuple[Hardware, str], Standing] = field(default_factory=dict)
    _described: dict[tuple[object, ...], Described] = field(default_factory=dict)

    @cached_property
    def timeline(self) -> Timeline:
        """The plan's calendar."""
        return timeline_of(self.scenario, self.catalog)

    @cached_property
    def describer(self) -> Describer:
        """What describes units of work."""
        return Describer(self.scenario, self.catalog)

    @cached_property
    def year_shares(self) -> Floats:
        """(T, K): share of each period that falls into each year of the plan."""
        line = self.timeline
        years = np.array([line.by_year(line.edges[t], line.edges[t + 1]) for t in range(line.periods)])
        return np.asarray(years / years.sum(axis=1, keepdims=True), np.float64)

    def stand(self, hardware: Hardware, acquire: str = "") -> Standing:
        """One system as it stands, acquired that way; or in any way, where only its power and place matter."""
        if (hardware, acquire) not in self._stands:
            h = hardware
            choice = self.describer.choice_of(h.place, h.system, h.chip, h.cooling, acquire, h.power_cap, h.topology)
            self._stands[h, acquire] = standing(
                self.scenario, self.catalog, choice, self.timeline, h.fabric, loads=serves_only(self.scenario, h.owner)
            )
        return self._stands[hardware, acquire]

    def workload(self, name: str) -> Workload:
        """A workload by its name."""
        for w in self.scenario.workloads:
            if w.name == name:
                return w
        raise InputError(Problem(f"the scenario has no workload {name!r}"))

    def describe(
        self, workload: str, role: str, hardware: Hardware, precision: str, layout: Mapping[str, int], term: str = "",
        hours: Hours = (), beside: Beside | None = None,
    ) -> Described:  # fmt: skip
        """One unit of work on systems of a kind. ``term``: of rent, where they are rented for it alone; ``hours``: of
        each day, in which a run works; ``beside``: the other side of a run on two kinds of systems."""
        if beside is not None:
            return self._mixed(workload, role, hardware, precision, layout, beside)
        h = hardware.kind
        key = (workload, role, h, precision, term, hours, *sorted(layout.items()))
        if key not in self._described:
            spec = Spec(workload, role, h.place, 0, h.system, h.chip, h.cooling, "", precision, layout, h.power_cap,
                        h.topology, rent_term=term)  # fmt: skip
            work = self.workload(workload)
            if isinstance(work, ByADate) and work.runs_once:
                self._described[key] = self._by_a_date(work, spec, hours)
            else:
                found = self.describer.describe_work(spec)
                self._described[key] = self._by_the_hour(found, workload, hours) if hours else found
        return self._described[key]

    def _mixed(
        self, workload: str, role: str, hardware: Hardware, precision: str, layout: Mapping[str, int], beside: Beside
    ) -> Described:
        """One side of a run on two kinds of systems."""

        def spec(h: Hardware, shape: Mapping[str, int], lead: bool, partner: Spec | None = None) -> Spec:
            return Spec(workload, role, h.place, 0, h.system, h.chip, h.cooling, "", precision, shape, h.power_cap,
                        h.topology, partner, lead)  # fmt: skip

        if hardware.place.split("/")[0] != beside.hardware.place.split("/")[0]:
            raise InputError(Problem(f"{workload} is on {hardware.system} and {beside.hardware.system} at two sites"))
        mine, other = (hardware, layout, beside.leads), (beside.hardware, beside.layout, not beside.leads)
        found = self.describer.describe_work(spec(*mine, partner=spec(*other)))
        lead = found if beside.leads else self.describer.describe_work(spec(*other, partner=spec(*mine)))
        begins = start_days(self.scenario, getattr(self.workload(workload), "start", None))
        return replace(found, run_days=max(found.run_days, lead.finish_days - begins))

    def _by_a_date(self, workload: ByADate, spec: Spec, hours: Hours) -> Described:
        """A run of units side by side, each full."""
        layout, n = without_units(spec.layout)
        unit = self.describer.describe_work(replace(spec, layout=layout))
        p = unit.predicted
        days = days_in(workload, days_of(workload, unit.rates["decode"] * n), hours)
        grown = {name: value * n for name in ("requests_per_s", "tokens_per_s", "input_tokens_per_s")
                 if (value := getattr(p, name)) is not None}  # fmt: skip
        central = days_in(workload, days_of(workload, (p.requests_per_s or 0.0) * n), hours)
        return replace(
            unit, systems=unit.systems * n, chips=unit.chips * n, replicas=unit.replicas * n, rates={"run": 1.0},
            bought_chips=unit.bought_chips * n, run_days=days, tokens_per_s=unit.tokens_per_s * n,
            predicted=p.model_copy(update={**grown, "days": central}),
        )  # fmt: skip

    def _by_the_hour(self, found: Described, workload: str, hours: Hours) -> Described:
        """A run that works in some hours of each day, and stops for the others."""
        if not isinstance(self.workload(workload), Training):
            raise InputError(Problem(f"{workload} cannot stop every day: only training, and work by a date, can"))
        days = days_by_the_hour(found.run_days, hours, found.chips, self.parameters(workload), self.reliability)
        if not math.isfinite(days):
            raise InputError(Problem(f"{workload} gets nothing done between the stops of a day"))
        predicted = found.predicted.model_copy(update={"days": (found.predicted.days or 0.0) / found.run_days * days})
        return replace(found, run_days=days, predicted=predicted)

    @cached_property
    def reliability(self) -> ReliabilityProfile:
        """Failures, checkpoints and restarts."""
        return default_profile(self.catalog)

    def parameters(self, workload: str) -> float:
        """Of a workload's model."""
        return float(parameter_counts(self.catalog.model(self.workload(workload).model)).total)

    def stops(self, workload: str, chips: int, hours: Hours) -> tuple[int, float]:
        """(how often a day, seconds each) a run of some hours stops and restarts."""
        if not hours or not isinstance(self.workload(workload), Training):
            return stretches(hours), 0.0
        return stretches(hours), stop_s(chips, self.parameters(workload), self.reliability)

    def lot(
        self, hardware: Hardware, acquire: str, begin: int, end: int, *, term: str = "", since: str | None = None,
        hours: Hours = (),
    ) -> LotPrice:  # fmt: skip
        """One system that stands from the beginning of one period to that of another, rented in ``hours`` of a day."""
        return price_lot(
            self.scenario, self.catalog, self.timeline, self.stand(hardware, acquire), acquire, begin, end, term=term,
            since=since, day_share=day_share(hours),
        )  # fmt: skip

    def rented(
        self, workload: str, hardware: Hardware, term: str, systems: int, days: float, month: float
    ) -> LotPrice:  # fmt: skip
        """All systems that are rented for one run alone, from a month for so many days."""
        stand, share = self.stand(hardware, "rent"), at_work(self.workload(workload), ())
        p = rented_for_run(self.scenario, self.catalog, self.timeline, stand, term, systems, np.array([month]), days,
                           share)  # fmt: skip
        lines = {name: float(v[0]) for name, v in p.lines_usd.items() if v[0]}
        return LotPrice(float(p.cost_usd[0]), lines, 0.0, p.opex_usd[0], p.carbon_t[0], p.water_m3[0])

    def watts(self, workload: Workload, role: str, hardware: Hardware, described: Described) -> tuple[float, float]:
        """(IT, facility) watts of one system at work above what it draws without; of a load in the mean of a day."""
        stand = self.stand(hardware)
        used = described.chips / ((described.systems - described.spares) * stand.chips)
        on = day_share(hours_of_unit(workload, described.parallelism.hours_per_day))
        activity = activity_of(workload, role, described, used)
        return load_watts(self.catalog, stand, activity, on, run=workload.runs_once)

    def run_watts(self, workload: Workload, role: str, hardware: Hardware, described: Described) -> tuple[float, float]:
        """(IT, facility) watts of a run above what its systems draw without it."""
        watts, spares = self.watts(workload, role, hardware, described), described.spares
        it, facility = run_watts(self.stand(hardware), watts, described.systems - spares, spares)
        return float(it), float(facility)

    def unit_watts(self, workload: Workload, role: str, hardware: Hardware, described: Described) -> float:
        """Facility watts of one unit of a load, while it is on, above what its systems draw without it."""
        size = systems_taken(described.systems, described.part, self.stand(hardware).chips)
        on = day_share(hours_of_unit(workload, described.parallelism.hours_per_day))
        return self.watts(workload, role, hardware, described)[1] * size / on

    def run(
        self, workload: Workload, role: str, hardware: Hardware, described: Described, month: float, hours: Hours = ()
    ) -> WorkFigures:
        """A run that begins in a month from the plan's start, in some hours of each day; spares idle."""
        stand = self.stand(hardware)
        it, facility = self.run_watts(workload, role, hardware, described)
        drawn = it * at_work(workload, hours), facility * at_work(workload, hours)
        p = price_run(self.timeline, stand, drawn, np.array([month]), np.array([described.run_days]))
        lines = {name: float(v[0]) for name, v in p.lines_usd.items()}
        return WorkFigures(lines, p.opex_usd[0], p.carbon_t[0], p.water_m3[0])

    def load(
        self, workload: Workload, role: str, hardware: Hardware, described: Described, units: Sequence[int]
    ) -> WorkFigures:
        """Units of a load by period."""
        watts, stand = self.watts(workload, role, hardware, described), self.stand(hardware)
        size = systems_taken(described.systems, described.part, stand.chips)
        lines: dict[str, float] = {}
        opex, carbon, water = (np.zeros(self.timeline.years) for _ in range(3))
        for t, count in enumerate(units):
            if not count:
                continue
            p = price_load(self.timeline, stand, watts, size, t)
            for name, v in p.lines_usd.items():
                lines[name] = lines.get(name, 0.0) + v * count
            opex = opex + p.opex_usd * count * self.year_shares[t]
            carbon = carbon + p.carbon_t * count * self.year_shares[t]
            water = water + p.water_m3 * count * self.year_shares[t]
        return WorkFigures(lines, opex, carbon, water)


def rate_unit(workload: Workload) -> str:
    """What a load is counted in, a second."""
    if isinstance(workload, Serving | Training):
        return "requests/s"
    return f"{workload.asked[1].partition('/')[0]}/s"
