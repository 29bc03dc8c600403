"""A list of number formats is a choice: its order says nothing."""

from __future__ import annotations

import itertools

import pytest

from planner import plan
from planner.performance.precision import fastest_precision

H100 = {"bf16": 989.4e12, "fp8": 1978.9e12, "int8": 1978.9e12}


@pytest.mark.parametrize(
    ("wanted", "peaks", "best"),
    [
        (("bf16", "fp8"), H100, "fp8"),
        (("fp8", "int8"), H100, "fp8"),  # equal in peak and bytes: the first
        (("int8", "fp8"), H100, "int8"),
        (("fp8", "bf16"), {"bf16": 312e12}, "bf16"),
        (("bf16", "fp8"), {"bf16": 100e12, "fp8": 100e12}, "fp8"),  # no faster, but half the bytes
        (("fp16", "fp8"), {"bf16": 100e12}, "fp16"),
        (("fp4",), H100, None),
    ],
)
def test_each_chip_uses_the_fastest_that_it_has(wanted: tuple[str, ...], peaks: dict[str, float], best: str) -> None:
    assert fastest_precision(wanted, peaks) == best


def test_the_order_of_a_list_changes_no_plan() -> None:
    """The quickstart costs the same whichever way its formats are written, and no more than with either alone."""
    cost = {
        formats: plan("quickstart", overrides={"workloads.assistant.precision": list(formats)}).objective.value
        for formats in [*itertools.permutations(("bf16", "fp8")), ("bf16",), ("fp8",)]
    }
    assert cost["bf16", "fp8"] == pytest.approx(cost["fp8", "bf16"], rel=1e-9)
    assert cost["bf16", "fp8"] <= min(v for k, v in cost.items() if len(k) == 1 and v is not None) * (1 + 1e-6)
