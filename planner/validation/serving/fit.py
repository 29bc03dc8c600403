"""Calibration of serving: bounded constants per engine, chip family and release, fitted to the carried measurements.

What is unknown and where it lies beforehand stands here; how it is found, in ``serving_descent``; how well it predicts
what it has not seen, in ``serving_left_out``. Every constant is bounded to what is physical and shrunk: a chip
family's towards all families', an engine's towards where it starts, a release's pace towards one.
"""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import yaml

from planner.catalog import Catalog
from planner.performance.measured.levels_file import levels_facts
from planner.performance.measured.ordering import OrderShare
from planner.performance.serving.levels import SINCE, SINCE_OF_KIN
from planner.performance.serving.profile import (
    ENGINES,
    OF_TODAY,
    ServingCalibration,
    ServingProfile,
    kin_of,
    shipped_serving_calibration,
)
from planner.validation.cases import Case
from planner.validation.pairs import Run, order_shares
from planner.validation.serving.descent import JOBS, Descent, Floats, Key, Prior, Residuals
from planner.validation.serving.left_out import Fitted, Seen, left_out, with_intervals
from planner.validation.serving.rows import bench_of


@dataclass(frozen=True)
class Constant:
    """Bounds of a fitted constant, and how far its logarithm strays from where it starts (a standard deviation)."""

    low: float
    high: float
    spread: float


EVERYTHING: Mapping[str, Constant] = {
    "gemm_half_tokens": Constant(4.0, 200.0, 0.5),
    "expert_half_tokens": Constant(4.0, 200.0, 0.5),
    "tile_growth": Constant(0.05, 1.5, 0.5),
    "elementwise_passes": Constant(6.0, 40.0, 0.5),
    "expert_skew": Constant(0.02, 1.0, 0.5),
    "all_reduce_step_s": Constant(0.1e-6, 10e-6, 0.5),
    "across_s": Constant(5e-6, 100e-6, 0.5),
    "link_share": Constant(0.6, 1.4, 0.2),
    "queue_weight": Constant(0.1, 4.0, 0.5),
    "wave_synchrony": Constant(0.02, 1.0, 0.5),
    "alike_group": Constant(1.0, 32.0, 0.5),
    "block_experts": Constant(0.9, 2.0, 0.2),
    "block_launch": Constant(0.9, 2.0, 0.2),
    "narrow_loss": Constant(0.02, 0.35, 0.3),
    "pipeline_bubble": Constant(0.01, 0.6, 0.5),
    "copies_skew": Constant(0.01, 0.6, 0.5),
    "launch_trend": Constant(0.6, 1.1, 0.1),
    "kernels_beside": Constant(0.5, 10.0, 0.4),
}
BY_FAMILY: Mapping[str, Constant] = {
    "gemm_efficiency": Constant(0.30, 0.90, 0.25),
    "expert_efficiency": Constant(0.30, 1.0, 0.25),
    "attention_efficiency": Constant(0.20, 0.80, 0.25),
    "weight_bandwidth": Constant(0.50, 0.95, 0.25),
    "kv_bandwidth": Constant(0.35, 0.95, 0.25),
    "all_reduce_s": Constant(2e-6, 60e-6, 0.4),
    "decode_attention_efficiency": Constant(0.10, 0.80, 0.3),
    "exchange_share": Constant(0.15, 1.3, 0.3),
    "launch_scale": Constant(0.5, 5.0, 0.25),
}
BY_ENGINE: Mapping[str, Constant] = {
    "layer_s": Constant(1e-6, 1e-3, 0.6),
    "moe_layer_s": Constant(1e-6, 400e-6, 0.6),
    "prefill_layer_s": Constant(0.02e-3, 2e-3, 0.6),
    "step_s": Constant(0.05e-3, 20e-3, 0.6),
    "sequence_s": Constant(0.5e-6, 150e-6, 0.6),
    "eager_launch": Constant(1.0, 30.0, 0.6),
    "copies_wait": Constant(0.1, 60.0, 0.6),
    "request_s": Constant(2e-3, 150e-3, 0.6),
    "cold_s": Constant(0.02, 10.0, 0.8),
    "synchrony": Constant(0.01, 1.0, 0.6),
    "max_batch": Constant(128.0, 2048.0, 0.6),
    "kv_hold": Constant(0.5, 1.0, 0.3),
    "ring_step_s": Constant(0.1e-6, 40e-6, 1.0),
    "expert_level": Constant(0.4, 1.6, 0.3),
    "expert_streaming": Constant(0.4, 1.0, 0.2),
    "activation_scale": Constant(0.3, 2.5, 0.3),
    "copies_s": Constant(1e-5, 10e-3, 0.8),
    "draft_acceptance": Constant(0.3, 0.85, 0.2),
    "draft_s": Constant(1e-6, 3e-3, 0.8),
}
PACE = Constant(0.8, 1.25, 0.05)
TREND: Key = ("everything", "", "launch_trend")
HOST = Constant(1.0, 4.0, 0.3)
"""A bench's hosts lose time (shared cores, power limits) against what a well-kept one takes, and win none."""
BOUNDS: Mapping[str, tuple[float, float]] = {
    name: (c.low, c.high) for name, c in (*EVERYTHING.items(), *BY_FAMILY.items(), *BY_ENGINE.items(), ("pace", PACE))
}
COMMON_SPREAD = 0.5  # of what all families have in common, from its default
RELEASE_ROWS = 30  # figures of a release from which it has a pace of its own
# Where engines start that launch kernels one by one (no captured graphs), or send large messages round a ring.
STARTS: Mapping[str, Mapping[str, float]] = {
    **{
        name: {"layer_s": 120e-6, "step_s": 3e-3, "sequence_s": 20e-6} for name in ("other", "vllm_2024", "vllm_ascend")
    },
    "trtllm_2024": {"ring_step_s": 6e-6},
}
WEIGHTS: Mapping[str, float] = {
    "tpot_ms": 1.0,
    "output_tok_s_per_chip": 1.0,
    "total_tok_s_per_chip": 0.3,
    "ttft_ms": 0.25,  # vary twice as much from run to run
}
# Vendor claims without a configuration, and rows whose precision and parallelism are not stated, are never fitted.
NEVER_FITTED = ("MTT", "LPU", "MOREH", "XEON", "SPARK", "NEUR", "IXCOST")
# Families whose level can be told from their engine's; elsewhere one source on one engine says one thing, not two.
FITTED_FAMILIES = (
    "nvidia_hopper", "nvidia_blackwell", "nvidia_blackwell_rtx", "nvidia_ampere", "nvidia_ada", "amd_cdna3",
    "amd_cdna4",
)  # fmt: skip
CHILD_SPREAD = 0.7
"""An engine of today strays from its generation, and a family from its kin, this much of what a constant may stray from
where it starts."""


# Best measured share of the 16-bit peak of plain GEMMs (MAMF, S. Bekman); CDNA3: of MI300X (0.514) and MI325X (0.604).
CEILINGS: Mapping[str, float] = {
    "nvidia_ampere": 0.869, "nvidia_hopper": 0.803, "nvidia_blackwell": 0.776, "amd_cdna2": 0.514,
    "amd_cdna3": 0.557, "amd_cdna4": 0.68,
}  # fmt: skip
MEAN_CEILING = 0.816
"""Of the NVIDIA families with stacked memory, which the common level is mostly of."""


def may_fit(case: Case) -> bool:
    """Whether a row may be used to calibrate."""
    source = case.case_id.split("-")[0]
    if source in NEVER_FITTED or case.text("source_kind") == "memory":
        return False
    if source.startswith("ANL") and case.text("chip") not in ("A100", "H100", "GH200", "Gaudi2"):
        return False
    return "MTP+" not in case.text("notes")


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


@dataclass
class Fit:
    """Constants by (part, name, constant); ``part``: everything, families, engines, releases."""

    values: dict[Key, float] = field(default_factory=dict)

    def calibration(self) -> ServingCalibration:
        """As the performance room reads it, with what is given."""
        tables: dict[str, dict[str, dict[str, float]]] = {
            p: defaultdict(dict) for p in ("families", "engines", "releases", "benches")
        }
        everything: dict[str, float] = {}
        for (part, name, constant), value in self.values.items():
            if part == "everything":
                everything[constant] = value
            else:
                tables[part][name][constant] = value
        return with_given(
            ServingCalibration(
                everything,
                dict(tables["families"]),
                dict(tables["engines"]),
                dict(tables["releases"]),
                dict(tables["benches"]),
            )
        )


# Engines whose rows do not tell their grouped kernels' level: a change by 17% moved no figure of merit by 0.1 points.
UNTOLD_EXPERTS = frozenset({"sglang"})


def unknowns(rows: Sequence[Case], catalog: Catalog) -> Descent:
    """The constants that ``rows`` can say something about, with bounds and priors, over their residuals."""
    residuals = Residuals(rows, catalog)
    default = ServingProfile()
    table: dict[Key, tuple[Constant, Prior]] = {}
    for name, c in EVERYTHING.items():
        table[("everything", "", name)] = (c, Prior(float(getattr(default, name)), c.spread))
    for name, c in BY_FAMILY.items():
        table[("everything", "", name)] = (c, Prior(float(getattr(default, name)), COMMON_SPREAD))
    known = sorted({f.family for f in residuals.figures} & set(FITTED_FAMILIES))
    for kin in sorted({kin_of(family) for family in known}):
        for name, c in BY_FAMILY.items():
            near = ("everything", "", name)
            ratio = CEILINGS["amd_cdna3"] / MEAN_CEILING if (kin, name) == ("amd_parts", "gemm_efficiency") else 1.0
            table[("families", kin, name)] = (c, Prior(ratio, c.spread, near))
    for family in known:
        for name, c in BY_FAMILY.items():
            ratio = 1.0
            if name == "gemm_efficiency" and family in CEILINGS:
                ratio = CEILINGS[family] / (CEILINGS["amd_cdna3"] if family.startswith("amd") else MEAN_CEILING)
            near = ("families", kin_of(family), name)
            trend = (TREND, SINCE[family] - SINCE_OF_KIN) if name == "launch_scale" else None
            table[("families", family, name)] = (c, Prior(ratio, c.spread * CHILD_SPREAD, near, trend))
    engines = sorted({f.engine for f in residuals.figures} - {"current"})
    for engine in ("current", *engines):  # a parent before its children
        for name, c in BY_ENGINE.items():
            if name == "kv_hold" and ENGINES[engine].get(name) == 1.0:
                continue  # never evicts: not a matter of fitting
            if name == "expert_level" and engine in UNTOLD_EXPERTS:
                continue
            if name == "activation_scale" and ENGINES[engine]["engine"] != "trtllm":
                continue  # measured workspaces elsewhere
            parent = ("engines", "current", name)
            stated = name == "copies_wait" and name in ENGINES[engine]
            if engine in OF_TODAY and parent in table and not stated:
                table[("engines", engine, name)] = (c, Prior(1.0, c.spread * CHILD_SPREAD, parent))
                continue
            begin = STARTS.get(engine, {}).get(name, ENGINES[engine].get(name, getattr(default, name)))
            table[("engines", engine, name)] = (c, Prior(float(begin), c.spread))
    for release, count in sorted(Counter(f.release for f in residuals.figures).items()):
        if release and count >= RELEASE_ROWS:
            table[("releases", release, "pace")] = (PACE, Prior(1.0, PACE.spread))
    benches = Counter(bench_of(residuals.cases[f.case], f.family) for f in residuals.figures)
    for bench, count in sorted(benches.items()):
        if count >= RELEASE_ROWS:
            table[("benches", bench, "host_scale")] = (HOST, Prior(1.0, HOST.spread))
    return Descent(
        residuals,
        tuple(table),
        [(c.low, c.high) for c, _ in table.values()],
        [p for _, p in table.values()],
        residuals.weights(WEIGHTS),
        lambda values: Fit(dict(values)).calibration(),
    )


def calibration_yaml(calibration: ServingCalibration) -> str:
    """The file as it is carried, three significant digits."""

    def tidy(table: Mapping[str, float]) -> dict[str, float]:
        whole = {"max_batch", "chunk_tokens", "block_tokens", "rows", "groups"}
        return {n: float(round(v)) if n in whole else float(f"{v:.3g}") for n, v in sorted(table.items())}

    data = {
        "serving": {
            "everything": tidy(calibration.everything),
            "families": {k: tidy(v) for k, v in sorted(calibration.families.items())},
            "engines": {k: tidy(v) for k, v in sorted(calibration.engines.items())},
            "releases": {k: tidy(v) for k, v in sorted(calibration.releases.items())},
            "levels": levels_facts(calibration.levels),
            "order": [share.to_json() for share in calibration.order],
        }
    }
    head = (
        "# Constants of the serving model: over the defaults in planner/performance/serving/profile.py.\n"
        "# Written by planner.validation.serving.fit from catalog/measurements/serving.csv (docs/serving-model.md).\n"
        "# families.huawei_ascend and families.amd_cdna2 are not fitted: the first is from CloudMatrix384's published\n"
        "# dispatch and combine times (arXiv:2506.12708), the other from its measured GEMM ceiling (S. Bekman's MAMF)\n"
        "# times the share of their ceiling that serving reaches on the fitted families.\n"
    )
    return head + yaml.safe_dump(data, sort_keys=False)


# Not fitted: published elsewhere, kept through every refit.
GIVEN: Mapping[str, Mapping[str, float]] = {
    "huawei_ascend": {"dispatch_s": 75e-6, "combine_s": 40e-6, "all_to_all_doubling_s": 2.5e-6},
}


def with_given(calibration: ServingCalibration) -> ServingCalibration:
    """The calibration with what is not fitted: published constants, and GEMMs of families with a measured ceiling."""
    families = {k: dict(v) for k, v in calibration.families.items()}
    shares = [
        math.log(families[name]["gemm_efficiency"] / ceiling)
        for name, ceiling in CEILINGS.items()
        if name in FITTED_FAMILIES and "gemm_efficiency" in families.get(name, {})
    ]
    for name, ceiling in CEILINGS.items():
        if name not in FITTED_FAMILIES and shares:
            families[name] = {**families.get(name, {}), "gemm_efficiency": ceiling * math.exp(float(np.mean(shares)))}
    for name, values in GIVEN.items():
        families[name] = {**families.get(name, {}), **values}
    return replace(calibration, families=families)


def fit_all(
    cases: Sequence[Case], catalog: Catalog, *, seconds: float = 600.0, begin: Mapping[Key, float] | None = None
) -> tuple[Descent, Floats, Floats]:
    """(problem, point, slopes) of a fit to all rows that may be fitted, stopped after about ``seconds``."""
    problem = unknowns([c for c in cases if may_fit(c)], catalog)
    theta = problem.start()
    for i, key in enumerate(problem.keys):
        if begin and key in begin:
            theta[i] = math.log(begin[key])
    few = problem.residuals.some(JOBS)
    begun, best = time.monotonic(), math.inf
    while True:
        theta, _, found = problem.descend(theta, few, rounds=4, renew=4)
        if time.monotonic() - begun > seconds or found > best * (1.0 - 2e-3):
            break
        best = found
    return problem, theta, problem.slopes(theta, problem.residuals.at(problem.calibration(theta)))


def constants_of(calibration: ServingCalibration) -> dict[Key, float]:
    """Constants of a calibration by key: where the next fit starts."""
    found = {("everything", "", name): value for name, value in calibration.everything.items()}
    for part in ("families", "engines", "releases"):
        for name, values in getattr(calibration, part).items():
            found.update({(part, name, constant): value for constant, value in values.items()})
    return found


def calibrate_serving(
    cases: Sequence[Case], catalog: Catalog, *, seconds: float = 600.0
) -> tuple[ServingCalibration, tuple[Seen, ...]]:
    """Refit every constant and level, then predict every unit of every cut without it, for intervals and figures.

    Takes ``seconds`` and some five minutes more.
    """
    fitted = Fitted(*fit_all(cases, catalog, seconds=seconds, begin=constants_of(shipped_serving_calibration())))
    seen = tuple(left_out(fitted))
    found, seen = with_intervals(fitted.calibration, seen)
    return replace(found, order=serving_order(s for s in seen if s.cut == "source")), seen


def serving_order(seen: Iterable[Seen]) -> tuple[OrderShare, ...]:
    """How often the model orders pairs of runs of one source, model, engine and precision, by quantity."""
    runs: dict[str, list[Run]] = defaultdict(list)
    for s in seen:
        f = s.figure
        quantity = f.quantity if f.quantity.endswith("_ms") else "tokens_per_s_per_chip"
        group = (f.source, f.model, f.engine, s.precision, f.quantity)
        runs[quantity].append(Run(group, f.chip, f.measured, f.measured * math.exp(s.error)))
    return tuple(share for quantity, own in sorted(runs.items()) for share in order_shares(quantity, own))
