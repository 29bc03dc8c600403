"""The fit of levels: it finds effects that are there, shrinks what few runs say, and knows what it does not know."""

from __future__ import annotations

import numpy as np
import pytest

from planner.performance.measured.levels import Levels
from planner.validation.serving.effects import Mixed, Observed

KINDS = {"engine": (0, 1), "chips": (0,), "group": (0,)}
TRUE = {"a": 0.4, "b": -0.3, "c": 0.1, "d": -0.2, "e": 0.3, "f": -0.1}


def runs(rng: np.random.Generator, engines: str = "abcdef") -> list[Observed]:
    found = []
    for engine in engines:
        for chip in "xyz":
            group = rng.normal(0.0, 0.05)
            for _ in range(12):
                load = rng.uniform(-1.0, 1.0)
                value = TRUE[engine] * (1.0 + 0.5 * load) + group + rng.normal(0.0, 0.03)
                names = {"engine": engine, "chips": chip, "group": engine + chip}
                found.append(Observed(names, np.array([1.0, load]), value))
    return found


def fit(found: list[Observed]) -> tuple[Mixed, Levels]:
    mixed = Mixed(found, KINDS, 2)
    return mixed, mixed.levels(("one", "load"), mixed.variances())


def test_effects_and_slopes_are_found() -> None:
    _, levels = fit(runs(np.random.default_rng(1)))
    for engine, value in TRUE.items():
        told = levels.at({"engine": engine}).value
        assert told[0] == pytest.approx(value, abs=0.08)
        assert told[1] == pytest.approx(value / 2.0, abs=0.05)
    assert levels.kinds["engine"][0] == pytest.approx(np.std(list(TRUE.values())), rel=0.5)
    assert levels.kinds["chips"][0] < 0.08  # chips differ in nothing


def test_what_is_left_out_is_not_known() -> None:
    rng = np.random.default_rng(2)
    found = runs(rng)
    mixed, levels = fit(found)
    mask = np.array([r.names["engine"] != "a" for r in found])
    without = mixed.levels(("one", "load"), mixed.variances(), mask)
    new, known = without.at({"engine": "a", "chips": "x"}), levels.at({"engine": "a", "chips": "x"})
    assert new.missing == ("engine",)
    assert abs(new.value[0]) < 0.1 < abs(known.value[0])
    here = np.array([1.0, 0.0])
    assert float(without.deviation(new, here)) > 2.0 * float(levels.deviation(known, here))


def test_one_wild_run_moves_little() -> None:
    found = runs(np.random.default_rng(4))
    _, before = fit(found)
    wild = [*found[:-1], Observed(found[-1].names, found[-1].covariates, found[-1].value + 3.0)]
    _, after = fit(wild)
    assert after.at({"engine": "f"}).value[0] == pytest.approx(before.at({"engine": "f"}).value[0], abs=0.05)
