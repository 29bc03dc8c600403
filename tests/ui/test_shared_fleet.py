"""The Plan page with the plan of a shared fleet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fake_planner import use
from streamlit.testing.v1 import AppTest
from test_app import press_plan, text_of
from tools import load, round_scenario, run

from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.planning.plan import answered
from planner.planning.question import ask
from planner.plots.fleet_charts import gantt_chart, spoken_runs, spoken_stock, stock_chart
from planner.report import html_page
from planner.solve import Limits, solve, with_objective


@pytest.fixture(scope="module")
def answer(round_catalog: Catalog) -> Plan:
    """Two runs in a row beside a load that grows."""
    size: dict[str, Any] = {"tokens": 1e11, "mfu": 0.5, "chips": 8, "global_batch": 512}
    question = ask(
        round_scenario(
            load({"2026-10": 100, "2028-10": 1000}, ttft_ms=60_000, precision=["bf16"], disaggregated="never"),
            run("first", **size),
            run("second", **size, after=["first"]),
            periods=["2026-10", "2028-10"],
            fleet={"shared": True},
        ),
        catalog=round_catalog,
    )
    assert question.model is not None
    program = with_objective(question.model.program, question.model.objectives["cost"])
    return answered(question, [solve(program, Limits(threads=1), in_child=False)])


def test_the_page_shows_fleet_and_schedule(
    answer: Plan, app: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Charts and tables in the place of deployments; nothing breaks."""
    use(monkeypatch, lambda *_, **__: answer)
    at = press_plan(app())
    assert not at.exception
    text = text_of(at)
    for title in ("The fleet over time", "The schedule", "What to acquire", "What stands", "Runs", "Loads", "Demand"):
        assert title in text
    assert "Deployments" not in text
    tables = [t.value for t in at.dataframe]
    assert any("first" in str(t) and "second" in str(t) for t in tables)


def test_charts_say_what_stands_and_runs(answer: Plan) -> None:
    """Every period has its systems, every run its bar; the words for those who do not see them say the same."""
    stock, runs = stock_chart(answer), gantt_chart(answer)
    assert stock is not None
    assert runs is not None
    assert answer.fleet is not None
    shown = stock.to_dict()["data"]["values"]
    assert [(r["period"], r["systems"]) for r in shown] == [(s.period, s.systems) for s in answer.fleet.standing]
    assert {r["run"] for r in runs.to_dict()["data"]["values"]} == {"first", "second"}
    assert "2028-10" in spoken_stock(answer)
    assert "first" in spoken_runs(answer)


def test_the_html_page_has_the_same_tables(answer: Plan) -> None:
    page = html_page(answer)
    for title in ("What to acquire", "What stands", "Runs", "Loads", "By year of the plan", "Bill of materials"):
        assert f"<h2>{title}</h2>" in page
