"""What other rows leave over, for rows that are left out: names in common, nearness, outliers, and the variances."""

from __future__ import annotations

import math

import numpy as np
import pytest

from planner.performance.measured.observation import Observation
from planner.performance.measured.process import PRIOR_MEAN, TERMS, fit, run_of
from planner.validation.training.kept_in import likelihood_variances


def _row(source: str, chip: str, widths: tuple[float, ...] = (), recompute: str = "0", stack: str = "p") -> Observation:
    return Observation(
        f"{source} | m | {chip} | bf16", source, "f", chip, stack, "bf16", False, 1.1, shape=widths,
        recompute=recompute, generation="2024",
    )  # fmt: skip


def _said(known: list[Observation], residuals: list[float], asked: list[Observation]) -> list[float]:
    runs = [run_of(o, PRIOR_MEAN + x) for o, x in zip(known, residuals, strict=True)]
    return [float(m) - PRIOR_MEAN for m in fit(runs).predict([run_of(o) for o in asked]).mean]


def test_predictions_follow_what_rows_have_in_common():
    known = [_row("a", "x") for _ in range(6)]
    strange = Observation("b | n | z | fp8", "b", "g", "z", "q", "fp8", True, 1.0, generation="2021")
    same, other_chip, other_stack, stranger = _said(
        known, [0.1] * 6, [_row("a", "x"), _row("a", "y"), _row("a", "x", stack="q"), strange]
    )
    assert 0.08 < same < 0.1
    assert 0.0 < other_stack < other_chip < same  # a stack of the same generation takes part of its level
    assert stranger == pytest.approx(0.0)


def test_predictions_fade_with_the_distance_of_layouts():
    known = [_row("a", "x", (0.0, 3.0)) for _ in range(6)]
    asked = [_row("b", "x", w, again) for w, again in (((0, 3), "0"), ((2, 3), "0"), ((8, 3), "0"), ((0, 3), "2"))]
    near, two, eight, other = _said(known, [0.1] * 6, asked)
    assert near > two > eight > 0.0
    assert near > other > eight  # another recomputation is less of a neighbour, in the same layout


def test_one_outlier_among_neighbours_is_not_believed():
    """A single release that runs twice as slow counts for less than its share of the mean."""
    known = [_row("a", "x", (0.0,)) for _ in range(5)]
    (found,) = _said(known, [0.02, 0.02, 0.02, 0.02, 0.7], [_row("a", "x", (0.0,))])
    assert 0.015 < found < 0.5 * (0.8 * 0.02 + 0.2 * 0.7)


def test_rows_that_may_not_be_trusted_say_nothing_and_are_predicted():
    known = [_row("a", "x") for _ in range(5)]
    runs = [run_of(o, PRIOR_MEAN + 0.1) for o in known] + [run_of(_row("b", "x"), 2.0)]
    with_it = fit(runs, trusted=[True] * 5 + [False])
    alone = fit(runs[:5])
    assert with_it.weights[:5] == pytest.approx(alone.weights, rel=1e-2)
    assert with_it.left_out([r.source for r in runs]).mean[5] == pytest.approx(
        alone.predict([runs[5]]).mean[0], abs=1e-3
    )


def test_likelihood_finds_the_variance_that_rows_were_drawn_with():
    rng = np.random.default_rng(5)
    rows, left = [], []
    for chip in range(60):
        common = rng.normal(0.0, 0.12)
        for _ in range(4):
            rows.append(_row(f"s{len(rows)}", f"c{chip}", (0.0,)))
            left.append(common + rng.normal(0.0, 0.05))
    found = likelihood_variances(rows, left)
    chips = [v for t, v in zip(TERMS, found, strict=False) if "chip" in t.names]
    alone = [v for t, v in zip(TERMS, found, strict=False) if "source" in t.names]
    assert sum(chips) == pytest.approx(0.12**2, rel=0.4)  # what rows of one chip share
    assert found[-1] + sum(alone) == pytest.approx(0.05**2, rel=0.25)  # sources of one row: their own
    assert math.isfinite(float(found.sum()))
