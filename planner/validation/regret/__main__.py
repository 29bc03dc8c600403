"""``python -m planner.validation.regret``: what decisions made again cost, and how much too good they looked."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from planner.catalog import load_catalog
from planner.catalog.load import catalog_folder
from planner.validation.cases import read_cases
from planner.validation.regret.decisions import serving_decisions, training_decisions
from planner.validation.regret.outcome import outcomes_of, table


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of docs/accuracy.md."""
    parser = argparse.ArgumentParser(description="Regret of decisions made again from carried measurements.")
    parser.add_argument("--only", choices=["training", "serving"], default=None)
    chosen = parser.parse_args(arguments)
    catalog, folder = load_catalog(), catalog_folder() / "measurements"
    found = []
    if chosen.only != "serving":
        found += training_decisions(read_cases(folder / "training.csv"), catalog)
    if chosen.only != "training":
        found += serving_decisions(read_cases(folder / "serving.csv"), catalog)
    sys.stdout.write("\n".join(table(outcomes_of(found))) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
