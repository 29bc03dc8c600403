"""The independent check: it accepts a true plan, and nothing else."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import ValidationError
from tools import load, round_scenario, run

from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.planning.plan import plan
from planner.scenario import scenario_from_mapping
from planner.scenario.types import Scenario
from planner.verify.plan import verify_plan

Data = dict[str, Any]


@pytest.fixture(scope="module")
def question() -> Scenario:
    """A run and a load on round boxes, on a site with little to spare."""
    return round_scenario(
        run(tokens=1e11, mfu=0.5, finish_within_days=8, global_batch=528, chips={"min": 8, "max": 64}),
        load(1500, ttft_ms=60_000, tpot_ms=200, precision=["bf16"], disaggregated="never"),
        site={"power_mw": 0.08, "racks": 2},
        limits={"chips": 64, "capex_usd": 1e6},
    )


@pytest.fixture(scope="module")
def answer(question: Scenario, round_catalog: Catalog) -> Plan:
    """Its plan."""
    found = plan(question, catalog=round_catalog)
    assert found.status == "proven_optimal"
    assert [d.systems for d in found.deployments] == [2, 2]
    return found


def tampered(true: Plan, change: Callable[[Data], None]) -> Plan:
    """The plan with a change made to its JSON, sealed anew by whoever made it; it still reads as a plan."""
    data = copy.deepcopy(true.to_dict()) | {"seal": ""}
    change(data)
    return Plan.model_validate(data)


def test_the_true_plan_is_accepted_after_a_journey_through_json(
    answer: Plan, question: Scenario, round_catalog: Catalog
) -> None:
    """Saved and read back, the plan passes; so it does with the scenario read back."""
    again = Plan.from_json(answer.to_json())
    assert verify_plan(again, question, round_catalog) == []
    assert verify_plan(again, Scenario.model_validate_json(question.model_dump_json()), round_catalog) == []


FREE_TEXT = {"answer", "notes", "left_out", "binding", "alternatives", "conflicts", "nearest", "assumptions"}
"""Words about the plan, and what only solving again can show."""
LABELS = {"option", "planner_version", "variant", "versions", "verified", "schema"}
"""Who made it and with what."""

SHARED = {"fleet", "schedule"}


PARTS = {"drafting", "speculation", "simplified", "rollout", "cache_kept"}
"""What is a table of its own, or one of a few words, where it is there at all."""


def leaves(data: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every figure and word of a plan that the check must hold to account."""
    if isinstance(data, dict):
        for key, value in data.items():
            if (not path and key in FREE_TEXT) or key in LABELS or (path[:1] == ("proof",) and key != "bound"):
                continue
            if value is None and (key in PARTS or (not path and key in SHARED)):
                continue  # what only a shared fleet has, and parts of a prediction that are no figures
            yield from leaves(value, (*path, key))
    elif isinstance(data, list):
        for i, value in enumerate(data):
            yield from leaves(value, (*path, i))
    else:
        yield path, data


def other(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * 1.0001 + 1e-6
    return f"{value}x" if isinstance(value, str) else 1


OTHER_WORD = {
    "status": "within_gap", "role": "decode", "acquire": "rent", "recompute": "full", "precision": "fp8",
    "schedule": "1F1B", "sharding": "row-wise", "kind": "recommendation",
}  # fmt: skip
"""For words of which only some are allowed. (A proven plan that calls itself merely within the gap is not wrong.)"""


@pytest.mark.usefixtures("described_once")
def test_every_leaf_is_held_to_account(answer: Plan, question: Scenario, round_catalog: Catalog) -> None:
    """No figure or word of the deployments, totals or objective can be changed unnoticed."""
    unnoticed = []
    count = 0
    for path, value in leaves(answer.to_dict()):
        if path == ("status",):
            continue

        def change(data: Data, path: tuple[str | int, ...] = path, value: Any = value) -> None:
            for part in path[:-1]:
                data = data[part]  # type: ignore[index]
            name = str(path[-1])
            data[path[-1]] = OTHER_WORD[name] if name in OTHER_WORD else other(value)  # type: ignore[index]

        count += 1
        try:
            forged = tampered(answer, change)
        except ValidationError:
            continue  # it does not even read as a plan
        if not verify_plan(forged, question, round_catalog):
            unnoticed.append(".".join(map(str, path)))
    assert not unnoticed
    assert count > 150


def _double(data: Data, *names: str) -> None:
    """Multiply figures of the first deployment by two; totals are left alone."""
    for name in names:
        *parents, leaf = name.split(".")
        at = data["deployments"][0]
        for part in parents:
            at = at[part]
        at[leaf] *= 2


def _drop_second(data: Data) -> None:
    gone = data["deployments"].pop()
    totals = data["totals"]
    for name, value in (
        ("chips", gone["chips"]), ("systems", gone["systems"]), ("racks", gone["racks"]),
        ("it_mw", gone["power"]["it_mw"]), ("facility_mw", gone["power"]["facility_mw"]),
        ("capex_usd", gone["cost"]["capex_usd"]), ("opex_usd_per_year", gone["cost"]["opex_usd_per_year"]),
        ("tco_usd", gone["cost"]["total_usd"]), ("carbon_t", gone["carbon_t"]), ("water_m3", gone["water_m3"]),
    ):  # fmt: skip
        totals[name] -= value
    cost = data["objective"]["value"] - gone["cost"]["total_usd"]
    data["objective"] |= {"value": cost, "bound": cost, "gap": 0.0}
    data["proof"]["bound"] = cost


def _swap_lines(data: Data) -> None:
    lines = data["deployments"][0]["cost"]["lines_usd"]
    first, second = list(lines)[:2]
    lines[first], lines[second] = lines[second], lines[first]


def _one_box_fewer(data: Data) -> None:
    d = data["deployments"][1]
    d["systems"], d["chips"], d["replicas"] = d["systems"] - 1, d["chips"] - 8, d["replicas"] // 2


TAMPERED: dict[str, tuple[Callable[[Data], None], str]] = {
    "no deployments": (lambda d: d.update(deployments=[]), "must be run once"),
    "a load left out": (_drop_second, "load is served at 0/s"),
    "a run twice": (lambda d: d["deployments"].append(d["deployments"][0]), "run 2 times"),
    "a fraction of a unit": (lambda d: d["deployments"][0].update(systems=3), "no whole number"),
    "an illegal replica": (lambda d: d["deployments"][1]["parallelism"].update(tp=3), "no legal replica"),
    "no systems": (lambda d: d["deployments"][1].update(systems=0), "no whole number"),
    "one box fewer": (_one_box_fewer, "served at"),
    "lines swapped": (_swap_lines, "cost.lines_usd"),
    "chips claimed": (lambda d: _double(d, "chips"), "chips is"),
    "layout": (lambda d: d["deployments"][0]["parallelism"].update(recompute="full"), "predicted.memory_gb"),
    "an illegal layout": (lambda d: d["deployments"][0]["parallelism"].update(tp=3), "no legal layout"),
    "another precision": (lambda d: d["deployments"][1].update(precision="fp8"), "fp8"),
    "an unknown site": (lambda d: d["deployments"][0].update(site="nowhere"), "does not allow"),
    "another box": (lambda d: d["deployments"][0].update(system="big_8", chip="big_chip"), "does not allow"),
    "rented": (lambda d: d["deployments"][0].update(acquire="rent", site="rented"), "does not allow"),
    "a period that is none": (lambda d: d["deployments"][0].update(period="2027-01"), ""),
    "an unknown workload": (lambda d: d["deployments"][0].update(workload="nobody"), "no workload"),
    "bound above value": (
        lambda d: (d["objective"].update(bound=d["objective"]["value"] * 1.01), d["proof"].update(bound=0)),
        "worse than the plan's own value",
    ),
    "another objective": (lambda d: d["objective"].update(name="power"), "objective"),
    "finish": (lambda d: _double(d, "predicted.finish_days"), "predicted.finish_days"),
    "power": (lambda d: _double(d, "power.facility_mw"), "power.facility_mw"),
    "racks": (lambda d: d["deployments"][0].update(racks=5), "racks"),
    "spares": (lambda d: d["deployments"][0].update(spares=1), "spares"),
    "no totals": (lambda d: d.update(totals=None), "no totals"),
    "proven without a bound": (lambda d: d["objective"].update(bound=None), "without a bound"),
    "proven with a gap": (
        lambda d: d["objective"].update(bound=d["objective"]["value"] * 0.9, gap=0.1),
        "status proven_optimal",
    ),
    "deployments without a plan": (lambda d: d.update(status="infeasible"), "without a solution"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_tampering_is_named(name: str, answer: Plan, question: Scenario, round_catalog: Catalog) -> None:
    """What is wrong is said in words that name it."""
    change, words = TAMPERED[name]
    failures = verify_plan(tampered(answer, change), question, round_catalog)
    assert failures
    assert any(words in text for text in failures), failures


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("sites.0.power_mw", 0.04, "MW allowed"),
        ("sites.0.racks", None, "problem_digest"),
        ("limits.chips", 24, "limits.chips"),
        ("limits.capex_usd", 3e5, "limits.capex_usd"),
        ("limits.carbon_t_per_year", 50, "limits.carbon_t_per_year"),
        ("limits.opex_usd_per_year", 1e4, "limits.opex_usd_per_year"),
        ("limits.cost_usd", 4e5, "limits.cost_usd"),
        ("limits.power_mw", 0.04, "limits.power_mw"),
        ("workloads.0.finish_within_days", 5, "5 allowed"),
        ("workloads.0.chips", {"min": 24}, "at least 24"),
        ("workloads.0.chips", {"max": 8}, "at most 8"),
        ("workloads.1.requests_per_s", 3000, "3000/s asked"),
        ("workloads.1.ttft_ms", 20, "ttft_ms"),
        ("workloads.1.tpot_ms", 10, "tpot_ms"),
        ("workloads.1.disaggregated", "always", "disaggregated"),
        ("workloads.1.parallelism", {"tp": 4}, "the scenario fixes 4"),
        ("workloads.1.precision", ["fp8"], "precision bf16"),
        ("hardware.systems", ["big_8"], "does not allow"),
        ("hardware.exclude", ["plain_8"], "does not allow"),
    ],
)
def test_a_plan_for_a_tighter_scenario_is_refused(
    path: str, value: Any, words: str, answer: Plan, question: Scenario, round_catalog: Catalog
) -> None:
    """Every limit is checked against the plan, not against what the plan says of limits."""
    data = question.model_dump(mode="json")
    *parents, leaf = path.split(".")
    at: Any = data
    for part in parents:
        at = at[int(part)] if part.isdigit() else at[part]
    at[leaf] = value
    failures = verify_plan(answer, scenario_from_mapping(data), round_catalog)
    assert any(words in text for text in failures), failures


def test_racks_are_checked_by_kind(answer: Plan, question: Scenario, round_catalog: Catalog) -> None:
    """Four boxes of one kind fill one rack; with a tighter rack they need two, and one place is too few."""
    data = question.model_dump(mode="json")
    data["sites"][0] |= {"racks": 1, "rack_kw": 20}
    failures = verify_plan(answer, scenario_from_mapping(data), round_catalog)
    assert any("racks, 1 allowed" in text for text in failures), failures


def test_another_catalog_is_noticed(answer: Plan, question: Scenario, round_catalog: Catalog) -> None:
    """A price that changed since makes the plan another one."""
    dearer = round_catalog.with_assumptions({"systems": {"plain_8": {"price_usd": 120_000.0}}})
    failures = verify_plan(answer, question, dearer)
    assert any("cost.capex_usd" in text for text in failures)


def test_verify_stands_alone() -> None:
    """It loads neither the fleet model nor a solver, not even through others."""
    code = (
        "import sys, planner.verify.plan\n"
        "far = ('planner.fleet', 'planner.solve', 'pulp', 'highspy', 'ortools')\n"
        "bad = [m for m in sys.modules if m.startswith(far)]\n"
        "sys.exit(', '.join(bad) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
