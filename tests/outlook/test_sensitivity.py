"""A crossover is where planning from scratch changes its mind."""

from __future__ import annotations

import sys

import pytest
from tools import load, round_scenario

from planner import plan
from planner.catalog import Catalog
from planner.errors import InputError
from planner.outlook import sensitivity
from planner.scenario.types import Scenario
from planner.solve import Limits, Program, Solution, Status

pytestmark = pytest.mark.usefixtures("in_process")
BOTH = {"systems": ["plain_8", "big_8"]}


def asked(big_usd: float, tariff: float = 0.1) -> Scenario:
    """A load for plain servers at 100,000 USD, or big ones of about twice their rate."""
    return round_scenario(
        load(18100, disaggregated="never"), hardware=BOTH, site={"tariff_usd_per_kwh": tariff, "power_mw": 5},
        assume={"systems": {"big_8": {"price_usd": big_usd}}}, solve={"simplify": 0},
    )  # fmt: skip


def bought(scenario: Scenario, catalog: Catalog) -> set[str]:
    return {d.system for d in plan(scenario, catalog=catalog).deployments}


def test_a_crossover_is_where_planning_changes_its_mind(round_catalog: Catalog) -> None:
    found = sensitivity(asked(180_000), catalog=round_catalog)
    before = bought(asked(180_000), round_catalog)
    (price,) = [m for m in found.inputs if m.path == "systems.big_8.price_usd"]
    assert price.tag == "assumption"
    assert found.inputs[0].tag in {"assumption", "estimate"}
    assert price.crossover is not None
    step = 2 * abs((price.high if price.crossover > 1 else price.low) - 1) / 256
    inside = price.crossover - step if price.crossover > 1 else price.crossover + step
    assert bought(asked(180_000 * price.crossover), round_catalog) != before
    assert bought(asked(180_000 * inside), round_catalog) == before


def test_the_ends_of_a_bar_are_plans(round_catalog: Catalog) -> None:
    found = sensitivity(asked(180_000), catalog=round_catalog)
    assert found.value == pytest.approx(plan(asked(180_000), catalog=round_catalog).objective.value)
    for m in found.inputs:
        if m.path == "systems.big_8.price_usd":
            for factor, value in ((m.low, m.value_low), (m.high, m.value_high)):
                again = plan(asked(180_000 * factor), catalog=round_catalog).objective.value
                assert value == pytest.approx(again, rel=1e-6)


def test_time_that_runs_out_is_told_and_not_taken_for_no_plan(
    round_catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(programs: list[Program], limits: Limits) -> list[Solution]:
        return [Solution(Status.NO_PLAN_FOUND, message="no time") for _ in programs]

    monkeypatch.setattr(sys.modules["planner.outlook.moves"], "solve_several", too_late)
    with pytest.raises(InputError, match="in time"):
        sensitivity(asked(180_000), catalog=round_catalog)


def test_what_is_assumed_of_hardware_is_searched_again(round_catalog: Catalog) -> None:
    """Bandwidth of the big chip decides how fast it decodes: both ends are what planning with them gives."""
    bandwidth = 4.0

    def with_bandwidth(factor: float) -> Scenario:
        return round_scenario(
            load(18100, disaggregated="never"), hardware=BOTH, site={"power_mw": 5}, solve={"simplify": 0},
            assume={"chips": {"big_chip": {"mem_bw_tb_s": bandwidth * factor}}},
        )  # fmt: skip

    found = sensitivity(with_bandwidth(1.0), catalog=round_catalog)
    (moved,) = [m for m in found.inputs if m.path == "chips.big_chip.mem_bw_tb_s"]
    assert (moved.low, moved.high, moved.tag) == (0.75, 1.25, "assumption")
    for factor, value in ((0.75, moved.value_low), (1.25, moved.value_high)):
        assert value == pytest.approx(plan(with_bandwidth(factor), catalog=round_catalog).objective.value, rel=1e-6)
