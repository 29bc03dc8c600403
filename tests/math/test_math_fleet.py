"""Fleets small enough to solve on paper. Each is solved, saved and read back before solving, and after."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest
from tools import load, option, run, run_option, scenario_of

from planner.fleet.build import build_fleet
from planner.fleet.model import OBJECTIVE_UNITS
from planner.options.option import Option
from planner.scenario.types import Scenario
from planner.solve import Limits, Status, from_dict, lexicographic, solve, to_dict, violations, with_objective

WAYS = ("solve", "save-reload-solve", "solve-save-reload")
EXACT = Limits(gap=0.0, time_limit_s=30, threads=1)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """How the plan is come by."""
    return str(request.param)


def best(way: str, scenario: Scenario, options: Sequence[Option], goal: str = "cost") -> tuple[float, dict[str, int]]:
    """(value in people's units, units of each option) of the best plan; (inf, {}) where there is none."""
    model = build_fleet(scenario, options)
    program = with_objective(model.program, model.objectives[goal])
    if way == "save-reload-solve":
        program = from_dict(json.loads(json.dumps(to_dict(program))))
    found = solve(program, EXACT, in_child=False)
    if found.status is Status.INFEASIBLE:
        return math.inf, {}
    assert found.status is Status.PROVEN_OPTIMAL
    assert found.values is not None
    values: Any = found.values
    if way == "solve-save-reload":
        program = from_dict(json.loads(json.dumps(to_dict(program))))
        values = program.lower * 0 + json.loads(json.dumps(found.values.tolist()))
        assert not violations(program, values)
    value = program.objective_at(values) * OBJECTIVE_UNITS[goal][1]
    counts = {o.id: round(values[c]) for o, c in zip(options, model.units, strict=True)}
    return value, {name: n for name, n in counts.items() if n}


def here(**fields: Any) -> dict[str, Any]:
    """The site ``here`` as a list of sites."""
    return {"sites": [{"name": "here", "region": "us_va"} | fields]}


def test_whole_units(way: str) -> None:
    """Proves: 2.5 requests/s from units of 1 take 3 units, $3 M.

    Sensitivity: fractional units would cost $2.5 M.
    """
    assert best(way, scenario_of(load(2.5)), [option("a")]) == (pytest.approx(3e6), {"a": 3})


def test_knapsack_of_sizes(way: str) -> None:
    """Proves: for 7, one unit of 5 ($4 M) and two of 1 ($1 M each) beat two of 5 ($8 M) and seven of 1 ($7 M): $6 M.

    Sensitivity: greedily by price per request, two large units, $8 M.
    """
    options = [option("large", rates={"prefill": 5.0, "decode": 5.0}, cost_usd=4e6), option("small")]
    assert best(way, scenario_of(load(7)), options) == (pytest.approx(6e6), {"large": 1, "small": 2})


def test_the_meter_forces_the_dearer_part(way: str) -> None:
    """Proves: in 45 kW, 6 requests/s need frugal units (2 a unit of 15 kW, $3 M): 3 of them, $9 M.

    Sensitivity: without the meter 6 units of 1 ($1 M, 10 kW), $6 M and 60 kW.
    """
    frugal = option("frugal", rates={"prefill": 2.0, "decode": 2.0}, facility_peak_w=15e3, cost_usd=3e6)
    assert best(way, scenario_of(load(6), **here(power_mw=0.045)), [option("a"), frugal]) == (
        pytest.approx(9e6),
        {"frugal": 3},
    )
    assert best(way, scenario_of(load(6)), [option("a"), frugal])[0] == pytest.approx(6e6)


def test_two_parts_share_the_meter(way: str) -> None:
    """Proves: in 50 kW, 6 requests/s take 2 frugal (30 kW, 4) and 2 plain (20 kW, 2): $6 M + $2 M = $8 M.

    Sensitivity: kinds that could not be mixed would cost $9 M.
    """
    frugal = option("frugal", rates={"prefill": 2.0, "decode": 2.0}, facility_peak_w=15e3, cost_usd=3e6)
    assert best(way, scenario_of(load(6), **here(power_mw=0.05)), [option("a"), frugal]) == (
        pytest.approx(8e6),
        {"a": 2, "frugal": 2},
    )


def test_half_of_a_doubled_supply(way: str) -> None:
    """Proves: a 2N hall of 60 kW carries 30 kW, three units of 10 kW; the fourth stands in the dearer hall b.

    Sensitivity: without the derate all four stand in a, $4 M.
    """
    halls = [{"name": "a", "power_mw": 0.06, "ups": "2N"}, {"name": "b", "power_mw": 0.06}]
    options = [option("a", location="here/a"), option("b", location="here/b", cost_usd=5e6)]
    assert best(way, scenario_of(load(4), **here(capacity={"halls": halls})), options) == (
        pytest.approx(8e6),
        {"a": 3, "b": 1},
    )


def test_the_grid_above_the_halls(way: str) -> None:
    """Proves: halls of 30 kW each under a grid of 40 kW hold four units in all, so a demand of 5 has no plan.

    Sensitivity: without the grid's own limit six units fit.
    """
    halls = [{"name": "a", "power_mw": 0.03}, {"name": "b", "power_mw": 0.03}]
    options = [option("a", location="here/a"), option("b", location="here/b")]
    tight = here(capacity={"grid_mw": 0.04, "halls": halls})
    assert best(way, scenario_of(load(4), **tight), options)[0] == pytest.approx(4e6)
    assert best(way, scenario_of(load(5), **tight), options)[0] == math.inf
    assert best(way, scenario_of(load(5), **here(capacity={"halls": halls})), options)[0] == pytest.approx(5e6)


def test_racks_are_whole_and_not_shared_between_kinds(way: str) -> None:
    """Proves: at 4 a rack, two racks hold 4 of one kind and 4 of another; 5 and 1 would take three racks.

    5 requests/s: the cheap kind costs $1 M up to 4 units; the fifth in a rack of its own kind takes the second rack.
    With 1 dear unit forced by its own load ($2 M), the fifth cheap unit has no rack: no plan.
    Sensitivity: racks as fractions would hold all (1.25 + 0.25 = 1.5).
    """
    cheap = option("cheap", racks=0.25)
    dear = option("dear", workload="other", system="crate", racks=0.25, cost_usd=2e6)
    both = (load(5), load(1, name="other"))
    assert best(way, scenario_of(*both, **here(power_mw=1, racks=2)), [cheap, dear])[0] == math.inf
    assert best(way, scenario_of(*both, **here(power_mw=1, racks=3)), [cheap, dear])[0] == pytest.approx(7e6)
    four = (load(4), load(1, name="other"))
    assert best(way, scenario_of(*four, **here(power_mw=1, racks=2)), [cheap, dear])[0] == pytest.approx(6e6)


def test_two_loads_share_a_rack_of_one_kind(way: str) -> None:
    """Proves: half a rack for one load and half for another of the same system are one rack.

    Sensitivity: rounding up each option alone would need two.
    """
    options = [option("a", racks=0.5), option("b", workload="other", racks=0.5)]
    both = (load(1), load(1, name="other"))
    assert best(way, scenario_of(*both, **here(power_mw=1, racks=1)), options)[0] == pytest.approx(2e6)


def test_capital_against_cost(way: str) -> None:
    """Proves: $2 M of capital rule out owning ($3 M to buy, $4 M in all); rent costs $6 M and no capital.

    Sensitivity: without the budget the plan costs $4 M.
    """
    own = option("own", capex_usd=3e6, cost_usd=4e6)
    rented = option("rented", acquire="rent", location="rented", capex_usd=0.0, cost_usd=6e6)
    assert best(way, scenario_of(load(1)), [own, rented]) == (pytest.approx(4e6), {"own": 1})
    assert best(way, scenario_of(load(1), limits={"capex_usd": 2e6}), [own, rented]) == (
        pytest.approx(6e6),
        {"rented": 1},
    )


def test_rent_needs_no_power(way: str) -> None:
    """Proves: a site for one unit and a demand of 3: one at home ($1 M), two rented ($4 M each), $9 M.

    Sensitivity: were rent to draw the site's power there would be no plan.
    """
    options = [option("own", racks=1.0), option("rented", acquire="rent", location="rented", cost_usd=4e6)]
    assert best(way, scenario_of(load(3), **here(power_mw=0.01, racks=1)), options) == (
        pytest.approx(9e6),
        {"own": 1, "rented": 2},
    )


def test_deadline_takes_the_larger_cluster(way: str) -> None:
    """Proves: within 30 days only the cluster of 20 days ($5 M) will do; without a deadline that of 60 ($3 M).

    Sensitivity: an ignored deadline saves $2 M.
    """
    options = [run_option("slow", 60.0, cost_usd=3e6), run_option("fast", 20.0, cost_usd=5e6)]
    assert best(way, scenario_of(run(finish_within_days=30)), options)[1] == {"fast": 1}
    assert best(way, scenario_of(run()), options) == (pytest.approx(3e6), {"slow": 1})


def test_a_run_is_not_split(way: str) -> None:
    """Proves: a run happens on one cluster: two half-price clusters are no plan for a deadline neither meets.

    Sensitivity: adding clusters up would give 20 days at $2 M.
    """
    options = [run_option("a", 40.0), run_option("b", 40.0)]
    assert best(way, scenario_of(run(finish_within_days=20)), options)[0] == math.inf


def test_time_as_the_goal(way: str) -> None:
    """Proves: two runs in 40 kW: one large cluster (30 kW) and one small; x small, y large is 40 + 10 = 50 days.

    Sensitivity: both large, 20 days, would draw 60 kW; x large, y small, 60 days; both small, 90.
    """
    options = [
        run_option(f"{name}{size}", days, workload=name, facility_peak_w=watts)
        for name, fast, slow in (("x", 10.0, 40.0), ("y", 10.0, 50.0))
        for size, days, watts in (("L", fast, 30e3), ("s", slow, 10e3))
    ]
    value, chosen = best(way, scenario_of(run("x"), run("y"), **here(power_mw=0.04)), options, "time")
    assert value == pytest.approx(50.0)
    assert chosen == {"xs": 1, "yL": 1}


def test_throughput_fills_the_meter(way: str) -> None:
    """Proves: 70 kW hold two units of 30 kW (350 tokens/s each) and one of 10 kW (100): 800 tokens/s.

    Sensitivity: by the demand alone (1 request/s) one unit would do; seven small ones give 700.
    """
    options = [option("big", facility_peak_w=30e3, tokens_per_s=350.0), option("small")]
    value, chosen = best(way, scenario_of(load(1), **here(power_mw=0.07)), options, "throughput")
    assert (value, chosen) == (pytest.approx(800.0), {"big": 2, "small": 1})


def test_phases_balance_at_each_site(way: str) -> None:
    """Proves: 4 requests/s from prefill units of 4 and decode units of 2: one and two at one site, $3 M.

    Sensitivity: prefill here and decode there ($0.1 M each) would be cheaper, but caches do not travel between sites.
    """
    sites = {"sites": [{"name": n, "region": "us_va", "power_mw": 1} for n in ("here", "there")]}
    options = [
        option("p", role="prefill", rates={"prefill": 4.0}),
        option("d", role="decode", rates={"decode": 2.0}),
        option("far", role="decode", rates={"decode": 4.0}, location="there", cost_usd=1e5),
    ]
    assert best(way, scenario_of(load(4), **sites), options) == (pytest.approx(3e6), {"p": 1, "d": 2})


def test_phases_beside_whole_replicas(way: str) -> None:
    """Proves: 5 requests/s: prefill 4 + decode 2 x 2 ($3 M) and one whole replica of 1 ($1.2 M): $4.2 M.

    Sensitivity: five whole replicas cost $6 M; the pair twice, $5 M (1 + 3 units serve min(4, 6) = 4).
    """
    options = [
        option("p", role="prefill", rates={"prefill": 4.0}),
        option("d", role="decode", rates={"decode": 2.0}),
        option("w", cost_usd=1.2e6),
    ]
    assert best(way, scenario_of(load(5)), options) == (pytest.approx(4.2e6), {"p": 1, "d": 2, "w": 1})


def test_what_stands_there_comes_first_and_ends(way: str) -> None:
    """Proves: five installed servers in units of two systems make two units ($0.2 M each); the third is bought, $1.4 M.

    Sensitivity: fractions of a unit would use the fifth server.
    """
    site = here(power_mw=1, installed=[{"system": "old", "count": 5}])
    options = [option("old", acquire="installed", system="old", systems=2, cost_usd=2e5), option("new")]
    assert best(way, scenario_of(load(3), **site), options) == (pytest.approx(1.4e6), {"old": 2, "new": 1})


def test_chips_are_counted_over_everything(way: str) -> None:
    """Proves: with 24 chips a run on 16 leaves one 8-chip server; a demand of 2 needs the dense one ($5 M): $6 M.

    Sensitivity: counting the load's chips alone, two plain servers, $3 M in all.
    """
    options = [
        run_option("r", 10.0, chips=16, systems=2),
        option("plain"),
        option("dense", rates={"prefill": 2.0, "decode": 2.0}, cost_usd=5e6),
    ]
    assert best(way, scenario_of(run(), load(2), limits={"chips": 24}), options) == (
        pytest.approx(6e6),
        {"r": 1, "dense": 1},
    )


def test_at_least_so_many_chips(way: str) -> None:
    """Proves: a load that must take 20 chips or more gets three 8-chip servers, $3 M.

    Sensitivity: by its rate one would do.
    """
    assert best(way, scenario_of(load(1, chips={"min": 20})), [option("a")]) == (pytest.approx(3e6), {"a": 3})


def test_carbon_of_a_year(way: str) -> None:
    """Proves: 60 t a year allow two units of 25 t; the third must be the clean one (5 t, $3 M): $5 M, 55 t.

    Sensitivity: without the limit three plain units, $3 M.
    """
    clean = option("clean", carbon_t_by_year=(5.0,), cost_usd=3e6)
    scenario = scenario_of(load(3), limits={"carbon_t_per_year": 60})
    assert best(way, scenario, [option("a"), clean]) == (pytest.approx(5e6), {"a": 2, "clean": 1})


def test_water_of_a_year(way: str) -> None:
    """Proves: 15 m3 a year allow one unit of 10 m3; the other is dry and costs $2 M: $3 M.

    Sensitivity: $2 M without the limit.
    """
    dry = option("dry", water_m3_by_year=(0.0,), cost_usd=2e6)
    scenario = scenario_of(load(2), limits={"water_m3_per_year": 15})
    assert best(way, scenario, [option("a"), dry])[0] == pytest.approx(3e6)


def test_running_cost_of_a_year(way: str) -> None:
    """Proves: $0.25 M a year allow two units of $0.1 M; the third must run for $0.05 M and costs $2 M: $4 M.

    Sensitivity: $3 M without the limit.
    """
    lean = option("lean", opex_usd_by_year=(5e4,), cost_usd=2e6)
    scenario = scenario_of(load(3), limits={"opex_usd_per_year": 0.25e6})
    assert best(way, scenario, [option("a"), lean]) == (pytest.approx(4e6), {"a": 2, "lean": 1})


def test_a_list_of_goals(way: str) -> None:
    """Proves: [power, cost]: 20 kW is least for 2 requests/s, by either of two pairs; among them $2 M beats $2.5 M.

    Sensitivity: cost alone would take one 30 kW unit at $1.5 M; power alone may return the $2.5 M pair.
    """
    options = [
        option("dear", cost_usd=1.25e6),
        option("cheap"),
        option("hot", rates={"prefill": 2.0, "decode": 2.0}, facility_peak_w=30e3, cost_usd=1.5e6),
    ]
    model = build_fleet(scenario_of(load(2)), options)
    program = model.program
    if way != "solve":
        program = from_dict(json.loads(json.dumps(to_dict(program))))
    stages = lexicographic(program, [model.objectives["power"], model.objectives["cost"]], EXACT, in_child=False)
    assert stages[0].objective == pytest.approx(0.02)
    assert stages[1].objective == pytest.approx(2.0)
    assert best(way, scenario_of(load(2)), options)[0] == pytest.approx(1.5e6)
