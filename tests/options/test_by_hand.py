"""Figures by hand apply to the hardware that they are of, are listed, and are checked."""

from __future__ import annotations

import pytest
from tools import round_scenario, run

from planner import plan
from planner.catalog import Catalog
from planner.errors import InputError
from planner.scenario.types import Scenario
from planner.verify.plan import verify_plan

pytestmark = pytest.mark.usefixtures("in_process")


def asked(system: str, **fields: object) -> Scenario:
    """A run on one kind of server."""
    work = run(tokens=1e12, finish_within_days=200, **fields)
    return round_scenario(work, hardware={"systems": [system]}, solve={"answers": "none"})


def test_an_mfu_of_one_system_is_of_no_other(round_catalog: Catalog) -> None:
    own = {"mfu_of": {"big_8": 0.3}}
    other, plain = (plan(asked("plain_8", **f), catalog=round_catalog) for f in (own, {}))
    assert other.deployments[0].predicted.mfu == plain.deployments[0].predicted.mfu
    found = plan(asked("big_8", **own), catalog=round_catalog)
    assert found.deployments[0].predicted.mfu == pytest.approx(0.3)
    assert {a.path: a.value for a in found.assumptions} == {"workloads.run.mfu_of.big_8": 0.3}
    assert not verify_plan(found, asked("big_8", **own), round_catalog)
    assert verify_plan(found.model_copy(update={"assumptions": ()}), asked("big_8", **own), round_catalog)
    by_chip = plan(asked("big_8", mfu_of={"big_chip": 0.3}), catalog=round_catalog)
    assert by_chip.deployments[0].predicted.mfu == pytest.approx(0.3)
    with pytest.raises(InputError, match="big_9"):
        plan(asked("big_8", mfu_of={"big_9": 0.3}), catalog=round_catalog)
