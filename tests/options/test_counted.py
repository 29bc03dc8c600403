"""What limits and objectives read is one table: leave a figure out of it and dominance loses plans that need it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from tools import load, option, round_scenario, run, run_option, scenario_of

from planner.catalog import Catalog
from planner.fleet.build import build_fleet
from planner.fleet.model import OBJECTIVE_UNITS
from planner.options import annual, counted
from planner.options import enumerate as room
from planner.options.counted import GOALS, Figure, Yearly, used
from planner.options.enumerate import prune
from planner.options.option import Option
from planner.options.stock import GIVES, Group, Lot, Run, Start, Work, figures_of, no_more
from planner.planning.plan import plan
from planner.solve import Limits, Status, solve, with_objective
from planner.verify.plan import verify_plan

TABLE = used()
NAMES = [f"{figure.name} {'least' if sign > 0 else 'most'}" for figure, sign in TABLE]
WORSE, BETTER = 1.1, 0.8
USES = ("cost_usd", "capex_usd", "carbon_t", "water_m3", "facility_peak_w", "racks")
BY_YEAR = ("opex_usd_by_year", "carbon_t_by_year", "water_m3_by_year")


def twins(figure: Figure | Yearly, sign: float) -> list[Option]:
    """An option, and another that is worse in everything but one figure, of which it uses less (or has more)."""
    name = figure.name
    years: dict[str, Any] = dict.fromkeys(BY_YEAR, (100.0, 100.0))
    of_run = name in ("finish_days", "due_days")
    good = run_option("good", 30.0, due_days=40.0, **years) if of_run else option("good", racks=1.0, **years)
    if name == "installed":
        good = replace(good, acquire="installed", system="old", systems=2)
    worse: dict[str, Any] = {field: getattr(good, field) * WORSE for field in USES}
    # in the second year it may still be better: each year of a figure is one by itself
    worse |= {field: tuple(v * WORSE for v in getattr(good, field)) for field in BY_YEAR}
    if name in BY_YEAR:
        worse[name] = (100.0 * WORSE, 100.0 * BETTER)
    elif name == "racks":
        worse["racks"] = 0.5
    elif name == "all_chips":
        good, worse["bought_chips"] = replace(good, bought_chips=16), 12
    elif name in {"chips", "chips of a load"}:
        worse["chips"] = 4 if sign > 0 else 12
        good = replace(good, bought_chips=12)
        worse["bought_chips"] = 12
    elif name == "installed":
        worse["systems"] = 1
    elif name == "tokens_per_s":
        worse[name] = 2 * good.tokens_per_s
    else:
        worse[name] = getattr(good, name) * BETTER
    return [good, replace(good, id="other", **worse)]


def least(figure: Figure | Yearly, sign: float, options: Sequence[Option]) -> float | None:
    """The least (or most) of a figure that a plan over some options can have, under a limit on cost."""
    is_run = any(o.role == "train" for o in options)
    site = {"name": "here", "region": "us_va", "power_mw": 100, "installed": [{"system": "old", "count": 40}]}
    scenario = scenario_of(run() if is_run else load(3), limits={"cost_usd": 5e6}, sites=[site])
    model = build_fleet(scenario, options)
    vector = np.zeros(model.program.column_count)
    for o, column in zip(options, model.units, strict=True):
        vector[column] = sign * figure.amounts(o)[-1]
    found = solve(with_objective(model.program, vector), Limits(gap=0.0, time_limit_s=20), in_child=False)
    assert found.status in {Status.PROVEN_OPTIMAL, Status.INFEASIBLE}
    return None if found.values is None else found.objective


@pytest.mark.parametrize(("figure", "sign"), TABLE, ids=NAMES)
def test_what_is_counted_is_kept_and_what_is_forgotten_is_lost(
    figure: Figure | Yearly, sign: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the table the best plan by each figure survives pruning; without the figure in it, it does not."""
    options = twins(figure, sign)
    best = least(figure, sign, options)
    assert best is not None
    assert least(figure, sign, prune(options)[0]) == pytest.approx(best)
    forgetful = tuple(entry for entry in TABLE if entry != (figure, sign))
    assert len(forgetful) == len(TABLE) - 1
    monkeypatch.setattr(room, "used", lambda: forgetful)
    without = least(figure, sign, prune(options)[0])
    assert without is None or without > best + 1e-6 * abs(best)


def test_every_limit_and_objective_is_in_the_table() -> None:
    """What the plan's limits and goals read is what dominance reads."""
    names = {figure.name for figure, _ in TABLE}
    assert {limit.figure.name for limit in counted.plan_limits()} <= names
    assert {goal.figure.name for goal in GOALS.values()} <= names


def test_a_limit_from_outside_is_kept_by_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """One entry more in the table: rows, bounds of columns and dominance follow, with nothing else changed."""
    weight = Figure("weight", lambda o: 900.0 if o.id == "good" else 500.0)
    limit = counted.PlanLimit("chips", "weight[all]", "weight", weight, "kg", 1e3, lambda x: f"{x:g} kg")
    monkeypatch.setattr(counted, "PLAN_LIMITS", (limit,))
    options = [option("good", cost_usd=5e5), option("other")]
    scenario = scenario_of(load(3), limits={"chips": 2100})
    kept = prune(options)[0]
    assert {o.id for o in kept} == {"good", "other"}
    model = build_fleet(scenario, kept)
    found = solve(with_objective(model.program, model.objectives["cost"]), Limits(gap=0.0), in_child=False)
    assert found.values is not None
    counts = {o.id: round(found.values[c]) for o, c in zip(model.options, model.units, strict=True)}
    assert counts == {"good": 1, "other": 2}
    assert counted.most_units(options[0], scenario, {}, None) == 2  # 2100 kg x 1.25 / 900 kg


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("shared", [False, True])
def test_a_limit_by_year_from_outside_is_kept_and_checked(
    shared: bool, round_catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One entry more in the table of limits by year: rows of both forms, dominance and the check follow.

    Rented a server costs $70,000 a year to run; bought, at a million, what it draws.
    """
    hardware = {"systems": ["plain_8"], "acquire": ["buy", "rent"], "rent_terms": ["on_demand"]}
    scenario = round_scenario(load(400, ttft_ms=60_000, precision=["bf16"], disaggregated="never"), horizon_years=0.5,
                              hardware=hardware, limits={"chips": 20_000}, fleet={"shared": shared},
                              assume={"systems": {"plain_8": {"price_usd": 1e6}}})  # fmt: skip
    before = plan(scenario, catalog=round_catalog)
    assert {x.acquire for x in before.holdings} == {"rent"}
    opex = next(of for of in annual.ANNUAL if of.name == "opex")
    monkeypatch.setattr(annual, "ANNUAL", (*annual.ANNUAL, replace(opex, leaf="chips", name="spent")))
    assert any("limits.chips" in text for text in verify_plan(before, scenario, round_catalog))
    after = plan(scenario, catalog=round_catalog)
    assert after.verified
    assert {x.acquire for x in after.holdings} == {"buy"}


def fleet_records() -> dict[str, Any]:
    """A group, a lot, a unit, a start and a run of a fleet over time, with figures of one."""
    year = np.array([1.0, 1.0])
    group = Group("g", "here", "here", "box", "part", "air", "v", "", "pod", 8, 1.0, 1.0)
    lot = Lot("l", 0, "buy", 0, 1, 9, 1.0, 1.0, 1.0, year, year, year)
    work = Work("w", "load", "serve", 0, 1, 8, 1, {"prefill": 1.0}, "bf16", {}, year, year, year, year)
    start = Start(0, 0, 1.0, 1.0, year, year, year)
    return {"group": group, "lot": lot, "work": work, "start": start,
            "run": Run("r", "run", "train", 0, 1, 0, 8, 1.0, "bf16", {}, (start,))}  # fmt: skip


@pytest.mark.parametrize("name", ["group", "lot", "work", "start", "run"])
def test_every_figure_of_a_fleet_is_compared(name: str) -> None:
    """A record that is better in one figure alone, of one year alone, is not beaten by one that is worse in it."""
    good = fleet_records()[name]
    figures = figures_of(type(good))
    assert set(figures) >= {
        "group": {"racks", "peak_w"}, "run": {"days"},
        "lot": {"cost_usd", "capex_usd", "carbon_t", "opex_usd", "carbon_by_year_t", "water_by_year_m3"},
        "work": {"cost_usd", "opex_usd", "carbon_t", "water_m3"},
        "start": {"finish_days", "cost_usd", "opex_usd", "carbon_by_year_t", "water_by_year_m3"},
    }[name]  # fmt: skip
    assert no_more(good, good)
    for figure in figures:
        value = getattr(good, figure)
        better = np.array([1.0, 0.9]) if isinstance(value, np.ndarray) else value + 1.0 if figure in GIVES else 0.9
        assert not no_more(good, replace(good, **{figure: better})), figure
        assert no_more(replace(good, **{figure: better}), good), figure


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("shared", [False, True])
def test_an_objective_from_outside_is_planned_proven_and_checked(
    shared: bool, round_catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One entry more in the table of objectives: programs of both forms, dominance, values and the check follow.

    A rented server costs no capital; by capital alone it is chosen, whatever it costs in all.
    """
    capital = counted.Goal(counted.CAPITAL, "USD", 1e6, 1e6, "capex_usd", counted.OverTime(
        lambda x: x.capex_usd, lambda x, t: 0.0, lambda s: 0.0))  # fmt: skip
    monkeypatch.setitem(cast("dict[str, counted.Goal]", GOALS), "capital", capital)
    monkeypatch.setitem(cast("dict[str, tuple[str, float]]", OBJECTIVE_UNITS), "capital", ("USD", 1e6))
    hardware = {"systems": ["plain_8"], "acquire": ["buy", "rent"], "rent_terms": ["on_demand"]}
    scenario = round_scenario(load(400, ttft_ms=60_000, precision=["bf16"], disaggregated="never"), horizon_years=4,
                              hardware=hardware, fleet={"shared": shared})  # fmt: skip
    cheapest = plan(scenario, catalog=round_catalog)
    assert {x.acquire for x in cheapest.holdings} == {"buy"}
    least = plan(scenario.model_copy(update={"objective": ("capital",)}), catalog=round_catalog)
    assert least.verified
    assert least.status == "proven_optimal"
    assert {x.acquire for x in least.holdings} == {"rent"}
    assert least.objective.value == 0.0
    assert least.objective.values["cost"] == pytest.approx(least.totals.tco_usd)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("shared", [False, True])
def test_least_water_is_less_than_that_of_the_cheapest(shared: bool, round_catalog: Catalog) -> None:
    """Water is an objective as carbon is: the plan says how much, and no other plan of the scenario takes less."""
    scenario = round_scenario(load(400, ttft_ms=60_000, precision=["bf16"], disaggregated="never"),
                              fleet={"shared": shared})  # fmt: skip
    cheapest = plan(scenario, catalog=round_catalog)
    least = plan(scenario.model_copy(update={"objective": ("water", "cost")}), catalog=round_catalog)
    assert least.verified
    assert least.objective.unit == "m3"
    assert least.objective.value == pytest.approx(least.totals.water_m3)
    assert least.totals.water_m3 <= cheapest.totals.water_m3 * (1 + 1e-9)
