"""Options of a training run on two kinds of systems together: data parallelism over unequal groups of chips.

A mix is two options that are bought together or not at all: a lead, which does the run, and its second. Each is an
ordinary option in power, racks, money and supply, so every limit counts both; one row of the model ties them
(``fleet.demand``). The declared grid of a mix: two kinds of systems at one site, sizes of each of 1, 2, 3, 4, 6, 8, 12
... systems and the most that the limits leave, and layouts that both groups share: TP, PP, CP, EP, micro-batches of up
to 4, ZeRO 1 within a group, recomputation of each group its own. The best split of every layout is found
(``performance.mixed``).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from planner.answer.plan import Interval, Parallelism, Predicted
from planner.errors import InputError, Problem
from planner.facility.power import PHASE_ACTIVITY
from planner.options.hardware.choices import Choice, platform_of, start_days
from planner.options.option import BEYOND
from planner.options.pricing import Designs, horizon_hours, price
from planner.options.work.training import LAYOUT, SECONDS_PER_DAY, TrainingSearch, one_layout
from planner.performance.platform import Platform
from planner.performance.precision import fastest_precision, peak_name
from planner.performance.training.grid import TrainingGrid, training_grid
from planner.performance.training.mixed import MixedGroup, MixedSteps, exchange_seconds, group_estimate, mixed_steps
from planner.performance.training.profile import Profile
from planner.performance.training.step import TrainingCandidates, TrainingJob, log_deviation
from planner.scenario.topology import FAT_TREE
from planner.scenario.types import Scenario
from planner.scenario.workloads import Training
from planner.uncertainty.margins import Margin

if TYPE_CHECKING:
    from planner.options.enumerate import Collector
    from planner.options.work.describe import Described, Spec

LAYOUTS_AT_ONCE = 2000
"""Layouts that are compared in one call: more would not fit a cache."""
MOST_CHIPS = 16_384
"""Groups larger than this are not searched for a mix."""
GRID = TrainingGrid(vpp=(1,), zero_stage=(1,), recompute=(0,), max_micro_batch=4)
SHARED = ("tp", "pp", "vpp", "cp", "ep", "micro_batch", "zero_stage", "sp")
"""What both groups' replicas have in common."""


@dataclass(frozen=True)
class Side:
    """One kind of hardware of a mix at a place, there after ``ready`` days."""

    choice: Choice
    platform: Platform
    ready: float
    sizes: tuple[int, ...]
    """Systems."""


def shared_layouts(
    search: TrainingSearch, job: TrainingJob, platforms: Sequence[Platform], chips: Sequence[int]
) -> tuple[TrainingCandidates, NDArray[np.int64], NDArray[np.int64]]:
    """(layouts of the replicas that both groups can hold, replicas of the first group, of the second), (n,) each.

    A group need not divide the batch by itself, only its own chips: the batch is divided by ``performance.mixed``.
    """
    tables = []
    for platform, n in zip(platforms, chips, strict=True):
        own = replace(job, global_batch=n * 32)  # divisible by any replicas and micro-batches of the group
        found = search._pinned(training_grid(own, platform, n, GRID))
        rows = np.stack([getattr(found, name) for name in (*SHARED, "dp")], axis=1)
        tables.append({tuple(row[:-1]): int(row[-1]) for row in rows.tolist()})
    both = sorted(tables[0].keys() & tables[1].keys())
    columns = np.array(both, dtype=np.int64).reshape(-1, len(SHARED)).T
    values = dict(zip(SHARED, columns, strict=True))
    dps = [np.array([table[key] for key in both], dtype=np.int64) for table in tables]
    n_rows = len(both)
    layout = TrainingCandidates(
        **values, dp=dps[0] if n_rows else np.zeros(0, dtype=np.int64), recompute=np.zeros(n_rows, dtype=np.int64)
    )
    return layout, dps[0], dps[1]


_Pair = tuple[TrainingCandidates, tuple[NDArray[np.int64], NDArray[np.int64]], MixedSteps | None]


@dataclass
class MixedTrainingSearch:
    """Searches the mixes of one run; it takes the search of the run alone for days, spares and precisions."""

    search: TrainingSearch
    _found: dict[tuple[object, ...], _Pair] = field(default_factory=dict)
    """By platforms and chips: places and coolings share them."""

    def _search(
        self,
        job: TrainingJob,
        platforms: tuple[Platform, Platform],
        sizes: Mapping[tuple[object, ...], tuple[int, int]],
    ) -> None:
        """Find the mixes of some sizes (chips of each group by key), many layouts in one call."""
        pending: list[tuple[tuple[object, ...], TrainingCandidates, NDArray[np.int64], NDArray[np.int64]]] = []
        for key, chips in sizes.items():
            layout, dp_a, dp_b = shared_layouts(self.search, job, platforms, chips)
            if layout.size:
                pending.append((key, layout, dp_a, dp_b))
            else:
                self._found[key] = layout, (dp_a, dp_b), None
            if sum(x[1].size for x in pending) >= LAYOUTS_AT_ONCE:
                self._solve(job, platforms, pending)
                pending = []
        self._solve(job, platforms, pending)

    def _solve(
        self, job: TrainingJob, platforms: tuple[Platform, Platform],
        pending: Sequence[tuple[tuple[object, ...], TrainingCandidates, NDArray[np.int64], NDArray[np.int64]]],
    ) -> None:  # fmt: skip
        if not pending:
            return
        layouts = [x[1] for x in pending]
        every = TrainingCandidates(
            **{f.name: np.concatenate([getattr(x, f.name) for x in layouts]) for f in fields(TrainingCandidates)}
        )
        dps = [np.concatenate([x[i] for x in pending]) for i in (2, 3)]
        groups = (MixedGroup(platforms[0], dps[0]), MixedGroup(platforms[1], dps[1]))
        found = mixed_steps(job, groups, every, self.search.stack)
        begin = 0
        for key, layout, dp_a, dp_b in pending:
            self._found[key] = layout, (dp_a, dp_b), found.part(begin, begin + layout.size)
            begin += layout.size

    def _could(self, job: TrainingJob, platforms: Sequence[Platform], chips: Sequence[int], days: float) -> bool:
        """Whether both groups at their chips' peak would finish in time: proven where not, so not searched."""
        name = peak_name(job.precision)
        peak = sum(n * p.peak_flops[name] * p.clock_factor for p, n in zip(platforms, chips, strict=True))
        return bool(peak * days * SECONDS_PER_DAY >= self.search.total_flops * (1 - 1e-9))

    @property
    def workload(self) -> Training:
        """The run."""
        return self.search.workload

    def precision_of(self, platforms: Sequence[Platform]) -> str | None:
        """The fastest precision of the run's list that both chips have: one run is in one format."""
        common = {name: 1.0 for name in platforms[0].peak_flops if all(name in p.peak_flops for p in platforms)}
        return fastest_precision(self.workload.precision, common)

    def add(self, collector: Collector, choices: Sequence[tuple[Choice, float]], period: int) -> None:
        """Every mix of two of the choices (with the days until they are there) at one site, in one period."""
        sides = [side for choice, ready in choices if (side := self._side(collector, choice, ready)) is not None]
        for i, a in enumerate(sides):
            for b in sides[i + 1 :]:
                if a.choice.site == b.choice.site and a.choice.system.id != b.choice.system.id:
                    try:
                        self._pair(collector, a, b, period)
                    except InputError as error:
                        collector.drop(a.choice, self.workload.name, f"with {b.choice.system.id}: {error.problems[0]}")

    def _side(self, collector: Collector, choice: Choice, ready: float) -> Side | None:
        if choice.acquire == "rent":
            return None  # another's racks are on another's network
        platform = platform_of(self.search.catalog, *choice.platform)
        if platform.tiers[-1].size <= platform.system_chips:
            return None  # nothing leaves such a system
        try:
            bounds = collector.bounds(choice, ready)
            most = min(bounds.systems, bounds.chips // platform.system_chips)
        except InputError:
            return None
        most = min(most, MOST_CHIPS // platform.system_chips)
        bounded = most
        while most > 0 and most + self.search.spares_of(most * platform.system_chips, platform) > bounded:
            most -= 1  # its spares need room too
        if most < 1:
            return None
        steps = {n << k for n in (1, 3) for k in range(most.bit_length())}
        sizes = sorted({n for n in steps if n <= most} | {most})
        return Side(choice, platform, ready, tuple(sizes))

    def _pair(self, collector: Collector, a: Side, b: Side, period: int) -> None:
        w = self.workload
        platforms = (a.platform, b.platform)
        precision = self.precision_of(platforms)
        if precision is None:
            return
        job = self.search.job(precision)
        begins = start_days(collector.scenario, w.start)
        ready = max(a.ready, b.ready, begins)
        hours = horizon_hours(collector.scenario, ready)
        reach = hours / 24.0
        if w.finish_within_days is not None:
            reach = min(reach, begins + w.finish_within_days * BEYOND - ready)
        wanted: dict[tuple[object, ...], tuple[int, int]] = {}
        for size_a, size_b in product(a.sizes, b.sizes):
            chips = (size_a * a.platform.system_chips, size_b * b.platform.system_chips)
            if w.chips is not None and not collector.relaxed:
                least, most = w.chips.min or 1, w.chips.max or sum(chips)
                if not least <= sum(chips) <= most:
                    continue
            if self._could(job, platforms, chips, reach) or collector.relaxed:
                wanted[*(_key(p) for p in platforms), *chips] = chips
        self._search(job, platforms, {key: chips for key, chips in wanted.items() if key not in self._found})
        for key, chips in wanted.items():
            layout, (dp_a, dp_b), found = self._found[key]
            if found is None:
                continue
            collector.count(("mix", w.name, *key), layout.size, int(found.fits.sum()))
            if not found.fits.any():
                continue
            at = int(np.argmin(found.step_time_s))
            _, days = mixed_days(self.search, chips, float(found.step_time_s[at]), platforms)
            due = self._due(collector, (a, b), chips, layout, (dp_a, dp_b), found, at, days, period, precision, ready)
            if due - ready > reach and not collector.relaxed:
                continue
            self._append(collector, (a, b), chips, layout, (dp_a, dp_b), found, at, days, due, period, precision, ready)

    def _due(
        self, collector: Collector, sides: tuple[Side, Side], chips: tuple[int, int], layout: TrainingCandidates,
        dps: tuple[NDArray[np.int64], NDArray[np.int64]], found: MixedSteps, at: int, days: float, period: int,
        precision: str, ready: float,
    ) -> float:  # fmt: skip
        """Days from the scenario's start by which the mix has ended with the confidence."""
        both = collector.margin(self.workload, sides[0].choice).beside(collector.margin(self.workload, sides[1].choice))
        if both.central:
            return ready + days
        one = layout.take([at])
        groups = [replace(one, dp=dp[[at]], recompute=r[[at]]) for dp, r in zip(dps, found.recompute, strict=True)]
        platforms = (sides[0].platform, sides[1].platform)
        low, high = mixed_ends(self.search.job(precision), platforms, groups, self.search.stack)
        release = collector.earliest(self.workload, period)
        return float(both.finish(days, sum(chips), low, high, ready=ready, release=release)[0])

    def _append(
        self, collector: Collector, sides: tuple[Side, Side], chips: tuple[int, int], layout: TrainingCandidates,
        dps: tuple[NDArray[np.int64], NDArray[np.int64]], found: MixedSteps, at: int, days: float, due: float,
        period: int, precision: str, ready: float,
    ) -> None:  # fmt: skip
        w = self.workload
        made = []
        for g, side in enumerate(sides):
            spares = self.search.spares_of(chips[g], side.platform)
            designs = Designs(
                systems=np.array([chips[g] // side.platform.system_chips + spares]),
                spares=np.array([spares]),
                chips=np.array([chips[g]]),
                activity=np.array([PHASE_ACTIVITY["train"]]),
                run_hours=np.array([days * 24.0]),
                cluster=True,
            )
            shape = {name: int(getattr(layout, name)[at]) for name in SHARED}
            shape |= {
                "dp": int(dps[g][at]),
                "recompute": int(found.recompute[g][at]),
                "micro_batches": int(found.micro_batches[g][at]),
            }
            made.append(
                (
                    side.choice,
                    designs,
                    price(collector.scenario, collector.catalog, side.choice, designs, ready),
                    shape,
                )
            )
        if any(not math.isfinite(float(priced.racks[0])) for _, _, priced, _ in made):
            return
        text = "|".join(f"{c.place},{c.acquire},{c.system.id},{c.chip.id},{c.cooling_id},{s}" for c, _, _, s in made)
        mix = hashlib.sha256(f"{w.name}|{period}|{text}".encode()).hexdigest()[:12]
        tokens = float(w.global_batch * w.sequence_length)
        for g, (choice, designs, priced, shape) in enumerate(made):
            collector.append(
                choice, w.name, "train", period, precision, designs, priced, 0, replicas=1, max_units=1,
                rates={"run": 1.0} if g == 0 else {},
                tokens_per_s=tokens / float(found.step_time_s[at]) if g == 0 else 0.0,
                finish_days=ready + days if g == 0 else 0.0, due_days=due if g == 0 else 0.0, layout=shape, mix=mix,
            )  # fmt: skip


def _key(platform: Platform) -> tuple[str, str, float]:
    return platform.system_id, platform.chip_id, platform.clock_factor


def mixed_days(
    search: TrainingSearch, chips: Sequence[int], step_time_s: float, platforms: Sequence[Platform]
) -> tuple[float, float]:
    """(effective training time ratio, days of the run, failures included): all chips of both groups may fail."""
    w = search.workload
    # the group that writes slowest sets the interval
    share = min(search.ettr_of(sum(chips), platform) for platform in platforms)
    steps = math.ceil(w.tokens / (w.global_batch * w.sequence_length))
    return share, steps * step_time_s / share / SECONDS_PER_DAY + search.starting_days


def mixed_ends(
    job: TrainingJob, platforms: tuple[Platform, Platform], layouts: Sequence[TrainingCandidates], stack: Profile
) -> tuple[float, float]:
    """Ends of the 80% interval of a step of two groups, over what is predicted: the wider of theirs on either side."""
    ends = [p.spread.ends(log_deviation(job, p, stack, x)) for p, x in zip(platforms, layouts, strict=True)]
    return min(float(low[0]) for low, _ in ends), max(float(high[0]) for _, high in ends)


def describe_mixed(
    scenario: Scenario, search: TrainingSearch, choices: tuple[Choice, Choice], specs: tuple[Spec, Spec], ready: float,
    margin: Margin,
) -> Described:  # fmt: skip
    """Everything about the first of two groups, from the description of both. ``ready``: when both are there.

    Raises ``InputError`` where the two do not make up the run: unequal replicas, a batch that does not add up, memory.
    """
    from planner.options.enumerate import earliest_days
    from planner.options.work.describe import Described

    w = search.workload
    platforms = tuple(
        platform_of(search.catalog, s.system, s.chip, s.cooling, s.power_cap, s.topology or FAT_TREE) for s in specs
    )
    mine, other = (s.layout for s in specs)
    said = f"{w.name} on {specs[0].system} and {specs[1].system}"
    if choices[0].site != choices[1].site or specs[0].system == specs[1].system or specs[0].lead == specs[1].lead:
        raise InputError(Problem(f"{said}: a mix is two kinds of systems at one site, one of which leads"))
    if any(mine[name] != other[name] for name in SHARED) or specs[0].precision != specs[1].precision:
        raise InputError(Problem(f"{said}: the replicas of the two groups differ"))
    sequences = sum(s.layout["dp"] * s.layout["micro_batch"] * s.layout["micro_batches"] for s in specs)
    if sequences != w.global_batch or min(s.layout["micro_batches"] for s in specs) < 1:
        raise InputError(Problem(f"{said}: they work through {sequences} sequences a step, {w.global_batch} asked"))
    job = search.job(specs[0].precision)
    estimates = []
    chips = []
    for platform, spec in zip(platforms, specs, strict=True):
        layout = one_layout({name: spec.layout[name] for name in LAYOUT})
        n = int(layout.chips[0])
        legal = search._pinned(training_grid(replace(job, global_batch=n * 32), platform, n, GRID))
        same = np.ones(legal.size, dtype=bool)
        for name in (*SHARED, "dp"):
            same &= getattr(legal, name) == spec.layout[name]
        if not same.any() or n % platform.system_chips:
            raise InputError(Problem(f"{said}: {dict(spec.layout)} is no legal layout on {spec.system}"))
        found = group_estimate(job, platform, layout, search.stack, spec.layout["micro_batches"])
        if not found.fits[0]:
            raise InputError(Problem(f"{w.name} does not fit in memory on {spec.system}"))
        estimates.append(found)
        chips.append(n)
    exchange = float(
        exchange_seconds(job, search.stack, (platforms[0], platforms[1]), (np.array([chips[0]]), np.array([chips[1]])))[
            0
        ]
    )
    side_s = [float(e.step_time_s[0]) for e in estimates]
    step = max(side_s) + exchange
    share, days = mixed_days(search, chips, step, platforms)
    spares = search.spares_of(chips[0], platforms[0])
    systems = chips[0] // platforms[0].system_chips + spares
    designs = Designs(
        systems=np.array([systems]),
        spares=np.array([spares]),
        chips=np.array([chips[0]]),
        activity=np.array([PHASE_ACTIVITY["train"]]),
        run_hours=np.array([days * 24.0]),
        cluster=True,
    )
    priced = price(scenario, search.catalog, choices[0], designs, ready)
    own = estimates[0]
    part = mine["dp"] * mine["micro_batch"] * mine["micro_batches"] / w.global_batch
    tokens_per_s = w.global_batch * w.sequence_length / step * part
    slower = side_s[0] / step  # what the group does in a step of its own, over the step of both
    peak = platforms[0].peak_flops[peak_name(specs[0].precision)]
    breakdown = {k: float(v[0]) for k, v in own.breakdown.items() if v[0]}
    breakdown |= {"waiting_for_other_group": max(side_s) - side_s[0], "exchange_between_groups": exchange}
    groups = [one_layout({name: s.layout[name] for name in LAYOUT}) for s in specs]
    low, high = mixed_ends(job, (platforms[0], platforms[1]), groups, search.stack)
    release = max(earliest_days(scenario, w, s.period) for s in specs)
    due = float(margin.finish(days, sum(chips), low, high, ready=ready, release=release)[0])
    predicted = Predicted(
        step_time_s=step,
        tokens_per_s=tokens_per_s,
        tokens_per_s_per_chip=tokens_per_s / chips[0],
        model_tflops_per_chip=float(own.model_tflops_per_chip[0]) * slower,
        mfu=float(own.mfu[0]) * slower,
        peak_tflops_per_chip=peak / 1e12,
        ettr=share,
        days=days,
        finish_days=ready + days if specs[0].lead else None,
        memory_gb_per_chip=float(own.memory_bytes[0]) / 1e9,
        memory_limit_gb_per_chip=float(own.memory_limit_bytes[0]) / 1e9,
        breakdown={k: v for k, v in breakdown.items() if v},
        memory_gb={k: float(v[0]) / 1e9 for k, v in own.memory.items() if v[0]},
        interval=Interval(
            quantity="step_time_s", low=step * low, high=step * high,
            basis="the wider of the two groups' intervals; no mixed run is measured",
        ),
    )  # fmt: skip
    recompute = ("none", "selective", "full")
    return Described(
        systems=systems, spares=spares, chips=chips[0], replicas=1, rates={"run": 1.0} if specs[0].lead else {},
        tokens_per_s=tokens_per_s, finish_days=due if specs[0].lead else 0.0, run_days=days,
        predicted=predicted, priced=priced, bought_chips=systems * platforms[0].system_chips,
        parallelism=Parallelism(
            tp=mine["tp"], pp=mine["pp"], vpp=mine["vpp"], dp=mine["dp"], ep=mine["ep"], cp=mine["cp"],
            sp=bool(mine["sp"]), micro_batch=mine["micro_batch"], micro_batches=mine["micro_batches"],
            global_batch=w.global_batch, zero_stage=mine["zero_stage"], recompute=recompute[mine["recompute"]],
            schedule="1F1B" if mine["pp"] > 1 else None,
        ),
    )  # fmt: skip
