"""Two stages: the extensive form by brute force, and waiting that pays."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tools import load, round_scenario, run

from planner.catalog import Catalog
from planner.errors import InputError
from planner.outlook.draws import Draws
from planner.outlook.recourse import Recourse, recourse
from planner.outlook.recourse.extensive import MISSING, Future, two_stage
from planner.outlook.recourse.fleets import Fleets, announced
from planner.planning.question import ask
from planner.scenario.types import Scenario
from planner.solve import ProgramBuilder, Status, solve

pytestmark = pytest.mark.usefixtures("in_process")


def futures(seed: int, count: int) -> list[Future]:
    """A run that two options can do now and two later; each is in time in some futures, at costs of its own."""
    dice = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        build = ProgramBuilder()
        columns = [build.add_column(f"units[{name}]", upper=1.0, integer=True) for name in ("a", "b", "c", "d")]
        build.add_row("run[r]", dict.fromkeys(columns, 1.0), lower=1.0)
        on_time = {c: 1.0 for c in columns if dice.random() < 0.6}
        build.add_row("kept[r]", on_time, lower=1.0)
        made.append(Future(build.build(), np.round(dice.uniform(1.0, 9.0, 4), 3), {"r": (1,)}))
    return made


def counted(some: list[Future], most_missed: int, first: list[tuple[int, int]]) -> float:
    """The least mean cost over every first purchase, every answer, every choice of what is missed."""
    best = math.inf
    for a, b in first:
        kept, missed = [], []
        for f in some:
            on_time = set(f.program.cols[f.program.rows == 1].tolist())
            ways = [
                (f.cost @ np.array([a, b, c, d]), any(j in on_time for j, x in enumerate((a, b, c, d)) if x))
                for c, d in itertools.product((0, 1), repeat=2)
                if a + b + c + d
            ]
            kept.append(min((cost for cost, good in ways if good), default=math.inf))
            missed.append(min((cost for cost, _ in ways), default=math.inf) + MISSING)
        for chosen in itertools.product((0, 1), repeat=len(some)):
            if sum(chosen) <= most_missed:
                costs = [m if x else k for x, k, m in zip(chosen, kept, missed, strict=True)]
                best = min(best, sum(costs) / len(some))
    return best


@pytest.mark.parametrize("seed", range(12))
def test_the_extensive_form_is_what_counting_finds(seed: int) -> None:
    some = futures(seed, 4)
    every = list(itertools.product((0, 1), repeat=2))
    for most in (0, 1):
        shared = solve(two_stage(some, [0, 1], most).program)
        expected = counted(some, most, every)
        assert (shared.status is Status.INFEASIBLE) == math.isinf(expected)
        if math.isinf(expected):
            continue
        assert shared.objective == pytest.approx(expected, abs=1e-6)
        knowing = solve(two_stage(some, [0, 1], most, shared=False).program)
        assert knowing.objective <= shared.objective + 1e-9
        now = solve(two_stage(some, [0, 1], most, later=False).program)
        assert now.status is Status.INFEASIBLE or now.objective >= shared.objective - 1e-9


def waiting(big_usd: float, **outcomes: object) -> Scenario:
    """Plain servers now or in April; big ones from April, as announced or a year later."""
    big = {"status": "announced", "available_from": "2027-04"}
    return round_scenario(
        run(tokens=3e13, mfu=0.5, finish_within_days=500), hardware={"systems": ["plain_8", "big_8"]},
        periods=["2026-10", "2027-04"],
        assume={"systems": {"big_8": {"price_usd": big_usd, "available_from": "2027-04"}}, "chips": {"big_chip": big}},
        outcomes={
            "confidence": 0.95, "failure_factor": 1, "time_factor": {"plain_8": 1, "big_8": 1},
            "slip_quarters": {"big_8": {"values": [0, 8]}}, **outcomes,
        },
    )  # fmt: skip


def test_waiting_pays_where_what_is_learned_decides(round_catalog: Catalog) -> None:
    """Big servers are cheap and come in time in half of the futures: wait, and take plain ones in the other half."""
    found = recourse(waiting(60_000), 10, catalog=round_catalog)
    assert found.first == ()
    assert sorted(x.share for x in found.later) == pytest.approx([0.5, 0.5])
    assert {x.words.split()[0] for x in found.later} == {"plain_8", "big_8"}
    assert found.value_of_waiting_usd is not None
    assert found.value_of_waiting_usd > 0
    assert found.value_of_perfect_information_usd >= 0
    assert found.bound_usd <= found.expected_cost_usd * (1 + 1e-9)
    assert found.gap < 1e-3
    assert found.promises[0].kept_fresh == 1.0
    assert found.expected_cost_fresh_usd == pytest.approx(found.expected_cost_usd, rel=0.1)
    assert Recourse.model_validate_json(found.to_json()) == found


def growing(**fields: Any) -> Scenario:
    """A load that grows in a year, by how much is not known: servers of which more may be bought then, on one fleet."""
    steady = {"failure_factor": 1, "time_factor": {"plain_8": 1}, "price_factor": {"plain_8": 1}}
    return round_scenario(
        load(1, requests_path={"2026-10": 300, "2027-10": 1500}, disaggregated="never"), fleet={"shared": True},
        periods=["2026-10", "2027-10"], horizon_years=2,
        **({"outcomes": {"confidence": 0.95, "demand_factor": {"load": {"values": [0.8, 1, 1.6]}}, **steady}} | fields),
    )  # fmt: skip


def test_a_fleet_over_time_is_what_counting_first_purchases_finds(round_catalog: Catalog) -> None:
    """Every number of servers that may be bought first, each answered by the best of every future alone."""
    found = recourse(growing(), 6, catalog=round_catalog)
    assert found.gap < 1e-3
    question = ask(growing(), catalog=round_catalog)
    fleets = Fleets(announced(question))
    draws = Draws(question.scenario, question.catalog, question.scenario.outcomes.model_copy(update={"samples": 6}))  # type: ignore[union-attr]
    some = fleets.futures(draws)
    costs = []
    for bought in itertools.product(*(range(8) for _ in fleets.first)):
        alone = []
        for f in some:
            lower, upper = f.program.lower.copy(), f.program.upper.copy()
            lower[fleets.first] = upper[fleets.first] = bought
            alone.append(solve(replace(f.program, lower=lower, upper=upper, objective=f.cost)))
        if all(x.values is not None for x in alone):
            costs.append(sum(x.objective for x in alone) / len(some))
    assert len(costs) > 1
    assert found.expected_cost_usd == pytest.approx(1e6 * min(costs), rel=1e-6)
    assert found.value_of_waiting_usd is not None
    assert found.value_of_waiting_usd > 0  # buying for the largest demand at once is dearer
    assert sum(x.share for x in found.later) == pytest.approx(1.0)
    assert (found.promises[0].kept, found.promises[0].kept_fresh) == (1.0, 1.0)


def test_over_time_what_comes_late_is_no_choice(round_catalog: Catalog) -> None:
    """Cheap servers from 2027-10, or a year later: where they are late the dear ones answer."""
    big = {"status": "announced", "available_from": "2027-10"}
    scenario = growing(
        hardware={"systems": ["plain_8", "big_8"]},
        assume={"systems": {"big_8": {"price_usd": 20_000, "available_from": "2027-10"}}, "chips": {"big_chip": big}},
        outcomes={"confidence": 0.95, "slip_quarters": {"big_8": {"values": [0, 4]}}},
    )
    found = recourse(scenario, 4, catalog=round_catalog)
    assert {p.system for p in found.first} == {"plain_8"}
    assert {x.words: x.share for x in found.later}.keys() == {"big_8 in 2027-10", "plain_8 in 2027-10"}


def test_one_period_leaves_nothing_for_later(round_catalog: Catalog) -> None:
    with pytest.raises(InputError, match="one period"):
        recourse(round_scenario(load(1000.0)), 10, catalog=round_catalog)
    with pytest.raises(InputError, match=r"2 \.\. 200"):
        recourse(waiting(60_000), 1, catalog=round_catalog)


def test_a_fleet_that_is_too_large_is_named(round_catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planner.outlook.recourse.ask.MOST_COLUMNS", 20)
    with pytest.raises(InputError, match="larger than can be solved"):
        recourse(growing(), 10, catalog=round_catalog)
