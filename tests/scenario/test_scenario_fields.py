"""Fields that are wrong: one message each, all at once, with place, bounds, nearest name and remedy."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenario_support import TEXT, base, problems, problems_in, problems_in_text

from planner.errors import InputError
from planner.scenario import Training, load_text, problem_digest, resolve, scenario_from_mapping
from planner.scenario.kinds import WORKLOAD_KINDS


def test_all_problems_of_a_file_at_once_in_the_order_of_its_lines() -> None:
    text = (
        TEXT.replace("name: guizhou", "nmae: guizhou")
        .replace("power_mw: 20", "power_mw: -20")
        .replace("kind: serving", "kind: serving\n    precision: fp9")
        .replace("requests_per_s: 400", "requests_per_s: many")
    )
    found = problems_in_text(text)
    assert [p.path for p in found] == [
        "sites[0].name",
        "sites[0].nmae",
        "sites[0].power_mw",
        "workloads[0].precision[0]",
        "workloads[0].requests_per_s",
    ]
    assert [p.line for p in found] == [4, 4, 6, 10, 14]
    assert all(p.file == "s.yaml" for p in found)


def test_unknown_field_has_the_nearest_name() -> None:
    data = base()
    data["sites"][0]["tarif_usd_per_kwh"] = 0.05
    problem = problems_in(data)["sites[0].tarif_usd_per_kwh"]
    assert problem.message == "unknown field 'tarif_usd_per_kwh'"
    assert problem.nearest == "tariff_usd_per_kwh"


def test_unknown_field_like_nothing_lists_what_there_is() -> None:
    data = base()
    data["limits"]["zzz"] = 1
    assert "capex_usd" in problems_in(data)["limits.zzz"].allowed


def test_a_section_indented_too_far_is_recognised() -> None:
    data = base()
    data["workloads"][0]["hardware"] = {}
    assert "top of the file" in problems_in(data)["workloads[0].hardware"].remedy


@pytest.mark.parametrize(
    ("section", "field", "value", "nearest", "says"),
    [
        ("sites", "power_kw", 20000, "power_mw", "power_kw: 20000 is power_mw: 20."),
        ("sites", "power_gw", 0.02, "power_mw", "power_mw: 20."),
        ("sites", "tariff_usd_per_mwh", 50, "tariff_usd_per_kwh", "tariff_usd_per_kwh: 0.05."),
        ("sites", "tariff_cny_per_kwh", 0.4, "tariff_usd_per_kwh", "Convert it to USD."),
        ("sites", "carbon_g_per_kwh", 400, "carbon_kg_per_kwh", "carbon_kg_per_kwh: 0.4."),
        ("sites", "rack_w", 40000, "rack_kw", "rack_kw: 40."),
        ("workloads", "finish_within_hours", 48, "finish_within_days", "finish_within_days: 2."),
    ],
)
def test_a_field_in_another_unit_is_converted(section: str, field: str, value: float, nearest: str, says: str) -> None:
    data = base()
    data[section][0][field] = value
    problem = problems_in(data)[f"{section}[0].{field}"]
    assert problem.nearest == nearest
    assert says in problem.remedy


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("sites.0.power_mw", 20000, "This looks like kW; the unit here is MW."),
        ("sites.0.tariff_usd_per_kwh", 50, "USD per MWh"),
        ("sites.0.carbon_kg_per_kwh", 480, "g per kWh"),
        ("sites.0.rack_kw", 40000, "looks like W"),
        ("finance.discount_rate", 10, "looks like percent"),
        ("workloads.0.tokens", 14.8, "billions or trillions"),
        ("workloads.0.mfu", 40, "looks like percent"),
        ("workloads.1.ttft_ms", 0.5, "looks like seconds"),
        ("workloads.1.tpot_ms", 0.05, "looks like seconds"),
        ("workloads.1.percentile", 0.95, "looks like a fraction"),
        ("workloads.1.cached_prefix", 50, "looks like percent"),
        ("solve.gap", 1, "looks like percent"),
    ],
)
def test_a_value_in_another_unit_is_recognised(path: str, value: float, says: str) -> None:
    (problem,) = problems(lambda: scenario_from_mapping(base(), overrides={path: value}))
    assert says in problem.remedy
    assert problem.allowed


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("sites.0.power_mw", -1),
        ("sites.0.racks", -3),
        ("sites.0.tariff_usd_per_kwh", -0.01),
        ("limits.chips", -1),
        ("workloads.1.requests_per_s", -5),
        ("horizon_years", -4),
    ],
)
def test_negative_figures(path: str, value: float) -> None:
    (problem,) = problems(lambda: scenario_from_mapping(base(), overrides={path: value}))
    assert "may not be negative" in problem.message
    assert problem.found == str(value)


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan", "inf", "nan", float("inf"), float("nan")])
def test_infinity_and_nan_are_no_figures(value: object) -> None:
    data = base()
    data["sites"][0]["power_mw"] = value
    problem = problems_in(data)["sites[0].power_mw"]
    assert problem.message == "must be a finite number"
    assert "no limit" in problem.remedy


@pytest.mark.parametrize("value", [".nan", float("nan"), float("inf"), True, [1], {"a": 1}])
def test_assumed_figures_are_figures(value: object) -> None:
    data = base()
    data["assume"]["chips"]["mtt_s5000_air"]["tdp_w"] = value
    if value == ".nan":  # a text is possible here (a month of delivery); the catalog refuses it, see the check
        assert scenario_from_mapping(data)
        return
    assert "must be a figure" in problems_in(data)["assume.chips.mtt_s5000_air.tdp_w"].message


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("20 MW", "Write the number alone, in MW."),
        ("20,000", "Write 20000: no commas"),
        ("50%", "Write 0.5."),
        ("about twenty", "must be a number"),
        (True, "must be a number"),
        ([20], "must be a number"),
        ({"mw": 20}, "must be a number"),
        ("0x14", "must be a number"),
        ("1__e", "must be a number"),
    ],
)
def test_what_is_no_number(value: object, says: str) -> None:
    data = base()
    data["sites"][0]["power_mw"] = value
    assert says in str(problems_in(data)["sites[0].power_mw"])


@pytest.mark.parametrize(
    ("value", "figure"), [("1e1", 10), ("1_0", 10), ("017", 17), (" 5 ", 5), ("2.5e0", 2.5), (10, 10)]
)
def test_numbers_as_text_are_read(value: object, figure: float) -> None:
    data = base()
    data["sites"][0]["power_mw"] = value
    assert scenario_from_mapping(data).sites[0].power_mw == figure


def test_counts_are_whole_but_may_be_written_as_powers_of_ten() -> None:
    data = base()
    data["limits"]["chips"] = 1e4
    assert scenario_from_mapping(data).limits.chips == 10_000
    data["limits"]["chips"] = 1.5
    assert "must be a whole number" in problems_in(data)["limits.chips"].message
    data["limits"]["chips"] = 10**400
    assert problems_in(data)["limits.chips"].found == "a very long number"


def test_missing_fields_say_what_they_are() -> None:
    data = base()
    del data["workloads"][0]["tokens"]
    del data["start"]
    found = problems_in(data)
    assert found["workloads[0].tokens"].message == "is missing"
    assert "14.8e12" in found["workloads[0].tokens"].remedy
    assert found["start"].message == "is missing"


@pytest.mark.parametrize(
    ("kind", "path", "nearest"),
    [("servin", "workloads[0].kind", "serving"), (None, "workloads[0]", ""), ("x", "workloads[0].kind", "")],
)
def test_kind_of_workload(kind: str | None, path: str, nearest: str) -> None:
    data = base()
    data["workloads"][0]["kind"] = kind
    if kind is None:
        del data["workloads"][0]["kind"]
    problem = problems_in(data)[path]
    assert problem.nearest == nearest
    assert problem.allowed == ", ".join(WORKLOAD_KINDS)


@pytest.mark.parametrize(
    ("path", "value", "nearest"),
    [
        ("objective", "costs", "cost"),
        ("objective", ["cost", "carbn"], "carbon"),
        ("workloads.0.precision", "bf61", "bf16"),
        ("hardware.acquire", ["by"], "buy"),
        ("hardware.export", "usa", "us"),
        ("sites.0.ownership", "colocation", "colo"),
        ("workloads.1.disaggregated", "allways", "always"),
        ("solve.backend", "high", "highs"),
        ("workloads.1.engine", "vlm 0.10", "vllm"),
    ],
)
def test_words_from_a_list(path: str, value: object, nearest: str) -> None:
    (problem,) = problems(lambda: scenario_from_mapping(base(), overrides={path: value}))
    assert problem.nearest == nearest
    assert nearest in problem.allowed


@pytest.mark.parametrize(
    ("value", "nearest"),
    [
        ("2026-13", ""),
        ("2026-1", "2026-01"),
        ("2026/3", "2026-03"),
        ("2026-10-01", "2026-10"),
        ("October", ""),
        ("1900-01", "1900-01"),
    ],
)
def test_months(value: str, nearest: str) -> None:
    data = base()
    data["start"] = value
    problem = problems_in(data)["start"]
    assert problem.nearest == nearest
    assert "YYYY-MM" in problem.allowed


def test_a_month_written_as_a_number() -> None:
    data = base()
    data["start"] = 2026.1
    assert "YYYY-MM" in problems_in(data)["start"].allowed


@pytest.mark.parametrize(
    ("section", "value", "says"),
    [
        ("sites", {"name": "a"}, "Begin each element with"),
        ("sites", "guizhou", "must be a list"),
        ("sites", ["guizhou"], "must be a mapping"),
        ("sites", [], "at least one of sites"),
        ("workloads", [], "at least one of workloads"),
        ("hardware", ["hgx_h800"], "must be a mapping"),
        ("assume", {"chips": {"x": 3}}, "{id: {field: figure}}"),
        ("assume", {"chip": {}}, "did you mean 'chips'"),
        ("overrides", ["x"], "must be a mapping"),
        ("variants", {"x": 3}, "must be a list"),
        ("name", 405, "Quote it: '405'."),
        ("name", "", "is empty"),
        ("hardware", {"systems": [""]}, "hardware.systems[0]: is empty"),
    ],
)
def test_shapes(section: str, value: Any, says: str) -> None:
    data = base()
    data[section] = value
    assert says in "\n".join(map(str, problems_in(data).values()))


@pytest.mark.parametrize("name", ["a\nb", "a]b", "a,b", "k=v", "x" * 81, ""])
def test_names_that_would_break_a_table_are_refused(name: str) -> None:
    data = base()
    data["sites"][0]["name"] = name
    assert problems_in(data)["sites[0].name"].allowed.startswith("1 to 80 characters")


@pytest.mark.parametrize("section", ["sites", "workloads"])
def test_two_of_a_name(section: str) -> None:
    data = base()
    data[section][1]["name"] = data[section][0]["name"]
    problem = problems_in(data)[f"{section}[1].name"]
    assert "is the name of another" in problem.message
    data["horizon_years"] = -1
    assert set(problems_in(data)) == {f"{section}[1].name", "horizon_years"}, "said beside other problems too"


def test_a_newer_format_is_refused() -> None:
    data = base()
    data["version"] = 2
    problem = problems_in(data)["version"]
    assert "newer than this planner" in problem.message
    assert "Update" in problem.remedy


def test_site_needs_power_in_some_form() -> None:
    data = base()
    del data["sites"][0]["power_mw"]
    assert "power_mw is missing" in problems_in(data)["sites[0]"].message
    data["sites"][0]["capacity"] = {"halls": [{"name": "a", "power_mw": 3}, {"name": "b"}]}
    assert "grid_mw" in problems_in(data)["sites[0].capacity"].message


def test_halls() -> None:
    data = base()
    data["sites"][0]["capacity"] = {
        "grid_mw": 18,
        "halls": [
            {"name": "a", "power_mw": 12, "rows": 20, "racks_per_row": 16, "cooling": "d2c_1p"},
            {"name": "b", "power_mw": 4, "halls": [{"name": "b1", "rows": 2, "racks_per_row": 8, "cooling": "rdhx"}]},
        ],
    }
    site = scenario_from_mapping(data).sites[0]
    assert site.meter_mw == 16, "the halls together draw less than meter and grid allow"
    assert site.rack_places == 20 * 16 + 2 * 8
    data["sites"][0]["racks"] = 100
    assert scenario_from_mapping(data).sites[0].rack_places == 100
    del data["sites"][0]["cooling"]
    assert scenario_from_mapping(data).sites[0].cooling_ids == ("d2c_1p", "rdhx")
    data["sites"][0]["capacity"]["halls"][1]["name"] = "a"
    del data["sites"][0]["capacity"]["halls"][0]["rows"]
    found = problems_in(data)
    assert "go together" in found["sites[0].capacity.halls[0]"].message


def test_hall_names_are_their_own() -> None:
    data = base()
    data["sites"][0]["capacity"] = {"grid_mw": 18, "halls": [{"name": "a"}, {"name": "a"}]}
    assert "two halls are called" in problems_in(data)["sites[0].capacity.halls[1].name"].message


def test_colocation_price_needs_colocation() -> None:
    data = base()
    data["sites"][0]["colo_usd_per_kw_month"] = 150
    assert "ownership: colo" in problems_in(data)["sites[0].colo_usd_per_kw_month"].remedy
    data["sites"][0]["ownership"] = "colo"
    assert scenario_from_mapping(data).sites[0].ownership == "colo"


def test_chips_exact_or_a_range() -> None:
    data = base()
    run = data["workloads"][0]

    def chips(value: object) -> tuple[int | None, int | None]:
        run["chips"] = value
        found = scenario_from_mapping(data).workloads[0]
        assert isinstance(found, Training)
        assert found.chips is not None
        return found.chips.min, found.chips.max

    assert chips(2048) == chips("2048") == chips(2.048e3) == (2048, 2048)
    assert chips({"max": 512}) == (None, 512)
    for value, path in (({"min": 8, "max": 4}, ".min"), ({}, ""), (0, ".min"), (1.5, ".min"), ("many", "")):
        run["chips"] = value
        assert f"workloads[0].chips{path}" in problems_in(data), value


def test_recommenders_need_the_numbers_of_their_mode() -> None:
    data = base()
    data["workloads"] = [{"name": "r", "kind": "recommendation", "model": "m", "mode": "training", "latency_ms": 5}]
    messages = "\n".join(str(p) for p in problems(lambda: scenario_from_mapping(data)))
    assert "samples is missing" in messages
    assert "global_batch is missing" in messages
    assert "latency_ms has no meaning in mode training" in messages


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        ({"periods": ["2026-10", "2026-10"]}, "periods[1]", "is not after"),
        ({"periods": ["2027-01"]}, "periods[0]", "not the start"),
        ({"periods": ["2026-10", "2031-01"]}, "periods[1]", "after the horizon ends (2030-10)"),
        ({"objective": ["cost", "time", "cost"]}, "objective[2]", "listed twice"),
        ({"horizon_years": 0}, "horizon_years", "too small"),
    ],
)
def test_time_hangs_together(change: dict[str, Any], path: str, says: str) -> None:
    assert says in problems_in(base() | change)[path].message


def test_workloads_and_installed_systems_fit_the_plan() -> None:
    data = base()
    data["workloads"][0]["start"] = "2031-01"
    data["sites"][0]["installed"] = [{"system": "hgx_h800", "count": 4, "since": "2027-01"}]
    found = problems_in(data)
    assert "outside the plan" in found["workloads[0].start"].message
    assert "must stand there already" in found["sites[0].installed[0].since"].message


def test_periods() -> None:
    data = base() | {"periods": ["2026-10", "2027-04", "2028-10"]}
    del data["start"]
    scenario = scenario_from_mapping(data)
    assert scenario.start == "2026-10"
    assert scenario.period_years == (0.5, 1.5, 2.0)
    one = scenario_from_mapping(base())
    assert (one.period_starts, one.period_years) == (("2026-10",), (4.0,))


def test_empty_sections_mean_their_defaults() -> None:
    scenario = load_text(TEXT + "hardware:\nlimits:\nassume:\noverrides:\nvariants:\nsolve:\n")
    assert scenario == load_text(TEXT)
    assert scenario.hardware.acquire == ("buy",)


def test_defaults() -> None:
    scenario = load_text(TEXT)
    api = scenario.workloads[0]
    assert api.kind == "serving"
    assert (api.precision, api.percentile, api.cached_prefix, api.utilisation) == (("bf16",), 95, 0, 0.85)
    assert (scenario.objective, scenario.horizon_years, scenario.solve.gap) == (("cost",), 4, 0.001)


def test_one_text_will_do_where_a_list_is_wanted() -> None:
    data = base()
    data["objective"] = "carbon"
    data["hardware"] = {"systems": "sgx5000", "acquire": "rent"}
    scenario = scenario_from_mapping(data)
    assert scenario.objective == ("carbon",)
    assert (scenario.hardware.systems, scenario.hardware.acquire) == (("sgx5000",), ("rent",))


def test_data_that_goes_round_in_a_circle() -> None:
    data = base()
    data["outcomes"] = {"self": data}
    assert "nested deeper" in next(iter(problems_in(data).values())).message


def test_a_scenario_is_frozen() -> None:
    scenario = load_text(TEXT)
    with pytest.raises(Exception, match="frozen"):
        scenario.name = "other"  # type: ignore[misc]


_ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "1e3", "2026-10", "training", "x", "1e999", "9" * 200, ".inf"])
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    here = [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return here + [p for key, item in items for p in _places(item, (*path, key))]


FULL = base() | {
    "periods": ["2026-10", "2027-04"],
    "objective": ["cost", "time"],
    "overrides": {"a": {"limits.chips": 4, "include": ["b"]}, "b": {"sites.guizhou.racks": 3}},
    "variants": {"v": ["a"]},
    "solve": {"gap": 0.1},
}


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_stands_anywhere_is_read_or_refused(data: st.DataObject) -> None:
    whole = copy.deepcopy(FULL)
    path = data.draw(st.sampled_from(_places(FULL)[1:]))
    node: Any = whole
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = data.draw(_ODD)
    try:
        scenario = scenario_from_mapping(whole, variant=data.draw(st.sampled_from([None, "v", "a", "b"])))
    except InputError as error:
        assert all(p.message and len(str(p)) < 1500 for p in error.problems)  # noqa: PT017 - either may happen
    else:
        assert problem_digest(scenario_from_mapping(resolve(scenario)), "") == problem_digest(scenario, "")
