"""One question, one answer: valid scenarios planned twice under other hash seeds give the same plan.json.

``python tests/fuzz/twice.py [--count 50] [--seed S]``. Scenarios are those of ``kinds.question_file`` with
``reproducible: true``; timings alone may differ. Each pair runs in two processes at once, so each is the other's load.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import yaml
from kinds import question_file

HASH_SEEDS = ("1", "4242")


def without_timings(text: str) -> Any:
    """A plan without what a clock wrote into it."""
    data = json.loads(text)
    for name in ("seconds", "seconds_by_room"):
        data["proof"].pop(name)
    data.pop("seal")  # which holds these too
    return data


def unlike(first: Any, second: Any, at: str = "") -> list[str]:
    """Places where two pieces of plain data differ."""
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        return [d for k in first for d in unlike(first[k], second[k], f"{at}.{k}")]
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        return [d for i, (a, b) in enumerate(zip(first, second, strict=True)) for d in unlike(a, b, f"{at}[{i}]")]
    return [] if first == second else [f"{at}: {str(first)[:60]} | {str(second)[:60]}"]


def planned_twice(file: Path) -> list[str]:
    """Where the two answers differ; their exit codes and errors are answers too."""
    runs = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "planner", "plan", str(file), "--json", "--quiet"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONHASHSEED": seed},
        )
        for seed in HASH_SEEDS
    ]  # fmt: skip
    told = [(*run.communicate(timeout=600), run.returncode) for run in runs]
    (first, second) = told
    if 70 in {first[2], second[2]}:
        return [f"exit 70: {first[1][-200:]}"]
    if first[2] != second[2] or not first[0]:
        return [] if first == second else [f"exit {first[2]} | {second[2]}"]
    return unlike(without_timings(first[0]), without_timings(second[0]))


def main() -> int:
    """Plans that differ, as an exit code of 0 or 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        for number in range(asked.seed, asked.seed + asked.count):
            question_file(random.Random(f"questions {number}"), Path(name))
            file = Path(name) / "scenario.yaml"
            data = yaml.safe_load(file.read_text(encoding="utf-8"))
            data["solve"] = {"reproducible": True, "time_limit_s": 60}
            file.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")
            found = planned_twice(file)
            if found:
                failed += 1
                print(f"{number}: {found[:4]}", flush=True)  # noqa: T201
    print(f"{asked.count - failed} of {asked.count} the same", flush=True)  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
