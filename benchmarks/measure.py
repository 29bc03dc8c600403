"""Whether the run that ``planner measure`` ranks first changes decisions as often as it said.

    python benchmarks/measure.py [quickstart deepseek-v3-pretrain ...] [--draws 200]

Values are drawn from the predictive distribution of the run, fed back as a row of ``--measurements``, and everything is
searched and decided again: at every ``--step``-th of the drawn values in their order, and at all between two that
decide otherwise, by halving. Between two that decide the same that is taken to be the decision (``--step 1`` decides
each). Fails where the share that changed is further than ten points from what was said.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from planner.catalog import load_catalog
from planner.outlook.measure import Measurement, measure
from planner.outlook.measure.worth import decide
from planner.planning.question import ask
from planner.tables import csv_text
from planner.uncertainty.times import time_factor
from planner.validation.own.read import with_measurements

POINTS = 0.10


def fed_back(scenario: str, run: Measurement, value: float) -> str:
    """What is decided with the run's row filled in."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "runs.csv"
        table.write_text(csv_text([{**run.row, run.quantity: repr(value)}]), encoding="utf-8")
        found = decide(ask(scenario, catalog=with_measurements(load_catalog(), table), whole=True))
    return "no plan" if found is None else found.words


def decisions(scenario: str, run: Measurement, values: Sequence[float], step: int) -> tuple[list[str], int]:
    """(what is decided for each of some ascending values, how often that was worked out)."""
    found: dict[int, str] = {}

    def at(i: int) -> str:
        if i not in found:
            found[i] = fed_back(scenario, run, values[i])
        return found[i]

    def between(low: int, high: int) -> None:
        if high - low > 1 and at(low) != at(high):
            middle = (low + high) // 2
            at(middle)
            between(low, middle)
            between(middle, high)

    ends = sorted({*range(0, len(values), step), len(values) - 1})
    for low, high in pairwise(ends):
        between(low, high)
    told, last = [], ""
    for i in range(len(values)):
        last = found.get(i, last)
        told.append(last)
    return told, len(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", default=["quickstart", "deepseek-v3-pretrain"])
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--step", type=int, default=10)
    chosen = parser.parse_args()
    dice = np.random.default_rng(5)
    off = 0.0
    for scenario in chosen.scenarios:
        found = measure(scenario)
        run = found.runs[0]
        low, high = run.low80 / run.predicted, run.high80 / run.predicted
        drawn = sorted(run.predicted * time_factor(low, high, z) for z in dice.standard_normal(chosen.draws).tolist())
        told, made = decisions(scenario, run, drawn, chosen.step)
        changed = float(np.mean([x != found.decision for x in told]))
        off = max(off, abs(changed - run.changes))
        print(
            f"{scenario}: {run.workload} on {run.system}: said {run.changes:.1%}, changed {changed:.1%}"
            f" of {chosen.draws} draws ({made} decided; {found.seconds:.0f} s to rank {len(found.runs)} runs)",
            flush=True,
        )
    return 1 if off > POINTS else 0


if __name__ == "__main__":
    raise SystemExit(main())
