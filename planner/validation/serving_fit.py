"""Calibration of serving: a few bounded constants per engine and chip family, fitted to the carried measurements.

Groups before averages: an error is averaged inside a (source, engine, quantity) group first, so a source of a thousand
rows counts once. Coordinate search over multiplicative steps: the objective is not smooth (limits, floors) and every
constant is bounded to what is physical. Leaving a source out is the same search with that source's rows taken away;
the spread of errors over left-out sources is the published interval.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import yaml

from planner.catalog import Catalog
from planner.errors import InputError
from planner.performance.laws import family_of
from planner.performance.serving_profile import ENGINES, ServingCalibration, engine_key, serving_family
from planner.validation.cases import Case, CaseResult
from planner.validation.serving import validate_serving
from planner.validation.serving_cases import engine_of

# (low, high) of every constant that is fitted.
BOUNDS: Mapping[str, tuple[float, float]] = {
    "gemm_efficiency": (0.30, 0.90),
    "gemm_half_tokens": (4.0, 200.0),
    "expert_efficiency": (0.30, 1.0),
    "expert_half_tokens": (4.0, 200.0),
    "attention_efficiency": (0.20, 0.80),
    "weight_bandwidth": (0.50, 0.95),
    "kv_bandwidth": (0.35, 0.95),
    "elementwise_passes": (6.0, 40.0),
    "layer_s": (1e-6, 400e-6),
    "moe_layer_s": (1e-6, 400e-6),
    "prefill_layer_s": (0.02e-3, 2e-3),
    "step_s": (0.05e-3, 20e-3),
    "sequence_s": (0.5e-6, 150e-6),
    "request_s": (2e-3, 150e-3),
    "all_reduce_s": (2e-6, 60e-6),
    "all_reduce_step_s": (0.1e-6, 10e-6),
    "across_s": (5e-6, 100e-6),
    "narrow_loss": (0.02, 0.35),
    "expert_skew": (0.02, 1.0),
    "synchrony": (0.01, 1.0),
    "queue_weight": (0.1, 4.0),
    "max_batch": (128.0, 2048.0),
    "kv_hold": (0.5, 1.0),
}
EVERYTHING = (
    "gemm_half_tokens", "expert_half_tokens", "elementwise_passes", "expert_skew",
    "all_reduce_step_s", "queue_weight", "narrow_loss", "across_s",
)  # fmt: skip
BY_FAMILY = (
    "gemm_efficiency", "expert_efficiency", "attention_efficiency", "weight_bandwidth", "kv_bandwidth", "all_reduce_s",
)  # fmt: skip
BY_ENGINE = (
    "layer_s", "moe_layer_s", "prefill_layer_s", "step_s", "sequence_s", "request_s", "synchrony", "max_batch",
    "kv_hold",
)  # fmt: skip
WEIGHTS: Mapping[str, float] = {
    "tpot_ms": 1.0,
    "output_tok_s_per_chip": 1.0,
    "total_tok_s_per_chip": 0.3,
    "ttft_ms": 0.35,
}
# Vendor claims without a configuration, and rows whose precision and parallelism are not stated, are never fitted.
NEVER_FITTED = ("MTT", "LPU", "MOREH", "XEON", "SPARK", "NEUR", "IXCOST")
LARGEST_ERROR = 1.2  # |log error| beyond which a row says "another mechanism" and weighs no more


def may_fit(case: Case) -> bool:
    """Whether a row may be used to calibrate."""
    source = case.case_id.split("-")[0]
    if source in NEVER_FITTED or case.text("source_kind") == "memory":
        return False
    if source.startswith("ANL") and case.text("chip") not in ("A100", "H100", "GH200"):
        return False
    return "speculative decoding ON" not in case.text("notes") and "MTP+" not in case.text("notes")


def group_losses(results: Iterable[CaseResult]) -> dict[tuple[str, str, str], float]:
    """Mean capped |log error| by (source, engine, quantity)."""
    groups: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for r in results:
        if r.predicted is None or r.predicted <= 0.0 or r.quantity not in WEIGHTS or "over_budget" in r.tags:
            continue
        error = min(abs(math.log(r.predicted / r.measured)), LARGEST_ERROR)
        groups[(r.tags["source"], r.tags["engine"], r.quantity)].append(error)
    return {key: float(np.mean(v)) for key, v in groups.items()}


def objective(results: Iterable[CaseResult], regular: float = 0.0) -> float:
    """Weighted mean of the groups' losses; a group of few rows counts less."""
    counted: dict[tuple[str, str, str], int] = defaultdict(int)
    kept = [r for r in results if r.predicted is not None]
    for r in kept:
        counted[(r.tags["source"], r.tags["engine"], r.quantity)] += 1
    total = weight = 0.0
    for key, loss in group_losses(kept).items():
        w = WEIGHTS[key[2]] * min(1.0, counted[key] / 20.0)
        total, weight = total + w * loss, weight + w
    return total / max(weight, 1e-9) + regular


@dataclass
class Fit:
    """A calibration under search: values by (part, name, constant)."""

    values: dict[tuple[str, str, str], float] = field(default_factory=dict)

    def calibration(self) -> ServingCalibration:
        """As the performance room reads it."""
        everything: dict[str, float] = {}
        families: dict[str, dict[str, float]] = defaultdict(dict)
        engines: dict[str, dict[str, float]] = defaultdict(dict)
        for (part, name, constant), value in self.values.items():
            if part == "everything":
                everything[constant] = value
            else:
                (families if part == "families" else engines)[name][constant] = value
        return ServingCalibration(everything, dict(families), dict(engines))


def start(families: Sequence[str], engines: Sequence[str], seed: ServingCalibration) -> Fit:
    """Every constant at its value in ``seed`` (or its default)."""
    fit = Fit()
    for constant in EVERYTHING:
        fit.values[("everything", "", constant)] = float(getattr(seed.profile("", "vllm"), constant))
    for family in families:
        for constant in BY_FAMILY:
            fit.values[("families", family, constant)] = float(getattr(seed.profile(family, "vllm"), constant))
    for engine in engines:
        base, _, year = engine.rpartition("_") if engine[-4:].isdigit() else (engine, "", "")
        profile = seed.profile("", base, year=int(year or 0))
        for constant in BY_ENGINE:
            if constant == "kv_hold" and ENGINES[engine].get(constant) == 1.0:
                continue  # never evicts: not a matter of fitting
            value = float(getattr(profile, constant))
            if engine in ("other", "vllm_2024", "vllm_ascend") and engine not in seed.engines:
                value = EAGER.get(constant, value)
            fit.values[("engines", engine, constant)] = value
    return fit


def thin(cases: Sequence[Case], per_source: int, seed: int = 0) -> list[Case]:
    """At most ``per_source`` rows of each (source, engine), drawn at random but the same each time."""
    rng = np.random.default_rng(seed)
    groups: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case in cases:
        groups[(case.case_id.split("-")[0], case.text("framework"))].append(case)
    kept: list[Case] = []
    for group in groups.values():
        order = rng.permutation(len(group))[:per_source]
        kept += [group[i] for i in sorted(order)]
    return kept


# Where the search starts for engines that predate captured graphs: kernels launched one by one.
EAGER: Mapping[str, float] = {"layer_s": 120e-6, "step_s": 3e-3, "sequence_s": 20e-6}
SHRINK = 0.004  # pull towards the start, per squared log ratio, averaged over constants


def _touched(cases: Sequence[Case], catalog: Catalog, key: tuple[str, str, str]) -> list[Case]:
    """The rows whose prediction a constant can change."""
    part, name, _ = key
    if part == "everything":
        return list(cases)
    if part == "engines":
        return [c for c in cases if used_engines([c]) == (name,)]
    found: dict[str, str] = {}
    for chip in {c.text("chip") for c in cases}:
        try:
            record = catalog.chip(chip)
        except InputError:
            continue
        found[chip] = serving_family(record.id, family_of(record.id, record.text("family")))
    return [c for c in cases if found.get(c.text("chip")) == name]


def search(
    cases: Sequence[Case], catalog: Catalog, fit: Fit, *, rounds: int = 3, step: float = 1.5, seconds: float = 600.0
) -> tuple[Fit, float]:
    """Coordinate search; returns the fit and its objective on ``cases``. The step shrinks each round.

    Stops after ``seconds``. A constant of an engine or a family re-evaluates only the rows it touches.
    """
    begun = time.monotonic()
    values = dict(fit.values)
    groups = {key: _touched(cases, catalog, key) for key in {(k[0], k[1], "") for k in values}}
    origin = dict(values)

    def predicted(rows: Sequence[Case], at: dict[tuple[str, str, str], float]) -> dict[str, list[CaseResult]]:
        table: dict[str, list[CaseResult]] = {row.case_id: [] for row in rows}
        for result in validate_serving(rows, catalog, Fit(at).calibration()):
            table[result.case_id].append(result)
        return table

    def loss(table: Mapping[str, list[CaseResult]], at: dict[tuple[str, str, str], float]) -> float:
        pull = float(np.mean([math.log(at[k] / origin[k]) ** 2 for k in at]))
        return objective((r for rows in table.values() for r in rows), SHRINK * pull)

    table = predicted(cases, values)
    best = loss(table, values)
    for _ in range(rounds):
        for key in list(values):
            if time.monotonic() - begun > seconds:
                return Fit(values), best
            low, high = BOUNDS[key[2]]
            for factor in (step, 1.0 / step):
                moved = float(np.clip(values[key] * factor, low, high))
                if moved == values[key]:
                    continue
                trial = {**values, key: moved}
                changed = {**table, **predicted(groups[(key[0], key[1], "")], trial)}
                found = loss(changed, trial)
                if found < best - 1e-6:
                    values, best, table = trial, found, changed
                    break
        step = max(step**0.7, 1.05)
    return Fit(values), best


def used_engines(cases: Sequence[Case]) -> tuple[str, ...]:
    """Engine entries that the rows need."""
    found = {engine_key(engine_of(c.text("framework")), c.whole("year") or 0) for c in cases}
    return tuple(sorted(found))


# Sources that are one benchmark are left out together: the same harness, images and runs.
SOURCE_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "inferencex": ("IMAX", "IXFX", "IXDB", "IMAXD"),
    "trtllm_docs_2024": ("TRT014", "TRT05", "TRT09"),
    "trtllm_docs_2025": ("TRT020", "TRT10", "TRTDS"),
    "nvidia_sweep": ("NVGAP",),
    "ml_energy": ("MLEN",),
    "static_batches": ("SPLIT", "ANL", "ANLP", "ANLW", "ANLT"),
    "others": ("DSTPD", "ASC", "VLLM", "SGL", "MOON"),
}
FITTED_FAMILIES = ("nvidia_hopper", "nvidia_blackwell", "nvidia_blackwell_rtx", "nvidia_ampere", "nvidia_ada")


def family_of_source(source: str) -> str:
    """The family a source is left out with; itself when it is in none."""
    for name, members in SOURCE_FAMILIES.items():
        if source in members:
            return name
    return source


def left_out(
    cases: Sequence[Case], catalog: Catalog, *, per_source: int = 12, rounds: int = 2, seconds: float = 60.0
) -> tuple[CaseResult, ...]:
    """Every source family predicted by constants fitted from the defaults without it, (all its rows)."""
    usable = [c for c in cases if may_fit(c)]
    results: list[CaseResult] = []
    for name in dict.fromkeys(family_of_source(c.case_id.split("-")[0]) for c in usable):
        rest = [c for c in usable if family_of_source(c.case_id.split("-")[0]) != name]
        own = [c for c in usable if family_of_source(c.case_id.split("-")[0]) == name]
        begin = start(FITTED_FAMILIES, used_engines(usable), ServingCalibration())
        fit, _ = search(thin(rest, per_source), catalog, begin, rounds=rounds, step=1.5, seconds=seconds)
        results += validate_serving(own, catalog, fit.calibration())
    return tuple(results)


def interval_of(results: Iterable[CaseResult], quantities: Sequence[str], inside: float = 0.8) -> tuple[float, float]:
    """(low, high) multipliers on predicted times that hold ``inside`` of the measurements, groups weighing alike.

    A rate counts as its inverse. Weighted quantiles of log(measured / predicted).
    """
    groups: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for r in results:
        if r.predicted and r.quantity in quantities:
            ratio = math.log(r.measured / r.predicted)
            sign = 1.0 if r.quantity.endswith("_ms") else -1.0
            groups[(r.tags["source"], r.tags["chip"], r.tags["model"])].append(sign * ratio)
    if not groups:
        raise InputError("no answered measurement to take an interval from")
    values = np.array([v for g in groups.values() for v in g])
    # the square root of a group's size: between counting rows and counting groups
    weights = np.array([1.0 / math.sqrt(len(g)) for g in groups.values() for _ in g])
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order]) / weights.sum()
    tail = (1.0 - inside) / 2.0
    low = values[order][np.searchsorted(cumulative, tail)]
    high = values[order][min(int(np.searchsorted(cumulative, 1.0 - tail)), len(values) - 1)]
    return math.exp(min(float(low), -0.02)), math.exp(max(float(high), 0.02))


TPOT_QUANTITIES = ("tpot_ms", "output_tok_s_per_chip", "total_tok_s_per_chip")


def with_intervals(
    calibration: ServingCalibration, results: Sequence[CaseResult], *, least_rows: int = 60
) -> ServingCalibration:
    """The calibration with 80% intervals from ``results`` of left-out sources: by engine where it has enough rows."""

    def bounds(rows: Sequence[CaseResult]) -> dict[str, float]:
        low, high = interval_of(rows, TPOT_QUANTITIES)
        found = {"low80": low, "high80": high}
        if any(r.quantity == "ttft_ms" and r.predicted for r in rows):
            found["ttft_low80"], found["ttft_high80"] = interval_of(rows, ("ttft_ms",))
        return found

    everything = {**calibration.everything, **bounds(results)}
    engines = {name: dict(values) for name, values in calibration.engines.items()}
    for name in {r.tags["engine_key"] for r in results if r.predicted and "engine_key" in r.tags}:
        rows = [r for r in results if r.tags.get("engine_key") == name]
        if sum(bool(r.predicted) for r in rows) >= least_rows:
            engines.setdefault(name, {}).update(bounds(rows))
    return ServingCalibration(everything, calibration.families, engines)


def left_out_summary(
    results: Sequence[CaseResult], calibration: ServingCalibration
) -> dict[str, dict[str, dict[str, float]]]:
    """Errors of left-out sources by family and quantity: rows, median and mean |error|, share inside the interval."""
    groups: dict[tuple[str, str], list[CaseResult]] = defaultdict(list)
    for r in results:
        if r.predicted and r.quantity in WEIGHTS:
            groups[(family_of_source(r.tags["source"]), r.quantity)].append(r)
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    for (name, quantity), rows in sorted(groups.items()):
        errors = [abs(r.error or 0.0) for r in rows]
        inside = 0
        for r in rows:
            values = {**calibration.everything, **calibration.engines.get(r.tags.get("engine_key", ""), {})}
            prefix = "ttft_" if quantity == "ttft_ms" else ""
            ratio = r.measured / (r.predicted or 1.0)
            ratio = ratio if quantity.endswith("_ms") else 1.0 / ratio
            inside += values[f"{prefix}low80"] <= ratio <= values[f"{prefix}high80"]
        found[name][quantity] = {
            "rows": float(len(rows)),
            "median": float(np.median(errors)),
            "mean": float(np.mean(errors)),
            "inside": inside / len(rows),
        }
    return dict(found)


def calibration_yaml(calibration: ServingCalibration) -> str:
    """The file as it is carried, three significant digits."""

    def tidy(table: Mapping[str, float]) -> dict[str, float]:
        whole = {"max_batch", "chunk_tokens", "block_tokens", "rows"}
        return {n: float(round(v)) if n in whole else float(f"{v:.3g}") for n, v in sorted(table.items())}

    data = {
        "serving": {
            "everything": tidy(calibration.everything),
            "families": {k: tidy(v) for k, v in sorted(calibration.families.items())},
            "engines": {k: tidy(v) for k, v in sorted(calibration.engines.items())},
            "left_out": {k: {q: tidy(v) for q, v in table.items()} for k, table in calibration.left_out.items()},
        }
    }
    head = (
        "# Constants of the serving model: over the defaults in planner/performance/serving_profile.py.\n"
        "# Written by planner.validation.serving_fit from catalog/measurements/serving.csv (docs/serving-model.md).\n"
        "# families.huawei_ascend and families.amd_* are not fitted: the first is from CloudMatrix384's published\n"
        "# dispatch and combine times (arXiv:2506.12708), the others from measured GEMM ceilings (S. Bekman's MAMF).\n"
    )
    return head + yaml.safe_dump(data, sort_keys=False)


# Not fitted: published elsewhere, kept through every refit.
GIVEN: Mapping[str, Mapping[str, float]] = {
    "huawei_ascend": {"dispatch_s": 75e-6, "combine_s": 40e-6, "all_to_all_doubling_s": 2.5e-6},
    "amd_cdna2": {"gemm_efficiency": 0.42},
    "amd_cdna3": {"gemm_efficiency": 0.42},
    "amd_cdna4": {"gemm_efficiency": 0.52},
}


def calibrate_serving(
    cases: Sequence[Case], catalog: Catalog, *, per_source: int = 25, rounds: int = 5, seconds: float = 600.0
) -> ServingCalibration:
    """Refit every constant and its intervals.

    Takes about ``seconds``, and the same again for the left-out sources.
    """
    usable = [c for c in cases if may_fit(c)]
    begin = start(FITTED_FAMILIES, used_engines(usable), ServingCalibration())
    fit, _ = search(thin(usable, per_source), catalog, begin, rounds=rounds, step=1.6, seconds=seconds)
    found = with_given(fit.calibration())
    outside = left_out(usable, catalog, seconds=seconds / len(SOURCE_FAMILIES))
    found = with_intervals(found, outside)
    return replace(found, left_out=left_out_summary(outside, found))


def with_given(calibration: ServingCalibration) -> ServingCalibration:
    """The calibration with the published constants that are never fitted.

    A chip family nobody has measured takes the geometric mean of the fitted families for what is fitted by family.
    """
    families = {**{k: dict(v) for k, v in calibration.families.items()}}
    everything = dict(calibration.everything)
    for constant in BY_FAMILY:
        known = [v[constant] for k, v in families.items() if k in FITTED_FAMILIES and constant in v]
        if known:
            everything.setdefault(constant, math.exp(float(np.mean(np.log(known)))))
    for name, values in GIVEN.items():
        families[name] = {**families.get(name, {}), **values}
    return ServingCalibration(everything, families, calibration.engines)
