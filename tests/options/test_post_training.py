"""Post-training: steps against published ones and closed forms, plans that are checked, read back and exported."""

from __future__ import annotations

import math

import numpy as np
import pytest

from planner import load_catalog, plan
from planner.answer.plan import Plan
from planner.errors import InputError
from planner.estimate.post_training import compared
from planner.export import export_plan
from planner.performance.compile import build_platform
from planner.performance.post_training import Rollout, estimate_rollout
from planner.performance.serving.job import ServingCandidates
from planner.scenario import load_text
from planner.verify.plan import verify_plan

CATALOG = load_catalog()
TEXT = """
name: grpo
start: 2026-10
horizon_years: 0.5
sites: [{name: a, region: us_va, power_mw: 1}]
hardware: {systems: [hgx_h100_oem], acquire: [rent]}
workloads:
- {kind: post_training, name: reasoning, model: qwen3-30b-a3b, steps: 100, prompts: 64, answers_per_prompt: 8,
   prompt_tokens: 200, answer_tokens: 2000, finish_within_days: 3, chips: 32, framework: mcore}
"""


@pytest.fixture(scope="module")
def answer() -> Plan:
    return plan(load_text(TEXT), catalog=CATALOG)


def test_published_steps_are_inside_the_interval() -> None:
    found = list(compared(CATALOG))
    assert len(found) == 18
    assert sum(x.inside for x in found) >= 14  # of an 80% interval: 14.4 are to be expected
    errors = [abs(math.log(x.predicted_s / x.measured_s)) for x in found]
    assert np.median(errors) < math.log(1.31)


def _rollout(cv: float, answers: int = 4) -> tuple[float, float]:
    """(seconds, of them the tail) of 8 prompts on one H100."""
    model = CATALOG.model("llama-3.1-8b")
    one = np.ones(1, dtype=np.int64)
    shape = ServingCandidates(one, one, one, one, one, one * 1024, one * 0)
    asked = Rollout(model, "bf16", 8, answers, 100.0, 1000.0, cv, 4000.0)
    found = estimate_rollout(asked, build_platform(CATALOG, "hgx_h100_oem", "h100_sxm", "air_crah"), shape, one)
    return float(found.seconds[0]), float(found.tail_s[0])


def test_alike_answers_have_no_tail_and_spread_ones_wait_for_the_longest() -> None:
    even, tail = _rollout(0.0)
    assert tail == 0.0
    # weights of 16 GB are read for each of 1,000 tokens: no step is shorter than that, and few are twice as long
    floor = 1000 * 16.06e9 / 3.35e12
    assert floor < even < 3 * floor
    spread, waits = _rollout(0.5)
    assert spread == pytest.approx(even + waits, rel=0.03)  # the cache that spread answers read is longer
    assert waits > 0.3 * even  # of 32 answers the longest is over twice the mean
    assert _rollout(1.0)[0] > spread
    assert _rollout(0.5, answers=64)[0] > spread


def test_a_step_is_its_parts_and_the_run_its_steps(answer: Plan) -> None:
    (d,) = answer.deployments
    p = d.predicted
    assert d.role == "post_train"
    assert d.chips == 32
    assert math.fsum(p.breakdown.values()) == pytest.approx(p.step_time_s, rel=1e-9)
    assert p.days is not None
    assert p.step_time_s is not None
    assert p.days * 86400 == pytest.approx(100 * p.step_time_s, rel=0.1)
    assert p.days * 86400 >= 100 * p.step_time_s  # failures take some
    assert (p.samples_per_s or 0) * p.step_time_s == pytest.approx(512)
    assert "finishes after" in answer.answer


def test_a_plan_is_read_back_and_a_changed_one_is_found_out(answer: Plan) -> None:
    scenario = load_text(TEXT)
    again = Plan.from_json(answer.to_json())
    assert verify_plan(again, scenario, CATALOG) == []
    (d,) = again.deployments
    rollout = d.parallelism.rollout
    assert rollout is not None
    for change in ({"replicas": rollout.replicas + 64}, {"placement": "together" if rollout.placement == "apart" else
                   "apart"}, {"tp": 3}):  # fmt: skip
        other = d.parallelism.model_copy(update={"rollout": rollout.model_copy(update=change)})
        assert verify_plan(again.model_copy(update={"deployments": (d.model_copy(update={"parallelism": other}),)}),
                           scenario, CATALOG)  # fmt: skip


def test_settings_of_verl(answer: Plan) -> None:
    (file,) = export_plan(answer, CATALOG, "verl")
    text = file.text or ""
    for said in ("data.train_batch_size=64", "actor_rollout_ref.rollout.n=8", "trainer.total_training_steps=100",
                 "trainer.nnodes=4", "data.max_response_length=8000"):  # fmt: skip
        assert said in text
    (d,) = answer.deployments
    assert f"actor_rollout_ref.actor.megatron.expert_model_parallel_size={d.parallelism.ep}" in text
    assert "has no option for it" not in text or "spares" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("train_batch: 100", "does not divide a step"),
        ("placement: together, steps_off_policy: 1", "needs chips apart"),
        ("longest_answer: 100", "is below the mean"),
        ("placment: together", "placement"),
    ],
)
def test_words_that_do_not_go_together(words: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        load_text(TEXT.replace("chips: 32", f"chips: 32, {words}"))
    assert said in str(error.value)


def test_shared_with_another_run_it_costs_no_more_than_both_alone(answer: Plan) -> None:
    """Both stand on rent by the hour: two runs in one fleet cost what they cost by themselves, or less by waiting."""
    other = "- " + TEXT.split("- ", 1)[1].replace("name: reasoning", "name: later").strip() + "\n"
    scenario = load_text(TEXT + other + "fleet: {shared: true}\n")
    both = plan(scenario, catalog=CATALOG)
    assert both.schedule is not None
    assert {r.workload for r in both.schedule.runs} == {"reasoning", "later"}
    assert both.totals.tco_usd <= 2 * answer.totals.tco_usd * (1 + 1e-9)
    assert both.totals.tco_usd >= 2 * answer.totals.tco_usd * 0.95
    assert verify_plan(both, scenario, CATALOG) == []
