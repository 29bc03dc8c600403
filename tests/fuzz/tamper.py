"""Figures of true plans changed by hand: ``python tests/fuzz/tamper.py [SCENARIO ...] [--count N] [--seconds S]``.

Each numeric leaf of a plan.json is changed alone: a fraction by 1%, a whole number by 1% or one, whichever is more. The
changed plan must not read as a plan, or what its figures are computed to again must differ, whatever its seal says; of
what only solving or measuring again could show (``BY_SEAL``) the broken seal must tell. ``--count`` draws that many
leaves of each plan; all of them without.
"""

from __future__ import annotations

import argparse
import copy
import random
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from pydantic import ValidationError
from shipped_plans import FOLDER, planned

from planner import load_catalog, load_scenario
from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.errors import InputError
from planner.scenario.types import Scenario
from planner.verify.plan import by_figures

Path_ = tuple[str | int, ...]

SIX = ("agents", "shared-fleet", "three-time-zones", "three-level-10mw", "deepseek-v3-serving", "grpo-30b")
"""A load alone, a shared fleet, sites over periods, what stands and is rented, apart phases, post-training."""

BY_SEAL = re.compile(
    r"proof\.(candidates|enumerated|options|pruned|columns|rows|threads|seconds|seconds_by_room\..*)"
    r"|simplified\.(best|kinds_before|pools_before)"
    r"|alternatives\[\]\.(kinds|objective|difference|values\..*|cost_difference_usd\..*)"
    r"|(binding|simulations|nearest)\[\]\..*"
)
"""What only solving or measuring again could show: how much was searched, other plans, what a limit is worth."""


def leaves(data: Any, path: Path_ = ()) -> Iterator[tuple[Path_, float]]:
    """Every figure of a plan, with where it stands."""
    if isinstance(data, dict | list):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from leaves(value, (*path, key))
    elif isinstance(data, int | float) and not isinstance(data, bool):
        yield path, data


def named(path: Path_) -> str:
    """A path as text, the same for every entry of a list."""
    return re.sub(r"\.\d+(?=\.|$)", "[]", ".".join(map(str, path)))


def moved(value: float) -> float:
    """Another figure, 1% away; of whole numbers at least one, of nothing a little."""
    if isinstance(value, int):
        return value + max(1, abs(value) // 100)
    return value * 1.01 or 0.01


def forged(data: dict[str, Any], path: Path_) -> Plan | None:
    """The plan with one figure changed; None where it does not read as a plan."""
    other = copy.deepcopy(data)
    at: Any = other
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = moved(at[path[-1]])
    try:
        return Plan.model_validate(other)
    except (ValidationError, InputError):
        return None


def noticed(data: dict[str, Any], path: Path_, scenario: Scenario, catalog: Catalog) -> bool:
    """Whether a plan with one figure changed is refused: by its reader, its figures or, where only it can, its seal."""
    plan = forged(data, path)
    if plan is None:
        return True
    if not plan.seal_is_broken:
        return False
    return bool(BY_SEAL.fullmatch(named(path)) or by_figures(plan, scenario, catalog))


def main() -> int:
    """0 where every change was noticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", default=list(SIX), help="shipped scenarios by name")
    parser.add_argument("--count", type=int, help="leaves of each plan; all where it is not given")
    parser.add_argument("--seconds", type=float, help="of each plan, at most")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    catalog, failed = load_catalog(), 0
    for name in asked.scenarios:
        begun = time.perf_counter()
        data = planned(name).to_dict()
        scenario = load_scenario(FOLDER / f"{name}.yaml")
        took = time.perf_counter() - begun
        every = [path for path, _ in leaves(data)]
        random.Random(asked.seed).shuffle(every)
        every = every[: asked.count]
        missed: dict[str, int] = {}
        begun, tried, sealed = time.perf_counter(), 0, 0
        for path in every:
            if asked.seconds and time.perf_counter() - begun > asked.seconds:
                break
            tried += 1
            sealed += bool(BY_SEAL.fullmatch(named(path)))
            if not noticed(data, path, scenario, catalog):
                missed[named(path)] = missed.get(named(path), 0) + 1
        failed += sum(missed.values())
        caught = (
            f"{tried - sum(missed.values())} of {tried} noticed, {sealed} of them by the seal alone; {len(every)} drawn"
        )
        print(f"{name}: {caught}; planned in {took:.0f} s, {time.perf_counter() - begun:.0f} s", flush=True)  # noqa: T201
        for where, n in sorted(missed.items()):
            print(f"    {n:4} {where}", flush=True)  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
