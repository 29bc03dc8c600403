"""The serving model's figures of merit beside their bars: ``python -m planner.validation.serving.bars [--json]``.

Errors are |predicted/measured - 1| of rows; constants are fitted to all sources (in-sample) but where it says left out,
which is read from the table that calibration writes. A row whose clients exceed the engine's cache is recognised by
the budget, not by its measurement: it is answered, and counted apart.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median

from planner.catalog import Catalog, load_catalog
from planner.catalog.load import catalog_folder
from planner.validation.cases import CaseResult, read_cases
from planner.validation.serving.anchors import (
    ACROSS,
    CURVE,
    DECODE_BAND,
    PREFILL_BAND,
    across_vendors,
    supernode_curve,
)
from planner.validation.serving.cut_table import ALL, LONG_TTFT_MS, ChipOrder, CutRow, cuts_file, read_cuts
from planner.validation.serving.rows import validate_serving

OVERVIEW = ("TRT014", "TRT020", "TRT10")
"""TensorRT-LLM's performance overviews: offline maximum throughput."""


@dataclass(frozen=True)
class ServingBar:
    """One figure, the most or least it may be, and whether it is. ``share``: shown as a percentage."""

    name: str
    value: float
    bar: str
    holds: bool
    share: bool = True


def order_right(results: Sequence[CaseResult], apart: float = 0.10) -> tuple[int, int]:
    """(pairs in the measured order, pairs) among rows of one model, chip, precision, lengths' source and engine.

    Pairs that differ by less than ``apart`` are not counted.
    """
    groups: dict[tuple[str, ...], list[CaseResult]] = defaultdict(list)
    for r in results:
        if r.predicted is not None:
            groups[tuple(r.tags.get(t, "") for t in ("source", "model", "chip", "precision", "engine"))].append(r)
    right = pairs = 0
    for rows in groups.values():
        for i, a in enumerate(rows):
            for b in rows[i + 1 :]:
                if abs(math.log(a.measured / b.measured)) <= math.log(1.0 + apart):
                    continue
                pairs += 1
                right += ((a.predicted or 0.0) > (b.predicted or 0.0)) == (a.measured > b.measured)
    return right, pairs


def _errors(rows: Sequence[CaseResult]) -> list[float]:
    return [abs(r.error or 0.0) for r in rows]


def serving_bars(results: Sequence[CaseResult]) -> list[ServingBar]:
    """Every figure of the serving model on answered rows."""
    serving = [r for r in results if r.tags.get("kind") == "serving"]
    done = [r for r in serving if r.predicted]
    found: list[ServingBar] = []

    def most(name: str, value: float, limit: float) -> None:
        found.append(ServingBar(name, value, f"at most {limit:.0%}", value <= limit))

    def least(name: str, value: float, limit: float) -> None:
        found.append(ServingBar(name, value, f"at least {limit:.0%}", value >= limit))

    least("figures answered", len(done) / max(len(serving), 1), 0.95)
    stated: dict[str, bool] = {}
    for r in serving:
        if "stated" in r.tags:
            stated[r.case_id] = stated.get(r.case_id, True) and bool(r.predicted)
    if stated:
        least("rows answered that state chip, model, lengths and load", fmean(stated.values()), 0.97)
    for kind, limit in (("dense", 0.08), ("moe", 0.15)):
        for source in (*OVERVIEW, ""):
            rows = [
                r
                for r in done
                if r.quantity == "output_tok_s_per_chip"
                and r.tags["architecture"] == kind
                and r.tags["source"] in ((source,) if source else OVERVIEW)
            ]
            if rows:
                most(f"TensorRT-LLM overview, {kind}, {source or 'all'}: mean error", fmean(_errors(rows)), limit)
    tpot = [r for r in done if r.quantity == "tpot_ms"]
    inside = [r for r in tpot if "over_budget" not in r.tags]
    for name, rows in (("all rows", tpot), ("clients within the cache", inside)):
        if rows:
            most(f"TPOT, {name}: median error", median(_errors(rows)), 0.18)
            most(f"TPOT, {name}: mean error", fmean(_errors(rows)), 0.30)
    llama = [
        r for r in inside if r.tags["engine"] == "vllm" and "Llama" in r.tags["model"] and "70B" in r.tags["model"]
    ]
    for source in (*dict.fromkeys(r.tags["source"] for r in llama), ""):
        rows = [r for r in llama if r.tags["source"] == source or not source]
        if rows:
            most(f"TPOT, vLLM serving Llama 70B, {source or 'all sources'}: mean error", fmean(_errors(rows)), 0.10)
    short = [r for r in done if r.quantity == "ttft_ms" and r.measured < LONG_TTFT_MS]
    if short:
        most("TTFT under 5 s: median error", median(_errors(short)), 0.40)
    ordered = [
        (name, *order_right([r for r in done if r.quantity == quantity]))
        for quantity, name in (("tpot_ms", "TPOT"), ("output_tok_s_per_chip", "throughput"), ("ttft_ms", "TTFT"))
    ]
    ordered.append(("all three", sum(right for _, right, _ in ordered), sum(pairs for _, _, pairs in ordered)))
    for name, right, pairs in ordered:
        if pairs:
            least(f"pairs in order, {name}", right / pairs, 0.91)
    return found


BY_SOURCE = {"tpot": 0.16, "tokens/s": 0.16, "ttft": 0.30}
BY_OTHERS = {"tpot": 0.22, "tokens/s": 0.22, "ttft": 0.40}
BIAS = 0.05
CURVE_BAR = 0.15
CUTS_WITH_BARS = ("source", "engine", "chip family", "model family", "year")
WORDS = {"tpot": "TPOT", "tokens/s": "tokens/s", "ttft": "TTFT under 5 s"}


def left_out_bars(rows: Sequence[CutRow], orders: Sequence[ChipOrder]) -> list[ServingBar]:
    """What is predicted without its source, engine, chips, models or year, beside its bars."""
    found: list[ServingBar] = []
    whole = [r for r in rows if r.unit == ALL]
    for r in whole:
        limit = (BY_SOURCE if r.cut == "source" else BY_OTHERS)[r.quantity]
        name = f"{WORDS[r.quantity]}, left out by {r.cut}"
        if r.cut in CUTS_WITH_BARS:
            found.append(ServingBar(f"{name}: median error", r.median, f"at most {limit:.0%}", r.median <= limit))
            found.append(ServingBar(f"{name}: median of groups", r.group_median, "-", True))
        if r.cut == "source":
            found.append(ServingBar(f"{name}: bias", r.bias, f"within {BIAS:.0%}", abs(r.bias) <= BIAS))
    total = sum(r.rows for r in whole)
    if total:
        inside = sum(r.rows * r.inside for r in whole) / total
        found.append(ServingBar("80% intervals, all cuts: inside", inside, "76% to 84%", 0.76 <= inside <= 0.84))
    for r in rows:
        if r.unit == ALL or r.cut == "distance":
            name = r.unit if r.cut == "distance" else f"left out by {r.cut}"
            bar = ServingBar(
                f"80% intervals, {WORDS[r.quantity]}, {name}: inside", r.inside, "70% to 90%", 0.7 <= r.inside <= 0.9
            )
            found.append(bar)
    for o in orders:
        limit = 0.90 if o.quantity.startswith("TTFT") else 0.85
        name = f"pairs of chips in order, {o.quantity}, left out by {o.cut} ({o.pairs:,})"
        found.append(ServingBar(name, o.right, f"at least {limit:.0%}", o.right >= limit))
    return found


def anchor_bars(catalog: Catalog) -> list[ServingBar]:
    """DeepSeek-V3 on four chips of three vendors, and the latency curve of one published configuration."""
    found: list[ServingBar] = []
    for system, chip, precision in ACROSS:
        a = across_vendors(catalog, system, chip, precision)
        for value, (low, high), what in (
            (a.decode_per_tb_s, DECODE_BAND, f"decode at 50 ms, tokens/s per TB/s ({a.shape})"),
            (a.prefill_share, PREFILL_BAND, "prefill, of the 8-bit peak"),
        ):
            name = f"DeepSeek-V3, {chip}: {what}"
            found.append(ServingBar(name, value, f"{low:g} to {high:g}", low <= value <= high, share=False))
    for (requests, tpot_ms, rate), (tpot, tokens) in zip(CURVE, supernode_curve(catalog), strict=True):
        for what, value, published in (("ms a token", tpot, tpot_ms), ("tokens/s a chip", tokens, rate)):
            name = f"CloudMatrix384, {requests} requests a chip: {what} ({value:,.4g}, published {published:g}), error"
            error = abs(value / published - 1.0)
            found.append(ServingBar(name, error, f"at most {CURVE_BAR:.0%}", error <= CURVE_BAR))
    return found


def serving_bars_table(bars: Sequence[ServingBar]) -> list[str]:
    """The figures as Markdown lines."""
    lines = ["| figure | measured | bar | holds |", "| --- | ---: | ---: | --- |"]
    for b in bars:
        value = f"{b.value:.1%}" if b.share else f"{b.value:,.3g}"
        lines.append(f"| {b.name} | {value} | {b.bar} | {'yes' if b.holds else 'no'} |")
    return [*lines, ""]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures; exit status 0 whether they hold or not."""
    parser = argparse.ArgumentParser(description="Figures of merit of the serving model on the carried measurements.")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    chosen = parser.parse_args(arguments)
    folder = catalog_folder()
    catalog = load_catalog()
    results = validate_serving(read_cases(folder / "measurements" / "serving.csv"), catalog)
    bars = [*left_out_bars(*read_cuts(cuts_file())), *serving_bars(results), *anchor_bars(catalog)]
    text = json.dumps([asdict(b) for b in bars], indent=1) if chosen.json else "\n".join(serving_bars_table(bars))
    sys.stdout.write(text + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
