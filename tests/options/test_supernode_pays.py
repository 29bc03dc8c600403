"""When a supernode pays: one input swept until the plan changes side, and why (recommenders and pools of prompts)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from planner import load_catalog, load_scenario, plan
from planner.answer.plan import Plan
from planner.options.work.pools import cached_prefix, pools_of
from planner.performance.compile import build_platform
from planner.performance.serving.prefix_cache import HIT_CURVES
from planner.scenario.types import Scenario
from planner.scenario.workloads import PrefixHits, Serving

SCENARIOS = Path(__file__).parents[2] / "scenarios"
CATALOG = load_catalog()


def at_price(name: str, price_usd: float, **workload: Any) -> Plan:
    """The plan of a scenario with the supernode at a price, and the load changed."""
    scenario = load_scenario(SCENARIOS / f"{name}.yaml")
    data = scenario.model_dump(exclude_none=True)
    data["assume"]["systems"]["cloudmatrix384"]["price_usd"] = price_usd
    data["workloads"][0].update(workload)
    data["sites"][0]["cooling"] = ["d2c_1p"]
    data["overrides"], data["variants"] = {}, {}
    found = plan(Scenario.model_validate(data))
    assert found.verified
    return found


def supernodes(found: Plan) -> int:
    return sum(d.systems for d in found.deployments if d.system == "cloudmatrix384")


def test_recommender_breaks_even_on_the_price_of_the_domain() -> None:
    """Supernodes below about 10.95 million USD, servers above; cost grows with the price up to there, then stays."""
    prices = (8.2e6, 10.0e6, 11.5e6)
    plans = [at_price("recommender-supernode", p) for p in prices]
    assert [supernodes(p) for p in plans] == [2, 2, 0]
    cost = [p.totals.tco_usd for p in plans if p.totals is not None]
    assert cost[0] < cost[1] < cost[2]
    even = prices[0] + (cost[2] - cost[0]) * (prices[1] - prices[0]) / (cost[1] - cost[0])
    assert 10.0e6 < even < 11.5e6
    assert supernodes(at_price("recommender-supernode", even * 0.995)) == 2
    assert supernodes(at_price("recommender-supernode", even * 1.005)) == 0


def test_small_recommenders_take_servers() -> None:
    """Whole supernodes are too coarse for a seventh of the load, even at the lowest price."""
    assert supernodes(at_price("recommender-supernode", 8.2e6, samples_per_s=5e6)) == 0


@pytest.mark.parametrize(
    ("price", "load", "pays"),
    [
        (8.2e6, {}, True),
        (17e6, {}, False),
        (9.5e6, {"prefix_network_pool": True}, False),
    ],
)
def test_shared_pool_of_prompts(price: float, load: dict[str, Any], pays: bool) -> None:
    """Prompts that repeat across users: a shared pool pays for the supernode up to 13 to 15 million USD;
    where servers share a store over the network, which needs 0.3-0.6 GB/s a chip only, it must cost less than 9.5."""
    found = at_price("kv-pool", price, **load)
    assert (supernodes(found) > 0) == pays
    shares = {d.system: d.predicted.cached_prefix for d in found.deployments if d.role == "prefill"}
    if pays:
        assert (shares["cloudmatrix384"] or 0.0) > 0.4


def share(system: str, requests_per_s: float, curve: str, network: bool = False) -> float:
    chip = "ascend_910c"
    known = CATALOG.with_assumptions(
        {"systems": {"atlas_800_a3": {"host_dram_tb": 3.0}, "cloudmatrix384": {"host_dram_tb": 144.0}}}
    )
    load = Serving.model_validate(
        {"kind": "serving", "name": "api", "model": "deepseek-v3", "precision": ["int8"], "input_tokens": 16384,
         "output_tokens": 256, "requests_per_s": requests_per_s, "prefix_hits": curve,
         "prefix_network_pool": network}
    )  # fmt: skip
    platform = build_platform(known, system, chip, "d2c_1p")
    return cached_prefix(known, load, known.model("deepseek-v3"), platform, "int8")


def test_more_servers_find_less_of_what_users_share() -> None:
    """Requests of an API go anywhere (no session to return to): n separate pools keep 1/n of the hits."""
    few, many = share("atlas_800_a3", 10, "api"), share("atlas_800_a3", 200, "api")
    assert many < 0.15 * few
    pooled = share("cloudmatrix384", 200, "api")
    assert pooled > 10 * many
    assert pooled <= HIT_CURVES["api"].most
    assert share("atlas_800_a3", 200, "api", network=True) >= pooled * 0.9
    assert share("atlas_800_a3", 200, "chat") > 0.6 * share("cloudmatrix384", 200, "chat")  # sessions stay


def test_no_memory_known_no_pool() -> None:
    platform = build_platform(CATALOG, "cloudmatrix384", "ascend_910c", "d2c_1p")
    assert pools_of(CATALOG, platform, network=False) == ()


def test_every_curve_a_load_may_name_exists() -> None:
    assert set(get_args(PrefixHits)) <= set(HIT_CURVES)
