"""A layer as the matrices and state it is made of: what the performance model multiplies, moves and stores.

Every count here is of one layer of a group. Sources: attention and feed-forward, arXiv:1706.03762 and 2002.05202;
grouped queries, 2305.13245; latent attention (MLA), 2405.04434; sparse indexer, DeepSeek-V3.2; Mamba-2, 2405.21060;
gated delta rule, 2412.06464; latent experts, Nemotron 3 Super.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

from planner.catalog.architecture import FeedForward, LayerGroup, Mixer, ModelArch

Shard = Literal["column", "row", "none"]

# FLOPs of one recurrent step per state element: decay (1), outer product added (3), read-out (2), skip (1).
# The same 7 as Megatron-LM counts for Mamba-2; the gated delta rule: decay 1, prediction 2, update 2, read-out 2.
SCAN_FLOPS_PER_STATE_ELEMENT = 7.0


COMPRESS_OVERLAP_RATIO = 4  # DeepSeek-V4 compresses by 4 with overlapping blocks, by 128 without


@dataclass(frozen=True, slots=True)
class Gemm:
    """One weight matrix applied to a token: ``k`` inputs, ``n`` outputs, so 2*n*k FLOPs and n*k weights.

    ``shard`` is how tensor parallelism cuts it: ``column`` (outputs), ``row`` (inputs), ``none`` (replicated).
    Matrices that frameworks fuse are one Gemm (q, k and v; gate and up).
    """

    name: str
    n: int
    k: int
    shard: Shard

    @property
    def weights(self) -> int:
        """Number of weights."""
        return self.n * self.k

    @property
    def flops(self) -> int:
        """Forward FLOPs per token."""
        return 2 * self.n * self.k


@dataclass(frozen=True, slots=True)
class LayerProfile:
    """One layer of a group.

    gemms: every non-routed matrix (attention projections, dense or shared feed-forward, router, state-space
    projections); expert_gemms: those of ONE routed expert. dense_params: all parameters that are not in routed
    experts, norms and biases included; routed_params: of all routed experts together.
    score_dim: attention core, forward, is 2*score_dim FLOPs per (query, key) pair = heads*(qk_dim + v_dim).
    kv_elements: cache elements per token of context; state_elements: per sequence, whatever its length, of the
    recurrent state (of compressed attention: its window); conv_elements: the same of the convolution's last inputs.
    scan_flops: forward FLOPs per token of the scan and its convolution.
    """

    group: int
    count: int
    gemms: tuple[Gemm, ...]
    expert_gemms: tuple[Gemm, ...]
    dense_params: int
    routed_params: int
    experts: int
    experts_per_token: int
    score_dim: int
    window: int | None
    kv_elements: int
    state_elements: int
    scan_flops: float
    conv_elements: int = 0
    index_elements: int = 0  # of ``kv_elements``, those of the keys of a sparse indexer
    local_elements: int = 0  # cache elements a token of the window that is kept beside a compressed cache
    chunked: bool = False  # ``window`` is a fixed chunk, not sliding
    decode_score_dim: int = 0  # score_dim when decoding: MLA attends in the latent space (weights absorbed)
    sparse_top_k: int = 0  # tokens whose keys a sparse indexer keeps (the cache still holds all), 0 = all
    index_score_dim: int = 0  # indexer FLOPs, forward, per (query, key) pair = 2 * index_score_dim, over all keys
    expert_input: int = (
        0  # width of a token as it travels to a routed expert (hidden unless latent MoE), 0 = no experts
    )

    @property
    def gemm_weights(self) -> int:
        """Weights of the non-routed matrices."""
        return sum(g.weights for g in self.gemms)

    @property
    def expert_weights(self) -> int:
        """Weights of one routed expert."""
        return sum(g.weights for g in self.expert_gemms)

    @property
    def active_gemm_weights(self) -> int:
        """Weights a token is multiplied with."""
        return self.gemm_weights + self.experts_per_token * self.expert_weights


@dataclass(frozen=True, slots=True)
class _Mixing:
    gemms: tuple[Gemm, ...] = ()
    extra: int = 0  # parameters outside the matrices
    score_dim: int = 0
    decode_score_dim: int = 0
    index_score_dim: int = 0
    kv: int = 0
    state: int = 0
    taps: int = 0
    local: int = 0
    index_kv: int = 0
    scan: float = 0.0


def _attention(m: Mixer, hidden: int) -> _Mixing:
    v = m.v_head_dim or m.head_dim
    q_out = m.heads * m.head_dim
    kv = m.kv_heads * (m.head_dim + v)
    made = m.kv_heads * m.head_dim if m.shared_kv else kv
    qkv_out = q_out + (m.heads * v if m.output_gate else 0) + (m.heads if m.head_gate else 0) + made
    extra = (q_out + made if m.bias else 0) + (hidden if m.bias_out else 0) + (m.heads if m.sinks else 0)
    if m.qk_norm:
        extra += q_out + m.kv_heads * m.head_dim if m.wide_norm else 2 * m.head_dim
    score = m.heads * (m.head_dim + v)
    gemms: tuple[Gemm, ...] = (Gemm("qkv", qkv_out, hidden, "column"), Gemm("out", hidden, m.heads * v, "row"))
    index = m.index_heads * m.index_head_dim
    if m.index_heads:  # of a sparse indexer beside grouped queries (MiniMax M3): queries and one shared key, normalised
        gemms += (Gemm("index_q", index, hidden, "none"), Gemm("index_k", m.index_head_dim, hidden, "none"))
        extra += 2 * m.index_head_dim
        kv += m.index_head_dim
    return _Mixing(gemms, extra, score, score, index, kv=kv)


def _mla(m: Mixer, hidden: int) -> _Mixing:
    qk = m.qk_nope_head_dim + m.qk_rope_head_dim
    v = m.v_head_dim
    gemms: list[Gemm] = []
    extra = m.kv_lora_rank  # norm of the latent
    if m.q_lora_rank:
        gemms += [
            Gemm("q_down", m.q_lora_rank, hidden, "none"),
            Gemm("q_up", m.heads * qk, m.q_lora_rank, "column"),
        ]
        extra += m.q_lora_rank
    else:
        gemms.append(Gemm("q", m.heads * qk, hidden, "column"))
    gemms += [
        Gemm("kv_down", m.kv_lora_rank + m.qk_rope_head_dim, hidden, "none"),
        Gemm("kv_up", m.heads * (m.qk_nope_head_dim + v), m.kv_lora_rank, "column"),
        Gemm("out", hidden, m.heads * v, "row"),
    ]
    if m.output_gate:
        gemms.append(Gemm("gate", m.heads * v, hidden, "column"))
    kv = latent = m.kv_lora_rank + m.qk_rope_head_dim
    index = 0
    if m.index_heads:
        index = m.index_heads * m.index_head_dim
        gemms += [
            Gemm("index_q", index, m.q_lora_rank or hidden, "none"),
            Gemm("index_k", m.index_head_dim, hidden, "none"),
            Gemm("index_weights", m.index_heads, hidden, "none"),
        ]
        extra += 2 * m.index_head_dim  # LayerNorm of the index key
        kv += m.index_head_dim
    decode = m.heads * (2 * m.kv_lora_rank + m.qk_rope_head_dim)
    return _Mixing(tuple(gemms), extra, m.heads * (qk + v), decode, index, kv=kv, index_kv=kv - latent)


def _compressor(name: str, ratio: int, width: int, hidden: int) -> tuple[tuple[Gemm, ...], int]:
    """Learned pooling of ``ratio`` tokens into one key: values and gates (overlapping blocks at ratio 4)."""
    wide = width * (2 if ratio == COMPRESS_OVERLAP_RATIO else 1)
    return (Gemm(f"{name}_values_gates", 2 * wide, hidden, "none"),), ratio * wide + width


def _compressed(m: Mixer, hidden: int) -> _Mixing:
    """DeepSeek-V4. A query sees the window and one key per ``compress_ratio`` tokens, so per token of context the core,
    the cache and the indexer cost a ratio-th; the window is a fixed cost and a fixed state."""
    d, ratio = m.head_dim, m.compress_ratio
    group_out = m.output_groups * m.output_lora_rank
    gemms: tuple[Gemm, ...] = (
        Gemm("q_down", m.q_lora_rank, hidden, "none"),
        Gemm("q_up", m.heads * d, m.q_lora_rank, "column"),
        Gemm("kv", d, hidden, "none"),
        Gemm("out_down", group_out, m.heads * d // m.output_groups, "column"),
        Gemm("out", hidden, group_out, "row"),
    )
    extra = m.q_lora_rank + d + m.heads  # two norms, sinks
    score = 2 * m.heads * d
    if not ratio:
        return _Mixing(gemms, extra, score, score, kv=d)
    more, params = _compressor("compress", ratio, d, hidden)
    gemms, extra = gemms + more, extra + params
    index, kv = 0, d // ratio
    if m.index_heads:
        index = m.index_heads * m.index_head_dim
        more, params = _compressor("index_compress", ratio, m.index_head_dim, hidden)
        gemms += (Gemm("index_q", index, m.q_lora_rank, "none"), Gemm("index_weights", m.index_heads, hidden, "none"))
        gemms, extra = gemms + more, extra + params
        kv += m.index_head_dim // ratio
    window = m.window or 0
    return _Mixing(
        gemms, extra, score // ratio, score // ratio, index // ratio, kv, state=window * d, local=d,
        index_kv=kv - d // ratio, scan=2.0 * score * window,
    )  # fmt: skip


def _mamba2(m: Mixer, hidden: int) -> _Mixing:
    inner = m.ssm_heads * m.ssm_head_dim
    conv = inner + 2 * m.ssm_groups * m.ssm_state
    gemms = (Gemm("in", inner + conv + m.ssm_heads, hidden, "column"), Gemm("out", hidden, inner, "row"))
    extra = conv * (m.conv_kernel + 1) + 3 * m.ssm_heads + inner  # convolution; A, D, dt bias; gated norm
    state = inner * m.ssm_state
    scan = SCAN_FLOPS_PER_STATE_ELEMENT * state + 2.0 * conv * m.conv_kernel
    return _Mixing(gemms, extra, state=state, taps=conv * (m.conv_kernel - 1), scan=scan)


def _linear(m: Mixer, hidden: int) -> _Mixing:
    keys = m.linear_k_heads * m.linear_k_head_dim
    values = m.linear_v_heads * m.linear_v_head_dim
    conv = 2 * keys + values
    rank = m.linear_decay_rank
    decay = (
        Gemm("decay", m.linear_v_heads, hidden, "column"),  # b (write strength)
        Gemm("decay_down", rank, hidden, "none"),
        Gemm("decay_up", keys, rank, "column"),
    )
    gemms = (
        Gemm("in", conv + values, hidden, "column"),  # q, k, v and the output gate z
        *(decay if rank else (Gemm("decay", 2 * m.linear_v_heads, hidden, "column"),)),  # b and a (decay)
        Gemm("out", hidden, values, "row"),
    )
    # convolution; A and bias of the decay; norm
    extra = conv * m.conv_kernel + m.linear_v_heads + (keys if rank else m.linear_v_heads) + m.linear_v_head_dim
    state = m.linear_v_heads * m.linear_k_head_dim * m.linear_v_head_dim
    scan = SCAN_FLOPS_PER_STATE_ELEMENT * state + 2.0 * conv * m.conv_kernel
    return _Mixing(gemms, extra, state=state, taps=conv * (m.conv_kernel - 1), scan=scan)


def _mixing(m: Mixer, hidden: int) -> _Mixing:
    match m.kind:
        case "attention":
            return _attention(m, hidden)
        case "mla":
            return _compressed(m, hidden) if m.compressed else _mla(m, hidden)
        case "mamba2":
            return _mamba2(m, hidden)
        case "linear":
            return _linear(m, hidden)
        case "none":
            return _Mixing()


def _mlp(prefix: str, width: int, hidden: int, gated: bool) -> tuple[Gemm, ...]:
    up = (
        Gemm(f"{prefix}gate_up", 2 * width, hidden, "column") if gated else Gemm(f"{prefix}up", width, hidden, "column")
    )
    return (up, Gemm(f"{prefix}down", hidden, width, "row"))


def _bias(gemms: tuple[Gemm, ...]) -> int:
    return sum(g.n for g in gemms)


def _feed_forward(f: FeedForward, hidden: int) -> tuple[tuple[Gemm, ...], tuple[Gemm, ...], int, int]:
    """Dense matrices, matrices of one routed expert, other dense parameters, parameters of one routed expert."""
    if f.kind == "none":
        return (), (), 0, 0
    if f.kind == "dense":
        gemms = _mlp("", f.hidden, hidden, f.gated)
        return gemms, (), _bias(gemms) if f.bias else 0, 0
    latent = f.expert_input or hidden
    expert = _mlp("expert_", f.expert_hidden, latent, f.gated)
    routed = f.experts + f.idle_experts
    dense: tuple[Gemm, ...] = (Gemm("router", routed, hidden, "none"),)
    extra = routed if f.router_bias else 0
    if f.beside:
        dense += _mlp("", f.beside, hidden, f.gated)
    if latent != hidden:
        dense += (Gemm("latent_down", latent, hidden, "none"), Gemm("latent_up", hidden, latent, "none"))
    if f.shared_hidden:
        shared = _mlp("shared_", f.shared_hidden, hidden, f.gated)
        dense += shared
        extra += _bias(shared) if f.bias else 0
    if f.shared_gate:
        dense += (Gemm("shared_gate", 1, hidden, "none"),)
    one = sum(g.weights for g in expert) + (_bias(expert) if f.bias else 0)
    return dense, expert, extra, one


@functools.lru_cache(maxsize=4096)
def layer_profile(group: LayerGroup, hidden: int, index: int = 0) -> LayerProfile:
    """The profile of one layer of ``group`` in a model of width ``hidden``."""
    mix = _mixing(group.mixer, hidden)
    ff, expert, ff_extra, one_expert = _feed_forward(group.feed_forward, hidden)
    gemms = mix.gemms + ff
    norms = group.norms * hidden * (2 if group.norm_bias else 1)
    if group.hyper_streams:  # mixing weights of the residual streams, before mixer and feed-forward (arXiv:2409.19606)
        mixes = (2 + group.hyper_streams) * group.hyper_streams
        gemms += tuple(Gemm(f"hyper_{i}", mixes, group.hyper_streams * hidden, "none") for i in ("mixer", "ffn"))
    moe, compressed = group.feed_forward.kind == "moe", group.mixer.compressed
    experts = group.feed_forward.experts if moe else 0
    return LayerProfile(
        group=index,
        count=group.count,
        gemms=gemms,
        expert_gemms=expert,
        dense_params=sum(g.weights for g in gemms) + mix.extra + ff_extra + norms,
        routed_params=experts * one_expert,
        experts=experts,
        experts_per_token=group.feed_forward.experts_per_token if moe else 0,
        score_dim=mix.score_dim,
        window=None if compressed and group.mixer.compress_ratio else group.mixer.window,
        kv_elements=mix.kv,
        state_elements=mix.state,
        scan_flops=mix.scan,
        conv_elements=mix.taps,
        index_elements=mix.index_kv,
        local_elements=mix.local,
        chunked=group.mixer.chunked,
        decode_score_dim=mix.decode_score_dim,
        sparse_top_k=group.mixer.sparse_top_k * (max(group.mixer.compress_ratio, 1) if compressed else 1),
        index_score_dim=mix.index_score_dim,
        expert_input=(group.feed_forward.expert_input or hidden) if moe else 0,
    )


def layer_profiles(model: ModelArch) -> tuple[LayerProfile, ...]:
    """One profile per layer group of ``model``, in the order of ``model.groups`` (empty for a recommender)."""
    return tuple(layer_profile(group, model.hidden, i) for i, group in enumerate(model.groups))
