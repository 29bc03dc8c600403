"""Batch inference and encoders: what is asked in other words is planned, paid for and checked as asked."""

from __future__ import annotations

import pytest

from planner import load_catalog, plan
from planner.answer.plan import Plan
from planner.cost.finance import annuity
from planner.errors import InputError
from planner.export import export_plan
from planner.scenario import load_text
from planner.verify.plan import verify_plan

TEXT = """
name: by a date
start: 2026-10
horizon_years: 0.1
sites: [{name: a, region: us_va, power_mw: 1}]
hardware: {systems: [l40s_1, l40s_8], acquire: [rent]}
workloads:
- {kind: batch, name: read and write, model: llama-3.1-8b, input_tokens: 1000, output_tokens: 200, requests: 1e6,
   finish_within_days: 4, hours_per_day: 6}
- {kind: encoding, name: rank, model: bge-reranker-v2-m3, input_tokens: 400, texts_per_s: 100, latency_ms: 400}
- {kind: encoding, name: embed, model: qwen3-embedding-0.6b, input_tokens: 500, tokens: 1e9, finish_within_days: 1}
"""
CATALOG = load_catalog()


@pytest.fixture(scope="module")
def answer() -> Plan:
    return plan(load_text(TEXT), catalog=CATALOG)


def test_all_of_it_is_done_in_the_window_and_paid_for_the_hours_it_takes(answer: Plan) -> None:
    mine = [d for d in answer.deployments if d.workload == "read and write"]
    window = 4 * 6.0
    # the share of the window at which full replicas work, and so much of the requests in it
    done = sum((d.predicted.requests_per_s or 0.0) * window * 3600 for d in mine)
    assert 1e6 <= done <= 1.01e6
    rate = CATALOG.chip("l40s").need("rent_usd_per_h")
    for d in mine:
        hours = window * (d.parallelism.load or 0.0) / 0.99
        worth = annuity(CATALOG.cost("wacc"), hours / 8760.0) / (hours / 8760.0)
        assert d.cost.lines_usd == {"rent": pytest.approx(d.chips * rate * hours * worth, rel=0.01)}
    assert all(d.predicted.ttft_ms is None and d.predicted.tpot_ms is None for d in mine)


def test_one_card_is_enough_for_a_reranker(answer: Plan) -> None:
    (d,) = [d for d in answer.deployments if d.workload == "rank"]
    assert (d.system, d.chips) == ("l40s_1", 1)
    assert (d.predicted.ttft_ms or 0.0) <= 400
    assert "texts/s" in answer.answer


def test_reading_keeps_within_the_peak_of_the_chip(answer: Plan) -> None:
    for d in answer.deployments:
        model = CATALOG.model(next(w.model for w in answer.workloads if w.name == d.workload))
        weights = (model.published_total or 0.6e9) - model.vocab * model.hidden
        if d.workload == "embed":  # as it reads while it works
            tokens = (d.predicted.tokens_per_s_per_chip or 0.0) * 0.99 / (d.parallelism.load or 1.0)
            assert 0.1 < 2 * weights * tokens / 362e12 < 0.8


def test_what_is_not_generated_has_no_price(answer: Plan) -> None:
    assert answer.totals is not None
    costs = answer.totals.unit_cost_usd
    assert "million_output_tokens" in costs["read and write"]
    assert set(costs["embed"]) == {"chip_hour", "million_tokens"}
    assert costs["embed"]["million_tokens"]["total"] == pytest.approx(
        sum(d.cost.total_usd for d in answer.deployments if d.workload == "embed") / 1000, rel=1e-6
    )


def test_a_plan_is_read_back_and_a_changed_one_is_found_out(answer: Plan) -> None:
    scenario = load_text(TEXT)
    again = Plan.from_json(answer.to_json())
    assert verify_plan(again, scenario, CATALOG) == []
    first = again.deployments[0]
    less = first.model_copy(update={"parallelism": first.parallelism.model_copy(update={"load": 0.1})})
    assert verify_plan(again.model_copy(update={"deployments": (less, *again.deployments[1:])}), scenario, CATALOG)


def test_an_encoder_is_launched_as_one(answer: Plan) -> None:
    for tool, flag in (("vllm", "--runner pooling"), ("sglang", "--is-embedding")):
        text = "\n".join(str(file.text) for file in export_plan(answer, CATALOG, tool))
        assert text.count(flag) == sum(d.workload != "read and write" for d in answer.deployments)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("tokens: 1e9", "finish_within_days: is missing"),
        ("tokens: 1e9, finish_within_days: 2, requests: 4", "either in requests or in tokens"),
        ("tokens: 1e9, finish_within_days: 2, ttft_ms: 300", "ttft_ms: is no field of this kind"),
        ("tokens: 1e9, finish_within_days: 400", "finish_within_days: ends after the plan"),
        ("tokens: 1e9, finish_within_days: 2, hours_per_day: 25", "hours_per_day"),
    ],
)
def test_words_that_do_not_go_together(words: str, said: str) -> None:
    text = TEXT.replace("requests: 1e6,\n   finish_within_days: 4, hours_per_day: 6", words)
    with pytest.raises(InputError) as error:
        load_text(text)
    assert said in str(error.value)
