"""Framework profiles: how mature a training stack is, as named parameters.

The same chips and model differ by 1.25-1.35x between a plain and a heavily tuned stack, so the stack is part of the
question. A profile is chosen by the framework's name (and, where one name spans eras, its year), never by a result.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Profile:
    """Parameters of a framework.

    ``flash``: fused attention (otherwise scores, softmax and dropout pass through memory, and nothing is skipped for
    causality). ``memory_passes``: element-wise traffic over that of a fused stack; ``other_passes``: the same of layers
    that are not attention with a dense feed-forward network (experts, latent attention, state space), 0 where alike.
    ``host_s``: seconds of host work per layer and forward pass (twice that backward). ``kernel``: multiplier on all
    kernel times; ``attention``: share of the law's attention rate its kernels reach; ``moe_s``: seconds of routing
    bookkeeping per expert layer and pass; ``expert_host_s``: seconds in which the host routes, permutes and dispatches
    the tokens of an expert layer forward (twice that backward), ``expert_launch_s`` the same for each local expert:
    kernels launched one by one cannot be faster; 0 where whole iterations are captured or compiled;
    ``ep_dedup``: share of the saving from sending a token once to a domain (hierarchical dispatch) that is realised.
    ``p2p_split_gradients``: the ranks of a tensor-parallel group send gradients to the stage before in parts, as they
    send activations; DeepSpeed's pipelines split only these.
    ``*_overlap``: omega, the share of that communication which the schedule hides. ``mu``: slow-down while overlapped.
    ``optimizer_bytes``: of masters and moments a parameter (12: Adam in FP32; 8: precision-aware, 16-bit moments);
    ``sharded_weight_bytes``: of a weight at rest where weights are sharded: 0 where the FP32 masters are the weights
    (FSDP). ``logit_bytes``: alive per logit in loss and its gradient, ``split_logit_bytes`` under tensor parallelism:
    8 fused or compiled, 16 eager. ``selective``: what selective recomputation repeats, of ``layer_table.SELECTIVE``.
    ``grad_bytes``: bytes of a gradient as kept, ``grad_traffic_bytes`` as reduced; ``grad_all_reduce``: every rank gets
    all sums, though optimizer states are sharded (DeepSpeed's BF16 optimizer). ``joined_ports``: data-parallel groups
    whose ranks alternate on a server use the ports of all of them (NCCL 2.12 of 2022, PXN). ``memory_pressure``:
    slow-down of a step that needs most of the chip's memory (the allocator frees its cache and asks again).
    ``accumulate_bytes``: bytes per local parameter that adding a micro-batch's gradients to those before moves, 0 where
    weight gradients are accumulated in the matrix product. ``permute``: traffic of token permutation over that of
    separate kernels; ``cast``: traffic of quantisation over the recipe's; ``generation``: year of its techniques.
    ``hybrid_shard``: weights are sharded inside a scale-up domain only and
    replicated across (ZeRO 3 of pods). ``reduce_every_micro_batch``: gradients are reduced each micro-batch, not once.
    ``straggler_cv``: relative spread of step times between servers. ``step_s``: seconds of host work per step.
    ``schedule``: 1f1b, zb_h1 or dualpipe. ``balanced_stages``: layers are placed so that embedding, head and
    multi-token prediction count. ``overhead_gib``: context and libraries on the chip; ``bucket_gib``:
    what gradients are collected in where they are sharded (ZeRO 2, 3).
    ``activations``: bytes kept for backward over those of fused operators. ``fused_experts``: products, gated
    activation and quantisation of the routed experts are one kernel where the recipe scales blocks. ``level_as``: the
    profile whose calibrated level it shares; ``code``: the code base it shares with other profiles.

    Techniques of a run, off unless asked for (``with_changes``, ``training_grid.techniques``): ``async_tp``: matrices
    and the collectives of tensor parallelism with sequence parallelism are cut into tp tiles, one transfer under
    the next product. ``recompute_share``: share of the layers that full recomputation repeats.
    ``offload_optimizer``, ``offload_weights``, ``offload_activations``: share of these bytes kept off the chip;
    ``offload_gb_s``: GB/s per chip and direction of a supernode's pool or of drives that keep them, 0 for the hosts'
    memory over the platform's host link, whose processors update optimizer states.
    ``tiled_loss``: output head and loss over tiles of the sequence, an eighth of the logits alive at a time.
    """

    name: str
    flash: bool = True
    memory_passes: float = 1.0
    other_passes: float = 0.0
    host_s: float = 0.0
    kernel: float = 1.0
    attention: float = 1.0
    moe_s: float = 1e-4
    expert_host_s: float = 1.5e-3
    expert_launch_s: float = 5e-5
    ep_dedup: float = 0.5
    tp_overlap: float = 0.2
    cp_overlap: float = 0.7
    ep_overlap: float = 0.2
    dp_overlap: float = 0.85
    zero3_overlap: float = 0.85
    p2p_overlap: float = 0.5
    p2p_split_gradients: bool = True
    mu: float = 0.03
    grad_bytes: float = 4.0
    optimizer_bytes: float = 12.0
    sharded_weight_bytes: float = 2.0
    logit_bytes: float = 8.0
    split_logit_bytes: float = 8.0
    selective: tuple[str, ...] = ("core_attention",)
    grad_traffic_bytes: float = 2.0
    grad_all_reduce: bool = False
    joined_ports: bool = True
    memory_pressure: float = 0.0
    accumulate_bytes: float = 0.0
    permute: float = 1.0
    cast: float = 1.0
    generation: int = 2024
    hybrid_shard: bool = False
    reduce_every_micro_batch: bool = False
    straggler_cv: float = 0.006
    step_s: float = 0.01
    schedule: str = "1f1b"
    ep_dispatch_bytes: float = 2.0
    fused_experts: bool = False
    imbalance: float = 1.0
    overhead_gib: float = 2.5
    bucket_gib: float = 0.0
    activations: float = 1.0
    balanced_stages: bool = False
    async_tp: bool = False
    recompute_share: float = 1.0
    offload_optimizer: float = 0.0
    offload_weights: float = 0.0
    offload_activations: float = 0.0
    offload_gb_s: float = 0.0
    tiled_loss: bool = False
    level_as: str = ""
    code: str = ""

    @property
    def level_name(self) -> str:
        """The profile whose calibrated level it has: releases of one stack share theirs."""
        return self.level_as or self.name

    @property
    def code_base(self) -> str:
        """The code base it is a release or a tuned copy of; its own where it names none."""
        return self.code or self.name

    @property
    def updates_on_host(self) -> bool:
        """Whether all optimizer states lie in the hosts' memory, where their processors update them."""
        return self.offload_optimizer >= 1 and self.offload_gb_s <= 0

    @property
    def offloads(self) -> bool:
        """Whether anything lives outside the chip's memory."""
        return self.offload_optimizer > 0 or self.offload_weights > 0 or self.offload_activations > 0


def with_changes(profile: Profile, **changes: object) -> Profile:
    """A copy of a profile with some parameters changed (a scenario's override)."""
    return replace(profile, **changes)  # type: ignore[arg-type]
