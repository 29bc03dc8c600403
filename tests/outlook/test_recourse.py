"""Two stages: the extensive form by brute force, and waiting that pays."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from tools import load, round_scenario, run

from planner.catalog import Catalog
from planner.errors import InputError
from planner.outlook.recourse import Recourse, recourse
from planner.outlook.recourse.extensive import MISSING, Future, two_stage
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


def test_one_period_leaves_nothing_for_later(round_catalog: Catalog) -> None:
    with pytest.raises(InputError, match="one period"):
        recourse(round_scenario(load(1000.0)), 10, catalog=round_catalog)
    with pytest.raises(InputError, match=r"2 \.\. 200"):
        recourse(waiting(60_000), 1, catalog=round_catalog)
