"""Options of a recommender: trained once on a cluster, or served by replicas over whole systems.

Placement (tables whole or rows spread, share of rows in the chips' own memory) is searched with the size; for one size
everything but time is the same, so the fastest placement dominates. Latency at a percentile: M/D/1 queue of batches,
P(wait > t) ~ rho exp(-2 (1 - rho) t / S) at utilisation rho and step time S (heavy-traffic tail).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from planner.answer.plan import Interval, Parallelism, Predicted
from planner.catalog import Catalog
from planner.facility.power import PHASE_ACTIVITY
from planner.facility.reliability import default_profile, mean_training_time
from planner.network.capability import host_bytes_per_chip
from planner.options.counted import reach
from planner.options.hardware.choices import Choice, platform_of, start_days
from planner.options.option import BEYOND, milliseconds
from planner.options.pricing import Designs, horizon_hours, price
from planner.options.work.serving import frontier, unit_of
from planner.performance.platform import Platform
from planner.performance.precision import fastest_precision, peak_name
from planner.performance.recommendation import (
    RecommendationCandidates,
    RecommendationEstimate,
    RecommendationJob,
    estimate_recommendation,
    legal,
    pool_chips,
    recommendation_grid,
)
from planner.performance.serving.grid import LARGEST_REPLICA_CHIPS
from planner.scenario.types import Scenario
from planner.scenario.workloads import Recommendation
from planner.uncertainty.margins import Margin
from planner.workload.parameters import parameter_counts

if TYPE_CHECKING:
    from planner.options.enumerate import Collector
    from planner.options.work.describe import Described, Spec

PLACEMENT = ("chips", "sharding", "local_batch", "hbm_percent")
SHARDINGS = ("table-wise", "row-wise", "pooled")
SECONDS_PER_DAY = 86400.0
HBM_PERCENTS = (100, 50, 25, 10)


@dataclass
class RecommendationSearch:
    """Searches one recommender; prices what it finds through the collector of the enumeration."""

    workload: Recommendation
    catalog: Catalog

    def __post_init__(self) -> None:
        self.model = self.catalog.model(self.workload.model)
        self.parameters = float(parameter_counts(self.model).total)

    def job(self, precision: str) -> RecommendationJob:
        """The job in one precision of its dense layers."""
        return RecommendationJob(self.model, precision=peak_name(precision), training=self.workload.mode == "training")

    def precision_of(self, platform: Platform) -> str | None:
        """The fastest precision of the workload's list that the chip has."""
        return fastest_precision(self.workload.precision, platform.peak_flops)

    def add(self, collector: Collector, choice: Choice, period: int, ready: float) -> None:
        """Price every option of one choice and hand it to the collector."""
        platform = platform_of(self.catalog, *choice.platform)
        precision = self.precision_of(platform)
        if precision is None:
            wanted = ", ".join(self.workload.precision)
            collector.drop(choice, self.workload.name, f"{choice.chip.id} has none of the precisions {wanted}")
        elif self.workload.mode == "training":
            self._train(collector, choice, platform, precision, period, ready)
        else:
            self._serve(collector, choice, platform, precision, period, ready)

    def is_legal(self, platform: Platform, layout: Mapping[str, int]) -> bool:
        """Whether a placement is one of those the search looks at: what ``verify`` asks of a plan."""
        w = self.workload
        chips, sharding, batch, share = (int(layout[name]) for name in PLACEMENT)
        if min(chips, batch) < 1 or sharding not in range(len(SHARDINGS)) or share not in HBM_PERCENTS:
            return False
        if w.mode == "training":
            whole = chips % platform.system_chips == 0 and batch * chips == int(w.global_batch or 1)
        else:
            grid = recommendation_grid(self.job("bf16"), chips, pool=pool_chips(platform), hbm_percents=HBM_PERCENTS)
            whole = chips <= LARGEST_REPLICA_CHIPS and chips in grid.chips and batch in grid.local_batch
            whole = bool(whole) and (w.global_batch is None or batch * chips <= w.global_batch)
        tables = sum(t.tables for t in self.model.tables)
        of_chips, of_sharding, of_share = (np.array([v]) for v in (chips, sharding, share))
        return whole and bool(legal(of_chips, of_sharding, of_share, tables, pool_chips(platform))[0])

    def fits(self, choice: Choice, estimate: RecommendationEstimate) -> NDArray[np.bool_]:
        """Whether the chips hold their share and the hosts hold the rest; hosts of unknown memory hold no rows."""
        room = 0.8 * (host_bytes_per_chip(choice.system) or 0.0)  # a fifth is left to the system and the data
        return np.asarray(estimate.fits & (estimate.host_bytes <= room))

    # -- trained ---------------------------------------------------------------------------------------------------

    def _train(
        self, collector: Collector, choice: Choice, platform: Platform, precision: str, period: int, ready: float
    ) -> None:
        w = self.workload
        begins = start_days(collector.scenario, w.start)
        ready = max(ready, begins)
        hours = horizon_hours(collector.scenario, ready)
        limit = reach = hours / 24.0
        if w.finish_within_days is not None:
            limit = min(limit, begins + w.finish_within_days - ready)
            reach = min(reach, begins + w.finish_within_days * BEYOND - ready)
        bounds = collector.bounds(choice, ready, beyond=True)
        per = platform.system_chips
        batch = int(w.global_batch or 1)
        asked = None if collector.relaxed else w.chips
        most = min(bounds.chips, batch, (asked.max if asked else None) or bounds.chips)
        least = (asked.min if asked else None) or 1
        sizes = [n for n in range(per, most + 1, per) if batch % n == 0 and n >= least]
        grid = np.array(
            [(n, s, batch // n, h) for n in sizes for s in range(len(SHARDINGS)) for h in HBM_PERCENTS], dtype=np.int64
        )
        if not len(grid):
            collector.drop(choice, w.name, f"no number of whole systems divides a batch of {batch} within the limits")
            return
        pool, tables = pool_chips(platform), sum(t.tables for t in self.model.tables)
        candidates = RecommendationCandidates(*grid[legal(grid[:, 0], grid[:, 1], grid[:, 3], tables, pool)].T)
        estimate = estimate_recommendation(self.job(precision), platform, candidates)
        fits = self.fits(choice, estimate)
        key = ("recommend", w.name, precision, platform.system_id, platform.chip_id, platform.clock_factor, most)
        collector.count(key, len(candidates), int(fits.sum()))
        if not fits.any():
            collector.drop(choice, w.name, f"{w.model} fits in memory on no more than {most} chips")
            return
        best = [int(at[np.argmin(estimate.step_time_s[at])]) for n in sizes
                if len(at := np.flatnonzero(fits & (candidates.chips == n)))]  # fmt: skip
        days = np.array(
            [self.run_days(platform, int(candidates.chips[i]), float(estimate.step_time_s[i])) for i in best]
        )
        margin = collector.margin(w, choice)
        at_best = np.array(best)
        due = margin.finish(
            days, candidates.chips[at_best], estimate.low80[at_best], estimate.high80[at_best], ready=ready,
            release=collector.earliest(w, period),
        )  # fmt: skip
        kept = [(i, d, e) for i, d, e in zip(best, days, due, strict=True) if collector.relaxed or e - ready <= reach]
        if not kept:
            collector.drop(
                choice, w.name, f"{due.min() - ready:.3g} days at best on up to {most} chips, {limit:.3g} allowed"
            )
            return
        index = np.array([i for i, _, _ in kept])
        took, ends = (np.array([x[n] for x in kept]) for n in (1, 2))
        designs = Designs(
            systems=candidates.chips[index] // per,
            spares=np.zeros(len(index), dtype=np.int64),
            chips=candidates.chips[index],
            activity=np.full(len(index), PHASE_ACTIVITY["train"]),
            run_hours=np.minimum(took * 24.0, hours),
            cluster=True,
        )
        priced = collector.price(choice, designs, ready)
        for row, i in enumerate(index):
            collector.append(
                choice, w.name, "recommend", period, precision, designs, priced, row, replicas=1, max_units=1,
                rates={"run": 1.0}, tokens_per_s=float(estimate.samples_per_s[i]),
                finish_days=ready + float(took[row]), due_days=float(ends[row]), layout=placement(candidates, int(i)),
            )  # fmt: skip

    def run_days(self, platform: Platform, chips: int, step_time_s: float) -> float:
        """Days of the run, failures included."""
        w = self.workload
        share = mean_training_time(chips, self.parameters, default_profile(self.catalog))
        steps = math.ceil(float(w.samples or 0.0) / float(w.global_batch or 1))
        return steps * step_time_s / share / SECONDS_PER_DAY

    # -- served ----------------------------------------------------------------------------------------------------

    def _serve(
        self, collector: Collector, choice: Choice, platform: Platform, precision: str, period: int, ready: float
    ) -> None:
        w = self.workload
        if ready > 0:
            collector.drop(choice, w.name, f"it arrives {ready:.0f} days after the load begins")
            return
        bounds = collector.bounds(choice, ready, beyond=True, cluster=False)
        largest = bounds.chips
        if w.chips and w.chips.max:
            largest = math.floor(reach(w.chips.max, choice.system.unit_chips, 1.0))
        most = max(1, min(bounds.chips, LARGEST_REPLICA_CHIPS, largest))
        job = self.job(precision)
        candidates = recommendation_grid(job, most, pool=pool_chips(platform), hbm_percents=HBM_PERCENTS)
        estimate = estimate_recommendation(job, platform, candidates)
        fits = self.fits(choice, estimate)
        if w.global_batch is not None:
            fits &= candidates.local_batch * candidates.chips <= w.global_batch
        margin = collector.margin(w, choice)
        if margin.refused:
            collector.drop(choice, w.name, f"it {margin.refused}")
            return
        latency = self.latency_ms(estimate) * margin.slower(estimate.low80, estimate.high80)
        key = ("recommend", w.name, precision, platform.system_id, platform.chip_id, platform.clock_factor, most)
        collector.count(key, len(candidates), int(fits.sum()))
        if fits.any():
            collector.note_best(w.name, "latency_ms", float(latency[fits].min()))
        keep = fits if w.latency_ms is None else fits & (latency <= w.latency_ms)
        systems, replicas = unit_of(candidates.chips, platform.system_chips)
        rate = estimate.samples_per_s * w.utilisation * replicas / margin.less(estimate.low80, estimate.high80)
        mine = np.flatnonzero(keep & (systems <= bounds.systems))
        if not len(mine):
            best = (
                f"{milliseconds(float(latency[fits].min()))} ms at best"
                if fits.any()
                else f"{w.model} does not fit in memory"
            )
            collector.drop(choice, w.name, best)
            return
        index = mine[frontier(systems[mine], rate[mine], (candidates.chips * replicas)[mine])]
        collector.pruned += len(mine) - len(index)
        hours = horizon_hours(collector.scenario, ready)
        designs = Designs(
            systems=systems[index],
            spares=np.zeros(len(index), dtype=np.int64),
            chips=candidates.chips[index] * replicas[index],
            activity=np.full(len(index), PHASE_ACTIVITY["serve"] / w.peak_to_mean),
            run_hours=np.full(len(index), hours),
            cluster=False,
        )
        priced = collector.price(choice, designs, ready)
        for row, i in enumerate(index):
            enough = math.ceil(float(w.samples_per_s or 0.0) / rate[i])
            collector.append(
                choice, w.name, "recommend", period, precision, designs, priced, row, replicas=int(replicas[i]),
                max_units=collector.of_use(w, enough, int(designs.chips[row])), rates={"score": float(rate[i])},
                tokens_per_s=float(rate[i]),
                finish_days=0.0,
                layout=placement(candidates, int(i)),
            )  # fmt: skip

    def latency_ms(self, estimate: RecommendationEstimate) -> NDArray[np.float64]:
        """Latency of a scored batch at the workload's percentile and utilisation, ms."""
        w = self.workload
        rho = min(w.utilisation, 0.999)
        tail = max(1.0 - w.percentile / 100.0, 1e-9)
        wait = max(0.0, math.log(rho / tail)) / (2.0 * (1.0 - rho))
        return np.asarray((estimate.latency_s + estimate.step_time_s * wait) * 1e3)


def placement(candidates: RecommendationCandidates, index: int) -> dict[str, int]:
    """One candidate as a layout."""
    return {name: int(getattr(candidates, name)[index]) for name in PLACEMENT}


def placement_of_plan(parallelism: Parallelism) -> dict[str, int]:
    """The layout behind what a plan prints."""
    return {
        "chips": parallelism.dp,
        "sharding": SHARDINGS.index(parallelism.sharding or SHARDINGS[0]),
        "local_batch": parallelism.batch or 1,
        "hbm_percent": parallelism.hbm_percent or 100,
    }


def describe_recommendation(
    scenario: Scenario,
    catalog: Catalog,
    workload: Recommendation,
    choice: Choice,
    spec: Spec,
    ready: float,
    margin: Margin,
) -> Described:
    """Everything about one unit of a recommender's spec, from its description alone."""
    from planner.errors import InputError, Problem
    from planner.options.enumerate import earliest_days
    from planner.options.work.describe import Described

    search = RecommendationSearch(workload, catalog)
    platform = platform_of(catalog, *choice.platform)
    if not search.is_legal(platform, spec.layout):
        raise InputError(Problem(f"{spec.workload}: {dict(spec.layout)} is no legal placement on {spec.system}"))
    candidates = RecommendationCandidates(*(np.array([spec.layout[name]]) for name in PLACEMENT))
    estimate = estimate_recommendation(search.job(spec.precision), platform, candidates)
    if not search.fits(choice, estimate)[0]:
        raise InputError(Problem(f"{spec.workload} does not fit in memory on {spec.system}"))
    training = workload.mode == "training"
    if training:
        ready = max(ready, start_days(scenario, workload.start))
    elif ready > 0:
        raise InputError(Problem(f"{spec.system} arrives {ready:.0f} days after the load {spec.workload} begins"))
    hours = horizon_hours(scenario, ready)
    step = float(estimate.step_time_s[0])
    chips = int(candidates.chips[0])
    systems, replicas = unit_of(candidates.chips, platform.system_chips)
    run_days = search.run_days(platform, chips, step) if training else hours / 24.0
    designs = Designs(
        systems=systems,
        spares=np.zeros(1, dtype=np.int64),
        chips=candidates.chips * (1 if training else replicas),
        activity=np.array([PHASE_ACTIVITY["train"] if training else PHASE_ACTIVITY["serve"] / workload.peak_to_mean]),
        run_hours=np.array([min(run_days * 24.0, hours)]),
        cluster=training,
    )
    priced = price(scenario, catalog, choice, designs, ready)
    count = 1 if training else int(replicas[0])
    rate = float(estimate.samples_per_s[0]) * (1.0 if training else workload.utilisation * count)
    latency = None if training else float(search.latency_ms(estimate)[0])
    judged = step if latency is None else latency
    predicted = Predicted(
        step_time_s=step,
        samples_per_s=rate,
        days=run_days if training else None,
        finish_days=ready + run_days if training else None,
        latency_ms=latency,
        memory_gb_per_chip=float(estimate.memory_bytes[0]) / 1e9,
        memory_limit_gb_per_chip=float(estimate.memory_limit_bytes[0]) / 1e9,
        breakdown={k: float(v[0]) for k, v in estimate.breakdown.items() if v[0]},
        memory_gb={k: float(v[0]) / 1e9 for k, v in estimate.memory.items() if v[0]},
        interval=Interval(
            quantity="step_time_s" if training else "latency_ms",
            low=judged * float(estimate.low80[0]),
            high=judged * float(estimate.high80[0]),
            basis="planner estimate: no measured recommender is carried to compare with",
        ),
    )
    due = margin.finish(
        run_days, chips, estimate.low80, estimate.high80, ready=ready,
        release=earliest_days(scenario, workload, spec.period),
    )  # fmt: skip
    counted = rate if training else rate / float(margin.less(estimate.low80, estimate.high80)[0])
    return Described(
        systems=int(systems[0]), spares=0, chips=chips * count, replicas=count,
        rates={"run": 1.0} if training else {"score": counted}, tokens_per_s=rate,
        finish_days=float(due[0]) if training else 0.0,
        run_days=float(due[0]) - ready if training and not margin.central else run_days, predicted=predicted,
        priced=priced, bought_chips=int(systems[0]) * platform.system_chips,
        parallelism=Parallelism(
            dp=chips, batch=int(candidates.local_batch[0]), global_batch=workload.global_batch if training else None,
            sharding=SHARDINGS[int(candidates.sharding[0])], hbm_percent=int(candidates.hbm_percent[0]),
        ),
        slower=float(margin.slower(estimate.low80, estimate.high80)[0]),
    )  # fmt: skip
