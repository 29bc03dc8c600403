"""The three walls of a plan: one input moved, and the wall that is named moves with it."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest

from planner import load_catalog, plan
from planner.answer.plan import Plan
from planner.answer.walls import Walls
from planner.catalog import Catalog
from planner.report.walls import wall_sheets
from planner.scenario import scenario_from_mapping
from planner.verify.plan import verify_plan
from planner.walls.communication import span_of

pytestmark = pytest.mark.usefixtures("in_process")

RUN: dict[str, Any] = {
    "name": "walls", "version": 1, "start": "2026-10", "horizon_years": 4, "objective": "time",
    "sites": [{"name": "hall", "region": "us_va", "power_mw": 20, "cooling": ["d2c_1p"], "rack_kw": 100}],
    "hardware": {"systems": ["hgx_h100_oem"]},
    "workloads": [
        {"name": "run", "kind": "training", "model": "llama-3.1-8b", "tokens": 1e12, "sequence_length": 4096,
         "global_batch": 1024, "precision": "bf16", "chips": 128, "elastic": True,
         "parallelism": {"tp": 1, "pp": 1}},
    ],
}  # fmt: skip
KINDS = ("mi300x_8", "hgx_h100_oem", "dgx_a100")
LOAD: dict[str, Any] = {
    "name": "kinds", "version": 1, "start": "2026-10", "horizon_years": 4, "objective": "cost",
    "sites": [{"name": "hall", "region": "us_va", "power_mw": 20, "cooling": ["air_inrow"],
               "installed": [{"system": name, "count": 1, "since": "2025-01"} for name in KINDS]}],
    "hardware": {"systems": list(KINDS)},
    "limits": {"capex_usd": 1000},
    "workloads": [
        {"name": "api", "kind": "serving", "model": "llama-3.1-8b", "precision": ["fp8", "bf16"],
         "input_tokens": 1000, "output_tokens": 200, "requests_per_s": 100, "ttft_ms": 1500, "tpot_ms": 60},
    ],
}  # fmt: skip
SLOW_LINK = {"assume.systems": {"hgx_h100_oem": {"scaleout_gbit_s_per_chip": 2}}}


def planned(base: dict[str, Any], **overrides: Any) -> tuple[Plan, Walls]:
    """The plan of a scenario and its walls."""
    found = plan(copy.deepcopy(base), overrides=overrides)
    assert found.walls is not None
    return found, found.walls


def test_a_slower_link_makes_communication_the_wall() -> None:
    """At 400 Gb/s a chip the gradients hide; at 2 they are what the run waits for, over scale-out, and are named."""
    _, fast = planned(RUN)
    slow_plan, slow = planned(RUN, **SLOW_LINK)
    assert "communication" not in fast.binding
    assert slow.binding[0] == "communication"
    assert slow.sentence in slow_plan.answer
    assert "data parallel over scale-out" in slow.sentence
    (work,) = slow.communication.works
    assert max(work.by_tier, key=lambda t: work.by_tier[t]) == "scale-out"
    d = slow_plan.deployments[0]
    hidden = sum(v for k, v in d.predicted.breakdown.items() if k not in work.by_cause)
    assert work.without / work.now == pytest.approx(hidden / sum(d.predicted.breakdown.values()))


def test_less_power_makes_power_the_wall() -> None:
    """With 0.15 MW the run takes as many chips as power lets it; with 20 MW chips end before power does."""
    chips = {"workloads.run.chips": {"max": 512}}
    _, little = planned(RUN, **chips, **{"sites.hall.power_mw": 0.15})
    _, plenty = planned(RUN, **chips)
    assert little.binding[0] == "power and cooling"
    assert "power and cooling" not in plenty.binding
    (meter,) = (x for x in little.power.levels if x.unit == "MW")
    assert meter.worth_per_unit is not None
    assert meter.worth_per_unit > 0
    assert meter.used <= meter.of == 0.15
    lift = next(x for x in little.power.lifts if x.lifts == "MW")
    assert lift.factor > 1
    assert not lift.hosted


def test_more_kinds_make_complexity_the_wall() -> None:
    """A load that one kind answers has nothing that binds; one that needs all three kinds that stand there has."""
    _, one = planned(LOAD)
    answer, three = planned(LOAD, **{"workloads.api.requests_per_s": 500})
    assert one.complexity.kinds == 1
    assert not one.binding
    assert one.sentence.startswith("No wall binds; the nearest wall is ")
    assert three.complexity.kinds == 3
    assert three.binding == ("complexity",)
    assert "3 kinds of system" in answer.answer


def test_walls_are_recomputed_read_back_and_shown(shipped: Catalog, tmp_path: Path) -> None:
    """A figure of the walls that is changed in the file is found by the verifier; the table names every wall."""
    mapping = {**copy.deepcopy(RUN), "assume": {"systems": SLOW_LINK["assume.systems"]}}
    found, walls = planned(mapping)
    found.write(tmp_path / "plan.json")
    again = Plan.read(tmp_path / "plan.json")
    assert again.walls == walls
    scenario = scenario_from_mapping(mapping)
    assert not verify_plan(again, scenario, shipped)
    data = json.loads(found.to_json())
    data["walls"]["communication"]["works"][0]["share"] *= 0.5
    assert any("walls.communication" in text for text in verify_plan(Plan.model_validate(data), scenario, shipped))
    (sheet,) = wall_sheets(again)
    assert {row[0] for row in sheet.rows} == {"communication", "power and cooling", "complexity"}
    assert sheet.rows[0][0] == "communication"


@pytest.mark.parametrize(
    ("cause", "span"),
    [("tensor_parallel", 4), ("context_parallel", 8), ("expert_parallel", 16), ("data_parallel", 64), ("offload", 0)],
)
def test_groups_span_what_the_placement_says(cause: str, span: int) -> None:
    """Placement order tensor, context, expert, data: products of the inner widths."""
    from planner.answer.plan import Parallelism

    assert span_of(cause, Parallelism(tp=4, cp=2, dp=8, ep=16), 512) == span


def test_shares_add_up() -> None:
    """Shares by tier and by cause sum to the share of each deployment, and those to the plan's."""
    _, walls = planned(RUN)
    for work in walls.communication.works:
        assert math.fsum(work.by_tier.values()) == pytest.approx(work.share)
        assert math.fsum(work.by_cause.values()) == pytest.approx(work.share)
    assert math.fsum(walls.communication.by_tier.values()) == pytest.approx(walls.communication.share)


def test_a_limit_on_pue_leaves_out_cooling_and_is_told() -> None:
    """Where the permit asks for 1.25 room air goes, with the reason; the walls tell what is left of it."""
    air = {"sites.hall.cooling": ["air_inrow", "d2c_1p"], "objective": "cost"}
    free, _ = planned(RUN, **air)
    held, walls = planned(RUN, **air, **{"sites.hall.pue_max": 1.2})
    assert {d.cooling for d in held.deployments} == {"d2c_1p"}
    assert all(d.power.pue <= 1.2 for d in held.deployments)
    assert any("pue_max" in x.reason for x in held.left_out)
    assert not any("pue_max" in x.reason for x in free.left_out)
    (level,) = (x for x in walls.power.levels if x.unit == "PUE above 1")
    assert level.used == pytest.approx(held.deployments[0].power.pue - 1)
    assert level.of == pytest.approx(0.2)
    assert not any(x.unit == "PUE above 1" for x in free.walls.power.levels)  # type: ignore[union-attr]
    moved = free.model_copy(update={"problem_digest": held.problem_digest})
    scenario = scenario_from_mapping(copy.deepcopy(RUN), overrides={**air, "sites.hall.pue_max": 1.05})
    failures = verify_plan(moved, scenario, load_catalog())
    assert any(text.startswith("deployments[0]") for text in failures)  # such a choice is not allowed


def test_a_limit_on_water_leaves_out_cooling_and_is_told() -> None:
    """A dry site takes the cooling that drinks less, says why the other went, and shows what is left of its permit."""
    both = {"sites.hall.cooling": ["air_inrow", "d2c_1p"], "objective": "cost"}
    held, walls = planned(RUN, **both, **{"sites.hall.wue_max_l_per_kwh": 0.5})
    assert {d.cooling for d in held.deployments} == {"d2c_1p"}
    assert any("wue_max_l_per_kwh" in x.reason and "air_inrow" in x.option for x in held.left_out)
    (level,) = (x for x in walls.power.levels if x.unit == "L of water per kWh")
    assert 0 < level.used <= 0.5
    assert level.of == 0.5
    scenario = scenario_from_mapping(copy.deepcopy(RUN), overrides={**both, "sites.hall.wue_max_l_per_kwh": 0.01})
    moved = held.model_copy(update={"problem_digest": held.problem_digest})
    failures = verify_plan(moved, scenario, load_catalog())
    assert any(text.startswith("deployments[0]") for text in failures)  # such a choice is not allowed


def test_a_limit_on_swings_is_paid_by_runs_and_verified() -> None:
    """A site whose supply takes no steps pays for what chips burn while they wait; a load there pays nothing more."""
    free, _ = planned(RUN, objective="cost")
    held, _ = planned(RUN, objective="cost", **{"sites.hall.swing_max": 0.0})
    (before,), (after,) = free.deployments, held.deployments
    assert after.power.it_mw == before.power.it_mw
    chips = before.power.breakdown_mw["chips"]
    assert after.power.breakdown_mw["chips"] > 1.02 * chips
    assert held.objective.value > free.objective.value
    scenario = scenario_from_mapping(copy.deepcopy(RUN), overrides={"objective": "cost", "sites.hall.swing_max": 0.0})
    assert not verify_plan(held, scenario, load_catalog())
    assert verify_plan(free.model_copy(update={"problem_digest": held.problem_digest}), scenario, load_catalog())
    load, _ = planned(LOAD)
    same, _ = planned(LOAD, **{"sites.hall.swing_max": 0.0})
    assert same.objective.value == load.objective.value


def test_a_rack_is_as_full_as_the_systems_that_stand_fill_it() -> None:
    """One server of about 10 kW in a rack that may hold several draws 10 kW of what the rack takes, not all of it."""
    one = {"workloads.run.chips": 8, "workloads.run.tokens": 1e10}
    found, walls = planned(RUN, **one)
    (d,) = found.deployments
    (rack,) = [x for x in walls.power.levels if x.unit == "kW per rack"]
    assert rack.used == pytest.approx(d.power.it_mw * 1e3, rel=0.1)
    _, many = planned(RUN)
    (full,) = [x for x in many.power.levels if x.unit == "kW per rack"]
    assert full.used > 4 * rack.used / d.systems
