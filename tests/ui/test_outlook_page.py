"""The Outlook page with the real planner on a small scenario: every question, its chart and table, its limits."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from fake_planner import Thread
from streamlit.testing.v1 import AppTest

from planner.outlook.measure import Measure
from planner.outlook.result import Outlook, ParetoFront, Sensitivity
from planner.planning.question import CancelledError
from planner.plots.look_charts import front_chart, promises, tornado
from planner.ui import looks as looks_module
from planner.ui import service
from planner.ui.looks import KEY, Looks
from planner.ui.settings import Settings
from planner.ui.state import Visit

pytestmark = pytest.mark.usefixtures("in_process")
Open = Callable[..., AppTest]
SMALL = b"""\
name: small
start: 2026-10
sites:
  - {name: hall, region: us_va, power_mw: 1, cooling: [air_crah]}
hardware: {systems: [hgx_h100_oem, dgx_h200]}
workloads:
  - name: chat
    kind: serving
    model: llama-3.1-8b
    input_tokens: 1000
    output_tokens: 200
    requests_per_s: 5
    disaggregated: never
    parallelism: {tp: 1, pp: 1}
outcomes: {samples: 100, demand_factor: {chat: {values: [0.5, 1, 1e4]}}}
overrides:
  too_much: {workloads.chat.requests_per_s: 1e6}
"""


def state_of(at: AppTest) -> tuple[Visit, Looks]:
    v, mine = at.session_state["planner"], at.session_state[KEY]
    assert isinstance(v, Visit)
    assert isinstance(mine, Looks)
    return v, mine


def opened(app: Open) -> AppTest:
    """The page, with the small scenario."""
    at = app()
    v = at.session_state["planner"]
    v.open_upload("small.yaml", SMALL)
    assert not v.problems
    at.switch_page("planner/ui/pages/outlook.py").run()
    assert not at.exception
    return at


def ask(at: AppTest, kind: str) -> AppTest:
    """Choose a question, press Ask, and follow the page to its end."""
    at.button_group(key="look.kind").set_value(kind).run()
    next(b for b in at.button if b.label == "Ask").click().run()
    job = state_of(at)[1].job
    if job is not None:
        assert job.wait(60.0), "the question took too long"
        at.run()
    assert not at.exception
    return at


def drawn(at: AppTest) -> list[dict[str, Any]]:
    """The charts on the page, as their specifications."""
    return [json.loads(c.proto.spec) for c in at.get("vega_lite_chart")]


def words(at: AppTest) -> str:
    parts = [*at.header, *at.subheader, *at.markdown, *at.caption, *at.error, *at.warning, *at.info]
    return "\n".join(str(p.value) for p in parts).replace("\\", "")


def test_nothing_is_asked_before_it_is_asked_for(app: Open) -> None:
    at = opened(app)
    assert state_of(at)[1] == Looks()
    assert "small" in words(at)
    assert drawn(at) == []


def test_a_front_is_drawn_point_by_point(app: Open) -> None:
    at = ask(opened(app), "pareto")
    found = state_of(at)[1].found["pareto"][2]
    assert isinstance(found, ParetoFront)
    assert found.answer in words(at)
    assert len(drawn(at)) == 1
    assert len(at.dataframe[0].value) == len(found.points)
    points = front_chart(found).to_dict()["layer"][1]["data"]["values"]
    assert [(p["x"], p["y"]) for p in points] == [(p.values["cost"], p.values["power"]) for p in found.points]
    at.selectbox(key="look.second").set_value("carbon").run()
    assert "changed since" in words(at)
    at.selectbox(key="look.second").set_value("cost").run()
    assert next(b for b in at.button if b.label == "Ask").disabled


def test_near_best_plans_follow_the_best(app: Open) -> None:
    at = opened(app)
    at.button_group(key="look.kind").set_value("alternatives").run()
    at.number_input(key="look.near").set_value(50.0).run()
    at = ask(at, "alternatives")
    table = at.dataframe[0].value
    assert table["Plan"].iloc[0] == "best"
    assert len(table) > 1
    assert any("DGX H200" in text for text in table["Hardware"])


def test_a_tornado_spreads_from_the_plan(app: Open) -> None:
    at = ask(opened(app), "sensitivity")
    found = state_of(at)[1].found["sensitivity"][2]
    assert isinstance(found, Sensitivity)
    assert len(drawn(at)) == 1
    assert list(at.dataframe[0].value["Figure"]) == [m.path for m in found.inputs]
    chart = tornado(found)
    assert chart is not None
    bars = chart.to_dict()["layer"][0]["data"]["values"]
    assert all(b["from"] == found.value for b in bars)
    ends = [v for m in found.inputs for v in (m.value_low, m.value_high) if v is not None]
    assert [b["to"] for b in bars] == ends


def test_futures_tell_how_likely_promises_are_kept(app: Open) -> None:
    """Ten thousand times the demand in one future of three."""
    at = ask(opened(app), "outlook")
    found = state_of(at)[1].found["outlook"][2]
    assert isinstance(found, Outlook)
    promise = found.plans[0].promises[0]
    assert promise.probability == pytest.approx(2 / 3, abs=0.02)
    assert f"{promise.probability:.1%}" in at.dataframe[0].value["Kept"][0]
    chart = promises(found)
    assert chart is not None
    values = chart.to_dict()["layer"][0]["data"]["values"]
    assert [v["probability"] for v in values] == [t.probability for p in found.plans for t in p.promises]
    assert len(drawn(at)) == 1


def test_what_to_measure_next_and_what_its_results_decide(app: Open) -> None:
    at = ask(opened(app), "measure")
    found = state_of(at)[1].found["measure"][2]
    assert isinstance(found, Measure)
    assert found.answer.split()[0] in words(at)
    assert len(at.dataframe[0].value) == len(found.runs) > 0
    first = found.runs[0]
    assert at.dataframe[0].value["Changes what is bought"].iloc[0] == f"{first.changes:.0%}"
    assert f"{first.predicted:.3g}" in words(at)
    assert first.command in [c.value for c in at.code]
    assert all(f"{d.chance:.0%}" in words(at) for d in first.decisions)


def test_where_nothing_is_possible_the_last_document_stays(app: Open) -> None:
    at = ask(opened(app), "pareto")
    state_of(at)[0].variant = "too_much"
    at = ask(at, "pareto")
    assert "no plan is possible" in words(at)
    assert "pareto" in state_of(at)[1].found


def test_a_question_has_a_limit_in_all(app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*_: Any, cancel: Callable[[], bool], **__: Any) -> None:
        while not cancel():
            time.sleep(0.02)
        raise CancelledError("cancelled")

    at = opened(app)
    monkeypatch.setattr(service, "hire", lambda: Thread({"pareto": endless}))
    monkeypatch.setattr(looks_module, "settings", lambda: Settings(question_seconds=0.3))
    at = ask(at, "pareto")
    assert "the limit of the app for one question" in words(at)
    assert state_of(at)[1].found == {}
