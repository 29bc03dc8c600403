"""What must be computed: training runs, serving loads, recommenders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from planner.scenario.base import MANY, Finding, Id, Month, Name, Part, Precision, parse_number, report, unit
from planner.scenario.fleet import MonthPath
from planner.scenario.requests import RequestClass, distinct, with_classes


class ChipRange(Part):
    """How many chips a workload may use. A single number in the file stands for exactly that many."""

    min: int | None = Field(default=None, ge=1, le=MANY, description="At least.", json_schema_extra=unit("chips"))
    max: int | None = Field(default=None, ge=1, le=MANY, description="At most.", json_schema_extra=unit("chips"))

    @model_validator(mode="before")
    @classmethod
    def _exact(cls, data: Any) -> Any:
        if isinstance(data, str):
            data = parse_number(data) or data
        if isinstance(data, int | float) and not isinstance(data, bool):
            return {"min": data, "max": data}
        return data

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.min is None and self.max is None:
            report([Finding((), "gives neither min nor max", allowed="a number, {min: ..}, {max: ..} or both")])
        if self.min is not None and self.max is not None and self.min > self.max:
            report([Finding(("min",), f"min is above max ({self.max})", found=str(self.min))])
        return self


class Parallelism(Part):
    """Degrees fixed by hand. What is left out is searched."""

    tp: int | None = Field(
        default=None, ge=1, le=MANY, description="Tensor parallelism.", json_schema_extra=unit("chips")
    )
    pp: int | None = Field(
        default=None, ge=1, le=MANY, description="Pipeline parallelism: stages.", json_schema_extra=unit("stages")
    )
    vpp: int | None = Field(
        default=None,
        ge=1,
        le=MANY,
        description="Interleaved stages per pipeline rank.",
        json_schema_extra=unit("stages"),
    )
    dp: int | None = Field(
        default=None, ge=1, le=MANY, description="Data parallelism: replicas.", json_schema_extra=unit("replicas")
    )
    cp: int | None = Field(
        default=None, ge=1, le=MANY, description="Context parallelism.", json_schema_extra=unit("chips")
    )
    ep: int | None = Field(
        default=None, ge=1, le=MANY, description="Expert parallelism.", json_schema_extra=unit("chips")
    )
    micro_batch: int | None = Field(
        default=None, ge=1, le=MANY, description="Sequences in a micro-batch.", json_schema_extra=unit("sequences")
    )
    zero_stage: int | None = Field(default=None, ge=0, le=3, description="ZeRO/FSDP stage, 0 to 3.")
    recompute: Literal["none", "selective", "full"] | None = Field(default=None, description="Activation recompute.")


class ServingParallelism(Part):
    """Degrees of a serving replica fixed by hand. What is left out is searched."""

    tp: int | None = Field(
        default=None, ge=1, le=MANY, description="Tensor parallelism.", json_schema_extra=unit("chips")
    )
    pp: int | None = Field(
        default=None, ge=1, le=MANY, description="Pipeline parallelism: stages.", json_schema_extra=unit("stages")
    )
    ep: int | None = Field(
        default=None, ge=1, le=MANY, description="Expert parallelism.", json_schema_extra=unit("chips")
    )
    attention_dp: int | None = Field(
        default=None, ge=1, le=MANY, description="Data parallelism of attention.", json_schema_extra=unit("replicas")
    )


PRECISION = (
    "Number formats that will do: every one that a chip has competes. Text or a list of bf16, fp16, fp8, fp4, int8."
)

CONFIDENCE = "Probability with which what this workload is promised must hold; none: the scenario's own `confidence`."


class Claims(Part):
    """What somebody says of such a run: the plan notes set it beside what the model expects. Decides nothing."""

    mfu: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Claimed model FLOPs utilisation.",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    ettr: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Claimed effective training time ratio.",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    linearity: float | None = Field(
        default=None,
        gt=0,
        le=1.5,
        description="Claimed speed of a chip in the whole run over that of one in a small run.",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    relative_to: Id | None = Field(
        default=None,
        description="System whose chips the plan sets these beside: the same run in the same degrees, whether or not "
        "somebody claims how the two compare.",
    )
    relative_speed: float | None = Field(
        default=None,
        gt=0,
        le=100,
        description="Claimed speed of a chip over one of `relative_to`.",
        json_schema_extra=unit("fraction"),
    )
    source: str = Field(default="", description="Who says so.")

    @model_validator(mode="after")
    def _related(self) -> Self:
        if self.relative_speed is not None and self.relative_to is None:
            report([Finding(("relative_speed",), "only with relative_to: the system it is said of")])
        return self


Framework = Literal[
    "default",
    "tuned",
    "plain",
    "mcore",
    "bridge",
    "bridge_2026",
    "bridge_2606",
    "mlperf_2026",
    "nemo_2024",
    "automodel",
    "fsdp",
    "deepspeed",
    "xla",
    "mindspeed",
    "hai_llm",
]
"""Training stacks a scenario may name: profiles of the performance model (a test holds that they exist)."""


def _with_path(data: Any, leaf: str, path: str) -> Any:
    """A demand given as {month: figure} in the place of a number: the path, and its largest figure as the number."""
    if not isinstance(data, Mapping):
        return data
    data = dict(data)
    if isinstance(data.get(leaf), Mapping):
        data[path] = data.pop(leaf)
    steps = data.get(path)
    if isinstance(steps, Mapping) and steps:
        figures = [parse_number(v) if isinstance(v, str) else v for v in steps.values()]
        known = [float(v) for v in figures if isinstance(v, int | float) and not isinstance(v, bool)]
        if len(known) == len(figures) and max(known) > 0:
            data[leaf] = max(known)
    return data


class Training(Part):
    """A training run: so many tokens through a model."""

    kind: Literal["training"] = Field(description="`training`")
    name: Name = Field(description="Name of the workload, unique in the file.")
    confidence: float | None = Field(
        default=None,
        ge=0.5,
        le=0.99,
        description=CONFIDENCE,
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    model: Id = Field(description="Id of a model of the catalog.")
    tokens: float = Field(
        ge=1e6,
        le=1e16,
        description="Tokens to train on, in units (14.8e12, not 14.8).",
        json_schema_extra=unit("tokens", looks_like="billions or trillions"),
    )
    sequence_length: int = Field(
        ge=1, le=10_000_000, description="Tokens in a training sequence.", json_schema_extra=unit("tokens")
    )
    global_batch: int = Field(
        ge=1,
        le=10_000_000,
        description="Sequences (not tokens) in one optimiser step.",
        json_schema_extra=unit("sequences", looks_like="tokens"),
    )
    precision: tuple[Precision, ...] = Field(default=("bf16",), min_length=1, description=PRECISION)
    finish_within_days: float | None = Field(
        default=None,
        gt=0,
        le=36500,
        description="Longest the run may take, failures included; none: the horizon.",
        json_schema_extra=unit("days"),
    )
    start: Month | None = Field(
        default=None, description="Earliest month the run may begin; none: the scenario's start."
    )
    after: tuple[Name, ...] = Field(default=(), description="Runs that must have ended before this one begins.")
    chips: ChipRange | None = Field(
        default=None,
        description="Chips of the job: a number for exactly that many, or {min, max}.",
        json_schema_extra=unit("chips"),
    )
    mfu: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Model FLOPs utilisation to use instead of the performance model's, on every system: an assumption"
        " about all of them. `mfu_of` says it of one.",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    mfu_of: dict[Id, Annotated[float, Field(gt=0, le=1)]] = Field(
        default={},
        description="{system or chip: model FLOPs utilisation measured on it}; other hardware keeps the performance"
        " model's.",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    claims: Claims | None = Field(
        default=None, description="Claims to set beside what the model expects; they decide nothing."
    )
    parallelism: Parallelism = Field(default=Parallelism(), description="Degrees fixed by hand; the rest is searched.")
    framework: Framework = Field(
        default="default",
        description="Maturity of the training stack, a profile of the performance model: `default` is a competent "
        "stack of one's own, `tuned` one tuned for the model and the chips, `plain` one out of the box.",
    )
    trainable: Literal["full", "lora"] = Field(
        default="full",
        description="What is trained: `full`, all weights (pre-training, full fine-tuning), or `lora`, low-rank "
        "adapters beside frozen ones.",
    )
    adapter_rank: int = Field(default=16, ge=1, le=4096, description="Rank of the adapters of `lora`.")
    frozen_bits: Literal[16, 8, 4] = Field(
        default=16,
        description="Bits a frozen weight of `lora` takes: 16, or 8 or 4 (QLoRA: read in few bits, computed in 16).",
        json_schema_extra=unit("bits"),
    )
    offload: tuple[Literal["optimizer", "weights", "activations"], ...] = Field(
        default=(),
        description="What is kept off the chips: in the hosts' memory, over their links to the host, where the hosts' "
        "processors update optimizer states; or in what `offload_gb_s` is the rate of.",
    )
    offload_gb_s: float | None = Field(
        default=None,
        gt=0,
        le=1e5,
        description="Rate per chip and direction of a supernode's pool or of NVMe drives that keep what is offloaded; "
        "none: the hosts' memory.",
        json_schema_extra=unit("GB/s"),
    )
    gradient_bits: Literal[16, 32] | None = Field(
        default=None, description="Bits of a gradient as kept; none: the stack's.", json_schema_extra=unit("bits")
    )
    optimizer_bytes: Literal[6, 8, 12, 16] | None = Field(
        default=None,
        description="Bytes of masters and moments a parameter: 12 is Adam in FP32, 8 precision-aware; none: the "
        "stack's.",
        json_schema_extra=unit("bytes"),
    )
    mixed_systems: bool = Field(
        default=False,
        description="Whether the run may take two kinds of systems at one site together: replicas on both, each "
        "working through whole micro-batches by its speed, gradients reduced over the slower network. Not with `mfu`.",
    )
    spare_domains: bool = Field(
        default=False,
        description="Of racks and supernodes, keep whole spare ones for those that a fault of their own switches or "
        "backplane drains; servers have spare servers in any case.",
    )
    elastic: bool = Field(
        default=False,
        description="Whether the run shrinks when something fails and goes on with the replicas that are whole, "
        "instead of keeping spare systems: fewer systems, more days. Not with `mixed_systems` or `spare_domains`.",
    )
    checkpoint_interval_s: float | None = Field(
        default=None,
        gt=0,
        le=1e7,
        description="Time between checkpoints; none: the best one for the failure rate.",
        json_schema_extra=unit("s"),
    )

    def mfu_on(self, system: str, chip: str) -> float | None:
        """The MFU that the scenario gives of a system (else of its chip, else of all); None: the model's own."""
        return self.mfu_of.get(system, self.mfu_of.get(chip, self.mfu))

    @property
    def launches(self) -> int:
        """How many runs it is, each launched by itself."""
        return 1

    @property
    def launch_tokens(self) -> float:
        """Tokens that are asked of each of them."""
        return self.tokens

    @property
    def runs_once(self) -> bool:
        """Whether this is a run with an end, rather than a load that is there all the time."""
        return True

    @model_validator(mode="after")
    def _tuned(self) -> Self:
        if self.offload_gb_s is not None and not self.offload:
            report([Finding(("offload_gb_s",), "only with offload: nothing is kept off the chips")])
        if self.trainable == "full" and self.frozen_bits != 16:
            report([Finding(("frozen_bits",), "only with trainable: lora: nothing is frozen in a full training")])
        if self.mixed_systems and (self.trainable != "full" or self.offload):
            report([Finding(("mixed_systems",), "not with lora or offload: what they exchange is not priced")])
        return self

    @model_validator(mode="after")
    def _mix(self) -> Self:
        if self.mixed_systems and (self.mfu is not None or self.mfu_of):
            report([Finding(("mixed_systems",), "not with mfu: two kinds of chips have no one utilisation")])
        if self.elastic and (self.mixed_systems or self.spare_domains):
            other = "mixed_systems" if self.mixed_systems else "spare_domains"
            report([Finding(("elastic",), f"not with {other}: a run that shrinks keeps nothing to spare")])
        return self


BUSIEST = 0.99
"""Highest share of a replica's throughput that may be planned with: at 1 a queue grows without end."""
PrefixHits = Literal["chat", "api", "coder", "thinking", "conversation", "agent"]
"""Published hit curves a load may name (a test holds that they exist)."""


class Images(Part):
    """Images of a request, which the model's vision tower reads before its prompt."""

    per_request: float = Field(
        gt=0, le=1000, description="Images of a request; frames of a video.", json_schema_extra=unit("images")
    )
    tokens: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Tokens of the prompt that one image makes: its resolution. None: as the model's record says.",
        json_schema_extra=unit("tokens"),
    )


class Speculation(Part):
    """Speculative decoding: tokens are drafted ahead and verified in one step of the model."""

    method: Literal["mtp", "eagle"] = Field(
        default="mtp",
        description="Who drafts: `mtp`, the model's own prediction module (its checkpoint has one); `eagle`, a trained "
        "draft layer and head.",
    )
    tokens: tuple[int, ...] = Field(
        default=(0, 1, 2, 3),
        min_length=1,
        max_length=16,
        description="Drafts a step that may be chosen, a number or a list; 0 is none. The best of them is chosen for "
        "each replica.",
        json_schema_extra=unit("tokens"),
    )
    acceptance: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Probability that a draft is accepted if those before it were; none: the model's published one, "
        "or 0.6.",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )

    @model_validator(mode="before")
    @classmethod
    def _one_or_more(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("tokens"), int) and not isinstance(data["tokens"], bool):
            return {**data, "tokens": [data["tokens"]]}
        return data

    @model_validator(mode="after")
    def _in_bounds(self) -> Self:
        findings = [
            Finding(("tokens", i), "out of bounds", found=str(n), allowed="0 to 8")
            for i, n in enumerate(self.tokens)
            if not 0 <= n <= MOST_DRAFTS
        ]
        findings += [
            Finding(("tokens", i), "is given twice", found=str(n))
            for i, n in enumerate(self.tokens)
            if n in self.tokens[:i]
        ]
        report(findings)
        return self


MOST_DRAFTS = 8
"""Drafts a step may have: published chains are 1 to 5 long."""


class Serving(Part):
    """A serving load: so many requests a second at a latency."""

    kind: Literal["serving"] = Field(description="`serving`")
    name: Name = Field(description="Name of the workload, unique in the file.")
    confidence: float | None = Field(
        default=None,
        ge=0.5,
        le=0.99,
        description=CONFIDENCE,
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    model: Id = Field(description="Id of a model of the catalog.")
    precision: tuple[Precision, ...] = Field(default=("bf16",), min_length=1, description=PRECISION)
    kv_precision: Precision | None = Field(default=None, description="Number format of the KV cache; none: bf16.")
    engine: str = Field(
        default="vllm",
        pattern=r"^(vllm|sglang|trtllm|atom|vllm_ascend|current)( \d{1,3}\.\d{1,3})?$",
        description="What serves: vllm, sglang, trtllm, atom, vllm_ascend, or `current` for another engine of today, "
        "with a release after a blank where one is meant (`vllm 0.10`). Without one, the cache is what the first "
        "releases that load the model leave.",
    )
    memory_fraction: float | None = Field(
        default=None,
        ge=0.05,
        le=1,
        description="Share of a chip's memory that the engine is told to use (`gpu_memory_utilization`, "
        "`mem_fraction_static`, `free_gpu_memory_fraction`); none: the engine's default.",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    software_date: Month | None = Field(
        default=None,
        description="Month whose software serves, YYYY-MM: engines learn a chip in its first years, so older software "
        "is slower. None: that of the newest runs measured (2026-07).",
    )
    input_tokens: int = Field(
        ge=1, le=10_000_000, description="Prompt length (ISL), mean.", json_schema_extra=unit("tokens")
    )
    output_tokens: int = Field(
        ge=1, le=10_000_000, description="Answer length (OSL), mean.", json_schema_extra=unit("tokens")
    )
    requests_per_s: float = Field(
        gt=0, le=1e8, description="Requests that must be answered, at the peak.", json_schema_extra=unit("requests/s")
    )
    requests_path: MonthPath = Field(
        default={},
        description="Demand over time, {month: requests/s from then on}; may be written in the place of "
        "`requests_per_s`, which then is the largest.",
    )
    growth_per_year: float = Field(
        default=0,
        gt=-1,
        le=100,
        description="Growth of the demand a year, compound, from the scenario's start.",
        json_schema_extra=unit("fraction/year", looks_like="percent"),
    )
    peak_to_mean: float = Field(
        default=1,
        ge=1,
        le=1000,
        description="Peak demand, which is planned for, over the mean of a day, which energy is paid for.",
        json_schema_extra=unit("ratio"),
    )
    arrival_cv: float = Field(
        default=1,
        ge=0,
        le=10,
        description="Bursts: standard deviation over mean of the time between requests as a replica gets them; "
        "1 is Poisson.",
        json_schema_extra=unit("ratio"),
    )
    input_cv: float = Field(
        default=0,
        ge=0,
        le=10,
        description="Spread of prompt lengths: standard deviation over mean (lognormal); 0: all alike.",
        json_schema_extra=unit("ratio"),
    )
    output_cv: float = Field(
        default=0,
        ge=0,
        le=10,
        description="Spread of answer lengths, likewise.",
        json_schema_extra=unit("ratio"),
    )
    ttft_ms: float | None = Field(
        default=None,
        ge=1,
        le=3.6e6,
        description="Limit on the time to the first token; none: no limit.",
        json_schema_extra=unit("ms", looks_like="seconds"),
    )
    tpot_ms: float | None = Field(
        default=None,
        ge=0.1,
        le=6e5,
        description="Limit on the time per output token after the first; none: no limit.",
        json_schema_extra=unit("ms", looks_like="seconds"),
    )
    percentile: float = Field(
        default=95,
        ge=1,
        lt=100,
        description="Percentile of requests that must meet the latency limits.",
        json_schema_extra=unit("percent", looks_like="a fraction"),
    )
    cached_prefix: float = Field(
        default=0,
        ge=0,
        lt=1,
        description="Share of prompt tokens whose keys and values are cached already.",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    tolerate_failures: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="Units (replicas on their systems) that may be out of service while rate and latency still hold: "
        "the k of N+k.",
        json_schema_extra=unit("units"),
    )
    availability: float | None = Field(
        default=None,
        ge=0.5,
        lt=1,
        description="Probability that the units in service are enough; the units to spare follow from failure rate and "
        "repair time.",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    prefix_hits: PrefixHits | None = Field(
        default=None,
        description="Published workload whose prefixes repeat as these do: what is cached then follows from the memory "
        "that each system can pool (instead of cached_prefix).",
    )
    prefix_network_pool: bool = Field(
        default=False,
        description="With prefix_hits: servers without a common address space share their caches over the network.",
    )
    cache_exchange: Literal["same", "any"] = Field(
        default="same",
        description="Where prefill and decode are apart, which replicas hand caches to which: same, those of one "
        "vendor in one precision; any, also of another vendor or precision, which few engines can.",
    )
    disaggregated: Literal["auto", "never", "always"] = Field(
        default="auto", description="Whether prefill and decode run on separate replicas; auto: whichever is better."
    )
    utilisation: float = Field(
        default=0.85,
        gt=0,
        le=BUSIEST,
        description="Largest share of a replica's throughput to plan with; queues have no end at 1.",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    speculation: Speculation | None = Field(
        default=None,
        description="Speculative decoding as a choice: `{method: mtp, tokens: [0, 1, 2, 3], acceptance: 0.7}`; none: "
        "every step gives one token. Not with request_classes.",
    )
    images: Images | None = Field(
        default=None,
        description="Images of a request: `{per_request: 2, tokens: 256}`; none: text. Their tokens are part of "
        "input_tokens; the model's vision tower computes them. Not with request_classes.",
    )
    chips: ChipRange | None = Field(
        default=None,
        description="Chips of the whole deployment: a number for exactly that many, or {min, max}.",
        json_schema_extra=unit("chips"),
    )
    parallelism: ServingParallelism = Field(
        default=ServingParallelism(), description="Degrees fixed by hand; the rest is searched."
    )
    request_classes: tuple[RequestClass, ...] = Field(
        default=(),
        max_length=1000,
        description="Sizes of requests, each a share of the load: every class may be answered by other hardware. The "
        "lengths above are then their means and may be left out. `request_table: {input_tokens: [..], output_tokens: "
        "[..], weights: [[..], ..]}`, a row for each prompt length, may be written in its place. Replicas answer whole "
        "requests then (disaggregated: never).",
    )

    @property
    def asked(self) -> tuple[float, str, str]:
        """(how much is to be done, in what, the field that says so): what a plan's demand is counted in."""
        return self.requests_per_s, "requests/s", "requests_per_s"

    @property
    def by_rank(self) -> tuple[tuple[int, float], ...]:
        """(hours, requests/s) of a day with a peak and a valley; empty where demand is told by its peak and mean."""
        return ()

    @property
    def longest_tokens(self) -> int:
        """Context that a request needs: prompt and answer together, at their means."""
        return self.input_tokens + self.output_tokens

    @property
    def answer_tokens(self) -> int:
        """Tokens that a request leaves behind as text, which are counted and paid for."""
        return self.output_tokens

    def answered_hours(self, horizon_years: float) -> float:
        """Hours in which it is answered: all of the horizon, or its window."""
        hours = horizon_years * 8760.0
        return hours if self.window_hours is None else min(hours, self.window_hours)

    @property
    def window_hours(self) -> float | None:
        """Hours in which all of it is to be answered; None of a load that is there all the time."""
        return None

    @property
    def mean_requests_per_s(self) -> float:
        """Requests/s in the mean of a day: what tokens and energy are counted of."""
        return self.requests_per_s / self.peak_to_mean

    @property
    def runs_once(self) -> bool:
        """Whether it is run once, rather than there all the time."""
        return False

    @model_validator(mode="before")
    @classmethod
    def _demand_over_time(cls, data: Any) -> Any:
        return with_classes(_with_path(data, "requests_per_s", "requests_path"))

    @model_validator(mode="after")
    def _classes(self) -> Self:
        distinct(self.request_classes)
        if self.request_classes and self.disaggregated == "always":
            report([Finding(("disaggregated",), "loads with request classes are answered by whole replicas")])
        if self.request_classes and self.speculation is not None:
            report([Finding(("speculation",), "not with request_classes")])
        if self.request_classes and self.images is not None:
            report([Finding(("images",), "not with request_classes")])
        return self

    @model_validator(mode="after")
    def _one_way_of_caching_and_sparing(self) -> Self:
        findings = []
        if self.prefix_hits is not None and self.cached_prefix > 0:
            findings.append(
                Finding(
                    ("cached_prefix",), "not with prefix_hits: the systems' memory decides", str(self.cached_prefix)
                )
            )
        spared = self.tolerate_failures > 0 or self.availability is not None
        if spared and self.request_classes:
            name = "tolerate_failures" if self.tolerate_failures else "availability"
            findings.append(Finding((name,), "not with request_classes", remedy="Remove one of the two."))
        report(findings)
        return self


class Recommendation(Part):
    """A recommender, trained or served."""

    kind: Literal["recommendation"] = Field(description="`recommendation`")
    name: Name = Field(description="Name of the workload, unique in the file.")
    confidence: float | None = Field(
        default=None,
        ge=0.5,
        le=0.99,
        description=CONFIDENCE,
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    model: Id = Field(description="Id of a recommender of the catalog.")
    mode: Literal["training", "serving"] = Field(description="What is planned: training or serving.")
    precision: tuple[Precision, ...] = Field(default=("bf16",), min_length=1, description=PRECISION)
    samples: float | None = Field(
        default=None,
        ge=1,
        le=1e18,
        description="Samples to train on (mode: training).",
        json_schema_extra=unit("samples"),
    )
    global_batch: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000_000,
        description="Samples in one step (mode: training); served, the largest batch of a forward pass.",
        json_schema_extra=unit("samples"),
    )
    finish_within_days: float | None = Field(
        default=None,
        gt=0,
        le=36500,
        description="Longest the training may take; none: the horizon.",
        json_schema_extra=unit("days"),
    )
    samples_per_s: float | None = Field(
        default=None,
        gt=0,
        le=1e12,
        description="Samples to score (mode: serving).",
        json_schema_extra=unit("samples/s"),
    )
    samples_path: MonthPath = Field(
        default={},
        description="Demand over time, {month: samples/s from then on}; may be written in the place of "
        "`samples_per_s`, which then is the largest.",
    )
    growth_per_year: float = Field(
        default=0,
        gt=-1,
        le=100,
        description="Growth of the demand a year, compound, from the scenario's start.",
        json_schema_extra=unit("fraction/year", looks_like="percent"),
    )
    peak_to_mean: float = Field(
        default=1,
        ge=1,
        le=1000,
        description="Peak demand, which is planned for, over the mean of a day, which energy is paid for.",
        json_schema_extra=unit("ratio"),
    )
    latency_ms: float | None = Field(
        default=None,
        ge=0.01,
        le=6e5,
        description="Limit on the time of one scored batch (mode: serving); none: no limit.",
        json_schema_extra=unit("ms", looks_like="seconds"),
    )
    percentile: float = Field(
        default=95,
        ge=1,
        lt=100,
        description="Percentile that must meet latency_ms.",
        json_schema_extra=unit("percent", looks_like="a fraction"),
    )
    utilisation: float = Field(
        default=0.85,
        gt=0,
        le=BUSIEST,
        description="Largest share of a replica's throughput to plan with; queues have no end at 1 (mode: serving).",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    start: Month | None = Field(default=None, description="Earliest month it may begin; none: the scenario's start.")
    after: tuple[Name, ...] = Field(default=(), description="Runs that must have ended before this one begins.")
    chips: ChipRange | None = Field(
        default=None,
        description="Chips: a number for exactly that many, or {min, max}.",
        json_schema_extra=unit("chips"),
    )

    @property
    def runs_once(self) -> bool:
        """Whether this is a run with an end, rather than a load that is there all the time."""
        return self.mode == "training"

    @property
    def asked(self) -> tuple[float, str, str]:
        """(how much is to be scored, in what, the field that says so)."""
        return float(self.samples_per_s or 0.0), "samples/s", "samples_per_s"

    @model_validator(mode="before")
    @classmethod
    def _demand_over_time(cls, data: Any) -> Any:
        return _with_path(data, "samples_per_s", "samples_path")

    @model_validator(mode="after")
    def _mode_has_its_numbers(self) -> Self:
        wanted = {"training": ("samples", "global_batch"), "serving": ("samples_per_s",)}[self.mode]
        other = {"training": ("samples_per_s", "latency_ms"), "serving": ("samples", "finish_within_days")}[self.mode]
        findings = [
            Finding((), f"{field} is missing: mode {self.mode} needs it")
            for field in wanted
            if getattr(self, field) is None
        ]
        findings += [
            Finding((field,), f"{field} has no meaning in mode {self.mode}", remedy="Remove it, or change mode.")
            for field in other
            if getattr(self, field) is not None
        ]
        report(findings)
        return self
