"""Seconds of one engine step: so many prefill tokens and so many decode tokens through every layer.

Shapes: all arrays (n,), one entry per candidate; the layer groups of the model are looped over (a handful).
Per layer, on one chip:

    time(GEMM)      = ((2 T W / (F e(T)))^p + (b W / (BW m_w))^p)^(1/p),   e(T) = e0 T/(T + T_half)
    time(attention) = prefill 2 score pairs / (F_bf16 e_a)  +  decode max(cache bytes / (BW m_kv), FLOPs / (F e_d))
    time(experts)   = the same roofline with W = distinct experts touched, E(1-(1-k/E)^T)
    collectives     : 2 all-reduces over TP, or gather/scatter or dispatch/combine where attention is data parallel
    fixed           : per layer, per MoE layer

and per step: head, pipeline hand-overs, fixed per step and per sequence.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.errors import UnknownFigureError
from planner.performance.collectives import distinct_domains_share
from planner.performance.overlap import exposed
from planner.performance.platform import Platform
from planner.performance.serving import collectives as coll
from planner.performance.serving.checkpoint import checkpoint_of, dense_bytes_per_element
from planner.performance.serving.job import BYTES_PER_ELEMENT, COMPUTE_RATES, ServingCandidates, ServingJob
from planner.performance.serving.kv_budget import kv_shards
from planner.performance.serving.levels import layouts_of
from planner.performance.serving.profile import ServingProfile
from planner.workload.cache import state_bytes_of
from planner.workload.layers import LayerProfile, layer_profiles

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

GEMMS_OF_A_LAYER = 4.0  # qkv, out, gate-up, down: the layer that ``layer_s`` speaks of; latent attention has more
PARTS = (
    "gemm",
    "experts",
    "attention",
    "elementwise",
    "all_reduce",
    "all_to_all",
    "pipeline",
    "head",
    "layers_fixed",
    "step_fixed",
    "sequences_fixed",
)


_FEED_FORWARD = frozenset({"gate_up", "up", "down", "router"})


def _parts_of(layer: LayerProfile) -> int:
    """Parts of a layer that have kernels of their own beside matrices: a mixer, a feed-forward network, or both."""
    forward = [g.name in _FEED_FORWARD or g.name.startswith("shared_") for g in layer.gemms]
    return int(not all(forward)) + int(any(forward) or layer.experts > 0)


def _matrices_in_turn(layer: LayerProfile) -> int:
    """Kernels of matrices that follow each other in a layer. Engines multiply by both down projections of latent
    attention at once and by its up projection before and after attention (absorbed); shared experts run beside routed
    ones, on a stream of their own or as one of them."""
    names = [g.name for g in layer.gemms if not (layer.experts and g.name.startswith("shared_"))]
    latent = "q_down" in names and "kv_down" in names
    return len(names) - int(latent) + int("kv_up" in names)


def compute_format(peaks: Mapping[str, float], precision: str) -> str | None:
    """Format that weights of ``precision`` compute in on a chip with these peaks: its own or a wider one, if faster.

    Engines widen weights where the chip has no units for them, or has them in name only (INT8 of Blackwell Ultra: a
    thirtieth of its FP8). Of equal rates the narrowest; None where the chip has none of them.
    """
    return max((p for p in COMPUTE_RATES[precision] if peaks.get(p)), key=lambda p: peaks[p], default=None)


def compute_rate(platform: Platform, precision: str) -> float:
    """Peak OP/s at which weights of ``precision`` compute on the chip (``compute_format``)."""
    name = compute_format(platform.peak_flops, precision)
    if name is None:
        raise UnknownFigureError("chips", platform.chip_id, f"peak_flops[{COMPUTE_RATES[precision][0]}]")
    return platform.peak_flops[name] * platform.clock_factor


def causal_pairs(tokens: float, window: int | None, top_k: int = 0) -> float:
    """(query, key) pairs of a causal prefill of ``tokens``; a window or sparse top-k bounds the keys of a query."""
    most = float(tokens)
    if window is not None:
        most = min(most, float(window))
    if top_k:
        most = min(most, float(top_k))
    return most * most / 2.0 + (tokens - most) * most


def load_factor(ranks: Floats, assignments: Floats, skew: float) -> Floats:
    """Load of the fullest expert rank over the mean: chance, sqrt(2 ln(ranks) / assignments per rank), and skew."""
    chance = np.sqrt(2.0 * np.log(np.maximum(ranks, 1.0)) / np.maximum(assignments, 1e-9))
    return np.where(ranks > 1, np.minimum(1.0 + chance + skew, ranks), 1.0)


def distinct_experts(experts: float, per_token: float, tokens: Floats) -> Floats:
    """Expected number of experts that at least one of ``tokens`` tokens is routed to: E(1 - (1-k/E)^T)."""
    return np.asarray(experts * -np.expm1(tokens * np.log1p(-min(per_token / experts, 1.0 - 1e-12))))


@dataclass(frozen=True)
class StepLoad:
    """What a step carries per attention copy and micro-batch, each (n,) or scalar: prefill tokens, of prompts of
    ``prompt`` tokens; decode sequences with ``context`` cached tokens, each computing ``decode_width`` tokens (1 +
    drafts)."""

    prefill: Floats
    prompt: float
    decode: Floats
    context: float
    decode_width: float = 1.0


class StepModel:
    """A job on a platform, reduced to what a step needs; ``seconds`` prices steps of many candidates at once."""

    def __init__(self, job: ServingJob, platform: Platform, profile: ServingProfile) -> None:
        self.job, self.platform, self.profile = job, platform, profile
        self.model = job.model
        self.layers: tuple[LayerProfile, ...] = layer_profiles(job.model)
        self.rate = compute_rate(platform, job.precision)
        dense = dense_bytes_per_element(job.model, job.precision)
        self.dense_bytes = dense
        self.dense_rate = self.rate
        if job.precision in ("fp4", "mxfp4", "int4") and job.model.is_moe:
            self.dense_rate = compute_rate(platform, "bf16" if dense == 2.0 else "fp8")
        self.bf16 = compute_rate(platform, "bf16")
        blocks = checkpoint_of(job.model, job.precision).block > 0
        self.block_scaled = blocks and job.model.is_moe
        self.expert_bytes = BYTES_PER_ELEMENT[job.precision]
        self.kv_bytes = BYTES_PER_ELEMENT[job.kv_precision]
        self.state_bytes = state_bytes_of(job.model)
        if platform.matrix_share < 1.0:  # its lost time is in ``_sustained``
            self.rate, self.dense_rate, self.bf16 = (
                r / platform.cut_headroom for r in (self.rate, self.dense_rate, self.bf16)
            )
        self.bandwidth = platform.memory_bandwidth
        self.levels = profile.levels.of_job(job) if profile.levels else None

    def _roofline(
        self, flops: Floats, nbytes: Floats, rate: float, efficiency: Floats, streamed: float = 1.0
    ) -> Floats:
        p = self.profile.roofline_power
        compute = flops / (rate * self._sustained(efficiency))
        memory = nbytes / (self.bandwidth * self.profile.weight_bandwidth * streamed)
        high, low = np.maximum(compute, memory), np.minimum(compute, memory)
        ratio = low / np.maximum(high, 1e-30)
        return np.asarray(high * (1.0 + ratio**p) ** (1.0 / p))

    def _sustained(self, efficiency: Floats | float) -> Floats:
        """Share of the peak that products reach, from what they reach on chips of the family with whole matrix units.

        What is lost (filling a tile, loads, epilogues) is time that does not grow where only the matrix units were cut
        (H20: 0.15 of Hopper's rate with its caches, bandwidth and power): of a time 1/e of the peak's, 1/e - 1 is lost,
        and on the cut chip the same seconds are ``matrix_share`` of that.
        """
        e = np.maximum(efficiency, 1e-6)
        return np.asarray(1.0 / (1.0 + self.platform.matrix_share * np.maximum(1.0 / e - 1.0, 0.0)))

    @property
    def launches_s(self) -> Floats:
        """Fixed seconds of all layers of a step: in proportion to their kernels, and of routed experts.

        Kernels: of matrices that follow each other, and ``kernels_beside`` of every mixer and every feed-forward part
        (norm, rotation and cache write, attention, activation); a layer of four matrices counts one.
        """
        c = self.profile
        matrices = sum(layer.count * _matrices_in_turn(layer) for layer in self.layers)
        parts = sum(layer.count * _parts_of(layer) for layer in self.layers)
        kernels = (matrices + c.kernels_beside * parts) / (GEMMS_OF_A_LAYER + 2.0 * c.kernels_beside)
        experts = sum(layer.count for layer in self.layers if layer.experts)
        blocks = c.block_launch if self.block_scaled else 1.0
        return np.asarray((kernels * c.layer_s + experts * c.moe_layer_s) * c.launch_scale * blocks)

    @property
    def host_s(self) -> Floats:
        """Seconds of a first token beside its steps: hand-over of the request, and launches of its prompt's kernels one
        by one, where those of a captured step are launched at once; other requests' steps run meanwhile."""
        return np.asarray(self.profile.request_s + (self.profile.eager_launch - 1.0) * self.launches_s)

    def taking(self, index: Ints) -> StepModel:
        """The same with the constants of the candidates at ``index``, where they have constants of their own."""
        if not self.profile.varied:
            return self
        other = copy.copy(self)
        other.profile = self.profile.taking(index)
        return other

    def _narrow(self, rate: float) -> Floats:
        """Efficiency at a peak of ``rate`` over that at the 16-bit peak."""
        return np.asarray((1.0 - self.profile.narrow_loss) ** math.log2(max(rate / self.bf16, 1.0)))

    def _tile(self, rate: float) -> Floats:
        """Rows that a tile's fixed time stands for at a peak of ``rate`` over those at the 16-bit peak."""
        return np.asarray(max(rate / self.bf16, 1.0) ** self.profile.tile_growth)

    def _gemm(self, weights: Floats, tokens: Floats, nbytes: float, rate: float) -> Floats:
        c = self.profile
        efficiency = c.gemm_efficiency * self._narrow(rate) * tokens / (tokens + c.gemm_half_tokens * self._tile(rate))
        return self._roofline(2.0 * tokens * weights, weights * nbytes, rate, efficiency)

    def _tower(self, prefill: Floats, tp: Floats) -> Floats:
        """Seconds of the vision tower for ``prefill`` tokens of prompts: dense matrices in 16 bits, cut over TP.

        Its patches are many, so its weights are read for nothing beside. It runs in the first stage, for which the
        others wait. Images whose tokens are cached are not seen again.
        """
        c = self.profile
        flops = prefill * self.job.tower_flops_of_a_token / tp
        return np.asarray(flops / (self.bf16 * self._sustained(c.gemm_efficiency)))

    def _attention(self, layer: LayerProfile, load: StepLoad, tp: Floats) -> Floats:
        c = self.profile
        pairs = causal_pairs(load.prompt, layer.window, layer.sparse_top_k) / load.prompt
        prefill = (
            2.0 * layer.score_dim * pairs * load.prefill / tp / (self.bf16 * self._sustained(c.attention_efficiency))
        )
        windowed = layer.window is not None and c.window_cache
        keys = min(load.context, float(layer.window or 0)) if windowed else load.context
        kept = min(keys, float(layer.sparse_top_k)) if layer.sparse_top_k else keys
        index = layer.index_score_dim
        mixer = self.model.groups[layer.group].mixer
        index_elements = float(mixer.index_head_dim if index else 0)
        elements = kept * (layer.kv_elements - index_elements) + keys * index_elements
        shards = kv_shards(self.model, layer.group, tp.astype(np.int64))
        read = load.decode * elements * self.kv_bytes / shards
        width = load.decode_width
        flops = 2.0 * load.decode * width * (layer.decode_score_dim * kept + index * keys) / tp
        core = np.maximum(
            read / (self.bandwidth * c.kv_bandwidth),
            flops / (self.bf16 * self._sustained(c.decode_attention_efficiency)),
        )
        indexing = (
            2.0 * index * load.prompt / 2.0 * load.prefill / tp / (self.rate * self._sustained(c.attention_efficiency))
        )
        state = load.decode * width * layer.state_elements * 2.0 * self.state_bytes / shards / self.bandwidth
        tokens = load.prefill + load.decode * width
        scan = layer.scan_flops * tokens / tp / (self.bf16 * self._sustained(c.scan_efficiency))
        return np.asarray(prefill + core + indexing + state / c.kv_bandwidth + scan)

    def _experts(self, layer: LayerProfile, tokens: Floats, ep: Floats, stage: Floats) -> Floats:
        """``tokens``: of all attention copies together."""
        c = self.profile
        k, experts = float(layer.experts_per_token), float(layer.experts)
        assigned = tokens * k / ep
        load = load_factor(ep, assigned, c.expert_skew)
        weights = layer.expert_weights / (stage / ep)
        touched = np.minimum(distinct_experts(experts, k, tokens) / ep * np.minimum(load, 1.5), experts / ep)
        per_expert = assigned * load / np.maximum(touched, 1e-9)
        level = c.gemm_efficiency * self._narrow(self.rate) * c.expert_efficiency * c.expert_level
        efficiency = level * per_expert / (per_expert + c.expert_half_tokens * self._tile(self.rate))
        seconds = self._roofline(
            2.0 * assigned * load * weights, touched * weights * self.expert_bytes, self.rate, efficiency,
            c.expert_streaming,
        )  # fmt: skip
        return seconds * c.block_experts if self.block_scaled else seconds

    def _moe_traffic(
        self, layer: LayerProfile, tokens: Floats, cand: ServingCandidates, tp: Floats, dp: Floats, ep: Floats,
        group: Mapping[str, coll.Spread], prefill: Floats,
    ) -> Floats:  # fmt: skip
        """Dispatch and combine, or gather and scatter, whichever is quicker; 0 where attention is not data parallel.

        Steps with prompts use the kernels made for throughput, which send a token to a domain once (DeepEP's normal
        kernels); pure decode steps those made for latency, which send every copy.
        """
        c, tiers = self.profile, self.platform.tiers
        width = float(layer.expert_input)
        own = tokens / tp  # tokens a chip dispatches: its copy's, cut over TP
        k = float(layer.experts_per_token)
        out = width * (1.0 + 4.0 / 128.0) if self.job.precision != "bf16" else 2.0 * width
        domains = distinct_domains_share(group["ep"].outer, k, float(self.model.routed_groups_limit))
        once = np.where(prefill > 0, domains, 1.0)
        grow = c.all_to_all_doubling_s
        own = own / c.exchange_share
        sparse = coll.all_to_all(
            group["ep"], own * k * out, tiers, start_up=c.dispatch_s, per_doubling=grow, once=once
        ) + coll.all_to_all(
            group["ep"], own * k * 2.0 * width, tiers, start_up=c.combine_s, per_doubling=grow, once=once
        )
        inside = coll.all_reduce(
            group["expert"], tokens * dp * 2.0 * width * (k / np.maximum(ep, k)), tiers,
            start_up=c.all_reduce_s, step=c.all_reduce_step_s, across=c.across_s,
            ring=c.ring_step_s, share=c.link_share,
        )  # fmt: skip
        shared = tokens * dp / c.exchange_share
        gathered = coll.gather_scatter(group["stage"], shared * out, tiers, start_up=c.all_reduce_s)
        scattered = coll.gather_scatter(group["stage"], shared * 2.0 * width, tiers, start_up=c.all_reduce_s)
        dense = gathered + scattered
        routed = np.where(ep > 1, np.minimum(sparse + inside, dense), dense)
        return np.where(dp > 1, routed * (1.0 - c.moe_overlap), 0.0)

    def seconds(self, cand: ServingCandidates, load: StepLoad) -> Mapping[str, Floats]:
        """Parts of one step's latency through all stages, (n,) each: the keys of ``PARTS``."""
        c, tiers, hidden = self.profile, self.platform.tiers, float(self.model.hidden)
        tp, pp, dp, ep = (a.astype(np.float64) for a in (cand.tp, cand.pp, cand.attention_dp, cand.ep))
        stage = tp * dp
        tokens = np.asarray(load.prefill + load.decode * load.decode_width, dtype=np.float64)
        tokens = np.broadcast_to(tokens, tp.shape)
        zero = np.zeros(tp.shape)
        gemm, experts, attention, reduce, exchange = zero.copy(), zero.copy(), zero.copy(), zero.copy(), zero.copy()
        whole_stage = cand.tp * cand.attention_dp
        group = {"tp": coll.spread(cand.tp, tiers)}
        if self.model.is_moe:
            group["ep"] = coll.spread(cand.ep, tiers)
            group["stage"] = coll.spread(whole_stage, tiers)
            group["expert"] = coll.spread(np.maximum(whole_stage // cand.ep, 1), tiers)
        one_reduce = coll.all_reduce(
            group["tp"], tokens * hidden * 2.0, tiers,
            start_up=c.all_reduce_s, step=c.all_reduce_step_s, across=c.across_s,
            ring=c.ring_step_s, share=c.link_share,
        )  # fmt: skip
        for layer in self.layers:
            cut = float(sum(g.weights for g in layer.gemms if g.shard != "none"))
            whole = float(sum(g.weights for g in layer.gemms if g.shard == "none"))
            gemm += layer.count * self._gemm(cut / tp + whole, tokens, self.dense_bytes, self.dense_rate)
            attention += layer.count * self._attention(layer, load, tp)
            if layer.experts:
                experts += layer.count * self._experts(layer, tokens * dp, ep, stage)
                exchange += layer.count * self._moe_traffic(layer, tokens, cand, tp, dp, ep, group, load.prefill)
                # attention's all-reduce always; the feed-forward's where its tokens are not exchanged
                reduce += layer.count * one_reduce * np.where(dp > 1, 1.0, 2.0)
            else:
                reduce += layer.count * one_reduce * 2.0
        layers = float(self.model.layers)
        wide = tokens * hidden * 2.0
        elementwise = layers * c.elementwise_passes * wide / (self.bandwidth * c.weight_bandwidth)
        hand_over = coll.point_to_point(whole_stage, tokens * hidden * 2.0 / tp, tiers,
                                        start_up=c.point_to_point_s)  # fmt: skip
        out_tokens = load.decode * load.decode_width + load.prefill / load.prompt
        head = self._gemm(self.model.vocab * hidden / tp, np.maximum(out_tokens, 1.0) + zero, 2.0, self.bf16)
        parts = {
            "gemm": gemm,
            "experts": experts,
            "attention": attention,
            "elementwise": elementwise,
            "all_reduce": reduce,
            "all_to_all": exchange,
            "pipeline": np.where(pp > 1, (pp - 1.0) * hand_over, 0.0),
            "head": head,
            "layers_fixed": zero + self.launches_s,
            "step_fixed": zero + c.step_s + c.copies_s * (1.0 - 1.0 / dp),
            "sequences_fixed": zero + c.sequence_s * (load.decode + load.prefill / load.prompt),
        }
        fullest = 1.0 + c.copies_skew * (1.0 - 1.0 / dp)  # a step of many copies ends with the fullest
        parts["attention"] = parts["attention"] * fullest
        parts["sequences_fixed"] = parts["sequences_fixed"] * fullest
        if load.decode_width > 1.0:  # each draft: one more layer like the last and the head
            drafts = load.decode_width - 1.0
            share = drafts / layers * (load.decode > 0)
            body = ("gemm", "experts", "attention", "elementwise", "all_reduce", "all_to_all", "layers_fixed")
            for name in body:
                parts[name] = parts[name] * (1.0 + share)
            parts["head"] = parts["head"] * (1.0 + drafts * (load.decode > 0))
            parts["step_fixed"] = parts["step_fixed"] + drafts * c.draft_s * (load.decode > 0)
        if self.job.images:
            parts["gemm"] = parts["gemm"] + self._tower(load.prefill + zero, tp) * pp
        for name in ("layers_fixed", "step_fixed", "sequences_fixed"):
            parts[name] = parts[name] * c.host_scale
        # stages take turns, so each passes as often as the last one, which also samples: what it does for one
        # micro-batch the others wait out
        for name in ("head", "step_fixed", "sequences_fixed"):
            parts[name] = parts[name] * pp
        # a step with prefill runs without captured graphs: the host launches kernels no faster than this
        busy = np.asarray(sum(parts[name] for name in PARTS if name not in ("step_fixed", "sequences_fixed")))
        floor = np.where(load.prefill > 0, layers * c.prefill_layer_s, 0.0)
        parts["layers_fixed"] = parts["layers_fixed"] + np.maximum(floor - busy, 0.0)
        pace = c.pace * (1.0 + c.pipeline_bubble * (1.0 - 1.0 / pp))
        if self.levels is not None:
            pace = pace * self.levels.pace_of(layouts_of(cand), np.asarray(load.decode / tp))
        return {name: part * pace for name, part in parts.items()}

    def two_batches(self, cand: ServingCandidates, load: StepLoad, whole: Mapping[str, Floats]) -> dict[str, Floats]:
        """The same step as two interleaved halves: dispatch and combine of one run under the work of the other.

        Each half streams the weights again; what is launched once for both is not doubled, and ``all_to_all`` is what
        stays exposed of it, ``overlap_realised`` of the ideal and slowed by the cores that drive the exchange
        (``comm_core_share``) in steps with prefill; decode's kernels leave it to the network port (DeepEP's receiving
        hooks). ``whole``: parts of the step in one piece.
        """
        c = self.profile
        halves = StepLoad(load.prefill / 2.0, load.prompt, load.decode / 2.0, load.context, load.decode_width)
        half = self.seconds(cand, halves)
        parts = {name: 2.0 * half[name] for name in PARTS}
        parts["layers_fixed"] = half["layers_fixed"]  # launched on two streams beside each other
        parts["step_fixed"], parts["sequences_fixed"] = whole["step_fixed"], whole["sequences_fixed"]
        work = np.asarray(sum(parts[name] for name in PARTS if name != "all_to_all"))
        hidden = np.minimum(c.overlap_realised * self.platform.overlap_factor, 1.0)
        driven = exposed(parts["all_to_all"], work, hidden, self.platform.comm_core_share, 0.0)
        hooked = exposed(parts["all_to_all"], work, hidden, 0.0, 0.0)
        parts["all_to_all"] = np.where(load.prefill > 0, driven, hooked)
        return parts
