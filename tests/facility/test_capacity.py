"""The capacity tree: what each level may carry, and plans that keep every level."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from tools import load, round_scenario, run

from planner import load_catalog, load_scenario, plan
from planner.catalog.catalog import Catalog
from planner.errors import InputError
from planner.facility.capacity import capacity_tree
from planner.scenario.reader import scenario_from_mapping
from planner.scenario.types import Scenario
from planner.verify.plan import verify_plan

THREE_LEVELS = Path(__file__).resolve().parents[2] / "scenarios" / "three-level-10mw.yaml"


def levels(hall: dict[str, object]) -> dict[str, float | None]:
    """Usable watts of the levels of a site with one hall of 6 MW."""
    found = round_scenario(
        load(), site={"power_mw": None, "capacity": {"halls": [{"name": "a", "power_mw": 6} | hall]}}
    )
    return {level.name: level.power_w for level in capacity_tree(found.sites[0])[0]}


@pytest.mark.parametrize(
    ("hall", "share"),
    [
        ({}, 1), ({"ups": "N"}, 1), ({"ups": "2N"}, Fraction(1, 2)), ({"ups": "2N+1"}, Fraction(1, 2)),
        ({"ups": "3N/2"}, Fraction(2, 3)), ({"ups": "4N/3"}, Fraction(3, 4)), ({"ups": "N+1"}, Fraction(4, 5)),
        ({"ups": "N+1", "ups_modules": 6}, Fraction(5, 6)), ({"ups": "N+2", "ups_modules": 6}, Fraction(4, 6)),
        ({"ups": "N+2"}, Fraction(3, 5)), ({"continuous_share": 0.8}, Fraction(4, 5)),
        ({"ups": "N+1", "ups_modules": 6, "continuous_share": 0.8}, Fraction(2, 3)),
    ],
)  # fmt: skip
def test_what_redundancy_leaves(hall: dict[str, object], share: Fraction) -> None:
    """(n - spare) / n modules, whole paths, and breakers that may be loaded to a share of their rating."""
    assert levels(hall)["here/a"] == pytest.approx(6e6 * float(share))


@pytest.mark.parametrize(
    "hall", [{"ups_modules": 4}, {"ups": "2N", "ups_modules": 4}, {"ups": "N+2", "ups_modules": 2}]
)
def test_modules_that_make_no_sense(hall: dict[str, object]) -> None:
    """Modules of a supply that has no spare modules, or all of whose modules are spare."""
    with pytest.raises(InputError, match="ups_modules"):
        levels(hall)


def test_months_of_pue(round_catalog: Catalog) -> None:
    """The mean of twelve months prices energy, the worst sizes the connection."""
    months = [1.1] * 6 + [1.3] * 6
    flat = plan(round_scenario(load(100), site={"pue": 1.2}), catalog=round_catalog)
    seasons = plan(round_scenario(load(100), site={"pue": None, "pue_months": months}), catalog=round_catalog)
    assert flat.totals is not None
    assert seasons.totals is not None
    assert seasons.totals.carbon_t == pytest.approx(flat.totals.carbon_t)
    assert seasons.totals.facility_mw / seasons.totals.it_mw == pytest.approx(1.3)
    with pytest.raises(InputError, match="pue_months"):
        round_scenario(load(100), site={"pue": None, "pue_months": [1.2]})


@pytest.fixture(scope="module")
def campus() -> Scenario:
    return load_scenario(THREE_LEVELS)


def test_every_level_is_kept(campus: Scenario) -> None:
    """Connection, halls behind 2N and N+1, rows and racks: both halls stand, each level carries what it may."""
    catalog = load_catalog()
    found = plan(campus, catalog=catalog)
    assert found.verified
    limits, _ = capacity_tree(campus.sites[0])
    peak: dict[str, float] = {}
    for d in found.deployments:
        parts = d.site.split("/")
        for i in range(len(parts)):
            name = "/".join(parts[: i + 1])
            peak[name] = peak.get(name, 0.0) + d.power.facility_mw * 1e6
        assert d.cooling in ({"air_inrow"} if parts[1] == "west" else {"d2c_1p"})
    assert {name.split("/")[1] for name in peak if "/" in name} <= {"west", "east"}
    by_name = {level.name: level for level in limits}
    assert by_name["campus"].power_w == pytest.approx(10e6)
    assert by_name["campus/west"].power_w == pytest.approx(4e6)
    assert by_name["campus/east"].power_w == pytest.approx(9e6 * 5 / 6 * 0.8)
    for name, watts in peak.items():
        allowed = by_name[name].power_w
        assert allowed is not None
        assert watts <= allowed * (1 + 1e-9)


@pytest.mark.parametrize("level", ["campus", "campus/east", "campus/east/e1"])
def test_verify_recomputes_every_level(campus: Scenario, level: str) -> None:
    """The same plan held against a smaller level of each kind is refused, by that level's name."""
    catalog = load_catalog()
    found = plan(campus, catalog=catalog)
    assert verify_plan(found, campus, catalog) == []
    data = campus.model_dump(mode="json", exclude_unset=True)
    capacity = data["sites"][0]["capacity"]
    if level == "campus":
        capacity["grid_mw"] = 1
    elif level == "campus/east":
        capacity["halls"][1]["power_mw"] = 1
    else:
        capacity["halls"][1]["halls"][0]["power_mw"] = 0.1
    failures = verify_plan(found, scenario_from_mapping(data), catalog)
    assert any(text.startswith(f"{level} draws") or f" {level} draws" in text for text in failures)


@pytest.mark.usefixtures("in_process")
def test_caps_that_hold_inference_to_its_measured_peak_make_room(round_catalog: Catalog) -> None:
    """D4: inference peaks near 79% of what is provisioned, so at most 30% more servers stand on the same supply
    (POLCA). A run, whose chips peak together, gains nothing."""
    ask = load(500, disaggregated="never")
    whole, shared = (
        plan(
            round_scenario(ask, site={"power_mw": 0.5, "serving_peak_share": share}, objective=["throughput"]),
            catalog=round_catalog,
        )
        for share in (1.0, 0.79)
    )
    servers = [sum(d.systems for d in p.deployments) for p in (whole, shared)]
    assert 1.2 < servers[1] / servers[0] <= 1.30
    assert servers[1] == pytest.approx(servers[0] / 0.79, rel=0.05)
    assert shared.totals is not None
    assert shared.totals.facility_mw <= 0.5 + 1e-9
    assert verify_plan(shared, round_scenario(ask, site={"power_mw": 0.5}, objective=["throughput"]), round_catalog)
    job = run(tokens=1e12, mfu=0.5)
    of_run = [
        plan(round_scenario(job, site={"serving_peak_share": share}), catalog=round_catalog).totals
        for share in (1.0, 0.79)
    ]
    assert of_run[0] == of_run[1]
