"""Building a question without its file: parts, fields with their errors, halls, figures, and the file both ways."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from fake_planner import FakePlanner
from streamlit.testing.v1 import AppTest
from test_app import finish, text_of, visit_of

from planner.catalog import load_catalog
from planner.scenario import scenario_from_mapping
from planner.scenario.kinds import SHIPPED, OtherWords, kind_of
from planner.ui import service
from planner.ui.build import drafts
from planner.ui.build.fields import Choices, fields_of
from planner.ui.build.figures import assumed, figure_rows, hardware_rows

Open = Callable[..., AppTest]
PAGE = "planner/ui/pages/build.py"


@pytest.fixture
def build(fake: FakePlanner, app: Open) -> AppTest:
    """The page with a new question."""
    at = app().switch_page(PAGE).run()
    return press(at, "New question")


def press(at: AppTest, label: str) -> AppTest:
    next(b for b in at.button if b.label == label).click().run()
    assert not at.exception
    return at


def part(at: AppTest, name: str) -> AppTest:
    at.button_group(key="build.part").set_value(name).run()
    assert not at.exception
    return at


def of(widgets: Any, label: str) -> Any:
    return next(w for w in widgets if w.label.startswith(label))


def data_of(at: AppTest) -> dict[str, Any]:
    draft = visit_of(at).draft
    assert draft is not None
    return dict(draft.data)


@pytest.mark.parametrize("name", drafts.WORKLOADS)
def test_every_new_workload_is_whole_and_known_to_the_catalog(name: str) -> None:
    data = {**drafts.new_question("2026-10"), "workloads": [drafts.WORKLOADS[name]]}
    text = yaml.safe_dump(data).encode()
    assert service.open_bytes(text, "q.yaml").scenario.workloads[0].name == drafts.WORKLOADS[name]["name"]


def test_every_kind_of_workload_can_be_begun_and_its_first_fields_are_its_own() -> None:
    assert {w["kind"] for w in drafts.WORKLOADS.values()} >= {kind_of(record) for record in SHIPPED}
    for kind, drafted in drafts.WORKLOADS.items():
        data = {**drafts.new_question("2026-10"), "workloads": [drafted]}
        workload = scenario_from_mapping(data, "q").workloads[0]
        main, others = fields_of(workload, ("workloads", 0), Choices({}))
        at_once = {str(i.path[-1]) for i in main}
        assert len(main) <= 12, kind
        # what a kind asks in words of its own is seen without a click, and what it derives is not asked at all
        assert set(drafted) - {"kind", "guidance", "longest_answer", "global_batch"} <= at_once, kind
        if isinstance(workload, OtherWords):
            assert not {str(i.path[-1]) for i in (*main, *others)} & workload.HIDDEN, kind


def test_no_label_says_its_unit_twice_or_in_the_words_of_a_file() -> None:
    for name in service.shipped():
        scenario = service.open_shipped(name).scenario
        for record in (
            scenario,
            scenario.limits,
            scenario.solve,
            scenario.hardware,
            *scenario.sites,
            *scenario.workloads,
        ):
            for item in [i for part in fields_of(record, ("x",), Choices({})) for i in part]:
                words = re.sub(r"\(.*?\)$", "", item.label)
                assert not re.search(r"\b(usd|per kwh?|m3|gb)\b|\(.*\)|per $", words), item.label


def test_lists_grow_and_shrink_and_names_stay_apart() -> None:
    data = drafts.added_site(drafts.new_question("2026-10"))
    assert [s["name"] for s in data["sites"]] == ["hall", "hall-2"]
    data = drafts.duplicated(data, "workloads", 0)
    data["overrides"] = {"more": {"workloads.serving.requests_per_s": 9, "sites.hall.power_mw": 3}}
    data["workloads"][1] = {**data["workloads"][1], "after": ["serving"]}
    data = drafts.renamed(data, "workloads", 0, "chat")
    assert data["overrides"]["more"] == {"workloads.chat.requests_per_s": 9, "sites.hall.power_mw": 3}
    assert data["workloads"][1]["after"] == ["chat"]
    data = drafts.removed(data, "sites", 0)
    assert data["overrides"]["more"] == {"workloads.chat.requests_per_s": 9}
    assert [s["name"] for s in data["sites"]] == ["hall-2"]


def test_a_table_of_halls_is_the_tree_and_keeps_what_it_does_not_show() -> None:
    draft = service.open_shipped("three-level-10mw.yaml")
    capacity = draft.data["sites"][0]["capacity"]
    rows = drafts.halls_table(capacity)
    assert any("/" in row["place"] for row in rows)
    assert drafts.halls_tree(rows, capacity) == capacity
    nested = {"halls": [{"name": "a", "kind": "hall", "power_mw": 3, "halls": [{"name": "b", "power_mw": 1}]}]}
    rows = drafts.halls_table(nested)
    rows[1]["power_mw"] = 2
    assert drafts.halls_tree(rows, nested) == {
        "halls": [{"name": "a", "kind": "hall", "power_mw": 3, "halls": [{"name": "b", "power_mw": 2}]}]
    }


def test_every_field_of_every_shipped_scenario_is_an_input_that_says_the_same() -> None:
    """Nothing of a file is out of reach of the form, and showing it changes nothing."""
    from planner.ui.inputs import changes

    for name in service.shipped():
        scenario = service.open_shipped(name).scenario
        records = [(scenario.hardware, ("hardware",)), (scenario.limits, ("limits",)), (scenario, ())]
        records += [(s, ("sites", i)) for i, s in enumerate(scenario.sites)]  # type: ignore[list-item,misc]
        records += [(w, ("workloads", i)) for i, w in enumerate(scenario.workloads)]  # type: ignore[list-item,misc]
        for record, path in records:
            main, others = fields_of(record, path, Choices({}))
            assert main, name
            plain = [i for i in (*main, *others) if i.kind != "yaml"]
            assert changes(plain, {i.key: i.value for i in plain}) == {}, name
            shown = {i.path[-1] for i in (*main, *others)}
            missing = set(type(record).model_fields) - shown - getattr(record, "HIDDEN", frozenset())
            assert missing <= {"kind", "version", "sites", "workloads", "hardware", "limits", "assume", "assume_file",
                               "solve", "overrides", "variants", "capacity"}, name  # fmt: skip


def test_figures_show_what_is_assumed_and_what_nobody_has_published() -> None:
    catalog = load_catalog(None)
    rows = figure_rows(catalog, {"chips": {"h800_sxm": {"tdp_w": 1}}}, ["hgx_h800"], service.names())
    assert rows[0]["Value"] == 1
    price = next(r for r in rows if r["_path"] == ("systems", "hgx_h800", "price_usd"))
    assert price["Value"] is None
    assert price["Source"]
    block = assumed({"chips": {"h800_sxm": {"tdp_w": 1}}}, {price["_path"]: 5.0, ("chips", "h800_sxm", "tdp_w"): None})
    assert block == {"systems": {"hgx_h800": {"price_usd": 5.0}}}


def test_hardware_is_listed_by_names_people_know() -> None:
    rows = hardware_rows(load_catalog(None), service.names(), ["mi300x_8"])
    mine = next(r for r in rows if r["✓"])
    assert (mine["Name"], mine["Vendor"]) == ("AMD Instinct MI300X, 8 in a server", "AMD")


def test_a_question_is_built_from_nothing_and_planned(fake: FakePlanner, build: AppTest) -> None:
    at = build
    of(at.text_input, "Name").set_value("campus").run()
    of(at.number_input, "Power at the meter").set_value(30.0).run()
    at = press(at, "Add a site")
    assert [s["name"] for s in data_of(at)["sites"]] == ["campus", "hall"]
    at = part(at, "Workloads")
    at.selectbox(key="build.kind").set_value("Pre-training").run()
    at = press(at, "Add a workload")
    of(at.number_input, "Tokens to train on").set_value(15_000.0).run()
    assert data_of(at)["workloads"][1]["tokens"] == 15_000_000_000_000
    at = part(at, "Hardware")
    of(at.multiselect, "Systems").set_value(["mi300x_8", "dgx_h200"]).run()
    at = part(at, "Limits and time")
    of(at.number_input, "Horizon").set_value(5.0).run()
    at = press(at, "Plan it")
    at = finish(at)
    asked = fake.asked[-1][0]
    assert asked["hardware"]["systems"] == ["mi300x_8", "dgx_h200"]
    assert asked["horizon_years"] == 5
    assert [w["kind"] for w in asked["workloads"]] == ["serving", "training"]
    assert scenario_from_mapping(asked, "q").sites[0].power_mw == 30
    assert service.store().questions("")[0].text == visit_of(at).draft.yaml()  # type: ignore[union-attr]


def test_an_error_stands_at_its_field_and_changes_nothing(build: AppTest) -> None:
    at = part(build, "Limits and time")
    of(at.text_input, "First month").set_value("soon").run()
    assert "is not a month" in at.error[0].value
    assert data_of(at)["start"] != "soon"
    of(at.text_input, "First month").set_value("2027-01").run()
    assert not at.error
    assert data_of(at)["start"] == "2027-01"


def test_the_file_is_the_question_both_ways(build: AppTest) -> None:
    at = part(build, "As a file")
    text = at.text_area[0].value
    assert yaml.safe_load(text) == data_of(at)
    at.text_area[0].set_value(text.replace("power_mw: 10", "power_mw: 12  # my own words")).run()
    at = press(at, "Apply")
    assert data_of(at)["sites"][0]["power_mw"] == 12
    assert "my own words" in at.text_area[0].value
    at.text_area[0].set_value(text.replace("power_mw: 10", "power_kw: 10")).run()
    at = press(at, "Apply")
    assert "unknown field 'power_kw'" in text_of(at)
    assert data_of(at)["sites"][0]["power_mw"] == 12
