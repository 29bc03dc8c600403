"""Loads that follow a day, over lots: what is on in which hours, and runs in the valleys, against trying every hour of
a day and every day on which a run may begin."""

from __future__ import annotations

import itertools
import math
import random
from functools import cache
from typing import Any

import numpy as np
import pytest
from tools import load, round_scenario, run

from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.facility.reliability import default_profile
from planner.fleet.model import Limit
from planner.fleet.sequence import place, solved_and_placed
from planner.fleet.stock_model import StockDraft, StockModel, add_structure, finished, plan_of
from planner.options.hardware.hours import bands_of, days_by_the_hour, stop_s, stretches, valleys
from planner.options.stock import Demand, Group, Lot, Run, Start, Stock, Work
from planner.planning.plan import plan
from planner.scenario.kinds.daily import hours_text
from planner.scenario.types import Scenario
from planner.solve import Limits, Solution, Status, solve, with_objective
from planner.solve.form import Program
from planner.verify.plan import verify_plan
from planner.workload.parameters import parameter_counts

DAYS, STEP, SLOT_DAYS, SLOTS = 60, 5, 30, (0, 0)
NOT_PROVEN: set[int] = set()
DAY, EVENING = tuple(range(9, 18)), tuple(range(14, 23))


def random_stock(seed: int) -> Stock:
    """A load or two by the hour, each with units for its busiest hours; runs all day or in a valley; lots that are
    bought, and lots rented for some hours of a day. One kind of systems, two slots of thirty days."""
    pick = random.Random(seed)
    zeros = np.zeros(1)
    peaks = {"a": DAY, "b": EVENING} if pick.random() < 0.4 else {"a": DAY}
    group = Group("g", "s", "s", "system", "chip", "air", "maker", "", "pod", 8, 1.0, 1e6)

    def lot(name: str, usd: float, most: int, hours: tuple[int, ...] = ()) -> Lot:
        acquire = "buy" if name == "own" else "rent"
        return Lot(name, 0, acquire, 0, 1, most, usd, 0.0, 0.0, zeros, zeros, zeros, hours=hours)  # type: ignore[arg-type]

    lots = [lot("own", 1e6 * pick.randint(8, 12), 6)]
    if pick.random() < 0.6:
        lots += [lot(f"rent {w}", 1e6 * pick.randint(3, 9), 2, hours) for w, hours in peaks.items()]
    works, demands = [], []
    for name, hours in peaks.items():
        night = pick.choice([0.0, 1.0, 2.0])
        peak = night + pick.randint(1, 2)
        rate = pick.choice([1.0, 1.5])
        for on in ((), hours):
            usd = np.array([1e4 * pick.randint(1, 9)])
            works.append(Work(f"{name}{len(on)}", name, "serve", 0, 1, 8, 1, {"score": rate}, "bf16", {}, usd,
                              *(np.zeros(1),) * 3, hours=on))  # fmt: skip
        demands.append(Demand(name, np.array([peak]), ("score",), below_peak=((24, night / peak),)))
    valley = tuple(h for h in range(24) if all(h not in hours for hours in peaks.values()))
    names = tuple(f"r{i}" for i in range(pick.choice([1, 2, 2, 3])))
    runs = []
    for name in names:
        for size in pick.sample([1, 2, 3], 2 if len(names) < 3 else 1):
            days = pick.choice([5, 10, 15, 25])
            for hours, takes in (((), days), (valley, days * 2)):
                starts = []
                for slot in range(2):
                    end = slot * SLOT_DAYS + takes
                    if end > DAYS:
                        continue
                    last = math.ceil(end / SLOT_DAYS) - 1
                    due = float(SLOT_DAYS * (slot + 1))
                    moves = last == slot and end < due
                    starts.append(Start(slot, last, float(end), 1e4 * pick.randint(0, 9), zeros, zeros, zeros,
                                        due if moves else None))  # fmt: skip
                if starts:
                    runs.append(Run(f"{name}{size}{len(hours)}", name, "train", 0, size, 0, 8, float(takes), "bf16",
                                    {}, tuple(starts), hours=hours))  # fmt: skip
    made = (*lots, *works, *runs)
    return Stock(
        periods=1, slots=SLOTS, years=1, period_years=np.full((1, 1), 0.25), groups=(group,), lots=tuple(lots),
        works=tuple(works), runs=tuple(runs), demands=tuple(demands), run_names=names,
        slot_days=(0.0, 30.0, 60.0), bands=bands_of(x.hours for x in made),
    )  # fmt: skip


def on(hours: tuple[int, ...], hour: int) -> bool:
    return not hours or hour in hours


def by_hand(stock: Stock) -> float:
    """Least cost (M$): every number of units and lots, every choice of runs and of days on which they begin, with what
    is at work counted in each of the 24 hours of each five days."""
    day_hours = range(24)
    serving = []
    for counts in itertools.product(range(4), repeat=len(stock.works)):
        units = list(zip(stock.works, counts, strict=True))
        if all(
            sum(n for w, n in units if w.workload == d.workload and on(w.hours, h)) * rate_of(stock, d) >= asked - 1e-9
            for d in stock.demands
            for h in day_hours
            for asked in [float(d.rate[0]) * (1.0 if h in peak_of(stock, d) else d.below_peak[0][1])]
        ):
            used = tuple(sum(n * w.systems for w, n in units if on(w.hours, h)) for h in day_hours)
            serving.append((sum(float(w.cost_usd[0]) * n for w, n in units), used))

    @cache
    def least_lots(need: tuple[int, ...]) -> float:
        best = math.inf
        for counts in itertools.product(*(range(x.most + 1) for x in stock.lots)):
            lots = list(zip(stock.lots, counts, strict=True))
            if all(sum(n for x, n in lots if on(x.hours, h)) >= need[h] for h in day_hours):
                best = min(best, sum(x.cost_usd * n for x, n in lots))
        return best

    choices = [
        [(r, s, day) for r in stock.runs if r.workload == name for s in r.starts for day in days_of(r, s)]
        for name in stock.run_names
    ]
    needs: dict[tuple[int, ...], float] = {}
    for chosen in itertools.product(*choices):
        there = np.sum([at_work(r.hours, r.systems, day, r.days) for r, _, day in chosen], axis=0)
        most = tuple(there.max(axis=0).tolist())
        usd = sum(s.cost_usd for _, s, _ in chosen)
        needs[most] = min(usd, needs.get(most, math.inf))
    best = math.inf
    for usd, used in serving:
        for most, work in needs.items():
            need = tuple(a + b for a, b in zip(used, most, strict=True))
            best = min(best, usd + work + least_lots(need))
    return best / 1e6


@cache
def at_work(hours: tuple[int, ...], systems: int, day: int, days: float) -> np.ndarray[Any, Any]:
    """Systems of a run in each hour of each five days (12, 24)."""
    busy = [[systems * (day <= step * STEP < day + days and on(hours, h)) for h in range(24)]
            for step in range(DAYS // STEP)]  # fmt: skip
    return np.array(busy)


def rate_of(stock: Stock, demand: Demand) -> float:
    return next(w.rates["score"] for w in stock.works if w.workload == demand.workload)


def peak_of(stock: Stock, demand: Demand) -> tuple[int, ...]:
    return next(w.hours for w in stock.works if w.workload == demand.workload and w.hours)


def days_of(r: Run, s: Start) -> range:
    """Days on which a start may be: its slot's beginning, or any moment of it where it may move."""
    begin = s.slot * SLOT_DAYS
    last = begin if s.due_days is None else round(s.due_days - r.days)
    return range(begin, last + 1, STEP)


def model_of(stock: Stock) -> StockModel:
    draft = StockDraft(stock)
    add_structure(
        draft, lambda d, t: Limit(f"demand[{d.workload},{t}]", "demand", "", float(d.rate[t]), "", 1.0, "", 1)
    )
    return finished(draft)


@pytest.mark.parametrize("seed", range(30))
def test_the_program_finds_what_trying_every_hour_finds(seed: int) -> None:
    """Units in the hours of their load, systems rented for some hours, runs in valleys one after another in a slot."""
    stock = random_stock(seed)
    wanted = by_hand(stock)
    limits = Limits(time_limit_s=20, gap=0.0, threads=1)
    for backend in ("highs", "cpsat"):
        model = model_of(stock)
        vector = model.objectives["cost"]

        def solved(
            program: Program, seconds: float, _start: Any = None, how: str = backend, goal: Any = vector
        ) -> list[Solution]:
            return [solve(with_objective(program, goal), limits, backend=how, in_child=False)]

        model, solutions = solved_and_placed(model, solved, limits)
        found = solutions[0]
        if math.isinf(wanted):
            assert found.status is Status.INFEASIBLE
            continue
        assert found.values is not None
        assert found.bound is not None
        assert found.bound <= wanted + 1e-6
        if (
            seed in NOT_PROVEN
        ):  # its pieces fit in each band of the day alone, not in all: it takes whole slots, and says so
            assert found.status is not Status.PROVEN_OPTIMAL
            assert found.objective >= wanted - 1e-6
            continue
        assert found.status is Status.PROVEN_OPTIMAL
        assert found.objective == pytest.approx(wanted, abs=1e-6)
        assert not place(stock, plan_of(model, found.values), limits)[1]


def test_random_days_have_runs_in_valleys_and_systems_for_hours() -> None:
    """The comparison above says something about both: in some of the best plans they are."""
    hours = {"run": 0, "unit": 0, "lot": 0}
    for seed in range(30):
        model = model_of(random_stock(seed))
        goal = with_objective(model.program, model.objectives["cost"])
        values = solve(goal, Limits(time_limit_s=20, gap=0.0, threads=1), backend="highs", in_child=False).values
        if values is None:
            continue
        found = plan_of(model, values)
        hours["run"] += any(r.hours for r, _ in found.runs)
        hours["unit"] += any(w.hours for w, _ in found.works)
        hours["lot"] += any(x.hours for x, _ in found.lots)
    assert all(n > 3 for n in hours.values()), hours


# -- the day -----------------------------------------------------------------------------------------------------------


def test_bands_and_stretches_of_a_day() -> None:
    assert bands_of([()]) == ((),)
    assert bands_of([DAY]) == (tuple(h for h in range(24) if h not in DAY), DAY)
    three = bands_of([DAY, EVENING])
    assert sorted(h for band in three for h in band) == list(range(24))
    assert {band[0] for band in three} == {0, 9, 14, 18}
    assert stretches(DAY) == stretches((22, 23, 0, 1)) == 1
    assert stretches((1, 2, 9)) == 2
    assert hours_text((0, 1, 22, 23)) == "22-02 UTC"
    assert hours_text((1, 2, 9)) == "01-03 and 09-10 UTC"


def test_days_of_a_run_that_stops_every_day(round_catalog: Catalog) -> None:
    """So many hours of each day less the time to stop and restart, in whole days; a valley too short does nothing."""
    profile = default_profile(round_catalog)
    pause = stop_s(64, 8e9, profile) / 3600
    assert pause > 0
    night = tuple(range(18, 24))
    assert days_by_the_hour(10.0, night, 64, 8e9, profile) == math.ceil((240 + pause) / (6 - pause))
    twice = (*range(3), *range(12, 15))
    assert days_by_the_hour(10.0, twice, 64, 8e9, profile) == math.ceil((240 + pause) / (6 - 2 * pause))
    assert days_by_the_hour(10.0, (), 64, 8e9, profile) == 10.0
    assert math.isinf(days_by_the_hour(10.0, (3,), 8, 1e15, profile))


# -- whole plans -------------------------------------------------------------------------------------------------------


def daily(requests_per_day: float = 1e8, **more: Any) -> dict[str, Any]:
    fields = load(0.0, "chat", precision=["bf16"], ttft_ms=60_000) | {"kind": "daily"}
    fields.pop("requests_per_s")
    users = [{"name": "here", "share": 1.0, "utc_offset": 0, "day_share": 0.9}]
    return fields | {"requests_per_day": requests_per_day, "users": users} | more


def nights(*runs: dict[str, Any], fleet: dict[str, Any] | None = None, **fields: Any) -> Scenario:
    return round_scenario(daily(), *runs, fleet={"shared": True} | (fleet or {}), **fields)


def tune(**more: Any) -> dict[str, Any]:
    return run("tune", **({"tokens": 1e11, "mfu": 0.5, "chips": {"max": 16}} | more))


@pytest.fixture(scope="module")
def answer(round_catalog: Catalog) -> Plan:
    return plan(nights(tune()), catalog=round_catalog)


def test_training_has_the_night_of_a_load(answer: Plan, round_catalog: Catalog) -> None:
    """The load's systems alone do both: no server more, its stops and energy as on paper."""
    alone = plan(round_scenario(daily(), fleet={"shared": True}), catalog=round_catalog)
    assert answer.status == "proven_optimal"
    assert answer.verified
    assert answer.schedule is not None
    assert answer.totals is not None
    assert alone.totals is not None
    (r,) = answer.schedule.runs
    assert answer.totals.systems == alone.totals.systems
    assert r.hours == tuple(h for h in range(24) if not 9 <= h < 18)
    assert r.stops_a_day == 1
    parameters = float(parameter_counts(round_catalog.model("llama-3.1-8b")).total)
    assert r.stop_s == stop_s(r.chips, parameters, default_profile(round_catalog))
    whole = plan(round_scenario(tune(chips=r.chips)), catalog=round_catalog)
    days = whole.deployments[0].predicted.days
    assert days is not None
    assert r.end_day - r.start_day == math.ceil((days * 24 + r.stop_s / 3600) / (15 - r.stop_s / 3600))
    kwh = (2 + 0.2 * 8 + 0.9 * 6.4) * 1.25 * 24 * 15 / 24 * (r.end_day - r.start_day) * r.systems
    assert r.money.total_usd == pytest.approx(0.1 * kwh, rel=1e-6)
    assert answer.totals.tco_usd == pytest.approx(alone.totals.tco_usd + r.money.total_usd, rel=1e-6)
    assert "18-09 UTC" in answer.answer


def test_a_load_by_the_hour_alone_costs_what_it_costs_over_lots(round_catalog: Catalog) -> None:
    """Rented for its hours it is the same in both forms; what is bought draws nothing while nobody needs it."""
    for acquire, spared_kw in (("rent", 0.0), ("buy", 2 + 0.2 * 8)):
        how = {"hardware": {"systems": ["plain_8"], "acquire": [acquire]}, "horizon_years": 1}
        compact = plan(round_scenario(daily(), **how), catalog=round_catalog)
        lots = plan(round_scenario(daily(), **how, fleet={"shared": True}), catalog=round_catalog)
        assert compact.totals is not None
        assert lots.totals is not None
        assert lots.verified
        nights_off = 2 * 15 / 24 * 8760  # of two of three servers
        saved = 0.1 * 1.25 * spared_kw * nights_off
        assert lots.totals.tco_usd == pytest.approx(compact.totals.tco_usd - saved, rel=1e-6)


def test_other_hours_are_found_out(answer: Plan, round_catalog: Catalog) -> None:
    """A run by day, a unit off at the peak, a lot without its hours: none survives the check."""
    scenario = nights(tune())
    again = Plan.from_json(answer.to_json())
    assert verify_plan(again, scenario, round_catalog) == []
    assert again.schedule is not None
    r = again.schedule.runs[0]
    for hours in ((), tuple(range(9, 24)), (0, 0, 1), (25,)):
        told = again.schedule.model_copy(update={"runs": (r.model_copy(update={"hours": hours}),)})
        assert verify_plan(again.model_copy(update={"schedule": told}), scenario, round_catalog)
    i, unit = next((i, x) for i, x in enumerate(again.schedule.loads) if x.hours)
    for hours in ((), unit.hours[1:]):
        loads = list(again.schedule.loads)
        loads[i] = unit.model_copy(update={"hours": hours})
        told = again.schedule.model_copy(update={"loads": tuple(loads)})
        assert verify_plan(again.model_copy(update={"schedule": told}), scenario, round_catalog)


def test_valleys_of_loads_in_other_zones() -> None:
    """Below the peaks of each, and of both at once."""
    west = daily(users=[{"name": "west", "share": 1.0, "utc_offset": -8}], name="west")
    both = round_scenario(daily(), west, tune(), fleet={"shared": True})
    assert set(valleys(both)) == {
        tuple(h for h in range(24) if not 9 <= h < 18),
        tuple(h for h in range(24) if not (h >= 17 or h < 2)),
        tuple(range(2, 9)),
    }
    assert valleys(round_scenario(daily(), tune())) == ()
