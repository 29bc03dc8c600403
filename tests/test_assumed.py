"""What assumed figures are worth to a plan: on paper, in order, and checked."""

from __future__ import annotations

import pytest
from tools import round_scenario, run

from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.planning.plan import plan
from planner.report.summary import worth_of
from planner.scenario.types import Scenario
from planner.verify.plan import verify_plan

pytestmark = pytest.mark.usefixtures("in_process")


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    """A run on plain servers whose price, power and network somebody guessed; and a guess of big ones, which lose."""
    return round_scenario(
        run(tokens=1.2e13, finish_within_days=330), hardware={"systems": ["plain_8", "big_8"]},
        assume={
            "systems": {"big_8": {"price_usd": 9e6}, "plain_8": {"price_usd": 120_000}},
            "chips": {"plain_chip": {"idle_power_fraction": 0.3, "bf16_fp16_tflops_dense": 1000}},
        },
        solve={"answers": "none"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def answer(scenario: Scenario, round_catalog: Catalog) -> Plan:
    """Its plan."""
    return plan(scenario, catalog=round_catalog)


def test_a_quarter_of_a_price_is_a_quarter_of_what_is_bought(answer: Plan) -> None:
    by = {a.path: a for a in answer.assumptions}
    assert answer.totals is not None
    assert answer.chance is not None
    price = by["systems.plain_8.price_usd"]
    assert price.moves_usd == pytest.approx(0.25 * 120_000 * answer.totals.systems, rel=1e-6)
    assert price.chance == pytest.approx(answer.chance.promises[0].chance)  # money breaks no promise
    assert "a quarter moves" in worth_of(answer, price)
    unused = by["systems.big_8.price_usd"]
    assert (unused.moves_usd, unused.chance, unused.breaks) == (None, None, False)
    assert not worth_of(answer, unused)


def test_what_breaks_a_promise_comes_first_and_what_is_not_used_last(answer: Plan) -> None:
    assert [a.path.rpartition(".")[2] for a in answer.assumptions] == [
        "bf16_fp16_tflops_dense", "price_usd", "idle_power_fraction", "price_usd",
    ]  # fmt: skip
    first = answer.assumptions[0]
    assert answer.chance is not None
    assert first.chance is not None
    assert first.chance < answer.chance.promises[0].chance - 0.1
    assert "likely to keep" in worth_of(answer, first)
    assert answer.assumptions[-1].path == "systems.big_8.price_usd"


def test_what_is_said_of_them_is_checked(answer: Plan, scenario: Scenario, round_catalog: Catalog) -> None:
    assert verify_plan(Plan.from_json(answer.to_json()), scenario, round_catalog) == []
    for name in ("moves_usd", "chance"):
        wrong = answer.assumptions[0].model_copy(
            update={name: (getattr(answer.assumptions[0], name) or 0.0) * 1.01 + 1}
        )
        forged = answer.model_copy(update={"assumptions": (wrong, *answer.assumptions[1:])})
        assert any(name in text for text in verify_plan(forged, scenario, round_catalog))
    other = answer.model_copy(update={"assumptions": answer.assumptions[::-1]})
    assert any("assumptions" in text for text in verify_plan(other, scenario, round_catalog))
