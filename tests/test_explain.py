"""Explanations are true: what one more unit is worth, what conflicts and what would help, each tried on the planner."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tools import load, option, round_scenario, run, run_option, scenario_of

from planner.answer.plan import Nearest, Plan
from planner.catalog import Catalog
from planner.explain.conflict import model_findings
from planner.fleet.build import build_fleet
from planner.planning.plan import plan
from planner.scenario import scenario_from_mapping
from planner.scenario.types import Scenario
from planner.solve import Limits, Status, solve, with_objective
from planner.solve.form import without_rows

pytestmark = pytest.mark.usefixtures("in_process")
BOTH = {"systems": ["plain_8", "big_8"]}


def changed(scenario: Scenario, path: str, value: float) -> Scenario:
    """The scenario with one leaf set, by the path that explanations use."""
    data = scenario.model_dump(mode="json")
    *parents, leaf = path.split(".")
    at: Any = data
    for part in parents:
        if isinstance(at, list):
            at = at[int(part)] if part.isdigit() else next(x for x in at if x["name"] == part)
        else:
            at = at[part]
    assert at[leaf] is not None, path
    at[leaf] = int(value) if isinstance(at[leaf], int) and float(value).is_integer() else value
    return scenario_from_mapping(data)


def value_of(found: Plan) -> float:
    """The objective's value; there must be one."""
    assert found.objective.value is not None, found.answer
    return found.objective.value


# -- what one more unit is worth ------------------------------------------------------------------------------------

WORTH: dict[str, tuple[Scenario, str]] = {
    "power, cheapest servers": (
        round_scenario(load(2120, disaggregated="never"), hardware=BOTH, site={"power_mw": 0.03}),
        "sites.here.power_mw",
    ),
    "power, most throughput": (
        round_scenario(load(500, disaggregated="never"), site={"power_mw": 0.05}, objective=["throughput"]),
        "sites.here.power_mw",
    ),
    "power, fastest run": (
        round_scenario(run(tokens=1e12, mfu=0.5), site={"power_mw": 0.4}, objective=["time"]), "sites.here.power_mw",
    ),
    "days of a run": (
        round_scenario(run(tokens=1e12, mfu=0.5, finish_within_days=20)), "workloads.run.finish_within_days",
    ),
    "racks": (
        round_scenario(load(500, disaggregated="never"), site={"racks": 4}, objective=["throughput"]),
        "sites.here.racks",
    ),
    "chips in all": (
        round_scenario(run(tokens=1e12, mfu=0.5), limits={"chips": 128}, objective=["time"]), "limits.chips",
    ),
    "capital": (
        round_scenario(run(tokens=1e12, mfu=0.5), limits={"capex_usd": 2e6}, objective=["time"]), "limits.capex_usd",
    ),
    "a hall of half supply": (
        round_scenario(
            load(500, disaggregated="never"),
            site={"power_mw": None, "capacity": {"halls": [{"name": "a", "ups": "2N", "power_mw": 0.1}]}},
            objective=["throughput"],
        ),
        "sites.here.capacity.halls.a.power_mw",
    ),
    "demand": (
        round_scenario(load(2180, disaggregated="never")), "workloads.load.requests_per_s",
    ),
}  # fmt: skip
LABELS = {
    "sites.here.power_mw": "MW at the meter", "sites.here.capacity.halls.a.power_mw": "MW in here/a",
    "sites.here.racks": "racks at", "limits.chips": "chips", "limits.capex_usd": "capital",
    "workloads.run.finish_within_days": "run within", "workloads.load.requests_per_s": "load at",
}  # fmt: skip


@pytest.mark.parametrize("name", WORTH)
def test_worth_is_what_planning_again_shows(name: str, round_catalog: Catalog) -> None:
    """A limit moved by the step that the note tells changes the plan by step x worth."""
    scenario, path = WORTH[name]
    first = plan(scenario, catalog=round_catalog)
    (limit,) = [b for b in first.binding if LABELS[path] in b.limit]
    assert limit.worth_per_unit
    step = re.search(r"with ([\d.e+-]+) ", limit.note)
    assert step is not None
    share = 0.5 if "halls" in path else 1.0
    sign = -1 if path.endswith("requests_per_s") else 1
    moved = plan(changed(scenario, path, (limit.of + sign * float(step[1])) / share), catalog=round_catalog)
    gained = abs(value_of(first) - value_of(moved))
    assert gained == pytest.approx(limit.worth_per_unit * float(step[1]), rel=5e-3)


def test_whole_limits_are_asked_about_in_whole_units(round_catalog: Catalog) -> None:
    """One rack, one standing system, eight chips more: each is worth what planning with it shows, few as they are.

    A twentieth of a rack would change nothing, and a fifth more of one system is none.
    """
    load_only = load(3290, disaggregated="never")
    cases: dict[str, tuple[Scenario, float]] = {
        "sites.here.racks": (
            round_scenario(load(4140, disaggregated="never"), hardware=BOTH, site={"racks": 1}), 1.0,
        ),
        "sites.here.installed.0.count": (
            round_scenario(load_only, hardware=BOTH, site={"installed": [{"system": "plain_8", "count": 2}]}), 1.0,
        ),
        "limits.chips": (round_scenario(load_only, hardware=BOTH, limits={"chips": 24}), 8.0),
    }  # fmt: skip
    for path, (scenario, unit) in cases.items():
        first = plan(scenario, catalog=round_catalog)
        label = {"racks": "racks at", "count": "installed at", "chips": "chips"}[path.rsplit(".", maxsplit=1)[-1]]
        (limit,) = [b for b in first.binding if label in b.limit]
        moved = plan(changed(scenario, path, limit.of + unit), catalog=round_catalog)
        assert limit.worth_per_unit, path
        assert limit.note.startswith(f"solved again with {unit:g} "), path
        assert value_of(first) - value_of(moved) == pytest.approx(limit.worth_per_unit * unit, rel=5e-3), path


def test_a_megawatt_more_is_worth_what_a_megawatt_saves(round_catalog: Catalog) -> None:
    """Where a few kilowatts are all that is of use, a whole megawatt brings no more than they do."""
    scenario = round_scenario(load(2120, disaggregated="never"), hardware=BOTH, site={"power_mw": 0.03})
    first = plan(scenario, catalog=round_catalog)
    (limit,) = [b for b in first.binding if "MW at the meter" in b.limit]
    free = plan(changed(scenario, "sites.here.power_mw", 1.03), catalog=round_catalog)
    assert limit.worth_per_unit == pytest.approx(value_of(first) - value_of(free), rel=5e-3)
    assert limit.worth_per_unit is not None
    assert limit.worth_per_unit < value_of(first)


def test_a_limit_with_slack_does_not_bind(round_catalog: Catalog) -> None:
    """Money that is not spent to the last half per cent is not named: more of it would change nothing."""
    scenario = round_scenario(load(2000, disaggregated="never"), hardware=BOTH)
    spent = plan(scenario, catalog=round_catalog).totals
    assert spent is not None
    near = plan(changed_limits(scenario, capex_usd=spent.capex_usd * 1.005), catalog=round_catalog)
    assert not [b for b in near.binding if "capital" in b.limit]


def changed_limits(scenario: Scenario, **limits: float) -> Scenario:
    """The scenario with limits of the plan."""
    return scenario.model_copy(update={"limits": scenario.limits.model_copy(update=limits)})


def test_a_limit_that_is_not_near_is_not_binding(round_catalog: Catalog) -> None:
    """1 MW for one box, 1000 racks and a year too much: nothing binds."""
    scenario = round_scenario(load(10, disaggregated="never"), site={"racks": 1000}, limits={"chips": 1000})
    assert plan(scenario, catalog=round_catalog).binding == ()


def test_alternatives_are_plans_of_their_own(round_catalog: Catalog) -> None:
    """The best plan with only the other server is what the planner finds when only that is offered."""
    wide = plan(round_scenario(load(2200, disaggregated="never"), hardware=BOTH), catalog=round_catalog)
    (other,) = [a for a in wide.alternatives if a.name == "only big_8"]
    alone = plan(
        round_scenario(load(2200, disaggregated="never"), hardware={"systems": ["big_8"]}), catalog=round_catalog
    )
    assert other.objective == pytest.approx(value_of(alone))
    assert other.difference == pytest.approx(value_of(alone) / value_of(wide) - 1)


# -- no plan: what conflicts, and what would help -------------------------------------------------------------------

IMPOSSIBLE: dict[str, tuple[Scenario, tuple[str, ...], tuple[str, ...]]] = {
    "power too small for the deadline": (
        round_scenario(run(tokens=1e12, mfu=0.5, finish_within_days=10), site={"power_mw": 0.1}),
        ("0.1 MW at the meter of here", "run within 10 days"),
        ("sites.here.power_mw", "workloads.run.finish_within_days"),
    ),
    "budget": (
        round_scenario(run(tokens=1e12, mfu=0.5, finish_within_days=20), limits={"capex_usd": 5e5}),
        ("capital", "run within 20 days"),
        ("limits.capex_usd", "workloads.run.finish_within_days"),
    ),
    "racks": (
        round_scenario(load(4250, disaggregated="never"), site={"racks": 1}),
        ("1 racks at here", "load at 4250 requests/s"),
        ("sites.here.racks", "workloads.load.requests_per_s"),
    ),
    "chips limit": (
        round_scenario(load(4000, disaggregated="never"), limits={"chips": 24}),
        ("24 chips", "load at 4000 requests/s"),
        ("limits.chips", "workloads.load.requests_per_s"),
    ),
    "chips of a run": (
        round_scenario(run(tokens=1e12, mfu=0.5, finish_within_days=20, chips={"max": 16})),
        ("run on at most 16 chips", "run within 20 days"),
        ("workloads.run.chips.max", "workloads.run.finish_within_days"),
    ),
    "exactly so many chips": (
        round_scenario(run(tokens=1e12, mfu=0.5, finish_within_days=20, chips=40)),
        ("run on at most 40 chips", "run within 20 days"),
        ("workloads.run.finish_within_days",),
    ),
    "carbon": (
        round_scenario(load(4000, disaggregated="never"), limits={"carbon_t_per_year": 100}),
        ("carbon of 100", "load at 4000 requests/s"),
        ("limits.carbon_t_per_year", "workloads.load.requests_per_s"),
    ),
    "a hall of half supply": (
        round_scenario(
            load(4000, disaggregated="never"),
            site={"power_mw": None, "capacity": {"grid_mw": 1, "halls": [{"name": "a", "ups": "2N", "power_mw": 0.06},
                                                                        {"name": "b", "power_mw": 0.01}]}},
        ),
        ("0.03 MW in here/a", "load at 4000 requests/s"),
        ("sites.here.capacity.halls.a.power_mw", "workloads.load.requests_per_s"),
    ),
    "rows of a hall": (
        round_scenario(
            load(9000, disaggregated="never"),
            site={"capacity": {"halls": [{"name": "a", "power_mw": 1, "rows": 1, "racks_per_row": 2}]}},
        ),
        ("2 racks at here/a", "load at 9000 requests/s"),
        ("sites.here.capacity.halls.a.rows", "workloads.load.requests_per_s"),
    ),
    "what stands there": (
        round_scenario(
            load(4000, disaggregated="never"), hardware={"systems": ["plain_8"], "acquire": ["rent"]},
            site={"installed": [{"system": "plain_8", "count": 2}]}, limits={"cost_usd": 2e5},
        ),
        ("total cost", "load at 4000 requests/s"),
        ("limits.cost_usd", "workloads.load.requests_per_s"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_conflicts_are_named_and_changes_are_enough(name: str, round_catalog: Catalog) -> None:
    """The limits a person would name conflict; each confirmed change makes a plan possible, and a bit less does not."""
    scenario, limits, paths = IMPOSSIBLE[name]
    found = plan(scenario, catalog=round_catalog)
    assert found.status == "infeasible"
    (conflict,) = found.conflicts
    for words in limits:
        assert any(words in label for label in conflict.limits), conflict.limits
    alone = {n.limit: n for n in found.nearest if n.confirmed and "together" not in n.message}
    assert set(paths) <= set(alone), found.nearest
    for path, change in alone.items():
        enough = plan(changed(scenario, path, change.needed), catalog=round_catalog)
        assert enough.status == "proven_optimal", (path, change.needed, enough.answer)
        assert enough.verified
        less = _a_bit_less(change)
        if less is not None:
            short = plan(changed(scenario, path, less), catalog=round_catalog)
            assert short.status == "infeasible", (path, less, short.answer)


def _a_bit_less(change: Nearest) -> float | None:
    """A change one part in a hundred smaller, or one whole unit; None where that is no change."""
    whole = change.unit in {"racks", "rows", "chips", "systems"}
    back = 1.0 if whole else 0.011 * change.needed
    less = change.needed - back if change.needed > change.now else change.needed + back
    return None if (less - change.now) * (change.needed - change.now) <= 0 else less


def test_changes_together(round_catalog: Catalog) -> None:
    """Racks for two boxes and chips for three, asked for six: neither alone is enough, both together are."""
    scenario = round_scenario(load(4000, disaggregated="never"), site={"racks": 1, "rack_kw": 20}, limits={"chips": 24})
    found = plan(scenario, catalog=round_catalog)
    assert found.status == "infeasible"
    together = [n for n in found.nearest if "together" in n.message]
    assert {n.limit for n in together} >= {"sites.here.racks", "limits.chips"}
    for change in together:
        assert change.confirmed_together
        assert not change.confirmed
        assert {change.limit, *change.together} == {n.limit for n in together}
        alone = changed(scenario, change.limit, change.needed)
        assert plan(alone, catalog=round_catalog).status == "infeasible"
    for change in together:
        scenario = changed(scenario, change.limit, change.needed)
    assert plan(scenario, catalog=round_catalog).status == "proven_optimal"


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"ttft_ms": 1.0}, "workloads.load.ttft_ms"),
        ({"tpot_ms": 0.2}, "workloads.load.tpot_ms"),
        ({"tpot_ms": 0.2, "disaggregated": "always"}, "workloads.load.tpot_ms"),
        ({"ttft_ms": 1.0, "disaggregated": "never", "tpot_ms": 50}, "workloads.load.ttft_ms"),
    ],
)
def test_a_latency_out_of_reach(fields: dict[str, Any], path: str, round_catalog: Catalog) -> None:
    """The best that any server reaches is told, and it is enough."""
    scenario = round_scenario(load(10, **fields), hardware=BOTH)
    found = plan(scenario, catalog=round_catalog)
    assert found.status == "infeasible"
    assert any(path.rsplit(".", 1)[-1].split("_", maxsplit=1)[0].upper() in x for x in found.conflicts[0].limits)
    (change,) = [n for n in found.nearest if n.limit == path]
    assert change.confirmed
    assert plan(changed(scenario, path, change.needed), catalog=round_catalog).status == "proven_optimal"
    assert plan(changed(scenario, path, change.needed * 0.98), catalog=round_catalog).status == "infeasible"


def test_both_latencies_out_of_reach(round_catalog: Catalog) -> None:
    """Neither limit alone is to blame: both changes together are enough."""
    scenario = round_scenario(load(10, ttft_ms=1, tpot_ms=0.2))
    found = plan(scenario, catalog=round_catalog)
    assert {n.limit for n in found.nearest} == {"workloads.load.ttft_ms", "workloads.load.tpot_ms"}
    for change in found.nearest:
        assert change.confirmed_together
        assert not change.confirmed
        assert "together" in change.message
        scenario = changed(scenario, change.limit, change.needed)
    assert plan(scenario, catalog=round_catalog).status == "proven_optimal"


def test_the_best_latency_may_not_be_enough(round_catalog: Catalog) -> None:
    """The fastest replica does not fit into the power there is: what is offered is what a plan was found with."""
    scenario = round_scenario(load(900, tpot_ms=0.2), hardware=BOTH, site={"power_mw": 0.03})
    found = plan(scenario, catalog=round_catalog)
    assert found.status == "infeasible"
    assert found.nearest
    for change in found.nearest:
        assert change.confirmed
        assert plan(changed(scenario, change.limit, change.needed), catalog=round_catalog).has_plan


def test_failures_that_are_tolerated_are_a_limit(round_catalog: Catalog) -> None:
    """Two boxes that carry the load between them cannot lose one: the redundancy is named, and giving it up helps."""
    fields: dict[str, Any] = {"disaggregated": "never"}
    few = {"limits": {"chips": 16}}
    assert plan(round_scenario(load(1200, **fields), **few), catalog=round_catalog).has_plan
    found = plan(round_scenario(load(1200, tolerate_failures=2, **fields), **few), catalog=round_catalog)
    assert found.status == "infeasible"
    assert any("2 units gone" in x for x in found.conflicts[0].limits)
    (change,) = [n for n in found.nearest if n.limit == "workloads.load.tolerate_failures"]
    assert change.confirmed
    scenario = round_scenario(load(1200, tolerate_failures=int(change.needed), **fields), **few)
    assert plan(scenario, catalog=round_catalog).has_plan
    often = plan(round_scenario(load(1200, availability=0.99999, **fields), **few), catalog=round_catalog)
    if often.status == "infeasible":
        assert any("available" in x for x in often.conflicts[0].limits)


def test_cooling_and_power_of_racks_are_offered(shipped: Catalog) -> None:
    """Racks that hold no server, and a hall without the cooling that all hardware on offer needs."""
    server = {"systems": ["dgx_h100"]}
    small = {"region": "us_va", "cooling": ["air_inrow"], "power_mw": 1, "rack_kw": 5}
    found = plan(round_scenario(load(1), hardware=server, site=small), catalog=shipped)
    (change,) = [n for n in found.nearest if n.limit == "sites.here.rack_kw"]
    assert change.confirmed
    assert any("racks of 5 kW" in x for x in found.conflicts[0].limits)
    wide = {**small, "rack_kw": change.needed}
    assert plan(round_scenario(load(1), hardware=server, site=wide), catalog=shipped).has_plan
    rack = {"systems": ["gb200_nvl72"]}
    dry = {"region": "us_va", "cooling": ["air_inrow"], "power_mw": 1}
    found = plan(round_scenario(load(1), hardware=rack, site=dry), catalog=shipped)
    (change,) = [n for n in found.nearest if n.limit == "sites.here.cooling"]
    more = change.message.split()[1]
    wet = {**dry, "cooling": ["air_inrow", more]}
    assert plan(round_scenario(load(1), hardware=rack, site=wet), catalog=shipped).has_plan


def test_the_share_of_a_vendor_is_offered(round_catalog: Catalog) -> None:
    """One vendor makes all there is: half of the chips cannot come from it, all of them may."""
    scenario = round_scenario(
        load(900, disaggregated="never"), hardware=BOTH, limits={"vendor_share": {"Round": 0.5}},
        fleet={"shared": True}, horizon_years=1,
    )  # fmt: skip
    found = plan(scenario, catalog=round_catalog)
    assert found.status == "infeasible"
    (change,) = [n for n in found.nearest if n.limit == "limits.vendor_share.Round"]
    assert change.confirmed
    assert change.needed == 1.0
    enough = scenario.limits.model_copy(update={"vendor_share": {"Round": change.needed}})
    assert plan(scenario.model_copy(update={"limits": enough}), catalog=round_catalog).has_plan


def test_an_export_class_that_leaves_nothing(shipped: Catalog) -> None:
    """Servers whose export to China is denied, for China: the rule is named as what stands in the way."""
    denied = [s.id for s in shipped.systems.values()
              if s.chip_ids and all(shipped.chips[c].export_class == "us_denied_cn" for c in s.chip_ids)]  # fmt: skip
    scenario = round_scenario(load(1), hardware={"systems": denied[:2], "export": "cn"},
                              site={"region": "cn_west", "cooling": []})  # fmt: skip
    found = plan(scenario, catalog=shipped)
    assert found.status == "infeasible"
    assert "hardware.export: cn" in found.conflicts[0].limits
    assert "export to China" in found.answer


def test_hardware_that_comes_too_late(shipped: Catalog) -> None:
    """A part that is delivered after the plan begins cannot serve from the start; the reason is its date."""
    late = next(s.id for s in shipped.systems.values() if (s.available_from or "") > "2027-01")
    scenario = round_scenario(load(1), hardware={"systems": [late]},
                              site={"region": "us_va", "cooling": [], "power_mw": 5})  # fmt: skip
    found = plan(scenario, catalog=shipped)
    assert found.status == "infeasible"
    assert "delivered from 20" in found.answer
    assert "delivery by 2026-10" in found.conflicts[0].limits


# -- irreducible ----------------------------------------------------------------------------------------------------

BY_HAND = {
    "power against demand": (
        scenario_of(load(5), sites=[{"name": "here", "region": "us_va", "power_mw": 0.02, "racks": 50}],
                    limits={"capex_usd": 1e9}),
        [option("a", max_units=50)],
    ),
    "money against a deadline": (
        scenario_of(run(finish_within_days=30), limits={"capex_usd": 2e6, "chips": 1000}),
        [run_option("slow", 60.0, capex_usd=1e6), run_option("fast", 20.0, capex_usd=3e6)],
    ),
    "three limits at once": (
        scenario_of(load(3), limits={"capex_usd": 4e6, "carbon_t_per_year": 60}),
        [option("dirty", carbon_t_by_year=(25.0,)), option("clean", capex_usd=2.1e6, carbon_t_by_year=(1.0,))],
    ),
    "whole racks": (
        scenario_of(load(1), load(1, name="other"),
                    sites=[{"name": "here", "region": "us_va", "power_mw": 1, "racks": 1}]),
        [option("a", racks=0.25), option("b", workload="other", system="crate", racks=0.25)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_HAND)
def test_conflicts_are_irreducible(name: str) -> None:
    """With only the rows named there is no plan; without any one of them there is."""
    scenario, options = BY_HAND[name]
    model = build_fleet(scenario, options)
    program = with_objective(model.program, model.program.objective * 0)
    (conflict,) = model_findings(model, Limits(time_limit_s=20)).conflicts
    movable = {x.label: x.row for x in model.limits.values() if not (x.kind == "demand" and x.unit == "run")}
    rows = {movable[label] for label in conflict.limits}
    assert len(rows) >= 2 or name == "whole racks"
    others = set(movable.values()) - rows

    def possible(without: set[str]) -> bool:
        part = without_rows(program, [r in without for r in program.row_names])
        return solve(part, Limits(time_limit_s=20), in_child=False).status is not Status.INFEASIBLE

    assert not possible(others)
    for row in rows:
        assert possible(others | {row}), row
