"""What the serving model says about sources and chips it has not seen: errors, and the intervals that follow from them.

A family of sources (one benchmark, one harness) is predicted by constants fitted to all other families; so is a chip,
by constants fitted without any of its rows. Each of these fits starts where the whole fit ended and keeps its slopes,
but descends on residuals of its own, and priors take back what only the rows left out had said.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from planner.errors import InputError
from planner.performance.measured.ordering import OrderShare
from planner.performance.serving.profile import ServingCalibration
from planner.validation.pairs import Run, order_shares
from planner.validation.serving.descent import Bools, Descent, Figure, Floats

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
OVERVIEW = ("TRT014", "TRT020", "TRT10")
"""TensorRT-LLM's performance overviews: offline maximum throughput."""
QUANTITIES = ("output_tok_s_per_chip", "total_tok_s_per_chip", "tpot_ms", "ttft_ms")
LONG_TTFT_MS = 5000.0
ROUNDS = 6


@dataclass(frozen=True)
class Seen:
    """A figure predicted without its source or chip: ``error`` is log(predicted / measured)."""

    figure: Figure
    error: float
    mode: str
    moe: bool
    precision: str

    @property
    def relative(self) -> float:
        """|predicted / measured - 1|."""
        return abs(math.expm1(self.error))

    @property
    def slower(self) -> float:
        """Log of measured over predicted time: a rate counts as its inverse."""
        return -self.error if self.figure.quantity.endswith("_ms") else self.error


Outside = Mapping[str, Sequence[Seen]]  # by family of sources
Chips = Mapping[str, Sequence[Seen]]  # by chip


def family_of_source(source: str) -> str:
    """The family a source is left out with; itself when it is in none."""
    for name, members in SOURCE_FAMILIES.items():
        if source in members:
            return name
    return source


def _without(problem: Descent, theta: Floats, slopes: Floats, own: Bools) -> tuple[Seen, ...]:
    """The figures of ``own`` predicted by a fit to all others."""
    at, _, _ = problem.descend(theta, ~own, rounds=ROUNDS, slopes=slopes)
    residuals = problem.residuals
    errors = residuals.at(problem.calibration(at), own, over_budget=True)
    return tuple(
        Seen(f, float(errors[j]), case.mode, case.moe, case.precision)
        for j, (f, case) in enumerate((f, residuals.cases[f.case]) for f in residuals.figures)
        if own[j] and np.isfinite(errors[j])
    )


def left_out(problem: Descent, theta: Floats, slopes: Floats) -> dict[str, tuple[Seen, ...]]:
    """Every family of sources predicted without it."""
    families = [family_of_source(f.source) for f in problem.residuals.figures]
    return {
        name: _without(problem, theta, slopes, np.array([f == name for f in families]))
        for name in dict.fromkeys(families)
    }


def left_out_chips(problem: Descent, theta: Floats, slopes: Floats) -> dict[str, tuple[Seen, ...]]:
    """Overview rows of every chip, predicted without any row of that chip."""
    figures = problem.residuals.figures
    found: dict[str, tuple[Seen, ...]] = {}
    for chip in dict.fromkeys(f.chip for f in figures if f.source in OVERVIEW):
        seen = _without(problem, theta, slopes, np.array([f.chip == chip for f in figures]))
        found[chip] = tuple(s for s in seen if s.figure.source in OVERVIEW)
    return found


def interval_of(seen: Iterable[Seen], inside: float = 0.8) -> tuple[float, float]:
    """(low, high) multipliers on predicted times that hold ``inside`` of the measurements.

    A figure of a group (source, chip, model) of n weighs as 1/sqrt(n), between counting rows and counting groups, and
    sources together weigh as the square root of what they hold: a next source is more like a source than like a row.
    """
    groups: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for s in seen:
        groups[(s.figure.source, s.figure.chip, s.figure.model)].append(s.slower)
    if not groups:
        raise InputError("no answered measurement to take an interval from")
    held: dict[str, float] = defaultdict(float)
    for key, g in groups.items():
        held[key[0]] += math.sqrt(len(g))
    values = np.array([v for g in groups.values() for v in g])
    weights = np.array([1.0 / math.sqrt(len(g) * held[key[0]]) for key, g in groups.items() for _ in g])
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order]) / weights.sum()
    tail = (1.0 - inside) / 2.0
    low = values[order][np.searchsorted(cumulative, tail)]
    high = values[order][min(int(np.searchsorted(cumulative, 1.0 - tail)), len(values) - 1)]
    return math.exp(min(float(low), -0.02)), math.exp(max(float(high), 0.02))


def _bounds(seen: Sequence[Seen]) -> dict[str, float]:
    paced = [s for s in seen if s.figure.quantity != "ttft_ms"]
    first = [s for s in seen if s.figure.quantity == "ttft_ms"]
    found: dict[str, float] = {}
    if paced:
        found["low80"], found["high80"] = interval_of(paced)
    if first:
        found["ttft_low80"], found["ttft_high80"] = interval_of(first)
    return found


def with_intervals(calibration: ServingCalibration, outside: Outside, *, least: int = 60) -> ServingCalibration:
    """The calibration with 80% intervals of left-out sources: by engine where it has enough figures.

    Other engines take the interval of those that no other family of sources had, predicted as new ones are; of TTFT,
    too few for that, the interval of all.
    """
    seen = [s for rows in outside.values() for s in rows]
    held_by: dict[str, set[str]] = defaultdict(set)
    for name, rows in outside.items():
        for s in rows:
            held_by[s.figure.engine].add(name)
    new = [s for s in seen if len(held_by[s.figure.engine]) == 1]
    pace = {name: value for name, value in _bounds(new).items() if not name.startswith("ttft")}
    everything = {**calibration.everything, **_bounds(seen), **pace}
    engines = {name: dict(values) for name, values in calibration.engines.items()}
    for name in sorted({s.figure.engine for s in seen}):
        rows = [s for s in seen if s.figure.engine == name]
        if len(rows) >= least:
            engines.setdefault(name, {}).update(_bounds(rows))
    return replace(calibration, everything=everything, engines=engines)


def holds(s: Seen, calibration: ServingCalibration) -> bool:
    """Whether the interval of the figure's engine holds it."""
    values = {**calibration.everything, **calibration.engines.get(s.figure.engine, {})}
    prefix = "ttft_" if s.figure.quantity == "ttft_ms" else ""
    return math.log(values[f"{prefix}low80"]) <= s.slower <= math.log(values[f"{prefix}high80"])


def serving_order(outside: Outside) -> tuple[OrderShare, ...]:
    """How often the model orders pairs of runs of one source, model, engine and precision, by quantity."""
    runs: dict[str, list[Run]] = defaultdict(list)
    for s in (s for rows in outside.values() for s in rows):
        f = s.figure
        quantity = f.quantity if f.quantity.endswith("_ms") else "tokens_per_s_per_chip"
        group = (f.source, f.model, f.engine, s.precision, f.quantity)
        runs[quantity].append(Run(group, f.chip, f.measured, f.measured * math.exp(s.error)))
    return tuple(share for quantity, own in sorted(runs.items()) for share in order_shares(quantity, own))


def _figures(seen: Sequence[Seen]) -> dict[str, float]:
    """Errors by row, and by group of one source, model and chip (each group's mean counts once)."""
    errors = [s.relative for s in seen]
    groups: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for s in seen:
        groups[(s.figure.source, s.figure.model, s.figure.chip)].append(s.relative)
    means = [float(np.mean(g)) for g in groups.values()]
    return {
        "rows": float(len(errors)),
        "median": float(np.median(errors)),
        "mean": float(np.mean(errors)),
        "groups": float(len(means)),
        "group_median": float(np.median(means)),
        "group_mean": float(np.mean(means)),
    }


def left_out_summary(
    outside: Outside, chips: Chips, calibration: ServingCalibration
) -> dict[str, dict[str, dict[str, float]]]:
    """Errors of what was left out.

    By family of sources, and of all (``all``), and quantity: rows, groups, errors, share inside the interval; TTFT also
    under 5 s alone (``ttft_short_ms``). By chip (``chip ...``): its overview rows.
    """
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    together: Outside = {"all": [s for rows in outside.values() for s in rows]}
    for name, rows in (*sorted(outside.items()), *together.items()):
        for quantity in QUANTITIES:
            some = [s for s in rows if s.figure.quantity == quantity]
            if some:
                found[name][quantity] = {
                    **_figures(some), "inside": float(np.mean([holds(s, calibration) for s in some])),
                }  # fmt: skip
        short = [s for s in rows if s.figure.quantity == "ttft_ms" and s.figure.measured < LONG_TTFT_MS]
        if short:
            found[name]["ttft_short_ms"] = _figures(short)
    for chip, rows in sorted(chips.items()):
        for kind in (False, True):
            some = [s for s in rows if s.moe == kind and s.figure.quantity == "output_tok_s_per_chip"]
            if some:
                found[f"chip {chip}"]["moe" if kind else "dense"] = _figures(some)
    return dict(found)
