"""Runs one after another within a slot beside units on parts of systems, against trying every day and every packing;
and the months that mattered where days do."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from tools import round_scenario, run

from planner.catalog import Catalog
from planner.errors import InputError
from planner.fleet.model import Limit
from planner.fleet.sequence import place, solved_and_placed
from planner.fleet.stock_model import StockDraft, StockModel, add_structure, finished, plan_of
from planner.options.hardware.timeline import timeline_of
from planner.options.stock import Demand, Group, Lot, Run, Start, Stock, Work
from planner.planning.plan import plan
from planner.solve import Limits, Solution, Status, solve, with_objective
from planner.solve.form import Program
from planner.verify.plan import verify_plan

GRID, SLOT, SLOTS = 5, 30, (0, 0, 1)
"""Days of the grid on which everything lies, days of a slot, period of each slot."""
CHIPS = 6
"""Of a system: parts of four leave two."""


def random_stock(seed: int) -> Stock:
    """Three or four runs of 5 to 40 days on one or two kinds of systems, beside a load now and then."""
    pick = random.Random(seed)
    zeros = np.zeros(1)
    kinds = pick.choice([1, 1, 2])
    groups = tuple(
        Group(f"g{i}", "s", "s", f"system{i}", "chip", "air", "maker", "", "pod", CHIPS, 1.0, 1e6) for i in range(kinds)
    )
    lots = tuple(
        Lot(f"l{i}", i % kinds, "buy", begin, 2, 8, 1e6 * pick.randint(5, 9) * (2 - begin), 0.0, 0.0, zeros, zeros,
            zeros)
        for i, begin in enumerate([0] * kinds + [1] * kinds)
    )  # fmt: skip
    sizes = 1 if kinds == 2 else pick.choice([1, 2])
    names = tuple(f"r{i}" for i in range(4 if kinds == sizes == 1 else 3))
    runs = []
    for name in names:
        due = pick.choice([90, 90, 55, 25])
        for g in range(kinds):
            for size in pick.sample([1, 2, 3], sizes):
                days = min(pick.choice([5, 10, 15, 20, 40]), due)
                starts = []
                for slot in range(len(SLOTS)):
                    end = slot * SLOT + days
                    if end > min(due, SLOT * len(SLOTS)):
                        continue
                    last = math.ceil(end / SLOT) - 1
                    limit = min(due, SLOT * (slot + 1))
                    moves = last == slot and end < limit
                    starts.append(Start(slot, last, float(end), 1e5 * pick.randint(0, 3), zeros, zeros, zeros,
                                        float(limit) if moves else None))  # fmt: skip
                if starts:
                    runs.append(Run(f"{name}{g}{size}", name, "train", g, size, 0, 8, float(days), "bf16", {},
                                    tuple(starts)))  # fmt: skip
    # loads on parts of the first kind of systems, each with a smaller unit and a larger one, or whole systems
    loads = ("a", "b")[: pick.choice([0, 1, 1, 2])]
    works, demands = [], []
    for name in loads:
        demands.append(Demand(name, np.array([float(pick.randint(0, 3)) for _ in range(2)]), ("score",)))
        for part in sorted(pick.sample([0, 1, 2, 4], 2)):
            rate = pick.choice([0.5, 1.0, 1.5]) * (part or CHIPS) / 2
            usd = 1e4 * np.array([pick.randint(0, 40) for _ in range(2)])
            works.append(Work(f"{name}{part}", name, "serve", 0, 1, part or CHIPS, 1, {"score": rate}, "bf16", {}, usd,
                              *(np.zeros(2),) * 3, part=part))  # fmt: skip
    order = tuple(itertools.pairwise(names[: pick.randint(1, 3)])) if pick.random() < 0.5 else ()
    return Stock(
        periods=2, slots=SLOTS, years=1, period_years=np.full((2, 1), 0.25), groups=groups, lots=lots,
        works=tuple(works), runs=tuple(runs), demands=tuple(demands), run_names=names, order=order,
        slot_days=tuple(float(SLOT * i) for i in range(len(SLOTS) + 1)),
    )  # fmt: skip


def model_of(stock: Stock) -> StockModel:
    draft = StockDraft(stock)
    add_structure(
        draft, lambda d, t: Limit(f"demand[{d.workload},{t}]", "demand", "", float(d.rate[t]), "", 1.0, "", 1)
    )
    return finished(draft)


def fits(parts: tuple[int, ...], free: tuple[int, ...]) -> bool:
    """Whether parts find room in some systems, each whole in one: every place tried."""
    if not parts:
        return True
    first, *rest = parts
    return any(
        fits(tuple(rest), tuple(sorted((*free[:i], room - first, *free[i + 1 :]))))
        for i, room in enumerate(free)
        if room >= first and room not in free[:i]
    )


def least_serving(stock: Stock, period: int) -> dict[int, float]:
    """{systems: least cost of the units of all loads in a period that stand in them}: every number of units tried."""
    found: dict[int, float] = {}
    most = [math.ceil(3 / w.rates["score"]) for w in stock.works]
    for counts in itertools.product(*(range(n + 1) for n in most)):
        units = list(zip(stock.works, counts, strict=True))
        if any(
            sum(w.rates["score"] * n for w, n in units if w.workload == d.workload) < d.rate[period] - 1e-9
            for d in stock.demands
        ):
            continue
        usd = sum(float(w.cost_usd[period]) * n for w, n in units)
        parts = tuple(sorted((w.part for w, n in units if w.part for _ in range(n)), reverse=True))
        whole = sum(n for w, n in units if not w.part)
        if usd >= found.get(whole + -(-sum(parts) // CHIPS), math.inf):
            continue
        needed = next(k for k in range(len(parts) + 1) if fits(parts, (CHIPS,) * k))
        found[whole + needed] = min(usd, found.get(whole + needed, math.inf))
    return found


def by_hand(stock: Stock) -> float:
    """Least cost (M$): every choice of runs, every day of the grid on which they may begin, every number of systems
    that serve beside them, the lots that all of it needs."""
    steps = SLOT * len(SLOTS) // GRID
    kinds = len(stock.groups)
    serving = [least_serving(stock, t) for t in range(2)]

    @cache
    def least_lots(need: tuple[tuple[int, int], ...]) -> float:
        """Cheapest lots of each kind with so many systems in each period; a group's later lot only adds."""
        total = 0.0
        for g, (first, second) in enumerate(need):
            early, late = (next(x for x in stock.lots if x.group == g and x.begin == b) for b in (0, 1))
            costs = [
                a * early.cost_usd + b * late.cost_usd
                for a in range(early.most + 1)
                for b in range(late.most + 1)
                if a >= first and a + b >= second
            ]
            if not costs:
                return math.inf
            total += min(costs)
        return total

    @cache
    def beside(need: tuple[tuple[int, int], ...]) -> float:
        """Cheapest lots and units where runs take so many systems of each kind in each period."""
        return min(
            least_lots(((need[0][0] + a, need[0][1] + b), *need[1:])) + usd_a + usd_b
            for a, usd_a in serving[0].items()
            for b, usd_b in serving[1].items()
        )

    def days(start: Start, r: Run) -> range:
        low = start.slot * SLOT
        high = low if start.due_days is None else int(start.due_days - r.days)
        return range(low, high + 1, GRID)

    best = math.inf
    choices = [
        [(r, s, d) for r in stock.runs if r.workload == name for s in r.starts for d in days(s, r)]
        for name in stock.run_names
    ]
    for chosen in itertools.product(*choices):
        at = {r.workload: (d, d + r.days) for r, _, d in chosen}
        if any(at[b][0] < at[a][1] for a, b in stock.order):
            continue
        use = np.zeros((kinds, steps), dtype=int)
        for r, _, d in chosen:
            use[r.group, d // GRID : (d + int(r.days)) // GRID] += r.systems
        half = 2 * SLOT // GRID
        need = tuple((int(use[g, :half].max()), int(use[g, half:].max())) for g in range(kinds))
        best = min(best, beside(need) + sum(s.cost_usd for _, s, _ in chosen))
    return best / 1e6


def solved(program: Program, seconds: float, start: Any = None) -> list[Solution]:
    return [solve(program, Limits(time_limit_s=max(20.0, seconds), gap=0.0, threads=1), backend="highs",
                  in_child=False)]  # fmt: skip


SEEDS = range(100)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_follows_within_a_slot_is_what_trying_every_day_finds(seed: int) -> None:
    """Proven means proven: no schedule in days costs less, and the plan's own fits."""
    stock = random_stock(seed)
    model = model_of(stock)
    model = replace(model, program=with_objective(model.program, model.objectives["cost"]))
    last, found = solved_and_placed(model, solved, Limits(time_limit_s=60, threads=1))
    wanted = by_hand(stock)
    if math.isinf(wanted):
        assert found[0].status is Status.INFEASIBLE
        return
    assert found[0].status is Status.PROVEN_OPTIMAL
    assert found[0].objective == pytest.approx(wanted, abs=1e-6)
    assert found[0].values is not None
    assert place(stock, plan_of(last, found[0].values), Limits())[1] == []


def test_the_random_fleets_need_it() -> None:
    """Whole slots would cost more in many of them, and areas alone too little in some."""
    differ, cut = 0, 0
    for seed in SEEDS:
        model = model_of(random_stock(seed))
        model = replace(model, program=with_objective(model.program, model.objectives["cost"]))
        whole = model_of(replace(model.stock, slot_days=()))
        a = solved(model.program, 20)[0].objective
        b = solved(with_objective(whole.program, whole.objectives["cost"]), 20)[0].objective
        last, found = solved_and_placed(model, solved, Limits(time_limit_s=60, threads=1))
        differ += bool(math.isfinite(found[0].objective) and not abs(found[0].objective - b) < 1e-6)
        cut += bool(last.program.row_count > model.program.row_count)
        assert not found[0].objective < a - 1e-6
    assert differ > 10
    assert cut > 3


def short(name: str, **more: Any) -> dict[str, Any]:
    """A run that keeps one box busy for some three days."""
    return run(name, **{"tokens": 2e10, "mfu": 0.5, "chips": 8, "global_batch": 512} | more)


@pytest.mark.usefixtures("in_process")
def test_six_short_runs_take_one_box_in_a_month(round_catalog: Catalog) -> None:
    """One after another; two boxes where the last date leaves room for three; a chain keeps its order."""
    names = [f"r{i}" for i in range(6)]

    def asked(days: float, chain: bool = False) -> Any:
        runs = [
            short(n, finish_within_days=days, **({"after": [names[i - 1]]} if chain and i else {}))
            for i, n in enumerate(names)
        ]
        return round_scenario(*runs, fleet={"shared": True})

    found = plan(asked(30), catalog=round_catalog)
    assert found.status == "proven_optimal"
    assert found.totals is not None
    assert found.schedule is not None
    length = found.schedule.runs[0].end_day - found.schedule.runs[0].start_day
    assert 6 * length < 30
    assert found.totals.systems == 1
    half = plan(asked(4 * length), catalog=round_catalog)
    assert half.totals is not None
    assert half.totals.systems == 2
    chain = plan(asked(30, chain=True), catalog=round_catalog)
    assert chain.totals is not None
    assert chain.schedule is not None
    assert chain.totals.systems == 1
    assert [r.workload for r in chain.schedule.runs] == names


@pytest.mark.usefixtures("in_process")
def test_the_check_sees_runs_that_overlap(round_catalog: Catalog) -> None:
    """Two runs moved to the same day on one box are refused, and one moved out of its slot."""
    scenario = round_scenario(short("a"), short("b"), fleet={"shared": True})
    found = plan(scenario, catalog=round_catalog)
    assert verify_plan(found, scenario, round_catalog) == []
    data = found.model_dump(mode="json")
    for day, word in ((0.0, "work on day"), (29.0, "after the slot")):
        line = timeline_of(scenario, round_catalog)
        for r in data["schedule"]["runs"]:
            end = day + r["end_day"] - r["start_day"]
            r |= {"start_day": day, "end_day": end, "start_date": line.date(day), "end_date": line.date(end)}
            r["predicted"]["finish_days"] = end
        failures = verify_plan(type(found).model_validate(data), scenario, round_catalog)
        assert any(word in text for text in failures), failures


def test_a_refusal_is_an_error_of_input() -> None:
    """What is no number of months is said so."""
    with pytest.raises(InputError):
        round_scenario(short("a"), fleet={"shared": True, "slot_months": 0})


def test_a_run_that_cannot_wait_for_a_longer_one_needs_systems_beside_it() -> None:
    """Forty days on two systems, and fifteen on two that end by day 50: systems times time is two, and it takes four.

    The first program says so (``fleet.meeting``), before any plan is placed. With ten days more the second waits.
    """
    zeros = np.zeros(1)

    def bought(due: float) -> int:
        def start(slot: int, last: int, end: float, limit: float | None) -> Start:
            return Start(slot, last, end, 0.0, zeros, zeros, zeros, limit)

        long = Run("long", "r0", "train", 0, 2, 0, 8, 40.0, "bf16", {}, (start(0, 1, 40.0, None),))
        short = Run("short", "r1", "train", 0, 2, 0, 8, 15.0, "bf16", {}, (start(1, 1, 45.0, due),))
        stock = Stock(
            periods=2, slots=SLOTS, years=1, period_years=np.full((2, 1), 0.25),
            groups=(Group("g", "s", "s", "system", "chip", "air", "maker", "", "pod", CHIPS, 1.0, 1e6),),
            lots=(Lot("l", 0, "buy", 0, 2, 8, 1e6, 0.0, 0.0, zeros, zeros, zeros),), works=(), runs=(long, short),
            demands=(), run_names=("r0", "r1"), order=(), slot_days=tuple(float(SLOT * i) for i in range(4)),
        )  # fmt: skip
        model = model_of(stock)
        assert any(name.startswith("meet[") for name in model.program.row_names) == (due < 55)
        found = solve(with_objective(model.program, model.objectives["cost"]), Limits(gap=0.0), in_child=False)
        assert found.values is not None
        chosen = plan_of(model, found.values)
        assert not place(stock, chosen, Limits())[1]
        return sum(n for _, n in chosen.lots)

    assert bought(due=50.0) == 4
    assert bought(due=60.0) == 2
