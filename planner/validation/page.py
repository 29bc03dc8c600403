"""The accuracy page: the whole table of errors, written by one command.

``python -m planner.validation.page docs/accuracy.md`` predicts every carried measurement and writes what came out,
the bad with the good. Errors of rows whose own source took part in the calibration flatter; the page therefore leads
with the error when whole sources are left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import cast

import yaml

from planner.catalog import Catalog, load_catalog
from planner.catalog.load import catalog_folder
from planner.performance.measured.calibration import (
    calibrate_training,
    left_out,
    left_out_levels,
    process_of,
    read_training_calibration,
)
from planner.performance.measured.observation import Observation
from planner.performance.measured.process import LEVEL_TERMS, TERMS
from planner.performance.training.step import estimate_training
from planner.validation.cases import Case, CaseResult, read_cases
from planner.validation.ordering import ordering_of
from planner.validation.pairs import order_lines
from planner.validation.regret.decisions import all_decisions
from planner.validation.regret.outcome import regret_markdown
from planner.validation.report import ValidationReport, validate
from planner.validation.serving.page import serving_markdown
from planner.validation.summary import by_group, by_tag, is_rate, overall, time_error
from planner.validation.training.bars import bars_table, group_errors, training_bars
from planner.validation.training.calibrate import answers_of, observations_of
from planner.validation.training.cuts import UNITS, cuts_table, training_cuts
from planner.validation.training.logs import log_answers, logs_table
from planner.validation.training.rows import Answer

SHOWN_ROWS = 60
WORST = 10
MIN_SOURCE_ROWS = 5


def _percent(value: float | None, sign: bool = False) -> str:
    if value is None:
        return ""
    return f"{value:+.1%}" if sign else f"{value:.1%}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    numeric = ["---"] + ["---:" if name != "model" else "---" for name in head[1:]]
    clean = [[cell.replace("|", "/") for cell in row] for row in rows]
    return [f"| {' | '.join(head)} |", f"| {' | '.join(numeric)} |", *(f"| {' | '.join(row)} |" for row in clean), ""]


def _spread(results: Sequence[CaseResult], count: int) -> list[CaseResult]:
    """Rows spread evenly over groups (source, model, chip, precision): the middle row of each, largest groups first."""
    groups: dict[tuple[str, ...], list[CaseResult]] = {}
    for r in results:
        if time_error(r) is not None:
            key = tuple(r.tags.get(t, "") for t in ("source", "model", "chip", "precision"))
            groups.setdefault(key, []).append(r)
    chips: dict[str, list[CaseResult]] = {}
    for rows in sorted(groups.values(), key=lambda rows: (-len(rows), rows[0].case_id)):
        middle = sorted(rows, key=lambda r: abs(time_error(r) or 0.0))[len(rows) // 2]
        chips.setdefault(middle.tags.get("chip", ""), []).append(middle)
    chosen: list[CaseResult] = []
    turn = 0
    while len(chosen) < count and any(len(rows) > turn for rows in chips.values()):
        chosen += [rows[turn] for rows in chips.values() if len(rows) > turn]
        turn += 1
    return sorted(chosen[:count], key=lambda r: (r.tags.get("chip", ""), r.case_id))


def _number(value: float | None, quantity: str) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if is_rate(quantity) and value > 100 else f"{value:,.3g}"


def _largest_parts(answers: Sequence[Answer], count: int = 3) -> dict[str, str]:
    """By group (source, model, chip, precision) the largest parts of the predicted step of its first row, in words."""
    found: dict[str, str] = {}
    for a in answers:
        case = a.case
        name = " | ".join((case.source, case.text("model"), case.text("chip"), case.text("precision") or "unstated"))
        if a.setup is None or name in found:
            continue
        s = a.setup
        estimate = estimate_training(s.job, s.platform, s.candidate, s.profile)
        step = float(estimate.step_time_s[0])
        shares = sorted(((float(v[0]) / step, k) for k, v in estimate.breakdown.items()), reverse=True)[:count]
        words = ", ".join(f"{k.replace('_', ' ')} {share:.0%}" for share, k in shares)
        found[name] = f"{words} ({s.profile.name})"
    return found


def missing_mechanism(case: Case, rules: Sequence[Mapping[str, object]]) -> str:
    """What a table of judgements says is missing for a row: the first rule whose words are all found; "" for none."""
    for rule in rules:
        columns = (("framework", case.text("framework")), ("model", case.text("model")), ("chip", case.text("chip")))
        words = [
            ([str(w).lower() for w in cast("list[object]", rule.get(name) or [])], cell.lower())
            for name, cell in columns
        ]
        if all(not wanted or any(w in cell for w in wanted) for wanted, cell in words):
            return str(rule.get("mechanism", ""))
    return ""


def _mechanisms(answers: Sequence[Answer]) -> dict[str, str]:
    """By group, the mechanism named for it in ``catalog/measurements/training_mechanisms.yaml``."""
    file = catalog_folder() / "measurements" / "training_mechanisms.yaml"
    rules = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else []
    found: dict[str, str] = {}
    for a in answers:
        case = a.case
        name = " | ".join((case.source, case.text("model"), case.text("chip"), case.text("precision") or "unstated"))
        found.setdefault(name, missing_mechanism(case, rules) or "not named: see the largest parts")
    return found


def _left_out(observations: Sequence[Observation]) -> list[tuple[str, ...]]:
    """By cut: mean and median over groups with effects alone, then with measured runs near each row."""
    fits = [process_of(observations, terms) for terms in (LEVEL_TERMS, TERMS)]
    rows = []
    for name, unit in UNITS.items():
        row = [name]
        for fitted in fits:
            errors = group_errors(observations, left_out(observations, unit, fitted=fitted).levels)
            row += [_percent(fmean(errors)), _percent(median(errors))]
        rows.append(tuple(row))
    return rows


def _training(report: ValidationReport, catalog: Catalog) -> list[str]:
    step = report.step_times()
    whole = overall(step)
    if whole is None:
        return []
    folder = catalog_folder()
    cases = read_cases(folder / "measurements" / "training.csv")
    answers = answers_of(cases, catalog)
    observations = observations_of(answers)
    held = calibrate_training(observations)
    levels = left_out_levels(observations)
    per_source: dict[str, list[float]] = {}
    for o, level in zip(observations, levels, strict=True):
        per_source.setdefault(o.source, []).append(level / o.ratio - 1.0)
    shipped = read_training_calibration(folder / "calibration" / "training.yaml")
    base_by_source = {g.name: g.baseline for g in by_tag(step, "source")}
    lines = [
        "## Training",
        "",
        f"{whole.rows:,} published rows of language-model pre-training that state a speed; {whole.answered:,} "
        f"answered, in {whole.groups} groups of one source, model, chip and precision. Each group counts once; errors "
        "are of step time.",
        "",
        *_table(
            ("what", "mean error", "median error", "bias"),
            [
                (
                    "whole sources left out of the calibration",
                    _percent(held.error.get("mean")),
                    _percent(held.error.get("median")),
                    "",
                ),
                (
                    "effects of all sources, measured runs of other sources",
                    _percent(whole.mean),
                    _percent(whole.median),
                    _percent(whole.bias, True),
                ),
                ("one constant (below)", _percent(whole.baseline_mean), _percent(whole.baseline_median), ""),
            ],
        ),
        "One constant: t = FLOPs / (chips x dense BF16 peak x gain x eta) x (1 + (pp-1)/(vpp x micro-batches)), with "
        "FLOPs = 6 x active parameters + 6 x layers x hidden x sequence per token, gain 1.6 for 8-bit and 2.2 for "
        "4-bit matrices and one eta, the median over these very rows.",
        "",
        f"80% intervals hold {_percent(whole.coverage80)} of the rows. Calibration: {len(shipped.effects)} shrunk "
        f"effects from {len(shipped.sources)} sources (catalog/calibration/training.yaml).",
        "",
    ]
    lines += [
        "### Every figure beside its bar",
        "",
        "From `python -m planner.validation.training.bars`; a `no` is a bar that the model does not reach. Coverage is "
        'of intervals that do not know the row\'s source; "source kept in" leaves out one row in five and adds what '
        "rows of this source and of other releases leave over, by what they share and how near their layouts are.",
        "",
        *bars_table(training_bars(cases, catalog)),
    ]
    lines += ["### What is left out", ""]
    lines += [
        "From `python -m planner.validation.training.cuts`. Error of step time when all rows of one source, stack, "
        "chip or model are left out in turn, and rows of a year predicted from those of earlier years alone; a group "
        "is one source, model, chip and precision. Intervals are made of left-out residuals of other sources.",
        "",
        *cuts_table(training_cuts(observations)),
        "The same with the physical model and its calibrated effects alone, and corrected by the measured runs that "
        "are near (docs/training-model.md, 8).",
        "",
        *_table(
            ("left out", "effects alone: mean", "median", "with runs near it: mean", "median"),
            _left_out(observations),
        ),
    ]
    lines += ["### Single runs of public logs", ""]
    lines += [
        "From `python -m planner.validation.training.logs`: runs that are in no calibration, each with the stack it "
        "names. Memory is the allocator's peak.",
        "",
        *logs_table(log_answers(catalog)),
    ]
    lines += ["### By source, that source left out", ""]
    rows = []
    for name, errors in sorted(per_source.items(), key=lambda item: (-len(item[1]), item[0])):
        if len(errors) >= MIN_SOURCE_ROWS:
            rows.append(
                (
                    name,
                    str(len(errors)),
                    _percent(fmean(abs(e) for e in errors)),
                    _percent(fmean(errors), True),
                    _percent(base_by_source.get(name)),
                )
            )
    lines += _table(("source", "rows", "mean error", "bias", "one constant"), rows)
    for tag, title in (("chip", "chip"), ("precision", "precision"), ("profile", "framework profile")):
        lines += [f"### By {title} (calibrated on all sources)", ""]
        lines += _table(
            (title, "rows", "mean error", "bias", "one constant"),
            [
                (g.name, str(g.rows), _percent(g.mean_absolute), _percent(g.bias, True), _percent(g.baseline))
                for g in by_tag(step, tag)
            ],
        )
    lines += ["### How far apart two predictions must be to trust their order", ""]
    lines += [
        "Pairs of runs of one source, model and precision that the model, fitted without that source, predicted so far "
        "apart; half would be a coin. Every group weighs as the square root of its pairs. `planner estimate` shows it.",
        "",
        *order_lines(shipped.order),
    ]
    lines += ["### Which layout is faster: pairs in the right order", ""]
    lines += [
        "Runs of one source, model, chip, precision and number of chips that differ in their parallel layout. "
        "Regret: how much slower than the best measured one the layout is that the model likes best.",
        "",
    ]
    lines += _table(
        ("group", "layouts", "pairs in order", "regret"),
        [
            (o.name, str(o.layouts), _percent(o.in_order), _percent(o.regret))
            for o in ordering_of(step)
            if o.layouts >= 6
        ],
    )
    lines += ["### The worst groups, and what is missing", ""]
    worst = sorted(by_group(step), key=lambda g: -g.mean_absolute)[:WORST]
    lines += [
        "Where the predicted time of the group's first row goes, largest parts first: the mechanism to doubt.",
        "",
    ]
    parts, named = _largest_parts(answers), _mechanisms(answers)
    lines += _table(
        ("group", "rows", "error", "largest parts of the predicted step", "what is missing"),
        [
            (
                g.name.replace(" | ", "; "),
                str(g.rows),
                _percent(g.bias, True),
                parts.get(g.name, ""),
                named.get(g.name, ""),
            )
            for g in worst
        ],
    )
    lines += [f"### {SHOWN_ROWS} rows, spread over chips and sources", ""]
    lines += _table(
        ("case", "model", "chip", "precision", "quantity", "measured", "predicted", "80% interval", "error"),
        [
            (
                r.case_id,
                r.tags.get("model", ""),
                r.tags.get("chip", ""),
                r.tags.get("precision", ""),
                r.quantity,
                _number(r.measured, r.quantity),
                _number(r.predicted, r.quantity),
                f"{_number(r.low80, r.quantity)} to {_number(r.high80, r.quantity)}",
                _percent(time_error(r), True),
            )
            for r in _spread(step, SHOWN_ROWS)
        ],
    )
    memory = report.select("training", "peak_memory_gib")
    if memory:
        lines += ["### Peak memory", ""]
        lines += _table(
            ("source", "rows", "mean error", "bias"),
            [
                (g.name, str(g.rows), _percent(g.mean_absolute), _percent(g.bias, True))
                for g in by_tag(memory, "source")
            ],
        )
    return lines


def _unanswered(report: ValidationReport) -> list[str]:
    reasons: dict[str, int] = {}
    for r in report.select("training"):
        if r.predicted is None:
            reasons[r.reason] = reasons.get(r.reason, 0) + 1
    rows = [(reason, str(count)) for reason, count in sorted(reasons.items(), key=lambda item: -item[1])[:20]]
    return ["### What is not answered, and why", "", *_table(("reason", "measurements"), rows)] if rows else []


def accuracy_page(catalog: Catalog | None = None, report: ValidationReport | None = None) -> str:
    """The page as Markdown."""
    ready = load_catalog() if catalog is None else catalog
    found = validate(catalog=ready) if report is None else report
    lines = [
        "# Accuracy: predicted beside measured",
        "",
        "Written by `python -m planner.validation.page docs/accuracy.md`; do not edit by hand. Every measurement was "
        "published by someone else and is carried in `catalog/measurements/` with its source. Knobs that a source "
        "leaves out get the defaults in docs/training-model.md, never a look at the measurement. The same "
        "configuration across releases of one framework differs by 4% (dense) and 6% (experts; one in ten by 58%), "
        "so no model that does not know the release can be better than that.",
        "",
        *_training(found, ready),
        *_unanswered(found),
        *([serving_markdown(found.select("serving")), ""] if found.select("serving") else []),
        *regret_markdown(all_decisions(ready)),
    ]
    return "\n".join(lines).rstrip() + "\n"


def write_accuracy_page(path: Path, catalog: Catalog | None = None) -> None:
    """Write the page to ``path``."""
    path.write_text(accuracy_page(catalog), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the accuracy page to the file named."""
    parser = argparse.ArgumentParser(description="Predict every carried measurement and write the accuracy page.")
    parser.add_argument("path", type=Path, nargs="?", default=Path("docs/accuracy.md"))
    write_accuracy_page(parser.parse_args(arguments).path)
    return 0


__all__ = ["accuracy_page", "main", "write_accuracy_page"]

if __name__ == "__main__":
    raise SystemExit(main())
