"""Options of Megatron-LM (pretrain_gpt.py) for a training run.

Written for the options of Megatron-LM after Megatron Core 0.14; the tests hold them to that version's definitions.
How the planner's terms map: ZeRO 1 is the distributed optimizer; ZeRO 2 and 3 are Megatron FSDP sharding gradients, and
parameters too; experts spread over EP are not cut by TP (``expert-tensor-parallel-size 1``); layers that stages do not
divide are placed by a pipeline layout, as the performance model places them.
"""

from __future__ import annotations

import math

import numpy as np

from planner.catalog.architecture import LayerGroup, ModelArch
from planner.export.settings import Job, Launch
from planner.performance.training.pipeline import stage_layers

TOOL = "Megatron-LM (options as of commit 000c4ac, after Megatron Core 0.14)"
_PRECISION = {
    "bf16": (("--bf16", None),),
    "fp16": (("--fp16", None),),
    "fp8": (("--bf16", None), ("--fp8-format", "hybrid")),
    "fp4": (("--bf16", None), ("--fp4-format", "e2m1")),
}


def megatron(job: Job) -> Launch:
    """The options of a run; with ``--data-path`` and a tokenizer added it is ready for ``pretrain_gpt.py``."""
    launch = Launch(job, TOOL)
    p, asked = job.deployment.parallelism, job.asked
    launch.option("--tensor-model-parallel-size", p.tp, of="tp")
    if p.sp:
        launch.option("--sequence-parallel", of="sp")
    launch.option("--pipeline-model-parallel-size", p.pp, of="pp")
    _stages(launch)
    launch.option("--context-parallel-size", p.cp, of="cp")
    if job.model.is_moe:
        launch.option("--expert-model-parallel-size", p.ep, of="ep")
        if p.ep > 1:
            launch.option("--expert-tensor-parallel-size", 1)
            launch.option("--moe-token-dispatcher-type", "alltoall")
    elif p.ep == 1:
        launch.said("The model has no experts: expert parallelism is 1 of itself.", of="ep")
    launch.said(
        f"Data parallelism of {p.dp} follows from {job.chips} ranks over tp x pp x cp = {p.tp * p.pp * p.cp}.", of="dp"
    )
    _sharding(launch)
    _batch(launch)
    if p.recompute == "selective":
        launch.option("--recompute-granularity", "selective", of="recompute")
    elif p.recompute == "full":
        launch.option("--recompute-granularity", "full", of="recompute")
        launch.option("--recompute-method", "uniform")
        launch.option("--recompute-num-layers", 1)
    elif p.recompute == "none":
        launch.said("Nothing is recomputed: no option of recomputation is given.", of="recompute")
    for name, value in _PRECISION.get(job.deployment.precision, ()):
        launch.option(name, value, of="precision")
    step = job.deployment.predicted.step_time_s
    if asked.checkpoint_interval_s is not None and step:
        launch.option("--save-interval", max(1, round(asked.checkpoint_interval_s / step)), of="checkpoint_interval_s")
    _network(launch)
    launch.said("One run is one replica, of role train.", of=("replicas", "role"))
    return launch


def _stages(launch: Launch) -> None:
    """Interleaving, and where layers go when the stages do not divide them."""
    p, model = launch.job.deployment.parallelism, launch.job.model
    layers = model.layers
    if p.vpp > 1 and layers % (p.pp * p.vpp) == 0:
        launch.option("--num-layers-per-virtual-pipeline-stage", layers // (p.pp * p.vpp), of=("vpp", "schedule"))
        return
    if p.vpp > 1:  # embedding and head count as a layer each (the planner's grid allows nothing else)
        launch.option("--num-virtual-stages-per-pipeline-rank", p.vpp, of=("vpp", "schedule"))
        launch.option("--account-for-embedding-in-pipeline-split")
        launch.option("--account-for-loss-in-pipeline-split")
        return
    launch.said("No interleaving: one chunk of layers a stage (1F1B).", of=("vpp", "schedule"))
    if p.pp > 1 and (layers % p.pp or model.mtp_layers):
        launch.option("--pipeline-model-parallel-layout", pipeline_layout(layers, p.pp, model.mtp_layers))


def pipeline_layout(layers: int, stages: int, mtp_layers: int = 0) -> str:
    """Layers of each stage as Megatron writes them: E embedding, t a layer, m an extra prediction, L the loss.

    As many layers as ``performance.pipeline.stage_layers`` gives the fullest and the last stage; what is left over goes
    to stages in the middle first.
    """
    fullest, last = (int(x[0]) for x in stage_layers(layers, np.array([float(stages)])))
    whole = layers // stages
    rest = layers - whole * stages
    counts = [whole] * stages
    counts[-1] = last
    rest -= last - whole
    order = sorted(range(stages - 1), key=lambda i: (i == 0, i))
    for i in order[:rest]:
        counts[i] = fullest
    parts = ["t" * n for n in counts]
    parts[0] = "E" + parts[0]
    parts[-1] += "m" * mtp_layers + "L"
    return "|".join(parts)


def _sharding(launch: Launch) -> None:
    stage = launch.job.deployment.parallelism.zero_stage or 0
    if stage == 0:
        launch.said("ZeRO 0: optimizer states are whole on every data-parallel rank.", of="zero_stage")
        launch.option("--overlap-grad-reduce")
        return
    launch.option("--use-distributed-optimizer", of="zero_stage")
    launch.option("--overlap-grad-reduce")
    launch.option("--overlap-param-gather")
    if stage >= 2:
        launch.option("--use-megatron-fsdp")
        launch.option("--data-parallel-sharding-strategy", "optim_grads" if stage == 2 else "optim_grads_params")
        launch.option("--ckpt-format", "fsdp_dtensor")


def _batch(launch: Launch) -> None:
    p, asked = launch.job.deployment.parallelism, launch.job.asked
    launch.option("--micro-batch-size", p.micro_batch or 1, of="micro_batch")
    batch = p.global_batch or asked.global_batch or 1
    launch.option("--global-batch-size", batch, of="global_batch")
    if asked.sequence_length:
        launch.option("--seq-length", asked.sequence_length, of="sequence_length")
        launch.option("--max-position-embeddings", max(asked.sequence_length, launch.job.model.max_context))
        if asked.tokens:
            launch.option("--train-iters", math.ceil(asked.tokens / (batch * asked.sequence_length)), of="tokens")


def _network(launch: Launch) -> None:
    """The model's own options, where Megatron has options for all of its layers."""
    model = launch.job.model
    reason = unlike(model)
    if reason:
        launch.said(f"Options of the network are not given: {reason}. Take them from the recipe of {model.id}.")
        launch.said(f"The model is {model.id}.", of="model")
        return
    main, mixer = model.groups[-1], model.groups[-1].mixer
    launch.option("--num-layers", model.layers, of="model")
    launch.option("--hidden-size", model.hidden)
    launch.option("--ffn-hidden-size", dense_width(model))
    launch.option("--num-attention-heads", mixer.heads)
    if mixer.kind == "mla":
        launch.option("--multi-latent-attention")
        if mixer.q_lora_rank:
            launch.option("--q-lora-rank", mixer.q_lora_rank)
        launch.option("--kv-lora-rank", mixer.kv_lora_rank)
        launch.option("--qk-head-dim", mixer.qk_nope_head_dim)
        launch.option("--qk-pos-emb-head-dim", mixer.qk_rope_head_dim)
        launch.option("--v-head-dim", mixer.v_head_dim)
    else:
        launch.option("--kv-channels", mixer.head_dim)
        if mixer.kv_heads != mixer.heads:
            launch.option("--group-query-attention")
            launch.option("--num-query-groups", mixer.kv_heads)
    if main.feed_forward.gated:
        launch.option("--swiglu")
    launch.option("--normalization", "LayerNorm" if main.norm_bias else "RMSNorm")
    launch.option("--position-embedding-type", "learned_absolute" if model.learned_positions else "rope")
    if not main.feed_forward.bias and not mixer.bias_out:
        launch.option("--disable-bias-linear")
        if mixer.bias:
            launch.option("--add-qkv-bias")
    if not model.tied_embeddings:
        launch.option("--untie-embeddings-and-output-weights")
    launch.option("--vocab-size", model.vocab)
    if model.mtp_layers:
        launch.option("--mtp-num-layers", model.mtp_layers)
    if model.is_moe:
        _experts(launch, model)


def _experts(launch: Launch, model: ModelArch) -> None:
    routed = model.groups[-1].feed_forward
    launch.option("--num-experts", routed.experts)
    launch.option("--moe-router-topk", routed.experts_per_token)
    launch.option("--moe-ffn-hidden-size", routed.expert_hidden)
    launch.option("--moe-grouped-gemm")
    if routed.shared_hidden:
        launch.option("--moe-shared-expert-intermediate-size", routed.shared_hidden)
    if len(model.groups) == 2:
        dense, moe = (g.count for g in model.groups)
        launch.option("--moe-layer-freq", f"([0]*{dense}+[1]*{moe})")


def dense_width(model: ModelArch) -> int:
    """Width of the dense feed-forward; of an expert where there is no dense layer."""
    return next(
        (g.feed_forward.hidden for g in model.groups if g.feed_forward.kind == "dense"),
        model.groups[-1].feed_forward.expert_hidden,
    )


def unlike(model: ModelArch) -> str:
    """Why Megatron's plain options cannot say what this model is made of; empty when they can."""
    groups = model.groups
    kinds = {g.mixer.kind for g in groups}
    if kinds - {"attention", "mla"} or len({g.mixer for g in groups}) > 1:
        return "its layers mix several kinds of attention or state space"
    if any(g.mixer.window or g.mixer.compressed or g.mixer.sparse_top_k or g.mixer.sinks for g in groups):
        return "its attention has windows, sinks or sparse keys"
    if any(g.parallel or g.hyper_streams for g in groups):
        return "its layers are not plain pre-norm blocks"
    if len(groups) > 2 or (len(groups) == 2 and not _dense_first(groups)):
        return "its layers alternate"
    return "it sees images" if model.vision is not None else ""


def _dense_first(groups: tuple[LayerGroup, ...]) -> bool:
    return groups[0].feed_forward.kind == "dense" and groups[1].feed_forward.kind == "moe"
