"""Runs that shrink instead of keeping spares: fewer systems, more days, and what decides between both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tools import round_scenario, run

from planner.answer.plan import Deployment
from planner.catalog import Catalog
from planner.errors import InputError
from planner.facility.reliability import default_profile, hazard
from planner.options.work.training import TrainingSearch
from planner.performance.compile import build_platform
from planner.planning.plan import plan
from planner.scenario.types import Scenario
from planner.scenario.workloads import Training
from planner.verify.plan import verify_plan

pytestmark = pytest.mark.usefixtures("in_process")
FAILING = {"costs": {"rel_mtbf_per_gpu": {"value": 50_700}}}
"""Hours: Llama 3; the catalog of round numbers has chips that never fail."""
LAYOUT = {"tp": 8, "pp": 1, "dp": 8, "micro_batch": 1}


def asked(**fields: Any) -> Scenario:
    return round_scenario(run(tokens=1e11, chips=64, parallelism=LAYOUT, **fields), assume=FAILING)


def only(scenario: Scenario, catalog: Catalog) -> Deployment:
    found = plan(scenario, catalog=catalog)
    assert found.verified, found.answer
    (deployment,) = found.deployments
    return deployment


def test_shrinking_buys_fewer_systems_for_more_days(round_catalog: Catalog) -> None:
    """Eight servers, replicas of one server each: a fault stops an eighth for three days of repair."""
    spared, shrinks = only(asked(), round_catalog), only(asked(elastic=True), round_catalog)
    assert (spared.spares > 0, shrinks.spares) == (True, 0)
    assert shrinks.systems == spared.systems - spared.spares
    assert spared.predicted.days is not None
    assert shrinks.predicted.days is not None
    profile = default_profile(round_catalog.with_assumptions(FAILING))
    # by hand: faults of all eight servers a second, each takes 8 of 64 chips away for the repair
    missing = float(hazard(8, profile.node_failures_per_day.value)) * profile.repair_s * 8 / 64
    assert shrinks.predicted.days == pytest.approx(spared.predicted.days / (1.0 - missing), rel=1e-9)
    assert shrinks.predicted.step_time_s == spared.predicted.step_time_s


def search(catalog: Catalog, **fields: Any) -> TrainingSearch:
    (workload,) = asked(**fields).workloads
    assert isinstance(workload, Training)
    return TrainingSearch(workload, catalog.with_assumptions(FAILING))


def test_wide_replicas_lose_more_with_a_fault(round_catalog: Catalog) -> None:
    """A replica is lost whole, so the share that waits grows with its size, from a server's on."""
    platform = build_platform(round_catalog, "plain_8", "plain_chip", "plain")
    chips, replicas = np.full(5, 1024), np.array([1024, 128, 64, 16, 1])
    missing = search(round_catalog, elastic=True).missing_of(platform, chips, replicas)
    assert missing[0] == missing[1]  # a server of eight holds eight replicas of one chip, or one of eight
    assert missing[1:4] == pytest.approx(missing[1] * np.array([1.0, 2.0, 8.0]))
    assert np.all(np.diff(missing[1:]) > 0)
    assert np.all(missing < 1.0)
    assert not search(round_catalog).missing_of(platform, chips, replicas).any()


def test_what_elastic_does_not_go_with(round_catalog: Catalog) -> None:
    for other in ("mixed_systems", "spare_domains"):
        with pytest.raises(InputError, match="elastic"):
            asked(elastic=True, **{other: True})
    found = plan(asked(elastic=True), catalog=round_catalog)
    assert verify_plan(found, asked(), round_catalog)  # a plan without spares is none of a run that keeps them
