"""The serving model's figures of merit beside their bars: ``python -m planner.validation.serving_bars [--json]``.

Errors are |predicted/measured - 1| of rows; constants are fitted to all sources (in-sample) but where it says left out,
which is read from the calibration file. A row whose clients exceed the engine's cache is recognised by the budget, not
by its measurement: it is answered, and counted apart.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median

import yaml

from planner.catalog import load_catalog
from planner.catalog.load import catalog_folder
from planner.validation.cases import CaseResult, read_cases
from planner.validation.serving import validate_serving

LONG_TTFT_MS = 5000.0
OVERVIEW = ("TRT014", "TRT020", "TRT10")


@dataclass(frozen=True)
class ServingBar:
    """One figure, the most or least it may be, and whether it is."""

    name: str
    value: float
    bar: str
    holds: bool


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


def serving_bars(results: Sequence[CaseResult], calibration_file: Path) -> list[ServingBar]:
    """Every figure of the serving model on answered rows, and of left-out sources from the calibration file."""
    serving = [r for r in results if r.tags.get("kind") == "serving"]
    done = [r for r in serving if r.predicted]
    found: list[ServingBar] = []

    def most(name: str, value: float, limit: float) -> None:
        found.append(ServingBar(name, value, f"at most {limit:.0%}", value <= limit))

    def least(name: str, value: float, limit: float) -> None:
        found.append(ServingBar(name, value, f"at least {limit:.0%}", value >= limit))

    least("figures answered", len(done) / max(len(serving), 1), 0.95)
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
        r for r in inside if r.tags["engine"] == "vllm" and r.tags["source"] == "IMAX" and "Llama" in r.tags["model"]
    ]
    if llama:
        most("TPOT, vLLM serving Llama 70B, InferenceX rows: mean error", fmean(_errors(llama)), 0.10)
    short = [r for r in done if r.quantity == "ttft_ms" and r.measured < LONG_TTFT_MS]
    if short:
        most("TTFT under 5 s: median error", median(_errors(short)), 0.40)
    for quantity, name in (("tpot_ms", "TPOT"), ("output_tok_s_per_chip", "throughput"), ("ttft_ms", "TTFT")):
        right, pairs = order_right([r for r in done if r.quantity == quantity])
        if pairs:
            least(f"pairs in order, {name}", right / pairs, 0.91)
    left = (yaml.safe_load(calibration_file.read_text(encoding="utf-8")) or {}).get("serving", {}).get("left_out") or {}
    rows_left = [(family, v["tpot_ms"]) for family, v in left.items() if "tpot_ms" in v]
    if rows_left:
        total = sum(v["rows"] for _, v in rows_left)
        most("TPOT, sources left out: mean error", sum(v["rows"] * v["mean"] for _, v in rows_left) / total, 0.30)
        most(
            "TPOT, sources left out: median of families' medians",
            median(v["median"] for _, v in rows_left),
            0.18,
        )
    for family, quantities in left.items():
        total = sum(v["rows"] for v in quantities.values())
        share = sum(v["rows"] * v["inside"] for v in quantities.values()) / total
        found.append(
            ServingBar(f"80% intervals, {family} left out: rows inside", share, "72% to 88%", 0.72 <= share <= 0.88)
        )
    return found


def serving_bars_table(bars: Sequence[ServingBar]) -> list[str]:
    """The figures as Markdown lines."""
    lines = ["| figure | measured | bar | holds |", "| --- | ---: | ---: | --- |"]
    return lines + [f"| {b.name} | {b.value:.1%} | {b.bar} | {'yes' if b.holds else 'no'} |" for b in bars] + [""]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures; exit status 0 whether they hold or not."""
    parser = argparse.ArgumentParser(description="Figures of merit of the serving model on the carried measurements.")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    chosen = parser.parse_args(arguments)
    folder = catalog_folder()
    results = validate_serving(read_cases(folder / "measurements" / "serving.csv"), load_catalog())
    bars = serving_bars(results, folder / "calibration" / "serving.yaml")
    text = json.dumps([asdict(b) for b in bars], indent=1) if chosen.json else "\n".join(serving_bars_table(bars))
    sys.stdout.write(text + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
