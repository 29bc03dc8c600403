"""The first screen of an answer: seven questions, money that adds up, names people know."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "ui"))
from sample_plan import infeasible_plan, sample_plan

from planner.answer.plan import AtConfidence
from planner.catalog import Catalog, load_catalog
from planner.report.board import board, board_without, risks
from planner.report.money import reconciled
from planner.report.names import readable, system_names

QUESTIONS = ["what", "cost", "long", "sure", "limits", "changes", "others"]


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog(None)


def test_every_system_has_a_name_of_its_own_that_is_no_id(catalog: Catalog) -> None:
    names = {key: name for key, name in system_names(catalog).items() if key in catalog.systems}
    assert len(set(names.values())) == len(names) == len(catalog.systems)
    assert names["mi300x_8"] == "AMD Instinct MI300X, 8 in a server"
    assert names["gb200_nvl72"].endswith("72 in a rack (GB200 NVL72)")


def test_ids_in_a_text_become_names_and_nothing_else_does() -> None:
    names = {"hgx": "H100, 8 in a server"}
    assert readable("only hgx, with hgx_2", names) == "only H100, 8 in a server, with hgx_2"


def test_the_money_adds_up_to_the_total_and_to_the_capital() -> None:
    plan = sample_plan()
    money = reconciled(plan)
    assert money is not None
    assert plan.totals is not None
    assert money.charged + money.running == pytest.approx(plan.totals.tco_usd)
    assert money.charged + money.left == pytest.approx(plan.totals.capex_usd)
    bought = {line for d in plan.deployments for line in d.cost.capex_lines_usd}
    assert money.running == pytest.approx(
        sum(v for d in plan.deployments for line, v in d.cost.lines_usd.items() if line not in bought)
    )


def test_every_question_has_its_card_with_and_without_a_plan(catalog: Catalog) -> None:
    names = system_names(catalog)
    cards = board(sample_plan(), names)
    assert [c.key for c in cards] == QUESTIONS
    assert all(c.answer for c in cards)
    none = board_without(infeasible_plan(now=1.0, needed=2.0, limit="sites.a.power_mw"))
    assert [c.key for c in none] == QUESTIONS
    assert none[5].lines


def test_what_confidence_costs_is_on_the_first_screen() -> None:
    at = (
        AtConfidence(confidence=0.8, status="planned", cost_usd=3e6, more_usd=1.5e6),
        AtConfidence(confidence=0.95, status="out_of_reach"),
        AtConfidence(confidence=0.99, status="not_tried"),
    )
    sure = board(sample_plan().model_copy(update={"at_confidences": at}), {})[3]
    assert sure.key == "sure"
    assert "every promise at 80%: +$1.5M" in sure.lines
    assert "every promise at 95%: no plan reaches it" in sure.lines
    assert not any("99%" in line for line in sure.lines)


def test_export_notes_are_risks() -> None:
    plan = sample_plan().model_copy(update={"notes": ("Export of x to y is denied.", "MFU of a: 40%.")})
    assert risks(plan) == ("Export of x to y is denied.",)
