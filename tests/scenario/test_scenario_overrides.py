"""Overrides and variants: dot paths, order, includes, circles; what is wrong is found whether used or not."""

from __future__ import annotations

from typing import Any

import pytest
from scenario_support import TEXT, base, problems, problems_in, problems_in_text

from planner.errors import InputError
from planner.scenario import load_text, parse_assignment, resolve, scenario_from_mapping

OVERRIDES: dict[str, dict[str, Any]] = {
    "cheap": {"sites.guizhou.tariff_usd_per_kwh": 0.035},
    "cheaper": {"include": "cheap", "sites.guizhou.tariff_usd_per_kwh": 0.02},
    "liquid": {"sites.guizhou.cooling": ["d2c_1p"]},
    "dear": {"sites.guizhou.tariff_usd_per_kwh": 0.2},
    "by_index": {"workloads.0.tokens": 1e12},
    "dotted": {"sites.v1.5.power_mw": 7},
    "limits": {"limits.capex_usd": "9e8", "finance.discount_rate": 0.05},
    "assumed": {"assume.systems.sgx5000.price_usd": 1e5, "assume.chips.mtt_s5000_air.tdp_w": 650},
}


def variant(name: str | None, **more: Any) -> Any:
    return scenario_from_mapping(base() | {"overrides": OVERRIDES} | more, variant=name)


def test_leaves_are_set_and_the_rest_stays() -> None:
    changed = variant("cheap")
    assert changed.sites[0].tariff_usd_per_kwh == 0.035
    before, after = resolve(variant(None)), resolve(changed)
    assert after["sites"][0].pop("tariff_usd_per_kwh") == 0.035
    assert before == after


def test_list_elements_by_name_by_index_and_with_dots_in_their_names() -> None:
    assert variant("by_index").workloads[0].tokens == 1e12
    assert variant("dotted").sites[1].power_mw == 7


def test_sections_that_were_not_given_are_made() -> None:
    changed = variant("limits")
    assert (changed.limits.capex_usd, changed.limits.chips, changed.finance.discount_rate) == (9e8, 20000, 0.05)


def test_assumptions_by_id() -> None:
    assume = variant("assumed").assume
    assert assume.systems == {"sgx5000": {"price_usd": 1e5}}
    assert assume.chips == {"mtt_s5000_air": {"tdp_w": 650}}


def test_ids_with_dots_in_assumptions() -> None:
    overrides = {"x": {"assume.chips.chip.v1.5.tdp_w": 3}}
    assert variant("x", overrides=overrides).assume.chips["chip.v1.5"] == {"tdp_w": 3}


def test_later_wins() -> None:
    variants = {"a": ["cheap", "dear"], "b": ["dear", "cheap"]}
    assert variant("a", variants=variants).sites[0].tariff_usd_per_kwh == 0.2
    assert variant("b", variants=variants).sites[0].tariff_usd_per_kwh == 0.035


def test_includes_come_first() -> None:
    assert variant("cheaper").sites[0].tariff_usd_per_kwh == 0.02


def test_a_variant_may_name_a_variant_or_one_override() -> None:
    variants = {"outer": ["inner", "liquid"], "inner": "dear", "dear": ["dear"]}
    outer = variant("outer", variants=variants)
    assert (outer.sites[0].tariff_usd_per_kwh, outer.sites[0].cooling) == (0.2, ("d2c_1p",))


def test_the_order_of_a_lists_elements_does_not_matter_to_names() -> None:
    data = base() | {"overrides": OVERRIDES}
    data["sites"].reverse()
    assert scenario_from_mapping(data, variant="cheap").sites[1].tariff_usd_per_kwh == 0.035


def test_a_callers_overrides_come_last() -> None:
    scenario = scenario_from_mapping(
        base() | {"overrides": OVERRIDES}, variant="cheap", overrides={"sites.guizhou.tariff_usd_per_kwh": "5e-2"}
    )
    assert scenario.sites[0].tariff_usd_per_kwh == 0.05


@pytest.mark.parametrize(
    ("dotted", "says", "nearest"),
    [
        (
            "sites.guizhou.tarif_usd_per_kwh",
            "no field 'tarif_usd_per_kwh' in sites.guizhou",
            "sites.guizhou.tariff_usd_per_kwh",
        ),
        ("sites.guizou.power_mw", "no element of sites is called 'guizou'", "sites.guizhou.power_mw"),
        ("sites.7.power_mw", "sites has 2 elements", ""),
        ("site.guizhou", "there is no field 'site'", "sites.guizhou"),
        ("workloads.pretrain.ttft_ms", "no field 'ttft_ms' in workloads.pretrain", ""),
        ("limits.chips.max", "limits.chips is a single value", ""),
        ("assume.chip.x.tdp_w", "no field 'chip' in assume", "assume.chips.x.tdp_w"),
        ("overrides.cheap", "overrides cannot be overridden", ""),
        ("version", "version cannot be overridden", ""),
        ("", "there is no field ''", ""),
        ("...", "there is no field ''", ""),
    ],
)
def test_a_path_that_leads_nowhere(dotted: str, says: str, nearest: str) -> None:
    found = problems_in(base() | {"overrides": {"bad": {dotted: 1}}})
    (problem,) = found.values()
    assert says in problem.message
    assert problem.nearest == nearest
    (problem,) = problems(lambda: scenario_from_mapping(base(), overrides={dotted: 1}))
    assert says in problem.message


def test_unused_overrides_are_checked_with_their_lines() -> None:
    text = TEXT + "overrides:\n  fine: {sites.guizhou.racks: 5}\n  bad:\n    sites.guizhou.racks: -5\n    nowhere: 1\n"
    found = problems_in_text(text)
    assert [(p.line, p.path) for p in found] == [(18, "overrides.bad.nowhere")]
    text = text.replace("    nowhere: 1\n", "")
    (problem,) = problems_in_text(text)
    assert (problem.line, problem.path) == (17, "overrides.bad.sites.guizhou.racks")
    assert "may not be negative" in problem.message


def test_overridden_places_know_their_line() -> None:
    text = TEXT + "overrides:\n  a:\n    sites.guizhou.cooling:\n      - rdhx\n      - 5\n"
    (problem,) = problems_in_text(text)
    assert problem.line == 18
    scenario = load_text(TEXT + "overrides:\n  a:\n    sites.guizhou.racks: 7\n", variant="a")
    assert scenario.source.line(("sites", 0, "racks")) == 16
    assert scenario.source.line(("sites", 0, "power_mw")) == 6


@pytest.mark.parametrize(
    ("overrides", "variants", "circle"),
    [
        ({"a": {"include": "b"}, "b": {"include": ["a"]}}, {}, "a -> b -> a"),
        ({"a": {"include": "a"}}, {}, "a -> a"),
        ({}, {"x": ["y"], "y": ["z"], "z": ["x"]}, "x -> y -> z -> x"),
        ({}, {"x": ["x"]}, "x -> x"),
        ({"a": {"include": "b"}, "b": {"include": "c"}, "c": {"include": "b"}}, {"v": ["a"]}, "b -> c -> b"),
    ],
)
def test_circles_are_named(overrides: dict[str, Any], variants: dict[str, Any], circle: str) -> None:
    data = base() | {"overrides": overrides, "variants": variants}
    found = problems(lambda: scenario_from_mapping(data))
    assert any(p.message == f"goes round in a circle: {circle}" for p in found)
    for name in [*overrides, *variants]:
        with pytest.raises(InputError, match="circle"):
            scenario_from_mapping(data, variant=name)


def test_an_override_taken_twice_is_no_circle() -> None:
    overrides = {"a": {"limits.chips": 1}, "b": {"include": "a"}, "c": {"include": "a"}, "d": {"include": ["b", "c"]}}
    assert variant("d", overrides=overrides).limits.chips == 1


def test_unknown_names() -> None:
    found = problems_in(base() | {"overrides": OVERRIDES | {"a": {"include": "chep"}}, "variants": {"v": ["liqid"]}})
    assert found["overrides.a"].nearest == "cheap"
    assert found["variants.v"].nearest == "liquid"
    (problem,) = problems(lambda: variant("chaep"))
    assert "there is no variant 'chaep'" in problem.message
    assert problem.nearest == "cheap"
    (problem,) = problems(lambda: scenario_from_mapping(base(), variant="x"))
    assert "no variants" in problem.allowed


def test_include_must_be_names() -> None:
    assert "overrides.a.include" in problems_in(base() | {"overrides": {"a": {"include": 3}}})


def test_a_variant_is_wrong_only_in_combination() -> None:
    overrides = {"short": {"horizon_years": 1}, "late": {"workloads.pretrain.start": "2028-01"}}
    assert variant("late", overrides=overrides)
    data = base() | {"overrides": overrides, "variants": {"both": ["short", "late"]}}
    assert "outside the plan" in next(iter(problems_in(data).values())).message


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("limits.chips=64", "limits.chips", 64),
        ("sites.a.cooling=[d2c_1p, rdhx]", "sites.a.cooling", ["d2c_1p", "rdhx"]),
        ("objective = carbon", "objective", "carbon"),
        ("workloads.p.tokens=1e12", "workloads.p.tokens", 1e12),
        ("hardware.systems=", "hardware.systems", None),
    ],
)
def test_assignments(text: str, path: str, value: object) -> None:
    assert parse_assignment(text) == (path, value)


@pytest.mark.parametrize("text", ["limits.chips", "=5", "a=[1", "a=[&x 1]", "a=1e999"])
def test_assignments_that_are_none(text: str) -> None:
    problems(lambda: parse_assignment(text))
