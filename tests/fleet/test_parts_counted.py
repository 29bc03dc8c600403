"""Rows over parts of systems against trying every count and packing it."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest

from planner.fleet.model import Limit
from planner.fleet.stock_model import StockDraft, add_structure, finished, plan_of
from planner.options.parts import packed, part_sizes
from planner.options.stock import Demand, Group, Lot, Stock, Work
from planner.solve import Limits, Status, solve, with_objective

MOST = 4
SYSTEM, PART = 72, 4


def random_stock(seed: int) -> Stock:
    """One kind of rack; two loads, one of them with separate phases; units that take parts or whole racks."""
    pick = random.Random(seed)
    none, one = np.zeros(1), np.ones((1, 1))
    group = Group("g", "s", "s", "rack", "chip", "air", "maker", "", "pod", SYSTEM, 1.0, 1e6)
    lot = Lot("l", 0, "buy", 0, 1, MOST, 1e6 * pick.randint(5, 30), 0.0, 0.0, none, none, none)
    phases = {"serve": ("prefill", "decode"), "prefill": ("prefill",), "decode": ("decode",)}
    works = []
    for i in range(4):
        role = pick.choice(["serve", "prefill", "decode"])
        part = pick.choice([0, *part_sizes(SYSTEM, PART)])
        rates = dict.fromkeys(phases[role], float(pick.randint(1, 6)))
        usd = 1e6 * np.array([pick.randint(0, 4)])
        works.append(Work(f"w{i}", pick.choice(["a", "b"]), role, 0, 1, part or SYSTEM, 1, rates, "bf16", {}, usd, none,
                          none, none, part=part))  # fmt: skip
    demands = tuple(Demand(name, np.array([float(pick.randint(0, 6))]), phases["serve"]) for name in ("a", "b"))
    return Stock(1, (0,), 1, one, (group,), (lot,), tuple(works), (), demands, ())


def by_hand(stock: Stock) -> float:
    best = math.inf
    for counts in itertools.product(range(8), repeat=len(stock.works)):
        pairs = list(zip(stock.works, counts, strict=True))
        if any(
            min(sum(w.rates.get(p, 0.0) * n for w, n in pairs if w.workload == d.workload) for p in d.phases)
            < d.rate[0]
            for d in stock.demands
        ):
            continue
        parts = [w.part for w, n in pairs if w.part for _ in range(n)]
        whole = sum(n for w, n in pairs if not w.part)
        racks = whole + (max(packed(parts, SYSTEM)) + 1 if parts else 0)
        if racks > MOST:
            continue
        cost = racks * stock.lots[0].cost_usd + sum(float(w.cost_usd[0]) * n for w, n in pairs)
        best = min(best, cost)
    return best / 1e6


@pytest.mark.parametrize("seed", range(20))
def test_parts_in_the_program_are_parts_that_fit(seed: int) -> None:
    """The cheapest racks for parts of many sizes: HiGHS and CP-SAT find what counting finds."""
    stock = random_stock(seed)
    draft = StockDraft(stock)
    add_structure(
        draft, lambda d, t: Limit(f"demand[{d.workload},{t}]", "demand", "", float(d.rate[t]), "", 1.0, "", 1)
    )
    model = finished(draft)
    program = with_objective(model.program, model.objectives["cost"])
    wanted = by_hand(stock)
    found = solve(program, Limits(time_limit_s=20, gap=0.0, threads=1), backend="highs", in_child=False)
    if math.isinf(wanted):
        assert found.status is Status.INFEASIBLE
        return
    assert found.status is Status.PROVEN_OPTIMAL
    assert found.objective == pytest.approx(wanted, abs=1e-6)
    assert found.values is not None
    plan = plan_of(model, found.values)
    parts = [w.part for w, n in plan.works if w.part for _ in range(n[0])]
    whole = sum(n[0] for w, n in plan.works if not w.part)
    racks = sum(n for _, n in plan.lots)
    assert whole + (max(packed(parts, SYSTEM)) + 1 if parts else 0) <= racks
