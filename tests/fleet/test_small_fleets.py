"""200 small random fleets by brute force over lots and parts: several sites and periods, racks that loads share, rent,
units to spare, classes of requests, caps of power, chips and capital. HiGHS, CP-SAT and the split find what trying
every lot, unit, part and start finds."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest

from planner.fleet.model import Limit
from planner.fleet.stock_model import StockDraft, StockModel, add_structure, finished, plan_of
from planner.options.stock import Demand, Group, Lot, Run, Start, Stock, Work
from planner.options.work.redundancy import Redundancy
from planner.solve import Limits, Status, solve, with_objective

CHIPS, PERIODS, GROUPS = 4, 2, 2
SEEDS, BATCHES = 200, 20
EXACT = Limits(time_limit_s=20, gap=0.0, threads=1)
PHASES = ("prefill", "decode")
Need = tuple[int, ...]
"""Systems of each group in each period, (group, period) one after the other."""


def random_stock(seed: int) -> tuple[Stock, dict[str, float]]:
    """Two sites with racks of four chips; a load in parts with units to spare, one with classes of requests, a run."""
    pick = random.Random(seed)
    none, zeros = np.zeros(PERIODS), np.zeros(1)
    groups = tuple(
        Group(f"g{g}", f"s{g}", f"s{g}", f"system{g}", "chip", "air", "maker", "", "pod", CHIPS, 1.0, 1e6 * (g + 1))
        for g in range(GROUPS)
    )
    lots = []
    for g in range(GROUPS):
        price = 1e6 * pick.randint(6, 12)
        spans = [("buy", 0, 2, price), ("buy", 1, 2, price * 0.6)]
        spans += [("rent", t, t + 1, price * pick.choice([0.4, 0.6, 0.8])) for t in range(PERIODS)]
        for acquire, begin, end, usd in spans:
            if acquire == "rent" and pick.random() < 0.5:
                continue
            capex = usd if acquire == "buy" else 0.0
            lots.append(Lot(f"{acquire}{g}{begin}", g, acquire, begin, end, 2, usd, capex, 0.0, zeros, zeros, zeros))  # type: ignore[arg-type]
    works, demands = [], []

    def usd() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return 1e5 * np.array([pick.randint(0, 9) for _ in range(PERIODS)], dtype=np.float64)

    rate = np.array([float(pick.randint(1, 4)) for _ in range(PERIODS)])
    rule = Redundancy(0.0, 1, None, 0.0, 0.0) if pick.random() < 0.5 else None
    demands.append(Demand("parts", rate, PHASES, redundancy=rule))
    for g in range(GROUPS):
        part = pick.choice([0, 1, 2, 4])
        rates = dict.fromkeys(PHASES, float(pick.choice([1, 2, 3])))
        works.append(Work(f"p{g}", "parts", "serve", g, 1, part or CHIPS, 1, rates, "bf16", {}, usd(), none, none,
                          none, part=part))  # fmt: skip
    if pick.random() < 0.6:
        classes = {"short": (0.5, 1.0), "long": (0.5, 1.0)}
        wanted = np.array([float(pick.randint(0, 4)) for _ in range(PERIODS)])
        demands.append(Demand("mixed", wanted, ("score",), classes=classes))
        for g in range(GROUPS):
            rates = {"short": float(pick.choice([1, 2, 4])), "long": float(pick.choice([0.5, 1, 2]))}
            works.append(Work(f"m{g}", "mixed", "serve", g, 1, 2, 1, rates, "bf16", {}, usd(), none, none, none,
                              part=2))  # fmt: skip
    runs = []
    if pick.random() < 0.7:
        for g in range(GROUPS):
            starts = tuple(Start(t, t, 30.0 * (t + 1), 1e5 * pick.randint(0, 9), zeros, zeros, zeros)
                           for t in range(PERIODS))  # fmt: skip
            runs.append(Run(f"r{g}", "run", "train", g, pick.randint(1, 2), 0, 4, 30.0, "bf16", {}, starts))
        if pick.random() < 0.5:  # or on both kinds of systems together, a system of each
            for g in range(GROUPS):
                starts = tuple(Start(t, t, 30.0 * (t + 1), 5e4 * pick.randint(0, 3), zeros, zeros, zeros)
                               for t in range(PERIODS))  # fmt: skip
                runs.append(Run(f"x{g}", "run", "train", g, 1, 0, 4, 30.0, "bf16", {}, starts, mix="x", lead=g == 0))
    caps = {name: float(pick.choice(some)) for name, some in
            (("power", [2, 3, 4]), ("chips", [8, 12]), ("capex", [8, 16])) if pick.random() < 0.3}  # fmt: skip
    return Stock(
        periods=PERIODS, slots=(0, 1), years=1, period_years=np.full((PERIODS, 1), 0.5), groups=groups,
        lots=tuple(lots), works=tuple(works), runs=tuple(runs), demands=tuple(demands),
        run_names=("run",) if runs else (),
    ), caps  # fmt: skip


def model_of(stock: Stock, caps: dict[str, float]) -> StockModel:
    draft = StockDraft(stock)

    def limit(d: Demand, t: int) -> Limit:
        rate = float(d.rate[t])
        return Limit(f"demand[{d.workload},{t}]", "demand", "", rate, "", max(rate, 1e-9), "", 1)

    add_structure(draft, limit)
    for t in range(PERIODS):
        for name, figure in (("power", lambda x: stock.groups[x.group].peak_w / 1e6), ("chips", lambda x: CHIPS)):
            if name in caps:
                row = Limit(f"{name}[{t}]", name, "", caps[name], "", 1.0, "")
                draft.add_limit(row, draft.standing(t, figure))  # type: ignore[arg-type]
    if "capex" in caps:
        row = Limit("budget[capex]", "budget", "", caps["capex"], "", 1.0, "")
        draft.add_limit(row, draft.total(lambda x: x.capex_usd / 1e6))
    return finished(draft)


@cache
def fits(left: tuple[int, ...], free: tuple[int, ...]) -> bool:
    """Whether parts go into what is free of some systems, each whole in one: every place tried."""
    if not left:
        return True
    return any(
        fits(left[1:], tuple(sorted((*free[:i], room - left[0], *free[i + 1 :]))))
        for i, room in enumerate(free)
        if room >= left[0]
    )


@cache
def systems(parts: tuple[int, ...]) -> int:
    """The fewest systems into which parts go, largest first."""
    return next(n for n in range(len(parts) + 1) if fits(parts, (CHIPS,) * n))


def answers(demand: Demand, period: int, units: Sequence[tuple[Work, int]]) -> bool:
    """Whether so many units answer a load in a period, with the worst of them gone where it asks for one to spare."""
    asked = float(demand.rate[period])
    if asked <= 0:
        return True
    if not demand.classes:
        rates = sorted(w.rates["decode"] for w, n in units for _ in range(n))
        return sum(rates[: len(rates) - (demand.redundancy is not None)]) >= asked - 1e-9
    # of two classes the first goes where it costs the second least
    left = asked / 2
    rest = 0.0
    for w, n in sorted(units, key=lambda u: u[0].rates["long"] / u[0].rates["short"]):
        time = min(float(n), left / w.rates["short"])
        left -= time * w.rates["short"]
        rest += (n - time) * w.rates["long"]
    return left <= 1e-9 and rest >= asked / 2 - 1e-9


def serving(stock: Stock, period: int) -> dict[Need, float]:
    """{systems of each group: least cost of what serves in them}"""
    found: dict[Need, float] = {}
    for counts in itertools.product(range(6), repeat=len(stock.works)):
        units = list(zip(stock.works, counts, strict=True))
        if sum(w.chips * n for w, n in units) > 4 * CHIPS * GROUPS:
            continue
        if not all(answers(d, period, [u for u in units if u[0].workload == d.workload]) for d in stock.demands):
            continue
        need = tuple(
            sum(n for w, n in units if w.group == g and not w.part)
            + systems(
                tuple(sorted((w.part for w, n in units if w.group == g for _ in range(n) if w.part), reverse=True))
            )
            for g in range(GROUPS)
        )
        usd = sum(float(w.cost_usd[period]) * n for w, n in units)
        found[need] = min(usd, found.get(need, math.inf))
    return {
        need: usd
        for need, usd in found.items()
        if not any(o != need and c <= usd and all(a <= b for a, b in zip(o, need, strict=True))
                   for o, c in found.items())
    }  # fmt: skip


def by_hand(stock: Stock, caps: dict[str, float]) -> float:
    """The least cost (M$); infinity where nothing works."""
    counts = np.array(list(itertools.product(*(range(x.most + 1) for x in stock.lots))), dtype=np.float64)
    there = np.stack([
        counts @ np.array([float(x.group == g and x.begin <= t < x.end) for x in stock.lots])
        for g in range(GROUPS) for t in range(PERIODS)
    ], axis=1)  # fmt: skip
    usd = counts @ np.array([x.cost_usd for x in stock.lots])
    allowed = counts @ np.array([x.capex_usd for x in stock.lots]) <= caps.get("capex", math.inf) * 1e6 + 1e-6
    for t in range(PERIODS):
        mine = there[:, [g * PERIODS + t for g in range(GROUPS)]]
        allowed &= mine @ np.array([1.0, 2.0]) <= caps.get("power", math.inf)
        allowed &= mine.sum(axis=1) * CHIPS <= caps.get("chips", math.inf)
    there, usd = there[allowed], usd[allowed]
    by_period = [serving(stock, t) for t in range(PERIODS)]
    alone = [((r, s),) for r in stock.runs for s in r.starts if not r.mix]
    mixed = [r for r in stock.runs if r.mix]
    both = [tuple((r, r.starts[t]) for r in mixed) for t in range(PERIODS)] if mixed else []
    starts: list[tuple[tuple[Run, Start], ...]] = [*alone, *both] or [()]
    best = math.inf
    for first, second in itertools.product(*(of.items() for of in by_period)):
        for chosen in starts:
            need = np.array([[first[0][g], second[0][g]] for g in range(GROUPS)], dtype=np.float64)
            for r, s in chosen:
                need[r.group, s.slot] += r.systems
            fits = (there >= need.reshape(-1)).all(axis=1)
            if fits.any():
                work = first[1] + second[1] + sum(s.cost_usd for _, s in chosen)
                best = min(best, float(usd[fits].min()) + work)
    return best / 1e6


@pytest.mark.parametrize("batch", range(BATCHES))
def test_every_backend_finds_what_trying_everything_finds(batch: int) -> None:
    for seed in range(batch, SEEDS, BATCHES):
        stock, caps = random_stock(seed)
        model = model_of(stock, caps)
        program = with_objective(model.program, model.objectives["cost"])
        wanted = by_hand(stock, caps)
        for backend in ("highs", "cpsat", "split"):
            if backend == "split" and not stock.runs:
                continue  # nothing to split
            found = solve(program, EXACT, backend=backend, in_child=False)
            if math.isinf(wanted):
                assert found.status is Status.INFEASIBLE, (seed, backend)
                continue
            assert found.status.has_plan, (seed, backend, found.message)
            assert found.objective == pytest.approx(wanted, abs=1e-4), (seed, backend)
            assert found.values is not None
            assert sum(r.lead for r, _ in plan_of(model, found.values).runs) == len(stock.run_names)


def test_the_small_fleets_have_all_of_it() -> None:
    """Some have no plan; most features are in many of them."""
    every = [random_stock(seed) for seed in range(SEEDS)]
    seen = {
        "spare": sum(any(d.redundancy for d in s.demands) for s, _ in every),
        "classes": sum(any(d.classes for d in s.demands) for s, _ in every),
        "parts": sum(any(w.part for w in s.works) for s, _ in every),
        "rent": sum(any(x.acquire == "rent" for x in s.lots) for s, _ in every),
        "runs": sum(bool(s.runs) for s, _ in every),
        "two kinds": sum(any(r.mix for r in s.runs) for s, _ in every) * 2,
        "caps": sum(bool(c) for _, c in every),
    }
    assert min(seen.values()) > SEEDS // 3, seen
    assert {math.isinf(by_hand(*random_stock(seed))) for seed in range(0, SEEDS, 5)} == {True, False}
