"""Names of a scenario against the catalog."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scenario_support import TEXT, base, problems

from planner.catalog import Catalog, load_catalog
from planner.errors import Problem
from planner.options.hardware.choices import competing_systems
from planner.scenario import check_scenario, load_text, scenario_from_mapping, with_catalog_ids


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def wrong(catalog: Catalog, overrides: dict[str, Any]) -> dict[str, Problem]:
    """What the check says of the small scenario with something changed, by path."""
    scenario = scenario_from_mapping(base(), overrides=overrides)
    return {p.path: p for p in problems(lambda: check_scenario(scenario, catalog))}


def test_a_right_scenario_passes(catalog: Catalog) -> None:
    check_scenario(scenario_from_mapping(base()), catalog)


@pytest.mark.parametrize(
    ("dotted", "value", "path", "nearest"),
    [
        ("workloads.0.model", "deepsek-v3", "workloads[0].model", "deepseek-v3"),
        ("sites.0.region", "cn_wset", "sites[0].region", "cn_west"),
        ("sites.0.cooling", ["air_inrow", "immersoin_1p"], "sites[0].cooling[1]", "immersion_1p"),
        ("hardware.systems", ["hgx_h8000"], "hardware.systems[0]", "hgx_h800"),
        ("hardware.vendors", ["nvidea"], "hardware.vendors[0]", "NVIDIA"),
        ("hardware.exclude", ["hgx_h80"], "hardware.exclude[0]", "hgx_h800"),
        ("sites.0.installed", [{"system": "dgx_h10", "count": 1}], "sites[0].installed[0].system", "dgx_h100"),
        (
            "sites.0.capacity",
            {"grid_mw": 5, "halls": [{"name": "a", "halls": [{"name": "b", "cooling": ["rdxh"]}]}]},
            "sites[0].capacity.halls[0].halls[0].cooling[0]",
            "rdhx",
        ),
        ("hardware.rent_region", "us_tex", "hardware.rent_region", "us_tx"),
        ("hardware.systems", ["hgx_h100"], "hardware.systems[0]", "hgx_h100_oem"),
        ("outcomes.slip_quarters", {"sgx500": 2}, "outcomes.slip_quarters.sgx500", "sgx5000"),
        ("outcomes.price_factor", {"hgx_h80": 2}, "outcomes.price_factor.hgx_h80", "hgx_h800"),
        ("outcomes.tariff_factor", {"guizho": 2}, "outcomes.tariff_factor.guizho", "guizhou"),
        ("outcomes.demand_factor", {"pretrai": 2}, "outcomes.demand_factor.pretrai", "pretrain"),
        ("assume.chips.mtt_s5000_air.tdp", 600, "assume.chips.mtt_s5000_air.tdp", "tdp_w"),
        ("assume.chips.mtt_s500_air.tdp_w", 600, "assume.chips.mtt_s500_air", "mtt_s5000_air"),
    ],
)
def test_unknown_names_have_the_nearest(catalog: Catalog, dotted: str, value: Any, path: str, nearest: str) -> None:
    found = wrong(catalog, {dotted: value})
    assert list(found) == [path]
    assert found[path].nearest == nearest


def test_names_become_ids(catalog: Catalog) -> None:
    """An alias or a display name means what its id means, wherever ids are compared later."""
    asked = scenario_from_mapping(
        base(),
        overrides={
            "sites.0.region": "Guizhou",
            "sites.0.installed": [{"system": "SGX5000", "count": 1}],
            "hardware.systems": ["HGX H800", "sgx5000"],
            "hardware.exclude": ["H20"],
            "hardware.vendors": ["nvidia", "moore threads"],
            "workloads.0.model": "DeepSeek-V3",
        },
    )
    check_scenario(asked, catalog)
    known = with_catalog_ids(asked, catalog)
    assert known.sites[0].region == "cn_guizhou"
    assert known.sites[0].installed[0].system == "sgx5000"
    assert known.hardware.systems == ("hgx_h800", "sgx5000")
    assert known.hardware.exclude == ("h20_96",)
    assert known.hardware.vendors == ("NVIDIA", "Moore Threads")
    assert known.workloads[0].model == "deepseek-v3"


def test_a_workstation_competes_only_when_named(catalog: Catalog) -> None:
    """A desktop machine is no part of a data centre unless somebody says so."""
    open_to_all = scenario_from_mapping(base(), overrides={"hardware": {"vendors": ["nvidia"]}})
    pairs, dropped = competing_systems(open_to_all, catalog)
    assert "dgx_spark" not in {s.id for s, _ in pairs}
    assert any(d.option == "dgx_spark" and "workstation" in d.reason for d in dropped)
    named = scenario_from_mapping(base(), overrides={"hardware": {"systems": ["dgx_spark"]}})
    assert [s.id for s, _ in competing_systems(named, catalog)[0]] == ["dgx_spark"]


def test_cooling_plant_is_no_cooling_a_site_hosts(catalog: Catalog) -> None:
    assert (
        "unknown cooling option" in wrong(catalog, {"sites.0.cooling": "chiller_plant"})["sites[0].cooling[0]"].message
    )


@pytest.mark.parametrize("value", [-1, 1e9, ".nan", "700 W"])
def test_assumed_figures_are_checked_against_their_bounds(catalog: Catalog, value: object) -> None:
    found = wrong(catalog, {"assume.chips.mtt_s5000_air.tdp_w": value})
    assert list(found) == ["assume.chips.mtt_s5000_air.tdp_w"]


def test_all_at_once_with_lines(catalog: Catalog) -> None:
    text = (
        TEXT.replace("cn_west", "cn_wset").replace("deepseek-v3", "deepsek-v3") + "hardware:\n  systems: [x, sgx5000]\n"
    )
    found = problems(lambda: check_scenario(load_text(text, "s.yaml"), catalog))
    assert [(p.file, p.line, p.path) for p in found] == [
        ("s.yaml", 5, "sites[0].region"),
        ("s.yaml", 10, "workloads[0].model"),
        ("s.yaml", 15, "hardware.systems[0]"),
    ]


def test_filters_that_leave_nothing(catalog: Catalog) -> None:
    found = wrong(catalog, {"hardware": {"systems": ["sgx5000"], "vendors": ["NVIDIA"]}})
    assert "leave no system" in found["hardware"].message
    found = wrong(catalog, {"hardware": {"systems": ["sgx5000"], "exclude": ["mtt_s5000_air", "mtt_s5000_liquid"]}})
    assert "leave no system" in found["hardware"].message
    check_scenario(scenario_from_mapping(base(), overrides={"hardware": {"vendors": ["nvidia"]}}), catalog)


def test_experts_need_a_mixture_and_stages_need_layers(catalog: Catalog) -> None:
    llama = {"workloads.0.model": "llama-3.1-8b"}
    found = wrong(catalog, llama | {"workloads.0.parallelism": {"ep": 8}})
    assert "no experts" in found["workloads[0].parallelism.ep"].message
    found = wrong(catalog, llama | {"workloads.0.parallelism": {"pp": 64}})
    assert "32 layers" in found["workloads[0].parallelism.pp"].message


def test_a_language_model_is_no_recommender(catalog: Catalog) -> None:
    data = base()
    data["workloads"] = [
        {"name": "r", "kind": "recommendation", "model": "llama-3.1-8b", "mode": "serving", "samples_per_s": 10}
    ]
    (problem,) = problems(lambda: check_scenario(scenario_from_mapping(data), catalog))
    assert "is no recommender" in problem.message


def test_an_empty_catalog(catalog: Catalog) -> None:
    empty = replace(catalog, systems={}, chips={}, regions={}, model_folders=())
    found = problems(lambda: check_scenario(scenario_from_mapping(base()), empty))
    messages = "\n".join(p.message for p in found)
    for what in ("systems", "models", "regions"):
        assert f"the catalog has no {what}" in messages
