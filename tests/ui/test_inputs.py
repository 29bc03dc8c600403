"""What the form asks and how its answers change the scenario, without a page."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.answer.plan import Nearest
from planner.scenario import Scenario, load_scenario, resolve, scenario_from_mapping
from planner.ui.inputs import VISIBLE, Input, apply, changes, inputs, visible
from planner.ui.nearest import path_of, value_of

FOLDER = Path(__file__).parents[2] / "scenarios"
FILES = sorted(FOLDER.glob("*.yaml"))


def form_of(scenario: Scenario) -> dict[str, Input]:
    return {i.key: i for i in inputs(scenario, ("hgx_h100_oem", "sgx5000"), ("air_crah", "d2c_1p"))}


@pytest.mark.parametrize("file", FILES, ids=lambda p: p.stem)
def test_a_form_that_nobody_touched_changes_nothing(file: Path) -> None:
    scenario = load_scenario(file)
    form = form_of(scenario)
    assert changes(form.values(), {key: item.value for key, item in form.items()}) == {}


@pytest.mark.parametrize("file", FILES, ids=lambda p: p.stem)
def test_inputs_have_units_bounds_and_unique_keys(file: Path) -> None:
    scenario = load_scenario(file)
    found = inputs(scenario)
    assert len({i.key for i in found}) == len(found)
    assert 3 <= len(visible(found)) <= VISIBLE
    for item in found:
        if item.kind in {"number", "whole"}:
            assert item.label.endswith(")"), item.label  # a unit
            assert item.value is not None or item.optional
            if item.value is not None:
                assert item.least is None or item.value >= item.least
                assert item.most is None or item.value <= item.most


@settings(max_examples=40, deadline=None)
@given(value=st.floats(0.001, 4999), file=st.sampled_from(FILES))
def test_an_edited_number_is_the_number_of_the_scenario(value: float, file: Path) -> None:
    scenario = load_scenario(file)
    form = form_of(scenario)
    item = form.get("sites.0.power_mw") or form["sites.0.capacity.grid_mw"]
    edits = changes([item], {item.key: value})
    again = scenario_from_mapping(apply(resolve(scenario), edits))
    site = again.sites[0]
    assert (site.power_mw or (site.capacity and site.capacity.grid_mw)) == pytest.approx(value, rel=1e-11)


def test_scaled_units_come_back_without_a_speck() -> None:
    form = form_of(load_scenario(FOLDER / "deepseek-v3-pretrain.yaml"))
    edits = changes(form.values(), {"workloads.0.tokens": 14_800.1, "limits.capex_usd": 900.0})
    assert edits == {("workloads", 0, "tokens"): 14_800_100_000_000, ("limits", "capex_usd"): 900_000_000}


def test_emptying_an_optional_input_removes_the_limit_and_a_required_one_keeps_it() -> None:
    scenario = load_scenario(FOLDER / "quickstart.yaml")
    form = form_of(scenario)
    edits = changes(
        form.values(), {"workloads.0.ttft_ms": None, "workloads.0.requests_per_s": None, "hardware.systems": []}
    )
    data = apply(resolve(scenario), edits)
    again = scenario_from_mapping(data)
    assert again.workloads[0].ttft_ms is None  # type: ignore[union-attr]
    assert again.workloads[0].requests_per_s == 20  # type: ignore[union-attr]
    assert again.hardware.systems == ()
    assert "systems" not in data["hardware"]


def test_applying_edits_leaves_the_original_alone() -> None:
    data = {"sites": [{"name": "a", "power_mw": 1}], "limits": {}}
    out = apply(data, {("sites", 0, "power_mw"): 2, ("limits", "chips"): 8, ("solve", "gap"): 0.01})
    assert out == {"sites": [{"name": "a", "power_mw": 2}], "limits": {"chips": 8}, "solve": {"gap": 0.01}}
    assert data == {"sites": [{"name": "a", "power_mw": 1}], "limits": {}}


@pytest.mark.parametrize(
    ("limit", "path"),
    [
        ("sites.ashburn.power_mw", ("sites", 0, "power_mw")),
        ("power_mw[ashburn]", ("sites", 0, "power_mw")),
        ("power_mw[ashburn,2026-10]", ("sites", 0, "power_mw")),
        ("workloads.assistant.tpot_ms", ("workloads", 0, "tpot_ms")),
        ("limits.capex_usd", ("limits", "capex_usd")),
        ("the weather", None),
        ("sites.nowhere.power_mw", None),
    ],
)
def test_limits_of_an_explanation_are_found_in_the_scenario(limit: str, path: tuple[str | int, ...] | None) -> None:
    scenario = load_scenario(FOLDER / "quickstart.yaml")
    nearest = Nearest(limit=limit, now=1, needed=2.5, unit="MW", message="m", confirmed=True)
    assert path_of(nearest, resolve(scenario), scenario) == path


def test_counted_limits_are_raised_to_a_whole_number() -> None:
    nearest = Nearest(limit="limits.chips", now=1, needed=64.2, unit="chips", message="m", confirmed=True)
    assert value_of(nearest, ("limits", "chips")) == 65
    assert value_of(nearest, ("limits", "capex_usd")) == 64.2
