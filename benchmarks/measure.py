"""Whether the run that ``planner measure`` ranks first changes decisions as often as it said.

    python benchmarks/measure.py [quickstart deepseek-v3-pretrain ...] [--draws 200]

Values are drawn from the predictive distribution of the run, fed back as a row of ``--measurements``, and everything is
searched and decided again.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from planner.catalog import load_catalog
from planner.outlook.measure import Measurement, measure
from planner.outlook.measure.worth import decide
from planner.planning.question import ask
from planner.tables import csv_text
from planner.uncertainty.times import time_factor
from planner.validation.own.read import with_measurements


def fed_back(scenario: str, run: Measurement, value: float) -> str:
    """What is decided with the run's row filled in."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "runs.csv"
        table.write_text(csv_text([{**run.row, run.quantity: repr(value)}]), encoding="utf-8")
        found = decide(ask(scenario, catalog=with_measurements(load_catalog(), table), whole=True))
    return "no plan" if found is None else found.words


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", default=["quickstart", "deepseek-v3-pretrain"])
    parser.add_argument("--draws", type=int, default=200)
    chosen = parser.parse_args()
    dice = np.random.default_rng(5)
    for scenario in chosen.scenarios:
        found = measure(scenario)
        run = found.runs[0]
        low, high = run.low80 / run.predicted, run.high80 / run.predicted
        drawn = [run.predicted * time_factor(low, high, z) for z in dice.standard_normal(chosen.draws).tolist()]
        changed = np.mean([fed_back(scenario, run, value) != found.decision for value in drawn])
        print(
            f"{scenario}: {run.workload} on {run.system}: said {run.changes:.1%}, changed {changed:.1%}"
            f" of {chosen.draws} draws ({found.seconds:.0f} s to rank {len(found.runs)} runs)",
            flush=True,
        )


if __name__ == "__main__":
    main()
