"""Options of a training run: for every choice of hardware and every cluster size, the fastest layout that fits.

For one cluster on one platform everything but time is the same whatever the layout (same systems, power, racks, price),
and a shorter run draws less energy, so the fastest layout dominates all others of its size: that pruning loses nothing
(of an elastic run the fastest with what waits for repair counted).
Every legal layout of every size is priced to find it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Catalog
from planner.errors import NOT_PUBLISHED, InputError
from planner.facility.power import PHASE_ACTIVITY
from planner.facility.reliability import (
    ReliabilityProfile,
    checkpoint_floor_s,
    default_profile,
    drain_profile,
    ettr,
    hazard,
    lost_chip_share,
    mean_training_time,
    spare_domains,
    spares_for,
    tray_repair_s,
)
from planner.network.transfer import over_network, to_store
from planner.options.hardware.choices import Choice, platform_of
from planner.performance.platform import Platform
from planner.performance.precision import fastest_precision, peak_name
from planner.performance.training.grid import TrainingGrid, divisors, training_grid
from planner.performance.training.profile import Profile, with_changes
from planner.performance.training.stacks import get_profile
from planner.performance.training.step import (
    LORA_FLOPS_SHARE,
    TrainingCandidates,
    TrainingEstimate,
    TrainingJob,
    estimate_training,
    log_deviation,
)
from planner.scenario.workloads import Training
from planner.uncertainty.margins import MOST_MISSING
from planner.workload.flops import train_flops_per_token
from planner.workload.parameters import parameter_counts

SECONDS_PER_DAY = 86400.0
BATCH = 1 << 17
"""Layouts estimated in one call: bounds memory to a few hundred megabytes."""
LAYOUT = ("tp", "pp", "vpp", "dp", "cp", "ep", "micro_batch", "zero_stage", "recompute", "sp")
MOST_THINNED = 1000
"""Cluster sizes that a diagnosis looks at; fewer make it quicker and its smallest change larger than need be."""
FASTEST = 8
"""Layouts of a size that compete where a run must hold with a confidence: the surest may be another than the fastest.
Intervals of layouts of one size differ by what measured runs are near them."""
RECOMPUTE = ("none", "selective", "full")
FROZEN_BYTES: Mapping[int, float] = {16: 2.0, 8: 1.0, 4: 0.52}
"""Bytes of a frozen weight by its bits; NF4 with doubly quantised scales takes 4.13 bits (arXiv:2305.14314)."""


def stack_of(workload: Training, framework: str | None = None) -> Profile:
    """The stack a run names (or another), with what its scenario says of offload, gradients and optimizer."""
    stack = get_profile(framework or workload.framework)
    changes: dict[str, float] = {f"offload_{what}": 1.0 for what in workload.offload}
    if workload.offload_gb_s is not None:
        changes["offload_gb_s"] = workload.offload_gb_s
    if workload.gradient_bits is not None:
        changes["grad_bytes"] = workload.gradient_bits / 8.0
    if workload.optimizer_bytes is not None:
        changes["optimizer_bytes"] = float(workload.optimizer_bytes)
    return with_changes(stack, **changes) if changes else stack


@dataclass(frozen=True)
class Size:
    """A layout of one cluster size, and what it gives.

    ``low80``, ``high80``: ends of its 80% interval of times over what is predicted, 1 where nobody asked.
    """

    systems: int
    chips: int
    layout: Mapping[str, int]
    step_time_s: float
    ettr: float
    days: float
    low80: float = 1.0
    high80: float = 1.0


@dataclass(frozen=True)
class Searched:
    """Sizes of one platform, and how many layouts stand behind them."""

    precision: str
    sizes: tuple[Size, ...]
    enumerated: int
    priced: int
    reason: str = ""
    """Why there is no size, where there is none."""


@dataclass(frozen=True)
class _OfChips:
    """What was found of one number of chips on one platform: legal layouts, those that fit, the best of each size."""

    layouts: int
    fit: int = 0
    best: tuple[Size, ...] = ()
    layouts_near: TrainingCandidates | None = None
    """The ``FASTEST`` of each size."""
    steps_near: NDArray[np.float64] | None = None
    spare_stages: bool = False
    """Whether numbers of stages beyond the fewest were among the layouts."""


@dataclass
class TrainingSearch:
    """Searches one run; results are kept per platform and number of chips: places share platforms, limits sizes."""

    workload: Training
    catalog: Catalog
    profile: ReliabilityProfile = field(init=False)
    _found: dict[tuple[object, ...], Searched] = field(default_factory=dict)
    _grids: dict[tuple[int, int, bool], TrainingCandidates] = field(default_factory=dict)
    _ratios: dict[tuple[int, float], float] = field(default_factory=dict)
    _by_chips: dict[tuple[str, str, float], dict[int, _OfChips]] = field(default_factory=dict)
    _surer: dict[tuple[str, str, float], dict[int, tuple[Size, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.profile = default_profile(self.catalog)
        self.model = self.catalog.model(self.workload.model)
        self.stack = stack_of(self.workload)
        self.parameters = float(parameter_counts(self.model).total)
        self.total_flops = self.workload.tokens * train_flops_per_token(self.model, self.workload.sequence_length)
        if self.workload.trainable == "lora":
            self.total_flops *= LORA_FLOPS_SHARE

    def job(self, precision: str) -> TrainingJob:
        """The job in one precision."""
        w = self.workload
        frozen = FROZEN_BYTES[w.frozen_bits]
        return TrainingJob(
            self.model, w.sequence_length, w.global_batch, precision, trainable=w.trainable,
            adapter_rank=w.adapter_rank, frozen_bytes=frozen,
        )  # fmt: skip

    def precision_of(self, platform: Platform) -> str | None:
        """The fastest precision of the workload's list that the chip has."""
        return fastest_precision(self.workload.precision, platform.peak_flops)

    def least_chips(self, platform: Platform, precision: str, days: float) -> int:
        """Fewer chips than this cannot finish in time even at the chip's peak: proven, so they are not searched."""
        peak = platform.peak_flops[peak_name(precision)] * platform.clock_factor
        return max(1, int(np.ceil(self.total_flops / (peak * days * SECONDS_PER_DAY) * (1 - 1e-9))))

    def search(self, choice: Choice, least: int, most: int, *, thin: bool = False, several: bool = False) -> Searched:
        """The best layout of every legal size from ``least`` to ``most`` chips; ``thin`` takes steps only.

        ``several``: the ``FASTEST`` layouts of each size with their intervals, for what must hold with a confidence.
        """
        platform = platform_of(self.catalog, *choice.platform)
        key = (choice.system.id, choice.chip.id, platform.clock_factor, platform.tiers, least, most, thin, several)
        if key not in self._found:
            self._found[key] = self._search(choice, platform, least, most, thin, several)
        return self._found[key]

    def systems_of(self, platform: Platform, layouts: TrainingCandidates) -> NDArray[np.int64]:
        """Whole systems that layouts take (n,), without spares: work occupies parts, its inner groups stay together.

        Ranks that exchange most (tensor and context parallel together, experts of a stage) lie inside one scale-up
        domain wherever they fit into one, so a domain holds as many groups as fit: 64 of 72 chips for groups of 64.
        """
        chips = layouts.chips
        per, part = platform.system_chips, platform.part_chips or platform.system_chips
        if part >= per:
            return -(-chips // per)
        domain = min(per, max(platform.tiers[0].size, 1))
        inner = layouts.tp * layouts.cp
        group = np.lcm(np.where(inner <= domain, inner, layouts.tp), np.where(layouts.ep <= domain, layouts.ep, 1))
        group = np.where(group <= domain, np.maximum(group, 1), domain)
        usable = np.maximum(per // domain, 1) * (domain // group * group)
        return np.where(chips <= domain, 1, -(-chips // usable))

    def _search(self, choice: Choice, platform: Platform, least: int, most: int, thin: bool, several: bool) -> Searched:
        precision = self.precision_of(platform)
        if precision is None:
            wanted = ", ".join(self.workload.precision)
            return Searched("", (), 0, 0, f"{choice.chip.id} has none of the precisions {wanted}")
        if self.workload.offload and not self.workload.offload_gb_s and platform.host_memory_bytes is None:
            return Searched(precision, (), 0, 0, f"systems {choice.system.id}: host_dram_tb {NOT_PUBLISHED}")
        job = self.job(precision)
        known = self._by_chips.setdefault((choice.system.id, choice.chip.id, platform.clock_factor), {})
        asked = self._sizes(platform, least, most, thin)
        self._price(platform, job, [n for n in asked if n not in known], known)
        if not any(known[n].best for n in asked):
            self._price(platform, job, [n for n in asked if not known[n].spare_stages], known, spare_stages=True)
        every = [known[chips] for chips in asked]
        enumerated, priced = sum(x.layouts for x in every), sum(x.fit for x in every)
        best = tuple(size for x in every for size in x.best)
        if several:
            surer = self._surer.setdefault((choice.system.id, choice.chip.id, platform.clock_factor), {})
            self._with_ends(platform, job, {n: known[n] for n in asked if n not in surer}, surer)
            best = tuple(size for n in asked for size in surer[n])
        reason = ""
        if not best:
            reason = (
                f"no legal layout of {self.workload.model} on {least} to {most} chips"
                if not enumerated
                else f"{self.workload.model} fits in memory in no layout on up to {most} chips"
            )
        return Searched(precision, best, enumerated, priced, reason)

    def _price(
        self, platform: Platform, job: TrainingJob, chips: Sequence[int], into: dict[int, _OfChips],
        spare_stages: bool = False,
    ) -> None:  # fmt: skip
        """Every legal layout of some numbers of chips, and the best of each."""
        grids = [self._grid(job, platform, n, spare_stages) for n in chips]
        into.update({n: _OfChips(grid.size, spare_stages=spare_stages) for n, grid in zip(chips, grids, strict=True)})
        # layers cost the same whatever the size of the cluster, so many sizes are estimated in one call
        for batch in _batches(grids):
            candidates = _joined(batch)
            estimate = estimate_training(job, platform, candidates, self.stack, detail=False, only_fitting=True)
            shown = estimate.step_time_s / (1.0 - self.missing_of(platform, candidates.chips, candidates.dp))
            taken = self.systems_of(platform, candidates)
            starts = np.concatenate([[0], np.cumsum([grid.size for grid in batch])])
            inside = np.flatnonzero(estimate.fits)
            parts = np.split(inside, np.searchsorted(inside, starts[1:-1]))
            best: list[list[int]] = []
            near: list[NDArray[np.int64]] = []
            for fits in parts:
                mine, beside = self._best(fits, shown, taken)
                best.append(mine)
                near.append(beside)
            at = np.array([i for mine in best for i in mine], dtype=np.int64)
            sizes = iter(self.sizes_of(platform, job, candidates.take(at), estimate.step_time_s[at]))
            for grid, fits, mine, beside in zip(batch, parts, best, near, strict=True):
                into[int(grid.chips[0])] = _OfChips(
                    grid.size, len(fits), tuple(next(sizes) for _ in mine), candidates.take(beside),
                    estimate.step_time_s[beside], spare_stages,
                )  # fmt: skip

    @staticmethod
    def _best(
        fits: NDArray[np.int64], shown: NDArray[np.float64], taken: NDArray[np.int64]
    ) -> tuple[list[int], NDArray[np.int64]]:
        """Of the layouts that fit, of one number of chips: the fastest of each number of systems, and those near it.

        ``shown``: what a step takes, ``taken``: systems, both of all layouts.
        """
        best: list[int] = []
        near: list[NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
        fastest = np.inf
        systems = taken[fits]
        for number in np.unique(systems):
            mine = fits[systems == number]
            times = shown[mine]
            if times.min() >= fastest:
                continue  # of one size more systems must at least be faster
            fastest = times.min()
            best.append(int(mine[np.argmin(times)]))
            if len(mine) > FASTEST:  # those that tie with the last of the fastest come in order
                few = np.flatnonzero(times <= np.partition(times, FASTEST - 1)[FASTEST - 1])
                mine, times = mine[few], times[few]
            near.append(mine[np.argsort(times, kind="stable")[:FASTEST]])
        return best, np.concatenate(near)

    def _with_ends(
        self, platform: Platform, job: TrainingJob, of: Mapping[int, _OfChips], into: dict[int, tuple[Size, ...]]
    ) -> None:
        """The fastest layouts of some numbers of chips, with the intervals of their times: in one call."""
        into.update(dict.fromkeys(of, ()))
        near = [(n, x.layouts_near, x.steps_near) for n, x in of.items() if x.best]
        layouts = [c for _, c, _ in near if c is not None]
        if not layouts:
            return
        joined = _joined(layouts)
        ends = platform.spread.ends(log_deviation(job, platform, self.stack, joined))
        steps = np.concatenate([s for _, _, s in near if s is not None])
        sizes = self.sizes_of(platform, job, joined, steps, ends)
        at = 0
        for n, some, _ in near:
            assert some is not None  # noqa: S101 - narrowed for the type checker
            into[n] = sizes[at : at + some.size]
            at += some.size

    def _sizes(self, platform: Platform, least: int, most: int, thin: bool) -> list[int]:
        """Chips of every size worth a grid: whole parts that some degrees times a divisor of the batch make up."""
        per = platform.part_chips or platform.system_chips
        grid = TrainingGrid()
        powers = [1 << i for i in range(20)]
        tensor = [t for t in powers if t <= min(grid.max_tp, max(platform.tiers[0].size, 1))]
        context = [c for c in powers if c <= 32]
        stages = range(1, min(self.model.layers, grid.max_pp) + 1)
        held = np.unique(np.multiply.outer(np.multiply.outer(tensor, context), list(stages)))
        made = np.unique(np.multiply.outer(held, divisors(self.workload.global_batch)))
        legal = made[(made % per == 0) & (made >= least) & (made <= most)]
        return [int(n) for n in (self._thinned(legal) if thin else legal)]

    def _thinned(self, legal: NDArray[np.int64]) -> NDArray[np.int64]:
        """Sizes in steps of a few percent, the ends included, and all (or again steps) of those asked for."""
        parts = [_spaced(legal)]
        asked = self.workload.chips
        if asked is not None:
            parts.append(_spaced(legal[(legal >= (asked.min or 1)) & (legal <= (asked.max or np.inf))]))
        return np.unique(np.concatenate(parts))

    def _grid(self, job: TrainingJob, platform: Platform, chips: int, spare_stages: bool) -> TrainingCandidates:
        """The legal layouts of one size with the degrees that the scenario fixes; platforms of one domain share it."""
        spare_stages = spare_stages or self.workload.parallelism.pp is not None
        key = (chips, platform.tiers[0].size, spare_stages)
        if key not in self._grids:
            pinned = self.workload.parallelism.zero_stage
            grid = TrainingGrid(sharded_pipeline=pinned is not None and pinned >= 2, spare_stages=spare_stages)
            self._grids[key] = self._pinned(training_grid(job, platform, chips, grid))
        return self._grids[key]

    def is_legal(self, platform: Platform, precision: str, layout: Mapping[str, int]) -> bool:
        """Whether a layout is in the grid of its own number of chips, with the degrees that the scenario fixes."""
        try:
            chips = int(one_layout(layout).chips[0])
            grid = self._grid(self.job(precision), platform, chips, spare_stages=True)
        except (InputError, ValueError):
            return False
        same = np.ones(grid.size, dtype=bool)
        for name in LAYOUT:
            same &= getattr(grid, name) == layout[name]
        return bool(same.any())

    def _pinned(self, candidates: TrainingCandidates) -> TrainingCandidates:
        """Only the layouts with the degrees that the scenario fixes."""
        keep: NDArray[np.bool_] = np.ones(candidates.size, dtype=bool)
        for name, value in self.workload.parallelism.model_dump().items():
            if value is None:
                continue
            wanted = RECOMPUTE.index(value) if name == "recompute" else int(value)
            keep &= getattr(candidates, name) == wanted
        return candidates.take(keep) if not keep.all() else candidates

    def size_of(self, platform: Platform, job: TrainingJob, layout: TrainingCandidates, step_time_s: float) -> Size:
        """What one layout gives: steps, failures, days. ``verify`` calls it for the layout of a plan."""
        return self.sizes_of(platform, job, layout, np.array([step_time_s]))[0]

    def sizes_of(
        self,
        platform: Platform,
        job: TrainingJob,
        layouts: TrainingCandidates,
        step_time_s: NDArray[np.float64],
        ends: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    ) -> tuple[Size, ...]:
        """The same of n layouts with their times (n,), and with the ends of their intervals (n,) where given."""
        chips = layouts.chips
        mfu = self.workload.mfu_on(platform.system_id, platform.chip_id)
        if mfu is not None:
            # an MFU that somebody measured is of chips without a cap
            peak = platform.peak_flops[peak_name(job.precision)] * platform.cap_speed
            step_flops = (
                self.workload.global_batch * self.workload.sequence_length * self.total_flops / self.workload.tokens
            )
            step_time_s = step_flops / (chips * peak * mfu)
        distinct, of = np.unique(chips, return_inverse=True)
        share = np.array([self.ettr_of(int(n), platform) for n in distinct])[of.reshape(-1)]
        share = share * (1.0 - self.missing_of(platform, chips, layouts.dp))
        steps = np.ceil(self.workload.tokens / (self.workload.global_batch * self.workload.sequence_length))
        days = steps * step_time_s / share / SECONDS_PER_DAY + self.starting_days
        low, high = ends if ends is not None else (np.ones(chips.shape), np.ones(chips.shape))
        figures = zip(
            self.systems_of(platform, layouts).tolist(), chips.tolist(), step_time_s.tolist(), share.tolist(),
            days.tolist(), low.tolist(), high.tolist(), strict=True,
        )  # fmt: skip
        widths = np.stack([getattr(layouts, name) for name in LAYOUT], axis=1).tolist()
        return tuple(
            Size(systems, n, dict(zip(LAYOUT, layout, strict=True)), *rest)
            for layout, (systems, n, *rest) in zip(widths, figures, strict=True)
        )

    @property
    def starting_days(self) -> float:
        """Days that the starts of a run that comes again take: each stores what the last one made, and loads."""
        each = self.profile.restart_s.value + self.profile.write_s.value
        return (self.workload.launches - 1) * each / SECONDS_PER_DAY

    def checkpoint_rate(self, platform: Platform) -> float:
        """Bytes/s at which a chip writes checkpoints to a store apart from compute, over what copies lie between."""
        store = self.profile.write_bytes_per_s_per_chip
        out = platform.tiers[-1]
        if out.kind != "scale_out":
            return store
        # drained from the hosts' memory, where they were put aside
        away = over_network(out, platform.host_bandwidth, platform.nic_access, "host", "store")
        return to_store(away, store).rate

    def ettr_of(self, chips: int, platform: Platform) -> float:
        """Effective training time ratio at the best checkpoint interval, or at the one the scenario fixes."""
        interval = self.workload.checkpoint_interval_s
        rate = self.checkpoint_rate(platform)
        profile = replace(self.profile, write_bytes_per_s_per_chip=rate)
        if interval is None:
            if (chips, rate) not in self._ratios:
                self._ratios[chips, rate] = mean_training_time(chips, self.parameters, profile)
            return self._ratios[chips, rate]
        stops = hazard(chips / 8, self.profile.node_failures_per_day.value, self.profile.job_stops_per_hour)
        floor = float(checkpoint_floor_s(chips, self.parameters, profile))
        return float(ettr(stops, self.profile.restart_s.value, self.profile.write_s.value, max(interval, floor)))

    def missing_of(
        self, platform: Platform, chips: NDArray[np.int64], replicas: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Expected share of an elastic run's chips that wait for repair, (n,); 0 of a run that keeps spares.

        A fault stops every replica with a chip in what it takes out: a server, or, for faults of its own fabric, a
        whole rack or supernode. The run reaches ``1 - share`` of its speed at its own restarts and checkpoints.
        """
        if not self.workload.elastic:
            return np.zeros(len(chips))
        replica = chips / replicas
        server = np.maximum(replica, platform.server_chips)
        if platform.system_chips <= platform.server_chips:
            lost = lost_chip_share(server, server, self.profile, 0.0, 0.0, self.profile.repair_s)
        else:
            domain = np.maximum(replica, platform.system_chips)
            share, repair = drain_profile(self.catalog)
            lost = lost_chip_share(server, domain, self.profile, share, repair, tray_repair_s(self.catalog))
        return np.minimum(lost, MOST_MISSING)

    def spares_of(self, chips: int, platform: Platform) -> int:
        """Spare systems that keep the run whole while others are repaired.

        Failures hit servers; spares are whole systems, so a rack or a supernode keeps spare servers within itself and
        only servers are bought as spares, and, where the run asks for ``spare_domains``, whole systems for those that a
        fault of their own fabric drains. An elastic run keeps none.
        """
        if self.workload.elastic:
            return 0
        if platform.system_chips > platform.server_chips:
            if not self.workload.spare_domains:
                return 0
            share, repair = drain_profile(self.catalog)
            return int(spare_domains(chips, platform.system_chips, self.profile, share, repair))
        return int(spares_for(chips, platform.server_chips, self.profile))


def activity(chips: int, systems: int, system_chips: int) -> float:
    """Share of its chips' power range that a run uses: the chips of its ``systems`` that have no part in it idle."""
    return PHASE_ACTIVITY["train"] * chips / (systems * system_chips)


def one_layout(layout: Mapping[str, int]) -> TrainingCandidates:
    """A layout as arrays of length one."""
    return TrainingCandidates.of(**{name: layout[name] for name in LAYOUT})


def detail_of(
    search: TrainingSearch, platform: Platform, precision: str, layout: Mapping[str, int]
) -> TrainingEstimate:
    """The whole estimate of one layout, breakdown and memory by component included."""
    return estimate_training(search.job(precision), platform, one_layout(layout), search.stack)


def _spaced(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """At most about ``MOST_THINNED`` of some sorted sizes, evenly spread over their logarithms, both ends included."""
    if len(sizes) <= MOST_THINNED:
        return sizes
    wanted = np.geomspace(sizes[0], sizes[-1], MOST_THINNED)
    return np.unique(sizes[np.clip(np.searchsorted(sizes, wanted - 0.5), 0, len(sizes) - 1)])


def _batches(grids: Sequence[TrainingCandidates]) -> Iterator[list[TrainingCandidates]]:
    """Neighbouring grids together, about ``BATCH`` layouts at a time; empty grids are left out."""
    batch: list[TrainingCandidates] = []
    count = 0
    for grid in grids:
        if not grid.size:
            continue
        if batch and count + grid.size > BATCH:
            yield batch
            batch, count = [], 0
        batch.append(grid)
        count += grid.size
    if batch:
        yield batch


def _joined(grids: Sequence[TrainingCandidates]) -> TrainingCandidates:
    return TrainingCandidates(*(np.concatenate([getattr(grid, name) for grid in grids]) for name in LAYOUT))
