"""Designs of a scale-out network: counts of published topologies, what they leave of a port, plans that choose them."""

from __future__ import annotations

import json
from typing import Any, get_args

import numpy as np
import pytest

from planner import load_catalog, plan
from planner.answer.plan import Plan
from planner.errors import InputError
from planner.network.bill_of_materials import optics_2024
from planner.network.designs import CORE, bill, part_reach, tiers_in, whole_reach
from planner.network.fabric import port
from planner.network.tiers import Tier
from planner.performance.collectives import all_gather, all_to_all, point_to_point
from planner.scenario import scenario_from_mapping
from planner.scenario.topology import Topology
from planner.verify.plan import verify_plan

CATALOG = load_catalog()
PRICED = CATALOG.with_assumptions({"interconnects": {"ocs_mems": {"price_usd": 60_000.0}}})
OUT = Tier("scale-out", 1 << 40, 50e9, 6e-6, 0.8, kind="scale_out")
UP = Tier("NVLink", 8, 450e9, 1e-6, 0.7, kind="scale_up")


def test_a_published_dragonfly() -> None:
    """arXiv:2505.09343 table 3: 261,632 endpoints take 16,352 switches, 384,272 links, about 5,800 USD each."""
    row = CATALOG.interconnects["topo_dragonfly"]
    n = int(row.need("endpoints"))
    found = bill("dragonfly", n, 400.0, catalog=CATALOG, optics=optics_2024(CATALOG))
    assert (int(found.switches), int(found.links)) == (row.need("switches"), row.need("inter_switch_links"))
    assert float(found.price_usd) / n == pytest.approx(row.need("cost_usd_per_endpoint"), rel=0.10)
    assert whole_reach("dragonfly", 400.0, catalog=CATALOG) == 16 * 32 * (32 * 16 + 1)


@pytest.mark.parametrize("row", ["topo_rail_512", "topo_rail_2048", "topo_mpft"])
def test_published_rails(row: str) -> None:
    """One tier of eight switches for 512, two tiers in eight planes beyond."""
    record = CATALOG.interconnects[row]
    found = bill("rails", int(record.need("endpoints")), 400.0, catalog=CATALOG)
    assert int(found.switches) == record.need("switches")


def test_a_torus_of_tpu_v4() -> None:
    """64 cubes of 64 chips: 48 circuit switches; 3 links a chip; every switch in circuits is counted and priced."""
    row = CATALOG.interconnects["topo_torus3d"]
    found = bill("torus", int(row.need("endpoints")), 400.0, catalog=PRICED)
    assert int(found.switches) == row.need("switches")
    assert int(found.links) == 3 * 4096
    assert sum(float(v) for v in found.breakdown.values()) == pytest.approx(float(found.price_usd))
    assert int(bill("torus", 64, 400.0, catalog=CATALOG).switches) == 0


def test_circuits_save_a_tier_of_switches() -> None:
    """k^3/4 endpoints: 4 k^2/4 packet switches instead of 5, and k^3/4 ports of circuit switches, 128 each."""
    n = 65_536
    full, optical = (bill(t, n, 400.0, catalog=PRICED) for t in ("fat_tree", "optical"))
    assert int(full.switches) == 5 * 64**2 // 4
    assert int(optical.switches) == 64**2 + n // 128
    assert int(optical.optics) < int(full.optics)
    with pytest.raises(InputError, match="ocs_mems"):
        bill("optical", n, 400.0, catalog=CATALOG)


@pytest.mark.parametrize(("topology", "ratio", "part"), [("leaf_3to1", 3.0, 48), ("pods_7to1", 7.0, 32 * 56)])
def test_oversubscription_by_hand(topology: Topology, ratio: float, part: int) -> None:
    """Links above the oversubscribed tier are those of full bisection over the ratio; traffic beyond a part has as much
    less, traffic inside none less."""
    tiers = (UP, *tiers_in(topology, OUT, 400.0, catalog=CATALOG))
    assert [t.size for t in tiers] == [8, part, OUT.size]
    assert tiers[-1].name == CORE
    n, size = 40_000, 48 * 56 * 64
    found = bill(topology, n, 400.0, catalog=CATALOG)
    own = n if topology.startswith("pods") else 0  # links inside pods are those of full bisection
    assert int(found.links) - own == pytest.approx((2 * n - own) / ratio, rel=0.02)
    one, eight, many = np.ones(1), np.full(1, 8.0), np.full(1, float(size))
    payload, all_of_it = np.full(1, 1e12), np.ones(1)
    full = (UP, OUT)
    slower = all_to_all(tiers, many, one, payload, all_of_it) / all_to_all(full, many, one, payload, all_of_it)
    assert float(slower[0]) == pytest.approx(ratio, rel=0.02)
    assert all_to_all(tiers, eight, one, payload, all_of_it) == all_to_all(full, eight, one, payload, all_of_it)
    ring = all_gather(tiers, many, one, payload) / all_gather(full, many, one, payload)
    assert float(ring[0]) == pytest.approx(1.0, rel=0.01)  # one hop in a part's worth of them leaves it


def test_flows_of_a_dragonfly_and_a_torus() -> None:
    """A flow between groups takes each global link twice; even traffic in a torus of n^3 goes at 4 R / (3 n)."""
    far = np.full(1, 4096.0)
    sent = np.full(1, 1e12)
    plain = point_to_point((UP, OUT), far, sent)
    fly = tiers_in("dragonfly", OUT, 400.0, catalog=CATALOG)
    assert float((point_to_point((UP, *fly), far, sent) / plain)[0]) == pytest.approx(2.0, rel=1e-3)
    (torus,) = tiers_in("torus", OUT, 400.0, catalog=CATALOG)
    assert float((point_to_point((UP, torus), far, sent) / plain)[0]) == pytest.approx(6.0, rel=1e-3)
    assert float(torus.evenly(np.asarray(8.0**3))) == pytest.approx(4.0 / 24.0)


def test_every_design_has_a_price_a_reach_and_no_contention_where_it_is_full() -> None:
    """Ports of each design have counts and a price; what is oversubscribed costs less than full bisection."""
    large = {t: port(PRICED, 400.0, "large", t)["price_usd"] for t in get_args(Topology)}
    assert all(v > 0 for v in large.values())
    assert large["pods_7to1"] < large["pods_3to1"] < large["fat_tree"]
    assert large["leaf_3to1"] < large["leaf_2to1"] < large["fat_tree"]
    for t in get_args(Topology):
        assert part_reach(t, 400.0, catalog=CATALOG) < whole_reach(t, 400.0, catalog=CATALOG)
    for t in ("fat_tree", "rails", "optical"):
        assert tiers_in(t, OUT, 400.0, catalog=CATALOG) == (OUT,)  # type: ignore[arg-type]


LOAD: dict[str, Any] = {
    "name": "networks", "version": 1, "start": "2026-10", "horizon_years": 4, "objective": "cost",
    "sites": [{"name": "dc", "region": "us", "power_mw": 10, "cooling": ["air_crah"]}],
    "hardware": {"systems": ["hgx_h100_oem"], "topologies": ["fat_tree", "rails", "torus"]},
    "workloads": [
        {"name": "tune", "kind": "training", "model": "llama-3.1-8b", "tokens": 2e11, "sequence_length": 4096,
         "global_batch": 512, "precision": "bf16", "chips": {"min": 128, "max": 256}, "finish_within_days": 60},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def chosen() -> Plan:
    return plan(LOAD, catalog=CATALOG)


def test_the_optimizer_chooses_a_network(chosen: Plan) -> None:
    """Rails of 512 ports need no second tier and slow nothing: they are chosen, cheaper than full bisection by what
    the ports cost less, verified and shown; a torus is refused to network cards; another claim fails."""
    assert {d.topology for d in chosen.deployments} == {"rails"}
    assert "in rails" in chosen.deployments[0].interconnect
    plain = plan({**LOAD, "hardware": {"systems": ["hgx_h100_oem"]}}, catalog=CATALOG)
    assert plain.deployments[0].topology == "fat_tree"
    assert plain.deployments[0].predicted.step_time_s == chosen.deployments[0].predicted.step_time_s
    saved = plain.deployments[0].network["price_usd"] - chosen.deployments[0].network["price_usd"]
    assert saved > 0
    lines = (plain.deployments[0].cost.capex_lines_usd, chosen.deployments[0].cost.capex_lines_usd)
    assert lines[0]["network"] - lines[1]["network"] == pytest.approx(saved)
    asked = scenario_from_mapping(LOAD)
    assert verify_plan(chosen, asked, CATALOG) == []
    told = json.loads(chosen.to_json())
    told["deployments"][0]["topology"] = "fat_tree"
    assert verify_plan(Plan.model_validate(told), asked, CATALOG)


def test_a_fleet_over_time_chooses_a_network_too(chosen: Plan) -> None:
    """Lots of each design compete: the same network, at the same price, in what stands and in what runs on it."""
    asked = scenario_from_mapping({**LOAD, "fleet": {"shared": True}})
    found = plan(asked, catalog=CATALOG)
    assert found.verified
    assert found.fleet is not None
    assert found.schedule is not None
    assert {x.topology for x in (*found.fleet.lots, *found.fleet.standing, *found.schedule.runs)} == {"rails"}
    assert {d.topology for d in found.deployments} == {"rails"}
    assert found.objective.value is not None
    assert chosen.objective.value is not None
    assert found.objective.value <= chosen.objective.value * (1 + 2e-3)
    told = json.loads(found.to_json())
    for name, part in (("fleet", "lots"), ("schedule", "runs")):
        changed = json.loads(json.dumps(told))
        changed[name][part][0]["topology"] = "fat_tree"
        assert verify_plan(Plan.model_validate(changed), asked, CATALOG)


def test_wrong_networks_are_told() -> None:
    with pytest.raises(InputError, match="rails"):
        scenario_from_mapping({**LOAD, "hardware": {"topologies": ["rail"]}})
