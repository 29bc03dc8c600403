"""Calibration of serving: a few bounded constants per engine and chip family, fitted to the carried measurements.

Groups before averages: an error is averaged inside a (source, engine, quantity) group first, so a source of a thousand
rows counts once. Coordinate search over multiplicative steps: the objective is not smooth (limits, floors) and every
constant is bounded to what is physical. Leaving a source out is the same search with that source's rows taken away;
the spread of errors over left-out sources is the published interval.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from planner.catalog import Catalog
from planner.performance.serving_profile import ServingCalibration, engine_key
from planner.validation.cases import Case, CaseResult
from planner.validation.serving import validate_serving

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
    "gemm_half_tokens", "expert_half_tokens", "attention_efficiency", "decode_attention_efficiency",
    "elementwise_passes", "expert_skew", "all_reduce_step_s", "queue_weight",
)  # fmt: skip
BY_FAMILY = ("gemm_efficiency", "expert_efficiency", "weight_bandwidth", "kv_bandwidth", "all_reduce_s")
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
        base, _, year = engine.partition("_")
        profile = seed.profile("", base, year=int(year or 0))
        for constant in BY_ENGINE:
            fit.values[("engines", engine, constant)] = float(getattr(profile, constant))
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


def search(
    cases: Sequence[Case], catalog: Catalog, fit: Fit, *, rounds: int = 3, step: float = 1.35, least: float = 0.0003
) -> tuple[Fit, float]:
    """Coordinate search; returns the fit and its objective on ``cases``. The step halves (in log) each round."""

    def loss(values: dict[tuple[str, str, str], float]) -> float:
        return objective(validate_serving(cases, catalog, Fit(values).calibration()))

    values = dict(fit.values)
    best = loss(values)
    for _ in range(rounds):
        for key in list(values):
            low, high = BOUNDS[key[2]]
            for factor in (step, 1.0 / step):
                moved = float(np.clip(values[key] * factor, low, high))
                if moved == values[key]:
                    continue
                found = loss({**values, key: moved})
                if found < best - least * 0.1:
                    values[key], best = moved, found
                    break
        step = math.sqrt(step)
    return Fit(values), best


def used_engines(cases: Sequence[Case]) -> tuple[str, ...]:
    """Engine entries that the rows need."""
    from planner.validation.serving_cases import engine_of

    found = {engine_key(engine_of(c.text("framework")), c.whole("year") or 0) for c in cases}
    return tuple(sorted(found))
