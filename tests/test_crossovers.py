"""Air or liquid, servers or supernode: the shipped scenarios change side where an input says they should, once, and
where both sides cost the same."""

from __future__ import annotations

import copy
import itertools
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from planner.answer.plan import Plan
from planner.catalog import Catalog, load_catalog
from planner.planning.plan import plan
from planner.scenario import scenario_from_mapping

pytestmark = pytest.mark.usefixtures("in_process")
FOLDER = Path(__file__).parents[1] / "scenarios"
AIR = {"air_crah", "air_inrow", "rdhx"}
LAYOUT = {"tp": 4, "pp": 3, "vpp": 1, "dp": 128, "cp": 2, "micro_batch": 1, "zero_stage": 1, "recompute": "none"}
"""The layout that the whole search finds, so that every plan of a sweep is one of cooling alone."""


@cache
def catalog() -> Catalog:
    return load_catalog()


@cache
def asked(name: str) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return data


def hall(side: str = "", **changes: Any) -> Plan:
    """The plan of the hall with some of its site changed; ``side``: only air, or only liquid."""
    data = copy.deepcopy(asked("air-or-liquid"))
    site = data["sites"][0] | changes
    site["cooling"] = {"air": ["air_crah", "air_inrow", "rdhx"], "liquid": ["d2c_1p", "d2c_1p_hybrid"]}.get(
        side, ["air_crah", "air_inrow", "rdhx", "d2c_1p", "d2c_1p_hybrid"]
    )
    data |= {"sites": [site], "overrides": {}, "variants": {}}
    data["workloads"][0] |= {"parallelism": LAYOUT, "finish_within_days": 80}  # air runs a little slower
    return plan(scenario_from_mapping(data), catalog=catalog())


def cost(answer: Plan) -> float:
    assert answer.objective.value is not None, answer.answer
    return answer.objective.value


def is_air(answer: Plan) -> bool:
    (one,) = answer.deployments
    return one.cooling in AIR


def crossover(**climate: Any) -> float:
    """Tariff at which both sides cost the same: the cost of each is a straight line in the tariff."""
    low, high = 0.0, 0.2
    gap = [
        cost(hall("air", tariff_usd_per_kwh=t, **climate)) - cost(hall("liquid", tariff_usd_per_kwh=t, **climate))
        for t in (low, high)
    ]
    return low + (high - low) * gap[0] / (gap[0] - gap[1])


def test_tariff_decides_between_air_and_liquid() -> None:
    """Cheap power: the plant of liquid never pays. Dear power: it does. One crossover, where both cost the same."""
    at = crossover()
    assert 0.0 < at < 0.2
    both = cost(hall("air", tariff_usd_per_kwh=at)), cost(hall("liquid", tariff_usd_per_kwh=at))
    assert both[0] == pytest.approx(both[1], rel=1e-5)
    sides = [is_air(hall(tariff_usd_per_kwh=at * share)) for share in (0.0, 0.5, 0.97, 1.03, 2.0, 10.0)]
    assert sides == [True, True, True, False, False, False]


def test_climate_decides_between_air_and_liquid() -> None:
    """The same tariff: a cool site stays with air, a hot and humid one takes liquid; the crossover falls with heat."""
    cool, hot = ({"design_wet_bulb_c": w, "design_dry_bulb_c": w + 8} for w in (12, 30))
    at = crossover(**cool), crossover(**hot)
    assert at[1] < at[0]
    tariff = (at[0] + at[1]) / 2
    assert is_air(hall(tariff_usd_per_kwh=tariff, **cool))
    assert not is_air(hall(tariff_usd_per_kwh=tariff, **hot))


def test_racks_decide_between_air_and_liquid() -> None:
    """Power for nothing, so air is cheaper, but it needs more racks: with few places only liquid is left."""
    sides = {racks: hall(tariff_usd_per_kwh=0.0, racks=racks) for racks in (300, 100, 70, 60)}
    assert [is_air(p) for p in sides.values()] == [True, True, False, False]
    need = min(d.racks for d in hall("air", tariff_usd_per_kwh=0.0).deployments)
    assert is_air(hall(tariff_usd_per_kwh=0.0, racks=need))
    assert not is_air(hall(tariff_usd_per_kwh=0.0, racks=need - 1))


def test_the_plan_itself_says_what_the_other_side_costs() -> None:
    """Beside the winner stand the best plan of the losing side, the lines it loses in, and the wall with its worth."""
    best, other = hall(), hall("air")
    (said,) = [a for a in best.alternatives if a.name == "only air-cooled systems"]
    assert said.objective == pytest.approx(cost(other), rel=1e-6)
    assert sum(said.cost_difference_usd.values()) == pytest.approx(cost(other) - cost(best), rel=1e-4)
    assert other.deployments[0].cooling in said.summary
    largest = max(said.cost_difference_usd, key=lambda line: abs(said.cost_difference_usd[line]))
    assert largest.replace("_", " ") in said.summary  # the line that decides is named, however small the difference
    names = [a.name for a in best.alternatives]
    assert "only hgx_h100_oem in rdhx" not in names  # the same plan under a narrower name
    need = min(d.racks for d in hall("air", tariff_usd_per_kwh=0.0).deployments)
    short = hall(tariff_usd_per_kwh=0.0, racks=need - 1)
    (wall,) = [b for b in short.binding if "racks" in b.limit]
    gained = cost(short) - cost(hall(tariff_usd_per_kwh=0.0))
    assert wall.worth_per_unit == pytest.approx(gained, rel=1e-3)  # one more rack place and air fits


def decode(systems: list[str], **server: Any) -> Plan:
    """The serving half of supernode-or-servers, at one cooling, with figures of the server's network changed."""
    data = copy.deepcopy(asked("supernode-or-servers"))
    data["workloads"] = [w for w in data["workloads"] if w["name"] == "api"]
    data["workloads"][0] |= {"disaggregated": "always", "parallelism": {"tp": 1, "pp": 1}}  # a search of seconds
    data["hardware"]["systems"] = systems
    data["sites"][0]["cooling"] = ["d2c_1p"]
    data["assume"]["systems"]["atlas_800_a3"] |= server
    data |= {"overrides": {}, "variants": {}}
    return plan(scenario_from_mapping(data), catalog=catalog())


def on_supernode(answer: Plan) -> float:
    """Share of the decoding that the supernode does."""
    rates = {d.system: 0.0 for d in answer.deployments}
    for d in answer.deployments:
        if d.role == "decode":
            rates[d.system] += d.predicted.requests_per_s or 0.0
    return rates.get("cloudmatrix384", 0.0) / sum(rates.values())


def test_expert_traffic_decides_between_servers_and_supernode() -> None:
    """Experts spread over servers meet in the scale-out network: the slower it is for what they send, the dearer they
    get; a supernode, whose experts meet in its own fabric, costs what it did. So the side changes, and once."""
    both = ["atlas_800_a3", "cloudmatrix384"]
    speeds = (1600, 400, 100, 25)
    free = [decode(both, scaleout_gbit_s_per_chip=s) for s in speeds]
    shares = [on_supernode(p) for p in free]
    assert shares[0] == 0.0
    assert shares[-1] >= 0.9
    assert all(b >= a - 0.02 for a, b in itertools.pairwise(shares))  # once it pays it goes on paying
    servers = [cost(decode(["atlas_800_a3"], scaleout_gbit_s_per_chip=s)) for s in speeds[1:]]
    supernode = cost(decode(["cloudmatrix384"]))
    assert all(a < b for a, b in itertools.pairwise(servers))
    assert servers[0] < supernode < servers[-1]
    for answer, alone in zip(free[1:], servers, strict=True):
        assert cost(answer) <= min(alone, supernode) * 1.001
