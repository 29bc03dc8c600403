"""What must hold between a question and a slightly different one, over 208 random scenarios.

Loosening a limit, or offering another system, never makes the best plan worse; taking away what it does not use changes
nothing; more work never takes less; names, order and units change nothing; nor does a period more.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tools import load, random_question, round_scenario, run

from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.fleet.build import build_fleet
from planner.options.option import Option
from planner.planning.plan import plan
from planner.scenario import scenario_from_mapping
from planner.scenario.types import Scenario
from planner.solve import Limits, Status, solve, with_objective

EXACT = Limits(gap=0.0, time_limit_s=30, threads=1)
FLEETS = range(1000, 1152)
PLANS = range(48)

# -- fleets: options by chance --------------------------------------------------------------------------------------


def cost(scenario: Scenario, options: list[Option]) -> float:
    """Cost of the best fleet in millions; infinite where there is none."""
    model = build_fleet(scenario, options)
    found = solve(with_objective(model.program, model.objectives["cost"]), EXACT, in_child=False)
    if found.status is Status.INFEASIBLE:
        return math.inf
    assert found.status is Status.PROVEN_OPTIMAL
    assert found.bound <= found.objective
    return found.objective


def edited(scenario: Scenario, edit: Callable[[dict[str, Any]], None]) -> Scenario:
    """The scenario with its mapping edited."""
    data = scenario.model_dump(mode="json")
    edit(data)
    return scenario_from_mapping(data)


def loosen(data: dict[str, Any], dice: random.Random) -> None:
    """One limit of those there are, a fifth looser."""
    ways: list[Callable[[], None]] = []

    def grow(holder: dict[str, Any], key: str, *, whole: bool = False) -> None:
        if isinstance(holder.get(key), int | float):
            value = holder[key] + 1 if whole else holder[key] * 1.2
            ways.append(lambda: holder.__setitem__(key, value))

    for name in data["limits"]:
        grow(data["limits"], name, whole=name == "chips")
    for site in data["sites"]:
        grow(site, "power_mw")
        grow(site, "racks", whole=True)
        for hall in (site.get("capacity") or {}).get("halls", []):
            grow(hall, "power_mw")
            grow(hall, "rows", whole=True)
        for block in site.get("installed", []):
            grow(block, "count", whole=True)
    for workload in data["workloads"]:
        grow(workload, "finish_within_days")
        if workload.get("chips"):
            grow(workload["chips"], "max", whole=True)
        if workload["kind"] == "serving":
            ways.append(lambda w=workload: w.__setitem__("requests_per_s", w["requests_per_s"] * 0.8))
    dice.choice(ways)()


@pytest.mark.parametrize("seed", FLEETS)
def test_relations_of_fleets(seed: int) -> None:
    """Six relations of one random fleet."""
    dice = random.Random(seed)
    scenario, options = random_question(seed)
    base = cost(scenario, options)
    slack = 1e-6 * max(1.0, base if math.isfinite(base) else 1.0)

    assert cost(edited(scenario, lambda d: loosen(d, dice)), options) <= base + slack

    extra = replace(dice.choice(options), id="extra", cost_usd=dice.uniform(0.1, 3) * 1e6, system="novel")
    assert cost(scenario, [*options, extra]) <= base + slack

    shuffled = list(options)
    dice.shuffle(shuffled)
    assert cost(scenario, shuffled) == pytest.approx(base, rel=1e-6)

    halved = [replace(o, cost_usd=o.cost_usd / 2) for o in options]
    if scenario.limits.cost_usd is None:
        assert cost(scenario, halved) == pytest.approx(base / 2, rel=1e-6)

    if math.isfinite(base):
        model = build_fleet(scenario, options)
        found = solve(with_objective(model.program, model.objectives["cost"]), EXACT, in_child=False)
        assert found.values is not None
        used = [o for o, c in zip(options, model.units, strict=True) if found.values[c] > 0.5]
        assert cost(scenario, used) == pytest.approx(base, rel=1e-6)

    def rename(data: dict[str, Any]) -> None:
        data["name"] = "another"
        for i, workload in enumerate(data["workloads"]):
            workload["name"] = f"job{i}"
        data["workloads"].reverse()
        data["sites"].reverse()

    names = {w.name: f"job{i}" for i, w in enumerate(scenario.workloads)}
    renamed = [replace(o, id=f"x{o.id}", workload=names[o.workload]) for o in options]
    assert cost(edited(scenario, rename), renamed) == pytest.approx(base, rel=1e-6)


# -- whole plans ----------------------------------------------------------------------------------------------------


def question(seed: int) -> dict[str, Any]:
    """A small random question in Flat town, as a mapping: a run, a load or both; one or two sites."""
    dice = random.Random(seed)
    workloads: list[dict[str, Any]] = []
    kind = dice.choice(["load", "run", "both"])
    if kind != "run":
        fields: dict[str, Any] = {"disaggregated": dice.choice(["never", "auto"])}
        if dice.random() < 0.3:
            fields |= {"ttft_ms": 60_000, "tpot_ms": dice.choice([30, 100])}
        if dice.random() < 0.2:
            fields["chips"] = {"max": 64}
        workloads.append(load(dice.choice([100, 900, 2500]), **fields))
    if kind != "load":
        fields = {"mfu": 0.4} if dice.random() < 0.5 else {}
        fields |= {"finish_within_days": dice.choice([15, 40])} if dice.random() < 0.6 else {}
        workloads.append(run(tokens=dice.choice([1e11, 5e11]), **fields))
    site: dict[str, Any] = {"power_mw": dice.choice([0.04, 0.1, 1])}
    if dice.random() < 0.4:
        site["racks"] = dice.choice([1, 3, 20])
    if dice.random() < 0.2:
        site["installed"] = [{"system": "plain_8", "count": dice.choice([1, 3])}]
    limits = {"capex_usd": dice.choice([6e5, 2e6])} if dice.random() < 0.3 else {}
    found = round_scenario(*workloads, site=site, limits=limits,
                           hardware={"systems": dice.choice([["plain_8"], ["plain_8", "big_8"]])})  # fmt: skip
    data = found.model_dump(mode="json")
    if dice.random() < 0.3:
        data["sites"].append({"name": "there", "region": "world", "power_mw": 0.2, "cooling": ["plain"]})
    data["solve"]["gap"] = 0.0
    return data


@pytest.fixture
def worth(round_catalog: Catalog, in_process: None) -> Callable[[dict[str, Any]], tuple[float, Plan]]:
    """(cost of the best plan or infinite, the plan) of a question."""

    def ask(data: dict[str, Any]) -> tuple[float, Plan]:
        found = plan(scenario_from_mapping(data), catalog=round_catalog)
        if found.status == "infeasible":
            return math.inf, found
        assert found.status in {"proven_optimal", "within_gap"}
        assert found.verified
        assert found.objective.value is not None
        assert found.objective.bound is not None
        assert found.objective.bound <= found.objective.value
        return found.objective.value, found

    return ask


def same(a: float, b: float) -> bool:
    """Equal costs, both infinite included."""
    return a == b or math.isclose(a, b, rel_tol=1e-6)


Ask = Callable[[dict[str, Any]], tuple[float, Plan]]


@pytest.mark.parametrize("seed", PLANS)
def test_relations_of_plans(seed: int, worth: Ask) -> None:
    """One relation for each seed, in turn, over small whole plans."""
    data = question(seed)
    base, found = worth(data)
    RELATIONS[seed % len(RELATIONS)](copy.deepcopy(data), base, found, worth, random.Random(seed))


def loosened(data: dict[str, Any], base: float, found: Plan, worth: Ask, dice: random.Random) -> None:
    """A looser limit never makes the best plan worse."""
    loosen(data, dice)
    assert worth(data)[0] <= base * (1 + 1e-6)


def one_system_more(data: dict[str, Any], base: float, found: Plan, worth: Ask, dice: random.Random) -> None:
    """Another system on offer never makes it worse."""
    data["hardware"]["systems"] = ["plain_8", "big_8", "hgx_h100_oem"]
    data["sites"][0]["cooling"] = ["plain", "air_crah"]
    more, with_more = worth(data)
    assert more <= base * (1 + 1e-6), with_more.answer


def unused_system_less(data: dict[str, Any], base: float, found: Plan, worth: Ask, dice: random.Random) -> None:
    """Without a system that the plan does not use it is the same plan."""
    data["hardware"]["systems"] = ["plain_8", "big_8"]
    base, found = worth(data)
    used = {d.system for d in found.deployments if d.acquire == "buy"}
    left = [s for s in ("plain_8", "big_8") if s in used] or ["plain_8"]
    data["hardware"]["systems"] = left
    assert same(worth(data)[0], base)


def twice_the_tokens(data: dict[str, Any], base: float, found: Plan, worth: Ask, dice: random.Random) -> None:
    """Twice the tokens on the same chips never take less time, and twice the requests never cost less."""
    for workload in data["workloads"]:
        for name in ("tokens", "requests_per_s"):
            if name in workload:
                workload[name] *= 2
    assert worth(data)[0] >= base * (1 - 1e-6)
    for workload in data["workloads"]:
        if workload["kind"] != "training" or not found.has_plan:
            continue
        data["objective"] = ["time"]
        data["workloads"] = [workload]
        slow = worth(data)[0]
        workload["tokens"] /= 2
        assert worth(data)[0] <= slow * (1 + 1e-6)


def other_words(data: dict[str, Any], base: float, found: Plan, worth: Ask, dice: random.Random) -> None:
    """Names and order change nothing."""
    data["name"] = data["description"] = "something else"
    for i, site in enumerate(data["sites"]):
        site["name"] = f"place{9 - i}"
    for i, workload in enumerate(data["workloads"]):
        workload["name"] = f"job{9 - i}"
    data["sites"].reverse()
    data["workloads"].reverse()
    data["hardware"]["systems"].reverse()
    again, other = worth(data)
    assert same(again, base)
    if other.has_plan:
        assert other.totals is not None
        assert found.totals is not None
        assert other.totals.tco_usd == pytest.approx(found.totals.tco_usd)


def other_units(data: dict[str, Any], base: float, found: Plan, worth: Ask, dice: random.Random) -> None:
    """1e6, 1000000 and "1e6" are one number; the problem is the same one."""
    for workload in data["workloads"]:
        if "tokens" in workload:
            workload["tokens"] = f"{workload['tokens']:.6e}"
        if "requests_per_s" in workload:
            workload["requests_per_s"] = int(workload["requests_per_s"])
    if data["limits"].get("capex_usd"):
        data["limits"]["capex_usd"] = str(data["limits"]["capex_usd"])
    again, other = worth(data)
    assert same(again, base)
    assert other.problem_digest == found.problem_digest


def two_periods(data: dict[str, Any], base: float, found: Plan, worth: Ask, dice: random.Random) -> None:
    """The same horizon in two periods: there is nothing to gain by waiting for what can be bought today."""
    data["periods"] = ["2026-10", dice.choice(["2027-04", "2028-10"])]
    again, other = worth(data)
    assert same(again, base), other.answer
    assert all(d.period == "2026-10" for d in other.deployments)


def twice_everything(data: dict[str, Any], base: float, found: Plan, worth: Ask, dice: random.Random) -> None:
    """A second site like the first never makes it worse, and an unused one changes nothing."""
    twin = copy.deepcopy(data["sites"][0]) | {"name": "twin", "installed": []}
    data["sites"].append(twin)
    more, with_more = worth(data)
    assert more <= base * (1 + 1e-6)
    if with_more.has_plan:
        used = {d.site for d in with_more.deployments}
        data["sites"] = [s for s in data["sites"] if s["name"] in used] or data["sites"][:1]
        assert same(worth(data)[0], more)


RELATIONS = (
    loosened, one_system_more, unused_system_less, twice_the_tokens, other_words, other_units, two_periods,
    twice_everything,
)  # fmt: skip


def test_the_questions_are_worth_asking(worth: Ask) -> None:
    """Some have plans and some have none."""
    possible = sum(math.isfinite(worth(question(seed))[0]) for seed in range(24))
    assert 4 <= possible < 24
