"""Pruning loses nothing: whatever the limits and the goal, the best plan is as good without what it leaves out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tools import load, option, random_question, round_scenario, run, scenario_of

from planner.catalog import Catalog
from planner.errors import InputError
from planner.fleet.build import build_fleet
from planner.options import enumerate as room
from planner.options.dominance import nondominated
from planner.options.enumerate import enumerate_options, prune
from planner.options.option import Option
from planner.options.work import memory, serving
from planner.planning.plan import plan
from planner.scenario.types import Scenario
from planner.solve import Limits, Status, solve, with_objective

EXACT = Limits(gap=0.0, time_limit_s=30, threads=1)
GOALS = ("cost", "power", "carbon", "throughput", "time")


def best(scenario: Scenario, options: Sequence[Option], goal: str) -> float | None:
    """The optimum in the solver's unit; None where there is no plan."""
    model = build_fleet(scenario.model_copy(update={"objective": (goal,)}), options)
    found = solve(with_objective(model.program, model.objectives[goal]), EXACT, in_child=False)
    if found.status is Status.INFEASIBLE:
        return None
    assert found.status is Status.PROVEN_OPTIMAL
    return found.objective


def with_worse_twins(options: Sequence[Option], dice: random.Random) -> list[Option]:
    """The options, and beside each some that are a little worse or better in a few figures, so that there is prey."""
    found = list(options)
    for o in options:
        for k in range(dice.randint(0, 2)):
            figures = {
                name: getattr(o, name) * dice.choice([1.0, 1.0, 1.1, 0.9])
                for name in ("cost_usd", "facility_peak_w", "capex_usd", "carbon_t", "racks")
            }
            rates = {name: rate * dice.choice([1.0, 1.0, 0.8]) for name, rate in o.rates.items()}
            rates = o.rates if o.role == "train" else dict.fromkeys(rates, min(rates.values()))
            system = dice.choice([o.system, o.system, "crate"]) if o.acquire != "installed" else o.system
            found.append(replace(o, id=f"{o.id}-{k}", rates=rates, system=system, **figures))
    dice.shuffle(found)
    return found


@pytest.mark.parametrize("seed", range(200, 260))
def test_the_optimum_survives_pruning(seed: int) -> None:
    """Random options under random limits, with near copies added: the optimum with and without pruning is one."""
    dice = random.Random(seed)
    scenario, options = random_question(seed, most_options=5)
    # a unit more than suffices is never needed, so a count that binds below that is no limit of the question
    many = [replace(o, max_units=o.max_units if o.role == "train" else 8) for o in with_worse_twins(options, dice)]
    kept, _, gone = prune(many)
    assert len(kept) + gone == len(many)
    goal = GOALS[seed % len(GOALS)]
    if goal == "throughput":
        goal = "cost"  # its counts are bounded by room, which whole plans below do
    with_all, with_few = best(scenario, many, goal), best(scenario, kept, goal)
    assert (with_few is None) == (with_all is None)
    assert with_all is None or with_few == pytest.approx(with_all, rel=1e-7)


def test_pruning_prunes() -> None:
    """A dearer copy goes; one that is better in anything a limit could count stays."""
    good = option("good")
    kept, _, gone = prune(
        [option("dear", cost_usd=2e6), good, option("small", chips=4), option("dry", cost_usd=1.5e6, water_m3=0.0)]
    )
    assert [o.id for o in kept] == ["good", "small", "dry"]
    assert gone == 1


def test_equals_leave_one() -> None:
    """Of options that are the same in everything one stays."""
    kept, _, gone = prune([option(f"o{i}") for i in range(5)])
    assert (len(kept), gone) == (1, 4)


def test_racks_shared_within_a_kind_only() -> None:
    """A quarter of a rack of another kind may cost a whole rack, so it does not beat three quarters of this one."""
    mine = option("mine", racks=0.75, cost_usd=2e6)
    other = option("other", system="crate", racks=0.25)
    assert {o.id for o in prune([mine, other])[0]} == {"mine", "other"}
    assert {o.id for o in prune([mine, replace(other, system="box")])[0]} == {"other"}
    assert {o.id for o in prune([replace(mine, racks=1.0), other])[0]} == {"other"}


@pytest.mark.parametrize(
    "fields",
    [{"workload": "other"}, {"role": "decode"}, {"location": "there"}, {"period": 1}, {"acquire": "rent"}],
)
def test_only_like_is_compared_with_like(fields: dict[str, object]) -> None:
    """What does another job, stands elsewhere or is paid otherwise is no substitute."""
    kept, _, _ = prune([option("a"), option("b", cost_usd=9e6, **fields)])
    assert len(kept) == 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=30), st.integers(1, 7))
def test_nondominated_by_definition(rows: list[tuple[int, ...]], block: int) -> None:
    """Who goes is beaten by the one named, who stays is beaten by none, whatever the block."""
    figures = np.array(rows, dtype=np.float64)
    keep, witness = nondominated(figures[:, :2], figures[:, 2:], block=block)
    signed = figures * [1, 1, -1]
    for i in range(len(rows)):
        if keep[i]:
            assert witness[i] == -1
            for j in np.flatnonzero(keep):
                assert i == j or not (signed[j] <= signed[i]).all()
        else:
            assert keep[witness[i]]
            assert (signed[witness[i]] <= signed[i]).all()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0, 4.5]), st.sampled_from([4, 8])),
        min_size=1, max_size=7,
    ),
    st.sampled_from([1.0, 2.5, 5.0, 7.0]),
    st.sampled_from([None, 16, 24, 40]),
    st.sampled_from([None, 8, 24]),
)  # fmt: skip
def test_the_frontier_of_shapes_loses_nothing(
    shapes: list[tuple[int, float, int]], demand: float, most: int | None, least: int | None
) -> None:
    """Shapes whose figures go with their systems: cost and power are as low with the frontier as with all of them."""
    systems, rate = np.array([s for s, _, _ in shapes]), np.array([r for _, r, _ in shapes])
    chips = np.array([s * c for s, _, c in shapes])
    staying = serving.frontier(systems, rate, chips)
    options = [
        option(f"s{i}", systems=int(s), chips=int(s * c), racks=s * 0.25, rates={"prefill": r, "decode": r},
               cost_usd=1e6 * s, facility_peak_w=1e4 * s, max_units=20)
        for i, (s, r, c) in enumerate(shapes)
    ]  # fmt: skip
    span = {k: v for k, v in (("min", least), ("max", most)) if v is not None}
    if least is not None and most is not None and least > most:
        return
    site = {"name": "here", "region": "us_va", "power_mw": 0.09, "racks": 2}
    scenario = scenario_of(load(demand, **({"chips": span} if span else {})), sites=[site])
    kept = [options[i] for i in staying]
    assert best(scenario, kept, "cost") == pytest.approx(best(scenario, options, "cost"))


@pytest.mark.usefixtures("in_process")
def test_throughput_without_an_end_is_no_question(round_catalog: Catalog) -> None:
    """Rented systems need no site: with no limit on chips or money the most of them is no number."""
    rent = {"systems": ["plain_8"], "acquire": ["rent"]}
    with pytest.raises(InputError, match="no end"):
        plan(round_scenario(load(1), hardware=rent, objective=["throughput"]), catalog=round_catalog)
    assert plan(
        round_scenario(load(1), hardware=rent, objective=["throughput"], limits={"chips": 64}), catalog=round_catalog
    ).verified


def whole_plans() -> list[Scenario]:
    """Small real questions, pruned and unpruned."""
    both = {"systems": ["plain_8", "big_8"], "acquire": ["buy", "rent"]}
    return [
        round_scenario(load(2500), hardware=both, site={"power_mw": 0.06, "racks": 1}),
        round_scenario(
            load(2500), hardware=both, objective=["throughput"], site={"power_mw": 0.06}, limits={"chips": 56}
        ),
        round_scenario(load(2500), hardware=both, limits={"capex_usd": 3e5}),
        round_scenario(load(2500, chips={"min": 40, "max": 64}), hardware=both, objective=["power", "cost"]),
        round_scenario(run(tokens=5e11), hardware=both, limits={"carbon_t_per_year": 40}, site={"racks": 3}),
        round_scenario(run(tokens=5e11), load(900), hardware=both, site={"power_mw": 0.2}, limits={"chips": 120}),
    ]


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("index", range(6))
def test_whole_plans_without_any_pruning(index: int, round_catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every shape and every option left in, the plan is worth the same."""
    scenario = whole_plans()[index]
    scenario = scenario.model_copy(update={"solve": scenario.solve.model_copy(update={"gap": 0.0})})
    known = round_catalog.with_assumptions({})
    pruned = plan(scenario, catalog=round_catalog)
    assert pruned.status == "proven_optimal"
    few = len(enumerate_options(scenario, known).options)
    monkeypatch.setattr(room, "prune", lambda options, **_: (list(options), [], 0))
    monkeypatch.setattr(serving, "frontier", lambda systems, *_, **__: np.arange(len(systems)))
    memory.forget()
    many = enumerate_options(scenario, known).options
    assert len(many) > few
    goal = scenario.objective[0]
    scale = {"cost": 1e6, "power": 1.0, "throughput": -1e6}[goal]
    model = build_fleet(scenario, many)
    found = solve(with_objective(model.program, model.objectives[goal]), Limits(gap=1e-6, time_limit_s=20, threads=1),
                  in_child=False)  # fmt: skip
    assert found.status.has_plan
    assert pruned.objective.value == pytest.approx(found.objective * scale, rel=1e-5)
