"""Every plan says how likely it keeps its promises, by the intervals of what it predicts."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Iterator
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from tools import load, round_scenario, run

from planner.answer.chance import percent
from planner.answer.plan import Interval, Plan, Predicted
from planner.catalog import Catalog
from planner.errors import InputError
from planner.outlook import outlook
from planner.outlook.draws import Draws
from planner.outlook.held import kept_in
from planner.planning.plan import plan
from planner.report.summary import headline
from planner.scenario import overridden
from planner.scenario.outcomes import Outcomes
from planner.scenario.types import Scenario
from planner.verify.chance import chance_of, factor
from planner.verify.plan import verify_plan

pytestmark = pytest.mark.usefixtures("in_process")
PLAIN: dict[str, Any] = {"hardware": {"systems": ["plain_8"]}}
STEADY: dict[str, Any] = {"failure_factor": 1, "price_factor": {"plain_8": 1}}
"""Only performance is uncertain."""


def chances(found: Plan) -> dict[str, float]:
    """The chance of each workload's promise."""
    assert found.chance is not None
    return {p.workload: p.chance for p in found.chance.promises}


def test_a_factor_has_the_interval_it_was_given() -> None:
    """One in ten is below its low end, one in ten above its high end, half below the prediction."""
    told = Predicted(tpot_ms=20.0, interval=Interval(quantity="tpot_ms", low=15.0, high=40.0, basis=""))
    ninetieth = NormalDist().inv_cdf(0.9)
    assert factor(told, -ninetieth) == pytest.approx(0.75)
    assert factor(told, 0.0) == 1.0
    assert factor(told, ninetieth) == pytest.approx(2.0)
    assert factor(Predicted(tpot_ms=20.0), 1.0) is None


def test_the_chance_of_a_date_in_closed_form(round_catalog: Catalog) -> None:
    """Days times a lognormal factor: so likely within what is allowed, and the more is allowed the likelier."""
    before = 0.0
    fastest = plan(round_scenario(run(tokens=1e12), site={"power_mw": 1}, objective=["time"], **PLAIN),
                   catalog=round_catalog).deployments[0]  # fmt: skip
    days = fastest.predicted.days or 0.0
    for allowed in (1.0, 1.05, 1.2, 1.5):
        asked = run(tokens=1e12, finish_within_days=days * allowed)
        scenario = round_scenario(asked, site={"power_mw": 1}, objective=["time"], outcomes=STEADY, **PLAIN)
        found = plan(scenario, catalog=round_catalog)
        told = found.deployments[0].predicted
        assert told.interval is not None
        spread = math.log(told.interval.high / (told.step_time_s or 1.0)) / NormalDist().inv_cdf(0.9)
        room = days * allowed / (told.days or 1.0)
        expected = NormalDist().cdf(math.log(room) / spread)
        assert chances(found)["run"] == pytest.approx(expected, abs=1e-6)
        assert chances(found)["run"] >= before - 1e-9
        before = chances(found)["run"]
        assert f"({percent(before)} likely to be in time)" in found.answer.split(". ")[0]
    assert before > 0.6


def test_it_agrees_with_sampled_futures(round_catalog: Catalog) -> None:
    """Where only performance is uncertain, futures drawn one by one keep the promises as often."""
    sure = {"samples": 4000, **STEADY}
    for work in (run(tokens=1e12, finish_within_days=60), load(1700, disaggregated="never")):
        scenario = round_scenario(work, outcomes=sure, **PLAIN)
        found = plan(scenario, catalog=round_catalog)
        drawn = outlook(scenario, catalog=round_catalog).plans[0].promises[0].probability
        (chance,) = chances(found).values()
        assert chance == pytest.approx(drawn, abs=0.01)


def test_promises_together(round_catalog: Catalog) -> None:
    """Never likelier than the least likely one, never less than with errors that have nothing in common."""
    scenario = round_scenario(
        run(tokens=1e12, finish_within_days=70), load(1700, disaggregated="never", tpot_ms=30), **PLAIN
    )
    found = plan(scenario, catalog=round_catalog)
    assert found.chance is not None
    alone = chances(found)
    assert set(alone) == {"run", "load"}
    assert found.chance.all_kept_most == min(alone.values())
    assert found.chance.all_kept_least == pytest.approx(math.prod(alone.values()))
    assert "All promises together" in found.answer


def test_more_servers_and_looser_latencies_are_surer(round_catalog: Catalog) -> None:
    """A load below what its servers give, or far from its latency, is kept in more futures."""

    def at(demand: float, **fields: Any) -> float:
        asked = load(demand, disaggregated="never", chips={"min": 40}, **fields)
        return chances(plan(round_scenario(asked, **PLAIN), catalog=round_catalog))["load"]

    assert at(2000) > at(3000) > at(3400)
    assert at(2000, tpot_ms=200) > at(2000, tpot_ms=25)


def test_a_forged_chance_is_found(round_catalog: Catalog) -> None:
    scenario = round_scenario(load(1700, disaggregated="never"), **PLAIN)
    found = plan(scenario, catalog=round_catalog)
    assert found.chance is not None
    (promise,) = found.chance.promises
    better = promise.model_copy(update={"chance": min(1.0, promise.chance * 1.01)})
    forged = found.model_copy(update={"chance": found.chance.model_copy(update={"promises": (better,)})})
    assert any("chance" in text for text in verify_plan(forged, scenario, round_catalog))
    assert not verify_plan(found, scenario, round_catalog)


def test_a_shared_fleet_says_it_too(round_catalog: Catalog) -> None:
    scenario = shared()
    found = plan(scenario, catalog=round_catalog)
    assert found.verified, found.answer
    assert set(chances(found)) == {"run", "load"}
    assert "likely to be in time" in found.answer.split(". ")[0]
    assert chance_of(scenario, found, round_catalog) == found.chance


def test_a_plan_holds_with_the_confidence_asked(round_catalog: Catalog) -> None:
    """In ten thousand futures of another seed its promises are kept as often as it says, and as often as was asked."""
    for work in (run(tokens=1e12, finish_within_days=60), load(1700, disaggregated="never", tpot_ms=30)):
        fresh = {"samples": 10_000, "seed": 77, "demand_factor": {work["name"]: SWING}}
        scenario = round_scenario(work, outcomes=fresh, confidence=0.8, **PLAIN)
        found = plan(scenario, catalog=round_catalog)
        drawn = outlook(scenario, catalog=round_catalog).plans[0].promises[0].probability
        (chance,) = chances(found).values()
        assert chance == pytest.approx(drawn, abs=0.02)
        assert drawn >= 0.76
        assert "80% asked" in found.answer


SWING = {"p10": 0.8, "p50": 1.0, "p90": 1.2}


def random_scenario(seed: int) -> dict[str, Any]:
    """Some work that has a plan, of any kind, at a site with room."""
    dice = random.Random(seed)
    if dice.random() < 0.5:
        work = run(tokens=dice.uniform(2e11, 2e12), finish_within_days=dice.uniform(40, 400))
    else:
        limits = {"tpot_ms": dice.choice([None, 25, 40]), "ttft_ms": dice.choice([None, 2000])}
        work = load(dice.uniform(50, 4000), disaggregated=dice.choice(["never", "auto"]), **limits)
    swings = {work["name"]: SWING} if dice.random() < 0.5 else {}
    slips = {"plain_8": {"values": [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]}} if dice.random() < 0.3 else {}
    return {"workloads": [work], "outcomes": {"demand_factor": swings, "slip_quarters": slips}}


@pytest.mark.parametrize("seed", range(6))
def test_more_confidence_never_costs_less(round_catalog: Catalog, seed: int) -> None:
    """The best plan at a confidence is possible at every lower one; what is impossible at one is so at all above."""
    asked = random_scenario(seed)
    before, possible = 0.0, True
    for confidence in (0.5, 0.65, 0.8, 0.9):
        fields = {"outcomes": asked["outcomes"], "confidence": confidence, "solve": {"gap": 0}}
        found = plan(round_scenario(*asked["workloads"], **fields, **PLAIN), catalog=round_catalog)
        assert possible or not found.has_plan
        possible = found.has_plan
        if not possible:
            continue
        assert found.verified
        assert found.totals is not None
        assert found.totals.tco_usd >= before * (1 - 1e-6)
        before = found.totals.tco_usd
        assert min(chances(found).values()) >= confidence - 1e-6 or confidence == 0.5


def test_a_workload_may_ask_for_more_than_the_rest(round_catalog: Catalog) -> None:
    works = (run(tokens=1e12, finish_within_days=70, confidence=0.9), load(1700, disaggregated="never"))
    found = plan(round_scenario(*works, confidence=0.6, **PLAIN), catalog=round_catalog)
    assert found.chance is not None
    assert {p.workload: p.asked for p in found.chance.promises} == {"run": 0.9, "load": 0.6}
    assert all(p.chance >= p.asked - 1e-6 for p in found.chance.promises)


@pytest.mark.parametrize(("value", "words"), [(95, "looks like percent"), (1, "at most 0.99"), (0.2, "at least 0.5")])
def test_a_confidence_that_is_none_is_named(value: float, words: str) -> None:
    with pytest.raises(InputError) as error:
        round_scenario(load(100), confidence=value)
    (problem,) = error.value.problems
    assert problem.path == "confidence"
    assert words in str(problem)


def test_out_of_reach_says_how_far_one_gets(round_catalog: Catalog) -> None:
    """A latency that central figures just keep: the highest confidence with which a plan holds, confirmed."""
    fields: dict[str, Any] = {"disaggregated": "never"}
    best = plan(round_scenario(load(100, **fields), objective=["cost"], **PLAIN), catalog=round_catalog)
    tight = min(d.predicted.tpot_ms or 0.0 for d in best.deployments) * 0.35
    found = plan(round_scenario(load(100, tpot_ms=tight, **fields), confidence=0.99, **PLAIN), catalog=round_catalog)
    assert found.status == "infeasible"
    change = next(n for n in found.nearest if n.limit == "confidence")
    assert change.confirmed
    assert 0.5 <= change.needed < 0.99
    for confidence, possible in ((change.needed, True), (change.needed + 0.01, False)):
        scenario = round_scenario(load(100, tpot_ms=tight, **fields), confidence=round(confidence, 2), **PLAIN)
        assert plan(scenario, catalog=round_catalog).has_plan is possible


def test_the_price_of_more(round_catalog: Catalog) -> None:
    """First lines, plan file and verifier: what 80% and 95% cost is what planning at them costs."""
    asked = load(1700, disaggregated="never")
    scenario = round_scenario(asked, solve={"answers": "full"}, **PLAIN)
    found = plan(scenario, catalog=round_catalog)
    told = {x.confidence: x for x in found.at_confidences}
    assert set(told) == {0.8, 0.95}
    for level, x in told.items():
        alone = plan(round_scenario(asked, confidence=level, **PLAIN), catalog=round_catalog)
        assert alone.totals is not None
        assert x.cost_usd == pytest.approx(alone.totals.tco_usd)
        assert x.systems == alone.totals.systems
    assert "With 80%: " in found.answer
    assert "; with 95%: " in found.answer
    assert "with 80%: " in headline(found)[0][2]
    assert Plan.from_json(found.to_json()) == found
    assert not verify_plan(found, scenario, round_catalog)
    assert plan(round_scenario(asked, solve={"answers": "none"}, **PLAIN), catalog=round_catalog).at_confidences == ()


def figures(data: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], float]]:
    """Every numeric leaf of plain data."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from figures(value, (*path, key))
    elif isinstance(data, list):
        for i, value in enumerate(data):
            yield from figures(value, (*path, i))
    elif isinstance(data, int | float) and not isinstance(data, bool):
        yield path, data


@pytest.mark.parametrize("form", ["alone", "shared"])
@pytest.mark.usefixtures("described_once")
def test_every_figure_of_other_confidences_is_recomputed(form: str, round_catalog: Catalog) -> None:
    """What 80% costs stands beside its plan: a figure that is 1% off is noticed, of both kinds of plans."""
    full = {"answers": "full"}
    if form == "alone":
        scenario = round_scenario(load(1700, disaggregated="never"), solve=full, **PLAIN)
    else:
        scenario = overridden(shared(), {"solve.answers": "full"})
    found = plan(scenario, catalog=round_catalog)
    assert {x.status for x in found.at_confidences} == {"planned"}
    data = found.to_dict()
    unnoticed = []
    for i, (path, value) in enumerate(figures(data["at_confidences"])):
        if abs(value) < 1e-6 or (len(path) > 2 and i % 9):
            continue  # of the plans themselves one figure in nine: the check is that of every plan
        forged = copy.deepcopy(data)
        at: Any = forged["at_confidences"]
        for part in path[:-1]:
            at = at[part]
        at[path[-1]] = value + 1 if isinstance(value, int) else value * 1.01
        if not verify_plan(Plan.model_validate(forged), scenario, round_catalog):
            unnoticed.append(".".join(map(str, path)))
    assert not unnoticed
    bare = tuple(x.model_copy(update={"plan": None}) for x in found.at_confidences)
    assert any("no plan" in text for text in verify_plan(
        found.model_copy(update={"at_confidences": bare}), scenario, round_catalog))  # fmt: skip


def shared() -> Scenario:
    """A run and a load on one fleet."""
    works = (run(tokens=2e11, finish_within_days=200), load(900, disaggregated="never"))
    return round_scenario(*works, fleet={"shared": True}, horizon_years=1, **PLAIN)


@pytest.mark.parametrize("confidence", [0.5, 0.8])
def test_over_time_a_confidence_means_what_it_means_at_once(confidence: float, round_catalog: Catalog) -> None:
    """What may be late is counted on from a day that keeps the promise, at even odds too; drawn futures agree."""
    slips = {"big_8": {"p10": 0, "p50": 1, "p90": 3}}
    grows = load(1, requests_path={"2026-10": 300, "2027-10": 3000}, disaggregated="never", tpot_ms=200)
    scenario = round_scenario(
        grows, run(tokens=4e11, start="2027-04", finish_within_days=500), fleet={"shared": True},
        periods=["2026-10", "2027-04", "2027-10", "2028-04"], horizon_years=2, confidence=confidence,
        hardware={"systems": ["plain_8", "big_8"]}, outcomes={"slip_quarters": slips}, site={"power_mw": 5},
        assume={"systems": {"big_8": {"price_usd": 60_000}}},
    )  # fmt: skip
    found = plan(scenario, catalog=round_catalog)
    assert found.fleet is not None
    assert any(lot.system == "big_8" for lot in found.fleet.lots)  # cheaper, and worth waiting for
    said = chances(found)
    assert min(said.values()) >= confidence - 1e-6
    known = round_catalog.with_assumptions(scenario.assume.as_mapping())
    draws = Draws(scenario, known, Outcomes(samples=10_000, seed=3, slip_quarters=scenario.outcomes.slip_quarters))
    for name, kept in kept_in(scenario, found, known, draws).items():
        assert np.mean(kept) == pytest.approx(said[name], abs=0.04)
        assert np.mean(kept) >= confidence - 0.04


def test_a_run_on_what_may_be_late_is_in_time_with_even_odds(round_catalog: Catalog) -> None:
    """At central figures too, an announced date that is seldom met is no date to plan with; a certain one is."""
    asked = run(tokens=1.2e13, finish_within_days=330)
    plain: dict[str, Any] = {**PLAIN, "solve": {"answers": "none"}}
    late = {"slip_quarters": {"plain_8": {"p10": 0, "p50": 1, "p90": 3}}}
    careful = plan(round_scenario(asked, outcomes=late, **plain), catalog=round_catalog)
    sure = plan(
        round_scenario(asked, outcomes={"slip_quarters": {"plain_8": 0}}, **plain), catalog=round_catalog
    )  # fmt: skip
    assert min(chances(careful).values()) >= 0.5 - 1e-6
    assert careful.totals is not None
    assert sure.totals is not None
    assert careful.totals.systems > sure.totals.systems
    held = chance_of(round_scenario(asked, outcomes=late, **plain), sure, round_catalog)
    assert held is not None
    assert held.promises[0].chance < 0.5  # what the plan of the announced date holds with


def test_a_plan_tells_the_price_of_more_certainty_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other confidences get what time is left, less than the scenario's own limit, and are verified all the same."""
    monkeypatch.setattr("planner.planning.surer.LEAST_S", 600.0)
    found = plan("quickstart", overrides={"solve.answers": "fast", "solve.time_limit_s": 1000})
    assert [(x.confidence, x.status) for x in found.at_confidences] == [(0.8, "planned"), (0.95, "planned")]
    assert "With 80%: " in found.answer
