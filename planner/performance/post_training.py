"""Reinforcement learning after pre-training (GRPO and its kin): rollout, log-probabilities, update, weights handed on.

One step generates ``prompts x answers`` sequences with the current weights, scores them, and updates the weights:

    rollout     n = N / replicas sequences on each replica, b of them in flight (what the cache holds), decode steps of
                t(g) = t_1 + (t_b - t_1) (g - 1) / (b - 1) seconds with g sequences left:
                (n - b) mean / b * t_b  for all but the last b, and for those, which end one after another,
                t_1 L + (t_b - t_1) / (b - 1) * (b mean - L);   L: the longest answer, so long answers leave chips idle
    prompts     read once for all answers of a prompt
    log-probs   one forward pass of the policy, one of the reference model where there is one: a third of a training
                step's time each (forward of forward and backward)
    update      training steps over the N sequences
    weights     gathered tensor by tensor: all of them pass every chip's scale-out link; together on one set of chips
                also what must leave the chips' memory for the other phase, to the hosts and back
    reward      seconds that nothing overlaps (rule checkers: almost none; a reward model: a forward pass)

Together on one set of chips the phases follow one another. Apart, and one step (or more) off the policy, the slower
side sets the time. Shapes: arrays (n,) over rollout replicas and sizes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from planner.catalog.architecture import ModelArch
from planner.performance.platform import Platform
from planner.performance.serving.job import DECODE, PREFILL, ServingCandidates, ServingJob
from planner.performance.serving.replica import estimate_serving

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FORWARD_SHARE = 1.0 / 3.0
"""Of a training step's time that its forward pass takes: 2 of 6 FLOPs a weight and token."""
READ_CHUNK = 8192
FIXED_S = 5.0
"""Seconds a step for waking and stopping engines and moving samples between processes (estimate)."""
LOW80, HIGH80 = 0.65, 1.5
"""Multipliers on a step's time: 80% of the published steps of NeMo RL lie between (docs/workloads.md)."""


@dataclass(frozen=True)
class Rollout:
    """What a step generates. ``answer_cv``: standard deviation over mean of answer lengths (lognormal); ``longest``:
    tokens at which answers are cut."""

    model: ModelArch
    precision: str
    prompts: int
    answers: int
    prompt_tokens: float
    answer_tokens: float
    answer_cv: float
    longest: float
    engine: str = "vllm"

    @property
    def sequences(self) -> int:
        """Sequences of a step."""
        return self.prompts * self.answers

    def longest_of(self, count: Floats) -> Floats:
        """Expected longest of ``count`` answers, tokens: the quantile at 1 - 1 / (count + 1), cut at ``longest``."""
        if self.answer_cv <= 0:
            return np.full(np.shape(count), self.answer_tokens)
        sigma = math.sqrt(math.log1p(self.answer_cv**2))
        middle = math.log(self.answer_tokens) - sigma**2 / 2
        z = np.array([NormalDist().inv_cdf(1.0 - 1.0 / (n + 1.0)) for n in np.ravel(np.maximum(count, 1.0))])
        found = np.exp(middle + sigma * z).reshape(np.shape(count))
        return np.asarray(np.clip(found, self.answer_tokens, self.longest))


@dataclass(frozen=True)
class RolloutEstimate:
    """Arrays (n,): ``seconds`` of the generation, of which ``tail`` because answers differ in length;
    ``flowing_s`` where the next step's sequences follow at once (two steps or more off the policy);
    ``prompts_s`` of reading; ``in_flight`` sequences on a replica; memory in bytes per chip."""

    seconds: Floats
    flowing_s: Floats
    prompts_s: Floats
    tail_s: Floats
    in_flight: Floats
    fits: NDArray[np.bool_]
    memory_bytes: Floats
    memory_limit_bytes: Floats


def estimate_rollout(
    rollout: Rollout, platform: Platform, shapes: ServingCandidates, replicas: Ints
) -> RolloutEstimate:
    """Generation on ``replicas`` of some shapes (their batch, chunk and role are not read)."""
    r = rollout
    job = ServingJob(
        r.model, precision=r.precision, input_tokens=r.prompt_tokens, output_tokens=r.answer_tokens,
        output_cv=r.answer_cv, engine=r.engine,
    )  # fmt: skip
    copies = shapes.attention_dp
    each = np.ceil(r.sequences / np.maximum(replicas, 1))
    full = estimate_serving(job, platform, _decoding(shapes, np.ceil(each / copies).astype(np.int64) * copies))
    alone = estimate_serving(job, platform, _decoding(shapes, copies))
    # of one attention copy, which takes its share of the sequences
    n = each / copies
    b = np.maximum(np.minimum(full.concurrency / copies, n), 1.0)
    t_full, t_one = full.decode_step_s, np.minimum(alone.decode_step_s, full.decode_step_s)
    longest = r.longest_of(np.asarray(b * copies * replicas, np.float64))
    slope = np.where(b > 1.0, (t_full - t_one) / np.maximum(b - 1.0, 1e-9), 0.0)
    steady = np.maximum(n - b, 0.0) * r.answer_tokens / b * t_full
    last = t_one * longest + slope * np.maximum(b * r.answer_tokens - longest, 0.0)
    reading = replace(job, output_tokens=1.0)
    one = np.ones(len(shapes), dtype=np.int64)
    read = estimate_serving(
        reading, platform, replace(shapes, batch=copies, chunk=one * READ_CHUNK, role=one * PREFILL)
    )
    prompts_s = r.prompts * r.prompt_tokens / (np.maximum(read.input_tokens_per_s, 1e-9) * np.maximum(replicas, 1))
    # were all of them as long as the mean, the last would end with the others
    even = t_one * r.answer_tokens + slope * np.maximum(b * r.answer_tokens - r.answer_tokens, 0.0)
    flowing = n * r.answer_tokens / b * t_full
    return RolloutEstimate(
        seconds=steady + last,
        flowing_s=flowing,
        prompts_s=prompts_s,
        tail_s=np.maximum(last - even, 0.0),
        in_flight=full.concurrency,
        fits=np.asarray(full.fits & alone.fits & (replicas >= 1)),
        memory_bytes=full.memory_bytes,
        memory_limit_bytes=full.memory_limit_bytes,
    )


def _decoding(shapes: ServingCandidates, batch: Ints) -> ServingCandidates:
    one = np.ones(len(shapes), dtype=np.int64)
    return replace(shapes, pp=one, batch=batch, chunk=one * 1024, role=one * DECODE)


def handover_s(platform: Platform, weights_bytes: float, state_bytes: Floats) -> Floats:
    """Seconds, (n,), until every rollout chip has new weights, and until what leaves the memory is out and back.

    Training and rollout cut the weights differently, so stacks gather them tensor by tensor: all of them
    (``weights_bytes``) pass every chip's scale-out link. ``state_bytes`` of a chip go to its host and return.
    """
    out = platform.tiers[-1]
    wire = weights_bytes / (out.bandwidth * out.efficiency) + out.latency
    return np.asarray(wire + 2.0 * np.asarray(state_bytes, np.float64) / platform.host_bandwidth)
