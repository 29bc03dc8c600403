"""Plans near the best one of a fleet over time: other hardware, places and ways, each a verified plan."""

from __future__ import annotations

from typing import Any

import pytest
from tools import load, round_scenario, run

from planner.catalog import Catalog
from planner.outlook import alternatives
from planner.scenario.types import Scenario

pytestmark = pytest.mark.usefixtures("in_process")


def fleet(**fields: Any) -> Scenario:
    """A run and a growing load on one fleet of two kinds of servers."""
    works = (run(tokens=1e11, finish_within_days=300), load(900, disaggregated="never", growth_per_year=0.5))
    hardware = {"systems": ["plain_8", "big_8"]}
    over = {"fleet": {"shared": True}, "horizon_years": 2, "periods": ["2026-10", "2027-10"], "hardware": hardware}
    return round_scenario(*works, **(over | fields))


def test_other_servers_within_the_slack(round_catalog: Catalog) -> None:
    """The plain servers are the cheap ones; within half as much again the big ones do the same."""
    found = alternatives(fleet(), 0.6, catalog=round_catalog)
    assert found.best.verified
    assert {x.system for x in found.best.pieces} == {"plain_8"}
    assert found.plans
    assert all(p.verified and p.difference <= 0.6 * (1 + 1e-6) for p in found.plans)
    assert any("big_8" in {x.system for x in p.pieces} for p in found.plans)
    none = alternatives(fleet(hardware={"systems": ["plain_8"]}), 1e-6, catalog=round_catalog)
    assert all({x.system for x in p.pieces} == {"plain_8"} for p in none.plans)


def test_a_load_that_grows_on_systems_of_its_own(round_catalog: Catalog) -> None:
    """A plan over time without sharing is looked into as well."""
    found = alternatives(fleet(fleet={}), 0.6, catalog=round_catalog)
    assert found.best.verified
    assert any("big_8" in {x.system for x in p.pieces} for p in found.plans)
