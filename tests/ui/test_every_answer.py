"""The page of every shipped scenario's plan: seven questions answered, and no number that the plan does not say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from shipped_plans import FOLDER, NAMES, planned
from streamlit.testing.v1 import AppTest
from test_app import board_of, text_of
from walked import astray, charted, numbers, pool_of, words_of

from planner.answer.plan import Plan
from planner.answer.rows import alternative_rows, timeline_rows
from planner.ui import service
from planner.ui.store import PlanRow

APP, TIMEOUT_S = Path(__file__).parents[2] / "app.py", 30
QUESTIONS = ["what", "cost", "long", "sure", "limits", "changes", "others"]
FEWEST = 60
"""Numbers with a unit on the page of the simplest plan."""


def page_of(plan: Plan, yaml: str) -> AppTest:
    """The Plan page with a kept plan open."""
    service.store().keep_answer("key", plan.to_json())
    service.store().add_plan(PlanRow("theplan", "", plan.scenario, "key", yaml, "done"), 9)
    at = AppTest.from_file(str(APP), default_timeout=TIMEOUT_S)
    at.query_params["plan"] = "theplan"
    at.run()
    assert not at.exception
    return at


@pytest.mark.parametrize("name", NAMES)
def test_the_page_of_a_plan_answers_seven_questions_with_numbers_of_the_plan(name: str) -> None:
    """Sentence, cards, tables and charts are walked; a number is the plan's own, a sum or a share of its numbers."""
    plan = planned(name)
    at = page_of(plan, (FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    board = board_of(at)
    assert list(board) == QUESTIONS
    assert all(len(text.split()) > 3 for text in board.values()), board
    if not plan.has_plan:
        told = text_of(at) + "\n".join(b.label.replace("\\", "") for b in at.button)
        assert all(n.message in told for n in plan.nearest)
        return
    pool = pool_of(plan)
    seen = 0
    for what, text in words_of(at).items():
        found = [n for n in astray(text, pool) if n not in DERIVED.get(name, ())]
        assert not found, (what, found)
        seen += sum(1 for _ in numbers(text))
    assert seen >= FEWEST
    _charts_drop_no_row(at, plan)


DERIVED = {"embed-at-night": ("45 hours",)}
"""What a sentence works out: 9 hours of each of 5 days."""


def _charts_drop_no_row(at: AppTest, plan: Plan) -> None:
    """Every rival has its bar, everything that stands or runs its row, every limit and every cost line its own."""
    charts = [table for c in at.main.get("vega_lite_chart") for table in charted(c)]
    rows = [len(table) for table in charts]
    if plan.alternatives:
        assert len(alternative_rows(plan)) in rows
    assert len(timeline_rows(plan)) in rows
    levels = [x for x in (plan.walls.power.levels if plan.walls is not None else ()) if x.of]
    assert not levels or 2 * len(levels) in rows
    assert not re.search(r"\b(NaN|Infinity)\b", json.dumps(charts, default=str))


def test_what_another_version_wrote_is_told_and_breaks_no_page() -> None:
    """A question that is read no more still has its answer; an answer that is read no more can be made again."""
    plan = planned("reranker")
    at = page_of(plan, "name: x\nfield_of_old: 1\n")
    assert "field_of_old" in text_of(at)
    assert list(board_of(at)) == QUESTIONS
    yaml = (FOLDER / "reranker.yaml").read_text(encoding="utf-8")
    service.store().keep_answer("old", '{"schema": 0}')
    service.store().add_plan(PlanRow("oldplan", "", "old", "old", yaml, "done"), 9)
    at.query_params["plan"] = "oldplan"
    at.run()
    assert not at.exception
    assert "another version" in text_of(at)
    assert any(b.label == "Start it again" for b in at.button)


def test_a_number_that_is_not_the_plan_s_is_found() -> None:
    """Proves that the walk sees: most sizes a little wrong are no number of the plan."""
    plan = planned("quickstart")
    pool = pool_of(plan)
    assert plan.totals is not None
    total = plan.totals.tco_usd
    assert astray(f"${total:,.0f}", pool) == []
    wrong = [f"${total * (1 + k / 100):,.0f}" for k in range(2, 52)]
    assert sum(bool(astray(text, pool)) for text in wrong) >= 0.8 * len(wrong)
