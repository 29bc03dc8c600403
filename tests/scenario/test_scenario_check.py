"""Names of a scenario against the catalog."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scenario_support import TEXT, base, problems

from planner.catalog import Catalog, load_catalog
from planner.errors import Problem
from planner.scenario import check_scenario, load_text, scenario_from_mapping


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
        ("assume.chips.mtt_s5000_air.tdp", 600, "assume.chips.mtt_s5000_air.tdp", "tdp_w"),
        ("assume.chips.mtt_s500_air.tdp_w", 600, "assume.chips.mtt_s500_air", "mtt_s5000_air"),
    ],
)
def test_unknown_names_have_the_nearest(catalog: Catalog, dotted: str, value: Any, path: str, nearest: str) -> None:
    found = wrong(catalog, {dotted: value})
    assert list(found) == [path]
    assert found[path].nearest == nearest


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
