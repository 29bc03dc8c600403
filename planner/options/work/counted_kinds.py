"""Options of kinds that count their work in a unit of their own: one search for all, from what each says of itself.

A kind's model is a ``CountedSearch``: it lists the layouts worth a look on a platform and what each gives (``Units``).
Whether it is a run or a load, everything else is the same: sizes within the limits, prices, the options, and the same
again for one layout of a plan, from which ``verify`` recomputes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from planner.answer.plan import Interval, Parallelism, Predicted
from planner.catalog import Catalog
from planner.errors import InputError, Problem
from planner.options.hardware.choices import Choice, platform_of, start_days
from planner.options.option import BEYOND, milliseconds
from planner.options.pricing import Designs, horizon_hours, price
from planner.options.work.serving import frontier
from planner.options.work.spot import stretch
from planner.performance.platform import Platform
from planner.performance.precision import fastest_precision
from planner.scenario.kinds.counted import Counted
from planner.scenario.types import Scenario
from planner.uncertainty.margins import Margin
from planner.workload.parameters import parameter_counts

if TYPE_CHECKING:
    from planner.options.enumerate import Collector
    from planner.options.work.describe import Described, Spec

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
HOURS_PER_DAY = 24.0
LARGEST_CHIPS = 16_384
"""Larger units than this are not searched."""


@dataclass(frozen=True)
class Units:
    """Layouts on one platform and what a unit of each gives, arrays (n,).

    ``systems`` hold the unit and its ``spares``; ``chips`` of it work. A run has ``days``; a load has ``per_s`` (of all
    replicas of the unit, as they are planned) and ``latency_ms``. ``samples_per_s``: units of work, ``tokens_per_s``:
    tokens or what stands for them. ``low80``, ``high80`` multiply times.
    """

    layouts: tuple[Mapping[str, int], ...]
    systems: Ints
    spares: Ints
    chips: Ints
    replicas: Ints
    activity: Floats
    step_time_s: Floats
    samples_per_s: Floats
    tokens_per_s: Floats
    fits: NDArray[np.bool_]
    memory_bytes: Floats
    memory_limit_bytes: Floats
    low80: Floats
    high80: Floats
    days: Floats = field(default_factory=lambda: np.zeros(0))
    latency_ms: Floats = field(default_factory=lambda: np.zeros(0))
    breakdown: Mapping[str, Floats] = field(default_factory=dict)
    memory: Mapping[str, Floats] = field(default_factory=dict)
    enumerated: int = 0
    reason: str = ""
    """Why there is none, where there is none."""

    def __len__(self) -> int:
        return len(self.layouts)


class CountedSearch(ABC):
    """What the planner asks of a kind. ``ROLE`` names its deployments; ``BASIS`` says where its interval is from."""

    ROLE: ClassVar[str]
    BASIS: ClassVar[str]

    def __init__(self, workload: Counted, catalog: Catalog) -> None:
        self.workload, self.catalog = workload, catalog
        self.model = catalog.model(workload.model)
        self._kept: dict[tuple[object, ...], Units] = {}

    # -- what a kind says of itself ----------------------------------------------------------------------------------

    @abstractmethod
    def units(self, choice: Choice, platform: Platform, precision: str, most_chips: int) -> Units:
        """Every layout worth a look of at most so many chips."""

    @abstractmethod
    def one(self, platform: Platform, precision: str, layout: Mapping[str, int]) -> Units:
        """One layout; raises ``InputError`` where it is not legal."""

    @abstractmethod
    def parallelism(self, layout: Mapping[str, int], units: Units) -> Parallelism:
        """A layout as a plan prints it; ``units``: of it alone."""

    def limit_ms(self) -> float | None:
        """Latency that a load must keep."""
        return getattr(self.workload, "latency_ms", None)

    # -- what follows --------------------------------------------------------------------------------------------------

    def precision_of(self, platform: Platform) -> str | None:
        """The fastest precision of the workload's list that the chip has."""
        return fastest_precision(self.workload.precision, platform.peak_flops)

    def add(self, collector: Collector, choice: Choice, period: int, ready: float) -> None:
        """Price every option of one choice and hand it to the collector."""
        w, scenario = self.workload, collector.scenario
        platform = platform_of(self.catalog, *choice.platform)
        precision = self.precision_of(platform)
        if precision is None:
            collector.drop(choice, w.name, f"{choice.chip.id} has none of the precisions {', '.join(w.precision)}")
            return
        if not w.runs_once and ready > 0:
            collector.drop(choice, w.name, f"it arrives {ready:.0f} days after the load begins")
            return
        if w.runs_once:
            ready = max(ready, start_days(scenario, getattr(w, "start", None)))
        hours = horizon_hours(scenario, ready)
        bounds = collector.bounds(choice, ready, beyond=True, cluster=w.runs_once)
        asked = w.chips.max if w.chips is not None and not collector.relaxed else None
        most = min(bounds.chips, LARGEST_CHIPS, asked or LARGEST_CHIPS)
        key = (platform.system_id, platform.chip_id, platform.clock_factor, platform.tiers, most)
        if key not in self._kept:
            self._kept[key] = self.units(choice, platform, precision, max(most, 1))
        found = self._kept[key]
        if w.runs_once:
            found = self._there(scenario, choice, found)
        collector.count((self.ROLE, w.name, precision, *key), max(found.enumerated, len(found)), int(found.fits.sum()))
        keep = np.flatnonzero(found.fits & (found.systems <= bounds.systems))
        if not len(keep):
            collector.drop(choice, w.name, found.reason or f"{w.model} fits in memory on no more than {most} chips")
            return
        margin = collector.margin(w, choice)  # type: ignore[arg-type]
        if margin.refused and not w.runs_once:
            collector.drop(choice, w.name, f"it {margin.refused}")
            return
        due = np.zeros(len(found))
        if w.runs_once:
            due = margin.finish(
                found.days,
                found.chips,
                found.low80,
                found.high80,
                ready=ready,
                release=collector.earliest(w, period),  # type: ignore[arg-type]
            )
            keep = self._run(collector, choice, found, keep, ready, hours, due)
        else:
            keep = self._load(collector, choice, found, keep, margin)
        if not len(keep):
            return
        less = margin.less(found.low80, found.high80)
        designs = self._designs(found, keep, hours)
        priced = collector.price(choice, designs, ready)
        for row, i in enumerate(keep):
            rate = float(found.samples_per_s[i] / less[i])
            enough = 1 if w.runs_once else collector.of_use(w, math.ceil(w.samples_per_s / rate), int(found.chips[i]))
            collector.append(
                choice, w.name, self.ROLE, period, precision, designs, priced, row, replicas=int(found.replicas[i]),
                max_units=enough, rates={"run": 1.0} if w.runs_once else {"score": rate},
                tokens_per_s=float(found.tokens_per_s[i]),
                finish_days=ready + float(found.days[i]) if w.runs_once else 0.0, due_days=float(due[i]),
                layout=found.layouts[i],
            )  # fmt: skip

    def _there(self, scenario: Scenario, choice: Choice, found: Units) -> Units:
        """Units of a run as they go on a choice's rent: longer on spot."""
        parameters = float(parameter_counts(self.model).total)
        longer = [stretch(scenario, self.catalog, choice, int(n), parameters) for n in found.chips]
        return replace(found, days=found.days * np.array(longer)) if longer else found

    def _run(
        self, collector: Collector, choice: Choice, found: Units, keep: Ints, ready: float, hours: float, due: Floats
    ) -> Ints:
        """Sizes of a run that may end in time; of one number of systems the fastest. ``due`` (n,): days from the
        scenario's start by which they have ended with the confidence."""
        w = self.workload
        surely = due - ready
        reach = hours / HOURS_PER_DAY
        asked = getattr(w, "finish_within_days", None)
        if asked is not None:
            reach = min(reach, start_days(collector.scenario, getattr(w, "start", None)) + asked * BEYOND - ready)
        collector.note_best(w.name, "finish_within_days", float(surely[keep].min()) + ready)
        if w.chips is not None and not collector.relaxed:
            keep = keep[found.chips[keep] >= (w.chips.min or 1)]
        in_time = keep[surely[keep] <= reach] if not collector.relaxed else keep
        if not len(in_time):
            best = f"{surely[keep].min():.3g} days at best" if len(keep) else "no size is as large as asked"
            collector.drop(choice, w.name, f"{best} on up to {int(found.chips.max())} chips, {reach:.3g} allowed")
        order = in_time[np.lexsort((surely[in_time], found.systems[in_time]))]
        kept: list[int] = []
        fastest, size = math.inf, -1
        for i in order:
            if found.systems[i] != size and surely[i] < fastest:
                kept.append(int(i))
                size, fastest = int(found.systems[i]), float(surely[i])
        return np.asarray(kept, dtype=np.int64)

    def _load(self, collector: Collector, choice: Choice, found: Units, keep: Ints, margin: Margin) -> Ints:
        """Units of a load within its latency that no whole number of another replaces."""
        w, limit = self.workload, self.limit_ms()
        latency = found.latency_ms * margin.slower(found.low80, found.high80)
        collector.note_best(w.name, "latency_ms", float(latency[keep].min()))
        meets = keep if limit is None else keep[latency[keep] <= limit]
        if not len(meets):
            collector.drop(choice, w.name, f"{milliseconds(float(latency[keep].min()))} ms at best, {limit:g} ms asked")
            return meets
        rate = found.samples_per_s / margin.less(found.low80, found.high80)
        index = meets[frontier(found.systems[meets], rate[meets], found.chips[meets])]
        collector.pruned += len(meets) - len(index)
        return index

    def _designs(self, found: Units, keep: Ints, hours: float) -> Designs:
        w = self.workload
        return Designs(
            systems=found.systems[keep],
            spares=found.spares[keep],
            chips=found.chips[keep],
            activity=found.activity[keep],
            run_hours=np.minimum(found.days[keep] * HOURS_PER_DAY, hours) if w.runs_once else np.full(len(keep), hours),
            cluster=w.runs_once,
        )

    def describe(self, scenario: Scenario, choice: Choice, spec: Spec, ready: float, margin: Margin) -> Described:
        """Everything about one unit of a plan, from its description alone."""
        from planner.options.enumerate import earliest_days
        from planner.options.work.describe import Described

        w = self.workload
        platform = platform_of(self.catalog, *choice.platform)
        found = self.one(platform, spec.precision, spec.layout)
        if not found.fits[0]:
            raise InputError(Problem(f"{spec.workload} does not fit in memory on {spec.system}"))
        if w.runs_once:
            found = self._there(scenario, choice, found)
            ready = max(ready, start_days(scenario, getattr(w, "start", None)))
        elif ready > 0:
            raise InputError(Problem(f"{spec.system} arrives {ready:.0f} days after the load {spec.workload} begins"))
        hours = horizon_hours(scenario, ready)
        priced = price(scenario, self.catalog, choice, self._designs(found, np.array([0]), hours), ready)
        step = float(found.step_time_s[0])
        latency = None if w.runs_once else float(found.latency_ms[0])
        judged = step if latency is None else latency
        days = float(found.days[0]) if w.runs_once else None
        rate = float(found.samples_per_s[0])
        predicted = Predicted(
            step_time_s=step,
            samples_per_s=rate,
            tokens_per_s=float(found.tokens_per_s[0]) or None,
            days=days,
            finish_days=None if days is None else ready + days,
            latency_ms=latency,
            memory_gb_per_chip=float(found.memory_bytes[0]) / 1e9,
            memory_limit_gb_per_chip=float(found.memory_limit_bytes[0]) / 1e9,
            breakdown={k: float(v[0]) for k, v in found.breakdown.items() if v[0]},
            memory_gb={k: float(v[0]) / 1e9 for k, v in found.memory.items() if v[0]},
            interval=Interval(
                quantity="step_time_s" if latency is None else "latency_ms",
                low=judged * float(found.low80[0]),
                high=judged * float(found.high80[0]),
                basis=self.BASIS,
            ),
        )
        due = 0.0
        if days is not None:
            release = earliest_days(scenario, w, spec.period)  # type: ignore[arg-type]
            due = float(margin.finish(days, found.chips, found.low80, found.high80, ready=ready, release=release)[0])
        counted = rate / float(margin.less(found.low80, found.high80)[0])
        return Described(
            systems=int(found.systems[0]), spares=int(found.spares[0]), chips=int(found.chips[0]),
            replicas=int(found.replicas[0]), rates={"run": 1.0} if w.runs_once else {"score": counted},
            tokens_per_s=float(found.tokens_per_s[0]), finish_days=due,
            run_days=hours / HOURS_PER_DAY if days is None else days if margin.central else due - ready,
            predicted=predicted, priced=priced,
            bought_chips=int(found.systems[0]) * platform.system_chips,
            parallelism=self.parallelism(spec.layout, found),
            slower=float(margin.slower(found.low80, found.high80)[0]), activity=float(found.activity[0]),
        )  # fmt: skip
