"""Agents: how much cache pausing sessions leave, where it is kept, and what a plan says of it."""

from __future__ import annotations

import pytest

from planner import load_catalog, plan
from planner.answer.plan import CacheKept, Plan
from planner.errors import InputError
from planner.options.hardware.choices import platform_of
from planner.options.work.pools import kept_by
from planner.scenario import check_scenario, load_text
from planner.scenario.kinds import Agents
from planner.verify.plan import verify_plan
from planner.workload.cache import kv_bytes_per_sequence

CATALOG = load_catalog()
TEXT = """
name: agents
start: 2026-10
horizon_years: 1
sites: [{name: a, region: us_va, power_mw: 1}]
hardware: {systems: [hgx_h100_oem]}
workloads:
- {kind: agents, name: agents, model: qwen3-coder-30b-a3b, precision: fp8, kv_precision: fp8, sessions_per_s: 0.05,
   calls: 20, first_prompt: 5000, last_prompt: 100000, output_tokens: 300, tool_wait_s: 30, parallelism: {tp: 4}}
"""


def _agents(**changes: object) -> Agents:
    (found,) = load_text(TEXT).workloads
    assert isinstance(found, Agents)
    return Agents.model_validate({**found.model_dump(), **changes})


def _kept(workload: Agents) -> CacheKept:
    platform = platform_of(CATALOG, "hgx_h100_oem", "h100_sxm", "air_crah")
    return kept_by(CATALOG, workload, CATALOG.model(workload.model), platform, "fp8")


@pytest.fixture(scope="module")
def answer() -> Plan:
    return plan(load_text(TEXT), catalog=CATALOG)


def test_what_is_to_be_kept_by_hand() -> None:
    workload = _agents()
    assert workload.requests_per_s == pytest.approx(1.0)
    assert workload.input_tokens == 52_500
    assert workload.paused_sessions == pytest.approx(0.05 * 19 * 30)
    # of 20 calls that read 52,500 tokens on average, the last one's context is all that was ever new
    assert workload.seen_share == pytest.approx(1 - 100_000 / (20 * 52_500))
    kept = _kept(workload)
    each = kv_bytes_per_sequence(CATALOG.model(workload.model), 52_500, 1.0)
    assert kept.gb_a_session == pytest.approx(each / 1e9, rel=0.01)
    assert kept.needed_tb == pytest.approx(kept.paused_sessions * kept.gb_a_session / 1e3)
    assert kept.found_share == kept.seen_share  # 1.6 TB of hosts hold it all


def test_longer_pauses_leave_more_to_keep_until_it_has_no_room() -> None:
    found = [_kept(_agents(tool_wait_s=wait)) for wait in (0, 30, 600, 6000, 60000)]
    needed = [k.needed_tb for k in found]
    shares = [k.found_share for k in found]
    assert needed == sorted(needed)
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == found[0].seen_share
    assert shares[-1] < 0.2
    assert found[-1].found_share == pytest.approx(found[-1].seen_share * found[-1].room_tb / needed[-1])


def test_the_plan_says_how_much_and_where(answer: Plan) -> None:
    (d,) = answer.deployments
    kept = d.predicted.cache_kept
    assert kept is not None
    assert d.predicted.cached_prefix == kept.found_share
    assert any("sessions pause at any time" in note and kept.where in note for note in answer.notes)
    assert (d.predicted.requests_per_s or 0.0) >= 1.0
    dropped = plan(load_text(TEXT.replace("tool_wait_s: 30", "tool_wait_s: 80000")), catalog=CATALOG)
    (other,) = dropped.deployments
    # what is not kept is computed again, so the same server answers fewer
    assert (other.predicted.requests_per_s or 0.0) < 0.8 * (d.predicted.requests_per_s or 0.0)


def test_a_plan_is_read_back_and_a_changed_one_is_found_out(answer: Plan) -> None:
    again = Plan.from_json(answer.to_json())
    scenario = load_text(TEXT)
    assert verify_plan(again, scenario, CATALOG) == []
    (d,) = again.deployments
    assert d.predicted.cache_kept is not None
    more = d.predicted.cache_kept.model_copy(update={"room_tb": 99.0})
    other = d.model_copy(update={"predicted": d.predicted.model_copy(update={"cache_kept": more})})
    assert verify_plan(again.model_copy(update={"deployments": (other,)}), scenario, CATALOG)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("last_prompt: 100000", "last_prompt: 1000", "is below first_prompt"),
        ("last_prompt: 100000", "last_prompt: 9000000", "longer than the context"),
        ("calls: 20", "calls: 20, requests_per_s: 7", "is no field of this kind"),
        ("calls: 20,", "", "calls: is missing"),
    ],
)
def test_what_cannot_be_asked(old: str, new: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        check_scenario(load_text(TEXT.replace(old, new)), CATALOG)
    assert said in str(error.value)
