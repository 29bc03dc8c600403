"""How long a training step takes and what memory it needs: arrays of candidates in, arrays of figures out.

One model for one candidate and for a million. Work that depends on few factors is done once per distinct key
(``keys.factorise``): layers per (tp, cp, ep, micro-batch, sp), data-parallel traffic and states per (tp, cp, ep, pp,
dp, ZeRO stage); what is left per candidate is the pipeline, the overlap windows and the memory in flight.
docs/training-model.md has the equations and their sources.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.catalog.architecture import ModelArch
from planner.errors import InputError, Problem, UnknownFigureError
from planner.performance import collectives
from planner.performance.keys import factorise
from planner.performance.laws import law_of
from planner.performance.measured.calibration import BOUNDS, effect_names, level_of
from planner.performance.measured.neighbours import Job as MeasuredJob
from planner.performance.measured.observation import Names
from planner.performance.measured.process import OWN_VARIANCE, variance
from planner.performance.measured.process import WIDTHS as MEASURED_WIDTHS
from planner.performance.overlap import exposed
from planner.performance.platform import Platform
from planner.performance.precision import RECIPES, normalise_precision
from planner.performance.training.layer_table import FORWARD_PARTS, Keys, Machine, all_layers, end_cost
from planner.performance.training.offload import offload_seconds, resident, update_bytes
from planner.performance.training.pipeline import bubble_seconds, in_flight, stage_layers
from planner.performance.training.profile import Profile
from planner.performance.training.stacks import get_profile
from planner.workload.flops import train_flops_per_token
from planner.workload.layers import LayerProfile, layer_profiles
from planner.workload.parameters import parameter_counts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

GIB = float(1 << 30)
HOST_SHARE = 0.9
"""Share of the host's memory that pinned copies of a run may take."""
LORA_FLOPS_SHARE = 2.0 / 3.0
"""Of the model FLOPs of a trained token: forward and data gradients, no weight gradients."""
ADAPTER_VARIANCE = 0.02
"""Variance of log step times of adapters over that of full training (residuals of published LoRA runs: 0.18)."""
RECOMPUTE_NONE, RECOMPUTE_SELECTIVE, RECOMPUTE_FULL = 0, 1, 2
# Share of usable memory that a caching allocator cannot hand out (fragmentation; SimuMax divides by 0.94).
ALLOCATOR_RESERVE = 0.05
# Shares of a chip's memory from which a stack whose allocator cannot move blocks starts to free its cache, and from
# which it does so every step (docs/training-model.md, 10).
PRESSURE_FROM, PRESSURE_FULL = 0.75, 0.80
UNKNOWN_DEVIATION = math.sqrt(variance() + OWN_VARIANCE)  # of a logarithm of which no run tells anything
LOGIT_TILE = 1.0 / 8.0  # share of the logits alive where loss is computed over tiles of the sequence


@dataclass(frozen=True)
class TrainingJob:
    """What is trained: a model on sequences of ``sequence_length`` tokens, ``global_batch`` sequences a step.

    ``precision`` is any name ``normalise_precision`` knows. ``trainable``: ``full``, or ``lora``: frozen weights at
    ``frozen_bytes`` each in the layers (2; 1 and 0.52 are QLoRA's 8 bits and NF4, arXiv:2305.14314), no weight
    gradients of the matrices, and gradients, traffic and states only of adapters of ``adapter_rank`` beside every
    matrix that is not a routed expert's (arXiv:2106.09685).
    """

    model: ModelArch
    sequence_length: int
    global_batch: int
    precision: str = "bf16"
    trainable: str = "full"
    mtp: bool = True
    adapter_rank: int = 16
    frozen_bytes: float = 2.0

    @property
    def trained_share(self) -> float:
        """Share of the parameters outside routed experts that is trained."""
        if self.trainable != "lora":
            return 1.0
        profiles = layer_profiles(self.model)
        adapters = sum(p.count * self.adapter_rank * (g.n + g.k) for p in profiles for g in p.gemms)
        return adapters / max(sum(p.count * p.dense_params for p in profiles), 1)


def _ints(value: ArrayLike) -> Ints:
    return np.atleast_1d(np.asarray(value, dtype=np.int64))


@dataclass(frozen=True)
class TrainingCandidates:
    """Parallel layouts, int64 arrays of one shape (n,). ``recompute``: 0 none, 1 selective, 2 full."""

    tp: Ints
    pp: Ints
    vpp: Ints
    dp: Ints
    cp: Ints
    ep: Ints
    micro_batch: Ints
    zero_stage: Ints
    recompute: Ints
    sp: Ints

    @classmethod
    def of(
        cls,
        *,
        tp: ArrayLike = 1,
        pp: ArrayLike = 1,
        vpp: ArrayLike = 1,
        dp: ArrayLike = 1,
        cp: ArrayLike = 1,
        ep: ArrayLike = 1,
        micro_batch: ArrayLike = 1,
        zero_stage: ArrayLike = 1,
        recompute: ArrayLike = 0,
        sp: ArrayLike = 0,
    ) -> TrainingCandidates:
        """Candidates from scalars or arrays that broadcast together."""
        arrays = np.broadcast_arrays(
            *(_ints(v) for v in (tp, pp, vpp, dp, cp, ep, micro_batch, zero_stage, recompute, sp))
        )
        return cls(*(np.ascontiguousarray(a) for a in arrays))

    @property
    def size(self) -> int:
        """Number of candidates."""
        return int(self.tp.size)

    @property
    def chips(self) -> Ints:
        """Chips of each candidate."""
        return self.tp * self.pp * self.dp * self.cp

    def take(self, index: ArrayLike | slice) -> TrainingCandidates:
        """The candidates at some indices, a mask or a slice."""
        return TrainingCandidates(*(getattr(self, f.name)[index] for f in fields(self)))


@dataclass(frozen=True)
class TrainingEstimate:
    """Arrays (n,). ``breakdown`` sums exactly to ``step_time_s``, ``memory`` to ``memory_bytes`` (worst stage).

    ``low80``/``high80`` multiply ``step_time_s`` to the ends of the 80% interval. ``memory_by_stage``: first, last.
    ``host_bytes``: bytes a chip needs in host or pooled memory for what its profile offloads.
    """

    step_time_s: Floats
    tokens_per_s: Floats
    tokens_per_s_per_chip: Floats
    model_tflops_per_chip: Floats
    mfu: Floats
    memory_bytes: Floats
    memory_limit_bytes: Floats
    fits: Bools
    low80: Floats
    high80: Floats
    breakdown: Mapping[str, Floats] = field(default_factory=dict)
    memory: Mapping[str, Floats] = field(default_factory=dict)
    memory_by_stage: Mapping[str, Floats] = field(default_factory=dict)
    host_bytes: Floats = field(default_factory=lambda: np.zeros(0))


def machine_of(job: TrainingJob, platform: Platform, profile: Profile) -> Machine:
    """Rates of a platform for a job. Raises ``UnknownFigureError`` when a peak it needs is not published."""
    name = normalise_precision(job.precision)
    recipe = RECIPES[name]
    for wanted, column in (("bf16", "bf16_fp16_tflops_dense"), (recipe.peak, recipe.catalog_field)):
        if wanted not in platform.peak_flops:
            raise UnknownFigureError("chips", platform.chip_id, column)
    law = law_of(platform.family, platform.efficiency)
    speed = platform.efficiency.get(f"speed.{profile.level_name}", law.speed) * platform.clock_factor
    peak16 = platform.peak_flops["bf16"]
    rate16 = peak16 * law.gemm * speed
    rate = rate16
    if recipe.peak != "bf16":
        share = law.gemm_4bit if recipe.peak == "fp4" else law.gemm_8bit
        low = platform.peak_flops[recipe.peak] * share * speed
        rate = 1.0 / (recipe.low_share / low + (1.0 - recipe.low_share) / rate16)
        rate = max(rate, rate16)  # a recipe never runs its matrices slower than in 16 bits
    return Machine(platform, law, recipe, profile, peak16 * speed, rate16, rate)


@dataclass(frozen=True)
class _Layers:
    """Per distinct (tp, cp, ep, micro-batch, sp): layer averages and the layer that fills the middle stages."""

    average: dict[str, Floats]  # seconds of a layer by part, forward and backward together, nothing recomputed
    again: dict[str, Floats]  # the same of what full recomputation repeats
    selective_again: Floats  # of what selective recomputation repeats
    forward: Floats
    slow: Floats  # seconds of the main layer over the average
    kept: Floats
    freed: Floats  # of the kept bytes, what selective recomputation drops
    inputs: Floats
    embedding_s: Floats
    head_f: Floats
    head_b: Floats
    logits: Floats
    p2p_bytes: Floats  # of a rank to its peer in the next stage
    p2p_whole_bytes: Floats  # the same where nothing is sent in parts
    p2p_gather_s: Floats  # to put together again, inside the tensor-parallel group, what its ranks sent in parts


def _layers(job: TrainingJob, machine: Machine, keys: Keys) -> _Layers:
    model = job.model
    costs = all_layers(model, keys, machine)
    count = float(sum(n for _, n in costs))
    lora = job.trainable == "lora"

    def mean(pick: str, part: str) -> Floats:
        return np.asarray(sum(getattr(c, pick)[part] * n for c, n in costs) / count)

    back_share = dict.fromkeys(FORWARD_PARTS, 1.0)
    if lora:
        back_share["gemm"] = 0.52  # no weight gradients; the adapters' own are small
    average = {p: mean("forward", p) + mean("backward", p) * back_share[p] for p in FORWARD_PARTS}
    again = {p: mean("forward", p) for p in FORWARD_PARTS}
    if lora and job.frozen_bytes < 2.0:  # read in few bits and written in 16, before each pass of a layer
        moved = (job.frozen_bytes + 2.0) * sum((c.dense_params + c.routed_params) * n for c, n in costs) / count
        restored = moved / (machine.platform.memory_bandwidth * machine.law.memory)
        average["elementwise"] = average["elementwise"] + 2.0 * restored
        again["elementwise"] = again["elementwise"] + restored
    total = [sum(c.forward[p] + c.backward[p] * back_share[p] for p in FORWARD_PARTS) for c, _ in costs]
    contiguous = len(costs) == 2 and not model.kind.startswith("hybrid") and costs[1][1] >= 2 * costs[0][1]
    mean_total = sum(t * n for t, (_, n) in zip(total, costs, strict=True)) / count
    slow = np.maximum(total[1] / mean_total, 1.0) if contiguous else np.ones_like(keys.tp)
    ends = end_cost(model, keys, machine)
    head_f, head_b = ends.head_forward_s, ends.head_backward_s * (0.55 if lora else 1.0)
    if job.mtp and model.mtp_layers:
        last = costs[-1][0]
        head_f = head_f * (1 + model.mtp_layers) + model.mtp_layers * sum(last.forward.values())
        head_b = head_b * (1 + model.mtp_layers) + model.mtp_layers * sum(last.backward.values())
    return _Layers(
        average=average,
        again=again,
        selective_again=np.asarray(sum(c.again * n for c, n in costs) / count),
        forward=np.asarray(sum(again.values())),
        slow=np.asarray(slow),
        kept=np.asarray(sum(c.kept_bytes * n for c, n in costs) / count),
        freed=np.asarray(sum(c.freed_bytes * n for c, n in costs) / count),
        inputs=costs[-1][0].input_bytes,
        embedding_s=ends.embedding_s,
        head_f=head_f,
        head_b=head_b,
        logits=ends.logits_bytes,
        # every rank of a tensor-parallel group holds the whole activation unless the sequence is split: it sends its
        # share, and the group gathers (arXiv:2104.04473, 4.1; the pipelines of Megatron and DeepSpeed alike)
        p2p_bytes=2.0 * model.hidden * keys.norm_tokens / np.where(keys.sp > 0, 1.0, keys.tp),
        p2p_whole_bytes=2.0 * model.hidden * keys.norm_tokens,
        p2p_gather_s=np.where(
            (keys.sp > 0) | (keys.tp <= 1),
            0.0,
            collectives.all_gather(
                machine.platform.tiers, keys.tp, np.ones_like(keys.tp), 2.0 * model.hidden * keys.norm_tokens
            ),
        ),
    )


def _ends_of(profiles: tuple[LayerProfile, ...], model: ModelArch) -> tuple[LayerProfile, LayerProfile]:
    """The kind of layer a model starts with and the kind it is mostly made of; the same one where kinds are mixed."""
    split = len(profiles) == 2 and not model.kind.startswith("hybrid") and profiles[1].count >= 2 * profiles[0].count
    return (profiles[0], profiles[1]) if split else (profiles[-1], profiles[-1])


_STATE_COLUMNS = (
    "reduce_s",
    "gather_s",
    "gather_layer_s",
    "optimizer_s",
    "accumulate_s",
    "weights_first",
    "weights_last",
    "grads_first",
    "grads_last",
    "optimizer_first",
    "optimizer_last",
    "gathered",
)


def _states(
    job: TrainingJob, machine: Machine, tp: Floats, cp: Floats, ep: Floats, pp: Floats, dp: Floats, zero: Floats
) -> Floats:
    """Data-parallel traffic, optimizer time and bytes of states: (u, len(_STATE_COLUMNS))."""
    model, profile = job.model, machine.profile
    profiles = layer_profiles(model)
    layers = float(model.layers)
    fullest, last_layers = stage_layers(model.layers, pp)
    dense_layer = sum(p.dense_params * p.count for p in profiles) / layers / tp
    expert_tp = np.where(ep > 1, 1.0, tp)
    routed_layer = sum(p.routed_params * p.count for p in profiles) / layers / (ep * expert_tp)
    table = model.vocab * model.hidden / tp
    embedding = table + model.learned_positions * model.hidden
    tied = model.tied_embeddings
    mtp = model.mtp_layers if job.mtp else 0
    # a few layers of another kind come first (dense before experts): the last stage has none of them
    early, main = _ends_of(profiles, model)
    front = np.minimum(float(early.count) if early is not main else 0.0, fullest)
    routed_main = main.routed_params / (ep * expert_tp) if early is not main else routed_layer
    routed_early = early.routed_params / (ep * expert_tp)
    dense_main = main.dense_params / tp if early is not main else dense_layer
    first = front * early.dense_params / tp + (fullest - front) * dense_main + embedding
    last = last_layers * dense_main + table + mtp * (dense_main + 2.0 * model.hidden**2 / tp)
    alone = layers * dense_layer + embedding + (0.0 if tied else table) + mtp * dense_layer
    first, last = np.where(pp > 1, first, alone), np.where(pp > 1, last, alone)
    routed_all = layers * routed_layer + mtp * routed_main
    routed_first = np.where(pp > 1, front * routed_early + (fullest - front) * routed_main, routed_all)
    routed_last = np.where(pp > 1, (last_layers + mtp) * routed_main, routed_all)

    group = dp * cp
    expert_group = np.maximum(group * tp / (ep * expert_tp), 1.0)
    tiers = machine.platform.tiers
    trained, trained_routed = job.trained_share, 0.0 if job.trainable == "lora" else 1.0

    shard = group
    if profile.hybrid_shard and tiers[0].size >= 64:  # a pod; servers of eight shard across them
        inside = np.maximum(np.floor(tiers[0].size / tp), 1.0)
        shard = np.where(zero >= 3, np.minimum(group, inside), group)

    def traffic(
        bytes_each: float, factor: float = 1.0, among: Floats = group, share: tuple[float, float] = (1.0, 1.0)
    ) -> Floats:
        joined = profile.joined_ports
        dense = collectives.all_gather(tiers, among, tp, np.maximum(first, last) * bytes_each * share[0], joined)
        experts = np.maximum(routed_first, routed_last) * bytes_each * share[1]
        routed = collectives.all_gather(tiers, expert_group, ep * expert_tp, experts, joined)
        return np.asarray((dense + np.where(routed_first > 0, routed, 0.0)) * factor)

    scattered = (zero > 0) & (not profile.grad_all_reduce)
    shares, wire = (trained, trained_routed), profile.grad_traffic_bytes
    reduce_s = np.where(scattered, traffic(wire, share=shares), traffic(wire, 2.0, share=shares))
    frozen = 2.0 if job.trainable != "lora" else job.frozen_bytes
    gather_s = np.where(zero > 0, traffic(2.0, among=shard, share=shares), 0.0)
    gather_s = np.where(zero >= 3, traffic(frozen, among=shard), gather_s)

    share1 = np.where(zero >= 1, shard, 1.0)
    share1e = np.where(zero >= 1, expert_group, 1.0)
    share2 = np.where(zero >= 2, shard, 1.0)
    share2e = np.where(zero >= 2, expert_group, 1.0)
    share3 = np.where(zero >= 3, shard, 1.0)
    share3e = np.where(zero >= 3, expert_group, 1.0)
    w = 2.0
    columns = [reduce_s, gather_s, np.zeros_like(tp)]
    largest, largest_routed = np.maximum(first, last) * trained, np.maximum(routed_first, routed_last) * trained_routed
    local = largest / share1 + largest_routed / share1e
    grads_all = largest / share2 + largest_routed / share2e  # those a rank keeps: zeroed, scaled and normed there
    bandwidth = machine.platform.memory_bandwidth * machine.law.memory
    # Adam reads gradient, master, two moments, writes three and the 16-bit copy; gradients are zeroed, scaled, normed
    here = 0.0 if profile.updates_on_host else update_bytes(profile)
    columns.append((here * local + 4.0 * profile.grad_bytes * grads_all) / bandwidth)
    columns.append(np.where(zero >= 2, 0.0, profile.accumulate_bytes * (largest + largest_routed) / bandwidth))
    if job.trainable == "lora":  # frozen layers in their own format, embedding and head in 16 bits, in every stage
        tables = (np.where(pp > 1, embedding, embedding + (0.0 if tied else table)), table)
        for dense, routed, kept in zip((first, last), (routed_first, routed_last), tables, strict=True):
            whole = np.minimum(kept, dense)
            columns.append((frozen * (dense - whole) + w * whole) / share3 + frozen * routed / share3e)
    else:
        at_rest = np.where(zero >= 3, profile.sharded_weight_bytes, w)
        for dense, routed in ((first, routed_first), (last, routed_last)):
            columns.append(at_rest * (dense / share3 + routed / share3e))
    for each, one, two in ((profile.grad_bytes, share2, share2e), (profile.optimizer_bytes, share1, share1e)):
        for dense, routed in ((first, routed_first), (last, routed_last)):
            columns.append(each * (trained * dense / one + trained_routed * routed / two))
    columns.append(np.where(zero >= 3, 2.0 * w * (dense_layer + routed_layer), 0.0))
    return np.stack([np.broadcast_to(c, tp.shape) for c in columns], axis=1)


def _check(c: TrainingCandidates) -> None:
    problems = []
    for f in fields(c):
        values = getattr(c, f.name)
        low = 0 if f.name in {"zero_stage", "recompute", "sp"} else 1
        if values.shape != c.tp.shape:
            problems.append(Problem(f"{f.name} has shape {values.shape}", allowed=f"{c.tp.shape}", path=f.name))
        elif values.size and int(values.min()) < low:
            problems.append(Problem(f"{f.name} is below {low}", found=str(int(values.min())), path=f.name))
    if problems:
        raise InputError(problems)


@dataclass(frozen=True)
class _Case:
    """Candidates of a job with what layers and states cost them. Arrays (n,), tables aside."""

    job: TrainingJob
    machine: Machine
    c: TrainingCandidates
    layer: _Layers
    at: Ints  # rows of ``layer``
    states: Floats
    of_state: Ints  # rows of ``states``
    rounds: Floats
    sequences: Floats  # of a step

    def take(self, index: Ints) -> _Case:
        """The case of some of the candidates."""
        return replace(
            self, c=self.c.take(index), at=self.at[index], of_state=self.of_state[index], rounds=self.rounds[index],
            sequences=self.sequences[index],
        )  # fmt: skip

    @functools.cached_property
    def column(self) -> dict[str, Floats]:
        rows = self.states[self.of_state]
        return {name: rows[:, i] for i, name in enumerate(_STATE_COLUMNS)}

    @functools.cached_property
    def pp(self) -> Floats:
        return self.c.pp.astype(np.float64)

    @functools.cached_property
    def chunks(self) -> Floats:
        """Zero-bubble and bidirectional schedules cut stages in their own way: more chunks add nothing."""
        plain = self.machine.profile.schedule == "1f1b"
        return np.maximum(self.c.vpp.astype(np.float64), 1.0) if plain else np.ones_like(self.pp)

    @functools.cached_property
    def full(self) -> Bools:
        return np.asarray(self.c.recompute == RECOMPUTE_FULL)

    @functools.cached_property
    def selective(self) -> Bools:
        return np.asarray(self.c.recompute == RECOMPUTE_SELECTIVE)

    @functools.cached_property
    def stages(self) -> tuple[Floats, Floats]:
        """Layers of the fullest and of the last stage."""
        return stage_layers(self.job.model.layers, self.pp)

    @functools.cached_property
    def stored(self) -> dict[str, Floats]:
        """Bytes of the fuller end that offload can put aside; activations of one micro-batch."""
        column = self.column
        return {
            "weights": np.maximum(column["weights_first"], column["weights_last"]),
            "optimizer": np.maximum(column["optimizer_first"], column["optimizer_last"]),
            "activations": _kept_per_layer(self) * self.stages[0],
        }


@dataclass(frozen=True)
class _Room:
    """Bytes (n,) that candidates need and have."""

    first: dict[str, Floats]
    last: dict[str, Floats]
    total_first: Floats
    total_last: Floats
    limit: Floats
    host_bytes: Floats
    fits: Bools

    @property
    def peak(self) -> Floats:
        return np.maximum(self.total_first, self.total_last)


def _case(job: TrainingJob, machine: Machine, c: TrainingCandidates, micro_batches: ArrayLike | None) -> _Case:
    (ktp, kcp, kep, kmb, ksp), at = factorise(c.tp, c.cp, c.ep, c.micro_batch, c.sp)
    ftp, fcp, fep, fmb, fsp = (a.astype(np.float64) for a in (ktp, kcp, kep, kmb, ksp))
    layer = _layers(job, machine, Keys(ftp, fcp, fep, fmb, fsp, float(job.sequence_length)))
    (stp, scp, sep, spp, sdp, sz), st = factorise(c.tp, c.cp, c.ep, c.pp, c.dp, c.zero_stage)
    states = _states(job, machine, *(a.astype(np.float64) for a in (stp, scp, sep, spp, sdp, sz)))
    per_round = c.dp.astype(np.float64) * c.micro_batch
    if micro_batches is None:
        rounds = np.maximum(np.ceil(job.global_batch / per_round), 1.0)
        sequences = np.full_like(rounds, float(job.global_batch))
    else:
        rounds = np.array(np.broadcast_to(np.asarray(micro_batches, dtype=np.float64), per_round.shape))
        sequences = rounds * per_round
    return _Case(job, machine, c, layer, at, states, st, rounds, sequences)


def estimate_training(
    job: TrainingJob,
    platform: Platform,
    candidates: TrainingCandidates,
    profile: Profile | str | None = None,
    *,
    detail: bool = True,
    only_fitting: bool = False,
    micro_batches: ArrayLike | None = None,
    shift: Floats | None = None,
) -> TrainingEstimate:
    """Step time, rates and memory of every candidate.

    ``micro_batches`` (n,): how many each data-parallel replica works through in a step, where replicas of another kind
    of chip do the rest of the global batch (``performance.mixed``); default: the whole batch, evenly.
    ``shift`` (n,): what ``measured_shift`` says of these candidates, where it is known already; with ``detail=False``
    it is asked for only of what fits.
    Arrays have the shape (n,) of the candidates. With ``detail=False`` ``breakdown``, ``memory`` and
    ``memory_by_stage`` stay empty (a search needs them only for the winner); with ``only_fitting`` too, what does not
    fit in memory is given no time: an endless step, at no rate. Raises ``UnknownFigureError`` when the chip's peak in
    the job's precision is not published, ``InputError`` on widths below one or unequal shapes.
    """
    _check(candidates)
    prof = get_profile(profile)
    machine = machine_of(job, platform, prof)
    c = candidates
    if c.size and int(c.chips.max()) > platform.tiers[-1].size:  # a pod alone, and its outer network is not published
        raise UnknownFigureError("systems", platform.system_id, "scaleout_gbit_s_per_chip")
    case = _case(job, machine, c, micro_batches)
    room = _memory(case)
    peak_bytes = room.peak
    own = micro_batches is not None
    if detail:
        found = _seconds(case, peak_bytes, _measured(case, own) if shift is None else shift)
        step = found.step
    else:  # a search has no use for the times of what does not fit
        inside = np.flatnonzero(room.fits)
        fitting = case.take(inside)
        told = _measured(fitting, own) if shift is None else shift[inside]
        near = 0.0 if told is None else told
        if only_fitting:
            step = _spread(_seconds(fitting, peak_bytes[inside], near).step, inside, np.full(c.size, np.inf))
        else:
            every = _spread(near, inside, np.zeros(c.size)) if shift is None else shift
            step = _seconds(case, peak_bytes, every).step

    tokens_a_step = job.sequence_length * case.sequences
    rate = tokens_a_step / step
    flops = train_flops_per_token(job.model, job.sequence_length, mtp=job.mtp and job.model.mtp_layers > 0)
    flops *= LORA_FLOPS_SHARE if job.trainable == "lora" else 1.0
    chips = c.chips
    model_flops = flops * rate / chips
    peak = platform.peak_flops[machine.recipe.peak]

    # a search asks for times alone: its intervals are those of what no measured run is near to
    deviation = log_deviation(job, platform, prof, c) if detail else np.full_like(step, UNKNOWN_DEVIATION)
    low, high = platform.spread.ends(deviation)

    breakdown: dict[str, Floats] = {}
    parts: dict[str, Floats] = {}
    by_stage: dict[str, Floats] = {}
    if detail:
        breakdown = found.breakdown(case)
        worst = room.total_first >= room.total_last
        parts = {name: np.where(worst, room.first[name], room.last[name]) for name in room.first}
        by_stage = {"first": room.total_first, "last": room.total_last}
        peak_bytes = np.asarray(sum(parts.values()))
    return TrainingEstimate(
        step_time_s=step,
        tokens_per_s=rate,
        tokens_per_s_per_chip=rate / chips,
        model_tflops_per_chip=model_flops / 1e12,
        mfu=model_flops / peak,
        memory_bytes=peak_bytes,
        memory_limit_bytes=room.limit,
        fits=room.fits,
        host_bytes=room.host_bytes,
        low80=low,
        high80=high,
        breakdown=breakdown,
        memory=parts,
        memory_by_stage=by_stage,
    )


def _spread(values: Floats | float, at: Ints, among: Floats) -> Floats:
    """Values (m,) put into their places of an array (n,)."""
    among[at] = values
    return among


def _measured(case: _Case, own_batches: bool) -> Floats | None:
    """What ``measured_shift`` says of each candidate; ``own_batches``: their steps are of as many tokens as they do."""
    tokens = case.sequences * case.job.sequence_length if own_batches else None
    return measured_shift(case.job, case.machine.platform, case.machine.profile, case.c, tokens=tokens)


@dataclass(frozen=True)
class _Seconds:
    """A step's time (n,), and what makes it up before the stack's level."""

    step: Floats
    level: Floats | float
    per_layer: Floats
    repeat: Floats
    slowest: Floats
    head: Floats
    embedding: Floats
    whole: Floats
    parts: dict[str, Floats]

    def breakdown(self, case: _Case) -> dict[str, Floats]:
        """Seconds (n,) by what they go to; they sum to the step."""
        found = _breakdown(
            case.layer, case.at, self.per_layer, self.repeat, self.slowest, self.head, self.embedding, self.whole,
            case.pp, case.rounds,
        ) | self.parts  # fmt: skip
        found = {n: seconds if n == "offload" else self.level * seconds for n, seconds in found.items()}
        found["step_overhead"] = self.step - np.asarray(sum(found.values()))
        return found


def _seconds(case: _Case, peak_bytes: Floats, near: Floats | float | None) -> _Seconds:
    """Time of a step of every candidate. ``near`` (n,): what measured runs near it say (``measured_shift``)."""
    job, machine, c, layer, at, column = case.job, case.machine, case.c, case.layer, case.at, case.column
    platform, prof = machine.platform, machine.profile
    pp, rounds, chunks = case.pp, case.rounds, case.chunks
    dp, cp, tp = (a.astype(np.float64) for a in (c.dp, c.cp, c.tp))

    # one layer, by part, recomputation included: the table is small, the gather is what is per candidate
    base = np.asarray(sum(layer.average.values()))
    repeat = np.where(
        case.full,
        prof.recompute_share * layer.forward[at],
        np.where(case.selective, layer.selective_again[at], 0.0),
    )
    per_layer = base[at] + repeat
    slow = layer.slow[at]
    head = layer.head_f[at] + layer.head_b[at]
    embedding = layer.embedding_s[at] * 2.0
    layers = float(job.model.layers)
    fullest, last_layers = case.stages
    whole = layers * per_layer + embedding + head
    middle = fullest * per_layer * slow
    last = last_layers * per_layer * slow + head
    if prof.balanced_stages:  # layers placed so that embedding, head and extra predictions weigh in: half a layer off
        even = np.maximum(whole / pp + 0.5 * per_layer * slow / chunks, head)
        middle, last = np.minimum(middle, even), np.minimum(last, even)
    slowest = np.where(pp > 1, np.minimum(np.maximum(middle, last), whole), whole)
    waiting = bubble_seconds(whole, slowest, chunks, rounds, pp, prof.schedule)

    # activations go down the pipeline in parts; gradients come up in parts or whole
    away = tp * cp * dp
    down = collectives.point_to_point(platform.tiers, away, layer.p2p_bytes[at]) + layer.p2p_gather_s[at]
    up = down
    if not prof.p2p_split_gradients:
        up = collectives.point_to_point(platform.tiers, away, layer.p2p_whole_bytes[at])
    hop = 0.5 * (down + up)
    sends = np.where(pp > 1, hop * chunks * (2.0 * rounds * (1.0 - prof.p2p_overlap) + 2.0 * (pp - 1.0) / chunks), 0.0)

    # data parallelism: windows to hide behind are the backward pass of the last micro-batch and the forward of the next
    sigma = platform.comm_core_share
    forward_stage = slowest / 3.0
    backward_stage = slowest - forward_stage
    zero3 = c.zero_stage >= 3
    sharded = zero3 & (not prof.hybrid_shard)  # hybrid stacks accumulate inside the domain and reduce across once
    repeats = np.where(sharded | ((c.zero_stage == 2) & prof.reduce_every_micro_batch), rounds, 1.0)
    grow = np.minimum(np.where(zero3, prof.zero3_overlap, prof.dp_overlap) * platform.overlap_factor, 1.0)
    reduce_total = column["reduce_s"] * repeats
    gather_total = column["gather_s"] * np.where(zero3, 2.0 * rounds, 1.0)
    busy = np.where(zero3, slowest * rounds, 0.0)
    drain = np.where(pp > 1, waiting * 0.5, 0.0)
    data = np.where(
        zero3,
        exposed(reduce_total + gather_total, busy, grow, sigma, prof.mu),
        exposed(reduce_total, backward_stage * np.minimum(repeats, rounds) + drain, grow, sigma, prof.mu)
        + exposed(gather_total, forward_stage + drain, grow, sigma, prof.mu),
    )

    compute = slowest * rounds
    turns = rounds + (pp - 1.0) / chunks
    optimizer = column["optimizer_s"] + np.where(rounds > 1, turns, 0.0) * column["accumulate_s"]
    steady = compute + waiting + sends + data + optimizer
    moved = np.zeros_like(steady)
    if prof.offloads:
        moved = offload_seconds(
            platform, prof, case.stored, forward_stage, backward_stage, backward_stage + drain, turns
        )
        steady = steady + moved
    pressure = np.zeros_like(steady)
    if prof.memory_pressure:
        share = peak_bytes / platform.memory_bytes
        tight = np.clip((share - PRESSURE_FROM) / (PRESSURE_FULL - PRESSURE_FROM), 0.0, 1.0)
        pressure = prof.memory_pressure * tight * steady
        steady = steady + pressure
    servers = np.maximum(tp * pp * dp * cp / max(platform.server_chips, 1), 1.0)
    wait = steady * prof.straggler_cv * np.sqrt(2.0 * np.log(np.maximum(servers, 1.0)))
    level: Floats | float = level_of(platform.efficiency, effect_names(names_of(job, platform, prof)))
    if near is not None:
        level = np.clip(level * np.exp(near), *BOUNDS)
    step = level * (steady - moved + wait + prof.step_s) + moved  # links and hosts have no stack's level
    parts = {
        "pipeline_wait": waiting,
        "pipeline_send": sends,
        "data_parallel": data,
        "optimizer": optimizer,
        "offload": moved,
        "memory_pressure": pressure,
        "stragglers": wait,
    }
    return _Seconds(step, level, per_layer, repeat, slowest, head, embedding, whole, parts)


def names_of(job: TrainingJob, platform: Platform, profile: Profile) -> Names:
    """What makes the level of a job on a platform under a profile."""
    return Names(
        family=platform.family,
        chip=platform.chip_id,
        profile=profile.level_name,
        generation=str(profile.generation),
        precision=normalise_precision(job.precision),
        experts=job.model.is_moe,
    )


def measured_job(job: TrainingJob, platform: Platform, profile: Profile, source: str = "") -> MeasuredJob:
    """What measured runs are compared with: names and sizes that all layouts of a job have."""
    names = names_of(job, platform, profile)
    return MeasuredJob(
        profile=names.profile,
        chip=names.chip,
        model=job.model.id,
        precision=names.precision,
        experts=names.experts,
        sequence_length=job.sequence_length,
        active_parameters=float(parameter_counts(job.model).active),
        tokens=float(job.global_batch) * job.sequence_length,
        source=source,
        family=names.family,
        generation=names.generation,
        code=profile.code_base,
    )


def measured_shift(
    job: TrainingJob,
    platform: Platform,
    profile: Profile,
    candidates: TrainingCandidates,
    source: str = "",
    tokens: Floats | None = None,
) -> Floats | None:
    """Logarithm (n,) of what measured runs near candidates took over what the model says; None where none says any.

    It depends on layouts and on the profile's name, not on techniques. Runs of full training only. ``tokens`` (n,): of
    a step of each candidate, where replicas elsewhere do the rest of the global batch.
    """
    if not platform.neighbours.runs or job.trainable != "full":
        return None
    widths = {name: getattr(candidates, name) for name in MEASURED_WIDTHS}
    asked = measured_job(job, platform, profile, source)
    return platform.neighbours.log_shift(asked, widths, candidates.chips, candidates.recompute, tokens)


def log_deviation(
    job: TrainingJob, platform: Platform, profile: Profile, candidates: TrainingCandidates, source: str = ""
) -> Floats:
    """Standard deviation (n,) of the logarithm of step times: what measured runs leave open."""
    widths = {name: getattr(candidates, name) for name in MEASURED_WIDTHS}
    asked = measured_job(job, platform, profile, source)
    found = platform.neighbours.deviation(asked, widths, candidates.chips, candidates.recompute)
    return found if job.trainable == "full" else np.sqrt(found**2 + ADAPTER_VARIANCE)


def _breakdown(
    layer: _Layers,
    at: Ints,
    per_layer: Floats,
    repeat: Floats,
    slowest: Floats,
    head: Floats,
    embedding: Floats,
    whole: Floats,
    pp: Floats,
    micro_batches: Floats,
) -> dict[str, Floats]:
    """Where the slowest stage's time goes; the head's share where it has it."""
    alone = pp <= 1
    head_share = np.where(alone, (head + embedding) / whole, 0.0)
    per_part = slowest * (1.0 - head_share) * micro_batches / per_layer
    names = {"gemm": "matrix", "tp": "tensor_parallel", "cp": "context_parallel", "ep": "expert_parallel"}
    result = {names.get(p, p): layer.average[p][at] * per_part for p in FORWARD_PARTS}
    result["recompute"] = repeat * per_part
    result["head_and_embedding"] = slowest * head_share * micro_batches
    return result


def _kept_per_layer(case: _Case) -> Floats:
    """Activation bytes of a layer and micro-batch under each candidate's recomputation."""
    layer, at, share = case.layer, case.at, case.machine.profile.recompute_share
    kept, inputs = layer.kept[at], layer.inputs[at]
    partial = inputs if share >= 1.0 else share * inputs + (1.0 - share) * kept
    return np.where(case.full, partial, np.where(case.selective, kept - layer.freed[at], kept))


def _memory(case: _Case) -> _Room:
    """Bytes by component on the first and on the last stage, and whether they fit."""
    c, layer, at, column, machine = case.c, case.layer, case.at, case.column, case.machine
    pp, chunks, micro_batches = case.pp, case.chunks, case.rounds
    fullest, last_layers = case.stages
    platform, profile = machine.platform, machine.profile
    per_layer = _kept_per_layer(case)
    schedule = profile.schedule
    held_first = in_flight(micro_batches, pp, chunks, np.zeros_like(pp), schedule)
    held_last = in_flight(micro_batches, pp, chunks, pp - 1.0, schedule)
    twice = 2.0 if schedule == "dualpipe" else 1.0
    copies = np.where(pp > 1, twice, 1.0)
    # the layer being worked on: what full recomputation restores, and gradients of its activations
    restored = np.where(case.full, layer.kept[at], np.where(case.selective, layer.freed[at], 0.0))
    working = restored + 4.0 * layer.inputs[at]
    if profile.bucket_gib:
        working = working + np.where(c.zero_stage >= 2, profile.bucket_gib * GIB, 0.0)
    overhead = np.full_like(pp, profile.overhead_gib * GIB)
    logits = layer.logits[at] * (LOGIT_TILE if profile.tiled_loss else 1.0)
    # what the host updates it also keeps the gradients of, where a rank keeps no more than its share of them
    away = np.where(c.zero_stage >= 2, 1.0, 0.0) if profile.updates_on_host else np.zeros_like(pp)
    first = {
        "weights": resident(column["weights_first"] * copies, profile.offload_weights, fullest),
        "gradients": resident(column["grads_first"], away, fullest),
        "optimizer": resident(column["optimizer_first"], profile.offload_optimizer, fullest),
        "activations": resident(per_layer * fullest * held_first, profile.offload_activations, fullest * held_first),
        "logits": np.where(pp > 1, 0.0, logits),
        "workspace": working + column["gathered"],
        "overhead": overhead,
    }
    last = {
        "weights": resident(column["weights_last"] * copies, profile.offload_weights, fullest),
        "gradients": resident(column["grads_last"], away, fullest),
        "optimizer": resident(column["optimizer_last"], profile.offload_optimizer, fullest),
        "activations": resident(
            per_layer * last_layers * held_last, profile.offload_activations, last_layers * held_last
        ),
        "logits": logits,
        "workspace": working + column["gathered"],
        "overhead": overhead,
    }
    host_bytes = np.zeros_like(pp)
    host_limit = np.inf
    if profile.offloads:
        held = np.minimum(held_first, micro_batches)
        stored = case.stored
        host_bytes = (
            profile.offload_weights * stored["weights"]
            + profile.offload_optimizer * stored["optimizer"]
            + profile.offload_activations * stored["activations"] * held
        )
        if profile.updates_on_host:
            grads = np.maximum(column["grads_first"], column["grads_last"])
            host_bytes = host_bytes + np.where(c.zero_stage >= 2, grads, 0.0)
        if profile.offload_gb_s <= 0 and platform.host_memory_bytes is not None:
            host_limit = platform.host_memory_bytes * HOST_SHARE
    total_first = np.asarray(sum(first.values()))
    total_last = np.asarray(sum(last.values()))
    limit = np.full_like(pp, platform.memory_bytes * (1.0 - ALLOCATOR_RESERVE))
    fits = (np.maximum(total_first, total_last) <= limit) & (host_bytes <= host_limit)
    return _Room(first, last, total_first, total_last, limit, host_bytes, fits)
