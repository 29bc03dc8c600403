"""Limits of one figure as one row: the same program, and loosening the row is loosening the figure."""

from __future__ import annotations

import pytest
from test_shared_random import random_question

from planner.catalog import Catalog
from planner.fleet.leaves import by_leaf
from planner.planning.question import ask
from planner.scenario.types import Scenario
from planner.solve import Limits, Status, solve, violations, with_objective
from planner.solve.what_if import Change, changed

LIMITS = Limits(time_limit_s=20, gap=0.0, threads=1)
SEEDS = (1, 8, 11, 13, 14, 18, 22, 34, 42)


def _with_chips(scenario: Scenario, chips: int) -> Scenario:
    return scenario.model_copy(update={"limits": scenario.limits.model_copy(update={"chips": chips})})


@pytest.mark.parametrize("seed", SEEDS)
def test_the_program_means_the_same(seed: int, round_catalog: Catalog) -> None:
    """The same optimum; a point of the one is a point of the other; no figure has two rows."""
    model = ask(random_question(seed), catalog=round_catalog).model
    assert model is not None
    plain = solve(with_objective(model.program, model.objectives["cost"]), LIMITS, in_child=False)
    leaves, point = by_leaf(model, plain.values)
    again = solve(with_objective(leaves.program, leaves.objectives["cost"]), LIMITS, in_child=False)
    assert again.status is plain.status
    figures = [(x.path, x.kind, x.sense, round(x.leaf, 9)) for x in leaves.limits.values()]
    assert len(set(figures)) == len(figures)
    if plain.status is Status.PROVEN_OPTIMAL:
        assert point is not None
        assert again.objective == pytest.approx(plain.objective, rel=1e-7)
        assert not violations(leaves.program, point)


def test_loosening_the_row_is_loosening_the_figure(round_catalog: Catalog) -> None:
    """Chips of every year, loosened as one row, give what a scenario with more chips gives."""
    question = random_question(13)
    many = replace_limit(question, round_catalog, 24)
    model = ask(many, catalog=round_catalog).model
    assert model is not None
    leaves, _ = by_leaf(model)
    row = next(i for i, name in enumerate(leaves.program.row_names) if "limits.chips" in name or "chips[all" in name)
    limit = next(x for x in leaves.limits.values() if x.path == "limits.chips")
    loose = changed(leaves.program, Change(row_upper={row: 48 / limit.scale}))
    by_row = solve(with_objective(loose, leaves.objectives["cost"]), LIMITS, in_child=False)
    other = ask(replace_limit(question, round_catalog, 48), catalog=round_catalog).model
    assert other is not None
    by_figure = solve(with_objective(other.program, other.objectives["cost"]), LIMITS, in_child=False)
    assert by_row.status is by_figure.status is Status.PROVEN_OPTIMAL
    assert by_row.objective == pytest.approx(by_figure.objective, rel=1e-7)


def replace_limit(question: Scenario, catalog: Catalog, chips: int) -> Scenario:
    """The question with so many chips, systems leaving at any period so that every period has a row."""
    fleet = question.fleet.model_copy(update={"keep": "periods"})
    return _with_chips(question, chips).model_copy(update={"fleet": fleet})
