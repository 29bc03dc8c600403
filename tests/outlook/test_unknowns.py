"""What is missing is asked for at once, and what is pasted is enough."""

from __future__ import annotations

from typing import Any

import yaml
from tools import run, scenario_of

from planner.catalog import Catalog
from planner.outlook.unknowns import block, unknowns
from planner.planning.question import searched


def asked(**fields: Any) -> Any:
    """A run on a system of which hardly anything is published, and one of which a little is missing."""
    return scenario_of(
        run(tokens=1e11), start="2027-04", hardware={"systems": ["biren_br2xx_16", "sgx5000"]}, **fields
    )  # fmt: skip


def test_one_round_is_enough(shipped: Catalog) -> None:
    """The pasted block leaves nothing unknown, and nothing in it was known before."""
    found = unknowns(asked(), catalog=shipped)
    assert {u.record for u in found} >= {"br20x", "biren_br2xx_16"}
    assert {"mem_gb", "mem_bw_tb_s", "bf16_fp16_tflops_dense"} <= {u.field for u in found if u.record == "br20x"}
    for u in found:
        assert shipped.records(u.kind)[u.record].get(u.field) is None
        assert u.middle is None or u.low <= u.middle <= u.high  # type: ignore[operator]
        assert "biren_br2xx_16" in u.systems or "sgx5000" in u.systems
    pasted = asked(assume=yaml.safe_load(block(found))["assume"])
    known = shipped.with_assumptions(pasted.assume.as_mapping())
    left = searched(pasted, known).dropped
    assert not [d for d in left if "is not published" in d.reason]
    assert unknowns(pasted, catalog=shipped) == ()
    assert block(()) == ""
