"""A list of number formats is a choice: of every format that a chip has, whatever their order."""

from __future__ import annotations

import itertools

import pytest

from planner import plan
from planner.catalog import Catalog
from planner.options.work.formats import unbeaten
from planner.options.work.serving import Unit
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
def test_formats_by_peak(wanted: tuple[str, ...], peaks: dict[str, float], best: str) -> None:
    assert fastest_precision(wanted, peaks) == best


@pytest.fixture(scope="module")
def narrow(shipped: Catalog) -> Catalog:
    """An H100 whose FP8 peak is 4% below that of BF16: its fewer bytes are worth more than that."""
    return shipped.with_assumptions({"chips": {"h100_sxm": {"fp8_tflops_dense": 950.0}}})


@pytest.mark.parametrize("shared", [False, True])
def test_a_format_with_a_lower_peak_is_taken_where_it_is_faster(shared: bool, narrow: Catalog) -> None:
    """What is planned of a list is the best of what is planned of each alone."""

    def days(formats: list[str]) -> tuple[float, str]:
        run = {"kind": "training", "name": "run", "model": "llama-3.1-8b", "tokens": 2e10, "sequence_length": 4096,
               "global_batch": 256, "precision": formats, "chips": {"max": 16}}  # fmt: skip
        found = plan(
            {"name": "x", "start": "2026-10", "horizon_years": 1, "objective": "time", "workloads": [run],
             "sites": [{"name": "here", "region": "us_va", "power_mw": 1}], "fleet": {"shared": shared},
             "hardware": {"systems": ["hgx_h100_oem"]}},
            catalog=narrow,
        )  # fmt: skip
        assert found.objective.value is not None
        return found.objective.value, found.deployments[0].precision

    alone = {name: days([name])[0] for name in ("bf16", "fp8")}
    assert alone["fp8"] < alone["bf16"]
    assert days(["fp8", "bf16"]) == (pytest.approx(alone["fp8"]), "fp8")


def test_units_of_a_format_that_another_beats_are_left_out() -> None:
    """A replica goes where as many of another format's as fit into its place give more; of pools that hand caches to
    each other only a whole format goes."""

    def unit(role: str, part: int, rate: float) -> Unit:
        return Unit(role, 1, part, part, 1, rate, 1.0, 1.0, {})

    small, wide = unit("serve", 1, 3.0), unit("serve", 2, 5.0)
    assert unbeaten([[small], [wide]], apart=False, system_chips=8) == [[small], []]
    assert unbeaten([[unit("serve", 1, 2.0)], [wide]], apart=False, system_chips=8)[1] == [wide]
    ones = [unit("prefill", 1, 3.0), unit("decode", 1, 3.0)]
    mixed = [unit("prefill", 1, 2.0), unit("decode", 1, 4.0)]
    assert unbeaten([ones, mixed], apart=True, system_chips=8) == [ones, mixed]
    assert unbeaten([ones, mixed], apart=False, system_chips=8) == [ones[:1], mixed[1:]]
    worse = [unit("prefill", 1, 2.0), unit("decode", 1, 3.0)]
    assert unbeaten([ones, worse], apart=True, system_chips=8) == [ones, []]


def test_the_order_of_a_list_changes_no_plan() -> None:
    """The quickstart costs the same whichever way its formats are written, and no more than with either alone."""
    cost = {
        formats: plan("quickstart", overrides={"workloads.assistant.precision": list(formats)}).objective.value
        for formats in [*itertools.permutations(("bf16", "fp8")), ("bf16",), ("fp8",)]
    }
    assert cost["bf16", "fp8"] == pytest.approx(cost["fp8", "bf16"], rel=1e-9)
    assert cost["bf16", "fp8"] <= min(v for k, v in cost.items() if len(k) == 1 and v is not None) * (1 + 1e-6)
