"""Seconds and bytes of one layer and of the two ends of a model, once per distinct (tp, cp, ep, micro-batch, sp).

All arrays have the shape (u,) of the keys. A layer's forward pass, backward pass and what recomputation repeats are
kept apart; communication is given as what stays exposed after the profile's overlap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.catalog.architecture import LayerGroup, ModelArch
from planner.performance import collectives
from planner.performance.gemm import alignment, attention_seconds, gemm_seconds, grouped_gemm_seconds, stream_seconds
from planner.performance.laws import KernelLaw
from planner.performance.overlap import exposed
from planner.performance.platform import Platform
from planner.performance.precision import Recipe
from planner.performance.training.profile import Profile
from planner.workload.flops import mean_keys
from planner.workload.layers import LayerProfile, layer_profiles

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Machine:
    """What the layer formulas need of chip, law, recipe and profile: rates in FLOP/s and bytes/s."""

    platform: Platform
    law: KernelLaw
    recipe: Recipe
    profile: Profile
    peak16: float  # FLOP/s, clocks included
    rate16: float  # sustained FLOP/s of large 16-bit products
    rate: float  # the same in the recipe's mix of precisions


@dataclass(frozen=True)
class Keys:
    """The distinct parallel widths, as float arrays (u,), and the length of a sequence."""

    tp: Floats
    cp: Floats
    ep: Floats
    micro_batch: Floats
    sp: Floats  # 1.0 where sequence parallelism is on
    sequence: float

    @property
    def tokens(self) -> Floats:
        """Tokens of a micro-batch on one rank before tensor parallelism."""
        return self.micro_batch * self.sequence / self.cp

    @property
    def norm_tokens(self) -> Floats:
        """Tokens of a micro-batch on one rank where sequence parallelism splits them."""
        return self.tokens / np.where(self.sp > 0, self.tp, 1.0)

    @property
    def expert_tp(self) -> Floats:
        """Tensor-parallel width inside an expert: that of the layer without expert parallelism, else one."""
        return np.where(self.ep > 1, 1.0, self.tp)


@dataclass
class LayerCost:
    """Seconds per layer and micro-batch, bytes per layer: arrays (u,)."""

    forward: dict[str, Floats]
    backward: dict[str, Floats]
    kept_bytes: Floats  # activations kept for backward, nothing recomputed
    freed_bytes: Floats  # of these, what the stack's selective recomputation drops
    again: Floats  # seconds that selective recomputation repeats
    input_bytes: Floats  # the layer's input alone (full recomputation)
    dense_params: Floats  # per rank
    routed_params: Floats  # per rank


CHEAP_SHARE = 0.5
"""Share of a layer's element-wise work that norms and gated activations are."""

FORWARD_PARTS = ("gemm", "attention", "elementwise", "host", "tp", "cp", "ep")


def _low_time(m: Floats, n: Floats, k: Floats, machine: Machine, wgrad: bool = False) -> Floats:
    rate = machine.rate * (machine.law.wgrad if wgrad else 1.0)
    return gemm_seconds(
        m, n, k, rate, machine.platform.memory_bandwidth, machine.law, element_bytes=machine.recipe.element_bytes
    )


def _matrices(profile: LayerProfile, keys: Keys, machine: Machine) -> tuple[Floats, Floats]:
    """Forward and backward seconds of the matrices that are not routed."""
    forward = np.zeros_like(keys.tp)
    backward = np.zeros_like(keys.tp)
    for g in profile.gemms:
        n = np.full_like(keys.tp, float(g.n))
        k = np.full_like(keys.tp, float(g.k))
        tokens = keys.tokens
        if g.shard == "column":
            n = n / keys.tp
        elif g.shard == "row":
            k = k / keys.tp
        else:
            tokens = keys.norm_tokens
        if machine.profile.async_tp and g.shard in {"column", "row"}:
            tiles = np.where(keys.sp > 0, keys.tp, 1.0)  # smaller products, one transfer under each
            forward += tiles * _low_time(tokens / tiles, n, k, machine)
            backward += tiles * _low_time(tokens / tiles, k, n, machine)
        else:
            forward += _low_time(tokens, n, k, machine)
            backward += _low_time(tokens, k, n, machine)
        backward += _low_time(k, n, tokens, machine, wgrad=True)
    return forward, backward


def fused_experts(group: LayerGroup, machine: Machine) -> bool:
    """Whether products, gated activation and quantisation of the experts are one kernel: block scales, gated only."""
    return machine.profile.fused_experts and machine.recipe.block_scaled and group.feed_forward.gated


def _experts(profile: LayerProfile, group: LayerGroup, keys: Keys, machine: Machine) -> tuple[Floats, Floats, Floats]:
    """Forward and backward seconds of the routed experts, and routed tokens per rank."""
    fused = fused_experts(group, machine)
    local = profile.experts / keys.ep
    width = keys.expert_tp
    routed = keys.tokens / np.where(keys.ep > 1, np.where(keys.sp > 0, keys.tp, 1.0), 1.0) * profile.experts_per_token
    routed = routed * machine.profile.imbalance
    rows = routed / local
    forward = np.zeros_like(keys.tp)
    backward = np.zeros_like(keys.tp)
    bandwidth, law = machine.platform.memory_bandwidth, machine.law
    element = machine.recipe.element_bytes
    for g in profile.expert_gemms:
        n = g.n / (width if g.shard == "column" else 1.0)
        k = g.k / (width if g.shard == "row" else 1.0)
        one = grouped_gemm_seconds(rows, local, n, k, machine.rate, bandwidth, law, element, fused)
        forward += one
        wgrad = grouped_gemm_seconds(rows, local, n, k, machine.rate * law.wgrad, bandwidth, law, 3.0, fused)
        backward += one + wgrad
    return forward, backward, routed


def _attention(profile: LayerProfile, group: LayerGroup, keys: Keys, machine: Machine) -> tuple[Floats, Floats]:
    """Forward and backward seconds of the attention core and of state-space scans."""
    law, width = machine.law, keys.tp
    forward = np.zeros_like(width)
    backward = np.zeros_like(width)
    seen = float(mean_keys(keys.sequence, profile.window, profile.chunked))
    if profile.score_dim:
        if machine.profile.flash:
            kept = min(seen, profile.sparse_top_k) if profile.sparse_top_k else seen
            flops = 2.0 * (profile.score_dim * kept + profile.index_score_dim * seen) * keys.tokens / width
            peak = machine.peak16 * machine.profile.attention
            reach, head = 2.0 * kept / keys.cp, 0.5 * profile.score_dim / max(group.mixer.heads, 1)
            forward += attention_seconds(flops, reach, law.attention, peak, law, head)
            backward += attention_seconds(2.5 * flops, reach, law.attention_backward, peak, law, head)
        else:
            # scores in memory: nothing is skipped for causality; 2 batched products with k = head size forward
            flops = 2.0 * profile.score_dim * keys.sequence * keys.tokens / width
            scores = group.mixer.heads * keys.sequence * keys.tokens / width
            base = flops / (machine.rate16 * 0.6 * float(alignment(float(group.mixer.head_dim or 128))))
            bandwidth = machine.platform.memory_bandwidth
            forward += base + stream_seconds(11.0 * scores, 4, bandwidth, law)
            backward += 2.0 * base + stream_seconds(15.0 * scores, 6, bandwidth, law)
    if profile.scan_flops:
        scan = profile.scan_flops * keys.tokens / width / (machine.peak16 * law.scan)
        forward += scan
        backward += 2.5 * scan
    return forward, backward


def _elementwise(
    profile: LayerProfile, group: LayerGroup, keys: Keys, machine: Machine, hidden: int, routed: Floats
) -> tuple[Floats, Floats]:
    """Forward and backward seconds of norms, residuals, rotary, activation, casts, permutation."""
    gated = group.feed_forward.gated
    inner = 0.0  # bytes per token inside the tensor-parallel region, forward
    cast = 0.0
    for g in profile.gemms:
        if g.name == "qkv":
            inner += 4.0 * g.n
        elif g.name.endswith(("gate_up", "up")) and g.name not in {"q_up", "kv_up"}:
            inner += 2.0 * g.n + (1.0 if gated else 2.0) * g.n
        elif g.name in {"q_up", "kv_up", "in"}:
            inner += 4.0 * g.n
        cast += machine.recipe.cast_bytes * (g.k + g.n) * 0.5 * machine.profile.cast
    outer = (4.0 * group.norms + 12.0) * hidden
    expert = 0.0
    if profile.experts:
        expert = sum(3.0 * g.n for g in profile.expert_gemms if g.name.endswith("up"))
        if fused_experts(group, machine):
            expert *= 0.5  # written once more, already quantised
        else:
            expert += (
                machine.recipe.cast_bytes * 0.5 * machine.profile.cast * sum(g.k + g.n for g in profile.expert_gemms)
            )
        outer += 8.0 * profile.experts
    local = inner + cast
    stack = machine.profile
    usual = group.mixer.kind in {"attention", "none"} and not profile.experts
    passes = stack.memory_passes if usual or not stack.other_passes else stack.other_passes
    bandwidth, law = machine.platform.memory_bandwidth, machine.law
    moved = (outer * keys.norm_tokens + local * keys.tokens / keys.tp + expert * routed / keys.expert_tp) * passes
    kernels = 7.0 * passes
    forward = stream_seconds(moved, kernels, bandwidth, law)
    backward = stream_seconds(1.5 * moved, 1.6 * kernels, bandwidth, law)
    if profile.experts:
        moved = routed * profile.expert_input * 8.0 * machine.profile.permute
        permute = moved / (bandwidth * law.permute) + 8.0 * law.launch_s
        forward = forward + permute
        backward = backward + permute
    return forward, backward


def _communication(
    profile: LayerProfile, group: LayerGroup, keys: Keys, machine: Machine, model: ModelArch
) -> dict[str, tuple[Floats, Floats]]:
    """Forward and backward seconds of TP, CP and EP communication, before overlap."""
    tiers = machine.platform.tiers
    one = np.ones_like(keys.tp)
    size = keys.tokens * model.hidden * 2.0
    has_mixer = group.mixer.kind != "none"
    dense_block = group.feed_forward.kind == "dense" or (
        group.feed_forward.kind == "moe" and group.feed_forward.shared_hidden > 0
    )
    blocks = float(has_mixer) + float(dense_block)
    if group.parallel:
        blocks = 1.0
    expert_tp_block = np.where((keys.ep <= 1) & (profile.experts > 0) & (not dense_block), 1.0, 0.0)
    blocks_array = blocks + expert_tp_block
    gather = collectives.all_gather(tiers, keys.tp, one, size)
    reduce = collectives.all_reduce(tiers, keys.tp, one, size)
    per_pass = np.where(keys.sp > 0, 2.0 * gather, reduce) * blocks_array
    tp_back = per_pass + np.where(keys.sp > 0, gather * blocks_array * 0.3, 0.0)  # input re-gathered for wgrad
    kv = keys.tokens * group.mixer.kv_heads * (group.mixer.head_dim + (group.mixer.v_head_dim or group.mixer.head_dim))
    if group.mixer.kind == "mla":
        kv = keys.tokens * profile.score_dim * 1.0
    kv_bytes = kv / np.minimum(keys.tp, max(group.mixer.kv_heads, 1)) * 2.0 * (1.0 if has_mixer else 0.0)
    ring = collectives.all_gather(tiers, keys.cp, keys.tp, kv_bytes * keys.cp)
    zero = np.zeros_like(keys.tp)
    result = {"tp": (per_pass, tp_back), "cp": (ring, 2.0 * ring), "ep": (zero, zero)}
    if profile.experts:
        routed = keys.tokens / np.where(keys.sp > 0, keys.tp, 1.0) * profile.experts_per_token * profile.expert_input
        routed = routed * machine.profile.imbalance
        domains = np.maximum(keys.ep / tiers[0].size, 1.0)
        share = collectives.distinct_domains_share(
            domains, float(profile.experts_per_token), float(model.routed_groups_limit)
        )
        share = 1.0 - machine.profile.ep_dedup * (1.0 - share)
        dispatch = collectives.all_to_all(tiers, keys.ep, one, routed * machine.profile.ep_dispatch_bytes, share)
        combine = collectives.all_to_all(tiers, keys.ep, one, routed * 2.0, share)
        result["ep"] = (dispatch + combine, combine * 2.0)
    return result


SELECTIVE = ("core_attention", "norms", "activation", "latent_up", "operators")
"""What selective recomputation may repeat: scores of unfused attention, outputs of norms, gated activations (of dense
layers and experts), up-projections of latent attention, or every cheap operator and every other matrix (torchtitan's
per-operator policy)."""


def _activation_bytes(
    profile: LayerProfile, group: LayerGroup, keys: Keys, machine: Machine, hidden: int
) -> tuple[Floats, Floats]:
    """Bytes a layer keeps for its backward pass, and the part that the stack's selective recomputation drops."""
    saved = 2.0 if machine.recipe.cast_bytes == 0 else 1.0  # a quantised input of a matrix is kept quantised
    mixer, ff = group.mixer, group.feed_forward
    drops = machine.profile.selective
    normed = saved * hidden * (float(mixer.kind != "none") + float(ff.kind != "none")) * (0.5 if group.parallel else 1)
    outer = 2.0 * group.norms * hidden + normed  # inputs of the norms (the residual stream), and their outputs
    inner = 0.0
    inner_freed = 0.0
    extra16 = 0.0 if saved == 2.0 else saved
    for g in profile.gemms:
        if g.name in {"qkv", "q", "q_up", "kv_up", "in"}:
            inner += 2.0 * g.n
            if g.name in {"q_up", "kv_up"} and "latent_up" in drops:
                inner_freed += 2.0 * g.n
        elif g.name in {"q_down", "kv_down"}:
            outer += (2.0 + saved) * g.n
        elif g.name == "out":
            inner += (2.0 + extra16) * g.k
        elif g.name.endswith("up") and not g.name.startswith("latent"):
            inner += 2.0 * g.n
        elif g.name.endswith("down") and not g.name.startswith("latent"):
            inner += saved * g.k
            inner_freed += saved * g.k if "activation" in drops else 0.0
    if mixer.kind == "mla":
        joined = 2.0 * mixer.heads * (mixer.qk_nope_head_dim + 2 * mixer.qk_rope_head_dim)
        inner += joined
        inner_freed += joined if "latent_up" in drops else 0.0
    if profile.scan_flops:
        inner += 4.0 * sum(g.n for g in profile.gemms if g.name == "in")
    expert = expert_freed = 0.0
    for g in profile.expert_gemms:
        expert += (saved * g.k + 2.0 * g.n) if g.name.endswith("up") else saved * g.k
        if not g.name.endswith("up") and "activation" in drops:
            expert_freed += saved * g.k
    if not machine.profile.flash:
        outer += 2.0 * hidden  # dropout masks
    routed = keys.tokens / np.where(keys.ep > 1, np.where(keys.sp > 0, keys.tp, 1.0), 1.0)
    routed = routed * profile.experts_per_token * machine.profile.imbalance
    inside = keys.tokens / keys.tp
    kept = outer * keys.norm_tokens + inner * inside
    freed = (normed if "norms" in drops else 0.0) * keys.norm_tokens + inner_freed * inside
    if profile.experts:
        kept = kept + routed * (expert / keys.expert_tp) + 8.0 * profile.experts * keys.norm_tokens
        freed = freed + routed * (expert_freed / keys.expert_tp)
    core = np.zeros_like(keys.tp)
    if not machine.profile.flash and profile.score_dim:
        core = 5.0 * mixer.heads * keys.sequence * keys.tokens / keys.tp
    kept, freed = kept * machine.profile.activations, freed * machine.profile.activations
    if "operators" in drops:
        freed = 0.5 * (kept - 2.0 * hidden * keys.norm_tokens)
    return kept + core, freed + (core if "core_attention" in drops else 0.0)


def _selective_seconds(profile: LayerProfile, keys: Keys, machine: Machine, forward: dict[str, Floats]) -> Floats:
    """Forward seconds that the stack's selective recomputation repeats."""
    drops = machine.profile.selective
    again = np.zeros_like(keys.tp)
    if "operators" in drops:
        return again + forward["elementwise"] + 0.5 * forward["gemm"]
    if "core_attention" in drops and (not machine.profile.flash or drops == ("core_attention",)):
        again = again + forward["attention"]
    again = again + (CHEAP_SHARE * forward["elementwise"] if {"norms", "activation"} & set(drops) else 0.0)
    if "latent_up" in drops:
        for g in profile.gemms:
            if g.name in {"q_up", "kv_up"}:
                n, k = np.full_like(keys.tp, float(g.n)) / keys.tp, np.full_like(keys.tp, float(g.k))
                again = again + _low_time(keys.tokens, n, k, machine)
    return np.asarray(again)


def _host_wait(busy: Floats, host_s: Floats | float) -> Floats:
    """Seconds kernels wait for the host to launch them: a smooth maximum of the two, less the kernels' own time."""
    if not np.any(np.asarray(host_s) > 0):
        return np.zeros_like(busy)
    ratio = host_s / np.maximum(busy, 1e-12)
    return np.asarray(busy * ((1.0 + ratio**4) ** 0.25 - 1.0))


def layer_cost(profile: LayerProfile, group: LayerGroup, model: ModelArch, keys: Keys, machine: Machine) -> LayerCost:
    """Everything about one layer of a group."""
    gemm_f, gemm_b = _matrices(profile, keys, machine)
    routed = np.zeros_like(keys.tp)
    if profile.experts:
        expert_f, expert_b, routed = _experts(profile, group, keys, machine)
        gemm_f, gemm_b = gemm_f + expert_f, gemm_b + expert_b
    attention_f, attention_b = _attention(profile, group, keys, machine)
    element_f, element_b = _elementwise(profile, group, keys, machine, model.hidden, routed)
    kernel = machine.profile.kernel
    forward = {"gemm": gemm_f * kernel, "attention": attention_f * kernel, "elementwise": element_f * kernel}
    backward = {"gemm": gemm_b * kernel, "attention": attention_b * kernel, "elementwise": element_b * kernel}
    busy_f = forward["gemm"] + forward["attention"] + forward["elementwise"]
    busy_b = backward["gemm"] + backward["attention"] + backward["elementwise"]
    forward["host"] = _host_wait(busy_f, machine.profile.host_s)
    backward["host"] = _host_wait(busy_b, 2.0 * machine.profile.host_s)
    if profile.experts:
        launches = machine.profile.expert_host_s + machine.profile.expert_launch_s * profile.experts / keys.ep
        forward["host"] = forward["host"] + machine.profile.moe_s + _host_wait(busy_f, launches)
        backward["host"] = backward["host"] + machine.profile.moe_s + _host_wait(busy_b, 2.0 * launches)
    p, sigma = machine.profile, machine.platform.comm_core_share
    traffic = _communication(profile, group, keys, machine, model)
    omegas: dict[str, Floats | float] = {"tp": p.tp_overlap, "cp": p.cp_overlap, "ep": p.ep_overlap}
    if p.async_tp:  # all tiles but the first travel under the product of the one before
        omegas["tp"] = np.where(keys.sp > 0, np.maximum(1.0 - 1.0 / keys.tp, p.tp_overlap), p.tp_overlap)
    for name, (ahead, back) in traffic.items():
        omega = np.minimum(np.asarray(omegas[name]) * machine.platform.overlap_factor, 1.0)
        window_f = attention_f if name == "cp" else busy_f
        window_b = attention_b if name == "cp" else busy_b
        forward[name] = exposed(ahead, window_f, omega, sigma, p.mu)
        backward[name] = exposed(back, window_b, omega, sigma, p.mu)
    kept, freed = _activation_bytes(profile, group, keys, machine, model.hidden)
    return LayerCost(
        forward=forward,
        backward=backward,
        kept_bytes=kept,
        freed_bytes=freed,
        again=_selective_seconds(profile, keys, machine, forward),
        input_bytes=2.0 * model.hidden * keys.norm_tokens,
        dense_params=profile.dense_params / keys.tp,
        routed_params=profile.routed_params / (keys.ep * keys.expert_tp),
    )


@dataclass(frozen=True)
class EndCost:
    """The ends of the model, arrays (u,): seconds of the embedding, and of head and loss, for one micro-batch."""

    embedding_s: Floats
    head_forward_s: Floats
    head_backward_s: Floats
    logits_bytes: Floats
    embedding_params: Floats
    head_params: Floats


def end_cost(model: ModelArch, keys: Keys, machine: Machine) -> EndCost:
    """Embedding look-up, output head (always 16 bits) and the loss over the vocabulary."""
    hidden, vocab = float(model.hidden), model.vocab / keys.tp
    bandwidth, law = machine.platform.memory_bandwidth, machine.law
    width = np.full_like(keys.tp, hidden)
    forward = gemm_seconds(keys.tokens, vocab, width, machine.rate16, bandwidth, law)
    backward = gemm_seconds(keys.tokens, width, vocab, machine.rate16, bandwidth, law)
    backward = backward + gemm_seconds(vocab, width, keys.tokens, machine.rate16 * law.wgrad, bandwidth, law)
    loss = stream_seconds(10.0 * keys.tokens * vocab, 5, bandwidth, law)
    lookup = stream_seconds(6.0 * keys.tokens * hidden, 4, bandwidth, law)
    table = model.vocab * hidden / keys.tp
    return EndCost(
        embedding_s=lookup * machine.profile.kernel,
        head_forward_s=(forward + loss) * machine.profile.kernel,
        head_backward_s=(backward + loss) * machine.profile.kernel,
        logits_bytes=keys.tokens
        * vocab
        * np.where(keys.tp > 1, machine.profile.split_logit_bytes, machine.profile.logit_bytes),
        embedding_params=table + model.learned_positions * hidden,
        head_params=table,
    )


def all_layers(model: ModelArch, keys: Keys, machine: Machine) -> tuple[tuple[LayerCost, int], ...]:
    """The cost of a layer of every group, with the number of layers of the group."""
    return tuple(
        (layer_cost(profile, model.groups[profile.group], model, keys, machine), profile.count)
        for profile in layer_profiles(model)
    )
