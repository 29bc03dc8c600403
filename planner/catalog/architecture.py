"""What a model is made of, in the field's standard architecture fields.

A model is an embedding, groups of identical layers (a mixer: attention or state space; then a feed-forward: dense,
mixture of experts, or none), and a head. Everything the planner computes about a model comes from this record.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

MixerKind = Literal["attention", "mla", "mamba2", "linear", "none"]
FeedForwardKind = Literal["dense", "moe", "none"]


@dataclass(frozen=True, slots=True)
class Mixer:
    """Token mixing of a layer.

    attention: ``heads`` query heads, ``kv_heads`` key/value heads, of size ``head_dim``; ``window`` limits the keys
    seen (sliding or chunked attention), None = all. mla: latent ranks of DeepSeek-V2/V3 (arXiv:2405.04434).
    mla with ``output_groups``: the compressed attention of DeepSeek-V4: one shared key/value head of ``head_dim``,
    low-rank queries, grouped low-rank output, a sliding ``window`` of raw keys and one compressed key for every
    ``compress_ratio`` tokens (0 = the window only), of which a sparse indexer, if any, keeps ``sparse_top_k``.
    mamba2: ``ssm_heads`` x ``ssm_head_dim`` inner channels, ``ssm_state`` state size, ``ssm_groups``,
    ``conv_kernel`` (arXiv:2405.21060). linear: gated delta / linear attention (Qwen3-Next): key and value heads below;
    with ``linear_decay_rank`` every channel of a key decays at its own rate (Kimi Delta Attention, arXiv:2510.26692).
    """

    kind: MixerKind = "attention"
    heads: int = 0
    kv_heads: int = 0
    head_dim: int = 0
    v_head_dim: int = 0  # 0 = head_dim
    window: int | None = None
    chunked: bool = False  # ``window`` is a fixed chunk the query sits in (Llama 4), not a sliding window
    bias: bool = False  # bias on q, k, v (and o when bias_out)
    bias_out: bool = False
    qk_norm: bool = False
    output_gate: bool = False  # a gate of the output, element by element (Qwen3-Next, Kimi K3)
    head_gate: bool = False  # a gate of the output, one a query head (Step 3.5)
    shared_kv: bool = False  # values are the keys' projection: one matrix, both cached (Gemma 4's full layers)
    wide_norm: bool = False  # norms of q and k run over all heads together (MiniMax M2, OLMo 2)
    sinks: bool = False  # one learned logit per head (gpt-oss)
    # MLA
    q_lora_rank: int = 0  # 0 = no query compression
    kv_lora_rank: int = 0
    qk_nope_head_dim: int = 0
    qk_rope_head_dim: int = 0
    sparse_top_k: int = 0  # keys kept by a sparse indexer (DeepSeek-V3.2), 0 = all
    index_heads: int = 0
    index_head_dim: int = 0
    # compressed attention, a form of mla
    compress_ratio: int = 0
    output_groups: int = 0
    output_lora_rank: int = 0
    # state space / linear
    ssm_heads: int = 0
    ssm_head_dim: int = 0
    ssm_state: int = 0
    ssm_groups: int = 0
    conv_kernel: int = 0
    linear_k_heads: int = 0
    linear_k_head_dim: int = 0
    linear_v_heads: int = 0
    linear_v_head_dim: int = 0
    linear_decay_rank: int = 0  # of the low-rank projection to the decay of each key channel; 0 = one decay a head

    @property
    def compressed(self) -> bool:
        """Whether this is the compressed attention of DeepSeek-V4."""
        return self.kind == "mla" and self.output_groups > 0


@dataclass(frozen=True, slots=True)
class FeedForward:
    """Channel mixing of a layer. ``gated``: three matrices (SwiGLU, GeGLU); otherwise two.

    moe: ``experts`` routed experts of width ``expert_hidden``, ``experts_per_token`` used for each token, plus a dense
    shared expert of width ``shared_hidden`` in total (0 = none). ``expert_input`` is the width routed experts read
    when it is not the model's hidden size (latent MoE), 0 = hidden.
    """

    kind: FeedForwardKind = "dense"
    hidden: int = 0
    gated: bool = True
    bias: bool = False
    experts: int = 0
    experts_per_token: int = 0
    expert_hidden: int = 0
    expert_input: int = 0
    shared_hidden: int = 0
    shared_gate: bool = False  # a scalar gate on the shared expert (Qwen2-MoE)
    router_bias: bool = False
    idle_experts: int = 0  # experts of the router that compute nothing (LongCat); ``experts_per_token`` leaves them out
    beside: int = 0  # width of a dense feed-forward that runs beside the experts (Gemma 4), 0 = none


@dataclass(frozen=True, slots=True)
class LayerGroup:
    """``count`` identical layers."""

    count: int
    mixer: Mixer
    feed_forward: FeedForward
    norms: int = 2  # normalisations of size hidden per layer
    norm_bias: bool = False  # LayerNorm (weight and bias) instead of RMSNorm
    parallel: bool = False  # attention and feed-forward in parallel (GPT-J, PaLM, Falcon)
    hyper_streams: int = 0  # residual streams mixed around mixer and feed-forward (hyper-connections), 0 = one


@dataclass(frozen=True, slots=True)
class EmbeddingTables:
    """Tables of a recommender (DLRM): ``rows`` x ``dim`` each, ``pooling`` look-ups per sample."""

    tables: int
    rows: int
    dim: int
    pooling: float


@dataclass(frozen=True, slots=True)
class VisionTower:
    """A vision encoder: a plain transformer over patches, and the projector to the language model."""

    layers: int
    hidden: int
    heads: int
    ffn_hidden: int
    gated: bool = False
    patch: int = 14
    tokens_per_image: int = 576  # tokens the language model sees
    patches_per_image: int = 576  # patches the tower sees (more than the tokens where patches are merged)
    other_parameters: int = 0  # patch embedding, positions, merger, projector


@dataclass(frozen=True, slots=True)
class Denoiser:
    """A diffusion transformer: the network of one step over patches of a latent image or video.

    ``cross_attention``: the prompt is attended to apart; otherwise its tokens are among the image's (joint).
    ``experts``: networks of ``parameters`` each that share the steps, all held in memory. ``latent_stride`` pixels,
    ``frame_stride`` frames make one latent cell, ``patch`` x ``patch`` cells a token. ``guidance_distilled``: one pass
    a step whatever the guidance.
    """

    layers: int
    hidden: int
    heads: int
    ffn_hidden: int
    parameters: float
    text_tokens: int
    cross_attention: bool = False
    experts: int = 1
    latent_stride: int = 8
    frame_stride: int = 1
    patch: int = 2
    guidance_distilled: bool = False
    text_encoder_parameters: float = 0.0
    decoder_flops_per_pixel: float = 2.5e6  # of the autoencoder (planner estimate from its layers)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint quantised to ``precision`` as its maker publishes it: what stays in 16 bits, and how scales lie.

    ``kept``: parts whose matrices stay in 16 bits (``CHECKPOINT_PARTS``); embedding, head, router, norms and vision
    always do. ``kept_layers``: layers, at both ends, that stay whole in 16 bits. ``block``: rows and
    columns that share one scale, so that a shard of tensor parallelism is a multiple of it; 0 = no such rule.
    ``others``: precision of quantised matrices outside the routed experts where it is another; empty = the same.
    """

    precision: str
    kept: tuple[str, ...] = ()
    kept_layers: int = 0
    block: int = 0
    others: str = ""


CHECKPOINT_PARTS = ("attention", "recurrent", "dense", "shared", "experts")
"""Token mixing by attention and by a recurrent state, dense feed-forward, shared expert, routed experts."""


@dataclass(frozen=True)
class ModelArch:
    """A model of the catalog. Parameter counts are of the weights, not of the marketing label."""

    id: str
    name: str
    family: str  # llama, qwen, deepseek, gpt, mixtral, gemma, nemotron, dlrm, ...
    kind: Literal["dense", "moe", "hybrid", "hybrid_moe", "vlm", "recommender", "diffusion"]
    hidden: int
    vocab: int
    groups: tuple[LayerGroup, ...]
    tied_embeddings: bool = False
    learned_positions: int = 0
    max_context: int = 0
    mtp_layers: int = 0  # multi-token prediction modules (not counted in ``total``)
    mtp: tuple[LayerGroup, ...] = ()  # layers of one such module; empty = one like the model's last
    yarn_context: int = 0  # context that YaRN extends ``max_context`` to, as the maker documents it; 0 = no extension
    state_precision: str = "bf16"  # of recurrent states, whatever the cache is in
    routed_groups_limit: int = 0  # node-limited routing: groups of devices a token may go to, 0 = no limit
    vision: VisionTower | None = None
    denoiser: Denoiser | None = None
    tables: tuple[EmbeddingTables, ...] = ()
    bottom_mlp: tuple[int, ...] = ()
    top_mlp: tuple[int, ...] = ()
    dense_features: int = 0
    cross_layers: int = (
        0  # low-rank cross layers of DCNv2 (arXiv:2008.13535) between bottom and top MLP, 0 = dot products
    )
    cross_rank: int = 0
    published_total: float | None = None  # exact published count of parameters, in units (not billions)
    published_active: float | None = None
    weights: str = "bf16"  # precision the released weights are stored in
    checkpoints: tuple[Checkpoint, ...] = ()  # one a precision
    aliases: tuple[str, ...] = ()
    source: str = ""
    as_of: str = ""
    note: str = ""

    @property
    def layers(self) -> int:
        """Number of layers."""
        return sum(g.count for g in self.groups)

    @property
    def longest_context(self) -> int:
        """Tokens that can be attended to, by YaRN where the maker documents it; 0 = not known."""
        return max(self.max_context, self.yarn_context)

    @property
    def mtp_groups(self) -> tuple[LayerGroup, ...]:
        """Layers of one multi-token prediction module."""
        return self.mtp or tuple(replace(g, count=1) for g in self.groups[-1:])

    @property
    def is_moe(self) -> bool:
        """Whether any layer routes tokens to experts."""
        return any(g.feed_forward.kind == "moe" for g in self.groups)
