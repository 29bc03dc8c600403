"""What other rows leave over, for rows that are left out: names in common, nearness, outliers, and the variances."""

from __future__ import annotations

import numpy as np
import pytest

from planner.performance.measured.neighbours import shared_residuals
from planner.performance.measured.observation import Observation
from planner.validation.training.kept_in import likelihood_variances


def test_shared_residuals_follow_what_rows_have_in_common():
    def row(source: str, chip: str) -> Observation:
        return Observation(f"{source} | m | {chip} | bf16", source, "f", chip, "tuned", "bf16", False, 1.1)

    known = [row("a", "x") for _ in range(6)]
    same, other_chip, stranger = shared_residuals(
        known,
        [0.1] * 6,
        [row("a", "x"), row("a", "y"), Observation("b | n | z | fp8", "b", "f", "z", "p", "fp8", True, 1.0)],
    )
    assert 0.08 < same < 0.1
    assert 0.0 < other_chip < same
    assert stranger == pytest.approx(0.0)


def _near_row(source: str, chip: str, widths: tuple[float, ...], recompute: str = "0") -> Observation:
    group = f"{source} | m | {chip} | bf16"
    return Observation(group, source, "f", chip, "tuned", "bf16", False, 1.1, shape=widths, recompute=recompute)


def test_shared_residuals_fade_with_the_distance_of_layouts():
    known = [_near_row("a", "x", (0.0, 3.0)) for _ in range(6)]
    asked = [_near_row("b", "x", w, again) for w, again in (((0, 3), "0"), ((2, 3), "0"), ((8, 3), "0"), ((0, 3), "2"))]
    near, two, eight, other = shared_residuals(known, [0.1] * 6, asked)
    assert near > two > eight > 0.0
    assert near > other > eight  # another recomputation is less of a neighbour, in the same layout


def test_one_outlier_among_neighbours_is_not_believed():
    """A single release that runs twice as slow counts for less than its share of the mean."""
    known = [_near_row("a", "x", (0.0,)) for _ in range(5)]
    (found,) = shared_residuals(known, [0.02, 0.02, 0.02, 0.02, 0.7], [_near_row("a", "x", (0.0,))])
    assert 0.015 < found < 0.5 * (0.8 * 0.02 + 0.2 * 0.7)


def test_likelihood_finds_the_variance_that_rows_were_drawn_with():
    rng = np.random.default_rng(5)
    rows, left = [], []
    for chip in range(60):
        common = rng.normal(0.0, 0.12)
        for _ in range(4):
            rows.append(_near_row(f"s{len(rows)}", f"c{chip}", (0.0,)))
            left.append(common + rng.normal(0.0, 0.05))
    found = likelihood_variances(rows, left)
    assert found[2] == pytest.approx(0.12**2, rel=0.4)  # what rows of one profile and chip share
    assert found[-1] + found[0] + found[-2] == pytest.approx(0.05**2, rel=0.25)  # sources of one row: their own
