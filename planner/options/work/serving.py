"""Options of a serving load: for every choice of hardware and phase, the replica shapes worth counting.

A unit is one replica over whole systems, or one system that holds several replicas. Within one choice and phase every
figure of a unit is proportional to its systems, so a shape is superfluous when whole units of another give at least
its rate on no more systems. Every legal shape is priced to find the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Catalog
from planner.facility.power import PHASE_ACTIVITY
from planner.network.transfer import over_network
from planner.options.hardware.choices import Choice, platform_of
from planner.options.option import milliseconds
from planner.options.parts import part_for, smallest_part
from planner.options.work.pools import cached_prefix
from planner.performance.platform import Platform
from planner.performance.precision import fastest_precision, peak_name
from planner.performance.serving.engine import year_of_month
from planner.performance.serving.grid import LARGEST_REPLICA_CHIPS, LOADS, ServingGrid, serving_grid
from planner.performance.serving.lengths import Lengths
from planner.performance.serving.load import SINGLE_REQUESTS, Loaded, Operating, Traffic, curves_of, operating
from planner.performance.serving.reading import reading_ends
from planner.performance.serving.replica import (
    AGGREGATED,
    DECODE,
    PREFILL,
    ServingCandidates,
    ServingEstimate,
    ServingJob,
    estimate_serving,
)
from planner.performance.serving.speculation import acceptance_of
from planner.scenario.workloads import Serving
from planner.uncertainty.margins import Margin

SHAPE = ("tp", "pp", "ep", "attention_dp", "batch", "chunk", "role")
ROLE_NAMES = {AGGREGATED: "serve", PREFILL: "prefill", DECODE: "decode"}
ROLES = {name: role for role, name in ROLE_NAMES.items()}
NO_MARGIN = Margin()
PHASES = {"serve": ("prefill", "decode"), "prefill": ("prefill",), "decode": ("decode",)}


@dataclass(frozen=True)
class Unit:
    """One replica shape as whole systems, or as a part of one.

    Rates are at the workload's utilisation and as the margin leaves them, latencies at its percentile as predicted.
    """

    role: str
    systems: int
    """Whole systems; 1 of a part, which stands in one."""
    part: int
    """Chips of the part of a system that it occupies; 0 where it takes whole systems."""
    chips: int
    replicas: int
    requests_per_s: float
    ttft_ms: float
    tpot_ms: float
    shape: Mapping[str, int]


@dataclass(frozen=True)
class SearchedUnits:
    """Units of one platform, how many shapes stand behind them, and the best latencies any shape reached."""

    precision: str
    units: tuple[Unit, ...]
    enumerated: int
    priced: int
    pruned: int
    best_ms: Mapping[str, float]
    reason: str = ""


@dataclass
class ServingSearch:
    """Searches one load; results are kept per platform."""

    workload: Serving
    catalog: Catalog
    parts: bool = False
    """Whether units may occupy parts of a system beside other work."""
    shared: bool = False
    """Whether systems are shared by all work, chips of a server too."""
    _found: dict[tuple[object, ...], SearchedUnits] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.model = self.catalog.model(self.workload.model)

    def job(self, precision: str, platform: Platform | None = None, drafts: int = 0) -> ServingJob:
        """The job in one precision of the weights; on a platform, whose pools decide what is cached already.

        ``drafts``: tokens drafted ahead in a step.
        """
        w = self.workload
        kv = peak_name(w.kv_precision or "bf16")
        return ServingJob(
            model=self.model,
            precision=peak_name(precision),
            kv_precision=kv,
            input_tokens=float(w.input_tokens),
            output_tokens=float(w.output_tokens),
            input_cv=w.input_cv,
            output_cv=w.output_cv,
            draft_tokens=drafts,
            draft_acceptance=self.acceptance if drafts else 0.0,
            engine=w.engine,
            memory_fraction=w.memory_fraction,
            software_year=year_of_month(w.software_date),
            images=0.0 if w.images is None else w.images.per_request,
            image_tokens=None if w.images is None or w.images.tokens is None else float(w.images.tokens),
            cached_prefix=w.cached_prefix
            if platform is None
            else cached_prefix(self.catalog, w, self.model, platform, peak_name(precision)),
        )

    @property
    def acceptance(self) -> float:
        """What a draft is accepted at."""
        s = self.workload.speculation
        if s is None:
            return 0.0
        return acceptance_of(self.model, s.method).value if s.acceptance is None else s.acceptance

    def drafts(self) -> tuple[int, ...]:
        """Numbers of drafts that may be chosen, ascending; none where `mtp` finds no prediction module in the model."""
        s = self.workload.speculation
        if s is None or (s.method == "mtp" and not self.model.mtp_layers):
            return (0,)
        return tuple(sorted(s.tokens))

    @property
    def traffic(self) -> Traffic:
        """How requests of the load come and how long they are."""
        w = self.workload
        return Traffic(
            Lengths.lognormal(float(w.input_tokens), w.input_cv) if w.input_cv else None,
            Lengths.lognormal(float(w.output_tokens), w.output_cv) if w.output_cv else None,
            w.arrival_cv,
        )

    def precision_of(self, platform: Platform) -> str | None:
        """The fastest of the workload's precisions that the chip computes in."""
        return fastest_precision(self.workload.precision, platform.peak_flops)

    def search(self, choice: Choice, most_chips: int, margin: Margin = NO_MARGIN) -> SearchedUnits:
        """Every unit worth counting with replicas of at most ``most_chips`` chips, held to a margin."""
        platform = platform_of(self.catalog, *choice.platform)
        most = max(1, min(most_chips, LARGEST_REPLICA_CHIPS))
        margin = NO_MARGIN if margin.central else margin
        key = (choice.system.id, choice.chip.id, platform.clock_factor, platform.tiers, most, margin)
        if key not in self._found:
            self._found[key] = self._search(choice, platform, most, margin)
        return self._found[key]

    def _search(self, choice: Choice, platform: Platform, most_chips: int, margin: Margin) -> SearchedUnits:
        precision = self.precision_of(platform)
        if precision is None:
            wanted = ", ".join(self.workload.precision)
            return SearchedUnits("", (), 0, 0, 0, {}, f"{choice.chip.id} has none of the precisions {wanted}")
        if margin.refused:
            return SearchedUnits(precision, (), 0, 0, 0, {}, f"{choice.chip.id} {margin.refused}")
        found = [self._searched(choice, platform, precision, most_chips, drafts, margin) for drafts in self.drafts()]
        return found[0] if len(found) == 1 else _best_of(found)

    def _searched(
        self, choice: Choice, platform: Platform, precision: str, most_chips: int, drafts: int, margin: Margin
    ) -> SearchedUnits:
        """Every unit worth counting that drafts so many tokens a step."""
        job = self.job(precision, platform, drafts)
        candidates = self._allowed(serving_grid(job, platform, most_chips, ServingGrid()))
        if not len(candidates):
            return SearchedUnits(
                precision, (), 0, 0, 0, {}, f"{self.workload.model} fits in no replica of up to {most_chips} chips"
            )
        estimate = estimate_serving(job, platform, candidates)
        fits = np.asarray(estimate.fits, dtype=bool)
        units, pruned, best = self._units(job, platform, candidates, estimate, fits, margin)
        reason = ""
        roles = {unit.role for unit in units}
        if not fits.any():
            reason = f"{self.workload.model} with its cache fits in no replica of up to {most_chips} chips"
        elif "serve" not in roles and len(roles) < 2:
            reason = self._missed(choice, best, margin)
            reason += f"; it could do {' and '.join(roles)} alone" if roles else ""
        return SearchedUnits(precision, units, len(candidates), int(fits.sum()), pruned, best, reason)

    def _missed(self, choice: Choice, best: Mapping[str, float], margin: Margin) -> str:
        sure = "" if margin.central else f" with {margin.confidence:.0%}"
        texts = [
            f"{name.upper()} {milliseconds(best[key])} ms at best{sure}, {limit:g} ms asked"
            for name, key, limit in (
                ("ttft", "ttft_ms", self.workload.ttft_ms),
                ("tpot", "tpot_ms", self.workload.tpot_ms),
            )
            if limit is not None and best.get(key, 0.0) > limit
        ]
        return f"{choice.chip.id}: " + ("; ".join(texts) if texts else "no shape meets both latency limits at once")

    def part_of(self, platform: Platform) -> int:
        """Chips of the smallest part of a system that a unit may occupy."""
        server = platform.server_chips
        return smallest_part(platform.system_chips, platform.part_chips, server, shared=self.shared)

    def is_legal(self, platform: Platform, precision: str, shape: ServingCandidates) -> bool:
        """Whether a shape (arrays of length one) is in the grid that the scenario allows."""
        chips = int(shape.chips[0])
        if chips < 1:
            return False
        grid = self._allowed(serving_grid(self.job(precision), platform, chips, ServingGrid()))
        same = np.ones(len(grid), dtype=bool)
        for name in SHAPE:
            same &= getattr(grid, name) == getattr(shape, name)
        return bool(same.any())

    def loads(self) -> tuple[int, ...]:
        """Loads a replica may be planned at, in thousandths, the workload's ``utilisation`` last; that alone where
        nobody waits for an answer."""
        most = math.ceil(self.workload.utilisation * 1000 - 1e-9)
        if self.workload.window_hours is not None:
            return (most,)
        return (*(load for load in LOADS if load < most), most)

    def may_have(self, load: int) -> bool:
        """Whether a unit of a plan may have a load: one of ``loads``; of work by a date any share of its window."""
        return 1 <= load <= self.loads()[-1] if self.workload.window_hours is not None else load in self.loads()

    def utilisation_at(self, load: int) -> float:
        """The share of throughput that a load stands for."""
        return min(load / 1000.0, self.workload.utilisation)

    def _allowed(self, candidates: ServingCandidates) -> ServingCandidates:
        keep: NDArray[np.bool_] = np.ones(len(candidates), dtype=bool)
        for name, value in self.workload.parallelism.model_dump().items():
            if value is not None:
                keep &= getattr(candidates, name) == value
        if self.workload.disaggregated == "never":
            keep &= candidates.role == AGGREGATED
        elif self.workload.disaggregated == "always":
            keep &= candidates.role != AGGREGATED
        return candidates.take(keep) if not keep.all() else candidates

    def operating(
        self,
        job: ServingJob,
        platform: Platform,
        candidates: ServingCandidates,
        estimate: ServingEstimate | None = None,
    ) -> Operating:
        """Candidates under the workload's traffic; ``job`` as ``self.job`` makes it of this platform.

        ``estimate``: of the candidates, where they hold every batch of their shapes; else smaller ones are priced.
        """
        curves = None if estimate is None else curves_of(candidates, estimate)
        return operating(job, platform, candidates, traffic=self.traffic, curves=curves)

    def latencies(
        self, platform: Platform, candidates: ServingCandidates, estimate: ServingEstimate, loaded: Loaded
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(TTFT, TPOT) ms at the workload's percentile and a load, (n,); ``estimate``: of the job, its shapes any.

        A separate prefill ends with the cache's journey to the decoding replica over the scale-out network.
        """
        ttft = loaded.ttft_s(self.workload.percentile) + self.journey_s(platform, candidates, estimate, loaded.rate)
        return ttft * 1e3, loaded.tpot_s(self.workload.percentile) * 1e3

    def keeps_ttft(
        self,
        platform: Platform,
        candidates: ServingCandidates,
        estimate: ServingEstimate,
        loaded: Loaded,
        slower: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        """Whether the TTFT of ``latencies``, times ``slower``, is within the workload's limit, (n,), without looking
        for its figure."""
        limit = self.workload.ttft_ms
        if limit is None:
            return np.ones(len(candidates), dtype=bool)
        left = limit / 1e3 * (1.0 - 1e-9) / slower - self.journey_s(platform, candidates, estimate, loaded.rate)
        met = loaded.ttft_exceeds(left) <= 1.0 - self.workload.percentile / 100.0
        return np.asarray(met | (candidates.role == DECODE))

    def journey_s(
        self,
        platform: Platform,
        candidates: ServingCandidates,
        estimate: ServingEstimate,
        requests_per_s: NDArray[np.float64] | float,
    ) -> NDArray[np.float64]:
        """Seconds that the cache of a request takes to its decoding replica, (n,); 0 where prefill is not apart.

        ``requests_per_s``: of the replica, whose ports are busy with other requests' caches.
        """
        route = over_network(platform.tiers[-1], platform.host_bandwidth, platform.nic_access)
        # each rank sends its part of the cache, layer by layer; one job's requests are all alike
        part = float(estimate.kv_bytes_per_request[0]) / np.maximum(candidates.tp, 1)
        ports = candidates.attention_dp * candidates.pp
        busy = np.asarray(requests_per_s) / np.maximum(ports, 1) * part / route.rate
        journey = route.seconds(part, float(self.model.layers), busy)
        return np.where(candidates.role == PREFILL, journey, 0.0)

    def _units(
        self,
        job: ServingJob,
        platform: Platform,
        candidates: ServingCandidates,
        estimate: ServingEstimate,
        fits: NDArray[np.bool_],
        margin: Margin,
    ) -> tuple[tuple[Unit, ...], int, dict[str, float]]:
        w = self.workload
        role = candidates.role
        ends = time_ends(self.workload, candidates, estimate)
        slower, less = margin.slower(*ends) * SINGLE_REQUESTS, margin.less(*ends)
        loads = np.array(self.loads())
        at = self.operating(job, platform, candidates, estimate)
        states = [at.loaded(self.utilisation_at(int(load))) for load in loads]
        met = [
            self.keeps_ttft(platform, candidates, estimate, state, slower)
            & ((state.tpot_s(w.percentile) * 1e3 * slower <= (w.tpot_ms or np.inf)) | (role == PREFILL))
            for state in states
        ]
        # of one shape the highest load that keeps the limits gives most; the lowest shows what is out of reach
        level = np.where(np.any(met, axis=0), len(loads) - 1 - np.argmax(np.array(met)[::-1], axis=0), 0)
        ttft, tpot = np.zeros(len(candidates)), np.zeros(len(candidates))
        for number, state in enumerate(states):
            mine = np.flatnonzero(level == number)
            ttft[mine], tpot[mine] = self.latencies(platform, candidates.take(mine), estimate, state.take(mine))
        used = np.array([self.utilisation_at(int(load)) for load in loads])[level]
        prompt = (ttft * slower <= (w.ttft_ms or np.inf)) | (role == DECODE)
        pace = (tpot * slower <= (w.tpot_ms or np.inf)) | (role == PREFILL)
        best = {}
        sure = (("ttft_ms", ttft * slower, DECODE, pace), ("tpot_ms", tpot * slower, PREFILL, prompt))
        for key, values, exempt, others in sure:
            counted = fits & (role != exempt)
            # the best among shapes that keep the other limit, where any does
            counted = counted & others if (counted & others).any() else counted
            if counted.any():
                best[key] = float(values[counted].min())
        keep = fits & (estimate.requests_per_s > 0) & prompt & pace
        shapes = np.arange(len(candidates))
        systems, replicas = unit_of(candidates.chips, platform.system_chips)
        part = np.zeros(len(candidates), dtype=np.int64)
        if self.parts:  # every shape also as a part of a system, where one holds it
            held = part_for(candidates.chips, platform.system_chips, self.part_of(platform))
            fitting = np.flatnonzero(held)
            shapes = np.concatenate([shapes, fitting])
            part = np.concatenate([part, held[fitting]])
            systems = np.concatenate([systems, np.ones(len(fitting), dtype=np.int64)])
            replicas = np.concatenate([replicas, held[fitting] // candidates.chips[fitting]])
        chips = candidates.chips[shapes] * replicas
        rate = (estimate.requests_per_s * used / less)[shapes] * replicas
        units: list[Unit] = []
        pruned = 0
        for number, name in ROLE_NAMES.items():
            mine = np.flatnonzero((keep & (role == number))[shapes])
            staying = frontier(systems[mine], rate[mine], chips[mine], part[mine], platform.system_chips)
            pruned += len(mine) - len(staying)
            for k in mine[staying]:
                i = shapes[k]
                shape = {f: int(getattr(candidates, f)[i]) for f in SHAPE} | {"load": int(loads[level[i]])}
                if w.speculation is not None:
                    shape["drafts"] = job.draft_tokens
                units.append(
                    Unit(
                        role=name,
                        systems=int(systems[k]),
                        part=int(part[k]),
                        chips=int(chips[k]),
                        replicas=int(replicas[k]),
                        requests_per_s=float(rate[k]),
                        ttft_ms=float(ttft[i]),
                        tpot_ms=float(tpot[i]),
                        shape=shape | ({"part": int(part[k])} if part[k] else {}),
                    )
                )
        return tuple(units), pruned, best


def time_ends(
    workload: Serving, candidates: ServingCandidates, estimate: ServingEstimate
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both ends (n,) of the 80% interval of a replica's times, over what is predicted: of prompts alone those of first
    tokens, else those of its pace."""
    generates = workload.output_tokens > 1 or workload.window_hours is not None
    paced = (candidates.role != PREFILL) & generates
    low = np.where(paced, estimate.low80, estimate.ttft_low80)
    high = np.where(paced, estimate.high80, estimate.ttft_high80)
    return (low, high) if workload.answer_tokens else reading_ends(low, high)


def _best_of(found: Sequence[SearchedUnits]) -> SearchedUnits:
    """Searches that differ in drafts alone as one: units that another one's replace are left out. A prefill replica
    drafts nothing, so it counts once."""
    units = [u for k, s in enumerate(found) for u in s.units if u.role != "prefill" or k == 0]
    staying: list[Unit] = []
    for role in ROLE_NAMES.values():
        mine = [u for u in units if u.role == role]
        if mine:
            kept = frontier(
                np.array([u.systems for u in mine]), np.array([u.requests_per_s for u in mine]),
                np.array([u.chips for u in mine]),
            )  # fmt: skip
            staying += [mine[i] for i in kept]
    best: dict[str, float] = {}
    for s in found:
        for key, value in s.best_ms.items():
            best[key] = min(value, best.get(key, math.inf))
    roles = {u.role for u in staying}
    enough = "serve" in roles or len(roles) == 2
    return SearchedUnits(
        found[0].precision, tuple(staying), sum(s.enumerated for s in found), sum(s.priced for s in found),
        sum(s.pruned for s in found) + len(units) - len(staying), best,
        "" if enough else next((s.reason for s in found if s.reason), ""),
    )  # fmt: skip


def in_window(units: Sequence[Unit], workload: Serving) -> list[Unit]:
    """Units of work by a date: each for its whole window, and for the part of it that as few of them as do it need.

    A unit's ``load`` is the share of the window in which it works, with full replicas; what is rented is paid for that
    share.
    """
    if workload.window_hours is None:
        return list(units)
    found: list[Unit] = []
    for unit in units:
        whole = unit.shape["load"]
        few = math.ceil(workload.requests_per_s / unit.requests_per_s - 1e-9)
        part = math.ceil(whole * workload.requests_per_s / (few * unit.requests_per_s) - 1e-9)
        for load in dict.fromkeys((whole, min(whole, max(part, 1)))):
            # what ``ServingSearch.utilisation_at`` makes of the load, so that both say the same
            rate = unit.requests_per_s * min(load / 1000.0, workload.utilisation) / workload.utilisation
            found.append(replace(unit, requests_per_s=rate, shape={**unit.shape, "load": load}))
    return found


HOURS = 24
LARGEST_RUN = 4096
"""Systems: no larger run of units by a date is tried."""
ON_DEMAND = "on_demand"


def by_hours(units: Sequence[Unit], workload: Serving, acquire: str, term: str, *, over_lots: bool) -> list[Unit]:
    """Units of a load by the hour: on all day, and on for the hours of most demand alone where they are rented on
    demand, or where others may have what they leave (``over_lots``)."""
    found = list(units)
    if over_lots or (acquire == "rent" and term == ON_DEMAND):
        found += [replace(u, shape={**u.shape, "hours": n}) for u in units for n, _ in workload.by_rank if n < HOURS]
    return found


def rates_of(workload: Serving, role: str, rate: float, layout: Mapping[str, int]) -> dict[str, float]:
    """What a unit gives: by phase, and of a load by the hour in each level of demand in which it is on."""
    on = layout.get("hours", HOURS)
    return dict.fromkeys(PHASES[role], rate) | {f"{n} h": rate if on >= n else 0.0 for n, _ in workload.by_rank}


def worked_hours(workload: Serving, layout: Mapping[str, int], horizon_hours: float) -> float:
    """Hours in which a unit works: the horizon of a load that is there all the time, its share of a window, or its
    hours of each day."""
    window = workload.window_hours
    if window is None:
        return horizon_hours * layout.get("hours", HOURS) / HOURS
    return min(horizon_hours, window * layout["load"] / (workload.utilisation * 1000.0))


def peak_over_mean(workload: Serving, layout: Mapping[str, int]) -> float:
    """Peak demand over the mean of the hours in which a unit is on; what is on for the peak alone is full."""
    return workload.peak_to_mean if layout.get("hours", HOURS) == HOURS else 1.0


def cache_pool(workload: Serving, vendor: str, precision: str) -> str:
    """Replicas that hand caches to each other have one name: of one vendor in one precision; empty where any may.

    Engines write a cache in the layout of their kernels, and of weights in another precision it holds other numbers, so
    what one replica has read another can only go on from where both are alike.
    """
    alike = workload.cache_exchange == "same" and workload.disaggregated != "never" and not workload.request_classes
    return f"{vendor.lower()} {precision}" if alike else ""


def unit_of(chips: NDArray[np.int64], system_chips: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(systems, replicas) of a unit for replicas of some chips: whole systems, never fractions."""
    systems = -(-chips // system_chips)
    return systems, np.where(systems == 1, system_chips // chips, 1)


def frontier(
    systems: NDArray[np.int64],
    rate: NDArray[np.float64],
    chips: NDArray[np.int64] | None = None,
    part: NDArray[np.int64] | None = None,
    system_chips: int = 0,
) -> NDArray[np.int64]:
    """Indices of units that no whole number of another unit replaces in the place that it takes.

    Unit A replaces B when as many A as fit into the place of B (k = floor(systems_B / systems_A) of whole systems, of
    parts as many as its part or its systems hold) give at least B's rate, on as many chips (which limits count both
    ways, at most and at least) where ``chips`` of a unit are given. ``part``: chips of the part that a unit takes, 0
    for whole systems of ``system_chips``.
    """
    size = np.zeros(len(systems), dtype=np.int64) if part is None else part
    taken = np.where(size > 0, size, systems * max(system_chips, 1))
    order = np.lexsort((-rate, taken))
    # of those that take the same place only the one of the highest rate can stay
    alike = np.stack([systems, size] if chips is None else [systems, size, chips], axis=1)
    order = order[np.sort(np.unique(alike[order], axis=0, return_index=True)[1])]
    staying: list[int] = []
    for i in order:
        kept = np.asarray(staying, dtype=np.int64)
        in_system = system_chips // np.maximum(size[kept], 1)
        whole_place = np.where(size[kept] > 0, systems[i] * in_system, systems[i] // systems[kept])
        in_part = np.where(size[kept] > 0, size[i] // np.maximum(size[kept], 1), 0)
        times = in_part if size[i] else whole_place
        beaten = times * rate[kept] >= rate[i]
        if chips is not None:
            beaten &= times * chips[kept] == chips[i]
        if not beaten.any():
            staying.append(int(i))
    return np.asarray(staying, dtype=np.int64)


def activity(role: str, peak_to_mean: float = 1.0) -> float:
    """Share of a chip's power range that a phase uses, in the mean of a day."""
    return PHASE_ACTIVITY[role] / peak_to_mean
