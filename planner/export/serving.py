"""Flags of vLLM and SGLang for a serving replica.

Written for vLLM 0.33 and SGLang 0.5.23; the tests hold them to those versions' definitions. How the planner's terms
map: copies of attention are data parallelism (vLLM counts them beside TP, SGLang inside it); requests in flight and the
prefill chunk are of one copy in vLLM and of the whole replica in SGLang, which divides them itself; experts are either
spread over all chips of a stage or not at all in vLLM.
"""

from __future__ import annotations

import json

from planner.export.quoting import Variable
from planner.export.settings import Job, Launch
from planner.performance.precision import peak_name
from planner.performance.serving.checkpoint import unloadable
from planner.performance.serving.job import ServingJob

VLLM = "vLLM 0.33"
SGLANG = "SGLang 0.5.23"
_VLLM_KV = {"bf16": "auto", "fp16": "auto", "fp8": "fp8", "int8": "int8_per_token_head", "fp4": "nvfp4"}
_SGLANG_KV = {"bf16": "bf16", "fp8": "fp8_e4m3", "fp4": "nvfp4"}
_VLLM_WEIGHTS = {"fp8": "fp8"}
_SGLANG_WEIGHTS = {"fp8": "fp8", "fp4": "nvfp4_online"}
_DTYPE = {"bf16": "bfloat16", "fp16": "float16"}
MASTER, RANK, PORT = Variable("$MASTER_ADDR"), Variable("$NODE_RANK"), 29501
"""What the launcher (Slurm, LeaderWorkerSet) tells each server of a replica."""


def vllm(job: Job) -> Launch:
    """Flags of ``vllm serve MODEL``."""
    launch = Launch(job, VLLM)
    p = job.deployment.parallelism
    launch.option("--tensor-parallel-size", p.tp, of="tp")
    launch.option("--pipeline-parallel-size", p.pp, of="pp")
    if p.dp > 1:
        launch.option("--data-parallel-size", p.dp, of="dp")
    else:
        launch.said("One copy of attention.", of="dp")
    if job.model.is_moe and p.ep == 1 and unloadable(_served(job), p.tp, p.dp, 1):
        launch.option("--enable-expert-parallel", of="ep")
        launch.said("Expert parallel, which the plan does not count on: cut, the checkpoint's blocks would not load.")
    elif not job.model.is_moe or p.ep == 1:
        launch.said("Experts, if any, are cut like the dense layers.", of="ep")
    elif p.ep == p.tp * p.dp:
        launch.option("--enable-expert-parallel", of="ep")
    _vllm_nodes(launch)
    batch, chunk = _limits(job)
    if batch is not None:
        copies = max(1, -(-batch // p.dp))
        launch.option("--max-num-seqs", copies, of="batch")
        if copies * p.dp != batch:
            launch.said(f"{batch} requests in flight are not divided evenly by {p.dp} copies: rounded up.")
    if chunk is not None:
        launch.option("--max-num-batched-tokens", chunk, of="chunk_tokens")
        launch.said("vLLM counts decoded tokens of a step in the chunk too; the plan does not.")
    _weights(launch, _VLLM_WEIGHTS)
    _cache(launch, _VLLM_KV)
    memory = job.asked.memory_fraction if _engine(job) == "vllm" else None
    memory = _utilisation(job) if memory is None else memory
    if memory is not None:
        launch.option("--gpu-memory-utilization", memory, of="memory_fraction")
    if job.asked.cached_prefix:
        launch.option("--enable-prefix-caching")
        launch.said(f"The plan counts on {job.asked.cached_prefix:.0%} of prompts being cached.", of="cached_prefix")
    if p.drafts:
        spoken = {"method": job.asked.speculation or "mtp", "num_speculative_tokens": p.drafts}
        launch.option("--speculative-config", json.dumps(spoken), of="drafts")
        _drafter(launch)
    role = job.deployment.role
    if role in {"prefill", "decode"}:
        kind = "kv_producer" if role == "prefill" else "kv_consumer"
        launch.option("--kv-transfer-config", json.dumps({"kv_connector": "NixlConnector", "kv_role": kind}), of="role")
    else:
        launch.said("Prefill and decode run on the same replica.", of="role")
    if job.asked.kind == "encoding":
        launch.option("--runner", "pooling")
    _common(launch)
    return launch


def _vllm_nodes(launch: Launch) -> None:
    """How a replica spans servers: whole copies of attention on each, or the ranks of one copy over several."""
    job = launch.job
    p = job.deployment.parallelism
    if job.nodes == 1:
        return
    copy = p.tp * p.pp
    if p.dp > 1 and copy <= job.chips_per_server:
        local = job.chips_per_server // copy
        launch.option("--data-parallel-size-local", local)
        launch.option("--data-parallel-address", MASTER)
        launch.option("--data-parallel-rpc-port", PORT)
        launch.option("--data-parallel-start-rank", Variable("$DP_START_RANK"))
        launch.said(f"On server number n of a replica DP_START_RANK is {local} n; all but the first add --headless.")
        return
    launch.option("--distributed-executor-backend", "mp")
    launch.option("--nnodes", job.nodes)
    launch.option("--node-rank", RANK)
    launch.option("--master-addr", MASTER)
    launch.option("--master-port", PORT)
    launch.said("On all servers of a replica but the first add --headless.")


def sglang(job: Job) -> Launch:
    """Flags of ``python -m sglang.launch_server``."""
    launch = Launch(job, SGLANG)
    p = job.deployment.parallelism
    launch.option("--model-path", job.model.id, of="model")
    launch.option("--tp-size", p.tp * p.dp, of=("tp", "dp"))
    if p.dp > 1:
        launch.option("--attn-dp-size", p.dp)
        launch.said(f"SGLang counts the {p.dp} copies of attention inside TP: {p.tp} x {p.dp}.")
    launch.option("--pp-size", p.pp, of="pp")
    launch.option("--ep-size", p.ep, of="ep")
    if job.nodes > 1:
        launch.option("--nnodes", job.nodes)
        launch.option("--node-rank", RANK)
        launch.option("--dist-init-addr", Variable(f"{MASTER}:{PORT}"))
    batch, chunk = _limits(job)
    if batch is not None:
        launch.option("--max-running-requests", batch, of="batch")
    if chunk is not None:
        launch.option("--chunked-prefill-size", chunk * p.dp, of="chunk_tokens")
        if p.dp > 1:
            launch.said(f"SGLang divides the chunk by the copies: {chunk} tokens a step and copy.")
    if job.asked.memory_fraction is not None and _engine(job) == "sglang":
        launch.option("--mem-fraction-static", job.asked.memory_fraction, of="memory_fraction")
    _weights(launch, _SGLANG_WEIGHTS)
    _cache(launch, _SGLANG_KV)
    if job.asked.cached_prefix:
        launch.said(
            f"The prefix cache is on by default; the plan counts on {job.asked.cached_prefix:.0%} of prompts in it.",
            of="cached_prefix",
        )
    if p.drafts:
        launch.option("--speculative-algorithm", "EAGLE", of="drafts")
        launch.option("--speculative-num-steps", p.drafts)
        launch.option("--speculative-eagle-topk", 1)
        launch.option("--speculative-num-draft-tokens", p.drafts + 1)
        _drafter(launch)
    role = job.deployment.role
    if role in {"prefill", "decode"}:
        launch.option("--disaggregation-mode", role, of="role")
        if job.chip.text("family") == "huawei_ascend":
            launch.option("--disaggregation-transfer-backend", "ascend")
    else:
        launch.said("Prefill and decode run on the same replica.", of="role")
    if job.asked.kind == "encoding":
        launch.option("--is-embedding")
    _common(launch)
    return launch


def _limits(job: Job) -> tuple[int | None, int | None]:
    """Requests in flight and prefill chunk of a replica; the largest of its classes where a load has classes."""
    d = job.deployment
    batch, chunk = d.parallelism.batch, d.parallelism.chunk_tokens
    if d.answers:
        batch, chunk = max(a.batch for a in d.answers), max(a.chunk_tokens for a in d.answers)
    return batch, chunk


def _drafter(launch: Launch) -> None:
    """What drafts: the checkpoint itself, or a head that has to be named."""
    if launch.job.asked.speculation == "eagle":
        launch.said("EAGLE drafts with a head of its own: name its checkpoint beside the model's.")


def _weights(launch: Launch, online: dict[str, str]) -> None:
    """Number format of the weights: the checkpoint's own, or made while loading."""
    job = launch.job
    wanted, stored = job.deployment.precision, job.model.weights
    if wanted in _DTYPE:
        launch.option("--dtype", _DTYPE[wanted], of="precision")
        if stored not in _DTYPE and stored:
            launch.said(f"Weights are published in {stored}: load a checkpoint in {wanted}.")
    elif stored == wanted or any(c.precision == wanted for c in job.model.checkpoints):
        launch.said(f"Weights are published in {wanted}: the checkpoint says how they are quantised.", of="precision")
    elif wanted in online:
        launch.option("--quantization", online[wanted], of="precision")
        launch.said(f"Weights are quantised to {wanted} while loading; a checkpoint in {wanted} needs no such flag.")
    else:
        launch.said(
            f"Weights in {wanted}: load a checkpoint quantised to {wanted}; the server reads the method from it.",
            of="precision",
        )


def _cache(launch: Launch, names: dict[str, str]) -> None:
    wanted = launch.job.asked.kv_precision
    if wanted in names:
        launch.option("--kv-cache-dtype", names[wanted], of="kv_precision")


def _served(job: Job) -> ServingJob:
    """The job as vLLM would load it."""
    return ServingJob(job.model, peak_name(job.deployment.precision))


def _engine(job: Job) -> str:
    """The engine that the workload named, without its release."""
    return job.asked.engine.partition(" ")[0]


def _utilisation(job: Job) -> float | None:
    """Share of a chip's memory that the plan lets the server use."""
    limit = job.deployment.predicted.memory_limit_gb_per_chip
    if not limit:
        return None
    share = round(limit / job.memory_gb, 3)
    return share if 0.0 < share <= 1.0 else None


def _common(launch: Launch) -> None:
    job = launch.job
    d, asked = job.deployment, job.asked
    launch.said(
        f"Start {d.replicas} of these behind one router"
        + (f", which passes each at most {d.predicted.requests_per_s / d.replicas:.4g} requests/s." if
           d.predicted.requests_per_s else "."),
        of="replicas",
    )  # fmt: skip
    if asked.finish_within_days is not None and d.parallelism.load is not None:
        launch.said(f"They are full for {d.parallelism.load:.0%} of the hours that the work may take.", of="load")
    elif d.parallelism.load is not None:
        launch.said(f"That is {d.parallelism.load:.0%} of what a replica could do: latency needs the rest.", of="load")
    launch.said(f"The model is {job.model.id}: put the path or name of its checkpoint.", of="model")
    for a in d.answers:
        launch.said(
            f"Class {a.name}: {a.requests_per_s:.4g} requests/s of {a.input_tokens} + {a.output_tokens} tokens, at most"
            f" {a.batch} in flight on a replica in chunks of {a.chunk_tokens}; the router keeps to that.",
            of="answers",
        )
    longest, native = (asked.input_tokens or 0) + (asked.output_tokens or 0), job.model.max_context
    if native and longest > native:
        factor = -(-longest // native)
        launch.said(
            f"Requests are longer than the {native} positions of {job.model.id}: set YaRN in the checkpoint's config"
            f" (rope_type yarn, factor {factor}, original_max_position_embeddings {native})."
        )
    launch.said(f"The plan counts with {asked.engine or 'vllm'} and its memory.", of="engine")
    if asked.input_tokens and asked.output_tokens:
        launch.said(
            f"Requests of {asked.input_tokens} + {asked.output_tokens} tokens are means: the longest request that must"
            " be answered sets the context length, which is left to the model's own.",
            of=("input_tokens", "output_tokens"),
        )
    if d.parallelism.vpp == 1 and d.parallelism.cp == 1:
        launch.said("No interleaved stages and no context parallelism.", of=("vpp", "cp"))
