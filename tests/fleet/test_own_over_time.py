"""Fleets over time whose workloads have systems of their own: nothing is shared."""

from __future__ import annotations

import random
from typing import Any

import pytest
from test_shared_random import random_question
from tools import load, round_scenario, run

from planner.catalog import Catalog
from planner.planning.plan import plan
from planner.scenario.types import Scenario
from planner.verify.plan import verify_plan

Data = dict[str, Any]
PERIODS = ["2026-10", "2028-10"]
FIXED: Data = {"ttft_ms": 60_000, "tpot_ms": 200, "precision": ["bf16"], "disaggregated": "never"}


def runs(**more: Any) -> list[Data]:
    """Two runs, each of which keeps one box busy for some 14 days."""
    size: Data = {"tokens": 1e11, "mfu": 0.5, "chips": 8, "global_batch": 512}
    return [run("first", **size), run("second", **size, **more)]


@pytest.mark.usefixtures("in_process")
def test_what_waits_has_systems_of_its_own(round_catalog: Catalog) -> None:
    """One after the other, and still a box each: what the first leaves is not the second's."""
    found = plan(round_scenario(*runs(after=["first"])), catalog=round_catalog)
    assert found.verified
    assert found.fleet is not None
    assert found.schedule is not None
    assert sorted((x.workload, x.systems) for x in found.fleet.lots) == [("first", 1), ("second", 1)]
    first, second = found.schedule.runs
    assert second.start_day >= first.end_day - 1e-3
    assert any("systems of its own" in note for note in found.notes)
    assert "for first" in found.answer
    shared = plan(round_scenario(*runs(after=["first"]), fleet={"shared": True}), catalog=round_catalog)
    assert shared.objective.value is not None
    assert found.objective.value is not None
    assert shared.objective.value < found.objective.value


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("goal", ["cost", "carbon", "power"])
def test_a_path_that_does_not_change_changes_nothing(round_catalog: Catalog, goal: str) -> None:
    """A load whose path is flat costs what the same load costs without one, and stands on as much."""
    alone = plan(round_scenario(load(3000, **FIXED), objective=[goal]), catalog=round_catalog)
    found = plan(round_scenario(load({"2026-10": 3000}, **FIXED), objective=[goal]), catalog=round_catalog)  # type: ignore[arg-type]
    assert alone.deployments
    assert found.fleet is not None
    assert alone.totals is not None
    assert found.totals is not None
    for name in ("systems", "chips", "racks", "facility_mw", "capex_usd", "tco_usd", "carbon_t"):
        assert getattr(found.totals, name) == pytest.approx(getattr(alone.totals, name), rel=1e-9), name


@pytest.mark.usefixtures("in_process")
def test_a_load_grows_beside_a_run(round_catalog: Catalog) -> None:
    """Growth is bought for in stages; the run does not use what the load has to spare."""
    grows = load(1000, growth_per_year=0.6, **FIXED)
    fields: Data = {"periods": PERIODS, "hardware": {"systems": ["plain_8"], "price_change_per_year": -0.2}}
    found = plan(round_scenario(grows, run(tokens=1e11, mfu=0.5, chips=8), **fields), catalog=round_catalog)
    assert found.fleet is not None
    begins = {x.begin for x in found.fleet.lots if x.workload == "load"}
    assert begins == set(PERIODS)
    assert {x.workload for x in found.fleet.lots} == {"load", "run"}


@pytest.mark.usefixtures("in_process")
def test_what_stands_already_is_split(round_catalog: Catalog) -> None:
    """Two installed boxes serve two runs, one each; a third must be bought."""
    three = [*runs(after=["first"]), run("third", tokens=1e11, mfu=0.5, chips=8, global_batch=512)]
    site = {"installed": [{"system": "plain_8", "count": 2}]}
    found = plan(round_scenario(*three, site=site), catalog=round_catalog)
    assert found.fleet is not None
    counts = {how: sum(x.systems for x in found.fleet.lots if x.acquire == how) for how in ("installed", "buy")}
    assert counts == {"installed": 2, "buy": 1}


@pytest.mark.usefixtures("in_process")
def test_the_mean_of_a_day_pays_for_energy(round_catalog: Catalog) -> None:
    """A load whose peak is twice its mean needs no less hardware, draws less, and is the same over time and without."""
    flat = plan(round_scenario(load(3000, **FIXED)), catalog=round_catalog)
    alone = plan(round_scenario(load(3000, peak_to_mean=2, **FIXED)), catalog=round_catalog)
    found = plan(round_scenario(load(3000, peak_to_mean=2, **FIXED), fleet={"shared": True}), catalog=round_catalog)
    assert flat.totals is not None
    assert alone.totals is not None
    assert found.totals is not None
    assert alone.deployments
    assert alone.totals.systems == flat.totals.systems
    assert alone.totals.tco_usd < flat.totals.tco_usd
    assert alone.totals.tco_usd == pytest.approx(found.totals.tco_usd, rel=1e-9)
    # the same money over half the tokens, less the energy that is not drawn
    assert flat.totals.usd_per_m_tokens["load"] < alone.totals.usd_per_m_tokens["load"]
    assert alone.totals.usd_per_m_tokens["load"] < 2 * flat.totals.usd_per_m_tokens["load"]


def own(question: Scenario) -> Scenario:
    """The same without sharing."""
    data = question.model_dump(mode="json")
    data["fleet"]["shared"] = False
    data["fleet"]["keep"] = random.Random(question.model_dump_json()).choice(["years", "periods"])
    return Scenario.model_validate(data)


def sharing(question: Scenario) -> Scenario:
    """The same with sharing."""
    data = question.model_dump(mode="json")
    data["fleet"]["shared"] = True
    return Scenario.model_validate(data)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("seed", [1, 8, 13, 36, 41])
def test_sharing_never_costs_more(seed: int, round_catalog: Catalog) -> None:
    """What is possible with systems of one's own is possible with shared ones, at no more."""
    question = own(random_question(seed))
    alone = plan(question, catalog=round_catalog)
    found = plan(sharing(question), catalog=round_catalog)
    if not alone.has_plan:
        assert alone.conflicts
        return
    assert verify_plan(alone, question, round_catalog) == []
    assert found.objective.bound is not None
    assert alone.objective.value is not None
    assert found.objective.bound <= alone.objective.value * (1 + 1e-6)


# -- rented for one run ------------------------------------------------------------------------------------------------


def rented(*workloads: Data, **fields: Any) -> Scenario:
    """What may only be rented, at $1 a chip-hour, nothing discounted."""
    hardware: Data = {"systems": ["plain_8"], "acquire": ["rent"]} | fields.pop("hardware", {})
    return round_scenario(*workloads, hardware=hardware, finance={"discount_rate": 0}, **fields)


@pytest.mark.parametrize("periods", [["2026-10"], ["2026-10", "2027-10", "2028-10"], ["2026-10", "2028-10"]])
def test_commitments_follow_one_another(periods: list[str], round_catalog: Catalog) -> None:
    """A year's rent for four years costs four of them, however the plan is cut into periods."""
    hardware = {"systems": ["plain_8"], "acquire": ["rent"], "rent_terms": ["1y"]}
    asked = load(400, ttft_ms=60_000, precision=["bf16"], disaggregated="never")
    own = plan(round_scenario(asked, hardware=hardware), catalog=round_catalog)
    shared = plan(
        round_scenario(asked, hardware=hardware, periods=periods, fleet={"shared": True}), catalog=round_catalog
    )
    assert own.has_plan
    assert shared.verified
    assert shared.objective.value == pytest.approx(own.objective.value)


@pytest.mark.usefixtures("in_process")
def test_a_run_rents_for_its_days(round_catalog: Catalog) -> None:
    """As without a fleet over time: by the hour, not by the period, and not while nothing runs."""
    work = run(tokens=1e11, mfu=0.5, chips=8, global_batch=512)
    alone = plan(rented(work), catalog=round_catalog)
    found = plan(rented(work, fleet={"shared": True}), catalog=round_catalog)
    assert alone.totals is not None
    assert found.totals is not None
    assert found.fleet is not None
    assert found.totals.tco_usd == pytest.approx(alone.totals.tco_usd, rel=1e-9)
    assert found.totals.carbon_t == pytest.approx(alone.totals.carbon_t, rel=1e-6)
    (lot,) = found.fleet.lots
    assert lot.money.total_usd == pytest.approx(8 * 24 * lot.rented_days)
    assert lot.workload == "run"
    assert found.fleet.standing == ()
    assert found.totals.systems == 1


@pytest.mark.usefixtures("in_process")
def test_what_is_rented_for_runs_counts_while_they_run(round_catalog: Catalog) -> None:
    """Eight chips in all: two runs at once would rent sixteen."""
    scenario = rented(*runs(), fleet={"shared": True}, limits={"chips": 8})
    found = plan(scenario, catalog=round_catalog)
    assert found.schedule is not None
    assert found.totals is not None
    assert found.totals.chips == 8
    first, second = found.schedule.runs
    assert second.start_day >= first.end_day - 1e-3
    tight = {"finish_within_days": 20}
    none = plan(
        rented(*(r | tight for r in runs()), fleet={"shared": True}, limits={"chips": 8}), catalog=round_catalog
    )
    assert none.status == "infeasible"


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    ("part", "name", "value"),
    [("lots", "rented_days", 5.0), ("lots", "systems", 2), ("lots", "rent_term", "1y"), ("runs", "rented_alone", False),
     ("runs", "start_day", 3.0)],
)  # fmt: skip
def test_rent_of_a_run_that_was_changed_is_seen(part: str, name: str, value: Any, round_catalog: Catalog) -> None:
    """Days, systems, terms, and whose they are."""
    scenario = rented(*runs(), fleet={"shared": True})
    found = plan(scenario, catalog=round_catalog)
    data = found.model_dump(mode="json")
    place = data["fleet"]["lots"] if part == "lots" else data["schedule"]["runs"]
    assert place[0][name] != value
    place[0][name] = value
    assert verify_plan(type(found).model_validate(data), scenario, round_catalog)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("chips", [{"min": 64}, 48, {"min": 40, "max": 56}, {"max": 32}])
def test_a_load_on_so_many_chips_costs_the_same_shared_or_not(chips: Any, round_catalog: Catalog) -> None:
    """More than it needs where it must, exactly so many, no more than so many."""
    work = load(3000, chips=chips, **FIXED)
    fields: Data = {"hardware": {"systems": ["plain_8", "big_8"]}}
    alone = plan(round_scenario(work, **fields), catalog=round_catalog)
    found = plan(round_scenario(work, fleet={"shared": True}, **fields), catalog=round_catalog)
    assert alone.has_plan
    assert alone.totals is not None
    assert found.totals is not None
    assert found.totals.tco_usd == pytest.approx(alone.totals.tco_usd, rel=1e-9)
    assert found.totals.chips == alone.totals.chips


# -- what a unit costs -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("in_process")
def test_a_token_costs_the_same_shared_or_not(round_catalog: Catalog) -> None:
    """A load alone: dollars and joules of its tokens are those of the plan without a fleet over time."""
    work = load(3000, peak_to_mean=2, **FIXED)
    alone = plan(round_scenario(work), catalog=round_catalog).totals
    found = plan(round_scenario(work, fleet={"shared": True}), catalog=round_catalog).totals
    assert alone is not None
    assert found is not None
    assert found.usd_per_m_tokens == pytest.approx(alone.usd_per_m_tokens)
    for kind, lines in alone.unit_cost_usd["load"].items():
        assert found.unit_cost_usd["load"][kind] == pytest.approx(lines), kind
    assert found.joules_per_token["load"] == pytest.approx(alone.joules_per_token["load"])


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("idle", ["switched_off", "powered"])
def test_all_that_is_paid_is_paid_by_someone(idle: str, round_catalog: Catalog) -> None:
    """A load and two runs that share what stands, and one that rents: units times their cost is the plan's cost."""
    work = load({"2026-10": 1000, "2028-10": 2500}, **FIXED)  # type: ignore[arg-type]
    hardware: Data = {"systems": ["plain_8"], "acquire": ["buy", "rent"]}
    scenario = round_scenario(work, *runs(after=["first"]), periods=PERIODS, hardware=hardware,
                              fleet={"shared": True, "idle_systems": idle})  # fmt: skip
    found = plan(scenario, catalog=round_catalog)
    assert found.totals is not None
    costs = found.totals.unit_cost_usd
    paid = costs["first"]["run"]["total"] + costs["second"]["run"]["total"]
    requests = sum(rate * 2 * 8760 * 3600 for rate in (1000, 2500))
    paid += costs["load"]["million_tokens"]["total"] * requests * 200 / 1e6
    assert paid == pytest.approx(found.totals.tco_usd, rel=1e-9)
    assert verify_plan(found, scenario, round_catalog) == []


@pytest.mark.usefixtures("in_process")
def test_loads_do_not_peak_together(round_catalog: Catalog) -> None:
    """Systems that only serve count with their share of peaks, shared or not; where a run may use them, whole."""
    work, site = load(3000, **FIXED), {"serving_peak_share": 0.6}
    alone = plan(round_scenario(work, site=site), catalog=round_catalog).totals
    found = plan(round_scenario(work, site=site, fleet={"shared": True}), catalog=round_catalog).totals
    assert alone is not None
    assert found is not None
    assert found.facility_mw == pytest.approx(alone.facility_mw, rel=1e-9)
    assert found.tco_usd == pytest.approx(alone.tco_usd, rel=1e-9)
    job = run(tokens=1e11, mfu=0.5, chips=8, global_batch=512)
    apart = plan(round_scenario(work, job, site=site, fleet={"keep": "years"}), catalog=round_catalog)
    assert apart.fleet is not None
    kw = {x.workload: 1e3 * x.power_mw / x.systems for x in apart.fleet.lots}
    assert kw["load"] == pytest.approx(0.6 * kw["run"])
    both = plan(round_scenario(work, job, site=site, fleet={"shared": True}), catalog=round_catalog)
    assert both.fleet is not None
    assert all(1e3 * x.power_mw / x.systems == pytest.approx(kw["run"]) for x in both.fleet.lots)


# -- as much as fits ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("phases", ["never", "always"])
def test_as_much_as_fits_is_the_same_shared_or_not(phases: str, round_catalog: Catalog) -> None:
    """Tokens a second on a site of so much power, whoever owns the systems; a fixed demand is only the least."""
    work = load(500, **(FIXED | {"disaggregated": phases}))
    fields: Data = {"site": {"power_mw": 0.1}, "hardware": {"systems": ["plain_8", "big_8"]},
                    "solve": {"simplify": 0}}  # fmt: skip
    alone = plan(round_scenario(work, objective=["throughput"], **fields), catalog=round_catalog)
    scenario = round_scenario(work, objective=["throughput"], fleet={"shared": True}, **fields)
    found = plan(scenario, catalog=round_catalog)
    assert found.objective.value == pytest.approx(alone.objective.value, rel=1e-6)
    assert found.status == "proven_optimal"
    assert verify_plan(found, scenario, round_catalog) == []


@pytest.mark.usefixtures("in_process")
def test_as_much_as_fits_in_the_mean_of_the_plan(round_catalog: Catalog) -> None:
    """Twice the power in the second half: half of the time as much, and half of the time twice as much."""
    work = load(500, **FIXED)

    def most(**site: Any) -> float:
        scenario = round_scenario(work, objective=["throughput"], site=site, periods=PERIODS, fleet={"shared": True})
        value = plan(scenario, catalog=round_catalog).objective.value
        assert value is not None
        return value

    low, high = most(power_mw=0.05), most(power_mw=0.1)
    both = most(power_mw=0.1, power_path={"2026-10": 0.05, "2028-10": 0.1})
    assert low < high
    assert both == pytest.approx((low + high) / 2, rel=1e-6)
