"""Kinds of systems and pools of work: limits on them, and the simplest of plans that are nearly the best."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
from tools import load, option, scenario_of

from planner import plan
from planner.answer.plan import Plan
from planner.catalog import load_catalog
from planner.errors import InputError
from planner.fleet.build import build_fleet
from planner.fleet.kinds import simplest, uses_of
from planner.options.enumerate import prune
from planner.options.option import Option
from planner.scenario import load_scenario
from planner.scenario.types import Scenario
from planner.solve import Limits, Status, solve, with_objective
from planner.verify.plan import verify_plan

SHORT = Limits(time_limit_s=20.0, threads=1)


def options_of(rng: random.Random, loads: list[str]) -> list[Option]:
    """Some options of a few kinds for each load, some of them beaten by others."""
    made = []
    for workload in loads:
        for system in ("a", "b", "c"):
            for cooling in ("air", "liquid")[: rng.randint(1, 2)]:
                rate = rng.choice([1.0, 1.5, 2.0])
                made.append(
                    option(
                        f"{workload}{system}{cooling}", workload=workload, system=system, cooling=cooling, max_units=4,
                        rates={"prefill": rate, "decode": rate}, cost_usd=rng.choice([1.0, 1.01, 1.3, 1.6]) * 1e6,
                    )
                )  # fmt: skip
    return made


def every_plan(scenario: Scenario, options: list[Option]) -> list[tuple[float, int, int]]:
    """(cost, kinds, pools) of every plan that serves all loads."""
    found = []
    asked = {w.name: w.requests_per_s for w in scenario.workloads}  # type: ignore[union-attr]
    for counts in itertools.product(*(range(o.max_units + 1) for o in options)):
        used = [(o, n) for o, n in zip(options, counts, strict=True) if n]
        if all(sum(n * o.rates["decode"] for o, n in used if o.workload == w) >= r for w, r in asked.items()):
            kinds = {(o.system, o.chip, o.cooling) for o, _ in used}
            pools = {(o.site, o.system, o.cooling, o.workload) for o, _ in used}
            found.append((sum(n * o.cost_usd for o, n in used) / 1e6, len(kinds), len(pools)))
    return found


@pytest.mark.parametrize("seed", range(12))
def test_the_simplest_plan_is_the_one_that_counting_finds(seed: int) -> None:
    """Fewest kinds within the share, then pools, then the best of those: against every plan there is."""
    rng = random.Random(seed)
    names = ["one", "two"] if seed % 2 else ["one"]
    scenario = scenario_of(*(load(rng.choice([2.0, 3.0, 3.5]), name=n) for n in names))
    options = options_of(rng, names)
    if len(options) > 6:
        options = rng.sample(options, 6)
    plans = every_plan(scenario, options)
    model = build_fleet(scenario, options)
    best = solve(with_objective(model.program, model.objectives["cost"]), SHORT)
    if not plans:
        assert best.status is Status.INFEASIBLE
        return
    assert best.values is not None
    uses = uses_of(model)
    for share in (0.02, 0.3):
        least = min(cost for cost, _, _ in plans)
        near = [p for p in plans if p[0] <= least * (1 + share) + 1e-9]
        kinds, pools = min((k, p) for _, k, p in near)
        cheapest = min(cost for cost, k, p in near if (k, p) == (kinds, pools))
        before = uses.counts(best.values)
        made = simplest(model, uses, ["cost"], best.values, before, best.objective, share, SHORT)
        if made is None:
            assert before == (kinds, pools)
            continue
        assert (made.kinds, made.pools) == (kinds, pools) < before
        assert made.proven
        assert float(model.objectives["cost"] @ made.values) == pytest.approx(cheapest, rel=1e-3)


@pytest.mark.parametrize("seed", range(12))
def test_a_limit_on_kinds_or_pools_gives_the_best_plan_within_it(seed: int) -> None:
    """Against every plan there is, pruned options included: one that is beaten may be the one that can do all."""
    rng = random.Random(100 + seed)
    names = ["one", "two"]
    leaf, most = rng.choice([("kinds", 1), ("kinds", 2), ("pools", 2)])
    scenario = scenario_of(*(load(rng.choice([2.0, 3.0]), name=n) for n in names), limits={leaf: most})
    options = rng.sample(options_of(rng, names), 6)
    kept = prune(options, within_kinds=True)[0]
    model = build_fleet(scenario, kept)
    found = solve(with_objective(model.program, model.objectives["cost"]), SHORT)
    allowed = [cost for cost, k, p in every_plan(scenario, options) if (k if leaf == "kinds" else p) <= most]
    if not allowed:
        assert found.status is Status.INFEASIBLE
    else:
        assert found.objective == pytest.approx(min(allowed), rel=1e-3)


MIXED = {"workloads.assistant.requests_per_s": 16}


@pytest.fixture(scope="module")
def simpler() -> Plan:
    """The quickstart at a rate that two kinds answer for little less, made simple."""
    return plan("quickstart", overrides={**MIXED, "solve.simplify": 0.3})


def test_a_plan_says_what_it_gave_up_to_be_simple(simpler: Plan) -> None:
    """One kind instead of two, within the share; the note, the bound and the status say so."""
    best = plan("quickstart", overrides={**MIXED, "solve.simplify": 0})
    assert len(best.kinds) == 2
    assert best.simplified is None
    assert simpler.simplified is not None
    assert (simpler.simplified.kinds, simpler.simplified.kinds_before) == (1, 2) == (len(simpler.kinds), 2)
    assert simpler.simplified.best == pytest.approx(best.objective.value, rel=1e-3)
    assert best.objective.value is not None
    assert simpler.objective.value is not None
    assert best.objective.value < simpler.objective.value <= 1.3 * best.objective.value
    assert simpler.status == "within_gap"
    assert simpler.objective.gap == pytest.approx(
        (simpler.objective.value - (best.objective.bound or 0.0)) / simpler.objective.value, rel=1e-2
    )
    assert any("1 kind of system in 1 pool instead of 2 in 2" in n for n in simpler.notes)
    assert not any("MW" in b.limit for b in simpler.binding), "what was given up is not what a megawatt is worth"


def test_what_a_plan_says_of_its_simplicity_is_checked(simpler: Plan, tmp_path: Path) -> None:
    """Each figure changed is caught; read back it is the same."""
    scenario = load_scenario("quickstart", overrides={**MIXED, "solve.simplify": 0.3})
    catalog = load_catalog()
    assert verify_plan(simpler, scenario, catalog) == []
    assert simpler.simplified is not None
    for change in ({"kinds": 2}, {"pools": 2}, {"share": 0.1}, {"best": 1e5}, {"kinds_before": 1, "pools_before": 1}):
        wrong = simpler.model_copy(update={"simplified": simpler.simplified.model_copy(update=change)})
        assert verify_plan(wrong, scenario, catalog), change
    none = simpler.model_copy(update={"simplified": None})
    assert any("gap" in text for text in verify_plan(none, scenario, catalog))
    few = load_scenario("quickstart", overrides={**MIXED, "solve.simplify": 0.3, "limits.pools": 1})
    both = plan("quickstart", overrides={**MIXED, "solve.simplify": 0})
    assert any("limits.pools is 1, the plan has 2" in text for text in verify_plan(both, few, catalog))
    assert Plan.read(simpler.save(tmp_path / "plan.json")).simplified == simpler.simplified


@pytest.mark.parametrize("shared", [False, True])
def test_a_limit_on_kinds_that_stands_in_the_way_is_named(shared: bool) -> None:
    """No plan with one kind for so little: the limit is among the conflict, and raising it helps."""
    answer = plan(
        "quickstart", overrides={**MIXED, "limits.kinds": 1, "limits.cost_usd": 9e5, "fleet": {"shared": shared}}
    )
    assert answer.status == "infeasible"
    assert any("1 kind of system" in c.limits for c in answer.conflicts), answer.conflicts
    assert any(n.limit == "limits.kinds" and n.needed == 2 and n.helps for n in answer.nearest)


def test_a_limit_of_no_kinds_is_refused() -> None:
    """Zero kinds is no plan but a slip."""
    with pytest.raises(InputError, match=r"limits\.kinds"):
        plan("quickstart", overrides={"limits.kinds": 0})
