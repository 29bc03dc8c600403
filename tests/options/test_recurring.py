"""Training that comes again is its runs end to end, with their starts, and what experiments take beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from shipped_plans import planned

from planner import Plan, load_catalog, load_scenario, plan, verify_plan
from planner.errors import InputError
from planner.scenario import load_text
from planner.scenario.types import Scenario

TEXT = """
name: again
start: 2026-10
SHARED
sites: [{name: a, region: us_va, power_mw: 1}]
hardware: {systems: [hgx_h100_oem]}
workloads:
  - {name: w, model: llama-3.1-8b, sequence_length: 4096, global_batch: 64, chips: 8, framework: mcore, KIND}
"""
ONCE = "kind: training, tokens: 2e9, finish_within_days: 30"
AGAIN = "kind: recurring_training, tokens_per_run: 2e9, runs: 1, every_days: 30"


def only(answer: Plan) -> Any:
    """Its one deployment."""
    (found,) = answer.deployments
    return found


def _question(kind: str, shared: str = "") -> Scenario:
    return load_text(TEXT.replace("KIND", kind).replace("SHARED", shared))


def _days(kind: str) -> float:
    return only(plan(_question(kind))).predicted.days


def test_one_run_is_a_training_run_and_more_add_up_with_their_starts() -> None:
    """Ten runs take ten times the time of one, and nine starts more; experiments stretch the work, not the starts."""
    once, again = _days(ONCE), _days(AGAIN)
    assert again == pytest.approx(once, rel=1e-12)
    many = _days(AGAIN.replace("runs: 1", "runs: 10"))
    starts = many - 10 * once
    assert 9 * 3 / 1440 < starts < 9 * 40 / 1440  # a restart takes 3 to 30 minutes, a checkpoint is stored before
    half = _days(AGAIN.replace("runs: 1", "runs: 10") + ", experiments: 0.5")
    assert half == pytest.approx(20 * once + starts, rel=1e-3)


def test_what_is_asked_is_read_again_as_it_was_said() -> None:
    question = _question(AGAIN + ", experiments: 0.2, run_within_days: 3")
    said = question.model_dump(mode="json")["workloads"][0]
    assert "tokens" not in said
    assert (said["runs"], said["run_within_days"], said["experiments"]) == (1, 3, 0.2)
    again = Scenario.model_validate(question.model_dump(mode="json"))
    assert again.workloads == question.workloads
    (w,) = again.workloads
    assert (w.tokens, w.finish_within_days) == (pytest.approx(2.5e9), 3)


@pytest.mark.parametrize(
    ("kind", "shared", "words"),
    [
        (AGAIN + ", run_within_days: 40", "", "is longer than every_days"),
        (AGAIN.replace("runs: 1", "runs: 400"), "", "end after the plan"),
        (AGAIN + ", tokens: 5e9", "", "is no field of this kind"),
        (AGAIN, "fleet: {shared: true}", "is not planned over time"),
        (AGAIN.replace("runs: 1", "runs: none"), "", "runs"),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(kind: str, shared: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        _question(kind, shared)


def test_weekly_tuning_is_launched_run_by_run_and_held_to_its_week(tmp_path: Path) -> None:
    """The shipped file: rented for the hours that the runs take; a launch is of one week's tokens."""
    answer = planned("weekly-tuning")
    run = only(answer)
    assert run.acquire == "rent"
    assert run.predicted.days < 2 * 52
    assert "its 52 runs in" in answer.answer
    (asked,) = answer.workloads
    assert (asked.kind, asked.tokens) == ("recurring_training", 3e9)
    data: dict[str, Any] = json.loads(answer.to_json())
    data["deployments"][0]["predicted"]["days"] *= 1.01
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(data))
    question = Path(__file__).resolve().parents[2] / "scenarios" / "weekly-tuning.yaml"
    assert verify_plan(Plan.read(file), load_scenario(question), load_catalog())
