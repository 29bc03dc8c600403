"""``python -m planner.validation.regret``: what decisions made again cost, and how much too good they looked."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from planner.catalog import load_catalog
from planner.validation.regret.decisions import all_decisions
from planner.validation.regret.outcome import regret_markdown


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the section of docs/accuracy.md."""
    parser = argparse.ArgumentParser(description="Regret of decisions made again from carried measurements.")
    parser.add_argument("--only", choices=["training", "serving"], default="")
    chosen = parser.parse_args(arguments)
    sys.stdout.write("\n".join(regret_markdown(all_decisions(load_catalog(), chosen.only))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
