"""Assumptions of a scenario: what was unknown becomes usable, marked as assumed, and nothing else moves."""

import pickle
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.catalog import load_catalog
from planner.errors import InputError

CATALOG = load_catalog()


def test_an_unknown_figure_is_supplied_and_marked():
    after = CATALOG.with_assumptions(
        {"chips": {"mtt_s5000_liquid": {"tdp_w": 700}}, "systems": {"sgx5000": {"power_kw_server_max": 8.5}}}
    )
    figure = after.chip("mtt_s5000_liquid").figure("tdp_w")
    assert (figure.value, figure.unit, figure.kind) == (700, "w", "assumption")
    assert "replaces unknown" in figure.note
    assert after.system("sgx5000").need("power_kw_server_max") == 8.5
    assert CATALOG.chip("mtt_s5000_liquid").get("tdp_w") is None
    assert after.chip("mtt_s5000_air") is CATALOG.chip("mtt_s5000_air")
    assert after.digest != CATALOG.digest


def test_aliases_of_ids_and_fields_work():
    after = CATALOG.with_assumptions({"chips": {"S5000": {"idle_power_fraction_of_tdp": 0.13}}})
    assert after.chip("mtt_s5000_liquid").need("idle_power_fraction") == 0.13


def test_assumed_memory_gives_usable_memory():
    after = CATALOG.with_assumptions({"chips": {"br166l": {"mem_gb": 128}}})
    assert after.chip("br166l").need("usable_mem_gib") == pytest.approx(126.72)
    both = CATALOG.with_assumptions({"chips": {"br166l": {"mem_gb": 128, "usable_mem_gib": 120}}})
    assert both.chip("br166l").need("usable_mem_gib") == 120


def test_texts_can_be_assumed():
    after = CATALOG.with_assumptions({"chips": {"br30x": {"cooling": "d2c_1p", "available_from": "2028-06"}}})
    assert after.chip("br30x").cooling == ("d2c_1p",)
    assert after.chip("br30x").available_from == "2028-06"


def test_regions_and_costs():
    after = CATALOG.with_assumptions(
        {"regions": {"cn_west": {"tariff_usd_per_kwh": 0.035}}, "costs": {"wacc": {"value": 0.08}}}
    )
    assert after.region("cn_guizhou").need("tariff_usd_per_kwh") == 0.035
    assert after.region("cn_east").need("tariff_usd_per_kwh") == 0.095
    assert after.cost("wacc") == 0.08
    assert after.cost_item("wacc").figure("value").unit == "fraction_per_year"


def test_taking_a_figure_away():
    after = CATALOG.with_assumptions({"chips": {"h100_sxm": {"price_usd": "unknown"}}})
    assert after.chip("h100_sxm").get("price_usd") is None


@pytest.mark.parametrize(
    ("assumptions", "path", "detail"),
    [
        ({"chips": {"mtt_s5000_liqid": {"tdp_w": 700}}}, "assume.chips.mtt_s5000_liqid", "mtt_s5000_liquid"),
        ({"chips": {"h100_sxm": {"tpd_w": 700}}}, "assume.chips.h100_sxm.tpd_w", "tdp_w"),
        ({"chip": {"h100_sxm": {"tdp_w": 700}}}, "assume.chip", "chips"),
        ({"chips": {"h100_sxm": {"tdp_w": -1}}}, "assume.chips.h100_sxm.tdp_w", "out of bounds"),
        ({"chips": {"h100_sxm": {"tdp_w": float("nan")}}}, "assume.chips.h100_sxm.tdp_w", "finite number"),
        ({"chips": {"h100_sxm": {"tdp_w": True}}}, "assume.chips.h100_sxm.tdp_w", "finite number"),
        ({"chips": {"h100_sxm": {"tdp_w": [700]}}}, "assume.chips.h100_sxm.tdp_w", "finite number"),
        ({"chips": {"h100_sxm": {"tdp_w": "700 W"}}}, "assume.chips.h100_sxm.tdp_w", "finite number"),
        ({"chips": {"h100_sxm": {"status": 3}}}, "assume.chips.h100_sxm.status", "must be a text"),
        ({"chips": {"h100_sxm": 700}}, "assume.chips.h100_sxm", "fields and values"),
        ({"chips": {"h100_sxm": {"cooling": "d2c_9"}}}, "assume.chips.h100_sxm", "unknown cooling option"),
        ({"chips": 700}, "assume.chips", "ids"),
    ],
)
def test_faults_carry_their_path_and_the_nearest_name(assumptions, path, detail):
    with pytest.raises(InputError) as caught:
        CATALOG.with_assumptions(assumptions)
    (problem,) = caught.value.problems
    assert problem.path == path
    assert detail in str(problem)


def test_all_faults_at_once():
    with pytest.raises(InputError) as caught:
        CATALOG.with_assumptions(
            {"chips": {"x": {"tdp_w": 1}, "h100_sxm": {"y": 1}}, "costs": {"wacc": {"value": None}, "z": {}}}
        )
    assert [p.path for p in caught.value.problems] == ["assume.chips.x", "assume.chips.h100_sxm.y", "assume.costs.z"]


def test_no_assumptions_change_nothing():
    after = CATALOG.with_assumptions({})
    assert after.digest == CATALOG.digest
    assert after == CATALOG


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(CATALOG.chips)), st.floats(1, 1e5))
def test_only_the_named_figure_moves(chip, watts):
    after = CATALOG.with_assumptions({"chips": {chip: {"tdp_w": watts}}})
    assert after.chip(chip).need("tdp_w") == watts
    old, new = dict(CATALOG.chip(chip).figures), dict(after.chip(chip).figures)
    assert old.pop("tdp_w") != new.pop("tdp_w")
    assert old == new
    assert {k: v for k, v in after.chips.items() if k != chip} == {k: v for k, v in CATALOG.chips.items() if k != chip}
    assert (after.systems, after.regions, after.costs) == (CATALOG.systems, CATALOG.regions, CATALOG.costs)


def test_frozen_and_picklable():
    with pytest.raises(FrozenInstanceError):
        CATALOG.digest = "x"
    copy = pickle.loads(pickle.dumps(CATALOG))  # noqa: S301 - our own bytes; solves run in a child process
    assert copy == CATALOG
    assert copy.chip("H100").id == "h100_sxm"
