"""Training measurements beside the planner's predictions.

A row gives a model, a chip, a layout and what was measured. Knobs that the source leaves out get a stated default
(``assumed`` of the result), which never looks at the measurement:

    framework profile   by the framework's name and year (``profile_for_framework``)
    tp, pp, cp, ep, vpp 1; where neither tp nor pp is given, the smallest widths that fit in memory
    dp                  chips / (tp*pp*cp); where that exceeds the batch, the rest is context parallelism
    micro-batch         the whole batch of a rank in XLA stacks, else the fastest of 1, 2, 4 that fits
    global batch        8 micro-batches per pipeline stage
    recompute           the least of none, selective, full that fits in memory
    ZeRO stage          read from the framework's words; 1 where nothing is said
    sequence parallel   on with tp > 1, off in stacks before 2023
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from planner.catalog import Catalog
from planner.errors import PlannerError
from planner.performance.compile import build_platform
from planner.performance.measured.neighbours import Neighbours, shipped_neighbours
from planner.performance.platform import Platform
from planner.performance.precision import normalise_precision
from planner.performance.training.frameworks import profile_for_framework, with_stated_mechanisms
from planner.performance.training.profile import Profile, with_changes
from planner.performance.training.stacks import get_profile
from planner.performance.training.step import (
    TrainingCandidates,
    TrainingJob,
    estimate_training,
    log_deviation,
    measured_shift,
)
from planner.validation.cases import Case, CaseResult
from planner.validation.chips import chip_named
from planner.validation.models import model_of_case
from planner.workload.parameters import parameter_counts

# Published names of chips: (system, chip). Anything else is looked up in the catalog by id or alias.
CHIPS: Mapping[str, tuple[str, str]] = {
    "H100-80GB": ("dgx_h100", "h100_sxm"),
    "H100-96GB-HBM2e-500W": ("h100_96_server_8", "h100_96_hbm2e"),
    "A100-80GB": ("dgx_a100", "a100_80_sxm"),
    "A100-40GB": ("dgx_a100_320", "a100_40_sxm"),
    "V100-16GB": ("dgx1_v100_16", "v100_16_sxm2"),
    "V100-32GB": ("dgx1_v100_32", "v100_32_sxm2"),
    "H200-141GB": ("dgx_h200", "h200_sxm"),
    "H200-NVL-141GB": ("h200_nvl_8", "h200_nvl"),
    "H800-80GB": ("hgx_h800", "h800_sxm"),
    "H20-96GB": ("hgx_h20", "h20_96"),
    "GH200-96GB": ("gh200_96_1", "gh200_96"),
    "B200": ("dgx_b200", "b200_sxm"),
    "B300": ("dgx_b300", "b300_sxm"),
    "GB200": ("gb200_nvl72", "gb200"),
    "GB300": ("gb300_nvl72", "gb300"),
    "L40S": ("l40s_8", "l40s"),
    "MI250X": ("mi250x_8", "mi250x"),
    "MI300X": ("mi300x_8", "mi300x"),
    "MI325X": ("mi325x_8", "mi325x"),
    "MI350X": ("mi350x_8", "mi350x"),
    "MI355X": ("mi355x_8", "mi355x"),
    "Gaudi2": ("gaudi2_8", "gaudi2"),
    "Gaudi3": ("gaudi3_8", "gaudi3"),
    "TPUv4": ("tpu_v4_pod", "tpu_v4"),
    "TPUv5e": ("tpu_v5e_pod", "tpu_v5e"),
    "TPUv5p": ("tpu_v5p_pod", "tpu_v5p"),
    "TPUv6e": ("tpu_v6e_pod", "tpu_v6e"),
    "TPU7x": ("tpu_v7_pod", "tpu_v7"),
    "Trainium1": ("trn1_32xl", "trainium1"),
    "Trainium2": ("trn2_48xl", "trainium2"),
    "Trainium3": ("trn3_ultraserver", "trainium3"),
    "Ascend910B": ("atlas_800_a2", "ascend_910b2"),
    "Ascend910C": ("atlas_800_a3", "ascend_910c"),
}
# Pods joined over the data-centre network: no vendor publishes it per chip; 25 Gb/s is v5p's own class.
POD_SCALEOUT_GBIT_S = 25.0

# Servers with other networks than the catalog's system: Gb/s per server. Jean Zay: 4 Omni-Path links of 100 Gb/s
# beside 8 A100 (arXiv:2211.05100).
CLUSTER_NETWORKS: Mapping[str, float] = {"Jean Zay": 400.0, "BLOOM-176B final": 400.0}

# Where a row states its servers' network: adapters carry 200 Gb/s (HDR) or, of slower servers, 100 (EDR, Omni-Path).
ADAPTER_GBIT_S = 200.0

# Stacks of before the distributed optimizer (Megatron-Core 2022): every rank keeps all optimizer states where they fit.
XLA = ("xla", "xla_2023")
WHOLE_OPTIMIZER = frozenset({"megatron_classic", "megatron_fork"})

# Expert parallelism of fused dispatch where a row does not say: what published recipes of DeepEP and HybridEP go to.
WIDEST_DISPATCH = 64

# What stacks recompute to fit is chosen well: cheap operators with large outputs first, at half the cost of a layer.
PARTIAL_RECOMPUTE_COST = 0.5

_NEVER_FIT = ("MTT", "LPU", "MOREH")
RATE_QUANTITIES = ("step_time_s", "tokens_per_s_per_chip", "model_tflops_per_chip", "total_time_h")


@dataclass(frozen=True)
class Setup:
    """A row ready to be priced."""

    job: TrainingJob
    platform: Platform
    candidate: TrainingCandidates
    profile: Profile
    assumed: Mapping[str, str]
    chips: int
    partial_recompute: float = 0.0  # share of the layers recomputed where the source does not say and none does not fit


class _UnanswerableError(Exception):
    """Why a row cannot be answered, in words."""


def with_pod_networks(catalog: Catalog) -> Catalog:
    """The catalog with a scale-out figure for pods that have none, so that multi-pod runs can be priced."""
    missing = {
        s.id: {"scaleout_gbit_s_per_chip": POD_SCALEOUT_GBIT_S}
        for s in catalog.systems.values()
        if s.kind == "pod" and s.get("scaleout_gbit_s_per_chip") is None
    }
    return catalog.with_assumptions({"systems": missing}) if missing else catalog


def may_fit(case: Case) -> bool:
    """Whether calibration may use a row: nothing from memory, no vendor claim without a configuration."""
    prefix = case.case_id.upper()
    amd_scraped = prefix.startswith("ANL") and case.text("chip").startswith(("MI300", "MI250"))
    doubted = set_aside(case)
    return case.text("source_kind") != "memory" and not (prefix.startswith(_NEVER_FIT) or amd_scraped or doubted)


def set_aside(case: Case) -> bool:
    """Whether a row's own notes say that its figures contradict each other and are not to be used."""
    return "do not use" in case.text("notes").lower()


def power_limited(case: Case) -> bool:
    """Whether a row's chips ran below their power, by how much its source does not say."""
    return "power-limited" in case.text("notes").lower()


def is_pretraining(case: Case) -> bool:
    """Whether a row is of pre-training a language model (not adapters, not whole steps of reinforcement learning)."""
    words = f"{case.text('model')} {case.text('source_title')}".lower()
    return "lora" not in words and not is_post_training(case)


def is_post_training(case: Case) -> bool:
    """Whether a row's step is one of reinforcement learning: rollouts and training together."""
    return re.search(r"\b(grpo|rl step)\b", f"{case.text('model')} {case.text('source_title')}".lower()) is not None


def zero_stage_of(words: str) -> int | None:
    """The ZeRO stage that a source's words for its sharding mean, or None when it says nothing."""
    low = words.lower().replace(" ", "").replace("_", "-")
    if not low:
        return None
    if "shard-grad-op" in low or "zero2" in low or "zero-2" in low or "stage2" in low:
        return 2
    if (
        "zero3" in low
        or "zero-3" in low
        or "stage3" in low
        or "fsdp" in low
        or "weightsharding" in low
        or "hsdp" in low
    ):
        return 3
    if "zero1" in low or "zero-1" in low or "distributed-optimizer" in low or "stage1" in low:
        return 1
    if low.startswith(("none", "zero-0", "ddp")):
        return 0
    return None


def _platform(case: Case, catalog: Catalog) -> Platform:
    name = case.text("chip")
    if name in CHIPS:
        system, chip = CHIPS[name]
    else:
        found = chip_named(catalog, name)
        system, chip = catalog.default_system(found.id).id, found.id
    platform = replace(build_platform(catalog, system, chip, ""), neighbours=Neighbours())
    stated = stated_network_gbit_s(case)
    if stated is None or platform.tiers[-1].kind != "scale_out":
        return platform
    chips = max(platform.server_chips, 1)
    adapter = ADAPTER_GBIT_S if stated >= chips * ADAPTER_GBIT_S / 2.0 else ADAPTER_GBIT_S / 2.0
    outer = replace(
        platform.tiers[-1], bandwidth=stated / chips * 1e9 / 8.0, adapter_chips=max(chips * adapter / stated, 1.0)
    )
    return replace(platform, tiers=(*platform.tiers[:-1], outer))


def stated_network_gbit_s(case: Case) -> float | None:
    """Gb/s of network ports of a server: from the row's own words, else of the cluster it is known to be run on."""
    found = re.search(
        r"(\d+)\s?Gb(?:/s|ps)\s(?:InfiniBand link )?(?:per (?:\d-GPU )?node|node-node)", case.text("notes")
    )
    if found:
        return float(found.group(1))
    return next((gbit for place, gbit in CLUSTER_NETWORKS.items() if place in case.source), None)


def setup_of(case: Case, catalog: Catalog) -> Setup:
    """What a row asks, with its gaps filled. Raises ``PlannerError`` or ``_UnanswerableError`` with the reason."""
    assumed: dict[str, str] = {}
    model, how = model_of_case(case, catalog)
    if model is None:
        raise _UnanswerableError(how)
    if how:
        assumed["model"] = how
    sequence = case.whole("seq_len")
    if sequence is None:
        raise _UnanswerableError("the row gives no sequence length")
    platform = _platform(case, catalog)
    year = case.whole("year")
    gpu = platform.family.startswith(("nvidia", "amd"))
    named = profile_for_framework(case.text("framework"), year, audited="mlperf" in case.source.lower(), gpu=gpu)
    profile = _with_stated_techniques(named, case)
    precision = case.text("precision")
    if not precision:
        precision = default_precision(case, profile, platform)
        assumed["precision"] = precision
    precision = normalise_precision(precision)
    if precision != "bf16" and platform.peak_flops.get({"mxfp8": "fp8"}.get(precision, precision)) is None:
        raise _UnanswerableError(f"{case.text('chip')} has no published {precision} rate")
    chips = case.whole("n_chips")
    tp, pp, cp = case.whole("tp"), case.whole("pp"), case.whole("cp") or 1
    ep, dp = case.whole("ep"), case.whole("dp")
    if "NeuronCores" in case.text("notes") and tp and chips:  # two cores make one chip of the catalog
        half = 2 if (tp % 2 == 0) else 1
        tp //= half
        if half == 1 and dp:
            dp = max(dp // 2, 1)
    if chips is None:
        if dp and tp and pp:
            chips = dp * tp * pp * cp
        else:
            chips = platform.system_chips if platform.system_chips <= 16 else platform.server_chips
        assumed["n_chips"] = str(chips)
    experts = max((g.feed_forward.experts for g in model.groups), default=0)
    if ep is None:
        ep = default_expert_parallel(experts, chips, tp, pp, cp, platform.server_chips, profile)
        if experts and ep > 1:
            assumed["ep"] = str(ep)
    zero = zero_stage_of(case.text("zero_stage_or_fsdp"))
    unsharded = zero is None and profile.name in WHOLE_OPTIMIZER
    if zero is None:
        zero = 3 if profile.name in {"fsdp", "automodel", *XLA} else 1
        assumed["zero_stage"] = str(zero)
    batch = case.whole("global_batch")
    job = TrainingJob(
        model,
        sequence,
        batch or 1,
        precision,
        trainable="full" if is_pretraining(case) else "lora",
        mtp=_counts_mtp(case),
    )
    if tp is None or pp is None:
        tp, pp = _smallest_layout(job, platform, profile, chips, cp, zero, batch, tp, pp, ep)
        assumed["tp"], assumed["pp"] = str(tp), str(pp)
        ep = math.gcd(ep, max(chips // pp, 1)) if chips % pp == 0 else ep
    span = tp * pp * cp
    if dp is None or dp * span != chips:
        if chips % span == 0:
            dp = chips // span
        elif dp is None:
            raise _UnanswerableError(f"{chips} chips are no multiple of tp x pp x cp = {span}")
        if case.text("dp") and dp != case.whole("dp"):
            assumed["dp"] = str(dp)
    if batch is not None and batch < dp and dp % batch == 0 and sequence % (2 * cp * (dp // batch)) == 0:
        cp, dp = cp * (dp // batch), batch  # a replica without a sequence: the rest of the ranks share one
        assumed["cp"], assumed["dp"] = str(cp), str(dp)
    vpp = case.whole("vpp")
    micro = case.whole("micro_batch")
    if batch is None:  # long sequences leave no room for more than one a rank and step
        batch = dp * (micro or 1) * (8 * pp if pp > 1 else 1 if profile.tiled_loss else 8)
        assumed["global_batch"] = str(batch)
        job = replace(job, global_batch=batch)
    if micro is None:
        micro = (
            max(batch // dp, 1)
            if profile.name in XLA
            else _fastest_micro(job, platform, profile, tp, pp, dp, cp, ep, zero)
        )
        assumed["micro_batch"] = str(micro)
    micro = max(min(micro, max(batch // dp, 1)), 1)
    if vpp is None:
        vpp = default_interleave(profile, model.layers, pp, batch // (dp * micro))
        if pp > 1:
            assumed["vpp"] = str(vpp)
    sp_text = case.whole("sp")
    sp = sp_text if sp_text is not None else int(tp > 1 and profile.name != "megatron_classic")
    if sp_text is None and tp > 1:
        assumed["sp"] = str(sp)
    words = case.text("recompute").lower()
    recompute = {"none": 0, "selective": 1, "full": 2}.get(words)
    choices = (0, 1, 2) if recompute is None else (recompute,)
    candidates = TrainingCandidates.of(
        tp=tp, pp=pp, vpp=vpp, dp=dp, cp=cp, ep=ep, micro_batch=micro, zero_stage=zero, recompute=choices, sp=sp
    )
    if unsharded:
        whole = replace(candidates, zero_stage=np.zeros_like(candidates.zero_stage))
        if bool(estimate_training(job, platform, whole, profile, detail=False).fits.any()):
            candidates, assumed["zero_stage"] = whole, "0"
    pick, partial = 0, 0.0
    if recompute is None:
        trial = estimate_training(job, platform, candidates, profile, detail=False)
        limit = float(trial.memory_limit_bytes[0])
        bytes_ = trial.memory_bytes
        pick = int(np.argmax(trial.fits)) if bool(trial.fits.any()) else len(choices) - 1
        if pick == 2:
            pick = 1
            partial = float(np.clip((bytes_[1] - limit) / max(float(bytes_[1] - bytes_[2]), 1.0), 0.0, 1.0))
        assumed["recompute"] = f"full for {partial:.0%} of the layers" if partial else ("none", "selective")[pick]
    return Setup(job, platform, candidates.take(slice(pick, pick + 1)), profile, assumed, chips, partial)


def _with_stated_techniques(profile: Profile, case: Case) -> Profile:
    """The profile with what a row's own words say is switched on beside the framework's habits.

    Arctic long-sequence training keeps recomputation's inputs in host memory and tiles the loss (arXiv:2506.13996);
    its layers are eager PyTorch, which keeps what nanotron's do, its attention the fused kernels of 2025. DeepSpeed's
    BF16 optimizer accumulates gradients in FP32 and sums them, as they are, on every rank (runtime/bf16_optimizer.py).
    """
    profile = with_stated_mechanisms(profile, f"{case.text('framework')} {case.text('notes')}")
    if "offload" in case.text("zero_stage_or_fsdp").lower():
        profile = with_changes(profile, offload_optimizer=1.0)
    if profile.name.startswith("megatron_fork") and "fp32 gradient accumulation" in case.text("notes").lower():
        profile = with_changes(profile, grad_traffic_bytes=4.0, grad_all_reduce=True, accumulate_bytes=18.0)
    if "long-sequence" in case.text("framework").lower():
        kept, attention = get_profile("nanotron").activations, get_profile("bridge_2026").attention
        profile = with_changes(profile, offload_activations=1.0, tiled_loss=True, activations=kept, attention=attention)
    return profile


def default_precision(case: Case, profile: Profile, platform: Platform) -> str:
    """The precision where a row does not say: the recipe of the stack on that chip.

    MLPerf entries are NVFP4 where the chip has it from v5.1 (2025) on, those of NeMo 8 bits before (its code since
    Hopper); Megatron-Bridge's recipes 8 bits.
    """
    audited = "mlperf" in f"{case.source} {case.text('framework')}".lower()
    if audited and profile.generation >= 2025 and "fp4" in platform.peak_flops:
        return "fp4"
    usual = profile.generation >= 2025 or (audited and profile.name == "nemo_2024")
    return "fp8" if usual and "fp8" in platform.peak_flops else "bf16"


def default_expert_parallel(
    experts: int, chips: int, tp: int | None, pp: int | None, cp: int, server: int, profile: Profile
) -> int:
    """Expert-parallel width where a row does not give it.

    A server's chips where the row gives no whole layout, one where it gives all other widths; with fused dispatch,
    which nobody has for one, all ranks of a stage up to ``WIDEST_DISPATCH``.
    """
    if experts < 2:
        return 1
    ranks = max(chips // (cp * (pp or 1)), 1)
    if profile.permute < 0.5:
        return math.gcd(math.gcd(experts, ranks), WIDEST_DISPATCH)
    if tp is not None and pp is not None:
        return 1
    return math.gcd(math.gcd(experts, ranks), max(server, 1))


def default_interleave(profile: Profile, layers: int, pp: int, micro_batches: int) -> int:
    """Chunks per stage where a source does not say: tuned stacks interleave where few micro-batches make it pay."""
    if profile.name != "nemo_2024" or pp <= 1 or layers % pp or micro_batches % pp:
        return 1
    per_stage = layers // pp
    options = [v for v in range(1, per_stage + 1) if per_stage % v == 0 and v <= 6]
    return max(options) if micro_batches < 16 * pp else 1


def _fastest_micro(
    job: TrainingJob, platform: Platform, profile: Profile, tp: int, pp: int, dp: int, cp: int, ep: int, zero: int
) -> int:
    sizes = [b for b in (1, 2, 4) if job.global_batch % (dp * b) == 0] or [1]
    trial = TrainingCandidates.of(
        tp=tp, pp=pp, dp=dp, cp=cp, ep=ep, micro_batch=sizes, zero_stage=zero, recompute=1, sp=int(tp > 1)
    )
    estimate = estimate_training(job, platform, trial, profile, detail=False)
    step = np.where(estimate.fits, estimate.step_time_s, np.inf)
    return sizes[int(np.argmin(step))] if bool(estimate.fits.any()) else 1


def stated_slowdown(case: Case) -> float:
    """By how much a row's own words say its machine was slower than it should be: the middle of the range."""
    found = re.search(r"before the .{0,40}fix that sped all runs up (\d+)-(\d+)%", case.text("notes"))
    return 0.0 if found is None else (int(found.group(1)) + int(found.group(2))) / 200.0


def _counts_mtp(case: Case) -> bool:
    if "without mtp module" in case.text("notes").lower():
        return False
    low = f"{case.text('framework')} {case.case_id}".lower()
    return "bridge" in low or "hai-llm" in low


def _smallest_layout(
    job: TrainingJob,
    platform: Platform,
    profile: Profile,
    chips: int,
    cp: int,
    zero: int,
    batch: int | None,
    tp: int | None,
    pp: int | None,
    ep: int,
) -> tuple[int, int]:
    """The smallest tp x pp that fits in memory (tp inside a server first), when the source does not say."""
    servers = max(platform.server_chips, 1)
    widths = [tp] if tp else [w for w in (1, 2, 4, 8, 16) if w <= max(min(servers, chips), 1)]
    depths = [pp] if pp else [d for d in (1, 2, 4, 8, 16, 32, 64) if d <= job.model.layers]
    pairs = [(t, p) for p in depths for t in widths if chips % (t * p * cp) == 0]
    for t, p in sorted(pairs, key=lambda x: (x[0] * x[1], x[1])):
        dp = chips // (t * p * cp)
        trial = replace(job, global_batch=batch or dp * 8 * p)
        repeat = (0, 1, 2) if profile.name in XLA else (0, 1)  # rematerialisation is the habit there, pipelines not
        wide = math.gcd(ep, dp * cp * t)
        candidate = TrainingCandidates.of(
            tp=t, pp=p, dp=dp, cp=cp, ep=wide, zero_stage=zero, recompute=repeat, sp=int(t > 1)
        )
        if bool(estimate_training(trial, platform, candidate, profile, detail=False).fits.any()):
            return t, p
    return pairs[-1] if pairs else (1, 1)


def one_constant_step_s(setup: Setup, eta: float) -> float:
    """The baseline: FLOPs/(chips x peak x gain x eta) x (1 + (pp-1)/(vpp x micro-batches)).

    FLOPs: 6 x active parameters + 6 x layers x hidden x sequence per token. Peak: dense BF16; gain 1.6 for 8-bit and
    2.2 for 4-bit matrices.
    """
    job, c = setup.job, setup.candidate
    active = parameter_counts(job.model).active
    per_token = 6.0 * active + 6.0 * job.model.layers * job.model.hidden * job.sequence_length
    gain = {"bf16": 1.0, "fp4": 2.2}.get(job.precision, 1.6)
    micro = max(job.global_batch / (int(c.dp[0]) * int(c.micro_batch[0])), 1.0)
    bubble = 1.0 + (int(c.pp[0]) - 1) / (max(int(c.vpp[0]), 1) * micro)
    peak = setup.platform.peak_flops["bf16"] * setup.chips
    return per_token * job.sequence_length * job.global_batch / (peak * gain * eta) * bubble


def tags_of(case: Case, setup: Setup | None = None) -> dict[str, str]:
    """What summaries group a training row by."""
    tags = {
        "kind": "training",
        "source": case.source,
        "chip": case.text("chip"),
        "model": case.text("model"),
        "family": re.split(r"[-\s]?\d", case.text("model"))[0] or case.text("model"),
        "precision": case.text("precision") or "unstated",
        "pretraining": "yes" if is_pretraining(case) else "no",
    }
    if setup is not None:
        tags["profile"] = setup.profile.name
        tags["chip_family"] = setup.platform.family
        model = setup.job.model
        shape = f"{model.layers} layers of {model.hidden}, {model.groups[0].mixer.heads} heads" if model.groups else ""
        tags["run"] = f"{shape}, {setup.chips} chips, batch {setup.job.global_batch} x {setup.job.sequence_length}"
    return tags


@dataclass(frozen=True)
class Answer:
    """A row, what was asked of the model, and the result (None with a reason)."""

    case: Case
    setup: Setup | None
    reason: str
    step_s: float = 0.0
    low: float = 1.0
    high: float = 1.0
    memory_gib: float = 0.0
    tflops: float = 0.0


def speaking_for(case: Case, known: Neighbours) -> Neighbours:
    """The runs that may correct a row: all of them, but none of its own source for a row that is among them."""
    return known.without(case.source) if known.holds(case.case_id, case.source) else known


def answer(case: Case, catalog: Catalog, neighbours: Neighbours | None = None) -> Answer:
    """One row priced, or why not.

    Measured runs near it (``neighbours``; default: those of the calibration that may speak for it, ``speaking_for``)
    correct the step time, those of its own source more.
    """
    known = speaking_for(case, shipped_neighbours()) if neighbours is None else neighbours
    try:
        if case.impossible:
            raise _UnanswerableError(case.impossible)
        if is_post_training(case):
            raise _UnanswerableError("the row is a whole step of reinforcement learning, not one of training")
        if set_aside(case):
            raise _UnanswerableError("the row's notes say that its figures contradict each other and not to use it")
        if power_limited(case):
            raise _UnanswerableError("the row's chips were limited in power, by how much it does not say")
        setup = setup_of(case, catalog)
        estimate = estimate_training(setup.job, setup.platform, setup.candidate, setup.profile)
        step = float(estimate.step_time_s[0])
        if setup.partial_recompute:
            full = replace(setup.candidate, recompute=np.full_like(setup.candidate.recompute, 2))
            all_layers = estimate_training(setup.job, setup.platform, full, setup.profile, detail=False)
            step += setup.partial_recompute * (float(all_layers.step_time_s[0]) - step) * PARTIAL_RECOMPUTE_COST
        step *= 1.0 + stated_slowdown(case)
        low, high = float(estimate.low80[0]), float(estimate.high80[0])
        if is_pretraining(case) and known.runs:
            asked = (setup.job, replace(setup.platform, neighbours=known), setup.profile, setup.candidate, case.source)
            shift = measured_shift(*asked)
            step *= 1.0 if shift is None else math.exp(float(shift[0]))
            low, high = (float(end[0]) for end in setup.platform.spread.ends(log_deviation(*asked)))
    except _UnanswerableError as reason:
        return Answer(case, None, str(reason))
    except PlannerError as error:
        return Answer(case, None, str(error.problems[0]))
    memory = float(estimate.memory_bytes[0] - estimate.memory["overhead"][0]) / 2**30
    if not allocator_peak(case):
        memory += setup.profile.overhead_gib
    return Answer(
        case,
        setup,
        "",
        step,
        low,
        high,
        memory,
        float(estimate.model_tflops_per_chip[0] * estimate.step_time_s[0] / step),
    )


def allocator_peak(case: Case) -> bool:
    """Whether a row's memory is the allocator's peak (context and libraries not in it) and not a whole-chip reading."""
    notes = case.text("notes").lower()
    return "allocated" in notes or "allocator" in notes or case.case_id.startswith("SIMU")


def _predictions(a: Answer) -> list[tuple[str, float, float, bool]]:
    """(quantity, measured, predicted, interval applies) of a row."""
    case, setup = a.case, a.setup
    found: list[tuple[str, float, float, bool]] = []
    tokens = 0.0 if setup is None else float(setup.job.sequence_length) * setup.job.global_batch
    step, rate = case.number("step_time_s"), case.number("tokens_per_s_per_chip")
    if step and case.text("global_batch"):
        found.append(("step_time_s", step, a.step_s, True))
    if rate:
        found.append(("tokens_per_s_per_chip", rate, 0.0 if setup is None else tokens / a.step_s / setup.chips, True))
    tflops = case.number("model_tflops_per_chip")
    if tflops and not step and not rate:
        found.append(("model_tflops_per_chip", tflops, a.tflops, True))
    hours, total = case.number("total_time_h"), case.number("total_tokens_b")
    if hours and total and setup is not None:
        found.append(("total_time_h", hours, total * 1e9 / (tokens / a.step_s) / 3600.0, True))
    elif hours and total:
        found.append(("total_time_h", hours, 0.0, True))
    memory = case.number("peak_memory_gib")
    if memory:
        found.append(("peak_memory_gib", memory, a.memory_gib, False))
    return found


def results_of(answers: Sequence[Answer]) -> tuple[CaseResult, ...]:
    """Every measured quantity of every row beside the prediction and the one-constant baseline."""
    etas = []
    for a in answers:
        for quantity, measured, _, _ in _predictions(a):
            if a.setup is not None and quantity == "step_time_s" and is_pretraining(a.case):
                etas.append(one_constant_step_s(a.setup, 1.0) / measured)
    eta = float(np.median(etas)) if etas else 0.4
    results: list[CaseResult] = []
    for a in answers:
        base = None if a.setup is None else one_constant_step_s(a.setup, eta)
        for quantity, measured, predicted, interval in _predictions(a):
            tags = tags_of(a.case, a.setup)
            if a.setup is None:
                results.append(CaseResult(a.case.case_id, quantity, measured, None, reason=a.reason, tags=tags))
                continue
            is_rate = quantity in {"tokens_per_s_per_chip", "model_tflops_per_chip"}
            low, high = (1.0 / a.high, 1.0 / a.low) if is_rate else (a.low, a.high)
            ratio = None if base is None else (a.step_s / base if is_rate else base / a.step_s)
            results.append(
                CaseResult(
                    a.case.case_id,
                    quantity,
                    measured,
                    predicted,
                    predicted * low if interval else None,
                    predicted * high if interval else None,
                    baseline=None if ratio is None or not interval else predicted * ratio,
                    tags=tags,
                    assumed=a.setup.assumed,
                )
            )
    return tuple(results)


def validate_training(cases: Sequence[Case], catalog: Catalog) -> tuple[CaseResult, ...]:
    """Predictions beside measurements, one result per row and measured quantity."""
    ready, known = with_pod_networks(catalog), getattr(catalog.measured, "neighbours", None) or shipped_neighbours()
    places: dict[str, list[int]] = {}  # one source at a time: what its rows may know of takes tens of megabytes
    for i, case in enumerate(cases):
        places.setdefault(case.source if known.holds(case.case_id, case.source) else "", []).append(i)
    answers: dict[int, Answer] = {}
    for source, rows in places.items():
        speaking = known.without(source) if source else known
        answers |= {i: answer(cases[i], ready, speaking) for i in rows}
    return results_of([answers[i] for i in range(len(cases))])


__all__ = ["Answer", "Setup", "answer", "results_of", "setup_of", "validate_training", "with_pod_networks"]
