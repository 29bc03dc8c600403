"""Relations on 300 random shared fleets, and what each row of a scenario's limits holds, counted from the plan."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_stock_model import PERIODS, random_stock

from planner import load_catalog
from planner.catalog import Catalog
from planner.fleet.stock_limits import build_stock
from planner.fleet.stock_model import StockModel, StockPlan, plan_of
from planner.options.stock import Demand, Lot, Stock, Work
from planner.scenario import Scenario, scenario_from_mapping
from planner.solve import Limits, Status, solve, with_objective

LIMITS = Limits(time_limit_s=20, gap=0.0, threads=1)
SITES = ("s0", "s1")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """The shipped one: only its discount rate matters here."""
    return load_catalog()


def fleet(seed: int) -> tuple[Stock, dict[str, Any]]:
    """A random stock whose groups stand at sites, and limits of which some bind."""
    pick = random.Random(seed)
    stock = random_stock(seed)
    groups = tuple(
        replace(g, levels=(g.site,), vendor=f"v{i}", chips=pick.choice((4, 8)), peak_w=1e6 * pick.randint(1, 3))
        for i, g in enumerate(stock.groups)
    )
    lots = tuple(replace(x, capex_usd=0.6 * x.cost_usd, most=x.most + 1) for x in stock.lots)
    limits = {
        "power_mw": {name: float(pick.randint(5, 12)) for name in SITES},
        "racks": {name: pick.randint(3, 6) for name in SITES},
        "chips": pick.randint(32, 72),
        "capex_usd": 1e6 * pick.randint(40, 160),
    }
    return replace(stock, groups=groups, lots=lots), limits


def scenario_of(stock: Stock, limits: dict[str, Any]) -> Scenario:
    """The scenario whose limits these are; its workloads and sites have the names of the stock."""
    months = [f"{2026 + (9 + 3 * t) // 12}-{(9 + 3 * t) % 12 + 1:02d}" for t in range(stock.periods)]
    run = {"kind": "training", "model": "llama-3.1-8b", "tokens": 1e9, "sequence_length": 4096, "global_batch": 64}
    names = dict.fromkeys(g.site for g in stock.groups)
    return scenario_from_mapping(
        {
            "name": "x",
            "periods": months,
            "horizon_years": stock.periods * 0.25,
            "fleet": {"shared": True},
            "sites": [
                {"name": name, "region": "us_va", "power_mw": limits["power_mw"][name], "racks": limits["racks"][name]}
                for name in names
            ],
            "limits": {k: v for k, v in limits.items() if k not in {"power_mw", "racks"}},
            "workloads": [{"name": name, **run} for name in stock.run_names]
            + [{"name": d.workload, "kind": "recommendation", "mode": "serving", "model": "dlrm-dcnv2",
                "samples_per_s": 1, "global_batch": 1} for d in stock.demands],
        }
    )  # fmt: skip


def best(stock: Stock, limits: dict[str, Any], catalog: Catalog) -> tuple[float, StockModel, StockPlan | None]:
    """Least cost (M$), infinity where there is no plan."""
    model = build_stock(scenario_of(stock, limits), catalog, stock)
    program = with_objective(model.program, model.objectives["cost"])
    found = solve(program, LIMITS, backend="highs", in_child=False)
    assert found.status in {Status.PROVEN_OPTIMAL, Status.INFEASIBLE}
    if found.values is None:
        return math.inf, model, None
    return found.objective, model, plan_of(model, found.values)


def looser(limits: dict[str, Any], name: str, place: str | None) -> dict[str, Any]:
    """One limit a step higher."""
    step = {"power_mw": 1.0, "racks": 1, "chips": 8, "capex_usd": 1e7}[name]
    if place is None:
        return {**limits, name: limits[name] + step}
    return {**limits, name: {**limits[name], place: limits[name][place] + step}}


def with_system(stock: Stock, seed: int) -> Stock:
    """The same with one more kind of system to choose."""
    pick = random.Random(-seed - 1)
    usd = 1e6 * pick.randint(3, 20)
    new = len(stock.groups)
    group = replace(stock.groups[0], id="new", system="new")
    lot = replace(stock.lots[0], id="new", group=new, begin=0, end=stock.periods, cost_usd=usd, capex_usd=usd / 2)
    work = replace(stock.works[0], id="new", group=new, rates={"score": float(pick.randint(1, 6))})
    return replace(stock, groups=(*stock.groups, group), lots=(*stock.lots, lot), works=(*stock.works, work))


def split(stock: Stock) -> Stock:
    """The same with the last period cut in two at a slot: everything lasts as long and costs the same."""
    last = stock.periods - 1

    def of_lot(x: Lot) -> Lot:
        return replace(x, end=stock.periods + 1) if x.end == stock.periods else x

    def of_work(x: Work) -> Work:
        halves: dict[str, Any] = {n: np.append(getattr(x, n), 0.0) for n in ("opex_usd", "carbon_t", "water_m3")}
        cost = np.append(x.cost_usd[:last], [x.cost_usd[last] / 2] * 2)
        return replace(x, cost_usd=cost, **halves)

    slots = [i for i, t in enumerate(stock.slots) if t == last]
    return replace(
        stock,
        periods=stock.periods + 1,
        slots=tuple(t + (i >= slots[len(slots) // 2]) if t == last else t for i, t in enumerate(stock.slots)),
        period_years=np.full((stock.periods + 1, 1), stock.period_years.sum() / (stock.periods + 1)),
        lots=tuple(map(of_lot, stock.lots)),
        works=tuple(map(of_work, stock.works)),
        demands=tuple(Demand(d.workload, np.append(d.rate, d.rate[-1]), d.phases) for d in stock.demands),
    )


def permuted(stock: Stock) -> Stock:
    """The same in another order and under other names."""
    last = len(stock.groups) - 1

    def renamed(items: Any) -> tuple[Any, ...]:
        return tuple(replace(x, id=f"other {x.id}", group=last - x.group) for x in reversed(items))

    return replace(
        stock,
        groups=tuple(replace(g, id=f"other {g.id}", system=f"{g.system}x") for g in reversed(stock.groups)),
        lots=renamed(stock.lots),
        works=renamed(stock.works),
        runs=renamed(stock.runs),
        run_names=tuple(reversed(stock.run_names)),
    )


@pytest.mark.parametrize("seed", range(1000, 1300))
def test_relations_hold(seed: int, catalog: Catalog) -> None:
    """A looser limit, one more system or a period cut in two never costs more; names and order change nothing."""
    stock, limits = fleet(seed)
    before = best(stock, limits, catalog)[0]
    most = before + 1e-6 if math.isfinite(before) else math.inf
    pick = random.Random(seed)
    name = pick.choice(("power_mw", "racks", "chips", "capex_usd"))
    place = pick.choice(SITES) if name in {"power_mw", "racks"} else None
    assert best(stock, looser(limits, name, place), catalog)[0] <= most
    assert best(with_system(stock, seed), limits, catalog)[0] <= most
    assert best(split(stock), limits, catalog)[0] <= most
    assert best(permuted(stock), limits, catalog)[0] == pytest.approx(before, abs=1e-6)


def test_the_random_fleets_are_worth_asking(catalog: Catalog) -> None:
    """Some have plans and some have none; limits, systems and cuts make a difference to some; all are different."""
    seen: Counter[str] = Counter()
    fleets = set()
    for seed in range(1000, 1040):
        stock, limits = fleet(seed)
        fleets.add(repr((stock.lots, stock.runs, limits)))
        before = best(stock, limits, catalog)[0]
        seen["plan"] += math.isfinite(before)
        open_limits = {**limits, "chips": 10_000, "capex_usd": 1e12, "power_mw": dict.fromkeys(SITES, 99.0),
                       "racks": dict.fromkeys(SITES, 99)}  # fmt: skip
        seen["limits"] += best(stock, open_limits, catalog)[0] < before - 1e-6
        seen["system"] += best(with_system(stock, seed), limits, catalog)[0] < before - 1e-6
        seen["cut"] += best(split(stock), limits, catalog)[0] < before - 1e-6
    assert len(fleets) == 40
    assert 10 < seen["plan"] < 40
    assert min(seen[n] for n in ("limits", "system", "cut")) > 0


@pytest.mark.parametrize("seed", range(1000, 1030))
def test_what_stands_is_within_every_limit_in_every_period(seed: int, catalog: Catalog) -> None:
    """Counted from the lots of the plan, also in the periods that have no row of their own."""
    stock, limits = fleet(seed)
    _, _, plan = best(stock, limits, catalog)
    if plan is None:
        return
    for t in range(PERIODS):
        stands = [(stock.groups[lot.group], n) for lot, n in plan.lots if lot.begin <= t < lot.end]
        for site in SITES:
            assert sum(g.peak_w * n for g, n in stands if g.site == site) <= 1e6 * limits["power_mw"][site] + 1
            assert sum(g.racks * n for g, n in stands if g.site == site) <= limits["racks"][site] + 1e-6
        assert sum(g.chips * n for g, n in stands) <= limits["chips"]
    assert sum(lot.capex_usd * n for lot, n in plan.lots) <= limits["capex_usd"] + 1


def rows_of(stock: Stock, catalog: Catalog, **limits: Any) -> dict[str, tuple[dict[str, float], float]]:
    """{row: ({column: coefficient in the limit's unit}, limit)} of a scenario; rows without a limit as they are."""
    wide = {"power_mw": dict.fromkeys(SITES, 99.0), "racks": dict.fromkeys(SITES, 99)}
    model = build_stock(scenario_of(stock, wide | limits), catalog, stock)
    p = model.program
    found: dict[str, tuple[dict[str, float], float]] = {}
    for i, name in enumerate(p.row_names):
        limit = model.limits.get(name)
        scale = 1.0 if limit is None else limit.scale
        entries = np.flatnonzero(p.rows == i)
        coefficients = {p.column_names[p.cols[e]]: float(p.vals[e]) * scale for e in entries}
        found[name] = coefficients, float(p.row_upper[i]) if limit is None else limit.limit
    return found


def test_a_share_of_a_vendor_is_of_all_that_is_acquired(catalog: Catalog) -> None:
    """chips of the vendor - share * all chips <= 0, installed ones apart."""
    stock, _ = fleet(1003)
    coefficients, limit = rows_of(stock, catalog, vendor_share={"v0": 0.25})["share[v0]"]
    assert limit == 0.0
    for lot in stock.lots:
        group = stock.groups[lot.group]
        (value,) = [v for name, v in coefficients.items() if name.startswith(f"lot[{lot.id},")]
        assert 1e3 * value == pytest.approx(group.chips * ((group.vendor == "v0") - 0.25))


def test_capital_of_a_year_is_that_of_what_arrives_in_it(catalog: Catalog) -> None:
    """Both periods are in the first year: every lot counts, once."""
    stock, _ = fleet(1004)
    found = rows_of(stock, catalog, capex_usd_per_year=5e7)
    coefficients, limit = found["budget[capex,1]"]
    assert limit == 5e7
    assert sorted(coefficients.values()) == pytest.approx(sorted(x.capex_usd for x in stock.lots))


def test_chips_and_racks_of_a_fleet_that_never_shrinks_have_one_row(catalog: Catalog) -> None:
    """The last period speaks for all where everything bought stays; where something leaves, each for itself."""
    stock, limits = fleet(1005)
    stays = replace(stock, lots=tuple(replace(x, end=PERIODS) for x in stock.lots))
    leaves = replace(stock, lots=(replace(stock.lots[0], begin=0, end=1), *stays.lots[1:]))
    for kind, count in ((stays, 1), (leaves, PERIODS)):
        names = [name for name in rows_of(kind, catalog, chips=limits["chips"]) if name.startswith("chips[all")]
        assert len(names) == count
