"""The optimizer's curse by closed form and by drawing; decisions made again, on rows made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from planner.catalog import Catalog
from planner.performance.measured.observation import Observation
from planner.uncertainty.curse import expected, scatter_of
from planner.validation.regret.decisions import Candidate, Decision, of_observations
from planner.validation.regret.outcome import outcomes_of, regret_markdown


def test_expected_values_are_those_of_the_normal_posterior() -> None:
    """Equal errors: halfway to the middle where errors scatter as much as values; what is known better moves less."""
    assert expected([0.0, 1.0, 2.0], [0.3] * 3, 0.3) == pytest.approx([0.5, 1.0, 1.5])
    assert expected([0.0, 1.0], [0.0, 0.0], 0.5) == pytest.approx([0.0, 1.0], abs=1e-9)
    sure, unsure = expected([0.0, 0.0, 4.0], [0.1, 2.0, 0.1], 1.0)[:2]
    assert unsure > sure > 0.0
    assert expected([3.0], [1.0], 0.1) == pytest.approx([3.0])
    dice = np.random.default_rng(2)
    drawn = dice.normal(0, math.hypot(0.4, 0.3), 200_000)
    assert scatter_of(drawn, np.full(len(drawn), 0.3)) == pytest.approx(0.4, abs=0.01)


def decisions(count: int, scatter: float, error: float) -> list[Decision]:
    """Decisions between eight candidates each, of two sources, with independent errors of prediction."""
    dice = np.random.default_rng(5)
    made = []
    for k in range(count):
        true = dice.normal(0.0, scatter, 8)
        told = true + dice.normal(0.0, error, 8)
        some = tuple(
            Candidate(str(i), float(t), float(m), error) for i, (t, m) in enumerate(zip(true, told, strict=True))
        )
        made.append(Decision("drawn, layouts", f"s{k % 2}", str(k), some))
    return made


def test_what_is_chosen_for_its_prediction_disappoints_and_its_expected_value_does_not() -> None:
    found = outcomes_of(decisions(400, 0.2, 0.2))
    disappointment = np.mean([o.bias_central for o in found])
    assert disappointment > 0.15
    assert abs(np.mean([o.bias_expected for o in found])) < 0.03
    assert np.mean([o.regret_central for o in found]) < np.mean([o.regret_random for o in found])
    text = "\n".join(regret_markdown(decisions(40, 0.2, 0.05)))
    assert "| drawn, layouts | 40 | 2 |" in text


def rows(chip: str, level: float, rate: float) -> list[Observation]:
    """Runs of one source on a chip in three layouts."""
    return [
        Observation(
            group=f"s | m | {chip} | bf16", source="s", family=chip[:3], chip=chip, profile="default",
            precision="bf16", experts=False, ratio=level * (1 + 0.05 * tp), case_id=f"{chip}{tp}", rate=rate / (1 + tp),
            shape=(float(tp), 0.0, 0.0, 0.0, 0.0, 0.0, 12.0, 6.0, 33.0, 16.0), recompute="0", model="m",
            generation="2025",
        )
        for tp in range(3)
    ]  # fmt: skip


def test_rows_make_decisions_between_layouts_and_between_chips(shipped: Catalog) -> None:
    found = of_observations([*rows("h100_sxm", 1.1, 1000.0), *rows("h200_sxm", 1.2, 1200.0)], shipped)
    kinds = sorted(d.kind for d in found)
    assert kinds == ["training, chips", "training, layouts", "training, layouts"]
    chips = next(d for d in found if d.kind == "training, chips")
    assert len(chips.candidates) == 6
    best = min(chips.candidates, key=lambda c: c.measured)
    layouts = next(d for d in found if d.kind != "training, chips")
    assert min(layouts.candidates, key=lambda c: c.measured).measured == pytest.approx(-math.log(1000.0))
    assert best.measured > -math.log(1200.0), "a chip's price is in what it costs"
