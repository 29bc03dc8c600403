"""A run on two kinds of systems: chosen where it is cheaper, not where it is not, and checked as two halves of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from planner import plan
from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.errors import InputError
from planner.export.megatron import megatron
from planner.export.settings import jobs_of
from planner.scenario import load_scenario, resolve, scenario_from_mapping
from planner.scenario.types import Scenario
from planner.verify.plan import verify_plan

FILE = Path(__file__).parents[2] / "scenarios" / "mixed-training.yaml"


@pytest.fixture(scope="module")
def question() -> Scenario:
    """The shipped scenario with fewer chips to choose from, so that it is quick."""
    data = resolve(load_scenario(FILE))
    data["limits"]["chips"] = 176
    data["sites"][0]["cooling"] = ["air_crah", "d2c_1p_hybrid"]
    return scenario_from_mapping(data)


@pytest.fixture(scope="module")
def answer(question: Scenario, shipped: Catalog) -> Plan:
    """Its plan."""
    return plan(question, catalog=shipped)


def changed(question: Scenario, **values: Any) -> Scenario:
    """The question with another run."""
    data = resolve(question)
    data["limits"]["chips"] = values.pop("most_chips", data["limits"]["chips"])
    data["workloads"][0].update(values)
    return scenario_from_mapping(data)


def test_two_generations_beat_one_where_one_is_scarce(answer: Plan, question: Scenario, shipped: Catalog) -> None:
    """Old servers that stand there and few new ones: in time, cheaper than new ones alone, and verified."""
    assert answer.status in {"proven_optimal", "within_gap"}
    lead, second = answer.deployments
    assert lead.mix == second.mix != ""
    assert {lead.system, second.system} == {"hgx_h100_oem", "dgx_a100"}
    sequences = sum(d.parallelism.dp * (d.parallelism.micro_batch or 0) * (d.parallelism.micro_batches or 0)
                    for d in answer.deployments)  # fmt: skip
    assert sequences == 1024
    assert lead.predicted.step_time_s == second.predicted.step_time_s
    for d in answer.deployments:
        assert sum(d.predicted.breakdown.values()) == pytest.approx(d.predicted.step_time_s)
        assert (d.predicted.memory_gb_per_chip or 0) <= (d.predicted.memory_limit_gb_per_chip or 0)
    assert [d.predicted.finish_days for d in answer.deployments].count(None) == 1
    assert verify_plan(answer, question, shipped) == []
    alone = plan(changed(question, mixed_systems=False), catalog=shipped)
    assert alone.has_plan
    assert (alone.objective.value or 0) > 1.2 * (answer.objective.value or 0)


def test_a_fleet_over_time_mixes_as_well(question: Scenario, shipped: Catalog) -> None:
    """The same two kinds at the same cost, whether systems are shared or not; half of it, or another, is found out."""
    asked = resolve(question)
    asked["workloads"][0]["parallelism"] = {"tp": 4, "pp": 1, "cp": 1}
    asked["sites"][0]["cooling"] = ["air_crah"]
    own = plan(scenario_from_mapping(asked), catalog=shipped)
    asked["fleet"] = {"shared": True}
    over_time = scenario_from_mapping(asked)
    found = plan(over_time, catalog=shipped)
    assert found.verified
    assert found.schedule is not None
    assert found.objective.value == pytest.approx(own.objective.value, rel=2e-3)
    assert sorted((d.system, d.systems) for d in found.deployments) == sorted(
        (d.system, d.systems) for d in own.deployments
    )
    lead, second = found.schedule.runs
    assert lead.mix == second.mix != ""
    assert (lead.start_day, lead.end_day) == (second.start_day, second.end_day)
    assert verify_plan(Plan.from_json(found.to_json()), over_time, shipped) == []
    for runs in (
        (lead,), (lead, second.model_copy(update={"leads": True})), (lead, second.model_copy(update={"mix": ""})),
        (lead, second.model_copy(update={"start_day": 1.0, "end_day": second.end_day + 1.0})),
    ):  # fmt: skip
        told = found.schedule.model_copy(update={"runs": runs})
        assert verify_plan(found.model_copy(update={"schedule": told}), over_time, shipped)


def test_one_kind_is_enough_where_there_is_time(question: Scenario, shipped: Catalog) -> None:
    """What stands there does it alone: no mix, at the cost of the question that allows none."""
    costs = []
    for allowed in (True, False):
        found = plan(changed(question, finish_within_days=500, mixed_systems=allowed, most_chips=64), catalog=shipped)
        assert [(d.system, d.mix) for d in found.deployments] == [("dgx_a100", "")]
        costs.append(found.objective.value)
    assert costs[0] == pytest.approx(costs[1])


def test_half_a_mix_or_a_wrong_one_is_refused(answer: Plan, question: Scenario, shipped: Catalog) -> None:
    """Micro-batches that do not add up, a group without the other, two leads, a run that may not be mixed."""

    def told(deployments: tuple[Any, ...], asked: Scenario = question) -> str:
        return "; ".join(verify_plan(answer.model_copy(update={"deployments": deployments}), asked, shipped))

    first, second = answer.deployments
    more = first.parallelism.model_copy(update={"micro_batches": (first.parallelism.micro_batches or 0) + 1})
    assert "sequences a step, 1024 asked" in told((first.model_copy(update={"parallelism": more}), second))
    assert "must be two" in told((first,))
    lead, other = (first, second) if first.predicted.finish_days is not None else (second, first)
    both = other.predicted.model_copy(update={"finish_days": lead.predicted.finish_days})
    assert "one of which leads" in told((lead, other.model_copy(update={"predicted": both})))
    faster = lead.predicted.model_copy(update={"step_time_s": (lead.predicted.step_time_s or 0) * 0.99})
    assert "step_time_s" in told((lead.model_copy(update={"predicted": faster}), other))
    assert "does not allow" in told((first, second), changed(question, mixed_systems=False))


def test_the_export_owns_up_to_what_megatron_cannot_say(answer: Plan, shipped: Catalog) -> None:
    """Unequal micro-batches have no option there: they are in the comments of both groups."""
    for job in jobs_of(answer, shipped):
        text = "\n".join(megatron(job).comments())
        assert f"micro_batches = {job.deployment.parallelism.micro_batches}" in text
        assert f"mix = {job.deployment.mix}" in text


def test_what_a_mix_does_not_go_with_is_said(question: Scenario) -> None:
    """Refused, not ignored."""
    data = resolve(question)
    data["workloads"][0]["mfu"] = 0.4
    with pytest.raises(InputError, match="not with mfu"):
        scenario_from_mapping(data)


def two_chips(systems: list[str], dear: dict[str, float] | None = None, exchange: str = "any") -> Scenario:
    """One load that any of the systems may answer; prices of ``dear`` are assumed."""
    load = {
        "kind": "serving", "name": "chat", "model": "llama-3.1-70b", "precision": ["fp8", "bf16"], "input_tokens": 3000,
        "output_tokens": 1000, "requests_per_s": 300, "ttft_ms": 3000, "tpot_ms": 60, "cache_exchange": exchange,
    }  # fmt: skip
    return scenario_from_mapping(
        {
            "name": "two chips", "version": 1, "start": "2026-10", "horizon_years": 4,
            "sites": [{"name": "s", "region": "us_va", "power_mw": 6, "cooling": ["d2c_1p", "air_inrow"]}],
            "hardware": {"systems": systems, "acquire": ["buy"]}, "workloads": [load],
            "assume": {"systems": {name: {"price_usd": price} for name, price in (dear or {}).items()}},
        }
    )  # fmt: skip


def test_caches_stay_with_one_vendor_and_precision(shipped: Catalog) -> None:
    """Unless the load says so, nothing that another vendor's prefill wrote is decoded; the plan says which pairs."""
    found = plan(two_chips(["mi300x_8", "gaudi3_8"], exchange="same"), catalog=shipped)
    assert found.verified
    pools = {(d.cache_pool, d.role) for d in found.deployments}
    for pool in {p for p, _ in pools}:
        roles = {role for p, role in pools if p == pool}
        assert "serve" in roles or roles == {"prefill", "decode"}
    pairs = [x for x in found.left_out if "prefill on gaudi3" in x.option and "decode on mi300x" in x.option]
    assert len(pairs) == 1
    assert "cache_exchange: any" in pairs[0].reason


def test_phases_on_two_chips_where_that_is_cheaper(shipped: Catalog) -> None:
    """Much compute a dollar for prompts, much memory bandwidth for answers: mixed is cheaper than either; verified."""
    asked = two_chips(["mi300x_8", "gaudi3_8"])
    found = plan(asked, catalog=shipped)
    chips = {role: {d.chip for d in found.deployments if d.role == role} for role in ("prefill", "decode")}
    assert chips["decode"] == {"mi300x"}
    assert "gaudi3" in chips["prefill"]
    assert verify_plan(found, asked, shipped) == []
    alone = {a.name: a.difference or 0.0 for a in found.alternatives}
    assert alone["only mi300x_8"] > 0.01
    assert alone["only gaudi3_8"] > 0.01


def test_phases_stay_on_one_chip_where_the_other_is_dear(shipped: Catalog) -> None:
    """The same with the second chip at five times its price: it does neither phase; verified."""
    asked = two_chips(["mi300x_8", "gaudi3_8"], {"gaudi3_8": 950_000})
    found = plan(asked, catalog=shipped)
    assert {d.chip for d in found.deployments} == {"mi300x"}
    assert verify_plan(found, asked, shipped) == []
    rival = next(a for a in found.alternatives if a.name == "only gaudi3_8")
    assert (rival.difference or 0) > 1
