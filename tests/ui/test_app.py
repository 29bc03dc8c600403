"""Every page of the app, headless: load, edit, plan, no plan, broken files, cancelling, and the real planner once."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_planner import LEAST_MW, FakePlanner, use
from sample_plan import sample_plan
from streamlit.testing.v1 import AppTest

from planner.answer.plan import Plan
from planner.report.names import readable
from planner.report.summary import served_requests
from planner.ui import service
from planner.ui.state import Visit

SCENARIOS = Path(__file__).parents[2] / "scenarios"
Open = Callable[..., AppTest]


def visit_of(at: AppTest) -> Visit:
    found = at.session_state["planner"]
    assert isinstance(found, Visit)
    return found


def field(at: AppTest, label: str) -> Any:
    """The number input of a label."""
    return next(i for i in at.number_input if i.label == label)


def plan_button(at: AppTest) -> Any:
    return next(b for b in at.button if b.label == "Plan")


def press_plan(at: AppTest) -> AppTest:
    """Press Plan and follow the page until there is an answer."""
    plan_button(at).click().run()
    return finish(at)


def finish(at: AppTest, timeout_s: float = 60.0) -> AppTest:
    job = visit_of(at).job
    if job is not None:
        assert job.wait(timeout_s), "the plan took too long"
        at.run()
    return at


def text_of(at: AppTest) -> str:
    """All words on the page, without the escapes that keep them from being markup."""
    parts = [*at.header, *at.subheader, *at.markdown, *at.caption, *at.error, *at.warning, *at.info]
    return "\n".join(str(p.value) for p in parts).replace("\\", "")


def board_of(at: AppTest) -> dict[str, str]:
    """The cards of the first screen as text, by name."""
    found = "".join(str(h.proto.body) for h in at.get("html") if 'class="board"' in h.proto.body)
    cards = re.findall(r'data-card="(\w+)">(.*?)</section>', found, re.DOTALL)
    return {key: unescape(re.sub(r"<[^>]+>", " ", body)) for key, body in cards}


def test_the_first_page_shows_a_scenario_and_asks_for_a_plan(fake: FakePlanner, app: Open) -> None:
    at = app()
    assert not at.exception
    assert field(at, "Power at the meter (MW)").value == 1
    assert field(at, "Requests at the peak (requests/s)").value == 20
    assert "press **Plan**" in text_of(at)
    assert fake.asked == []  # nothing is planned before it is asked for


def test_no_more_than_ten_inputs_show_at_once(fake: FakePlanner, app: Open) -> None:
    for name in service.shipped():
        at = app(name.removesuffix(".yaml"))
        assert not at.exception, name
        kinds = ("NumberInput", "Selectbox", "Multiselect")
        every = [e for e in at.sidebar if type(e).__name__ in kinds]
        folded = [e for box in at.sidebar.expander for e in box if type(e).__name__ in kinds]
        assert 3 <= len(every) - len(folded) <= 10, name


def test_every_input_has_a_label(fake: FakePlanner, app: Open) -> None:
    at = press_plan(app())
    for page in ("plan", "outlook", "compare", "catalog", "accuracy", "help"):
        at.switch_page(f"planner/ui/pages/{page}.py").run()
        widgets = [*at.number_input, *at.selectbox, *at.multiselect, *at.text_input, *at.button, *at.file_uploader]
        assert all(w.label.strip() for w in widgets), page


def test_what_is_typed_is_planned_whichever_button_asks_for_it(fake: FakePlanner, app: Open) -> None:
    at = app()
    field(at, "Requests at the peak (requests/s)").set_value(33.0)
    next(b for b in at.button if b.label == "Plan this question").click().run()
    finish(at)
    assert fake.asked[-1][0]["workloads"][0]["requests_per_s"] == 33
    field(at, "Requests at the peak (requests/s)").set_value(34.0).run()
    assert "Inputs changed" in text_of(at)
    at.switch_page("planner/ui/pages/build.py").run()
    at.switch_page("planner/ui/pages/plan.py").run()
    assert field(at, "Requests at the peak (requests/s)").value == 34
    next(b for b in at.button if b.label == "Plan it").click().run()
    finish(at)
    assert fake.asked[-1][0]["workloads"][0]["requests_per_s"] == 34
    assert "Inputs changed" not in text_of(at)


def test_a_number_out_of_bounds_is_refused_with_what_is_allowed(fake: FakePlanner, app: Open) -> None:
    at = app()
    for wrong, why in ((-5.0, "may not be negative"), (1e30, "is too large")):
        field(at, "Requests at the peak (requests/s)").set_value(wrong).run()
        assert why in text_of(at)
        assert "at most 1e+08" in text_of(at)
        plan_button(at).click().run()
        assert fake.asked == []
        assert why in text_of(at)
    field(at, "Requests at the peak (requests/s)").set_value(20.0).run()
    assert "These inputs" not in text_of(at)


def test_an_edit_reaches_the_planner_and_the_answer_is_shown(fake: FakePlanner, app: Open) -> None:
    at = app()
    field(at, "Power at the meter (MW)").set_value(8.0)
    at = press_plan(at)
    assert not at.exception
    scenario, variant = fake.asked[-1]
    assert scenario["sites"][0]["power_mw"] == 8
    assert variant is None
    assert "Train on 4,096 H800" in at.header[0].value.replace("\\", "")
    board = board_of(at)
    assert list(board) == ["what", "cost", "long", "sure", "limits", "changes", "others"]
    assert f"{4096 + 768:,} chips" in board["what"]
    assert "3.56 MW at the meter" in board["what"]
    assert "gap 0.04% to the bound" in board["sure"]
    words = text_of(at)
    for part in ("What binds", "-$212,000 per day", "Assumptions", "Proof", "Alternatives", "verified"):
        assert part in words
    table = at.dataframe[0].value
    assert list(table["Workload"]) == ["pretrain", "api"]
    assert len(at.get("vega_lite_chart")) == 7


def test_a_scaled_number_comes_back_in_the_file_s_unit(fake: FakePlanner, app: Open) -> None:
    at = app("deepseek-v3-pretrain")
    tokens = field(at, "Tokens to train on (billions)")
    assert tokens.value == 14_800
    tokens.set_value(20_000.0)
    press_plan(at)
    assert fake.asked[-1][0]["workloads"][0]["tokens"] == 20_000_000_000_000


def test_limits_of_the_app_bind_the_solver(fake: FakePlanner, app: Open) -> None:
    press_plan(app())
    asked = fake.asked[-1][0]["solve"]
    assert asked["time_limit_s"] <= service.settings().solve_seconds
    assert asked["threads"] <= service.settings().threads


def test_the_same_question_is_answered_from_the_cache(fake: FakePlanner, app: Open) -> None:
    at = press_plan(app())
    press_plan(at)
    press_plan(app())  # another visitor
    assert len(fake.asked) == 1


def test_downloads_hold_the_plan_and_the_scenario(fake: FakePlanner, app: Open) -> None:
    at = press_plan(app())
    labels = [b.label for b in at.download_button]
    assert labels == [
        "Report (PDF)", "Report (HTML)", "Tables (XLSX)", "Charts (PNG, SVG)", "Scenario (YAML)", "Download plan.json"
    ]  # fmt: skip
    visit = visit_of(at)
    assert visit.answer is not None
    assert Plan.from_json(visit.answer.to_json()) == visit.answer
    # not edited: the file itself, comments and all
    assert visit.answered_yaml == (SCENARIOS / "quickstart.yaml").read_text(encoding="utf-8")
    field(at, "Power at the meter (MW)").set_value(5.0)
    edited = visit_of(press_plan(at)).answered_yaml
    assert yaml.safe_load(edited)["sites"][0]["power_mw"] == 5
    assert service.open_bytes(edited.encode(), "again.yaml").scenario.sites[0].power_mw == 5


def test_choosing_something_else_says_that_the_answer_is_older(fake: FakePlanner, app: Open) -> None:
    at = press_plan(app())
    assert "Inputs changed" not in text_of(at)
    next(s for s in at.selectbox if s.label == "Variant").select("double").run()
    assert "Inputs changed since the last plan" in text_of(at)
    assert "workloads.assistant.requests_per_s = 40" in text_of(at)
    at = press_plan(at)
    assert fake.asked[-1][1] == "double"
    assert "Inputs changed" not in text_of(at)


def test_no_plan_explains_and_a_button_makes_one_possible(fake: FakePlanner, app: Open) -> None:
    at = press_plan(app())
    good = at.header[0].value
    field(at, "Power at the meter (MW)").set_value(0.2)
    at = press_plan(at)
    assert not at.exception
    assert "These cannot hold together" in text_of(at)
    assert good in [h.value for h in at.header]  # the last good answer stays
    help_button = next(b for b in at.button if b.label.startswith("Raise the power"))
    help_button.click().run()
    at = finish(at)
    assert fake.asked[-1][0]["sites"][0]["power_mw"] == LEAST_MW
    assert field(at, "Power at the meter (MW)").value == LEAST_MW
    assert "These cannot hold together" not in text_of(at)


def test_a_change_that_a_variant_would_undo_takes_the_variant_in(fake: FakePlanner, app: Open) -> None:
    text = (SCENARIOS / "quickstart.yaml").read_text(encoding="utf-8")
    text = text.replace(
        "  double:", "  tight: {sites.ashburn.power_mw: 0.5, workloads.assistant.tpot_ms: 30}\n  double:"
    )
    at = app()
    at.file_uploader[0].upload("tight.yaml", text.encode()).run()
    next(s for s in at.selectbox if s.label == "Variant").select("tight").run()
    visit = visit_of(at)
    assert visit.draft is not None
    visit.settle_variant(("sites", 0, "power_mw"))
    assert visit.variant is None
    assert visit.draft.data["sites"][0]["power_mw"] == 0.5
    assert visit.draft.data["workloads"][0]["tpot_ms"] == 30


def test_a_broken_upload_lists_every_problem_and_changes_nothing(fake: FakePlanner, app: Open) -> None:
    at = press_plan(app())
    good = at.header[0].value
    text = (SCENARIOS / "quickstart.yaml").read_text(encoding="utf-8")
    broken = text.replace("power_mw: 1 ", "power_kw: 900 ").replace("requests_per_s: 20", "requests_per_s: -20")
    at.file_uploader[0].upload("broken.yaml", broken.encode()).run()
    assert not at.exception
    words = text_of(at)
    line = next(i for i, row in enumerate(broken.splitlines(), 1) if "power_kw" in row)
    assert f"broken.yaml, line {line}" in words
    assert "power_mw" in words
    assert "Found: -20" in words
    assert "Traceback" not in words
    assert good in [h.value for h in at.header]
    assert field(at, "Power at the meter (MW)").value == 1


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "is empty"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"[" * 500, "deeper"),
        (b"a: &x 1\nb: *x\n", "anchors"),
        (b"x" * (1 << 20) + b"y", "too large"),
        (b"a: !!python/object/apply:os.system [ls]\n", "tags"),
    ],
)
def test_hostile_uploads_are_refused_in_words(fake: FakePlanner, app: Open, content: bytes, word: str) -> None:
    at = app()
    at.file_uploader[0].upload("../../etc/<img src=x>.yaml", content).run()
    assert not at.exception
    assert word in text_of(at)
    assert "Traceback" not in text_of(at)
    assert visit_of(at).draft is not None


def test_text_from_files_is_never_markup(fake: FakePlanner, app: Open) -> None:
    text = (SCENARIOS / "quickstart.yaml").read_text(encoding="utf-8")
    hostile = "![x](https://example.org/t.png) <script>alert(1)</script> $x$ :red[y]"
    at = app()
    at.file_uploader[0].upload("h.yaml", text.replace("name: A 70B assistant", f"name: '{hostile}'").encode()).run()
    at = press_plan(at)
    raw = "\n".join(str(c.value) for c in [*at.caption, *at.markdown, *at.header])
    assert hostile not in raw
    assert "![x](" not in raw
    assert "<script" not in raw.replace("\\<script", "")
    assert hostile in text_of(at)


def test_input_that_the_planner_refuses_is_told_and_the_answer_stays(fake: FakePlanner, app: Open) -> None:
    at = press_plan(app())
    good = at.header[0].value
    visit = visit_of(at)
    assert visit.draft is not None
    data = {**visit.draft.data, "sites": [{**visit.draft.data["sites"][0], "region": "nowhere"}]}
    visit.draft = visit.draft.with_data(data)
    at = press_plan(at.run())
    assert "unknown region" in text_of(at)
    assert "Did you mean: us" in text_of(at)
    assert good in [h.value for h in at.header]


def test_a_fault_of_the_planner_shows_no_traceback(fake: FakePlanner, app: Open) -> None:
    at = app()
    text = (SCENARIOS / "quickstart.yaml").read_text(encoding="utf-8")
    at.file_uploader[0].upload("c.yaml", text.replace("ashburn", "crash").encode()).run()
    at = press_plan(at)
    assert not at.exception
    assert "our fault" in text_of(at)
    assert "RuntimeError" not in text_of(at)


def test_a_long_plan_shows_progress_and_can_be_cancelled(
    fake: FakePlanner, app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = press_plan(app())
    slow = FakePlanner(seconds=300)
    use(monkeypatch, slow)
    field(at, "Power at the meter (MW)").set_value(7.0)
    plan_button(at).click().run()
    assert visit_of(at).job is not None
    assert plan_button(at).disabled
    assert len(at.get("progress")) == 1
    end = time.monotonic() + 20
    while service.store().plans("")[0].state != "working" and time.monotonic() < end:
        time.sleep(0.05)
    assert service.store().plans("")[0].state == "working"
    assert "512" in at.header[0].value  # the last good answer stays meanwhile
    next(b for b in at.button if b.label == "Cancel").click().run()
    at = finish(at, 60)
    assert "Stopped" in text_of(at)
    assert not at.exception
    use(monkeypatch, fake)
    at = press_plan(at)  # what was stopped is not kept as the answer
    assert fake.asked[-1][0]["sites"][0]["power_mw"] == 7


def test_compare_shows_what_differs(fake: FakePlanner, app: Open) -> None:
    at = app()
    at.switch_page("planner/ui/pages/compare.py").run()
    assert "Nothing to compare yet" in text_of(at)
    at.switch_page("planner/ui/pages/plan.py").run()
    at = press_plan(at)
    field(at, "Power at the meter (MW)").set_value(8.0)
    at = press_plan(at)
    at.switch_page("planner/ui/pages/compare.py").run()
    assert not at.exception
    table = at.dataframe[0].value
    chips = table[(table["Section"] == "Totals") & (table["Fact"] == "Chips")].iloc[0]
    first, second = [c for c in table.columns if c not in ("≠", "Section", "Fact")]
    assert (first, second) == ("A 70B assistant", "A 70B assistant (2)")
    assert chips[first] != chips[second]
    assert "Scenario" not in set(table["Fact"])  # the same in both
    at.toggle[0].set_value(False).run()
    table = at.dataframe[0].value
    assert "Scenario" in set(table["Fact"])
    assert set(table[table["Fact"] == "Scenario"]["≠"]) == {""}
    assert set(table[(table["Section"] == "Totals") & (table["Fact"] == "Chips")]["≠"]) == {"●"}


def test_compare_takes_plan_files_and_refuses_others(fake: FakePlanner, app: Open) -> None:
    at = app()
    at.switch_page("planner/ui/pages/compare.py").run()
    at.file_uploader[0].upload("p.json", sample_plan().to_json().encode()).run()
    assert "Train on 2,048 H800" in text_of(at)
    at.file_uploader[0].set_value(("q.json", b'{"status": "nonsense"}', "application/json")).run()
    assert not at.exception
    assert "q.json" in text_of(at)
    assert len(service.store().plans("")) == 1


def test_state_survives_a_change_of_page(fake: FakePlanner, app: Open) -> None:
    at = app("kuae-10k")
    origin = visit_of(at).draft
    at = press_plan(at)
    at.switch_page("planner/ui/pages/help.py").run()
    assert "How to read a plan" in text_of(at)
    at.switch_page("planner/ui/pages/plan.py").run()
    assert visit_of(at).draft == origin
    assert visit_of(at).answer is not None
    assert board_of(at)


def test_the_catalog_is_searched_and_filtered(fake: FakePlanner, app: Open) -> None:
    at = app()
    at.switch_page("planner/ui/pages/catalog.py").run()
    assert not at.exception
    assert len(at.dataframe[0].value) == len(service.catalog().chips)
    at.text_input[0].set_value("s5000").run()
    ids = set(at.dataframe[0].value["Id"])
    assert ids
    assert all("s5000" in i for i in ids)
    at.text_input[0].set_value("").run()
    at.multiselect[0].select("NVIDIA").run()
    assert set(at.dataframe[0].value["Vendor"]) == {"NVIDIA"}
    for kind in ("Systems", "Models", "Regions", "Cooling", "Interconnects", "Costs"):
        at.button_group[0].set_value(kind).run()
        assert not at.exception, kind
        assert len(at.dataframe[0].value) > 5, kind


def test_accuracy_waits_to_be_asked_and_then_names_the_worst(
    fake: FakePlanner, app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    from planner.validation import report
    from planner.validation.cases import CaseResult

    tags = {"source": "a paper", "model": "m", "chip": "h100_sxm", "precision": "bf16", "kind": "training"}
    results = (
        CaseResult("near-1", "step_time_s", 10.0, 10.5, 9.0, 12.0, baseline=13.0, tags=tags),
        CaseResult("far-1", "step_time_s", 10.0, 20.0, 15.0, 25.0, baseline=12.0, tags=tags),
        CaseResult("none-1", "step_time_s", 10.0, None, reason="the model is not in the catalog", tags=tags),
    )
    monkeypatch.setattr(report, "validate", lambda *_: report.ValidationReport(results))
    at = app()
    at.switch_page("planner/ui/pages/accuracy.py").run()
    assert not at.exception
    assert not at.metric
    next(b for b in at.button if b.label.startswith("Predict every")).click().run()
    assert not at.exception
    shown = {m.label: m.value.replace("\\", "") for m in at.metric}
    assert shown["Mean error"] == "52.5%"
    assert shown["Inside the 80% interval"] == "50%"
    assert next(iter(at.dataframe[0].value["Case"])) == "far-1"
    assert "not in the catalog" in text_of(at)


def test_measurements_of_one_s_own_are_kept_and_predicted(app: Open) -> None:
    at = app()
    at.switch_page("planner/ui/pages/accuracy.py").run()
    text = (
        "case_id,model,chip,n_chips,framework,framework_version,weight_precision,tp,isl,osl,concurrency_or_batch,"
        "output_tok_s_per_chip\nmine-1,Llama-3.1-70B,H100-SXM,8,vLLM,0.10,fp8,8,1000,500,64,250\n"
    )
    uploader = next(u for u in at.file_uploader if "validate" in u.label)
    uploader.upload("mine.csv", text.encode()).run()
    assert not at.exception
    assert service.store().measurements("")[0].text == text
    next(b for b in at.button if b.label == "Keep and predict").click().run()
    assert not at.exception
    table = at.dataframe[-1].value
    assert list(table["Case"]) == ["mine-1"]
    assert table["Predicted"][0] > 0, table
    app()  # another visitor
    assert len(service.store().measurements("")) == 1


def test_a_catalog_that_cannot_be_read_is_told_on_every_page(
    monkeypatch: pytest.MonkeyPatch, app: Open, tmp_path: Path
) -> None:
    service.catalog.clear()
    monkeypatch.setenv("PLANNER_CATALOG", str(tmp_path / "nowhere"))
    try:
        at = app()
        assert not at.exception
        assert at.title[0].value == "The planner cannot start"
        assert "does not exist" in text_of(at)
    finally:
        service.catalog.clear()


def test_the_real_planner_answers_through_the_app(app: Open) -> None:
    """Proves that page, job, planner and report fit together: the quickstart, edited, planned and verified."""
    at = app()
    field(at, "Requests at the peak (requests/s)").set_value(30.0)
    at = press_plan(at)
    assert not at.exception
    answer = visit_of(at).answer
    assert answer is not None, text_of(at)
    assert answer.verified
    assert answer.status in {"proven_optimal", "within_gap"}
    assert served_requests(answer, "assistant") >= 30
    told = readable(answer.answer, service.short()).lower()
    assert all(part in text_of(at).lower() for part in told.split("; "))


def test_the_real_planner_s_way_out_of_no_plan_works_as_a_button(app: Open) -> None:
    """Proves that the limits the real explanation names are found in the form."""
    at = app()
    field(at, "Power at the meter (MW)").set_value(0.004)
    at = press_plan(at)
    refused = visit_of(at).refused
    assert refused is not None, text_of(at)
    assert refused.status == "infeasible"
    ways = [b for b in at.button if (b.key or "").startswith("nearest.")]
    assert ways, [n.limit for n in refused.nearest]
    ways[0].click().run()
    at = finish(at)
    assert visit_of(at).answer is not None, text_of(at)
