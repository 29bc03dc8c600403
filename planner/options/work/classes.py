"""Options of a load whose requests come in classes of several sizes, each of which may be answered by other chips.

A unit is a replica shape (TP, PP, copies of attention, EP) on whole systems. Each class has its own rate on it: of all
batch caps and prefill chunks of the grid, the fastest that keeps the class's latency limits at the load's percentile. A
unit divides its time: x_c requests a second of class c take x_c / rate_c of it, and what is taken sums to the units. So
counts are whole, the split over classes is continuous, and no slice of a class is a variable of its own
(docs/optimization.md). Replicas that share classes run each with its own settings: an approximation of mixed batches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from planner.answer.plan import Answered, Interval, Parallelism, Predicted
from planner.catalog import Catalog
from planner.errors import InputError, Problem
from planner.facility.power import PHASE_ACTIVITY
from planner.options.counted import reach
from planner.options.hardware.choices import Choice, platform_of
from planner.options.pricing import Designs, horizon_hours, price
from planner.options.work.serving import NO_MARGIN, ServingSearch, time_ends, unit_of
from planner.performance.platform import Platform
from planner.performance.serving.grid import LARGEST_REPLICA_CHIPS, ServingGrid, serving_grid
from planner.performance.serving.load import SINGLE_REQUESTS
from planner.performance.serving.replica import AGGREGATED, ServingCandidates, estimate_serving
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving
from planner.uncertainty.margins import Margin

if TYPE_CHECKING:
    from planner.options.enumerate import Collector
    from planner.options.work.describe import Described, Spec

WIDTHS = ("tp", "pp", "ep", "attention_dp")


@dataclass(frozen=True)
class ClassRate:
    """What a unit does of one class if it does nothing else, and the settings at which it does it."""

    requests_per_s: float
    input_tokens: int
    output_tokens: int
    ttft_ms: float
    tpot_ms: float
    batch: int
    chunk: int
    load: float
    memory_bytes: float
    memory_limit_bytes: float
    low80: float
    high80: float
    slower: float = 1.0
    """What its latencies must bear: predicted ones times this are within the limits of the class."""
    breakdown: Mapping[str, float] = field(default_factory=dict)
    """Seconds of a mean step by cause."""


@dataclass(frozen=True)
class _Shapes:
    """Distinct shapes of one platform. ``rates`` (shapes, classes) per unit; ``best`` the candidate behind each."""

    precision: str
    widths: NDArray[np.int64]
    systems: NDArray[np.int64]
    replicas: NDArray[np.int64]
    chips: NDArray[np.int64]
    rates: NDArray[np.float64]
    details: Mapping[tuple[int, int], ClassRate]
    enumerated: int
    priced: int
    best_ms: Mapping[str, float]
    reason: str = ""


@dataclass
class MixedServingSearch:
    """Searches one load with request classes; results are kept per platform."""

    workload: Serving
    catalog: Catalog
    _found: dict[tuple[object, ...], _Shapes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.labels = tuple(c.label for c in self.workload.request_classes)
        self.parts = tuple(
            ServingSearch(class_workload(self.workload, i), self.catalog) for i in range(len(self.labels))
        )

    def shapes(self, platform: Platform, most_chips: int, margin: Margin = NO_MARGIN) -> _Shapes:
        """Every shape of at most ``most_chips`` chips that does some class, none left out."""
        most = max(1, min(most_chips, LARGEST_REPLICA_CHIPS))
        margin = NO_MARGIN if margin.central else margin
        key = (platform.system_id, platform.chip_id, platform.clock_factor, platform.tiers, most, margin)
        if key not in self._found:
            self._found[key] = self._search(platform, most, margin)
        return self._found[key]

    def _search(self, platform: Platform, most: int, margin: Margin) -> _Shapes:
        precision = self.parts[0].precision_of(platform)
        if precision is None:
            return _nothing("", f"{platform.chip_id} has none of the precisions {', '.join(self.workload.precision)}")
        grid = ServingGrid(roles=(AGGREGATED,))
        candidates = self._pinned(serving_grid(self.parts[0].job(precision), platform, most, grid))
        if not len(candidates):
            return _nothing(precision, f"{self.workload.model} fits in no replica of up to {most} chips")
        widths = np.stack([getattr(candidates, name) for name in WIDTHS], axis=1)
        distinct, first, member = np.unique(widths, axis=0, return_index=True, return_inverse=True)
        member = member.reshape(-1)
        systems, replicas = unit_of(candidates.chips[first], platform.system_chips)
        rates = np.zeros((len(distinct), len(self.parts)))
        details: dict[tuple[int, int], ClassRate] = {}
        priced = 0
        best_ms: dict[str, float] = {}
        for c, part in enumerate(self.parts):
            found = _class_rates(part, platform, precision, candidates, margin)
            priced += found.fits
            for name, value in found.best_ms.items():
                best_ms[name] = max(value, best_ms.get(name, 0.0))  # the class that is hardest to please
            order = np.lexsort((-found.rate, member))
            starts = np.searchsorted(member[order], np.arange(len(distinct)))
            for shape, at in enumerate(order[starts]):
                if found.rate[at] > 0:
                    rates[shape, c] = found.rate[at] * replicas[shape]
                    details[shape, c] = found.detail(int(at), float(rates[shape, c]))
        reason = (
            "" if rates.any() else f"{platform.chip_id}: no replica of up to {most} chips keeps the limits of a class"
        )
        return _Shapes(
            precision, distinct, systems, replicas, candidates.chips[first] * replicas, rates, details,
            len(candidates) * len(self.parts), priced, best_ms, reason,
        )  # fmt: skip

    def _pinned(self, candidates: ServingCandidates) -> ServingCandidates:
        keep: NDArray[np.bool_] = np.ones(len(candidates), dtype=bool)
        for name, value in self.workload.parallelism.model_dump().items():
            if value is not None:
                keep &= getattr(candidates, name) == value
        return candidates.take(keep)

    # -- options ---------------------------------------------------------------------------------------------------

    def add(self, collector: Collector, choice: Choice, period: int, ready: float) -> None:
        """Every unit worth counting on one choice."""
        w = self.workload
        if ready > 0:
            collector.drop(choice, w.name, f"it arrives {ready:.0f} days after the load begins")
            return
        hours = horizon_hours(collector.scenario, ready)
        bounds = collector.bounds(choice, ready, beyond=True, cluster=False)
        if bounds.systems < 1:
            collector.drop(choice, w.name, "one system alone exceeds a limit of the place or the plan")
            return
        platform = platform_of(self.catalog, *choice.platform)
        most = bounds.chips
        if w.chips is not None and w.chips.max is not None:
            most = min(most, math.floor(reach(w.chips.max, choice.system.unit_chips, 1.0)))
        margin = collector.margin(w, choice)
        if margin.refused:
            collector.drop(choice, w.name, f"it {margin.refused}")
            return
        found = self.shapes(platform, most, margin)
        collector.count(("classes", w.name, id(found)), found.enumerated, found.priced)
        for quantity, value in found.best_ms.items():
            collector.note_best(w.name, quantity, value)
        if found.reason:
            collector.drop(choice, w.name, found.reason)
            return
        mine = np.flatnonzero(found.rates.any(axis=1) & (found.systems <= bounds.systems))
        if not len(mine):
            collector.drop(choice, w.name, "its smallest replica exceeds a limit of the place or the plan")
            return
        kept = mine[worth_counting(found.systems[mine], found.rates[mine], found.chips[mine] if w.chips else None)]
        collector.pruned += len(mine) - len(kept)
        designs = Designs(
            systems=found.systems[kept],
            spares=np.zeros(len(kept), dtype=np.int64),
            chips=found.chips[kept],
            activity=np.full(len(kept), PHASE_ACTIVITY["serve"] / w.peak_to_mean),
            run_hours=np.full(len(kept), hours),
            cluster=False,
        )
        priced = collector.price(choice, designs, ready)
        demand = np.array([c.share for c in w.request_classes]) * w.requests_per_s
        for row, shape in enumerate(kept):
            rates = found.rates[shape]
            # more units than would answer all it can of every class are of no use
            alone = float(np.sum(np.divide(demand, rates, out=np.zeros_like(demand), where=rates > 0)))
            collector.append(
                choice, w.name, "serve", period, found.precision, designs, priced, row,
                replicas=int(found.replicas[shape]),
                max_units=collector.of_use(w, math.ceil(alone), int(found.chips[shape])),
                rates={label: float(r) for label, r in zip(self.labels, rates, strict=True)},
                tokens_per_s=0.0, finish_days=0.0,
                layout=dict(zip(WIDTHS, (int(x) for x in found.widths[shape]), strict=True)),
            )  # fmt: skip


@dataclass(frozen=True)
class _Rates:
    """Rates of one class on every candidate, at the highest load that keeps its limits; 0 where none does."""

    part: ServingSearch
    candidates: ServingCandidates
    rate: NDArray[np.float64]
    ttft_ms: NDArray[np.float64]
    tpot_ms: NDArray[np.float64]
    load: NDArray[np.float64]
    memory: NDArray[np.float64]
    limit: NDArray[np.float64]
    low80: NDArray[np.float64]
    high80: NDArray[np.float64]
    slower: NDArray[np.float64]
    fits: int
    best_ms: Mapping[str, float]
    parts: Mapping[str, NDArray[np.float64]]

    def detail(self, i: int, rate: float) -> ClassRate:
        """One candidate; ``rate`` of the whole unit."""
        w = self.part.workload
        return ClassRate(
            rate, w.input_tokens, w.output_tokens, float(self.ttft_ms[i]), float(self.tpot_ms[i]),
            int(self.candidates.batch[i]), int(self.candidates.chunk[i]), float(self.load[i]),
            float(self.memory[i]), float(self.limit[i]), float(self.low80[i]), float(self.high80[i]),
            float(self.slower[i]),
            {name: float(v[i]) for name, v in self.parts.items() if v[i]},
        )  # fmt: skip


def _class_rates(
    part: ServingSearch, platform: Platform, precision: str, candidates: ServingCandidates, margin: Margin
) -> _Rates:
    w = part.workload
    job = part.job(precision, platform)
    estimate = estimate_serving(job, platform, candidates)
    at = part.operating(job, platform, candidates, estimate)
    n = len(candidates)
    ends = time_ends(w, candidates, estimate)
    slower, less = margin.slower(*ends) * SINGLE_REQUESTS, margin.less(*ends)
    rate, load = np.zeros(n), np.zeros(n)
    ttft, tpot = np.zeros(n), np.zeros(n)
    fits = np.asarray(estimate.fits, dtype=bool) & (estimate.requests_per_s > 0)
    best: dict[str, float] = {}
    for level in reversed(part.loads()):  # the highest load that keeps the limits gives most
        share = part.utilisation_at(level)
        t, p = part.latencies(platform, candidates, estimate, at.loaded(share))
        met = fits & (load == 0) & (t * slower <= (w.ttft_ms or np.inf)) & (p * slower <= (w.tpot_ms or np.inf))
        load[met], ttft[met], tpot[met] = share, t[met], p[met]
        rate[met] = estimate.requests_per_s[met] * share / less[met]
        if fits.any():
            best = {"ttft_ms": float((t * slower)[fits].min()), "tpot_ms": float((p * slower)[fits].min())}
        if np.all(load[fits] > 0):
            break
    return _Rates(
        part, candidates, rate, ttft, tpot, load, estimate.memory_bytes, estimate.memory_limit_bytes,
        estimate.low80, estimate.high80, slower, int(fits.sum()), best, estimate.breakdown,
    )  # fmt: skip


def class_workload(workload: Serving, index: int) -> Serving:
    """The load as if all its requests were of one class."""
    c = workload.request_classes[index]
    return workload.model_copy(
        update={
            "input_tokens": c.input_tokens,
            "output_tokens": c.output_tokens,
            "ttft_ms": c.ttft_ms if c.ttft_ms is not None else workload.ttft_ms,
            "tpot_ms": c.tpot_ms if c.tpot_ms is not None else workload.tpot_ms,
            "requests_per_s": workload.requests_per_s * c.share,
            "disaggregated": "never",
            "request_classes": (),
        }
    )


def worth_counting(
    systems: NDArray[np.int64], rates: NDArray[np.float64], chips: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Indices of units that no whole number of another unit replaces: on no more systems, every class as fast.

    ``rates`` (n, classes). Figures of a unit are proportional to its systems, so what is replaced loses nothing. With
    ``chips`` a replacement must work on as many, since limits may count them both ways.
    """
    order = np.lexsort((-rates.sum(axis=1), systems))
    staying: list[int] = []
    for i in order:
        kept = np.asarray(staying, dtype=np.int64)
        times = systems[i] // systems[kept]
        beaten = np.all(times[:, None] * rates[kept] >= rates[i], axis=1)
        if chips is not None:
            beaten &= times * chips[kept] == chips[i]
        if not beaten.any():
            staying.append(int(i))
    return np.asarray(staying, dtype=np.int64)


def _nothing(precision: str, reason: str) -> _Shapes:
    none = np.zeros(0, dtype=np.int64)
    return _Shapes(precision, none.reshape(0, 4), none, none, none, np.zeros((0, 0)), {}, 0, 0, {}, reason)


def describe_classes(
    scenario: Scenario,
    catalog: Catalog,
    workload: Serving,
    choice: Choice,
    spec: Spec,
    ready: float,
    margin: Margin = NO_MARGIN,
) -> Described:
    """Everything about one unit of a spec, from its description alone; what it answers is not part of it."""
    from planner.options.work.describe import Described

    if ready > 0:
        raise InputError(Problem(f"{spec.system} arrives {ready:.0f} days after the load {spec.workload} begins"))
    if spec.precision not in workload.precision:
        raise InputError(Problem(f"{spec.workload} is not planned in {spec.precision} on {spec.chip}"))
    search = MixedServingSearch(workload.model_copy(update={"precision": (spec.precision,)}), catalog)
    platform = platform_of(catalog, *choice.platform)
    wanted = [spec.layout[name] for name in WIDTHS]
    found = search.shapes(platform, wanted[0] * wanted[1] * wanted[3], margin)
    at = np.flatnonzero((found.widths == wanted).all(axis=1))
    if spec.role != "serve" or len(at) != 1 or not found.rates[at[0]].any():
        raise InputError(Problem(f"{spec.workload}: {dict(spec.layout)} is no legal replica on {spec.system}"))
    shape = int(at[0])
    rates = {search.labels[c]: detail for (s, c), detail in found.details.items() if s == shape}
    hours = horizon_hours(scenario, ready)
    systems, chips = int(found.systems[shape]), int(found.chips[shape])
    designs = Designs(
        systems=np.array([systems]),
        spares=np.zeros(1, dtype=np.int64),
        chips=np.array([chips]),
        activity=np.array([PHASE_ACTIVITY["serve"] / workload.peak_to_mean]),
        run_hours=np.array([hours]),
        cluster=False,
    )
    priced = price(scenario, catalog, choice, designs, ready)
    fullest = max(rates.values(), key=lambda r: r.memory_bytes)
    tp, pp, ep, dp = wanted
    return Described(
        systems=systems, spares=0, chips=chips, replicas=int(found.replicas[shape]),
        rates={label: rates[label].requests_per_s if label in rates else 0.0 for label in search.labels},
        tokens_per_s=0.0, finish_days=0.0, run_days=hours / 24.0,
        predicted=Predicted(
            memory_gb_per_chip=fullest.memory_bytes / 1e9, memory_limit_gb_per_chip=fullest.memory_limit_bytes / 1e9
        ),
        priced=priced, bought_chips=systems * platform.system_chips,
        parallelism=Parallelism(tp=tp, pp=pp, dp=dp, ep=ep), class_rates=rates,
    )  # fmt: skip


def answered(described: Described, amounts: Mapping[str, float], units: int) -> tuple[tuple[Answered, ...], Predicted]:
    """What some units answer of each class, and what is expected of them together.

    ``amounts``: requests a second by class. Raises ``InputError`` for a class that the unit cannot answer.
    """
    made = []
    for name, amount in amounts.items():
        rate = described.class_rates.get(name)
        if rate is None:
            raise InputError(Problem(f"class {name} is not answered within its limits by this replica"))
        made.append(
            Answered(
                name=name, input_tokens=rate.input_tokens, output_tokens=rate.output_tokens, requests_per_s=amount,
                share_of_time=amount / (rate.requests_per_s * units), ttft_ms=rate.ttft_ms, tpot_ms=rate.tpot_ms,
                batch=rate.batch, chunk_tokens=rate.chunk, load=rate.load,
            )
        )  # fmt: skip
    out = math.fsum(a.requests_per_s * a.output_tokens for a in made)
    predicted = described.predicted.model_copy(
        update={
            "requests_per_s": math.fsum(a.requests_per_s for a in made),
            "tokens_per_s": out,
            "tokens_per_s_per_chip": out / (described.chips * units),
            "input_tokens_per_s": math.fsum(a.requests_per_s * a.input_tokens for a in made),
            "ttft_ms": max((a.ttft_ms for a in made), default=None),
            "tpot_ms": (pace := max((a.tpot_ms for a in made), default=None)),
            "interval": None if pace is None else _interval(described, made, pace),
            "breakdown": _breakdown(described, made),
        }
    )
    return tuple(made), predicted


def _breakdown(described: Described, made: Sequence[Answered]) -> dict[str, float]:
    """Seconds of a mean step by cause, classes weighted by the time that they take."""
    whole = math.fsum(a.share_of_time for a in made)
    found: dict[str, float] = {}
    for a in made if whole > 0 else ():
        for name, seconds in described.class_rates[a.name].breakdown.items():
            found[name] = found.get(name, 0.0) + seconds * a.share_of_time / whole
    return found


def _interval(described: Described, made: Sequence[Answered], pace: float) -> Interval:
    """Of the pace of all classes together: the mean of theirs, by the time that each takes."""
    ends = [(described.class_rates[a.name].low80, described.class_rates[a.name].high80) for a in made]
    weight = [a.share_of_time for a in made]
    low, high = (
        math.exp(math.fsum(w * math.log(e[i]) for w, e in zip(weight, ends, strict=True)) / math.fsum(weight))
        for i in (0, 1)
    )
    basis = "80% of measured runs as near as these are, left out of the calibration; mean over classes by their time"
    return Interval(quantity="tpot_ms", low=pace * low, high=pace * high, basis=basis)


def answered_by_period(
    described: Described, amounts: Sequence[Mapping[str, float]], units: Sequence[int]
) -> tuple[tuple[tuple[Answered, ...], ...], Predicted]:
    """What units answer of each class in each period, and what is expected of one of them where most of them work.

    Raises ``InputError`` for a class that the unit cannot answer.
    """
    made = tuple(answered(described, of, count)[0] if count else () for of, count in zip(amounts, units, strict=True))
    most = max(range(len(units)), key=lambda t: units[t])
    each = {name: amount / max(1, units[most]) for name, amount in amounts[most].items()}
    return made, answered(described, each, 1)[1]
