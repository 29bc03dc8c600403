"""The training model's figures of merit in one command: ``python -m planner.validation.training.bars [--json]``.

Every figure stands beside the bar it is held to. Errors are relative, of step time; a group is one source, model, chip
and precision and counts once. Left out: the levels are fitted without the row's whole source. Kept in: one in five
rows is left out in turn, and what its source's other rows leave over, by what they have in common with it, is used.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from planner.catalog import Catalog, load_catalog
from planner.catalog.load import catalog_folder
from planner.performance.measured.calibration import kept_in_levels, left_out
from planner.performance.measured.observation import Observation
from planner.validation.cases import Case, CaseResult, read_cases
from planner.validation.ordering import ordering_of
from planner.validation.report import ValidationReport
from planner.validation.summary import baseline_error, time_error
from planner.validation.training.calibrate import answers_of, observations_of
from planner.validation.training.cuts import training_cuts
from planner.validation.training.rows import Answer, allocator_peak, validate_training

FOLDS = 5
CLASSIC = ("KORT", "SC21", "MTNLG", "MEM-MTNLG")


@dataclass(frozen=True)
class Bar:
    """One figure, what it should be, and whether it is."""

    name: str
    value: float
    bar: str
    holds: bool

    def to_json(self) -> dict[str, object]:
        """Plain data."""
        return {"name": self.name, "value": round(self.value, 5), "bar": self.bar, "holds": self.holds}


def group_errors(observations: Sequence[Observation], levels: Sequence[float]) -> list[float]:
    """Mean absolute error of each group when every observation gets its level."""
    groups: dict[str, list[float]] = {}
    for o, level in zip(observations, levels, strict=True):
        groups.setdefault(o.group, []).append(abs(level / o.ratio - 1.0))
    return [fmean(errors) for errors in groups.values()]


def sources_above_baseline(
    observations: Sequence[Observation], levels: Sequence[float], results: Sequence[CaseResult], rows: int = 20
) -> list[tuple[str, float, float]]:
    """(source, its error when left out, the one-constant error) of sources of ``rows`` or more where ours is larger."""
    base: dict[str, float] = {}
    for r in results:
        error = baseline_error(r)
        if error is not None and r.case_id not in base:
            base[r.case_id] = abs(error)
    by_source: dict[str, list[tuple[float, float]]] = {}
    for o, level in zip(observations, levels, strict=True):
        if o.case_id in base:
            by_source.setdefault(o.source, []).append((abs(level / o.ratio - 1.0), base[o.case_id]))
    found = []
    for source, pairs in by_source.items():
        ours, theirs = fmean(p[0] for p in pairs), fmean(p[1] for p in pairs)
        if len(pairs) >= rows and ours > theirs:
            found.append((source, ours, theirs))
    return sorted(found, key=lambda f: f[2] - f[1])


def _answerable(answers: Sequence[Answer]) -> float:
    needed = ("chip", "n_chips", "model", "seq_len", "global_batch")
    rates = ("step_time_s", "tokens_per_s_per_chip", "model_tflops_per_chip")
    asked = [
        a
        for a in answers
        if all(a.case.text(name) for name in needed) and any(a.case.number(name) is not None for name in rates)
    ]
    return fmean(a.setup is not None for a in asked) if asked else 0.0


def _memory(answers: Sequence[Answer], results: Sequence[CaseResult]) -> tuple[list[float], list[float]]:
    """Errors of peak memory: rows of allocator peaks, and the others."""
    allocator = {a.case.case_id for a in answers if allocator_peak(a.case)}
    found: tuple[list[float], list[float]] = ([], [])
    for r in results:
        if r.quantity == "peak_memory_gib" and r.predicted is not None:
            found[0 if r.case_id in allocator else 1].append(r.predicted / r.measured - 1.0)
    return found


def training_bars(cases: Sequence[Case], catalog: Catalog) -> list[Bar]:
    """Every figure of the training model on some rows, with its bar.

    Where it does not say left out, effects are fitted to all sources, and measured runs of other sources correct.
    """
    answers = answers_of(cases, catalog)
    results = validate_training(cases, catalog)
    step = ValidationReport(results).step_times()
    observations = observations_of(answers)
    levels = left_out(observations).levels
    cuts = training_cuts(observations)
    errors = group_errors(observations, levels)
    base_groups: dict[str, list[float]] = {}
    for r in step:
        error = baseline_error(r)
        if error is not None:
            key = " | ".join(r.tags.get(t, "") for t in ("source", "model", "chip", "precision"))
            base_groups.setdefault(key, []).append(abs(error))
    baseline = fmean(fmean(v) for v in base_groups.values())
    mean, middle = fmean(errors), median(errors)
    kept = fmean(group_errors(observations, kept_in_levels(observations, FOLDS)))
    classic = [abs(e) for r in step if r.case_id.startswith(CLASSIC) and (e := time_error(r)) is not None]
    per_group: dict[str, list[float]] = {}
    for r in step:
        if (signed := time_error(r)) is not None:
            key = " | ".join(r.tags.get(t, "") for t in ("source", "model", "chip", "precision"))
            per_group.setdefault(key, []).append(math.log1p(signed))
    bias = math.exp(fmean(fmean(v) for v in per_group.values())) - 1.0
    above = sources_above_baseline(observations, levels, step)
    found: list[Bar] = []

    def add(name: str, value: float, bar: str, holds: Callable[[float], bool]) -> None:
        found.append(Bar(name, value, bar, holds(value)))

    add("rows answered that give chip, chips, model, sequence, batch and a rate", _answerable(answers), "at least 95%",
        lambda v: v >= 0.95)  # fmt: skip
    add("error, whole sources left out: mean over groups", mean, "at most 14%", lambda v: v <= 0.14)
    add("error, whole sources left out: median over groups", middle, "at most 9%", lambda v: v <= 0.09)
    add("the same below the one-constant baseline by", 1.0 - mean / baseline, "at least 45%", lambda v: v >= 0.45)
    add("sources of 20 rows or more where it is above the baseline", float(len(above)), "none", lambda v: v == 0)
    for source, ours, theirs in above:
        add(f"  {source}: over the baseline by", ours - theirs, "none", lambda v: v <= 0)
    add("error, rows left out and source kept in", kept, "at most 8%", lambda v: v <= 0.08)
    if classic:
        add(
            "error, Korthikanti 2022, Narayanan 2021, MT-NLG, calibrated",
            fmean(classic),
            "at most 6%",
            lambda v: v <= 0.06,
        )
    add("bias over groups, calibrated", bias, "within 3%", lambda v: abs(v) <= 0.03)
    for o in ordering_of(step):
        if "vTrain" in o.name and "multi-node" in o.name and o.layouts >= 3:
            model = o.name.split("; ")[1]
            add(f"pairs in order, {model} ({o.layouts} layouts)", o.in_order, "at least 88%", lambda v: v >= 0.88)
            add(f"favourite over the best measured, {model}", o.regret, "at most 4%", lambda v: v <= 0.04)
    allocator, other = _memory(answers, results)
    if allocator:
        add("peak memory, allocator peaks: mean error", fmean(abs(e) for e in allocator), "at most 4%",
            lambda v: v <= 0.04)  # fmt: skip
        add("peak memory, allocator peaks: lowest", min(allocator), "no lower than -5%", lambda v: v >= -0.05)
    if other:
        add("peak memory, other readings: mean error", fmean(abs(e) for e in other), "at most 12%",
            lambda v: v <= 0.12)  # fmt: skip
    for cut in cuts:
        add(f"80% intervals, {cut.name} left out: inside", cut.inside, "74% to 86%", lambda v: 0.74 <= v <= 0.86)
    return found


def bars_table(bars: Sequence[Bar]) -> list[str]:
    """The figures as Markdown lines."""
    lines = ["| figure | measured | bar | holds |", "| --- | ---: | ---: | --- |"]
    for b in bars:
        value = f"{b.value:.0f}" if b.bar == "none" and "over the" not in b.name else f"{b.value:.1%}"
        lines.append(f"| {b.name.strip()} | {value} | {b.bar} | {'yes' if b.holds else 'no'} |")
    return [*lines, ""]


def carried_bars(catalog: Catalog | None = None) -> list[Bar]:
    """The figures on the measurements that come with the planner."""
    cases = read_cases(catalog_folder() / "measurements" / "training.csv")
    return training_bars(cases, load_catalog() if catalog is None else catalog)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures; exit status 0 whether they hold or not."""
    parser = argparse.ArgumentParser(description="Figures of merit of the training model on the carried measurements.")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    chosen = parser.parse_args(arguments)
    bars = carried_bars()
    data: list[Mapping[str, object]] = [b.to_json() for b in bars]
    sys.stdout.write((json.dumps(data, indent=1) if chosen.json else "\n".join(bars_table(bars))) + "\n")
    return 0


__all__ = ["Bar", "bars_table", "carried_bars", "main", "training_bars"]

if __name__ == "__main__":
    raise SystemExit(main())
