"""Parameters of the serving model: a few bounded physical constants per engine family and per chip family.

Shapes (how a cost grows with batch, length, chips) are in the code and shared by all; a profile sets levels. The
values come from ``catalog/calibration/serving.yaml`` (fitted leaving whole sources out) over the defaults below, each
of which has its source in the comment beside it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from planner.catalog.load import catalog_folder
from planner.catalog.yaml_tree import safe_load
from planner.errors import InputError, Problem, nearest_name, unknown_name
from planner.performance.measured.levels import Levels
from planner.performance.measured.levels_file import LevelTables, read_levels
from planner.performance.measured.ordering import OrderShare, read_order
from planner.performance.serving.levels import COVARIATES, SINCE, SINCE_OF_KIN, SPREAD, TUNED, ServingLevels


@dataclass(frozen=True)
class ServingProfile:
    """Engine and chip constants. Efficiencies are shares of the catalog's peak; times are seconds."""

    name: str = "default"
    # --- compute
    gemm_efficiency: float = (
        0.65  # large GEMM; measured 0.50-0.80 of peak (Bekman's MAMF: A100 0.87, H100 0.80, B200 0.78)
    )
    # share of efficiency lost with each doubling of the peak over the 16-bit one: operands arrive no faster, and power
    # is no larger (measured GEMMs of one part, bf16 / fp8 / fp4: 0.85 / 0.77 / 0.66 of peak)
    narrow_loss: float = 0.12
    gemm_half_tokens: float = 40.0  # tokens at which a GEMM reaches half of it (tiles of 64-128 rows half filled)
    expert_efficiency: float = 0.80  # grouped GEMM over plain GEMM (SimuMax tables: 0.43-0.49 against 0.50-0.56)
    expert_half_tokens: float = 24.0  # per expert
    # a tile's fixed time does not shrink with the width of its operands, so the rows it stands for grow with the peak:
    # 0 the same rows at every precision, 1 the same time
    tile_growth: float = 0.5
    expert_level: float = 1.0  # of an engine's grouped kernels over those that the chip family's figure is of
    expert_streaming: float = 0.9  # of the bandwidth of plain matrices, while streaming the weights of few-row experts
    # Experts whose weights have a scale for each block of 128 by 128: their activations are quantised by kernels of
    # their own before each product, and partial sums are scaled. Times of routed experts and of launches over others'.
    block_experts: float = 1.15
    block_launch: float = 1.2
    attention_efficiency: float = 0.50  # prefill attention core, of the bf16 peak, causal counted at half
    decode_attention_efficiency: float = (
        0.60  # decoding from a latent, of the bf16 peak (FlashMLA 0.59-0.67, CM384 0.65)
    )
    scan_efficiency: float = 0.05  # state-space scan runs on vector units
    # --- memory
    weight_bandwidth: float = 0.80  # share of peak while streaming weights (0.73-0.91 in published fits)
    kv_bandwidth: float = 0.65  # while reading the cache (0.51-0.80)
    elementwise_passes: float = 12.0  # reads or writes of the hidden state per layer (norms, residuals, quantisation)
    roofline_power: float = 3.0  # smooth maximum of compute and memory time
    # --- fixed costs
    layer_s: float = (
        35e-6  # per step and layer of four matrices (their kernels' gaps and tails); BLIS fits 32 us on H100
    )
    kernels_beside: float = 3.0  # of a mixer or a feed-forward part, which take that time as matrices do
    launch_scale: float = 1.0  # of those fixed costs on a chip family: its runtime's gaps over those of the others
    host_scale: float = 1.0  # of a test bench: seconds of its hosts over those of well-kept ones (shared cores)
    launch_trend: float = 0.9  # of ``launch_scale`` from a family to one a year younger
    prefill_layer_s: float = 0.3e-3  # least seconds per layer of a step with prefill: kernels launched one by one
    eager_launch: float = 3.0  # seconds to launch a prompt's kernels one by one, over those of a captured step
    moe_layer_s: float = 12e-6  # more per MoE layer: gate, permutation
    step_s: float = 0.4e-3  # per step: scheduling, sampling
    sequence_s: float = 6e-6  # per sequence and step: sampling, detokenisation
    request_s: float = 12e-3  # per request, in its TTFT: tokenisation, HTTP, queue hand-over
    # --- communication
    all_reduce_s: float = 3e-6  # start-up of one in-domain all-reduce of an engine (custom kernels)
    all_reduce_step_s: float = 0.5e-6  # per doubling of the group
    across_s: float = 30e-6  # more start-up of an all-reduce that leaves the domain (host-driven sends and receives)
    # per step of a ring where messages are too large for one exchange (NCCL on A100: 10 us; see serving_collectives)
    ring_step_s: float = 1e-6
    link_share: float = 1.0  # of the catalog's sustained link bandwidth, all-reduce
    dispatch_s: float = 25e-6  # start-up of expert dispatch and combine; DeepEP's low-latency table within 14%
    combine_s: float = 25e-6
    all_to_all_doubling_s: float = 0.0
    exchange_share: float = 1.0  # of the catalog's sustained link bandwidth, dispatch and combine
    # per step of many attention copies: they wait for each other to agree on who runs what, and idle ones run along
    copies_s: float = 0.5e-3
    copies_wait: float = 1.0  # steps that a prompt waits for until copies of attention prefill together
    point_to_point_s: float = 15e-6
    pipeline_bubble: float = 0.08  # more time of a pipeline of many stages: uneven stages and uneven micro-batches
    pace: float = 1.0  # of a release: seconds of its steps over those of its engine's other releases
    moe_overlap: float = 0.0  # share of dispatch and combine hidden under compute of another micro-batch
    # --- routed experts
    expert_skew: float = 0.15  # load of the fullest rank over the mean, less 1, beyond chance (EPLB 1.05-1.2)
    copies_skew: float = 0.08  # work of the fullest attention copy over the mean, less 1: a step ends with the slowest
    # --- speculative decoding
    draft_acceptance: float = 0.6  # of a draft whose acceptance nobody states
    draft_s: float = 0.1e-3  # host seconds per draft and step: each is a pass of its own, and is verified
    # --- scheduling
    mixed: bool = True  # prefill chunks share steps with decodes; False: prefill runs in steps of its own
    two_batches: bool = True  # disaggregated wide EP interleaves two micro-batches where that is quicker
    # of the time that two interleaved halves could hide at best: what copy engines were measured to (arXiv:2412.14335)
    overlap_realised: float = 0.72
    chunk_tokens: int = 8192  # most prefill tokens per step (max_num_batched_tokens, max_num_tokens)
    max_batch: int = 1024  # requests per attention copy an offline run keeps in flight
    synchrony: float = 0.12  # share of a closed loop's clients that start (and so prefill) together
    # the same where all requests are alike (``ServingJob.waves``): nothing parts those that started together
    wave_synchrony: float = 1.0
    # beside the first prompt of each client of a benchmark: kernels of shapes that a fresh server has not met are
    # compiled and loaded (in means of such runs alone, never in a plan)
    cold_s: float = 0.1
    alike_group: float = 8.0  # alike requests that come back together where prompts and decodes share steps
    # of the wait of a prefill for others that random arrivals would have: those of a closed loop follow ends of
    # requests of like lengths, so they are more even (half the wait of M/D/1 is that of half the variance)
    queue_weight: float = 0.5
    # --- memory
    engine: str = "vllm"  # how the KV budget is cut: vllm | trtllm | sglang
    workspace: str = "vllm-0.19"  # measured workspace of a release (kv_budget.WORKSPACES); vllm: of the model's day
    memory_utilisation: float = 0.90
    activation_scale: float = 1.0
    kv_hold: float = 0.75  # share of the output a request holds in the cache on average when admission is counted
    block_tokens: int = 16
    window_cache: bool = True  # tokens beyond a layer's window are freed; releases of 2024 keep and read them all
    # --- cached prefix (CloudMatrix384: 1.42x at 50%, 2.28x at 90% reuse; TTFT -34%, -59%)
    reuse_efficiency: float = 0.60  # eta
    reuse_ttft_efficiency: float = 0.67  # eta_t
    # --- interval
    low80: float = 0.75
    high80: float = 1.45
    ttft_low80: float = 0.5
    ttft_high80: float = 2.2
    # --- what measured runs with the same names leave over; its own intervals take the place of those above
    levels: ServingLevels = field(default_factory=ServingLevels, compare=False, repr=False)
    # names of constants that are arrays (n,), one value a candidate: many variants of a profile priced in one pass
    varied: tuple[str, ...] = ()

    def taking(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> ServingProfile:
        """The constants of the candidates at ``index``."""
        if not self.varied:
            return self
        return replace(self, **{name: getattr(self, name)[index] for name in self.varied})

    def with_values(self, values: Mapping[str, object], *, file: str = "") -> ServingProfile:
        """A copy with some constants replaced; raises ``InputError`` for a name that is not a constant."""
        names = _constants()
        bad = [n for n in values if n not in names]
        if bad:
            raise InputError(
                [Problem(f"unknown serving constant {n!r}", file=file, nearest=nearest_name(n, names)) for n in bad]
            )
        return replace(self, **values)  # type: ignore[arg-type]


def _constants() -> list[str]:
    return [f.name for f in fields(ServingProfile) if f.name not in ("levels", "varied")]


NUMBERS: tuple[str, ...] = tuple(n for n in _constants() if isinstance(getattr(ServingProfile(), n), float | int)
                                 and not isinstance(getattr(ServingProfile(), n), bool))  # fmt: skip
"""Names of the constants that are numbers."""


# What differs between engines by construction, before any calibration. An engine belongs to a generation: eager
# programs launch kernel by kernel (``other``, and vLLM and TensorRT's C++ runtime of static engines up to 2024,
# ``_2024``); programs of today capture their steps as graphs and schedule the next under the last. ``current`` is that
# generation itself: what vLLM, SGLang, TensorRT-LLM and ATOM have in common, and so what an engine is taken for that
# nobody has measured. ``hpu``: DeepSpeed and SynapseAI on Gaudi, whose graphs are captured and shapes static.
# TensorRT-LLM's scheduler never evicts, so it admits a request only with room for its whole output (kv_hold 1).
ENGINES: Mapping[str, Mapping[str, float | str | bool]] = {
    "current": {"engine": "vllm", "workspace": "vllm-0.19", "memory_utilisation": 0.90},
    "vllm": {"engine": "vllm", "workspace": "vllm", "memory_utilisation": 0.90},
    "atom": {"engine": "vllm", "workspace": "vllm-0.19", "memory_utilisation": 0.90},
    "vllm_2024": {
        "two_batches": False,
        "window_cache": False,
        "engine": "vllm",
        "workspace": "vllm-0.19",
        "memory_utilisation": 0.90,
    },
    "trtllm": {
        "two_batches": False,
        "engine": "trtllm",
        "workspace": "trtllm-1.0",
        "memory_utilisation": 0.90,
        "block_tokens": 32,
        "kv_hold": 1.0,
        "copies_wait": 25.0,  # attention_dp_config: waits up to timeout_iters (50) for prompts on every copy
    },
    "trtllm_2024": {
        "two_batches": False,
        "window_cache": False,
        "engine": "trtllm",
        "workspace": "trtllm-1.0",
        "memory_utilisation": 0.95,
        "block_tokens": 32,
        "kv_hold": 1.0,
    },
    "sglang": {"engine": "sglang", "workspace": "vllm-0.19", "memory_utilisation": 0.88, "mixed": False},
    "vllm_ascend": {"engine": "vllm", "workspace": "vllm-0.19", "memory_utilisation": 0.90},
    "hpu": {"two_batches": False, "engine": "vllm", "workspace": "vllm-0.19", "memory_utilisation": 0.90},
    "other": {"two_batches": False, "engine": "vllm", "workspace": "vllm-0.19", "memory_utilisation": 0.90},
}
OF_TODAY: tuple[str, ...] = ("vllm", "sglang", "trtllm", "atom")
"""Engines of the generation ``current``: each is shrunk towards what they have in common."""
_OLD = 2024


def engine_key(engine: str, year: int = 0) -> str:
    """The engine's entry for the year a release is from (0 = current). Raises ``InputError`` for an unknown engine."""
    if engine not in ENGINES:
        raise unknown_name("serving engine", engine, sorted(ENGINES))
    old = f"{engine}_{_OLD}"
    return old if 0 < year <= _OLD and old in ENGINES else engine


# Chips whose kernels behave unlike their family's: boards with GDDR or LPDDR keep their clocks under load and have
# other matrix units than the parts with stacked memory of the same generation.
_APART: tuple[tuple[str, str], ...] = (("rtx_pro", "nvidia_blackwell_rtx"), ("gb10", "nvidia_blackwell_rtx"))


def serving_family(chip_id: str, family: str) -> str:
    """The family whose levels a chip takes in serving: its own, or a part of it that behaves otherwise."""
    for prefix, apart in _APART:
        if chip_id.startswith(prefix):
            return apart
    return family


_BOARDS = ("nvidia_ada", "nvidia_blackwell_rtx")


def kin_of(family: str) -> str:
    """The kin of a chip family, whose levels one without measurements of its own takes: its vendor's parts with stacked
    memory, or its vendor's boards."""
    return "nvidia_boards" if family in _BOARDS else f"{family.split('_', maxsplit=1)[0]}_parts"


@dataclass(frozen=True)
class ServingCalibration:
    """What ``catalog/calibration/serving.yaml`` holds: constants for all, by chip family, by engine (later ones win).

    ``families`` that no measurement was fitted to take ``everything``; their interval is wider by ``UNMEASURED``.
    """

    everything: Mapping[str, float] = field(default_factory=dict)
    families: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    engines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    # "trtllm 1.0": {pace: ...}; a release that is not here runs at its engine's pace
    releases: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    # "ml_energy nvidia_blackwell": {host_scale: ...}; of those who measured, so fitted with the rest and never carried
    benches: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    # how often pairs of runs of left-out sources come out in the right order
    order: tuple[OrderShare, ...] = ()
    pace: Levels = field(default_factory=lambda: Levels(COVARIATES))
    ttft: Levels = field(default_factory=lambda: Levels(COVARIATES))

    @property
    def levels(self) -> LevelTables:
        """Levels by quantity, as the file beside the calibration has them."""
        return {name: t for name, t in (("pace", self.pace), ("ttft", self.ttft)) if t}

    def profile(
        self,
        family: str,
        engine: str = "vllm",
        *,
        year: int = 0,
        release: str = "",
        front: str | None = None,
        date: float = 0.0,
        bench: str = "",
        loop: str = SPREAD,
    ) -> ServingProfile:
        """The constants of an engine on a chip family; of a release ("1.0") what is known of it besides.

        ``front``: what joins workers that are apart; ``date``: when, in years, where it is not today.
        """
        key = engine_key(engine, year)
        values: dict[str, object] = {**ENGINES[key], **self.everything}
        if family in SINCE and "launch_scale" not in self.families.get(family, {}):
            years = SINCE[family] - SINCE_OF_KIN  # launches get cheaper from one generation to the next
            trend = float(values.get("launch_trend", 1.0))  # type: ignore[arg-type]
            values["launch_scale"] = float(values.get("launch_scale", 1.0)) * trend**years  # type: ignore[arg-type]
        values.update(self.families.get(kin_of(family), {}))
        values.update(self.families.get(family, {}))
        values.update(self.engines.get(key, {}))
        values.update(self.releases.get(f"{engine} {release}", {}))
        values.update(self.benches.get(bench, {}))
        if values.get("workspace") == "vllm" and (release or year):
            values["workspace"] = _vllm_workspace(release, year)
        for name in _WHOLE:
            if name in values:
                values[name] = round(float(values[name]))  # type: ignore[arg-type]
        if front == TUNED:
            # their makers' kernels quantise inside the product, and they balance what is fullest: their level lies
            # between that of recipes and that of grouped products measured alone
            alone = ServingProfile.expert_efficiency
            level = math.sqrt(float(values.get("expert_efficiency", alone)) * alone)  # type: ignore[arg-type]
            values.update(block_experts=1.0, block_launch=1.0, expert_efficiency=level)
        levels = ServingLevels(self.pace, self.ttft, key, family, front, date, loop)
        profile = replace(ServingProfile(name=key).with_values(values), levels=levels)
        if FITTED in self.families.get(family, {}):
            return profile
        return replace(
            profile,
            low80=profile.low80 / UNMEASURED,
            high80=profile.high80 * UNMEASURED,
            ttft_low80=profile.ttft_low80 / UNMEASURED,
            ttft_high80=profile.ttft_high80 * UNMEASURED,
        )


def _vllm_workspace(release: str, year: int) -> str:
    """The measured workspace nearest to a release of vLLM, by its number or else its year."""
    number = release.partition(".")[2]
    lean = int(number) >= 12 if number.isdigit() and release.startswith("0.") else bool(release) or year > 2025
    return "vllm-0.19" if lean else "vllm-0.10"


_WHOLE = ("chunk_tokens", "max_batch", "block_tokens")
FITTED = "weight_bandwidth"  # a family with this constant of its own was fitted to measurements
UNMEASURED = 1.15
"""How much wider, on each side, the interval of a chip family without measurements is."""


def _numbers(value: object, path: str, file: str, problems: list[Problem]) -> dict[str, float]:
    names = _constants()
    if not isinstance(value, dict):
        problems.append(Problem("must be a mapping of names to numbers", file=file, path=path))
        return {}
    result: dict[str, float] = {}
    for name, number in value.items():
        if name not in names:
            problems.append(Problem("unknown serving constant", file=file, path=path, found=str(name),
                                    nearest=nearest_name(str(name), names)))  # fmt: skip
        elif isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number) or number < 0:
            problems.append(
                Problem("must be a number of 0 or more", file=file, path=f"{path}.{name}", found=str(number))
            )
        else:
            result[str(name)] = float(number)
    return result


def read_serving_calibration(file: Path) -> ServingCalibration:
    """The calibration in a file; an absent file is no calibration. Raises ``InputError`` listing every fault."""
    if not file.is_file():
        return ServingCalibration()
    try:
        data: Any = safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(Problem(f"not valid YAML: {error}", file=str(file))) from error
    serving = data.get("serving") if isinstance(data, dict) else None
    if not isinstance(serving, dict):
        raise InputError(Problem("has no mapping 'serving'", file=str(file)))
    problems: list[Problem] = []
    tables: dict[str, dict[str, dict[str, float]]] = {}
    for part in ("families", "engines", "releases"):
        tables[part] = {
            str(name): _numbers(value, f"serving.{part}.{name}", str(file), problems)
            for name, value in (serving.get(part) or {}).items()
        }
    everything = _numbers(serving.get("everything") or {}, "serving.everything", str(file), problems)
    levels = _levels(serving.get("levels") or {}, file, problems)
    order = read_order(serving.get("order") or [], "serving.order", str(file), problems)
    if problems:
        raise InputError(problems)
    return ServingCalibration(
        everything, tables["families"], tables["engines"], tables["releases"], order=order,
        pace=levels.get("pace", Levels(COVARIATES)), ttft=levels.get("ttft", Levels(COVARIATES)),
    )  # fmt: skip


def levels_file(file: Path) -> Path:
    """Where the levels of a calibration file lie: beside it."""
    return file.with_name(f"{file.stem}_levels.csv")


def _levels(told: object, file: Path, problems: list[Problem]) -> LevelTables:
    """Effects of the file beside, with what the calibration file says of their intervals."""
    return read_levels(levels_file(file), COVARIATES, told if isinstance(told, dict) else {}, str(file), problems)


@functools.cache
def shipped_serving_calibration() -> ServingCalibration:
    """The calibration that comes with the planner."""
    return read_serving_calibration(catalog_folder() / "calibration" / "serving.yaml")


def profile_for(family: str, engine: str = "vllm", *, year: int = 0) -> ServingProfile:
    """The planner's calibrated constants of an engine on a chip family (a new family keeps the common ones).

    Raises ``InputError`` for an unknown engine.
    """
    return shipped_serving_calibration().profile(family, engine, year=year)
