"""Limits of a year hold in every year of the plan, and terms of rent compete under them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tools import load, round_scenario, run

from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.options.enumerate import enumerate_options
from planner.planning.plan import plan
from planner.scenario.types import Scenario

pytestmark = pytest.mark.usefixtures("in_process")

RENT = {"systems": ["plain_8"], "acquire": ["rent"], "rent_terms": ["on_demand", "1y", "3y"]}


def total(found: Plan) -> float:
    """What a plan costs."""
    assert found.verified, found.answer
    assert found.totals is not None
    return found.totals.tco_usd


def test_each_term_of_rent_competes(round_catalog: Catalog) -> None:
    """Over 1.5 years the year's term is the cheaper, and only the three-year one keeps a tight limit of a year.

    More terms offered never make a plan dearer or impossible, whatever a year may cost.
    """
    asked = load(2500)

    def with_terms(*terms: str, **limits: float) -> Plan:
        hardware = {**RENT, "rent_terms": list(terms)}
        scenario = round_scenario(asked, hardware=hardware, limits=limits, horizon_years=1.5)
        return plan(scenario, catalog=round_catalog)

    free = with_terms("on_demand", "1y", "3y")
    assert {d.rent_term for d in free.deployments} == {"1y"}
    dear = free.deployments[0].cost.opex_usd_per_year
    long = with_terms("3y")
    assert total(long) > total(free)
    limit = (dear + long.deployments[0].cost.opex_usd_per_year) / 2
    assert with_terms("1y", opex_usd_per_year=limit).status == "infeasible"
    every, alone = (with_terms(*t, opex_usd_per_year=limit) for t in (("on_demand", "1y", "3y"), ("3y",)))
    assert total(free) < total(every) <= total(alone)
    assert "3y" in {d.rent_term for d in every.deployments}


def two_runs(later: str, **limits: float) -> Scenario:
    """A run now and one that may not begin before a month, rented for their own days."""
    first = run("first", tokens=5e11, chips=64)
    second = run("second", tokens=5e11, chips=64, start=later)
    hardware = {**RENT, "rent_terms": ["on_demand"]}
    return round_scenario(first, second, hardware=hardware, limits=limits, horizon_years=3)


def test_first_years_of_different_years_are_not_one_year(round_catalog: Catalog) -> None:
    """Two rents, a year apart: neither year pays for both. At the same time a year pays for both of them."""
    both = plan(two_runs("2026-10"), catalog=round_catalog)
    each = 3 * max(d.cost.opex_usd_per_year for d in both.deployments)  # of three years all is paid in one
    apart = plan(two_runs("2028-01", opex_usd_per_year=1.2 * each), catalog=round_catalog)
    assert apart.verified, apart.answer
    assert 3 * sum(d.cost.opex_usd_per_year for d in apart.deployments) > 1.2 * each
    together = plan(two_runs("2026-10", opex_usd_per_year=1.2 * each), catalog=round_catalog)
    assert together.status == "infeasible"
    assert plan(two_runs("2028-01", opex_usd_per_year=0.9 * each), catalog=round_catalog).status == "infeasible"


@pytest.mark.parametrize("horizon", [1.0, 2.5, 4.0])
def test_years_add_up_to_the_whole(horizon: float, round_catalog: Catalog) -> None:
    """Carbon and water of all years are those of the plan."""
    hardware: dict[str, Any] = {"systems": ["plain_8", "big_8"], "acquire": ["buy", "rent"]}
    scenario = round_scenario(
        run(tokens=5e11), load(900), hardware=hardware, horizon_years=horizon, fleet={"idle_systems": "powered"}
    )
    known = round_catalog.with_assumptions({"costs": {"co2_embodied_h100": {"value": 1500.0}}})
    options = enumerate_options(scenario, known).options
    assert options
    for o in options:
        assert len(o.opex_usd_by_year) == int(np.ceil(horizon))
        assert sum(o.carbon_t_by_year) == pytest.approx(o.carbon_t, rel=1e-9)
        assert sum(o.water_m3_by_year) == pytest.approx(o.water_m3, rel=1e-9, abs=1e-9)
