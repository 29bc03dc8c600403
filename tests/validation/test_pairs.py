"""Pairs in order: known answers, and what the calibration files carry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.errors import Problem
from planner.performance.measured.calibration import shipped_training_calibration
from planner.performance.measured.ordering import APART, OrderShare, by_distance, read_order
from planner.performance.serving.profile import shipped_serving_calibration
from planner.validation.pairs import LEAST_GROUPS, Run, order_lines, order_shares


def _runs(groups: int, predicted: list[float], measured: list[float], chips: list[str]) -> list[Run]:
    return [
        Run((f"source {g}",), c, m, p)
        for g in range(groups)
        for p, m, c in zip(predicted, measured, chips, strict=True)
    ]


def test_shares_of_a_case_done_by_hand() -> None:
    # a, b on one chip, c on another: (a, b) predicted 15% apart and in order, (a, c) 44% and in order,
    # (b, c) 25% apart but measured the other way round
    runs = _runs(40, [1.0, 1.15, 1.44], [1.0, 1.3, 1.2], ["x", "x", "y"])
    found = {(s.same_chip, s.apart): s for s in order_shares("tpot_ms", runs)}
    assert found[True, 0.10].right == 1.0
    assert found[True, 0.10].pairs == found[True, 0.10].groups == 40
    assert found[False, 0.20].right == 0.5
    assert found[False, 0.20].pairs == 80
    assert set(found) == {(True, 0.10), (False, 0.20)}


def test_what_was_measured_alike_and_what_is_too_few_says_nothing() -> None:
    assert order_shares("tpot_ms", _runs(40, [1.0, 1.3], [1.0, 1.005], ["x", "x"])) == ()
    assert order_shares("tpot_ms", _runs(29, [1.0, 1.3], [1.0, 1.5], ["x", "x"])) == ()
    many = [float(n) for n in range(1, 12)]
    assert order_shares("tpot_ms", _runs(LEAST_GROUPS - 1, many, many, ["x"] * 11)) == ()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.5, 2.0))
def test_order_does_not_depend_on_units_and_reverses_with_the_prediction(seed: int, unit: float) -> None:
    rng = np.random.default_rng(seed)
    measured = rng.lognormal(0.0, 0.5, 60)
    predicted = measured * rng.lognormal(0.0, 0.2, 60)

    def shares(scale: float, power: float) -> dict[tuple[bool, float], OrderShare]:
        runs = [
            Run((str(i % 6),), "xy"[i % 2], float(m), float(scale * p**power))
            for i, (m, p) in enumerate(zip(measured, predicted, strict=True))
        ]
        return {(s.same_chip, s.apart): s for s in order_shares("ttft_ms", runs)}

    plain, other, turned = shares(1.0, 1.0), shares(1.0 * unit, 1.0), shares(1.0, -1.0)
    assert plain.keys() == turned.keys()
    for key, share in plain.items():
        if key in other and other[key].pairs == share.pairs:
            assert other[key].right == pytest.approx(share.right)
        assert turned[key].right == pytest.approx(1.0 - share.right)


def test_the_shipped_shares_grow_with_the_distance_and_beat_a_coin() -> None:
    for order in (shipped_training_calibration().order, shipped_serving_calibration().order):
        columns = {name for row in by_distance(order).values() for name in row}
        assert {"tokens_per_s_per_chip", "tokens_per_s_per_chip across"} <= columns
        for name in columns:
            rights = [row[name].right for row in by_distance(order).values() if name in row]
            assert rights[-1] >= max(rights) - 0.01
            assert min(rights) > 0.5
        assert len(order_lines(order)) == len(columns) + 3
    assert {s.quantity for s in shipped_serving_calibration().order} == {"tokens_per_s_per_chip", "tpot_ms", "ttft_ms"}


def test_a_share_goes_through_the_file_and_a_bad_one_is_named() -> None:
    share = OrderShare("tpot_ms", True, APART[-1], None, 0.875, 40, 5)
    problems: list[Problem] = []
    assert read_order([share.to_json()], "serving.order", "f.yaml", problems) == (share,)
    assert not problems
    bad = [share.to_json() | {"right": 2.0}, {"quantity": "tpot_ms"}, 3]
    assert read_order(bad, "serving.order", "f.yaml", problems) == ()
    assert [p.path for p in problems] == [f"serving.order[{i}]" for i in range(3)]
