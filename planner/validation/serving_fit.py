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
from dataclasses import dataclass, field

import numpy as np

from planner.catalog import Catalog
from planner.errors import InputError
from planner.performance.laws import family_of
from planner.performance.serving_profile import ServingCalibration, engine_key
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
    "decode_attention_efficiency": (0.15, 0.75),
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
    "expert_skew": (0.02, 1.0),
    "synchrony": (0.01, 1.0),
    "queue_weight": (0.1, 4.0),
    "max_batch": (128.0, 2048.0),
    "kv_hold": (0.5, 1.0),
}
EVERYTHING = (
    "gemm_half_tokens", "expert_half_tokens", "decode_attention_efficiency", "elementwise_passes", "expert_skew",
    "all_reduce_step_s", "queue_weight",
)  # fmt: skip
BY_FAMILY = (
    "gemm_efficiency", "expert_efficiency", "attention_efficiency", "weight_bandwidth", "kv_bandwidth", "all_reduce_s",
)  # fmt: skip
BY_ENGINE = (
    "layer_s", "moe_layer_s", "prefill_layer_s", "step_s", "sequence_s", "request_s", "synchrony", "max_batch",
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
    return "MTP" not in case.text("notes")


def group_losses(results: Iterable[CaseResult]) -> dict[tuple[str, str, str], float]:
    """Mean capped |log error| by (source, engine, quantity)."""
    groups: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for r in results:
        if r.predicted is None or r.predicted <= 0.0 or r.quantity not in WEIGHTS:
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
        found[chip] = family_of(record.id, record.text("family"))
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
