"""What is to be served, in which shapes, and what comes out: the data of the serving model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from planner.catalog.architecture import ModelArch
from planner.errors import InputError, Problem, nearest_name
from planner.workload.flops import vision_flops_per_image

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

AGGREGATED, PREFILL, DECODE = 0, 1, 2
ENGINE_NAMES = ("vllm", "sglang", "trtllm", "atom", "vllm_ascend", "current")
"""Engines that a workload may name."""

# Bytes of one weight or cache element. fp4: NVFP4, 16 elements share an 8-bit scale (4.5 bits); mxfp4: 32 share one.
BYTES_PER_ELEMENT: Mapping[str, float] = {
    "fp32": 4.0,
    "bf16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    "fp4": 0.5625,
    "mxfp4": 0.53125,
    "int4": 0.53125,
}
# The rate a precision computes at: the first of these that the chip has (narrow weights are widened when it has none).
COMPUTE_RATES: Mapping[str, tuple[str, ...]] = {
    "bf16": ("bf16",),
    "fp8": ("fp8", "bf16"),
    "int8": ("int8", "bf16"),
    "fp4": ("fp4", "fp8", "bf16"),
    "mxfp4": ("fp4", "bf16"),  # without 4-bit units the weights are widened to 16 bit
    "int4": ("bf16",),
}


@dataclass(frozen=True)
class ServingJob:
    """A model to serve and the mean request.

    ``precision``: of weights and of the matrix units: bf16, fp8, int8, fp4 (also mxfp4, int4: narrow weights).
    ``kv_precision``: of the cache. ``input_tokens``, ``output_tokens``: means per request. ``cached_prefix``: share
    of input tokens whose cache is reused, 0..1. ``draft_tokens``: tokens proposed per step by speculative decoding or
    a multi-token prediction module (0 = off), each accepted with probability ``draft_acceptance`` if those before it
    were. ``input_cv``, ``output_cv``: coefficients of variation of the lengths, 0 = all of the mean; they weigh in
    through attention (a long prompt costs more than in proportion) and through the cache (a long answer stays longer).
    ``engine``: what serves (``vllm``, ``sglang``, ``trtllm``), with a release after a blank where one is meant
    (``vllm 0.10``). ``memory_fraction``: share of the memory it is told to use (``gpu_memory_utilization``,
    ``mem_fraction_static``, ``free_gpu_memory_fraction``), None = its default. ``software_year``: date of the engine's
    software in years (2025.5), which the learning curve of its chips is read at; 0 = that of the newest runs measured.
    ``waves``: clients of a closed loop whose requests are all alike, so those that start together end together and
    prefill together again, as in benchmarks with one length; random arrivals and lengths do not. ``poll_steps``: decode
    steps between two looks for new requests, where an engine is told to look seldom (SGLang's
    ``scheduler_recv_interval``); 1 = after every step. ``images``: images of a request, each of ``image_tokens`` of the
    prompt's tokens (None = as the model's record says), which its vision tower reads before them.
    Raises ``InputError`` listing every field out of bounds.
    """

    model: ModelArch
    precision: str = "bf16"
    kv_precision: str = "bf16"
    input_tokens: float = 1024.0
    output_tokens: float = 1024.0
    cached_prefix: float = 0.0
    draft_tokens: int = 0
    draft_acceptance: float = 0.0
    input_cv: float = 0.0
    output_cv: float = 0.0
    waves: bool = False
    poll_steps: float = 1.0
    engine: str = "vllm"
    memory_fraction: float | None = None
    software_year: float = 0.0
    images: float = 0.0
    image_tokens: float | None = None

    def __post_init__(self) -> None:
        problems: list[Problem] = []
        for name, allowed in (("precision", list(COMPUTE_RATES)), ("kv_precision", list(BYTES_PER_ELEMENT))):
            value = getattr(self, name)
            if value not in allowed:
                problems.append(
                    Problem(
                        "unknown precision",
                        path=name,
                        found=repr(value),
                        allowed=", ".join(allowed),
                        nearest=nearest_name(str(value), allowed),
                    )
                )
        bounds = {
            "input_tokens": (1.0, 1e8),
            "output_tokens": (0.0, 1e8),
            "cached_prefix": (0.0, 1.0),
            "draft_tokens": (0.0, 32.0),
            "draft_acceptance": (0.0, 1.0),
            "input_cv": (0.0, 10.0),
            "output_cv": (0.0, 10.0),
            "poll_steps": (1.0, 10_000.0),
            "memory_fraction": (0.01, 1.0),
            "software_year": (0.0, 2100.0),
            "images": (0.0, 1e5),
            "image_tokens": (1.0, 1e6),
        }
        for name, (low, high) in bounds.items():
            number = float(1.0 if getattr(self, name) is None else getattr(self, name))
            if not low <= number <= high:
                problems.append(Problem("out of bounds", path=name, found=str(number), allowed=f"{low:g} to {high:g}"))
        name, _, release = self.engine.partition(" ")
        if name not in ENGINE_NAMES:
            problems.append(
                Problem("unknown engine", path="engine", found=repr(self.engine), allowed=", ".join(ENGINE_NAMES),
                        nearest=nearest_name(name, ENGINE_NAMES), remedy='A release may follow: "vllm 0.10".')
            )  # fmt: skip
        elif release and not re.fullmatch(r"\d{1,3}\.\d{1,3}", release):
            problems.append(Problem("unknown release of an engine", path="engine", found=repr(release),
                                    allowed="major and minor number, as 0.10"))  # fmt: skip
        if self.images and self.model.vision is None:
            problems.append(Problem(f"model {self.model.id} has no vision tower", path="images"))
        if not self.model.groups:
            problems.append(Problem(f"model {self.model.id} has no layers", path="model", remedy="Use recommendation."))
        if problems:
            raise InputError(problems)

    @property
    def prompt_of_a_token(self) -> float:
        """Length of the prompt that a prompt token, taken at random, is part of: E[i^2]/E[i]."""
        return self.input_tokens * (1.0 + self.input_cv**2)

    @property
    def answer_of_a_token(self) -> float:
        """Length of the answer that an answer token, taken at random, is part of: E[o^2]/E[o]."""
        return self.output_tokens * (1.0 + self.output_cv**2)

    @property
    def tower_flops_of_a_token(self) -> float:
        """FLOPs of the vision tower for a prompt token: those of all images of a request, spread over its prompt."""
        if not self.images:
            return 0.0
        return self.images * vision_flops_per_image(self.model, self.image_tokens) / self.input_tokens

    @property
    def accepted_drafts(self) -> float:
        """Mean tokens gained per decode step beyond the first: a + a^2 + ... + a^draft_tokens."""
        return float(sum(self.draft_acceptance**j for j in range(1, self.draft_tokens + 1)))


@dataclass(frozen=True)
class ServingCandidates:
    """Replica shapes, int64 arrays of shape (n,). A replica has ``chips = tp * pp * attention_dp`` chips.

    ``tp``: tensor parallel of attention and dense layers; ``pp``: stages; ``attention_dp``: copies of attention, each
    with its own requests; ``ep``: chips the routed experts are spread over (divides tp * attention_dp; the rest cuts
    each expert); ``batch``: most requests in flight per replica; ``chunk``: most prefill tokens per step and attention
    copy; ``role``: 0 aggregated, 1 prefill only, 2 decode only.
    """

    tp: Ints
    pp: Ints
    ep: Ints
    attention_dp: Ints
    batch: Ints
    chunk: Ints
    role: Ints

    def __post_init__(self) -> None:
        problems: list[Problem] = []
        length: int | None = None
        for f in fields(self):
            array = np.atleast_1d(np.asarray(getattr(self, f.name), dtype=np.int64))
            object.__setattr__(self, f.name, array)
            length = array.size if length is None else length
            if array.ndim != 1 or array.size != length:
                problems.append(
                    Problem("arrays must have one length", path=f.name, found=str(array.shape), allowed=f"({length},)")
                )
            low = 0 if f.name == "role" else 1
            if array.size and (array.min() < low or (f.name == "role" and array.max() > DECODE)):
                allowed = "0, 1 or 2" if f.name == "role" else "1 or more"
                problems.append(Problem("out of bounds", path=f.name, found=str(array.min()), allowed=allowed))
        if not problems and np.any((self.tp * self.attention_dp) % self.ep):
            problems.append(Problem("ep must divide tp * attention_dp", path="ep"))
        if problems:
            raise InputError(problems)

    def __len__(self) -> int:
        return int(self.tp.size)

    @property
    def chips(self) -> Ints:
        """Chips of one replica, (n,)."""
        return self.tp * self.pp * self.attention_dp

    def take(self, index: Ints | Bools) -> ServingCandidates:
        """The candidates at ``index`` (positions or a mask)."""
        return ServingCandidates(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


def one_candidate(
    *, tp: int = 1, pp: int = 1, ep: int = 1, attention_dp: int = 1, batch: int = 1, chunk: int = 8192, role: int = 0
) -> ServingCandidates:
    """One replica shape as arrays of length one."""
    values = (tp, pp, ep, attention_dp, batch, chunk, role)
    return ServingCandidates(*(np.array([v], dtype=np.int64) for v in values))


@dataclass(frozen=True)
class ServingEstimate:
    """How replicas serve, float arrays of shape (n,) unless said. Rates are per replica, times in seconds.

    ``requests_per_s``: sustained with ``concurrency`` requests in flight (the batch cap, or fewer where the cache is
    full). ``ttft_s``, ``tpot_s``: means at that load, a closed loop of ``batch`` clients, so clients beyond the cache
    wait and their wait is in ``ttft_s``. Prefill-only replicas: ``tpot_s`` 0, ``output_tokens_per_s`` 0; decode-only:
    ``ttft_s`` 0, ``input_tokens_per_s`` 0. ``prefill_s``: prefill of one request alone; ``decode_step_s``: mean step
    while decoding (of a prefill-only replica: 0); ``mixed_step_s``, ``mixed_share``: step that also carries a prefill
    chunk, and the share of such steps; ``prefill_share``: of a replica's time that prompts take (what steps last
    longer because of them), 1 of a prefill-only and 0 of a decode-only replica. ``breakdown``: parts of the mean step
    (prefill-only: of one chunk), summing to ``step_s``. ``memory``: bytes per chip of the fullest stage, summing to
    ``memory_bytes``. ``low80``, ``high80``: multipliers on TPOT and step times (rates divide by them) between which
    80% of left-out sources fall; ``ttft_low80``, ``ttft_high80`` the same of TTFT. ``fits``: weights, workspace and
    the cache of a request per stage and attention copy are inside the limit.
    """

    chips: Ints
    requests_per_s: Floats
    output_tokens_per_s: Floats
    input_tokens_per_s: Floats
    ttft_s: Floats
    tpot_s: Floats
    concurrency: Floats
    kv_capacity_tokens: Floats
    memory_bytes: Floats
    memory_limit_bytes: Floats
    fits: Bools
    prefill_s: Floats
    decode_step_s: Floats
    step_s: Floats
    mixed_step_s: Floats
    mixed_share: Floats
    prefill_share: Floats
    breakdown: Mapping[str, Floats]
    memory: Mapping[str, Floats]
    low80: Floats
    high80: Floats
    ttft_low80: Floats
    ttft_high80: Floats
    kv_bytes_per_request: Floats  # cache of one request at its end, over the whole replica's copy: for KV transfer
    host_s: Floats  # of TTFT: what the host takes for a request beside steps
    ttft_wait_s: Floats  # of TTFT: mean wait for other prompts, 0 of pools of one phase
    ttft_busy: Floats  # share of the time that steps carry prompts: how many first tokens wait at all
