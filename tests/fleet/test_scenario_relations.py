"""Relations of 300 random scenarios from their searches to the optimum of the program: with redundancy, chips ranges,
shares of a peak, terms of rent, several periods and short runs, shared or not.

Unpruned equals pruned: dominance leaves out nothing that any limit or objective could want. One option more never
hurts. Bounds of columns follow from rows: more of everything changes nothing.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tools import load, round_scenario, run, write_round_catalog

from planner.catalog import Catalog, load_catalog
from planner.explain.conflict import unable
from planner.fleet.model import FleetModel
from planner.options import enumerate as dedicated
from planner.options import enumerate_lots, lots
from planner.options.work import serving
from planner.planning.question import built, searched
from planner.scenario import scenario_from_mapping
from planner.solve import Limits, Program, Status, with_objective
from planner.solve.drive import solve_here

EXACT = Limits(gap=0.0, time_limit_s=30, threads=1)
PERIODS = ("2026-10", "2027-10", "2028-04")
CHAINS, LINKS, BATCHES = 75, 4, 3
"""Each scenario of a chain has one thing more to choose from; searches are kept within a batch."""
FEW = {"ttft_ms": 60_000, "parallelism": {"pp": 1, "ep": 1, "attention_dp": 1}}
ALONE = {"disaggregated": "never", **FEW}
LOADS: tuple[dict[str, Any], ...] = (
    load(900, **ALONE), load(700, **ALONE, tolerate_failures=1),
    load(800, **FEW, disaggregated="always", tolerate_failures=1), load(400, **ALONE, chips={"max": 16}),
    load(300, **ALONE, chips={"min": 24}), load(800, **ALONE, growth_per_year=0.6),
)  # fmt: skip
SHORT = {"mfu": 0.5, "global_batch": 512, "chips": {"max": 32}}
RUNS: tuple[dict[str, Any], ...] = (
    run(tokens=2e10, **SHORT), run(tokens=5e10, **SHORT, finish_within_days=20), run(tokens=2e11, **SHORT),
    run(tokens=1e11, mfu=0.5, global_batch=512, chips={"min": 16, "max": 32}),
    run(tokens=4e11, **SHORT, finish_within_days=300), run(tokens=5e10, **SHORT, start=PERIODS[0]),
)  # fmt: skip


def question(seed: int) -> dict[str, Any]:
    """A small random scenario as a mapping."""
    dice = random.Random(seed)
    # names follow what is asked, so that searches are shared
    loads, runs = ([dict(w, name=f"{w['name']}{i}") for i, w in enumerate(some)] for some in (LOADS, RUNS))
    work = dice.sample(loads, dice.choice([0, 1, 1, 2]))
    work += dice.sample(runs, dice.choice([0, 1, 2] if work else [1, 2]))
    hardware: dict[str, Any] = {"systems": [dice.choice(["plain_8", "big_8"])]}
    if dice.random() < 0.4:
        hardware["acquire"] = dice.choice([["buy", "rent"], ["rent"]])
        hardware["rent_terms"] = [dice.choice(["on_demand", "1y", "3y"])]
    site: dict[str, Any] = {"power_mw": dice.choice([0.04, 1])}
    if dice.random() < 0.3:
        site["racks"] = 2
    if dice.random() < 0.3:
        site["serving_peak_share"] = dice.choice([0.5, 0.75])
    if dice.random() < 0.3:
        site["installed"] = [{"system": "plain_8", "count": dice.randint(1, 3)}]
    limits = {}
    for name, values in (
        ("chips", [40]), ("capex_usd", [2e5, 6e5]), ("opex_usd_per_year", [2e4, 2e5]),
        ("carbon_t_per_year", [60, 200]), ("cost_usd", [4e5, 2e6]), ("power_mw", [0.06]),
    ):  # fmt: skip
        if dice.random() < 0.15:
            limits[name] = dice.choice(values)
    fields: dict[str, Any] = {"fleet": {"shared": dice.random() < 0.5}, "finance": {"discount_rate": 0.08}}
    if dice.random() < 0.4:
        fields["periods"] = list(PERIODS[: dice.choice([2, 3])])
        fields["hardware"] = hardware | {"price_change_per_year": dice.choice([0, -0.3])}
    if dice.random() < 0.3:
        fields["fleet"]["keep"] = "periods"
    goal = dice.choice(["cost", "cost", "cost", "carbon", "power", "time"])
    if goal == "time" and not any(w["kind"] == "training" for w in work):
        goal = "cost"
    data = {"hardware": hardware, "site": site, "limits": limits, "objective": goal, "horizon_years": 3} | fields
    return round_scenario(*work, **data).model_dump(mode="json")


def more_to_choose(data: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """The same with one thing more that may be had."""
    hardware = dict(data["hardware"])
    ways: list[tuple[str, str]] = [
        ("systems", "plain_8"),
        ("systems", "big_8"),
        ("acquire", "buy"),
        ("acquire", "rent"),
    ]
    ways += [("rent_terms", term) for term in ("on_demand", "1y", "3y")] if "rent" in hardware["acquire"] else []
    name, word = dice.choice([(name, word) for name, word in ways if word not in hardware[name]] or ways)
    hardware[name] = list(dict.fromkeys([*hardware[name], word]))
    return data | {"hardware": hardware}


def chain(seed: int) -> list[dict[str, Any]]:
    """A question, and the same with one, two and three things more to choose from."""
    found = [question(seed)]
    for link in range(1, LINKS):
        found.append(more_to_choose(found[-1], random.Random(100 * seed + link)))
    return found


@pytest.fixture(scope="module")
def catalogs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalog, Catalog]:
    """Two of round numbers: what was searched with dominance is kept apart from what was searched without."""
    one, other = (load_catalog(write_round_catalog(tmp_path_factory.mktemp("round"))) for _ in range(2))
    return one, other


@contextmanager
def without_dominance(patch: pytest.MonkeyPatch, seed: int) -> Iterator[None]:
    """Options, sizes, groups and terms all stay; of replica shapes some that others replace, beside the best."""
    frontier = serving.frontier

    def wider(systems: Any, *more: Any) -> Any:
        dice = np.random.default_rng(seed)
        kept = frontier(systems, *more)
        others = np.setdiff1d(np.arange(len(systems)), kept)
        return np.concatenate([kept, dice.permutation(others)[:3]])

    with patch.context() as m:
        m.setattr(serving, "frontier", wider)
        m.setattr(dedicated, "prune", lambda options, **_: (list(options), [], 0))
        m.setattr(enumerate_lots, "without_dominated", lambda drafts: drafts)
        m.setattr(lots, "sizes_worth_keeping", lambda *a: np.ones(len(a[3]), dtype=bool))
        m.setattr(lots, "nondominated", lambda uses, gives: (np.ones(len(uses), dtype=bool), None))
        yield


def model_of(data: dict[str, Any], catalog: Catalog) -> FleetModel | None:
    scenario = scenario_from_mapping(data)
    found = searched(scenario, catalog)
    return None if unable(scenario, found.options) else built(scenario, catalog, found)[0]


def best(model: FleetModel | None, goal: str, *, wide: bool = False) -> float:
    """The optimum of a program; infinite where there is none. ``wide``: with room for more of every count."""
    if model is None:
        return math.inf
    program = with_objective(model.program, model.objectives[goal])
    if wide:
        program = with_room(program)
    found = solve_here(program, EXACT, "highs")
    assert found.status in {Status.PROVEN_OPTIMAL, Status.INFEASIBLE}, found.message
    return found.objective if found.values is not None else math.inf


def with_room(program: Program) -> Program:
    counts = program.integer & ~program.structure
    return replace(program, upper=np.where(counts, 2 * program.upper + 3, program.upper))


@pytest.mark.parametrize("batch", range(BATCHES))
def test_relations(batch: int, catalogs: tuple[Catalog, Catalog], monkeypatch: pytest.MonkeyPatch) -> None:
    catalog, unpruned = catalogs
    plans = 0
    for seed in range(batch, CHAINS, BATCHES):
        before = math.inf
        for link, data in enumerate(chain(seed)):
            goal, where = data["objective"][0], f"seed {seed}, link {link}"
            model = model_of(data, catalog)
            value = best(model, goal)
            plans += math.isfinite(value)
            with without_dominance(monkeypatch, seed):
                every = model_of(data, unpruned)
            same = pytest.approx(value, rel=1e-6, abs=1e-9)
            assert best(every, goal) == same, f"{where}: unpruned"
            assert best(model, goal, wide=True) == same, f"{where}: with room for more of every count"
            assert value <= before * (1 + 1e-6) + 1e-9, f"{where}: with one thing more to choose"
            before = value
    assert CHAINS * LINKS // BATCHES // 5 < plans < CHAINS * LINKS // BATCHES  # some have plans and some have none


def test_the_random_scenarios_are_worth_asking() -> None:
    """They differ; what they may have many have."""
    every = [data for seed in range(CHAINS) for data in chain(seed)]
    seen: Counter[str] = Counter()
    for data in every:
        loads = [w for w in data["workloads"] if w["kind"] == "serving"]
        seen["redundancy"] += any(w["tolerate_failures"] for w in loads)
        seen["chips"] += any(w.get("chips") for w in data["workloads"])
        seen["peak share"] += data["sites"][0]["serving_peak_share"] < 1
        seen["terms"] += "rent" in data["hardware"]["acquire"] and len(data["hardware"]["rent_terms"]) > 1
        seen["periods"] += len(data["periods"]) > 1
        seen["short runs"] += data["fleet"]["shared"] and len(data["workloads"]) - len(loads) > 1
        seen["shared"] += data["fleet"]["shared"]
    assert len(every) == 300
    assert len({repr(d) for d in every}) > 290
    assert min(seen.values()) > 20, seen
