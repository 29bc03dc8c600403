"""The serving half of the accuracy page: errors by group, never one pooled number, and rows side by side."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean, median

from planner.catalog import load_catalog
from planner.catalog.load import catalog_folder
from planner.performance.serving.profile import read_serving_calibration
from planner.validation.cases import CaseResult
from planner.validation.pairs import order_lines
from planner.validation.serving.bars import (
    CUTS_WITH_BARS,
    anchor_bars,
    left_out_bars,
    order_right,
    serving_bars,
    serving_bars_table,
)
from planner.validation.serving.cut_table import ALL, LONG_TTFT_MS, CutRow, cuts_file, read_cuts

# The largest errors by group, and the mechanism that is missing: written by hand, checked against the tables below.
KNOWN_WORST = (
    ("InferenceX gpt-oss on H100 with vLLM, 512 clients", "8 times too slow: TPOT is that of 8 clients, TTFT 20 s, so"
     " the server ran with far fewer slots than clients; the rows do not say how many"),
    ("ML.ENERGY on B200, outputs of 8,000 tokens, few clients", "32-47 ms whatever the model and batch: captured graphs"
     " were probably off; the rows do not say"),
    ("NVIDIA sweep: Qwen3-32B on GB200, DeepSeek-R1 on B200", "not monotone in concurrency, or flat at 85-91 ms: runs"
     " probably disturbed; the rows do not say by what"),
    ("NVIDIA sweep: Llama-3.1-8B on H100, TTFT", "a first token waits one completed request longer (slope 1.02 against"
     " answer length over clients), as if one client more than slots were there; no other sweep of that release does"),
    ("NVIDIA sweep: Llama-3.1-8B FP8 with vLLM on H200", "prompts pass faster than the matrix units could: prefixes"
     " were probably reused; not published"),
    ("Overview of 2024: Llama-3.1-70B and Mixtral on two PCIe A100", "+30% and +50%; untested why, a missing bridge"
     " does not explain it"),
    ("Overview of 1.0: Qwen3-30B on GB200", "+30% where requests are short: suspected, untested: host time of"
     " a request"),
    ("Llama-4 Maverick, 20,000 tokens in, release 0.20", "+90%: suspected, untested: that release attends to whole"
     " prompts where the model has chunks"),
    ("Ascend (910B, 910C die) with vLLM-Ascend, left out", "twice too fast: nothing else measures that engine or"
     " family"),
    ("MI355X, its family left out", "a fifth too slow, and MI300X left out a third too fast: SGLang takes three"
     " times the time between kernels on MI300X, and only these two families tell of AMD's software"),
    ("RTX PRO 6000, its family left out", "a quarter too slow: only L40S tells of boards without stacked memory"),
    ("TTFT of pools apart behind Dynamo and MoRI", "40-60% off in the median, at times 5 times: means of runs whose"
     " clients all start at once beside medians, and a prefill pool near its limit, where a little less speed is a long"
     " queue"),
    ("DeepSeek-V3 decode pool on GB200, 4-bit weights, 13,386 tokens/s", "7 times too slow: its load per chip is not"
     " published and nothing else of that kind is carried"),
)  # fmt: skip

UNITS = {
    "output_tok_s_per_chip": "output tokens/s per chip",
    "input_tok_s_per_chip": "input tokens/s per chip",
    "total_tok_s_per_chip": "input and output tokens/s per chip",
    "tpot_ms": "TPOT, ms",
    "ttft_ms": "TTFT, ms",
    "power_w_per_chip": "chip power, W",
}
SHOWN_ROWS = 60


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def _percent(value: float) -> str:
    return f"{100.0 * value:.1f}%"


def group_rows(results: Iterable[CaseResult], tags: Sequence[str]) -> list[list[str]]:
    """One row a group: rows, median and mean absolute error, bias, coverage of the 80% interval."""
    groups: dict[tuple[str, ...], list[CaseResult]] = defaultdict(list)
    for r in results:
        if r.predicted is not None and r.predicted > 0.0:
            groups[tuple(r.tags.get(t, "") or "-" for t in tags)].append(r)
    table: list[list[str]] = []
    for key in sorted(groups):
        rows = groups[key]
        errors = [abs(r.error or 0.0) for r in rows]
        bias = math.exp(fmean(math.log((r.predicted or 1.0) / r.measured) for r in rows)) - 1.0
        inside = fmean(float((r.low80 or 0.0) <= r.measured <= (r.high80 or 0.0)) for r in rows)
        sign = "+" if bias >= 0 else ""
        table.append(
            [
                *key,
                str(len(rows)),
                _percent(median(errors)),
                _percent(fmean(errors)),
                sign + _percent(bias),
                _percent(inside),
            ]
        )
    return table


def spread_rows(results: Sequence[CaseResult], count: int = SHOWN_ROWS) -> list[CaseResult]:
    """``count`` answered rows spread evenly over chips and, inside a chip, over the table: not the best ones."""
    by_chip: dict[str, list[CaseResult]] = defaultdict(list)
    for r in results:
        if r.predicted is not None and r.quantity in ("output_tok_s_per_chip", "tpot_ms"):
            by_chip[r.tags.get("chip", "")].append(r)
    share = max(count // max(len(by_chip), 1), 2)
    picked: list[CaseResult] = []
    for chip in sorted(by_chip):
        rows = by_chip[chip]
        stride = max(len(rows) // share, 1)
        picked += rows[::stride][:share]
    return picked


def pool_rows(results: Iterable[CaseResult]) -> list[list[str]]:
    """Every figure of pools of one phase."""
    return [
        [
            r.case_id, r.tags["model"], r.tags["chip"], r.tags["mode"], UNITS[r.quantity],
            f"{r.measured:,.4g}", f"{r.predicted:,.4g}" if r.predicted else r.reason,
            f"{100.0 * (r.predicted / r.measured - 1.0):+.0f}%" if r.predicted else "",
        ]
        for r in results
        if r.quantity != "power_w_per_chip"
    ]  # fmt: skip


def left_out_rows(rows: Sequence[CutRow]) -> list[list[str]]:
    """Errors of what was predicted without itself: cut, unit, quantity, rows, errors, bias, coverage."""
    return [
        [
            r.cut, r.unit, r.quantity, f"{r.rows:,}", f"{r.groups}", _percent(r.median), _percent(r.group_median),
            f"{100.0 * r.bias:+.1f}%", _percent(r.inside),
        ]
        for r in rows
    ]  # fmt: skip


def serving_markdown(results: Sequence[CaseResult]) -> str:
    """The serving half of ``docs/accuracy.md``: by quantity and source, by chip, by model; rows; what is unanswered."""
    serving = [r for r in results if r.tags.get("kind") == "serving"]
    answered = [r for r in serving if r.predicted is not None]
    header = ("source", "engine", "kind", "rows", "median error", "mean error", "bias", "inside the 80% interval")
    lines = [
        "## Serving",
        "",
        f"{len(answered)} of {len(serving)} published figures are answered. Error is |predicted/measured - 1|; bias is"
        " the geometric mean of predicted/measured, less one. Rows of one source, model and chip are strongly"
        " correlated, so figures stand by group. The constants of an engine and of a chip family are fitted to these"
        " rows (capped errors, each source counting once), so all but the first table is agreement, not a blind"
        " test; chip families"
        " outside the fit (AMD, Intel, Huawei) have a wider interval.",
        "",
    ]
    file = catalog_folder() / "calibration" / "serving.yaml"
    outside, orders = read_cuts(cuts_file())
    if answered:
        lines += [
            "### Every figure beside its bar",
            "",
            "From `python -m planner.validation.serving.bars`; a `no` is a",
        ]
        lines[-1] += ' bar that the model does not reach. Without "left out", constants are fitted to all sources.'
        lines += ["", *serving_bars_table(
            [*left_out_bars(outside, orders), *serving_bars(results), *anchor_bars(load_catalog())]
        )]  # fmt: skip
    pools = [r for r in serving if r.tags.get("mode") in ("prefill", "decode")]
    if pools:
        lines += [
            "### Pools of one phase",
            "",
            "Prefill or decode alone, wide expert parallelism, kept full. No constant was fitted to these rows: they"
            " were not answered when the constants were.",
            "",
            *_table(("row", "model", "chip", "phase", "quantity", "published", "predicted", "error"), pool_rows(pools)),
            "",
        ]
    if outside:
        lines += [
            "### Left out in turn",
            "",
            "Every unit of every cut (a family of sources is one benchmark) predicted by constants and levels fitted to"
            " all other rows. TTFT: rows under 5 s. A group is one source, engine, model, chip and precision.",
            "",
        ]
        head = ("left out by", "unit", "quantity", "rows", "groups", "median error", "median of groups", "bias",
                "inside the 80% interval")  # fmt: skip
        lines += [*_table(head, left_out_rows(outside)), ""]
        worst = sorted((r for r in outside if r.unit != ALL and r.cut in CUTS_WITH_BARS), key=lambda r: -r.median)
        lines += ["The ten units that are worst when left out:", "", *_table(head, left_out_rows(worst[:10])), ""]
        lines += [
            "### How far apart two serving predictions must be to trust their order",
            "",
            "Pairs of runs of one source, model, engine and precision, predicted by constants fitted without that"
            " family of sources; half would be a coin. Every group weighs as the square root of its pairs."
            " `planner estimate` shows it.",
            "",
            *order_lines(read_serving_calibration(file).order),
        ]
    for quantity, unit in UNITS.items():
        rows = [r for r in answered if r.quantity == quantity]
        if not rows:
            continue
        right, pairs = order_right(rows)
        lines += [f"### {unit[0].upper()}{unit[1:]}", ""]
        if pairs:
            lines += [
                f"Order of pairs that differ by more than 10%: right in {_percent(right / pairs)} of {pairs}.",
                "",
            ]
        if quantity == "ttft_ms":
            short = [r for r in rows if r.measured < LONG_TTFT_MS]
            errors = [abs(r.error or 0.0) for r in short]
            lines += [f"Rows under 5 s ({len(short)}): median error {_percent(median(errors))}.", ""] if errors else []
        lines += _table(header, group_rows(rows, ("source", "engine", "architecture")))
        lines += ["", *_table(("chip", *header[3:]), group_rows(rows, ("chip",))), ""]
        lines += [*_table(("model", *header[3:]), group_rows(rows, ("model",))), ""]
    lines += ["### Where it is worst, and what is missing", ""]
    lines += [*_table(("rows", "error and missing mechanism"), KNOWN_WORST), ""]
    shown = spread_rows(answered)
    lines += ["### Rows side by side", "", "Spread evenly over the chips, not chosen by their error.", ""]
    lines += _table(
        ("case", "model", "chip", "engine", "precision", "quantity", "measured", "predicted", "80% interval", "error"),
        (
            (
                r.case_id, r.tags["model"], r.tags["chip"], r.tags["engine"], r.tags["precision"], r.quantity,
                f"{r.measured:,.4g}", f"{r.predicted or 0.0:,.4g}", f"{r.low80 or 0.0:,.4g} - {r.high80 or 0.0:,.4g}",
                _percent(r.error or 0.0),
            )
            for r in shown
        ),
    )  # fmt: skip
    reasons: dict[str, int] = defaultdict(int)
    for r in serving:
        if r.predicted is None:
            reasons[r.reason] += 1
    lines += ["", "### Not answered", ""]
    lines += _table(("reason", "figures"), ((k, str(v)) for k, v in sorted(reasons.items(), key=lambda i: -i[1])))
    return "\n".join(lines) + "\n"
