"""Serving: from a job, a platform and replica shapes to throughput, TTFT and TPOT.

The load is a closed loop of ``batch`` clients (a benchmark's concurrency, an offline run's batch); ``serving_load``
reads the same figures as percentiles under random arrivals. Aggregated replicas are a mean field
(docs/serving-model.md):

    b      requests in flight per attention copy and stage slot, at most what the cache holds
    N      = b i'/C  steps that carry a prefill chunk while b requests are served;   i' tokens left to prefill
    D      = (o-1)/(1+a)  decode steps of a request
    N_tot  = max(N, D + i'/C)   steps of the cohort;    g = b D / N_tot  decoding in each
    T      = N t(C, g) + (N_tot - N) t(0, g);   rate = batch / T;   TPOT = T / N_tot / (1+a);   TTFT by Little's law
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from planner.performance.platform import Platform
from planner.performance.serving.engine import profile_of
from planner.performance.serving.job import (
    AGGREGATED,
    BYTES_PER_ELEMENT,
    DECODE,
    PREFILL,
    ServingCandidates,
    ServingEstimate,
    ServingJob,
    one_candidate,
)
from planner.performance.serving.kv_budget import cache_bytes_per_request, default_sequences, kv_budget
from planner.performance.serving.levels import layouts_of
from planner.performance.serving.profile import ServingProfile
from planner.performance.serving.step import PARTS, StepLoad, StepModel

__all__ = [
    "AGGREGATED",
    "DECODE",
    "PREFILL",
    "ServingCandidates",
    "ServingEstimate",
    "ServingJob",
    "estimate_serving",
    "one_candidate",
]

Floats = NDArray[np.float64]


_TOGETHER = 2048
"""Candidates up to which the three kinds of step are priced in one pass: few calls beat small arrays."""


def step_parts(
    step: StepModel, c: ServingCandidates, prompt: float, context: float, width: float,
    loads: Sequence[tuple[Floats, Floats]],
) -> list[Mapping[str, Floats]]:  # fmt: skip
    """Parts of steps that carry (prefill tokens, decoding sequences), one mapping of arrays (n,) per load.

    Two interleaved micro-batches where an engine does that and it is quicker.
    """
    n = len(c)
    if n > _TOGETHER:
        found = [step.seconds(c, StepLoad(p, prompt, g, context, width)) for p, g in loads]
    else:
        again = np.tile(np.arange(n), len(loads))
        many = c.take(again)
        joined = StepLoad(
            np.concatenate([p for p, _ in loads]), prompt, np.concatenate([g for _, g in loads]), context, width
        )
        parts = step.taking(again).seconds(many, joined)
        found = [{name: v[k * n : (k + 1) * n] for name, v in parts.items()} for k in range(len(loads))]
    if step.profile.two_batches:
        wide = np.flatnonzero((c.role != AGGREGATED) & (c.attention_dp > 1) & (c.ep >= TWO_BATCH_RANKS))
        if wide.size:
            found = [
                _interleaved(
                    step.taking(wide), c.take(wide), wide, StepLoad(p[wide], prompt, g[wide], context, width), whole
                )
                for (p, g), whole in zip(loads, found, strict=True)
            ]
    return found


TWO_BATCH_RANKS = 16
"""Expert ranks from which engines that can interleave two micro-batches do (published uses: 16 to 320)."""


def _interleaved(
    step: StepModel, c: ServingCandidates, at: NDArray[np.int64], load: StepLoad, whole: Mapping[str, Floats]
) -> Mapping[str, Floats]:
    """Parts of a step where the candidates at ``at`` run it as two interleaved halves if that is quicker."""
    one = {name: v[at] for name, v in whole.items()}
    two = step.two_batches(c, load, one)
    quicker = _total(two) < _total(one)
    parts = {name: v.copy() for name, v in whole.items()}
    for name in PARTS:
        parts[name][at] = np.where(quicker, two[name], one[name])
    return parts


def _total(parts: Mapping[str, Floats]) -> Floats:
    return np.asarray(sum(parts[name] for name in PARTS))


def estimate_serving(
    job: ServingJob, platform: Platform, candidates: ServingCandidates, profile: ServingProfile | None = None
) -> ServingEstimate:
    """Throughput, latency and memory of every candidate, arrays (n,).

    ``profile`` None takes the planner's calibrated profile of the job's engine on the platform's family. Raises
    ``UnknownFigureError`` when the chip has no published rate the job's precision can run at.
    """
    if profile is None:
        profile = profile_of(job, platform)
    c = candidates
    c_job = job
    i, o = float(job.input_tokens), float(job.output_tokens)
    step = StepModel(job, platform, profile)
    pp, dp = c.pp.astype(np.float64), c.attention_dp.astype(np.float64)
    chunk = c.chunk.astype(np.float64)
    role = c.role
    draft = job.draft_tokens > 0
    # --- memory: how many requests a copy can hold
    held = np.where(role == PREFILL, i, i + profile.kv_hold * job.answer_of_a_token)
    budget = kv_budget(
        job.model, precision=job.precision, kv_precision=job.kv_precision, memory_bytes=platform.memory_bytes,
        tp=c.tp, pp=c.pp, attention_dp=c.attention_dp, chunk=c.chunk, held_tokens=held, profile=profile, draft=draft,
        in_work=np.where(role == DECODE, 0, c.chunk),
        sequences=default_sequences(platform.family, platform.memory_bytes),
    )  # fmt: skip
    asked = c.batch / dp
    in_flight = np.maximum(np.minimum(asked, budget.slots), np.minimum(asked, 1.0))
    b = in_flight / pp  # per stage slot
    # --- steps
    new = max(i * (1.0 - profile.reuse_efficiency * job.cached_prefix), 1.0)  # tokens of work; see A.5 of the sources
    gain = 1.0 + job.accepted_drafts
    decodes = np.where(role == PREFILL, 0.0, max(o - 1.0, 0.0) / gain)
    width = 1.0 + job.draft_tokens
    context, prompt = i + job.answer_of_a_token / 2.0, job.prompt_of_a_token
    total_new = np.where(role == DECODE, 0.0, new)
    alone = np.where(role == DECODE, 0.0, np.maximum(total_new / chunk, 1.0))  # prefill steps of one request
    steps_guess = np.maximum(b * total_new / chunk, decodes + alone)
    unseen = np.where(role == AGGREGATED, job.poll_steps - 1.0, 0.0)  # more steps than one between looks for requests
    arriving = np.maximum(1.0, (1.0 + unseen) * b / np.maximum(steps_guess, 1.0))  # prompts that start in one step
    size = np.maximum(np.minimum(chunk, total_new * arriving), 1.0)
    mixed_steps = np.where(role == DECODE, 0.0, b * total_new / size)
    all_steps = np.maximum(np.maximum(mixed_steps, decodes + alone + unseen / 2.0), 1e-9)
    decoding = b * decodes / all_steps
    some = role != DECODE
    carried = np.where(some, size, 0.0)  # prompt tokens of a step that carries some
    first_chunk = np.where(some, np.minimum(chunk, total_new), 0.0)
    beside = decoding if profile.mixed else np.zeros(b.shape)  # what decodes in such a step
    pure, mixed, only = step_parts(
        step, c, prompt, context, width, ((np.zeros(b.shape), decoding), (carried, beside), (first_chunk, 0.0 * b))
    )
    pure_s, mixed_s, only_s = _total(pure), _total(mixed), _total(only)
    if not profile.mixed:  # a prefill step of its own stops the decodes: the cohort gains the steps
        decode_steps = np.maximum(all_steps - alone, decodes)
        cohort = mixed_steps * mixed_s + decode_steps * pure_s
        all_steps = mixed_steps + decode_steps
    else:
        cohort = mixed_steps * mixed_s + (all_steps - mixed_steps) * pure_s
    prompts_s = mixed_steps * np.maximum(mixed_s - (pure_s if profile.mixed else 0.0), 0.0)
    share = mixed_steps / all_steps
    breakdown = {name: share * mixed[name] + (1.0 - share) * pure[name] for name in PARTS}
    mean_step = _total(breakdown)
    # --- rates and times
    requests = in_flight * dp / cohort
    # a chunk passes all stages; the next follows one stage behind
    prefill_s = only_s * (alone + pp - 1.0) / pp * np.where(some, 1.0, 0.0)
    ttft, wait = _ttft(
        job, profile, role, alone, mixed_s, pure_s, share, all_steps, decodes, prefill_s, b, pp, dp, cohort
    )
    busy = np.clip(mixed_steps * mixed_s / cohort, 0.0, 1.0)
    # Little's law: what a request does not spend on its first token it spends on the others
    has_decode = (role != PREFILL) & (decodes > 0)
    floor = pure_s / gain
    tpot = np.maximum((cohort - ttft) / np.maximum(decodes, 1e-9) / gain, floor)
    tpot = np.where(has_decode, np.where(decodes < 1.0, mean_step / gain, tpot), 0.0)
    ttft = np.where(role == DECODE, 0.0, ttft + step.host_s)
    ends = (profile.low80, profile.high80, profile.ttft_low80, profile.ttft_high80)
    if step.levels is not None:
        layout, per_chip = layouts_of(c), np.where(role == PREFILL, 0.0, in_flight * dp / c.chips)
        # what first tokens leave over is known of whole replicas; behind a front end it is the front end's queue
        before = ttft
        first = ttft * np.where(role == AGGREGATED, step.levels.ttft_of(layout, per_chip), 1.0)
        # of a whole replica, a request that stays longer for its first token keeps its place from another's
        stay = ttft + decodes * gain * tpot
        held_up = np.where(role == AGGREGATED, np.maximum(first - ttft, 0.0), 0.0)
        requests, ttft = requests / (1.0 + held_up / np.maximum(stay, 1e-30)), first
        wait = wait * (first / np.maximum(before, 1e-30))
        ends = (*step.levels.pace_ends(layout, per_chip), *step.levels.ttft_ends(layout, per_chip))  # type: ignore[assignment]
    waiting = np.maximum(c.batch - in_flight * dp, 0.0) / requests
    ttft = ttft + np.where(role == DECODE, 0.0, waiting)
    n = len(c)
    memory = {
        "weights": budget.weights,
        "activations": budget.activations,
        "non_torch": budget.non_torch,
        "kv_cache": np.minimum(in_flight, np.maximum(budget.slots, 1.0)) * budget.bytes_per_request,
    }
    used = np.asarray(sum(memory.values()))
    whole = _transfer_bytes(c_job, profile, i + o)
    return ServingEstimate(
        chips=c.chips,
        requests_per_s=requests,
        output_tokens_per_s=np.where(role == PREFILL, 0.0, requests * o),
        input_tokens_per_s=np.where(role == DECODE, 0.0, requests * i),
        ttft_s=ttft,
        tpot_s=tpot,
        concurrency=in_flight * dp,
        kv_capacity_tokens=budget.capacity * dp,
        memory_bytes=used,
        memory_limit_bytes=budget.limit,
        fits=(budget.slots >= np.maximum(1.0, np.minimum(pp, asked))) & (used <= budget.limit * (1.0 + 1e-9)),
        prefill_s=prefill_s,
        decode_step_s=np.where(role == PREFILL, 0.0, mean_step),
        step_s=mean_step,
        mixed_step_s=mixed_s,
        mixed_share=share,
        prefill_share=np.where(role == PREFILL, 1.0, np.clip(prompts_s / cohort, 0.0, 1.0)),
        breakdown=breakdown,
        memory=memory,
        low80=np.zeros(n) + ends[0],
        high80=np.zeros(n) + ends[1],
        ttft_low80=np.zeros(n) + ends[2],
        ttft_high80=np.zeros(n) + ends[3],
        kv_bytes_per_request=np.full(n, whole),
        host_s=np.zeros(n) + step.host_s,
        ttft_wait_s=wait,
        ttft_busy=busy,
    )


def first_token_extra_s(step: StepModel, c: ServingCandidates, prefill_s: Floats) -> Floats:
    """Seconds (n,) that first tokens of one client were measured to take beyond prefill and the host's part, less where
    they take fewer; 0 of pools of one phase, whose first tokens were measured behind front ends alone."""
    if step.levels is None:
        return np.zeros(len(c))
    factor = step.levels.ttft_of(layouts_of(c), 1.0 / c.chips)
    return np.where(c.role == AGGREGATED, (factor - 1.0) * (prefill_s + step.host_s), 0.0)


def unknown_of(
    job: ServingJob, platform: Platform, candidates: ServingCandidates, profile: ServingProfile | None = None
) -> tuple[str, ...]:
    """In words, what no measured run has in common with a job in one layout (arrays of length one)."""
    if profile is None:
        profile = profile_of(job, platform)
    if not profile.levels:
        return ()
    return profile.levels.of_job(job).unknown(int(layouts_of(candidates)[0]))


def _transfer_bytes(job: ServingJob, profile: ServingProfile, tokens: float) -> float:
    one = np.ones(1, dtype=np.int64)
    size = BYTES_PER_ELEMENT[job.kv_precision]
    return float(cache_bytes_per_request(job.model, tokens, size, one, one, profile.block_tokens)[0])


def _ttft(
    job: ServingJob, profile: ServingProfile, role: NDArray[np.int64], alone: Floats, mixed_s: Floats, pure_s: Floats,
    share: Floats, all_steps: Floats, decodes: Floats, prefill_s: Floats, b: Floats, pp: Floats, dp: Floats,
    cohort: Floats,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Mean time to first token inside the engine, closed loop: own chunks, half a step of phase, waiting for others;
    and the part of it that is waiting.

    Others: those that started together (``synchrony`` of the cohort's prefill, half of it on average) and, M/D/1 with
    load ``share``, those that did not. Where requests are alike, an engine that stops decoding for prompts keeps those
    together that started together (``wave_synchrony``); one that mixes both spreads them by a step each. What is left
    of the cohort after decoding bounds it from both sides: decoding takes ``decodes`` pure steps at least; at most,
    as many mixed ones, or where prompts have steps of their own, all but a request's own prefill.
    """
    reuse = 1.0 - profile.reuse_ttft_efficiency * job.cached_prefix
    throughput = 1.0 - profile.reuse_efficiency * job.cached_prefix
    own = mixed_s * (alone + pp - 1.0) / pp * (reuse / throughput)
    copies = profile.copies_wait * pure_s * (1.0 - 1.0 / dp)  # until copies of attention prefill together
    own = own + np.where(role == PREFILL, 0.0, 0.5 * job.poll_steps * pure_s + copies) / pp
    behind = np.minimum(share / (2.0 * np.maximum(1.0 - share, 1e-3)), np.maximum(b - 1.0, 0.0) / 2.0)
    prefill = share * all_steps * mixed_s
    synchrony = profile.wave_synchrony if job.waves and not profile.mixed else profile.synchrony
    together = 0.5 * synchrony * np.maximum(prefill - mixed_s * alone, 0.0)
    wish = own + profile.queue_weight * behind * mixed_s * alone + together
    longest = np.maximum(cohort - decodes * pure_s, own)
    shortest = np.maximum(cohort - decodes * np.maximum(mixed_s, pure_s), own) if profile.mixed else own
    whole = np.maximum(cohort, prefill_s) * (reuse / throughput)
    latency = np.where(role == PREFILL, whole, np.clip(wish, shortest, longest))
    latency = np.where(role == DECODE, 0.0, latency)
    return latency, np.where(role == AGGREGATED, np.maximum(latency - own, 0.0), 0.0)
