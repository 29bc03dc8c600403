"""The shipped scenarios plan, and what they answer makes sense: content, not only exit codes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from shipped_plans import planned

from planner import load_catalog, plan
from planner.answer.plan import Plan, plan_schema
from planner.catalog import Catalog
from planner.scenario import load_scenario
from planner.verify.plan import verify_plan

FOLDER = Path(__file__).parents[1] / "scenarios"
LONG = {"national-fleet"}
"""Planned by benchmarks/national_fleet.py: a minute each."""
NAMES = sorted(p.stem for p in FOLDER.glob("*.yaml") if p.stem not in LONG)


@cache
def catalog() -> Catalog:
    return load_catalog()


@cache
def shipped_plan_schema() -> dict[str, Any]:
    return json.loads((FOLDER / "plan.schema.json").read_text(encoding="utf-8"))


def test_the_shipped_plan_schema_is_current() -> None:
    assert shipped_plan_schema() == plan_schema()


def only(answer: Plan, workload: str | None = None) -> Any:
    found = [d for d in answer.deployments if workload in (None, d.workload)]
    assert len(found) == 1
    return found[0]


def test_there_are_the_scenarios_people_ask_for() -> None:
    assert set(NAMES) >= {
        "quickstart", "deepseek-v3-pretrain", "llama-405b-16k", "kuae-10k", "robobrain-1000-cards",
        "deepseek-v3-serving",
        "air-or-liquid", "supernode-or-servers", "wait-for-br20x", "infeasible", "recommender", "gpu-mix",
        "mixed-training",
    }  # fmt: skip


@pytest.mark.parametrize("name", [n for n in NAMES if n != "infeasible"])
def test_every_scenario_has_a_proven_verified_plan(name: str) -> None:
    answer = planned(name)
    assert answer.status in {"proven_optimal", "within_gap"}
    assert answer.verified
    assert answer.objective.gap is not None
    simpler = answer.simplified.share if answer.simplified else 0.0
    assert answer.objective.gap <= (0.001 + simpler) * (1 + 1e-6)
    assert verify_plan(answer, load_scenario(FOLDER / f"{name}.yaml"), catalog()) == []
    jsonschema.validate(json.loads(answer.to_json()), shipped_plan_schema())
    assert answer.answer.endswith(".")
    assert answer.walls is not None
    assert answer.walls.sentence in answer.answer
    assert answer.walls.communication.works


def test_a_shared_fleet_trains_on_what_stands_for_the_load() -> None:
    """Runs one after the other in the half-year before the load grows, on systems that it needs afterwards."""
    answer = planned("shared-fleet")
    assert answer.fleet is not None
    assert answer.schedule is not None
    first, second = answer.schedule.runs
    assert (first.workload, second.workload) == ("first", "second")
    assert second.start_day >= first.end_day - 1e-3
    systems = {p: sum(s.systems for s in answer.fleet.standing if s.period == p) for p in answer.periods}
    assert sorted(systems.values()) == list(systems.values())
    serving = max(sum(x.units[t] * x.systems for x in answer.schedule.loads) for t in range(len(answer.periods)))
    assert max(systems.values()) == serving  # the runs cost no system of their own


def test_a_gpu_mix_answers_each_size_where_it_is_cheap() -> None:
    """No chip alone is cheaper; every class is answered in full; the small chip's prompts are the shorter ones."""
    answer = planned("gpu-mix")
    mean: dict[str, float] = {}
    for chip in {d.chip for d in answer.deployments}:
        parts = [a for d in answer.deployments if d.chip == chip for a in d.answers]
        mean[chip] = sum(a.input_tokens * a.requests_per_s for a in parts) / sum(a.requests_per_s for a in parts)
    got: dict[str, float] = {}
    for a in (a for d in answer.deployments for a in d.answers):
        got[a.name] = got.get(a.name, 0.0) + a.requests_per_s
    assert len(got) == 60
    assert sum(got.values()) == pytest.approx(32)
    if "l40s" in mean and len(mean) > 1:
        assert mean["l40s"] < min(v for chip, v in mean.items() if chip != "l40s")
    alone = [a.difference for a in answer.alternatives if a.name.startswith("only ") and a.difference is not None]
    assert min(alone) >= 0


def test_a_load_is_answered_in_two_phases_and_no_chip_alone_is_cheaper() -> None:
    """DeepSeek-V3: prompts and answers on separate replicas, and no chip alone costs less than the plan."""
    answer = planned("deepseek-v3-serving")
    assert {d.role for d in answer.deployments} == {"prefill", "decode"}
    alone = [a for a in answer.alternatives if a.name.startswith("only ") and a.difference is not None]
    assert alone
    assert min(a.difference or 0.0 for a in alone) >= 0


def test_a_run_takes_two_generations_where_one_is_scarce() -> None:
    """Old servers that stand there beside few new ones: half the price of new ones alone."""
    answer = planned("mixed-training")
    assert {d.acquire for d in answer.deployments} == {"buy", "installed"}
    assert len({d.mix for d in answer.deployments}) == 1
    rival = next(a for a in answer.alternatives if a.name == "only hgx_h100_oem")
    assert (rival.difference or 0) > 0.2


def test_deepseek_pretraining_is_decided_by_power_and_date() -> None:
    answer = planned("deepseek-v3-pretrain")
    run = only(answer)
    assert run.predicted.finish_days <= 60
    assert answer.totals is not None
    assert answer.totals.facility_mw <= 4.0
    assert answer.proof.candidates >= 100_000
    systems = {a.name for a in answer.alternatives} | {f"only {run.system}"}
    for rival in ("hgx_h800", "cloudmatrix384", "mi300x_8"):
        assert any(rival in s for s in systems), rival
    left = " ".join(x.option for x in answer.left_out) + " ".join(d.chip for d in answer.deployments)
    assert "mtt_s5000_air" in left
    assert {a.path for a in answer.assumptions} >= {"chips.mtt_s5000_air.tdp_w", "chips.mtt_s5000_liquid.tdp_w"}


def test_llama_405b_comes_out_as_published() -> None:
    # arXiv:2407.21783: 400 TFLOP/s per GPU, more than 90% of the time training over 54 days, here with spares
    run = only(planned("llama-405b-16k"))
    assert run.chips == 16_384
    assert run.predicted.model_tflops_per_chip == pytest.approx(400, rel=0.15)
    assert run.predicted.ettr == pytest.approx(0.90, abs=0.03)
    assert (run.parallelism.tp, run.parallelism.pp, run.parallelism.dp) == (8, 16, 128)


def test_kuae_states_its_peak_and_weighs_the_claims() -> None:
    dense, moe = planned("kuae-10k"), planned("kuae-10k", "moe")
    run = only(dense)
    assert run.predicted.peak_tflops_per_chip == 500
    assert run.predicted.mfu < 0.60
    assert only(moe).predicted.mfu < run.predicted.mfu
    text = " ".join(dense.notes)
    assert "Claimed MFU 60% (press)" in text
    assert "500 dense bf16 TFLOPS" in text
    assert "Claimed effective time 90% (press)" in text
    assert "Claimed MFU 40%" in " ".join(moe.notes)
    claimed = only(planned("kuae-10k", "claimed_dense"))
    assert claimed.predicted.mfu == pytest.approx(0.60)
    assert claimed.predicted.days < run.predicted.days


def test_robobrain_runs_on_about_a_thousand_cards() -> None:
    run = only(planned("robobrain-1000-cards"))
    assert 500 <= run.chips <= 1024
    assert run.chip.startswith("mtt_s5000")


def test_deepseek_serving_shows_prefill_and_decode_per_card() -> None:
    answer = planned("deepseek-v3-serving")
    roles = {d.role for d in answer.deployments}
    assert roles >= {"prefill", "decode"} or "serve" in roles
    for d in answer.deployments:
        assert d.predicted.tokens_per_s_per_chip is not None
        for limit, value in ((2000, d.predicted.ttft_ms), (50, d.predicted.tpot_ms)):
            assert value is None or value <= limit * (1 + 1e-9)


def test_liquid_beats_air_in_the_hall_and_the_plan_shows_by_how_much() -> None:
    free, air = planned("air-or-liquid"), planned("air-or-liquid", "air_only")
    assert free.totals is not None
    assert air.totals is not None
    assert free.objective.value is not None
    assert air.objective.value is not None
    assert free.objective.value <= air.objective.value * (1 + 1e-9)
    assert free.totals.facility_mw < air.totals.facility_mw
    assert only(air).cooling in {"air_crah", "air_inrow", "rdhx"}


def test_supernodes_pay_where_they_can_be_filled() -> None:
    dear, large = planned("supernode-or-servers"), planned("supernode-or-servers", "cheaper")
    small = planned("supernode-or-servers", "cheaper_small")
    assert any(d.system == "cloudmatrix384" and d.role == "decode" for d in large.deployments)
    for unfilled in (
        dear,
        small,
    ):  # at today's price servers keep the pace, since launches of their generation count less
        assert all(d.system != "cloudmatrix384" for d in unfilled.deployments)
    servers = planned("supernode-or-servers", "servers")
    assert servers.objective.value is not None
    assert large.objective.value is not None
    assert servers.objective.value >= large.objective.value * (1 - 0.001)


def test_waiting_pays_only_with_time() -> None:
    now, later = only(planned("wait-for-br20x", "hurry")), only(planned("wait-for-br20x", "on_time"))
    assert now.period == "2026-10"
    assert later.chip == "br20x"
    assert later.period > now.period
    assert any("br20x" in a.path for a in planned("wait-for-br20x", "on_time").assumptions)
    even = planned("wait-for-br20x")  # where it is as late as new makers' parts are, even odds take what is sold
    assert only(even).system == "sgx5000"
    assert even.chance is not None
    assert even.chance.promises[0].chance >= 0.5


def test_the_refusal_names_the_limits_and_the_way_out() -> None:
    answer = planned("infeasible")
    assert answer.status == "infeasible"
    assert not answer.deployments
    words = " ".join(answer.conflicts[0].limits)
    assert "20 days" in words
    assert "MW" in words or "capital" in words
    confirmed = [n for n in answer.nearest if n.confirmed or n.confirmed_together]
    assert {n.limit for n in confirmed} >= {"workloads.pretrain.finish_within_days", "sites.small.power_mw"}
    assert planned("infeasible", "possible").has_plan


def test_recommenders_are_trained_and_served_in_time() -> None:
    answer = planned("recommender")
    train, rank = only(answer, "train"), only(answer, "rank")
    assert train.predicted.finish_days <= 1
    assert rank.predicted.latency_ms <= 30
    assert rank.predicted.samples_per_s >= 2e6


def test_seven_questions_that_people_ask_are_planned_as_asked() -> None:
    """GRPO, embedding at night, three time zones, one card, video, spot, agents (docs/workloads.md)."""
    grpo = only(planned("grpo-30b"), "reasoning")
    assert grpo.predicted.finish_days <= 5
    assert grpo.parallelism.rollout.placement == "together"
    night = planned("embed-at-night")
    assert {d.acquire for d in night.deployments} == {"installed"}
    assert set(only(night, "embed").cost.lines_usd) <= {"energy", "water"}
    assert "40,000,000,000 tokens" in night.answer
    day = planned("three-time-zones")
    stays = [d for d in day.deployments if d.parallelism.hours_per_day is None]
    peak = [d for d in day.deployments if d.parallelism.hours_per_day is not None]
    assert stays
    assert peak
    assert {(d.acquire, d.rent_term) for d in peak} == {("rent", "on_demand")}
    card = only(planned("reranker"))
    assert (card.system, card.chips, card.acquire) == ("l40s_1", 1, "rent")
    clips = planned("video")
    assert sum(d.predicted.samples_per_s for d in clips.deployments) * 3600 >= 2000 * (1 - 1e-9)
    assert {d.system for d in clips.deployments} <= {"dgx_h200", "mi355x_8"}
    spot, demand = planned("spot"), planned("spot", "on_demand")
    assert only(spot).rent_term == "spot"
    assert spot.totals.tco_usd < demand.totals.tco_usd
    kept = [d.predicted.cache_kept for d in planned("agents").deployments]
    assert all(k.needed_tb > 0 and "memory" in k.where and k.found_share > 0.5 for k in kept)


def test_finer_pages_cost_several_times_as_much() -> None:
    """Four times the tokens of a page: more than three times the servers, and less than the square."""
    plain, finer = planned("read-documents"), planned("read-documents", "finer_pages")
    assert plain.totals.systems * 3 < finer.totals.systems + 1 < plain.totals.systems * 16
    assert only(plain).predicted.ttft_ms < only(finer).predicted.ttft_ms <= 3000
    text = only(planned("read-documents", "as_text"))
    assert text.predicted.requests_per_s > only(plain).predicted.requests_per_s * 1.01


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    answer = planned("quickstart")
    answer.write(tmp_path / "plan.json")
    assert Plan.read(tmp_path / "plan.json") == answer


def test_a_reproducible_plan_is_the_same_apart_from_timings() -> None:
    scenario = load_scenario(FOLDER / "quickstart.yaml", overrides={"solve.reproducible": True})
    plans = [plan(scenario, catalog=catalog()).to_dict() for _ in range(2)]
    for p in plans:
        p["proof"].pop("seconds")
        p["proof"].pop("seconds_by_room")
        p.pop("seal")  # which holds these too
    assert plans[0] == plans[1]
