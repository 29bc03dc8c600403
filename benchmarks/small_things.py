"""What small things cost in CPU seconds, each in a fresh process: starting, reading, one estimate, a small plan.

    python benchmarks/small_things.py [--against CHECKOUT] [--only plan] [--repeat 3] [--json]

Every line is run ``--repeat`` times and the least is shown: its children's CPU time included, and what is imported,
unless the snippet times a part of itself. ``--against`` runs the same in another checkout of this repository (of the
commit before, say) and shows both, so that what a change brings is measured in one run on one machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent

TIMED = """
import resource
from time import process_time as now
def timed(work):
    start = now(); work(); print("SECONDS", now() - start)
"""

WORK = {
    "planner --help": "from planner.cli import run; run(['--help'])",
    "from planner import plan": "from planner import plan",
    "load_catalog(), first in a process": TIMED + "from planner.catalog import load_catalog\ntimed(load_catalog)",
    "load_catalog(), again": TIMED + "from planner.catalog import load_catalog\nload_catalog()\ntimed(load_catalog)",
    "calibration of training and serving": TIMED
    + """
from planner.performance.measured.calibration import shipped_training_calibration as a
from planner.performance.serving.profile import shipped_serving_calibration as b
timed(lambda: (a(), b()))""",
    "unexplained share of 4,000 layouts": TIMED
    + """
import numpy as np
from planner.performance.measured.neighbours import Job, WIDTHS, shipped_neighbours
known = shipped_neighbours()
job = Job("default" if "default" in known.runs else max(known.runs, key=lambda p: len(known.runs[p])),
          "h100_sxm", "llama-3.1-70b", "bf16", False, 4096, 70e9, 4096.0 * 1024)
n = 4000
rng = np.random.default_rng(0)
widths = {name: 2 ** rng.integers(0, 4, n) for name in WIDTHS}
known.unexplained(job, {k: v[:2] for k, v in widths.items()}, np.full(2, 64), np.zeros(2, int))
timed(lambda: known.unexplained(job, widths, 8 * 2 ** rng.integers(0, 8, n), rng.integers(0, 3, n)))""",
    "plan quickstart": "from planner import plan; print(plan('scenarios/quickstart.yaml').objective.value)",
    **{
        f"plan {name}": f"from planner import plan; print(plan('scenarios/{name}.yaml').objective.value)"
        for name in ("deepseek-v3-pretrain", "deepseek-v3-serving", "air-or-liquid")
    },
}


def cpu_seconds(checkout: Path, code: str) -> tuple[float, str]:
    """(CPU seconds of a fresh interpreter and its children or what it timed itself, its last line of output)."""
    before = os.times()
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=checkout == HERE,
    )
    after = os.times()
    if run.returncode:  # an older checkout may not have what is asked
        return float("nan"), ""
    whole = after.children_user + after.children_system - before.children_user - before.children_system
    last = run.stdout.strip().rsplit("\n", 1)[-1]
    return (float(last.split()[1]) if last.startswith("SECONDS") else whole), last


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", default="", help="what has this in its name")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    places = {"here": HERE, **({"there": chosen.against.resolve()} if chosen.against else {})}
    found: dict[str, dict[str, float | str]] = {}
    for name, code in ((n, c) for n, c in WORK.items() if chosen.only in n):
        row: dict[str, float | str] = {}
        for place, checkout in places.items():
            runs = [cpu_seconds(checkout, code) for _ in range(chosen.repeat)]
            row[place] = round(min(seconds for seconds, _ in runs), 4)
            if name.startswith("plan "):
                row[f"objective_{place}"] = runs[0][1]
        found[name] = row
        if not chosen.json:
            print(f"{name:40s} " + "  ".join(f"{k} {v}" for k, v in row.items()), flush=True)
    if chosen.json:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
