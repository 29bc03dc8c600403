"""A serving replica: throughput, time to first token and time per output token, of a shape given or of the best one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from planner.answer.plan import Interval, Parallelism
from planner.catalog import Catalog, load_catalog
from planner.catalog.architecture import ModelArch
from planner.errors import InputError, Problem, unknown_name
from planner.estimate.hardware import Machine, language_model, machine_of, plain, whole
from planner.performance.measured.ordering import OrderShare
from planner.performance.platform import Platform
from planner.performance.precision import peak_name
from planner.performance.serving.checkpoint import unloadable
from planner.performance.serving.engine import profile_of, year_of_month
from planner.performance.serving.grid import LARGEST_REPLICA_CHIPS, LOADS, ServingGrid, heads_divide, serving_grid
from planner.performance.serving.job import BYTES_PER_ELEMENT
from planner.performance.serving.lengths import Lengths
from planner.performance.serving.load import Traffic, curves_of, under_load
from planner.performance.serving.power import IDLE_POWER, chip_power
from planner.performance.serving.profile import shipped_serving_calibration
from planner.performance.serving.replica import (
    AGGREGATED,
    DECODE,
    PREFILL,
    ServingCandidates,
    ServingEstimate,
    ServingJob,
    one_candidate,
    unknown_of,
)
from planner.performance.serving.replica import estimate_serving as price
from planner.performance.serving.simulation import simulate as simulate_replica
from planner.performance.serving.step import compute_format
from planner.workload.cache import kv_bytes_per_token, state_bytes_per_sequence

if TYPE_CHECKING:
    import pandas as pd

ROLES = {"aggregated": AGGREGATED, "prefill": PREFILL, "decode": DECODE}
DEFAULT_BATCH = 32
BASIS = "80% of measured runs as near as these are, left out of the calibration"
"""Requests in flight per attention copy and stage where no batch is given."""
PERCENTILE, UTILISATION = 95.0, 0.85
"""Of the percentiles beside the means: those a scenario plans with unless it says otherwise."""
MOST_BURSTY = 10.0
"""Largest coefficient of variation of the time between arrivals that is taken."""


@dataclass(frozen=True, repr=False)
class ServingEstimation:
    """What the performance model expects of one replica at full load. Rates are of the replica."""

    kind: Literal["serving"]
    model: str
    system: str
    chip: str
    cooling: str
    chips: int
    """Of the replica."""
    systems: int
    """Whole systems that hold the replica."""
    role: str
    """aggregated, prefill or decode."""
    precision: str
    kv_precision: str
    engine: str
    """vllm, sglang or trtllm, with its release where one was named."""
    memory_fraction: float
    """Share of a chip's memory that the engine may use."""
    input_tokens: float
    output_tokens: float
    cached_prefix: float
    parallelism: Parallelism
    requests_per_s: float
    output_tokens_per_s: float | None
    """None of a replica that only prefills."""
    output_tokens_per_s_per_chip: float | None
    input_tokens_per_s: float | None
    """None of a replica that only decodes."""
    input_tokens_per_s_per_chip: float | None
    ttft_ms: float | None
    """Mean, with ``concurrency`` requests always in flight."""
    tpot_ms: float | None
    ttft_p95_ms: float | None
    """95th percentile under random arrivals at ``load`` of capacity: what limits are held against."""
    tpot_p95_ms: float | None
    load: float
    """Share of the throughput that the percentiles are at: 0.85, or what a search found its limits to allow."""
    concurrency: float
    """Requests in flight: the batch, or fewer where the cache is full."""
    kv_capacity_tokens: float
    """Tokens the replica's cache holds, in requests of this length as the engine counts them at its start."""
    kv_bytes_per_token: float
    """Cache of a further token over all layers while no window is full, before tensor parallelism repeats any of it."""
    state_mb_per_request: float
    """Recurrent state of a request, whatever its length."""
    prefill_ms: float | None
    """Prefill of one request alone."""
    step_ms: float
    """Mean step."""
    memory_gb_per_chip: float
    memory_limit_gb_per_chip: float
    fits: bool
    breakdown_s: Mapping[str, float] = field(default_factory=dict)
    """Seconds of the mean step by cause; sums to it."""
    memory_gb: Mapping[str, float] = field(default_factory=dict)
    """GB by component; sums to ``memory_gb_per_chip``."""
    interval: Interval | None = None
    """80% interval of ``tpot_ms`` (of a prefill replica: of ``ttft_ms``)."""
    ttft_interval: Interval | None = None
    best: bool = False
    """Whether the shape was searched for."""
    enumerated: int = 1
    """Legal shapes looked at."""
    candidates: int = 1
    """Those of them that fit in memory."""
    chip_power_w: float | None = None
    """Mean of one chip at full load, from what its steps spend their time on; None where its TDP is not published."""
    joules_per_token: float | None = None
    """Of the chips alone, for each output token (of a prefill replica: each input token)."""
    notes: tuple[str, ...] = ()
    ordering: tuple[OrderShare, ...] = ()
    """How often two predictions this far apart were in the right order, over measured pairs of left-out sources."""
    simulated_ttft_p95_ms: float | None = None
    """The same percentile of single requests, simulated; None where nobody asked."""
    simulated_tpot_p95_ms: float | None = None

    def __repr__(self) -> str:
        said = f"{self.requests_per_s:.4g} requests/s" + ("" if self.fits else "; does not fit")
        return f"<ServingEstimation {self.model} on {self.chips} chips of {self.system}: {said}>"

    def _repr_html_(self) -> str:
        from planner.answer.notebook import table
        from planner.estimate.rows import estimate_row

        facts = [{"figure": k, "value": v} for k, v in estimate_row(self).items() if v not in {None, ""}]
        return table(facts, ("figure", "value"))

    def frame(self) -> pd.DataFrame:
        """One row with every figure, layout and interval, as pandas."""
        from planner.estimate.rows import estimate_row
        from planner.tables import frame_of

        return frame_of([estimate_row(self)])

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return plain(self)


def _year_of(month: str | None) -> float:
    """Years of a month; raises ``InputError`` for what is none."""
    if month is not None and not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", month):
        raise InputError(Problem("is no month", path="software_date", found=repr(month), allowed="YYYY-MM, as 2025-09"))
    return year_of_month(month)


def estimate_serving(
    *,
    model: str,
    system: str,
    chips: int | None = None,
    chip: str | None = None,
    cooling: str | None = None,
    input_tokens: float = 2048,
    output_tokens: float = 512,
    input_cv: float = 0.0,
    output_cv: float = 0.0,
    arrival_cv: float = 1.0,
    cached_prefix: float = 0.0,
    precision: str = "bf16",
    kv_precision: str | None = None,
    engine: str = "vllm",
    memory_fraction: float | None = None,
    software_date: str | None = None,
    images: float = 0.0,
    image_tokens: float | None = None,
    tp: int | None = None,
    pp: int | None = None,
    ep: int | None = None,
    attention_dp: int | None = None,
    batch: int | None = None,
    role: str = "aggregated",
    ttft_ms: float | None = None,
    tpot_ms: float | None = None,
    best: bool = False,
    simulate: bool = False,
    catalog: Catalog | None = None,
) -> ServingEstimation:
    """Throughput, latency and memory of one replica of ``model``.

    A replica has ``chips = tp pp attention_dp`` chips. What is left out: tp as many of ``chips`` as one scale-up
    domain has, and what is left copies of attention (models with experts) or stages; all 1 where ``chips`` is left out
    too; ep all chips of a stage where attention is copied, else 1; ``batch`` 32 requests in flight per attention copy
    and stage; the KV cache in bf16. ``batch`` counts requests of the whole replica.

    With ``best`` every legal shape of at most ``chips`` chips (left out: as many as a plan searches) that agrees with
    what is given is priced: the one with most output tokens per second and chip (of a prefill replica: input tokens)
    whose 95th percentiles of TTFT and TPOT keep ``ttft_ms`` and ``tpot_ms`` under random arrivals, at the
    highest of the loads that plans use (30, 50, 70, 85% of its throughput) that does.

    ``engine``: vllm, sglang or trtllm, with a release after a blank where one is meant ("vllm 0.10"); without one, the
    cache is what the first releases that load the model leave. ``memory_fraction``: share of a chip's memory that the
    engine may use; None its default. ``software_date``: month whose software serves ("2025-09"); None that of the
    newest runs measured. ``images``: images of a request, whose ``image_tokens`` each (None: as the model's record
    says) are among its ``input_tokens``; the model's vision tower computes them.

    ``input_cv``, ``output_cv``: how much lengths vary about their means (lognormal; 0: all alike); ``arrival_cv``: how
    bursty arrivals are (1: Poisson). ``simulate`` follows 4,000 single requests through the replica at its ``load`` and
    sets what they meet beside the percentiles.

    Raises ``InputError`` for unknown names, shapes that are not legal, and limits that no shape keeps;
    ``UnknownFigureError`` when a figure of the hardware is not published.
    """
    known = catalog if catalog is not None else load_catalog()
    widths = {"chips": chips, "tp": tp, "pp": pp, "ep": ep, "attention_dp": attention_dp, "batch": batch}
    problems = [p for name, value in widths.items() for p in whole(name, value)]
    if role not in ROLES:
        problems += unknown_name("role", role, list(ROLES), path="role").problems
    for name, limit in (("ttft_ms", ttft_ms), ("tpot_ms", tpot_ms)):
        if limit is not None and not limit > 0:
            problems.append(Problem("must be above 0", path=name, found=f"{limit:g}"))
        elif limit is not None and not best:
            problems.append(Problem("is a limit of a search", path=name, remedy="Give --best (best=True) with it."))
    if problems:
        raise InputError(problems)
    arch = language_model(known, model)
    machine = machine_of(known, system, chip, cooling)
    job = ServingJob(
        arch, peak_name(precision), peak_name(kv_precision or "bf16"),
        float(input_tokens), float(output_tokens), float(cached_prefix), input_cv=input_cv, output_cv=output_cv,
        engine=engine, memory_fraction=memory_fraction, software_year=_year_of(software_date),
        images=float(images), image_tokens=image_tokens,
    )  # fmt: skip
    if not 0.0 <= arrival_cv <= MOST_BURSTY:
        raise InputError(
            Problem("out of bounds", path="arrival_cv", found=f"{arrival_cv:g}", allowed=f"0 to {MOST_BURSTY:g}")
        )
    traffic = Traffic(
        Lengths.lognormal(job.input_tokens, input_cv), Lengths.lognormal(job.output_tokens, output_cv), arrival_cv
    )
    if output_tokens < 1:
        raise InputError(Problem("must be 1 or more", path="output_tokens", found=f"{output_tokens:g}"))
    _within_context(arch, input_tokens + output_tokens)
    number = ROLES[role]
    load = UTILISATION
    enumerated = fit = 1
    if best:
        shape, enumerated, fit, load = _best(
            job, machine.platform, chips, {k: v for k, v in widths.items() if v is not None and k != "chips"}, number,
            ttft_ms, tpot_ms, traffic,
        )  # fmt: skip
    else:
        shape = _given(job, machine.platform, widths, number)
    found = price(job, machine.platform, shape)
    fit = fit if best else int(found.fits[0])
    estimation = _estimation(job, machine, shape, found, role, best, enumerated, fit, load, traffic)
    if not simulate:
        return estimation
    run = simulate_replica(job, machine.platform, shape, load * float(found.requests_per_s[0]), traffic=traffic)
    return replace(
        estimation,
        simulated_ttft_p95_ms=run.ttft_s(PERCENTILE) * 1e3 if number != DECODE else None,
        simulated_tpot_p95_ms=run.tpot_s(PERCENTILE) * 1e3 if number != PREFILL else None,
    )


def _within_context(model: ModelArch, tokens: float) -> None:
    """Raise ``InputError`` where prompt and answer together are longer than the model can attend to."""
    if model.longest_context and tokens > model.longest_context:
        raise InputError(
            Problem(
                f"prompt and answer together are longer than the context of {model.id}",
                path="input_tokens",
                found=f"{tokens:g} tokens",
                allowed=f"up to {model.longest_context}",
            )
        )


def _given(job: ServingJob, platform: Platform, widths: Mapping[str, int | None], role: int) -> ServingCandidates:
    """The shape of what was given and its defaults. Raises ``InputError`` where it is not legal."""
    model = job.model
    experts = max((g.feed_forward.experts for g in model.groups), default=0)
    tp, pp, copies = _fill(platform, widths, bool(experts))
    chips = widths["chips"]
    whole_chips = tp * pp * copies
    if chips is not None and chips != whole_chips:
        raise InputError(
            Problem(
                f"a replica of tp {tp} x pp {pp} x attention_dp {copies} has {whole_chips} chips",
                path="chips",
                found=str(chips),
                nearest=str(whole_chips),
                remedy="Chips are those of one replica; --best searches up to that many.",
            )
        )
    if not heads_divide(model, tp):
        legal = [n for n in range(1, 129) if heads_divide(model, n)]
        raise InputError(_width("tp must divide the heads of every layer", "tp", tp, legal))
    if pp > model.layers:
        raise InputError(_width("pp must leave no stage without layers", "pp", pp, [model.layers]))
    if copies > 1 and not experts:
        raise InputError(
            Problem(
                f"{model.id} has no experts to share, so copies of its attention are simply more replicas",
                path="attention_dp",
                found=str(copies),
                nearest="1",
                remedy="Estimate one replica and count them.",
            )
        )
    spread = copies > 1 or (widths["tp"] is None and unloadable(job, tp, copies, 1) != "")
    ep = widths["ep"] or (tp * copies if experts and spread else 1)
    if not experts and ep > 1:
        raise InputError(_width(f"{model.id} has no experts", "ep", ep, [1]))
    if (tp * copies) % ep:
        legal = [n for n in range(1, tp * copies + 1) if (tp * copies) % n == 0]
        raise InputError(_width("ep must divide tp x attention_dp", "ep", ep, legal))
    why = unloadable(job, tp, copies, ep)
    if why:
        legal = [n for n in range(1, tp * copies + 1) if (tp * copies) % n == 0 and experts]
        if job.engine.startswith("vllm"):  # which spreads experts over all chips of a stage or over none
            legal = legal[-1:]
        wide = [n for n in legal if not unloadable(job, tp, copies, n)]
        narrow = [n for n in (1, 2, 4, 8, 16) if heads_divide(model, n) and not unloadable(job, n, 1, 1)]
        name, value, choice = ("ep", ep, wide) if wide else ("tp", tp, narrow)
        raise InputError(_width(f"{model.id} in {job.precision} does not load: {why}", name, value, choice))
    least = copies * pp
    batch = widths["batch"] or (least if role == PREFILL else DEFAULT_BATCH * least)
    if batch < least:
        raise InputError(_width("a batch holds a request for every attention copy and stage", "batch", batch, [least]))
    chunk = profile_of(job, platform).chunk_tokens
    return one_candidate(tp=tp, pp=pp, ep=ep, attention_dp=copies, batch=batch, chunk=chunk, role=role)


def _fill(platform: Platform, widths: Mapping[str, int | None], experts: bool) -> tuple[int, int, int]:
    """(tp, pp, attention_dp), what was not given filled in from the chips, where those were."""
    chips, tp, pp, copies = widths["chips"], widths["tp"], widths["pp"], widths["attention_dp"]
    if chips is not None:
        rest = max(chips // ((tp or 1) * (pp or 1) * (copies or 1)), 1)
        if tp is None:
            tp = min(rest, max(platform.tiers[0].size, 1))
            rest //= tp
        if experts and copies is None:
            copies = rest
        elif not experts and pp is None:
            pp = rest
    return tp or 1, pp or 1, copies or 1


def _width(rule: str, name: str, value: int, legal: list[int]) -> Problem:
    nearest = min(legal, key=lambda v: (abs(v - value), v)) if legal else ""
    shown = ", ".join(map(str, legal[:12])) + (", ..." if len(legal) > 12 else "")
    return Problem(rule, path=name, found=str(value), nearest=str(nearest), allowed=shown)


def _grid(pinned: Mapping[str, int], role: int) -> ServingGrid:
    """The declared grid of one role with some widths fixed."""
    grid = ServingGrid(roles=(role,))
    if "tp" in pinned:  # a width named by hand may leave the domain
        grid = replace(grid, tensor=(pinned["tp"],), tensor_in_domain=False)
    if "pp" in pinned:
        grid = replace(grid, pipeline=(pinned["pp"],))
    if "attention_dp" in pinned:
        grid = replace(grid, copies=(pinned["attention_dp"],))
    if "ep" in pinned:
        grid = replace(grid, expert_widths=(pinned["ep"],))
    if "batch" in pinned and role != PREFILL:
        each = {pinned["batch"] // c for c in grid.copies if pinned["batch"] % c == 0}
        grid = replace(grid, batch=tuple(sorted(each)))
    return grid


def _best(
    job: ServingJob,
    platform: Platform,
    chips: int | None,
    pinned: Mapping[str, int],
    role: int,
    ttft_ms: float | None,
    tpot_ms: float | None,
    traffic: Traffic,
) -> tuple[ServingCandidates, int, int, float]:
    """The shape of most tokens/s and chip inside the limits, how many were looked at, how many fit, and its load.

    Without limits the load is ``UTILISATION``: the order of shapes by throughput is the same at any.
    """
    most = chips if chips is not None else LARGEST_REPLICA_CHIPS
    shapes = serving_grid(job, platform, most, _grid(pinned, role))
    if "batch" in pinned:
        if role == PREFILL and len(shapes):
            shapes = replace(shapes, batch=np.full(len(shapes), pinned["batch"]))
        shapes = shapes.take(shapes.batch == pinned["batch"])
        shapes = shapes.take(shapes.batch >= shapes.attention_dp * shapes.pp)
    where = f"{job.model.id} on up to {most} chips of {platform.chip_id}"
    if pinned:
        where += " with " + ", ".join(f"{k} {v}" for k, v in pinned.items())
    if not len(shapes):
        raise InputError(
            Problem(
                f"{where}: no legal replica holds the weights",
                path="chips",
                found=str(most),
                remedy="Try more chips, a narrower precision, or fewer fixed widths.",
            )
        )
    found = price(job, platform, shapes)
    fits = np.asarray(found.fits, dtype=bool)
    if not fits.any():
        raise InputError(
            Problem(f"{where}: weights and cache fit in no replica", path="chips", found=str(most),
                    remedy="Try more chips or a narrower precision.")
        )  # fmt: skip
    per_chip = (found.input_tokens_per_s if role == PREFILL else found.output_tokens_per_s) / found.chips
    limits = [
        (name, limit / 1e3)
        for name, limit, exempt in (("ttft_ms", ttft_ms, DECODE), ("tpot_ms", tpot_ms, PREFILL))
        if limit is not None and role != exempt
    ]
    if not limits:
        return shapes.take(np.array([_first_best(fits, per_chip)])), len(shapes), int(fits.sum()), UTILISATION
    # a batch pinned by hand leaves no smaller ones to read the curves from
    curves = None if "batch" in pinned else curves_of(shapes, found)
    value, load = np.zeros(len(shapes)), np.zeros(len(shapes))
    met = {name: np.zeros(len(shapes), dtype=bool) for name, _ in limits}
    lowest = dict.fromkeys(met, np.inf)
    for share in (*(n / 1000.0 for n in LOADS), UTILISATION):
        state = under_load(job, platform, shapes, share, traffic=traffic, curves=curves)
        inside = fits.copy()
        for name, limit in limits:
            figures = state.ttft_s(PERCENTILE) if name == "ttft_ms" else state.tpot_s(PERCENTILE)
            lowest[name] = min(lowest[name], float(figures[fits].min()))
            met[name] |= figures <= limit
            inside &= figures <= limit
        better = inside & (per_chip * share > value)
        value, load = np.where(better, per_chip * share, value), np.where(better, share, load)
    for name, limit in limits:
        if not np.any(fits & met[name]):
            raise InputError(
                Problem(f"{where}: no shape keeps the limit at the {PERCENTILE:g}th percentile", path=name,
                        found=f"{limit * 1e3:g} ms asked", allowed=f"{lowest[name] * 1e3:.4g} ms at best")
            )  # fmt: skip
    if not value.any():
        raise InputError(
            Problem(f"{where}: no shape keeps both limits at once at the {PERCENTILE:g}th percentile", path="tpot_ms",
                    found=f"TTFT {ttft_ms:g} ms and TPOT {tpot_ms:g} ms asked")
        )  # fmt: skip
    at = _first_best(value > 0.0, value)
    return shapes.take(np.array([at])), len(shapes), int(fits.sum()), float(load[at])


def _first_best(keep: NDArray[np.bool_], value: NDArray[np.float64]) -> int:
    among = np.flatnonzero(keep)
    return int(among[np.argmax(value[among])])


def _estimation(
    job: ServingJob,
    machine: Machine,
    shape: ServingCandidates,
    found: ServingEstimate,
    role: str,
    best: bool,
    enumerated: int,
    fit: int,
    load: float,
    traffic: Traffic,
) -> ServingEstimation:
    platform, number = machine.platform, ROLES[role]
    decoding, prefilling = number != PREFILL, number != DECODE
    chips = int(found.chips[0])
    ttft, tpot = float(found.ttft_s[0]) * 1e3, float(found.tpot_s[0]) * 1e3
    state = under_load(job, platform, shape, load, traffic=traffic)
    ttft_95, tpot_95 = float(state.ttft_s(PERCENTILE)[0]) * 1e3, float(state.tpot_s(PERCENTILE)[0]) * 1e3
    out, into = float(found.output_tokens_per_s[0]), float(found.input_tokens_per_s[0])
    basis = BASIS if shipped_serving_calibration().pace else "an assumed width"
    tdp = machine.chip.get("tdp_w")
    idle = machine.chip.get("idle_power_fraction_of_tdp") or IDLE_POWER
    power = None if tdp is None else float(chip_power(found, tdp, idle)[0])
    tokens = out if decoding else into

    def interval(name: str, value: float, low: float, high: float) -> Interval:
        return Interval(quantity=name, low=value * low, high=value * high, basis=basis)

    tpot_interval = interval("tpot_ms", tpot, float(found.low80[0]), float(found.high80[0])) if decoding else None
    ttft_interval = (
        interval("ttft_ms", ttft, float(found.ttft_low80[0]), float(found.ttft_high80[0])) if prefilling else None
    )
    notes = []
    runs_at = compute_format(platform.peak_flops, job.precision) or job.precision
    if runs_at != job.precision:
        notes.append(f"{machine.chip.id} computes {job.precision} weights at its {runs_at} rate.")
    if job.model.max_context and job.input_tokens + job.output_tokens > job.model.max_context:
        notes.append(
            f"Prompt and answer go beyond the {job.model.max_context:,} positions of {job.model.id}: YaRN extends them"
            f" to {job.model.yarn_context:,} once it is set in the checkpoint's config."
        )
    if load < UTILISATION:
        notes.append(f"The limits hold at up to {load:.0%} of this throughput; at more, requests wait too long.")
    if found.concurrency[0] < shape.batch[0] * (1 - 1e-9):
        notes.append(
            f"The cache holds {float(found.concurrency[0]):.4g} of {int(shape.batch[0])} requests; the others wait,"
            " which is in the TTFT."
        )
    unknown = unknown_of(job, platform, shape)
    if unknown:
        notes.append(f"An extrapolation: {'; '.join(unknown)}.")
    return ServingEstimation(
        kind="serving", model=job.model.id, system=machine.system.id, chip=machine.chip.id, cooling=machine.cooling_id,
        chips=chips, systems=-(-chips // platform.system_chips), role=role, precision=job.precision,
        kv_precision=job.kv_precision, engine=job.engine,
        memory_fraction=profile_of(job, platform).memory_utilisation,
        input_tokens=job.input_tokens, output_tokens=job.output_tokens,
        cached_prefix=job.cached_prefix,
        parallelism=Parallelism(
            tp=int(shape.tp[0]), pp=int(shape.pp[0]), dp=int(shape.attention_dp[0]), ep=int(shape.ep[0]),
            batch=int(shape.batch[0]), chunk_tokens=int(shape.chunk[0]) if prefilling else None,
        ),
        requests_per_s=float(found.requests_per_s[0]),
        output_tokens_per_s=out if decoding else None,
        output_tokens_per_s_per_chip=out / chips if decoding else None,
        input_tokens_per_s=into if prefilling else None,
        input_tokens_per_s_per_chip=into / chips if prefilling else None,
        ttft_ms=ttft if prefilling else None,
        tpot_ms=tpot if decoding else None,
        ttft_p95_ms=ttft_95 if prefilling else None,
        tpot_p95_ms=tpot_95 if decoding else None,
        load=load,
        concurrency=float(found.concurrency[0]),
        kv_capacity_tokens=float(found.kv_capacity_tokens[0]),
        kv_bytes_per_token=kv_bytes_per_token(job.model, BYTES_PER_ELEMENT[job.kv_precision]),
        state_mb_per_request=state_bytes_per_sequence(job.model) / 1e6,
        prefill_ms=float(found.prefill_s[0]) * 1e3 if prefilling else None,
        step_ms=float(found.step_s[0]) * 1e3,
        memory_gb_per_chip=float(found.memory_bytes[0]) / 1e9,
        memory_limit_gb_per_chip=float(found.memory_limit_bytes[0]) / 1e9,
        fits=bool(found.fits[0]),
        breakdown_s={k: float(v[0]) for k, v in found.breakdown.items() if v[0]},
        memory_gb={k: float(v[0]) / 1e9 for k, v in found.memory.items() if v[0]},
        interval=tpot_interval or ttft_interval,
        ttft_interval=ttft_interval,
        best=best, enumerated=enumerated, candidates=fit, notes=tuple(notes),
        ordering=shipped_serving_calibration().order,
        chip_power_w=power,
        joules_per_token=power * chips / tokens if power is not None and tokens > 0.0 else None,
    )  # fmt: skip
