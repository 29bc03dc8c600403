"""What the app keeps: questions, versions, plans, measurements, and what a second tab or a killed server do to them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_planner import FakePlanner, use
from streamlit.testing.v1 import AppTest
from test_app import field, finish, plan_button, press_plan, text_of, visit_of

from planner.errors import InputError
from planner.ui import service
from planner.ui.store import PlanRow, Store, store, store_url
from planner.ui.store.tables import Base

Open = Callable[..., AppTest]


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Store]:
    """A store of the test's own: SQLite, or the PostgreSQL database that ``PLANNER_TEST_STORE`` names, emptied."""
    made = Store(os.environ.get("PLANNER_TEST_STORE") or f"sqlite:///{tmp_path / 'own.sqlite'}")
    yield made
    if made.engine.dialect.name != "sqlite":
        Base.metadata.drop_all(made.engine)
    made.engine.dispose()


def plan_row(**fields: object) -> PlanRow:
    row = {"id": "p", "owner": "", "name": "n", "key": "k", "text": "x", "state": "working", "server": "s"} | fields
    return PlanRow(**row)  # type: ignore[arg-type]


def test_the_store_is_where_the_environment_says() -> None:
    assert store_url({"PLANNER_APP_STORE": "postgresql+psycopg://u@h/d"}) == "postgresql+psycopg://u@h/d"
    assert store_url({"PLANNER_APP_STORE": "/data/x.db"}) == "sqlite:////data/x.db"
    assert store_url({}).endswith("ai-compute-planner/app.sqlite")


@pytest.mark.parametrize("url", ["nonsense://x", "sqlite:////proc/nowhere/x.sqlite", "postgresql+psycopg://h:1/d"])
def test_a_store_that_cannot_be_used_is_told(url: str) -> None:
    with pytest.raises(InputError, match="PLANNER_APP_STORE"):
        Store(url)


def test_what_another_tab_wrote_is_kept_as_a_version(kept: Store) -> None:
    row = kept.add_question("", "q", "q.yaml", "one", None)
    kept.change_question(row.id, seen="one", text="two")
    kept.change_question(row.id, seen="one", text="three")  # a tab that never saw "two"
    now = kept.question(row.id)
    assert now is not None
    assert now.text == "three"
    assert [v.text for v in kept.versions(row.id)] == ["two"]
    assert kept.freeze(row.id) == kept.freeze(row.id) == 2  # the same text is one version


def test_search_finds_every_word_in_names_notes_and_text(kept: Store) -> None:
    kept.add_question("", "Winter plan", "a.yaml", "model: llama", None, "for the board")
    kept.add_question("", "Summer plan", "b.yaml", "model: qwen_100%", None)
    kept.add_question("eve", "Winter plan", "c.yaml", "model: llama", None)
    assert [q.name for q in kept.questions("", "winter LLAMA")] == ["Winter plan"]
    assert [q.name for q in kept.questions("", "board")] == ["Winter plan"]
    assert [q.name for q in kept.questions("", "100%")] == ["Summer plan"]
    assert len(kept.questions("")) == 2


def test_a_plan_whose_server_fell_silent_was_interrupted(kept: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.add_plan(plan_row(), most=10)
    told = kept.plan("p")
    assert told is not None
    assert told.state == "working"
    later = time.time() + store.SILENT_S + 1
    monkeypatch.setattr(store.time, "time", lambda: later)
    told = kept.plan("p")
    assert told is not None
    assert told.state == "interrupted"


def test_only_so_many_plans_are_kept_and_noted_ones_stay(kept: Store) -> None:
    kept.add_plan(plan_row(id="a", key="a", note="keep me"), most=2)
    for name in "bcd":
        kept.add_plan(plan_row(id=name, key=name), most=2)
    assert {p.id for p in kept.plans("")} == {"a", "d"}


def test_a_reload_and_a_second_tab_find_the_edited_question_and_its_answer(fake: FakePlanner, app: Open) -> None:
    at = app()
    field(at, "Power at the meter (MW)").set_value(8.0)
    at = press_plan(at)
    names = {n: at.query_params[n] for n in ("plan", "question")}
    again = app("", **{n: v[0] if isinstance(v, list) else v for n, v in names.items()})
    assert not again.exception
    assert field(again, "Power at the meter (MW)").value == 8
    assert again.header[0].value == at.header[0].value
    assert "Inputs changed" not in text_of(again)
    assert len(fake.asked) == 1


def test_an_interrupted_plan_says_so_and_is_started_again(
    fake: FakePlanner, app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, FakePlanner(seconds=30))
    at = app()
    field(at, "Power at the meter (MW)").set_value(8.0)
    plan_button(at).click().run()
    id_ = visit_of(at).plan_id or visit_of(at).waiting.id  # type: ignore[union-attr]
    service.store().change_plan(id_, server="another", seen=0.0)  # it was killed some time ago
    service.pool().close()
    service.pool.clear()
    use(monkeypatch, fake)
    again = app("", plan=id_)
    assert "interrupted" in text_of(again)
    next(b for b in again.button if b.label == "Start it again").click().run()
    again = finish(again)
    assert visit_of(again).answer is not None, text_of(again)
    assert fake.asked[-1][0]["sites"][0]["power_mw"] == 8


def test_an_address_that_names_nothing_says_so(fake: FakePlanner, app: Open) -> None:
    for name in ("plan", "question", "scenario"):
        at = app(**({"scenario": ""} | {name: "nothing"}))
        assert not at.exception
        assert f"there is no such {name}" in text_of(at)
        assert visit_of(at).draft is not None
    at = app("quickstart", variant="nothing")
    assert "there is no such variant" in text_of(at)
    assert visit_of(app("quickstart", variant="double")).variant == "double"
