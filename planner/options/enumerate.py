"""All options of a scenario: every workload on every hardware at every place and period, priced, or why not."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Catalog
from planner.errors import InputError
from planner.facility.capacity import Level, capacity_tree
from planner.facility.reliability import default_profile
from planner.network.capability import RECORD, level_of
from planner.options.counted import MEGAWATT, RACKS, most_units, reach, used
from planner.options.dominance import nondominated
from planner.options.form import shares_servers
from planner.options.hardware.choices import Choice, delivery, hardware_choices, platform_of, start_days
from planner.options.hardware.offers import closed_offers
from planner.options.option import BEYOND, Dropped, Option, OptionSet, Role
from planner.options.pricing import DAYS_PER_YEAR, Designs, Priced, horizon_hours, price
from planner.options.work.classes import MixedServingSearch
from planner.options.work.counted_kinds import CountedSearch
from planner.options.work.formats import fastest_first, in_each_format, unbeaten
from planner.options.work.kinds import SEARCHES
from planner.options.work.memory import search_for
from planner.options.work.mixed_training import MixedTrainingSearch
from planner.options.work.pairs import pairs_left_out
from planner.options.work.recommendation import RecommendationSearch
from planner.options.work.redundancy import Redundancy
from planner.options.work.serving import (
    ServingSearch,
    by_hours,
    cache_pool,
    in_window,
    peak_over_mean,
    rates_of,
    worked_hours,
)
from planner.options.work.serving import activity as serving_activity
from planner.options.work.spot import on_spot, refusal
from planner.options.work.training import Size, TrainingSearch
from planner.options.work.training import activity as training_activity
from planner.performance.platform import Platform
from planner.scenario.base import month_index
from planner.scenario.kinds import Counted, Workload
from planner.scenario.topology import FAT_TREE
from planner.scenario.types import Scenario
from planner.scenario.workloads import Recommendation, Serving, Training
from planner.uncertainty.margins import Margin, margin_of

Progress = Callable[[str, float], None]
Search = TrainingSearch | ServingSearch | MixedServingSearch | RecommendationSearch | CountedSearch
THIN_REACH = 16
"""A diagnosis looks at clusters up to this many times what a run would need at the chip's peak (an MFU of 6%)."""
LARGEST_RUN_CHIPS = 131_072
"""Clusters larger than this are not searched for a run."""
NO_LIMIT_CHIPS = 1 << 30
"""Where no limit of the scenario says how many."""


@dataclass(frozen=True)
class _Bounds:
    """What one place and the plan's limits leave for one choice: most systems, most chips."""

    systems: int
    chips: int


def enumerate_options(
    scenario: Scenario, catalog: Catalog, *, relaxed: bool = False, progress: Progress | None = None
) -> OptionSet:
    """Every option of a scenario. ``catalog`` holds the scenario's assumptions already.

    ``relaxed``: limits and deadlines do not filter (a diagnosis wants to know how far away they are); where a run has
    many sizes they are then thinned to steps of a few percent.
    """
    choices, dropped = hardware_choices(scenario, catalog)
    levels = {level.name: level for site in scenario.sites for level in capacity_tree(site)[0]}
    every = range(len(scenario.period_starts))
    collector = Collector(scenario, catalog, levels, relaxed, list(dropped))
    steps = len(scenario.workloads) * max(1, len(choices))
    done = 0
    for workload in scenario.workloads:
        searches = collector.searches_of(workload)
        # a load is there from the start, so what is bought later cannot answer it; a run may wait
        periods = every if workload.runs_once else every[:1]
        for choice in by_term(scenario, choices):
            if progress:
                progress(f"Pricing {workload.name} on {choice.system.id}", min(1.0, done / steps))
            done += 1
            if reason := refusal(workload, choice):
                collector.drop(choice, workload.name, reason)
                continue
            for period in periods:
                ready, reason = delivery(scenario, choice.system, choice.chip, period)
                if choice.acquire == "installed":
                    if period:
                        continue
                    ready, reason = 0.0, ""
                if ready is None:
                    if period == len(periods) - 1:
                        collector.drop(choice, workload.name, reason)
                    continue
                try:
                    collector.add(searches, choice, period, ready)
                except InputError as error:
                    collector.drop(choice, workload.name, str(error.problems[0]))
                    break
        if isinstance(workload, Training) and workload.mixed_systems:
            mixes = MixedTrainingSearch(search_for(TrainingSearch, workload, catalog))
            for period in periods:
                mixes.add(collector, _there(scenario, choices, period), period)
    return collector.finish()


def by_term(scenario: Scenario, choices: Sequence[Choice]) -> list[Choice]:
    """Choices with one for each term that what is rented may have: which is best depends on what a year may cost."""
    found: list[Choice] = []
    for choice in choices:
        terms = scenario.hardware.rent_terms if choice.acquire == "rent" else ("",)
        found += [replace(choice, rent_term=term) for term in terms]
    return found


def _there(scenario: Scenario, choices: Sequence[Choice], period: int) -> list[tuple[Choice, float]]:
    """Choices that can be had in a period, and the days until they are there."""
    found = []
    for choice in choices:
        if choice.power_cap < 1.0 or choice.topology != FAT_TREE:
            continue  # two kinds of systems in one step are not capped as well, and are joined by full bisection
        if choice.acquire == "installed":
            ready: float | None = 0.0 if not period else None
        else:
            ready, _ = delivery(scenario, choice.system, choice.chip, period)
        if ready is not None:
            found.append((choice, ready))
    return found


class Collector:
    """Options in the making: what the searches of the workloads add to."""

    parts = False
    """Whether work may occupy parts of systems that stand by themselves (lots)."""

    def __init__(
        self, scenario: Scenario, catalog: Catalog, levels: Mapping[str, Level], relaxed: bool, dropped: list[Dropped]
    ) -> None:
        self.scenario, self.catalog, self.levels, self.relaxed = scenario, catalog, levels, relaxed
        self.dropped = dropped
        self.options: list[Option] = []
        self.reliability = default_profile(catalog)
        self.counted: set[tuple[object, ...]] = set()
        self.enumerated = self.candidates = self.pruned = 0
        self.best: dict[tuple[str, str], float] = {}
        self._margins: dict[tuple[str, str, str, bool], Margin] = {}
        self._ones: dict[tuple[object, ...], Priced] = {}

    def drop(self, choice: Choice, workload: str, reason: str) -> None:
        where = "" if choice.location is None else f" at {choice.place}"
        rented = ", rented" if choice.acquire == "rent" else ""
        self.dropped.append(Dropped(f"{workload} on {choice.hardware}{where}{rented}", reason))

    def margin(self, workload: Workload, choice: Choice) -> Margin:
        """What a workload on a choice must bear to hold with the confidence that is asked."""
        key = (workload.name, choice.system.id, choice.chip.id, choice.acquire == "installed")
        if key not in self._margins:
            self._margins[key] = self.margin_on(workload, choice)
        return self._margins[key]

    def margin_on(self, workload: Workload, choice: Choice) -> Margin:
        """The same, where it was not asked before."""
        there = choice.acquire == "installed"
        return margin_of(self.scenario, self.catalog, workload, choice.system.id, choice.chip.id, there=there)

    def earliest(self, workload: Workload, period: int) -> float:
        """Days before which a run on what is bought in a period cannot begin, however early it comes."""
        return earliest_days(self.scenario, workload, period)

    def search_of(self, workload: Workload) -> Search:
        """What searches a workload."""
        if isinstance(workload, Counted):
            return search_for(SEARCHES[type(workload)], workload, self.catalog)
        if isinstance(workload, Training):
            return search_for(TrainingSearch, workload, self.catalog)
        if isinstance(workload, Serving):
            if workload.request_classes:
                return search_for(MixedServingSearch, workload, self.catalog)
            return search_for(
                ServingSearch,
                workload,
                self.catalog,
                parts=self.parts and not workload.runs_once,
                shared=shares_servers(self.scenario),
            )
        return search_for(RecommendationSearch, workload, self.catalog)

    def searches_of(self, workload: Workload) -> tuple[Search, ...]:
        """What searches a workload, in each of its formats."""
        return tuple(self.search_of(one) for one in in_each_format(workload))

    def add(self, searches: Sequence[Search], choice: Choice, period: int, ready: float) -> None:
        """Every option of a workload on one choice bought in one period: in each format that the chip has.

        What a format lacks is said where no other has an option. Raises ``InputError`` where none can be searched.
        """
        if len(searches) > 1:
            platform = platform_of(self.catalog, *choice.platform)
            by_format = {str(s.workload.precision[0]): s for s in searches}
            searches = [by_format[x] for x in fastest_first(list(by_format), platform)] or searches[:1]
        before = len(self.dropped)
        refused: list[tuple[list[Dropped], InputError | None]] = []
        any_option = False
        for search in searches:
            at, options, wrong = len(self.dropped), self.made, None
            try:
                self._add_one(search, searches, choice, period, ready)
            except InputError as error:
                wrong = error
            if self.made > options:
                any_option = True
            else:
                refused.append((self.dropped[at:], wrong))
                del self.dropped[at:]
        if any_option:
            return
        del self.dropped[before:]
        self.dropped += _distinct(d for reasons, _ in refused for d in reasons)
        errors = [wrong for _, wrong in refused if wrong is not None]
        if len(errors) == len(refused):
            raise errors[0]

    @property
    def made(self) -> int:
        """How many options there are so far."""
        return len(self.options)

    def _add_one(
        self, search: Search, every: Sequence[Search], choice: Choice, period: int, ready: float
    ) -> None:  # fmt: skip
        if isinstance(search, TrainingSearch):
            self._train(search, choice, period, ready)
        elif isinstance(search, ServingSearch):
            self._serve(search, [s for s in every if isinstance(s, ServingSearch)], choice, period, ready)
        else:
            search.add(self, choice, period, ready)

    def count(self, key: tuple[object, ...], enumerated: int, priced: int) -> None:
        """Candidates are counted once for each platform, not again for each place and period."""
        if key not in self.counted:
            self.counted.add(key)
            self.enumerated += enumerated
            self.candidates += priced

    # -- what a place leaves ---------------------------------------------------------------------------------------

    def bounds(self, choice: Choice, ready: float, *, beyond: bool = False, cluster: bool = True) -> _Bounds:
        """Most systems that every single limit would allow if nothing else stood there.

        ``beyond``: as far past the limits as options go (``reach``).
        ``cluster``: of a run, whose network comes on top; a load's systems (False) draw what a unit of them does.
        """
        per = choice.system.unit_chips
        one = self._one_system(choice, ready, cluster)
        if self.relaxed:
            return _Bounds(max(1, NO_LIMIT_CHIPS // per), NO_LIMIT_CHIPS)
        limits = self.scenario.limits
        wide = reach if beyond else (lambda limit, use, unit=0.0: limit)
        found = [float(max(1, NO_LIMIT_CHIPS // per))]
        if choice.location is not None:
            watts, racks = float(one.facility_peak_w[0]), float(one.racks[0])
            levels = [self.levels[name] for name in choice.location.levels]
            power = [level.power_w for level in levels if level.power_w is not None]
            power += [] if limits.power_mw is None else [limits.power_mw * MEGAWATT]
            found += [wide(limit, watts, MEGAWATT) / watts for limit in power]
            places = [level.racks for level in levels if level.racks is not None]
            found += [wide(float(n), racks, 1.0) / racks for n in places if racks > 0]
        if limits.capex_usd is not None and one.capex_usd[0] > 0:
            usd = float(one.capex_usd[0])
            found.append(wide(limits.capex_usd, usd) / usd)
        if choice.count is not None:
            found.append(wide(float(choice.count), 1.0, 1.0))
        most = math.floor(min(found) * (1 + 1e-12))
        chips = most * per
        if limits.chips is not None:
            chips = min(chips, math.floor(wide(float(limits.chips), float(per), 1.0)))
        return _Bounds(most, chips)

    def _one_system(self, choice: Choice, ready: float, cluster: bool) -> Priced:
        """The figures of one system by itself."""
        hardware = (choice.place, choice.system.id, choice.chip.id, choice.cooling_id, choice.power_cap)
        key = (*hardware, choice.acquire, choice.rent_term, ready, cluster)
        if key not in self._ones:
            ones = np.ones(1)
            designs = Designs(
                systems=np.array([1]), spares=np.array([0]), chips=np.array([choice.system.unit_chips]),
                activity=ones, run_hours=ones, cluster=cluster,
            )  # fmt: skip
            self._ones[key] = price(self.scenario, self.catalog, choice, designs, ready)
        return self._ones[key]

    # -- training --------------------------------------------------------------------------------------------------

    def _train(self, search: TrainingSearch, choice: Choice, period: int, ready: float) -> None:
        workload = search.workload
        ready = max(ready, start_days(self.scenario, workload.start))
        hours = horizon_hours(self.scenario, ready)
        platform = platform_of(self.catalog, *choice.platform)
        bounds = self.bounds(choice, ready, beyond=True)
        within = self.bounds(choice, ready)
        days = hours / 24.0
        reach = days
        if workload.finish_within_days is not None:
            begins = start_days(self.scenario, workload.start)
            days = min(days, begins + workload.finish_within_days - ready)
            reach = min(reach, begins + workload.finish_within_days * BEYOND - ready)
        if days <= 0 and self.relaxed:
            days = hours / 24.0
        if days <= 0:
            self.drop(
                choice, workload.name, f"there after {ready:.0f} days, due within {workload.finish_within_days:g}"
            )
            return
        precision = search.precision_of(platform)
        least = 1
        if precision is not None and not self.relaxed:
            least = search.least_chips(platform, precision, max(reach, days))
        most = min(bounds.chips, LARGEST_RUN_CHIPS)
        # a pod whose outer network is not published
        most = min(most, platform.tiers[-1].size, platform.largest_job)
        per = platform.system_chips
        part = platform.part_chips or per
        asked = workload.chips
        if self.relaxed and precision is not None:
            most = min(most, max(per, THIN_REACH * search.least_chips(platform, precision, max(days, 1.0))))
            if asked is not None:
                most = min(LARGEST_RUN_CHIPS, max(most, asked.max or most, asked.min or 1))
        elif asked is not None:
            least = max(least, asked.min or 1)
            most = min(most, asked.max or most)
        if -(-least // part) * part > most // part * part or most < part:
            # said of the limits and the date as asked: the search itself reaches somewhat beyond both
            needed = least if precision is None else max(least, search.least_chips(platform, precision, days))
            room = min(most, within.chips) // part * part
            self.drop(
                choice,
                workload.name,
                f"needs at least {needed} chips to finish within {days:.0f} days even at the chip's peak rate,"
                f" the limits leave room for {room}",
            )
            return
        margin = self.margin(workload, choice)
        found = search.search(choice, least, most, thin=self.relaxed, several=not margin.central)
        key = ("train", workload.name, precision, platform.system_id, platform.chip_id, platform.clock_factor)
        self.count((*key, least, most), found.enumerated, found.priced)
        sizes_there = [on_spot(self.scenario, self.catalog, choice, s, search.parameters) for s in found.sizes]
        found = replace(found, sizes=tuple(sizes_there))
        if not found.sizes:
            self.drop(choice, workload.name, found.reason)
            return
        ends = self.due(search, platform, found.sizes, margin, ready, period)
        fastest = min(ends)
        self.note_best(workload.name, "finish_within_days", fastest)
        allowed = [
            end - ready
            for s, end in zip(found.sizes, ends, strict=True)
            if s.systems <= within.systems and s.systems * per <= within.chips
        ]
        if not self.relaxed and (not allowed or min(allowed) > days):
            best = min(allowed, default=fastest - ready) + ready
            sure = "" if margin.central else f" with {margin.confidence:.0%}"
            reason = f"{best:.1f} days at best{sure} on up to {min(most, within.chips)} chips, {ready + days:g} asked"
            self.drop(choice, workload.name, reason)
        kept = [
            (s, end)
            for s, end in zip(found.sizes, ends, strict=True)
            if self.relaxed or (end - ready <= reach and s.systems <= bounds.systems)
        ]
        if not margin.central:
            kept = sooner_or_surer(kept)
        if not kept:
            return
        sizes, ends = [s for s, _ in kept], [end for _, end in kept]
        spares = np.array([search.spares_of(s.chips, platform) for s in sizes])
        working = np.array([s.systems for s in sizes])
        designs = Designs(
            systems=working + spares,
            spares=spares,
            chips=np.array([s.chips for s in sizes]),
            activity=np.array([training_activity(s.chips, s.systems, per) for s in sizes]),
            run_hours=np.array([s.days * 24.0 for s in sizes]),
            cluster=True,
        )
        priced = self.price(choice, designs, ready)
        tokens = float(workload.global_batch * workload.sequence_length)
        for i, size in enumerate(sizes):
            self.append(
                choice, workload.name, "train", period, found.precision, designs, priced, i,
                replicas=1, max_units=1, rates={"run": 1.0}, tokens_per_s=tokens / size.step_time_s,
                finish_days=ready + size.days, due_days=ends[i], layout=size.layout,
            )  # fmt: skip

    def due(
        self,
        search: TrainingSearch,
        platform: Platform,
        sizes: Sequence[Size],
        margin: Margin,
        ready: float,
        period: int,
    ) -> list[float]:
        """Days from the scenario's start by which runs of some sizes have ended with the confidence."""
        if margin.central:
            return [ready + s.days for s in sizes]
        chips = np.array([s.chips for s in sizes])
        missing = search.missing_of(platform, chips, np.array([s.layout["dp"] for s in sizes]))
        days, low, high = (np.array([getattr(s, name) for s in sizes]) for name in ("days", "low80", "high80"))
        release = self.earliest(search.workload, period)
        due = margin.finish(days, chips, low, high, ready=ready, release=release, missing=missing)
        return [float(x) for x in due]

    # -- serving ---------------------------------------------------------------------------------------------------

    def _serve(
        self, search: ServingSearch, every: Sequence[ServingSearch], choice: Choice, period: int, ready: float
    ) -> None:
        """``every``: the searches of its other formats among them, whose units its own must not be beaten by."""
        workload = search.workload
        if ready > 0:
            self.drop(choice, workload.name, f"it arrives {ready:.0f} days after the load begins")
            return
        hours = horizon_hours(self.scenario, ready)
        bounds = self.bounds(choice, ready, beyond=True, cluster=False)
        most = bounds.chips
        if workload.chips is not None and workload.chips.max is not None:
            most = min(most, math.floor(reach(workload.chips.max, choice.system.unit_chips, 1.0)))
        if bounds.systems < 1:
            self.drop(choice, workload.name, "one system alone exceeds a limit of the place or the plan")
            return
        margin = self.margin(workload, choice)
        found = search.search(choice, most, margin)
        self.count(("serve", workload.name, id(found)), found.enumerated, found.priced)
        self.pruned += found.pruned
        for quantity, value in found.best_ms.items():
            self.note_best(workload.name, quantity, value)
        if found.reason:
            self.drop(choice, workload.name, found.reason)
        if not found.units:
            return
        searched = found.units
        if len(every) > 1:
            formats = [s.search(choice, most, margin).units for s in every]
            apart = bool(cache_pool(workload, choice.chip.vendor, found.precision))
            searched = tuple(unbeaten(formats, apart=apart, system_chips=choice.system.unit_chips)[every.index(search)])
            self.pruned += len(found.units) - len(searched)
        # over time work by a date is a run: full until it is over, rather than a share of its window
        inside = list(searched) if workload.runs_once else in_window(searched, workload)
        units = by_hours(inside, workload, choice.acquire, choice.rent_term, over_lots=self.parts)
        units = [u for u in units if u.systems <= bounds.systems]
        if not units:
            self.drop(choice, workload.name, "its smallest replica exceeds a limit of the place or the plan")
            return
        n = len(units)
        designs = Designs(
            systems=np.array([u.systems for u in units]),
            spares=np.zeros(n, dtype=np.int64),
            chips=np.array([u.chips for u in units]),
            activity=np.array([serving_activity(u.role, peak_over_mean(workload, u.shape)) for u in units]),
            run_hours=np.array([worked_hours(workload, u.shape, hours) for u in units]),
            cluster=False,
        )
        priced = self.price(choice, designs, ready)
        tokens = workload.input_tokens + workload.output_tokens
        redundancy = Redundancy.of(workload, self.reliability)
        per_phase = {"serve": tokens, "prefill": workload.input_tokens, "decode": workload.output_tokens}
        for i, unit in enumerate(units):
            lost = 0 if redundancy is None else redundancy.lost(unit.chips, unit.requests_per_s)
            enough = math.ceil(workload.requests_per_s / unit.requests_per_s) + lost
            self.append(
                choice, workload.name, unit.role, period, found.precision, designs, priced, i,
                replicas=unit.replicas, max_units=self.of_use(workload, enough, unit.chips),
                rates=rates_of(workload, unit.role, unit.requests_per_s, unit.shape),
                tokens_per_s=unit.requests_per_s * per_phase[unit.role], finish_days=0.0, layout=unit.shape,
                cache_pool=cache_pool(workload, choice.chip.vendor, found.precision), redundancy=redundancy,
            )  # fmt: skip

    # -- options ---------------------------------------------------------------------------------------------------

    def price(self, choice: Choice, designs: Designs, ready: float) -> Priced:
        """What designs cost on a choice of hardware that is there after so many days."""
        return price(self.scenario, self.catalog, choice, designs, ready)

    def of_use(self, workload: Serving | Recommendation | Counted, enough: int, chips: int) -> int:
        """Most units of a load of which a plan could have any use: ``enough`` carry all of it alone."""
        if "throughput" in self.scenario.objective:
            return NO_LIMIT_CHIPS // max(1, chips)
        least = math.ceil((workload.chips.min or 0) / chips) if workload.chips else 0
        return max(enough, least, 1)

    def append(
        self, choice: Choice, workload: str, role: str, period: int, precision: str, designs: Designs, priced: Priced,
        i: int, *, replicas: int, max_units: int, rates: Mapping[str, float], tokens_per_s: float, finish_days: float,
        layout: Mapping[str, int], mix: str = "", cache_pool: str = "",
        redundancy: Redundancy | None = None, due_days: float = 0.0,
    ) -> None:  # fmt: skip
        if not math.isfinite(float(priced.racks[i])):
            return  # with its network the system is too much for a rack here; smaller networks are not
        name = (
            f"{workload}|{role}|{choice.place}|{self.scenario.period_starts[period]}|{choice.acquire}|{choice.system.id}|"
            f"{choice.chip.id}|{choice.cooling_id}|{precision}|{int(designs.systems[i])}|"
            + ",".join(f"{k}={v}" for k, v in layout.items())
            + (f"|{mix}" if mix else "")
            + (f"|{choice.rent_term}" if choice.rent_term else "")
            + (f"|cap {choice.power_cap:g}" if choice.power_cap < 1.0 else "")
            + (f"|{choice.topology}" if choice.topology != FAT_TREE else "")
        )
        digest = hashlib.sha256(name.encode()).hexdigest()[:12]
        option = Option(
            id=digest,
            workload=workload,
            role=role,  # type: ignore[arg-type]
            location=choice.place,
            site=choice.site,
            period=period,
            system=choice.system.id,
            chip=choice.chip.id,
            cooling=choice.cooling_id,
            interconnect=interconnect_of(choice),
            acquire=choice.acquire,
            precision=precision,
            systems=int(designs.systems[i]),
            spares=int(designs.spares[i]),
            chips=int(designs.chips[i]),
            bought_chips=int(designs.systems[i]) * choice.system.unit_chips,
            replicas=replicas,
            max_units=max_units,
            racks=float(priced.racks[i]),
            rates=dict(rates),
            tokens_per_s=tokens_per_s,
            redundancy=redundancy,
            finish_days=finish_days,
            due_days=due_days or finish_days,
            it_peak_w=float(priced.it_peak_w[i]),
            it_average_w=float(priced.it_average_w[i]),
            facility_peak_w=float(priced.facility_peak_w[i]),
            facility_average_w=float(priced.facility_average_w[i]),
            capex_usd=float(priced.capex_usd[i]),
            cost_usd=float(priced.cost_usd[i]),
            carbon_t=float(priced.carbon_t[i]),
            water_m3=float(priced.water_m3[i]),
            parallelism=dict(layout),
            mix=mix,
            cache_pool=cache_pool,
            power_cap=choice.power_cap,
            topology=choice.topology,
            rent_term=choice.rent_term,
            opex_usd_by_year=tuple(priced.opex_usd_by_year[i].tolist()),
            carbon_t_by_year=tuple(priced.carbon_t_by_year[i].tolist()),
            water_m3_by_year=tuple(priced.water_m3_by_year[i].tolist()),
        )
        if not self.relaxed:
            room = most_units(option, self.scenario, self.levels, choice.location)
            option = replace(option, max_units=int(max(1, min(max_units, room))))
        self.options.append(option)

    def note_best(self, workload: str, quantity: str, value: float) -> None:
        key = (workload, quantity)
        self.best[key] = min(value, self.best.get(key, math.inf))

    def finish(self) -> OptionSet:
        limits = self.scenario.limits
        # where kinds or pools are few, one that is beaten everywhere may be the one that can do everything
        kept, rivals, pruned = prune(self.options, within_kinds=limits.kinds is not None or limits.pools is not None)
        units = ((o.workload, o.role, o.chip, o.cache_pool) for o in self.options)
        return OptionSet(
            options=tuple(kept),
            dropped=tuple(
                _distinct([*self.dropped, *pairs_left_out(units), *closed_offers(self.scenario, self.catalog)])
            ),
            enumerated=self.enumerated,
            candidates=self.candidates,
            pruned=self.pruned + pruned,
            best_effort=dict(self.best),
            rivals=tuple(rivals),
        )


def earliest_days(scenario: Scenario, workload: Workload, period: int) -> float:
    """Days from the scenario's start before which a run on what is bought in a period cannot begin."""
    begins = month_index(scenario.period_starts[period]) - month_index(scenario.start)
    return max(begins * DAYS_PER_YEAR / 12, start_days(scenario, getattr(workload, "start", None)))


def sooner_or_surer(sizes: Sequence[tuple[Size, float]]) -> list[tuple[Size, float]]:
    """Of layouts on as many systems those that no other beats both in days as predicted and in the day that it has
    ended by with the confidence: what costs least among those that are in time is one of them."""
    staying: list[tuple[Size, float]] = []
    surest: dict[tuple[int, int], float] = {}
    for size, end in sorted(sizes, key=lambda x: (x[0].days, x[1])):
        key = (size.systems, size.chips)
        if end < surest.get(key, math.inf) - 1e-9:
            surest[key] = end
            staying.append((size, end))
    return staying


def _distinct(dropped: Iterable[Dropped]) -> list[Dropped]:
    return list(dict.fromkeys(dropped))


def interconnect_of(choice: Choice) -> str:
    """Scale-up with its level of remote memory (``network.capability``) and scale-out of a choice, for the plan."""
    system, chip = choice.system, choice.chip
    domain = system.get("scaleup_domain_chips") or chip.get("scaleup_domain_chips")
    link = chip.text("scaleup_link") or "scale-up link"
    rate = system.get("scaleout_gbit_s_per_chip")
    rate = chip.get("scaleout_gbit_s_per_chip") if rate is None else rate
    up = f"{link} x {domain:g}" if domain else link
    level = level_of(*(system.text(name) for name in RECORD))
    up += "" if level is None else f" (L{level})"
    up += f", {rate:g} Gb/s scale-out" if rate else ""
    return up + (f" in {choice.topology}" if choice.topology != FAT_TREE else "")


def prune(options: Sequence[Option], *, within_kinds: bool = False) -> tuple[list[Option], list[Option], int]:
    """(options that stay, rivals, how many went): those another one dominates (same workload, role, place, period and
    way of acquiring) go. Rivals are those that went only because of hardware of another kind; ``within_kinds``: none.
    """
    groups: dict[tuple[str, str, str, int, str, str, str], list[int]] = {}
    for i, o in enumerate(options):
        if o.mix:
            continue  # two options are one decision: neither beats another, nor is beaten, by itself
        hardware = o.system if o.acquire == "installed" else ""
        groups.setdefault((o.workload, o.role, o.location, o.period, o.acquire, hardware, o.cache_pool), []).append(i)
    keep = np.ones(len(options), dtype=bool)
    rival = np.zeros(len(options), dtype=bool)
    for members in groups.values():
        mine = [options[i] for i in members]
        uses, racks = _uses(mine)
        gives = np.array([list(o.rates.values()) for o in mine]).reshape(len(mine), -1)
        kinds: dict[tuple[str, str, str], list[int]] = {}
        for i, o in enumerate(mine):
            kinds.setdefault((o.system, o.chip, o.cooling), []).append(i)
        stays = np.ones(len(mine), dtype=bool)
        for part in kinds.values():
            at = np.array(part)
            alive, _ = nondominated(np.column_stack([uses[at], racks[at]]), gives[at])
            stays[at[~alive]] = False
        left = np.flatnonzero(stays)
        if len(kinds) > 1 and not within_kinds:
            up, down = np.ceil(racks[left]), np.floor(racks[left])
            figures = np.column_stack([uses[left], -gives[left]])
            for row, i in enumerate(left.tolist()):
                # A may beat B only with its racks rounded up against B's rounded down
                better = (figures <= figures[row]).all(axis=1) & (up <= down[row]) & stays[left]
                better[row] = False
                equal = better & (figures == figures[row]).all(axis=1)
                better &= ~equal
                if better.any():
                    stays[i] = False
                    rival[members[i]] = True
        keep[np.array(members)[~stays]] = False
    kept = [o for o, k in zip(options, keep, strict=True) if k]
    return kept, [o for o, r in zip(options, rival, strict=True) if r], int((~keep).sum())


def _uses(options: Sequence[Option]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(what a unit of each uses of everything that is counted, less being better (n, figures), racks (n,)).

    Racks are apart: whole ones are shared within one kind of system only, so another kind must win by a whole rack.
    """
    columns = []
    racks = np.zeros(len(options))
    for figure, sign in used():
        amounts = [figure.amounts(o) for o in options]
        if figure is RACKS:
            racks = np.array([a[0] for a in amounts])
            continue
        table = np.zeros((len(options), max(map(len, amounts))))
        for row, some in zip(table, amounts, strict=True):
            row[: len(some)] = some
        columns.append(sign * table)
    return np.hstack(columns), racks


__all__ = ["Progress", "Role", "enumerate_options", "interconnect_of", "prune"]
