"""The program of a fleet over time against counting by hand: every lot, unit and start tried, slot by slot."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest

from planner.fleet.model import Limit
from planner.fleet.stock_model import StockDraft, StockModel, add_structure, finished, plan_of
from planner.options.stock import Demand, Group, Lot, Run, Start, Stock, Work
from planner.solve import Limits, Status, solve, with_objective

PERIODS, SLOTS = 2, (0, 0, 1, 1)


def random_stock(seed: int) -> Stock:
    """Two kinds of hardware at two sites, two loads' worth of units, two runs of which one may wait for the other."""
    pick = random.Random(seed)
    zeros = np.zeros(1)

    def group(i: int) -> Group:
        return Group(f"g{i}", f"s{i}", f"s{i}", f"system{i}", "chip", "air", "maker", "", "pod", 8, 1.0, 1e6)

    def lot(i: int, g: int) -> Lot:
        begin = pick.randint(0, 1)
        end = pick.randint(begin + 1, PERIODS)
        most, usd = pick.randint(1, 3), 1e6 * pick.randint(3, 30) * (end - begin)
        return Lot(f"l{i}", g, "buy", begin, end, most, usd, 0.0, 0.0, zeros, zeros, zeros)

    def work(i: int, g: int) -> Work:
        usd = 1e6 * np.array([pick.randint(0, 3) for _ in range(PERIODS)])
        return Work(f"w{i}", "load", "serve", g, pick.randint(1, 2), 8, 1, {"score": float(pick.randint(1, 4))}, "bf16",
                    {}, usd, np.zeros(PERIODS), np.zeros(PERIODS), np.zeros(PERIODS))  # fmt: skip

    def run(i: int, name: str, g: int) -> Run:
        length = pick.randint(1, 2)
        starts = tuple(
            Start(s, s + length - 1, 30.0 * (s + length), 1e6 * pick.randint(0, 2), zeros, zeros, zeros)
            for s in range(len(SLOTS) - length + 1)
        )
        return Run(f"r{i}", name, "train", g, pick.randint(1, 3), 0, 8, 30.0 * length, "bf16", {}, starts)

    names = ("first", "second")
    return Stock(
        periods=PERIODS,
        slots=SLOTS,
        years=1,
        period_years=np.full((PERIODS, 1), 0.25),
        groups=(group(0), group(1)),
        lots=tuple(lot(i, i % 2) for i in range(4)),
        works=(work(0, 0), work(1, 1)),
        runs=tuple(run(i, names[i // 2], i % 2) for i in range(4)),
        demands=(Demand("load", np.array([float(pick.randint(0, 4)) for _ in range(PERIODS)]), ("score",)),),
        run_names=names,
        order=(names,) if pick.random() < 0.5 else (),
    )


def model_of(stock: Stock) -> StockModel:
    draft = StockDraft(stock)
    add_structure(draft, lambda d, t: Limit(f"demand[{t}]", "demand", "", float(d.rate[t]), "", 1.0, "", 1))
    return finished(draft)


def by_hand(stock: Stock) -> float:
    """The least cost (M$), trying everything; infinity where nothing works."""

    def least_serving(period: int, room: tuple[int, ...]) -> float:
        """Cheapest units for a period's demand on the systems left free in each group."""
        best = math.inf
        for counts in itertools.product(range(5), repeat=len(stock.works)):
            pairs = list(zip(stock.works, counts, strict=True))
            used = [sum(w.systems * n for w, n in pairs if w.group == g) for g in range(len(stock.groups))]
            rate = sum(min(w.rates.values()) * n for w, n in pairs)
            if all(u <= r for u, r in zip(used, room, strict=True)) and rate >= stock.demands[0].rate[period]:
                best = min(best, sum(float(w.cost_usd[period]) * n for w, n in pairs))
        return best

    known: dict[tuple[int, tuple[int, ...]], float] = {}
    choices = [[(r, s) for r in stock.runs if r.workload == name for s in r.starts] for name in stock.run_names]
    best = math.inf
    for counts in itertools.product(*(range(x.most + 1) for x in stock.lots)):
        lots = list(zip(stock.lots, counts, strict=True))
        owned = sum(x.cost_usd * n for x, n in lots)
        stands = [
            [sum(n for x, n in lots if x.group == g and x.begin <= t < x.end) for g in range(2)] for t in range(PERIODS)
        ]
        for chosen in itertools.product(*choices):
            at = {r.workload: s for r, s in chosen}
            if any(at[after].slot <= at[before].last_slot for before, after in stock.order):
                continue
            left = [list(stands[t]) for t in SLOTS]
            for r, s in chosen:
                for slot in range(s.slot, s.last_slot + 1):
                    left[slot][r.group] -= r.systems
            if any(x < 0 for slot in left for x in slot):
                continue
            cost = owned + sum(s.cost_usd for _, s in chosen)
            for t in range(PERIODS):
                room = tuple(min(left[i][g] for i in range(len(SLOTS)) if SLOTS[i] == t) for g in range(2))
                if (t, room) not in known:
                    known[t, room] = least_serving(t, room)
                cost += known[t, room]
            best = min(best, cost)
    return best / 1e6


@pytest.mark.parametrize("seed", range(50))
def test_highs_and_cpsat_find_what_trying_everything_finds(seed: int) -> None:
    """Sharing in time, order of runs and demand by period mean in the program what they mean on paper."""
    stock = random_stock(seed)
    model = model_of(stock)
    program = with_objective(model.program, model.objectives["cost"])
    wanted = by_hand(stock)
    for backend in ("highs", "cpsat"):
        found = solve(program, Limits(time_limit_s=20, gap=0.0, threads=1), backend=backend, in_child=False)
        if math.isinf(wanted):
            assert found.status is Status.INFEASIBLE
            continue
        assert found.status is Status.PROVEN_OPTIMAL
        assert found.objective == pytest.approx(wanted, abs=1e-6)
        assert found.values is not None
        plan = plan_of(model, found.values)
        assert {r.workload for r, _ in plan.runs} == set(stock.run_names)


def test_random_fleets_are_neither_all_possible_nor_all_impossible() -> None:
    """The comparison above says something about both."""
    outcomes = {math.isinf(by_hand(random_stock(seed))) for seed in range(30)}
    assert outcomes == {True, False}
