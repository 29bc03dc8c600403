"""Plans that change what serves no more than they must: no worse, and as steady as can be."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from test_shared_random import random_question
from test_stock_model import model_of, random_stock

from planner.catalog import Catalog
from planner.fleet.steady import steadied
from planner.fleet.stock_model import StockModel
from planner.planning.question import ask
from planner.solve import Limits, solve, violations, with_objective

LIMITS = Limits(time_limit_s=20, gap=0.0, threads=1)


def changes(model: StockModel, values: np.ndarray) -> float:
    """Systems that change their work, over all periods."""
    pairs = zip(model.stock.works, model.serve, strict=True)
    return sum(work.systems * abs(values[b] - values[a]) for work, columns in pairs for a, b in pairwise(columns))


def check(model: StockModel, goal: np.ndarray) -> tuple[float, float]:
    """(changes before, after), with everything that must hold held."""
    found = solve(with_objective(model.program, goal), LIMITS, in_child=False)
    if found.values is None:
        return 0.0, 0.0
    after = steadied(model, found.values, [goal], LIMITS)
    assert not violations(model.program, after)
    assert goal @ after <= goal @ found.values + 1e-6
    bought = [*model.lots, *(c for columns in model.runs for c in columns)]
    assert np.array_equal(np.round(found.values[bought]), np.round(after[bought]))
    return changes(model, found.values), changes(model, after)


@pytest.mark.usefixtures("in_process")
def test_never_worse_never_less_steady() -> None:
    """On small random fleets, whatever they are."""
    pairs = [check(m, m.objectives["cost"]) for m in map(model_of, map(random_stock, range(30)))]
    assert all(after <= before + 1e-9 for before, after in pairs)


@pytest.mark.usefixtures("in_process")
def test_swaps_for_nothing_go(round_catalog: Catalog) -> None:
    """Where the solver's path swapped units of equal cost, they stay; some question has such a path."""
    saved = 0.0
    for seed in (7, 24, 38, 62):
        question = ask(random_question(seed), catalog=round_catalog)
        assert question.stock is not None
        goal = question.stock.objectives[question.scenario.objective[0]]
        before, after = check(question.stock, goal)
        assert after <= before + 1e-9
        saved += before - after
    assert saved > 0
